"""The HTTP server of the pages and of the witness: an ASGI application on uvicorn, in a thread of its own.

TLS is left to a proxy before it. A server that is open to others gets ``ConnectionLimits``: connections that are few,
short and small, so that none can hold it. Each request has its seconds and its bytes from the first to the last, and a
connection over a limit is ended at once.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from threading import Thread
from typing import Final, Self, TypeAlias

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from rrsync.errors import ConfigError

Message: TypeAlias = MutableMapping[str, object]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
AsgiApp: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]

_BACKLOG: Final = 128
_MAX_CONCURRENT: Final = 400
_END_S: Final = 10


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """How many connections are served at once, and what each request may take; the application limits its body."""

    max_connections: int
    deadline_s: float
    max_head_bytes: int = 1 << 14


class HttpServer:
    """Serves an application on a host and port, 0 for a free one, from ``with`` to the end of the block.

    ``name`` is what is served, for its thread and its errors. ``on_start`` is called in the event loop. What is under
    way at the end has ten seconds.

    Raises:
        ConfigError: nothing can listen there.
    """

    def __init__(
        self,
        app: AsgiApp,
        host: str,
        port: int,
        *,
        name: str,
        limits: ConnectionLimits | None = None,
        on_start: Callable[[], None] = lambda: None,
    ) -> None:
        config = uvicorn.Config(
            app,
            interface="asgi3",
            http="auto" if limits is None else type("Limited", (_LimitedProtocol,), {"limits": limits}),
            h11_max_incomplete_event_size=None if limits is None else limits.max_head_bytes,
            log_config=None,  # what it would log names addresses
            access_log=False,
            server_header=False,
            proxy_headers=False,  # nothing here believes who somebody says they ask for
            lifespan="off",
            ws="none",
            limit_concurrency=_MAX_CONCURRENT,
            timeout_graceful_shutdown=_END_S,
        )
        self._server = _Server(config, on_start)
        self._socket = _bound(host, port, name)
        self._thread = Thread(target=self._server.run, args=([self._socket],), name=name, daemon=True)

    def __enter__(self) -> Self:
        """Begin to serve."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, and wait for what is under way."""
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    @property
    def port(self) -> int:
        """The port that is really used."""
        return int(self._socket.getsockname()[1])

    @property
    def is_alive(self) -> bool:
        """Whether it still serves."""
        return self._thread.is_alive()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, on_start: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_start = on_start

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._on_start()
        await super().startup(sockets)


class _LimitedProtocol(H11Protocol):
    """A connection that keeps to limits; nothing is logged of who comes."""

    limits: ConnectionLimits

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, object],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.logger = logging.getLogger("uvicorn.silent")
        self.logger.setLevel(logging.CRITICAL + 1)
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        if len(self.connections) > self.limits.max_connections:
            transport.abort()
        else:
            self._restart_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        self._restart_timer()
        super().on_response_complete()

    def shutdown(self) -> None:
        super().shutdown()
        if not self.transport.is_closing() and self.cycle.more_body:
            self.transport.abort()  # the request may never end

    def _restart_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(self.limits.deadline_s, self.transport.abort)


def _bound(host: str, port: int, name: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(_BACKLOG)
    except OSError as error:
        bound.close()
        raise ConfigError(
            f"The {name} cannot be served on {host}, port {port}: {error.strerror}",
            kept="Nothing was started",
            todo="Choose another port, or stop what has it",
        ) from error
    return bound
