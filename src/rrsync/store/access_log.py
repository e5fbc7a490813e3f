"""The access log: append-only, one per library, its sequence without gaps, its head the root of a Merkle tree.

An entry gets its place, its time, its sealed subject and its tag in the transaction that writes it, under the lock of
the log's head; so its place cannot be lost by a roll-back, and a reader sees whole entries only. The database refuses
updates and deletes.

What must hold before an entry is added to a log, and after: else nothing is written, so that nothing is asked.

Which intents have no outcome yet: noted with the intent, and gone with its outcome.

An entry as the columns of its row: its exact bytes, their hash, copies of what is searched for, and its tag.

What the columns beside an entry's bytes must say: they are copies, for searching, of what the bytes say.
"""

from __future__ import annotations

import base64
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Final, NamedTuple

from sqlalchemy import LargeBinary, cast, delete, func, text, update
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, col, select

from rrsync.core.insz import Insz
from rrsync.core.log_entry import JSON, Draft, Evidence, Kind, encode, person_of
from rrsync.core.merkle import Edge, leaf_hash
from rrsync.errors import BrokenChain, LedgerError, StoreError
from rrsync.store.encryption import Seal, SubjectKey, SubjectKeys
from rrsync.store.engine import Database
from rrsync.store.tables import EntryRow, EvidenceRow, LogRow, PendingRow, enter, plain

_NAMES: Final = ("log", "seq", "kind", "ref", "run", "ts", "subj", "actor")


def disagreement(line: Mapping[str, JSON], origin: str, seq: int, columns: Sequence[object], *, tagged: bool) -> str:
    """Return the name of the first column that says otherwise than the bytes do, or ``""``.

    The columns are ``kind``, ``reference``, ``run``, ``at``, ``subject`` and ``actor``, as the database gives them
    without knowing their types; that of the actor came with the tag, and is empty without one.
    """
    kind, reference, run, at, subject, actor = columns
    subj = line.get("subj")
    said = (
        line.get("log"),
        line.get("seq"),
        line.get("kind"),
        line.get("ref", ""),
        line.get("run", ""),
        line.get("ts"),
        subj.get("ref") if isinstance(subj, dict) else None,
        person_of(line) if tagged else "",  # the column came with the tag
    )
    has = (
        origin,
        seq,
        kind,
        reference,
        run,
        _stamp(at),
        _hex(subject),
        actor,
    )
    if said == has:
        return ""
    return next(name for name, one, other in zip(_NAMES, said, has, strict=True) if one != other)


def _hex(subject: object) -> str | None:
    """Return a pseudonym as the bytes say it; what is no pseudonym agrees with nothing."""
    return None if subject is None else subject.hex() if isinstance(subject, bytes) else ""


def _stamp(at: object) -> str:
    """Return a moment as the bytes say it, from how the database gives it: SQLite as text, PostgreSQL as a time."""
    if isinstance(at, str):
        return f"{at[:10]}T{at[11:]}Z" if at[10:11] == " " else ""
    return at.isoformat(timespec="microseconds") + "Z" if isinstance(at, datetime) else ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the next entries of a log come, and when; ``moment`` is that time as their rows say it."""

    library: str
    origin: str
    edge: Edge
    at: datetime
    moment: str


class Line(NamedTuple):
    """The columns, in their order."""

    library: str
    seq: int
    data: bytes
    leaf: bytes
    kind: str
    reference: str
    run: str
    at: str
    subject: bytes | None
    actor: str
    mac: bytes


def line(seal: Seal, key: SubjectKey | None, place: Place, seq: int, draft: Draft) -> Line:
    """Return the entry that stands at ``seq``; its subject, if it has one, is sealed under ``key``.

    Raises:
        LedgerError: it is too long, or no bytes can say it.
    """
    subject: dict[str, JSON] = {}
    pseudonym = None
    if draft.subject is not None and key is not None:
        pseudonym = key.pseudonym(draft.subject.digits)
        sealed = key.encrypt(draft.subject.digits, where=f"{place.origin}|{seq}")
        subject = {"ref": pseudonym.hex(), "enc": base64.b64encode(sealed).decode(), "key": str(place.at.year)}
    try:
        data = encode(draft, log=place.origin, seq=seq, at=place.at, subject=subject)
    except ValueError as error:
        raise LedgerError(f"The access log cannot be written: {error}", todo=TODO) from error
    leaf = leaf_hash(data)
    return Line(
        place.library,
        seq,
        data,
        leaf,
        draft.kind.value,
        draft.reference,
        draft.run,
        place.moment,
        pseudonym,
        person_of(draft.body),
        tag(seal, place.library, seq, leaf),
    )


def tag(seal: Seal, library: str, seq: int, leaf: bytes) -> bytes:
    """Return the tag by which the entry at this place shows that we wrote it there."""
    return seal.tag(f"{library}|{seq}", leaf)


TODO: Final = "Find the cause in the sentence above; until the log can be written rrsync asks nothing"


def mark(session: Session, drafts: Sequence[Draft], at: datetime) -> None:
    """Note the intents among these entries, and strike out those that have their outcome.

    Raises:
        LedgerError: an outcome is a second one, or nobody asked for it.
    """
    moment = plain(at)
    opened = [(draft.library, draft.reference, draft.run, moment) for draft in drafts if draft.kind is Kind.INTENT]
    enter(session, PendingRow, opened)
    closed: defaultdict[str, list[str]] = defaultdict(list)
    for draft in drafts:
        if draft.kind is Kind.OUTCOME:
            closed[draft.library].append(draft.reference)
    for library, references in closed.items():
        chosen = col(PendingRow.library) == library, col(PendingRow.reference).in_(references)
        gone = session.execute(delete(PendingRow).where(*chosen))
        if gone.rowcount != len(references):  # type: ignore[attr-defined] # a DELETE's result counts its rows
            raise LedgerError("An access has its outcome already, or was never recorded", todo=TODO)


def awaiting(session: Session) -> Sequence[tuple[PendingRow, EntryRow, str]]:
    """Return what is pending, the oldest first, each with its intent and the name of its log."""
    intent = (EntryRow.library == PendingRow.library) & (EntryRow.reference == PendingRow.reference)
    wanted = select(PendingRow, EntryRow, LogRow.origin).where(
        intent, EntryRow.kind == Kind.INTENT.value, LogRow.library == PendingRow.library
    )
    return session.exec(wanted.order_by(col(PendingRow.at), col(PendingRow.reference))).all()


_SLACK: Final = timedelta(minutes=5)


def require_ours(session: Session, seal: Seal, library: str, size: int, now: datetime) -> None:
    """See that a log's last entry was written with our keys, and not later than now.

    Raises:
        LedgerError: nobody could check what would be added, or it would have a time before its time.
    """
    wanted = select(EntryRow.leaf, EntryRow.mac, EntryRow.at)
    last = session.exec(wanted.where(EntryRow.library == library, EntryRow.seq == size - 1)).one_or_none()
    if last is None:
        return
    leaf, mac, at = last
    if mac is not None and mac != tag(seal, library, size - 1, leaf):
        raise LedgerError(
            f"The access log of {library} was written with other keys, or its last entry was altered",
            kept="Nothing was asked or written",
            todo="Put the key file that belongs to this database back; if it is there, run `rrsync log verify`",
        )
    if at - now > _SLACK:
        raise LedgerError(
            f"This machine's clock is behind the last entry of the access log of {library}",
            kept="Nothing was asked or written",
            todo="Set the clock right",
        )


def require_kept(session: Session, library: str, since: int, entries: int) -> None:
    """See that what was written is there: a trigger of somebody else's may swallow a row and say nothing.

    Raises:
        LedgerError: it is not.
    """
    there = select(func.count()).select_from(EntryRow).where(EntryRow.library == library, EntryRow.seq >= since)
    if session.exec(there).one() != entries:
        raise LedgerError(f"The database did not keep what was written in the log of {library}", todo=TODO)


_PAGE: Final = 2_000


@dataclass(frozen=True, slots=True)
class Head:
    """How long a library's log is, and the root of its tree."""

    library: str
    size: int
    root: str


@dataclass(frozen=True, slots=True)
class Pending:
    """An intent without an outcome, and whom it is about while the key of its year is there."""

    library: str
    reference: str
    run: str
    at: datetime
    subject: Insz | None


class Ledger:
    """The access logs of one database; ``origins`` names the log of each library, ``clock`` gives aware UTC."""

    def __init__(
        self,
        database: Database,
        seal: Seal,
        *,
        origins: Mapping[str, str],
        clock: Callable[[], datetime],
        random: Callable[[int], bytes],
    ) -> None:
        self._database = database
        self._seal = seal
        self._origins = origins
        self._clock = clock
        self._keys = SubjectKeys(seal, random)
        self._grown: Counter[str] = Counter()
        self._ours: set[str] = set()
        self._counting = Lock()

    def append(self, drafts: Sequence[Draft]) -> None:
        """Commit entries to disk, in their order.

        Raises:
            LedgerError: none of them was written.
        """
        with self.writing() as session:
            self.append_in(session, drafts)

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Yield a session in which entries and what belongs to them are committed together.

        Raises:
            LedgerError: nothing of it was written.
        """
        try:
            with self._database.write() as session:
                yield session
        except StoreError as error:
            if not isinstance(error.__cause__, SQLAlchemyError):
                raise  # it is what was to be written that cannot be, not the database that refused
            raise LedgerError(f"The access log could not be written: {error.what}", todo=TODO) from error
        with self._counting:
            self._grown.update(session.info.get("grown", ()))

    def append_in(self, session: Session, drafts: Sequence[Draft]) -> list[int]:
        """Append in a transaction of the caller's; give the sequence of each entry, in the order of the drafts."""
        places = [0] * len(drafts)
        by_library: defaultdict[str, list[int]] = defaultdict(list)
        for at, draft in enumerate(drafts):
            by_library[draft.library].append(at)
        for library in sorted(by_library):  # one order for all writers, so that two never wait for each other
            place = self._place(session, library)
            edge = self._enter(session, place, [drafts[at] for at in by_library[library]])
            session.execute(
                update(LogRow).where(col(LogRow.library) == library).values(size=edge.size, edge=edge.to_bytes())
            )
            for seq, at in enumerate(by_library[library], start=place.edge.size):
                places[at] = seq
            session.info.setdefault("grown", Counter())[library] += len(by_library[library])
        mark(session, drafts, self._clock())
        return places

    def _place(self, session: Session, library: str) -> Place:
        wanted = select(LogRow.origin, LogRow.size, LogRow.edge).where(LogRow.library == library).with_for_update()
        log = session.exec(wanted).one_or_none()
        if log is None:  # two writers may begin it at once: one of them does
            session.execute(_BEGIN, {"library": library, "origin": self._origins.get(library, library), "edge": b""})
            log = session.exec(wanted).one()
        origin, size, edge = log
        now = self._clock()
        if library not in self._ours:
            require_ours(session, self._seal, library, size, now)
            self._ours.add(library)
        return Place(library, origin, _edge(library, size, edge), now, plain(now))

    def _enter(self, session: Session, place: Place, drafts: Sequence[Draft]) -> Edge:
        """Write the entries of one log; give its edge after them."""
        rows: list[Line] = []
        kept: list[tuple[object, ...]] = []
        library, year, key = place.library, place.at.year, None
        if any(draft.subject is not None or draft.evidence is not None for draft in drafts):
            key = self._keys.writing(session, library, year)
        for seq, draft in enumerate(drafts, start=place.edge.size):
            rows.append(line(self._seal, key, place, seq, draft))
            if draft.evidence is not None and key is not None:
                data = key.seal_evidence(draft.evidence, where=f"{place.origin}|{seq}")
                kept.append((library, seq, year, data))
        enter(session, EntryRow, rows)
        enter(session, EvidenceRow, kept)
        require_kept(session, library, place.edge.size, len(rows))
        return place.edge.extend(row.leaf for row in rows)

    def pending(self) -> list[Pending]:
        """Return the intents that have no outcome, the oldest first."""
        with self._database.read() as session:
            return [
                Pending(
                    row.library,
                    row.reference,
                    row.run,
                    row.at,
                    self._keys.person(session, row.library, f"{origin}|{entry.seq}", entry.data),
                )
                for row, entry, origin in awaiting(session)
            ]

    def heads(self) -> list[Head]:
        """Return the head of every log."""
        with self._database.read() as session:
            rows = session.exec(select(LogRow).order_by(col(LogRow.library))).all()
            return [Head(row.library, row.size, _edge(row.library, row.size, row.edge).root().hex()) for row in rows]

    def head(self, library: str) -> Head:
        """Return the head of one log; one that was not begun has no entries."""
        with self._database.read() as session:
            row = session.get(LogRow, library)
            edge = _edge(library, row.size, row.edge) if row else Edge()
        return Head(library, edge.size, edge.root().hex())

    def origin(self, library: str) -> str:
        """Return the name of a library's log: what it was begun under, or will be."""
        with self._database.read() as session:
            found = session.exec(select(LogRow.origin).where(LogRow.library == library)).one_or_none()
        return found or self._origins.get(library, library)

    def began(self, library: str) -> datetime | None:
        """Return the time of a log's first entry."""
        with self._database.read() as session:
            return session.exec(select(EntryRow.at).where(EntryRow.library == library, EntryRow.seq == 0)).one_or_none()

    def between(self, library: str, since: datetime | None, until: datetime | None) -> range:
        """Return the stretch of a log that holds its entries from ``since`` on and before ``until``."""
        chosen = [EntryRow.library == library]
        chosen += [EntryRow.at >= since] if since else []
        chosen += [EntryRow.at < until] if until else []
        ends = func.coalesce(func.min(EntryRow.seq), 0), func.coalesce(func.max(EntryRow.seq) + 1, 0)
        with self._database.read() as session:
            first, end = session.exec(select(*ends).where(*chosen)).one()
        return range(first, end)

    def count(self, library: str) -> int:
        """Return how many entries of a log are there."""
        with self._database.read() as session:
            return session.exec(select(func.count()).select_from(EntryRow).where(EntryRow.library == library)).one()

    def grown(self, library: str) -> int:
        """Return how many entries this process has committed to a library's log since it started."""
        return self._grown[library]

    def written(self) -> list[str]:
        """Return the libraries to whose logs this process has committed entries."""
        with self._counting:
            return sorted(self._grown)

    def entries(self, library: str, *, since: int = 0, most: int | None = None) -> Iterator[tuple[int, bytes]]:
        """Yield sequence and exact bytes of the entries from ``since`` on, as a stream."""
        left = most
        while left is None or left > 0:
            size = _PAGE if left is None else min(_PAGE, left)
            wanted = select(EntryRow.seq, EntryRow.data).where(EntryRow.library == library, EntryRow.seq >= since)
            with self._database.read() as session:
                page = session.exec(wanted.order_by(col(EntryRow.seq)).limit(size)).all()
            yield from page
            if len(page) < size:
                return
            since = page[-1][0] + 1
            left = None if left is None else left - len(page)

    def of_subject(self, library: str, insz: Insz) -> list[tuple[int, bytes]]:
        """Return the entries about one person, over all years whose key is still there."""
        with self._database.read() as session:
            refs = self._keys.pseudonyms(session, library, insz.digits)
            wanted = select(EntryRow.seq, EntryRow.data).where(
                EntryRow.library == library, col(EntryRow.subject).in_(refs)
            )
            return list(session.exec(wanted.order_by(col(EntryRow.seq))).all())

    def pseudonyms(self, library: str, insz: Insz) -> list[bytes]:
        """Return under what a person stands in a library's log, one for each year whose key is still there."""
        with self._database.read() as session:
            return self._keys.pseudonyms(session, library, insz.digits)

    def subjects(self, library: str, places: Sequence[int]) -> dict[int, Insz]:
        """Return whom the entries at these places are about, while the keys of their years are there."""
        wanted = select(EntryRow.seq, EntryRow.data, LogRow.origin).where(
            EntryRow.library == library, col(EntryRow.seq).in_(places), LogRow.library == EntryRow.library
        )
        with self._database.read() as session:
            found = [
                (seq, self._keys.person(session, library, f"{origin}|{seq}", data))
                for seq, data, origin in session.exec(wanted)
            ]
        return {seq: insz for seq, insz in found if insz is not None}

    def evidence(self, library: str, seq: int) -> Evidence | None:
        """Return the messages that were kept of an access; ``None`` when none were, or their year's key was destroyed.

        Raises:
            StoreError: they were altered or moved.
        """
        wanted = select(EvidenceRow.year, cast(EvidenceRow.data, LargeBinary), LogRow.origin).where(
            EvidenceRow.library == library, EvidenceRow.seq == seq, LogRow.library == EvidenceRow.library
        )
        with self._database.read() as session:
            found = session.exec(wanted).one_or_none()
            key = self._keys.find(session, library, found[0]) if found else None
        return key.open_evidence(found[1], where=f"{found[2]}|{seq}") if found and key else None

    def year_ends(self, library: str) -> dict[int, datetime]:
        """Return the time of the last entry of each year whose key is still there."""
        with self._database.read() as session:
            return self._keys.ends(session, library)

    def destroy_in(self, session: Session, library: str, year: int) -> tuple[int, int]:
        """Destroy a year's key and evidence in a transaction of the caller's; nothing brings its people back.

        Gives how many of the year's entries are about a person, and how many accesses' messages were destroyed.

        Raises:
            LedgerError: the key is not there.
        """
        return self._keys.destroy(session, library, year)


def _edge(library: str, size: int, edge: bytes) -> Edge:
    try:
        return Edge.from_bytes(size, edge)
    except ValueError as error:
        raise BrokenChain(
            f"The head of the access log of {library} is damaged",
            kept="Nothing was asked",
            todo="Keep the database as it is, and call the data-protection officer",
        ) from error


_BEGIN: Final = text(
    "INSERT INTO log (library, origin, size, edge) VALUES (:library, :origin, 0, :edge) ON CONFLICT DO NOTHING"
)
