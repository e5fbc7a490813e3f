"""Roots and proofs of an access log, from its entries and a cache of the upper part of its tree.

The cache holds the hash of each complete subtree of 256 entries, of 256 of those, and so on: at a hundred million
entries some 400 000 hashes. It is never believed blindly: what is missing in it is made from what lies below, and who
asks for a root holds it against one that is known, and has the cache made anew when they differ.
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

#: A tile is 256 hashes wide, so each level of the cache is so many times higher than the one below.
HEIGHT: Final = 8
WIDTH: Final = 1 << HEIGHT
_BATCH: Final = 64


class Tiles:
    """The trees of the logs in one database.

    Raises:
        BrokenChain: from every proof and root, when an entry that it needs is not there.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def grow(self, library: str, size: int) -> None:
        """Cache what became complete of a log since last time; who does it at the same time does it alike."""
        for level in range(1, (size.bit_length() - 1) // HEIGHT + 1):
            whole = size >> (HEIGHT * level)
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
        """Throw the cache of a log away, and make it anew from the entries."""
        with self._database.write() as session:
            session.execute(delete(TileRow).where(col(TileRow.library) == library))
            size = session.exec(select(LogRow.size).where(LogRow.library == library)).one_or_none()
        self.grow(library, size or 0)

    def edge(self, library: str, size: int) -> Edge:
        """Return the tree of a log's first entries by its right edge."""
        wanted = nodes(0, size)
        hashes = self._hashes(library, wanted)
        return Edge(size, tuple(hashes[node] for node in wanted))

    def root(self, library: str, size: int) -> bytes:
        """Return the root of a log's first entries."""
        return self.edge(library, size).root()

    def root_like(self, library: str, size: int, wanted: bytes) -> bytes:
        """Return the root of a log's first entries; when it is not what is wanted, from the entries alone."""
        root = self.root(library, size)
        if root != wanted:
            self.rebuild(library)
            root = self.root(library, size)
        return root

    def inclusion(self, library: str, index: int, size: int) -> list[bytes]:
        """Return the proof that an entry is among a log's first ones (RFC 6962 §2.1.1).

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
        """Return the hashes of complete subtrees, reading each stretch of the log or of the cache once."""
        needed: defaultdict[int, list[Range]] = defaultdict(list)
        for height, number in wanted:
            level, more = divmod(height, HEIGHT)
            needed[level].append((number << more, (number + 1) << more))
        below: dict[tuple[int, int], bytes] = {}
        with self._database.read() as session:
            for level, ranges in needed.items():
                for first, end in _joined(ranges):
                    read = _level(session, library, level, range(first, end))
                    below |= {(level, number): each for number, each in enumerate(read, start=first)}
        return {node: _above(below, node) for node in wanted}


def _joined(ranges: Sequence[Range]) -> list[Range]:
    """Return stretches that touch as one."""
    found: list[Range] = []
    for first, end in sorted(ranges):
        touches = bool(found) and found[-1][1] == first
        found.append((found.pop()[0] if touches else first, end))
    return found


def _above(below: Mapping[tuple[int, int], bytes], node: Node) -> bytes:
    """Return the hash of a complete subtree from those of the level of the cache below it."""
    level, more = divmod(node[0], HEIGHT)
    return Edge().extend(below[level, number] for number in range(node[1] << more, (node[1] + 1) << more)).root()


def _level(session: Session, library: str, level: int, numbers: range) -> list[bytes]:
    """Return the hashes of entries (level 0) or tiles; a tile that is not there, or is no hash, is made from below.

    SQLite takes anything in any column, and gives bytes of it when it is told to.
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
    below = range(number << HEIGHT, (number + 1) << HEIGHT)
    return Edge().extend(_level(session, library, level - 1, below)).root()


def _leaves(session: Session, library: str, numbers: range) -> list[bytes]:
    wanted = select(EntryRow.seq, cast(EntryRow.data, LargeBinary)).where(
        EntryRow.library == library, EntryRow.seq >= numbers.start, EntryRow.seq < numbers.stop
    )
    read = dict(session.exec(wanted).all())
    for seq in numbers:
        if seq not in read:
            raise BrokenChain(
                f"Entry {seq} of the access log of {library} is missing, and the tree cannot be made without it",
                kept="Nothing was asked",
                todo="Run `rrsync log verify`: it names the cause",
            )
    return [leaf_hash(read[seq]) for seq in numbers]


_KEEP: Final = text(
    "INSERT INTO tile (library, level, number, hash) VALUES (:library, :level, :number, :hash) ON CONFLICT DO NOTHING"
)
