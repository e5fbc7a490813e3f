"""What the bytes of a look that is meant must hold, for the database to leave out most that are not meant.

An entry is written in one way only (``core.entry.encode``), so that one that says something holds just these bytes. It
may hold them in another place too: whoever asks looks at what is left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import orjson
from sqlalchemy import ColumnElement, and_, func, literal_column
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from rrsync.core.access import DENIED, OPEN, REUSED
from rrsync.core.entry import Kind, Status
from rrsync.store.tables import EntryRow

if TYPE_CHECKING:
    from collections.abc import Iterator

# Written out and not as a value, so that the database sees that the index over only these serves.
_HAS_REFERENCE: Final[ColumnElement[bool]] = literal_column("reference <> ''")
_NO_REFERENCE: Final[ColumnElement[str]] = literal_column("''")
#: Looks that end as soon as they are written.
_AT_ONCE: Final = {DENIED: Kind.DENIED, REUSED: Kind.REUSE}


def hints(library: str, *, purpose: str, status: str, is_sqlite: bool) -> Iterator[ColumnElement[bool]]:
    """Give what must hold of the columns of looks for a purpose and with an end; of each only if it is said."""
    if purpose:
        yield _says("code", purpose, is_sqlite=is_sqlite)
    if status in _AT_ONCE:
        yield col(EntryRow.kind) == _AT_ONCE[status].value
    elif status == OPEN:
        end = aliased(EntryRow)
        its_end = select(end.seq).where(
            end.library == library,
            end.kind == Kind.OUTCOME.value,
            end.reference == EntryRow.reference,
            col(end.reference) != _NO_REFERENCE,
        )
        yield and_(col(EntryRow.kind) == Kind.INTENT.value, ~its_end.exists())
    elif status in set(Status):
        ended = select(EntryRow.reference).where(
            EntryRow.library == library,
            EntryRow.kind == Kind.OUTCOME.value,
            _HAS_REFERENCE,
            _says("status", status, is_sqlite=is_sqlite),
        )
        yield col(EntryRow.reference).in_(ended)


def _says(name: str, text: str, *, is_sqlite: bool) -> ColumnElement[bool]:
    """Whether an entry holds a name with a text, somewhere."""
    wanted = orjson.dumps({name: text})[1:-1]
    place = func.instr if is_sqlite else func.pg_catalog.position
    return place(EntryRow.data, wanted) > 0
