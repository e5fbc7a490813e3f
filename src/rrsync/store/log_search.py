"""Search of an access log: accesses, each joined with its outcome, and events, such as runs and settings.

1. Each page of entries is read in a transaction of its own; the log only grows. The bytes of an entry count, and its
   columns only narrow a search.
2. A search by person, staff or kind uses an index. A search by time, purpose or outcome alone reads the whole log: the
   clock may have been set back, and no entry may be missed.
3. A purpose or status is searched in the bytes (``core.log_entry.encode`` writes each value in one way), which may
   match in another field too; the caller filters the decoded entries.
4. A month of a log begins with the first entry of its time, and ends before the first of the next month: a span of
   positions, so an entry belongs to exactly one month whatever the clock did.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Final, TypeAlias

import orjson
from sqlalchemy import ColumnElement, and_, func, literal_column
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, or_, select

from rrsync.core.log_entry import (
    DENIED,
    JSON,
    LOOKS,
    OPEN,
    REUSED,
    Access,
    ActorKind,
    Kind,
    Status,
    access,
    actor_of,
    decode,
    moment,
)
from rrsync.errors import BrokenChain
from rrsync.store.encryption import names_people
from rrsync.store.engine import Database
from rrsync.store.tables import EntryRow, EvidenceRow, LogKeyRow, LogRow

# Literals, not bound values, so that the database can use the partial indexes.
HAS_REFERENCE: Final[ColumnElement[bool]] = literal_column("entry.reference <> ''")
HAS_ACTOR: Final[ColumnElement[bool]] = literal_column("actor <> ''")
IS_EVENT: Final[ColumnElement[bool]] = literal_column("kind NOT IN ('access.intent', 'access.outcome')")
_NO_REFERENCE: Final[ColumnElement[str]] = literal_column("''")
#: Accesses that end as soon as they are written.
_AT_ONCE: Final = {DENIED: Kind.DENIED, REUSED: Kind.REUSE}
_PAGE: Final = 1_000
_ACCESSES: Final = LOOKS | {Kind.OUTCOME}
#: How far a clock may have been set back without affecting the limits of a month.
CLOCK_SETBACK: Final = timedelta(days=7)
#: Sequence number and exact bytes of an entry.
_Entry: TypeAlias = tuple[int, bytes]


@dataclass(frozen=True, slots=True)
class AccessFilter:
    """A filter for the accesses of one library; empty and ``None`` fields do not filter.

    ``subjects`` are the pseudonyms of the person queried, over the years; ``actor`` is the name of the person who
    asked, and ``persons_only`` excludes processes. ``status`` is that of ``core.log_entry.Access``. ``since`` is the
    first time included and ``until`` the first excluded, both aware; ``last`` limits the number, to the newest.
    ``before`` excludes that entry and all after it; ``flagged`` includes only flagged accesses.
    """

    library: str
    subjects: tuple[bytes, ...] | None = None
    actor: str = ""
    purpose: str = ""
    status: str = ""
    since: datetime | None = None
    until: datetime | None = None
    last: int | None = None
    persons_only: bool = False
    before: int | None = None
    flagged: bool = False

    def covers(self, found: Access) -> bool:
        """Return whether an access passes the filter, by the content of its entries."""
        is_person = found.actor.kind is ActorKind.PERSON
        return (
            (not self.actor or (is_person and found.actor.name == self.actor))
            and (is_person or not self.is_of_persons)
            and (bool(found.flags) or not self.flagged)
            and self.purpose in {"", found.purpose}
            and self.status in {"", found.status}
        )

    @property
    def is_of_persons(self) -> bool:
        """Whether processes are excluded; they are never flagged."""
        return self.persons_only or self.flagged


class LogSearch:
    """Searches the access logs of one database.

    Raises:
        StoreError: from every search, if the database cannot be read.
        BrokenChain: from every search, if an entry cannot be read.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def accesses(self, wanted: AccessFilter) -> Iterator[Access]:
        """Yield the accesses that pass a filter, in the order of the log, as a stream."""
        if wanted.last is None:
            yield from self._accesses(wanted, newest_first=False)
        else:
            yield from reversed(list(islice(self._accesses(wanted, newest_first=True), wanted.last)))

    def deeds(
        self,
        library: str,
        kinds: Collection[Kind],
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        subjects: Sequence[bytes] | None = None,
    ) -> Iterator[tuple[int, dict[str, JSON]]]:
        """Yield sequence number and content of the events of these kinds, in their order, as a stream.

        Raises:
            ValueError: a kind is that of an access.
        """
        if not _ACCESSES.isdisjoint(kinds):
            raise ValueError("use `accesses` for accesses: it joins them with their outcomes")
        chosen = [*_conditions(library, kinds, since, until), IS_EVENT]
        if subjects is not None:
            chosen.append(col(EntryRow.subject).in_(subjects))
        with self._database.read() as session:
            positions = session.exec(select(EntryRow.seq).where(*chosen)).all()
        for page in self._at(library, sorted(positions)):
            yield from ((seq, read_entry(library, seq, data)) for seq, data in page)

    def last_deed(self, library: str, kind: Kind) -> tuple[int, dict[str, JSON]] | None:
        """Return sequence number and content of the last event of a kind."""
        wanted = select(EntryRow.seq, EntryRow.data).where(
            EntryRow.library == library, EntryRow.kind == kind.value, IS_EVENT
        )
        with self._database.read() as session:
            found = session.exec(wanted.order_by(col(EntryRow.seq).desc()).limit(1)).first()
        return None if found is None else (found[0], read_entry(library, *found))

    def has_messages(self, found: Access) -> bool:
        """Return whether the complete messages of an access are kept."""
        positions = [found.seq] if found.outcome_seq is None else [found.seq, found.outcome_seq]
        wanted = select(EvidenceRow.seq).where(
            EvidenceRow.library == found.library, col(EvidenceRow.seq).in_(positions)
        )
        with self._database.read() as session:
            return session.exec(wanted.limit(1)).first() is not None

    def find(self, library: str, seq: int) -> Access | None:
        """Return the access whose intent, denial or outcome stands at ``seq``; ``None`` if there is none."""
        entry = select(EntryRow.seq, EntryRow.data).where(EntryRow.library == library)
        its_own = entry.where(EntryRow.seq == seq, _is_kind(LOOKS))
        reference = select(EntryRow.reference).where(
            EntryRow.library == library, EntryRow.seq == seq, EntryRow.kind == Kind.OUTCOME.value
        )
        with self._database.read() as session:
            found = session.exec(its_own).all()
            if not found and (of := session.exec(reference).one_or_none()):
                intent = entry.where(EntryRow.reference == of, EntryRow.kind == Kind.INTENT.value, HAS_REFERENCE)
                found = session.exec(intent).all()
        return next(self._joined(library, found), None)

    def forgotten(self, library: str) -> list[int]:
        """Return the years of a log that name people whose key was destroyed."""
        with self._database.read() as session:
            kept = set(session.exec(select(LogKeyRow.year).where(LogKeyRow.library == library)).all())
            one = select(EntryRow.seq, EntryRow.data).where(EntryRow.library == library).limit(1)
            ends = [
                _year(library, *entry)
                for order in (col(EntryRow.seq), col(EntryRow.seq).desc())
                for entry in session.exec(one.order_by(order)).all()
            ]
            years = range(min(ends, default=1), max(ends, default=0) + 1)
            return [year for year in years if year not in kept and names_people(session, library, year)]

    def first(self, library: str, moment: datetime) -> int:
        """Return the position of the first entry at or after a time; the log's size if there is none."""
        with self._database.read() as session:
            size = session.exec(select(LogRow.size).where(LogRow.library == library)).one_or_none() or 0
            near = first_entry_at(session, library, size, moment - CLOCK_SETBACK)
            found = select(EntryRow.seq).where(
                EntryRow.library == library, EntryRow.seq >= near, EntryRow.at >= moment, EntryRow.seq < size
            )
            seq = session.exec(found.order_by(col(EntryRow.seq)).limit(1)).first()
        return size if seq is None else seq

    def flags(self, library: str, span: range) -> dict[int, tuple[str, ...]]:
        """Return the positions of the accesses by persons in a span, each with its flags."""
        found: dict[int, tuple[str, ...]] = {}
        with self._database.read() as session:
            position = col(EntryRow.seq) + 0  # an expression, so that the index on the actor is used: it finds few
            wanted = select(EntryRow.seq, EntryRow.data).where(
                EntryRow.library == library,
                _is_kind(LOOKS),
                _by_person(session, library),
                position >= span.start,
                position < span.stop,
            )
            for seq, data in session.exec(wanted).all():
                line = read_entry(library, seq, data)
                if actor_of(line).kind is ActorKind.PERSON:
                    flags = line.get("flags")
                    found[seq] = tuple(str(flag) for flag in flags) if isinstance(flags, list) else ()
        return dict(sorted(found.items()))

    def _accesses(self, wanted: AccessFilter, *, newest_first: bool) -> Iterator[Access]:
        chosen = _conditions(wanted.library, LOOKS, wanted.since, wanted.until)
        chosen += [] if wanted.before is None else [col(EntryRow.seq) < wanted.before]
        is_narrow = wanted.subjects is not None or wanted.is_of_persons or wanted.actor
        find = self._narrow if is_narrow else self._broad
        for page in find(wanted, chosen, newest_first=newest_first):
            yield from filter(wanted.covers, self._joined(wanted.library, page))

    def _broad(
        self, wanted: AccessFilter, chosen: list[ColumnElement[bool]], *, newest_first: bool
    ) -> Iterator[Sequence[_Entry]]:
        """Yield the accesses in pages, reading along the log."""
        seq = col(EntryRow.seq)
        sqlite = self._database.is_sqlite
        chosen += _byte_filters(wanted.library, purpose=wanted.purpose, status=wanted.status, is_sqlite=sqlite)
        pages = select(EntryRow.seq, EntryRow.data).order_by(seq.desc() if newest_first else seq).limit(_PAGE)
        beyond: list[ColumnElement[bool]] = []
        while True:
            with self._database.read() as session:
                page = session.exec(pages.where(*chosen, *beyond)).all()
            yield page
            if len(page) < _PAGE:
                return
            beyond = [seq < page[-1][0] if newest_first else seq > page[-1][0]]

    def _narrow(
        self, wanted: AccessFilter, chosen: list[ColumnElement[bool]], *, newest_first: bool
    ) -> Iterator[Sequence[_Entry]]:
        """Yield the accesses in pages, found by an index."""
        if wanted.subjects is not None:
            chosen.append(col(EntryRow.subject).in_(wanted.subjects))
        with self._database.read() as session:
            if wanted.actor or wanted.is_of_persons:
                chosen.append(_by_person(session, wanted.library, wanted.actor))
            positions = session.exec(select(EntryRow.seq).where(*chosen)).all()
        yield from self._at(wanted.library, sorted(positions, reverse=newest_first))

    def _at(self, library: str, positions: Sequence[int]) -> Iterator[Sequence[_Entry]]:
        """Yield the entries at these positions in pages, in the order of the positions."""
        for start in range(0, len(positions), _PAGE):
            chosen = positions[start : start + _PAGE]
            wanted = select(EntryRow.seq, EntryRow.data).where(
                EntryRow.library == library, col(EntryRow.seq).in_(chosen)
            )
            with self._database.read() as session:
                found = dict(session.exec(wanted).all())
            yield [(seq, found[seq]) for seq in chosen]

    def _joined(self, library: str, page: Sequence[_Entry]) -> Iterator[Access]:
        """Yield the accesses with their outcomes."""
        lines = [(seq, read_entry(library, seq, data)) for seq, data in page]
        wanted = select(EntryRow.seq, EntryRow.data).where(
            EntryRow.library == library,
            EntryRow.kind == Kind.OUTCOME.value,
            col(EntryRow.reference).in_([str(line.get("ref")) for _, line in lines]),
            HAS_REFERENCE,
        )
        with self._database.read() as session:
            ends = [(seq, read_entry(library, seq, data)) for seq, data in session.exec(wanted).all()]
        outcomes = {str(line.get("ref")): (seq, line) for seq, line in ends}
        for seq, line in lines:
            with _readable(library, seq):
                found = access(library, seq, line, outcomes.get(str(line.get("ref"))))
            yield found


def _conditions(
    library: str, kinds: Collection[Kind], since: datetime | None, until: datetime | None
) -> list[ColumnElement[bool]]:
    chosen: list[ColumnElement[bool]] = [col(EntryRow.library) == library, _is_kind(kinds)]
    chosen += [] if since is None else [col(EntryRow.at) >= since]
    chosen += [] if until is None else [col(EntryRow.at) < until]
    return chosen


def _is_kind(kinds: Collection[Kind]) -> ColumnElement[bool]:
    return col(EntryRow.kind).in_(sorted(kind.value for kind in kinds))


def _by_person(session: Session, library: str, actor: str = "") -> ColumnElement[bool]:
    """Return the condition that a person wrote an entry; entries before schema 0002 have no actor column."""
    name = col(EntryRow.actor)
    named = and_(HAS_ACTOR, name == actor if actor else name > "")  # SQLite uses its index for ">"
    first = select(EntryRow.mac).where(EntryRow.library == library, EntryRow.seq == 0)
    is_old = session.exec(first).one_or_none() is None
    return or_(named, col(EntryRow.mac).is_(None)) if is_old else named


def _byte_filters(library: str, *, purpose: str, status: str, is_sqlite: bool) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions for a purpose and for a status, as far as they are given."""
    if purpose:
        yield _contains("code", purpose, is_sqlite=is_sqlite)
    if status in _AT_ONCE:
        yield col(EntryRow.kind) == _AT_ONCE[status].value
    elif status == OPEN:
        end = aliased(EntryRow)
        its_end = select(end.seq).where(
            end.library == library,
            end.kind == Kind.OUTCOME.value,
            end.reference == EntryRow.reference,
            col(end.reference) != _NO_REFERENCE,
        )
        yield and_(col(EntryRow.kind) == Kind.INTENT.value, ~its_end.exists())
    elif status in set(Status):
        ended = select(EntryRow.reference).where(
            EntryRow.library == library,
            EntryRow.kind == Kind.OUTCOME.value,
            HAS_REFERENCE,
            _contains("status", status, is_sqlite=is_sqlite),
        )
        yield col(EntryRow.reference).in_(ended)


def _contains(name: str, text: str, *, is_sqlite: bool) -> ColumnElement[bool]:
    """Return the condition that the bytes of an entry contain a name with a text."""
    wanted = orjson.dumps({name: text})[1:-1]
    position = func.instr if is_sqlite else func.pg_catalog.position
    return position(EntryRow.data, wanted) > 0


def first_entry_at(session: Session, library: str, size: int, at: datetime) -> int:
    """Return the first position whose entry is not older than ``at``, by binary search.

    It is exact if the clock was never set back. ``CLOCK_SETBACK`` before ``at``, it still precedes all such entries.
    """
    low, high = 0, size
    while low < high:
        middle = (low + high) // 2
        with _readable(library, middle):  # SQLite accepts any text as a time
            found = session.exec(
                select(EntryRow.at).where(EntryRow.library == library, EntryRow.seq == middle)
            ).one_or_none()
        if found is None:
            raise _unreadable(library, middle)
        low, high = (middle + 1, high) if found < at else (low, middle)
    return low


def read_entry(library: str, seq: int, data: bytes) -> dict[str, JSON]:
    """Return the content of an entry.

    Raises:
        BrokenChain: the bytes are not an entry.
    """
    with _readable(library, seq):
        return decode(data)


def _year(library: str, seq: int, data: bytes) -> int:
    with _readable(library, seq):
        return moment(decode(data)).year


@contextmanager
def _readable(library: str, seq: int) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise _unreadable(library, seq) from error


def _unreadable(library: str, seq: int) -> BrokenChain:
    return BrokenChain(
        f"Entry {seq} of the access log of {library} cannot be read",
        todo="Run `rrsync log verify`: it names the cause",
    )
