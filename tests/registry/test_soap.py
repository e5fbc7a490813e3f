"""The wire and the envelope: what leaves us, and everything that can come back instead of a reply."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import pytest
from lxml import etree

from rrsync.core.log_entry import Status
from rrsync.errors import ConfigError
from rrsync.net.bounded_socket import current
from rrsync.registry import request, wsdl
from rrsync.registry.request import RequestNode
from rrsync.registry.services import PERSON
from rrsync.registry.soap import Client
from rrsync.registry.transport import (
    MAX_BYTES,
    Endpoint,
    EndpointUnavailable,
    EndpointUnreadable,
)
from tests.registry import scene
from tests.registry.scene import Handler, door, http

NOWHERE = "http://127.0.0.1:9/"
REPLY = scene.answer(scene.person())


def _request(ref: str = "ref-0", digits: str = scene.DIGITS) -> RequestNode:
    return request.request(scene.asked(digits, ref), scene.AUTHORISATION, source="RR", now=scene.NOW)


@contextmanager
def _open(handler: Handler, *, deadline_s: float = 5.0, max_bytes: int = MAX_BYTES) -> Iterator[Endpoint]:
    with door(handler) as opened:
        ours = Endpoint(opened.url, deadline_s=deadline_s, max_bytes=max_bytes)
        try:
            yield ours
        finally:
            ours.close()


def _just(said: bytes, *, close: bool = True) -> Handler:
    def handler(_: int, __: bytes, connection: socket.socket) -> bytes | None:
        connection.sendall(said)
        return None if close else b""

    return handler


class TestBuild:
    """The envelope that zeep writes."""

    def test_it_is_valid_and_has_the_form_that_magda_asks_for(self) -> None:
        """UTF-8 with a declaration, a prefixed root, no namespace reset, valid against our schema."""
        built = Client(NOWHERE).build(PERSON, _request())
        assert built.startswith(b"<?xml version='1.0' encoding='UTF-8'?>")
        assert b'xmlns=""' not in built
        body = etree.fromstring(built)[0]
        assert etree.QName(body[0]).localname == "GeefPersoon"
        assert body[0].prefix
        schema = etree.XMLSchema(etree.parse(str(files("rrsync") / "wsdl" / PERSON.operation / "GeefPersoon.xsd")))
        schema.assertValid(etree.fromstring(etree.tostring(body[0])))

    def test_threads_may_build_at_once(self) -> None:
        """Eight threads, four hundred questions, each with its own reference and number."""
        client = Client(NOWHERE)

        def build(number: int) -> bool:
            digits = f"{number:011d}"
            built = client.build(PERSON, _request(f"ref-{number}", digits)).decode()
            return built.count(f">ref-{number}<") == 2 and f">{digits}<" in built

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(build, range(400)))

    def test_zeep_reads_our_folder_and_nothing_else(self, tmp_path: Path) -> None:
        """A schema elsewhere, on disk or on the net, is refused."""
        shelf = wsdl._Folder(tmp_path)
        (tmp_path / "a.xsd").write_bytes(b"<a/>")
        assert shelf.load(str(tmp_path / "a.xsd")) == b"<a/>"
        for url in ("http://www.w3.org/2001/xml.xsd", "/etc/hostname", str(tmp_path / ".." / "b.xsd")):
            with pytest.raises(ConfigError):
                shelf.load(url)


class TestPost:
    """One exchange that goes well."""

    def test_headers_and_bytes_are_as_magda_asks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The bytes arrive as built; no proxy or netrc of the environment is used."""
        monkeypatch.setenv("HTTP_PROXY", NOWHERE)
        with door(_just(http(REPLY))) as opened:
            client = Client(opened.url)
            envelope = client.build(PERSON, _request())
            assert client.post(PERSON, envelope) == REPLY
            client.close()
        head = opened.heads[0].decode().lower()
        for wanted in ("content-type: text/xml; charset=utf-8", 'soapaction: ""', "accept-encoding: identity"):
            assert wanted in head
        assert opened.bodies == [envelope]

    def test_a_thread_keeps_its_connection_and_no_cookie(self) -> None:
        """Three calls of one thread go over one connection, and nothing the server sets comes back."""
        with door(lambda *_: http(REPLY, headers=["Set-Cookie: a=b"])) as opened:
            ours = Endpoint(opened.url)
            assert {ours.post(b"<a/>") for _ in range(3)} == {REPLY}
            ours.close()
        assert opened.connections == 1
        assert b"ookie" not in opened.heads[2]

    @pytest.mark.parametrize("headers", [["Transfer-Encoding: chunked"], ["Connection: close"]])
    def test_replies_without_a_length(self, headers: list[str]) -> None:
        """Chunks, and a body that ends with the connection."""
        chunked = b"5\r\n<a>hi\r\n4\r\n</a>\r\n0\r\n\r\n" if "chunked" in headers[0] else b"<a>hi</a>"
        with _open(_just(f"HTTP/1.1 200 OK\r\n{headers[0]}\r\n\r\n".encode() + chunked)) as ours:
            assert ours.post(b"<a/>") == b"<a>hi</a>"


BROKEN = {
    "truncated": http(REPLY)[:-20],
    "bad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n<a/>",
    "half a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n<a/>",
    "no http": b"220 mail\r\n\r\n",
    "nothing": b"",
    "endless header": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000,
    "many headers": b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 300 + b"\r\n",
}


@pytest.mark.parametrize("said", BROKEN.values(), ids=BROKEN)
def test_a_broken_reply_is_unavailable(said: bytes) -> None:
    """Another try may do, and the log says that the question was sent."""
    with _open(_just(said)) as ours, pytest.raises(EndpointUnavailable) as caught:
        ours.post(b"<a/>")
    assert caught.value.status is Status.NO_REPLY
    assert caught.value.__context__ is None


UNREADABLE = {
    "too long": http(b"<a>" + b" " * 100_000 + b"</a>"),
    "endless": b"HTTP/1.1 200 OK\r\n\r\n<a>" + b" " * 5_000_000,
    "one byte a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\n<\r\n" * 1_000_000,
    "continue without end": b"HTTP/1.1 100 Continue\r\n\r\n" * 200_000,
}


@pytest.mark.parametrize("said", UNREADABLE.values(), ids=UNREADABLE)
def test_what_is_too_much_is_cut_off(said: bytes) -> None:
    """A reply over the cap, packed or not, is not taken in."""
    started = time.monotonic()
    with _open(_just(said), max_bytes=60_000) as ours, pytest.raises(EndpointUnreadable) as caught:
        ours.post(b"<a/>")
    assert caught.value.status is Status.INVALID_REPLY
    assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    ("first", "drop"),
    [
        (b"", b""),
        (b"HTTP/1.1 200 OK\r\n", b"X: a\r\n"),
        (b"HTTP/1.1 200 OK\r\nX: ", b"a"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"<"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n<\r\n"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"<"),
    ],
    ids=["silence", "headers", "in a header", "body", "chunks", "to the end"],
)
def test_the_deadline_is_for_the_whole_call(first: bytes, drop: bytes) -> None:
    """A server that drips a byte now and then is cut off like one that says nothing; and the next call works."""

    def handler(number: int, _: bytes, connection: socket.socket) -> bytes | None:
        if number:
            return http(REPLY)
        connection.sendall(first)
        for _tick in range(100):
            time.sleep(0.05)
            connection.sendall(drop)
        return None

    with _open(handler, deadline_s=0.4) as ours:
        started = time.monotonic()
        with pytest.raises(EndpointUnavailable, match=r"within 0\.4 seconds") as caught:
            ours.post(b"<a/>")
        assert 0.35 < time.monotonic() - started < 0.8
        assert caught.value.status is Status.NO_REPLY
        assert ours.post(b"<a/>") == REPLY


def test_no_read_begins_after_the_deadline() -> None:
    """Bytes that came in time enough to be read too late are not."""
    current.start(-1, max_received=1)
    with pytest.raises(TimeoutError):
        current.left_s()


def test_a_server_that_does_not_read_is_cut_off() -> None:
    """A question that cannot be written ends at the deadline too."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        ours = Endpoint(f"http://127.0.0.1:{deaf.getsockname()[1]}/", deadline_s=0.3)
        with pytest.raises(EndpointUnavailable, match="within"):
            ours.post(b"x" * 50_000_000)
        ours.close()


def test_a_refused_connection_sent_nothing() -> None:
    """Nobody listens: nothing left us, and the log can say so."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(EndpointUnavailable, match="cannot be reached") as caught:
        Endpoint(f"http://127.0.0.1:{port}/").post(b"<a/>")
    assert caught.value.status is Status.NOT_SENT


def test_a_reset_after_the_question_may_have_been_seen() -> None:
    """The register may have read the question: the log says no reply, not unsent."""

    def handler(_: int, __: bytes, connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")

    with _open(handler) as ours, pytest.raises(EndpointUnavailable) as caught:
        ours.post(b"<a/>")
    assert caught.value.status is Status.NO_REPLY


@pytest.mark.parametrize("endpoint", ["", "nowhere", "ftp://127.0.0.1/", "http://", "https://[::1"])
def test_an_endpoint_must_be_a_url(endpoint: str) -> None:
    """A wrong endpoint is found at the start, not at the first member."""
    with pytest.raises(ConfigError):
        Client(endpoint)


def test_the_libraries_that_see_messages_are_silent(caplog: pytest.LogCaptureFixture) -> None:
    """With the root at DEBUG, and their own loggers too, neither zeep nor urllib3 nor requests prints a word."""
    heard: list[logging.LogRecord] = []
    ear = logging.Handler()
    ear.emit = heard.append  # type: ignore[method-assign,assignment]  # caplog hears even what goes nowhere
    caplog.set_level(logging.DEBUG)
    logging.getLogger().addHandler(ear)
    try:
        with _open(_just(http(REPLY))) as ours:
            client = Client(NOWHERE)
            for name in ("zeep.transports", "urllib3.connectionpool", "requests", "charset_normalizer"):
                caplog.set_level(logging.DEBUG, logger=name)
                logging.getLogger(name).error("a message")
            client.build(PERSON, _request())
            ours.post(b"<a/>")
    finally:
        logging.getLogger().removeHandler(ear)
    assert not heard
