"""The Merkle tree of an access log in the database: roots, proofs, and the verification of every entry.

Roots and proofs come from the entries and a cache of the upper part of the tree.

The cache holds the hash of each complete subtree of 256 entries, of 256 of those, and so on: some 400 000 hashes for a
hundred million entries. It is not trusted: missing hashes are computed from the level below, and a caller compares the
root with a known one and rebuilds the cache if they differ.

Verification recomputes the log from its bytes and names the first fault:

1. Every entry stands at its position, its bytes have its leaf hash, and its other columns agree with the bytes.
2. Its MAC is valid for its position: the owner of the database can rebuild the tree, but does not have the key.
3. At every size with a known root (signed, or kept outside the database) the tree has that root.
4. The head has the size and the tree of the entries, and there is no entry beyond it.

Entries from before schema 0002 (``v`` 1) have no MAC, and none of them follows an entry that has one. Rule 3 finds a
change of only those, and a restored older backup that grew on; the named entry is then the first one that the last
confirmed root does not cover.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, cast

from sqlalchemy import LargeBinary, TextClause, delete, func, text
from sqlalchemy import cast as sql_cast
from sqlmodel import Session, col, select

from rrsync.core.log_entry import decode
from rrsync.core.merkle import Edge, Node, Range, consistency, inclusion, join, leaf_hash, nodes
from rrsync.core.signed_note import HASH_BYTES
from rrsync.errors import BrokenChain, StoreError
from rrsync.store.access_log import LogHead, column_mismatch, entry_mac
from rrsync.store.encryption import FieldCipher
from rrsync.store.engine import Database
from rrsync.store.tables import ChangeRow, CheckpointRow, EntryRow, LogKeyRow, LogRow, TileRow

#: A tile is 256 hashes wide: each level of the cache is 2 ** 8 times smaller than the one below.
_HEIGHT: Final = 8
_BATCH: Final = 64


class LogTree:
    """The Merkle trees of the logs in one database.

    Raises:
        BrokenChain: from every proof and root, if an entry that it needs is missing.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def grow(self, library: str, size: int) -> None:
        """Cache the subtrees that became complete since the last call; concurrent calls write the same rows."""
        for level in range(1, (size.bit_length() - 1) // _HEIGHT + 1):
            whole = size >> (_HEIGHT * level)
            for first in range(self._cached(library, level), whole, _BATCH):
                numbers = range(first, min(whole, first + _BATCH))
                with self._database.read() as session:
                    hashes = [_tile(session, library, level, number) for number in numbers]
                rows = [
                    {"library": library, "level": level, "number": number, "hash": each}
                    for number, each in zip(numbers, hashes, strict=True)
                ]
                with self._database.write() as session:
                    session.execute(_KEEP, rows)

    def _cached(self, library: str, level: int) -> int:
        wanted = select(func.coalesce(func.max(TileRow.number) + 1, 0))
        with self._database.read() as session:
            return session.exec(wanted.where(TileRow.library == library, TileRow.level == level)).one()

    def rebuild(self, library: str) -> None:
        """Delete the cache of a log, and rebuild it from the entries."""
        with self._database.write() as session:
            session.execute(delete(TileRow).where(col(TileRow.library) == library))
            size = session.exec(select(LogRow.size).where(LogRow.library == library)).one_or_none()
        self.grow(library, size or 0)

    def edge(self, library: str, size: int) -> Edge:
        """Return the right edge of the tree of a log's first entries."""
        wanted = nodes(0, size)
        hashes = self._hashes(library, wanted)
        return Edge(size, tuple(hashes[node] for node in wanted))

    def root(self, library: str, size: int) -> bytes:
        """Return the root of a log's first entries."""
        return self.edge(library, size).root()

    def root_like(self, library: str, size: int, wanted: bytes) -> bytes:
        """Return the root of a log's first entries; if it is not ``wanted``, recomputed from the entries alone."""
        root = self.root(library, size)
        if root != wanted:
            self.rebuild(library)
            root = self.root(library, size)
        return root

    def inclusion(self, library: str, index: int, size: int) -> list[bytes]:
        """Return the proof that an entry is among a log's first entries (RFC 6962 §2.1.1).

        Raises:
            ValueError: it is not.
        """
        return self._proof(library, inclusion(index, size))

    def consistency(self, library: str, old: int, new: int) -> list[bytes]:
        """Return the proof that a log only grew from one size to another (RFC 6962 §2.1.2).

        Raises:
            ValueError: it did not grow.
        """
        return self._proof(library, consistency(old, new))

    def _proof(self, library: str, ranges: Sequence[Range]) -> list[bytes]:
        parts = [nodes(first, end) for first, end in ranges]
        hashes = self._hashes(library, [node for part in parts for node in part])
        return [join([hashes[node] for node in part]) for part in parts]

    def _hashes(self, library: str, wanted: Sequence[Node]) -> dict[Node, bytes]:
        """Return the hashes of complete subtrees; reads each stretch of the log or of the cache once."""
        needed: defaultdict[int, list[Range]] = defaultdict(list)
        for height, number in wanted:
            level, more = divmod(height, _HEIGHT)
            needed[level].append((number << more, (number + 1) << more))
        below: dict[tuple[int, int], bytes] = {}
        with self._database.read() as session:
            for level, ranges in needed.items():
                for first, end in _joined(ranges):
                    read = _level(session, library, level, range(first, end))
                    below |= {(level, number): each for number, each in enumerate(read, start=first)}
        return {node: _subtree_hash(below, node) for node in wanted}


def _joined(ranges: Sequence[Range]) -> list[Range]:
    """Return the ranges with adjacent ones joined."""
    found: list[Range] = []
    for first, end in sorted(ranges):
        touches = bool(found) and found[-1][1] == first
        found.append((found.pop()[0] if touches else first, end))
    return found


def _subtree_hash(below: Mapping[tuple[int, int], bytes], node: Node) -> bytes:
    """Return the hash of a complete subtree from the hashes of the cache level below it."""
    level, more = divmod(node[0], _HEIGHT)
    return Edge().extend(below[level, number] for number in range(node[1] << more, (node[1] + 1) << more)).root()


def _level(session: Session, library: str, level: int, numbers: range) -> list[bytes]:
    """Return the hashes of entries (level 0) or tiles; a missing or invalid tile is computed from the level below.

    SQLite accepts any type in any column; the cast returns bytes.
    """
    if not level:
        return _leaves(session, library, numbers)
    wanted = select(TileRow.number, sql_cast(TileRow.hash, LargeBinary)).where(
        TileRow.library == library,
        TileRow.level == level,
        TileRow.number >= numbers.start,
        TileRow.number < numbers.stop,
    )
    read = {number: each for number, each in session.exec(wanted) if len(each) == HASH_BYTES}
    return [read.get(number) or _tile(session, library, level, number) for number in numbers]


def _tile(session: Session, library: str, level: int, number: int) -> bytes:
    below = range(number << _HEIGHT, (number + 1) << _HEIGHT)
    return Edge().extend(_level(session, library, level - 1, below)).root()


def _leaves(session: Session, library: str, numbers: range) -> list[bytes]:
    wanted = select(EntryRow.seq, sql_cast(EntryRow.data, LargeBinary)).where(
        EntryRow.library == library, EntryRow.seq >= numbers.start, EntryRow.seq < numbers.stop
    )
    read = dict(session.exec(wanted).all())
    for seq in numbers:
        if seq not in read:
            raise BrokenChain(
                f"Entry {seq} of the access log of {library} is missing, and the tree cannot be computed without it",
                kept="Nothing was asked",
                todo="Run `rrsync log verify`: it names the cause",
            )
    return [leaf_hash(read[seq]) for seq in numbers]


_KEEP: Final = text(
    "INSERT INTO tile (library, level, number, hash) VALUES (:library, :level, :number, :hash) ON CONFLICT DO NOTHING"
)

_RowValues: TypeAlias = tuple[object, ...]
_PAGE: Final = 2_000
_WITHOUT_MAC: Final = 1


@dataclass(frozen=True, slots=True)
class KnownRoot:
    """A known root of a log's first entries, and the source that knows it."""

    size: int
    root: bytes
    source: str


@dataclass(frozen=True, slots=True)
class _StoredHead:
    """The head as the database has it."""

    library: str
    origin: str
    size: int
    edge: bytes


def verify_log(
    database: Database,
    library: str,
    *,
    cipher: FieldCipher,
    points: Iterable[KnownRoot] = (),
    since: KnownRoot | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> LogHead:
    """Recompute a log from its bytes; compare it with its known roots, and with its head.

    With ``since``, only the entries after it are recomputed, unless the cached tree has another root there.

    Raises:
        BrokenChain: naming the library, the sequence number and the cause of the first fault.
    """
    roots = sorted([*points, *([since] if since else [])], key=lambda point: point.size)
    log = _head(database, library)
    if log is None:
        return _missing_log(database, library, roots)
    edge = _edge_at(database, log, since)
    check = _Check(database, cipher, log, edge, deque(point for point in roots if point.size >= edge.size))
    most = _PAGE
    check.check_roots()
    while check.edge.size < log.size:
        rows = _page(database, log, check.edge.size, most)
        if rows is None and most == 1:
            raise _broken(library, check.edge.size, "a column holds an invalid value")
        if rows is None:
            most = 1  # to find the entry
            continue
        check.extend(rows)
        if progress:
            progress(check.edge.size, log.size)
    _check_count(database, library)
    if check.roots:
        raise _too_short(library, log.size, check.roots[0])
    if check.edge.to_bytes() != log.edge:
        raise _broken(library, max(log.size, 1) - 1, "the tree of the entries is not the tree of the head")
    return LogHead(library, log.size, check.edge.root().hex())


def _head(database: Database, library: str) -> _StoredHead | None:
    found = _read(database, _HEAD, {"library": library})
    if found == []:
        return None
    match found:
        case [(str(origin), int(size), bytes(edge))] if size >= 0:
            return _StoredHead(library, origin, size, edge)
    raise _broken(library, 0, "the head is damaged")


def _missing_log(database: Database, library: str, roots: Sequence[KnownRoot]) -> LogHead:
    """Return the head of a log that does not exist; no other table may have rows of it either."""
    with database.read() as session:
        for row in (EntryRow, LogKeyRow, ChangeRow, CheckpointRow):
            if session.exec(select(row.library).where(row.library == library).limit(1)).first() is not None:
                raise _broken(library, 0, "the head is missing")
    for point in roots:
        if point.size:
            raise _too_short(library, 0, point)
    return LogHead(library, 0, Edge().root().hex())


def _edge_at(database: Database, log: _StoredHead, since: KnownRoot | None) -> Edge:
    """Return the tree to start from: the empty one, unless the cached tree has the known root."""
    if since is None or since.size > log.size:
        return Edge()
    try:
        edge = LogTree(database).edge(log.library, since.size)
    except StoreError:  # an entry that it needs is damaged, so all are verified
        return Edge()
    return edge if edge.root() == since.root else Edge()


def _page(database: Database, log: _StoredHead, first: int, most: int) -> list[_RowValues] | None:
    """Return the entries from ``first`` on, within the size of the head."""
    position = {"library": log.library, "first": first, "end": min(log.size, first + most)}
    return _read(database, _ROWS, position)


class _Check:
    """The verified part of a log: the tree so far, and the known roots that are still to come."""

    def __init__(
        self, database: Database, cipher: FieldCipher, log: _StoredHead, edge: Edge, roots: deque[KnownRoot]
    ) -> None:
        self.edge = edge
        self.roots = roots
        self._database = database
        self._cipher = cipher
        self._log = log
        self._confirmed = edge.size
        self._has_mac = edge.size > 0 and self._entry_has_mac(edge.size - 1)

    def _entry_has_mac(self, seq: int) -> bool:
        wanted = select(func.count(col(EntryRow.mac))).where(EntryRow.library == self._log.library, EntryRow.seq == seq)
        with self._database.read() as session:
            return session.exec(wanted).one() == 1

    def extend(self, rows: list[_RowValues]) -> None:
        """Verify the next rows."""
        leaves: list[bytes] = []
        first = self.edge.size
        for seq, row in enumerate(rows, start=first):
            if fault := self._fault(seq, row):
                self._grow(leaves)
                raise _broken(self._log.library, seq, fault)
            leaves.append(cast("bytes", row[2]))
        self._grow(leaves)
        if not leaves:
            raise _broken(self._log.library, first, "the entry is missing")

    def _grow(self, leaves: list[bytes]) -> None:
        """Grow the tree, and compare it with the root at every size that has a known one."""
        done = 0
        while done < len(leaves):
            end = min(len(leaves), done + self.roots[0].size - self.edge.size) if self.roots else len(leaves)
            self.edge = self.edge.extend(leaves[done:end])
            done = end
            self.check_roots()

    def check_roots(self) -> None:
        """Compare the tree with the known roots of its size."""
        while self.roots and self.roots[0].size == self.edge.size:
            point = self.roots.popleft()
            if point.root != self.edge.root():
                raise self._wrong_root(point)
            self._confirmed = point.size

    def _wrong_root(self, point: KnownRoot) -> BrokenChain:
        """Report that the entries since the last confirmed root are not those that were signed."""
        last = max(point.size, 1) - 1
        first = min(self._confirmed, last)
        which = f"entries {first} to {last} are not those" if first < last else "the entry is not the one"
        return _broken(self._log.library, first, f"{which} of which {point.source} has a checkpoint of {point.size}")

    def _fault(self, seq: int, row: _RowValues) -> str:
        """Return the fault of the entry that should stand at ``seq``, or ``""``."""
        at, data, leaf, *columns, mac = row
        if type(at) is not int or at != seq:
            return (
                "the entry is missing" if isinstance(at, (int, float)) and at > seq else "another entry comes before it"
            )
        if type(data) is not bytes or type(leaf) is not bytes or leaf_hash(data) != leaf:
            return "the bytes were altered"
        try:
            content = decode(data)
        except ValueError:
            return "the bytes are not an entry"
        if mac is None and (self._has_mac or content.get("v") != _WITHOUT_MAC):
            return "its MAC was removed"
        self._has_mac = mac is not None
        if wrong := column_mismatch(content, self._log.origin, seq, columns, has_mac=self._has_mac):
            return f"a column contradicts the bytes ({wrong})"
        is_ours = mac is None or mac == entry_mac(self._cipher, self._log.library, seq, leaf)
        return "" if is_ours else "its MAC is wrong"


def _check_count(database: Database, library: str) -> None:
    """Check that the head counts the entries; the log and its head may have grown meanwhile."""
    with database.read() as session:
        size, entries = session.execute(_COUNT, {"library": library}).one()  # both of one moment
        if size != entries:
            stray = session.execute(_STRAY, {"library": library, "size": size, "most": _MOST}).scalar_one()
            seq = min(size, entries) if stray is None else stray
            raise _broken(library, seq, "the head does not count the entries")


def _read(database: Database, statement: TextClause, position: Mapping[str, object]) -> list[_RowValues] | None:
    """Return rows as the database has them; ``None`` if one of them holds invalid text."""
    try:
        with database.read() as session:
            return [tuple(row) for row in session.execute(statement, position)]
    except StoreError as error:
        if "could not decode" not in str(error.__cause__).lower():
            raise
        return None


def _too_short(library: str, size: int, point: KnownRoot) -> BrokenChain:
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
