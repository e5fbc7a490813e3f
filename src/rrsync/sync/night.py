"""The nightly run: who is due, asked by many threads at once, settled in batches by one.

1. Take the lease; give every intent that a killed run left without outcome the outcome *indeterminate*.
2. Take the open run over or open a new one; add who is due.
3. In beats: record a batch of questions in one commit, send them from threads, settle what came back in one transaction.
4. Stop a library when the register refuses it, and the run when nothing can be believed, asked or recorded.
5. End the run when every step was tried, and report.
"""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Final

import structlog

from rrsync.core.compare import Hold, compare
from rrsync.core.entry import Actor, ActorKind, Draft, Kind, Status
from rrsync.core.exchange import Question, Reason
from rrsync.core.plan import Due, seconds_left
from rrsync.core.report import Report
from rrsync.core.surge import Surge
from rrsync.errors import Interrupted, NotAuthorised, RegistryRefused, RegistryUnavailable, Stopped, StoreError
from rrsync.store.settle import Item

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime
    from threading import Event

    from rrsync.core.compare import Verdict
    from rrsync.core.entry import JSON
    from rrsync.core.exchange import Answer
    from rrsync.core.member import Member
    from rrsync.core.plan import Plan
    from rrsync.registry.gate import Exchange, Gate, Recorded
    from rrsync.store.ledger import Ledger
    from rrsync.store.members import Members
    from rrsync.store.runs import Lease, Runs
    from rrsync.store.settle import Settlement

NIGHT: Final = Actor(ActorKind.PROCESS, "rrsync night")
PURPOSE: Final = "member-administration"
_DESK_TIME: Final = timedelta(minutes=15)
_PAGE: Final = 500

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Limits:
    """How many questions at once, and what stops a run by itself (settings, ``[night]``)."""

    in_flight: int
    mismatches: int
    unavailable: int
    change_share: float
    same_address: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: members tried of those due, and the seconds left at the present rate."""

    tried: int
    due: int
    seconds_left: int


@dataclass(slots=True)
class _Beat:
    """A run under way: what is in the air, what was counted, and which libraries are stopped."""

    report: Report
    surge: Surge
    limits: Limits
    air: dict[Future[Exchange], Due] = field(default_factory=dict)
    barred: dict[str, tuple[str, str]] = field(default_factory=dict)
    tried: int = 0
    away: int = 0
    mismatches: int = 0
    mass_change: bool = False

    def judge(self, member: Member, answer: Answer) -> Verdict:
        """Give the verdict on a member, with an eye on all the others."""
        verdict = compare(member, answer)
        self.mass_change = self.surge.trips(member, verdict) or self.mass_change
        return compare(member, answer, mass_change=True) if self.mass_change else verdict


@dataclass(frozen=True, slots=True)
class Night:
    """Runs nights on one database; setting ``stop`` ends one cleanly, ``about`` opens a run in the access log."""

    gate: Gate
    members: Members
    ledger: Ledger
    settlement: Settlement
    runs: Runs
    limits: Limits
    clock: Callable[[], datetime]
    new_reference: Callable[[], str]
    stop: Event
    about: dict[str, JSON]

    def run(self, libraries: Sequence[str], plan: Plan, *, progress: Callable[[Progress], None]) -> Report:
        """Ask about everybody who is due, and report.

        Raises:
            Busy: another run holds the lease.
            StoreError: the run could not begin; nothing was asked.
        """
        with self.runs.lease() as lease:
            self._recover()
            opened = self.runs.open(libraries, plan, new_id=self.new_reference(), at=self.clock())
            report = Report(opened.id, self.clock(), due=opened.steps)
            self.ledger.append([Draft(name, Kind.RUN_OPEN, "", run=opened.id, body=self.about) for name in libraries])
            log.info("night.open", run=opened.id, count=opened.steps, resumed=opened.resumed)
            beat = _Beat(
                report, Surge(share=self.limits.change_share, same_address=self.limits.same_address), self.limits
            )
            try:
                self._work(beat, libraries, lease, progress)
            except Stopped as stop:
                report.stopped = (stop.reason, str(stop))
            except StoreError as error:
                report.stopped = ("evidence", str(error))
            self._close(beat, libraries)
        return report

    def _recover(self) -> None:
        """Give what a dead process left without outcome the outcome *indeterminate*; the desk's only when long past."""
        long_past = self.clock() - _DESK_TIME
        lost = [one for one in self.ledger.pending() if one.run or one.at < long_past]
        drafts = [
            Draft(
                one.library,
                Kind.OUTCOME,
                one.reference,
                run=one.run,
                body={"out": {"status": Status.INDETERMINATE.value}},
            )
            for one in lost
        ]
        if drafts:
            self.ledger.append(drafts)
            log.warning("night.recovered", count=len(drafts))

    def _work(self, beat: _Beat, libraries: Sequence[str], lease: Lease, progress: Callable[[Progress], None]) -> None:
        steps = self._steps(beat, libraries)
        with ThreadPoolExecutor(self.limits.in_flight, thread_name_prefix="ask") as pool:
            try:
                while self._launch(beat, steps, pool) or beat.air:
                    done, _ = wait(beat.air, return_when=FIRST_COMPLETED)
                    self._land(beat, done)
                    _check(beat)
                    lease.check()
                    progress(self._progress(beat))
            finally:
                self._bring_home(beat)

    def _bring_home(self, beat: _Beat) -> None:
        """After a stop: send nothing more, but settle what was sent; normally there is nothing left."""
        if beat.air:
            self.stop.set()
            done, _ = wait(beat.air)
            with suppress(StoreError):  # the first failure is the one to report
                self._land(beat, done)

    def _progress(self, beat: _Beat) -> Progress:
        seconds = (self.clock() - beat.report.started).total_seconds()
        rate = beat.tried / seconds if seconds else 0.0
        return Progress(beat.tried, beat.report.due, seconds_left(beat.report.due - beat.tried, rate))

    def _steps(self, beat: _Beat, libraries: Sequence[str]) -> Iterator[tuple[Due, Member]]:
        """Give the open steps in their order, each with its member, as a stream; those of a stopped library not."""
        after = 0
        while page := self.runs.steps(beat.report.run, libraries, after=after, most=_PAGE):
            after = page[-1][0]
            members = self.members.of([(due.library, due.number) for _, due in page])
            for _, due in page:
                member = members.get((due.library, due.number))
                if member is not None and member.insz is not None and due.library not in beat.barred:
                    yield due, member

    def _launch(self, beat: _Beat, steps: Iterator[tuple[Due, Member]], pool: ThreadPoolExecutor) -> bool:
        """Record as many questions as there is room for, and send them; say whether there were any."""
        if self.stop.is_set():
            beat.report.interrupted = True
            return False
        room = 2 * self.limits.in_flight - len(beat.air)
        if room < self.limits.in_flight:
            return False
        chosen = [step for step, _ in zip(steps, range(room), strict=False)]
        for library, group in groupby(sorted(chosen, key=_library), key=_library):
            batch = list(group)
            for (due, _), recorded in zip(batch, self._record(beat, library, batch), strict=False):
                beat.air[pool.submit(self.gate.send, recorded)] = due
        return bool(chosen)

    def _record(self, beat: _Beat, library: str, batch: Sequence[tuple[Due, Member]]) -> list[Recorded]:
        questions = [
            Question(library, member.insz, NIGHT, PURPOSE, self.new_reference(), run=beat.report.run)
            for _, member in batch
            if member.insz is not None
        ]
        if library in beat.barred:
            return []
        try:
            return self.gate.record(questions)
        except NotAuthorised as error:
            beat.barred[library] = ("not_authorised", str(error))
            log.warning("night.barred", library=library, reason="not_authorised")
            return []

    def _land(self, beat: _Beat, done: set[Future[Exchange]]) -> None:
        """Settle what came back, in one transaction, and see whether to go on."""
        landed: list[tuple[Due, Exchange]] = []
        for future in done:
            due = beat.air.pop(future)
            try:
                exchange = future.result()
            except RegistryUnavailable:
                beat.away += 1
                beat.tried += 1
            except RegistryRefused as error:
                beat.tried += 1
                beat.barred.setdefault(due.library, ("refused", str(error)))
                log.warning("night.barred", library=due.library, reason="refused")
            except Interrupted:
                beat.report.interrupted = True
            else:
                beat.away = 0
                beat.report.calls += exchange.calls
                landed.append((due, exchange))
        self._settle(beat, landed)

    def _settle(self, beat: _Beat, landed: Sequence[tuple[Due, Exchange]]) -> None:
        if not landed:
            return
        items = [Item(due.library, due.number, exchange.answer, exchange.outcome) for due, exchange in landed]
        for item, verdict in zip(items, self.settlement.settle(items, beat.judge), strict=True):
            beat.tried += 1
            if verdict is None:
                continue
            beat.report.count(item.answer, verdict)
            beat.mismatches += isinstance(verdict, Hold) and verdict.reason is Reason.MISMATCH

    def _close(self, beat: _Beat, libraries: Sequence[str]) -> None:
        report = beat.report
        if beat.barred and report.stopped is None:
            library, (reason, hint) = next(iter(beat.barred.items()))
            report.stopped = (reason, f"{library}: {hint}")
        report.finished = self.clock()
        report.seconds = (report.finished - report.started).total_seconds()
        try:
            report.open = self.runs.left(report.run)
            if report.stopped is None and not report.interrupted:
                self.runs.end(report.run, at=report.finished)
            body: dict[str, JSON] = {"asked": report.asked, "open": report.open}
            if report.stopped is not None:
                body["stopped"] = report.stopped[0]
            self.ledger.append([Draft(name, Kind.RUN_CLOSE, "", run=report.run, body=body) for name in libraries])
            report.log = {head.library: (head.size, head.root) for head in self.ledger.heads()}
        except StoreError as error:
            report.stopped = report.stopped or ("evidence", str(error))
        log.info("night.close", run=report.run, count=report.asked, seconds=report.seconds)


def _library(step: tuple[Due, Member]) -> str:
    return step[0].library


def _check(beat: _Beat) -> None:
    """Stop the run when it must.

    Raises:
        Stopped: mix-up, mass change, or the register away.
    """
    if beat.mismatches >= beat.limits.mismatches:
        raise Stopped(
            "The register answered about somebody else than was asked about",
            reason="mix_up",
            kept="Those answers were dropped, the members are on hold and nothing of them was changed",
            todo="Call the MAGDA service desk and the data-protection officer before the next run",
        )
    if beat.mass_change:
        raise Stopped(
            "Far more addresses changed than people move",
            reason="mass_change",
            kept="The last changes were not applied: they are on hold",
            todo="Look at them with `rrsync holds list`; if they are right, raise [night] max_change_share and run again",
        )
    if beat.away >= beat.limits.unavailable:
        raise Stopped(
            "The register did not answer many times in a row",
            reason="breaker",
            todo="Run `rrsync night` again when the register is back: it goes on where it stopped",
        )
