"""What goes to an anchor, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass

from rrsync.core.note import Checkpoint, Note


@dataclass(frozen=True, slots=True)
class Signed:
    """A library's log as it was signed: the note, and the checkpoint that its text is."""

    library: str
    note: Note
    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True)
class Receipt:
    """An anchor's word that it has a checkpoint; ``text`` is the lines with which a witness signed it, else empty."""

    anchor: str
    library: str
    size: int
    text: str
