"""The budget of calls: never more than so many in any one second, first come first served.

Calls leave one by one, evenly spaced, so no window of a second ever holds more than its number, not even after this
process was asleep. A fraction above a whole number is not used: 8.5 a second are 8, and 0.5 are one in two seconds.
"""

from __future__ import annotations

import time
from collections import deque
from threading import Lock
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

#: Added to every interval, so that rounding never squeezes one call too many into a second.
_GUARD_S: Final = 1e-6
#: How long a wait may go on without looking whether it is still wanted.
_LOOK_S: Final = 0.25


def never() -> bool:
    """Nobody interrupts."""
    return False


class Pace:
    """Lets at most ``max_per_second`` through; ``None`` or infinity lets all. One for all threads of a process."""

    def __init__(
        self,
        max_per_second: float | None,
        *,
        sleep: Callable[[float], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        rate = max_per_second or float("inf")
        whole = rate if rate < 1 or rate == float("inf") else int(rate)
        self._interval_s = 1 / whole + _GUARD_S if whole != float("inf") else 0.0
        self._clock = clock
        self._sleep = sleep
        self._guard = Lock()
        self._line: deque[Lock] = deque()
        self._free_at = float("-inf")

    def take(self, interrupted: Callable[[], bool] = never) -> bool:
        """Wait for a turn; give ``False``, without having used one, when interrupted before it came."""
        if not self._interval_s:
            return not interrupted()
        mine = Lock()
        with self._guard:
            if self._line:
                mine.acquire()
            self._line.append(mine)
        try:
            mine.acquire()  # passed on by who stood before
            return self._wait(interrupted)
        finally:
            with self._guard:
                was_first = self._line[0] is mine
                self._line.remove(mine)
                if was_first and self._line:
                    self._line[0].release()

    def _wait(self, interrupted: Callable[[], bool]) -> bool:
        while not interrupted():
            left_s = self._free_at - self._clock()
            if left_s <= 0:
                self._free_at = self._clock() + self._interval_s
                return True
            self._sleep(min(left_s, _LOOK_S))
        return False
