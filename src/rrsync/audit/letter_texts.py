"""The texts of the letter to a citizen who asks who queried their data (GDPR, art. 15).

They speak to the person themselves. Terms that do not are in ``text.log_terms`` and ``text.holds``.
"""

from __future__ import annotations

import re
from typing import Final

from rrsync.core.log_entry import DENIED, OPEN, REUSED, Status
from rrsync.text.catalogue import N_, translations
from rrsync.text.log_terms import DEEDS

#: Paragraphs and headings.
TEXT: Final[dict[str, str]] = {
    "title": N_("Who queried your data?"),
    "opening": N_(
        "You asked who queried your data in the National Register or in the registers of the Crossroads Bank (General "
        "Data Protection Regulation, article 15). Every question about a person is written in a log before it is "
        "asked, and later changes to that log are detected. Below is everything that the logs of the libraries named "
        "say about you, including what failed or was refused. All times are in Belgian time."
    ),
    "counts": N_(
        "Accesses: %(answered)s. Attempts that failed or were refused: %(failed)s. Other entries about you: %(others)s."
    ),
    "nobody": N_("These logs contain nothing about you: nobody queried your data, and nobody tried to."),
    "since": N_("Since then these logs contain nothing about you: nobody queried your data, and nobody tried to."),
    "forgotten": N_(
        "The log of %(library)s holds nothing about %(years)s any more: the key under which people were recorded in it "
        "was destroyed after its retention period. This reply is complete from 1 January %(complete)s."
    ),
    "page": N_("Page %(number)s of %(pages)s"),
    "answered": N_("Accesses"),
    "failed": N_("Attempts that failed or were refused"),
    "others": N_("Other entries about you"),
    "proof": N_(
        "You can ask for a proof of every log entry listed above, and have it checked yourself, even if you do not "
        "trust the library. Give the library the number of the entry; it makes the proof with `rrsync log prove NUMBER "
        "--library LIBRARY`."
    ),
    "itself": N_("Your request and this reply are in the log too: %(places)s."),
    "number": N_("This reply is about the number you gave. If you had another number before, ask for that one too."),
    "rights": N_(
        "The entries of a year can be found by your number until ten years after the last of them; then the key is "
        "destroyed, and nobody knows any more whom they were about. The data come from the registers themselves and go "
        "to nobody but the library. You can ask it to show what it holds about you, to correct it or to stop using it, "
        "and you can object (articles 15 to 21 of the same regulation)."
    ),
    "turn": N_(
        "Do you have questions, or do you disagree? Contact the library's data-protection officer. You can also lodge "
        "a complaint with the supervisory authority: about a library of a municipality or of another Flemish public "
        "body with the Flemish Supervisory Commission (Vlaamse Toezichtcommissie), "
        "www.vlaanderen.be/vlaamse-toezichtcommissie; about another with the Data Protection Authority "
        "(Gegevensbeschermingsautoriteit), Drukpersstraat 35, 1000 Brussels, www.dataprotectionauthority.be."
    ),
}

#: The labels of lines.
LABELS: Final[dict[str, str]] = {
    "date": N_("Date"),
    "libraries": N_("Libraries"),
    "when": N_("When"),
    "library": N_("Library"),
    "who": N_("Who"),
    "why": N_("Why"),
    "ground": N_("Ground"),
    "data": N_("Data"),
    "result": N_("Result"),
    "what": N_("What"),
    "log": N_("Log"),
}

#: Parts of lines.
PART: Final[dict[str, str]] = {
    "person": N_("a member of staff, under the name %(name)s"),
    "process": N_("the automatic program %(name)s, without a member of staff"),
    "night": N_("the nightly program (%(name)s), without a member of staff"),
    "capacity": N_("%(who)s, in the capacity of a library (%(capacity)s)"),
    "case": N_("%(why)s, case %(case)s"),
    "basis": N_("authorisation %(basis)s"),
    "ungrounded": N_("none: authorisation %(basis)s does not allow it"),
    "none": N_("none"),
    "withheld": N_("%(data)s; %(count)s other parts of the reply were not requested: counted, not used"),
    "one": N_("entry %(first)s of %(library)s"),
    "two": N_("entries %(first)s and %(second)s of %(library)s"),
}

#: What was done that is not an access, where the letter says it to the person.
LETTER_DEEDS: Final[dict[str, str]] = DEEDS | {
    "show": N_("viewed in the log who had queried your data"),
    "answer": N_("looked up what the log says about you, to answer you"),
    "correct": N_("corrected your address at the library, up to and including %(until)s"),
    "uncorrect": N_("a correction of your address at the library ended: %(ended)s"),
    "wanted": N_("wanted to ask the register about you although you are no member, case %(case)s"),
    "approved": N_("approved that a colleague asks the register about you although you are no member, case %(case)s"),
    "refused": N_("did not approve that a colleague asks the register about you, case %(case)s"),
    "add": N_("put you on the list of staff, under the name %(name)s"),
    "remove": N_("removed you from the list of staff, under the name %(name)s"),
}

#: Purpose, by its code in the authorisation -> why.
REASONS: Final[dict[str, str]] = {
    "member-administration": N_("member administration: to check that the library has your name and address right"),
    "desk": N_("a question at the desk"),
    "unknown": N_("a purpose that is not allowed; it was not kept"),
}

#: How an access ended that brought nothing about the person: its status -> what came of it.
FAILED: Final[dict[str, str]] = {
    DENIED: N_("refused by the program itself, and not asked"),
    OPEN: N_("no outcome yet"),
    Status.REFUSED: N_("refused by the register"),
    Status.NOT_SENT: N_("not sent"),
    Status.NO_REPLY: N_("no reply was received"),
    Status.TRANSIENT: N_("the register could not reply"),
    Status.INVALID_REPLY: N_("the reply was unreadable or could not be trusted; it was not used"),
    Status.MISMATCH: N_("the reply was about somebody else; it was not used"),
    Status.SIG_BAD: N_("the signature of the reply was invalid; it was not used"),
    Status.INDETERMINATE: N_("unknown: the program was interrupted; perhaps no question was sent"),
}

#: How an access ended that the register answered, when nothing more was made of it.
ANSWERED: Final[dict[str, str]] = {
    Status.OK: N_("the register gave the data"),
    Status.NOT_FOUND: N_("the register does not know this number"),
    Status.REPLACED: N_("the register gave a new number"),
    Status.CANCELLED: N_("the register says that this number was cancelled"),
    REUSED: N_("a reply of less than a quarter of an hour old was shown again; the register was not asked again"),
}

#: What the register was asked to do, by its service.
DONE: Final[dict[str, str]] = {
    "RegistreerInschrijving": N_("the library told the register that it has a file on you"),
    "RegistreerUitschrijving": N_("the library told the register that this number no longer has a file"),
}

#: What the program made of a reply: its verdict -> what came of it.
VERDICTS: Final[dict[str, str]] = {
    "same": N_("the register confirmed what the library had"),
    "filled": N_("the register confirmed what the library had, and completed it"),
    "change": N_("the register said something else, and the library accepted it"),
    "hold": N_("nothing was changed; a member of staff had to review it"),
    "void": N_("nothing was changed; the number was no longer a member's"),
    "preview": N_("only shown; nothing was changed"),
    "offered": N_("the register said something else; a member of staff had to decide"),
}

#: Why a question was denied, as ``core.authorisation`` and ``registry.gate`` say it -> its text.
_DENIALS: Final = (
    (r"the library has no authorisation", N_("the library has no authorisation")),
    (r"the authorisation is another library's", N_("the authorisation is another library's")),
    (r"the authorisation is in force from (?P<day>\S+) only", N_("the authorisation is in force from %(day)s only")),
    (r"the authorisation ended on (?P<day>\S+)", N_("the authorisation ended on %(day)s")),
    (
        r"the authorisation does not name this purpose, only (?P<purposes>.+)",
        N_("the authorisation does not name this purpose, only %(purposes)s"),
    ),
    (r"the limit of questions was reached", N_("the limit of questions was reached")),
)


def denial(text: str, language: str) -> str:
    """Return why a question was denied; a reason that the table does not have, as it is."""
    for pattern, message in _DENIALS:
        if found := re.fullmatch(pattern, text):
            return translations(language).gettext(message) % found.groupdict()
    return text
