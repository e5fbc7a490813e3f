"""Compares the register's data with the library's and returns one of three verdicts.

1. No usable answer, or a signal in it: ``Hold``, with the first reason of the contract's order.
2. Another birth date, or another full name: ``Hold``, because the number may belong to somebody else.
3. Name or address really differs: ``Change``. Spelling is no difference: case, accents, punctuation, spacing, ``bus``
   and ``box``, leading zeros of a box.
4. Else ``Same``, which may fill in missing data (birth date, NIS code, begin date).

A field missing from the reply never blanks what the library holds. An address is merged from the largest part to the
smallest (town, street, number, box): a missing part keeps the held value unless a larger part changed, because then
the held value belongs to another place. Another number or box without a street is no address.

When staff corrected the address (``Member.pinned``), the register's address is ignored: name, birth date and every
signal still count. Only a register that names the corrected address itself (``agrees``) takes over.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from typing import Final, TypeAlias, assert_never

from rrsync.core.exchange import Answer, Found, Reason, Refused, Unknown
from rrsync.core.insz import Insz
from rrsync.core.person import Address, Held, Masked, Member, Name, PartialDate, Person

_ORDER: Final = tuple(Reason)
_LEVELS: Final = (("country",), ("postal_code", "municipality"), ("street",), ("house_number",), ("box",))
_NOT_WORD: Final = re.compile(r"[^\w]+")
_LOOSE: Final = re.compile(r"(?<!\d) | (?!\d)")  # a blank that may go: between two digits it tells 1/2 from 12
_BOX_WORD: Final = re.compile(r"^(?:bus|box|bte|boite|b(?=\d))")
_BOX_IN_NUMBER: Final = re.compile(
    r"^(?P<number>.*?\S)\s*(?:\b|(?<=\d))(?:bus|box|bte|bo[iî]te)(?:\b|(?=\d))\.?\s*(?P<box>\S.*)$", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, repr=False)
class Same(Masked):
    """The register confirms the held data; ``after`` also has the missing data filled in."""

    after: Held


@dataclass(frozen=True, slots=True, repr=False)
class Change(Masked):
    """The register differs, and is trusted."""

    before: Held
    after: Held


@dataclass(frozen=True, slots=True, repr=False)
class Hold(Masked):
    """A person must decide; ``proposal`` or ``new_insz`` is what accepting writes, if anything."""

    reason: Reason
    proposal: Held | None = None
    new_insz: Insz | None = None


Verdict: TypeAlias = Same | Change | Hold


def compare(member: Member, answer: Answer, *, mass_change: bool = False) -> Verdict:
    """Return the verdict on one member; with ``mass_change`` every change becomes a hold."""
    match answer:
        case Refused():
            return Hold(answer.why)
        case Unknown():
            return Hold(answer.why, new_insz=answer.new_insz)
        case Found():
            return _compare_found(member, answer, mass_change=mass_change)
        case _:  # pragma: no cover
            assert_never(answer)


def _compare_found(member: Member, answer: Found, *, mass_change: bool) -> Verdict:
    if not member.pinned or agrees(member.held, answer):
        return _judge(member, answer, mass_change=mass_change)
    ours = member.held.address
    repeated = replace(answer, person=replace(answer.person, residence=ours, residence_since=None))
    match _judge(member, repeated, mass_change=mass_change):
        case Change(before, after):
            return Change(before, replace(after, address=ours))
        case Hold(reason, proposal, new_insz) if proposal is not None:
            kept = replace(proposal, address=ours)
            return Hold(reason, None if kept == member.held else kept, new_insz)
        case verdict:
            return verdict


def _judge(member: Member, answer: Found, *, mass_change: bool) -> Verdict:
    held, after = member.held, merge(member.held, answer.person)
    signals = set(answer.signals)
    if not answer.person.residence or _lacks_street(held.address, answer.person.residence, after.address):
        signals.add(Reason.NO_ADDRESS)
    if _birth_date_differs(held, answer.person):
        signals.add(Reason.BIRTH_DATE_DIFFERS)
    if differs(held.name.last, answer.person.name.last) and differs(held.name.first, answer.person.name.first):
        signals.add(Reason.NAME_DIFFERS)
    is_change = name_differs(held.name, after.name) or address_differs(held.address, after.address)
    if is_change and mass_change:
        signals.add(Reason.MASS_CHANGE)
    if is_change and member.restricted:
        signals.add(Reason.RESTRICTED)
    if signals:
        reason = min(signals, key=_ORDER.index)
        return Hold(reason, proposal=after if reason in PROPOSES else None, new_insz=answer.new_insz)
    if is_change:
        return Change(held, after)
    return Same(replace(after, name=held.name, address=replace(held.address, nis_code=after.address.nis_code)))


#: The reasons that say something of an answer and nothing of the person: they never take a better reason's place.
PASSING: Final = frozenset({Reason.MISMATCH, Reason.UNREADABLE, Reason.REFUSED})

#: The reasons of which the register's content may be taken over once a person has looked.
PROPOSES: Final = frozenset(
    {
        Reason.REFERENCE_ADDRESS,
        Reason.BIRTH_DATE_DIFFERS,
        Reason.NAME_DIFFERS,
        Reason.MASS_CHANGE,
        Reason.RESTRICTED,
    }
)


def agrees(held: Held, answer: Answer) -> bool:
    """Whether the register names the held address, apart from spelling; it need not name the country."""
    if not isinstance(answer, Found):
        return False
    theirs = answer.person.residence
    return bool(theirs) and not address_differs(
        held.address, replace(theirs, country=theirs.country or held.address.country)
    )


def corrected(held: Held, address: Address) -> Held:
    """Return the held data with a corrected address; NIS code and begin date stay only when the place is the same."""
    if not address_differs(held.address, address):
        return held
    stays = _alike("municipality", held.address.municipality, address.municipality)
    nis_code = held.address.nis_code if stays else ""
    return replace(held, address=replace(address, nis_code=nis_code), address_since=None)


def merge(held: Held, person: Person) -> Held:
    """Return the held data with the register's values where it gives them."""
    name = Name(person.name.last or held.name.last, person.name.first or held.name.first)
    theirs = person.birth_date
    believed = theirs is not None and (held.birth_date is None or _completes(held.birth_date, theirs))
    return Held(
        name=name,
        birth_date=theirs if believed else held.birth_date,
        address=_merge_address(held.address, person.residence),
        address_since=person.residence_since or held.address_since,
    )


def _merge_address(ours: Address, theirs: Address) -> Address:
    """Merge level by level; a missing value keeps the held one, unless a larger part of the place changed."""
    ours, parts, moved = _split_box(ours), {}, False
    for level in _LEVELS:
        moved = moved or any(
            not _alike(name, getattr(theirs, name), getattr(ours, name)) for name in level if getattr(theirs, name)
        )
        for name in level:
            parts[name] = getattr(theirs, name) or ("" if moved else getattr(ours, name))
    town = ("municipality",) if parts["municipality"] else ("country", "postal_code")
    town_stays = all(_alike(name, parts[name], getattr(ours, name)) for name in town)
    parts["nis_code"] = theirs.nis_code or (ours.nis_code if town_stays else "")
    return Address(**parts)


def _lacks_street(ours: Address, theirs: Address, after: Address) -> bool:
    """Whether the held address has a street and the register's has none, while the town or the rest differs."""
    here = _split_box(ours)
    within = ((name, getattr(theirs, name), getattr(here, name)) for name in ("house_number", "box"))
    differs_within = any(told and not _alike(name, told, own) for name, told, own in within)
    return bool(ours.street) and not theirs.street and (differs_within or not after.street)


def _completes(ours: PartialDate, theirs: PartialDate) -> bool:
    """Whether the register's name or address is complete and agrees with the held parts."""
    known = ours.year == theirs.year and ours.month in {0, theirs.month} and ours.day in {0, theirs.day}
    return theirs.is_complete and known


def _birth_date_differs(held: Held, person: Person) -> bool:
    ours, theirs = held.birth_date, person.birth_date
    return ours is not None and theirs is not None and ours.is_complete and theirs.is_complete and ours != theirs


def name_differs(ours: Name, theirs: Name) -> bool:
    """Whether two names really differ, apart from spelling."""
    return not (_alike("last", ours.last, theirs.last) and _alike("first", ours.first, theirs.first))


def address_differs(ours: Address, theirs: Address) -> bool:
    """Whether two addresses really differ, apart from spelling; the NIS code does not count."""
    ours, theirs = _split_box(ours), _split_box(theirs)
    return not all(_alike(name, getattr(ours, name), getattr(theirs, name)) for level in _LEVELS for name in level)


def differs(ours: str, theirs: str) -> bool:
    """Whether both values are given and really differ, apart from spelling."""
    return bool(ours and theirs) and not _alike("", ours, theirs)


def plain(text: str) -> str:
    """Return text in the form that is compared: without case, accents, punctuation, and repeated blanks.

    >>> plain("Sint-Jorisstraat ") == plain("SINT JORISSTRAAT")
    True
    """
    if not text.isascii():
        apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
        text = "".join(char for char in apart if not unicodedata.combining(char))
    return _NOT_WORD.sub(" ", text.casefold()).strip()


def _alike(name: str, ours: str, theirs: str) -> bool:
    """Whether one part of a name or an address is equal, apart from spelling."""
    return ours == theirs or _part(name, ours) == _part(name, theirs)


def _part(name: str, text: str) -> str:
    """Return one part of an address in the form that is compared."""
    if name == "house_number":
        return _LOOSE.sub("", plain(text))
    if name == "box":
        bare = _BOX_WORD.sub("", _LOOSE.sub("", plain(text)))
        return bare.lstrip("0") or bare[-1:]
    return plain(text)


def _split_box(address: Address) -> Address:
    """Move a box that was typed into the house number (``12 bus 3``) to its own part."""
    if address.box or not (match := _BOX_IN_NUMBER.match(address.house_number)):
        return address
    return replace(address, house_number=match["number"], box=match["box"])
