"""Recomputes an access log from its bytes and names the first fault.

1. Every entry stands at its place, its bytes give its leaf hash, and the columns beside them say what they say.
2. Its tag is the one we gave it there: who owns the database can make the tree anew, but has not the key.
3. At every size of which a root is known (it was signed, or is kept elsewhere) the tree has that root.
4. The head has the size and the tree of the entries, and there is no entry beyond it.

Entries of before schema 0002 (``v`` 1) have no tag; there is none of them after one that has. Who alters only those, or
puts back an older backup that then grew on, is found by the third rule: the entry named is then the first one that
the last right root does not cover.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, cast

from sqlalchemy import TextClause, func, text
from sqlmodel import col, select

from rrsync.core.log_entry import decode
from rrsync.core.merkle import Edge, leaf_hash
from rrsync.errors import BrokenChain, StoreError
from rrsync.store.access_log import Head, disagreement, tag
from rrsync.store.encryption import Seal
from rrsync.store.engine import Database
from rrsync.store.log_tree import Tiles
from rrsync.store.tables import ChangeRow, CheckpointRow, EntryRow, LogKeyRow

_Row: TypeAlias = tuple[object, ...]

_PAGE: Final = 2_000
_UNTAGGED: Final = 1


@dataclass(frozen=True, slots=True)
class Point:
    """A root that is known of a log's first entries, and where it is known from."""

    size: int
    root: bytes
    source: str


@dataclass(frozen=True, slots=True)
class _Log:
    """The head as it stands in the database."""

    library: str
    origin: str
    size: int
    edge: bytes


def verify(
    database: Database,
    library: str,
    *,
    seal: Seal,
    points: Iterable[Point] = (),
    since: Point | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Head:
    """Recompute a log from its bytes; hold it against the roots that are known of it, and against its head.

    With ``since``, only what came after it is recomputed, unless the cached tree has another root there.

    Raises:
        BrokenChain: naming the library, the sequence and the cause of the first fault.
    """
    due = sorted([*points, *([since] if since else [])], key=lambda point: point.size)
    log = _head(database, library)
    if log is None:
        return _no_log(database, library, due)
    edge = _edge_at(database, log, since)
    check = _Check(database, seal, log, edge, deque(point for point in due if point.size >= edge.size))
    most = _PAGE
    check.meet()
    while check.edge.size < log.size:
        rows = _page(database, log, check.edge.size, most)
        if rows is None and most == 1:
            raise _broken(library, check.edge.size, "a column holds what no entry has")
        if rows is None:
            most = 1  # to name which of them
            continue
        check.extend(rows)
        if progress:
            progress(check.edge.size, log.size)
    _count(database, library)
    if check.due:
        raise _too_short(library, log.size, check.due[0])
    if check.edge.to_bytes() != log.edge:
        raise _broken(library, max(log.size, 1) - 1, "the tree of the entries is not the tree of the head")
    return Head(library, log.size, check.edge.root().hex())


def _head(database: Database, library: str) -> _Log | None:
    found = _read(database, _HEAD, {"library": library})
    if found == []:
        return None
    match found:
        case [(str(origin), int(size), bytes(edge))] if size >= 0:
            return _Log(library, origin, size, edge)
    raise _broken(library, 0, "the head is damaged")


def _no_log(database: Database, library: str, due: Sequence[Point]) -> Head:
    """Return the head of a log that was never begun; what is kept beside every log must not be there either."""
    with database.read() as session:
        for row in (EntryRow, LogKeyRow, ChangeRow, CheckpointRow):
            if session.exec(select(row.library).where(row.library == library).limit(1)).first() is not None:
                raise _broken(library, 0, "the head is missing")
    for point in due:
        if point.size:
            raise _too_short(library, 0, point)
    return Head(library, 0, Edge().root().hex())


def _edge_at(database: Database, log: _Log, since: Point | None) -> Edge:
    """Return the tree to begin from; the empty one, unless the cached tree has the root that is known."""
    if since is None or since.size > log.size:
        return Edge()
    try:
        edge = Tiles(database).edge(log.library, since.size)
    except StoreError:  # an entry that it needs is not what it should be: all are to be looked at
        return Edge()
    return edge if edge.root() == since.root else Edge()


def _page(database: Database, log: _Log, first: int, most: int) -> list[_Row] | None:
    """Return the entries from ``first`` on, as long as the head says that there are any."""
    place = {"library": log.library, "first": first, "end": min(log.size, first + most)}
    return _read(database, _ROWS, place)


def _read(database: Database, statement: TextClause, place: Mapping[str, object]) -> list[_Row] | None:
    """Return rows as they stand in the database; ``None`` when one of them holds text that is none."""
    try:
        with database.read() as session:
            return [tuple(row) for row in session.execute(statement, place)]
    except StoreError as error:
        if "could not decode" not in str(error.__cause__).lower():
            raise
        return None


class _Check:
    """How far a log was found whole: the tree so far, and the roots that are still to come."""

    def __init__(self, database: Database, seal: Seal, log: _Log, edge: Edge, due: deque[Point]) -> None:
        self.edge = edge
        self.due = due
        self._database = database
        self._seal = seal
        self._log = log
        self._right = edge.size
        self._is_tagged = edge.size > 0 and self._has_tag(edge.size - 1)

    def _has_tag(self, seq: int) -> bool:
        wanted = select(func.count(col(EntryRow.mac))).where(EntryRow.library == self._log.library, EntryRow.seq == seq)
        with self._database.read() as session:
            return session.exec(wanted).one() == 1

    def extend(self, rows: list[_Row]) -> None:
        """Take in the next rows."""
        leaves: list[bytes] = []
        first = self.edge.size
        for seq, row in enumerate(rows, start=first):
            if fault := self._fault(seq, row):
                self._climb(leaves)
                raise _broken(self._log.library, seq, fault)
            leaves.append(cast("bytes", row[2]))
        self._climb(leaves)
        if not leaves:
            raise _broken(self._log.library, first, "the entry is missing")

    def _climb(self, leaves: list[bytes]) -> None:
        """Grow the tree, stopping at every size of which the root is known."""
        done = 0
        while done < len(leaves):
            end = min(len(leaves), done + self.due[0].size - self.edge.size) if self.due else len(leaves)
            self.edge = self.edge.extend(leaves[done:end])
            done = end
            self.meet()

    def meet(self) -> None:
        """Hold the tree against the roots that are known of its size."""
        while self.due and self.due[0].size == self.edge.size:
            point = self.due.popleft()
            if point.root != self.edge.root():
                raise self._another(point)
            self._right = point.size

    def _another(self, point: Point) -> BrokenChain:
        """Say that somewhere since the last right root the entries are not those of which this one was signed."""
        last = max(point.size, 1) - 1
        first = min(self._right, last)
        which = f"entries {first} to {last} are not those" if first < last else "the entry is not the one"
        return _broken(self._log.library, first, f"{which} of which {point.source} has a checkpoint of {point.size}")

    def _fault(self, seq: int, row: _Row) -> str:
        """Return what is wrong with the entry that should stand at ``seq``, or ``""``."""
        at, data, leaf, *columns, mac = row
        if type(at) is not int or at != seq:
            return "the entry is missing" if isinstance(at, (int, float)) and at > seq else "another stands before it"
        if type(data) is not bytes or type(leaf) is not bytes or leaf_hash(data) != leaf:
            return "the bytes were altered"
        try:
            line = decode(data)
        except ValueError:
            return "the bytes are no entry"
        if mac is None and (self._is_tagged or line.get("v") != _UNTAGGED):
            return "its tag was taken away"
        self._is_tagged = mac is not None
        if wrong := disagreement(line, self._log.origin, seq, columns, tagged=self._is_tagged):
            return f"the column beside the bytes says otherwise ({wrong})"
        is_ours = mac is None or mac == tag(self._seal, self._log.library, seq, leaf)
        return "" if is_ours else "it is not what was written there"


def _count(database: Database, library: str) -> None:
    """See that the head counts the entries; the log may have grown meanwhile, and its head with it."""
    with database.read() as session:
        size, entries = session.execute(_COUNT, {"library": library}).one()  # both of one moment
        if size != entries:
            stray = session.execute(_STRAY, {"library": library, "size": size, "most": _MOST}).scalar_one()
            seq = min(size, entries) if stray is None else stray
            raise _broken(library, seq, "the head does not count the entries")


def _too_short(library: str, size: int, point: Point) -> BrokenChain:
    return _broken(library, size, f"the log holds {size} entries, but {point.source} has a checkpoint of {point.size}")


def _broken(library: str, seq: int, cause: str) -> BrokenChain:
    return BrokenChain(
        f"The access log of {library} does not verify at entry {seq}: {cause}",
        kept="Nothing was asked",
        todo="Stop the nightly job, keep the database as it is, and call the data-protection officer",
    )


_MOST: Final = (1 << 63) - 1  # above every number and below every text, as SQLite orders them
_HEAD: Final = text("SELECT origin, size, edge FROM log WHERE library = :library")
_ROWS: Final = text(
    "SELECT seq, data, leaf, kind, reference, run, at, subject, actor, mac FROM entry "
    "WHERE library = :library AND seq >= :first AND seq < :end ORDER BY seq"
)
_COUNT: Final = text(
    "SELECT size, (SELECT count(*) FROM entry WHERE library = :library) FROM log WHERE library = :library"
)
_STRAY: Final = text(
    "SELECT min(seq) FROM entry WHERE library = :library AND (seq < 0 OR (seq >= :size AND seq <= :most))"
)
