"""The Merkle tree of a log: roots and proofs, with any state of the cache."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from random import Random
from typing import Final

import pytest

from rrsync.core.merkle import Edge, leaf_hash, verify_consistency, verify_inclusion
from rrsync.errors import BrokenChain
from rrsync.store.log_tree import LogTree
from tests.owner import unguard
from tests.store.scene import ON_SQLITE, statements
from tests.support import LIBRARY, Store, intent

SIZE: Final = 66_000
#: Before, at and after each size that completes a subtree of 256 or of 65 536 entries.
SIZES: Final = (0, 1, 2, 255, 256, 257, 511, 512, 513, 1_000, 65_535, 65_536, 65_537, SIZE - 1, SIZE)
LEAVES: Final = [leaf_hash(str(number).encode()) for number in range(SIZE)]


@cache
def root(size: int) -> bytes:
    """Return the root of so many entries, computed without the database."""
    return Edge().extend(LEAVES[:size]).root()


@pytest.fixture
def tiles(store: Store) -> LogTree:
    """Return the trees of a database with a log of many short entries."""
    data = "CAST(n AS BLOB)" if store.database.is_sqlite else "convert_to(n::text, 'UTF8')"
    store.execute(
        f"INSERT INTO entry (library, seq, data, leaf, kind, reference, run, at) "
        f"WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < {SIZE - 1}) "
        f"SELECT '{LIBRARY}', n, {data}, {data}, 'x', '', '', '2026-01-01' FROM numbers"
    )
    store.execute("INSERT INTO log VALUES (:l, 'x', :s, :e)", l=LIBRARY, s=SIZE, e=b"")
    return LogTree(store.database)


def cached(store: Store) -> list[tuple[object, ...]]:
    """Return the rows of the cache."""
    with store.database.engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT level, number, hash FROM tile ORDER BY level, number")
        return [(level, number, bytes(each)) for level, number, each in found]


def test_roots_and_proofs_are_those_of_the_entries(tiles: LogTree) -> None:
    dice = Random(1)
    assert [tiles.root(LIBRARY, size) for size in SIZES[:10]] == [root(size) for size in SIZES[:10]]
    tiles.grow(LIBRARY, SIZE)
    for size in SIZES:
        edge = tiles.edge(LIBRARY, size)
        assert (edge.size, edge.root()) == (size, root(size))
        assert tiles.root(LIBRARY, size) == root(size)
        for index in {0, size // 2, size - 1, dice.randrange(max(1, size))} if size else ():
            proof = tiles.inclusion(LIBRARY, index, size)
            assert verify_inclusion(LEAVES[index], index=index, size=size, proof=proof, root=root(size))
        for old in {0, 1, size // 3, size - 1, size} if size else ():
            proof = tiles.consistency(LIBRARY, old, size)
            assert verify_consistency(old=old, new=size, proof=proof, old_root=root(old), new_root=root(size))


def test_the_cache_holds_complete_subtrees_only(store: Store, tiles: LogTree) -> None:
    for size in (200, 600, 600, 300, 65_535, SIZE):
        tiles.grow(LIBRARY, size)
    expected = [(1, number, Edge().extend(LEAVES[256 * number : 256 * (number + 1)]).root()) for number in range(257)]
    assert cached(store) == [*expected, (2, 0, root(65_536))]


def test_a_proof_reads_little(store: Store, tiles: LogTree) -> None:
    tiles.grow(LIBRARY, SIZE)
    for index in (0, 255, 40_000, SIZE - 1):
        executed = statements(store, partial(tiles.inclusion, LIBRARY, index, SIZE))
        assert len([sql for sql, _ in executed if sql.startswith("SELECT")]) <= 8
    assert not [sql for sql, _ in statements(store, lambda: tiles.grow(LIBRARY, SIZE)) if "entry" in sql]


def test_concurrent_growth_writes_the_same_cache(store: Store, tiles: LogTree) -> None:
    others = [tiles, *(LogTree(store.again().database) for _ in range(3))]
    with ThreadPoolExecutor(len(others)) as pool:
        list(pool.map(lambda one: one.grow(LIBRARY, 20_000), others))
    assert len(cached(store)) == 20_000 // 256
    assert tiles.root(LIBRARY, 20_000) == root(20_000)


@pytest.mark.parametrize("value", [b"", b"short", bytes(33)])
def test_an_invalid_or_missing_hash_is_recomputed(store: Store, tiles: LogTree, value: bytes) -> None:
    tiles.grow(LIBRARY, SIZE)
    store.execute("UPDATE tile SET hash = :x WHERE number = 0", x=value)
    store.execute("DELETE FROM tile WHERE number = 7")
    assert tiles.root(LIBRARY, SIZE) == root(SIZE)


@ON_SQLITE
def test_a_hash_of_another_type_is_recomputed(store: Store, tiles: LogTree) -> None:
    tiles.grow(LIBRARY, SIZE)
    for value in ("'a text'", "7", "CAST(x'ff' AS TEXT)"):
        store.execute(f"UPDATE tile SET hash = {value}")
        assert tiles.root(LIBRARY, SIZE) == root(SIZE)


def test_a_wrong_hash_lasts_until_a_rebuild(store: Store, tiles: LogTree) -> None:
    tiles.grow(LIBRARY, SIZE)
    before = cached(store)
    store.execute("UPDATE tile SET hash = :x WHERE level = 1 AND number = 256", x=bytes(32))
    store.execute("INSERT INTO tile VALUES (:l, 1, 1000000, :x)", l=LIBRARY, x=bytes(32))
    assert tiles.root(LIBRARY, SIZE) != root(SIZE)
    tiles.rebuild(LIBRARY)
    assert tiles.root(LIBRARY, SIZE) == root(SIZE)
    assert cached(store) == before
    tiles.rebuild("nowhere")


def test_a_missing_entry_is_named(store: Store, tiles: LogTree) -> None:
    store.ledger.append([intent(str(number), library="genk") for number in range(5)])
    unguard(store)
    store.execute("DELETE FROM entry WHERE library = 'hasselt' AND seq = 300")
    for use in (lambda: tiles.root(LIBRARY, 400), lambda: tiles.grow(LIBRARY, 600)):
        with pytest.raises(BrokenChain, match="Entry 300 of"):
            use()
    with pytest.raises(BrokenChain, match="Entry 5 of"):
        tiles.root("genk", 6)


def test_there_is_no_proof_beyond_the_log(tiles: LogTree) -> None:
    with pytest.raises(ValueError, match="no such entry"):
        tiles.inclusion(LIBRARY, 5, 5)
    with pytest.raises(ValueError, match="only grows"):
        tiles.consistency(LIBRARY, 6, 5)


def test_each_library_has_its_own_tree(store: Store) -> None:
    store.ledger.append([intent(f"a{n}") for n in range(300)] + [intent(f"b{n}", library="genk") for n in range(300)])
    tiles = LogTree(store.database)
    for library in (LIBRARY, "genk"):
        tiles.grow(library, 300)
    for head in store.ledger.heads():
        assert tiles.root(head.library, head.size).hex() == head.root
