"""Writes what follows from an answer: outcome, member, change, hold and step, in one transaction.

One answer on its way to be settled: about whom, what it comes to, and how that stands in its outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Final, TypeAlias

from sqlalchemy import bindparam
from sqlmodel import Session

from rrsync.core.brakes import Brakes, Limits, judge_and_count, seen
from rrsync.core.compare import PASSING, Change, Hold, Same, Verdict, agrees
from rrsync.core.exchange import Answer, Reason
from rrsync.core.insz import Insz
from rrsync.core.log_entry import JSON, Actor, Draft, Kind, named
from rrsync.core.person import Held, Masked, Member
from rrsync.core.planning import belgian_day
from rrsync.errors import StoreError
from rrsync.store.access_log import Ledger
from rrsync.store.corrections import End, correction_rows, ended
from rrsync.store.holds import OpenHold, clear_holds, close_holds, holders, set_hold, standing_reasons
from rrsync.store.rows import Rows, Written, had, member_rows, write_changes
from rrsync.store.runs import read_brakes, write_brakes
from rrsync.store.subscriptions import State, note
from rrsync.store.tables import CorrectionRow, HoldRow, MemberRow, StepRow, table

Judge: TypeAlias = "Callable[[Member, Answer], Verdict]"


@dataclass(frozen=True, slots=True, repr=False)
class Item(Masked):
    """One answer to settle: for which member, with the outcome that the gate drafted.

    ``subscribed`` says that the register made a subscription to the member's number on the way.
    """

    library: str
    number: str
    answer: Answer
    outcome: Draft
    subscribed: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class Judged(Masked):
    """An item with the member as it is now, and the verdict; ``None`` when the answer is about it no longer.

    ``correction`` is what is in force of its address; a change that ``is_offered`` is not written.
    """

    item: Item
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
    def word(self) -> str:
        """The verdict in one word."""
        return "" if self.verdict is None else type(self.verdict).__name__.lower()

    @property
    def after(self) -> Held:
        """What the member comes to."""
        return self.verdict.after if isinstance(self.verdict, Same | Change) else self.member.held

    @property
    def is_noted(self) -> bool:
        """Whether it is noted of the member."""
        return self.verdict is not None and not self.is_offered

    @property
    def is_agreed(self) -> bool:
        """Whether the register, of somebody it may be believed about, says the same as the correction in force."""
        believed = isinstance(self.verdict, Same | Change)
        return self.correction is not None and believed and agrees(self.member.held, self.item.answer)

    @property
    def is_passing(self) -> bool:
        """Whether it says something of the answer, and nothing of the person."""
        return isinstance(self.verdict, Hold) and self.verdict.reason in PASSING

    def marks(self, now: datetime, standing: str | None) -> dict[str, object]:
        """Return what is noted on the member and its step; an unreadable answer leaves it as due as it was."""
        reason = self.verdict.reason if isinstance(self.verdict, Hold) else None
        library, number = self.key
        return {
            "at_library": library,
            "at_number": number,
            "at_run": self.item.outcome.run,
            "verdict": self.word,
            "reason": reason.value if reason else "",
            "hold_reason": standing or (reason.value if reason else None),
            "refreshed_at": self.refreshed_at if reason is Reason.UNREADABLE else now,
        }


def said(outcome: Draft, verdict: Verdict | None, held: Held, *, is_offered: bool) -> Draft:
    """Return the outcome with the verdict in it: its word, the reason of a hold, the names of what was written."""
    body: dict[str, JSON] = dict(outcome.body)
    match verdict:
        case None:
            body["verdict"] = "void"
        case Hold():
            body |= {"verdict": "hold", "hold": verdict.reason.value}
        case Change() if is_offered:
            body |= {"verdict": "change", "offered": True}
        case Change():
            body |= {"verdict": "change", "changed": changed(verdict.before, verdict.after)}
        case Same():
            body["verdict"] = "same"
            if filled := changed(held, verdict.after):
                body["changed"] = filled
    return replace(outcome, body=body)


def changed(before: Held, after: Held) -> list[JSON]:
    """Return the names of the fields that differ, never their values."""
    return [part.name for part in fields(before) if getattr(before, part.name) != getattr(after, part.name)]


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

    def settle_run(
        self, run: str, items: Sequence[Item], limits: Limits, news: Brakes
    ) -> tuple[list[Verdict | None], Brakes]:
        """Settle answers of a run, whose brakes judge them and count them in the same transaction.

        ``news`` is what else the worker saw since. Returns the verdicts, as ``settle`` does, and the run's brakes.

        Raises:
            LedgerError: nothing of any of them was written.
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
        return self._rows.mark("place", library, *place).hex()[:16]

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
