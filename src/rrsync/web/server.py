"""Work that goes on behind the pages: one thread for each name, until it is done or the process is told to stop.

What is begun here can be begun anew after a kill: each piece is committed before the next. Why one came to nothing is
kept for the page that asks for it.

The pages on a port: a server in a thread of its own, from ``with`` to the end of the block.

How many threads make pages at once, and how many ask the register.

Few threads make pages faster than many: each computes for a moment between two words with the database, and Python lets
one compute at a time. Who waits for the register computes nothing, so those have threads of their own: however slow it
is, the other pages are there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable
from functools import partial, wraps
from threading import Event, Lock, Thread
from typing import Final, ParamSpec, TypeVar

import structlog
from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar
from starlette.types import ASGIApp

from rrsync.errors import RrsyncError
from rrsync.net.http_server import HttpServer

#: As many threads make pages.
PAGES: Final = 8
#: As many ask: ``max_in_flight``, unless the settings say otherwise.
ASKS: Final = 16

_P = ParamSpec("_P")
_R = TypeVar("_R")
_ASKING: Final = RunVar[CapacityLimiter]("asking")


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


class Listening(HttpServer):
    """Serves the pages on a host and port, 0 for a free one.

    Raises:
        ConfigError: nothing can listen there.
    """

    def __init__(self, app: ASGIApp, host: str, port: int) -> None:
        super().__init__(app, host, port, name="pages", on_start=_limit_threads)


def _limit_threads() -> None:
    to_thread.current_default_thread_limiter().total_tokens = PAGES


_LOOK_S: Final = 0.2
_JOBS_END_S: Final = 120.0

log = structlog.get_logger()


class OwnStop(Event):
    """A stop of one piece of work; it comes too when the whole process is told to stop, never the other way round."""

    def __init__(self, whole: Event) -> None:
        super().__init__()
        self._whole = whole

    def is_set(self) -> bool:
        """Whether either came."""
        return super().is_set() or self._whole.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for either; give whether it came."""
        left = float("inf") if timeout is None else timeout
        while not super().is_set():
            if self._whole.wait(min(left, _LOOK_S)) or left <= _LOOK_S:
                break
            left -= _LOOK_S
        return self.is_set()


class Jobs:
    """The work of one process; ``stop`` is that of the process."""

    def __init__(self, stop: Event) -> None:
        self._stop = stop
        self._turn = Lock()
        self._threads: dict[str, Thread] = {}
        self._troubles: dict[str, RrsyncError] = {}
        self._whose: dict[str, frozenset[str]] = {}

    def start(self, name: str, work: Callable[[], object], *, libraries: Iterable[str] = ()) -> bool:
        """Begin a piece of work; ``False`` when that of this name is going on, or the process is ending.

        Work that lasts looks at the process's stop itself, or at an ``OwnStop`` of it. ``libraries`` are those that it
        is for: why it came to nothing is for who reaches them all.
        """
        with self._turn:
            if self._stop.is_set() or self._is_alive(name):
                return False
            self._troubles.pop(name, None)
            self._whose[name] = frozenset(libraries)
            thread = Thread(target=self._work, args=(name, work), name=name.partition(" ")[0], daemon=True)
            self._threads[name] = thread
            thread.start()
        return True

    def running(self, name: str) -> bool:
        """Whether the work of this name is going on."""
        with self._turn:
            return self._is_alive(name)

    def trouble(self, name: str, libraries: Collection[str] | None = None) -> RrsyncError | None:
        """Give why the work of this name came to nothing the last time, if it did, to who reaches these libraries."""
        with self._turn:
            is_theirs = libraries is None or self._whose.get(name, frozenset()).issubset(libraries)
            return self._troubles.get(name) if is_theirs else None

    def wait(self, name: str, most_s: float = _JOBS_END_S) -> bool:
        """Wait until the work of this name is done, but no longer; give whether it is."""
        with self._turn:
            thread = self._threads.get(name)
        if thread is not None:
            thread.join(most_s)
        return not self.running(name)

    def end(self) -> None:
        """Tell all work to stop, and wait for it."""
        self._stop.set()
        with self._turn:
            threads = list(self._threads.values())
        for thread in threads:
            thread.join(_JOBS_END_S)

    def _is_alive(self, name: str) -> bool:
        return name in self._threads and self._threads[name].is_alive()

    def _work(self, name: str, work: Callable[[], object]) -> None:
        kind = name.partition(" ")[0]
        try:
            work()
        except RrsyncError as error:
            log.warning("job.failed", code=kind, reason=type(error).__name__)
            self._keep(name, error)
        except Exception as error:  # noqa: BLE001 — a thread's door: nobody above it would hear
            log.error("job.broke", code=kind, reason=type(error).__name__)  # noqa: TRY400 — its text may hold anything
            self._keep(name, _broke())

    def _keep(self, name: str, error: RrsyncError) -> None:
        with self._turn:
            self._troubles[name] = error


def _broke() -> RrsyncError:
    return RrsyncError(
        "Something went wrong that nobody foresaw",
        kept="What was committed is kept",
        todo="Try again; if it stays, report it with the time",
    )
