"""Why a run stops by itself, by the code in its report: in a few words, what it means, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rrsync.text.catalogue import N_, translations
from rrsync.text.formatting import sentence


@dataclass(frozen=True, slots=True)
class RunStop:
    """A stop: in a few words, what it means, and what to do."""

    short: str
    means: str
    todo: str


_CALL_MAGDA: Final = N_("call MAGDA and the data-protection officer before the next run.")

#: Code in the report of a run -> its texts.
RUN_STOPS: Final = {
    "mass_change": RunStop(
        N_("too many changes at once"),
        N_("Far more addresses changed than people move. The last ones were not applied."),
        N_("review some of them in the worklist; if they are right, release them."),
    ),
    "mix_up": RunStop(
        N_("replies about somebody else"),
        N_("The register replied about other people than those asked about. Those replies were discarded."),
        _CALL_MAGDA,
    ),
    "signature": RunStop(
        N_("invalid signatures"),
        N_("The replies were not signed as required. They were discarded."),
        _CALL_MAGDA,
    ),
    "breaker": RunStop(
        N_("register unreachable"),
        N_("The register gave no usable reply for too long. What is done is kept; the rest is still open."),
        N_("resume when the register is back."),
    ),
    "not_authorised": RunStop(
        N_("no authorisation"),
        N_("No valid authorisation allows this question. Nothing was sent."),
        N_("check the authorisation in the settings."),
    ),
    "refused": RunStop(
        N_("refused by the register"),
        N_("The register refuses the library itself, not one person."),
        N_("check the certificate and the capacity, or call MAGDA."),
    ),
    "evidence": RunStop(
        N_("log cannot be written"),
        N_("The access log or the database could not be written. Without the log nothing is asked."),
        N_("check the database and the disk space."),
    ),
    "anchor": RunStop(
        N_("log not anchored"),
        N_("No anchor accepted the log for four hours."),
        N_("check that the anchors can be reached."),
    ),
}


def run_stop(code: str, language: str) -> RunStop:
    """Return the texts of a stop; a code that has none stands as it is."""
    if code not in RUN_STOPS:
        return RunStop(code, sentence(code), "")
    say, told = translations(language).gettext, RUN_STOPS[code]
    return RunStop(say(told.short), say(told.means), say(told.todo))
