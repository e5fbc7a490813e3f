"""Roots and proofs of an access log, from its entries and a cache of the upper part of its Merkle tree.

The cache holds the hash of each complete subtree of 256 entries, of 256 of those, and so on: some 400 000 hashes for a
hundred million entries. It is not trusted: missing hashes are computed from the level below, and a caller compares the
root with a known one and rebuilds the cache if they differ.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import LargeBinary, cast, delete, func, text
from sqlmodel import Session, col, select

from rrsync.core.merkle import Edge, Node, Range, consistency, inclusion, join, leaf_hash, nodes
from rrsync.core.signed_note import HASH_BYTES
from rrsync.errors import BrokenChain
from rrsync.store.engine import Database
from rrsync.store.tables import EntryRow, LogRow, TileRow

#: A tile is 256 hashes wide: each level of the cache is 2 ** 8 times smaller than the one below.
_HEIGHT: Final = 8
_BATCH: Final = 64


class Tiles:
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
    wanted = select(TileRow.number, cast(TileRow.hash, LargeBinary)).where(
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
    wanted = select(EntryRow.seq, cast(EntryRow.data, LargeBinary)).where(
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
