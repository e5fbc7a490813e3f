"""The last checkpoint signed of each log, kept outside the database: who puts an old backup back does not put it back.

One file a library, replaced whole and flushed before the checkpoint is given to anybody else. A lock on the folder lets
one process of this machine sign at a time.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rrsync.anchor.disk import held, replace
from rrsync.core.note import Note
from rrsync.errors import AnchorError

if TYPE_CHECKING:
    from collections.abc import Iterator

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
