"""What a file needs that several processes write and a power cut must not take: a lock, and its name on disk."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from threading import Event
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LOOK_S: Final = 0.005


@contextmanager
def held(number: int, *, patience_s: float) -> Iterator[None]:
    """Hold the file of an open descriptor against every other process and thread, to the end of the block.

    Raises:
        BlockingIOError: another had it all that time.
        OSError: its file system knows no locks.
    """
    until = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() >= until:
                raise
        Event().wait(_LOOK_S)
    try:
        yield
    finally:
        fcntl.flock(number, fcntl.LOCK_UN)


def keep_name(folder: Path) -> None:
    """Flush a folder to disk, so that a file made in it is still there after a power cut.

    Raises:
        OSError: it cannot be read.
    """
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(number)
    finally:
        os.close(number)
