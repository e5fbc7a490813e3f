"""The subscriptions of a library with MAGDA: to which national numbers, since when, and which must be ended.

A subscription requires a live file on the person (MAGDA fact sheet §2.4). It is ``open`` from the register's
confirmation on, ``ending`` once the library has no ground for it, as for a replaced number, and ``ended`` when the
register ended it. Its state is committed together with the outcome that reports it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import bindparam, exists, text
from sqlmodel import Session, col, select

from rrsync.core.insz import Insz
from rrsync.core.log_entry import Draft
from rrsync.core.person import Masked
from rrsync.store.access_log import AccessLog
from rrsync.store.engine import Database
from rrsync.store.rows import RowCipher
from rrsync.store.tables import MemberRow, SubscriptionRow, Utc

_PAGE: Final = 1_000


class SubscriptionState(StrEnum):
    """The state of a subscription; ``REFUSED``: the register would not end it, and a person must look at it."""

    OPEN = "open"
    ENDING = "ending"
    ENDED = "ended"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, repr=False)
class Subscription(Masked):
    """A library's subscription to a number: its state, its start, and the register's last answer about it."""

    library: str
    insz: Insz
    state: SubscriptionState
    since: datetime
    confirmed_at: datetime


class Subscriptions:
    """The subscriptions of one database; ``clock`` returns aware UTC."""

    def __init__(
        self, database: Database, ledger: AccessLog, rows: RowCipher, *, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._rows = rows
        self._clock = clock

    def find(self, library: str, insz: Insz) -> Subscription | None:
        """Return a library's subscription to a number, in any state."""
        wanted = select(SubscriptionRow).where(
            SubscriptionRow.library == library, SubscriptionRow.insz_key == self._rows.insz_key(library, insz)
        )
        with self._database.read() as session:
            row = session.exec(wanted).one_or_none()
            return None if row is None else self._value(row)

    def of(self, library: str, state: SubscriptionState) -> Iterator[Subscription]:
        """Yield a library's subscriptions in one state, as a stream."""
        after = 0
        while True:
            wanted = select(SubscriptionRow).where(
                SubscriptionRow.library == library,
                SubscriptionRow.state == state.value,
                col(SubscriptionRow.id) > after,
            )
            with self._database.read() as session:
                rows = session.exec(wanted.order_by(col(SubscriptionRow.id)).limit(_PAGE)).all()
                page = [self._value(row) for row in rows]
                after = rows[-1].id or 0 if rows else after
            yield from page
            if len(page) < _PAGE:
                return

    def ending(self, library: str, *, most: int) -> list[Subscription]:
        """Return subscriptions to end, the one confirmed longest ago first.

        Numbers of current members are excluded: there is a live file on those persons.
        """
        is_members = exists().where(
            col(MemberRow.library) == library, col(MemberRow.insz_key) == col(SubscriptionRow.insz_key)
        )
        wanted = select(SubscriptionRow).where(
            SubscriptionRow.library == library, SubscriptionRow.state == SubscriptionState.ENDING.value, ~is_members
        )
        order = col(SubscriptionRow.confirmed_at), col(SubscriptionRow.id)
        with self._database.read() as session:
            return [self._value(row) for row in session.exec(wanted.order_by(*order).limit(most))]

    def subscribed(self, outcome: Draft) -> None:
        """Note that the register made, or had, the subscription of an outcome; commit both together.

        Raises:
            LedgerError: neither was written.
        """
        self._settle(outcome, SubscriptionState.OPEN)

    def ended(self, outcome: Draft) -> None:
        """Note that the register ended the subscription of an outcome; raises as ``subscribed``."""
        self._settle(outcome, SubscriptionState.ENDED)

    def given_up(self, outcome: Draft) -> None:
        """Note that the register would not end it, and is not asked again; raises as ``subscribed``."""
        self._settle(outcome, SubscriptionState.REFUSED)

    def refused(self, outcome: Draft) -> None:
        """Note that the register neither made nor ended it, so others come first; raises as ``subscribed``."""
        self._settle(outcome, None)

    def _settle(self, outcome: Draft, state: SubscriptionState | None) -> None:
        with self._ledger.writing() as session:
            self._ledger.append_in(session, [outcome])
            if outcome.subject is None:
                return
            now, insz = self._clock(), outcome.subject
            if state is None:
                session.execute(
                    _CONFIRM, {"library": outcome.library, "key": self._rows.insz_key(outcome.library, insz), "at": now}
                )
            else:
                note_subscription(session, self._rows, outcome.library, insz, state, at=now)

    def _value(self, row: SubscriptionRow) -> Subscription:
        digits = self._rows.decrypt_text(_where(row.library, row.insz_key), row.insz)
        return Subscription(row.library, Insz(digits), SubscriptionState(row.state), row.since, row.confirmed_at)


def note_subscription(
    session: Session, rows: RowCipher, library: str, insz: Insz, state: SubscriptionState, *, at: datetime
) -> None:
    """Write the state of a library's subscription to a number, new or known."""
    key = rows.insz_key(library, insz)
    encrypted = rows.encrypt_text(_where(library, key), insz.digits)
    session.execute(_NOTE, {"library": library, "key": key, "insz": encrypted, "state": state.value, "at": at})


def _where(library: str, key: bytes) -> str:
    return f"subscription|insz|{library}|{key.hex()}"


_AT: Final = bindparam("at", type_=Utc())
_NOTE: Final = text(
    "INSERT INTO subscription (library, insz_key, insz, state, since, confirmed_at) "
    "VALUES (:library, :key, :insz, :state, :at, :at) ON CONFLICT (library, insz_key) DO UPDATE SET "
    "since = CASE WHEN subscription.state = 'ended' AND excluded.state = 'open' "
    "THEN excluded.since ELSE subscription.since END, "
    "state = excluded.state, confirmed_at = excluded.confirmed_at"
).bindparams(_AT)
_CONFIRM: Final = text(
    "UPDATE subscription SET confirmed_at = :at WHERE library = :library AND insz_key = :key"
).bindparams(_AT)
