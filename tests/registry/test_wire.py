"""What a reply's status and Retry-After say: away or busy, and for how long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrsync.registry.wire import LONGEST_S, Refused, Unavailable, _judge, _retry_after

DATE = "Wed, 01 Jul 2026 02:00:00 GMT"


@pytest.mark.parametrize(
    ("status", "headers", "busy", "after"),
    [
        (429, {}, True, None),
        (429, {"Retry-After": "30"}, True, 30.0),
        (503, {"Retry-After": "2"}, True, 2.0),
        (503, {"Retry-After": "Wed, 01 Jul 2026 02:01:30 GMT", "Date": DATE}, True, 90.0),
        (503, {"Retry-After": "Wed, 01 Jul 2026 01:00:00 GMT", "Date": DATE}, True, 0.0),
        (503, {"Retry-After": "Thu, 01 Jul 2027 01:00:00 GMT", "Date": DATE}, True, LONGEST_S),
        (503, {"Retry-After": "Wed, 01 Jul 2026 02:01:30 GMT"}, True, None),
        (503, {"Retry-After": "Wed, 01 Jul 2026 02:01:30", "Date": DATE}, True, None),
        (503, {"Retry-After": "9" * 5000}, True, LONGEST_S),
        (503, {"Retry-After": "-5"}, True, None),
        (503, {"Retry-After": "soon"}, True, None),
        (503, {"Retry-After": "²"}, True, None),
        (503, {}, False, None),
        (500, {"Retry-After": "30"}, False, None),
        (502, {}, False, None),
    ],
)
def test_a_register_that_is_busy_says_for_how_long(
    status: int, headers: dict[str, str], busy: bool, after: float | None
) -> None:
    """429 always, 503 when it says when to come back; every other failure is one of being away."""
    with pytest.raises(Unavailable) as failed:
        _judge(status, headers, b"no message")
    assert (failed.value.busy, failed.value.retry_after_s) == (busy, after)


def test_a_message_counts_whatever_the_status() -> None:
    """Also under 503 with Retry-After; a refusal stays one."""
    assert _judge(503, {"Retry-After": "9"}, b"<a:Envelope/>") == b"<a:Envelope/>"
    with pytest.raises(Refused):
        _judge(403, {"Retry-After": "9"}, b"")


@given(st.text(), st.text())
def test_whatever_stands_there_is_a_reasonable_wait_or_none(said: str, date: str) -> None:
    """No header breaks the reading of a reply."""
    found = _retry_after({"Retry-After": said, "Date": date})
    assert found is None or 0 <= found <= LONGEST_S
