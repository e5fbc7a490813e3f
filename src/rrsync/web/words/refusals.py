"""The words for why somebody could not be logged in: for what was claimed of them, and for what was not believed."""

from __future__ import annotations

from typing import Final

from rrsync.core.roles import Denial
from rrsync.web.oidc import Trouble

_UNBELIEVED: Final = {
    "nl": "wat de aanmelding van je organisatie antwoordde, klopt niet en is niet gebruikt; probeer het opnieuw",
    "en": "what your organisation's login answered is not right and was not used; try again",
}

#: Reason -> language -> words.
REFUSALS: Final[dict[Denial | Trouble, dict[str, str]]] = {
    Denial.NO_NAME: {
        "nl": "je organisatie gaf geen naam door waaronder je in het logboek kunt staan",
        "en": "your organisation gave no name under which you can stand in the log",
    },
    Denial.NO_ROLE: {
        "nl": "je organisatie gaf je geen rol voor rrsync, of niet voor de organisatie waarvoor je je aanmeldde",
        "en": "your organisation gave you no role for rrsync, or not for the organisation you logged in for",
    },
    Denial.NOT_APART: {
        "nl": "je hebt twee rollen die niet van één persoon mogen zijn: wie toezicht houdt, werkt niet aan de balie "
        "en beheert niets",
        "en": "you have two roles that may not be one person's: who watches the log neither works at the desk nor "
        "administers",
    },
    Denial.SEVERAL_ORGANISATIONS: {
        "nl": "je hebt rollen voor meer dan één organisatie; kies er bij het aanmelden één",
        "en": "you have roles for more than one organisation; choose one when you log in",
    },
    Denial.UNKNOWN_ORGANISATION: {
        "nl": "je organisatie is hier niet bekend",
        "en": "your organisation is not known here",
    },
    Denial.DESK_OF_NO_LIBRARY: {
        "nl": "je hebt de rol van de balie, maar niet voor een bibliotheek",
        "en": "you have the role of the desk, but not for a library",
    },
    Trouble.BEGUN_ELSEWHERE: {
        "nl": "deze aanmelding begon in een andere browser of een ander tabblad, of duurde langer dan tien minuten; "
        "begin opnieuw",
        "en": "this login began in another browser or tab, or took longer than ten minutes; begin again",
    },
    Trouble.CANCELLED: {
        "nl": "het aanmelden werd afgebroken",
        "en": "the login was cancelled",
    },
    Trouble.UNREACHABLE: {
        "nl": "de aanmelding van je organisatie is nu niet bereikbaar; probeer het over enkele minuten opnieuw",
        "en": "your organisation's login cannot be reached now; try again in a few minutes",
    },
    Trouble.NOT_PROVED: {
        "nl": "je bewees te lang geleden, of niet sterk genoeg, wie je bent; meld je bij je organisatie opnieuw aan",
        "en": "you proved who you are too long ago, or not strongly enough; log in again with your organisation",
    },
    Trouble.CODE: _UNBELIEVED,
    Trouble.CLAIMS: _UNBELIEVED,
    Trouble.TOKEN: _UNBELIEVED,
    Trouble.UNREADABLE: _UNBELIEVED,
}
