"""Two clocks: what is nothing, what is said, and what stops."""

from __future__ import annotations

import json
from datetime import timedelta
from email.utils import format_datetime

import pytest

from rrsync import logging
from rrsync.core.log_entry import Status
from rrsync.registry.soap import ClockSkew, EndpointRefused
from tests.support import Clock


def dated(clock: Clock, **apart: float) -> str:
    """Return a moment so far from the clock's, as HTTP writes it."""
    return format_datetime(clock() + timedelta(**apart), usegmt=True)


@pytest.mark.parametrize("sign", [1, -1])
def test_up_to_a_minute_is_nothing_and_more_is_said_once(capsys: pytest.CaptureFixture[str], sign: int) -> None:
    clock = Clock()
    skew = ClockSkew(clock)
    logging.configure("info")
    skew.check(dated(clock, seconds=60 * sign))
    assert not capsys.readouterr().err
    skew.check(dated(clock, seconds=90 * sign))
    skew.check(dated(clock, seconds=300 * sign))
    (line,) = capsys.readouterr().err.splitlines()
    assert {"event": "registry.skew", "level": "warning", "seconds": 90}.items() <= json.loads(line).items()


@pytest.mark.parametrize("minutes", [5.1, -5.1, 10, -1e6])
def test_more_than_five_minutes_stop(minutes: float) -> None:
    clock = Clock()
    with pytest.raises(EndpointRefused) as stopped:
        ClockSkew(clock).check(dated(clock, minutes=minutes))
    assert stopped.value.status is Status.INVALID_REPLY
    assert "clock" in str(stopped.value)


@pytest.mark.parametrize(
    "date",
    [None, "", "yesterday", "Thu, 32 Jul 2026 02:00:00 GMT", "Wed, 01 Jul 1998 02:00:00 -0000", "\x00", "9" * 99],
)
def test_a_date_nobody_can_read_says_nothing(date: str | None) -> None:
    ClockSkew(Clock()).check(date)
