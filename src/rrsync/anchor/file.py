"""An anchor that is a file elsewhere: another disk, another machine's share, another owner.

1. Signed notes are appended, each with one write and an empty line after it, and are then on disk.
2. A note counts for its signature. What a crash left half written is skipped, and so is other content.
3. The folder is never made: a share that is not mounted must not become a folder of this machine.

The file is read from its end, for the line that is a log's origin, so that ten years of notes do no harm.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rrsync.anchor.durable_file import held, keep_name
from rrsync.core.signed_note import MAX_BYTES, Checkpoint, Key, Note, Receipt, Signed
from rrsync.errors import AnchorUnavailable

_PIECE: Final = 1 << 20
_USUAL: Final = 1 << 12
_DIGITS: Final = 19
_GAP: Final = b"\n\n"
_FULL: Final = "there is no room left for it"
_REASONS: Final = {
    errno.ENOENT: "its folder is not there",
    errno.ENOTDIR: "its folder is not there",
    errno.EAGAIN: "another process holds it",
    errno.EACCES: "this user may not read and write it",
    errno.EPERM: "this user may not read and write it",
    errno.EISDIR: "it is a folder",
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: _FULL,
}


@dataclass(frozen=True, slots=True)
class FileAnchor:
    """The file; another process may be writing to it for ``patience_s``."""

    path: Path
    patience_s: float = field(default=10.0, kw_only=True)

    @property
    def name(self) -> str:
        """What the anchor is called, among others."""
        return f"file {self.path}"

    def keep(self, signed: Sequence[Signed]) -> list[Receipt]:
        """Append every checkpoint that is not the last of its log there; on return all survive a power cut.

        Raises:
            AnchorUnavailable: it cannot be written now; a part that was written does no harm.
        """
        with self._opened(os.O_RDWR | os.O_APPEND | os.O_CREAT) as number, held(number, patience_s=self.patience_s):
            is_new = not os.fstat(number).st_size
            for one in signed:
                if not _is_last(number, one):
                    _append(number, one.note)
            os.fsync(number)
            if is_new:
                keep_name(self.path.parent)
        return [Receipt(self.name, one.library, one.checkpoint.size, "") for one in signed]

    def last(self, key: Key) -> Checkpoint | None:
        """Return the largest checkpoint in the file of the log that this key signs; none if there is no file yet.

        Raises:
            AnchorUnavailable: the file cannot be read now.
        """
        if self.path.parent.is_dir() and not os.path.lexists(self.path):
            return None
        best: Checkpoint | None = None
        with self._opened(os.O_RDONLY) as number:
            for start, size in _places(number, key.name):
                if best is None or size > best.size:
                    best = _checkpoint(_note(number, start), key) or best
        return best

    @contextmanager
    def _opened(self, flags: int) -> Iterator[int]:
        """Yield the descriptor of the file; an error becomes a sentence."""
        try:
            number = os.open(self.path, flags | os.O_CLOEXEC | os.O_NONBLOCK, 0o644)
            try:
                if not stat.S_ISREG(os.fstat(number).st_mode):
                    raise OSError(0, "it is no file")
                yield number
            finally:
                os.close(number)
        except OSError as error:
            reason = _REASONS.get(error.errno or 0, error.strerror)
            raise AnchorUnavailable(
                f"The anchor file {self.path} cannot be used: {reason}",
                kept="The access log itself is whole",
                todo="Check that the place is mounted, its rights, and the room on its disk",
            ) from error


def _is_last(number: int, one: Signed) -> bool:
    """Whether the last note of its log is this one, with its signatures."""
    notes = (_note(number, start) for start, _ in _places(number, one.checkpoint.origin))
    found = next(filter(None, notes), None)
    return found is not None and found.text == one.note.text and set(one.note.signatures) <= set(found.signatures)


def _append(number: int, note: Note) -> None:
    """Write a note with one write, after an empty line if the file does not end in one."""
    size = os.fstat(number).st_size
    tail = os.pread(number, len(_GAP), max(0, size - len(_GAP)))
    data = (b"" if tail in {b"", _GAP} else _GAP) + note.to_text().encode() + b"\n"
    if os.write(number, data) != len(data):
        raise OSError(errno.ENOSPC, _FULL)


def _places(number: int, origin: str) -> Iterator[tuple[int, int]]:
    """Yield where a line is a log's origin, the last first, and the size on the line below (-1: none)."""
    line = f"\n{origin}\n".encode()
    end = os.fstat(number).st_size
    while end > 0:
        start = max(0, end - _PIECE)
        piece, until = os.pread(number, end - start + len(line) + _DIGITS, start), end - start + len(line) - 1
        if not start:
            piece, start, until = b"\n" + piece, -1, until + 1
        while (at := piece.rfind(line, 0, until)) >= 0:
            size = piece[at + len(line) : at + len(line) + _DIGITS + 1].partition(b"\n")[0]
            yield start + at + 1, int(size) if size.isdigit() else -1
            until = at + len(line) - 1
        end = start


def _note(number: int, start: int) -> Note | None:
    """Return the note that begins there, unless it is half a note or none."""
    for length in (_USUAL, MAX_BYTES):
        block = os.pread(number, length, start)
        body, gap, rest = block.partition(_GAP)
        lines, end, _ = rest.partition(_GAP)
        if end or len(block) < length:
            break
    try:
        return Note.parse((body + gap + lines + end[:1]).decode())
    except ValueError:
        return None


def _checkpoint(note: Note | None, key: Key) -> Checkpoint | None:
    """Return the checkpoint that a note is, if this key signed it."""
    try:
        return Checkpoint.parse(note.text) if note and note.is_signed_by(key) else None
    except ValueError:
        return None
