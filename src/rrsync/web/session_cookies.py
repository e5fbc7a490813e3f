"""What a browser keeps for the pages: three cookies, none of which says anything about anybody.

The first is the session's token. The second is there while somebody logs in: a moment and 256 random bits, from which
everything that must come back the same is derived, so that nothing of it is kept here. The third is a language.

With TLS their names begin with ``__Host-``: no other host and no plain connection can set them.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, Self

from fastapi import Request, Response

LOGIN: Final = timedelta(minutes=10)
_START: Final = re.compile(r"[0-9]{1,12}\.[ar]\.[A-Za-z0-9_-]{43}")
_BYTES: Final = 32
_YEAR_S: Final = 365 * 86_400


@dataclass(frozen=True, slots=True, repr=False)
class Start:
    """A login that was begun: what goes out with it and must come back. ``again`` asks for proof anew."""

    text: str
    at: datetime
    again: bool

    @classmethod
    def fresh(cls, at: datetime, random: Callable[[int], bytes], *, again: bool = False) -> Self:
        """Begin one."""
        return cls._of(f"{int(at.timestamp())}.{'a' if again else 'r'}.{_text(random(_BYTES))}")

    @classmethod
    def read(cls, text: str, now: datetime) -> Self | None:
        """Give the one a browser shows; ``None`` when it is none, or is over ten minutes old."""
        if not _START.fullmatch(text):
            return None
        found = cls._of(text)
        return found if timedelta(0) <= now - found.at + timedelta(seconds=1) <= LOGIN else None

    @classmethod
    def _of(cls, text: str) -> Self:
        moment, kind, _ = text.split(".")
        return cls(text, datetime.fromtimestamp(int(moment), UTC), kind == "a")

    @property
    def state(self) -> str:
        """What the provider sends back: that it is this browser which began."""
        return self._derived("state")

    @property
    def nonce(self) -> str:
        """What the ID token must hold: that it was made for this login."""
        return self._derived("nonce")

    @property
    def verifier(self) -> str:
        """What only we know when the code is turned in (RFC 7636)."""
        return self._derived("verifier")

    @property
    def token(self) -> str:
        """What goes with a form before there is a session."""
        return self._derived("form")

    def _derived(self, label: str) -> str:
        return _text(hmac.digest(self.text.encode(), f"rrsync {label}".encode(), "sha256"))

    def __repr__(self) -> str:
        """Show nothing of what must stay with the browser."""
        return "Start(***)"


@dataclass(frozen=True, slots=True)
class Cookies:
    """The cookies, as they are called and kept with TLS, or without it on one machine."""

    is_secure: bool

    def token(self, request: Request) -> str:
        """Give the session's token that a browser shows, or ``""``."""
        return request.cookies.get(self._name("rrs"), "")

    def start(self, request: Request, now: datetime) -> Start | None:
        """Give the login that a browser began."""
        return Start.read(request.cookies.get(self._name("rrs-start"), ""), now)

    def language(self, request: Request) -> Literal["nl", "en"] | None:
        """Give the language that was chosen."""
        match request.cookies.get(self._name("rrs-language")):
            case "nl":
                return "nl"
            case "en":
                return "en"
            case _:
                return None

    def let_in(self, response: Response, token: str) -> None:
        """Give a browser its session; what it began with is over.

        It lasts until the browser is closed, and goes out with no request that another site's page began.
        """
        self._set(response, "rrs", token, same_site="strict")
        self._drop(response, "rrs-start")

    def let_out(self, response: Response) -> None:
        """Take the session from a browser."""
        self._drop(response, "rrs")

    def begin(self, response: Response, start: Start) -> None:
        """Let a browser keep the login it begins; the provider's page, which is another site's, leads back to us."""
        self._set(response, "rrs-start", start.text, same_site="lax", max_age=int(LOGIN.total_seconds()))

    def speak(self, response: Response, language: str) -> None:
        """Let a browser keep a language."""
        self._set(response, "rrs-language", language, same_site="lax", max_age=_YEAR_S)

    def _name(self, name: str) -> str:
        return f"__Host-{name}" if self.is_secure else name

    def _set(
        self,
        response: Response,
        name: str,
        value: str,
        *,
        same_site: Literal["strict", "lax"],
        max_age: int | None = None,
    ) -> None:
        response.set_cookie(
            self._name(name), value, max_age=max_age, path="/", secure=self.is_secure, httponly=True, samesite=same_site
        )

    def _drop(self, response: Response, name: str) -> None:
        response.delete_cookie(self._name(name), path="/", secure=self.is_secure, httponly=True, samesite="strict")


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
