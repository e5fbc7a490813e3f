"""When the turn of a log has come: to be signed, and to be looked at again before something is asked."""

from __future__ import annotations

from collections import defaultdict
from contextlib import contextmanager
from datetime import timedelta
from threading import Lock
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

#: A checkpoint is signed after so many entries, or so long after the last.
ENTRIES: Final = 1_000
SECONDS: Final = timedelta(seconds=60)
#: So long a look at a log lasts, for a process that asks all day.
AGAIN: Final = timedelta(seconds=10)


class Rhythm:
    """The turns of one process; ``grown`` gives how many entries it wrote to a log. Threads share it."""

    def __init__(self, grown: Callable[[str], int], clock: Callable[[], datetime]) -> None:
        self._grown = grown
        self._clock = clock
        self._signed: dict[str, tuple[int, datetime | None]] = {}
        self._looked: dict[str, datetime] = {}
        self._turns: defaultdict[str, Lock] = defaultdict(Lock)

    def signed(self, library: str) -> None:
        """Note that a log was signed as it is now."""
        self._signed[library] = self._grown(library), self._clock()

    def is_due(self, library: str) -> bool:
        """Whether a log is to be signed."""
        fresh, at = self._fresh(library)
        return fresh >= ENTRIES or (fresh > 0 and (at is None or self._clock() - at >= SECONDS))

    def has_grown(self, library: str) -> bool:
        """Whether this process wrote to a log since it last signed it."""
        return self._fresh(library)[0] > 0

    @contextmanager
    def looking(self, library: str) -> Iterator[bool]:
        """Have the turn of a log, and learn whether to look at it; a look that fails is none."""
        with self._turns[library]:
            at = self._looked.get(library)
            is_needed = at is None or abs(self._clock() - at) >= AGAIN or self.is_due(library)
            if is_needed:
                self._looked.pop(library, None)
            yield is_needed
            if is_needed:
                self._looked[library] = self._clock()

    def _fresh(self, library: str) -> tuple[int, datetime | None]:
        entries, at = self._signed.get(library, (0, None))
        return self._grown(library) - entries, at
