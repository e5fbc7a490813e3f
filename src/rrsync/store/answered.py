"""One answer of the register that was given at a desk, as a value and as a sealed row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, cast

import orjson
from sqlmodel import Session, col, select

from rrsync.core.entry import JSON, is_same_name
from rrsync.core.exchange import Reason
from rrsync.core.person import Masked
from rrsync.store.offered import OfferRow
from rrsync.store.tables import HoldRow

if TYPE_CHECKING:
    from rrsync.core.member import Held
    from rrsync.store.rows import Rows

#: How long an answer is shown again without another question.
KEPT: Final = timedelta(minutes=15)
#: How an offer may stand.
State: TypeAlias = Literal["open", "accepted", "declined", "settled"]


@dataclass(frozen=True, slots=True, repr=False)
class Offer(Masked):
    """One answer of the register about a member, asked for at a desk.

    ``state`` is ``open`` for a change that awaits a person's decision, ``accepted`` or ``declined`` once there is one,
    and ``settled`` for what needed none. ``by``, ``purpose`` and ``case`` are of who asked; ``seen`` names all who were
    shown it. ``before`` is what we held, ``after`` what the answer comes to, if anything; ``hold`` is the open hold of
    a verdict ``hold``. ``got`` names the fields that were seen. ``version`` and ``refreshed_at`` are the member's.
    """

    library: str
    number: str
    reference: str
    asked_at: datetime
    by: str
    purpose: str
    case: str
    verdict: Literal["same", "change", "hold"]
    reason: Reason | None
    before: Held
    after: Held | None
    state: State
    hold: int | None = None
    got: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()
    version: int = 0
    refreshed_at: datetime | None = None

    @property
    def until(self) -> datetime:
        """When it lapses."""
        return self.asked_at + KEPT

    def is_seen_by(self, name: str) -> bool:
        """Whether a person of this name was shown it."""
        return any(is_same_name(each, name) for each in self.seen)


def put(session: Session, rows: Rows, offer: Offer) -> None:
    """Keep an answer in the place of the one before, and let the claim on the member go."""
    row = session.get(OfferRow, (offer.library, offer.number))
    if row is None:
        row = OfferRow(library=offer.library, number=offer.number)
    said: dict[str, JSON | None] = {
        "by": offer.by,
        "purpose": offer.purpose,
        "case": offer.case,
        "verdict": offer.verdict,
        "reason": offer.reason.value if offer.reason else None,
        "got": [*offer.got],
        "seen": [*offer.seen],
        "version": offer.version,
        "refreshed_at": offer.refreshed_at.isoformat() if offer.refreshed_at else None,
    }
    row.reference, row.asked_at, row.state, row.asking_until = offer.reference, offer.asked_at, offer.state, None
    row.said = rows.seal_text(_where("said", row), orjson.dumps(said).decode())
    row.before = rows.seal_side(_where("before", row), offer.before)
    row.after = None if offer.after is None else rows.seal_side(_where("after", row), offer.after)
    session.add(row)


def opened(session: Session, rows: Rows, row: OfferRow) -> Offer | None:
    """Open a row; ``None`` for one that has no answer yet."""
    if row.said is None or row.before is None or row.asked_at is None:
        return None
    said = orjson.loads(rows.open_text(_where("said", row), row.said))
    refreshed = said["refreshed_at"]
    return Offer(
        library=row.library,
        number=row.number,
        reference=row.reference,
        asked_at=row.asked_at,
        by=said["by"],
        purpose=said["purpose"],
        case=said["case"],
        verdict=said["verdict"],
        reason=Reason(said["reason"]) if said["reason"] else None,
        before=rows.open_side(_where("before", row), row.before),
        after=None if row.after is None else rows.open_side(_where("after", row), row.after),
        state=cast("State", row.state),
        hold=open_hold(session, (row.library, row.number)) if said["verdict"] == "hold" else None,
        got=tuple(said["got"]),
        seen=tuple(said["seen"]),
        version=said["version"],
        refreshed_at=datetime.fromisoformat(refreshed) if refreshed else None,
    )


def open_hold(session: Session, key: tuple[str, str]) -> int | None:
    """Give the open hold of a member."""
    wanted = select(HoldRow.id).where(
        HoldRow.library == key[0], HoldRow.number == key[1], col(HoldRow.closed_at).is_(None)
    )
    return session.exec(wanted).first()


def _where(column: str, row: OfferRow) -> str:
    return f"offer|{column}|{row.library}|{row.number}|{row.reference}"
