"""How a run is going: what is in the air, what was counted, and what must stop it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import structlog

from rrsync.core.compare import Verdict, compare
from rrsync.core.exchange import Answer
from rrsync.core.member import Member
from rrsync.core.plan import Due
from rrsync.core.report import Report
from rrsync.core.surge import Surge
from rrsync.errors import NotAuthorised, RegistryRefused, Stopped
from rrsync.registry.gate import Exchange

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
    """

    begin: Callable[[Sequence[str]], None]
    beat: Callable[[Sequence[str]], None]
    close: Callable[[Sequence[str]], object]


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
    barred: dict[str, tuple[str, str]] = field(default_factory=dict)
    tried: int = 0
    away: int = 0
    mismatches: int = 0
    mass_change: bool = False

    def bar(self, library: str, error: RegistryRefused | NotAuthorised) -> None:
        """Ask nothing more for a library; what it was stopped for first is what is reported."""
        reason = "refused" if isinstance(error, RegistryRefused) else "not_authorised"
        if library not in self.barred:
            log.warning("night.barred", library=library, reason=reason)
        self.barred.setdefault(library, (reason, str(error)))

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
            Stopped: mix-up, mass change, or the register away.
        """
        if self.mismatches >= self.limits.mismatches:
            raise Stopped(
                "The register answered about somebody else than was asked about",
                reason="mix_up",
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
        if self.away >= self.limits.unavailable:
            raise Stopped(
                "The register gave no answer that can be used, many times in a row",
                reason="breaker",
                todo="Look into it with `rrsync holds list`; then run the night again: it goes on where it stopped",
            )
