"""The server of the pages, its threads, and the background jobs beside it.

A small thread pool makes the pages: a request computes for a moment between two queries of the database, and Python
lets one thread compute at a time. A request that waits for the register computes nothing, so those have a pool of their
own: however slow the register is, the other pages are there.

A background job is one thread for each name, until it is done or the process is told to stop. Every job can be started
anew after a kill: each of its steps is committed before the next. Why a job failed is kept for the page that shows it.
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

#: The threads that make pages.
PAGES: Final = 8
#: The threads that ask the register: as many as ``max_in_flight``, unless the settings say otherwise.
ASKS: Final = 16

_P = ParamSpec("_P")
_R = TypeVar("_R")
_ASKING: Final = RunVar[CapacityLimiter]("asking")
_POLL_S: Final = 0.2
_JOBS_END_S: Final = 120.0

log = structlog.get_logger()


def asking(page: Callable[_P, _R]) -> Callable[_P, Awaitable[_R]]:
    """Have a handler run in a thread of those that may wait for the register."""

    @wraps(page)
    async def run(*args: _P.args, **values: _P.kwargs) -> _R:
        return await to_thread.run_sync(partial(page, *args, **values), limiter=_limiter())

    return run


def _limiter() -> CapacityLimiter:
    """Return the limiter of this event loop."""
    try:
        return _ASKING.get()
    except LookupError:
        limiter = CapacityLimiter(ASKS)
        _ASKING.set(limiter)
        return limiter


class PageServer(HttpServer):
    """Serves the pages on a host and port, 0 for a free one.

    Raises:
        ConfigError: nothing can listen there.
    """

    def __init__(self, app: ASGIApp, host: str, port: int) -> None:
        super().__init__(app, host, port, name="pages", on_start=_limit_threads)


def _limit_threads() -> None:
    to_thread.current_default_thread_limiter().total_tokens = PAGES


class JobStop(Event):
    """The stop of one job; it is also set when the process is told to stop, and never stops the process."""

    def __init__(self, process: Event) -> None:
        super().__init__()
        self._process = process

    def is_set(self) -> bool:
        """Whether the job, or the process, is told to stop."""
        return super().is_set() or self._process.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set; return whether it is."""
        left = float("inf") if timeout is None else timeout
        while not super().is_set():
            if self._process.wait(min(left, _POLL_S)) or left <= _POLL_S:
                break
            left -= _POLL_S
        return self.is_set()


class BackgroundJobs:
    """The background jobs of one process; ``stop`` is that of the process."""

    def __init__(self, stop: Event) -> None:
        self._stop = stop
        self._turn = Lock()
        self._threads: dict[str, Thread] = {}
        self._failures: dict[str, RrsyncError] = {}
        self._libraries: dict[str, frozenset[str]] = {}

    def start(self, name: str, work: Callable[[], object], *, libraries: Iterable[str] = ()) -> bool:
        """Start a job; return ``False`` when the job of this name is running, or the process is ending.

        Long work checks the stop of the process itself, or a ``JobStop`` of it. ``libraries`` are those of the job: its
        failure is shown to those who may see them all.
        """
        with self._turn:
            if self._stop.is_set() or self._is_alive(name):
                return False
            self._failures.pop(name, None)
            self._libraries[name] = frozenset(libraries)
            thread = Thread(target=self._work, args=(name, work), name=name.partition(" ")[0], daemon=True)
            self._threads[name] = thread
            thread.start()
        return True

    def running(self, name: str) -> bool:
        """Whether the job of this name is running."""
        with self._turn:
            return self._is_alive(name)

    def failure(self, name: str, libraries: Collection[str] | None = None) -> RrsyncError | None:
        """Return why the job of this name failed the last time, if it did and these libraries may see it."""
        with self._turn:
            may_see = libraries is None or self._libraries.get(name, frozenset()).issubset(libraries)
            return self._failures.get(name) if may_see else None

    def wait(self, name: str, most_s: float = _JOBS_END_S) -> bool:
        """Wait at most so long until the job of this name is done; return whether it is."""
        with self._turn:
            thread = self._threads.get(name)
        if thread is not None:
            thread.join(most_s)
        return not self.running(name)

    def end(self) -> None:
        """Tell all jobs to stop, and wait for them."""
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
        except Exception as error:  # noqa: BLE001 — the top of a thread: nothing above it would log it
            log.error("job.broke", code=kind, reason=type(error).__name__)  # noqa: TRY400 — its text may hold anything
            self._keep(name, _broke())

    def _keep(self, name: str, error: RrsyncError) -> None:
        with self._turn:
            self._failures[name] = error


def _broke() -> RrsyncError:
    return RrsyncError(
        "Something went wrong that rrsync does not know",
        kept="What was committed is kept",
        todo="Try again; if it stays, report it with the time",
    )
