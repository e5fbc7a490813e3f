"""The Merkle tree of the log, against RFC 6962's own words and against another implementation."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from typing import Final

import pymerkle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrsync.core.merkle import (
    EMPTY,
    Edge,
    consistency,
    inclusion,
    join,
    leaf_hash,
    node_hash,
    nodes,
    verify_consistency,
    verify_inclusion,
)
from rrsync.core.signed_note import HASH_BYTES
from tests.support import WHOLE, amount

FORGERIES: Final = amount("FORGERIES", short=5_000, whole=100_000)
LARGEST: Final = 1024
#: Sizes to try: all of them, in quarters of as many proofs each; or those around each power of two, in one piece.
SIZES: Final = (
    [range(513), range(513, 725), range(725, 888), range(888, LARGEST + 1)]
    if WHOLE
    else [sorted({0} | {2**power + off for power in range(11) for off in (-1, 0, 1)} - {LARGEST + 1})]
)
EVERY_SIZE: Final = pytest.mark.parametrize("sizes", SIZES, ids=lambda sizes: f"{sizes[0]}-{sizes[-1]}")


def naive(entries: list[bytes]) -> bytes:
    """Return the root as RFC 6962 §2.1 defines it, word for word."""
    if not entries:
        return sha256(b"").digest()
    if len(entries) == 1:
        return sha256(b"\x00" + entries[0]).digest()
    half = 1
    while half * 2 < len(entries):
        half *= 2
    return sha256(b"\x01" + naive(entries[:half]) + naive(entries[half:])).digest()


def entries(size: int) -> list[bytes]:
    """Return so many entries."""
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


# RFC 6962 §2.1.1 and §2.1.2, word for word, over the entries 0 to 1023.


def half(size: int) -> int:
    """Return "the largest power of two smaller than n"."""
    k = 1
    while k * 2 < size:
        k *= 2
    return k


@cache
def mth(lo: int, hi: int) -> bytes:
    """Return MTH(D[lo:hi])."""
    if hi - lo < 2:
        return naive(entries(LARGEST)[lo:hi])
    k = half(hi - lo)
    return sha256(b"\x01" + mth(lo, lo + k) + mth(lo + k, hi)).digest()


def path(m: int, lo: int, hi: int) -> list[bytes]:
    """Return PATH(m, D[lo:hi])."""
    n = hi - lo
    if n == 1:
        return []
    k = half(n)
    if m < k:
        return [*path(m, lo, lo + k), mth(lo + k, hi)]
    return [*path(m - k, lo + k, hi), mth(lo, lo + k)]


def proof(m: int, n: int) -> list[bytes]:
    """Return PROOF(m, D[n]), and nothing where the RFC defines none."""
    return subproof(m, 0, n, complete=True) if 0 < m < n else []


def subproof(m: int, lo: int, hi: int, *, complete: bool) -> list[bytes]:
    """Return SUBPROOF(m, D[lo:hi], b)."""
    n = hi - lo
    if m == n:
        return [] if complete else [mth(lo, hi)]
    k = half(n)
    if m <= k:
        return [*subproof(m, lo, lo + k, complete=complete), mth(lo + k, hi)]
    return [*subproof(m - k, lo + k, hi, complete=False), mth(lo, lo + k)]


@cache
def node(height: int, number: int) -> bytes:
    """Return the hash of a complete subtree, made from the leaves up."""
    if not height:
        return leaf_hash(f"entry {number}".encode())
    return node_hash(node(height - 1, 2 * number), node(height - 1, 2 * number + 1))


@cache
def stretch(lo: int, hi: int) -> bytes:
    """Return the hash of a stretch, made of its complete subtrees."""
    return join([node(*one) for one in nodes(lo, hi)])


def included(index: int, size: int) -> list[bytes]:
    """Return our proof that an entry is there."""
    return [stretch(*one) for one in inclusion(index, size)]


def consistent(old: int, new: int) -> list[bytes]:
    """Return our proof that the log only grew."""
    return [stretch(*one) for one in consistency(old, new)]


@pytest.mark.proof
@EVERY_SIZE
def test_every_inclusion_proof_is_the_rfcs(sizes: Sequence[int]) -> None:
    """Of every entry at every size up to 1024."""
    for size in sizes:
        assert stretch(0, size) == mth(0, size)
        for index in range(size):
            assert included(index, size) == path(index, 0, size)


@pytest.mark.proof
@EVERY_SIZE
def test_every_consistency_proof_is_the_rfcs(sizes: Sequence[int]) -> None:
    """Between every two sizes up to 1024."""
    for new in sizes:
        for old in range(new + 1):
            assert consistent(old, new) == proof(old, new)


@pytest.fixture(scope="module")
def other() -> pymerkle.InmemoryTree:
    """Return a tree of pymerkle's, of 1024 entries."""
    tree = pymerkle.InmemoryTree(algorithm="sha256", threshold=1)
    tree.append_entries(entries(LARGEST))
    return tree


class TestPymerkle:
    """Another implementation gives the same proofs, and both verifiers take them."""

    def test_some_proofs_of_every_size(self, other: pymerkle.InmemoryTree) -> None:
        """Sixteen places and sixteen older sizes of every size up to 1024."""
        for size in range(LARGEST + 1):
            self._compare(other, size, step=max(1, size // 16))

    @pytest.mark.proof
    @EVERY_SIZE
    def test_all_proofs_of_every_size(self, other: pymerkle.InmemoryTree, sizes: Sequence[int]) -> None:
        """Every place and every older size of every size up to 1024."""
        for size in sizes:
            self._compare(other, size, step=1)

    def _compare(self, other: pymerkle.InmemoryTree, size: int, *, step: int) -> None:
        root = stretch(0, size)
        assert other.get_root(size) == root
        for index in range(0, size, step):
            theirs = other.prove_inclusion(index + 1, size)  # which counts from one
            leaf, *hashes = theirs.path
            assert hashes == included(index, size)
            assert verify_inclusion(leaf, index=index, size=size, proof=hashes, root=root)
            theirs.verify(leaf, root, index + 1, size)
        for old in range(1, size + 1, step):
            theirs = other.prove_consistency(old, size)
            hashes = self._as_rfc(theirs.path, theirs.subset) if old < size else []
            assert hashes == consistent(old, size)
            assert verify_consistency(old=old, new=size, proof=hashes, old_root=stretch(0, old), new_root=root)
            theirs.verify(stretch(0, old), root, old, size)

    def _as_rfc(self, hashes: list[bytes], old: list[int]) -> list[bytes]:
        """Return their proof as the RFC has it: they cut what is right of the old tree to a leaf, and keep a root."""
        edge = old.index(1)
        left, *rest = hashes[edge:]
        if edge:
            right = hashes[0]
            for one in hashes[1:edge]:
                right = node_hash(right, one)
            rest = [right, *rest]
        return [left, *rest] if sum(old) > 1 else rest


def test_a_stretch_is_cut_where_the_rfc_cuts() -> None:
    """The complete subtrees of a stretch, and an error where none can begin."""
    assert nodes(0, 0) == []
    assert nodes(0, 7) == [(2, 0), (1, 2), (0, 6)]
    assert nodes(8, 11) == [(1, 4), (0, 10)]
    for lo, hi in ((1, 3), (-1, 0), (3, 2), (4, 12)):
        with pytest.raises(ValueError, match="no subtree"):
            nodes(lo, hi)


def test_what_is_not_in_the_log_has_no_proof() -> None:
    """A place past the end, and a log that shrank, are refused."""
    for index, size in ((0, 0), (3, 3), (-1, 3)):
        with pytest.raises(ValueError, match="no such entry"):
            inclusion(index, size)
    for old, new in ((1, 0), (-1, 3)):
        with pytest.raises(ValueError, match="only grows"):
            consistency(old, new)
    assert consistency(0, 5) == consistency(5, 5) == []


def test_the_empty_log_is_the_beginning_of_every_log() -> None:
    """It has one root, and nothing to prove."""
    root = stretch(0, 5)
    assert verify_consistency(old=0, new=5, proof=[], old_root=EMPTY, new_root=root)
    assert not verify_consistency(old=0, new=5, proof=[], old_root=root, new_root=root)
    assert not verify_consistency(old=0, new=5, proof=[root], old_root=EMPTY, new_root=root)
    assert verify_consistency(old=0, new=0, proof=[], old_root=EMPTY, new_root=EMPTY)
    assert not verify_consistency(old=0, new=0, proof=[], old_root=EMPTY, new_root=root)
    assert not verify_consistency(old=0, new=0, proof=[], old_root=root, new_root=root)


# Forgeries. A root is always that of a signed checkpoint, so size and root come together; all else is the forger's.


@dataclass(frozen=True)
class Inclusion:
    """What a verifier is told of one entry."""

    leaf: bytes
    index: int
    size: int
    proof: list[bytes]
    root: bytes

    def is_accepted(self) -> bool:
        """Ask the verifier."""
        return verify_inclusion(self.leaf, index=self.index, size=self.size, proof=self.proof, root=self.root)

    def is_true(self) -> bool:
        """Say whether it is the very truth."""
        there = 0 <= self.index < self.size <= LARGEST
        return there and self == true_inclusion(self.index, self.size)


@dataclass(frozen=True)
class Consistency:
    """What a verifier is told of a log that grew."""

    old: int
    new: int
    proof: list[bytes]
    old_root: bytes
    new_root: bytes

    def is_accepted(self) -> bool:
        """Ask the verifier."""
        return verify_consistency(
            old=self.old, new=self.new, proof=self.proof, old_root=self.old_root, new_root=self.new_root
        )

    def is_true(self) -> bool:
        """Say whether it is the very truth; any log has grown out of the empty one."""
        if not 0 <= self.old <= self.new <= LARGEST:
            return False
        true = true_consistency(self.old, self.new)
        return self == (true if self.old or not self.new else replace(true, new_root=self.new_root))


def true_inclusion(index: int, size: int) -> Inclusion:
    """Return what is true of an entry."""
    return Inclusion(mth(index, index + 1), index, size, path(index, 0, size), mth(0, size))


def true_consistency(old: int, new: int) -> Consistency:
    """Return what is true of two sizes."""
    return Consistency(old, new, proof(old, new), mth(0, old), mth(0, new))


def flipped(dice: random.Random, data: bytes) -> bytes:
    """Return the bytes with one bit turned."""
    at = dice.randrange(len(data) * 8)
    return (int.from_bytes(data, "big") ^ (1 << at)).to_bytes(len(data), "big")


def flip(dice: random.Random, hashes: list[bytes]) -> None:
    at = dice.randrange(len(hashes))
    hashes[at] = flipped(dice, hashes[at])


def drop(dice: random.Random, hashes: list[bytes]) -> None:
    del hashes[dice.randrange(len(hashes))]


def cut(dice: random.Random, hashes: list[bytes]) -> None:
    del hashes[dice.randrange(len(hashes)) :]


def double(dice: random.Random, hashes: list[bytes]) -> None:
    at = dice.randrange(len(hashes))
    hashes.insert(at, hashes[at])


def swap(dice: random.Random, hashes: list[bytes]) -> None:
    one, two = dice.randrange(len(hashes)), dice.randrange(len(hashes))
    hashes[one], hashes[two] = hashes[two], hashes[one]


def turn(_dice: random.Random, hashes: list[bytes]) -> None:
    hashes.reverse()


def add(dice: random.Random, hashes: list[bytes]) -> None:
    hashes.insert(dice.randrange(len(hashes) + 1), dice.randbytes(HASH_BYTES))


def shorten(dice: random.Random, hashes: list[bytes]) -> None:
    at = dice.randrange(len(hashes))
    hashes[at] = hashes[at][: dice.randrange(HASH_BYTES)]


def lengthen(dice: random.Random, hashes: list[bytes]) -> None:
    at = dice.randrange(len(hashes))
    hashes[at] += dice.randbytes(1)


def squeeze(dice: random.Random, hashes: list[bytes]) -> None:
    """Put two hashes where one was, as a leaf that holds a node would."""
    at = dice.randrange(len(hashes))
    hashes[at : at + 2] = [b"".join(hashes[at : at + 2])]


SPOILERS: Final[Sequence[Callable[[random.Random, list[bytes]], None]]] = [
    flip,
    flip,
    drop,
    cut,
    double,
    swap,
    turn,
    add,
    shorten,
    lengthen,
    squeeze,
]


def spoil(dice: random.Random, hashes: list[bytes]) -> list[bytes]:
    """Return a proof that was changed in one way."""
    changed = list(hashes)
    spoiler = dice.choice(SPOILERS) if changed else add
    spoiler(dice, changed)
    return changed


def forge_inclusion(dice: random.Random) -> Inclusion:
    """Take a true statement about an entry and make another of it."""
    size = dice.randint(1, LARGEST)
    true = true_inclusion(dice.randrange(size), size)
    other = dice.randint(1, LARGEST)
    far = true_inclusion(dice.randrange(other), other)
    older = dice.randint(0, size)
    forged = [
        replace(true, proof=spoil(dice, true.proof)),
        replace(true, leaf=flipped(dice, true.leaf)),
        replace(true, leaf=far.leaf),
        replace(true, leaf=dice.choice([true.root, EMPTY, true.leaf + true.leaf, b""])),
        replace(true, leaf=node_hash(true.leaf, true.proof[0]), proof=true.proof[1:]) if true.proof else far,
        replace(true, root=flipped(dice, true.root)),
        replace(true, size=far.size, root=far.root),
        replace(true, index=dice.choice([true.index ^ (1 << dice.randrange(10)), -1 - true.index, true.index + size])),
        replace(true, index=far.index),
        replace(true, proof=far.proof),
        replace(true, proof=proof(older, size)),
        replace(far, proof=true.proof, leaf=true.leaf),
    ]
    return dice.choice(forged)


def forge_consistency(dice: random.Random) -> Consistency:
    """Take a true statement about a log that grew and make another of it."""
    new = dice.randint(1, LARGEST)
    true = true_consistency(dice.randint(0, new), new)
    other = dice.randint(1, LARGEST)
    far = true_consistency(dice.randint(0, other), other)
    forged = [
        replace(true, proof=spoil(dice, true.proof)),
        replace(true, old_root=flipped(dice, true.old_root)),
        replace(true, new_root=flipped(dice, true.new_root)),
        replace(true, old_root=far.old_root),
        replace(true, new_root=far.new_root),
        replace(true, old=far.old, old_root=far.old_root),
        replace(true, new=far.new, new_root=far.new_root),
        replace(true, old=true.new, new=true.old, old_root=true.new_root, new_root=true.old_root),
        replace(true, old_root=true.new_root, new_root=true.old_root),
        replace(true, old=dice.choice([-1, -true.new, true.new + 1])),
        replace(true, proof=far.proof),
        replace(true, proof=path(dice.randrange(new), 0, new)),
        forked(dice, true),
    ]
    return dice.choice(forged)


def forked(dice: random.Random, true: Consistency) -> Consistency:
    """Return a log that changed an entry it had shown, with the best proof there is: the old one's or the new one's."""
    if not true.old:
        return replace(true, old_root=flipped(dice, EMPTY))
    at = dice.randrange(true.old)
    changed = [flipped(dice, mth(seq, seq + 1)) if seq == at else mth(seq, seq + 1) for seq in range(true.new)]
    hashes = true.proof
    if dice.random() < 0.5:
        hashes = [Edge().extend(changed[lo:hi]).root() for lo, hi in consistency(true.old, true.new)]
    return replace(true, proof=hashes, new_root=Edge().extend(changed).root())


@pytest.mark.proof
@pytest.mark.timeout(600)
def test_no_forgery_is_accepted() -> None:
    """Thousands of proofs, each changed in one of many ways; RRSYNC_FORGERIES says how many."""
    dice, tried = random.Random(6962), 0
    while tried < FORGERIES:
        forged = forge_inclusion(dice) if dice.random() < 0.5 else forge_consistency(dice)
        if forged.is_true():
            continue
        assert not forged.is_accepted(), forged
        tried += 1
