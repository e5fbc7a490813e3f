"""What MAGDA's messages say: a reply's bytes as one value, its signals, and the ``Person`` within the scope. Pure.

Reading (MAGDA fact sheet §1.1 to §1.4, §2.1 and §2.4):

1. A SOAP message holds at most one answer, a batch file any number. Both have the same ``Repliek`` and ``Antwoord``.
2. Only the root of the operation has a namespace. A name that we read and that is in another is not the register's.
3. What must occur once and occurs twice makes the reply unreadable; none of the two is chosen.
4. MAGDA's own texts (Diagnose, Omstandigheid) are never read, for they may hold a person's data.

Signals (contract, "From reply to address"; MAGDA fact sheet §4.4, §4.5 and §9, 13 to 17), all that apply:

1. A death or status 99990: deceased. 992: abroad. 99991, 99992 and 99997: struck off. 99996: absent. Another: unknown.
   Statuses are compared as whole numbers, for leading zeros differ; one that ended before today does not count.
2. An address that may not be told (IT 252), in force today or for an unknown period: protected.
3. An address abroad and no main residence: abroad. A main residence of another day is none (``current``).
4. A reference address that has not ended: the person does not live there.
5. A reference to a file under another number, not ended: a new number, though not one to follow: only 30004 names that.
   A cancelled file under the number asked about, or under none that can be read: cancelled; one under another number is
   what was cancelled, not this person (§4.6).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Final, TypeAlias

from lxml.etree import _Element

from rrsync.core.authorisation import Tree
from rrsync.core.exchange import Notice, Reason
from rrsync.core.person import Address, Masked, Name, PartialDate, Person, tidy
from rrsync.registry import codes, fields, xml
from rrsync.registry.request import PERSON, Service

#: A part of a reply: its content by element name, or its text.
Node: TypeAlias = "Tree | str"

MAX_TEXT: Final = 300
MAX_PARTS: Final = 30

_ENVELOPE: Final = f"{{{xml.SOAP}}}Envelope"
_BODY: Final = f"{{{xml.SOAP}}}Body"
_FAULT: Final = f"{{{xml.SOAP}}}Fault"
_CODE: Final = re.compile(r"[0-9]{1,10}")
_ORIGIN: Final = re.compile(r"[A-Za-z]{1,12}")
_FAULT_CODE: Final = re.compile(r"\s*(ERR_[0-9]{1,4}|[0-9]{5})\b")
_BLAMES_US: Final = ("Client", "Sender", "MustUnderstand", "VersionMismatch")
_NEW_NUMBER: Final = "30004"
_NAMES: Final = fields.known_names()
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
_NOT_THE_REGISTERS: Final = "it holds what is not the register's"


@dataclass(frozen=True, slots=True, repr=False)
class Reply(Masked):
    """One answer as it came: notices by level (MAGDA fact sheet §1.3), whose it says it is, and the uncut person.

    ``reference`` is that of the Antwoord, ``None`` when there is no Antwoord; ``receiver`` that of the Ontvanger,
    ``""`` when absent. ``new_numbers`` are the texts of 30004's annotations. ``result`` is that of a subscription,
    ``""`` when absent.
    """

    fault: tuple[Notice, ...] = ()
    general: tuple[Notice, ...] = ()
    answer: tuple[Notice, ...] = ()
    reference: str | None = None
    receiver: str = ""
    person: Tree | None = None
    new_numbers: frozenset[str] = frozenset()
    result: str = ""


def soap_reply(data: bytes, asked: Service = PERSON) -> Reply:
    """Read a SOAP message of the service that was asked.

    Raises:
        RegistryUnreadable: it is no SOAP message with one Repliek, it holds what is not the register's, or twice
            what must occur once.
    """
    root = xml.parse(data)
    body = xml.child(root, _BODY)
    if root.tag != _ENVELOPE or body is None or len(body) != 1:
        raise xml.unreadable("it is no SOAP message with one body")
    operation = body[0]
    if operation.tag == _FAULT:
        return Reply(fault=_fault(operation))
    if operation.tag != asked.response or xml.disguises(operation, _NAMES):
        raise xml.unreadable(_NOT_THE_REGISTERS)
    repliek = xml.child(operation, "Repliek")
    if repliek is None:
        raise xml.unreadable("it has no Repliek")
    whole = _of_all(repliek)
    antwoord = xml.child(repliek, "Antwoorden", "Antwoord")
    return whole if antwoord is None else _answered(antwoord, whole)


def file_reply(data: bytes) -> Reply:
    """Read what a batch file says of all its answers: its ``Repliek`` without the ``Antwoorden``.

    Raises:
        RegistryUnreadable: as ``soap_reply``; or there are answers in it.
    """
    repliek = _root(data, "Repliek")
    if xml.child(repliek, "Antwoorden") is not None:
        raise xml.unreadable("answers stand where only what is said of all of them should")
    return _of_all(repliek)


def file_answer(data: bytes, whole: Reply, *, file_reference: str) -> Reply:
    """Read one ``Antwoord`` of a batch file, of which ``whole`` says what applies to all answers.

    The receiver's reference in a file is that of the file of questions, not of one question.

    Raises:
        RegistryUnreadable: as ``soap_reply``.
    """
    read = _answered(_root(data, "Antwoord"), whole)
    return replace(read, receiver="") if read.receiver == file_reference else read


def _root(data: bytes, name: str) -> _Element:
    root = xml.parse(data)
    if root.tag != name or xml.disguises(root, _NAMES):
        raise xml.unreadable(_NOT_THE_REGISTERS)
    return root


def _of_all(repliek: _Element) -> Reply:
    """Return what a Repliek says beside its answers."""
    general = _exceptions(repliek)
    receiver = xml.text(repliek, "Context", "Bericht", "Ontvanger", "Referte")
    return Reply(general=_notices(general), receiver=receiver, new_numbers=_new_numbers(general))


def _answered(antwoord: _Element, whole: Reply) -> Reply:
    exceptions = _exceptions(antwoord)
    return replace(
        whole,
        answer=_notices(exceptions),
        reference=xml.text(antwoord, "Referte"),
        person=_person(antwoord),
        new_numbers=whole.new_numbers | _new_numbers(exceptions),
        result=xml.text(antwoord, "Inhoud", "Resultaat"),
    )


def _person(antwoord: _Element) -> Tree | None:
    found = xml.child(antwoord, "Inhoud", "Persoon")
    tree = {} if found is None else xml.tree(found)
    if not fields.is_single(tree):
        raise xml.unreadable("it has a field of a person twice")
    return tree or None


def _fault(fault: _Element) -> tuple[Notice, ...]:
    """Return a Fault as notices: by the code its text begins with, else by the side that SOAP 1.1 (§4.4.1) blames."""
    blamed = xml.text(fault, "faultcode").rpartition(":")[2]
    blame = Notice("Client" if blamed.startswith(_BLAMES_US) else "Server", "SOAP", codes.FOUT)
    match = _FAULT_CODE.match(xml.text(fault, "faultstring"))
    if match is None:
        return (blame,)
    coded = Notice(match[1], "SOAP", codes.FOUT)
    return (coded,) if coded.code in codes.TABLE else (coded, blame)


def _exceptions(element: _Element) -> list[_Element]:
    return _listed(element, "Uitzonderingen", "Uitzondering")


def _listed(element: _Element, whole: str, part: str) -> list[_Element]:
    found = xml.child(element, whole)
    return [] if found is None else list(xml.children(found, part))


def _notices(exceptions: list[_Element]) -> tuple[Notice, ...]:
    return tuple(_notice(one) for one in exceptions)


def _notice(exception: _Element) -> Notice:
    """Return an exception's code, origin and type; what is not well-formed becomes ``?``, so no text passes."""
    code, origin, severity = (xml.text(exception, name) for name in ("Identificatie", "Oorsprong", "Type"))
    return Notice(
        code if _CODE.fullmatch(code) else "?",
        origin if _ORIGIN.fullmatch(origin) else "?",
        severity if severity in codes.SEVERITIES else "?",
    )


def _new_numbers(exceptions: list[_Element]) -> frozenset[str]:
    """Return the texts of 30004's annotations ``Nieuw INSZ`` (MAGDA fact sheet §4.6), each once."""
    return frozenset(
        xml.text(annotation, "Waarde")
        for exception in exceptions
        if xml.text(exception, "Identificatie") == _NEW_NUMBER
        for annotation in _listed(exception, "Annotaties", "Annotatie")
        if xml.text(annotation, "Naam").casefold() == "nieuw insz"
    )


def current(tree: Tree, today: date) -> Tree:
    """Return an answer without a main residence that ended before today or begins later; dates may be partial."""
    if not any(_elsewhen(home, today) for home in nodes(tree, "Adressen", "Hoofdverblijfplaats")):
        return tree
    addresses = [node for node in tree["Adressen"] if isinstance(node, dict)]
    return tree | {
        "Adressen": [{n: below for n, below in node.items() if n != "Hoofdverblijfplaats"} for node in addresses]
    }


def _elsewhen(home: Node, today: date) -> bool:
    """Whether an address is of another day, for every day that a partial date may mean."""
    begin, end = (PartialDate.parse(text(home, name)) for name in ("@DatumBegin", "@DatumEinde"))
    day = today.isoformat()
    starts_later = begin is not None and f"{begin.year:04}-{begin.month or 1:02}-{begin.day or 1:02}" > day
    return starts_later or (
        end is not None and end.year > 0 and f"{end.year:04}-{end.month or 12:02}-{end.day or 31:02}" < day
    )


def signals(tree: Tree, today: date) -> frozenset[Reason]:
    """Return every hold reason that an uncut answer contains."""
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
    """Return the hold reasons from other files that the register refers to."""
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
    begins = [_whole_day(text(period, "Begindatum")) for period in nodes(node, "Periode")]
    ends = [_whole_day(text(period, "Einddatum")) for period in nodes(node, "Periode")]
    later = bool(begins) and all(begin is not None and begin.text > today.isoformat() for begin in begins)
    over = bool(ends) and all(end is not None and end.text < today.isoformat() for end in ends)
    return not later and not over


def _ended(node: Node, name: str, today: date) -> bool:
    """Whether it ended before today; an end that is absent, partial or unreadable is no end."""
    end = _whole_day(text(node, name))
    return end is not None and end.text < today.isoformat()


def _whole_day(written: str) -> PartialDate | None:
    day = PartialDate.parse(written)
    return day if day is not None and day.is_complete else None


def person(tree: Tree) -> Person:
    """Return the person of a tree that was cut to scope; a missing field is empty.

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
    """Yield every node down this path, in order."""
    if not path:
        yield node
    elif isinstance(node, dict):
        for below in node.get(path[0], ()):
            yield from nodes(below, *path[1:])


def text(node: Node, *path: str) -> str:
    """Return the text of the first node down this path, ``""`` without one."""
    return _own(next(nodes(node, *path), ""))


def _own(node: Node) -> str:
    return node if isinstance(node, str) else "".join(own for own in node.get("", ()) if isinstance(own, str))


def _text(node: Node, *path: str) -> str:
    return _short(text(node, *path))


def _short(written: str) -> str:
    if len(written) > MAX_TEXT:
        raise xml.unreadable("a text is longer than any real one")
    return tidy(written)


def _either(node: Node, *names: str) -> str:
    """Return the first of these texts that is not empty."""
    return next((found for name in names if (found := _text(node, name, "String"))), "")


def _joined(tree: Tree, *path: str) -> str:
    parts = [_short(_own(part)) for part in nodes(tree, "Naam", *path)]
    if len(parts) > MAX_PARTS:
        raise xml.unreadable("a name has more parts than any real one")
    return " ".join(part for part in parts if part)
