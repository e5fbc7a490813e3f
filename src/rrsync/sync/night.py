"""The nightly run: asks the register about the members who are due, and settles the answers in batches.

1. Take the lease. Check the logs against their checkpoints and anchors. Write the outcome *indeterminate* for each
   intent that a killed run left without an outcome.
2. Take the open run over, or open a new one. Add the members who are due.
3. Repeat: record a batch of questions in one commit, send them from threads, settle what came back in one transaction;
   sign and anchor the logs when that is due.
4. While the register is away (``core.rate_limit``), wait, and let one question see whether it is back. At the end, ask
   again about the members it was away for.
5. End the subscriptions that are to be ended. End the run when every step was tried. Report.

``core.planning`` decides who is asked and how many at once; ``core.brakes`` decides whether the run, or a library in
it, goes on. The night obeys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from threading import Event
from typing import Final, assert_never

import structlog

from rrsync.core.brakes import (
    BarLibrary,
    Brakes,
    GoOn,
    HoldChanges,
    Limits,
    Stop,
    alarms,
    barred,
    decide,
    first_barred,
    store_failure,
)
from rrsync.core.exchange import Question
from rrsync.core.log_entry import JSON, Actor, ActorKind, Draft, Kind, Status
from rrsync.core.person import Member
from rrsync.core.planning import Due, Plan, is_lost, questions_to_send, seconds_left
from rrsync.core.report import Report
from rrsync.errors import (
    Interrupted,
    NotAuthorised,
    RegistryRefused,
    RegistryUnavailable,
    RrsyncError,
    Stopped,
    StoreError,
)
from rrsync.registry.gate import AnsweredQuestion, Gate, RecordedQuestion
from rrsync.registry.pace import RateLimiter
from rrsync.store.access_log import AccessLog
from rrsync.store.members import Members
from rrsync.store.runs import Lease, Runs
from rrsync.store.settlement import Settlement, SettlementItem
from rrsync.sync.subscriptions import no_alarm

NIGHT: Final = Actor(ActorKind.PROCESS, "rrsync night")
PURPOSE: Final = "member-administration"
_PAGE: Final = 500
_GATHER_S: Final = 0.02
_LOOK_S: Final = 1.0
_PAUSE_S: Final = 5.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class LogWatch:
    """Keeps the access logs provable, before a run opens, while it goes on, and at its end.

    Each of the three raises ``LedgerError`` when nothing more may be asked: the log is not the one that was signed, or
    no anchor takes its checkpoint. ``alarm`` tells the data-protection officer why (``core.brakes``), by library.
    """

    begin: Callable[[Sequence[str]], None]
    beat: Callable[[Sequence[str]], None]
    close: Callable[[Sequence[str]], object]
    alarm: Callable[[str, str], None] = no_alarm


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: members tried of those due, and the seconds left at the present rate."""

    tried: int
    due: int
    seconds_left: int


@dataclass(slots=True)
class RunState:
    """A run under way: its report, its brakes as last read, the questions in flight, and the steps to try once more."""

    report: Report
    libraries: Sequence[str]
    brakes: Brakes
    in_flight: dict[Future[AnsweredQuestion], Due] = field(default_factory=dict)
    put_off: list[Due] = field(default_factory=list)
    tried: int = 0


@dataclass(frozen=True, slots=True)
class Night:
    """Runs nights on one database, with at most ``at_once`` calls at the same time; ``stop`` ends a run cleanly.

    ``about`` is the body of the entry that opens a run. ``drain`` ends subscriptions, ``tidy`` what expired at desks.
    """

    gate: Gate
    members: Members
    ledger: AccessLog
    settlement: Settlement
    runs: Runs
    limits: Limits
    at_once: int
    clock: Callable[[], datetime]
    new_reference: Callable[[], str]
    stop: Event
    pace: RateLimiter
    watch: LogWatch
    drain: Callable[[Sequence[str], str], object]
    tidy: Callable[[Sequence[str]], object]
    about: dict[str, JSON]

    def run(self, libraries: Sequence[str], plan: Plan, *, progress: Callable[[Progress], None]) -> Report:
        """Ask about every member who is due, and report.

        Raises:
            Busy: another run holds the lease.
            StoreError: the run could not begin, or a log is not the one that was signed; nothing was asked.
        """
        with self.runs.lease() as lease:
            self.watch.begin(libraries)
            self._recover()
            self.tidy(libraries)
            opened = self.runs.open(libraries, plan, new_id=self.new_reference(), at=self.clock())
            report = Report(opened.id, self.clock(), due=opened.steps)
            self.ledger.append([Draft(name, Kind.RUN_OPEN, "", run=opened.id, body=self.about) for name in libraries])
            log.info("night.open", run=opened.id, count=opened.steps, resumed=opened.resumed)
            state = RunState(report, libraries, opened.brakes)
            try:
                self._alarm(state)  # a killed run may have seen something, and not told it
                self._work(state, islice(self._steps(state), plan.most), lease, progress)
                if state.put_off:
                    again, state.put_off = state.put_off, []
                    self._work(state, self._members(state, again), lease, progress)
                report.interrupted = report.interrupted or opened.steps > (plan.most or opened.steps)
                self.drain([name for name in libraries if self._is_allowed(state, name)], opened.id)
            except Stopped as stop:
                report.stop(stop)
            except StoreError as error:
                report.stop(store_failure(error).as_error())
            self._close(state)
        return report

    def _recover(self) -> None:
        """Write the outcome *indeterminate* for each intent that a dead process left without one."""
        now = self.clock()
        lost = [one for one in self.ledger.pending() if is_lost(run=one.run, at=one.at, now=now)]
        body: dict[str, JSON] = {"out": {"status": Status.INDETERMINATE.value}}
        drafts = [Draft(one.library, Kind.OUTCOME, one.reference, one.subject, one.run, body) for one in lost]
        if drafts:
            self.ledger.append(drafts)
            log.warning("night.recovered", count=len(drafts))

    def _work(
        self, state: RunState, steps: Iterator[tuple[Due, Member]], lease: Lease, progress: Callable[[Progress], None]
    ) -> None:
        with ThreadPoolExecutor(self.at_once, thread_name_prefix="ask") as pool:
            try:
                while self._launch(state, steps, pool) or state.in_flight:
                    self._land(state, _landed(state)) if state.in_flight else self._pause(state)
                    self._is_allowed(state)
                    lease.check()
                    self.watch.beat(state.libraries)
                    progress(self._progress(state))
            finally:
                self._bring_home(state)
                self.pace.leave()

    def _is_allowed(self, state: RunState, library: str = "") -> bool:
        """Whether the brakes let one library be asked for.

        Raises:
            Stopped: they stop the run.
        """
        match decide(state.brakes, self.limits, library):
            case GoOn() | HoldChanges():  # the settlement holds the changes
                return True
            case BarLibrary():
                return False
            case Stop() as stop:
                raise stop.as_error()
            case never:  # pragma: no cover
                assert_never(never)

    def _steps(self, state: RunState) -> Iterator[tuple[Due, Member]]:
        """Yield the open steps in their order, each with its member; those of a barred library not."""
        after = 0
        while page := self.runs.steps(state.report.run, state.libraries, after=after, most=_PAGE):
            after = page[-1][0]
            yield from self._members(state, [due for _, due in page])

    def _members(self, state: RunState, steps: Sequence[Due]) -> Iterator[tuple[Due, Member]]:
        for first in range(0, len(steps), _PAGE):
            page = steps[first : first + _PAGE]
            members = self.members.of([(due.library, due.number) for due in page])
            if len(members) < len(page):
                log.warning("night.damaged", run=state.report.run, count=len(page) - len(members))
            for due in page:
                member = members.get((due.library, due.number))
                if member is not None and member.insz is not None and self._is_allowed(state, due.library):
                    yield due, member

    def _launch(self, state: RunState, steps: Iterator[tuple[Due, Member]], pool: ThreadPoolExecutor) -> bool:
        """Record and send as many questions as may leave now; return whether any are left to send."""
        if self.stop.is_set():
            state.report.interrupted = True
            return False
        most = questions_to_send(at_once=self.at_once, in_flight=len(state.in_flight), rest_s=self.pace.rest_s())
        if not most:
            return state.tried + len(state.put_off) < state.report.due
        chosen = list(islice(steps, most))
        for library in sorted({due.library for due, _ in chosen}):
            batch = [step for step in chosen if step[0].library == library]
            for (due, _), recorded in zip(batch, self._record(state, library, batch), strict=False):
                state.in_flight[pool.submit(self.gate.send, recorded)] = due
        return bool(chosen)

    def _record(self, state: RunState, library: str, batch: Sequence[tuple[Due, Member]]) -> list[RecordedQuestion]:
        if not self._is_allowed(state, library):
            return []
        questions = [
            Question(library, member.insz, NIGHT, PURPOSE, self.new_reference(), run=state.report.run)
            for _, member in batch
            if member.insz is not None
        ]
        try:
            return self.gate.record(questions)
        except NotAuthorised as error:
            self._brake(state, self.runs.add_brakes(state.report.run, barred(library, error)))
            return []

    def _land(self, state: RunState, done: set[Future[AnsweredQuestion]]) -> None:
        """Settle what came back, in one transaction."""
        landed: list[tuple[Due, AnsweredQuestion]] = []
        failures: list[Exception] = []
        news = Brakes()
        for future in done:
            due = state.in_flight.pop(future)
            try:
                exchange = future.result()
            except RegistryUnavailable:
                state.put_off.append(due)
            except (RegistryRefused, NotAuthorised) as error:
                state.tried += 1
                news += barred(due.library, error)
            except Interrupted:
                state.report.interrupted = True
            except Exception as error:  # noqa: BLE001 — what the others brought is settled first
                failures.append(error)
            else:
                state.report.calls += exchange.calls
                landed.append((due, exchange))
        self._settle(state, landed, news)
        self._alarm(state)
        if failures:
            raise failures[0]

    def _settle(self, state: RunState, landed: Sequence[tuple[Due, AnsweredQuestion]], news: Brakes) -> None:
        if not landed and not news.barred:
            return
        items = [SettlementItem(due.library, due.number, it.answer, it.outcome, it.subscribed) for due, it in landed]
        verdicts, brakes = self.settlement.settle_run(state.report.run, items, self.limits, news)
        self._brake(state, brakes)
        for item, verdict in zip(items, verdicts, strict=True):
            state.tried += 1
            if verdict is not None:
                state.report.count(item.answer, verdict)

    def _brake(self, state: RunState, brakes: Brakes) -> None:
        """Take the brakes over that the run has by now."""
        for library in brakes.barred.keys() - state.brakes.barred.keys():
            log.warning("night.barred", library=library, reason=brakes.barred[library][0])
        state.brakes = brakes

    def _alarm(self, state: RunState) -> None:
        """Tell the officer, once the evidence is committed; a failed alarm does not stop the run."""
        news = alarms(state.brakes)
        for reason, library in sorted(news.told):
            with suppress(RrsyncError):
                self.watch.alarm(reason, library)
        if news.told:
            self._brake(state, self.runs.add_brakes(state.report.run, news))

    def _pause(self, state: RunState) -> None:
        """Wait a little for a register that is away."""
        seconds = min(self.pace.rest_s() or 0.0, _PAUSE_S)
        self.stop.wait(seconds)
        if seconds:
            self._brake(state, self.runs.add_brakes(state.report.run, Brakes(away_s=seconds)))

    def _progress(self, state: RunState) -> Progress:
        seconds = (self.clock() - state.report.started).total_seconds()
        rate = state.tried / seconds if seconds else 0.0
        return Progress(state.tried, state.report.due, seconds_left(state.report.due - state.tried, rate))

    def _bring_home(self, state: RunState) -> None:
        """Send nothing more, and settle what was sent; unless the run stops, nothing is in flight."""
        if state.in_flight:
            self.stop.set()
            done, _ = wait(state.in_flight)
            with suppress(StoreError):  # the first failure is the one to report
                self._land(state, done)

    def _close(self, state: RunState) -> None:
        report, libraries = state.report, state.libraries
        is_over = report.stopped is None and not report.interrupted  # a barred library's members are due again
        if report.stopped is None and (bar := first_barred(state.brakes)):
            report.stopped = (bar.reason, f"{bar.library}: {bar.hint}")
        report.finished = self.clock()
        report.seconds = max(0.0, (report.finished - report.started).total_seconds())
        try:
            report.open = self.runs.left(report.run, libraries)
            reason = report.stopped[0] if report.stopped else None
            body: dict[str, JSON] = {"asked": report.asked, "open": report.open}
            body |= {"stopped": reason} if reason else {}
            self.ledger.append([Draft(name, Kind.RUN_CLOSE, "", run=report.run, body=body) for name in libraries])
            self.runs.release_brakes(report.run, reason)
            if is_over:
                self.runs.end(report.run, libraries, at=report.finished)
            self.watch.close(libraries)
            report.log = {head.library: (head.size, head.root) for head in self.ledger.heads()}
        except StoreError as error:
            report.stop(store_failure(error).as_error())
        log.info("night.close", run=report.run, count=report.asked, seconds=report.seconds)


def _landed(state: RunState) -> set[Future[AnsweredQuestion]]:
    """Wait for an answer, but not for long, and a little longer for others, so that many share one transaction."""
    wait(state.in_flight, timeout=_LOOK_S, return_when=FIRST_COMPLETED)
    done, _ = wait(state.in_flight, timeout=_GATHER_S)
    return done
