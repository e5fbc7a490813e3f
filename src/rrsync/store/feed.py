"""What changed, in the order in which it was written: names of fields, and nobody's data but the member number.

A change stands under the place of the entry that tells of it; a log gives its places in the order in which they are
committed, so that who read up to one place has seen all before it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Final

from sqlalchemy import func
from sqlmodel import col, select

from rrsync.core.member import Held
from rrsync.store.tables import ChangeRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rrsync.store.engine import Database
    from rrsync.store.rows import Rows

#: Before the first change there can be.
BEGINNING: Final = -1


@dataclass(frozen=True, slots=True)
class News:
    """One change of a member: its place in the library's log, the names of the fields, when, and by what verdict."""

    library: str
    seq: int
    number: str
    fields: tuple[str, ...]
    at: datetime
    verdict: str


class Feed:
    """The changes in one database."""

    def __init__(self, database: Database, rows: Rows) -> None:
        self._database = database
        self._rows = rows

    def after(self, library: str, seq: int, *, most: int) -> Sequence[News]:
        """Give the changes of a library after a place, the oldest first.

        Raises:
            StoreError: one cannot be read, and none after it is given before it.
        """
        wanted = select(ChangeRow).where(ChangeRow.library == library, ChangeRow.seq > seq)
        with self._database.read() as session:
            rows = session.exec(wanted.order_by(col(ChangeRow.seq)).limit(most)).all()
            return [self._news(row) for row in rows]

    def last(self, library: str) -> int:
        """Give the place of a library's last change."""
        wanted = select(func.coalesce(func.max(ChangeRow.seq), BEGINNING)).where(ChangeRow.library == library)
        with self._database.read() as session:
            return session.exec(wanted).one()

    def count(self, library: str, seq: int) -> int:
        """Give how many changes of a library there are after a place."""
        wanted = select(func.count()).select_from(ChangeRow).where(ChangeRow.library == library, ChangeRow.seq > seq)
        with self._database.read() as session:
            return session.exec(wanted).one()

    def _news(self, row: ChangeRow) -> News:
        where = f"{row.library}|{row.seq}"
        before = self._rows.open_side(f"change|before|{where}", row.before)
        after = self._rows.open_side(f"change|after|{where}", row.after)
        names = [part.name for part in fields(Held) if getattr(before, part.name) != getattr(after, part.name)]
        if row.insz is not None:
            names.append("insz")
        return News(row.library, row.seq, row.number, tuple(names), row.at, row.verdict)
