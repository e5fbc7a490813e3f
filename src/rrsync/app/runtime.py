"""The machine's clock and dice, and how a process is told to stop: what everything else gets as an argument."""

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
class Chance:
    """The clock and the dice: aware UTC, fresh references, random bytes.

    ``stopwatch``, in seconds, takes the place of the one that all processes on a database read alike.
    """

    clock: Callable[[], datetime]
    new_reference: Callable[[], str]
    random: Callable[[int], bytes]
    stopwatch: Callable[[], float] | None = None


def chance() -> Chance:
    """Give the machine's own clock and dice."""
    return Chance(lambda: datetime.now(UTC), lambda: str(uuid4()), os.urandom)


@contextmanager
def until_stopped() -> Iterator[threading.Event]:
    """Give an event that SIGTERM and Ctrl-C set; a second Ctrl-C ends the process as usual."""
    stopped = threading.Event()
    with stopping(stopped):
        yield stopped


@contextmanager
def stopping(event: threading.Event) -> Iterator[None]:
    """Let SIGTERM and the first Ctrl-C set an event, so that what is under way can end cleanly."""

    def stop(_number: int, _frame: object) -> None:
        event.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
