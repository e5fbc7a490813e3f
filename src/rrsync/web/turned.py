"""How a request is turned away, and what it is told."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Final


class Away(StrEnum):
    """Why a request is turned away."""

    TO_LOGIN = "to_login"
    UNPROVED = "unproved"
    OUTSIDE = "outside"
    FOREIGN = "foreign"
    STALE = "stale"
    FORBIDDEN = "forbidden"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Told:
    """The status, the kind of error page (``views.frame.ErrorPage``), and the page that leads on."""

    status: HTTPStatus
    kind: str
    again: str = "home"


TOLD: Final = {
    Away.TO_LOGIN: Told(HTTPStatus.SEE_OTHER, "outside", "login"),
    Away.UNPROVED: Told(HTTPStatus.FORBIDDEN, "unproved", "login_again"),
    Away.OUTSIDE: Told(HTTPStatus.UNAUTHORIZED, "outside", "login"),
    Away.FOREIGN: Told(HTTPStatus.FORBIDDEN, "stale"),
    Away.STALE: Told(HTTPStatus.FORBIDDEN, "stale"),
    Away.FORBIDDEN: Told(HTTPStatus.FORBIDDEN, "forbidden"),
    Away.MISSING: Told(HTTPStatus.NOT_FOUND, "missing"),
}


class TurnedAway(Exception):
    """A request may not go where it wants; the message is the reason alone."""

    def __init__(self, why: Away) -> None:
        self.why = why
        super().__init__(why.value)
