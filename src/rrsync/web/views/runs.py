"""What the operator sees: the morning at a glance, the runs, one run, and the way to the register.

No person is in any of it: members are counted here, never named.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

if TYPE_CHECKING:
    from datetime import date, datetime, timedelta

    from rrsync.core.exchange import Reason
    from rrsync.web.views.frame import Tone

State: TypeAlias = Literal["running", "done", "left", "stopped"]


@dataclass(frozen=True, slots=True)
class RunLine:
    """One run in the list: ``left`` is done with steps open, ``stopped`` is the reason's one word."""

    id: str
    started: datetime
    finished: datetime | None
    state: State
    asked: int
    change: int
    held: int
    open: int
    stopped: str = ""


@dataclass(frozen=True, slots=True)
class RunsPage:
    """The runs, the newest first."""

    name: ClassVar[str] = "runs"

    runs: tuple[RunLine, ...]


@dataclass(frozen=True, slots=True)
class RunPage:
    """One run, live or ended; it is also the fragment that a running one is renewed by.

    ``due`` counts steps in all; ``left_for`` is how long the open ones take at the present rate. ``holds`` are counts
    by reason. ``said`` is what a run that stopped said of it, in English. ``can_resume`` and ``can_release`` are
    whether this visitor may go on with it, or release the changes a mass change held back (``held_changes`` of them).
    """

    name: ClassVar[str] = "run"

    run: RunLine
    due: int
    same: int
    found: int
    unknown: int
    refused: int
    per_second: float = 0.0
    left_for: timedelta | None = None
    holds: tuple[tuple[Reason, int], ...] = ()
    withheld: tuple[tuple[str, int], ...] = ()
    said: str = ""
    can_resume: bool = False
    can_release: bool = False
    held_changes: int = 0
    renewed: datetime | None = None


@dataclass(frozen=True, slots=True)
class Forecast:
    """Who is due tonight by library and why, as counts, and how long it takes."""

    library: str
    never: int
    stale: int
    other: int
    takes: timedelta

    @property
    def due(self) -> int:
        """How many in all."""
        return self.never + self.stale + self.other


@dataclass(frozen=True, slots=True)
class Budget:
    """Calls: how many a second are allowed, how many at once, how many were made in the last hour and refused."""

    per_second: float
    in_flight: int
    desk_reserve: int
    last_hour: int
    throttled: int
    reached: float


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate: what for (a key of the page's words: ``client``, ``signing``, ``trust``), of whom, until when."""

    use: str
    subject: str
    ends: datetime
    days: int
    tone: Tone


@dataclass(frozen=True, slots=True)
class Authorised:
    """A library's authorisation and its days."""

    library: str
    decision: str
    purposes: tuple[str, ...]
    until: date
    tone: Tone


@dataclass(frozen=True, slots=True)
class Subscribed:
    """A library's subscriptions, as counts; ``missing`` are members with a number and without one."""

    library: str
    open: int
    ending: int
    missing: int
    collected: datetime | None


@dataclass(frozen=True, slots=True)
class OperatorPage:
    """The morning at a glance: the last run, what awaits, and what ends soon.

    ``warnings`` are sentences with a tone, the worst first; without any the page says that all is well.
    """

    name: ClassVar[str] = "operator"

    last: RunLine | None
    forecast: tuple[Forecast, ...]
    holds: int
    certificates: tuple[Certificate, ...] = ()
    warnings: tuple[tuple[Tone, str], ...] = ()


@dataclass(frozen=True, slots=True)
class RegisterPage:
    """The way to the register: where it is, the budget, certificates, authorisations, subscriptions."""

    name: ClassVar[str] = "register"

    host: str
    source: str
    budget: Budget
    certificates: tuple[Certificate, ...]
    authorisations: tuple[Authorised, ...]
    subscriptions: tuple[Subscribed, ...]
