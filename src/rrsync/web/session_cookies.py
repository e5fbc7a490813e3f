"""The three cookies of the pages; none holds personal data.

The first is the session's token. The second exists during a login: a time and 256 random bits, from which state, nonce
and verifier are derived, so that the server keeps nothing of it. The third is the language.

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
class LoginStart:
    """A login in progress: what is sent with it and must come back. ``again`` asks the person to authenticate again."""

    text: str
    at: datetime
    again: bool

    @classmethod
    def fresh(cls, at: datetime, random: Callable[[int], bytes], *, again: bool = False) -> Self:
        """Begin a login."""
        return cls._of(f"{int(at.timestamp())}.{'a' if again else 'r'}.{_text(random(_BYTES))}")

    @classmethod
    def read(cls, text: str, now: datetime) -> Self | None:
        """Return the login of a cookie; ``None`` when the text is none, or is over ten minutes old."""
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
        """The state, which the provider sends back: it shows that this browser began the login."""
        return self._derived("state")

    @property
    def nonce(self) -> str:
        """The nonce, which the ID token must hold: it shows that the token was made for this login."""
        return self._derived("nonce")

    @property
    def verifier(self) -> str:
        """The PKCE verifier, which we alone know when the code is exchanged (RFC 7636)."""
        return self._derived("verifier")

    @property
    def token(self) -> str:
        """The token of forms before there is a session."""
        return self._derived("form")

    def _derived(self, label: str) -> str:
        return _text(hmac.digest(self.text.encode(), f"rrsync {label}".encode(), "sha256"))

    def __repr__(self) -> str:
        """Name the type alone: the text is the browser's secret."""
        return "LoginStart(***)"


@dataclass(frozen=True, slots=True)
class Cookies:
    """The cookies, with their names and attributes; ``is_secure`` with TLS, not without it on one machine."""

    is_secure: bool

    def token(self, request: Request) -> str:
        """Return the session's token, or ``""``."""
        return request.cookies.get(self._name("rrs"), "")

    def start(self, request: Request, now: datetime) -> LoginStart | None:
        """Return the login in progress, if there is one."""
        return LoginStart.read(request.cookies.get(self._name("rrs-start"), ""), now)

    def language(self, request: Request) -> Literal["nl", "en"] | None:
        """Return the language that was chosen, if one was."""
        match request.cookies.get(self._name("rrs-language")):
            case "nl":
                return "nl"
            case "en":
                return "en"
            case _:
                return None

    def let_in(self, response: Response, token: str) -> None:
        """Set the session's cookie, and delete that of the login.

        It lasts until the browser is closed, and is not sent with a request that another site's page began.
        """
        self._set(response, "rrs", token, same_site="strict")
        self._drop(response, "rrs-start")

    def let_out(self, response: Response) -> None:
        """Delete the session's cookie."""
        self._drop(response, "rrs")

    def begin(self, response: Response, start: LoginStart) -> None:
        """Set the cookie of a login; a browser sends it with the redirect from the provider, which is another site."""
        self._set(response, "rrs-start", start.text, same_site="lax", max_age=int(LOGIN.total_seconds()))

    def speak(self, response: Response, language: str) -> None:
        """Set the cookie of the language."""
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
