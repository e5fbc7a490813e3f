"""Roots and proofs: those of the entries, whatever is in the cache, and read with few questions."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from random import Random
from typing import Final

import pytest
from sqlalchemy import event

from rrsync.core.merkle import Edge, leaf_hash, verify_consistency, verify_inclusion
from rrsync.errors import BrokenChain
from rrsync.store.log_tree import Tiles
from tests.owner import unguard
from tests.support import LIBRARY, Store, intent

SIZE: Final = 66_000
#: Before, at and after every place where a subtree of 256 or of 65 536 entries is whole.
SIZES: Final = (0, 1, 2, 255, 256, 257, 511, 512, 513, 1_000, 65_535, 65_536, 65_537, SIZE - 1, SIZE)
LEAVES: Final = [leaf_hash(str(number).encode()) for number in range(SIZE)]


def root(size: int) -> bytes:
    """Return the root of so many entries by the tree alone."""
    return Edge().extend(LEAVES[:size]).root()


@pytest.fixture
def tiles(store: Store) -> Tiles:
    """Return the trees of a database in which a log of many short entries stands."""
    data = "CAST(n AS BLOB)" if store.database.is_sqlite else "convert_to(n::text, 'UTF8')"
    store.execute(
        f"INSERT INTO entry (library, seq, data, leaf, kind, reference, run, at) "
        f"WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < {SIZE - 1}) "
        f"SELECT '{LIBRARY}', n, {data}, {data}, 'x', '', '', '2026-01-01' FROM numbers"
    )
    store.execute("INSERT INTO log VALUES (:l, 'x', :s, :e)", l=LIBRARY, s=SIZE, e=b"")
    return Tiles(store.database)


@contextmanager
def questions(store: Store) -> Iterator[list[str]]:
    """Yield what the database is asked meanwhile."""
    asked: list[str] = []

    def note(*facts: object) -> None:
        asked.append(str(facts[2]))

    event.listen(store.database.engine, "before_cursor_execute", note)
    yield asked
    event.remove(store.database.engine, "before_cursor_execute", note)


def cached(store: Store) -> list[tuple[object, ...]]:
    """Return what stands in the cache."""
    with store.database.engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT level, number, hash FROM tile ORDER BY level, number")
        return [(level, number, bytes(each)) for level, number, each in found]


def test_roots_and_proofs_are_those_of_the_entries(store: Store, tiles: Tiles) -> None:
    """At every size where the tree changes its shape, with nothing cached and with everything."""
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


def test_the_cache_holds_whole_subtrees_alone(store: Store, tiles: Tiles) -> None:
    """A hash for 256 entries, one for 256 of those, and nothing for what may still grow."""
    for size in (200, 600, 600, 300, 65_535, SIZE):
        tiles.grow(LIBRARY, size)
    expected = [(1, number, Edge().extend(LEAVES[256 * number : 256 * (number + 1)]).root()) for number in range(257)]
    assert cached(store) == [*expected, (2, 0, root(65_536))]


def test_a_proof_asks_few_questions(store: Store, tiles: Tiles) -> None:
    """A stretch of the log or of the cache is read once, and never the whole of either."""
    tiles.grow(LIBRARY, SIZE)
    for index in (0, 255, 40_000, SIZE - 1):
        with questions(store) as asked:
            tiles.inclusion(LIBRARY, index, SIZE)
        assert len([one for one in asked if one.startswith("SELECT")]) <= 8
    with questions(store) as asked:
        tiles.grow(LIBRARY, SIZE)
    assert not [one for one in asked if "entry" in one]


def test_many_may_grow_it_at_once(store: Store, tiles: Tiles) -> None:
    """Who does it at the same time does it alike."""
    others = [tiles, *(Tiles(store.again().database) for _ in range(3))]
    with ThreadPoolExecutor(len(others)) as pool:
        list(pool.map(lambda one: one.grow(LIBRARY, 20_000), others))
    assert len(cached(store)) == 20_000 // 256
    assert tiles.root(LIBRARY, 20_000) == root(20_000)


@pytest.mark.parametrize("value", [b"", b"short", bytes(33)])
def test_what_is_no_hash_in_the_cache_is_made_anew(store: Store, tiles: Tiles, value: bytes) -> None:
    """A hole, or a value of the wrong length, at any level, changes no root."""
    tiles.grow(LIBRARY, SIZE)
    store.execute("UPDATE tile SET hash = :x WHERE number = 0", x=value)
    store.execute("DELETE FROM tile WHERE number = 7")
    assert tiles.root(LIBRARY, SIZE) == root(SIZE)


def test_a_cache_of_another_kind_is_made_anew(store: Store, tiles: Tiles) -> None:
    """SQLite takes anything in any column."""
    if not store.database.is_sqlite:
        pytest.skip("PostgreSQL holds one kind of value in a column")
    tiles.grow(LIBRARY, SIZE)
    for value in ("'a text'", "7", "CAST(x'ff' AS TEXT)"):
        store.execute(f"UPDATE tile SET hash = {value}")
        assert tiles.root(LIBRARY, SIZE) == root(SIZE)


def test_a_wrong_hash_lasts_until_the_cache_is_rebuilt(store: Store, tiles: Tiles) -> None:
    """It gives a wrong root, which whoever knows the right one sees; made anew from the entries, it is right again."""
    tiles.grow(LIBRARY, SIZE)
    before = cached(store)
    store.execute("UPDATE tile SET hash = :x WHERE level = 1 AND number = 256", x=bytes(32))
    store.execute("INSERT INTO tile VALUES (:l, 1, 1000000, :x)", l=LIBRARY, x=bytes(32))
    assert tiles.root(LIBRARY, SIZE) != root(SIZE)
    tiles.rebuild(LIBRARY)
    assert tiles.root(LIBRARY, SIZE) == root(SIZE)
    assert cached(store) == before
    tiles.rebuild("nowhere")


def test_an_entry_that_is_missing_is_named(store: Store, tiles: Tiles) -> None:
    """No tree is made over a hole."""
    store.ledger.append([intent(str(number), library="genk") for number in range(5)])
    unguard(store)
    store.execute("DELETE FROM entry WHERE library = 'hasselt' AND seq = 300")
    for use in (lambda: tiles.root(LIBRARY, 400), lambda: tiles.grow(LIBRARY, 600)):
        with pytest.raises(BrokenChain, match="Entry 300 of the access log of hasselt is missing"):
            use()
    with pytest.raises(BrokenChain, match="Entry 5 of the access log of genk is missing"):
        tiles.root("genk", 6)


def test_there_is_no_proof_of_what_is_not_in_the_log(tiles: Tiles) -> None:
    """Neither of an entry beyond the size, nor of a log that shrank."""
    with pytest.raises(ValueError, match="no such entry"):
        tiles.inclusion(LIBRARY, 5, 5)
    with pytest.raises(ValueError, match="only grows"):
        tiles.consistency(LIBRARY, 6, 5)


def test_the_trees_of_libraries_are_their_own(store: Store) -> None:
    """One log's cache and entries are never taken for another's."""
    store.ledger.append([intent(f"a{n}") for n in range(300)] + [intent(f"b{n}", library="genk") for n in range(300)])
    tiles = Tiles(store.database)
    for library in (LIBRARY, "genk"):
        tiles.grow(library, 300)
    for head in store.ledger.heads():
        assert tiles.root(head.library, head.size).hex() == head.root
