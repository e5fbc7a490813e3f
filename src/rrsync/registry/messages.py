"""MAGDA's Verzoek and Repliek: a question as the nested data zeep wants, and a reply's bytes as one value. Pure.

The shapes are those of ``services`` (MAGDA fact sheet §1.1 to §1.4, §2.1 and §2.4). Exactly one question and at most
one answer go in a SOAP message. MAGDA's own texts (Diagnose, Omstandigheid) are never read: they may hold a person's
data. Only the root of the operation has a namespace; nothing below it has, and what has is not the register's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias
from zoneinfo import ZoneInfo

from rrsync.core.exchange import Deed, Notice
from rrsync.core.person import Masked
from rrsync.registry import fields, markup, notices
from rrsync.registry.services import PERSON, service

if TYPE_CHECKING:
    from datetime import datetime

    from lxml.etree import _Element

    from rrsync.core.authorisation import Authorisation, Tree
    from rrsync.core.exchange import Question
    from rrsync.registry.services import Service

#: A message to be: element name -> its text or its content.
Node: TypeAlias = "dict[str, Node | str]"

_SOAP: Final = "{http://schemas.xmlsoap.org/soap/envelope/}"
_BRUSSELS: Final = ZoneInfo("Europe/Brussels")
_CODE: Final = re.compile(r"[0-9]{1,10}")
_ORIGIN: Final = re.compile(r"[A-Za-z]{1,12}")
_FAULT_CODE: Final = re.compile(r"\s*(ERR_[0-9]{1,4}|[0-9]{5})\b")
_BLAMES_US: Final = ("Client", "Sender", "MustUnderstand", "VersionMismatch")
_NEW_NUMBER: Final = "30004"
#: Subjects whose key is a national number.
_OF_PERSONS: Final = "PERS"
_NAMES: Final = fields.known_names()


def request(
    question: Question, authorisation: Authorisation, *, source: str, now: datetime, repertory: str | None = None
) -> Node:
    """Give the Verzoek of a question; ``source`` is MAGDA's Bron, ``now`` an aware moment, written as Brussels time.

    Raises:
        ConfigError: it is a subscription, and ``repertory`` names no version.
    """
    day, time = moment(now)
    return verzoek(
        service(question.deed, repertory),
        authorisation,
        inhoud=content(question.deed, repertory, authorisation, source=source, digits=question.insz.digits, day=day),
        reference=question.reference,
        moment=(day, time),
    )


def moment(now: datetime) -> tuple[str, str]:
    """Give an aware moment as MAGDA's Datum and Tijd: Brussels time, milliseconds ``.000`` (fact sheet §1.2)."""
    local = now.astimezone(_BRUSSELS)
    return f"{local:%Y-%m-%d}", f"{local:%H:%M:%S}.000"


def verzoek(
    asked: Service, authorisation: Authorisation, *, inhoud: Node, reference: str, moment: tuple[str, str]
) -> Node:
    """Give a Verzoek with this content, under a reference, at a moment as ``moment`` gives it."""
    return {
        "Context": {
            "Naam": asked.name,
            "Versie": f"{asked.version}.0000",
            "Bericht": {
                "Type": "VRAAG",
                "Tijdstip": {"Datum": moment[0], "Tijd": moment[1]},
                "Afzender": {
                    "Identificatie": authorisation.sender,
                    "Referte": reference,
                    "Hoedanigheid": authorisation.capacity,
                },
            },
        },
        "Vragen": {"Vraag": {"Referte": reference, "Inhoud": inhoud}},
    }


def content(
    deed: Deed, repertory: str | None, authorisation: Authorisation, *, source: str, digits: str, day: str
) -> Node:
    """Give the Inhoud of a question about a number, on a day in Belgium.

    A subscription begins on that day and has no end; one that is ended, ends on it. Sender and capacity are those of
    the context, else MAGDA refuses it (20005).
    """
    if deed is Deed.READ:
        return {"Criteria": {"INSZ": digits}, "Bron": source, "Taal": "nl"}
    declared: Node = {"Identificatie": authorisation.sender, "Hoedanigheid": authorisation.capacity}
    if repertory == "02.00":
        declared["INSZ"] = digits
    else:
        subject: Node = {"Type": _OF_PERSONS, "Sleutel": digits}
        declared["BetrokkenSubject"] = {"Type": _OF_PERSONS, "Subjecten": {"Subject": subject}}
    if deed is Deed.SUBSCRIBE:
        return {"Inschrijving": declared | {"Periode": {"Begin": day}}}
    return {"Uitschrijving": declared | {"Periode": {"Einde": day}}}


@dataclass(frozen=True, slots=True, repr=False)
class Reply(Masked):
    """A reply as it came: notices by level (MAGDA fact sheet §1.3), whose it says it is, and the person uncut.

    ``reference`` is that of the Antwoord, ``None`` when there is no Antwoord; ``receiver`` that of the Ontvanger,
    ``""`` when absent. ``new_numbers`` are the texts of 30004's annotations. ``result`` is what a subscription came to,
    ``""`` when it is not said.
    """

    fault: tuple[Notice, ...] = ()
    general: tuple[Notice, ...] = ()
    answer: tuple[Notice, ...] = ()
    reference: str | None = None
    receiver: str = ""
    person: Tree | None = None
    new_numbers: frozenset[str] = frozenset()
    result: str = ""


def reply(data: bytes, asked: Service = PERSON) -> Reply:
    """Read the bytes of a SOAP reply of the service that was asked.

    Raises:
        RegistryUnreadable: they are no SOAP message with one Repliek, it holds what is not the register's, or twice
            what stands there once.
    """
    root = markup.parse(data)
    body = markup.child(root, f"{_SOAP}Body")
    if root.tag != f"{_SOAP}Envelope" or body is None or len(body) != 1:
        raise markup.unreadable("it is no SOAP message with one body")
    said = body[0]
    if said.tag == f"{_SOAP}Fault":
        return Reply(fault=_fault(said))
    if said.tag != asked.response or markup.disguises(said, _NAMES):
        raise markup.unreadable("it holds what is not the register's")
    repliek = markup.child(said, "Repliek")
    if repliek is None:
        raise markup.unreadable("it has no Repliek")
    return _repliek(repliek)


def _repliek(repliek: _Element) -> Reply:
    general = _exceptions(repliek)
    antwoord = markup.child(repliek, "Antwoorden", "Antwoord")
    receiver = markup.text(repliek, "Context", "Bericht", "Ontvanger", "Referte")
    if antwoord is None:
        return Reply(general=_notices(general), receiver=receiver, new_numbers=_new_numbers(general))
    own = _exceptions(antwoord)
    return Reply(
        general=_notices(general),
        answer=_notices(own),
        reference=markup.text(antwoord, "Referte"),
        receiver=receiver,
        person=_person(antwoord),
        new_numbers=_new_numbers(general + own),
        result=markup.text(antwoord, "Inhoud", "Resultaat"),
    )


def _person(antwoord: _Element) -> Tree | None:
    found = markup.child(antwoord, "Inhoud", "Persoon")
    tree = {} if found is None else markup.tree(found)
    if not fields.is_single(tree):
        raise markup.unreadable("it tells a thing of a person twice")
    return tree or None


def _fault(fault: _Element) -> tuple[Notice, ...]:
    """Give a Fault as notices: by the code its text begins with, else by whom SOAP 1.1 (§4.4.1) blames."""
    blamed = markup.text(fault, "faultcode").rpartition(":")[2]
    blame = Notice("Client" if blamed.startswith(_BLAMES_US) else "Server", "SOAP", notices.FOUT)
    match = _FAULT_CODE.match(markup.text(fault, "faultstring"))
    if match is None:
        return (blame,)
    coded = Notice(match[1], "SOAP", notices.FOUT)
    return (coded,) if coded.code in notices.TABLE else (coded, blame)


def _exceptions(element: _Element) -> list[_Element]:
    return _listed(element, "Uitzonderingen", "Uitzondering")


def _listed(element: _Element, whole: str, part: str) -> list[_Element]:
    found = markup.child(element, whole)
    return [] if found is None else list(markup.children(found, part))


def _notices(exceptions: list[_Element]) -> tuple[Notice, ...]:
    return tuple(_notice(one) for one in exceptions)


def _notice(exception: _Element) -> Notice:
    """Give an exception's code, origin and type; what does not look like one is ``?``, so no text slips through."""
    code, origin, severity = (markup.text(exception, name) for name in ("Identificatie", "Oorsprong", "Type"))
    return Notice(
        code if _CODE.fullmatch(code) else "?",
        origin if _ORIGIN.fullmatch(origin) else "?",
        severity if severity in notices.SEVERITIES else "?",
    )


def _new_numbers(exceptions: list[_Element]) -> frozenset[str]:
    """Give the texts of 30004's annotations ``Nieuw INSZ`` (MAGDA fact sheet §4.6), each once."""
    return frozenset(
        markup.text(annotation, "Waarde")
        for exception in exceptions
        if markup.text(exception, "Identificatie") == _NEW_NUMBER
        for annotation in _listed(exception, "Annotaties", "Annotatie")
        if markup.text(annotation, "Naam").casefold() == "nieuw insz"
    )
