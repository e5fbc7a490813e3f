"""Opening hours: what they say, in the time of the clock on the wall in Belgium, summer and winter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrsync.core.belgian_time import Hours

BRUSSELS = ZoneInfo("Europe/Brussels")
DAYS = ("mo", "tu", "we", "th", "fr", "sa", "su")
USUAL = "mo-fr 09:00-19:00; sa 09:00-17:00; su closed"
DAY = 24 * 60
SPANS = st.integers(0, DAY - 1).flatmap(lambda begin: st.tuples(st.just(begin), st.integers(begin + 1, DAY)))
MOMENTS = st.datetimes(
    datetime.fromisoformat("2020-01-01"), datetime.fromisoformat("2035-01-01"), timezones=st.just(UTC)
)
WEEKS = st.lists(st.lists(SPANS, max_size=3), min_size=7, max_size=7)


def there(text: str) -> datetime:
    """Return a moment by the clock on the wall in Belgium."""
    return datetime.fromisoformat(text).replace(tzinfo=BRUSSELS)


def _written(spans: list[tuple[int, int]]) -> str:
    return ",".join(f"{a // 60:02d}:{a % 60:02d}-{b // 60:02d}:{b % 60:02d}" for a, b in spans) or "closed"


class TestReading:
    """A small part of OpenStreetMap's opening_hours."""

    @given(WEEKS, MOMENTS)
    def test_a_week_says_what_each_of_its_days_says(self, week: list[list[tuple[int, int]]], at: datetime) -> None:
        """Open from the first minute of a span up to its last, on that day of the week in Belgium."""
        hours = Hours.parse("; ".join(f"{day} {_written(spans)}" for day, spans in zip(DAYS, week, strict=True)))
        local = at.astimezone(BRUSSELS)
        minute = local.hour * 60 + local.minute
        assert hours.covers(at) == any(a <= minute < b for a, b in week[local.weekday()])

    @pytest.mark.parametrize(
        ("text", "same"),
        [
            (USUAL, "mo,tu,we,th,fr 09:00-19:00; sa 09:00-17:00"),
            ("MO-FR 09:00-19:00;SA 09:00-17:00;;", USUAL),
            ("mo-su 09:00-19:00; sa 09:00-17:00; su off", USUAL),
            ("  mo - fr   09:00 - 19:00 ;\tsa 09:00-17:00", USUAL),
            ("fr-mo 10:00-12:00", "fr,sa,su,mo 10:00-12:00"),
            ("we 09:00-12:00, 13:00-19:00", "we 09:00-12:00,13:00-19:00"),
            ("24/7", "mo-su 00:00-24:00"),
            ("24/7; su closed", "mo-sa 00:00-24:00"),
            ("mo-mo 10:00-12:00", "mo 10:00-12:00"),
        ],
    )
    def test_one_week_can_be_written_in_many_ways(self, text: str, same: str) -> None:
        """Days as a list or from one to another; a later rule takes the place of an earlier one."""
        assert Hours.parse(text) == Hours.parse(same)

    @pytest.mark.parametrize(
        ("text", "rule", "how"),
        [
            ("", "", "24/7"),
            (" ; ", " ; ", "24/7"),
            ("mo-fr 09:00-19:00; zo gesloten", "zo gesloten", "write days and times"),
            ("mo-fr", "mo-fr", "write days and times"),
            ("09:00-17:00", "09:00-17:00", "write days and times"),
            ("zo 09:00-17:00", "zo 09:00-17:00", "days are mo, tu, we, th, fr, sa, su"),
            ("mo-tu-we 09:00-17:00", "mo-tu-we 09:00-17:00", "from one to another"),
            ("ph off", "ph off", "days are"),
            ("mo 9:00-17:00", "mo 9:00-17:00", "times are written as 09:00-19:00"),
            ("mo 09:00-12:60", "mo 09:00-12:60", "times are written as"),
            ("mo 09:00-12:00,", "mo 09:00-12:00,", "times are written as"),
            ("mo 22:00-02:00", "mo 22:00-02:00", "a span ends after it begins"),
            ("mo 09:00-09:00", "mo 09:00-09:00", "a span ends after it begins"),
            ("mo 23:00-24:30", "mo 23:00-24:30", "at 24:00 at the latest"),
        ],
    )
    def test_what_cannot_be_read_is_named(self, text: str, rule: str, how: str) -> None:
        """The rule, and how one is written."""
        with pytest.raises(ValueError, match=how) as raised:
            Hours.parse(text)
        assert f"{rule!r}" in str(raised.value)


class TestClock:
    """Belgian time, whatever the zone a moment comes in."""

    @pytest.mark.parametrize(
        ("at", "is_open"),
        [
            ("2026-07-03T08:59:59.999999", False),
            ("2026-07-03T09:00", True),
            ("2026-07-03T18:59:59.999999", True),
            ("2026-07-03T19:00", False),
            ("2026-01-05T09:00", True),
            ("2026-07-04T16:59", True),
            ("2026-07-04T17:00", False),
            ("2026-07-05T12:00", False),
        ],
    )
    def test_the_first_minute_is_in_and_the_last_is_not(self, at: str, is_open: bool) -> None:
        """In summer and in winter, by the clock on the wall."""
        assert Hours.parse(USUAL).covers(there(at)) == is_open
        assert Hours.parse(USUAL).covers(there(at).astimezone(UTC)) == is_open

    def test_the_night_the_clock_goes_forward(self) -> None:
        """The hour from two to three is not there: an hour after half past one it is half past three."""
        hours = Hours.parse("su 01:00-02:00, 03:00-03:30")
        before = there("2026-03-29T01:30").astimezone(UTC)
        assert [hours.covers(before + timedelta(minutes=n)) for n in (0, 29, 30, 59, 60)] == [
            True,
            True,
            True,
            True,
            False,
        ]

    def test_the_night_the_clock_goes_back(self) -> None:
        """The hour from two to three is there twice, and open twice."""
        hours = Hours.parse("su 02:00-03:00")
        at = there("2026-10-25T02:30").astimezone(UTC)
        assert [hours.covers(at + timedelta(hours=n)) for n in (-1, 0, 1, 2)] == [False, True, True, False]
