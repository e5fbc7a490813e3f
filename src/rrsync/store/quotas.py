"""What was asked at the desks, counted for all processes on one database: an ask is granted and counted in one go."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, func, text
from sqlmodel import Session, col, select

from rrsync.core.quota import DAY, Granted, Limits, Used, Verdict, Window, judge, left
from rrsync.store.visits import AskRow

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from rrsync.store.engine import Database

_TURN: Final = text("SELECT pg_advisory_xact_lock(:turn)")


class Quotas:
    """The limits of one installation (``core.quota``), over every process that shares its database."""

    def __init__(self, database: Database, limits: Limits, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._limits = limits
        self._clock = clock

    def take(self, library: str, name: str) -> Verdict:
        """Let somebody ask once at a library's desk, if the limits have room; what is refused does not count.

        Raises:
            StoreError: it cannot be counted, so nothing may be asked.
        """
        with self._database.write(passing=True) as session:
            if not self._database.is_sqlite:  # where a writer is alone anyway
                session.execute(_TURN, {"turn": _turn(library)})
            at = self._clock()
            verdict = judge(at, _own(session, library, name, at), self._used(session, library, at), self._limits)
            if isinstance(verdict, Granted):
                session.add(AskRow(library=library, name=name, at=at))
                session.execute(delete(AskRow).where(col(AskRow.library) == library, col(AskRow.at) <= at - DAY))
        return verdict

    def left(self, library: str, name: str) -> dict[Window, int]:
        """Give how often somebody may ask still, by each limit.

        Raises:
            StoreError: it cannot be counted.
        """
        at = self._clock()
        with self._database.read() as session:
            used = self._used(session, library, at).count
            return left(at, _own(session, library, name, at), used, self._limits)

    def _used(self, session: Session, library: str, at: datetime) -> Used:
        recent = col(AskRow.library) == library, col(AskRow.at) > at - DAY
        count = session.exec(select(func.count()).select_from(AskRow).where(*recent)).one()
        room = count - self._limits.library_per_day
        if room < 0:
            return Used(count, None)
        leaving = select(AskRow.at).where(*recent).order_by(col(AskRow.at)).offset(room).limit(1)
        return Used(count, session.exec(leaving).one())


def _own(session: Session, library: str, name: str, at: datetime) -> list[datetime]:
    mine = select(AskRow.at).where(AskRow.library == library, AskRow.name == name, col(AskRow.at) > at - DAY)
    return list(session.exec(mine).all())


def _turn(library: str) -> int:
    """Give the number under which the processes wait for each other, of a library."""
    return int.from_bytes(sha256(f"rrsync ask {library}".encode()).digest()[:8], "big", signed=True)
