"""How often one may ask at the desk."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrsync.core.desk_quota import Limits, QuotaExceeded, QuotaGranted, QuotaUsage, Verdict, Window, judge
from tests.support import NOW

NONE = QuotaUsage(0, None)
SMALL = Limits(per_minute=2, per_hour=4, per_day=6, library_per_day=9)


def ago(*seconds: float) -> list[datetime]:
    return [NOW - timedelta(seconds=each) for each in seconds]


def test_the_usual_limits() -> None:
    """Five a minute, thirty an hour, a hundred a day; a thousand a day for a library."""
    assert [Limits().most(window) for window in Window] == [5, 30, 100, 1_000]


@pytest.mark.parametrize(
    ("seconds", "window", "wait"),
    [
        ([10, 20], Window.MINUTE, 40),
        ([10, 20, 30], Window.MINUTE, 50),  # two must go, of which the second in 50 - 10 seconds
        ([100, 200, 300, 400], Window.HOUR, 3_200),
        ([4_000, 5_000, 6_000, 7_000, 8_000, 9_000], Window.DAY, 77_400),
    ],
)
def test_a_limit_that_is_reached_keeps_until_there_is_room(seconds: list[float], window: Window, wait: float) -> None:
    """The wait ends when so many have left the window that one more fits."""
    found = judge(NOW, ago(*seconds), NONE, SMALL)
    assert isinstance(found, QuotaExceeded)
    assert found.window is window
    at = NOW + found.wait
    assert isinstance(judge(at, ago(*seconds), NONE, SMALL), QuotaGranted)
    assert isinstance(judge(at - timedelta(microseconds=1), ago(*seconds), NONE, SMALL), QuotaExceeded)
    if len(seconds) == SMALL.most(window):
        assert found.wait == timedelta(seconds=wait)


def test_a_library_has_a_limit_of_its_own() -> None:
    """Though the person has asked nothing."""
    (first,) = ago(3_600)
    assert judge(NOW, [], QuotaUsage(9, first), SMALL) == QuotaExceeded(Window.LIBRARY_DAY, timedelta(hours=23))
    assert judge(NOW, [], QuotaUsage(8, first), SMALL) == QuotaGranted((Window.LIBRARY_DAY,))


def test_the_one_that_keeps_longest_is_named() -> None:
    """Who waits only for the other would be refused again."""
    found = judge(NOW, ago(1, 2, 3, 4), QuotaUsage(9, NOW), SMALL)
    assert found == QuotaExceeded(Window.LIBRARY_DAY, timedelta(days=1))


def test_coming_near_a_limit_is_told() -> None:
    """From the soft share of it on, of each that is near."""
    assert judge(NOW, [], NONE, Limits()) == QuotaGranted()
    assert judge(NOW, ago(1, 2), NONE, Limits()) == QuotaGranted()
    assert judge(NOW, ago(1, 2, 3), NONE, Limits()) == QuotaGranted((Window.MINUTE,))
    assert judge(NOW, ago(*range(100, 123)), NONE, Limits()) == QuotaGranted((Window.HOUR,))


def test_a_clock_that_was_put_back_gives_no_new_asks() -> None:
    """What was asked later than now counts, and is waited for."""
    found = judge(NOW, ago(-100, -200), NONE, SMALL)
    assert found == QuotaExceeded(Window.MINUTE, timedelta(seconds=160))


@given(st.lists(st.integers(0, 100_000), max_size=60), st.floats(0.1, 1))
def test_no_window_ever_holds_more_than_its_limit(gaps: list[int], soft: float) -> None:
    """Whatever the pace: what was granted fits every window, and a refusal's wait is enough and not too long."""
    limits = Limits(per_minute=2, per_hour=4, per_day=6, library_per_day=6, soft=soft)
    at, granted = NOW, list[datetime]()
    for gap in gaps:
        at += timedelta(seconds=gap % 700)
        found = _ask(at, granted, limits)
        if isinstance(found, QuotaGranted):
            granted.append(at)
        else:
            assert timedelta(0) < found.wait <= timedelta(days=1)
            later = at + found.wait
            assert isinstance(_ask(later, granted, limits), QuotaGranted)
    for span, most in ((60, 2), (3_600, 4), (86_400, 6)):
        for start in granted:
            assert sum(start <= one < start + timedelta(seconds=span) for one in granted) <= most


def _ask(at: datetime, granted: list[datetime], limits: Limits) -> Verdict:
    recent = [one for one in granted if one > at - timedelta(days=1)]
    room = len(recent) - limits.library_per_day
    return judge(at, recent, QuotaUsage(len(recent), recent[room] if room >= 0 else None), limits)
