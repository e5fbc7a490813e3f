"""The traffic with the register, shared through the database: one row, changed by one process at a time.

On PostgreSQL the server's clock counts, so that the clocks of several machines may differ. SQLite is one machine: its
stopwatch, which every process reads alike, counts from when it was started.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, TypeVar

from sqlalchemy import func, text
from sqlmodel import select

from rrsync.core.traffic import Traffic, parse
from rrsync.store.tables import TrafficRow

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlmodel import Session

    from rrsync.store.engine import Database

T = TypeVar("T")

_ROW: Final = 1


class Shared:
    """The traffic of all processes on one database; ``clock``, in seconds, instead of the one they have in common."""

    def __init__(self, database: Database, clock: Callable[[], float] | None = None) -> None:
        self._database = database
        self._clock = clock

    def __call__(self, change: Callable[[Traffic, float], tuple[Traffic, T]]) -> T:
        """Change the traffic by a rule, alone, and give what the rule gives.

        Raises:
            StoreError: it could not be read or written.
        """
        with self._database.write(passing=True) as session:
            row = self._row(session)
            now = self._now(session)  # after the row is ours: until then, time passes
            state = parse(row.state, now)
            after, given = change(state, now)
            if after is not state:
                row.state = after.dump()
        return given

    def look(self) -> tuple[Traffic, float]:
        """Give the traffic as it stands, and the seconds of its clock; who looks keeps nobody waiting.

        Raises:
            StoreError: it could not be read.
        """
        with self._database.read() as session:
            row, now = session.get(TrafficRow, _ROW), self._now(session)
            return parse(row.state if row else "", now), now

    def _row(self, session: Session) -> TrafficRow:
        """Give the row, ours alone until the end of the transaction."""
        wanted = select(TrafficRow).where(TrafficRow.id == _ROW).with_for_update()
        if row := session.exec(wanted).one_or_none():
            return row
        session.execute(text("INSERT INTO traffic (id, state) VALUES (1, '') ON CONFLICT DO NOTHING"))
        return session.exec(wanted).one()

    def _now(self, session: Session) -> float:
        if self._clock is not None:
            return self._clock()
        if self._database.is_sqlite:
            return time.monotonic()
        return float(session.exec(select(func.extract("epoch", func.clock_timestamp()))).one())
