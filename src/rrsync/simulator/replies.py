"""MAGDA's replies as bytes: a person or a result, exceptions at level 2 or 3, or a SOAP Fault (level 1).

1. The roles of sender and receiver swap, and the references of the request come back.
2. The repertory of subscriptions is in memory. A declaration for another sender or capacity than its context gets
   exception 20005; a subscription that exists already gets 40143, a warning without content; any other is done:
   ``Resultaat`` 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Final
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

from rrsync.core.person import Masked
from rrsync.simulator.citizens import Citizen, Situation, person_xml


@dataclass(frozen=True, slots=True)
class Operation:
    """One version of an operation; ``declares`` is the element that a subscription's question declares."""

    name: str
    version: str
    namespace: str
    declares: str = ""

    @property
    def operation(self) -> str:
        """The operation with its version, as its folders are named."""
        return f"{self.name}-{self.version}"

    @property
    def root(self) -> str:
        """The qualified name of the root of a question."""
        return f"{{{self.namespace}}}{self.name}"


def _repertory(name: str, version: str) -> Operation:
    tail = version.replace(".", "_")
    space = f"http://webservice.{name.lower()}dienst-{tail}.repertorium-{tail}.vip.vlaanderen.be"
    return Operation(name, version, space, name.removeprefix("Registreer"))


PERSON: Final = Operation("GeefPersoon", "02.02", "http://magda.vlaanderen.be/persoon/soap/geefpersoon/v02_02")
OPERATIONS: Final = (
    PERSON,
    *(
        _repertory(name, version)
        for name in ("RegistreerInschrijving", "RegistreerUitschrijving")
        for version in ("02.00", "02.01")
    ),
)

_SOAP: Final = "http://schemas.xmlsoap.org/soap/envelope/"
_ENVELOPE: Final = f'<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="{_SOAP}"><s:Header/><s:Body>'
_END: Final = "</s:Body></s:Envelope>"


@dataclass(frozen=True, slots=True, repr=False)
class Request(Masked):
    """A request as far as its reply depends on it: sender, references, number and operation.

    ``declared`` are the sender and the capacity for which a subscription is declared.
    """

    sender: str
    sender_reference: str
    capacity: str
    user: str
    reference: str
    digits: str
    offer: Operation = PERSON
    declared: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class Stamp:
    """The moment and the reference of MAGDA's reply."""

    at: datetime
    reference: str

    @property
    def local(self) -> datetime:
        """The same moment in Brussels, as MAGDA writes times."""
        return self.at.astimezone(ZoneInfo("Europe/Brussels"))

    @property
    def moment(self) -> str:
        """The children of ``Tijdstip``: local time in Brussels."""
        local = self.local
        return f"<Datum>{local:%Y-%m-%d}</Datum><Tijd>{local:%H:%M:%S}.{local.microsecond // 1000:03d}</Tijd>"


@dataclass(frozen=True, slots=True, repr=False)
class Uitzondering(Masked):
    """One exception: ``kind`` is FOUT, WAARSCHUWING or INFORMATIE; annotations are name and value."""

    code: str
    diagnosis: str
    kind: str = "FOUT"
    origin: str = "MAGDA"
    circumstance: str = ""
    annotations: tuple[tuple[str, str], ...] = ()


#: The exception for a number that nobody has.
NOT_FOUND: Final = Uitzondering("30001", "Geen gegevens gevonden voor de vraag", origin="RR", circumstance="140")

_NEVER_GIVEN: Final = Uitzondering("30003", "Het INSZ bestaat niet", origin="RR")
_CANCELLED: Final = Uitzondering("30002", "Het INSZ is geannuleerd", origin="RR")
_NO_DESCRIPTION: Final = Uitzondering(
    "99984",
    "Magda beschrijving voor code niet aanwezig",
    kind="WAARSCHUWING",
    annotations=(("Persoon/Register/Code", "01"),),
)


def person_reply(citizen: Citizen | None, asker: Request, stamp: Stamp) -> bytes:
    """Answer a question about a citizen, or about nobody."""
    if citizen is None:
        return exceptions(asker, stamp, NOT_FOUND)
    told, hidden = _remarks(citizen)
    content = "" if hidden else person_xml(citizen, stamp.local.date())
    return answer(asker, stamp, content=content, remarks=told)


def answer(asker: Request, stamp: Stamp, *, content: str = "", remarks: tuple[Uitzondering, ...] = ()) -> bytes:
    """Answer with a ``Persoon`` or a ``Resultaat``, with exceptions at level 3, with both or with neither."""
    inside = f"<Inhoud>{content}</Inhoud>" if content else ""
    body = f"<Antwoord><Referte>{escape(asker.reference)}</Referte>{inside}{_listed(remarks, stamp)}</Antwoord>"
    return _reply(asker, stamp, f"<Antwoorden>{body}</Antwoorden>")


def exceptions(asker: Request, stamp: Stamp, *remarks: Uitzondering) -> bytes:
    """Answer with exceptions at level 3 alone."""
    return answer(asker, stamp, remarks=remarks)


def refusal(asker: Request, stamp: Stamp, *remarks: Uitzondering) -> bytes:
    """Refuse the message as a whole: exceptions at level 2, no answer."""
    return _reply(asker, stamp, _listed(remarks, stamp))


def fault(text: str, *, message: str = "", code: str = "Server") -> bytes:
    """Return a SOAP Fault; ``message`` is its detail."""
    detail = f"<detail><message>{escape(message)}</message></detail>" if message else ""
    inside = f"<faultcode>{code}</faultcode><faultstring>{escape(text)}</faultstring>{detail}"
    return f"{_ENVELOPE}<s:Fault>{inside}</s:Fault>{_END}".encode()


def envelope(body: bytes) -> bytes:
    """Return a message in a SOAP envelope."""
    return b"".join((_ENVELOPE.encode(), body, _END.encode()))


def _reply(asker: Request, stamp: Stamp, body: str) -> bytes:
    offer = asker.offer
    root = f'<p:{offer.name}Response xmlns:p="{offer.namespace}"><Repliek>{_context(asker, stamp)}{body}</Repliek>'
    return f"{_ENVELOPE}{root}</p:{offer.name}Response>{_END}".encode()


def _context(asker: Request, stamp: Stamp) -> str:
    """Return the context with the roles swapped."""
    capacity = f"<Hoedanigheid>{escape(asker.capacity)}</Hoedanigheid>" if asker.capacity else ""
    user = f"<Gebruiker>{escape(asker.user)}</Gebruiker>" if asker.user else ""
    return (
        f"<Context><Naam>{asker.offer.name}</Naam><Versie>{asker.offer.version}.0000</Versie>"
        f"<Bericht><Type>ANTWOORD</Type><Tijdstip>{stamp.moment}</Tijdstip><Afzender><Identificatie>vip.vlaanderen.be</Identificatie>"
        f"<Naam>MagdaGateway</Naam><Referte>{escape(stamp.reference)}</Referte></Afzender>"
        f"<Ontvanger><Identificatie>{escape(asker.sender)}</Identificatie>"
        f"<Referte>{escape(asker.sender_reference)}</Referte>{capacity}{user}</Ontvanger></Bericht></Context>"
    )


def _listed(remarks: tuple[Uitzondering, ...], stamp: Stamp) -> str:
    if not remarks:
        return ""
    return f"<Uitzonderingen>{''.join(_written(remark, stamp) for remark in remarks)}</Uitzonderingen>"


def _written(remark: Uitzondering, stamp: Stamp) -> str:
    notes = "".join(
        f"<Annotatie><Naam>{escape(name)}</Naam><Waarde>{escape(value)}</Waarde></Annotatie>"
        for name, value in remark.annotations
    )
    notes = f"<Annotaties>{notes}</Annotaties>" if notes else ""
    cause = f"<Omstandigheid>{escape(remark.circumstance)}</Omstandigheid>" if remark.circumstance else ""
    return (
        f"<Uitzondering><Identificatie>{remark.code}</Identificatie><Oorsprong>{remark.origin}</Oorsprong>"
        f"<Type>{remark.kind}</Type><Tijdstip>{stamp.moment}</Tijdstip>"
        f"<Diagnose>{escape(remark.diagnosis)}</Diagnose>{cause}{notes}</Uitzondering>"
    )


def _remarks(citizen: Citizen) -> tuple[tuple[Uitzondering, ...], bool]:
    """Return MAGDA's exceptions about a citizen, and whether they replace the content."""
    match citizen.situation:
        case Situation.UNKNOWN:
            return (_NEVER_GIVEN if citizen.variant % 2 else NOT_FOUND,), True
        case Situation.CANCELLED:
            return (_CANCELLED,), True
        case Situation.RENUMBERED:
            hidden = bool(citizen.variant % 2)
            return (_renumbered(citizen, "FOUT" if hidden else "WAARSCHUWING"),), hidden
        case Situation.SETTLED if citizen.position % 50 == 41:
            return (_NO_DESCRIPTION,), False
        case _:
            return (), False


def _renumbered(citizen: Citizen, kind: str) -> Uitzondering:
    numbers = (("Oud INSZ", citizen.insz.digits), ("Nieuw INSZ", citizen.new_insz.digits))
    return Uitzondering("30004", "De persoon heeft een nieuw INSZ gekregen", kind=kind, annotations=numbers)


NOT_DONE: Final = '<Resultaat Beschrijving="Niet geslaagd">0</Resultaat>'
#: The exception for a number to which the sender has no subscription.
UNSUBSCRIBED: Final = Uitzondering("40003", "Geen inschrijving voor het INSZ in de vraag")

_DONE: Final = '<Resultaat Beschrijving="Wel geslaagd">1</Resultaat>'
_THERE: Final = Uitzondering("40143", "De inschrijving bestaat reeds", kind="WAARSCHUWING")
_ANOTHER: Final = Uitzondering("20005", "Identificatie of Hoedanigheid verschilt van die in de Context")


class Repertory:
    """The subscriptions to numbers, by sender and capacity; threads may share it."""

    __slots__ = ("_lock", "_open")

    def __init__(self) -> None:
        """Start without subscriptions."""
        self._open: set[tuple[str, str, str]] = set()
        self._lock = Lock()

    def holds(self, sender: str, capacity: str, digits: str) -> bool:
        """Whether a sender is subscribed to a number in a capacity."""
        with self._lock:
            return (sender, capacity, digits) in self._open

    def answer(self, asker: Request, stamp: Stamp) -> bytes:
        """Make or end the declared subscription, and answer."""
        if asker.declared != (asker.sender, asker.capacity):
            return exceptions(asker, stamp, _ANOTHER)
        key = (*asker.declared, asker.digits)
        with self._lock:
            was_there = key in self._open
            if asker.offer.declares == "Uitschrijving":
                self._open.discard(key)
                return answer(asker, stamp, content=_DONE)
            self._open.add(key)
        return exceptions(asker, stamp, _THERE) if was_there else answer(asker, stamp, content=_DONE)
