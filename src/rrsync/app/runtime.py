"""The clock and the random source of the machine, and how a process is told to stop.

Everything else gets them as arguments.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4


@dataclass(frozen=True, slots=True)
class Runtime:
    """A clock (aware, UTC), a source of fresh references, and a source of random bytes.

    ``stopwatch`` returns seconds; it replaces the one that all processes on a database share.
    """

    clock: Callable[[], datetime]
    new_reference: Callable[[], str]
    random: Callable[[int], bytes]
    stopwatch: Callable[[], float] | None = None


def system_runtime() -> Runtime:
    """Return the clock and the random source of this machine."""
    return Runtime(lambda: datetime.now(UTC), lambda: str(uuid4()), os.urandom)


@contextmanager
def until_stopped() -> Iterator[threading.Event]:
    """Yield an event that is set on SIGTERM or Ctrl-C."""
    stopped = threading.Event()
    with stopping(stopped):
        yield stopped


@contextmanager
def stopping(event: threading.Event) -> Iterator[None]:
    """Set an event on SIGTERM or the first Ctrl-C, so that work in progress can end; a second Ctrl-C interrupts."""

    def stop(_number: int, _frame: object) -> None:
        event.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
