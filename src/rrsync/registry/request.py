"""Envelopes that zeep writes once for a deed, sender and capacity, with blanks that are filled in for each question.

What differs from one question to the next is number, reference, date and time. Writing the rest anew each time would
be a seventh of what a member costs (``docs/figures.md``).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final, TypeAlias
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

from rrsync.core.authorisation import Authorisation
from rrsync.core.exchange import Deed, Question
from rrsync.errors import ConfigError
from rrsync.registry.services import Service, service

#: A message to be: element name -> its text or its content.
RequestNode: TypeAlias = "dict[str, RequestNode | str]"

_BRUSSELS: Final = ZoneInfo("Europe/Brussels")
#: Subjects whose key is a national number.
_OF_PERSONS: Final = "PERS"


def content(
    deed: Deed, repertory: str | None, authorisation: Authorisation, *, source: str, digits: str, day: str
) -> RequestNode:
    """Give the Inhoud of a question about a number, on a day in Belgium.

    A subscription begins on that day and has no end; one that is ended, ends on it. Sender and capacity are those of
    the context, else MAGDA refuses it (20005).
    """
    if deed is Deed.READ:
        return {"Criteria": {"INSZ": digits}, "Bron": source, "Taal": "nl"}
    declared: RequestNode = {"Identificatie": authorisation.sender, "Hoedanigheid": authorisation.capacity}
    if repertory == "02.00":
        declared["INSZ"] = digits
    else:
        subject: RequestNode = {"Type": _OF_PERSONS, "Sleutel": digits}
        declared["BetrokkenSubject"] = {"Type": _OF_PERSONS, "Subjecten": {"Subject": subject}}
    if deed is Deed.SUBSCRIBE:
        return {"Inschrijving": declared | {"Periode": {"Begin": day}}}
    return {"Uitschrijving": declared | {"Periode": {"Einde": day}}}


def request(
    question: Question, authorisation: Authorisation, *, source: str, now: datetime, repertory: str | None = None
) -> RequestNode:
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
    asked: Service, authorisation: Authorisation, *, inhoud: RequestNode, reference: str, moment: tuple[str, str]
) -> RequestNode:
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


#: Each blank, and how often it stands in an envelope; a subscription says the day a second time, as its begin or end.
_BLANKS: Final = {b"@INSZ@": 1, b"@REFERENCE@": 2, b"@DATE@": 1, b"@TIME@": 1}


class Forms:
    """The envelopes to one source and one version of the repertory; ``build`` writes one. Threads may share it."""

    def __init__(
        self, build: Callable[[Service, RequestNode], bytes], *, source: str, repertory: str | None = None
    ) -> None:
        self._build = build
        self._source = source
        self._repertory = repertory
        self._written: dict[tuple[Deed, str, str], bytes] = {}

    def fill(self, question: Question, authorisation: Authorisation, *, now: datetime) -> bytes:
        """Give the envelope of a question; ``now`` is an aware moment, written as Brussels time.

        Raises:
            ConfigError: our own WSDL, or the library's sender or capacity, leaves no blank where one must be; or the
                settings want no subscriptions.
        """
        key = question.deed, authorisation.sender, authorisation.capacity
        if key not in self._written:
            self._written[key] = self._write(question.deed, authorisation)
        day, time = moment(now)
        envelope = self._written[key].replace(b"@INSZ@", question.insz.digits.encode())
        envelope = envelope.replace(b"@REFERENCE@", escape(question.reference).encode())
        return envelope.replace(b"@DATE@", day.encode()).replace(b"@TIME@", time.encode())

    def _write(self, deed: Deed, authorisation: Authorisation) -> bytes:
        asked = service(deed, self._repertory)
        inhoud = content(deed, self._repertory, authorisation, source=self._source, digits="@INSZ@", day="@DATE@")
        blank = verzoek(asked, authorisation, inhoud=inhoud, reference="@REFERENCE@", moment=("@DATE@", "@TIME@"))
        form = self._build(asked, blank)
        often = _BLANKS | ({} if deed is Deed.READ else {b"@DATE@": 2})
        if any(form.count(name) != times for name, times in often.items()):
            raise ConfigError("A request cannot be written for this sender and capacity", todo="Correct the settings")
        return form
