"""One row of a member file as a member, and one member as a row of the export.

A row is taken as a whole or refused as a whole, for its first cell that cannot be used; the reason never repeats a
cell. A cell that a spreadsheet would take for a formula is written with an apostrophe before it, and read without.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Final, TypeVar

from rrsync.core.formula import escape, unescape
from rrsync.core.insz import Insz, holds_insz
from rrsync.core.member import Held, Member
from rrsync.core.person import Address, Name, PartialDate, tidy
from rrsync.errors import ConfigError, InputError
from rrsync.store.members import Incoming, Taken

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rrsync.store.rows import Standing

_T = TypeVar("_T")

TEXTS: Final = ("last_name", "first_names", "street", "house_number", "box", "postal_code", "municipality")
COLUMNS: Final = ("member_no", "insz", *TEXTS, "birth_date", "country", "membership_end", "open_items")
EXPORTED: Final = (
    *("library", "member_no", "last_name", "first_names", "birth_date"),
    *("street", "house_number", "box", "postal_code", "municipality", "nis_code", "country"),
    *("address_since", "verdict", "hold_reason", "refreshed_at", "changed_at"),
)
LONGEST_NUMBER: Final = 64
LONGEST_TEXT: Final = 300
MOST_ITEMS: Final = 1_000_000

_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_UNPRINTABLE: Final = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]")  # the other control characters are blanks
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_COUNTRY: Final = re.compile(r"[A-Za-z]{3}")
_WHOLE: Final = re.compile(r"[0-9]{1,9}")
_SEPARATORS: Final = str.maketrans("", "", " .-/")


class _Unusable(InputError):
    """A cell that cannot be used: the column, and why."""

    def __init__(self, column: str, what: str) -> None:
        super().__init__(what)
        self.column = column


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the rows of one library's file; ``columns`` names each cell's column, ``""`` where it is ignored."""

    library: str
    columns: Sequence[str]
    production: bool

    def read(self, line: int, cells: Sequence[str]) -> Incoming | Taken:
        """Give the member that stands on a line, or the refusal of the line."""
        if len(cells) != len(self.columns):
            reason = f"the row has {len(cells)} cells and the header {len(self.columns)}"
            return Taken(line, "refused", "", reason)
        try:
            member = self._member(dict(zip(self.columns, cells, strict=True)))
            return Incoming(line, member, frozenset(self.columns))
        except _Unusable as error:
            return Taken(line, "refused", error.column, error.what)

    def _member(self, row: dict[str, str]) -> Member:
        number = _cell(row, "member_no", _number)
        insz = _cell(row, "insz", self._insz)
        texts = {column: _cell(row, column, _text) for column in TEXTS}
        if insz is not None:
            _keep_apart(insz, {"member_no": number} | texts)
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


def row_of(standing: Standing) -> list[str]:
    """Give a member's cells for the export, in the order of ``EXPORTED``; the national number is not among them."""
    member, held = standing.member, standing.member.held
    address = held.address
    cells = (
        *(member.library, member.number, held.name.last, held.name.first, held.birth_date),
        *(address.street, address.house_number, address.box, address.postal_code, address.municipality),
        *(address.nis_code, address.country, held.address_since, standing.verdict, standing.hold_reason),
        *(standing.refreshed_at, standing.changed_at),
    )
    return [escape(_written(cell)) for cell in cells]


def _written(value: str | PartialDate | datetime | None) -> str:
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


def _keep_apart(insz: Insz, cells: dict[str, str]) -> None:
    """Refuse a row that holds the national number where it would be kept or exported in clear."""
    if insz.digits not in "|".join(cells.values()).translate(_SEPARATORS):
        return
    column = next(name for name, cell in cells.items() if insz.digits in cell.translate(_SEPARATORS))
    raise _Unusable(column, "it holds the national number, which may stand in its own column only")


def _number(text: str) -> str:
    if not text:
        raise InputError("the member number is missing")
    if _CONTROL.search(text):
        raise InputError("it holds control characters")
    if len(text) > LONGEST_NUMBER:
        raise InputError(f"it is longer than {LONGEST_NUMBER} characters")
    if holds_insz(text):
        raise InputError("it holds a national number, which may stand in its own column only")
    return tidy(text)


def _text(text: str) -> str:
    if len(text) > LONGEST_TEXT:
        raise InputError(f"it is longer than {LONGEST_TEXT} characters")
    if _UNPRINTABLE.search(text):
        raise InputError("it holds control characters")
    return tidy(text)


def _partial(text: str) -> PartialDate | None:
    if not text:
        return None
    found = PartialDate.parse(text)
    if found is None or found.text != text:
        raise InputError("it is no date written as 1950-12-31 (1950-12-00 or 1950-00-00 where a part is not known)")
    return found


def _day(text: str) -> date | None:
    if not text:
        return None
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass  # as below: the form is right, and there is no such day
    raise InputError("it is no date written as 2026-12-31")


def _country(text: str) -> str:
    if not text:
        return "BEL"
    if not _COUNTRY.fullmatch(text):
        raise InputError("it is no country code of three letters, such as BEL")
    return text.upper()


def _count(text: str) -> int:
    if not text:
        return 0
    if not _WHOLE.fullmatch(text) or int(text) > MOST_ITEMS:
        raise InputError(f"it is no whole number from 0 to {MOST_ITEMS}")
    return int(text)
