"""The runs of a database: who is due in each, what is done and what is still open, its brakes, and the lease.

1. One process at a time holds the lease and may run a night.
2. A run stays open until every step of it was tried. A night that finds an open run goes on with it, and adds the
   members who became due since.
3. The brakes of a run (``core.brakes``) are read, added to and written in one transaction, by every worker of the run.
4. Pages that follow a run read its progress every two seconds, and a run may have a hundred thousand steps. So the
   counts stay in memory, and only what was settled since is read: steps are tried in the order of their places, a step
   keeps its verdict, and the few that are still open below the last one tried are remembered by their place.
"""

from __future__ import annotations

import fcntl
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Event, Lock
from typing import Final

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    bindparam,
    case,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    union_all,
    update,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, col

from rrsync.core.brakes import Brakes, decode, encode, released
from rrsync.core.planning import Due, Plan, Why
from rrsync.errors import Busy, StoreError
from rrsync.store.engine import Database
from rrsync.store.tables import MemberRow, RunRow, StepRow, table

_LEASE: Final = 0x72727379_6E63  # "rrsync": the number of PostgreSQL's advisory lock
_HELD: Final = text(
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND classid::bigint = :high AND objid::bigint = :low"
).bindparams(high=_LEASE >> 32, low=_LEASE & 0xFFFFFFFF)
_TRIES: Final = 5
_BLINK_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class OpenedRun:
    """A run that may begin or go on: its name, whether it began before, how many steps are open, and its brakes."""

    id: str
    resumed: bool
    steps: int
    brakes: Brakes


@dataclass(frozen=True, slots=True)
class Forecast:
    """How many members of a library are due, for one reason."""

    library: str
    why: Why
    members: int


class Lease:
    """The right to run a night on this database; it ends with the process, however that ends."""

    def __init__(self, session: Session | None = None) -> None:
        self._session = session

    def check(self) -> None:
        """Check that this process still holds the lease.

        Raises:
            StoreError: the connection that held it was lost.
        """
        if self._session is not None:
            try:
                self._session.execute(text("SELECT 1"))
            except SQLAlchemyError as error:
                raise StoreError(
                    "The lease on the nightly run was lost with its database connection",
                    kept="What was done is kept, the rest stays open",
                    todo="Run `rrsync night` again: it goes on where this one stopped",
                ) from error


class Runs:
    """The runs of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def lease(self) -> Iterator[Lease]:
        """Hold the lease.

        Raises:
            Busy: another run holds it.
        """
        path = self._database.path
        with self._on_server() if path is None else _on_file(path.with_name(path.name + ".lease")) as lease:
            yield lease

    @contextmanager
    def _on_server(self) -> Iterator[Lease]:
        with self._database.read() as session:
            # The lock belongs to the connection. A read session keeps one, and no transaction stays open for hours.
            if not session.execute(select(func.pg_try_advisory_lock(_LEASE))).scalar_one():
                raise _busy()
            try:
                yield Lease(session)
            finally:
                with suppress(SQLAlchemyError):  # a lost connection has released it by itself
                    session.execute(select(func.pg_advisory_unlock(_LEASE)))

    def is_held(self) -> bool:
        """Whether a night is running on this database, in this process or another."""
        path = self._database.path
        if path is not None:
            return _is_held(path.with_name(path.name + ".lease"))
        with self._database.read() as session:
            return bool(session.execute(_HELD).scalar_one())

    def waiting(self, libraries: Sequence[str]) -> str | None:
        """Return the run that a night of these libraries would go on with."""
        with self._database.read() as session:
            return _open_run(session, libraries)

    def forecast(self, libraries: Sequence[str], plan: Plan) -> list[Forecast]:
        """Return how many members a night would ask about, by library and reason; steps left open are included."""
        with self._database.read() as session:
            run = _open_run(session, libraries)
            due = _due(libraries, plan, run).subquery()
            rows = session.execute(select(due.c.library, due.c.why, func.count()).group_by(due.c.library, due.c.why))
            counts = {(library, why): number for library, why, number in rows}
            wanted = select(col(StepRow.library), col(StepRow.why), func.count()).where(*_open_in(run, libraries))
            for library, why, number in session.execute(wanted.group_by(col(StepRow.library), col(StepRow.why))):
                counts[library, why] = counts.get((library, why), 0) + number
        return [Forecast(library, Why(why), number) for (library, why), number in sorted(counts.items())]

    def open(self, libraries: Sequence[str], plan: Plan, *, new_id: str, at: datetime) -> OpenedRun:
        """Take the open run over, or open a new one; add the members who are due and not yet in it."""
        with self._database.write() as session:
            begun = _open_run(session, libraries)
            run = begun or new_id
            if begun is None:
                session.execute(insert(RunRow).values(id=run, opened_at=at, mass_change=False))
            columns = ["run", "library", "number", "place", "why", "state", "verdict", "reason"]
            session.execute(insert(StepRow).from_select(columns, _due(libraries, plan, run)))
            steps = session.scalars(select(func.count()).select_from(StepRow).where(*_open_in(run, libraries))).one()
            return OpenedRun(run, begun is not None, steps, read_brakes(session, run))

    def steps(self, run: str, libraries: Sequence[str], *, after: int, most: int) -> list[tuple[int, Due]]:
        """Return open steps in their order, each with its place, from behind place ``after``."""
        wanted = select(StepRow).where(*_open_in(run, libraries), col(StepRow.place) > after)
        with self._database.read() as session:
            rows = session.scalars(wanted.order_by(col(StepRow.place)).limit(most)).all()
            return [(row.place, Due(row.library, row.number, Why(row.why))) for row in rows]

    def left(self, run: str, libraries: Sequence[str]) -> int:
        """Return how many steps of these libraries are open in a run."""
        with self._database.read() as session:
            return session.scalars(select(func.count()).select_from(StepRow).where(*_open_in(run, libraries))).one()

    def end(self, run: str, libraries: Sequence[str], *, at: datetime) -> None:
        """Close the steps of these libraries, every one of which was tried; the last of all closes the run.

        A member without a verdict is due again the next night. A run that has ended needs no brakes any more.
        """
        with self._database.write() as session:
            session.execute(update(StepRow).where(*_open_in(run, libraries)).values(state="left"))
            others = exists().where(*_open_in(run, None))
            session.execute(update(RunRow).where(col(RunRow.id) == run, ~others).values(ended_at=at, brakes=None))

    def add_brakes(self, run: str, news: Brakes) -> Brakes:
        """Add what a worker saw to the brakes of a run, and return the sum."""
        return self._change_brakes(run, lambda brakes: brakes + news)

    def release_brakes(self, run: str, reason: str | None) -> Brakes:
        """Note that a run was closed, with its reason to stop; return its brakes as they are now."""
        return self._change_brakes(run, lambda brakes: released(brakes, reason))

    def _change_brakes(self, run: str, change: Callable[[Brakes], Brakes]) -> Brakes:
        with self._database.write() as session:
            brakes = change(read_brakes(session, run))
            write_brakes(session, run, brakes)
        return brakes

    def exists(self, run: str) -> bool:
        """Whether there was a run of this name."""
        with self._database.read() as session:
            return session.get(RunRow, run) is not None


def read_brakes(session: Session, run: str) -> Brakes:
    """Return the brakes of a run; until the transaction ends, no other worker changes them."""
    wanted = select(col(RunRow.brakes), col(RunRow.mass_change)).where(col(RunRow.id) == run).with_for_update()
    brakes, mass_change = session.execute(wanted).one()
    if brakes is None:  # the run has just begun, or began in an older version
        return Brakes(mass_change=mass_change, is_reported=mass_change)
    return decode(brakes)


def write_brakes(session: Session, run: str, brakes: Brakes) -> None:
    """Write the brakes of a run."""
    values = {"brakes": encode(brakes), "mass_change": brakes.mass_change}
    session.execute(update(RunRow).where(col(RunRow.id) == run).values(values))


@contextmanager
def _on_file(path: Path) -> Iterator[Lease]:
    try:
        file = path.open("a")
    except OSError as error:
        raise _no_lease_file() from error
    with file:
        for left in reversed(range(_TRIES)):  # a process that looks whether it is held, holds it for a moment
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if not left:
                    raise _busy() from error
                Event().wait(_BLINK_S)
        yield Lease()


def _is_held(path: Path) -> bool:
    try:
        file = path.open("r")
    except FileNotFoundError:
        return False
    except OSError as error:
        raise _no_lease_file() from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def _open_run(session: Session, libraries: Sequence[str]) -> str | None:
    """Return the newest run in which a step of these libraries is open, or in which none is open at all.

    The latter was killed between its last step and its end: it is taken over to be ended.
    """
    is_open = col(StepRow.run) == col(RunRow.id), col(StepRow.state) == "open"
    ours, nobodys = exists().where(*is_open, col(StepRow.library).in_(libraries)), ~exists().where(*is_open)
    wanted = select(col(RunRow.id)).where(col(RunRow.ended_at).is_(None), or_(ours, nobodys))
    return session.scalars(wanted.order_by(col(RunRow.opened_at).desc()).limit(1)).first()


def _open_in(run: str | None, libraries: Sequence[str] | None) -> list[ColumnElement[bool]]:
    chosen = [col(StepRow.run) == (run or ""), col(StepRow.state) == "open"]
    return chosen if libraries is None else [*chosen, col(StepRow.library).in_(libraries)]


def _due(libraries: Sequence[str], plan: Plan, run: str | None) -> Select[str, str, str, int, str, str, str, str]:
    """Return the rules of ``core.planning`` as a query whose rows are steps."""
    order = col(MemberRow.refreshed_at).asc().nulls_first(), col(MemberRow.library), col(MemberRow.number)
    in_run = exists().where(
        col(StepRow.run) == (run or ""),
        col(StepRow.library) == col(MemberRow.library),
        col(StepRow.number) == col(MemberRow.number),
    )
    never = col(MemberRow.refreshed_at).is_(None)
    ground = or_(
        col(MemberRow.membership_end).is_(None),
        col(MemberRow.membership_end) >= plan.today,
        col(MemberRow.open_items) > 0,
    )
    due = [col(MemberRow.library).in_(libraries), col(MemberRow.insz).is_not(None), ground, ~in_run]
    if plan.before is not None:
        due.append(or_(never, col(MemberRow.refreshed_at) < plan.before))
    if plan.skip:
        settled = and_(col(MemberRow.hold_reason).is_not(None), col(MemberRow.hold_reason).in_(sorted(plan.skip)))
        due.append(or_(never, ~settled))
    last = (
        select(func.coalesce(func.max(col(StepRow.place)), 0)).where(col(StepRow.run) == (run or "")).scalar_subquery()
    )
    query = select(
        literal(run or "").label("run"),
        col(MemberRow.library),
        col(MemberRow.number),
        (last + func.row_number().over(order_by=order)).label("place"),
        case((never, Why.NEVER.value), else_=Why.STALE.value).label("why"),
        literal("open").label("state"),
        literal("").label("verdict"),
        literal("").label("reason"),
    ).where(*due)
    return query.order_by(*order).limit(plan.most)


def _no_lease_file() -> StoreError:
    return StoreError(
        "The lease file beside the database cannot be opened", todo="Check [store] url and the rights on its folder"
    )


def _busy() -> Busy:
    return Busy(
        "Another night is running on this database",
        kept="Nothing was started",
        todo="Wait until it has ended; a second one is never needed",
    )


_RUNS: Final = 400
_CHUNK: Final = 500
_WINDOW_S: Final = 60.0
_SETTLED: Final = ("done", "left")


@dataclass(frozen=True, slots=True)
class RunProgress:
    """The steps of a run, of some libraries; ``holds`` counts by reason.

    ``per_second`` is the rate of the last minute, 0 while there is none.
    """

    due: int
    same: int
    change: int
    holds: Counter[str]
    per_second: float = 0.0

    @property
    def asked(self) -> int:
        """The number of steps with a verdict."""
        return self.same + self.change + self.holds.total()

    @property
    def open(self) -> int:
        """The number of steps without one."""
        return self.due - self.asked


@dataclass(slots=True)
class _Kept:
    """The counts of one run: of the steps up to the place ``upto``, except those in ``open``.

    ``settled`` counts by library, verdict and reason; a step that was tried in vain has no verdict.
    """

    most: int = 0
    upto: int = 0
    due: Counter[str] = field(default_factory=Counter)
    settled: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    open: frozenset[int] = frozenset()
    seen: deque[tuple[datetime, Counter[str]]] = field(default_factory=deque)
    is_over: bool = False


class ProgressCounter:
    """Counts the progress of the runs of one database; the threads of a process share one."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._turn = Lock()

    def of(self, run: str, libraries: Collection[str], *, is_over: bool) -> RunProgress:
        """Return the progress of these libraries in a run; one that ``is_over`` is read only once more."""
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
    """Add what was opened and settled since."""
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
    """Return the open places up to the last, and the counts of what was settled above; both of one moment."""
    places: set[int] = set()
    settled: Counter[tuple[str, str, str]] = Counter()
    for at, library, verdict, reason, count in session.execute(_SINCE, where):
        if at:
            places.add(at)
        else:
            settled[library, verdict, reason] += count
    return frozenset(places), settled


def _at(session: Session, run: str, places: list[int]) -> Iterable[tuple[str, str, str]]:
    """Yield library, verdict and reason of the steps that were settled at these places."""
    for first in range(0, len(places), _CHUNK):
        wanted = select(*_KIND).where(
            *_RUN, _STEP.c.state.in_(_SETTLED), _STEP.c.place.in_(places[first : first + _CHUNK])
        )
        yield from ((row[0], row[1], row[2]) for row in session.execute(wanted, {"run": run}))


def _note(kept: _Kept, now: datetime) -> None:
    """Note how many steps were tried by now, and forget what is too old to say anything of the present rate."""
    settled: Counter[str] = Counter()
    for (library, _, _), count in kept.settled.items():
        settled[library] += count
    kept.seen.append((now, settled))
    while len(kept.seen) > 2 and (now - kept.seen[1][0]).total_seconds() >= _WINDOW_S:
        kept.seen.popleft()


def _progress(kept: _Kept, libraries: set[str]) -> RunProgress:
    verdicts: Counter[str] = Counter()
    holds: Counter[str] = Counter()
    for (library, verdict, reason), count in kept.settled.items():
        if library in libraries:
            verdicts[verdict] += count
            holds[reason] += count * (verdict == "hold")
    due = sum(count for library, count in kept.due.items() if library in libraries)
    return RunProgress(due, verdicts["same"], verdicts["change"], +holds, _rate(kept, libraries))


def _rate(kept: _Kept, libraries: set[str]) -> float:
    (since, before), (now, after) = kept.seen[0], kept.seen[-1]
    seconds = (now - since).total_seconds()
    tried = sum(after[library] - before[library] for library in libraries)
    return tried / seconds if seconds >= 1 else 0.0


# Built once: building a statement takes longer than running it.
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
