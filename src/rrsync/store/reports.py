"""Reports about what is in the database: operating figures, counts of accesses, and the history of runs.

1. The operating figures count holds, subscriptions and recent queries. They name nobody.
2. Accesses are counted by hour, person and purpose, in the database. A process counts each entry once: a later call
   counts only the new entries.
3. The history of a run is in the access log: the entries that opened and closed it, in the log of each of its
   libraries. A run that was opened and not closed is running if a process holds the lease; otherwise it was killed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from threading import Lock
from typing import Final, NamedTuple

from sqlalchemy import BindParameter, ColumnElement, bindparam, exists, func, or_, text
from sqlalchemy.exc import DataError
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from rrsync.core.exchange import Reason
from rrsync.core.log_entry import LOOKS, Kind
from rrsync.errors import BrokenChain, StoreError
from rrsync.store.engine import Database
from rrsync.store.holds import OpenHold
from rrsync.store.log_search import CLOCK_SETBACK, HAS_REFERENCE, IS_EVENT, first_entry_at, read_entry
from rrsync.store.runs import ProgressCounter, RunProgress
from rrsync.store.subscriptions import SubscriptionState
from rrsync.store.tables import EntryRow, HoldRow, LogRow, MemberRow, RunRow, SubscriptionRow, table


@dataclass(frozen=True, slots=True)
class SubscriptionCounts:
    """The numbers of subscriptions of a library, by state.

    ``refused`` are those that the register would not end; ``missing`` counts members who should have one and do not.
    """

    library: str
    open: int
    ending: int
    refused: int
    missing: int


class OperatingCounts:
    """Counts holds, subscriptions and queries in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def holds(self, libraries: Sequence[str]) -> int:
        """Return how many holds of these libraries are open."""
        wanted = select(func.count()).where(col(HoldRow.library).in_(libraries), col(HoldRow.closed_at).is_(None))
        with self._database.read() as session:
            return session.exec(wanted).one()

    def subscribed(self, libraries: Sequence[str], *, today: date) -> list[SubscriptionCounts]:
        """Return the numbers of subscriptions of these libraries, in their order."""
        with self._database.read() as session:
            return [_subscribed(session, library, today) for library in libraries]

    def questions(self, libraries: Sequence[str], *, since: datetime) -> int:
        """Return how many queries of these libraries the access log has since a time."""
        with self._database.read() as session:
            return sum(_questions(session, library, since) for library in libraries)


def _subscribed(session: Session, library: str, today: date) -> SubscriptionCounts:
    states = select(SubscriptionRow.state, func.count()).where(SubscriptionRow.library == library)
    counts = dict(session.exec(states.group_by(col(SubscriptionRow.state))).all())
    is_open = exists().where(
        col(SubscriptionRow.library) == library,
        col(SubscriptionRow.insz_key) == col(MemberRow.insz_key),
        col(SubscriptionRow.state) == SubscriptionState.OPEN.value,
    )
    missing = select(func.count()).where(
        MemberRow.library == library,
        col(MemberRow.insz_key).is_not(None),
        or_(
            col(MemberRow.membership_end).is_(None),
            col(MemberRow.membership_end) >= today,
            col(MemberRow.open_items) > 0,
        ),
        ~is_open,
    )
    return SubscriptionCounts(
        library,
        open=counts.get(SubscriptionState.OPEN.value, 0),
        ending=counts.get(SubscriptionState.ENDING.value, 0),
        refused=counts.get(SubscriptionState.REFUSED.value, 0),
        missing=session.exec(missing).one(),
    )


def _questions(session: Session, library: str, since: datetime) -> int:
    size = session.exec(select(LogRow.size).where(LogRow.library == library)).one_or_none() or 0
    first = first_entry_at(session, library, size, since)
    wanted = select(func.count()).where(
        EntryRow.library == library, EntryRow.seq >= first, EntryRow.kind == Kind.INTENT.value
    )
    return session.exec(wanted).one()


#: How far before the requested time the counts are cached; an earlier time is counted anew.
_CACHED: Final = timedelta(days=100)


class AccessGroup(NamedTuple):
    """Accesses of the hour that begins at ``hour`` (aware UTC), for a purpose; ``person`` is ``""`` for a process."""

    hour: datetime
    person: str
    purpose: str


@dataclass(slots=True)
class _Counted:
    """The cached counts of one log, complete from ``since`` on, of its entries before ``end``."""

    since: datetime
    end: int
    sums: Counter[AccessGroup] = field(default_factory=Counter)


class AccessCounts:
    """Counts the accesses in the logs of one database; thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = Lock()
        self._counted: dict[str, _Counted] = {}

    def since(self, library: str, moment: datetime) -> Counter[AccessGroup]:
        """Return how many accesses there were from the start of an hour on, retries and denials included.

        Raises:
            StoreError: the database cannot be read.
            BrokenChain: an entry cannot be read.
        """
        with self._lock:
            size, first = self._ends(library, moment)
            counted = self._counted.get(library)
            if counted is None or moment < counted.since or size < counted.end:  # shorter: a backup was restored
                counted = _Counted(moment, first)
            sums = counted.sums + self._count(library, counted.end, size)
            since = max(counted.since, moment - _CACHED)
            kept = Counter({group: count for group, count in sums.items() if group.hour >= since})
            self._counted[library] = _Counted(since, size, kept)
        return Counter({group: count for group, count in kept.items() if group.hour >= moment})

    def _ends(self, library: str, moment: datetime) -> tuple[int, int]:
        """Return a log's size, and a position before which no entry is as new as the time."""
        with self._database.read() as session:
            size = session.exec(select(LogRow.size).where(LogRow.library == library)).one_or_none() or 0
            return size, first_entry_at(session, library, size, moment - CLOCK_SETBACK)

    def _count(self, library: str, first: int, end: int) -> Counter[AccessGroup]:
        statement = _ON_SQLITE if self._database.is_sqlite else _ON_POSTGRESQL
        span = {"library": library, "first": first, "end": end}
        try:
            with self._database.read() as session:
                rows = [tuple(row) for row in session.execute(statement, span)]
        except StoreError as error:
            if isinstance(error.__cause__, DataError):
                raise _uncountable(library) from error
            raise
        return Counter({_group(library, *row[:4]): int(row[4]) for row in rows})


def _group(library: str, hour: object, is_entry: object, person: object, purpose: object) -> AccessGroup:
    try:
        at = datetime.strptime(str(hour), "%Y-%m-%d %H").replace(tzinfo=UTC)
    except ValueError as error:
        raise _uncountable(library) from error
    if not is_entry:
        raise _uncountable(library)
    return AccessGroup(at, str(person or ""), str(purpose or ""))


def _uncountable(library: str) -> BrokenChain:
    return BrokenChain(
        f"The access log of {library} cannot be counted: what stands there is no entry",
        kept="Nothing was changed",
        todo="Run `rrsync log verify`: it names the entry and the cause",
    )


_KINDS: Final[BindParameter[list[str]]] = bindparam("kinds", sorted(kind.value for kind in LOOKS), expanding=True)
# SQLite refuses the whole statement for one entry that is not JSON, hence the CASE.
_ON_SQLITE: Final = text(
    "SELECT hour, line IS NOT NULL, "
    "CASE WHEN json_extract(line, '$.actor.t') = 'person' THEN json_extract(line, '$.actor.id') END, "
    "json_extract(line, '$.why.code'), count(*) FROM ("
    "SELECT substr(at, 1, 13) AS hour, "
    "CASE WHEN json_valid(CAST(data AS TEXT)) THEN CAST(data AS TEXT) END AS line FROM entry "
    "WHERE library = :library AND seq >= :first AND seq < :end AND kind IN :kinds) "
    "GROUP BY 1, 2, 3, 4"
).bindparams(_KINDS)
_ON_POSTGRESQL: Final = text(
    "SELECT hour, true, CASE WHEN line #>> '{actor,t}' = 'person' THEN line #>> '{actor,id}' END, "
    "line #>> '{why,code}', count(*) FROM ("
    "SELECT to_char(at, 'YYYY-MM-DD HH24') AS hour, convert_from(data, 'UTF8')::jsonb AS line FROM entry "
    "WHERE library = :library AND seq >= :first AND seq < :end AND kind IN :kinds) AS o "
    "GROUP BY 1, 2, 3, 4"
).bindparams(_KINDS)
_PAGE: Final = 500
_OPENINGS: Final = 4  # of one run, at most, among the newest; a run opened more often is found by its name only


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run; ``closed_at`` is when it last stopped, ``stopped`` the code of the cause, ``""`` for none.

    ``is_begun`` says that it was opened and not closed since; ``is_last`` that also no run was opened after it.
    ``mass_change`` says that its changes are held. A run with ``ended_at`` is finished.
    """

    id: str
    opened_at: datetime
    ended_at: datetime | None
    closed_at: datetime | None
    stopped: str
    is_begun: bool
    is_last: bool
    mass_change: bool


@dataclass(frozen=True, slots=True)
class _RunEvent:
    """An entry that opens or closes a run in one library's log."""

    run: str
    seq: int
    at: datetime
    stopped: str = ""


@dataclass(frozen=True, slots=True)
class _LastEvents:
    """The last opening of a run in one log, and its last closing if it has one."""

    opened: _RunEvent
    closed: _RunEvent | None

    @property
    def is_begun(self) -> bool:
        return self.closed is None or self.closed.seq < self.opened.seq

    @property
    def order(self) -> tuple[datetime, bool]:
        at = self.opened.at if self.is_begun or self.closed is None else self.closed.at
        return at, self.is_begun


class RunHistory:
    """The runs of one database; ``libraries`` are all that it serves."""

    def __init__(self, database: Database, clock: Callable[[], datetime], libraries: Sequence[str]) -> None:
        self._database = database
        self._tallies = ProgressCounter(database, clock)
        self._libraries = libraries

    def runs(self, libraries: Sequence[str], *, most: int) -> list[RunRecord]:
        """Return the runs of these libraries, the newest first."""
        with self._database.read() as session:
            found: dict[str, list[_LastEvents]] = {}
            for library in libraries:
                opened = _newest(_run_events(session, library, Kind.RUN_OPEN, most=_OPENINGS * most))
                closed = _newest(_run_events(session, library, Kind.RUN_CLOSE, most=_OPENINGS * most))
                for run, event in islice(opened.items(), most):
                    found.setdefault(run, []).append(_LastEvents(event, closed.get(run)))
            wanted = select(RunRow).where(col(RunRow.id).in_(list(found))).order_by(col(RunRow.opened_at).desc())
            last = self._last(session)
            return [_ran(row, found[row.id], last) for row in session.exec(wanted.limit(most))]

    def find(self, run: str, libraries: Sequence[str]) -> RunRecord | None:
        """Return one run of these libraries; ``None`` if it has none of them."""
        with self._database.read() as session:
            row = session.get(RunRow, run)
            found = [] if row is None else [one for each in libraries if (one := _last_events(session, each, run))]
            if row is None or not found:
                return None
            is_begun = any(one.is_begun for one in found)
            return _ran(row, found, self._last(session) if is_begun else "")

    def progress(self, ran: RunRecord, libraries: Collection[str]) -> RunProgress:
        """Return the progress of a run, for these libraries."""
        return self._tallies.of(ran.id, libraries, is_over=ran.ended_at is not None)

    def held(self, run: str, libraries: Sequence[str]) -> Iterator[int]:
        """Yield the open holds on mass changes of a run, as a stream, without those queried again since."""
        for library in libraries:
            after = 0
            while True:
                with self._database.read() as session:
                    page = session.exec(_unbelieved(run, library).where(col(HoldRow.id) > after).limit(_PAGE)).all()
                yield from (number for number in page if number)
                if len(page) < _PAGE:
                    break
                after = page[-1] or 0

    def count_held(self, run: str, libraries: Sequence[str]) -> int:
        """Return how many holds ``held`` would yield, counted in the database: the page of a run polls it."""
        with self._database.read() as session:
            return sum(session.exec(select(func.count()).where(*_is_unbelieved(run, each))).one() for each in libraries)

    def is_held(self, run: str, hold: OpenHold) -> bool:
        """Return whether a hold is still, as it was read, on a mass change of a run."""
        wanted = _unbelieved(run, hold.library).where(HoldRow.id == hold.id, HoldRow.reference == hold.reference)
        with self._database.read() as session:
            return session.exec(wanted).first() is not None

    def _last(self, session: Session) -> str:
        """Return the newest run of all libraries: the one that a running process works on."""
        opened = [event for each in self._libraries for event in _run_events(session, each, Kind.RUN_OPEN, most=1)]
        return max(opened, key=lambda event: (event.at, event.seq)).run if opened else ""


def _ran(row: RunRow, found: list[_LastEvents], last: str) -> RunRecord:
    """Return a run from the logs of its libraries; the newest event counts."""
    newest = max(found, key=lambda one: one.order)
    return RunRecord(
        id=row.id,
        opened_at=row.opened_at,
        ended_at=row.ended_at,
        closed_at=newest.closed.at if newest.closed else None,
        stopped=newest.closed.stopped if newest.closed and not newest.is_begun else "",
        is_begun=newest.is_begun,
        is_last=newest.is_begun and row.id == last,
        mass_change=row.mass_change,
    )


def _last_events(session: Session, library: str, run: str) -> _LastEvents | None:
    """Return the last events of a run in a library's log."""
    opened = next(_run_events(session, library, Kind.RUN_OPEN, most=1, run=run), None)
    if opened is None:
        return None
    after = next(_run_events(session, library, Kind.RUN_CLOSE, most=1, run=run, after=opened.seq), None)
    return _LastEvents(opened, after or next(_run_events(session, library, Kind.RUN_CLOSE, most=1, run=run), None))


def _newest(events: Iterator[_RunEvent]) -> dict[str, _RunEvent]:
    """Return the newest event of each run, of events sorted the newest first."""
    found: dict[str, _RunEvent] = {}
    for event in events:
        found.setdefault(event.run, event)
    return found


def _run_events(
    session: Session, library: str, kind: Kind, *, most: int, run: str = "", after: int = -1
) -> Iterator[_RunEvent]:
    """Yield the newest events of a kind, the newest first; only those of ``run`` if given."""
    where = {"of": library, "that": kind.value, "after": after, "run": run, "most": most}
    for name, seq, at, data in session.execute(_OF_RUN if run else _NEWEST, where):
        stopped = str(read_entry(library, seq, data).get("stopped", "")) if kind is Kind.RUN_CLOSE else ""
        yield _RunEvent(name, seq, at, stopped)


def _unbelieved(run: str, library: str) -> SelectOfScalar[int] | SelectOfScalar[None]:
    return select(HoldRow.id).where(*_is_unbelieved(run, library)).order_by(col(HoldRow.id))


def _is_unbelieved(run: str, library: str) -> tuple[ColumnElement[bool], ...]:
    return (
        col(HoldRow.library) == library,
        col(HoldRow.closed_at).is_(None),
        col(HoldRow.reason) == Reason.MASS_CHANGE.value,
        col(EntryRow.library) == HoldRow.library,
        col(EntryRow.reference) == HoldRow.reference,
        HAS_REFERENCE,
        col(EntryRow.kind) == Kind.OUTCOME.value,
        col(EntryRow.run) == run,
    )


# Built once: building a statement costs more than running it, and the page of a run polls.
_ENTRY: Final = table(EntryRow)
_NEWEST: Final = (
    select(_ENTRY.c.run, _ENTRY.c.seq, _ENTRY.c.at, _ENTRY.c.data)
    .where(_ENTRY.c.library == bindparam("of"), _ENTRY.c.kind == bindparam("that"), IS_EVENT)
    .where(_ENTRY.c.seq > bindparam("after"))
    .order_by(_ENTRY.c.seq.desc())
    .limit(bindparam("most"))
)
_OF_RUN: Final = _NEWEST.where(_ENTRY.c.run == bindparam("run"))
