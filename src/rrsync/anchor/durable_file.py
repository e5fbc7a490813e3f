"""Files that several processes write and that survive a power cut: a lock, and a whole file on disk or none."""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Final

_LOOK_S: Final = 0.005


@contextmanager
def held(number: int, *, patience_s: float) -> Iterator[None]:
    """Lock the file of an open descriptor against every other process and thread, to the end of the block.

    Raises:
        BlockingIOError: another had the lock all that time.
        OSError: its file system has no locks.
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


def create(path: Path, text: str, *, mode: int) -> None:
    """Write a new file, whole and on disk or not at all.

    Raises:
        FileExistsError: there is one; it stays.
        OSError: it cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix=".rrsync-", dir=path.parent) as folder:
        part = Path(folder, "part")
        _write(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), text)
        os.link(part, path)  # unlike a rename, it never replaces a file that was made meanwhile
    keep_name(path.parent)


def replace(path: Path, text: str) -> None:
    """Write a file instead of the one that is there, under a lock of the caller's; on return it is on disk.

    Raises:
        OSError: it cannot be written; the one before it stays.
    """
    part = path.with_name(path.name + ".part")
    _write(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), text)
    part.replace(path)
    keep_name(path.parent)


def _write(number: int, text: str) -> None:
    with os.fdopen(number, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


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
