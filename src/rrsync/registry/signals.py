"""What an answer says of a person: signals from the whole of it, and the ``Person`` from what was cut to scope.

Signals (contract, "From reply to address"; MAGDA fact sheet §4.4, §4.5 and §9, 13 to 17), all that apply:

1. A death or status 99990: deceased. 992: abroad. 99991, 99992 and 99997: struck off. 99996: absent. Another: unknown.
   Statuses are compared as whole numbers, for leading zeros differ; one that ended before today does not count.
2. An address that may not be told (IT 252), in force today or in force we know not when: protected.
3. An address abroad and no main residence: abroad. One that is over, or only begins later, is none (``current``).
4. A reference address that has not ended: the person does not live there.
5. A reference to a file under another number, not ended: a new number, though not one to follow: only 30004 names that.
   A cancelled file under the number asked about, or under none that can be read: cancelled; one under another number is
   what was cancelled, not this person (§4.6).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from rrsync.core.exchange import Reason
from rrsync.core.person import Address, Name, PartialDate, Person, tidy
from rrsync.registry import markup

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from rrsync.core.authorisation import Tree

    Node: TypeAlias = Tree | str

MAX_TEXT: Final = 300
MAX_PARTS: Final = 30

_STATUS: Final = {
    992: Reason.ABROAD,
    99990: Reason.DECEASED,
    99991: Reason.STRUCK_OFF,
    99992: Reason.STRUCK_OFF,
    99996: Reason.ABSENT,
    99997: Reason.STRUCK_OFF,
}
_ABROAD: Final = ("VerblijfplaatsBuitenland", "PostadresBuitenland", "AangifteAdresBuitenland")
_DIGITS: Final = 9


def current(tree: Tree, today: date) -> Tree:
    """Give an answer without a main residence that ended before today or begins after it, by partial dates too."""
    if not any(_elsewhen(home, today) for home in nodes(tree, "Adressen", "Hoofdverblijfplaats")):
        return tree
    addresses = [node for node in tree["Adressen"] if isinstance(node, dict)]
    return tree | {
        "Adressen": [{n: below for n, below in node.items() if n != "Hoofdverblijfplaats"} for node in addresses]
    }


def _elsewhen(home: Node, today: date) -> bool:
    """Whether an address is of another day, whatever day a partial date may mean."""
    begin, end = (PartialDate.parse(text(home, name)) for name in ("@DatumBegin", "@DatumEinde"))
    day = today.isoformat()
    starts_later = begin is not None and f"{begin.year:04}-{begin.month or 1:02}-{begin.day or 1:02}" > day
    return starts_later or (
        end is not None and end.year > 0 and f"{end.year:04}-{end.month or 12:02}-{end.day or 31:02}" < day
    )


def signals(tree: Tree, today: date) -> frozenset[Reason]:
    """Give every hold reason that an uncut answer holds."""
    found = {_status(node) for node in nodes(tree, "Statussen", "Status") if not _ended(node, "@DatumEinde", today)}
    if "Overlijden" in tree:
        found.add(Reason.DECEASED)
    homes = [home for home in nodes(tree, "Adressen", "Hoofdverblijfplaats") if home]
    if not homes and any(True for name in _ABROAD for _ in nodes(tree, "Adressen", name)):
        found.add(Reason.ABROAD)
    if any(_secret(node, today) for node in nodes(tree, "Adressen", "NietMededeelbaarAdres")):
        found.add(Reason.PROTECTED)
    references = nodes(tree, "Adressen", "Hoofdverblijfplaats", "ReferentieAdres")
    if not all(_ended(node, "Einddatum", today) for node in references):
        found.add(Reason.REFERENCE_ADDRESS)
    return frozenset(found | _other_files(tree, today))


def _other_files(tree: Tree, today: date) -> set[Reason]:
    """Give what other files that the register names say of the number."""
    own, found = text(tree, "INSZ"), set()
    if any(text(node, "INSZ") != own for node in _standing(tree, "Referentiedossier", today)):
        found.add(Reason.NEW_NUMBER)
    if any(text(node, "INSZ") in {own, ""} for node in _standing(tree, "GeannuleerdDossier", today)):
        found.add(Reason.CANCELLED)
    return found


def _standing(tree: Tree, name: str, today: date) -> Iterator[Node]:
    return (node for node in nodes(tree, name) if not _ended(node, "@DatumEinde", today))


def _status(node: Node) -> Reason:
    code = text(node, "Code").lstrip("0")
    if not (code.isascii() and code.isdigit() and len(code) <= _DIGITS):
        return Reason.UNKNOWN_STATUS
    return _STATUS.get(int(code), Reason.UNKNOWN_STATUS)


def _secret(node: Node, today: date) -> bool:
    """Whether an address is confidential today; one that only begins later is not, yet."""
    begins = [_whole(text(period, "Begindatum")) for period in nodes(node, "Periode")]
    ends = [_whole(text(period, "Einddatum")) for period in nodes(node, "Periode")]
    later = bool(begins) and all(begin is not None and begin.text > today.isoformat() for begin in begins)
    over = bool(ends) and all(end is not None and end.text < today.isoformat() for end in ends)
    return not later and not over


def _ended(node: Node, name: str, today: date) -> bool:
    """Whether it ended before today; an end that is absent, partial or unreadable is no end."""
    end = _whole(text(node, name))
    return end is not None and end.text < today.isoformat()


def _whole(written: str) -> PartialDate | None:
    day = PartialDate.parse(written)
    return day if day is not None and day.is_complete else None


def person(tree: Tree) -> Person:
    """Give the person of a tree that was cut to scope; what is not there is empty.

    Raises:
        RegistryUnreadable: a text is longer than any real one.
    """
    home = next(nodes(tree, "Adressen", "Hoofdverblijfplaats"), "")
    return Person(
        name=Name(_joined(tree, "Achternamen", "Achternaam"), _joined(tree, "Voornamen", "Voornaam")),
        birth_date=PartialDate.parse(text(tree, "Geboorte", "Datum")),
        residence=Address(
            street=_either(home, "Straatnaam", "NietGestandaardiseerdeStraatnaam"),
            house_number=_text(home, "Huisnummer"),
            box=_text(home, "Busnummer"),
            postal_code=_text(home, "Postcode"),
            municipality=_either(home, "Gemeentenaam", "NietGestandaardiseerdeGemeentenaam"),
            nis_code=_text(home, "NISCodeGemeente"),
            country=_text(home, "ISOCodeLand"),
        ),
        residence_since=PartialDate.parse(text(home, "@DatumBegin")),
    )


def nodes(node: Node, *path: str) -> Iterator[Node]:
    """Give every node down this path, in order."""
    if not path:
        yield node
    elif isinstance(node, dict):
        for below in node.get(path[0], ()):
            yield from nodes(below, *path[1:])


def text(node: Node, *path: str) -> str:
    """Give the text of the first node down this path, ``""`` without one."""
    return _own(next(nodes(node, *path), ""))


def _own(node: Node) -> str:
    return node if isinstance(node, str) else "".join(own for own in node.get("", ()) if isinstance(own, str))


def _text(node: Node, *path: str) -> str:
    return _short(text(node, *path))


def _short(written: str) -> str:
    if len(written) > MAX_TEXT:
        raise markup.unreadable("a text is longer than any real one")
    return tidy(written)


def _either(node: Node, *names: str) -> str:
    """Give the first of these texts that is not empty."""
    return next((found for name in names if (found := _text(node, name, "String"))), "")


def _joined(tree: Tree, *path: str) -> str:
    parts = [_short(_own(part)) for part in nodes(tree, "Naam", *path)]
    if len(parts) > MAX_PARTS:
        raise markup.unreadable("a name has more parts than any real one")
    return " ".join(part for part in parts if part)
