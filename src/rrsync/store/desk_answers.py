"""Answers of the register to the desk, kept for a quarter of an hour: a change is offered, and staff decide.

1. An answer is kept in the transaction of its outcome. An unchanged member and a hold are settled with it. A change is
   not written to the member, who stays as due as before.
2. Staff accept or decline the offered change, once; each is an entry of the access log. It fails if the member was
   written, queried or corrected since.
3. Until an answer expires it may be shown again, which is an entry too.
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
from rrsync.core.log_entry import JSON, Actor, Draft, Kind, actor_json, is_same_name
from rrsync.core.person import Held, Masked
from rrsync.errors import StoreError
from rrsync.store.access_log import AccessLog
from rrsync.store.engine import Database
from rrsync.store.holds import clear_holds, open_hold_id
from rrsync.store.rows import MemberWrite, RowCipher, changed_fields, write_changes
from rrsync.store.settlement import Judge, JudgedItem, Settlement, SettlementItem
from rrsync.store.tables import MemberRow, OfferRow, Utc, affected

#: How long an answer may be shown again without a new query.
ANSWER_LIFETIME: Final = timedelta(minutes=15)
#: Longer than a query of the desk takes, with all its retries.
_ASKING: Final = timedelta(minutes=2)
_SAID: Final = ("by", "purpose", "case", "verdict", "reason", "got", "seen", "version", "refreshed_at")
#: The states of an answer.
DeskAnswerState: TypeAlias = Literal["open", "accepted", "declined", "settled"]


@dataclass(frozen=True, slots=True, repr=False)
class DeskAnswer(Masked):
    """One answer of the register about a member, asked for at a desk.

    ``state`` is ``open`` for a change without a decision, ``accepted`` or ``declined`` after it, and ``settled`` for
    other answers. ``by``, ``purpose`` and ``case`` are those of the query; ``seen`` has the names of all who were shown
    it. ``before`` is the member's data, ``after`` the data of the answer, if any; ``hold`` is the open hold of a
    verdict ``hold``. ``got`` names the fields of the answer. ``version`` and ``refreshed_at`` are the member's.
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
    state: DeskAnswerState
    hold: int | None = None
    got: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()
    version: int = 0
    refreshed_at: datetime | None = None

    @property
    def until(self) -> datetime:
        """When it expires."""
        return self.asked_at + ANSWER_LIFETIME

    def is_seen_by(self, name: str) -> bool:
        """Return whether a person of this name was shown it."""
        return any(is_same_name(each, name) for each in self.seen)


class DeskAnswers:
    """The answers for the desks of one database; ``clock`` returns aware UTC."""

    def __init__(
        self,
        database: Database,
        ledger: AccessLog,
        rows: RowCipher,
        settlement: Settlement,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._rows = rows
        self._settlement = settlement
        self._clock = clock

    def claim(self, library: str, number: str) -> datetime | None:
        """Claim the right to ask about a member; ``None`` if another process has it.

        Returns when the claim expires; ``offer`` and ``release`` end it earlier.
        """
        now = self._clock()
        until = now + _ASKING
        with self._database.write(passing=True) as session:
            _sweep(session, now)
            claim = {"library": library, "number": number, "now": now, "until": until}
            return until if affected(session, _CLAIM, claim) else None

    def release(self, library: str, number: str, claim: datetime) -> None:
        """End a claim on a member, if it is still held."""
        with self._database.write(passing=True) as session:
            is_ours = col(OfferRow.asking_until) == claim
            free = update(OfferRow).where(*_at(library, number), is_ours).values(asking_until=None)
            session.execute(free.execution_options(synchronize_session=False))

    def sweep(self) -> int:
        """Delete the expired answers; return how many there were."""
        with self._database.write(passing=True) as session:
            return _sweep(session, self._clock())

    def recent(self, library: str, number: str) -> DeskAnswer | None:
        """Return the unexpired answer about a member; ``None`` if the member has changed since."""
        with self._database.read() as session:
            row = session.get(OfferRow, (library, number))
            offer = None if row is None else _decrypted(session, self._rows, row)
            if offer is None or self._has_lapsed(offer):
                return None
            member = session.get(MemberRow, (library, number))
            return offer if member is not None and _is_unchanged(offer, member) else None

    def offer(self, item: SettlementItem, judge: Judge, question: Question) -> tuple[DeskAnswer, Verdict] | None:
        """Settle an answer, except a change, which is offered; keep it, and end the claim on the member.

        Returns ``None`` if the member is gone or has another number by now: then only the outcome is written.

        Raises:
            LedgerError: nothing was written.
        """
        with self._ledger.writing() as session:
            (one,) = self._settlement.settle_in(session, [item], judge, offers=True)
            member = session.get(MemberRow, one.key)
            if one.verdict is None or member is None:
                return None
            offer = self._new_offer(session, one, question, member)
            _put(session, self._rows, offer)
            return offer, one.verdict

    def reused(self, offer: DeskAnswer, draft: Draft, name: str) -> DeskAnswer:
        """Log that an answer is shown again, to a person of this name.

        Raises:
            StoreError: it has expired, or the member was changed since; nothing was written.
        """
        with self._ledger.writing() as session:
            _, now = self._current(session, offer)
            self._ledger.append_in(session, [draft])
            seen = now.seen if now.is_seen_by(name) else (*now.seen, name)
            found = replace(now, seen=seen)
            _put(session, self._rows, found)
            return found

    def accept(self, offer: DeskAnswer, actor: Actor) -> None:
        """Write the offered change, with the decision as an entry of the access log.

        Raises:
            StoreError: it was decided, has expired, or the member was changed since; nothing was written.
        """
        with self._ledger.writing() as session:
            row, offer = self._open_for_decision(session, offer)
            member, key, now = self._rows.member(row), (offer.library, offer.number), self._clock()
            after = offer.after or member.held
            decision = _decision(offer, actor, "accepted", changed_fields(member.held, after), member.insz)
            (seq,) = self._ledger.append_in(session, [decision])
            row.verdict, row.hold_reason, row.refreshed_at = "change", None, offer.asked_at
            session.flush()
            clear_holds(session, [key], at=now)
            write_changes(session, self._rows, [MemberWrite(key, seq, "", "accepted", member.held, after, now, now)])
            accepted = replace(offer, state="accepted", version=offer.version + 1, refreshed_at=offer.asked_at)
            _put(session, self._rows, accepted)

    def decline(self, offer: DeskAnswer, actor: Actor) -> None:
        """Log the decision to leave a member unchanged.

        Raises:
            StoreError: as ``accept``.
        """
        with self._ledger.writing() as session:
            row, offer = self._open_for_decision(session, offer)
            self._ledger.append_in(session, [_decision(offer, actor, "declined", [], self._rows.member(row).insz)])
            _put(session, self._rows, replace(offer, state="declined"))

    def _open_for_decision(self, session: Session, offer: DeskAnswer) -> tuple[MemberRow, DeskAnswer]:
        member, now = self._current(session, offer)
        if now.state != "open":
            raise StoreError("This was decided already", todo="Look at the member again")
        return member, now

    def _current(self, session: Session, offer: DeskAnswer) -> tuple[MemberRow, DeskAnswer]:
        """Return the member, locked first as in settlement, and the answer as it is now, if it still stands."""
        key = offer.library, offer.number
        member = session.get(MemberRow, key, with_for_update=True)
        row = session.get(OfferRow, key, with_for_update=True)
        now = None if row is None else _decrypted(session, self._rows, row)
        if now is None or now.reference != offer.reference or self._has_lapsed(now):
            raise StoreError("This answer has lapsed", todo="Ask the register again, if it is still needed")
        if member is None or not _is_unchanged(now, member):
            raise StoreError(
                "The member was changed, or asked about, since this answer was given",
                todo="Look at the member again; ask the register again, if it is still needed",
            )
        return member, now

    def _has_lapsed(self, offer: DeskAnswer) -> bool:
        """Return whether it has expired; so has one from the future, after a clock was set back."""
        return abs(self._clock() - offer.asked_at) >= ANSWER_LIFETIME

    def _new_offer(self, session: Session, one: JudgedItem, question: Question, member: MemberRow) -> DeskAnswer:
        verdict, out = one.verdict, one.item.outcome.body.get("out")
        got = out.get("got") if isinstance(out, dict) else None
        return DeskAnswer(
            library=one.item.library,
            number=one.item.number,
            reference=one.item.outcome.reference,
            asked_at=self._clock(),
            by=question.actor.name,
            purpose=question.purpose,
            case=question.case,
            verdict=cast("Literal['same', 'change', 'hold']", one.verdict_name),
            reason=verdict.reason if isinstance(verdict, Hold) else None,
            before=one.member.held,
            after=verdict.proposal if isinstance(verdict, Hold) else one.after,
            state="open" if isinstance(verdict, Change) else "settled",
            hold=open_hold_id(session, one.key) if isinstance(verdict, Hold) else None,
            got=tuple(map(str, got)) if isinstance(got, list) else (),
            seen=(question.actor.name,),
            version=member.version,
            refreshed_at=member.refreshed_at,
        )


def _put(session: Session, rows: RowCipher, offer: DeskAnswer) -> None:
    """Write an answer over the member's last one, and release the claim on the member."""
    row = session.get(OfferRow, (offer.library, offer.number))
    if row is None:
        row = OfferRow(library=offer.library, number=offer.number)
    row.reference, row.asked_at, row.state, row.asking_until = offer.reference, offer.asked_at, offer.state, None
    said = orjson.dumps({name: getattr(offer, name) for name in _SAID}).decode()
    row.said = rows.encrypt_text(_where("said", row), said)
    row.before = rows.encrypt_held(_where("before", row), offer.before)
    row.after = None if offer.after is None else rows.encrypt_held(_where("after", row), offer.after)
    session.add(row)


def _decrypted(session: Session, rows: RowCipher, row: OfferRow) -> DeskAnswer | None:
    """Decrypt a row; ``None`` if it has no answer yet."""
    if row.said is None or row.before is None or row.asked_at is None:
        return None
    said = orjson.loads(rows.decrypt_text(_where("said", row), row.said))
    reason, refreshed = said.pop("reason"), said.pop("refreshed_at")
    return DeskAnswer(
        library=row.library,
        number=row.number,
        reference=row.reference,
        asked_at=row.asked_at,
        before=rows.decrypt_held(_where("before", row), row.before),
        after=None if row.after is None else rows.decrypt_held(_where("after", row), row.after),
        state=cast("DeskAnswerState", row.state),
        hold=open_hold_id(session, (row.library, row.number)) if said["verdict"] == "hold" else None,
        reason=Reason(reason) if reason else None,
        refreshed_at=datetime.fromisoformat(refreshed) if refreshed else None,
        **said | {name: tuple(said[name]) for name in ("got", "seen")},
    )


def _where(column: str, row: OfferRow) -> str:
    return f"offer|{column}|{row.library}|{row.number}|{row.reference}"


def _is_unchanged(offer: DeskAnswer, member: MemberRow) -> bool:
    """Return whether the member was neither written nor settled since."""
    return (member.version, member.refreshed_at) == (offer.version, offer.refreshed_at)


def _decision(offer: DeskAnswer, actor: Actor, decision: str, names: list[JSON], insz: Insz | None) -> Draft:
    body: dict[str, JSON] = {"actor": actor_json(actor), "decision": decision, "changed": names}
    return Draft(offer.library, Kind.OFFER, offer.reference, insz, body=body)


def _at(library: str, number: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return col(OfferRow.library) == library, col(OfferRow.number) == number


def _sweep(session: Session, now: datetime) -> int:
    lapsed = or_(col(OfferRow.asked_at).is_(None), col(OfferRow.asked_at) <= now - ANSWER_LIFETIME)
    is_free = or_(col(OfferRow.asking_until).is_(None), col(OfferRow.asking_until) <= now)
    old = select(OfferRow.library, OfferRow.number).where(lapsed, is_free)  # a concurrent sweep deletes the others
    chosen = tuple_(col(OfferRow.library), col(OfferRow.number)).in_(old.with_for_update(skip_locked=True))
    return affected(session, delete(OfferRow).where(chosen).execution_options(synchronize_session=False))


_CLAIM: Final = text(
    "INSERT INTO offer (library, number, reference, state, asking_until) VALUES (:library, :number, '', '', :until) "
    "ON CONFLICT (library, number) DO UPDATE SET asking_until = :until "
    "WHERE offer.asking_until IS NULL OR offer.asking_until <= :now"
).bindparams(bindparam("until", type_=Utc), bindparam("now", type_=Utc))
