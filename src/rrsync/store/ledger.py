"""The access log: append-only, one per library, its sequence without gaps, its head the root of a Merkle tree.

An entry gets its place, its time and its sealed subject in the transaction that writes it, under the lock of the log's
head; so its place cannot be lost by a roll-back, and a reader sees whole entries only. The database refuses updates and
deletes.
"""

from __future__ import annotations

import base64
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypedDict

from sqlalchemy import delete, insert, text, update
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, col, select

from rrsync.core.entry import JSON, Draft, Kind, decode, encode
from rrsync.core.insz import Insz
from rrsync.core.tree import Edge, leaf_hash
from rrsync.errors import BrokenChain, LedgerError, StoreError
from rrsync.store.seal import SubjectKey
from rrsync.store.tables import EntryRow, LogKeyRow, LogRow, PendingRow, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from rrsync.store.engine import Database
    from rrsync.store.seal import Seal

_PAGE: Final = 2_000
_TODO: Final = "Find the cause in the sentence above; until the log can be written rrsync asks nothing"


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


class _Line(TypedDict):
    """An entry as the columns of its row."""

    library: str
    seq: int
    data: bytes
    leaf: bytes
    kind: str
    reference: str
    run: str
    at: datetime
    subject: bytes | None


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
        self._random = random
        self._keys: dict[tuple[str, int], SubjectKey] = {}

    def append(self, drafts: Sequence[Draft]) -> None:
        """Commit entries to disk, in their order.

        Raises:
            LedgerError: none of them was written.
        """
        with self.writing() as session:
            self.append_in(session, drafts)

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Give a session in which entries and what belongs to them are committed together.

        Raises:
            LedgerError: nothing of it was written.
        """
        try:
            with self._database.write() as session:
                yield session
        except StoreError as error:
            if not isinstance(error.__cause__, SQLAlchemyError):
                raise  # it is what was to be written that cannot be, not the database that refused
            raise LedgerError(f"The access log could not be written: {error.what}", todo=_TODO) from error

    def append_in(self, session: Session, drafts: Sequence[Draft]) -> list[int]:
        """Append in a transaction of the caller's; give the sequence of each entry, in the order of the drafts."""
        places: dict[int, int] = {}
        by_library: defaultdict[str, list[int]] = defaultdict(list)
        for at, draft in enumerate(drafts):
            by_library[draft.library].append(at)
        for library in sorted(by_library):  # one order for all writers, so that two never wait for each other
            log = self._head(session, library)
            now = self._clock()
            rows = [self._row(session, log, log.size + n, drafts[at], now) for n, at in enumerate(by_library[library])]
            session.execute(_ENTER, rows)
            edge = _edge(log).extend(row["leaf"] for row in rows)
            session.execute(
                update(LogRow).where(col(LogRow.library) == library).values(size=edge.size, edge=edge.to_bytes())
            )
            places |= dict(zip(by_library[library], (row["seq"] for row in rows), strict=True))
        self._mark_pending(session, drafts)
        return [places[at] for at in range(len(drafts))]

    def _head(self, session: Session, library: str) -> LogRow:
        wanted = select(LogRow).where(LogRow.library == library).with_for_update()
        wanted = wanted.execution_options(populate_existing=True)
        log = session.exec(wanted).one_or_none()
        if log is None:  # two writers may begin it at once: one of them does
            session.execute(_BEGIN, {"library": library, "origin": self._origins.get(library, library), "edge": b""})
            log = session.exec(wanted).one()
        session.expunge(log)
        return log

    def _row(self, session: Session, log: LogRow, seq: int, draft: Draft, now: datetime) -> _Line:
        subject: dict[str, JSON] = {}
        pseudonym = None
        if draft.subject is not None:
            key = self._key(session, log.library, now.year)
            pseudonym = key.pseudonym(draft.subject.digits)
            sealed = key.encrypt(draft.subject.digits, where=f"{log.origin}|{seq}")
            subject = {"ref": pseudonym.hex(), "enc": base64.b64encode(sealed).decode(), "key": str(now.year)}
        try:
            data = encode(draft, log=log.origin, seq=seq, at=now, subject=subject)
        except ValueError as error:
            raise LedgerError(f"The access log cannot be written: {error}", todo=_TODO) from error
        return {
            "library": log.library,
            "seq": seq,
            "data": data,
            "leaf": leaf_hash(data),
            "kind": draft.kind.value,
            "reference": draft.reference,
            "run": draft.run,
            "at": now,
            "subject": pseudonym,
        }

    def _key(self, session: Session, library: str, year: int) -> SubjectKey:
        """Give the key of a library and year; the first entry of the year makes it, and it is kept once committed."""
        made: dict[tuple[str, int], SubjectKey] = session.info.setdefault("made", {})
        if key := self._keys.get((library, year)) or made.get((library, year)):
            return key
        where = f"log_key|key|{library}|{year}"
        row = session.get(LogKeyRow, (library, year))
        if row is None:
            fresh = self._seal.fresh_key()
            sealed = self._seal.seal(fresh, where=where)
            session.execute(insert(LogKeyRow).values(library=library, year=year, key=sealed))
            made[library, year] = SubjectKey(fresh, self._random)
            return made[library, year]
        self._keys[library, year] = SubjectKey(self._seal.open(row.key, where=where), self._random)
        return self._keys[library, year]

    def _mark_pending(self, session: Session, drafts: Sequence[Draft]) -> None:
        now = self._clock()
        opened = [
            {"library": draft.library, "reference": draft.reference, "run": draft.run, "at": now}
            for draft in drafts
            if draft.kind is Kind.INTENT
        ]
        if opened:
            session.execute(_AWAIT, opened)
        closed: defaultdict[str, list[str]] = defaultdict(list)
        for draft in drafts:
            if draft.kind is Kind.OUTCOME:
                closed[draft.library].append(draft.reference)
        for library, references in closed.items():
            chosen = col(PendingRow.library) == library, col(PendingRow.reference).in_(references)
            gone = session.execute(delete(PendingRow).where(*chosen))
            if gone.rowcount != len(references):  # type: ignore[attr-defined] # a DELETE's result counts its rows
                raise LedgerError("An access has its outcome already, or was never recorded", todo=_TODO)

    def pending(self) -> list[Pending]:
        """Give the intents that have no outcome, the oldest first."""
        with self._database.read() as session:
            intent = (EntryRow.library == PendingRow.library) & (EntryRow.reference == PendingRow.reference)
            wanted = select(PendingRow, EntryRow, LogRow.origin).where(
                intent, EntryRow.kind == Kind.INTENT.value, LogRow.library == PendingRow.library
            )
            rows = session.exec(wanted.order_by(col(PendingRow.at), col(PendingRow.reference))).all()
            return [
                Pending(row.library, row.reference, row.run, row.at, self._subject(session, entry, origin))
                for row, entry, origin in rows
            ]

    def _subject(self, session: Session, entry: EntryRow, origin: str) -> Insz | None:
        """Give whom an entry is about; ``None`` when it names nobody, or its year's key was destroyed."""
        sealed = decode(entry.data).get("subj")
        if not isinstance(sealed, dict) or session.get(LogKeyRow, (entry.library, int(str(sealed["key"])))) is None:
            return None
        key = self._key(session, entry.library, int(str(sealed["key"])))
        return Insz(key.decrypt(base64.b64decode(str(sealed["enc"])), where=f"{origin}|{entry.seq}"))

    def heads(self) -> list[Head]:
        """Give the head of every log."""
        with self._database.read() as session:
            rows = session.exec(select(LogRow).order_by(col(LogRow.library))).all()
            return [Head(row.library, row.size, _edge(row).root().hex()) for row in rows]

    def entries(self, library: str, *, since: int = 0, most: int | None = None) -> Iterator[tuple[int, bytes]]:
        """Give sequence and exact bytes of the entries from ``since`` on, as a stream."""
        left = most
        while left is None or left > 0:
            size = _PAGE if left is None else min(_PAGE, left)
            wanted = select(EntryRow.seq, EntryRow.data).where(EntryRow.library == library, EntryRow.seq >= since)
            with self._database.read() as session:
                page = session.exec(
                    wanted.order_by(col(EntryRow.seq)).limit(_PAGE if left is None else min(_PAGE, left))
                ).all()
            yield from page
            if len(page) < size:
                return
            since = page[-1][0] + 1
            left = None if left is None else left - len(page)

    def of_subject(self, library: str, insz: Insz) -> list[tuple[int, bytes]]:
        """Give the entries about one person, over all years whose key is still there."""
        with self._database.read() as session:
            years = session.exec(select(LogKeyRow.year).where(LogKeyRow.library == library)).all()
            refs = [self._key(session, library, year).pseudonym(insz.digits) for year in years]
            wanted = select(EntryRow.seq, EntryRow.data).where(
                EntryRow.library == library, col(EntryRow.subject).in_(refs)
            )
            return list(session.exec(wanted.order_by(col(EntryRow.seq))).all())


_BEGIN: Final = text(
    "INSERT INTO log (library, origin, size, edge) VALUES (:library, :origin, 0, :edge) ON CONFLICT DO NOTHING"
)
_ENTER: Final = table(EntryRow).insert()
_AWAIT: Final = table(PendingRow).insert()


def _edge(row: LogRow) -> Edge:
    try:
        return Edge.from_bytes(row.size, row.edge)
    except ValueError as error:
        raise BrokenChain(
            f"The head of the access log of {row.library} is damaged",
            kept="Nothing was asked",
            todo="Keep the database as it is, and call the data-protection officer",
        ) from error
