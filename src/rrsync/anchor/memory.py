"""What a witness last cosigned of each log: a file for each origin, in one folder.

A file is the cosigned checkpoint itself, and takes the place of the last one whole and on disk, or not at all. No file
means that the log was never cosigned, so the folder must be kept: who loses it, forgets.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from rrsync.anchor.disk import held, replace
from rrsync.core.note import Note

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Memory:
    """The folder; threads and processes may share it, as each looks and writes under the origin's lock."""

    folder: Path
    patience_s: float

    @contextmanager
    def holding(self, origin: str) -> Iterator[None]:
        """Hold what is known of a log, so that nobody else changes it before the end of the block.

        Raises:
            BlockingIOError: another had it all that time.
            OSError: the folder cannot be used.
        """
        number = os.open(self._path(origin, ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            with held(number, patience_s=self.patience_s):
                yield
        finally:
            os.close(number)

    def last(self, origin: str) -> Note | None:
        """Give the checkpoint that was last kept of a log, if one was.

        Raises:
            OSError: its file cannot be read.
            ValueError: it is no note.
        """
        try:
            text = self._path(origin).read_bytes().decode()
        except FileNotFoundError:
            return None
        return Note.parse(text)

    def keep(self, origin: str, note: Note) -> None:
        """Put a checkpoint in the place of the last one; on return it survives a power cut.

        Raises:
            OSError: it cannot be written; the last one stands.
        """
        replace(self._path(origin), note.to_text())

    def _path(self, origin: str, suffix: str = "") -> Path:
        return self.folder / (sha256(origin.encode()).hexdigest() + suffix)
