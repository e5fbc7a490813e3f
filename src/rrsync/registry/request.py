"""MAGDA's Verzoek: a question as the nested data zeep wants, and envelopes that are filled in for each question.

1. A SOAP message holds exactly one question (MAGDA fact sheet §1.1 and §1.2). Its two references are the same.
2. Moments are written as Brussels time, with the milliseconds ``.000``.
3. zeep writes an envelope once for a deed, sender and capacity, with placeholders for number, reference, date and time.
   Writing the rest anew for each question would be a seventh of the cost of a member (``docs/figures.md``).

There are three operations: ask about a person, make a subscription to a number, end one. The WSDL of each is in a
folder under ``wsdl`` with its name. Only the root of its messages has a namespace.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

from rrsync.core.authorisation import Authorisation
from rrsync.core.exchange import Deed, Question
from rrsync.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Service:
    """One version of an operation; ``domain`` is its part of MAGDA's addresses."""

    name: str
    version: str
    domain: str
    namespace: str

    @property
    def operation(self) -> str:
        """The operation with its version, as ``GeefPersoon-02.02``."""
        return f"{self.name}-{self.version}"

    @property
    def response(self) -> str:
        """The qualified name of the root of a reply."""
        return f"{{{self.namespace}}}{self.name}Response"


def _repertory(name: str, version: str) -> Service:
    """Return an operation of the repertory of subscriptions (MAGDA fact sheet §2.4)."""
    tail = version.replace(".", "_")
    space = f"http://webservice.{name.lower()}dienst-{tail}.repertorium-{tail}.vip.vlaanderen.be"
    return Service(name, version, "repertorium", space)


PERSON: Final = Service("GeefPersoon", "02.02", "persoon", "http://magda.vlaanderen.be/persoon/soap/geefpersoon/v02_02")
SUBSCRIBE: Final[Mapping[str, Service]] = {
    version: _repertory("RegistreerInschrijving", version) for version in ("02.00", "02.01")
}
UNSUBSCRIBE: Final[Mapping[str, Service]] = {
    version: _repertory("RegistreerUitschrijving", version) for version in ("02.00", "02.01")
}


def service(deed: Deed, repertory: str | None) -> Service:
    """Return the operation for a deed; ``repertory`` is the version of those for subscriptions, ``None`` for none.

    Raises:
        ConfigError: a subscription is wanted, and the settings want none.
    """
    if deed is Deed.READ:
        return PERSON
    if repertory is None:
        raise ConfigError(
            "The settings do not let subscriptions be made or ended",
            kept="Nothing was asked or logged",
            todo="Set subscribe = true in [registry]",
        )
    return (SUBSCRIBE if deed is Deed.SUBSCRIBE else UNSUBSCRIBE)[repertory]


#: The content of a message to write: element name -> its text or its content.
RequestNode: TypeAlias = "dict[str, RequestNode | str]"

_BRUSSELS: Final = ZoneInfo("Europe/Brussels")
#: The type of subjects whose key is a national number.
_PERSON: Final = "PERS"
#: Each placeholder, and how often an envelope has it; a subscription has the day once more, as its begin or end.
_PLACEHOLDERS: Final = {b"@INSZ@": 1, b"@REFERENCE@": 2, b"@DATE@": 1, b"@TIME@": 1}


class Envelopes:
    """The envelopes to one source and one version of the repertory; ``build`` writes one. Threads may share it."""

    def __init__(
        self, build: Callable[[Service, RequestNode], bytes], *, source: str, repertory: str | None = None
    ) -> None:
        self._build = build
        self._source = source
        self._repertory = repertory
        self._written: dict[tuple[Deed, str, str], bytes] = {}

    def fill(self, question: Question, authorisation: Authorisation, *, now: datetime) -> bytes:
        """Return the envelope of a question; ``now`` is an aware moment.

        Raises:
            ConfigError: our own WSDL, or the library's sender or capacity, leaves no placeholder where one must be; or
                the settings want no subscriptions.
        """
        key = question.deed, authorisation.sender, authorisation.capacity
        if key not in self._written:
            self._written[key] = self._write(question.deed, authorisation)
        day, time = _moment(now)
        envelope = self._written[key].replace(b"@INSZ@", question.insz.digits.encode())
        envelope = envelope.replace(b"@REFERENCE@", escape(question.reference).encode())
        return envelope.replace(b"@DATE@", day.encode()).replace(b"@TIME@", time.encode())

    def _write(self, deed: Deed, authorisation: Authorisation) -> bytes:
        asked = service(deed, self._repertory)
        content = _content(deed, self._repertory, authorisation, source=self._source, digits="@INSZ@", day="@DATE@")
        blank = _verzoek(asked, authorisation, content, reference="@REFERENCE@", moment=("@DATE@", "@TIME@"))
        envelope = self._build(asked, blank)
        expected = _PLACEHOLDERS | ({} if deed is Deed.READ else {b"@DATE@": 2})
        if any(envelope.count(name) != times for name, times in expected.items()):
            raise ConfigError("A request cannot be written for this sender and capacity", todo="Correct the settings")
        return envelope


def request_content(
    question: Question, authorisation: Authorisation, *, source: str, now: datetime, repertory: str | None = None
) -> RequestNode:
    """Return the Verzoek of a question; ``source`` is MAGDA's Bron, ``now`` an aware moment.

    Raises:
        ConfigError: it is a subscription, and ``repertory`` names no version.
    """
    asked, moment = service(question.deed, repertory), _moment(now)
    digits = question.insz.digits
    content = _content(question.deed, repertory, authorisation, source=source, digits=digits, day=moment[0])
    return _verzoek(asked, authorisation, content, reference=question.reference, moment=moment)


def _content(
    deed: Deed, repertory: str | None, authorisation: Authorisation, *, source: str, digits: str, day: str
) -> RequestNode:
    """Return the Inhoud of a question about a number, on a day in Belgium.

    A subscription begins on that day and has no end; one that is ended, ends on it. Sender and capacity are those of
    the context, else MAGDA refuses it (20005).
    """
    if deed is Deed.READ:
        return {"Criteria": {"INSZ": digits}, "Bron": source, "Taal": "nl"}
    declared: RequestNode = {"Identificatie": authorisation.sender, "Hoedanigheid": authorisation.capacity}
    if repertory == "02.00":
        declared["INSZ"] = digits
    else:
        subject: RequestNode = {"Type": _PERSON, "Sleutel": digits}
        declared["BetrokkenSubject"] = {"Type": _PERSON, "Subjecten": {"Subject": subject}}
    if deed is Deed.SUBSCRIBE:
        return {"Inschrijving": declared | {"Periode": {"Begin": day}}}
    return {"Uitschrijving": declared | {"Periode": {"Einde": day}}}


def _moment(now: datetime) -> tuple[str, str]:
    """Return an aware moment as MAGDA's Datum and Tijd."""
    local = now.astimezone(_BRUSSELS)
    return f"{local:%Y-%m-%d}", f"{local:%H:%M:%S}.000"


def _verzoek(
    asked: Service, authorisation: Authorisation, content: RequestNode, *, reference: str, moment: tuple[str, str]
) -> RequestNode:
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
        "Vragen": {"Vraag": {"Referte": reference, "Inhoud": content}},
    }
