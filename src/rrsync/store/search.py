"""Searches an access log: looks at people, each joined with its outcome, and what was done to the log itself.

A page of entries is held at a time, and each is read in a transaction of its own: the log only grows. A search by
person, by staff or by kind goes by an index, whatever the log's length; by time, purpose or outcome alone it reads the
log through, for a clock may have been set back, and nothing may be missed. What counts is what an entry's bytes say.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeAlias

from sqlalchemy import ColumnElement, and_, literal_column, or_
from sqlmodel import col, select

from rrsync.core.access import Access, access, moment
from rrsync.core.entry import JSON, LOOKS, ActorKind, Kind, decode
from rrsync.errors import BrokenChain
from rrsync.store.hints import hints
from rrsync.store.tables import EntryRow, EvidenceRow, LogKeyRow

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from sqlmodel import Session

    from rrsync.store.engine import Database

_PAGE: Final = 1_000
_ACCESSES: Final = LOOKS | {Kind.OUTCOME}

# Written out and not as a value, so that the database sees that the index over only these serves.
_HAS_REFERENCE: Final[ColumnElement[bool]] = literal_column("reference <> ''")
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
        """Give the looks that are meant, in the order in which they were asked, as a stream."""
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
        """Give sequence and content of the entries that are no access, of these kinds, in their order, as a stream.

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
        """Give sequence and content of the last entry of a kind that is no access."""
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
        """Give the look whose intent, denial or outcome stands at ``seq``; ``None`` when no entry of one does."""
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
        """Give the years of which a log names people that nobody can be found under: their keys were destroyed."""
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
        """Give all looks of the time meant by walking along the log."""
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
        """Give looks of certain people, found by an index."""
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
        """Give what an entry of a person's has in its columns; one from before schema 0002 has no actor there."""
        name = col(EntryRow.actor)
        named = and_(_HAS_ACTOR, name == wanted.actor if wanted.actor else name > "")  # ">" is what SQLite goes by
        first = select(EntryRow.mac).where(EntryRow.library == wanted.library, EntryRow.seq == 0)
        is_old = session.exec(first).one_or_none() is None
        return or_(named, col(EntryRow.mac).is_(None)) if is_old else named

    def _at(self, library: str, places: Sequence[int]) -> Iterator[Sequence[Place]]:
        """Give the entries at these places, in the order of the places."""
        for start in range(0, len(places), _PAGE):
            chosen = places[start : start + _PAGE]
            wanted = select(EntryRow.seq, EntryRow.data).where(
                EntryRow.library == library, col(EntryRow.seq).in_(chosen)
            )
            with self._database.read() as session:
                found = dict(session.exec(wanted).all())
            yield [(seq, found[seq]) for seq in chosen]

    def _joined(self, library: str, page: Sequence[Place]) -> Iterator[Access]:
        """Give looks with their outcomes."""
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
    """Give what the columns of a look that is meant say."""
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
