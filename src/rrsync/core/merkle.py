"""The Merkle tree of an access log (RFC 6962 §2.1): roots, proofs, and the files of C2SP tlog-tiles.

A log keeps only its size and the right edge of its tree: the roots of the complete subtrees from left to right, at most
64 hashes. That is enough to append and to compute the root.

>>> Edge().root().hex()[:8]
'e3b0c442'

A proof is described before it is read: ``inclusion`` and ``consistency`` return the ranges of the log to hash,
``nodes`` cuts a range into complete subtrees, and ``join`` combines their hashes. Of three entries, the second is
proved by its left neighbour and the third:

>>> one, two, three = (leaf_hash(data) for data in (b"one", b"two", b"three"))
>>> inclusion(1, 3)
[(0, 1), (2, 3)]
>>> root = Edge().extend([one, two, three]).root()
>>> verify_inclusion(two, index=1, size=3, proof=[one, three], root=root)
True
>>> verify_inclusion(two, index=0, size=3, proof=[one, three], root=root)
False

``Proof`` is a stand-alone proof that one entry is in a log (C2SP tlog-proof): the entry's index, the hashes from leaf
to root, and the signed checkpoint. The entry's exact bytes are its extra data; nothing signs those, but their hash is
the leaf to check.

>>> from rrsync.core.signed_note import Checkpoint, Signer
>>> signer, leaf = Signer("example.com/log", bytes(32)), leaf_hash(b"an entry")
>>> text = Checkpoint("example.com/log", 1, leaf).to_text()
>>> proof = Proof(0, (), Note(text, (signer.sign(text),)), b"an entry")
>>> Proof.parse(proof.to_text()).check(leaf, signer.key).size
1

A tile is 256 consecutive hashes; each hash of a tile covers a full tile of the level below. Entries are stored in
bundles of 256. A partial tile has its width in its name (C2SP tlog-tiles).

>>> tile_path(0, 1234067, 5)
'tile/0/x001/x234/067.p/5'
>>> entries_path(273, 112)
'tile/entries/273.p/112'
>>> list(tiles(257))
[(0, 0, 256), (0, 1, 1), (1, 0, 1)]
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Self, TypeAlias

from rrsync.core.signed_note import HASH_BYTES, MAX_NUMBER, Checkpoint, Key, Note, from_base64, from_decimal, to_base64

EMPTY: Final = sha256(b"").digest()

Range: TypeAlias = tuple[int, int]
"""A stretch of the log: the entries from the first number up to, but not with, the second."""

Node: TypeAlias = tuple[int, int]
"""A complete subtree: its height and its number among those of that height, counted from the left."""


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of one entry's exact bytes."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Edge:
    """A tree of ``size`` leaves by its right edge: one hash per bit set in ``size``, the largest subtree first."""

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    @classmethod
    def from_bytes(cls, size: int, data: bytes) -> Self:
        """Read the result of ``to_bytes``.

        Raises:
            ValueError: the bytes are no edge of a tree of this size.
        """
        if len(data) != HASH_BYTES * size.bit_count():
            raise ValueError("the right edge does not fit the size")
        return cls(size, tuple(data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)))

    def to_bytes(self) -> bytes:
        """Return the hashes one after another, 32 bytes each."""
        return b"".join(self.hashes)

    def extend(self, leaves: Iterable[bytes]) -> Edge:
        """Return the tree with these leaf hashes appended."""
        size, hashes = self.size, list(self.hashes)
        for leaf in leaves:
            node, bits = leaf, size
            while bits & 1:
                node, bits = node_hash(hashes.pop(), node), bits >> 1
            hashes.append(node)
            size += 1
        return Edge(size, tuple(hashes))

    def root(self) -> bytes:
        """Return the root hash; an empty tree has the hash of nothing."""
        return join(self.hashes)


def join(hashes: Sequence[bytes]) -> bytes:
    """Return the root over complete subtrees, given left to right, the largest first; of none, the hash of nothing."""
    if not hashes:
        return EMPTY
    *rest, root = hashes
    for left in reversed(rest):
        root = node_hash(left, root)
    return root


def nodes(lo: int, hi: int) -> list[Node]:
    """Return the complete subtrees of a range of the log, left to right, the largest first.

    Raises:
        ValueError: the range does not begin at a boundary of RFC 6962's halving.
    """
    size, at, found = hi - lo, lo, []
    if lo < 0 or size < 0 or (size and lo % (1 << (size.bit_length() - 1))):
        raise ValueError("no subtree of a log begins there")
    while at < hi:
        height = (hi - at).bit_length() - 1
        found.append((height, at >> height))
        at += 1 << height
    return found


def inclusion(index: int, size: int) -> list[Range]:
    """Return the ranges whose hashes prove that an entry is in the log, the leaf's sibling first (RFC 6962 §2.1.1).

    Raises:
        ValueError: a log of this size has no such entry.
    """
    if not 0 <= index < size:
        raise ValueError("the log has no such entry")
    lo, hi, path = 0, size, []
    while hi - lo > 1:
        middle = _middle(lo, hi)
        if index < middle:
            path.append((middle, hi))
            hi = middle
        else:
            path.append((lo, middle))
            lo = middle
    return path[::-1]


def consistency(old: int, new: int) -> list[Range]:
    """Return the ranges whose hashes prove that a log only grew (RFC 6962 §2.1.2); none if it was empty or is equal.

    Raises:
        ValueError: the old size is negative, or larger than the new one.
    """
    if not 0 <= old <= new:
        raise ValueError("a log only grows")
    lo, hi, path = 0, new, []
    if not old:
        return []
    while old != hi:
        middle = _middle(lo, hi)
        if old <= middle:
            path.append((middle, hi))
            hi = middle
        else:
            path.append((lo, middle))
            lo = middle
    if lo:  # else it is the old root itself, which the verifier holds
        path.append((lo, hi))
    return path[::-1]


def _middle(lo: int, hi: int) -> int:
    """Return the index at which RFC 6962 splits a range: the largest power of two below its length."""
    return lo + (1 << ((hi - lo - 1).bit_length() - 1))


def verify_inclusion(leaf: bytes, *, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the proof leads from this leaf hash, at this index, to this root (RFC 9162 §2.1.3.2)."""
    if not 0 <= index < size or not _are_hashes([leaf, *proof]):
        return False
    at, last, have = index, size - 1, leaf
    for other in proof:
        if not last:
            return False
        if at & 1 or at == last:
            have = node_hash(other, have)
            at, last = _up(at, last)
        else:
            have = node_hash(have, other)
        at, last = at >> 1, last >> 1
    return not last and have == root


def verify_consistency(*, old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> bool:
    """Whether the proof leads from the old root to both roots, so that the log only grew (RFC 9162 §2.1.4.2)."""
    if not 0 <= old <= new or not _are_hashes([old_root, new_root, *proof]):
        return False
    if not old or old == new:
        return not proof and (old > 0 or old_root == EMPTY) and (old < new or old_root == new_root)
    path = [old_root, *proof] if old.bit_count() == 1 else list(proof)
    if not proof:
        return False
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    before = after = path[0]
    for other in path[1:]:
        if not last:
            return False
        if at & 1 or at == last:
            before, after = node_hash(other, before), node_hash(other, after)
            at, last = _up(at, last)
        else:
            after = node_hash(after, other)
        at, last = at >> 1, last >> 1
    return not last and before == old_root and after == new_root


def _up(at: int, last: int) -> tuple[int, int]:
    """Climb past the heights where the right edge has nothing beside it."""
    while at and not at & 1:
        at, last = at >> 1, last >> 1
    return at, last


def _are_hashes(hashes: Sequence[bytes]) -> bool:
    """Whether each value has the length of a hash."""
    return all(len(one) == HASH_BYTES for one in hashes)


MAX_HASHES: Final = 63

_HEADER: Final = "c2sp.org/tlog-proof@v1"
_EXTRA: Final = "extra "
_INDEX: Final = "index "


@dataclass(frozen=True, slots=True)
class Proof:
    """An entry's index, the hashes that lead to the root, the signed checkpoint, and the extra data.

    Raises:
        ValueError: the index is invalid, there are too many hashes or invalid ones, or the note is no checkpoint.
    """

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: Note
    extra: bytes = b""

    def __post_init__(self) -> None:
        """Hold only what can be written."""
        if not 0 <= self.index <= MAX_NUMBER:
            raise ValueError("a proof is of an entry's place, counted from 0")
        if len(self.hashes) > MAX_HASHES or any(len(one) != HASH_BYTES for one in self.hashes):
            raise ValueError("a proof has at most 63 hashes of 32 bytes")
        Checkpoint.parse(self.checkpoint.text)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a ``.tlog-proof`` file.

        Raises:
            ValueError: the text is no proof, or its note is no checkpoint.
        """
        head, empty, note = text.partition("\n\n")
        first, *lines = head.split("\n")
        if first != _HEADER or not empty or not lines:
            raise ValueError("a proof begins with its format, and has an empty line before the checkpoint")
        extra = b""
        if lines[0].startswith(_EXTRA):
            extra = from_base64(lines.pop(0).removeprefix(_EXTRA))
            if not extra:
                raise ValueError("a proof without extra data has no line for it")
        if not lines or not lines[0].startswith(_INDEX):
            raise ValueError("a proof says which entry it is of")
        index = from_decimal(lines.pop(0).removeprefix(_INDEX))
        return cls(index, tuple(map(from_base64, lines)), Note.parse(note), extra)

    def to_text(self) -> str:
        """Return the file's text."""
        extra = [_EXTRA + to_base64(self.extra)] if self.extra else []
        lines = [_HEADER, *extra, f"{_INDEX}{self.index}", *map(to_base64, self.hashes)]
        return "".join(line + "\n" for line in lines) + "\n" + self.checkpoint.to_text()

    def check(self, leaf: bytes, key: Key) -> Checkpoint:
        """Return the checkpoint that contains this leaf hash at this index.

        Raises:
            ValueError: the log did not sign it, or the hashes do not lead to its root; the message says which.
        """
        if not self.checkpoint.is_signed_by(key):
            raise ValueError(f"the checkpoint is not signed by {key.name}")
        checkpoint = Checkpoint.parse(self.checkpoint.text)
        if checkpoint.origin != key.name:
            raise ValueError(f"the checkpoint is of another log than {key.name}")
        if not verify_inclusion(leaf, index=self.index, size=checkpoint.size, proof=self.hashes, root=checkpoint.root):
            raise ValueError(f"the hashes do not lead from entry {self.index} to the root of {checkpoint.size}")
        return checkpoint


WIDTH: Final = 256
MAX_ENTRY: Final = (1 << 16) - 1

Tile: TypeAlias = tuple[int, int, int]
"""A tile's level, its number in that level, and how many hashes are in it."""


def tile_path(level: int, number: int, width: int = WIDTH) -> str:
    """Return the path of a tile, relative to the log's folder.

    Raises:
        ValueError: the level, number or width does not exist.
    """
    if not 0 <= level <= 63:
        raise ValueError("a tile's level is from 0 to 63")
    return f"tile/{level}/{_place(number, width)}"


def entries_path(number: int, width: int = WIDTH) -> str:
    """Return the path of a bundle of entries, relative to the log's folder.

    Raises:
        ValueError: the number or width does not exist.
    """
    return f"tile/entries/{_place(number, width)}"


def bundle(entries: Iterable[bytes]) -> bytes:
    """Return a bundle: each entry after its length in two bytes.

    Raises:
        ValueError: an entry is longer than 65 535 bytes.
    """
    parts = []
    for entry in entries:
        if len(entry) > MAX_ENTRY:
            raise ValueError("an entry of a bundle is at most 65535 bytes")
        parts += [len(entry).to_bytes(2, "big"), entry]
    return b"".join(parts)


def tiles(size: int) -> Iterator[Tile]:
    """Yield every tile of a log of this size, from the leaves up and from left to right."""
    level = 0
    while size:
        full, rest = divmod(size, WIDTH)
        yield from ((level, number, WIDTH) for number in range(full))
        if rest:
            yield level, full, rest
        level, size = level + 1, full


def _place(number: int, width: int) -> str:
    """Return a number in groups of three digits, and the width of what is not full."""
    if number < 0 or not 1 <= width <= WIDTH:
        raise ValueError("a tile has a number from 0, and is 1 to 256 wide")
    digits = str(number)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    *groups, last = (digits[at : at + 3] for at in range(0, len(digits), 3))
    return "".join(f"x{group}/" for group in groups) + last + (f".p/{width}" if width < WIDTH else "")
