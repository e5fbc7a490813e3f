"""Times as people in Belgium type and read them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rrsync.errors import ConfigError
from rrsync.text.local_time import clock, since, until


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2026-07-01", "2026-06-30T22:00", "2026-07-01T22:00"),
        ("2026-11-01", "2026-10-31T23:00", "2026-11-01T23:00"),
        ("2026-10-25", "2026-10-24T22:00", "2026-10-25T23:00"),  # the day on which summer time ends
        ("2026-07-01T08:30", "2026-07-01T06:30", "2026-07-01T06:30"),
        ("2026-11-01 08:30:15", "2026-11-01T07:30:15", "2026-11-01T07:30:15"),
        ("2026-07-01T08:30Z", "2026-07-01T08:30", "2026-07-01T08:30"),
        ("2026-07-01T08:30+01:00", "2026-07-01T07:30", "2026-07-01T07:30"),
    ],
)
def test_a_day_is_meant_as_a_whole_and_a_moment_as_itself(text: str, start: str, end: str) -> None:
    """By the clock on the wall in Belgium, unless it says otherwise."""
    assert since(text) == _utc(start)
    assert until(text) == _utc(end)
    assert since(None) is until(None) is None


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "01/07/2026", "0001-01-01", "9999-12-31"])
def test_what_is_no_time_is_one_sentence(text: str) -> None:
    """It is not shown: who knows what was typed there."""
    with pytest.raises(ConfigError, match=r"--until is no day and no moment\. Nothing was looked up\. Write"):
        until(text if text != "0001-01-01" else "0001-01-01T00:00+14:00")


def test_a_moment_is_shown_as_it_was_there() -> None:
    """In a table as a computer writes it."""
    assert clock(_utc("2026-10-31T23:30:05")) == "2026-11-01 00:30:05"
