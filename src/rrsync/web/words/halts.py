"""Why a run stopped by itself, by the one word of its report: in short, in a sentence, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Halt:
    """Why a run stopped in few words, what that means, and what to do."""

    short: str
    means: str
    todo: str


HALTS: Final[dict[str, dict[str, Halt]]] = {
    "nl": {
        "mass_change": Halt(
            "te veel wijzigingen tegelijk",
            "Er veranderden veel meer adressen dan er mensen verhuizen. De laatste zijn niet doorgevoerd.",
            "kijk er enkele na op de werklijst; kloppen ze, geef ze dan vrij.",
        ),
        "mix_up": Halt(
            "antwoorden over iemand anders",
            "Het register antwoordde over iemand anders dan er gevraagd was. Die antwoorden zijn weggegooid.",
            "bel MAGDA en de functionaris voor gegevensbescherming voor de volgende run.",
        ),
        "signature": Halt(
            "foute handtekeningen",
            "De antwoorden waren niet ondertekend zoals het moet. Ze zijn weggegooid.",
            "bel MAGDA en de functionaris voor gegevensbescherming voor de volgende run.",
        ),
        "breaker": Halt(
            "register niet bereikbaar",
            "Het register gaf te lang geen bruikbaar antwoord. Wat gedaan is, is bewaard; de rest staat nog open.",
            "ga verder als het register terug is.",
        ),
        "not_authorised": Halt(
            "geen machtiging",
            "Geen geldige machtiging laat deze vraag toe. Er is niets verstuurd.",
            "kijk de machtiging in de instellingen na.",
        ),
        "refused": Halt(
            "geweigerd door het register",
            "Het register weigert de bibliotheek zelf, niet één persoon.",
            "kijk het certificaat en de hoedanigheid na, of bel MAGDA.",
        ),
        "evidence": Halt(
            "logboek niet te schrijven",
            "Het logboek of de databank kon niet worden geschreven. Zonder logboek wordt er niets gevraagd.",
            "kijk de databank en de schijfruimte na.",
        ),
        "anchor": Halt(
            "logboek niet verankerd",
            "Al vier uur nam geen enkel anker het logboek aan.",
            "kijk na of de ankers bereikbaar zijn.",
        ),
    },
    "en": {
        "mass_change": Halt(
            "too many changes at once",
            "Far more addresses changed than people move. The last ones were not carried out.",
            "look at some of them in the worklist; if they are right, release them.",
        ),
        "mix_up": Halt(
            "answers about somebody else",
            "The register answered about somebody else than was asked about. Those answers were dropped.",
            "call MAGDA and the data-protection officer before the next run.",
        ),
        "signature": Halt(
            "wrong signatures",
            "The replies were not signed as they must be. They were dropped.",
            "call MAGDA and the data-protection officer before the next run.",
        ),
        "breaker": Halt(
            "register away",
            "The register gave no usable answer for too long. What was done is kept; the rest is still open.",
            "go on when the register is back.",
        ),
        "not_authorised": Halt(
            "no authorisation",
            "No authorisation in force allows this question. Nothing was sent.",
            "check the authorisation in the settings.",
        ),
        "refused": Halt(
            "refused by the register",
            "The register refuses the library itself, not one person.",
            "check the certificate and the capacity, or call MAGDA.",
        ),
        "evidence": Halt(
            "log cannot be written",
            "The log or the database could not be written. Without a log nothing is asked.",
            "check the database and the disk space.",
        ),
        "anchor": Halt(
            "log not anchored",
            "For four hours no anchor took the log in.",
            "check that the anchors can be reached.",
        ),
    },
}
