"""Calls that are done once, however often they are sent (draft-ietf-httpapi-idempotency-key-header).

1. Whoever calls names the call by a key of their own. The first begins; the same again, while it is under way, is told
   so; once it is answered, it gets that answer. Another call under the same key is refused.
2. A call that came to nothing leaves nothing: it may be sent again under its key.
3. One whose process died is let begin again after ten minutes: what it asked of the register is in the access log.

What was called and answered is kept for a day: as keyed values, and sealed.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeAlias

from sqlalchemy import and_, bindparam, delete, text, update
from sqlmodel import col, select

from rrsync.core.person import Masked
from rrsync.store.moment import Utc
from rrsync.store.served import IdempotencyRow

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import ColumnElement
    from sqlmodel import Session

    from rrsync.store.engine import Database
    from rrsync.store.seal import Seal

KEPT: Final = timedelta(days=1)
DEAD: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Begun:
    """A call that begins now; ``at`` is when, by which it is known from one that began under its key later."""

    id: bytes
    at: datetime


@dataclass(frozen=True, slots=True, repr=False)
class Answered(Masked):
    """A call that was answered before, and how."""

    answer: bytes


class Clash(StrEnum):
    """Why a call cannot begin: the same is under way, or its key is another call's."""

    RUNNING = "running"
    OTHER = "other"


Turn: TypeAlias = Begun | Answered | Clash


class Repeats:
    """The calls of one database."""

    def __init__(self, database: Database, seal: Seal, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._seal = seal
        self._clock = clock

    def begin(self, caller: str, key: str, said: str) -> Turn:
        """Let a caller's call begin under a key, or say how it stands; ``said`` is all that it asks.

        Raises:
            StoreError: it cannot be written down, so nothing may begin.
        """
        identity, mark = self._seal.lookup("idempotency", f"{caller}\0{key}"), self._seal.lookup("call", said)
        now = self._clock()
        with self._database.write() as session:
            session.execute(delete(IdempotencyRow).where(col(IdempotencyRow.at) <= now - KEPT))
            begun = session.execute(_BEGIN, {"id": identity, "mark": mark, "at": now})
            if begun.rowcount:  # type: ignore[attr-defined] # an INSERT's result counts its rows
                return Begun(identity, now)
            return self._stands(session, identity, mark, now)

    def _stands(self, session: Session, identity: bytes, mark: bytes, now: datetime) -> Turn:
        wanted = select(IdempotencyRow).where(IdempotencyRow.id == identity).with_for_update()
        row = session.exec(wanted).one_or_none()
        if row is None:  # it came to nothing just now
            return Clash.RUNNING
        if not hmac.compare_digest(row.mark, mark):
            return Clash.OTHER
        if row.answer is not None:
            return Answered(self._seal.open(row.answer, where=_where(identity)))
        if now - row.at < DEAD:
            return Clash.RUNNING
        row.at = now
        return Begun(identity, now)

    def keep(self, begun: Begun, answer: bytes) -> None:
        """Keep the answer of a call.

        Raises:
            StoreError: it cannot be kept; the same call is under way until it is taken for dead.
        """
        sealed = self._seal.seal(answer, where=_where(begun.id))
        with self._database.write() as session:
            session.execute(update(IdempotencyRow).where(_this(begun)).values(answer=sealed))

    def drop(self, begun: Begun) -> None:
        """Forget a call that came to nothing.

        Raises:
            StoreError: it cannot be; the same call is under way until it is taken for dead.
        """
        with self._database.write() as session:
            session.execute(delete(IdempotencyRow).where(_this(begun)))


def _this(begun: Begun) -> ColumnElement[bool]:
    """Choose a call's row, unless it was answered, or taken for dead and begun anew."""
    row = col(IdempotencyRow.id) == begun.id, col(IdempotencyRow.at) == begun.at
    return and_(*row, col(IdempotencyRow.answer).is_(None))


def _where(identity: bytes) -> str:
    return f"idempotency|answer|{identity.hex()}"


_BEGIN: Final = text(
    "INSERT INTO idempotency (id, mark, at) VALUES (:id, :mark, :at) ON CONFLICT DO NOTHING"
).bindparams(bindparam("at", type_=Utc()))
