"""The looks of persons in a stretch of a log, for the sample: places and flags, found by index.

A stretch goes by places and not by each entry's own time, so that an entry is in exactly one month whatever a clock
did: a month begins with the first entry of its time, and ends before the first of the next one's.

What the log and the tables say around a look at a person, found by index in a few milliseconds.

The log is read back to the beginning of the spans that ``core.anomaly`` counts in. Of one person's own looks no more
than the last two thousand entries are read: that is many by any limit.

Searches an access log: looks at people, each joined with its outcome, and what was done to the log itself.

A page of entries is held at a time, and each is read in a transaction of its own: the log only grows. A search by
person, by staff or by kind goes by an index, whatever the log's length; by time, purpose or outcome alone it reads the
log through, for a clock may have been set back, and nothing may be missed. What counts is what an entry's bytes say.

What the bytes of a look that is meant must hold, for the database to leave out most that are not meant.

An entry is written in one way only (``core.entry.encode``), so that one that says something holds just these bytes. It
may hold them in another place too: whoever asks looks at what is left.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final, TypeAlias

import orjson
from sqlalchemy import ColumnElement, and_, bindparam, func, literal_column
from sqlalchemy import select as sa_select
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, or_, select

from rrsync.core.anomaly import DAY, WEEK, Attempt, Tie, Traces
from rrsync.core.insz import Insz
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
from rrsync.errors import BrokenChain, LedgerError, StoreError
from rrsync.store.encryption import Seal, SubjectKeys
from rrsync.store.engine import Database
from rrsync.store.rows import Rows
from rrsync.store.staff import names_of
from rrsync.store.tables import EntryRow, EvidenceRow, HoldRow, LogKeyRow, LogRow, MemberRow, table

# Written out and not as a value, so that the database sees that the index over only these serves.
_HAS_REFERENCE: Final[ColumnElement[bool]] = literal_column("reference <> ''")
_NO_REFERENCE: Final[ColumnElement[str]] = literal_column("''")
#: Looks that end as soon as they are written.
_AT_ONCE: Final = {DENIED: Kind.DENIED, REUSED: Kind.REUSE}


def hints(library: str, *, purpose: str, status: str, is_sqlite: bool) -> Iterator[ColumnElement[bool]]:
    """Yield what must hold of the columns of looks for a purpose and with an end; of each only if it is said."""
    if purpose:
        yield _says("code", purpose, is_sqlite=is_sqlite)
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
            _HAS_REFERENCE,
            _says("status", status, is_sqlite=is_sqlite),
        )
        yield col(EntryRow.reference).in_(ended)


def _says(name: str, text: str, *, is_sqlite: bool) -> ColumnElement[bool]:
    """Whether an entry holds a name with a text, somewhere."""
    wanted = orjson.dumps({name: text})[1:-1]
    place = func.instr if is_sqlite else func.pg_catalog.position
    return place(EntryRow.data, wanted) > 0


_PAGE: Final = 1_000
_ACCESSES: Final = LOOKS | {Kind.OUTCOME}
_HAS_ACTOR: Final[ColumnElement[bool]] = literal_column("actor <> ''")
_IS_DEED: Final[ColumnElement[bool]] = literal_column("kind NOT IN ('access.intent', 'access.outcome')")

#: Sequence and exact bytes of an entry.
Place: TypeAlias = tuple[int, bytes]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which looks are meant, all of one library; what is empty or ``None`` is not asked for.

    ``subjects`` are pseudonyms of the person looked at, over the years; ``actor`` is the name of a person who looked,
    and ``persons_only`` leaves out what processes did. ``status`` is how it ended, as ``core.access`` names it.
    ``since`` is the first moment meant and ``until`` the first that is not, both aware; ``last`` is how many, the
    newest. ``before`` leaves out that entry and all after it; ``flagged`` means only what stands out.
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
        """Whether a look that was found is one that is meant, by what its entries say."""
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
        """Whether what processes did is left out; it never stands out."""
        return self.persons_only or self.flagged


class Search:
    """Searches the access logs of one database.

    Raises:
        StoreError: from every search, when the database cannot be read.
        BrokenChain: from every search, when what is found is no entry.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def accesses(self, wanted: Wanted) -> Iterator[Access]:
        """Yield the looks that are meant, in the order in which they were asked, as a stream."""
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
        """Yield sequence and content of the entries that are no access, of these kinds, in their order, as a stream.

        Raises:
            ValueError: a kind is that of an access.
        """
        if not _ACCESSES.isdisjoint(kinds):
            raise ValueError("accesses are joined with their outcome, and given by another search")
        chosen = [*_chosen(library, kinds, since, until), _IS_DEED]
        if subjects is not None:
            chosen.append(col(EntryRow.subject).in_(subjects))
        with self._database.read() as session:
            places = session.exec(select(EntryRow.seq).where(*chosen)).all()
        for page in self._at(library, sorted(places)):
            yield from ((seq, _read(library, seq, data)) for seq, data in page)

    def last_deed(self, library: str, kind: Kind) -> tuple[int, dict[str, JSON]] | None:
        """Return sequence and content of the last entry of a kind that is no access."""
        wanted = select(EntryRow.seq, EntryRow.data).where(
            EntryRow.library == library, EntryRow.kind == kind.value, _IS_DEED
        )
        with self._database.read() as session:
            found = session.exec(wanted.order_by(col(EntryRow.seq).desc()).limit(1)).first()
        return None if found is None else (found[0], _read(library, *found))

    def has_messages(self, found: Access) -> bool:
        """Whether the whole messages of a look are kept."""
        places = [found.seq] if found.outcome_seq is None else [found.seq, found.outcome_seq]
        wanted = select(EvidenceRow.seq).where(EvidenceRow.library == found.library, col(EvidenceRow.seq).in_(places))
        with self._database.read() as session:
            return session.exec(wanted.limit(1)).first() is not None

    def find(self, library: str, seq: int) -> Access | None:
        """Return the look whose intent, denial or outcome stands at ``seq``; ``None`` when no entry of one does."""
        place = select(EntryRow.seq, EntryRow.data).where(EntryRow.library == library)
        its_own = place.where(EntryRow.seq == seq, _is_of(LOOKS))
        reference = select(EntryRow.reference).where(
            EntryRow.library == library, EntryRow.seq == seq, EntryRow.kind == Kind.OUTCOME.value
        )
        with self._database.read() as session:
            found = session.exec(its_own).all()
            if not found and (of := session.exec(reference).one_or_none()):
                intent = place.where(EntryRow.reference == of, EntryRow.kind == Kind.INTENT.value, _HAS_REFERENCE)
                found = session.exec(intent).all()
        return next(self._joined(library, found), None)

    def forgotten(self, library: str) -> list[int]:
        """Return the years of which a log names people that nobody can be found under: their keys were destroyed."""
        with self._database.read() as session:
            kept = set(session.exec(select(LogKeyRow.year).where(LogKeyRow.library == library)).all())
            one = select(EntryRow.seq, EntryRow.data).where(EntryRow.library == library).limit(1)
            ends = [
                _year(library, *place)
                for order in (col(EntryRow.seq), col(EntryRow.seq).desc())
                for place in session.exec(one.order_by(order)).all()
            ]
            years = range(min(ends, default=1), max(ends, default=0) + 1)
            return [year for year in years if year not in kept and _names_people(session, library, year)]

    def _accesses(self, wanted: Wanted, *, newest_first: bool) -> Iterator[Access]:
        is_narrow = wanted.subjects is not None or wanted.is_of_persons or wanted.actor
        pages = self._narrow(wanted, newest_first) if is_narrow else self._broad(wanted, newest_first)
        for page in pages:
            yield from filter(wanted.covers, self._joined(wanted.library, page))

    def _broad(self, wanted: Wanted, newest_first: bool) -> Iterator[Sequence[Place]]:  # noqa: FBT001 — within
        """Yield all looks of the time meant by walking along the log."""
        seq = col(EntryRow.seq)
        chosen = _meant(wanted)
        sqlite = self._database.is_sqlite
        chosen += hints(wanted.library, purpose=wanted.purpose, status=wanted.status, is_sqlite=sqlite)
        pages = select(EntryRow.seq, EntryRow.data).order_by(seq.desc() if newest_first else seq).limit(_PAGE)
        beyond: list[ColumnElement[bool]] = []
        while True:
            with self._database.read() as session:
                page = session.exec(pages.where(*chosen, *beyond)).all()
            yield page
            if len(page) < _PAGE:
                return
            beyond = [seq < page[-1][0] if newest_first else seq > page[-1][0]]

    def _narrow(self, wanted: Wanted, newest_first: bool) -> Iterator[Sequence[Place]]:  # noqa: FBT001 — within
        """Yield looks of certain people, found by an index."""
        chosen = _meant(wanted)
        if wanted.subjects is not None:
            chosen.append(col(EntryRow.subject).in_(wanted.subjects))
        with self._database.read() as session:
            if wanted.actor or wanted.is_of_persons:
                chosen.append(self._by_person(session, wanted))
            places = session.exec(select(EntryRow.seq).where(*chosen)).all()
        yield from self._at(wanted.library, sorted(places, reverse=newest_first))

    @staticmethod
    def _by_person(session: Session, wanted: Wanted) -> ColumnElement[bool]:
        """Return what an entry of a person's has in its columns; one from before schema 0002 has no actor there."""
        name = col(EntryRow.actor)
        named = and_(_HAS_ACTOR, name == wanted.actor if wanted.actor else name > "")  # ">" is what SQLite goes by
        first = select(EntryRow.mac).where(EntryRow.library == wanted.library, EntryRow.seq == 0)
        is_old = session.exec(first).one_or_none() is None
        return or_(named, col(EntryRow.mac).is_(None)) if is_old else named

    def _at(self, library: str, places: Sequence[int]) -> Iterator[Sequence[Place]]:
        """Yield the entries at these places, in the order of the places."""
        for start in range(0, len(places), _PAGE):
            chosen = places[start : start + _PAGE]
            wanted = select(EntryRow.seq, EntryRow.data).where(
                EntryRow.library == library, col(EntryRow.seq).in_(chosen)
            )
            with self._database.read() as session:
                found = dict(session.exec(wanted).all())
            yield [(seq, found[seq]) for seq in chosen]

    def _joined(self, library: str, page: Sequence[Place]) -> Iterator[Access]:
        """Yield looks with their outcomes."""
        lines = [(seq, _read(library, seq, data)) for seq, data in page]
        wanted = select(EntryRow.seq, EntryRow.data).where(
            EntryRow.library == library,
            EntryRow.kind == Kind.OUTCOME.value,
            col(EntryRow.reference).in_([str(line.get("ref")) for _, line in lines]),
            _HAS_REFERENCE,
        )
        with self._database.read() as session:
            ends = [(seq, _read(library, seq, data)) for seq, data in session.exec(wanted).all()]
        outcomes = {str(line.get("ref")): (seq, line) for seq, line in ends}
        for seq, line in lines:
            try:
                yield access(library, seq, line, outcomes.get(str(line.get("ref"))))
            except ValueError as error:
                raise _unreadable(library, seq) from error


def _meant(wanted: Wanted) -> list[ColumnElement[bool]]:
    """Return what the columns of a look that is meant say."""
    chosen = _chosen(wanted.library, LOOKS, wanted.since, wanted.until)
    return chosen if wanted.before is None else [*chosen, col(EntryRow.seq) < wanted.before]


def _chosen(
    library: str, kinds: Collection[Kind], since: datetime | None, until: datetime | None
) -> list[ColumnElement[bool]]:
    chosen: list[ColumnElement[bool]] = [
        col(EntryRow.library) == library,
        _is_of(kinds),
    ]
    if since is not None:
        chosen.append(col(EntryRow.at) >= since)
    if until is not None:
        chosen.append(col(EntryRow.at) < until)
    return chosen


def _is_of(kinds: Collection[Kind]) -> ColumnElement[bool]:
    return col(EntryRow.kind).in_(sorted(kind.value for kind in kinds))


def _names_people(session: Session, library: str, year: int) -> bool:
    """Whether a log has an entry of that year (UTC, as the keys go) with a person in it."""
    wanted = select(EntryRow.seq).where(
        EntryRow.library == library,
        col(EntryRow.subject).is_not(None),
        col(EntryRow.at) >= datetime(year, 1, 1, tzinfo=UTC),
        col(EntryRow.at) < datetime(year + 1, 1, 1, tzinfo=UTC),
    )
    return session.exec(wanted.order_by(col(EntryRow.seq)).limit(1)).first() is not None


def _year(library: str, seq: int, data: bytes) -> int:
    try:
        return moment(_read(library, seq, data)).year
    except ValueError as error:
        raise _unreadable(library, seq) from error


def _read(library: str, seq: int, data: bytes) -> dict[str, JSON]:
    try:
        return decode(data)
    except ValueError as error:
        raise _unreadable(library, seq) from error


def _unreadable(library: str, seq: int) -> BrokenChain:
    return BrokenChain(
        f"Entry {seq} of the access log of {library} cannot be read",
        todo="Run `rrsync log verify`: it names the cause",
    )


_FACTS_PAGE: Final = 50
_PAGES: Final = 40
_LOOKS: Final = tuple(sorted(kind.value for kind in LOOKS))
#: Verdicts that say that what we hold is what the register says.
_CONFIRMS: Final = frozenset({"same", "change"})


class Facts:
    """Gives what is known around a look, in one database."""

    def __init__(self, database: Database, seal: Seal, rows: Rows, keys: SubjectKeys) -> None:
        self._database = database
        self._seal = seal
        self._rows = rows
        self._keys = keys

    def around(
        self, library: str, insz: Insz, *, name: str, at: datetime, case: str, is_denied: bool
    ) -> tuple[Attempt, Traces]:
        """Return a look that is about to be logged, as the rules see it, and what is known around it.

        Raises:
            LedgerError: something of it cannot be read; so nobody may look.
        """
        with self._reading() as session:
            member = self._rows.insz_key(library, insz)
            subjects = self._pseudonyms(session, library, insz, at)
            subject = subjects.get(at.year, member)  # before the first entry of a year it has no pseudonyms
            traces = Traces(
                looks=tuple(_looks(session, library, name, at - DAY)),
                staff=_staff(session, library, list(subjects.values()), at - WEEK),
                names=names_of(session, self._seal, library, insz),
                tie=_tie(session, library, member),
            )
        return Attempt(at, name, subject, case, is_denied), traces

    @contextmanager
    def _reading(self) -> Iterator[Session]:
        try:
            with self._database.read() as session:
                yield session
        except StoreError as error:
            raise LedgerError(
                f"It cannot be seen whether this look stands out: {error.what}",
                kept="Nothing was asked",
                todo=error.todo,
            ) from error

    def _pseudonyms(self, session: Session, library: str, insz: Insz, at: datetime) -> dict[int, bytes]:
        """Return a person's pseudonyms of the years that the last week is in."""
        keys = {year: self._keys.find(session, library, year) for year in {at.year, (at - WEEK).year}}
        return {year: key.pseudonym(insz.digits) for year, key in keys.items() if key is not None}


def _looks(session: Session, library: str, name: str, since: datetime) -> Iterator[Attempt]:
    """Yield a person's own looks after a moment, the newest first."""
    wanted, here = _LOOKED, {"of": library, "by": name}
    for _ in range(_PAGES):
        page = session.execute(wanted, here).all()
        for _seq, at, kind, subject in page:
            if at > since and kind in _LOOKS:
                yield Attempt(at, name, subject or b"", "", kind == Kind.DENIED)
        if len(page) < _FACTS_PAGE or page[-1][1] <= since:
            return
        wanted, here["before"] = _LOOKED_BEFORE, page[-1][0]


def _staff(session: Session, library: str, subjects: Sequence[bytes], since: datetime) -> frozenset[str]:
    """Return the names of the persons who looked at somebody after a moment."""
    here = {"of": library, "subjects": subjects, "since": since}
    return frozenset(session.execute(_STAFF, here).scalars()) - {""}


def _tie(session: Session, library: str, key: bytes) -> Tie | None:
    """Return what binds the member of this number to the library; ``None`` when there is none."""
    member = session.execute(_TIE, {"of": library, "key": key}).first()
    if member is None:
        return None
    is_on_hold = session.execute(_HOLD, {"of": library, "number": member.number}).first() is not None
    confirmed_at = member.refreshed_at if member.verdict in _CONFIRMS else None
    return Tie(member.membership_end, member.open_items, is_on_hold, confirmed_at)


_ENTRY: Final = table(EntryRow)
_LOOKED: Final = (
    sa_select(*(_ENTRY.c[name] for name in ("seq", "at", "kind", "subject")))
    .where(_ENTRY.c.library == bindparam("of"), _ENTRY.c.actor == bindparam("by"), _HAS_ACTOR)
    .order_by(_ENTRY.c.seq.desc())
    .limit(_FACTS_PAGE)
)
_LOOKED_BEFORE: Final = _LOOKED.where(_ENTRY.c.seq < bindparam("before"))
_STAFF: Final = sa_select(_ENTRY.c.actor).where(  # all of them, and sorted out here: so it goes by the person looked at
    _ENTRY.c.library == bindparam("of"),
    _ENTRY.c.subject.in_(bindparam("subjects", expanding=True)),
    _ENTRY.c.kind.in_(_LOOKS),
    _ENTRY.c.at > bindparam("since"),
)
_MEMBER: Final = table(MemberRow)
_TIE: Final = sa_select(
    *(_MEMBER.c[name] for name in ("number", "membership_end", "open_items", "verdict", "refreshed_at"))
).where(_MEMBER.c.library == bindparam("of"), _MEMBER.c.insz_key == bindparam("key"))
_HOLDS: Final = table(HoldRow)
_HOLD: Final = sa_select(_HOLDS.c.id).where(
    _HOLDS.c.library == bindparam("of"), _HOLDS.c.number == bindparam("number"), _HOLDS.c.closed_at.is_(None)
)

#: By how much a clock may have been set back without moving a month's end.
_BACK: Final = timedelta(days=7)


class Looks:
    """Finds the looks of persons in the logs of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def first(self, library: str, moment: datetime) -> int:
        """Return the place of the first entry at a moment or after it; the log's size when there is none."""
        with self._database.read() as session:
            size = session.exec(select(LogRow.size).where(LogRow.library == library)).one_or_none() or 0
            near = not_before(session, library, size, moment)
            found = select(EntryRow.seq).where(
                EntryRow.library == library, EntryRow.seq >= near, EntryRow.at >= moment, EntryRow.seq < size
            )
            seq = session.exec(found.order_by(col(EntryRow.seq)).limit(1)).first()
        return size if seq is None else seq

    def flags(self, library: str, stretch: range) -> dict[int, tuple[str, ...]]:
        """Return the places of the looks of persons in a stretch, each with its flags.

        Raises:
            BrokenChain: an entry cannot be read.
        """
        found: dict[int, tuple[str, ...]] = {}
        with self._database.read() as session:
            place = col(EntryRow.seq) + 0  # so that it goes by who acts: few of a log's entries are by persons
            wanted = select(EntryRow.seq, EntryRow.data).where(
                EntryRow.library == library,
                col(EntryRow.kind).in_(_LOOKS),
                _by_person(session, library),
                place >= stretch.start,
                place < stretch.stop,
            )
            for seq, data in session.exec(wanted).all():
                try:
                    line = decode(data)
                except ValueError as error:
                    raise _unreadable(library, seq) from error
                if actor_of(line).kind is ActorKind.PERSON:
                    said = line.get("flags")
                    found[seq] = tuple(str(flag) for flag in said) if isinstance(said, list) else ()
        return dict(sorted(found.items()))


def not_before(session: Session, library: str, size: int, moment: datetime) -> int:
    """Return a place before which no entry is at the moment or after it, unless a clock went back by over a week."""
    return _after(session, library, size, moment - _BACK)


def _after(session: Session, library: str, size: int, moment: datetime) -> int:
    """Return a place such that no entry before it is at the moment or after it, if the clock never went back."""
    low, high = 0, size
    while low < high:
        middle = (low + high) // 2
        wanted = select(EntryRow.at).where(EntryRow.library == library, EntryRow.seq == middle)
        try:
            at = session.exec(wanted).one_or_none()
        except ValueError as error:  # SQLite takes any text for a time
            raise _unreadable(library, middle) from error
        if at is None:
            raise _unreadable(library, middle)
        if at < moment:
            low = middle + 1
        else:
            high = middle
    return low


def _by_person(session: Session, library: str) -> ColumnElement[bool]:
    """Return what the columns of a person's entry say; one from before schema 0002 has no actor there."""
    first = select(EntryRow.mac).where(EntryRow.library == library, EntryRow.seq == 0)
    is_old = session.exec(first).one_or_none() is None
    return or_(_HAS_ACTOR, col(EntryRow.mac).is_(None)) if is_old else _HAS_ACTOR
