r"""What is posted to a witness: C2SP ``add-checkpoint``, written and read by the letter.

The size that the witness last cosigned, a hash on each line that proves how the log grew from there, an empty line, and
the signed checkpoint (c2sp.org/tlog-witness).

>>> note = Note.parse("example.com/log\n0\n\n— example.com/log Zm91cmJ5dGVz\n")
>>> print(Submission(20, (bytes(32),), note).to_text())
old 20
AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
<BLANKLINE>
example.com/log
0
<BLANKLINE>
— example.com/log Zm91cmJ5dGVz
<BLANKLINE>
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from rrsync.core import note as notes
from rrsync.core.note import Note
from rrsync.core.strict import from_base64, from_decimal, to_base64
from rrsync.core.tree import HASH_BYTES

PATH: Final = "/add-checkpoint"
SIZE_TYPE: Final = "text/x.tlog.size"
MAX_PROOF: Final = 63
#: The largest note that must be read, and the proof before it.
MAX_BYTES: Final = notes.MAX_BYTES + 4096

_OLD: Final = "old "


@dataclass(frozen=True, slots=True)
class Submission:
    """A signed checkpoint, and the proof that it follows on the one of size ``old``."""

    old: int
    proof: tuple[bytes, ...]
    note: Note

    def to_text(self) -> str:
        """Give the body of the request."""
        lines = (f"{_OLD}{self.old}", *map(to_base64, self.proof), "")
        return "\n".join(lines) + "\n" + self.note.to_text()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the body of a request.

        Raises:
            ValueError: it is none.
        """
        head, _, rest = text.partition("\n\n")
        first, *lines = head.split("\n")
        if not first.startswith(_OLD) or len(lines) > MAX_PROOF:
            raise ValueError("a submission begins with the old size, and at most 63 hashes")
        proof = tuple(map(from_base64, lines))
        if any(len(one) != HASH_BYTES for one in proof):
            raise ValueError("a proof is made of hashes of 32 bytes")
        return cls(from_decimal(first.removeprefix(_OLD)), proof, Note.parse(rest))
