"""Member files: check a library's CSV file, read its rows as members, and write members as rows of the export.

1. A file that is unusable as a whole is refused before its first row is imported: it is not UTF-8 text, has no header
   with ``member_no``, a quotation mark that never closes, or a row without end.
2. A row is accepted or refused as a whole, for its first unusable cell.
3. No line or row longer than 128 KiB is held in memory, so memory does not grow with the file.
4. A cell that a spreadsheet would read as a formula is written with an apostrophe before it, and read without it.
5. No message contains the content of a cell.
"""

from __future__ import annotations

import csv
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import BinaryIO, Final, NoReturn, TypeVar

from rrsync.cli.output import printable
from rrsync.core.insz import Insz, holds_insz
from rrsync.core.person import Address, Held, Member, Name, PartialDate, tidy
from rrsync.core.spreadsheet import escape, unescape
from rrsync.errors import ConfigError, InputError
from rrsync.store.members import ImportResult, ImportRow
from rrsync.store.rows import MemberStatus

_T = TypeVar("_T")

TEXTS: Final = ("last_name", "first_names", "street", "house_number", "box", "postal_code", "municipality")
COLUMNS: Final = ("member_no", "insz", *TEXTS, "birth_date", "country", "membership_end", "open_items")
EXPORTED: Final = (
    *("library", "member_no", "last_name", "first_names", "birth_date"),
    *("street", "house_number", "box", "postal_code", "municipality", "nis_code", "country"),
    *("address_since", "verdict", "hold_reason", "refreshed_at", "changed_at"),
)
_MAX_ROW: Final = 128 * 1024
_MAX_NUMBER: Final = 64
_MAX_TEXT: Final = 300
_MAX_ITEMS: Final = 1_000_000
_MAX_COLUMN_NAME: Final = 40

_HEAD: Final = 4096
_BOM: Final = b"\xef\xbb\xbf"
_SAVE: Final = "Save it again as CSV UTF-8"
_MAGIC: Final = (
    (b"PK\x03\x04", "is an Excel workbook or another zip file", "Open it and save the sheet as CSV UTF-8"),
    (b"\xd0\xcf\x11\xe0", "is an old Excel workbook", "Open it and save the sheet as CSV UTF-8"),
    (b"\x1f\x8b", "is compressed with gzip", "Unpack it first"),
    (b"%PDF", "is a PDF", "Request the same list as CSV UTF-8"),
    (b"\xff\xfe\x00\x00", "is UTF-32 text", _SAVE),
    (b"\x00\x00\xfe\xff", "is UTF-32 text", _SAVE),
    (b"\xff\xfe", "is UTF-16 text", _SAVE),
    (b"\xfe\xff", "is UTF-16 text", _SAVE),
)

_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_UNPRINTABLE: Final = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]")  # the other control characters are blanks
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_COUNTRY: Final = re.compile(r"[A-Za-z]{3}")
_WHOLE: Final = re.compile(r"[0-9]{1,9}")
_SEPARATORS: Final = str.maketrans("", "", " .-/")


@dataclass(frozen=True, slots=True)
class FileHeader:
    """The columns of a file, ``""`` for each ignored one, and printable names of the ignored columns."""

    delimiter: str
    columns: tuple[str, ...]
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FileSummary:
    """A member file as a whole: its header, its number of rows, and whether it ends within a row."""

    header: FileHeader
    rows: int
    is_cut_off: bool


class MemberFile:
    """An open member file; messages call it by its ``name``."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._name = name
        self.size = os.fstat(file.fileno()).st_size

    def inspect(self, show: Callable[[int], None]) -> FileSummary:
        """Read the whole file without importing anything; ``show`` gets the number of bytes read so far.

        Raises:
            InputError: the file is unusable as a whole.
        """
        self._refuse_foreign()
        lines = _Lines(self._file, self._name)
        header = _header(lines)
        rows = 0
        cells: list[str] = []
        for rows, (_, cells) in enumerate(_records(lines, header), start=1):  # noqa: B007 — the last ones count
            if rows % 1_000 == 0:
                show(lines.read)
        return FileSummary(
            header, rows, is_cut_off=not lines.ended and bool(cells) and len(cells) != len(header.columns)
        )

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the rows that are not blank, each with the number of its first line.

        Raises:
            InputError: the file changed since ``inspect``.
        """
        self._file.seek(0)
        lines = _Lines(self._file, self._name)
        yield from _records(lines, _header(lines))

    def _refuse_foreign(self) -> None:
        """Refuse a file whose first bytes are not UTF-8 text."""
        head = self._file.read(_HEAD)
        self._file.seek(0)
        for magic, what, todo in _MAGIC:
            if head.startswith(magic):
                raise _unusable(f"{self._name} {what}", todo)
        if 0.2 < head.count(0) / max(1, len(head)) < 0.8:
            raise _unusable(f"{self._name} is UTF-16 or UTF-32 text", _SAVE)


@contextmanager
def open_member_file(path: Path) -> Iterator[MemberFile]:
    """Yield an open member file.

    Raises:
        InputError: the file does not exist, or cannot be read.
    """
    name = printable(path.name)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise _unusable(f"{name} is a folder", "Name the file in it")
        if not stat.S_ISREG(mode):
            raise _unusable(f"{name} is not a regular file", "Write it to disk first, because it is read twice")
        file = path.open("rb")
    except FileNotFoundError as error:
        raise _unusable(f"There is no file {name}", "Check its name and folder") from error
    except OSError as error:
        raise _unusable(f"{name} cannot be read: {error.strerror}", "Check its permissions") from error
    with file:
        yield MemberFile(file, name)


class _Lines:
    """The lines of a file as text; ``begin`` marks the start of a row."""

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
            raw = self._file.readline(_MAX_ROW + 1)
        except OSError as error:
            raise _unusable(f"{self.name} cannot be read to its end: {error.strerror}", "Check its disk") from error
        if not raw:
            raise StopIteration
        self.line += 1
        self.read += len(raw)
        self._size += len(raw)
        self.ended = raw.endswith(b"\n")
        if b"\0" in raw:
            self.refuse(f"line {self.line} contains a zero byte: it is damaged, or no text", _SAVE)
        if self._size > _MAX_ROW:
            self.refuse(
                f"the row on line {self.start} is longer than 128 KiB",
                "Check that line for a quotation mark that is not closed, and that this is a member file",
            )
        try:
            return (raw.removeprefix(_BOM) if self.line == 1 else raw).decode("utf-8")
        except UnicodeDecodeError as error:
            cut = "" if self.ended or error.reason != "unexpected end of data" else " (the file looks cut off there)"
            raise _unusable(f"{self.name}: line {self.line} is not valid UTF-8{cut}", _SAVE) from error

    def refuse(self, what: str, todo: str) -> NoReturn:
        raise _unusable(f"{self.name}: {what}", todo)


def _records(lines: _Lines, header: FileHeader) -> Iterator[tuple[int, list[str]]]:
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


def _header(lines: _Lines) -> FileHeader:
    """Read the first line that is not blank; the delimiter is the one that yields a column ``member_no``."""
    for line in lines:
        if line.strip():
            break
    else:
        lines.refuse("the file is empty", "Use a file with a header row and a row for each member")
    split = {delimiter: _split(line, delimiter) for delimiter in ",;"}
    delimiter = max(split, key=lambda each: ("member_no" in _folded(split[each]), len(split[each])))
    names = _folded(split[delimiter])
    if "member_no" not in names:
        lines.refuse(
            f"the first row has no column member_no{_found(split[delimiter] if all(split.values()) else [])}",
            "Add a header row",
        )
    for name in COLUMNS:
        if names.count(name) > 1:
            lines.refuse(f"the header has the column {name} twice", "Keep one of them")
    unknown = [
        _column_label(name, place)
        for place, name in enumerate(split[delimiter], start=1)
        if name.strip().lower() not in COLUMNS
    ]
    return FileHeader(delimiter, tuple(name if name in COLUMNS else "" for name in names), tuple(unknown))


def _split(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True, skipinitialspace=True))
    except csv.Error:
        return []


def _folded(names: list[str]) -> list[str]:
    return [name.strip().lower() for name in names]


def _found(names: list[str]) -> str:
    """Return the columns found, unless they look like a member, as in a file without a header."""
    if not names:
        return ": its quotation marks do not close"
    if any(_is_data(name) for name in names):
        return ": it looks like a member, not like a header"
    labels = [_column_label(name, place) for place, name in enumerate(names, start=1)]
    more = ", …" if len(labels) > len(COLUMNS) else ""
    return f", only {', '.join(labels[: len(COLUMNS)])}{more}"


def _column_label(name: str, place: int) -> str:
    name = "".join(filter(str.isprintable, name.strip()))
    if not name or _is_data(name):
        return f"column {place}"
    return name if len(name) <= _MAX_COLUMN_NAME else name[: _MAX_COLUMN_NAME - 1] + "…"


def _is_data(name: str) -> bool:
    """Whether a name has so many digits that it may be a number, a date or a postal code."""
    return sum(map(str.isdigit, name)) >= 4


def _unusable(what: str, todo: str) -> InputError:
    return InputError(what, kept="Nothing was imported", todo=todo)


class _Unusable(InputError):
    """A cell that cannot be used: its column and the reason."""

    def __init__(self, column: str, what: str) -> None:
        super().__init__(what)
        self.column = column


@dataclass(frozen=True, slots=True)
class RowReader:
    """Reads the rows of one library's file; ``columns`` names the column of each cell, ``""`` for an ignored one."""

    library: str
    columns: Sequence[str]
    production: bool

    def read(self, line: int, cells: Sequence[str]) -> ImportRow | ImportResult:
        """Return the member in a row, or the refusal of the row."""
        if len(cells) != len(self.columns):
            reason = f"the row has {len(cells)} cells and the header {len(self.columns)}"
            return ImportResult(line, "refused", "", reason)
        try:
            member = self._member(dict(zip(self.columns, cells, strict=True)))
            return ImportRow(line, member, frozenset(self.columns))
        except _Unusable as error:
            return ImportResult(line, "refused", error.column, error.what)

    def _member(self, row: dict[str, str]) -> Member:
        number = _cell(row, "member_no", _number)
        insz = _cell(row, "insz", self._insz)
        texts = {column: _cell(row, column, _text) for column in TEXTS}
        if insz is not None:
            _refuse_copies(insz, {"member_no": number} | texts)
        last, first, *parts = texts.values()
        street, house_number, box, postal_code, municipality = parts
        return Member(
            library=self.library,
            number=number,
            insz=insz,
            held=Held(
                name=Name(last, first),
                birth_date=_cell(row, "birth_date", _partial),
                address=Address(
                    street=street,
                    house_number=house_number,
                    box=box,
                    postal_code=postal_code,
                    municipality=municipality,
                    country=_cell(row, "country", _country),
                ),
            ),
            membership_end=_cell(row, "membership_end", _day),
            open_items=_cell(row, "open_items", _count),
        )

    def _insz(self, text: str) -> Insz | None:
        return Insz.parse(text, production=self.production) if text else None


def exported_row(standing: MemberStatus) -> list[str]:
    """Return the cells of a member for the export, in the order of ``EXPORTED``, without the national number."""
    member, held = standing.member, standing.member.held
    address = held.address
    cells = (
        *(member.library, member.number, held.name.last, held.name.first, held.birth_date),
        *(address.street, address.house_number, address.box, address.postal_code, address.municipality),
        *(address.nis_code, address.country, held.address_since, standing.verdict, standing.hold_reason),
        *(standing.refreshed_at, standing.changed_at),
    )
    return [escape(_cell_text(cell)) for cell in cells]


def _cell_text(value: str | PartialDate | datetime | None) -> str:
    match value:
        case None:
            return ""
        case PartialDate():
            return value.text
        case datetime():
            return value.strftime("%Y-%m-%dT%H:%M:%SZ")
        case _:
            return value


def _cell(row: dict[str, str], column: str, reader: Callable[[str], _T]) -> _T:
    try:
        return reader(unescape(row.get(column, "").strip()))
    except ConfigError as error:
        raise _Unusable(column, error.what) from error


def _refuse_copies(insz: Insz, cells: dict[str, str]) -> None:
    """Refuse a row with the national number in another column, which is stored or exported in clear."""
    if insz.digits not in "|".join(cells.values()).translate(_SEPARATORS):
        return
    column = next(name for name, cell in cells.items() if insz.digits in cell.translate(_SEPARATORS))
    raise _Unusable(column, "it contains the national number, which is allowed only in its own column")


def _number(text: str) -> str:
    if not text:
        raise InputError("the member number is missing")
    if _CONTROL.search(text):
        raise InputError("it contains control characters")
    if len(text) > _MAX_NUMBER:
        raise InputError(f"it is longer than {_MAX_NUMBER} characters")
    if holds_insz(text):
        raise InputError("it contains a national number, which is allowed only in its own column")
    return tidy(text)


def _text(text: str) -> str:
    if len(text) > _MAX_TEXT:
        raise InputError(f"it is longer than {_MAX_TEXT} characters")
    if _UNPRINTABLE.search(text):
        raise InputError("it contains control characters")
    return tidy(text)


def _partial(text: str) -> PartialDate | None:
    if not text:
        return None
    found = PartialDate.parse(text)
    if found is None or found.text != text:
        raise InputError("it is not a date such as 1950-12-31 (1950-12-00 or 1950-00-00 if a part is unknown)")
    return found


def _day(text: str) -> date | None:
    if not text:
        return None
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass  # the form is right, but there is no such day: refused below
    raise InputError("it is not a date such as 2026-12-31")


def _country(text: str) -> str:
    if not text:
        return "BEL"
    if not _COUNTRY.fullmatch(text):
        raise InputError("it is not a country code of three letters, such as BEL")
    return text.upper()


def _count(text: str) -> int:
    if not text:
        return 0
    if not _WHOLE.fullmatch(text) or int(text) > _MAX_ITEMS:
        raise InputError(f"it is not a whole number from 0 to {_MAX_ITEMS}")
    return int(text)
