"""Files written for people: readable by their owner alone, and never left half.

How far a long work is: a bar on a terminal, else a line now and then.
"""

from __future__ import annotations

import csv
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final, TextIO

from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from rrsync.cli.context import Voices
from rrsync.cli.member_file import shown
from rrsync.core.spreadsheet import escape
from rrsync.errors import ConfigError, InputError
from rrsync.store.members import ImportResult

_LINE_EVERY: Final = 100_000


@contextmanager
def progress(speak: Voices, title: str, total: int, *, lines: str = "") -> Iterator[Callable[[int], None]]:
    """Yield what shows how far it is: a bar on a terminal, else a line every 100 000 if ``lines`` names them."""
    if not speak.err.is_terminal:

        def line(done: int) -> None:
            if lines and done % _LINE_EVERY == 0:
                speak.err.print(f"{done} of {total} {lines}")

        yield line
        return
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    with Bar(*columns, console=speak.err, transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda done: bar.update(task, completed=done)


_PRIVATE: Final = 0o600


class Rejects:
    """``FILE.rejects.csv``: the refused rows, by line, column and reason, never by what stood there."""

    def __init__(self, file: TextIO, path: Path) -> None:
        self._file = file
        self._writer = csv.writer(file, lineterminator="\n")
        self._writer.writerow(("line", "column", "reason"))
        self.path = path
        self.rows = 0

    def add(self, refused: Sequence[ImportResult]) -> None:
        """Write refused rows to disk.

        Raises:
            ConfigError: they cannot be written.
        """
        try:
            self._writer.writerows((one.line, one.column, escape(one.reason)) for one in refused)
            self._file.flush()
        except OSError as error:
            raise _unwritable(self.path, error) from error
        self.rows += len(refused)


@contextmanager
def rejects(source: Path) -> Iterator[Rejects]:
    """Give the rejects of a member file, in the place of those of an earlier import; none is left when none was needed.

    Raises:
        InputError: they cannot be written beside the file.
    """
    path = source.with_name(f"{source.name}.rejects.csv")
    try:
        path.unlink(missing_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
    except OSError as error:
        raise InputError(
            f"{shown(path.name)} cannot be written: {error.strerror}",
            kept="Nothing was imported",
            todo="Put the member file in a folder you can write to, as refused rows are noted beside it",
        ) from error
    file = os.fdopen(handle, "w", encoding="utf-8", newline="")
    noted = Rejects(file, path)
    try:
        yield noted
    finally:
        with suppress(OSError):  # what could not be written was told by ``add``
            file.close()
        if not noted.rows:
            path.unlink(missing_ok=True)


@contextmanager
def replacing(path: Path) -> Iterator[Callable[[Sequence[str]], object]]:
    """Yield what writes rows to a new CSV file, which takes the place of ``path`` at the end, when all went well.

    Raises:
        ConfigError: it cannot be written; what stood there still stands.
    """
    with _replacement(path) as handle, os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
        yield csv.writer(file, lineterminator="\n").writerow
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def replacing_lines(path: Path) -> Iterator[Callable[[bytes], object]]:
    """Yield what writes lines to a new file; the rest is as ``replacing`` says."""
    with _replacement(path) as handle, os.fdopen(handle, "wb") as file:
        yield lambda line: file.write(line + b"\n")
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _replacement(path: Path) -> Iterator[int]:
    """Yield the handle of a new file beside ``path``, which takes its place when it was written and closed."""
    try:
        path = path.resolve()
        if path.exists() and not path.is_file():
            raise ConfigError(f"{shown(path.name)} is no ordinary file", todo="Name a file to write")
        handle, name = tempfile.mkstemp(prefix=".rrsync-", suffix=".part", dir=path.parent)
        part = Path(name)
        try:
            yield handle
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error


@contextmanager
def new_folder(path: Path) -> Iterator[Callable[[str, bytes], None]]:
    """Yield what writes files, by their path from a new folder, which is there at the end, when all went well.

    Raises:
        ConfigError: something is there already, or it cannot be written; nothing is left of it then.
    """
    try:
        path = path.resolve()
        if path.exists():
            raise ConfigError(f"{shown(path.name)} is there already", todo="Name a folder that is not there yet")
        part = Path(tempfile.mkdtemp(prefix=".rrsync-", suffix=".part", dir=path.parent))
        try:
            yield partial(_put, part)
            os.sync()  # all files at once: one by one takes hours when there are many
            part.rename(path)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        raise _unwritable(path, error) from error


def _put(folder: Path, name: str, data: bytes) -> None:
    *folders, last = Path(name).parts
    for one in folders:
        folder /= one
        folder.mkdir(mode=0o700, exist_ok=True)
    with os.fdopen(os.open(folder / last, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE), "wb") as file:
        file.write(data)


def _unwritable(path: Path, error: OSError) -> ConfigError:
    what = f"{shown(path.name)} cannot be written: {error.strerror}"
    return ConfigError(what, todo="Check the folder, its rights and the room on its disk")
