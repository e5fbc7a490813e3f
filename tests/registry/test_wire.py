"""What a reply's status and Retry-After say: away or busy, and for how long."""

from __future__ import annotations

import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrsync.net.http_client import LONGEST_S, Refused, Skew, Unavailable, Wire, _judge, _retry_after
from tests.registry import scene

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
    """But for who says that it is too busy, whatever else it says; a refusal stays one."""
    for status in (200, 403, 500, 503):
        assert _judge(status, {}, b"<a:Envelope/>") == b"<a:Envelope/>"
    for status in (429, 503):
        with pytest.raises(Unavailable) as busy:
            _judge(status, {"Retry-After": "9"}, b"<a:Envelope/>")
        assert (busy.value.busy, busy.value.retry_after_s) == (True, 9)
    with pytest.raises(Refused):
        _judge(403, {"Retry-After": "9"}, b"")


@given(st.text(), st.text())
def test_whatever_stands_there_is_a_reasonable_wait_or_none(said: str, date: str) -> None:
    """No header breaks the reading of a reply."""
    found = _retry_after({"Retry-After": said, "Date": date})
    assert found is None or 0 <= found <= LONGEST_S


def _posted(response: bytes, *, deadline_s: float = 5.0) -> bytes:
    """Post to a server that answers with these bytes."""
    with scene.door(lambda *_: response) as opened:
        wire = Wire(opened.url, deadline_s=deadline_s, dated=Skew(lambda: scene.NOW).look)
        try:
            return wire.post(b"<a/>")
        finally:
            wire.close()


@pytest.mark.parametrize("location", [b"http://[x/", b"\xff\xfe", b"/elsewhere", b"http://127.0.0.1:1/", b"//", b"%"])
def test_where_a_redirect_leads_is_never_looked_at(location: bytes) -> None:
    """It is refused, however odd its address."""
    head = b"HTTP/1.1 307 X\r\nContent-Length: 0\r\nLocation: " + location + b"\r\n\r\n"
    with pytest.raises(Refused, match="sends us elsewhere"):
        _posted(head)


def test_nor_is_what_comes_with_it() -> None:
    """A redirect that unpacks to more than memory is not unpacked."""
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(2**20)) for _ in range(200)) + packer.flush()
    headers = ["Location: /elsewhere", "Content-Encoding: gzip"]
    tracemalloc.start()
    try:
        with pytest.raises(Refused, match="sends us elsewhere"):
            _posted(scene.http(bomb, 302, headers))
        assert tracemalloc.get_traced_memory()[1] < 20 * 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "date",
    [
        "Mon, 20 Nov 1995 19:12:08 +9999999999999999",
        "Mon, 20 Nov 99999999999999999999 19:12:08 GMT",
        "Mon, 99999999999999999999 Nov 2026 19:12:08 GMT",
        "yesterday",
        "",
    ],
)
def test_a_date_that_is_none_says_nothing(date: str) -> None:
    """The reply is read as it is."""
    reply = scene.answer(scene.person())
    assert _posted(scene.http(reply, headers=[f"Date: {date}"])) == reply
