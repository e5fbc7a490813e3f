"""Every HTTP reply that a register can give, as a table: what it comes to, whether it is tried again, and the pause."""

from __future__ import annotations

import gzip
import http.client
import io
import ssl
import tracemalloc
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

import pytest
import requests
import responses
import urllib3
from hypothesis import given
from hypothesis import strategies as st

from rrsync.core.exchange import Found, Reason, Refused
from rrsync.core.rate_limit import CallResult
from rrsync.errors import RegistryRefused, RegistryUnavailable
from rrsync.net.bounded_socket import current
from rrsync.registry.pace import RateLimiter, not_interrupted
from rrsync.registry.soap import (
    LONGEST_S,
    MAX_BYTES,
    ClockSkew,
    Endpoint,
    EndpointRefused,
    EndpointUnavailable,
    retry_after_s,
)
from tests.registry import scene

SOAP = scene.answer(scene.person())
HTML = b"<!DOCTYPE html><html><body>Sorry</body></html>"
DATE = "Wed, 01 Jul 2026 10:00:00 GMT"
NOWHERE = "http://127.0.0.1:9/"
ELSEWHERE = "http://127.0.0.1:1/"
TRIES = 4


@dataclass(frozen=True)
class Reply:
    """What the register's server does; an exception as ``body`` breaks off before the reply, ``breaks`` in it."""

    status: int = 200
    body: bytes | Exception = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    breaks: Exception | None = None

    def __call__(self, _: requests.PreparedRequest) -> tuple[int, dict[str, str], bytes | io.BufferedReader]:
        """Answer (called by responses), once the question was sent."""
        current.was_sent = True
        if isinstance(self.body, Exception):
            raise self.body
        if self.breaks is None:
            return self.status, dict(self.headers), self.body
        stream: Any = Breaking(self.body, self.breaks)
        return self.status, dict(self.headers), io.BufferedReader(stream)


class Breaking(io.RawIOBase):
    """A body that fails where it ends."""

    def __init__(self, content: bytes, error: Exception) -> None:
        self._content = io.BytesIO(content)
        self._error = error

    def readable(self) -> bool:
        """Whether it can be read."""
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]  # what BufferedReader hands over
        """Read what is left, or fail."""
        count = self._content.readinto(buffer)
        if not count:
            raise self._error
        return count


@dataclass(frozen=True)
class Outcome:
    """What one question came to: its class, the log's status, calls, what the rate limit was told, and the wait."""

    kind: str
    status: str
    calls: int
    went: CallResult
    retry_after_s: float | None = None


class RecordingPace(RateLimiter):
    """A pace that lets all through and records what it is told."""

    def __init__(self) -> None:
        super().__init__(None, sleep=lambda _: None)
        self.told: list[tuple[CallResult, float | None]] = []

    def take(self, interrupted: Callable[[], bool] = not_interrupted) -> bool:
        """Let through."""
        return super().take(interrupted)

    def give(self, went: CallResult, retry_after_s: float | None = None) -> None:
        """Record."""
        self.told.append((went, retry_after_s))


def answered() -> Outcome:
    """The reply is read."""
    return Outcome("found", "ok", 1, CallResult.FINE)


def away(status: str = "transient") -> Outcome:
    """The register may answer another time."""
    return Outcome("unavailable", status, TRIES, CallResult.AWAY)


def busy(retry_after_s: float | None = None) -> Outcome:
    """Questions come too fast."""
    return Outcome("unavailable", "transient", TRIES, CallResult.BUSY, retry_after_s)


def refused(status: str = "refused") -> Outcome:
    """No question will be answered: the run stops."""
    return Outcome("refused", status, 1, CallResult.AWAY)


def unreadable() -> Outcome:
    """This reply cannot be used: one member is held."""
    return Outcome("unreadable", "invalid_reply", 1, CallResult.AWAY)


def tls_alert(reason: str) -> requests.exceptions.SSLError:
    """An alert of the server, as requests wraps it."""
    alert = ssl.SSLError(1, f"[SSL: {reason}]")
    alert.reason = reason
    return requests.exceptions.SSLError(urllib3.exceptions.SSLError(alert))


def pack(content: bytes, wbits: int = 31) -> bytes:
    """Pack with zlib."""
    packer = zlib.compressobj(9, wbits=wbits)
    return packer.compress(content) + packer.flush()


def ids(table: list[tuple[str, Reply, Outcome]]) -> list[object]:
    """Name the rows of a table."""
    return [pytest.param(reply, outcome, id=name) for name, reply, outcome in table]


MESSAGES = [(f"{status}", Reply(status, SOAP), answered()) for status in (200, 201, 202, 203, 206, 226)]
MESSAGES += [(f"{status} with SOAP", Reply(status, SOAP), answered()) for status in (400, 403, 404, 500, 502, 503)]
MESSAGES += [
    (name, Reply(200, SOAP, headers), answered())
    for name, headers in {
        "no Content-Type": {},
        "Content-Type HTML": {"Content-Type": "text/html"},
        "Content-Type JSON": {"Content-Type": "application/json"},
        "Content-Type nonsense": {"Content-Type": "\u00e9;;="},
        "no Date": {},
        "Date nonsense": {"Date": "yesterday"},
        "Date of another year": {"Date": "Wed, 01 Jul 1998 10:00:00 GMT"},
        "Retry-After without reason": {"Retry-After": "30"},
        "a cookie": {"Set-Cookie": "a=b"},
        "encoding identity": {"Content-Encoding": " Identity "},
    }.items()
]
MESSAGES += [
    ("gzip", Reply(200, gzip.compress(SOAP), {"Content-Encoding": "gzip"}), answered()),
    ("x-gzip", Reply(200, gzip.compress(SOAP), {"Content-Encoding": "x-gzip"}), answered()),
    ("deflate", Reply(200, zlib.compress(SOAP), {"Content-Encoding": "deflate"}), answered()),
    ("byte order mark", Reply(200, b"\xef\xbb\xbf" + SOAP), answered()),
]

NO_MESSAGES = [
    (f"{status} empty", Reply(status), away("invalid_reply")) for status in (101, 102, 103, 200, 201, 202, 204, 205)
]
NO_MESSAGES += [
    ("200 HTML", Reply(200, HTML, {"Content-Type": "text/html"}), away("invalid_reply")),
    ("200 XHTML as XML", Reply(200, b'<?xml version="1.0"?><html xmlns="x"/>'), away("invalid_reply")),
    ("200 text", Reply(200, b"ok"), away("invalid_reply")),
    ("202 other XML", Reply(202, b"<accepted/>"), away("invalid_reply")),
    ("half a gzip", Reply(200, gzip.compress(SOAP)[:-30], {"Content-Encoding": "gzip"}), away("no_reply")),
    ("no gzip", Reply(200, SOAP, {"Content-Encoding": "gzip"}), away("no_reply")),
]

REDIRECTS = [
    (f"{status} {name}", Reply(status, SOAP, headers), refused("invalid_reply"))
    for status in (300, 301, 302, 303, 304, 305, 307, 308)
    for name, headers in (("with Location", {"Location": ELSEWHERE}), ("alone", {}))
]

CLIENT_ERRORS = [
    (f"{status} {name}", Reply(status, body), refused())
    for status in (
        400,
        401,
        402,
        403,
        404,
        405,
        406,
        407,
        408,
        409,
        410,
        411,
        413,
        414,
        415,
        421,
        422,
        425,
        426,
        431,
        451,
    )
    for name, body in (("HTML", HTML), ("empty", b""))
]
CLIENT_ERRORS += [("403 with Retry-After", Reply(403, b"", {"Retry-After": "9"}), refused())]

SERVER_ERRORS = [
    (f"{status} {name}", Reply(status, body), away())
    for status in (500, 501, 502, 503, 504, 505, 507, 511, 520, 599)
    for name, body in (("HTML", HTML), ("empty", b""), ("other XML", b"<error/>"))
]
SERVER_ERRORS += [
    ("500 with Retry-After", Reply(500, b"", {"Retry-After": "30"}), away()),
    ("500 SOAP Fault", Reply(500, scene.fault("Internal error")), away()),
    (
        "500 SOAP Fault of ours",
        Reply(500, scene.fault("ERR_025: no", "Client")),
        Outcome("refused", "refused", 1, CallResult.FINE),
    ),
    ("503 SOAP Fault: too many", Reply(503, scene.fault("99995 - Te veel gelijktijdige bevragingen")), busy()),
]

_SOON = "Wed, 01 Jul 2026 10:01:30 GMT"
BUSY = [(f"429 {name}", Reply(429, body), busy()) for name, body in (("HTML", HTML), ("empty", b""), ("SOAP", SOAP))]
BUSY += [
    (f"{status} {name}", Reply(status, body, headers), busy(expected))
    for status, body in ((429, HTML), (503, HTML), (503, SOAP))
    for name, headers, expected in (
        (f"{len(body)} seconds", {"Retry-After": "7"}, 7.0),
        (f"{len(body)} a date", {"Retry-After": _SOON, "Date": DATE}, 90.0),
        (f"{len(body)} a date that passed", {"Retry-After": "Wed, 01 Jul 2026 09:00:00 GMT", "Date": DATE}, 0.0),
        (f"{len(body)} a year", {"Retry-After": "Thu, 01 Jul 2027 10:00:00 GMT", "Date": DATE}, LONGEST_S),
        (f"{len(body)} a date without Date", {"Retry-After": _SOON}, None),
        (f"{len(body)} a date without zone", {"Retry-After": "Wed, 01 Jul 2026 10:01:30", "Date": DATE}, None),
        (f"{len(body)} digits without end", {"Retry-After": "9" * 5000}, LONGEST_S),
        (f"{len(body)} less than nothing", {"Retry-After": "-5"}, None),
        (f"{len(body)} nonsense", {"Retry-After": "soon"}, None),
        (f"{len(body)} another digit", {"Retry-After": "\u00b2"}, None),
        (f"{len(body)} nothing", {"Retry-After": ""}, None),
    )
]

TOO_MUCH = [
    ("too large", Reply(200, b"<a>" + bytes(MAX_BYTES)), unreadable()),
    ("too large, of an error", Reply(500, b"<a>" + bytes(MAX_BYTES)), unreadable()),
    ("too large, packed", Reply(200, pack(bytes(MAX_BYTES * 8)), {"Content-Encoding": "gzip"}), unreadable()),
    ("brotli", Reply(200, b"x", {"Content-Encoding": "br"}), unreadable()),
    ("twice packed", Reply(200, b"x", {"Content-Encoding": "gzip, gzip"}), unreadable()),
]

BROKEN = [
    (f"{type(error).__name__} {name}", reply, away("no_reply"))
    for error in (
        requests.ConnectionError("M000001"),
        requests.ConnectTimeout("M000001"),
        requests.ReadTimeout("M000001"),
        requests.Timeout("M000001"),
        requests.exceptions.ChunkedEncodingError("M000001"),
        requests.exceptions.ContentDecodingError("M000001"),
        requests.exceptions.ProxyError("M000001"),
        requests.exceptions.SSLError(ssl.SSLEOFError(8, "M000001")),
        urllib3.exceptions.ProtocolError("M000001"),
        urllib3.exceptions.ReadTimeoutError(urllib3.HTTPConnectionPool("localhost"), "/", "M000001"),
        urllib3.exceptions.IncompleteRead(1, 2),
        http.client.IncompleteRead(b"M000001"),
        http.client.BadStatusLine("M000001"),
        ConnectionResetError("M000001"),
        BrokenPipeError("M000001"),
        TimeoutError("M000001"),
        OSError("M000001"),
    )
    for name, reply in (
        ("before the reply", Reply(body=error)),
        ("after the headers", Reply(200, b"", breaks=error)),
        ("in the reply", Reply(200, SOAP[:100], breaks=error)),
    )
]

DISTRUST = [
    (f"{name} {where}", reply, refused("no_reply"))
    for name, error in {
        "a certificate nobody vouches for": requests.exceptions.SSLError(ssl.SSLCertVerificationError("M000001")),
        "an unknown authority": tls_alert("TLSV1_ALERT_UNKNOWN_CA"),
        "a certificate is wanted": tls_alert("TLSV13_ALERT_CERTIFICATE_REQUIRED"),
        "no access": tls_alert("TLSV1_ALERT_ACCESS_DENIED"),
    }.items()
    for where, reply in (("at once", Reply(body=error)), ("in the reply", Reply(200, SOAP[:100], breaks=error)))
]

TABLE = [*MESSAGES, *NO_MESSAGES, *REDIRECTS, *CLIENT_ERRORS, *SERVER_ERRORS, *BUSY, *TOO_MUCH, *BROKEN, *DISTRUST]


@pytest.mark.parametrize(("reply", "expected"), ids(TABLE))
def test_every_reply_comes_to_what_the_table_says(reply: Reply, expected: Outcome) -> None:
    """Through the gate: the class of outcome, the log's status of every try, the tries, and what the rate limit hears.

    No words of the other side are in an error, and no redirect is followed.
    """
    pace = RecordingPace()
    with responses.RequestsMock() as register, scene.standing(_never, pace=pace) as stand:
        register.add_callback(responses.POST, stand.door.url, reply)
        kind = _asked(stand)
        assert len(register.calls) == expected.calls
    statuses = {kind.partition(":")[2] for kind in stand.kinds if kind.startswith("outcome")}
    assert (kind, statuses) == (expected.kind, {expected.status})
    assert stand.kinds.count("intent") == expected.calls
    assert pace.told == [(expected.went, expected.retry_after_s)] * expected.calls
    assert len(stand.waits) == expected.calls - 1


def _asked(stand: scene.Standing) -> str:
    """Ask; return what it came to, with its outcome in the log."""
    try:
        exchange = stand.gate.ask(scene.QUESTION)
    except (RegistryRefused, RegistryUnavailable) as error:
        if "M000001" in str(error):
            return "the words of the other side"
        return "refused" if isinstance(error, RegistryRefused) else "unavailable"
    stand.log.append(exchange.outcome)
    is_held = exchange.answer == Refused(scene.QUESTION.reference, Reason.UNREADABLE)
    return "found" if isinstance(exchange.answer, Found) else "unreadable" if is_held else "another answer"


def _never(*_: object) -> NoReturn:
    raise AssertionError("responses answers")  # pragma: no cover


@pytest.mark.parametrize("reply", [Reply(body=requests.ConnectionError("M000001")), Reply(429)])
def test_an_error_has_no_cause(reply: Reply) -> None:
    """A cause would hold the question."""
    with responses.RequestsMock() as register:
        register.add_callback(responses.POST, NOWHERE, reply)
        with pytest.raises(EndpointUnavailable) as caught:
            Endpoint(NOWHERE).post(b"<a/>")
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


def test_what_fails_before_a_byte_was_sent_was_not_sent() -> None:
    """The log can say that the register saw nothing."""
    with responses.RequestsMock() as register:
        register.add(responses.POST, NOWHERE, body=requests.ConnectTimeout("x"))
        with pytest.raises(EndpointUnavailable) as caught:
            Endpoint(NOWHERE).post(b"<a/>")
    assert caught.value.status.value == "not_sent"


@pytest.mark.parametrize(
    ("date", "is_refused"),
    [
        (DATE, False),
        ("Wed, 01 Jul 2026 10:04:59 GMT", False),
        ("Wed, 01 Jul 2026 10:05:01 GMT", True),
        ("Wed, 01 Jul 1998 10:00:00 GMT", True),
        ("Mon, 20 Nov 1995 19:12:08 +9999999999999999", False),
        ("Mon, 20 Nov 99999999999999999999 19:12:08 GMT", False),
        ("Mon, 99999999999999999999 Nov 2026 19:12:08 GMT", False),
        ("yesterday", False),
        ("", False),
        (None, False),
    ],
)
@pytest.mark.parametrize("status", [200, 500])
def test_the_date_of_every_reply_is_checked(date: str | None, is_refused: bool, status: int) -> None:
    """A date that cannot be read says nothing; a clock too far off stops, whatever else the reply says."""
    with responses.RequestsMock() as register:
        register.add(responses.POST, NOWHERE, SOAP, status=status, headers={} if date is None else {"Date": date})
        endpoint = Endpoint(NOWHERE, check_date=ClockSkew(lambda: scene.NOW).check)
        if is_refused:
            with pytest.raises(EndpointRefused) as caught:
                endpoint.post(b"<a/>")
            assert caught.value.status.value == "invalid_reply"
        else:
            assert endpoint.post(b"<a/>") == SOAP


@pytest.mark.parametrize("location", [b"http://[x/", b"\xff\xfe", b"/elsewhere", b"http://127.0.0.1:1/", b"//", b"%"])
def test_where_a_redirect_leads_is_never_looked_at(location: bytes) -> None:
    """It is refused, however odd its address."""
    head = b"HTTP/1.1 307 X\r\nContent-Length: 0\r\nLocation: " + location + b"\r\n\r\n"
    with scene.door(lambda *_: head) as opened, pytest.raises(EndpointRefused):
        Endpoint(opened.url).post(b"<a/>")
    assert len(opened.bodies) == 1


def test_nor_is_what_comes_with_it() -> None:
    """A redirect that unpacks to more than memory is not unpacked."""
    said = scene.http(pack(bytes(40 << 20)), 302, ["Location: /elsewhere", "Content-Encoding: gzip"])
    with scene.door(lambda *_: said) as opened:
        tracemalloc.start()
        try:
            with pytest.raises(EndpointRefused):
                Endpoint(opened.url).post(b"<a/>")
            assert tracemalloc.get_traced_memory()[1] < 20 << 20
        finally:
            tracemalloc.stop()


@given(st.text(), st.text())
def test_whatever_stands_there_is_a_reasonable_wait_or_none(said: str, date: str) -> None:
    """No header breaks the reading of a reply."""
    found = retry_after_s({"Retry-After": said, "Date": date})
    assert found is None or 0 <= found <= LONGEST_S
