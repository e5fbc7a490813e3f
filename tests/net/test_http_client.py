"""The HTTP client against servers that behave badly: every exchange ends in time, and every error says why."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from rrsync.net.bounded_socket import Failure, current, tls
from rrsync.net.http_client import HttpClient, HttpError, is_url
from tests.anchor.scene import Behaviour, bad_server, drip, flood, hang
from tests.registry.scene import Handler, door, http

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
SOON = 0.4
REQUEST = b"<question/>"


@contextmanager
def client(**limits: Any) -> Iterator[HttpClient]:
    """Return a client whose connections are closed at the end."""
    made = HttpClient(**({"deadline_s": 5.0, "max_bytes": 60_000} | limits))
    try:
        yield made
    finally:
        made.close()


def failed(url: str, body: bytes = REQUEST, **limits: Any) -> tuple[Failure, bool]:
    """Post; return why it failed, and whether a byte was sent. The error has no cause, which would hold the request."""
    with client(**limits) as made, pytest.raises(HttpError) as caught:
        made.exchange("POST", url, body=body)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    return caught.value.failure, caught.value.was_sent


def here(port: int) -> str:
    """Return the address of a port of this machine."""
    return f"http://127.0.0.1:{port}/"


def says(said: bytes) -> Handler:
    """Answer with these bytes, and close."""

    def handler(_: int, __: bytes, connection: socket.socket) -> None:
        connection.sendall(said)

    return handler


class TestExchange:
    """One that goes well."""

    def test_connections_are_kept_and_cookies_not(self) -> None:
        """Three exchanges over one connection, with no word of what the server set."""
        with door(lambda *_: http(b"x", headers=["Set-Cookie: a=b"])) as opened, client() as made:
            assert {made.exchange("POST", opened.url, body=REQUEST).body for _ in range(3)} == {b"x"}
        assert opened.connections == 1
        assert b"ookie" not in opened.heads[2]

    def test_what_the_environment_says_is_not_used(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Neither proxies nor ``.netrc``."""
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "REQUESTS_CA_BUNDLE"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        with door(lambda *_: http(b"x")) as opened, client() as made:
            assert made.exchange("GET", opened.url, headers={"X-Ours": "a"}).status == 200
        head = opened.heads[0].lower()
        assert b"x-ours: a\r\n" in head
        assert b"accept-encoding: identity\r\n" in head
        assert f"host: {opened.url.split('/')[2]}\r\n".encode() in head
        assert b"auth" not in head

    @pytest.mark.parametrize("said", [CHUNKED + b"5\r\n<a>hi\r\n4\r\n</a>\r\n0\r\n\r\n", OK + b"\r\n<a>hi</a>"])
    def test_an_answer_without_a_length(self, said: bytes) -> None:
        """Chunks, and a body that ends with the connection."""
        with door(says(said)) as opened, client() as made:
            assert made.exchange("POST", opened.url, body=REQUEST).body == b"<a>hi</a>"

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_a_redirect_is_returned_and_not_followed(self, status: int) -> None:
        """Its body is not read."""
        with door(lambda *_: http(b"x")) as elsewhere:
            answer = http(b"moved", status, [f"Location: {elsewhere.url}"])
            with door(lambda *_: answer) as opened, client() as made:
                got = made.exchange("POST", opened.url, body=REQUEST)
        assert (got.status, got.is_redirect, got.body) == (status, True, b"")
        assert not elsewhere.bodies

    @pytest.mark.parametrize("max_bytes", [0, 7])
    def test_the_largest_body_that_may_come(self, max_bytes: int) -> None:
        """With 0 none is read, however large."""
        with door(lambda *_: http(b"x" * (max_bytes or 1 << 20))) as opened, client(max_bytes=max_bytes) as made:
            assert made.exchange("GET", opened.url).body == b"x" * max_bytes


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"220 mail\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 two OK\r\n\r\n",
        OK + b"Content-Length: 50\r\n\r\nx",
        OK + b"X: " + b"a" * 100_000,
        OK + b"X: a\r\n" * 300 + b"\r\n",
        CHUNKED + b"zz\r\n<a/>",
        CHUNKED + b"ff\r\n<a/>",
    ],
)
def test_an_answer_that_makes_no_sense(said: bytes) -> None:
    """Half an answer, or none of HTTP; the request was sent."""
    with door(says(said)) as opened:
        assert failed(opened.url) == (Failure.MALFORMED, True)


@pytest.mark.parametrize(
    "behaviour",
    [
        flood(OK + b"\r\n", b"x"),
        flood(OK + b"Content-Length: 60001\r\n\r\n", b"x"),
        flood(CHUNKED, b"1\r\nx\r\n"),
        flood(b"", CONTINUE),
    ],
    ids=["body", "one byte", "chunks", "continue"],
)
def test_a_server_that_never_stops(behaviour: Behaviour) -> None:
    """It is cut off long before the deadline, and before it fills the memory."""
    with bad_server(behaviour) as port:
        assert failed(here(port), deadline_s=60) == (Failure.TOO_LARGE, True)


@pytest.mark.parametrize("behaviour", [flood(OK, b"X: y\r\n"), flood(b"HTTP/1.1 ", b"2")], ids=["headers", "a line"])
def test_a_head_that_never_stops(behaviour: Behaviour) -> None:
    """It is cut off as well."""
    with bad_server(behaviour) as port:
        assert failed(here(port), deadline_s=60)[0] in {Failure.MALFORMED, Failure.TOO_LARGE}


@pytest.mark.parametrize(
    "behaviour",
    [
        hang,
        drip(OK + b"X: y\r\n"),
        drip(b"H" * 10_000),
        drip(CONTINUE),
        drip(OK + b"Content-Length: 9999\r\n\r\n" + b"<" * 9_999),
        drip(CHUNKED + b"1\r\n<\r\n" * 1_000),
        drip(OK + b"\r\n" + b"<" * 10_000),
    ],
    ids=["silence", "headers", "in a line", "continue", "body", "chunks", "to the end"],
)
def test_the_deadline_is_for_the_whole_exchange(behaviour: Behaviour) -> None:
    """A server that drips a byte now and then is cut off like one that says nothing."""
    with bad_server(behaviour) as port:
        started = time.monotonic()
        assert failed(here(port), deadline_s=SOON) == (Failure.DEADLINE, True)
        assert SOON - 0.05 < time.monotonic() - started < 2 * SOON


def test_after_one_that_was_slow_the_next_works() -> None:
    """The connection of the slow one is not used again."""
    with bad_server(hang) as port, door(lambda *_: http(b"x")) as opened, client(deadline_s=SOON) as made:
        with pytest.raises(HttpError):
            made.exchange("POST", here(port), body=REQUEST)
        assert made.exchange("POST", opened.url, body=REQUEST).body == b"x"


def test_no_read_begins_after_the_deadline() -> None:
    """Bytes that came in time, but are read too late, do not count."""
    current.start(-1, max_received=1)
    with pytest.raises(TimeoutError):
        current.left_s()


def test_a_server_that_does_not_read_is_cut_off() -> None:
    """A request that cannot be written ends at the deadline too."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = here(deaf.getsockname()[1])
        assert failed(url, b"x" * 50_000_000, deadline_s=SOON) == (Failure.DEADLINE, True)


def test_nobody_listens() -> None:
    """Nothing was sent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert failed(here(port)) == (Failure.NETWORK, False)


def test_a_server_that_speaks_no_tls() -> None:
    """Nothing was sent either."""
    with bad_server(flood(b"", b"HTTP/1.1 400 No TLS\r\n")) as port:
        assert failed(f"https://127.0.0.1:{port}/", context=tls()) == (Failure.TLS, False)


def test_a_reset_after_the_request_may_have_been_seen() -> None:
    """The server may have read it."""

    def handler(_: int, __: bytes, connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")

    with door(handler) as opened:
        assert failed(opened.url) == (Failure.NETWORK, True)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("http://127.0.0.1:1/", True),
        ("https://[::1]/a?b", True),
        ("", False),
        ("nowhere", False),
        ("ftp://127.0.0.1/", False),
        ("http://", False),
        ("https://[::1", False),
    ],
)
def test_what_is_a_url(text: str, is_one: bool) -> None:
    """Found before anything is sent."""
    assert is_url(text) is is_one
