"""The nightly run: who is due, asked by many threads at once, settled in batches by one.

1. Take the lease, and see that the logs are what was signed of them and kept elsewhere; give every intent that a killed
   run left without outcome the outcome *indeterminate*.
2. Take the open run over or open a new one; add who is due.
3. In beats: record a batch of questions in one commit, send them from threads, settle what came back in one
   transaction; sign and anchor the logs when that is due.
4. While the register is away (``core.traffic``), wait, and let one question see whether it is back; ask once more, at
   the end, about those whom it was away for.
5. Stop a library when the register refuses it, and the run when nothing can be believed, asked or recorded.
6. End the subscriptions that are to be ended, and the run when every step was tried; report.

How a run is going: what is in the air, what was counted, and what must stop it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby, islice
from threading import Event
from typing import Final

import structlog

from rrsync.core.brakes import Surge
from rrsync.core.compare import Hold, Verdict, compare
from rrsync.core.exchange import Answer, Question, Reason, Refused
from rrsync.core.log_entry import JSON, Actor, ActorKind, Draft, Kind, Status
from rrsync.core.person import Member
from rrsync.core.planning import Due, Plan, seconds_left
from rrsync.core.report import MIX_UP, SIGNATURE, Report
from rrsync.errors import (
    AnchorError,
    Interrupted,
    NotAuthorised,
    RegistryRefused,
    RegistryUnavailable,
    RrsyncError,
    Stopped,
    StoreError,
)
from rrsync.registry.gate import Exchange, Gate, Recorded
from rrsync.registry.pace import Pace
from rrsync.store.access_log import Ledger
from rrsync.store.members import Members
from rrsync.store.runs import Lease, Runs
from rrsync.store.settlement import Item, Settlement
from rrsync.sync.subscriptions import quiet

#: So many replies with a bad signature, and the run stops.
FORGERIES: Final = 3
#: So long in all a run waits for a register that is away.
LONGEST_AWAY_S: Final = 1800.0

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
class Watch:
    """What keeps the access logs provable while a run writes them: before its opening, at every beat, at its end.

    Each raises ``LedgerError`` when nothing more may be asked: the log is not what was signed, or nobody keeps it.
    ``alarm`` tells the data-protection officer, by a word and the library's id, of replies that fool us: those that are
    about somebody else (``mix_up``) or whose signature is not right (``signature``).
    """

    begin: Callable[[Sequence[str]], None]
    beat: Callable[[Sequence[str]], None]
    close: Callable[[Sequence[str]], object]
    alarm: Callable[[str, str], None] = quiet


@dataclass(slots=True)
class Course:
    """A run under way: what is in the air, what was counted, and which libraries are stopped.

    ``was_distrusted`` says that the run stopped for a mass change before: then no change is believed until its end.
    """

    report: Report
    limits: Limits
    libraries: Sequence[str]
    was_distrusted: bool = False
    surges: dict[str, Surge] = field(default_factory=dict)
    air: dict[Future[Exchange], Due] = field(default_factory=dict)
    left: list[Due] = field(default_factory=list)
    barred: dict[str, tuple[str, str]] = field(default_factory=dict)
    mixed_up: Counter[str] = field(default_factory=Counter)
    forged: Counter[str] = field(default_factory=Counter)
    told: set[tuple[str, str]] = field(default_factory=set)
    tried: int = 0
    useless: int = 0
    rested_s: float = 0.0
    mass_change: bool = False

    def bar(self, library: str, error: RegistryRefused | NotAuthorised) -> None:
        """Ask nothing more for a library; what it was stopped for first is what is reported."""
        reason = "refused" if isinstance(error, RegistryRefused) else "not_authorised"
        if getattr(error, "status", None) is Status.SIG_BAD:  # who signs is not to be trusted, whomever we ask about
            reason = SIGNATURE
        if library not in self.barred:
            log.warning("night.barred", library=library, reason=reason)
        self.barred.setdefault(library, (reason, str(error)))

    def notice(self, item: Item, verdict: Verdict | None) -> None:
        """Mind an answer that cannot be used, or that would have fooled us."""
        self.useless = self.useless + 1 if isinstance(item.answer, Refused) else 0
        if status_of(item.outcome) == Status.SIG_BAD:
            self.forged[item.library] += 1
        elif isinstance(verdict, Hold) and verdict.reason is Reason.MISMATCH:
            self.mixed_up[item.library] += 1

    def alarms(self) -> Iterator[tuple[str, str]]:
        """Give what the data-protection officer must be told and was not: why, and of which library."""
        due = {(SIGNATURE, library) for library, (reason, _) in self.barred.items() if reason == SIGNATURE}
        due |= {(MIX_UP, library) for library in self.mixed_up}
        if self.forged.total() >= FORGERIES:
            due |= {(SIGNATURE, library) for library in self.forged}
        yield from sorted(due - self.told)
        self.told |= due

    def judge(self, member: Member, answer: Answer) -> Verdict:
        """Give the verdict on a member, with an eye on all the others."""
        verdict = compare(member, answer)
        if member.library not in self.surges:
            share, same_address = self.limits.change_share, self.limits.same_address
            self.surges[member.library] = Surge(share=share, same_address=same_address)
        self.mass_change = self.surges[member.library].trips(member, verdict) or self.mass_change
        is_distrusted = self.mass_change or self.was_distrusted
        return compare(member, answer, mass_change=True) if is_distrusted else verdict

    def check(self) -> None:
        """Stop the run when it must.

        Raises:
            Stopped: mix-up, bad signatures, mass change, or the register away.
        """
        if self.mixed_up.total() >= self.limits.mismatches:
            raise Stopped(
                "The register answered about somebody else than was asked about",
                reason=MIX_UP,
                kept="Those answers were dropped, the members are on hold and nothing of them was changed",
                todo="Call the MAGDA service desk and the data-protection officer before the next run",
            )
        if self.forged.total() >= FORGERIES:
            raise Stopped(
                "The register's replies were not signed as they must be, three times",
                reason=SIGNATURE,
                kept="Those answers were dropped, the members are on hold and nothing of them was changed",
                todo="Call the MAGDA service desk and the data-protection officer before the next run",
            )
        if self.mass_change and not self.was_distrusted:
            raise Stopped(
                "Far more addresses changed than people move",
                reason="mass_change",
                kept="The last changes were not applied: they are on hold, and so will the rest of this run's be",
                todo="Look at them with `rrsync holds list`; run the night again, and accept those that are right",
            )
        if self.rested_s >= LONGEST_AWAY_S:
            raise Stopped(
                "The register was away for half an hour in all",
                reason="breaker",
                todo="Run the night again when the register is back: it goes on where it stopped",
            )
        if self.useless >= self.limits.unavailable:
            raise Stopped(
                "The register gave no answer that can be used, many times in a row",
                reason="breaker",
                todo="Look into it with `rrsync holds list`; then run the night again: it goes on where it stopped",
            )


def status_of(outcome: Draft) -> object:
    """Give how a call ended, as its outcome says."""
    out = outcome.body.get("out")
    return out.get("status") if isinstance(out, dict) else None


def stop_of(error: StoreError) -> tuple[str, str]:
    """Give what a failing database, or a log that nobody keeps elsewhere, is to a run that had begun."""
    reason = "anchor" if isinstance(error, AnchorError) else "evidence"
    return reason, str(Stopped(error.what, reason=reason, todo=error.todo))


NIGHT: Final = Actor(ActorKind.PROCESS, "rrsync night")
PURPOSE: Final = "member-administration"
_DESK_TIME: Final = timedelta(minutes=15)
_PAGE: Final = 500
_GATHER_S: Final = 0.02
_LOOK_S: Final = 1.0
_PAUSE_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: members tried of those due, and the seconds left at the present rate."""

    tried: int
    due: int
    seconds_left: int


@dataclass(frozen=True, slots=True)
class Night:
    """Runs nights on one database; setting ``stop`` ends one cleanly, ``about`` opens a run in the access log.

    ``drain`` ends subscriptions of libraries that are to be ended, in a run; ``tidy`` what lapsed at their desks.
    """

    gate: Gate
    members: Members
    ledger: Ledger
    settlement: Settlement
    runs: Runs
    limits: Limits
    clock: Callable[[], datetime]
    new_reference: Callable[[], str]
    stop: Event
    pace: Pace
    watch: Watch
    drain: Callable[[Sequence[str], str], object]
    tidy: Callable[[Sequence[str]], object]
    about: dict[str, JSON]

    def run(self, libraries: Sequence[str], plan: Plan, *, progress: Callable[[Progress], None]) -> Report:
        """Ask about everybody who is due, and report.

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
            course = Course(report, self.limits, libraries, was_distrusted=opened.mass_change)
            try:
                self._work(course, islice(self._steps(course, libraries), plan.most), lease, progress)
                if course.left:  # the register was away for some: once more, now that all the others are done
                    again, course.left = course.left, []
                    self._work(course, self._members(course, again), lease, progress)
                report.interrupted = report.interrupted or opened.steps > (plan.most or opened.steps)
                self.drain([name for name in libraries if name not in course.barred], opened.id)
            except Stopped as stop:
                report.stopped = (stop.reason, str(stop))
            except StoreError as error:
                report.stopped = stop_of(error)
            self._close(course, libraries)
        return report

    def _recover(self) -> None:
        """Give what a dead process left without outcome the outcome *indeterminate*; the desk's only when long past."""
        long_past = self.clock() - _DESK_TIME
        lost = [one for one in self.ledger.pending() if one.run or one.at < long_past]
        body: dict[str, JSON] = {"out": {"status": Status.INDETERMINATE.value}}
        drafts = [Draft(one.library, Kind.OUTCOME, one.reference, one.subject, one.run, body) for one in lost]
        if drafts:
            self.ledger.append(drafts)
            log.warning("night.recovered", count=len(drafts))

    def _work(
        self, course: Course, steps: Iterator[tuple[Due, Member]], lease: Lease, progress: Callable[[Progress], None]
    ) -> None:
        with ThreadPoolExecutor(self.limits.in_flight, thread_name_prefix="ask") as pool:
            try:
                while self._launch(course, steps, pool) or course.air:
                    self._land(course, _landed(course)) if course.air else self._pause(course)
                    course.check()
                    lease.check()
                    self.watch.beat(course.libraries)
                    progress(self._progress(course))
            finally:
                self._bring_home(course)
                self.pace.leave()

    def _bring_home(self, course: Course) -> None:
        """After a stop: send nothing more, but settle what was sent; normally there is nothing left."""
        if course.air:
            self.stop.set()
            done, _ = wait(course.air)
            with suppress(StoreError):  # the first failure is the one to report
                self._land(course, done)

    def _pause(self, course: Course) -> None:
        """Wait a little for a register that is away."""
        seconds = min(self.pace.rest_s() or 0.0, _PAUSE_S)
        self.stop.wait(seconds)
        course.rested_s += seconds

    def _progress(self, course: Course) -> Progress:
        seconds = (self.clock() - course.report.started).total_seconds()
        rate = course.tried / seconds if seconds else 0.0
        return Progress(course.tried, course.report.due, seconds_left(course.report.due - course.tried, rate))

    def _steps(self, course: Course, libraries: Sequence[str]) -> Iterator[tuple[Due, Member]]:
        """Give the open steps in their order, each with its member, as a stream; those of a stopped library not."""
        after = 0
        while page := self.runs.steps(course.report.run, libraries, after=after, most=_PAGE):
            after = page[-1][0]
            yield from self._members(course, [due for _, due in page])

    def _members(self, course: Course, steps: Sequence[Due]) -> Iterator[tuple[Due, Member]]:
        for first in range(0, len(steps), _PAGE):
            page = steps[first : first + _PAGE]
            members = self.members.of([(due.library, due.number) for due in page])
            if damaged := len(page) - len(members):
                log.warning("night.damaged", run=course.report.run, count=damaged)
            for due in page:
                member = members.get((due.library, due.number))
                if member is not None and member.insz is not None and due.library not in course.barred:
                    yield due, member

    def _launch(self, course: Course, steps: Iterator[tuple[Due, Member]], pool: ThreadPoolExecutor) -> bool:
        """Record as many questions as there is room for, and send them; say whether there are any left to send."""
        if self.stop.is_set():
            course.report.interrupted = True
            return False
        room = 2 * self.limits.in_flight - len(course.air)
        if room < self.limits.in_flight:
            return False
        rest_s = self.pace.rest_s()
        if rest_s or (rest_s is not None and course.air):
            return course.tried + len(course.left) < course.report.due
        chosen = list(islice(steps, room if rest_s is None else 1))
        for library, group in groupby(sorted(chosen, key=_library), key=_library):
            batch = list(group)
            for (due, _), recorded in zip(batch, self._record(course, library, batch), strict=False):
                course.air[pool.submit(self.gate.send, recorded)] = due
        return bool(chosen)

    def _record(self, course: Course, library: str, batch: Sequence[tuple[Due, Member]]) -> list[Recorded]:
        questions = [
            Question(library, member.insz, NIGHT, PURPOSE, self.new_reference(), run=course.report.run)
            for _, member in batch
            if member.insz is not None
        ]
        if library in course.barred:
            return []
        try:
            return self.gate.record(questions)
        except NotAuthorised as error:
            course.bar(library, error)
            return []

    def _land(self, course: Course, done: set[Future[Exchange]]) -> None:
        """Settle what came back, in one transaction, and see whether to go on."""
        landed: list[tuple[Due, Exchange]] = []
        failures: list[Exception] = []
        for future in done:
            due = course.air.pop(future)
            try:
                exchange = future.result()
            except RegistryUnavailable:
                course.left.append(due)
            except (RegistryRefused, NotAuthorised) as error:
                course.tried += 1
                course.bar(due.library, error)
            except Interrupted:
                course.report.interrupted = True
            except Exception as error:  # noqa: BLE001 — what the others brought is settled first
                failures.append(error)
            else:
                course.report.calls += exchange.calls
                landed.append((due, exchange))
        self._settle(course, landed)
        self._alarm(course)
        if failures:
            raise failures[0]

    def _alarm(self, course: Course) -> None:
        """Have the data-protection officer told, now that the evidence is kept; who is not reached stops nothing."""
        for reason, library in course.alarms():
            with suppress(RrsyncError):
                self.watch.alarm(reason, library)

    def _settle(self, course: Course, landed: Sequence[tuple[Due, Exchange]]) -> None:
        if not landed:
            return
        items = [Item(due.library, due.number, it.answer, it.outcome, it.subscribed) for due, it in landed]
        for item, verdict in zip(items, self.settlement.settle(items, course.judge), strict=True):
            course.tried += 1
            course.notice(item, verdict)
            if verdict is not None:
                course.report.count(item.answer, verdict)

    def _close(self, course: Course, libraries: Sequence[str]) -> None:
        report = course.report
        is_over = report.stopped is None and not report.interrupted  # who was barred is due again the next night
        if course.barred and report.stopped is None:
            library, (reason, hint) = next(iter(course.barred.items()))
            report.stopped = (reason, f"{library}: {hint}")
        report.finished = self.clock()
        report.seconds = max(0.0, (report.finished - report.started).total_seconds())
        try:
            report.open = self.runs.left(report.run, libraries)
            if course.mass_change:
                self.runs.distrust(report.run)
            body: dict[str, JSON] = {"asked": report.asked, "open": report.open}
            if report.stopped is not None:
                body["stopped"] = report.stopped[0]
            self.ledger.append([Draft(name, Kind.RUN_CLOSE, "", run=report.run, body=body) for name in libraries])
            if is_over:
                self.runs.end(report.run, libraries, at=report.finished)
            self.watch.close(libraries)
            report.log = {head.library: (head.size, head.root) for head in self.ledger.heads()}
        except StoreError as error:
            report.stopped = report.stopped or stop_of(error)
        log.info("night.close", run=report.run, count=report.asked, seconds=report.seconds)


def _landed(course: Course) -> set[Future[Exchange]]:
    """Wait for an answer, but not for long, and a little longer for others, so that many share one transaction."""
    wait(course.air, timeout=_LOOK_S, return_when=FIRST_COMPLETED)
    done, _ = wait(course.air, timeout=_GATHER_S)
    return done


def _library(step: tuple[Due, Member]) -> str:
    return step[0].library
