"""The worklist as a page at a time: the open holds of one library, the oldest first, all or those of one reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import func
from sqlmodel import col, select

from rrsync.core.exchange import Reason
from rrsync.store.tables import HoldRow

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

    from rrsync.store.engine import Database
    from rrsync.store.holds import Holds, OpenHold

#: How many holds a page has.
PAGE: Final = 50


@dataclass(frozen=True, slots=True)
class Turn:
    """Where a hold stands among those that are meant: how many before it, of how many, and its neighbours."""

    place: int
    total: int
    before: int | None
    after: int | None


class Worklist:
    """The open holds of one database, library by library; nobody reads them all at once."""

    def __init__(self, database: Database, holds: Holds) -> None:
        self._database = database
        self._holds = holds

    def count(self, library: str) -> int:
        """Give how many holds await a person."""
        with self._database.read() as session:
            return session.exec(select(func.count()).select_from(HoldRow).where(*_open(library))).one()

    def counts(self, library: str) -> dict[Reason, int]:
        """Give the same by reason, in the order of the contract; a reason without holds is not named."""
        wanted = select(HoldRow.reason, func.count()).where(*_open(library)).group_by(col(HoldRow.reason))
        with self._database.read() as session:
            found = {reason: int(count) for reason, count in session.exec(wanted).all()}
        return {reason: found[reason.value] for reason in Reason if reason.value in found}

    def page(
        self, library: str, *, reason: Reason | None = None, beyond: int = 0, most: int = PAGE
    ) -> tuple[list[OpenHold], bool]:
        """Give the next ``most`` holds, of numbers above ``beyond``, and whether there are more."""
        wanted = select(HoldRow).where(*_open(library, reason), col(HoldRow.id) > beyond)
        with self._database.read() as session:
            rows = session.exec(wanted.order_by(col(HoldRow.id)).limit(most + 1)).all()
            return self._holds.opened(session, rows[:most]), len(rows) > most

    def of(self, library: str, number: str) -> OpenHold | None:
        """Give the open hold of a member, if there is one."""
        with self._database.read() as session:
            rows = session.exec(select(HoldRow).where(*_open(library), HoldRow.number == number)).all()
            return next(iter(self._holds.opened(session, rows)), None)

    def turn(self, library: str, hold: int, *, reason: Reason | None = None) -> Turn:
        """Give where a hold stands; one that is not of the reason has neighbours too."""
        meant, place = _open(library, reason), col(HoldRow.id)
        wanted = select(
            func.count(),
            func.count().filter(place < hold),
            func.max(place).filter(place < hold),
            func.min(place).filter(place > hold),
        )
        with self._database.read() as session:
            total, earlier, before, after = session.exec(wanted.select_from(HoldRow).where(*meant)).one()
        return Turn(earlier + 1, total, before, after)


def _open(library: str, reason: Reason | None = None) -> list[ColumnElement[bool]]:
    meant = [col(HoldRow.library) == library, col(HoldRow.closed_at).is_(None)]
    return meant if reason is None else [*meant, col(HoldRow.reason) == reason.value]
