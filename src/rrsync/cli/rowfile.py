"""A member file: looked at as a whole, then read row by row.

What is wrong with the file as a whole refuses it as a whole, before the first row is taken: not UTF-8 text, no header
with ``member_no``, a quotation mark that is never closed, a row without end. No line and no row is ever held that is
longer than 128 KiB, so memory does not grow with the file. No message repeats a cell.
"""

from __future__ import annotations

import csv
import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final, NoReturn

from rrsync.cli.cells import COLUMNS
from rrsync.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LONGEST: Final = 128 * 1024
_HEAD: Final = 4096
_BOM: Final = b"\xef\xbb\xbf"
_SHOWN: Final = 40
_SAVE: Final = "Save it again as CSV UTF-8"
_MAGIC: Final = (
    (b"PK\x03\x04", "is an Excel workbook or another zip file", "Open it and save the sheet as CSV UTF-8"),
    (b"\xd0\xcf\x11\xe0", "is an old Excel workbook", "Open it and save the sheet as CSV UTF-8"),
    (b"\x1f\x8b", "is compressed with gzip", "Unpack it first"),
    (b"%PDF", "is a PDF", "Ask for the same list as CSV UTF-8"),
    (b"\xff\xfe\x00\x00", "is UTF-32 text", _SAVE),
    (b"\x00\x00\xfe\xff", "is UTF-32 text", _SAVE),
    (b"\xff\xfe", "is UTF-16 text", _SAVE),
    (b"\xfe\xff", "is UTF-16 text", _SAVE),
)


@dataclass(frozen=True, slots=True)
class Header:
    """The columns of a file, ``""`` where one is ignored; and the names of those, as they may be shown."""

    delimiter: str
    columns: tuple[str, ...]
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at the whole file gave: its header, how many rows it has, and whether it ends within a row."""

    header: Header
    rows: int
    cut_off: bool


class RowFile:
    """A member file that is open; ``name`` is what messages call it."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._name = name
        self.size = os.fstat(file.fileno()).st_size

    def look(self, told: Callable[[int], None]) -> Look:
        """Read the file to its end and take nothing; ``told`` hears how many bytes are read so far.

        Raises:
            InputError: the file cannot be used as a whole.
        """
        self._refuse_foreign()
        lines = _Lines(self._file, self._name)
        header = _header(lines)
        rows = 0
        cells: list[str] = []
        for rows, (_, cells) in enumerate(_records(lines, header), start=1):  # noqa: B007 — the last ones count
            if rows % 1_000 == 0:
                told(lines.read)
        return Look(header, rows, cut_off=not lines.ended and bool(cells) and len(cells) != len(header.columns))

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Give the rows, each with the number of the line it begins on; blank rows are passed over.

        Raises:
            InputError: the file is another than it was when it was looked at.
        """
        self._file.seek(0)
        lines = _Lines(self._file, self._name)
        yield from _records(lines, _header(lines))

    def _refuse_foreign(self) -> None:
        """Refuse what is no UTF-8 text, by how it begins."""
        head = self._file.read(_HEAD)
        self._file.seek(0)
        for magic, what, todo in _MAGIC:
            if head.startswith(magic):
                raise _unusable(f"{self._name} {what}", todo)
        if 0.2 < head.count(0) / max(1, len(head)) < 0.8:
            raise _unusable(f"{self._name} is UTF-16 or UTF-32 text", _SAVE)


@contextmanager
def opened(path: Path) -> Iterator[RowFile]:
    """Give a member file to read.

    Raises:
        InputError: there is none, or it cannot be read.
    """
    name = shown(path.name)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise _unusable(f"{name} is a folder", "Name the file in it")
        if not stat.S_ISREG(mode):
            raise _unusable(f"{name} is no ordinary file", "It is read twice, so write it to disk first")
        file = path.open("rb")
    except FileNotFoundError as error:
        raise _unusable(f"There is no file {name}", "Check its name and folder") from error
    except OSError as error:
        raise _unusable(f"{name} cannot be read: {error.strerror}", "Check its rights") from error
    with file:
        yield RowFile(file, name)


def shown(text: object) -> str:
    """Give a name as it can be printed anywhere."""
    return str(text).encode("utf-8", "backslashreplace").decode()


class _Lines:
    """The lines of a file as text; ``begin`` marks the beginning of a row."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self.name = name
        self.line = 0
        self.start = 1
        self.read = 0
        self.ended = True
        self._size = 0

    def begin(self) -> None:
        self.start, self._size = self.line + 1, 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        try:
            raw = self._file.readline(LONGEST + 1)
        except OSError as error:
            raise _unusable(f"{self.name} cannot be read to its end: {error.strerror}", "Check its disk") from error
        if not raw:
            raise StopIteration
        self.line += 1
        self.read += len(raw)
        self._size += len(raw)
        self.ended = raw.endswith(b"\n")
        if b"\0" in raw:
            self.refuse(f"line {self.line} holds a zero byte, so it is no text, or is damaged", _SAVE)
        if self._size > LONGEST:
            self.refuse(
                f"the row on line {self.start} is longer than 128 KiB",
                "Look there for a quotation mark that is not closed, or for a file that is no member file",
            )
        try:
            return (raw.removeprefix(_BOM) if self.line == 1 else raw).decode("utf-8")
        except UnicodeDecodeError as error:
            cut = "" if self.ended or error.reason != "unexpected end of data" else " (the file looks cut off there)"
            raise _unusable(f"{self.name}: line {self.line} is no valid UTF-8{cut}", _SAVE) from error

    def refuse(self, what: str, todo: str) -> NoReturn:
        raise _unusable(f"{self.name}: {what}", todo)


def _records(lines: _Lines, header: Header) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(lines, delimiter=header.delimiter, strict=True, skipinitialspace=True)
    while True:
        lines.begin()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise _malformed(lines, str(error)) from error
        if any(map(str.strip, cells)):
            yield lines.start, cells


def _malformed(lines: _Lines, why: str) -> InputError:
    where = f"{lines.name}: the row on line {lines.start}"
    if "unexpected end" in why:
        return _unusable(f"{where} has a quotation mark that is never closed: the file looks cut off", "Get it whole")
    if "new-line" in why:
        return _unusable(f"{where} has a line end of another kind (CR alone)", _SAVE)
    return _unusable(f"{where} has a quotation mark in a wrong place", "Double the quotation marks inside a cell")


def _header(lines: _Lines) -> Header:
    """Read the first line that is not blank; comma or semicolon is whichever shows a ``member_no``."""
    for line in lines:
        if line.strip():
            break
    else:
        lines.refuse("the file is empty", "Give a file with a header row and a row for each member")
    split = {delimiter: _split(line, delimiter) for delimiter in ",;"}
    delimiter = max(split, key=lambda each: ("member_no" in _folded(split[each]), len(split[each])))
    names = _folded(split[delimiter])
    if "member_no" not in names:
        lines.refuse(
            f"the first row has no column member_no{_found(split[delimiter] if all(split.values()) else [])}",
            "Give it a header row",
        )
    for name in COLUMNS:
        if names.count(name) > 1:
            lines.refuse(f"the header has the column {name} twice", "Keep one of them")
    unknown = [
        _printable(name, place)
        for place, name in enumerate(split[delimiter], start=1)
        if name.strip().lower() not in COLUMNS
    ]
    return Header(delimiter, tuple(name if name in COLUMNS else "" for name in names), tuple(unknown))


def _split(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True, skipinitialspace=True))
    except csv.Error:
        return []


def _folded(names: list[str]) -> list[str]:
    return [name.strip().lower() for name in names]


def _found(names: list[str]) -> str:
    """Give the columns found, unless they look like a member: a file without a header begins with one."""
    if not names:
        return ": its quotation marks do not close"
    if any(_is_data(name) for name in names):
        return ": it looks like a member, not like a header"
    shown_names = [_printable(name, place) for place, name in enumerate(names, start=1)]
    more = ", …" if len(shown_names) > len(COLUMNS) else ""
    return f", only {', '.join(shown_names[: len(COLUMNS)])}{more}"


def _printable(name: str, place: int) -> str:
    name = "".join(filter(str.isprintable, name.strip()))
    if not name or _is_data(name):
        return f"column {place}"
    return name if len(name) <= _SHOWN else name[: _SHOWN - 1] + "…"


def _is_data(name: str) -> bool:
    """Whether a name holds so many digits that it may be a number, a date or a postal code instead."""
    return sum(map(str.isdigit, name)) >= 4


def _unusable(what: str, todo: str) -> InputError:
    return InputError(what, kept="Nothing was imported", todo=todo)
