"""Limits on desk queries: per person in a minute, an hour and a day; per library in a day.

A person at a limit waits until the oldest counted query leaves the window. From the share ``soft`` of a limit on, a
query is granted and reported as near the limit. Denied queries do not count.

>>> limits = Limits(per_minute=2)
>>> noon = datetime.fromisoformat("2026-07-01T12:00Z")
>>> judge(noon, [], QuotaUsage(0, None), limits)
QuotaGranted(near=())
>>> judge(noon, [noon - timedelta(seconds=20)], QuotaUsage(1, noon - timedelta(seconds=20)), limits)
QuotaGranted(near=(<Window.MINUTE: 'minute'>,))
>>> judge(noon, [noon - timedelta(seconds=s) for s in (20, 50)], QuotaUsage(2, noon - timedelta(seconds=50)), limits)
QuotaExceeded(window=<Window.MINUTE: 'minute'>, wait=datetime.timedelta(seconds=10))
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
    """The period of a limit, and whether it counts a person's or a library's queries."""

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
    """The most queries in each window; ``soft`` is the share of each from which a query is near the limit."""

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
class QuotaUsage:
    """The queries of a library's staff in the last day: how many, and the time of the ``first`` that fills the limit.

    When the limit is reached, ``first`` is the query whose expiry makes room.
    """

    count: int
    first: datetime | None


@dataclass(frozen=True, slots=True)
class QuotaGranted:
    """The query is allowed; ``near`` are the limits it comes near."""

    near: tuple[Window, ...] = ()


@dataclass(frozen=True, slots=True)
class QuotaExceeded:
    """The query is denied because of this limit; after ``wait`` there is room again."""

    window: Window
    wait: timedelta


Verdict: TypeAlias = QuotaGranted | QuotaExceeded


def judge(at: datetime, own: Iterable[datetime], library: QuotaUsage, limits: Limits) -> Verdict:
    """Decide whether a person may query now; ``own`` are the times of their queries in the last day, in any order.

    A time after ``at`` counts too, so a clock that was set back gives no extra queries. If several limits are reached,
    the one with the longest wait is named.
    """
    moments = sorted(own)
    counted: dict[Window, tuple[int, datetime | None]] = {Window.LIBRARY_DAY: (library.count, library.first)}
    for window in (Window.MINUTE, Window.HOUR, Window.DAY):
        recent = [moment for moment in moments if moment > at - _SPANS[window]]
        room = len(recent) - limits.most(window)  # this many must go, and one more, before there is room
        counted[window] = len(recent), recent[room] if room >= 0 else None
    refused = [
        QuotaExceeded(window, first + _SPANS[window] - at)
        for window, (count, first) in counted.items()
        if count >= limits.most(window) and first is not None
    ]
    if refused:
        return max(refused, key=lambda each: each.wait)
    return QuotaGranted(
        tuple(window for window in Window if counted[window][0] + 1 >= math.ceil(limits.most(window) * limits.soft))
    )


def left(at: datetime, own: Iterable[datetime], used: int, limits: Limits) -> dict[Window, int]:
    """Return how many queries each limit still allows, given the person's ``own`` and the number the library ``used``.

    >>> noon = datetime.fromisoformat("2026-07-01T12:00Z")
    >>> left(noon, [noon - timedelta(seconds=s) for s in (20, 90)], 1_001, Limits())[Window.MINUTE]
    4
    """
    moments = list(own)
    counted = {window: sum(moment > at - _SPANS[window] for moment in moments) for window in Window}
    counted[Window.LIBRARY_DAY] = used
    return {window: max(0, limits.most(window) - counted[window]) for window in Window}
