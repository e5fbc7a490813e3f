"""What was asked at the desks, counted for all processes on one database: an ask is granted and counted in one go."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, func, select, text

from rrsync.core.quota import DAY, Granted, Limits, Used, Verdict, Window, judge, left
from rrsync.store.tables import table
from rrsync.store.visits import AskRow

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlmodel import Session

    from rrsync.store.engine import Database

_TURN: Final = text("SELECT pg_advisory_xact_lock(:turn)")
_ASK: Final = table(AskRow)
_RECENT: Final = _ASK.c.library == bindparam("of"), _ASK.c.at > bindparam("since")
_COUNT: Final = select(func.count()).select_from(_ASK).where(*_RECENT)
_OWN: Final = select(_ASK.c.at).where(*_RECENT, _ASK.c.name == bindparam("by"))
_ADD: Final = _ASK.insert().inline()
_FORGET: Final = _ASK.delete().where(_ASK.c.library == bindparam("of"), _ASK.c.at <= bindparam("until"))


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
                session.execute(_ADD, {"library": library, "name": name, "at": at})
                session.execute(_FORGET, {"of": library, "until": at - DAY})
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
        count = session.execute(_COUNT, {"of": library, "since": at - DAY}).scalar_one()
        room = count - self._limits.library_per_day
        if room < 0:
            return Used(count, None)
        leaving = select(_ASK.c.at).where(*_RECENT).order_by(_ASK.c.at).offset(room).limit(1)
        return Used(count, session.execute(leaving, {"of": library, "since": at - DAY}).scalar_one())


def _own(session: Session, library: str, name: str, at: datetime) -> list[datetime]:
    return list(session.execute(_OWN, {"of": library, "by": name, "since": at - DAY}).scalars())


def _turn(library: str) -> int:
    """Give the number under which the processes wait for each other, of a library."""
    return int.from_bytes(sha256(f"rrsync ask {library}".encode()).digest()[:8], "big", signed=True)
