"""A proof that one entry is in a log, in a file that stands alone (C2SP tlog-proof).

It holds the entry's place, the hashes from the leaf to the root, and the checkpoint that the log signed. We lay the
entry's exact bytes in it as the extra data: nothing vouches for those, but whoever hashes them has the leaf to check.

>>> from rrsync.core.note import Checkpoint, Signer
>>> from rrsync.core.tree import leaf_hash
>>> signer, leaf = Signer("example.com/log", bytes(32)), leaf_hash(b"an entry")
>>> text = Checkpoint("example.com/log", 1, leaf).to_text()
>>> proof = Proof(0, (), Note(text, (signer.sign(text),)), b"an entry")
>>> Proof.parse(proof.to_text()).check(leaf, signer.key).size
1
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from rrsync.core.note import Checkpoint, Key, Note
from rrsync.core.strict import MAX_NUMBER, from_base64, from_decimal, to_base64
from rrsync.core.tree import HASH_BYTES, verify_inclusion

MAX_HASHES: Final = 63

_HEADER: Final = "c2sp.org/tlog-proof@v1"
_EXTRA: Final = "extra "
_INDEX: Final = "index "


@dataclass(frozen=True, slots=True)
class Proof:
    """Where an entry stands, the hashes that lead to the root, the log's checkpoint, and what came with it.

    Raises:
        ValueError: the place is none, the hashes are none or too many, or the note is no checkpoint.
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
            ValueError: it is none, or what is in it is no checkpoint.
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
        """Give the file's text."""
        extra = [_EXTRA + to_base64(self.extra)] if self.extra else []
        lines = [_HEADER, *extra, f"{_INDEX}{self.index}", *map(to_base64, self.hashes)]
        return "".join(line + "\n" for line in lines) + "\n" + self.checkpoint.to_text()

    def check(self, leaf: bytes, key: Key) -> Checkpoint:
        """Give the checkpoint in which the entry of this leaf hash stands at this place.

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
