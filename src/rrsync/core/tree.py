"""The Merkle tree of an access log, as RFC 6962 §2.1 defines it.

A log keeps only its size and the right edge of its tree: the roots of the whole subtrees from left to right, at most 64
hashes. That is enough to append and to give the root.

>>> Edge().root().hex()[:8]
'e3b0c442'
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Iterable

HASH_BYTES: Final = 32


def leaf_hash(data: bytes) -> bytes:
    """Give the hash of one entry's exact bytes."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Give the hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Edge:
    """A tree of ``size`` leaves by its right edge: one hash per bit set in ``size``, the largest subtree first."""

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    @classmethod
    def from_bytes(cls, size: int, data: bytes) -> Self:
        """Read what ``to_bytes`` gave.

        Raises:
            ValueError: the bytes are no edge of a tree of this size.
        """
        if len(data) != HASH_BYTES * size.bit_count():
            raise ValueError("the right edge does not fit the size")
        return cls(size, tuple(data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)))

    def to_bytes(self) -> bytes:
        """Give the hashes one after another, 32 bytes each."""
        return b"".join(self.hashes)

    def extend(self, leaves: Iterable[bytes]) -> Edge:
        """Give the tree with these leaf hashes appended."""
        size, hashes = self.size, list(self.hashes)
        for leaf in leaves:
            node, bits = leaf, size
            while bits & 1:
                node, bits = node_hash(hashes.pop(), node), bits >> 1
            hashes.append(node)
            size += 1
        return Edge(size, tuple(hashes))

    def root(self) -> bytes:
        """Give the root hash; that of an empty tree is the hash of nothing."""
        if not self.hashes:
            return sha256(b"").digest()
        *rest, root = self.hashes
        for left in reversed(rest):
            root = node_hash(left, root)
        return root
