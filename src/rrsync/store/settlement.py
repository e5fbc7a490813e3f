"""Settlement: all that follows from an answer is written in one transaction, as is each decision about a hold.

1. The member is read again and judged. If it is gone, or has another number by now, only the outcome is written.
2. The transaction writes the outcome entry, the verdict on the member and on its step, the change or the hold, the end
   of a correction that the register agrees with, and a subscription made on the way.
3. A change that is offered at the desk (``store.desk_answers``) is not written to the member.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, TypeAlias

from sqlalchemy import bindparam
from sqlmodel import Session

from rrsync.core.brakes import Brakes, Limits, judge_and_count, seen
from rrsync.core.compare import PASSING, Change, Hold, Same, Verdict, agrees
from rrsync.core.exchange import Answer, Reason
from rrsync.core.insz import Insz
from rrsync.core.log_entry import JSON, Actor, Draft, Kind, actor_json
from rrsync.core.person import Held, Masked, Member
from rrsync.core.planning import belgian_day
from rrsync.errors import StoreError
from rrsync.store.access_log import AccessLog
from rrsync.store.corrections import CorrectionEnd, correction_rows, end_entry
from rrsync.store.holds import OpenHold, clear_holds, close_holds, holders, set_hold, standing_reasons
from rrsync.store.rows import (
    MEMBER,
    THIS_MEMBER,
    MemberWrite,
    RowCipher,
    changed_fields,
    former_numbers,
    member_rows,
    write_changes,
)
from rrsync.store.runs import read_brakes, write_brakes
from rrsync.store.subscriptions import SubscriptionState, note_subscription
from rrsync.store.tables import CorrectionRow, HoldRow, MemberRow, StepRow, table

Judge: TypeAlias = "Callable[[Member, Answer], Verdict]"


@dataclass(frozen=True, slots=True, repr=False)
class SettlementItem(Masked):
    """One answer to settle: its member, and the outcome that the gate drafted.

    ``subscribed`` says that the register made a subscription to the member's number on the way.
    """

    library: str
    number: str
    answer: Answer
    outcome: Draft
    subscribed: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class JudgedItem(Masked):
    """An item with its current member and the verdict; ``None`` if the answer no longer belongs to the member.

    ``correction`` is the correction in force; a change that ``is_offered`` is not written.
    """

    item: SettlementItem
    member: Member
    verdict: Verdict | None
    refreshed_at: datetime | None = None
    correction: CorrectionRow | None = None
    is_offered: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """Library and member number."""
        return self.item.library, self.item.number

    @property
    def verdict_name(self) -> str:
        """The verdict as one word."""
        return "" if self.verdict is None else type(self.verdict).__name__.lower()

    @property
    def after(self) -> Held:
        """The member's data after the verdict."""
        return self.verdict.after if isinstance(self.verdict, Same | Change) else self.member.held

    @property
    def is_noted(self) -> bool:
        """Whether the verdict is written to the member."""
        return self.verdict is not None and not self.is_offered

    @property
    def is_agreed(self) -> bool:
        """Whether a usable answer agrees with the correction in force."""
        believed = isinstance(self.verdict, Same | Change)
        return self.correction is not None and believed and agrees(self.member.held, self.item.answer)

    @property
    def is_passing(self) -> bool:
        """Whether the verdict is about the answer only, not about the person."""
        return isinstance(self.verdict, Hold) and self.verdict.reason in PASSING

    def mark_values(self, now: datetime, standing: str | None) -> dict[str, object]:
        """Return the values for the member and its step; an unreadable answer leaves the member as due as before."""
        reason = self.verdict.reason if isinstance(self.verdict, Hold) else None
        library, number = self.key
        return {
            "at_library": library,
            "at_number": number,
            "at_run": self.item.outcome.run,
            "verdict": self.verdict_name,
            "reason": reason.value if reason else "",
            "hold_reason": standing or (reason.value if reason else None),
            "refreshed_at": self.refreshed_at if reason is Reason.UNREADABLE else now,
        }


class Settlement:
    """Settles answers and decisions in one database; ``clock`` returns aware UTC."""

    def __init__(self, ledger: AccessLog, rows: RowCipher, *, clock: Callable[[], datetime]) -> None:
        self._ledger = ledger
        self._rows = rows
        self._clock = clock

    def settle(self, items: Sequence[SettlementItem], judge: Judge) -> list[Verdict | None]:
        """Judge answers and write all that follows in one transaction; return the verdicts.

        A verdict is ``None`` if the answer no longer belongs to the member.

        Raises:
            LedgerError: nothing was written.
        """
        with self._ledger.writing() as session:
            return [one.verdict for one in self.settle_in(session, items, judge)]

    def settle_run(
        self, run: str, items: Sequence[SettlementItem], limits: Limits, news: Brakes
    ) -> tuple[list[Verdict | None], Brakes]:
        """Settle answers of a run, whose brakes judge and count them in the same transaction.

        ``news`` is the worker's other observations since. Returns the verdicts, as ``settle`` does, and the brakes.

        Raises:
            LedgerError: nothing was written.
        """
        with self._ledger.writing() as session:
            brakes = read_brakes(session, run) + news

            def judge(member: Member, answer: Answer) -> Verdict:
                nonlocal brakes
                verdict, brakes = judge_and_count(brakes, member, answer, limits, key=self._place_key)
                return verdict

            settled = self.settle_in(session, items, judge)
            for one in settled:
                brakes += seen(one.item.library, one.item.answer, one.item.outcome, one.verdict)
            write_brakes(session, run, brakes)
        return [one.verdict for one in settled], brakes

    def _place_key(self, library: str, place: tuple[str, ...]) -> str:
        return self._rows.keyed_hash("place", library, *place).hex()[:16]

    def settle_in(
        self, session: Session, items: Sequence[SettlementItem], judge: Judge, *, offers: bool = False
    ) -> list[JudgedItem]:
        """Settle in the caller's transaction; with ``offers`` a change is not written, and the member is not marked."""
        now = self._clock()
        keys = [(item.library, item.number) for item in items]
        rows = member_rows(session, keys, lock=True)
        corrections = correction_rows(session, keys, belgian_day(now))
        judged = [
            self._judge(session, item, rows.get(key), corrections.get(key), judge)
            for item, key in zip(items, keys, strict=True)
        ]
        judged = [replace(one, is_offered=offers and isinstance(one.verdict, Change)) for one in judged]
        drafts = [
            with_verdict(one.item.outcome, one.verdict, one.member.held, is_offered=one.is_offered) for one in judged
        ]
        places = self._ledger.append_in(session, [*drafts, *_end_agreed_corrections(session, judged)])
        noted = [(one, seq) for one, seq in zip(judged, places, strict=False) if one.is_noted]
        self._mark(session, [one for one, _ in noted], now)
        self._hold(session, [one for one, _ in noted], now)
        written = [self._member_write(one, seq, now) for one, seq in noted if one.after != one.member.held]
        write_changes(session, self._rows, written)
        for one in judged:
            self._note_subscription(session, one.item, now, is_members=one.verdict is not None)
        return judged

    def _judge(
        self,
        session: Session,
        item: SettlementItem,
        row: MemberRow | None,
        correction: CorrectionRow | None,
        judge: Judge,
    ) -> JudgedItem:
        if row is None:
            return JudgedItem(item, _NOBODY, None)
        member = replace(self._rows.member(row), pinned=correction is not None)
        if member.insz != item.outcome.subject:
            return JudgedItem(item, member, None)
        verdict = judge(member, item.answer)
        if isinstance(verdict, Hold) and verdict.new_insz is not None:
            key = item.library, item.number
            if verdict.new_insz == member.insz or verdict.new_insz in former_numbers(session, self._rows, key):
                verdict = replace(verdict, new_insz=None)  # accepting it would lead in a circle
        return JudgedItem(item, member, verdict, row.refreshed_at, correction)

    def previewed(self, item: SettlementItem) -> None:
        """Write the outcome of a preview, and a subscription made on the way, but nothing of the member.

        Raises:
            LedgerError: nothing was written.
        """
        with self._ledger.writing() as session:
            self._ledger.append_in(session, [item.outcome])
            self._note_subscription(session, item, self._clock(), is_members=True)

    def _note_subscription(self, session: Session, item: SettlementItem, now: datetime, *, is_members: bool) -> None:
        """Note a subscription made on the way; one to a number that is no longer the member's is to be ended."""
        insz = item.outcome.subject
        if item.subscribed and insz is not None:
            note_subscription(
                session,
                self._rows,
                item.library,
                insz,
                SubscriptionState.OPEN if is_members else SubscriptionState.ENDING,
                at=now,
            )

    @staticmethod
    def _mark(session: Session, judged: Sequence[JudgedItem], now: datetime) -> None:
        """Write the verdicts to the members and their steps."""
        if not judged:
            return
        standing = standing_reasons(session, [one.key for one in judged if one.is_passing])
        mark_values = [one.mark_values(now, standing.get(one.key)) for one in judged]
        session.execute(_MARK_MEMBER, mark_values)
        if steps := [mark for mark in mark_values if mark["at_run"]]:
            session.execute(_MARK_STEP, steps)

    def _hold(self, session: Session, judged: Sequence[JudgedItem], now: datetime) -> None:
        clear_holds(session, [one.key for one in judged if not isinstance(one.verdict, Hold)], at=now)
        for one in judged:
            if isinstance(one.verdict, Hold):
                set_hold(session, self._rows, one.key, one.verdict, reference=one.item.outcome.reference, at=now)

    @staticmethod
    def _member_write(one: JudgedItem, seq: int, now: datetime) -> MemberWrite:
        changed_at = now if isinstance(one.verdict, Change) else None
        return MemberWrite(
            one.key, seq, one.item.outcome.run, one.verdict_name, one.member.held, one.after, now, changed_at
        )

    def accept(self, hold: OpenHold, actor: Actor) -> None:
        """Write the proposal of a hold, with the decision as an entry of the access log.

        Raises:
            StoreError: the hold proposes nothing or was decided meanwhile, or the new number is another member's, or
                one that this member has or had.
        """
        with self._ledger.writing() as session:
            row = self._open_row(session, hold)
            member = self._rows.member(row)
            field_names = changed_fields(member.held, hold.proposal or member.held) or ["insz"]
            drafts = [_decision(hold, actor, "accepted", member.insz, field_names)]
            if "address" in field_names:  # the address of the register replaces a correction
                drafts += self._end_correction(session, hold, actor, member.insz)
            seq, *_ = self._ledger.append_in(session, drafts)
            row.verdict, row.hold_reason = "change", None
            now, key = self._clock(), (row.library, row.number)
            close_holds(session, [key], decision="accepted", by=actor.name, at=now)
            if hold.proposal is not None:
                session.flush()
                write_changes(
                    session, self._rows, [MemberWrite(key, seq, "", "accepted", member.held, hold.proposal, now, now)]
                )
            elif hold.new_insz is not None and member.insz is not None:
                self._renumber(session, row, member.insz, hold.new_insz)
                session.flush()
                former = self._rows.encrypt_former_insz(hold.library, seq, member.insz)
                held = member.held
                write_changes(
                    session, self._rows, [MemberWrite(key, seq, "", "renumbered", held, held, now, now, former)]
                )
                note_subscription(session, self._rows, hold.library, member.insz, SubscriptionState.ENDING, at=now)
            else:
                raise StoreError(
                    f"A hold for {hold.reason.value} has nothing to take over",
                    todo="Settle it with the member, then dismiss the hold",
                )

    def _end_correction(self, session: Session, hold: OpenHold, actor: Actor, insz: Insz | None) -> list[Draft]:
        """End the correction in force of a member, if there is one; return the entry of the end."""
        key = hold.library, hold.number
        corrections = correction_rows(session, [key], belgian_day(self._clock())).values()
        for row in corrections:
            session.delete(row)
        return [end_entry(row, CorrectionEnd.STAFF, insz, actor) for row in corrections]

    def _renumber(self, session: Session, row: MemberRow, old: Insz, new: Insz) -> None:
        key = row.library, row.number
        if new == old or new in former_numbers(session, self._rows, key):
            raise StoreError(
                "The new number is one that this member has or had: to take it over would lead in a circle",
                todo="Look at the member's identity card, correct the number in the library system, dismiss the hold",
            )
        if holder := holders(session, self._rows, row.library, [new]).get(new):
            raise StoreError(
                f"The new number is that of member {holder} already",
                todo="They are one person: join the two members in the library system, then dismiss the hold",
            )
        columns = self._rows.insz_columns(*key, new)
        row.insz, row.insz_key = columns["insz"], columns["insz_key"]
        row.verdict = row.refreshed_at = None

    def dismiss(self, hold: OpenHold, actor: Actor) -> None:
        """Close a hold without a change, with the decision as an entry of the access log.

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


def with_verdict(outcome: Draft, verdict: Verdict | None, held: Held, *, is_offered: bool) -> Draft:
    """Return the outcome with the verdict, the reason of a hold, and the names of the written fields."""
    body: dict[str, JSON] = dict(outcome.body)
    match verdict:
        case None:
            body["verdict"] = "void"
        case Hold():
            body |= {"verdict": "hold", "hold": verdict.reason.value}
        case Change() if is_offered:
            body |= {"verdict": "change", "offered": True}
        case Change():
            body |= {"verdict": "change", "changed": changed_fields(verdict.before, verdict.after)}
        case Same():
            body["verdict"] = "same"
            if filled := changed_fields(held, verdict.after):
                body["changed"] = filled
    return replace(outcome, body=body)


def _end_agreed_corrections(session: Session, judged: Sequence[JudgedItem]) -> list[Draft]:
    """End the corrections that the register agrees with; return the entries of their ends."""
    drafts = []
    for one in judged:
        if one.is_agreed and one.correction is not None:
            session.delete(one.correction)
            drafts.append(end_entry(one.correction, CorrectionEnd.AGREED, one.member.insz))
    return drafts


def _decision(hold: OpenHold, actor: Actor, decision: str, insz: Insz | None, names: list[JSON]) -> Draft:
    body: dict[str, JSON] = {
        "actor": actor_json(actor),
        "decision": decision,
        "hold": hold.reason.value,
        "changed": names,
    }
    return Draft(hold.library, Kind.DECISION, hold.reference, subject=insz, body=body)


_NOBODY: Final = Member(library="", number="", insz=None, held=Held())
_MARK_MEMBER: Final = (
    MEMBER.update()
    .where(*THIS_MEMBER)
    .values({name: bindparam(name) for name in ("verdict", "hold_reason", "refreshed_at")})
)
_STEPS: Final = table(StepRow)
_MARK_STEP: Final = (
    _STEPS.update()
    .where(
        _STEPS.c.run == bindparam("at_run"),
        _STEPS.c.library == bindparam("at_library"),
        _STEPS.c.number == bindparam("at_number"),
    )
    .values(state="done", verdict=bindparam("verdict"), reason=bindparam("reason"))
)
