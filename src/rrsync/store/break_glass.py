"""Break-glass requests: requests to query a person outside the library's file, each with its log entries.

A request is added, decided and used once, each in one transaction with its entry. The number is encrypted, and erased
once the request can no longer be used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final

from sqlalchemy import Update, func, or_, text, update
from sqlmodel import Session, col, select

from rrsync.core.belgian_time import Month
from rrsync.core.break_glass import AHEAD, WAIT, BreakGlassRequest, BreakGlassStage
from rrsync.core.insz import Insz
from rrsync.core.log_entry import JSON, Actor, Draft, Kind, actor_json
from rrsync.errors import ConfigError, StoreError
from rrsync.store.access_log import AccessLog
from rrsync.store.engine import Database
from rrsync.store.rows import RowCipher
from rrsync.store.tables import BreakGlassRow

_LIMIT: Final = 20


class BreakGlassRequests:
    """The break-glass requests of one database; ``clock`` returns aware UTC."""

    def __init__(
        self, database: Database, ledger: AccessLog, rows: RowCipher, *, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._rows = rows
        self._clock = clock

    def add(self, wish: BreakGlassRequest, actor: Actor, *, per_month: int) -> int:
        """Add a request now, and return its number; the request's own number and time are ignored.

        Raises:
            ConfigError: the library had as many requests this month as it may have.
            LedgerError: nothing was written.
        """
        now = self._clock()
        since = Month.of(now).start
        with self._ledger.writing() as session:
            if not self._database.is_sqlite:  # SQLite has one writer anyway
                session.execute(text("LOCK TABLE glass IN SHARE ROW EXCLUSIVE MODE"))
            wanted = select(func.count()).where(BreakGlassRow.library == wish.library, col(BreakGlassRow.at) >= since)
            if session.exec(wanted).one() >= per_month:
                raise ConfigError(
                    f"The library may ask about {per_month} people outside its file in a month, and did",
                    kept="Nothing was asked",
                    todo="Ask the data-protection officer",
                )
            session.execute(_erase_expired(now))
            digits = wish.insz.digits if wish.insz else ""
            row = BreakGlassRow(
                library=wish.library,
                by=actor.name,
                at=now,
                insz=self._rows.encrypt_text(_where(wish.library, wish.reference), digits),
                purpose=wish.purpose,
                case=wish.case,
                reference=wish.reference,
            )
            session.add(row)
            self._ledger.append_in(session, [_entry(wish, actor, "wanted")])
            session.flush()
            assert row.id is not None  # noqa: S101 — the database gave it
            return row.id

    def find(self, library: str, number: int) -> BreakGlassRequest | None:
        """Return a library's request by its number."""
        with self._database.read() as session:
            row = session.get(BreakGlassRow, number)
            return None if row is None or row.library != library else self._value(row)

    def recent(self, library: str) -> list[BreakGlassRequest]:
        """Return a library's requests that may not have expired, the oldest first."""
        since = self._clock() - 2 * WAIT
        wanted = select(BreakGlassRow).where(BreakGlassRow.library == library, col(BreakGlassRow.at) > since)
        with self._database.read() as session:
            rows = session.exec(wanted.order_by(col(BreakGlassRow.id)).limit(_LIMIT)).all()
            return [self._value(row) for row in rows]

    def decide(self, wish: BreakGlassRequest, actor: Actor, *, is_approved: bool, reference: str) -> None:
        """Note a colleague's decision, under a reference of its own.

        Raises:
            StoreError: it is a request of the same person, was decided, or has expired; nothing was written.
            LedgerError: nothing was written.
        """
        if wish.is_of(actor.name):
            raise StoreError("Nobody may decide about their own request", todo="Ask a colleague to look at it")
        with self._ledger.writing() as session:
            row = self._at_stage(session, wish, BreakGlassStage.WAITING)
            row.decided_by, row.decided_at, row.is_approved = actor.name, self._clock(), is_approved
            decision = "approved" if is_approved else "refused"
            self._ledger.append_in(session, [replace(_entry(wish, actor, decision), reference=reference)])

    def use(self, wish: BreakGlassRequest, actor: Actor) -> Insz:
        """Mark a request as used, and return its subject; its author may use it once.

        Raises:
            StoreError: it is another person's, is not approved, was used, or has expired; nothing was written.
        """
        if not wish.is_of(actor.name):
            raise StoreError("Only the author of a request may use it", todo="Leave it to them")
        with self._database.write() as session:
            row = self._at_stage(session, wish, BreakGlassStage.READY)
            row.is_asked = True
            return self._insz(row)

    def spare(self, wish: BreakGlassRequest) -> None:
        """Mark a request as unused again: the query was not sent."""
        with self._database.write() as session:
            row = session.get(BreakGlassRow, wish.id)
            if row is not None:
                row.is_asked = False

    def sweep(self) -> None:
        """Erase the numbers of expired requests."""
        with self._database.write() as session:
            session.execute(_erase_expired(self._clock()))

    def _at_stage(self, session: Session, wish: BreakGlassRequest, stage: BreakGlassStage) -> BreakGlassRow:
        """Return the row of a request at this stage, locked."""
        row = session.get(BreakGlassRow, wish.id, with_for_update=True)
        if row is None or self._value(row).stage(self._clock()) is not stage:
            raise StoreError(
                "This request was decided or used, or has expired", todo="Look at it again; make a new one if needed"
            )
        return row

    def _value(self, row: BreakGlassRow) -> BreakGlassRequest:
        return BreakGlassRequest(
            id=row.id or 0,
            library=row.library,
            by=row.by,
            at=row.at,
            insz=self._insz(row) if row.insz else None,
            purpose=row.purpose,
            case=row.case,
            reference=row.reference,
            decided_by=row.decided_by,
            decided_at=row.decided_at,
            is_approved=row.is_approved,
            is_asked=row.is_asked,
        )

    def _insz(self, row: BreakGlassRow) -> Insz:
        return Insz(self._rows.decrypt_text(_where(row.library, row.reference), row.insz))


def _erase_expired(now: datetime) -> Update:
    """Return the statement that erases the numbers of expired requests, at any stage."""
    at = col(BreakGlassRow.at)
    is_over = or_(at <= now - 2 * WAIT, at > now + AHEAD)
    return update(BreakGlassRow).where(is_over, col(BreakGlassRow.insz) != b"").values(insz=b"")


def _where(library: str, reference: str) -> str:
    return f"glass|insz|{library}|{reference}"


def _entry(wish: BreakGlassRequest, actor: Actor, decision: str) -> Draft:
    why: dict[str, JSON] = {"code": wish.purpose, "case": wish.case}
    body: dict[str, JSON] = {"actor": actor_json(actor), "decision": decision, "wish": wish.reference, "why": why}
    return Draft(wish.library, Kind.OUTSIDE, wish.reference, subject=wish.insz, body=body)
