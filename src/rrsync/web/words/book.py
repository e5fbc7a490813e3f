"""All words, by page and language."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rrsync.web.words import correct, desk, door, figures, frame, holds, log, review, runs

if TYPE_CHECKING:
    from rrsync.web.words.frame import Texts

#: A page's name -> its words.
PAGES: Final[dict[str, Texts]] = {
    "login": frame.LOGIN,
    "welcome": door.WELCOME,
    "home": door.HOME,
    "error": frame.ERROR,
    "desk": desk.DESK,
    "member": desk.MEMBER,
    "difference": desk.DIFFERENCE,
    "correct": correct.CORRECT,
    "holds": holds.HOLDS,
    "hold": holds.HOLD,
    "operator": runs.OPERATOR,
    "runs": runs.RUNS,
    "run": runs.RUN,
    "register": runs.REGISTER,
    "officer": review.OFFICER,
    "log": log.LOG,
    "entry": log.ENTRY,
    "person": log.PERSON,
    "letter": log.LETTER,
    "day": review.DAY,
    "sample": review.SAMPLE,
    "figures": figures.FIGURES,
    "export": figures.EXPORT,
}
