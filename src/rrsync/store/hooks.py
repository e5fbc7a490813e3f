"""How far each library system was told of its changes: strictly in order, and nothing lost by a restart.

1. Who tells a library takes its turn for a minute; nobody else tells it meanwhile. Who dies leaves the turn to lapse.
2. What was acknowledged moves the cursor, at once; what was not is told again later, and nothing after it before it.
3. A library that is told for the first time is told of what changes from then on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, text, update
from sqlmodel import col, select

from rrsync.store.moment import Utc
from rrsync.store.served import HookRow

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from rrsync.store.engine import Database

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
        """Give how far these libraries were told, those that ever were."""
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
