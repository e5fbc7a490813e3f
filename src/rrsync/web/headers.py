"""Middleware around the application: what it refuses, and the security headers of every response.

1. A request that names another host is refused; so is one whose body is over 64 KiB, takes over ten seconds to arrive,
   or is neither a URL-encoded form nor JSON.
2. Every response forbids content of other sites, frames, caches, guessed media types and referrers.
3. An error that no handler caught becomes a page too, with the same headers, and a log line without any value.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST: Final = 64 * 1024
_BODY_S: Final = 10.0
_KINDS: Final = frozenset({"application/x-www-form-urlencoded", "application/json"})
_HSTS: Final = "max-age=63072000; includeSubDomains"
_ALWAYS: Final = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

log = structlog.get_logger()


class TooLarge(Exception):
    """The body of a request is larger than any form of ours."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What the headers depend on: our own origin, and the provider's, to which a form may lead."""

    origin: str
    provider: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every response."""
        forms = " ".join(part for part in ("form-action 'self'", self.provider) if part)
        csp = (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
            f"{forms}; frame-ancestors 'none'; base-uri 'none'"
        )
        strict = {"Strict-Transport-Security": _HSTS} if self.origin.startswith("https:") else {}
        return _ALWAYS | {"Content-Security-Policy": csp} | strict

    @property
    def host(self) -> str:
        """The host that a request must name."""
        return self.origin.partition("://")[2]


class SecurityHeaders:
    """The middleware; ``refused`` makes the page of a status."""

    def __init__(self, app: ASGIApp, *, policy: Policy, refused: Callable[[Scope, int], Response]) -> None:
        self._app = app
        self._policy = policy
        self._headers = policy.headers
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request (ASGI)."""
        if scope["type"] != "http":  # a web socket: there are none
            return
        has_begun = False

        async def send_with_headers(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers[name] = value
            await send(message)

        try:
            status = await self._status(scope, receive, send_with_headers)
        except Exception as error:  # noqa: BLE001 — the last place that can log it, and answer with a page
            log.error("page.failed", reason=type(error).__name__)  # noqa: TRY400 — a traceback may hold what was typed
            status = 500
        if status and not has_begun:
            response = await run_in_threadpool(self._page, scope, status)
            await response(scope, receive, send_with_headers)

    def _page(self, scope: Scope, status: int) -> Response:
        """Return the page of a status, or plain text when that page cannot be made."""
        try:
            return self._refused(scope, status)
        except Exception as error:  # noqa: BLE001 — the same
            log.error("page.failed", reason=type(error).__name__, status=status)  # noqa: TRY400 — the same
            return PlainTextResponse("rrsync: this cannot be shown. What was committed is kept.\n", status)

    async def _status(self, scope: Scope, receive: Receive, send: Send) -> int:
        """Pass a request on and return 0; or return the status with which it is refused."""
        if Headers(scope=scope).get("host", "").lower() != self._policy.host:
            return 421
        kind = Headers(scope=scope).get("content-type", "")
        if kind and kind.partition(";")[0].strip().lower() not in _KINDS:
            return 415
        try:
            async with asyncio.timeout(_BODY_S):
                body = await _read(scope, receive)
        except TimeoutError:
            return 408
        except TooLarge:
            return 413
        await self._app(scope, _replayed(body, receive), send)
        return 0


async def _read(scope: Scope, receive: Receive) -> bytes:
    """Return the whole body of a request.

    Raises:
        TooLarge: it is over the limit, or says so.
    """
    length = Headers(scope=scope).get("content-length", "0")
    if not (length.isascii() and length.isdigit()) or len(length) > 9 or int(length) > MOST:
        raise TooLarge
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return body
        body += bytes(message.get("body", b""))
        if len(body) > MOST:
            raise TooLarge
        if not message.get("more_body", False):
            return body


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return a receive function that returns a body that was read, and after it what else arrives."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay
