"""Output of the commands: standard output and standard error, tables, progress, and files.

1. The result of a command goes to standard output; progress and messages go to standard error. With ``--json``
   standard output is one JSON document and nothing else.
2. A cell that is too wide for its table is wrapped, never cut off.
3. A file is readable by its owner alone. It appears, or replaces an older file, only when it was written as a whole.
"""

from __future__ import annotations

import csv
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import orjson
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from rrsync.errors import ConfigError

_FILE_WIDTH: Final = 240  # the width of a table that goes to a file or another program
_LINE_EVERY: Final = 100_000
PRIVATE: Final = 0o600


@dataclass(frozen=True, slots=True)
class Output:
    """The two streams of a command: ``result`` and ``messages``."""

    result: Console
    messages: Console

    def print_json(self, content: object) -> None:
        """Print one JSON document as the result."""
        self.result.file.write(orjson.dumps(content, option=orjson.OPT_INDENT_2, default=str).decode() + "\n")


def terminal_output() -> Output:
    """Return the output of this process. It prints brackets and colons as they are, without markup."""
    result, messages = (
        Console(stderr=stderr, highlight=False, soft_wrap=True, markup=False, emoji=False) for stderr in (False, True)
    )
    if not result.is_terminal:
        result.width = _FILE_WIDTH
    return Output(result, messages)


def make_table(*heads: str) -> Table:
    """Return an empty table, without vertical lines so that it fits in 80 columns."""
    columns = (Column(head, overflow="fold") for head in heads)
    return Table(*columns, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)


def printable(text: object) -> str:
    """Return a file's name or path in a form that any terminal can print."""
    return str(text).encode("utf-8", "backslashreplace").decode()


@contextmanager
def progress(output: Output, title: str, total: int, *, unit: str = "") -> Iterator[Callable[[int], None]]:
    """Yield a function that shows progress: a bar on a terminal, else a line every 100 000 if there is a unit."""
    if not output.messages.is_terminal:

        def line(done: int) -> None:
            if unit and done % _LINE_EVERY == 0:
                output.messages.print(f"{done} of {total} {unit}")

        yield line
        return
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    with Progress(*columns, console=output.messages, transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda done: bar.update(task, completed=done)


@contextmanager
def csv_writer(path: Path) -> Iterator[Callable[[Sequence[str]], object]]:
    """Yield a function that writes rows to a new CSV file, which replaces ``path`` when the block succeeds.

    Raises:
        ConfigError: the file cannot be written; an older file at ``path`` is unchanged.
    """
    with _replacement(path) as handle, os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
        yield csv.writer(file, lineterminator="\n").writerow
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def line_writer(path: Path) -> Iterator[Callable[[bytes], object]]:
    """Yield a function that writes lines to a new file; otherwise like ``csv_writer``."""
    with _replacement(path) as handle, os.fdopen(handle, "wb") as file:
        yield lambda line: file.write(line + b"\n")
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _replacement(path: Path) -> Iterator[int]:
    """Yield the handle of a new file beside ``path``, which replaces it after the file was written and closed."""
    try:
        path = path.resolve()
        if path.exists() and not path.is_file():
            raise ConfigError(f"{printable(path.name)} is not a regular file", todo="Name a file to write")
        handle, name = tempfile.mkstemp(prefix=".rrsync-", suffix=".part", dir=path.parent)
        part = Path(name)
        try:
            yield handle
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise unwritable(path, error) from error


@contextmanager
def folder_writer(path: Path) -> Iterator[Callable[[str, bytes], None]]:
    """Yield a function that writes files, by their path in a new folder, which appears when the block succeeds.

    Raises:
        ConfigError: the path exists, or the folder cannot be written; nothing of it is left.
    """
    try:
        path = path.resolve()
        if path.exists():
            raise exists_already(path)
        part = Path(tempfile.mkdtemp(prefix=".rrsync-", suffix=".part", dir=path.parent))
        try:
            yield partial(_write_file, part)
            os.sync()  # all files at once: one by one takes hours when there are many
            part.rename(path)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        raise unwritable(path, error) from error


def _write_file(folder: Path, name: str, data: bytes) -> None:
    *folders, last = Path(name).parts
    for each in folders:
        folder /= each
        folder.mkdir(mode=0o700, exist_ok=True)
    with os.fdopen(os.open(folder / last, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE), "wb") as file:
        file.write(data)


def exists_already(path: Path) -> ConfigError:
    """Return the error for a folder that must be new."""
    return ConfigError(f"{printable(path.name)} exists already", todo="Name a folder that does not exist yet")


def unwritable(path: Path, error: OSError) -> ConfigError:
    """Return the error for a file or folder that cannot be written."""
    what = f"{printable(path.name)} cannot be written: {error.strerror}"
    return ConfigError(what, todo="Check the folder, its permissions and the free disk space")
