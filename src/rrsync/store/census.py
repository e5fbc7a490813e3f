"""Numbers for who keeps rrsync running: holds, subscriptions, questions of late. Nobody is named in any of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import exists, func, or_
from sqlmodel import Session, col, select

from rrsync.core.entry import Kind
from rrsync.errors import BrokenChain
from rrsync.store.subscriptions import State
from rrsync.store.tables import EntryRow, HoldRow, LogRow, MemberRow, SubscriptionRow

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

    from rrsync.store.engine import Database


@dataclass(frozen=True, slots=True)
class Subscribed:
    """How a library's subscriptions stand.

    ``refused`` are those that the register would not end; ``missing`` are members whom there is a ground to follow, and
    who are not subscribed to.
    """

    library: str
    open: int
    ending: int
    refused: int
    missing: int


class Census:
    """Counts what is in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def holds(self, libraries: Sequence[str]) -> int:
        """Give how many holds of these libraries await a person."""
        wanted = select(func.count()).where(col(HoldRow.library).in_(libraries), col(HoldRow.closed_at).is_(None))
        with self._database.read() as session:
            return session.exec(wanted).one()

    def subscribed(self, libraries: Sequence[str], *, today: date) -> list[Subscribed]:
        """Give how the subscriptions of these libraries stand, in their order."""
        with self._database.read() as session:
            return [_subscribed(session, library, today) for library in libraries]

    def questions(self, libraries: Sequence[str], *, since: datetime) -> int:
        """Give how many questions of these libraries stand in the access log since a moment."""
        with self._database.read() as session:
            return sum(_questions(session, library, since) for library in libraries)


def _subscribed(session: Session, library: str, today: date) -> Subscribed:
    states = select(SubscriptionRow.state, func.count()).where(SubscriptionRow.library == library)
    counts = dict(session.exec(states.group_by(col(SubscriptionRow.state))).all())
    is_open = exists().where(
        col(SubscriptionRow.library) == library,
        col(SubscriptionRow.insz_key) == col(MemberRow.insz_key),
        col(SubscriptionRow.state) == State.OPEN.value,
    )
    missing = select(func.count()).where(
        MemberRow.library == library,
        col(MemberRow.insz_key).is_not(None),
        or_(
            col(MemberRow.membership_end).is_(None),
            col(MemberRow.membership_end) >= today,
            col(MemberRow.open_items) > 0,
        ),
        ~is_open,
    )
    return Subscribed(
        library,
        open=counts.get(State.OPEN.value, 0),
        ending=counts.get(State.ENDING.value, 0),
        refused=counts.get(State.REFUSED.value, 0),
        missing=session.exec(missing).one(),
    )


def _questions(session: Session, library: str, since: datetime) -> int:
    """Count from the first entry that is not older: entries stand in the order of their time, so it is soon found."""
    low, high = 0, session.exec(select(LogRow.size).where(LogRow.library == library)).one_or_none() or 0
    while low < high:
        middle = (low + high) // 2
        at = session.exec(select(EntryRow.at).where(EntryRow.library == library, EntryRow.seq == middle)).one_or_none()
        if at is None:
            raise BrokenChain(
                f"Entry {middle} of the access log of {library} is not there",
                todo="Run `rrsync log verify`: it names the cause",
            )
        low, high = (middle + 1, high) if at < since else (low, middle)
    wanted = select(func.count()).where(
        EntryRow.library == library, EntryRow.seq >= low, EntryRow.kind == Kind.INTENT.value
    )
    return session.exec(wanted).one()
