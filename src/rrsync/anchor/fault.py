"""That a log was found broken, kept outside the database until it was found whole again: a restart forgets nothing.

One file a library, beside the last checkpoint signed of it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

import orjson

from rrsync.anchor.disk import replace
from rrsync.errors import AnchorError

if TYPE_CHECKING:
    from pathlib import Path

_TODO: Final = "Check [log] signed: the folder, its rights and the room on its disk"


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
            raise _unusable(error) from error

    def forget(self, library: str) -> None:
        """Keep nothing any more: the log was found whole.

        Raises:
            AnchorError: what is kept cannot be taken away.
        """
        try:
            self._path(library).unlink(missing_ok=True)
        except OSError as error:
            raise _unusable(error) from error

    def _path(self, library: str) -> Path:
        return self._folder / f"{library}.fault"


def _unusable(error: OSError) -> AnchorError:
    return AnchorError(
        f"What was found of a log cannot be kept: {error.strerror}",
        kept="The access log itself was not touched",
        todo=_TODO,
    )
