"""From signed notes to roots that a log is held against: what its own key did not sign counts for nothing."""

from __future__ import annotations

import quopri
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING

from rrsync.core.note import Checkpoint, Note
from rrsync.errors import BrokenChain
from rrsync.store.verify import Point

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rrsync.core.note import Key
    from rrsync.store.checkpoints import Kept


def point(library: str, note: Note, key: Key, *, source: str) -> Point:
    """Give the root that a note says, once its signature holds; ``source`` is where the note was found.

    Raises:
        BrokenChain: the log's key did not sign it, or it is of another log.
    """
    try:
        checkpoint = Checkpoint.parse(note.text)
        if not note.is_signed_by(key):
            raise _forged(library, "a checkpoint", source, "it is not signed by the log's key")
    except ValueError as error:
        raise _forged(library, "a checkpoint", source, str(error)) from error
    if checkpoint.origin != key.name:
        raise _forged(library, f"the checkpoint of {checkpoint.size}", source, "it is of another log")
    return Point(checkpoint.size, checkpoint.root, source)


def newest(library: str, data: bytes, key: Key, *, source: str) -> Point | None:
    """Give the root that the newest of the log's own notes in a file says: a note, an anchor's file, or a saved mail.

    What is half written, of another log, or signed by others is passed over; ``None`` when there is none of this log.
    """
    text = (data + b"\n\n" + quopri.decodestring(data)).decode(errors="replace")  # a mail that was saved is encoded
    blocks, found = text.replace("\r\n", "\n").split("\n\n"), []
    for body, lines in pairwise(blocks):
        with suppress(ValueError, BrokenChain):
            note = Note.parse(f"{body.strip(chr(10))}\n\n{lines.strip(chr(10))}\n")
            found.append(point(library, note, key, source=source))
    return max(found, key=lambda one: one.size, default=None)


def points(kept: Sequence[Kept], key: Key, source: str) -> list[Point]:
    """Give the roots that the notes kept in the database say.

    Raises:
        BrokenChain: one is no note, is not signed by the log's key, or does not say what its row says.
    """
    return [_kept(each, key, source) for each in kept]


def _kept(kept: Kept, key: Key, source: str) -> Point:
    what = f"the checkpoint of {kept.size}"
    try:
        found = point(kept.library, Note.parse(kept.note), key, source=source)
    except (TypeError, ValueError) as error:  # SQLite takes anything in any column
        raise _forged(kept.library, what, source, "it is no signed note") from error
    except BrokenChain as error:
        raise _forged(kept.library, what, source, error.what.rpartition(": ")[2]) from error
    if found.size != kept.size:
        raise _forged(kept.library, what, source, f"its note is of {found.size}")
    return found


def _forged(library: str, what: str, source: str, cause: str) -> BrokenChain:
    return BrokenChain(
        f"In the access log of {library}, {what} in {source} cannot be believed: {cause}",
        kept="Nothing was asked",
        todo="Stop the nightly job, keep everything as it is, and call the data-protection officer",
    )
