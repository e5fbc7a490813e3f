"""The runs as they are looked back on: when they were worked on, what came of them, why they stopped.

What a night did last stands in the access log: the entries with which it opened and closed the run, in the log of each
of its libraries. A run that was opened and not closed is going on, if a night holds the lease; else it was killed.

How many looks there were, hour by hour, by whom and for what; counted in the database, which gives the sums alone.

The log only grows, so that every entry is counted once in a process: whoever asks again waits for the new ones alone.

Numbers for who keeps rrsync running: holds, subscriptions, questions of late. Nobody is named in any of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from threading import Lock
from typing import Final, NamedTuple

from sqlalchemy import BindParameter, ColumnElement, bindparam, exists, func, literal_column, or_, text
from sqlalchemy import select as sql
from sqlalchemy.exc import DataError
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from rrsync.core.exchange import Reason
from rrsync.core.log_entry import LOOKS, Kind, decode
from rrsync.errors import BrokenChain, StoreError
from rrsync.store.engine import Database
from rrsync.store.holds import OpenHold
from rrsync.store.log_search import not_before
from rrsync.store.runs import Progress, Tallies
from rrsync.store.subscriptions import State
from rrsync.store.tables import EntryRow, HoldRow, LogRow, MemberRow, RunRow, SubscriptionRow, table


@dataclass(frozen=True, slots=True)
class Subscribed:
    """How a library's subscriptions stand.

    ``refused`` are those that the register would not end; ``missing`` are members whom there is a ground to follow, and
    who are not subscribed to.
    """

    library: str
    open: int
    ending: int
    refused: int
    missing: int


class Census:
    """Counts what is in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def holds(self, libraries: Sequence[str]) -> int:
        """Return how many holds of these libraries await a person."""
        wanted = select(func.count()).where(col(HoldRow.library).in_(libraries), col(HoldRow.closed_at).is_(None))
        with self._database.read() as session:
            return session.exec(wanted).one()

    def subscribed(self, libraries: Sequence[str], *, today: date) -> list[Subscribed]:
        """Return how the subscriptions of these libraries stand, in their order."""
        with self._database.read() as session:
            return [_subscribed(session, library, today) for library in libraries]

    def questions(self, libraries: Sequence[str], *, since: datetime) -> int:
        """Return how many questions of these libraries stand in the access log since a moment."""
        with self._database.read() as session:
            return sum(_questions(session, library, since) for library in libraries)


def _subscribed(session: Session, library: str, today: date) -> Subscribed:
    states = select(SubscriptionRow.state, func.count()).where(SubscriptionRow.library == library)
    counts = dict(session.exec(states.group_by(col(SubscriptionRow.state))).all())
    is_open = exists().where(
        col(SubscriptionRow.library) == library,
        col(SubscriptionRow.insz_key) == col(MemberRow.insz_key),
        col(SubscriptionRow.state) == State.OPEN.value,
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
    return Subscribed(
        library,
        open=counts.get(State.OPEN.value, 0),
        ending=counts.get(State.ENDING.value, 0),
        refused=counts.get(State.REFUSED.value, 0),
        missing=session.exec(missing).one(),
    )


def _questions(session: Session, library: str, since: datetime) -> int:
    """Count from the first entry that is not older: entries stand in the order of their time, so it is soon found."""
    low, high = 0, session.exec(select(LogRow.size).where(LogRow.library == library)).one_or_none() or 0
    while low < high:
        middle = (low + high) // 2
        at = session.exec(select(EntryRow.at).where(EntryRow.library == library, EntryRow.seq == middle)).one_or_none()
        if at is None:
            raise BrokenChain(
                f"Entry {middle} of the access log of {library} is not there",
                todo="Run `rrsync log verify`: it names the cause",
            )
        low, high = (middle + 1, high) if at < since else (low, middle)
    wanted = select(func.count()).where(
        EntryRow.library == library, EntryRow.seq >= low, EntryRow.kind == Kind.INTENT.value
    )
    return session.exec(wanted).one()


#: How much longer ago than what was asked for something is kept: who asks for more has it counted anew.
_KEPT: Final = timedelta(days=100)


class Group(NamedTuple):
    """Looks of one hour, which begins at ``hour`` (aware UTC): by a person, or a process when that is empty."""

    hour: datetime
    person: str
    purpose: str


@dataclass(slots=True)
class _Counted:
    """What was counted of one log: whole from a moment on, of its entries before ``end``."""

    since: datetime
    end: int
    sums: Counter[Group] = field(default_factory=Counter)


class Tally:
    """Counts the looks in the logs of one database; one object serves all threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._turn = Lock()
        self._counted: dict[str, _Counted] = {}

    def since(self, library: str, moment: datetime) -> Counter[Group]:
        """Return how many looks there were from a moment on, the start of an hour; tries and denials are looks too.

        Raises:
            StoreError: the database cannot be read.
            BrokenChain: what stands there is no entry.
        """
        with self._turn:
            size, first = self._ends(library, moment)
            counted = self._counted.get(library)
            if counted is None or moment < counted.since or size < counted.end:  # the last: a backup was put back
                counted = _Counted(moment, first)
            sums = counted.sums + self._count(library, counted.end, size)
            since = max(counted.since, moment - _KEPT)
            kept = Counter({group: count for group, count in sums.items() if group.hour >= since})
            self._counted[library] = _Counted(since, size, kept)
        return Counter({group: count for group, count in kept.items() if group.hour >= moment})

    def _ends(self, library: str, moment: datetime) -> tuple[int, int]:
        """Return a log's size, and a place before which no entry is of a moment or after it."""
        with self._database.read() as session:
            size = session.exec(select(LogRow.size).where(LogRow.library == library)).one_or_none() or 0
            return size, not_before(session, library, size, moment)

    def _count(self, library: str, first: int, end: int) -> Counter[Group]:
        statement = _ON_SQLITE if self._database.is_sqlite else _ON_POSTGRESQL
        place = {"library": library, "first": first, "end": end}
        try:
            with self._database.read() as session:
                rows = [tuple(row) for row in session.execute(statement, place)]
        except StoreError as error:
            if isinstance(error.__cause__, DataError):
                raise _unreadable(library) from error
            raise
        return Counter({_group(library, *row[:4]): int(row[4]) for row in rows})


def _group(library: str, hour: object, is_entry: object, person: object, purpose: object) -> Group:
    try:
        at = datetime.strptime(str(hour), "%Y-%m-%d %H").replace(tzinfo=UTC)
    except ValueError as error:
        raise _unreadable(library) from error
    if not is_entry:
        raise _unreadable(library)
    return Group(at, str(person or ""), str(purpose or ""))


def _unreadable(library: str) -> BrokenChain:
    return BrokenChain(
        f"The access log of {library} cannot be counted: what stands there is no entry",
        kept="Nothing was changed",
        todo="Run `rrsync log verify`: it names the entry and the cause",
    )


_KINDS: Final[BindParameter[list[str]]] = bindparam("kinds", sorted(kind.value for kind in LOOKS), expanding=True)
# It goes by place, so by the log's own key; SQLite would else refuse the whole for one entry that is no JSON.
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
_TIMES: Final = 4  # that a run is opened, mostly: whoever stops oftener than that is found by its name alone

# Written out and not as a value, so that the database sees that the index over only these serves.
_IS_DEED: Final[ColumnElement[bool]] = literal_column("kind NOT IN ('access.intent', 'access.outcome')")
_HAS_REFERENCE: Final[ColumnElement[bool]] = literal_column("entry.reference <> ''")


@dataclass(frozen=True, slots=True)
class Ran:
    """One run; ``closed_at`` is when it was last left off, ``stopped`` the one word of why, ``""`` for no reason.

    ``is_begun`` says that a night opened it and did not close it; ``is_last``, of one begun, that no night opened
    another since.
    ``mass_change`` that no change is believed in it. It is over, once ``ended_at``, for good.
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
class _Deed:
    """An entry that opens or closes a run in one library's log."""

    run: str
    seq: int
    at: datetime
    stopped: str = ""


@dataclass(frozen=True, slots=True)
class _Last:
    """What one log says of a run: its last opening, and its last closing if it had one."""

    opened: _Deed
    closed: _Deed | None

    @property
    def is_begun(self) -> bool:
        return self.closed is None or self.closed.seq < self.opened.seq

    @property
    def order(self) -> tuple[datetime, bool]:
        at = self.opened.at if self.is_begun or self.closed is None else self.closed.at
        return at, self.is_begun


class Journal:
    """The runs of one database, and of all the ``libraries`` that it serves."""

    def __init__(self, database: Database, clock: Callable[[], datetime], libraries: Sequence[str]) -> None:
        self._database = database
        self._tallies = Tallies(database, clock)
        self._libraries = libraries

    def runs(self, libraries: Sequence[str], *, most: int) -> list[Ran]:
        """Return the runs in which these libraries were, the newest first."""
        with self._database.read() as session:
            found: dict[str, list[_Last]] = {}
            for library in libraries:
                opened = _newest(_deeds(session, library, Kind.RUN_OPEN, most=_TIMES * most))
                closed = _newest(_deeds(session, library, Kind.RUN_CLOSE, most=_TIMES * most))
                for run, deed in islice(opened.items(), most):
                    found.setdefault(run, []).append(_Last(deed, closed.get(run)))
            wanted = select(RunRow).where(col(RunRow.id).in_(list(found))).order_by(col(RunRow.opened_at).desc())
            last = self._last(session)
            return [_ran(row, found[row.id], last) for row in session.exec(wanted.limit(most))]

    def find(self, run: str, libraries: Sequence[str]) -> Ran | None:
        """Return one run in which one of these libraries was; any other there is not."""
        with self._database.read() as session:
            row = session.get(RunRow, run)
            found = [] if row is None else [one for each in libraries if (one := _of(session, each, run))]
            if row is None or not found:
                return None
            is_begun = any(one.is_begun for one in found)
            return _ran(row, found, self._last(session) if is_begun else "")

    def progress(self, ran: Ran, libraries: Collection[str]) -> Progress:
        """Return what came of a run so far, for these libraries."""
        return self._tallies.of(ran.id, libraries, is_over=ran.ended_at is not None)

    def held(self, run: str, libraries: Sequence[str]) -> Iterator[int]:
        """Yield the open holds on changes that were not believed in a run, as a stream; one asked again is not its."""
        for library in libraries:
            after = 0
            while True:
                with self._database.read() as session:
                    page = session.exec(_held(run, library).where(col(HoldRow.id) > after).limit(_PAGE)).all()
                yield from (number for number in page if number)
                if len(page) < _PAGE:
                    break
                after = page[-1] or 0

    def count_held(self, run: str, libraries: Sequence[str]) -> int:
        """Give how many ``held`` would give, counted in the database: a page that follows a release asks each time."""
        with self._database.read() as session:
            return sum(session.exec(select(func.count()).where(*_not_believed(run, each))).one() for each in libraries)

    def is_held(self, run: str, hold: OpenHold) -> bool:
        """Whether a hold is, as it was read, on a change that was not believed in a run."""
        wanted = _held(run, hold.library).where(HoldRow.id == hold.id, HoldRow.reference == hold.reference)
        with self._database.read() as session:
            return session.exec(wanted).first() is not None

    def _last(self, session: Session) -> str:
        """Return the run that was opened last of all, whoever's it is: a night that is running works on it."""
        opened = [deed for each in self._libraries for deed in _deeds(session, each, Kind.RUN_OPEN, most=1)]
        return max(opened, key=lambda deed: (deed.at, deed.seq)).run if opened else ""


def _ran(row: RunRow, found: list[_Last], last: str) -> Ran:
    """Return a run by what the logs of its libraries say of it; what was done last counts."""
    newest = max(found, key=lambda one: one.order)
    return Ran(
        id=row.id,
        opened_at=row.opened_at,
        ended_at=row.ended_at,
        closed_at=newest.closed.at if newest.closed else None,
        stopped=newest.closed.stopped if newest.closed and not newest.is_begun else "",
        is_begun=newest.is_begun,
        is_last=newest.is_begun and row.id == last,
        mass_change=row.mass_change,
    )


def _of(session: Session, library: str, run: str) -> _Last | None:
    """Return what a library's log says of one run."""
    opened = next(_deeds(session, library, Kind.RUN_OPEN, most=1, run=run), None)
    if opened is None:
        return None
    after = next(_deeds(session, library, Kind.RUN_CLOSE, most=1, run=run, after=opened.seq), None)
    return _Last(opened, after or next(_deeds(session, library, Kind.RUN_CLOSE, most=1, run=run), None))


def _newest(deeds: Iterator[_Deed]) -> dict[str, _Deed]:
    """Return the newest deed of each run, of deeds that come the newest first."""
    found: dict[str, _Deed] = {}
    for deed in deeds:
        found.setdefault(deed.run, deed)
    return found


def _deeds(session: Session, library: str, kind: Kind, *, most: int, run: str = "", after: int = -1) -> Iterator[_Deed]:
    """Yield the newest entries of a kind, the newest first; of one run alone if it is named."""
    where = {"of": library, "that": kind.value, "after": after, "run": run, "most": most}
    for name, seq, at, data in session.execute(_OF_RUN if run else _NEWEST, where):
        yield _Deed(name, seq, at, _stopped(library, seq, data) if kind is Kind.RUN_CLOSE else "")


def _stopped(library: str, seq: int, data: bytes) -> str:
    try:
        return str(decode(data).get("stopped", ""))
    except ValueError as error:
        raise BrokenChain(
            f"Entry {seq} of the access log of {library} cannot be read",
            todo="Run `rrsync log verify`: it names the cause",
        ) from error


def _held(run: str, library: str) -> SelectOfScalar[int] | SelectOfScalar[None]:
    return select(HoldRow.id).where(*_not_believed(run, library)).order_by(col(HoldRow.id))


def _not_believed(run: str, library: str) -> tuple[ColumnElement[bool], ...]:
    return (
        col(HoldRow.library) == library,
        col(HoldRow.closed_at).is_(None),
        col(HoldRow.reason) == Reason.MASS_CHANGE.value,
        col(EntryRow.library) == HoldRow.library,
        col(EntryRow.reference) == HoldRow.reference,
        _HAS_REFERENCE,
        col(EntryRow.kind) == Kind.OUTCOME.value,
        col(EntryRow.run) == run,
    )


# Built once: to build a statement costs more than to have it answered, and who follows a night asks again and again.
_ENTRY: Final = table(EntryRow)
_NEWEST: Final = (
    sql(_ENTRY.c.run, _ENTRY.c.seq, _ENTRY.c.at, _ENTRY.c.data)
    .where(_ENTRY.c.library == bindparam("of"), _ENTRY.c.kind == bindparam("that"), _IS_DEED)
    .where(_ENTRY.c.seq > bindparam("after"))
    .order_by(_ENTRY.c.seq.desc())
    .limit(bindparam("most"))
)
_OF_RUN: Final = _NEWEST.where(_ENTRY.c.run == bindparam("run"))
