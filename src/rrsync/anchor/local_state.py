"""That a log was found broken, kept outside the database until it was found whole again: a restart forgets nothing.

One file a library, beside the last checkpoint signed of it.

The last checkpoint signed of each log, kept outside the database: who puts an old backup back does not put it back.

One file a library, replaced whole and flushed before the checkpoint is given to anybody else. A lock on the folder lets
one process of this machine sign at a time.
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
_TODO: Final = "Check [log] signed: the folder, its rights and the room on its disk"


class LastSigned:
    """The folder; it is made when the first checkpoint is kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let nobody else on this machine sign meanwhile.

        Raises:
            AnchorError: the folder cannot be used.
        """
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = (self._folder / _LOCK).open("a")
        except OSError as error:
            raise _unusable(error) from error
        with lock, ExitStack() as stack:
            try:
                stack.enter_context(held(lock.fileno(), patience_s=_PATIENCE_S))
            except OSError as error:
                raise _unusable(error) from error
            yield

    def read(self, library: str) -> Note | None:
        """Give the last note of a library's log; ``None`` when none was ever signed here.

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
            AnchorError: it cannot be written; the one before it stands.
        """
        try:
            replace(self._folder / f"{library}.note", note.to_text())
        except OSError as error:
            raise _unusable(error) from error


def _unusable(error: OSError) -> AnchorError:
    return AnchorError(
        f"The last checkpoint signed cannot be kept: {error.strerror}", kept="Nothing was signed or asked", todo=_TODO
    )


@dataclass(frozen=True, slots=True)
class Fault:
    """What was found, when (aware UTC), by whom; and what is kept and what to do, as the error said it."""

    at: datetime
    by: str
    what: str
    kept: str
    todo: str


class Faults:
    """The folder; it is made when the first fault is kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, library: str) -> Fault | None:
        """Give what was found last of a log that nobody found whole since.

        Raises:
            AnchorError: it cannot be read.
        """
        try:
            said = orjson.loads(self._path(library).read_bytes())
            return Fault(datetime.fromisoformat(said.pop("at")), **said)
        except FileNotFoundError:
            return None
        except (OSError, AttributeError, KeyError, TypeError, ValueError) as error:
            raise AnchorError(
                f"It cannot be read what was found of the log of {library}",
                kept="The access log itself was not touched",
                todo=_TODO,
            ) from error

    def keep(self, library: str, fault: Fault) -> None:
        """Keep what was found, on disk before this returns; it takes the place of what was found before.

        Raises:
            AnchorError: it cannot be written.
        """
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace(self._path(library), orjson.dumps(asdict(fault)).decode() + "\n")
        except OSError as error:
            raise _fault_unusable(error) from error

    def forget(self, library: str) -> None:
        """Keep nothing any more: the log was found whole.

        Raises:
            AnchorError: what is kept cannot be taken away.
        """
        try:
            self._path(library).unlink(missing_ok=True)
        except OSError as error:
            raise _fault_unusable(error) from error

    def _path(self, library: str) -> Path:
        return self._folder / f"{library}.fault"


def _fault_unusable(error: OSError) -> AnchorError:
    return AnchorError(
        f"What was found of a log cannot be kept: {error.strerror}",
        kept="The access log itself was not touched",
        todo=_TODO,
    )
