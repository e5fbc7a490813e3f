"""An invented population of any size that takes no memory: each citizen is computed from a seed and a position.

1. Each position has one test number, and each test number one position (``population.Numbers``).
2. The situation follows from the position in a block of 200 people, so that each rare case occurs and the proportions
   are those of real life: 85 % live where the library thinks (some spelled otherwise), 6 % moved, the rest are
   exceptions.
3. Everything else is drawn from the seed and the position.
4. ``person_xml`` writes the ``Persoon`` of an unfiltered reply as XML text. It holds more than a library may see (sex,
   nationality, household, civil status), so that a test can prove that the rest is dropped.

>>> world = World(seed=7, people=300)
>>> world.find(world.citizen(41).insz.digits) == world.citizen(41)
True
>>> world.citizen(41)
Citizen(***)
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from enum import StrEnum
from typing import Final
from xml.sax.saxutils import escape

from rrsync.core.insz import Insz
from rrsync.core.person import Address, Masked, Name, PartialDate
from rrsync.errors import ConfigError
from rrsync.simulator.population import (
    BELGIUM,
    COUNTRIES,
    FIRST_NAMES,
    FOREIGN_LAST_NAMES,
    FRENCH_STREETS,
    LAST_NAMES,
    SPACE,
    STREETS,
    TOWNS,
    Country,
    Numbers,
    mix,
)

#: How many citizens there can be: the other half of the numbers is for people who get a new one.
LIMIT: Final = SPACE // 2

_BRUSSELS: Final = "21"
_MOVES_FROM: Final = date(2025, 1, 15)
_BLOCK: Final = 200
_STRIDE: Final = 73
_STATUS: Final = {
    "992": "Afgeschreven naar het buitenland",
    "00992": "Afgeschreven naar het buitenland",
    "99990": "Overleden",
    "99991": "Afvoering van ambtswege (ambtshalve schrapping).",
    "99992": "Afvoering van ambtswege naar het buitenland",
    "99996": "Verklaard afwezig",
    "99997": "Afgevoerd-verlies van verblijfsrecht",
    "21099": "Dienst Vreemdelingenzaken",
}
_STRUCK_OFF: Final = ("99991", "99992", "99997")
_SEX: Final = {"1": "Mannelijk", "2": "Vrouwelijk"}
_ENDED: Final = 17
_DECLARED: Final = 31


class Situation(StrEnum):
    """The case that a citizen stands for."""

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
    """One invented person: the address in the register (``residence``) and in the library (``known``)."""

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
        """The last names and the first names, each as one text."""
        return Name(" ".join(self.last_names), " ".join(self.first_names))


def _block() -> tuple[tuple[Situation, int], ...]:
    """Return the situations of a block, each with its rank among the same ones."""
    many = {Situation.SETTLED: 130, Situation.RESPELLED: 40, Situation.MOVED: 12, Situation.FOREIGNER: 2}
    many[Situation.DECEASED] = 2
    row = [situation for situation in Situation for _ in range(many.get(situation, 1))]
    seen: Counter[Situation] = Counter()
    block = []
    for situation in row:
        block.append((situation, seen[situation]))
        seen[situation] += 1
    return tuple(block)


_SITUATIONS: Final = _block()


@dataclass(frozen=True, slots=True)
class World:
    """An invented population; the same seed and size make the same people."""

    seed: int = 1
    people: int = 1000
    _numbers: Numbers = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check the size against the number of test numbers.

        Raises:
            ConfigError: the size is negative or above sixteen million.
        """
        if not 0 <= self.people <= LIMIT:
            raise ConfigError(f"A population holds 0 to {LIMIT} people", todo="Ask for fewer people")
        object.__setattr__(self, "_numbers", Numbers(self.seed))

    def __len__(self) -> int:
        """Return how many people there are."""
        return self.people

    def citizen(self, position: int) -> Citizen:
        """Return the person at a position.

        Raises:
            IndexError: nobody has that position.
        """
        if not 0 <= position < self.people:
            raise IndexError("Nobody has this position")
        situation, rank = _SITUATIONS[(position * _STRIDE + mix(self.seed, 3)) % _BLOCK]
        variant = position // _BLOCK + rank + self.seed
        return draw(self._numbers, position, situation, variant)

    def find(self, digits: str) -> Citizen | None:
        """Return the person with a number; a renumbered person is found by the old and by the new one."""
        position = self._numbers.position(digits)
        if position is None:
            return None
        if position < self.people:
            return self.citizen(position)
        old = position - LIMIT
        if not 0 <= old < self.people:
            return None
        citizen = self.citizen(old)
        if citizen.situation is not Situation.RENUMBERED:
            return None
        return replace(citizen, insz=citizen.new_insz, situation=Situation.SETTLED)


def member_rows(world: World, count: int | None = None) -> Iterator[dict[str, str]]:
    """Yield the library's data of the first ``count`` people as rows of a member file."""
    for position in range(len(world) if count is None else min(count, len(world))):
        citizen = world.citizen(position)
        known, left = citizen.known, _has_left(citizen)
        yield {
            "member_no": f"M{position + 1:06d}",
            "insz": citizen.insz.digits,
            "last_name": citizen.name.last,
            "first_names": citizen.name.first,
            "birth_date": _held_birth(citizen),
            "street": known.street,
            "house_number": known.house_number,
            "box": known.box,
            "postal_code": known.postal_code,
            "municipality": known.municipality,
            "country": "BEL",
            "membership_end": "2024-06-30" if left else "",
            "open_items": str(mix(world.seed, position, 9) % 3 if left or position % 10 == 0 else 0),
        }


def _has_left(citizen: Citizen) -> bool:
    return citizen.situation is Situation.SETTLED and citizen.position % 40 == 13


def _held_birth(citizen: Citizen) -> str:
    """Return the birth date in the library: of a partial date nothing, or a made-up first of January."""
    if citizen.birth.is_complete:
        return citizen.birth.text
    return "" if citizen.variant % 2 else f"{citizen.birth.year}-01-01"


def draw(numbers: Numbers, position: int, situation: Situation, variant: int) -> Citizen:
    """Draw the person at a position, in a situation and one of its variants."""
    drawn = mix(numbers.seed, position, 4)
    digits, born = numbers.digits(position), numbers.birth(position)
    sex = "1" if int(digits[6:9]) % 2 else "2"
    foreign = situation is Situation.FOREIGNER
    language, residence = _dwelling(numbers.seed, position, 5)
    residence = _fit(residence, situation, variant)
    since = max(born, date(1985, 1, 1) + timedelta(days=drawn % 14000))
    if situation is Situation.MOVED:
        since = _MOVES_FROM + timedelta(days=drawn % 365)
    return Citizen(
        position=position,
        insz=Insz(digits),
        situation=situation,
        variant=variant,
        last_names=_last_names(drawn, foreign=foreign),
        first_names=() if foreign and variant % 3 == 0 else _first_names(drawn, sex),
        sex=sex,
        birth=_birth(born, situation, variant),
        nationality=COUNTRIES[drawn % len(COUNTRIES)] if foreign else BELGIUM,
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


def _last_names(drawn: int, *, foreign: bool) -> tuple[str, ...]:
    names = FOREIGN_LAST_NAMES if foreign else LAST_NAMES
    first, second = names[(drawn >> 8) % len(names)], names[(drawn >> 16) % len(names)]
    return (first, second) if drawn % 32 == 0 and first != second else (first,)


def _first_names(drawn: int, sex: str) -> tuple[str, ...]:
    names = FIRST_NAMES[sex].split("|")
    return tuple(
        dict.fromkeys(names[(drawn >> shift) % len(names)] for shift in range(24, 24 + 8 * (1 + drawn % 3), 8))
    )


def _dwelling(seed: int, position: int, salt: int) -> tuple[str, Address]:
    """Draw an address, and the language of its street."""
    drawn = mix(seed, position, salt)
    town = TOWNS[drawn % len(TOWNS)]
    french = town.nis_code.startswith(_BRUSSELS) and drawn >> 8 & 1
    streets = FRENCH_STREETS if french else STREETS
    number = str(1 + (drawn >> 12) % 320) + ("A" if drawn >> 24 & 31 == 0 else "")
    boxes = ("", "", "", "", "", "", "1", "3", "12", "001", "0204", "2.02", "A", "B")
    address = Address(
        street=streets[(drawn >> 32) % len(streets)],
        house_number=number,
        box=boxes[(drawn >> 40) % len(boxes)],
        postal_code=town.postal_code,
        municipality=town.name,
        nis_code=town.nis_code,
        country="BEL",
    )
    return ("fr" if french else "nl"), address


def _fit(residence: Address, situation: Situation, variant: int) -> Address:
    """Return the address with the box that the situation requires."""
    if situation is Situation.EMPTY_BOX:
        return replace(residence, box="")
    if situation is Situation.RESPELLED and variant % 5 in (2, 3):
        return replace(residence, box="003" if variant % 2 else "3")
    return residence


def _known(residence: Address, seed: int, position: int, situation: Situation, variant: int) -> Address:
    """Return the address as the library has it."""
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
    """Return the same address in another spelling."""
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
    """Return the text in lower case without accents."""
    split = unicodedata.normalize("NFKD", text)
    return "".join(sign for sign in split if not unicodedata.combining(sign)).lower()


def person_xml(citizen: Citizen, today: date) -> str:
    """Return the whole ``Persoon`` element of a citizen, in the order of the schema."""
    source = "KSZ" if citizen.situation is Situation.CONTACT_ONLY else "RR"
    since = citizen.since.text
    return (
        f'<Persoon DatumCreatie="1985-01-01" DatumModificatie="{since}" Bron="{source}">'
        f"<INSZ>{citizen.insz.digits}</INSZ>"
        f"{_name(citizen)}"
        f"<Geslacht><Code>{citizen.sex}</Code>"
        f'<Omschrijving Taal="nl">{_SEX[citizen.sex]}</Omschrijving></Geslacht>'
        f"{_statuses(citizen)}"
        f'<Beheerder DatumBegin="{since}">{_place(citizen.residence)}'
        "<Taalregime><Code>1</Code><Omschrijving>Nederlands</Omschrijving></Taalregime></Beheerder>"
        "<Register><Code>01</Code><Omschrijving>Bevolkingsregister</Omschrijving></Register>"
        f'<Nationaliteiten><Nationaliteit DatumBegin="{citizen.birth.text}"><Code>{citizen.nationality.nis_code}</Code>'
        f"<Omschrijving>{citizen.nationality.nationality}</Omschrijving></Nationaliteit></Nationaliteiten>"
        f'<Geboorte DatumBegin="{citizen.birth.text}"><Datum>{citizen.birth.text}</Datum>'
        f"{_place(citizen.residence)}<Aktenummer>0421</Aktenummer></Geboorte>"
        f"{_death(citizen)}{_marriage(citizen)}{_addresses(citizen, today)}"
        f'<Referentiepersoon DatumBegin="{since}"><INSZ>{citizen.relative.digits}</INSZ>{_names(citizen)}'
        "<Positie><Code>3</Code><Omschrijving>Zoon of dochter</Omschrijving></Positie></Referentiepersoon>"
        "</Persoon>"
    )


def _names(citizen: Citizen) -> str:
    return f"<Naam><Achternamen><Achternaam>{escape(citizen.last_names[0])}</Achternaam></Achternamen></Naam>"


def _name(citizen: Citizen) -> str:
    last = "".join(f"<Achternaam>{escape(name)}</Achternaam>" for name in citizen.last_names)
    first = "".join(f"<Voornaam>{escape(name)}</Voornaam>" for name in citizen.first_names)
    first = f"<Voornamen>{first}</Voornamen>" if first else ""
    return f'<Naam DatumBegin="{citizen.birth.text}"><Achternamen>{last}</Achternamen>{first}</Naam>'


def _country(country: Country) -> str:
    return (
        f"<Land><NISCode>{country.nis_code}</NISCode><ISOCode>{country.iso_code}</ISOCode>"
        f"<Naam>{country.name}</Naam></Land>"
    )


def _place(address: Address) -> str:
    town = f"<NISCode>{address.nis_code}</NISCode><Naam>{escape(address.municipality)}</Naam>"
    return f"<Plaats><Gemeente>{town}</Gemeente>{_country(BELGIUM)}</Plaats>"


def _marriage(citizen: Citizen) -> str:
    if citizen.position % 2:
        return ""
    return (
        '<BurgerlijkeStaten><BurgerlijkeStaat DatumBegin="2010-05-08"><Code>20</Code>'
        f"<Omschrijving>Gehuwd</Omschrijving><Partner><INSZ>{citizen.relative.digits}</INSZ>{_names(citizen)}</Partner>{_place(citizen.residence)}"
        "</BurgerlijkeStaat></BurgerlijkeStaten>"
    )


def _status_code(citizen: Citizen) -> str:
    """Return the status code of a citizen, or ``""``."""
    match citizen.situation:
        case Situation.DECEASED:
            return "" if citizen.variant % 2 else "99990"
        case Situation.ABROAD:
            return ("992", "00992", "")[citizen.variant % 3]
        case Situation.STRUCK_OFF:
            return _STRUCK_OFF[citizen.variant % 3]
        case Situation.ABSENT:
            return "99996"
        case Situation.UNKNOWN_STATUS:
            return "21099"
        case _:
            return ""


def _statuses(citizen: Citizen) -> str:
    code = _status_code(citizen)
    if not code:
        return ""
    return (
        f'<Statussen><Status DatumBegin="2025-03-03"><Code>{code}</Code>'
        f"<Omschrijving>{_STATUS[code]}</Omschrijving></Status></Statussen>"
    )


def _death(citizen: Citizen) -> str:
    if citizen.situation is not Situation.DECEASED:
        return ""
    day = "2025-03-00" if citizen.variant % 4 == 1 else "2025-03-03"
    return f'<Overlijden DatumBegin="{day}"><Datum>{day}</Datum>{_place(citizen.residence)}</Overlijden>'


def _addresses(citizen: Citizen, today: date) -> str:
    """Return the ``Adressen``, in the order of the schema: residence, abroad, declared, protected, contact."""
    situation, odd = citizen.situation, citizen.variant % 2
    since = f'DatumBegin="{citizen.since.text}"'
    declared = (
        "<AangifteAdreswijziging><Tekst>Aangifte van verhuis, nog niet vastgesteld</Tekst></AangifteAdreswijziging>"
    )
    match situation:
        case Situation.NO_ADDRESS:
            return f"<Adressen>{declared}</Adressen>" if odd else ""
        case Situation.CONTACT_ONLY:
            kind = "<Type><Code>1</Code><Omschrijving>Tijdelijk verblijf</Omschrijving></Type>"
            return f"<Adressen><ContactAdres {since}>{_address(citizen)}{kind}</ContactAdres></Adressen>"
        case Situation.ABROAD if citizen.variant % 3 == 2:
            return f"<Adressen>{_abroad(citizen)}</Adressen>"
        case _:
            after = _after(citizen, today)
            if situation is Situation.SETTLED and citizen.position % 50 == _DECLARED:
                after += declared
            home = f"<Hoofdverblijfplaats {since}>{_address(citizen)}{_reference(citizen)}</Hoofdverblijfplaats>"
            return f"<Adressen>{home}{after}</Adressen>"


def _after(citizen: Citizen, today: date) -> str:
    """Return the elements that follow the main residence."""
    if citizen.situation is Situation.ABROAD:
        return _abroad(citizen)
    if citizen.situation is not Situation.PROTECTED:
        return ""
    begin, end = today - timedelta(days=60), today + timedelta(days=120)
    period = f"<Periode><Begindatum>{begin}</Begindatum><Einddatum>{end}</Einddatum></Periode>"
    return (
        f'<NietMededeelbaarAdres DatumBegin="{begin}">{"" if citizen.variant % 2 else period}</NietMededeelbaarAdres>'
    )


def _abroad(citizen: Citizen) -> str:
    country = COUNTRIES[citizen.position % len(COUNTRIES)]
    lines = "<Teksten><Tekst>12 Invented Street</Tekst><Tekst>99999 Elsewhere</Tekst></Teksten>"
    begin = 'DatumBegin="2025-03-03"'
    if citizen.variant % 3 == 1:
        where = f"<Datum>2025-03-03</Datum>{_country(country)}{lines}"
        return f"<AangifteAdresBuitenland {begin}>{where}</AangifteAdresBuitenland>"
    post = f"<Code>1372</Code><Omschrijving>Elsewhere</Omschrijving>{_country(country)}"
    return (
        f"<VerblijfplaatsBuitenland {begin}><DiplomatiekePost>{post}</DiplomatiekePost>"
        f"{_country(country)}{lines}</VerblijfplaatsBuitenland>"
        f"<PostadresBuitenland {begin}>{_country(country)}{lines}</PostadresBuitenland>"
    )


def _reference(citizen: Citizen) -> str:
    """Return a reference address: an open one, or for some settled people one that has ended."""
    if citizen.situation is Situation.REFERENCE_ADDRESS:
        return "<ReferentieAdres><Begindatum>2025-03-03</Begindatum></ReferentieAdres>"
    if citizen.situation is Situation.SETTLED and citizen.position % 50 == _ENDED:
        return "<ReferentieAdres><Begindatum>2019-01-07</Begindatum><Einddatum>2020-01-06</Einddatum></ReferentieAdres>"
    return ""


def _address(citizen: Citizen) -> str:
    """Return the children of an address; a street without a standard stands in another place, with its code."""
    address, language = citizen.residence, citizen.language
    street, loose = f"<String>{escape(address.street)}</String>", ""
    named = f"<Straatnaam>{street}<Taal>{language}</Taal></Straatnaam>"
    if citizen.situation is Situation.NONSTANDARD_STREET:
        named = ""
        loose = f"<StraatCode>0{citizen.position % 900 + 100}</StraatCode>"
        loose += f"<NietGestandaardiseerdeStraatnaam>{street}</NietGestandaardiseerdeStraatnaam>"
    box = f"<Busnummer>{escape(address.box)}</Busnummer>" if address.box else ""
    if citizen.situation is Situation.EMPTY_BOX:
        box = "<Busnummer/>"
    return (
        f"{named}<Huisnummer>{escape(address.house_number)}</Huisnummer>{box}"
        f"<Gemeentenaam><String>{escape(address.municipality)}</String><Taal>nl</Taal></Gemeentenaam>"
        f"<Land><String>{BELGIUM.name}</String><Taal>nl</Taal></Land><Postcode>{address.postal_code}</Postcode>"
        f"<NISCodeLand>{BELGIUM.nis_code}</NISCodeLand><ISOCodeLand>{BELGIUM.iso_code}</ISOCodeLand>"
        f"<NISCodeGemeente>{address.nis_code}</NISCodeGemeente>{loose}"
    )
