"""All words, by page and language."""

from __future__ import annotations

from typing import Final

from rrsync.web.words import (
    admin,
    correct,
    desk,
    door,
    error,
    figures,
    frame,
    holds,
    log,
    outside,
    register,
    review,
    runs,
)
from rrsync.web.words.frame import Texts

#: A page's name -> its words.
PAGES: Final[dict[str, Texts]] = {
    "login": frame.LOGIN,
    "welcome": door.WELCOME,
    "home": door.HOME,
    "sessions": door.SESSIONS,
    "error": error.ERROR,
    "desk": desk.DESK,
    "member": desk.MEMBER,
    "difference": desk.DIFFERENCE,
    "correct": correct.CORRECT,
    "holds": holds.HOLDS,
    "hold": holds.HOLD,
    "outside": outside.OUTSIDE,
    "wish": outside.WISH,
    "operator": runs.OPERATOR,
    "runs": runs.RUNS,
    "run": runs.RUN,
    "register": register.REGISTER,
    "officer": review.OFFICER,
    "log": log.LOG,
    "entry": log.ENTRY,
    "person": log.PERSON,
    "letter": log.LETTER,
    "day": review.DAY,
    "samples": review.SAMPLES,
    "sample": review.SAMPLE,
    "figures": figures.FIGURES,
    "export": figures.EXPORT,
    "admin": admin.ADMIN,
    "key": admin.KEY,
    "hooks": admin.HOOKS,
    "people": admin.PEOPLE,
}
