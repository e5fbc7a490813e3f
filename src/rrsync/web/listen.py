"""The pages on a port: a server in a thread of its own, from ``with`` to the end of the block."""

from __future__ import annotations

import socket
from threading import Thread
from typing import TYPE_CHECKING, Final, Self

import uvicorn

from rrsync.errors import ConfigError
from rrsync.web.threads import Server

if TYPE_CHECKING:
    from starlette.types import ASGIApp

_END_S: Final = 10
_MOST: Final = 400


class Listening:
    """Serves an application on a host and port, 0 for a free one; what is under way at the end has ten seconds.

    Raises:
        ConfigError: nothing can listen there.
    """

    def __init__(self, app: ASGIApp, host: str, port: int) -> None:
        config = uvicorn.Config(
            app,
            log_config=None,  # what it would log names addresses
            access_log=False,
            server_header=False,
            proxy_headers=False,  # nothing here believes who somebody says they ask for
            lifespan="off",
            ws="none",
            limit_concurrency=_MOST,
            timeout_graceful_shutdown=_END_S,
        )
        self._server = Server(config)
        self._socket = _bound(host, port)
        self._thread = Thread(target=self._server.run, args=([self._socket],), name="pages", daemon=True)

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


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(128)
    except OSError as error:
        bound.close()
        raise ConfigError(
            f"The pages cannot be served on {host}, port {port}: {error.strerror}",
            kept="Nothing was started",
            todo="Choose another [web] port, or stop what has it",
        ) from error
    return bound
