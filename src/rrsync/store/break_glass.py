"""Wishes to ask about somebody outside a library's file, kept with the entries of the access log that tell of them.

A wish is noted, decided and used once, each in one transaction with its entry. The number is sealed, and forgotten once
it can serve for nothing any more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final

from sqlalchemy import Update, func, or_, text, update
from sqlmodel import Session, col, select

from rrsync.core.belgian_time import Month
from rrsync.core.break_glass import AHEAD, WAIT, Stage, Wish
from rrsync.core.insz import Insz
from rrsync.core.log_entry import JSON, Actor, Draft, Kind, named
from rrsync.errors import ConfigError, StoreError
from rrsync.store.access_log import Ledger
from rrsync.store.engine import Database
from rrsync.store.rows import Rows
from rrsync.store.tables import GlassRow

_MOST: Final = 20


class Glasses:
    """The wishes of one database; ``clock`` gives aware UTC."""

    def __init__(self, database: Database, ledger: Ledger, rows: Rows, *, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._ledger = ledger
        self._rows = rows
        self._clock = clock

    def add(self, wish: Wish, actor: Actor, *, per_month: int) -> int:
        """Note a wish of this moment, and give its number; the wish's own number and moment do not count.

        Raises:
            ConfigError: the library had as many this month as it may have.
            LedgerError: nothing was written.
        """
        now = self._clock()
        since = Month.of(now).start
        with self._ledger.writing() as session:
            if not self._database.is_sqlite:  # where a writer is alone anyway
                session.execute(text("LOCK TABLE glass IN SHARE ROW EXCLUSIVE MODE"))
            wanted = select(func.count()).where(GlassRow.library == wish.library, col(GlassRow.at) >= since)
            if session.exec(wanted).one() >= per_month:
                raise ConfigError(
                    f"The library may ask about {per_month} people outside its file in a month, and did",
                    kept="Nothing was asked",
                    todo="Ask the data-protection officer",
                )
            session.execute(_forgetting(now))
            digits = wish.insz.digits if wish.insz else ""
            row = GlassRow(
                library=wish.library,
                by=actor.name,
                at=now,
                insz=self._rows.seal_text(_where(wish.library, wish.reference), digits),
                purpose=wish.purpose,
                case=wish.case,
                reference=wish.reference,
            )
            session.add(row)
            self._ledger.append_in(session, [_entry(wish, actor, "wanted")])
            session.flush()
            assert row.id is not None  # noqa: S101 — the database gave it
            return row.id

    def find(self, library: str, number: int) -> Wish | None:
        """Return a library's wish by its number."""
        with self._database.read() as session:
            row = session.get(GlassRow, number)
            return None if row is None or row.library != library else self._value(row)

    def recent(self, library: str) -> list[Wish]:
        """Return a library's wishes that may not have lapsed, the oldest first."""
        since = self._clock() - 2 * WAIT
        wanted = select(GlassRow).where(GlassRow.library == library, col(GlassRow.at) > since)
        with self._database.read() as session:
            rows = session.exec(wanted.order_by(col(GlassRow.id)).limit(_MOST)).all()
            return [self._value(row) for row in rows]

    def decide(self, wish: Wish, actor: Actor, *, is_approved: bool, reference: str) -> None:
        """Note a colleague's word, under a reference of its own.

        Raises:
            StoreError: it is the wish of the same person, was decided, or lapsed; nothing was written.
            LedgerError: nothing was written.
        """
        if wish.is_of(actor.name):
            raise StoreError("Nobody decides about a wish of their own", todo="Ask a colleague to look at it")
        with self._ledger.writing() as session:
            row = self._standing(session, wish, Stage.WAITING)
            row.decided_by, row.decided_at, row.is_approved = actor.name, self._clock(), is_approved
            said = "approved" if is_approved else "refused"
            self._ledger.append_in(session, [replace(_entry(wish, actor, said), reference=reference)])

    def use(self, wish: Wish, actor: Actor) -> Insz:
        """Note that it is asked now, and give about whom: who wished it may, once.

        Raises:
            StoreError: it is somebody else's, is not approved, was asked, or lapsed; nothing was written.
        """
        if not wish.is_of(actor.name):
            raise StoreError("Only who wanted to ask may ask", todo="Leave it to them")
        with self._database.write() as session:
            row = self._standing(session, wish, Stage.READY)
            row.is_asked = True
            return self._insz(row)

    def spare(self, wish: Wish) -> None:
        """Note that it was not asked after all, so that it may be while it lasts."""
        with self._database.write() as session:
            row = session.get(GlassRow, wish.id)
            if row is not None:
                row.is_asked = False

    def sweep(self) -> None:
        """Forget whom the wishes were about that are over."""
        with self._database.write() as session:
            session.execute(_forgetting(self._clock()))

    def _standing(self, session: Session, wish: Wish, stage: Stage) -> GlassRow:
        """Return the row of a wish that is this far, for this writer alone."""
        row = session.get(GlassRow, wish.id, with_for_update=True)
        if row is None or self._value(row).stage(self._clock()) is not stage:
            raise StoreError(
                "This wish was decided, used or lapsed meanwhile", todo="Look at it again; if need be, make a new one"
            )
        return row

    def _value(self, row: GlassRow) -> Wish:
        return Wish(
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

    def _insz(self, row: GlassRow) -> Insz:
        return Insz(self._rows.open_text(_where(row.library, row.reference), row.insz))


def _forgetting(now: datetime) -> Update:
    """Return what takes the number out of wishes that have lapsed, at whatever step."""
    at = col(GlassRow.at)
    is_over = or_(at <= now - 2 * WAIT, at > now + AHEAD)
    return update(GlassRow).where(is_over, col(GlassRow.insz) != b"").values(insz=b"")


def _where(library: str, reference: str) -> str:
    return f"glass|insz|{library}|{reference}"


def _entry(wish: Wish, actor: Actor, decision: str) -> Draft:
    why: dict[str, JSON] = {"code": wish.purpose, "case": wish.case}
    body: dict[str, JSON] = {"actor": named(actor), "decision": decision, "wish": wish.reference, "why": why}
    return Draft(wish.library, Kind.OUTSIDE, wish.reference, subject=wish.insz, body=body)
