"""Writes what follows from an answer: outcome, member, change, hold and step, in one transaction."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam
from sqlmodel import Session

from rrsync.core.compare import Change, Hold
from rrsync.core.entry import JSON, Draft, Kind, named
from rrsync.core.member import Held, Member
from rrsync.core.plan import belgian_day
from rrsync.errors import StoreError
from rrsync.store.changes import Written, had, write_changes
from rrsync.store.corrections import End, correction_rows, ended
from rrsync.store.holds import OpenHold, clear_holds, close_holds, holders, set_hold, standing_reasons
from rrsync.store.judged import Item, Judge, Judged, changed, said
from rrsync.store.rows import member_rows
from rrsync.store.subscriptions import State, note
from rrsync.store.tables import HoldRow, MemberRow, StepRow, table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from rrsync.core.compare import Verdict
    from rrsync.core.entry import Actor
    from rrsync.core.insz import Insz
    from rrsync.store.ledger import Ledger
    from rrsync.store.offered import CorrectionRow
    from rrsync.store.rows import Rows

__all__ = ["Item", "Judge", "Settlement"]


class Settlement:
    """Settles answers and decisions in one database; ``clock`` gives aware UTC."""

    def __init__(self, ledger: Ledger, rows: Rows, *, clock: Callable[[], datetime]) -> None:
        self._ledger = ledger
        self._rows = rows
        self._clock = clock

    def settle(self, items: Sequence[Item], judge: Judge) -> list[Verdict | None]:
        """Read each member again, judge it, and write all that follows in one transaction.

        Gives the verdicts; ``None`` where the member is gone or has another number by now, and the answer is no longer
        about it: then only the outcome is written.

        Raises:
            LedgerError: nothing of any of them was written.
        """
        with self._ledger.writing() as session:
            return [one.verdict for one in self.settle_in(session, items, judge)]

    def settle_in(self, session: Session, items: Sequence[Item], judge: Judge, *, offers: bool = False) -> list[Judged]:
        """Settle in a transaction of the caller's; with ``offers`` a change is not written, nor noted of the member."""
        now = self._clock()
        keys = [(item.library, item.number) for item in items]
        rows = member_rows(session, keys, lock=True)
        pins = correction_rows(session, keys, belgian_day(now))
        judged = [
            self._judge(session, item, rows.get(key), pins.get(key), judge)
            for item, key in zip(items, keys, strict=True)
        ]
        judged = [replace(one, is_offered=offers and isinstance(one.verdict, Change)) for one in judged]
        drafts = [said(one.item.outcome, one.verdict, one.member.held, is_offered=one.is_offered) for one in judged]
        places = self._ledger.append_in(session, [*drafts, *_agreed(session, judged)])
        noted = [(one, seq) for one, seq in zip(judged, places, strict=False) if one.is_noted]
        self._mark(session, [one for one, _ in noted], now)
        self._hold(session, [one for one, _ in noted], now)
        written = [self._written(one, seq, now) for one, seq in noted if one.after != one.member.held]
        write_changes(session, self._rows, written)
        for one in judged:
            self._subscribed(session, one.item, now, is_members=one.verdict is not None)
        return judged

    def _judge(
        self, session: Session, item: Item, row: MemberRow | None, pin: CorrectionRow | None, judge: Judge
    ) -> Judged:
        if row is None:
            return Judged(item, _NOBODY, None)
        member = replace(self._rows.member(row), pinned=pin is not None)
        if member.insz != item.outcome.subject:
            return Judged(item, member, None)
        verdict = judge(member, item.answer)
        if isinstance(verdict, Hold) and verdict.new_insz is not None:
            key = item.library, item.number
            if verdict.new_insz == member.insz or had(session, self._rows, key, verdict.new_insz):
                verdict = replace(verdict, new_insz=None)  # to take it over would lead in a circle
        return Judged(item, member, verdict, row.refreshed_at, pin)

    def previewed(self, item: Item) -> None:
        """Write how a preview ended: its outcome, and a subscription made on the way, but nothing of the member.

        Raises:
            LedgerError: nothing was written.
        """
        with self._ledger.writing() as session:
            self._ledger.append_in(session, [item.outcome])
            self._subscribed(session, item, self._clock(), is_members=True)

    def _subscribed(self, session: Session, item: Item, now: datetime, *, is_members: bool) -> None:
        """Note a subscription made on the way; one to a number that is the member's no more is to be ended."""
        insz = item.outcome.subject
        if item.subscribed and insz is not None:
            note(session, self._rows, item.library, insz, State.OPEN if is_members else State.ENDING, at=now)

    @staticmethod
    def _mark(session: Session, judged: Sequence[Judged], now: datetime) -> None:
        """Note the verdicts on the members and on their steps."""
        if not judged:
            return
        standing = standing_reasons(session, [one.key for one in judged if one.is_passing])
        marks = [one.marks(now, standing.get(one.key)) for one in judged]
        session.execute(_VERDICT, marks)
        if steps := [mark for mark in marks if mark["at_run"]]:
            session.execute(_STEP, steps)

    def _hold(self, session: Session, judged: Sequence[Judged], now: datetime) -> None:
        clear_holds(session, [one.key for one in judged if not isinstance(one.verdict, Hold)], at=now)
        for one in judged:
            if isinstance(one.verdict, Hold):
                set_hold(session, self._rows, one.key, one.verdict, reference=one.item.outcome.reference, at=now)

    @staticmethod
    def _written(one: Judged, seq: int, now: datetime) -> Written:
        changed = now if isinstance(one.verdict, Change) else None
        return Written(one.key, seq, one.item.outcome.run, one.word, one.member.held, one.after, now, changed)

    def accept(self, hold: OpenHold, actor: Actor) -> None:
        """Write what a hold proposes, with the decision as an entry of the access log.

        Raises:
            StoreError: the hold proposes nothing, was decided meanwhile, or its new number is another member's, or one
                that this member has or had.
        """
        with self._ledger.writing() as session:
            row = self._open_row(session, hold)
            member = self._rows.member(row)
            fields = changed(member.held, hold.proposal or member.held) or ["insz"]
            drafts = [_decision(hold, actor, "accepted", member.insz, fields)]
            if "address" in fields:  # a person takes the register's word instead of the staff's
                drafts += self._given_up(session, hold, actor, member.insz)
            seq, *_ = self._ledger.append_in(session, drafts)
            row.verdict, row.hold_reason = "change", None
            now, key = self._clock(), (row.library, row.number)
            close_holds(session, [key], decision="accepted", by=actor.name, at=now)
            if hold.proposal is not None:
                session.flush()
                write_changes(
                    session, self._rows, [Written(key, seq, "", "accepted", member.held, hold.proposal, now, now)]
                )
            elif hold.new_insz is not None and member.insz is not None:
                self._renumber(session, row, member.insz, hold.new_insz)
                session.flush()
                former = self._rows.seal_former(hold.library, seq, member.insz)
                held = member.held
                write_changes(session, self._rows, [Written(key, seq, "", "renumbered", held, held, now, now, former)])
                note(session, self._rows, hold.library, member.insz, State.ENDING, at=now)
            else:
                raise StoreError(
                    f"A hold for {hold.reason.value} has nothing to take over",
                    todo="Settle it with the member, then dismiss the hold",
                )

    def _given_up(self, session: Session, hold: OpenHold, actor: Actor, insz: Insz | None) -> list[Draft]:
        """End the correction that is in force of a member, if there is one; give the entry that says so."""
        key = hold.library, hold.number
        pins = correction_rows(session, [key], belgian_day(self._clock())).values()
        for row in pins:
            session.delete(row)
        return [ended(row, End.STAFF, insz, actor) for row in pins]

    def _renumber(self, session: Session, row: MemberRow, old: Insz, new: Insz) -> None:
        key = row.library, row.number
        if new == old or had(session, self._rows, key, new):
            raise StoreError(
                "The new number is one that this member has or had: to take it over would lead in a circle",
                todo="Look at the member's identity card, correct the number in the library system, dismiss the hold",
            )
        if holder := holders(session, self._rows, row.library, [new]).get(new):
            raise StoreError(
                f"The new number is that of member {holder} already",
                todo="They are one person: join the two members in the library system, then dismiss the hold",
            )
        columns = self._rows.seal_insz(*key, new)
        row.insz, row.insz_key = columns["insz"], columns["insz_key"]
        row.verdict = row.refreshed_at = None

    def dismiss(self, hold: OpenHold, actor: Actor) -> None:
        """Close a hold and keep what we hold, with the decision as an entry of the access log.

        Raises:
            StoreError: the hold was decided meanwhile.
        """
        with self._ledger.writing() as session:
            row = self._open_row(session, hold)
            self._ledger.append_in(session, [_decision(hold, actor, "dismissed", self._rows.member(row).insz, [])])
            row.verdict = row.hold_reason = None
            key = row.library, row.number
            close_holds(session, [key], decision="dismissed", by=actor.name, at=self._clock())

    @staticmethod
    def _open_row(session: Session, hold: OpenHold) -> MemberRow:
        row = session.get(MemberRow, (hold.library, hold.number), with_for_update=True)  # first, as settling does
        still = session.get(HoldRow, hold.id)
        if still is None or still.closed_at is not None or still.reference != hold.reference or row is None:
            raise StoreError(
                "This hold was decided or renewed meanwhile", todo="Look at it again with `rrsync holds list`"
            )
        return row


def _agreed(session: Session, judged: Sequence[Judged]) -> list[Draft]:
    """End the corrections that the register agrees with; give the entries that say so."""
    drafts = []
    for one in judged:
        if one.is_agreed and one.correction is not None:
            session.delete(one.correction)
            drafts.append(ended(one.correction, End.AGREED, one.member.insz))
    return drafts


def _decision(hold: OpenHold, actor: Actor, decision: str, insz: Insz | None, names: list[JSON]) -> Draft:
    body: dict[str, JSON] = {
        "actor": named(actor),
        "decision": decision,
        "hold": hold.reason.value,
        "changed": names,
    }
    return Draft(hold.library, Kind.DECISION, hold.reference, subject=insz, body=body)


_NOBODY: Final = Member(library="", number="", insz=None, held=Held())
_MEMBER: Final = table(MemberRow)
_HERE: Final = (_MEMBER.c.library == bindparam("at_library"), _MEMBER.c.number == bindparam("at_number"))
_VERDICT: Final = (
    _MEMBER.update()
    .where(*_HERE)
    .values({name: bindparam(name) for name in ("verdict", "hold_reason", "refreshed_at")})
)
_JOURNAL: Final = table(StepRow)
_STEP: Final = (
    _JOURNAL.update()
    .where(
        _JOURNAL.c.run == bindparam("at_run"),
        _JOURNAL.c.library == bindparam("at_library"),
        _JOURNAL.c.number == bindparam("at_number"),
    )
    .values(state="done", verdict=bindparam("verdict"), reason=bindparam("reason"))
)
