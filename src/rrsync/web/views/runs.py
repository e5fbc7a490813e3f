"""What the operator sees: the morning at a glance, the runs, one run, and the way to the register.

No person is in any of it: members are counted here, never named.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

from rrsync.core.exchange import Reason

if TYPE_CHECKING:
    from datetime import date, datetime, timedelta

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
class Trouble:
    """Why what somebody began here came to nothing: an ``RrsyncError``'s own sentences, in English."""

    what: str
    kept: str
    todo: str


@dataclass(frozen=True, slots=True)
class RunPage:
    """One run, live or ended; it is also the fragment that a running one is renewed by.

    ``due`` counts steps in all; ``left_for`` is how long the open ones take at the present rate. ``holds`` are counts
    by reason. ``can_resume`` and ``can_release`` are whether one may go on with it now, or release the changes that
    were not believed: ``held_changes`` of them still are not. ``releasing`` says that they are being released.
    """

    name: ClassVar[str] = "run"

    run: RunLine
    due: int
    same: int
    per_second: float = 0.0
    left_for: timedelta | None = None
    holds: tuple[tuple[Reason, int], ...] = ()
    can_resume: bool = False
    can_release: bool = False
    held_changes: int = 0
    releasing: bool = False
    trouble: Trouble | None = None
    renewed: datetime | None = None

    @property
    def is_live(self) -> bool:
        """Whether there is something to follow."""
        return self.releasing or self.run.state == "running"

    @property
    def share(self) -> int:
        """How far what is going on is, in per cent; a run without steps is done."""
        if self.releasing:
            whole = dict(self.holds).get(Reason.MASS_CHANGE, self.held_changes)
            return 100 - 100 * self.held_changes // max(whole, self.held_changes, 1)
        return 100 * self.run.asked // self.due if self.due else 100


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
    """Calls: how many a second are allowed, how many at once, and how it goes with them.

    ``share`` is the part of the budget in use while MAGDA is too busy for all of it; of the ``last`` calls ``failed``
    did not come back. Nobody asks for so long (``rests``); ``last_hour`` counts questions in the access log.
    """

    per_second: float
    in_flight: int
    desk_reserve: int
    last_hour: int
    share: float = 1.0
    last: int = 0
    failed: int = 0
    rests: timedelta | None = None


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
    """A library's subscriptions, as counts.

    ``missing`` are members with a ground to follow them and without one; ``refused`` are those that the register would
    not end.
    """

    library: str
    open: int
    ending: int
    refused: int
    missing: int


@dataclass(frozen=True, slots=True)
class OperatorPage:
    """The morning at a glance: the last run, what awaits, and what ends soon.

    ``warnings`` are sentences with a tone, the worst first; without any, after a run, the page says that all is well.
    """

    name: ClassVar[str] = "operator"

    last: RunLine | None
    forecast: tuple[Forecast, ...]
    holds: int
    certificates: tuple[Certificate, ...] = ()
    warnings: tuple[tuple[Tone, str], ...] = ()


@dataclass(frozen=True, slots=True)
class RegisterPage:
    """The way to the register: where it is, the budget, certificates, authorisations, subscriptions.

    ``troubles`` are what is wrong with the certificates, in English; ``subscribes`` is whether the settings let rrsync
    make subscriptions.
    """

    name: ClassVar[str] = "register"

    host: str
    source: str
    budget: Budget
    certificates: tuple[Certificate, ...]
    authorisations: tuple[Authorised, ...]
    subscriptions: tuple[Subscribed, ...]
    troubles: tuple[str, ...] = ()
    subscribes: bool = True
