"""Alarms that cannot wait for the daily digest: the register answered about somebody else, or a signature is wrong.

A mail goes to the data-protection officer when the settings name a mailbox; the operational log records it in any case.
The person concerned is named in the access log only, never in a mail.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from rrsync.core.report import MIX_UP, OUTSIDE, SIGNATURE
from rrsync.errors import RrsyncError

_WORDS: Final[Mapping[str, Mapping[str, tuple[str, str]]]] = {
    "nl": {
        MIX_UP: (
            "het register antwoordde over iemand anders",
            (
                "Bij {library} kwam een antwoord van MAGDA dat over iemand anders ging dan gevraagd was. Het is niet "
                "gebruikt en aan niemand getoond; het bericht zelf is verzegeld bewaard.\n\n"
                "Bekijk het met `rrsync log show --library {library} --outcome mismatch`, en bel de MAGDA-servicedesk "
                "voor de volgende nacht."
            ),
        ),
        SIGNATURE: (
            "handtekeningen van het register kloppen niet",
            (
                "Bij {library} kwamen antwoorden waarvan de handtekening niet klopt. Ze zijn niet gebruikt.\n\n"
                "Bekijk het met `rrsync log show --library {library} --outcome sig_bad`. Vraag MAGDA of zijn "
                "certificaat veranderd is voor u iets aan de instellingen wijzigt."
            ),
        ),
        OUTSIDE: (
            "een opzoeking buiten het ledenbestand",
            (
                "Bij {library} keurden twee medewerkers goed dat het register gevraagd wordt naar iemand die geen lid "
                "is. Wie, waarom en voor welk dossier staat in het logboek.\n\n"
                "Bekijk het met `rrsync log show --library {library} --raw`, en vraag hen ernaar."
            ),
        ),
    },
    "en": {
        MIX_UP: (
            "the register answered about somebody else",
            (
                "{library} got a reply of MAGDA's that was about somebody else than was asked about. It was not used, "
                "and shown to nobody; the message itself is kept sealed.\n\n"
                "Look at it with `rrsync log show --library {library} --outcome mismatch`, and call the MAGDA service "
                "desk before the next night."
            ),
        ),
        SIGNATURE: (
            "the register's signatures are not right",
            (
                "{library} got replies whose signature is not right. They were not used.\n\n"
                "Look at them with `rrsync log show --library {library} --outcome sig_bad`. Ask MAGDA whether its "
                "certificate changed before you change anything in the settings."
            ),
        ),
        OUTSIDE: (
            "a lookup outside the member file",
            (
                "At {library} two members of staff agreed that the register be asked about somebody who is no member. "
                "Who, why and for which case stands in the access log.\n\n"
                "Look at it with `rrsync log show --library {library} --raw`, and ask them about it."
            ),
        ),
    },
}

log = structlog.get_logger()


class Mailbox(Protocol):
    """A mailbox of the data-protection officer."""

    def send(self, subject: str, text: str) -> None:
        """Send one mail; raises ``RrsyncError`` when it is not accepted."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """Alerts the data-protection officer; ``mailbox`` returns the mailbox, or ``None`` when the settings name none."""

    mailbox: Callable[[], Mailbox | None]
    language: str

    def __call__(self, reason: str, library: str) -> None:
        """Send the alarm of a library; a failed mail stops nothing and is recorded in the operational log."""
        log.error("alarm", reason=reason, library=library)
        subject, text = _WORDS[self.language][reason]
        try:
            mailbox = self.mailbox()
            if mailbox is not None:
                mailbox.send(f"rrsync: {library}: {subject}", text.format(library=library) + "\n")
        except RrsyncError:
            log.error("alarm.unsent", reason=reason, library=library)  # noqa: TRY400 — its words may name an address
