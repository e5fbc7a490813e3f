"""The access log: append-only, one per library, its sequence without gaps, its head the root of a Merkle tree.

1. An entry gets its sequence number, time, encrypted subject and MAC in the transaction that writes it, under the lock
   of the log's head. So a rollback leaves no gap, and a reader sees complete entries only.
2. The database refuses updates and deletes of entries.
3. The bytes of an entry count. Its other columns are copies for searching, and are verified against the bytes.
4. An intent is pending until its outcome is written. An intent has exactly one outcome.
5. If the log cannot be written, or its last entry has a wrong MAC or a later time, nothing is written, so nobody is
   queried.
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
from rrsync.store.encryption import FieldCipher, SubjectKey, SubjectKeys
from rrsync.store.engine import Database
from rrsync.store.tables import EntryRow, EvidenceRow, LogRow, PendingRow, affected, bulk_insert, utc_text

_PAGE: Final = 2_000
_SLACK: Final = timedelta(minutes=5)
_NAMES: Final = ("log", "seq", "kind", "ref", "run", "ts", "subj", "actor")
_TODO: Final = "Find the cause in the sentence above; until the log can be written, rrsync queries nobody"


@dataclass(frozen=True, slots=True)
class LogHead:
    """The head of a library's log: its size, and the root of its Merkle tree."""

    library: str
    size: int
    root: str


@dataclass(frozen=True, slots=True)
class PendingAccess:
    """An intent without an outcome, and its subject while the key of its year exists."""

    library: str
    reference: str
    run: str
    at: datetime
    subject: Insz | None


class AccessLog:
    """The access logs of one database; ``origins`` names the log of each library, ``clock`` returns aware UTC."""

    def __init__(
        self,
        database: Database,
        cipher: FieldCipher,
        *,
        origins: Mapping[str, str],
        clock: Callable[[], datetime],
        random: Callable[[int], bytes],
    ) -> None:
        self._database = database
        self._cipher = cipher
        self._origins = origins
        self._clock = clock
        self._keys = SubjectKeys(cipher, random)
        self._grown: Counter[str] = Counter()
        self._checked: set[str] = set()
        self._counter_lock = Lock()

    def append(self, drafts: Sequence[Draft]) -> None:
        """Commit entries to disk, in their order.

        Raises:
            LedgerError: none of them was written.
        """
        with self.writing() as session:
            self.append_in(session, drafts)

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Yield a session that commits entries together with the data that belongs to them.

        Raises:
            LedgerError: nothing was written.
        """
        try:
            with self._database.write() as session:
                yield session
        except StoreError as error:
            if not isinstance(error.__cause__, SQLAlchemyError):
                raise  # the database did not refuse: the caller did
            raise LedgerError(f"The access log could not be written: {error.what}", todo=_TODO) from error
        with self._counter_lock:
            self._grown.update(session.info.get("grown", ()))

    def append_in(self, session: Session, drafts: Sequence[Draft]) -> list[int]:
        """Append in the caller's transaction; return the sequence number of each entry, in the order of the drafts."""
        sequences = [0] * len(drafts)
        by_library: defaultdict[str, list[int]] = defaultdict(list)
        for at, draft in enumerate(drafts):
            by_library[draft.library].append(at)
        for library in sorted(by_library):  # one order for all writers, so that none deadlock
            position = self._next_position(session, library)
            edge = self._write_entries(session, position, [drafts[at] for at in by_library[library]])
            session.execute(
                update(LogRow).where(col(LogRow.library) == library).values(size=edge.size, edge=edge.to_bytes())
            )
            for seq, at in enumerate(by_library[library], start=position.edge.size):
                sequences[at] = seq
            session.info.setdefault("grown", Counter())[library] += len(by_library[library])
        _track_pending(session, drafts, self._clock())
        return sequences

    def _next_position(self, session: Session, library: str) -> _Position:
        wanted = select(LogRow.origin, LogRow.size, LogRow.edge).where(LogRow.library == library).with_for_update()
        log = session.exec(wanted).one_or_none()
        if log is None:  # two writers may begin it at once: one of them wins
            session.execute(_BEGIN, {"library": library, "origin": self._origins.get(library, library), "edge": b""})
            log = session.exec(wanted).one()
        origin, size, edge = log
        now = self._clock()
        if library not in self._checked:
            _require_our_keys(session, self._cipher, library, size, now)
            self._checked.add(library)
        return _Position(library, origin, _edge(library, size, edge), now, utc_text(now))

    def _write_entries(self, session: Session, position: _Position, drafts: Sequence[Draft]) -> Edge:
        """Write the entries of one log; return its edge after them."""
        rows: list[_EntryColumns] = []
        kept: list[tuple[object, ...]] = []
        library, year, key = position.library, position.at.year, None
        if any(draft.subject is not None or draft.evidence is not None for draft in drafts):
            key = self._keys.for_writing(session, library, year)
        for seq, draft in enumerate(drafts, start=position.edge.size):
            rows.append(_entry_columns(self._cipher, key, position, seq, draft))
            if draft.evidence is not None and key is not None:
                data = key.encrypt_evidence(draft.evidence, where=f"{position.origin}|{seq}")
                kept.append((library, seq, year, data))
        bulk_insert(session, EntryRow, rows)
        bulk_insert(session, EvidenceRow, kept)
        _require_written(session, library, position.edge.size, len(rows))
        return position.edge.extend(row.leaf for row in rows)

    def pending(self) -> list[PendingAccess]:
        """Return the intents that have no outcome, the oldest first."""
        with self._database.read() as session:
            return [
                PendingAccess(
                    row.library,
                    row.reference,
                    row.run,
                    row.at,
                    self._keys.person(session, row.library, f"{origin}|{entry.seq}", entry.data),
                )
                for row, entry, origin in _pending_entries(session)
            ]

    def heads(self) -> list[LogHead]:
        """Return the head of every log."""
        with self._database.read() as session:
            rows = session.exec(select(LogRow).order_by(col(LogRow.library))).all()
            return [LogHead(row.library, row.size, _edge(row.library, row.size, row.edge).root().hex()) for row in rows]

    def head(self, library: str) -> LogHead:
        """Return the head of one log; a log that does not exist yet is empty."""
        with self._database.read() as session:
            row = session.get(LogRow, library)
            edge = _edge(library, row.size, row.edge) if row else Edge()
        return LogHead(library, edge.size, edge.root().hex())

    def origin(self, library: str) -> str:
        """Return the name of a library's log."""
        with self._database.read() as session:
            found = session.exec(select(LogRow.origin).where(LogRow.library == library)).one_or_none()
        return found or self._origins.get(library, library)

    def began(self, library: str) -> datetime | None:
        """Return the time of a log's first entry."""
        with self._database.read() as session:
            return session.exec(select(EntryRow.at).where(EntryRow.library == library, EntryRow.seq == 0)).one_or_none()

    def between(self, library: str, since: datetime | None, until: datetime | None) -> range:
        """Return the range of entries from ``since`` on and before ``until``."""
        chosen = [EntryRow.library == library]
        chosen += [EntryRow.at >= since] if since else []
        chosen += [EntryRow.at < until] if until else []
        ends = func.coalesce(func.min(EntryRow.seq), 0), func.coalesce(func.max(EntryRow.seq) + 1, 0)
        with self._database.read() as session:
            first, end = session.exec(select(*ends).where(*chosen)).one()
        return range(first, end)

    def count(self, library: str) -> int:
        """Return how many entries a log has."""
        with self._database.read() as session:
            return session.exec(select(func.count()).select_from(EntryRow).where(EntryRow.library == library)).one()

    def grown(self, library: str) -> int:
        """Return how many entries this process has committed to a library's log."""
        return self._grown[library]

    def written(self) -> list[str]:
        """Return the libraries to whose logs this process has committed entries."""
        with self._counter_lock:
            return sorted(self._grown)

    def entries(self, library: str, *, since: int = 0, most: int | None = None) -> Iterator[tuple[int, bytes]]:
        """Yield sequence number and exact bytes of the entries from ``since`` on, as a stream."""
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
        """Return the entries about one person, over all years whose key exists."""
        with self._database.read() as session:
            refs = self._keys.pseudonyms(session, library, insz.digits)
            wanted = select(EntryRow.seq, EntryRow.data).where(
                EntryRow.library == library, col(EntryRow.subject).in_(refs)
            )
            return list(session.exec(wanted.order_by(col(EntryRow.seq))).all())

    def pseudonyms(self, library: str, insz: Insz) -> list[bytes]:
        """Return the pseudonyms of a person in a library's log, one for each year whose key exists."""
        with self._database.read() as session:
            return self._keys.pseudonyms(session, library, insz.digits)

    def subjects(self, library: str, sequences: Sequence[int]) -> dict[int, Insz]:
        """Return the subjects of the entries at these positions, while the keys of their years exist."""
        wanted = select(EntryRow.seq, EntryRow.data, LogRow.origin).where(
            EntryRow.library == library, col(EntryRow.seq).in_(sequences), LogRow.library == EntryRow.library
        )
        with self._database.read() as session:
            found = [
                (seq, self._keys.person(session, library, f"{origin}|{seq}", data))
                for seq, data, origin in session.exec(wanted)
            ]
        return {seq: insz for seq, insz in found if insz is not None}

    def evidence(self, library: str, seq: int) -> Evidence | None:
        """Return the kept messages of an access; ``None`` if none were kept, or the key of their year was destroyed.

        Raises:
            StoreError: they were altered or moved.
        """
        wanted = select(EvidenceRow.year, cast(EvidenceRow.data, LargeBinary), LogRow.origin).where(
            EvidenceRow.library == library, EvidenceRow.seq == seq, LogRow.library == EvidenceRow.library
        )
        with self._database.read() as session:
            found = session.exec(wanted).one_or_none()
            key = self._keys.find(session, library, found[0]) if found else None
        return key.decrypt_evidence(found[1], where=f"{found[2]}|{seq}") if found and key else None

    def year_ends(self, library: str) -> dict[int, datetime]:
        """Return the time of the last entry of each year whose key exists."""
        with self._database.read() as session:
            return self._keys.ends(session, library)

    def destroy_in(self, session: Session, library: str, year: int) -> tuple[int, int]:
        """Destroy the key and the evidence of a year in the caller's transaction; this cannot be undone.

        Returns the number of the year's entries about people, and of destroyed evidence.

        Raises:
            LedgerError: the key does not exist.
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


@dataclass(frozen=True, slots=True)
class _Position:
    """The position and time of the next entries of a log; ``at_text`` is that time as the column has it."""

    library: str
    origin: str
    edge: Edge
    at: datetime
    at_text: str


class _EntryColumns(NamedTuple):
    """The columns of an entry, in their order."""

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


def _entry_columns(
    cipher: FieldCipher, key: SubjectKey | None, position: _Position, seq: int, draft: Draft
) -> _EntryColumns:
    """Return the entry at ``seq``; its subject, if it has one, is encrypted under ``key``.

    Raises:
        LedgerError: it is too long, or cannot be encoded.
    """
    subject: dict[str, JSON] = {}
    pseudonym = None
    if draft.subject is not None and key is not None:
        pseudonym = key.pseudonym(draft.subject.digits)
        encrypted = key.encrypt(draft.subject.digits, where=f"{position.origin}|{seq}")
        subject = {"ref": pseudonym.hex(), "enc": base64.b64encode(encrypted).decode(), "key": str(position.at.year)}
    try:
        data = encode(draft, log=position.origin, seq=seq, at=position.at, subject=subject)
    except ValueError as error:
        raise LedgerError(f"The access log cannot be written: {error}", todo=_TODO) from error
    leaf = leaf_hash(data)
    return _EntryColumns(
        position.library,
        seq,
        data,
        leaf,
        draft.kind.value,
        draft.reference,
        draft.run,
        position.at_text,
        pseudonym,
        person_of(draft.body),
        entry_mac(cipher, position.library, seq, leaf),
    )


def entry_mac(cipher: FieldCipher, library: str, seq: int, leaf: bytes) -> bytes:
    """Return the MAC of an entry at its position."""
    return cipher.mac(f"{library}|{seq}", leaf)


def _track_pending(session: Session, drafts: Sequence[Draft], at: datetime) -> None:
    """Add the intents among these entries to the pending ones, and remove those whose outcome is here.

    Raises:
        LedgerError: an outcome is a second one, or has no intent.
    """
    at_text = utc_text(at)
    opened = [(draft.library, draft.reference, draft.run, at_text) for draft in drafts if draft.kind is Kind.INTENT]
    bulk_insert(session, PendingRow, opened)
    closed: defaultdict[str, list[str]] = defaultdict(list)
    for draft in drafts:
        if draft.kind is Kind.OUTCOME:
            closed[draft.library].append(draft.reference)
    for library, references in closed.items():
        chosen = col(PendingRow.library) == library, col(PendingRow.reference).in_(references)
        if affected(session, delete(PendingRow).where(*chosen)) != len(references):
            raise LedgerError("An access has its outcome already, or was never recorded", todo=_TODO)


def _pending_entries(session: Session) -> Sequence[tuple[PendingRow, EntryRow, str]]:
    """Return the pending accesses, the oldest first, each with its intent and the name of its log."""
    intent = (EntryRow.library == PendingRow.library) & (EntryRow.reference == PendingRow.reference)
    wanted = select(PendingRow, EntryRow, LogRow.origin).where(
        intent, EntryRow.kind == Kind.INTENT.value, LogRow.library == PendingRow.library
    )
    return session.exec(wanted.order_by(col(PendingRow.at), col(PendingRow.reference))).all()


def _require_our_keys(session: Session, cipher: FieldCipher, library: str, size: int, now: datetime) -> None:
    """Check that the last entry of a log was written with our keys, and not later than now.

    Raises:
        LedgerError: a new entry could not be verified, or would be older than the last one.
    """
    wanted = select(EntryRow.leaf, EntryRow.mac, EntryRow.at)
    last = session.exec(wanted.where(EntryRow.library == library, EntryRow.seq == size - 1)).one_or_none()
    if last is None:
        return
    leaf, mac, at = last
    if mac is not None and mac != entry_mac(cipher, library, size - 1, leaf):
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


def _require_written(session: Session, library: str, since: int, entries: int) -> None:
    """Check that the database kept the new entries: a foreign trigger can discard a row silently.

    Raises:
        LedgerError: it did not.
    """
    there = select(func.count()).select_from(EntryRow).where(EntryRow.library == library, EntryRow.seq >= since)
    if session.exec(there).one() != entries:
        raise LedgerError(f"The database did not keep what was written in the log of {library}", todo=_TODO)


def column_mismatch(
    content: Mapping[str, JSON], origin: str, seq: int, columns: Sequence[object], *, has_mac: bool
) -> str:
    """Return the name of the first column that contradicts the bytes of its entry, or ``""``.

    The columns are ``kind``, ``reference``, ``run``, ``at``, ``subject`` and ``actor``, as the database returns them
    without type conversion. The actor is empty in entries without a MAC.
    """
    kind, reference, run, at, subject, actor = columns
    subj = content.get("subj")
    expected = (
        content.get("log"),
        content.get("seq"),
        content.get("kind"),
        content.get("ref", ""),
        content.get("run", ""),
        content.get("ts"),
        subj.get("ref") if isinstance(subj, dict) else None,
        person_of(content) if has_mac else "",  # schema 0002 added the actor and the MAC
    )
    stored = (origin, seq, kind, reference, run, _time_text(at), _hex(subject), actor)
    if expected == stored:
        return ""
    return next(name for name, one, other in zip(_NAMES, expected, stored, strict=True) if one != other)


def _hex(subject: object) -> str | None:
    """Return a pseudonym as the bytes have it; other types match no pseudonym."""
    return None if subject is None else subject.hex() if isinstance(subject, bytes) else ""


def _time_text(at: object) -> str:
    """Return a time as the bytes have it: SQLite returns text, PostgreSQL a time."""
    if isinstance(at, str):
        return f"{at[:10]}T{at[11:]}Z" if at[10:11] == " " else ""
    return at.isoformat(timespec="microseconds") + "Z" if isinstance(at, datetime) else ""
