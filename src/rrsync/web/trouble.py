"""Why a login comes to nothing: what the provider said cannot be believed, or cannot be had."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Trouble(StrEnum):
    """What was wrong, as it stands in the log of the program."""

    BEGUN_ELSEWHERE = "begun_elsewhere"
    CANCELLED = "cancelled"
    CODE = "code"
    CLAIMS = "claims"
    NOT_PROVED = "not_proved"
    TOKEN = "token"  # noqa: S105 — no secret
    UNREACHABLE = "unreachable"
    UNREADABLE = "unreadable"


#: What is nobody's attempt: the person or the provider can mend it.
HARMLESS: Final = frozenset({Trouble.BEGUN_ELSEWHERE, Trouble.CANCELLED, Trouble.UNREACHABLE})


class Refused(Exception):
    """A login comes to nothing; the message is the reason alone."""

    def __init__(self, why: Trouble) -> None:
        self.why = why
        super().__init__(why.value)
