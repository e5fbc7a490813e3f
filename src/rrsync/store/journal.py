"""The runs as they are looked back on: when they were worked on, what came of them, why they stopped.

What a night did last stands in the access log: the entries with which it opened and closed the run, in the log of each
of its libraries. A run that was opened and not closed is going on, if a night holds the lease; else it was killed.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from sqlalchemy import ColumnElement, bindparam, func, literal_column
from sqlalchemy import select as sql
from sqlmodel import Session, col, select

from rrsync.core.entry import Kind, decode
from rrsync.core.exchange import Reason
from rrsync.errors import BrokenChain
from rrsync.store.progress import Progress, Tallies
from rrsync.store.tables import EntryRow, HoldRow, RunRow, table

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from datetime import datetime

    from sqlmodel.sql.expression import SelectOfScalar

    from rrsync.store.engine import Database
    from rrsync.store.holds import OpenHold

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
        """Give the runs in which these libraries were, the newest first."""
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
        """Give one run in which one of these libraries was; any other there is not."""
        with self._database.read() as session:
            row = session.get(RunRow, run)
            found = [] if row is None else [one for each in libraries if (one := _of(session, each, run))]
            if row is None or not found:
                return None
            is_begun = any(one.is_begun for one in found)
            return _ran(row, found, self._last(session) if is_begun else "")

    def progress(self, ran: Ran, libraries: Collection[str]) -> Progress:
        """Give what came of a run so far, for these libraries."""
        return self._tallies.of(ran.id, libraries, is_over=ran.ended_at is not None)

    def held(self, run: str, libraries: Sequence[str]) -> Iterator[int]:
        """Give the open holds on changes that were not believed in a run, as a stream; one asked again is not its."""
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
        """Give the run that was opened last of all, whoever's it is: a night that is running works on it."""
        opened = [deed for each in self._libraries for deed in _deeds(session, each, Kind.RUN_OPEN, most=1)]
        return max(opened, key=lambda deed: (deed.at, deed.seq)).run if opened else ""


def _ran(row: RunRow, found: list[_Last], last: str) -> Ran:
    """Give a run by what the logs of its libraries say of it; what was done last counts."""
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
    """Give what a library's log says of one run."""
    opened = next(_deeds(session, library, Kind.RUN_OPEN, most=1, run=run), None)
    if opened is None:
        return None
    after = next(_deeds(session, library, Kind.RUN_CLOSE, most=1, run=run, after=opened.seq), None)
    return _Last(opened, after or next(_deeds(session, library, Kind.RUN_CLOSE, most=1, run=run), None))


def _newest(deeds: Iterator[_Deed]) -> dict[str, _Deed]:
    """Give the newest deed of each run, of deeds that come the newest first."""
    found: dict[str, _Deed] = {}
    for deed in deeds:
        found.setdefault(deed.run, deed)
    return found


def _deeds(session: Session, library: str, kind: Kind, *, most: int, run: str = "", after: int = -1) -> Iterator[_Deed]:
    """Give the newest entries of a kind, the newest first; of one run alone if it is named."""
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
