"""What came of the steps of a run, counted while it goes on and long after.

A page that follows a night asks every two seconds, and a night may have a hundred thousand steps. So what was counted
is kept in memory, and only what was settled since is read: steps are tried in the order of their places, a step that
has its verdict keeps it, and the few that are still open below the last one tried are remembered by their place.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, func, literal, select, union_all
from sqlmodel import Session

from rrsync.store.tables import StepRow, table

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from datetime import datetime

    from rrsync.store.engine import Database

_RUNS: Final = 400
_CHUNK: Final = 500
_WINDOW_S: Final = 60.0
_SETTLED: Final = ("done", "left")


@dataclass(frozen=True, slots=True)
class Progress:
    """The steps of a run, of some libraries; ``holds`` are counts by reason, ``open`` are without a verdict.

    ``per_second`` is how many were tried a second of late, 0 while nobody knows.
    """

    due: int
    same: int
    change: int
    holds: Counter[str]
    per_second: float = 0.0

    @property
    def asked(self) -> int:
        """How many have a verdict."""
        return self.same + self.change + self.holds.total()

    @property
    def open(self) -> int:
        """How many have none."""
        return self.due - self.asked


@dataclass(slots=True)
class _Kept:
    """What was counted of one run: the steps up to the place ``upto``, but for those of ``open``.

    ``settled`` counts by library, verdict and reason; a step that was tried in vain has no verdict.
    """

    most: int = 0
    upto: int = 0
    due: Counter[str] = field(default_factory=Counter)
    settled: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    open: frozenset[int] = frozenset()
    seen: deque[tuple[datetime, Counter[str]]] = field(default_factory=deque)
    is_over: bool = False


class Tallies:
    """The counts of the runs of one database; one for a process, for all its threads."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._turn = Lock()

    def of(self, run: str, libraries: Collection[str], *, is_over: bool) -> Progress:
        """Count the steps of these libraries in a run; of one that ``is_over`` nothing changes any more."""
        with self._turn:
            kept = self._kept.pop(run, None) or _Kept()
            if not kept.is_over:
                with self._database.read() as session:
                    _count(session, run, kept)
                _note(kept, self._clock())
                kept.is_over = is_over
            self._kept[run] = kept  # counted whole, or not kept at all
            if len(self._kept) > _RUNS:
                self._kept.popitem(last=False)
            return _progress(kept, set(libraries))


def _count(session: Session, run: str, kept: _Kept) -> None:
    """Add what came since to what was counted."""
    opened, *settled = (place or 0 for place in session.execute(_ENDS, {"run": run}).one())
    last = max(settled)
    most = max(opened, last)
    if most > kept.most:
        for library, count in session.execute(_NEW, {"run": run, "above": kept.most, "upto": most}):
            kept.due[library] += count
        kept.most = most
    still, came = _since(session, {"run": run, "above": kept.upto, "upto": last})
    kept.settled.update(came)
    kept.settled.update(_at(session, run, sorted(kept.open - still)))
    kept.upto, kept.open = last, still


def _since(session: Session, where: dict[str, object]) -> tuple[frozenset[int], Counter[tuple[str, str, str]]]:
    """Give which places up to the last are open, and what was settled above: of one and the same moment."""
    places: set[int] = set()
    settled: Counter[tuple[str, str, str]] = Counter()
    for at, library, verdict, reason, count in session.execute(_SINCE, where):
        if at:
            places.add(at)
        else:
            settled[library, verdict, reason] += count
    return frozenset(places), settled


def _at(session: Session, run: str, places: list[int]) -> Iterable[tuple[str, str, str]]:
    """Give what came of the steps at these places."""
    for first in range(0, len(places), _CHUNK):
        wanted = select(*_KIND).where(
            *_RUN, _STEP.c.state.in_(_SETTLED), _STEP.c.place.in_(places[first : first + _CHUNK])
        )
        yield from ((row[0], row[1], row[2]) for row in session.execute(wanted, {"run": run}))


def _note(kept: _Kept, now: datetime) -> None:
    """Note how many were tried by now; what is long past says nothing of the present rate."""
    settled: Counter[str] = Counter()
    for (library, _, _), count in kept.settled.items():
        settled[library] += count
    kept.seen.append((now, settled))
    while len(kept.seen) > 2 and (now - kept.seen[1][0]).total_seconds() >= _WINDOW_S:
        kept.seen.popleft()


def _progress(kept: _Kept, libraries: set[str]) -> Progress:
    verdicts: Counter[str] = Counter()
    holds: Counter[str] = Counter()
    for (library, verdict, reason), count in kept.settled.items():
        if library in libraries:
            verdicts[verdict] += count
            holds[reason] += count * (verdict == "hold")
    due = sum(count for library, count in kept.due.items() if library in libraries)
    return Progress(due, verdicts["same"], verdicts["change"], +holds, _rate(kept, libraries))


def _rate(kept: _Kept, libraries: set[str]) -> float:
    (since, before), (now, after) = kept.seen[0], kept.seen[-1]
    seconds = (now - since).total_seconds()
    tried = sum(after[library] - before[library] for library in libraries)
    return tried / seconds if seconds >= 1 else 0.0


# Built once: to build a statement costs more than to have it answered.
_STEP: Final = table(StepRow)
_KIND: Final = (_STEP.c.library, _STEP.c.verdict, _STEP.c.reason)
_RUN: Final = (_STEP.c.run == bindparam("run"),)
_ABOVE: Final = (_STEP.c.place > bindparam("above"), _STEP.c.place <= bindparam("upto"))
_ENDS: Final = select(
    *(
        select(func.max(_STEP.c.place)).where(*_RUN, _STEP.c.state == state).scalar_subquery()
        for state in ("open", *_SETTLED)
    )
)
_NEW: Final = (
    select(_STEP.c.library, func.count())
    .where(*_RUN, _STEP.c.state.in_(["open", *_SETTLED]), *_ABOVE)
    .group_by(_STEP.c.library)
)
_SINCE: Final = union_all(
    select(_STEP.c.place, *(literal("") for _ in _KIND), literal(0)).where(*_RUN, _STEP.c.state == "open", _ABOVE[1]),
    select(literal(0), *_KIND, func.count()).where(*_RUN, _STEP.c.state.in_(_SETTLED), *_ABOVE).group_by(*_KIND),
)
