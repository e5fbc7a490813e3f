"""The change feed of a library, and the progress of its webhook deliveries.

1. A change has the sequence number of the log entry that records it. A log assigns these in the order of its commits,
   so a reader up to one position has seen all changes before it. A change names fields, and no data but the member
   number.
2. A process that delivers takes a lease of a minute; no other process delivers to that library meanwhile.
3. An acknowledged change moves the cursor at once. A failed delivery is retried later, and later changes wait for it.
4. The first delivery to a library begins with the changes after its set-up.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import bindparam, func, text, update
from sqlmodel import col, select

from rrsync.store.engine import Database
from rrsync.store.rows import RowCipher, changed_fields
from rrsync.store.tables import ChangeRow, Utc, WebhookRow, affected

#: Before the first change there can be.
BEGINNING: Final = -1
_LEASE: Final = timedelta(minutes=1)
_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class ChangeNotice:
    """One change of a member: its sequence number, the names of the fields, its time and its verdict."""

    library: str
    seq: int
    number: str
    fields: tuple[str, ...]
    at: datetime
    verdict: str


class ChangeFeed:
    """The changes in one database."""

    def __init__(self, database: Database, rows: RowCipher) -> None:
        self._database = database
        self._rows = rows

    def after(self, library: str, seq: int, *, most: int) -> Sequence[ChangeNotice]:
        """Return the changes of a library after a position, the oldest first.

        Raises:
            StoreError: one cannot be read; none after it is returned before it.
        """
        wanted = select(ChangeRow).where(ChangeRow.library == library, ChangeRow.seq > seq)
        with self._database.read() as session:
            rows = session.exec(wanted.order_by(col(ChangeRow.seq)).limit(most)).all()
            return [self._news(row) for row in rows]

    def last(self, library: str) -> int:
        """Return the position of a library's last change."""
        wanted = select(func.coalesce(func.max(ChangeRow.seq), BEGINNING)).where(ChangeRow.library == library)
        with self._database.read() as session:
            return session.exec(wanted).one()

    def count(self, library: str, seq: int) -> int:
        """Return how many changes of a library there are after a position."""
        wanted = select(func.count()).select_from(ChangeRow).where(ChangeRow.library == library, ChangeRow.seq > seq)
        with self._database.read() as session:
            return session.exec(wanted).one()

    def _news(self, row: ChangeRow) -> ChangeNotice:
        where = f"{row.library}|{row.seq}"
        before = self._rows.decrypt_held(f"change|before|{where}", row.before)
        after = self._rows.decrypt_held(f"change|after|{where}", row.after)
        names = [str(name) for name in changed_fields(before, after)] + ["insz"] * (row.insz is not None)
        return ChangeNotice(row.library, row.seq, row.number, tuple(names), row.at, row.verdict)


@dataclass(frozen=True, slots=True)
class DeliveryState:
    """The deliveries to a library: the acknowledged position, failures since, their cause, and the next attempt."""

    library: str
    cursor: int
    failures: int
    why: str
    next_at: datetime
    told_at: datetime | None


@dataclass(frozen=True, slots=True)
class DeliveryLease:
    """The lease to deliver to a library, and the position to begin from."""

    library: str
    token: bytes
    cursor: int
    failures: int


class WebhookDeliveries:
    """The webhook deliveries of one database; ``random(n)`` returns n random bytes."""

    def __init__(self, database: Database, clock: Callable[[], datetime], random: Callable[[int], bytes]) -> None:
        self._database = database
        self._clock = clock
        self._random = random

    def begin(self, library: str, cursor: int) -> None:
        """Begin deliveries to a library after a position, unless they were begun before."""
        with self._database.write() as session:
            session.execute(_BEGIN, {"library": library, "cursor": cursor, "at": self._clock()})

    def states(self, libraries: Collection[str]) -> dict[str, DeliveryState]:
        """Return the state of the deliveries to these libraries, as far as they were begun."""
        wanted = select(WebhookRow).where(col(WebhookRow.library).in_(libraries))
        with self._database.read() as session:
            return {
                row.library: DeliveryState(row.library, row.cursor, row.failures, row.why, row.next_at, row.told_at)
                for row in session.exec(wanted)
            }

    def take(self, library: str) -> DeliveryLease | None:
        """Take the lease to deliver to a library; ``None`` if another process has it, or it is too early."""
        now, token = self._clock(), self._random(_BYTES)
        with self._database.write() as session:
            row = session.get(WebhookRow, library, with_for_update=True)
            if row is None or row.next_at > now or row.until > now:
                return None
            row.turn, row.until = token, now + _LEASE
            return DeliveryLease(library, token, row.cursor, row.failures)

    def told(self, turn: DeliveryLease, seq: int) -> bool:
        """Note that a library acknowledged a position; ``False`` if the lease was lost."""
        now = self._clock()
        return self._note(turn, cursor=seq, failures=0, why="", told_at=now, next_at=now, until=now + _LEASE)

    def failed(self, turn: DeliveryLease, why: str, *, failures: int, again: datetime) -> bool:
        """Note a failed delivery: its cause, the number of failures, and the next attempt; ends the lease."""
        return self._note(turn, failures=failures, why=why, next_at=again, until=self._clock())

    def leave(self, turn: DeliveryLease) -> bool:
        """End a lease with nothing left to deliver."""
        return self._note(turn, until=self._clock())

    def hasten(self, library: str) -> None:
        """Retry at once."""
        with self._database.write() as session:
            session.execute(update(WebhookRow).where(col(WebhookRow.library) == library).values(next_at=self._clock()))

    def _note(self, turn: DeliveryLease, **values: object) -> bool:
        ours = col(WebhookRow.library) == turn.library, col(WebhookRow.turn) == turn.token
        with self._database.write() as session:
            return bool(affected(session, update(WebhookRow).where(*ours).values(**values)))


_BEGIN: Final = text(
    "INSERT INTO hook (library, cursor, failures, why, next_at, turn, until) "
    "VALUES (:library, :cursor, 0, '', :at, :empty, :at) ON CONFLICT DO NOTHING"
).bindparams(bindparam("at", type_=Utc()), bindparam("empty", b""))
