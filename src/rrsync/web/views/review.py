"""What the data-protection officer goes over: what stood out on a day, and the month's sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rrsync.web.views.frame import BLANK, Filled

if TYPE_CHECKING:
    from datetime import date

    from rrsync.web.views.log import Decided, LookLine


@dataclass(frozen=True, slots=True)
class Overdue:
    """A month, as ``2026-10``, whose sample has waited too long: ``left`` of ``of`` are still to be decided."""

    library: str
    month: str
    left: int
    of: int


@dataclass(frozen=True, slots=True)
class DayPart:
    """One library's day: how many looks by how many people, and what somebody should look into."""

    library: str
    title: str
    looks: int
    people: int
    flagged: tuple[LookLine, ...] = ()
    refused: tuple[LookLine, ...] = ()
    mixups: tuple[LookLine, ...] = ()


@dataclass(frozen=True, slots=True)
class DayPage:
    """What stood out on a day in Belgium; ``before`` and ``after`` are the days beside it that can be shown."""

    name: ClassVar[str] = "day"

    day: date
    parts: tuple[DayPart, ...]
    overdue: tuple[Overdue, ...] = ()
    before: date | None = None
    after: date | None = None


@dataclass(frozen=True, slots=True)
class MonthLine:
    """A month, as ``2026-10``: how many were drawn from how many looks, and how many of them are to be decided."""

    month: str
    looks: int
    of: int
    left: int
    is_late: bool


@dataclass(frozen=True, slots=True)
class MonthsPart:
    """One library's months, the newest first; of those before the last year, the ones that are not decided."""

    library: str
    title: str
    months: tuple[MonthLine, ...]


@dataclass(frozen=True, slots=True)
class SamplesPage:
    """The samples of all months that have ended, and what is left to decide."""

    name: ClassVar[str] = "samples"

    parts: tuple[MonthsPart, ...]


@dataclass(frozen=True, slots=True)
class PickLine:
    """One access of a sample, how it was drawn, what was decided of it, and whether this visitor may decide."""

    look: LookLine
    by_risk: bool
    decisions: tuple[Decided, ...] = ()
    can_decide: bool = True


@dataclass(frozen=True, slots=True)
class SamplePage:
    """A month's sample, to be decided and signed off.

    ``month``, ``before`` and ``after`` are written as ``2026-10``. ``seed`` is in hex, made of the log's first
    ``size`` entries. ``barred`` is a key of the page's words when this visitor may not sign (``in_it``). Fields: for
    each entry ``finding-SEQ``, which is ``justified``, ``unjustified``, ``unclear`` or empty.
    """

    name: ClassVar[str] = "sample"

    library: str
    title: str
    month: str
    picks: tuple[PickLine, ...]
    looks: int
    left: int
    seed: str
    size: int
    before: str | None = None
    after: str | None = None
    barred: str = ""
    overdue: tuple[Overdue, ...] = ()
    filled: Filled = BLANK
