"""How often one may ask at the desk: so many in a minute, an hour and a day by one person, in a day by one library.

Each limit is hard: who reached it waits until the oldest of the asks that count is out of its window. From ``soft`` of
it on, an ask still goes, and is told of as one that came near. What was refused does not count.

>>> limits = Limits(per_minute=2)
>>> noon = datetime.fromisoformat("2026-07-01T12:00Z")
>>> judge(noon, [], Used(0, None), limits)
Granted(near=())
>>> judge(noon, [noon - timedelta(seconds=20)], Used(1, noon - timedelta(seconds=20)), limits)
Granted(near=(<Window.MINUTE: 'minute'>,))
>>> judge(noon, [noon - timedelta(seconds=s) for s in (20, 50)], Used(2, noon - timedelta(seconds=50)), limits)
Refused(window=<Window.MINUTE: 'minute'>, wait=datetime.timedelta(seconds=10))
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, TypeAlias

#: What stands in the access log of who was refused for a limit: the clause of a denial.
REACHED: Final = "the limit of questions was reached"
#: As far back as anything counts.
DAY: Final = timedelta(days=1)


class Window(StrEnum):
    """In what, and whose, many is counted."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    LIBRARY_DAY = "library_day"


_SPANS: Final = {
    Window.MINUTE: timedelta(minutes=1),
    Window.HOUR: timedelta(hours=1),
    Window.DAY: DAY,
    Window.LIBRARY_DAY: DAY,
}


@dataclass(frozen=True, slots=True)
class Limits:
    """How many are too many; ``soft`` is the share of each from which on one is near it."""

    per_minute: int = 5
    per_hour: int = 30
    per_day: int = 100
    library_per_day: int = 1_000
    soft: float = 0.8

    def most(self, window: Window) -> int:
        """Return the limit of a window."""
        of = {
            Window.MINUTE: self.per_minute,
            Window.HOUR: self.per_hour,
            Window.DAY: self.per_day,
            Window.LIBRARY_DAY: self.library_per_day,
        }
        return of[window]


@dataclass(frozen=True, slots=True)
class Used:
    """What a library's staff asked in the last day: how many, and when ``first`` of the asks that fill the limit.

    When they are as many as the limit, or more, ``first`` is the one whose leaving makes room.
    """

    count: int
    first: datetime | None


@dataclass(frozen=True, slots=True)
class Granted:
    """One may ask; ``near`` are the limits that one comes near with it."""

    near: tuple[Window, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """One may not ask now, for this limit; after ``wait`` there is room again."""

    window: Window
    wait: timedelta


Verdict: TypeAlias = Granted | Refused


def judge(at: datetime, own: Iterable[datetime], library: Used, limits: Limits) -> Verdict:
    """Say whether somebody may ask now: ``own`` are the moments at which they asked in the last day, in any order.

    A moment after ``at`` counts, as a clock that was put back gives nobody new asks. Of several limits that are
    reached the one that keeps longest is named.
    """
    moments = sorted(own)
    counted: dict[Window, tuple[int, datetime | None]] = {Window.LIBRARY_DAY: (library.count, library.first)}
    for window in (Window.MINUTE, Window.HOUR, Window.DAY):
        recent = [moment for moment in moments if moment > at - _SPANS[window]]
        room = len(recent) - limits.most(window)  # this many must go, and one more, before there is room
        counted[window] = len(recent), recent[room] if room >= 0 else None
    refused = [
        Refused(window, first + _SPANS[window] - at)
        for window, (count, first) in counted.items()
        if count >= limits.most(window) and first is not None
    ]
    if refused:
        return max(refused, key=lambda each: each.wait)
    return Granted(
        tuple(window for window in Window if counted[window][0] + 1 >= math.ceil(limits.most(window) * limits.soft))
    )


def left(at: datetime, own: Iterable[datetime], used: int, limits: Limits) -> dict[Window, int]:
    """Give how many more asks each limit has room for: somebody's ``own``, and their library's of which ``used`` went.

    >>> noon = datetime.fromisoformat("2026-07-01T12:00Z")
    >>> left(noon, [noon - timedelta(seconds=s) for s in (20, 90)], 1_001, Limits())[Window.MINUTE]
    4
    """
    moments = list(own)
    counted = {window: sum(moment > at - _SPANS[window] for moment in moments) for window in Window}
    counted[Window.LIBRARY_DAY] = used
    return {window: max(0, limits.most(window) - counted[window]) for window in Window}
