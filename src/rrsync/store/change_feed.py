"""How far each library system was told of its changes: strictly in order, and nothing lost by a restart.

1. Who tells a library takes its turn for a minute; nobody else tells it meanwhile. Who dies leaves the turn to lapse.
2. What was acknowledged moves the cursor, at once; what was not is told again later, and nothing after it before it.
3. A library that is told for the first time is told of what changes from then on.

What changed, in the order in which it was written: names of fields, and nobody's data but the member number.

A change stands under the place of the entry that tells of it; a log gives its places in the order in which they are
committed, so that who read up to one place has seen all before it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import bindparam, func, text, update
from sqlmodel import col, select

from rrsync.core.person import Held
from rrsync.store.engine import Database
from rrsync.store.rows import Rows
from rrsync.store.tables import ChangeRow, HookRow, Utc

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
        """Return the changes of a library after a place, the oldest first.

        Raises:
            StoreError: one cannot be read, and none after it is given before it.
        """
        wanted = select(ChangeRow).where(ChangeRow.library == library, ChangeRow.seq > seq)
        with self._database.read() as session:
            rows = session.exec(wanted.order_by(col(ChangeRow.seq)).limit(most)).all()
            return [self._news(row) for row in rows]

    def last(self, library: str) -> int:
        """Return the place of a library's last change."""
        wanted = select(func.coalesce(func.max(ChangeRow.seq), BEGINNING)).where(ChangeRow.library == library)
        with self._database.read() as session:
            return session.exec(wanted).one()

    def count(self, library: str, seq: int) -> int:
        """Return how many changes of a library there are after a place."""
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


TURN: Final = timedelta(minutes=1)
_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Told:
    """How far a library was told: up to which place, how often it failed since and why, and when it is tried again."""

    library: str
    cursor: int
    failures: int
    why: str
    next_at: datetime
    told_at: datetime | None


@dataclass(frozen=True, slots=True)
class Turn:
    """The right to tell a library, and where to begin."""

    library: str
    token: bytes
    cursor: int
    failures: int


class Hooks:
    """The tellings of one database; ``random(n)`` gives n random bytes."""

    def __init__(self, database: Database, clock: Callable[[], datetime], random: Callable[[int], bytes]) -> None:
        self._database = database
        self._clock = clock
        self._random = random

    def begin(self, library: str, cursor: int) -> None:
        """Let a library be told of what comes after a place, unless it was told before."""
        with self._database.write() as session:
            session.execute(_BEGIN, {"library": library, "cursor": cursor, "at": self._clock()})

    def states(self, libraries: Collection[str]) -> dict[str, Told]:
        """Return how far these libraries were told, those that ever were."""
        wanted = select(HookRow).where(col(HookRow.library).in_(libraries))
        with self._database.read() as session:
            return {
                row.library: Told(row.library, row.cursor, row.failures, row.why, row.next_at, row.told_at)
                for row in session.exec(wanted)
            }

    def take(self, library: str) -> Turn | None:
        """Take the turn to tell a library; ``None`` when it is another's, or it is too early."""
        now, token = self._clock(), self._random(_BYTES)
        with self._database.write() as session:
            row = session.get(HookRow, library, with_for_update=True)
            if row is None or row.next_at > now or row.until > now:
                return None
            row.turn, row.until = token, now + TURN
            return Turn(library, token, row.cursor, row.failures)

    def told(self, turn: Turn, seq: int) -> bool:
        """Note that a library acknowledged what stands at a place; ``False`` when the turn is another's by now."""
        now = self._clock()
        return self._note(turn, cursor=seq, failures=0, why="", told_at=now, next_at=now, until=now + TURN)

    def failed(self, turn: Turn, why: str, *, failures: int, again: datetime) -> bool:
        """Note that a library did not acknowledge, why, how often now, and when it is tried again; the turn ends."""
        return self._note(turn, failures=failures, why=why, next_at=again, until=self._clock())

    def leave(self, turn: Turn) -> bool:
        """End a turn in which nothing is left to tell."""
        return self._note(turn, until=self._clock())

    def hasten(self, library: str) -> None:
        """Let a library that is waited for be tried at once."""
        with self._database.write() as session:
            session.execute(update(HookRow).where(col(HookRow.library) == library).values(next_at=self._clock()))

    def _note(self, turn: Turn, **values: object) -> bool:
        mine = col(HookRow.library) == turn.library, col(HookRow.turn) == turn.token
        with self._database.write() as session:
            done = session.execute(update(HookRow).where(*mine).values(**values))
            return bool(done.rowcount)  # type: ignore[attr-defined] # an UPDATE's result counts its rows


_BEGIN: Final = text(
    "INSERT INTO hook (library, cursor, failures, why, next_at, turn, until) "
    "VALUES (:library, :cursor, 0, '', :at, :empty, :at) ON CONFLICT DO NOTHING"
).bindparams(bindparam("at", type_=Utc()), bindparam("empty", b""))
