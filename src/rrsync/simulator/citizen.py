"""One invented citizen: a situation, and everything else drawn from the seed and the position."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from rrsync.core.insz import Insz
from rrsync.core.person import Address, Masked, Name, PartialDate
from rrsync.simulator.numbers import SPACE, Numbers, mix
from rrsync.simulator.tables import (
    BELGIUM,
    COUNTRIES,
    FIRST_NAMES,
    FOREIGN_LAST_NAMES,
    FRENCH_STREETS,
    LAST_NAMES,
    STREETS,
    TOWNS,
    Country,
)

LIMIT: Final = SPACE // 2
"""How many citizens there can be: the other half of the numbers is for who gets a new one."""

_BRUSSELS: Final = "21"
_MOVES_FROM: Final = date(2025, 1, 15)


class Situation(StrEnum):
    """What is the matter with a citizen."""

    SETTLED = "settled"
    RESPELLED = "respelled"
    MOVED = "moved"
    FOREIGNER = "foreigner"
    DECEASED = "deceased"
    PROTECTED = "protected"
    ABROAD = "abroad"
    STRUCK_OFF = "struck_off"
    ABSENT = "absent"
    RENUMBERED = "renumbered"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"
    PARTIAL_BIRTH = "partial_birth"
    NONSTANDARD_STREET = "nonstandard_street"
    EMPTY_BOX = "empty_box"
    REFERENCE_ADDRESS = "reference_address"
    NO_ADDRESS = "no_address"
    CONTACT_ONLY = "contact_only"
    UNKNOWN_STATUS = "unknown_status"


@dataclass(frozen=True, slots=True, repr=False)
class Citizen(Masked):
    """One invented person: what the register says (``residence``) and what the library thinks (``known``)."""

    position: int
    insz: Insz
    situation: Situation
    variant: int
    last_names: tuple[str, ...]
    first_names: tuple[str, ...]
    sex: str
    birth: PartialDate
    nationality: Country
    residence: Address
    since: PartialDate
    language: str
    known: Address
    new_insz: Insz
    relative: Insz

    @property
    def name(self) -> Name:
        """Last names and first names, each as one text."""
        return Name(" ".join(self.last_names), " ".join(self.first_names))


def draw(numbers: Numbers, position: int, situation: Situation, variant: int) -> Citizen:
    """Draw everything about the person at a position, in a situation and one of its shapes."""
    dice = mix(numbers.seed, position, 4)
    digits, born = numbers.digits(position), numbers.birth(position)
    sex = "1" if int(digits[6:9]) % 2 else "2"
    foreign = situation is Situation.FOREIGNER
    language, residence = _dwelling(numbers.seed, position, 5)
    residence = _fit(residence, situation, variant)
    since = max(born, date(1985, 1, 1) + timedelta(days=dice % 14000))
    if situation is Situation.MOVED:
        since = _MOVES_FROM + timedelta(days=dice % 365)
    return Citizen(
        position=position,
        insz=Insz(digits),
        situation=situation,
        variant=variant,
        last_names=_last_names(dice, foreign=foreign),
        first_names=() if foreign and variant % 3 == 0 else _first_names(dice, sex),
        sex=sex,
        birth=_birth(born, situation, variant),
        nationality=COUNTRIES[dice % len(COUNTRIES)] if foreign else BELGIUM,
        residence=residence,
        since=PartialDate.of(since),
        language=language,
        known=_known(residence, numbers.seed, position, situation, variant),
        new_insz=Insz(numbers.digits(position + LIMIT)),
        relative=Insz(numbers.digits(SPACE - 1 - position)),
    )


def _birth(born: date, situation: Situation, variant: int) -> PartialDate:
    if situation is not Situation.PARTIAL_BIRTH:
        return PartialDate.of(born)
    return PartialDate(born.year, born.month if variant % 2 else 0, 0)


def _last_names(dice: int, *, foreign: bool) -> tuple[str, ...]:
    names = FOREIGN_LAST_NAMES if foreign else LAST_NAMES
    first, second = names[(dice >> 8) % len(names)], names[(dice >> 16) % len(names)]
    return (first, second) if dice % 32 == 0 and first != second else (first,)


def _first_names(dice: int, sex: str) -> tuple[str, ...]:
    names = FIRST_NAMES[sex].split("|")
    return tuple(dict.fromkeys(names[(dice >> shift) % len(names)] for shift in range(24, 24 + 8 * (1 + dice % 3), 8)))


def _dwelling(seed: int, position: int, salt: int) -> tuple[str, Address]:
    """Draw an address, and the language of its street."""
    dice = mix(seed, position, salt)
    town = TOWNS[dice % len(TOWNS)]
    french = town.nis_code.startswith(_BRUSSELS) and dice >> 8 & 1
    streets = FRENCH_STREETS if french else STREETS
    number = str(1 + (dice >> 12) % 320) + ("A" if dice >> 24 & 31 == 0 else "")
    boxes = ("", "", "", "", "", "", "1", "3", "12", "001", "0204", "2.02", "A", "B")
    address = Address(
        street=streets[(dice >> 32) % len(streets)],
        house_number=number,
        box=boxes[(dice >> 40) % len(boxes)],
        postal_code=town.postal_code,
        municipality=town.name,
        nis_code=town.nis_code,
        country="BEL",
    )
    return ("fr" if french else "nl"), address


def _fit(residence: Address, situation: Situation, variant: int) -> Address:
    """Give the address the box that the situation is about."""
    if situation is Situation.EMPTY_BOX:
        return replace(residence, box="")
    if situation is Situation.RESPELLED and variant % 5 in (2, 3):
        return replace(residence, box="003" if variant % 2 else "3")
    return residence


def _known(residence: Address, seed: int, position: int, situation: Situation, variant: int) -> Address:
    """Give the address as the library holds it."""
    if situation is Situation.RESPELLED:
        return _respell(residence, variant % 5)
    if situation is not Situation.MOVED:
        return residence
    number = residence.house_number
    if variant % 6 == 0:
        return Address()
    if variant % 6 == 1:
        return replace(residence, box="") if residence.box else replace(residence, house_number=f"{number}0")
    old = _dwelling(seed, position, 6)[1]
    return old if old.street != residence.street else replace(old, house_number=f"{number}0")


def _respell(address: Address, how: int) -> Address:
    """Write the same address as another hand would."""
    if how == 0:
        return replace(address, street=address.street.upper(), municipality=address.municipality.upper())
    if how == 1:
        return replace(address, street=_plain(address.street), municipality=_plain(address.municipality))
    if how == 2:
        return replace(address, box=f"bus {address.box}")
    if how == 3:
        return replace(address, box=f"00{address.box}")
    return replace(address, street=f" {address.street.replace(' ', '  ')} ", house_number=f" {address.house_number}")


def _plain(text: str) -> str:
    """Take the accents off, and the capitals."""
    split = unicodedata.normalize("NFKD", text)
    return "".join(sign for sign in split if not unicodedata.combining(sign)).lower()
