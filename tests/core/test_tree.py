"""The Merkle tree of the log, against RFC 6962's own words and against another implementation."""

from __future__ import annotations

from hashlib import sha256

import pymerkle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrsync.core.tree import HASH_BYTES, Edge, leaf_hash, node_hash


def naive(entries: list[bytes]) -> bytes:
    """Give the root as RFC 6962 §2.1 defines it, word for word."""
    if not entries:
        return sha256(b"").digest()
    if len(entries) == 1:
        return sha256(b"\x00" + entries[0]).digest()
    half = 1
    while half * 2 < len(entries):
        half *= 2
    return sha256(b"\x01" + naive(entries[:half]) + naive(entries[half:])).digest()


def entries(size: int) -> list[bytes]:
    """Give so many entries."""
    return [f"entry {number}".encode() for number in range(size)]


@pytest.mark.parametrize("sizes", [range(100), range(100, 200), range(200, 301)], ids=["0-99", "100-199", "200-300"])
def test_the_root_is_the_rfcs(sizes: range) -> None:
    """For every size up to 300, grown one by one or at once, and read back from its bytes on the way."""
    edge = Edge().extend(leaf_hash(data) for data in entries(sizes.start))
    for size in sizes:
        assert edge.root() == naive(entries(size))
        assert edge.size == size
        assert len(edge.hashes) == size.bit_count()
        edge = Edge.from_bytes(size, edge.to_bytes()).extend([leaf_hash(f"entry {size}".encode())])


def test_the_root_is_pymerkles() -> None:
    """Another implementation agrees, at every size up to 300."""
    other, edge = pymerkle.InmemoryTree(algorithm="sha256"), Edge()
    for data in entries(300):
        other.append_entry(data)
        edge = edge.extend([leaf_hash(data)])
        assert edge.root() == other.get_root()


@given(st.lists(st.integers(0, 40), max_size=8))
def test_it_does_not_matter_how_many_come_at_once(batches: list[int]) -> None:
    """Any way of cutting the same entries into batches gives the same tree."""
    leaves = [leaf_hash(data) for data in entries(sum(batches))]
    edge, at = Edge(), 0
    for batch in batches:
        edge, at = edge.extend(leaves[at : at + batch]), at + batch
    assert edge == Edge().extend(leaves)
    assert Edge.from_bytes(edge.size, edge.to_bytes()) == edge


@given(st.integers(0, 1_000), st.binary(max_size=400))
def test_bytes_that_are_no_edge_are_refused(size: int, data: bytes) -> None:
    """An edge has exactly one hash for each bit of its size."""
    if len(data) == HASH_BYTES * size.bit_count():
        assert Edge.from_bytes(size, data).to_bytes() == data
    else:
        with pytest.raises(ValueError, match="does not fit the size"):
            Edge.from_bytes(size, data)


def test_leaves_and_nodes_are_never_taken_for_one_another() -> None:
    """The same bytes hash otherwise as an entry than as two hashes beside each other."""
    one, two = leaf_hash(b"1"), leaf_hash(b"2")
    assert node_hash(one, two) != leaf_hash(one + two)
    assert node_hash(one, two) != node_hash(two, one)
