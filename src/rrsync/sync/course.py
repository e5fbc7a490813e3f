"""How a run is going: what is in the air, what was counted, and what must stop it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final

import structlog

from rrsync.core.compare import Hold, Verdict, compare
from rrsync.core.entry import Draft, Status
from rrsync.core.exchange import Answer, Reason, Refused
from rrsync.core.member import Member
from rrsync.core.plan import Due
from rrsync.core.report import MIX_UP, SIGNATURE, Report
from rrsync.core.surge import Surge
from rrsync.errors import AnchorError, NotAuthorised, RegistryRefused, Stopped, StoreError
from rrsync.registry.gate import Exchange
from rrsync.store.settle import Item
from rrsync.sync.registrar import quiet

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
