"""The looks of persons in a stretch of a log, for the sample: places and flags, found by index.

A stretch goes by places and not by each entry's own time, so that an entry is in exactly one month whatever a clock
did: a month begins with the first entry of its time, and ends before the first of the next one's.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import ColumnElement, literal_column
from sqlmodel import Session, col, or_, select

from rrsync.core.access import actor_of
from rrsync.core.entry import LOOKS, ActorKind, decode
from rrsync.errors import BrokenChain
from rrsync.store.tables import EntryRow, LogRow

if TYPE_CHECKING:
    from datetime import datetime

    from rrsync.store.engine import Database

#: By how much a clock may have been set back without moving a month's end.
_BACK: Final = timedelta(days=7)
_LOOKS: Final = tuple(sorted(kind.value for kind in LOOKS))
# Written out and not as a value, so that the database sees that the index over only these serves.
_HAS_ACTOR: Final[ColumnElement[bool]] = literal_column("actor <> ''")


class Looks:
    """Finds the looks of persons in the logs of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def first(self, library: str, moment: datetime) -> int:
        """Give the place of the first entry at a moment or after it; the log's size when there is none."""
        with self._database.read() as session:
            size = session.exec(select(LogRow.size).where(LogRow.library == library)).one_or_none() or 0
            near = not_before(session, library, size, moment)
            found = select(EntryRow.seq).where(
                EntryRow.library == library, EntryRow.seq >= near, EntryRow.at >= moment, EntryRow.seq < size
            )
            seq = session.exec(found.order_by(col(EntryRow.seq)).limit(1)).first()
        return size if seq is None else seq

    def flags(self, library: str, stretch: range) -> dict[int, tuple[str, ...]]:
        """Give the places of the looks of persons in a stretch, each with its flags.

        Raises:
            BrokenChain: an entry cannot be read.
        """
        found: dict[int, tuple[str, ...]] = {}
        with self._database.read() as session:
            place = col(EntryRow.seq) + 0  # so that it goes by who acts: few of a log's entries are by persons
            wanted = select(EntryRow.seq, EntryRow.data).where(
                EntryRow.library == library,
                col(EntryRow.kind).in_(_LOOKS),
                _by_person(session, library),
                place >= stretch.start,
                place < stretch.stop,
            )
            for seq, data in session.exec(wanted).all():
                try:
                    line = decode(data)
                except ValueError as error:
                    raise _unreadable(library, seq) from error
                if actor_of(line).kind is ActorKind.PERSON:
                    said = line.get("flags")
                    found[seq] = tuple(str(flag) for flag in said) if isinstance(said, list) else ()
        return dict(sorted(found.items()))


def not_before(session: Session, library: str, size: int, moment: datetime) -> int:
    """Give a place before which no entry is at the moment or after it, unless a clock went back by over a week."""
    return _after(session, library, size, moment - _BACK)


def _after(session: Session, library: str, size: int, moment: datetime) -> int:
    """Give a place such that no entry before it is at the moment or after it, if the clock never went back."""
    low, high = 0, size
    while low < high:
        middle = (low + high) // 2
        wanted = select(EntryRow.at).where(EntryRow.library == library, EntryRow.seq == middle)
        try:
            at = session.exec(wanted).one_or_none()
        except ValueError as error:  # SQLite takes any text for a time
            raise _unreadable(library, middle) from error
        if at is None:
            raise _unreadable(library, middle)
        if at < moment:
            low = middle + 1
        else:
            high = middle
    return low


def _by_person(session: Session, library: str) -> ColumnElement[bool]:
    """Give what the columns of a person's entry say; one from before schema 0002 has no actor there."""
    first = select(EntryRow.mac).where(EntryRow.library == library, EntryRow.seq == 0)
    is_old = session.exec(first).one_or_none() is None
    return or_(_HAS_ACTOR, col(EntryRow.mac).is_(None)) if is_old else _HAS_ACTOR


def _unreadable(library: str, seq: int) -> BrokenChain:
    return BrokenChain(
        f"Entry {seq} of the access log of {library} cannot be read",
        todo="Run `rrsync log verify`: it names the cause",
    )
