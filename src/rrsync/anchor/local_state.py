"""What this machine keeps of each log outside the database: its last signed checkpoint, and a fault that was found.

1. Restoring an old backup of the database does not restore these files, so that the backup is noticed.
2. A file is replaced whole and is on disk before anything else is done with its content.
3. A lock on the folder lets one process of this machine sign at a time.
4. A fault stays until the log was found whole again. A restart forgets nothing.

There is one file a library for each, in one folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import orjson

from rrsync.anchor.durable_file import held, replace
from rrsync.core.signed_note import Note
from rrsync.errors import AnchorError

_LOCK: Final = ".lock"
_PATIENCE_S: Final = 30.0


class LastSigned:
    """The folder of the last signed checkpoints; it is made when the first is kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let no other process on this machine sign until the end of the block.

        Raises:
            AnchorError: the folder cannot be used.
        """
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = (self._folder / _LOCK).open("a")
        except OSError as error:
            raise _not_kept(error) from error
        with lock, ExitStack() as stack:
            try:
                stack.enter_context(held(lock.fileno(), patience_s=_PATIENCE_S))
            except OSError as error:
                raise _not_kept(error) from error
            yield

    def read(self, library: str) -> Note | None:
        """Return the last note of a library's log; ``None`` when none was ever signed here.

        Raises:
            AnchorError: it cannot be read, or is no note.
        """
        path = self._folder / f"{library}.note"
        try:
            return Note.parse(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise AnchorError(
                f"The last checkpoint signed of {library} cannot be read",
                kept="Nothing was signed or asked",
                todo=f"Put {path.name} in the folder [log] signed back from your backup, or from an anchor",
            ) from error

    def write(self, library: str, note: Note) -> None:
        """Keep a note, on disk before this returns; the folder is held meanwhile.

        Raises:
            AnchorError: it cannot be written; the one before it stays.
        """
        try:
            replace(self._folder / f"{library}.note", note.to_text())
        except OSError as error:
            raise _not_kept(error) from error


@dataclass(frozen=True, slots=True)
class Fault:
    """What was found, when (aware UTC) and by whom; what was kept safe and what to do, as the error said it."""

    at: datetime
    by: str
    what: str
    kept: str
    todo: str


class Faults:
    """The folder of the faults found; it is made when the first is kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, library: str) -> Fault | None:
        """Return what was last found of a log that was not found whole since.

        Raises:
            AnchorError: it cannot be read.
        """
        try:
            fields = orjson.loads(self._path(library).read_bytes())
            return Fault(datetime.fromisoformat(fields.pop("at")), **fields)
        except FileNotFoundError:
            return None
        except (OSError, AttributeError, KeyError, TypeError, ValueError) as error:
            raise _unusable(f"What was found of the log of {library} cannot be read") from error

    def keep(self, library: str, fault: Fault) -> None:
        """Keep a fault instead of the one before it, on disk before this returns.

        Raises:
            AnchorError: it cannot be written.
        """
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace(self._path(library), orjson.dumps(asdict(fault)).decode() + "\n")
        except OSError as error:
            raise _unusable(f"What was found of a log cannot be kept: {error.strerror}") from error

    def forget(self, library: str) -> None:
        """Remove the fault of a log that was found whole.

        Raises:
            AnchorError: it cannot be removed.
        """
        try:
            self._path(library).unlink(missing_ok=True)
        except OSError as error:
            raise _unusable(f"What was found of a log cannot be removed: {error.strerror}") from error

    def _path(self, library: str) -> Path:
        return self._folder / f"{library}.fault"


def _not_kept(error: OSError) -> AnchorError:
    return _unusable(f"The last checkpoint signed cannot be kept: {error.strerror}", "Nothing was signed or asked")


def _unusable(what: str, kept: str = "The access log itself was not touched") -> AnchorError:
    todo = "Check [log] signed: the folder, its rights and the room on its disk"
    return AnchorError(what, kept=kept, todo=todo)
