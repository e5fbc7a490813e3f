"""The terms of the access log, by their codes: outcomes, flags, findings, fields, purposes, and what else was done.

>>> translated(OUTCOMES, "same", "nl"), fields(("name", "shoe_size"), "en")
('bevestigd', 'name, shoe_size')
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from rrsync.core.anomaly import Flag
from rrsync.core.log_entry import DENIED, JSON, OPEN, REUSED, Kind, Status
from rrsync.core.review_sample import Finding
from rrsync.text.catalogue import N_, translated, translations
from rrsync.text.holds import advice

#: How an access ended: its status, or what was made of the reply.
OUTCOMES: Final[dict[str, str]] = {
    "same": N_("confirmed"),
    "filled": N_("confirmed and completed"),
    "change": N_("changed"),
    "hold": N_("to review"),
    "void": N_("not used"),
    "preview": N_("only shown"),
    "offered": N_("not decided yet"),
    "differed": N_("difference shown to staff"),
    "declined": N_("not accepted"),
    REUSED: N_("shown again"),
    Status.OK: N_("data received"),
    Status.NOT_FOUND: N_("number unknown"),
    Status.REPLACED: N_("new number"),
    Status.CANCELLED: N_("number cancelled"),
    Status.REFUSED: N_("refused by the register"),
    DENIED: N_("not allowed, not asked"),
    OPEN: N_("no outcome yet"),
    Status.NOT_SENT: N_("not sent"),
    Status.NO_REPLY: N_("no reply"),
    Status.TRANSIENT: N_("register unreachable"),
    Status.INVALID_REPLY: N_("unreadable reply"),
    Status.MISMATCH: N_("reply about somebody else"),
    Status.SIG_BAD: N_("invalid signature"),
    Status.INDETERMINATE: N_("interrupted"),
}

#: The outcomes that the log can be searched by, in the order of the search form.
STATUSES: Final = (
    *(Status.OK, Status.NOT_FOUND, Status.REPLACED, Status.CANCELLED, Status.REFUSED, DENIED, OPEN, Status.NOT_SENT),
    *(Status.NO_REPLY, Status.TRANSIENT, Status.INVALID_REPLY, Status.MISMATCH, Status.SIG_BAD, Status.INDETERMINATE),
    REUSED,
)

#: Why an access stands out -> in a few words.
FLAGS: Final[dict[str, str]] = {
    Flag.MANY_STAFF: N_("queried by many"),
    Flag.MANY_LOOKUPS: N_("many queries"),
    Flag.OWN_RECORD: N_("own record"),
    Flag.COLLEAGUE: N_("a colleague"),
    Flag.OUTSIDE_HOURS: N_("outside opening hours"),
    Flag.NO_GROUND: N_("no reason"),
    Flag.ODD_CASE: N_("unusual case reference"),
    Flag.REFUSED: N_("refused"),
    Flag.MANY_REFUSED: N_("refused often"),
}

#: Why an access stands out -> in a sentence.
FLAG_MEANINGS: Final[dict[str, str]] = {
    Flag.MANY_STAFF: N_("Several members of staff queried the same person within a week."),
    Flag.MANY_LOOKUPS: N_("One member of staff queried many people in a short time."),
    Flag.OWN_RECORD: N_("Somebody queried themselves."),
    Flag.COLLEAGUE: N_("Somebody queried a colleague."),
    Flag.OUTSIDE_HOURS: N_("The library was closed at that moment."),
    Flag.NO_GROUND: N_("Nothing explains the question: not a member, or everything was already confirmed."),
    Flag.ODD_CASE: N_("The case reference is not written as your library writes them."),
    Flag.REFUSED: N_("The question was not allowed and was not asked."),
    Flag.MANY_REFUSED: N_("The same member of staff was refused several times today."),
}

#: What a reviewer decides about an access of the sample.
FINDINGS: Final[dict[str, str]] = {
    Finding.JUSTIFIED: N_("justified"),
    Finding.UNJUSTIFIED: N_("not justified"),
    Finding.UNCLEAR: N_("unclear"),
}

#: The parts of a name and an address, and what else an entry names.
FIELDS: Final[dict[str, str]] = {
    "last": N_("last name"),
    "first": N_("first names"),
    "birth_date": N_("birth date"),
    "street": N_("street"),
    "house_number": N_("house number"),
    "box": N_("box"),
    "postal_code": N_("postal code"),
    "municipality": N_("municipality"),
    "nis_code": N_("NIS code"),
    "country": N_("country"),
    "address_since": N_("address since"),
    "name": N_("name"),
    "address": N_("address"),
    "since": N_("address since"),
    "insz": N_("national number"),
}

#: Purposes, by their code in the authorisation.
PURPOSES: Final[dict[str, str]] = {
    "member-administration": N_("member administration"),
    "desk": N_("question at the desk"),
    "unknown": N_("purpose not allowed"),
}

#: What ended a correction of an address (``store.corrections.End``).
ENDS: Final[dict[str, str]] = {
    "agreed": N_("the register says the same"),
    "staff": N_("a member of staff ended it"),
    "file": N_("the library itself gave another address"),
    "lapsed": N_("the chosen day has passed"),
}

#: What was done about a person that is not an access: a code of ``deed`` -> its text, for staff.
DEEDS: Final[dict[str, str]] = {
    "show": N_("viewed in the log who had queried this person's data"),
    "answer": N_("looked up what the log says about this person"),
    "evidence": N_("requested the full messages of entry %(of)s, for this reason: %(note)s"),
    "view": N_("viewed the log (%(what)s)"),
    "accepted": N_("accepted what the register had reported (%(hold)s): %(changed)s"),
    "dismissed": N_("dismissed what the register had reported (%(hold)s)"),
    "taken": N_("accepted what the register said: %(changed)s"),
    "declined": N_("kept what the library had"),
    "correct": N_("corrected the address, up to and including %(until)s"),
    "uncorrect": N_("a correction of the address ended: %(ended)s"),
    "wanted": N_("wanted to ask about this person, who was not a member, case %(case)s"),
    "approved": N_("approved that a colleague asks about this person, who was not a member, case %(case)s"),
    "refused": N_("did not approve that a colleague asks about this person, case %(case)s"),
    "add": N_("put this person on the list of staff, under the name %(name)s"),
    "remove": N_("removed this person from the list of staff, under the name %(name)s"),
    "other": N_("another entry (%(kind)s)"),
}

_OFFERS: Final = {"accepted": "taken", "declined": "declined"}
_VIEWS: Final = {"show": "show", "who": "answer", "evidence": "evidence"}


def fields(names: Iterable[str], language: str) -> str:
    """Return the names of fields."""
    return ", ".join(translated(FIELDS, name, language) for name in names)


def deed_text(entry: Mapping[str, JSON], language: str, texts: Mapping[str, str] = DEEDS) -> str:
    """Return what was done, in the words of ``texts``, which has the codes of ``DEEDS``."""
    code, values = deed(entry, language)
    return translations(language).gettext(texts[code]) % values


def deed(entry: Mapping[str, JSON], language: str) -> tuple[str, dict[str, str]]:
    """Return one of the codes of ``DEEDS`` for an entry that is not an access, and the values of its text."""
    values = _values(entry)
    match values["kind"]:
        case Kind.VIEW:
            return _VIEWS.get(values["what"], "view"), values
        case Kind.DECISION if values["decision"] in {"accepted", "dismissed"}:
            values["hold"] = advice(values["hold"], language).short
            values["changed"] = fields(values["changed"].split(), language)
            return values["decision"], values
        case Kind.OFFER if values["decision"] in _OFFERS:
            values["changed"] = fields(values["changed"].split(), language)
            return _OFFERS[values["decision"]], values
        case Kind.CORRECT:
            return "correct", values
        case Kind.UNCORRECT:
            values["ended"] = translated(ENDS, values["ended"], language)
            return "uncorrect", values
        case Kind.OUTSIDE if values["decision"] in {"wanted", "approved", "refused"}:
            return values["decision"], values
        case Kind.STAFF if values["deed"] in {"add", "remove"}:
            return values["deed"], values
        case _:
            return "other", values


def _values(entry: Mapping[str, JSON]) -> dict[str, str]:
    """Return the values of an entry that is not an access, by their last name; what it does not have is empty."""
    names = ("kind", "what", "of", "note", "decision", "hold", "changed", "deed", "name", "until", "ended", "case")
    values = dict.fromkeys(names, "")
    for part in (entry, *(entry.get(name) for name in ("view", "why", "staff"))):
        for name, value in part.items() if isinstance(part, dict) else ():
            if name == "filter" and isinstance(value, dict):
                values["of"] = str(value.get("of", ""))
            elif name in values:
                values[name] = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    return values
