"""The words of the log for who was looked up: a purpose, an end, a field and a deed in plain Dutch and English.

What was done, in an entry about a person that is no look: a key of every table that has words for it. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from rrsync.audit.advice import ADVICE, FIELDS
from rrsync.core.exchange import Reason
from rrsync.core.log_entry import DENIED, JSON, OPEN, REUSED, Kind, Status
from rrsync.text.formatting import MONTHS

_BRUSSELS: Final = ZoneInfo("Europe/Brussels")

#: Purpose, by its code in the authorisation -> why.
PURPOSES: Final[dict[str, dict[str, str]]] = {
    "nl": {
        "member-administration": "ledenadministratie: nagaan of de bibliotheek uw naam en adres nog juist heeft",
        "desk": "een vraag aan de balie",
        "unknown": "een doel dat niet is toegelaten; het is niet bewaard",
    },
    "en": {
        "member-administration": "members' administration: to see whether the library still has your name and address "
        "right",
        "desk": "a question at the desk",
        "unknown": "a purpose that is not allowed; it was not kept",
    },
}

#: How an access ended that brought nothing about the person: its status -> what came of it.
FAILED: Final[dict[str, dict[str, str]]] = {
    "nl": {
        DENIED: "geweigerd door het programma zelf, en niet gevraagd",
        OPEN: "nog geen uitkomst",
        Status.REFUSED: "geweigerd door het register",
        Status.NOT_SENT: "niet verstuurd",
        Status.NO_REPLY: "geen antwoord gekregen",
        Status.TRANSIENT: "het register kon niet antwoorden",
        Status.INVALID_REPLY: "het antwoord was niet te lezen of niet te vertrouwen; het is niet gebruikt",
        Status.MISMATCH: "het antwoord ging over iemand anders; het is niet gebruikt",
        Status.SIG_BAD: "de handtekening van het antwoord klopte niet; het is niet gebruikt",
        Status.INDETERMINATE: "onbekend: het programma brak af; misschien is er geen vraag verstuurd",
    },
    "en": {
        DENIED: "refused by the program itself, and not asked",
        OPEN: "no outcome yet",
        Status.REFUSED: "refused by the register",
        Status.NOT_SENT: "not sent",
        Status.NO_REPLY: "no reply came",
        Status.TRANSIENT: "the register could not answer",
        Status.INVALID_REPLY: "the reply could not be read or trusted; it was not used",
        Status.MISMATCH: "the reply was about somebody else; it was not used",
        Status.SIG_BAD: "the reply's signature was not right; it was not used",
        Status.INDETERMINATE: "unknown: the program was cut off; perhaps no question was sent",
    },
}

#: How an access ended that the register answered, when nothing more was made of it.
ANSWERED: Final[dict[str, dict[str, str]]] = {
    "nl": {
        Status.OK: "het register gaf de gegevens",
        Status.NOT_FOUND: "het register kent dit nummer niet",
        Status.REPLACED: "het register gaf een nieuw nummer",
        Status.CANCELLED: "het register zegt dat dit nummer is geannuleerd",
        REUSED: "een antwoord van minder dan een kwartier oud opnieuw getoond; niet opnieuw gevraagd",
    },
    "en": {
        Status.OK: "the register gave the data",
        Status.NOT_FOUND: "the register does not know this number",
        Status.REPLACED: "the register gave a new number",
        Status.CANCELLED: "the register says that this number was cancelled",
        REUSED: "an answer of less than a quarter of an hour old shown again; not asked again",
    },
}

#: What the register did that was asked to do something, by its service.
DONE: Final[dict[str, dict[str, str]]] = {
    "nl": {
        "RegistreerInschrijving": "de bibliotheek meldde aan het register dat zij een dossier over u heeft",
        "RegistreerUitschrijving": "de bibliotheek meldde aan het register dat dit nummer geen dossier meer heeft",
    },
    "en": {
        "RegistreerInschrijving": "the library told the register that it has a file on you",
        "RegistreerUitschrijving": "the library told the register that it has no file under this number any more",
    },
}

#: What the program made of an answer: its verdict -> what came of it.
VERDICTS: Final[dict[str, dict[str, str]]] = {
    "nl": {
        "same": "het register bevestigde wat de bibliotheek had",
        "filled": "het register bevestigde wat de bibliotheek had, en vulde het aan",
        "change": "het register zei iets anders, en de bibliotheek nam het over",
        "hold": "niets aangepast; een personeelslid moest het bekijken",
        "void": "niets aangepast; het nummer hoorde niet meer bij een lid",
        "preview": "alleen getoond; niets aangepast",
        "offered": "het register zei iets anders; een personeelslid moest beslissen",
    },
    "en": {
        "same": "the register confirmed what the library held",
        "filled": "the register confirmed what the library held, and added to it",
        "change": "the register said otherwise, and the library took it over",
        "hold": "nothing was changed; a member of staff had to look at it",
        "void": "nothing was changed; the number was no longer a member's",
        "preview": "only shown; nothing was changed",
        "offered": "the register said otherwise; a member of staff had to decide",
    },
}

#: Clauses of a denial, as ``core.authorisation`` and ``registry.gate`` write them, and their Dutch.
_CLAUSES: Final = (
    (r"the library has no authorisation", "de bibliotheek had geen machtiging"),
    (r"the authorisation is another library's", "de machtiging is die van een andere bibliotheek"),
    (r"the authorisation is in force from (\S+) only", r"de machtiging geldt pas vanaf \1"),
    (r"the authorisation ended on (\S+)", r"de machtiging liep af op \1"),
    (r"the authorisation does not name this purpose, only (.+)", r"de machtiging noemt dit doel niet, enkel \1"),
    (r"the limit of questions was reached", "het aantal toegelaten vragen was bereikt"),
)

#: What ended a correction of an address (``store.corrections.End``).
ENDS: Final[dict[str, dict[str, str]]] = {
    "nl": {
        "agreed": "het register zegt hetzelfde",
        "staff": "een personeelslid beëindigde ze",
        "file": "de bibliotheek gaf zelf een ander adres",
        "lapsed": "de gekozen dag was voorbij",
    },
    "en": {
        "agreed": "the register says the same",
        "staff": "a member of staff ended it",
        "file": "the library itself gave another address",
        "lapsed": "the chosen day was over",
    },
}

_MORE: Final = {
    "nl": {
        "since": "begindatum van het adres",
        "address_since": "begindatum van het adres",
        "name": "naam",
        "address": "adres",
        "insz": "rijksregisternummer",
    },
    "en": {
        "since": "start date of the address",
        "address_since": "start date of the address",
        "name": "name",
        "address": "address",
        "insz": "national number",
    },
}


def spoken(at: datetime, language: str) -> str:
    """Give a moment as a letter has it, in Belgian time: ``1 november 2026, 08:30:00``."""
    return f"{spoken_day(at, language)}, {at.astimezone(_BRUSSELS):%H:%M:%S}"


def spoken_day(at: datetime, language: str) -> str:
    """Give the day of a moment in Belgium as a letter has it: ``1 november 2026``."""
    there = at.astimezone(_BRUSSELS)
    return f"{there.day} {MONTHS[language][there.month - 1]} {there.year}"


def purpose(code: str, language: str) -> str:
    """Give a purpose in plain words; one that the table does not have, as it stands."""
    return PURPOSES[language].get(code, code)


def fields(names: tuple[str, ...], language: str) -> str:
    """Give the names of fields in plain words."""
    words = FIELDS[language] | _MORE[language]
    return ", ".join(words.get(name, name) for name in names)


def hold(reason: str, language: str) -> str:
    """Give what the reason of a hold means; one that the table does not have, as it stands."""
    return ADVICE[Reason(reason)][language][0] if reason in set(Reason) else reason


def clause(text: str, language: str) -> str:
    """Give why a question was denied; what the table does not have, as it stands."""
    if language == "nl":
        for english, dutch in _CLAUSES:
            if found := re.fullmatch(english, text):
                return found.expand(dutch)
    return text


#: What ``deed`` may give.
DEEDS: Final = (
    *("show", "answer", "evidence", "view", "accepted", "dismissed", "taken", "declined", "correct", "uncorrect"),
    *("wanted", "approved", "refused", "add", "remove", "other"),
)

_OFFERS: Final = {"accepted": "taken", "declined": "declined"}
_VIEWS: Final = {"show": "show", "who": "answer", "evidence": "evidence"}


def deed(line: Mapping[str, JSON], language: str) -> tuple[str, dict[str, str]]:
    """Give one of ``DEEDS``, and the words that fill its places in a text."""
    words = _words(line)
    match words["kind"]:
        case Kind.VIEW:
            return _VIEWS.get(words["what"], "view"), words
        case Kind.DECISION if words["decision"] in {"accepted", "dismissed"}:
            words["hold"] = hold(words["hold"], language)
            words["changed"] = fields(tuple(words["changed"].split()), language)
            return words["decision"], words
        case Kind.OFFER if words["decision"] in _OFFERS:
            words["changed"] = fields(tuple(words["changed"].split()), language)
            return _OFFERS[words["decision"]], words
        case Kind.CORRECT:
            return "correct", words
        case Kind.UNCORRECT:
            words["ended"] = ENDS[language].get(words["ended"], words["ended"])
            return "uncorrect", words
        case Kind.OUTSIDE if words["decision"] in {"wanted", "approved", "refused"}:
            return words["decision"], words
        case Kind.STAFF if words["deed"] in {"add", "remove"}:
            return words["deed"], words
        case _:
            return "other", words


def _words(line: Mapping[str, JSON]) -> dict[str, str]:
    """Give the words of an entry that is no look, by their last name; what it does not say is empty."""
    names = ("kind", "what", "of", "note", "decision", "hold", "changed", "deed", "name", "until", "ended", "case")
    words = dict.fromkeys(names, "")
    for part in (line, *(line.get(name) for name in ("view", "why", "staff"))):
        for name, value in part.items() if isinstance(part, dict) else ():
            if name == "filter" and isinstance(value, dict):
                words["of"] = str(value.get("of", ""))
            elif name in words:
                words[name] = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    return words
