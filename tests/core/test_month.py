"""Days and months in Belgium."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrsync.core.belgian_time import Month, last_month, midnight
from rrsync.core.planning import belgian_day

MOMENTS = st.datetimes(
    datetime.fromisoformat("1990-01-01"), datetime.fromisoformat("2100-01-01"), timezones=st.just(UTC)
)


@given(MOMENTS)
def test_a_moment_is_in_one_month(at: datetime) -> None:
    """From its first moment up to its end, which is the next one's start."""
    month = Month.of(at)
    assert month.start <= at < month.end == month.next.start
    assert Month.parse(month.text) == month
    assert belgian_day(month.start) == date(month.year, month.number, 1)


@given(MOMENTS)
def test_the_last_month_is_the_one_before_this(at: datetime) -> None:
    """It has ended, and the one after it has not."""
    assert last_month(at).next == Month.of(at)
    assert last_month(at).end <= at < last_month(at).next.end


@given(st.dates(date(1990, 1, 1), date(2100, 1, 1)))
def test_a_day_begins_at_midnight_in_belgium(day: date) -> None:
    """A moment before, it is the day before."""
    start = midnight(day)
    assert start.utcoffset() == timedelta()
    assert (belgian_day(start), belgian_day(start - timedelta.resolution)) == (day, day - timedelta(days=1))


def test_a_month_with_a_change_of_the_clock_is_an_hour_longer_or_shorter() -> None:
    """October by an hour more, March by one less."""
    assert Month(2026, 10).end - Month(2026, 10).start == timedelta(days=31, hours=1)
    assert Month(2026, 3).end - Month(2026, 3).start == timedelta(days=31, hours=-1)


def test_months_from_one_to_another() -> None:
    """Both of them, over the end of a year; none when the first is later."""
    months = Month(2025, 11).until(Month(2026, 2))
    assert [month.text for month in months] == ["2025-11", "2025-12", "2026-01", "2026-02"]
    assert list(Month(2026, 2).until(Month(2026, 1))) == []


@pytest.mark.parametrize(
    "text", ["", "2026", "2026-13", "2026-00", "2026-1", "26-01", "0001-01", "9999-12", "2026-01 "]
)
def test_what_is_no_month_is_refused(text: str) -> None:
    """And how one is written."""
    with pytest.raises(ValueError, match="2026-10"):
        Month.parse(text)
