"""What cannot wait for the morning's digest: the register answered about somebody else, or in another's hand.

The data-protection officer is told at once by mail, when the settings name a mailbox; the operational log says it in
any case. Whom it was about stands in the access log, and in no mail.
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
    """Where mail to the data-protection officer goes."""

    def send(self, subject: str, text: str) -> None:
        """Send one mail; raises ``RrsyncError`` when it is not taken."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """Tells the data-protection officer; ``mailbox`` gives where, or ``None`` where the settings name none."""

    mailbox: Callable[[], Mailbox | None]
    language: str

    def __call__(self, reason: str, library: str) -> None:
        """Tell why, and of which library; a mail that is not taken stops nothing, and the operational log says so."""
        log.error("alarm", reason=reason, library=library)
        subject, text = _WORDS[self.language][reason]
        try:
            mailbox = self.mailbox()
            if mailbox is not None:
                mailbox.send(f"rrsync: {library}: {subject}", text.format(library=library) + "\n")
        except RrsyncError:
            log.error("alarm.unsent", reason=reason, library=library)  # noqa: TRY400 — its words may name an address
