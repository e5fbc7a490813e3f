"""What the register answered at a desk, kept a quarter of an hour: a change is offered, and a person decides.

1. An answer is kept in the transaction of its outcome. What is the same, and what is on hold, is settled with it; of a
   change nothing is written to the member, who stays as due as before.
2. A person accepts what is offered, or declines it; each is an entry of the access log, and is done once. The member
   must be as it was: one that was written, asked about or corrected since is looked at again.
3. Until it lapses it may be shown again, which is an entry too.

One answer of the register that was given at a desk, as a value and as a sealed row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias, cast

import orjson
from sqlalchemy import ColumnElement, bindparam, delete, or_, text, tuple_, update
from sqlmodel import Session, col, select

from rrsync.core.compare import Change, Hold, Verdict
from rrsync.core.exchange import Question, Reason
from rrsync.core.insz import Insz
from rrsync.core.log_entry import JSON, Actor, Draft, Kind, is_same_name, named
from rrsync.core.person import Held, Masked
from rrsync.errors import StoreError
from rrsync.store.access_log import Ledger
from rrsync.store.engine import Database
from rrsync.store.holds import clear_holds
from rrsync.store.rows import Rows, Written, write_changes
from rrsync.store.settlement import Item, Judge, Judged, Settlement, changed
from rrsync.store.tables import HoldRow, MemberRow, OfferRow, Utc

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
    """Return the open hold of a member."""
    wanted = select(HoldRow.id).where(
        HoldRow.library == key[0], HoldRow.number == key[1], col(HoldRow.closed_at).is_(None)
    )
    return session.exec(wanted).first()


def _where(column: str, row: OfferRow) -> str:
    return f"offer|{column}|{row.library}|{row.number}|{row.reference}"


#: Longer than a question at a desk takes, with every try of it.
_ASKING: Final = timedelta(minutes=2)


class Offers:
    """The offers of one database; ``clock`` gives aware UTC."""

    def __init__(
        self, database: Database, ledger: Ledger, rows: Rows, settlement: Settlement, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._rows = rows
        self._settlement = settlement
        self._clock = clock

    def claim(self, library: str, number: str) -> datetime | None:
        """Let the caller be the one who asks about a member; ``None`` when somebody else does just now.

        Gives until when: what was claimed is let go by ``offer``, by ``release``, or by itself then.
        """
        now = self._clock()
        until = now + _ASKING
        with self._database.write(passing=True) as session:
            _sweep(session, now)
            ours = {"library": library, "number": number, "now": now, "until": until}
            done = session.execute(_CLAIM, ours)
            return until if done.rowcount else None  # type: ignore[attr-defined] # an INSERT's result counts its rows

    def release(self, library: str, number: str, claim: datetime) -> None:
        """Let somebody else ask about a member, if the claim is still ours."""
        with self._database.write(passing=True) as session:
            is_ours = col(OfferRow.asking_until) == claim
            free = update(OfferRow).where(*_at(library, number), is_ours).values(asking_until=None)
            session.execute(free.execution_options(synchronize_session=False))

    def sweep(self) -> int:
        """Forget the answers that have lapsed; give how many there were."""
        with self._database.write(passing=True) as session:
            return _sweep(session, self._clock())

    def recent(self, library: str, number: str) -> Offer | None:
        """Return the answer about a member that has not lapsed; ``None`` if the member is not as it was left then."""
        with self._database.read() as session:
            row = session.get(OfferRow, (library, number))
            offer = None if row is None else opened(session, self._rows, row)
            if offer is None or self._has_lapsed(offer):
                return None
            member = session.get(MemberRow, (library, number))
            return offer if member is not None and _is_as_left(offer, member) else None

    def offer(self, item: Item, judge: Judge, question: Question) -> tuple[Offer, Verdict] | None:
        """Settle an answer, but for a change, which is offered; keep it, and let the claim on the member go.

        Gives ``None`` when the member is gone or has another number by now: then only the outcome is written.

        Raises:
            LedgerError: nothing of it was written.
        """
        with self._ledger.writing() as session:
            (one,) = self._settlement.settle_in(session, [item], judge, offers=True)
            member = session.get(MemberRow, one.key)
            if one.verdict is None or member is None:
                return None
            offer = self._made(session, one, question, member)
            put(session, self._rows, offer)
            return offer, one.verdict

    def reused(self, offer: Offer, draft: Draft, name: str) -> Offer:
        """Write that an answer is shown again, to a person of this name.

        Raises:
            StoreError: it has lapsed, or the member was changed since; nothing was written.
        """
        with self._ledger.writing() as session:
            _, now = self._current(session, offer)
            self._ledger.append_in(session, [draft])
            seen = now.seen if now.is_seen_by(name) else (*now.seen, name)
            found = replace(now, seen=seen)
            put(session, self._rows, found)
            return found

    def accept(self, offer: Offer, actor: Actor) -> None:
        """Write the change that is offered, with the decision as an entry of the access log.

        Raises:
            StoreError: it was decided, has lapsed, or the member was changed since; nothing was written.
        """
        with self._ledger.writing() as session:
            row, offer = self._open_for_decision(session, offer)
            member, key, now = self._rows.member(row), (offer.library, offer.number), self._clock()
            after = offer.after or member.held
            decision = _decision(offer, actor, "accepted", changed(member.held, after), member.insz)
            (seq,) = self._ledger.append_in(session, [decision])
            row.verdict, row.hold_reason, row.refreshed_at = "change", None, offer.asked_at
            session.flush()
            clear_holds(session, [key], at=now)
            write_changes(session, self._rows, [Written(key, seq, "", "accepted", member.held, after, now, now)])
            put(
                session,
                self._rows,
                replace(offer, state="accepted", version=offer.version + 1, refreshed_at=offer.asked_at),
            )

    def decline(self, offer: Offer, actor: Actor) -> None:
        """Write the decision to leave a member as it is, as an entry of the access log.

        Raises:
            StoreError: as ``accept``.
        """
        with self._ledger.writing() as session:
            row, offer = self._open_for_decision(session, offer)
            self._ledger.append_in(session, [_decision(offer, actor, "declined", [], self._rows.member(row).insz)])
            put(session, self._rows, replace(offer, state="declined"))

    def _open_for_decision(self, session: Session, offer: Offer) -> tuple[MemberRow, Offer]:
        member, now = self._current(session, offer)
        if now.state != "open":
            raise StoreError("This was decided already", todo="Look at the member again")
        return member, now

    def _current(self, session: Session, offer: Offer) -> tuple[MemberRow, Offer]:
        """Return the member, locked first as settling does, and an offer that still stands, as it is now."""
        key = offer.library, offer.number
        member = session.get(MemberRow, key, with_for_update=True)
        row = session.get(OfferRow, key, with_for_update=True)
        now = None if row is None else opened(session, self._rows, row)
        if now is None or now.reference != offer.reference or self._has_lapsed(now):
            raise StoreError("This answer has lapsed", todo="Ask the register again, if it is still needed")
        if member is None or not _is_as_left(now, member):
            raise StoreError(
                "The member was changed, or asked about, since this answer was given",
                todo="Look at the member again; ask the register again, if it is still needed",
            )
        return member, now

    def _has_lapsed(self, offer: Offer) -> bool:
        """Whether it may be shown no more; nor may one from the future, when a clock was set back."""
        return abs(self._clock() - offer.asked_at) >= KEPT

    def _made(self, session: Session, one: Judged, question: Question, member: MemberRow) -> Offer:
        verdict, out = one.verdict, one.item.outcome.body.get("out")
        got = out.get("got") if isinstance(out, dict) else None
        return Offer(
            library=one.item.library,
            number=one.item.number,
            reference=one.item.outcome.reference,
            asked_at=self._clock(),
            by=question.actor.name,
            purpose=question.purpose,
            case=question.case,
            verdict=cast("Literal['same', 'change', 'hold']", one.word),
            reason=verdict.reason if isinstance(verdict, Hold) else None,
            before=one.member.held,
            after=verdict.proposal if isinstance(verdict, Hold) else one.after,
            state="open" if isinstance(verdict, Change) else "settled",
            hold=open_hold(session, one.key) if isinstance(verdict, Hold) else None,
            got=tuple(map(str, got)) if isinstance(got, list) else (),
            seen=(question.actor.name,),
            version=member.version,
            refreshed_at=member.refreshed_at,
        )


def _at(library: str, number: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return col(OfferRow.library) == library, col(OfferRow.number) == number


def _is_as_left(offer: Offer, member: MemberRow) -> bool:
    """Whether nobody wrote to the member, nor settled another answer about it, since."""
    return (member.version, member.refreshed_at) == (offer.version, offer.refreshed_at)


def _decision(offer: Offer, actor: Actor, decision: str, names: list[JSON], insz: Insz | None) -> Draft:
    body: dict[str, JSON] = {"actor": named(actor), "decision": decision, "changed": names}
    return Draft(offer.library, Kind.OFFER, offer.reference, insz, body=body)


def _sweep(session: Session, now: datetime) -> int:
    lapsed = or_(col(OfferRow.asked_at).is_(None), col(OfferRow.asked_at) <= now - KEPT)
    is_free = or_(col(OfferRow.asking_until).is_(None), col(OfferRow.asking_until) <= now)
    old = select(OfferRow.library, OfferRow.number).where(lapsed, is_free)  # who sweeps beside us, sweeps the others
    chosen = tuple_(col(OfferRow.library), col(OfferRow.number)).in_(old.with_for_update(skip_locked=True))
    gone = session.execute(delete(OfferRow).where(chosen).execution_options(synchronize_session=False))
    return int(gone.rowcount)  # type: ignore[attr-defined] # a DELETE's result counts its rows


_CLAIM: Final = text(
    "INSERT INTO offer (library, number, reference, state, asking_until) VALUES (:library, :number, '', '', :until) "
    "ON CONFLICT (library, number) DO UPDATE SET asking_until = :until "
    "WHERE offer.asking_until IS NULL OR offer.asking_until <= :now"
).bindparams(bindparam("until", type_=Utc), bindparam("now", type_=Utc))
