"""What goes with every response, whatever it is and whoever made it, and what no request may be.

1. A request that names another host is refused; so is one whose body is over 64 KiB, takes over ten seconds to come, or
   is neither a form of texts nor JSON.
2. Every response says: show nothing that is not ours, in no frame, keep nothing, guess nothing, tell nobody.
3. An error that nobody caught becomes a page too, under the same headers, and a line in the log that holds no value.
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
    """A request's body is larger than any form of ours."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What the headers say of this installation: its own origin, and the provider's, to which a form may lead."""

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
        """What a request must name as its host."""
        return self.origin.partition("://")[2]


class Envelope:
    """Stands around the application: ``refused`` makes the page of a status from what it is."""

    def __init__(self, app: ASGIApp, *, policy: Policy, refused: Callable[[Scope, int], Response]) -> None:
        self._app = app
        self._policy = policy
        self._headers = policy.headers
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":  # a web socket, of which there are none
            return
        has_begun = False

        async def send_sealed(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers[name] = value
            await send(message)

        try:
            status = await self._status(scope, receive, send_sealed)
        except Exception as error:  # noqa: BLE001 — the door: what is left becomes a line in the log, and a page if none began
            log.error("page.failed", reason=type(error).__name__)  # noqa: TRY400 — a traceback may hold what was typed
            status = 500
        if status and not has_begun:
            response = await run_in_threadpool(self._page, scope, status)
            await response(scope, receive, send_sealed)

    def _page(self, scope: Scope, status: int) -> Response:
        """Give the page of a status, or, when even that cannot be made, a word."""
        try:
            return self._refused(scope, status)
        except Exception as error:  # noqa: BLE001 — the same door
            log.error("page.failed", reason=type(error).__name__, status=status)  # noqa: TRY400 — the same
            return PlainTextResponse("rrsync: this cannot be shown. What was committed is kept.\n", status)

    async def _status(self, scope: Scope, receive: Receive, send: Send) -> int:
        """Hand a request on, and give 0; or give the status under which it is refused."""
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
    """Give a request's whole body.

    Raises:
        TooLarge: it is.
    """
    said = Headers(scope=scope).get("content-length", "0")
    if not (said.isascii() and said.isdigit()) or len(said) > 9 or int(said) > MOST:
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
    """Give what hands on a body that was read, and then what else comes."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay
