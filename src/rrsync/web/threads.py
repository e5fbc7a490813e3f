"""How many threads make pages at once, and how many ask the register.

Few threads make pages faster than many: each computes for a moment between two words with the database, and Python lets
one compute at a time. Who waits for the register computes nothing, so those have threads of their own: however slow it
is, the other pages are there.
"""

from __future__ import annotations

from functools import partial, wraps
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

import uvicorn
from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable

#: As many threads make pages.
PAGES: Final = 8
#: As many ask: ``max_in_flight``, unless the settings say otherwise.
ASKS: Final = 16

_P = ParamSpec("_P")
_R = TypeVar("_R")
_ASKING: Final = RunVar[CapacityLimiter]("asking")


class Server(uvicorn.Server):
    """A server whose pages are made by few threads."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve."""
        to_thread.current_default_thread_limiter().total_tokens = PAGES
        await super().startup(sockets)


def asking(page: Callable[_P, _R]) -> Callable[_P, Awaitable[_R]]:
    """Give what makes a page in a thread of those that may wait for the register."""

    @wraps(page)
    async def made(*args: _P.args, **said: _P.kwargs) -> _R:
        return await to_thread.run_sync(partial(page, *args, **said), limiter=_limiter())

    return made


def _limiter() -> CapacityLimiter:
    """Give the limiter of this event loop."""
    try:
        return _ASKING.get()
    except LookupError:
        limiter = CapacityLimiter(ASKS)
        _ASKING.set(limiter)
        return limiter
