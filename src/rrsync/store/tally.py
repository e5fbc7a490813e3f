"""How many looks there were, hour by hour, by whom and for what; counted in the database, which gives the sums alone.

The log only grows, so that every entry is counted once in a process: whoever asks again waits for the new ones alone.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import BindParameter, bindparam, text
from sqlalchemy.exc import DataError
from sqlmodel import select

from rrsync.core.entry import LOOKS
from rrsync.errors import BrokenChain, StoreError
from rrsync.store.looks import not_before
from rrsync.store.tables import LogRow

if TYPE_CHECKING:
    from rrsync.store.engine import Database

#: How much longer ago than what was asked for something is kept: who asks for more has it counted anew.
_KEPT: Final = timedelta(days=100)


class Group(NamedTuple):
    """Looks of one hour, which begins at ``hour`` (aware UTC): by a person, or a process when that is empty."""

    hour: datetime
    person: str
    purpose: str


@dataclass(slots=True)
class _Counted:
    """What was counted of one log: whole from a moment on, of its entries before ``end``."""

    since: datetime
    end: int
    sums: Counter[Group] = field(default_factory=Counter)


class Tally:
    """Counts the looks in the logs of one database; one object serves all threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._turn = Lock()
        self._counted: dict[str, _Counted] = {}

    def since(self, library: str, moment: datetime) -> Counter[Group]:
        """Give how many looks there were from a moment on, the start of an hour; tries and denials are looks too.

        Raises:
            StoreError: the database cannot be read.
            BrokenChain: what stands there is no entry.
        """
        with self._turn:
            size, first = self._ends(library, moment)
            counted = self._counted.get(library)
            if counted is None or moment < counted.since or size < counted.end:  # the last: a backup was put back
                counted = _Counted(moment, first)
            sums = counted.sums + self._count(library, counted.end, size)
            since = max(counted.since, moment - _KEPT)
            kept = Counter({group: count for group, count in sums.items() if group.hour >= since})
            self._counted[library] = _Counted(since, size, kept)
        return Counter({group: count for group, count in kept.items() if group.hour >= moment})

    def _ends(self, library: str, moment: datetime) -> tuple[int, int]:
        """Give a log's size, and a place before which no entry is of a moment or after it."""
        with self._database.read() as session:
            size = session.exec(select(LogRow.size).where(LogRow.library == library)).one_or_none() or 0
            return size, not_before(session, library, size, moment)

    def _count(self, library: str, first: int, end: int) -> Counter[Group]:
        statement = _ON_SQLITE if self._database.is_sqlite else _ON_POSTGRESQL
        place = {"library": library, "first": first, "end": end}
        try:
            with self._database.read() as session:
                rows = [tuple(row) for row in session.execute(statement, place)]
        except StoreError as error:
            if isinstance(error.__cause__, DataError):
                raise _unreadable(library) from error
            raise
        return Counter({_group(library, *row[:4]): int(row[4]) for row in rows})


def _group(library: str, hour: object, is_entry: object, person: object, purpose: object) -> Group:
    try:
        at = datetime.strptime(str(hour), "%Y-%m-%d %H").replace(tzinfo=UTC)
    except ValueError as error:
        raise _unreadable(library) from error
    if not is_entry:
        raise _unreadable(library)
    return Group(at, str(person or ""), str(purpose or ""))


def _unreadable(library: str) -> BrokenChain:
    return BrokenChain(
        f"The access log of {library} cannot be counted: what stands there is no entry",
        kept="Nothing was changed",
        todo="Run `rrsync log verify`: it names the entry and the cause",
    )


_KINDS: Final[BindParameter[list[str]]] = bindparam("kinds", sorted(kind.value for kind in LOOKS), expanding=True)
# It goes by place, so by the log's own key; SQLite would else refuse the whole for one entry that is no JSON.
_ON_SQLITE: Final = text(
    "SELECT hour, line IS NOT NULL, "
    "CASE WHEN json_extract(line, '$.actor.t') = 'person' THEN json_extract(line, '$.actor.id') END, "
    "json_extract(line, '$.why.code'), count(*) FROM ("
    "SELECT substr(at, 1, 13) AS hour, "
    "CASE WHEN json_valid(CAST(data AS TEXT)) THEN CAST(data AS TEXT) END AS line FROM entry "
    "WHERE library = :library AND seq >= :first AND seq < :end AND kind IN :kinds) "
    "GROUP BY 1, 2, 3, 4"
).bindparams(_KINDS)
_ON_POSTGRESQL: Final = text(
    "SELECT hour, true, CASE WHEN line #>> '{actor,t}' = 'person' THEN line #>> '{actor,id}' END, "
    "line #>> '{why,code}', count(*) FROM ("
    "SELECT to_char(at, 'YYYY-MM-DD HH24') AS hour, convert_from(data, 'UTF8')::jsonb AS line FROM entry "
    "WHERE library = :library AND seq >= :first AND seq < :end AND kind IN :kinds) AS o "
    "GROUP BY 1, 2, 3, 4"
).bindparams(_KINDS)
