"""The wire and the envelope: what leaves us, and everything that can come back instead of a reply."""

from __future__ import annotations

import gzip
import ipaddress
import logging
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import pytest
import requests
import responses
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from lxml import etree

from rrsync.core.log_entry import Status
from rrsync.errors import ConfigError, RegistryRefused, RegistryUnavailable, RegistryUnreadable
from rrsync.net.bounded_socket import current, tls
from rrsync.registry import request, wsdl
from rrsync.registry.certificates import identity
from rrsync.registry.request import RequestNode
from rrsync.registry.services import PERSON
from rrsync.registry.soap import Client
from rrsync.registry.transport import (
    MAX_BYTES,
    Endpoint,
    EndpointRefused,
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

    @pytest.mark.parametrize(("status", "reply"), [(500, scene.fault("x")), (403, REPLY), (200, b"\xef\xbb\xbf<a/>")])
    def test_a_message_counts_whatever_the_status(self, status: int, reply: bytes) -> None:
        """A SOAP message in the body is given, also with an error's status."""
        with _open(_just(http(reply, status))) as ours:
            assert ours.post(b"<a/>") == reply

    @pytest.mark.parametrize("headers", [["Transfer-Encoding: chunked"], ["Connection: close"]])
    def test_replies_without_a_length(self, headers: list[str]) -> None:
        """Chunks, and a body that ends with the connection."""
        chunked = b"5\r\n<a>hi\r\n4\r\n</a>\r\n0\r\n\r\n" if "chunked" in headers[0] else b"<a>hi</a>"
        with _open(_just(f"HTTP/1.1 200 OK\r\n{headers[0]}\r\n\r\n".encode() + chunked)) as ours:
            assert ours.post(b"<a/>") == b"<a>hi</a>"

    @pytest.mark.parametrize(("coding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
    def test_a_packed_reply_is_unpacked(self, coding: str, pack: Callable[[bytes], bytes]) -> None:
        """A reply that is packed although we did not ask is read all the same."""
        with _open(_just(http(pack(REPLY), headers=[f"Content-Encoding: {coding}"]))) as ours:
            assert ours.post(b"<a/>") == REPLY


UNAVAILABLE = {
    "429": (http(b"slow down", 429), Status.TRANSIENT),
    "500 html": (http(b"<html>oops</html>", 500), Status.TRANSIENT),
    "503 empty": (http(b"", 503), Status.TRANSIENT),
    "502 xml of a proxy": (http(b"<error/>", 502), Status.TRANSIENT),
    "200 html": (http(b"<!DOCTYPE html><html>log in</html>"), Status.INVALID_REPLY),
    "200 xhtml": (http(b'<?xml version="1.0"?>\n<html xmlns="x">log in</html>'), Status.INVALID_REPLY),
    "200 text": (http(b"ok"), Status.INVALID_REPLY),
    "200 empty": (http(b""), Status.INVALID_REPLY),
    "204": (http(b"", 204), Status.INVALID_REPLY),
    "truncated": (http(REPLY)[:-20], Status.NO_REPLY),
    "bad chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n<a/>", Status.NO_REPLY),
    "half a chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n<a/>", Status.NO_REPLY),
    "no http": (b"220 mail\r\n\r\n", Status.NO_REPLY),
    "nothing": (b"", Status.NO_REPLY),
    "endless header": (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000, Status.NO_REPLY),
    "many headers": (b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 300 + b"\r\n", Status.NO_REPLY),
    "half a gzip": (http(gzip.compress(REPLY)[:-30], headers=["Content-Encoding: gzip"]), Status.NO_REPLY),
    "no gzip": (http(REPLY, headers=["Content-Encoding: gzip"]), Status.NO_REPLY),
}


@pytest.mark.parametrize(("said", "status"), UNAVAILABLE.values(), ids=UNAVAILABLE)
def test_what_may_pass_is_unavailable(said: bytes, status: Status) -> None:
    """A busy, broken or foreign server: another try may do, and the log says how far it came."""
    with _open(_just(said)) as ours, pytest.raises(RegistryUnavailable) as caught:
        ours.post(b"<a/>")
    assert isinstance(caught.value, EndpointUnavailable)
    assert caught.value.status is status
    assert caught.value.__context__ is None


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 415, 301, 302, 307, 308])
def test_what_will_not_pass_is_refused(status: int) -> None:
    """A status about us, or a redirect, stops at once; the redirect is not followed."""
    with door(_just(http(REPLY))) as elsewhere:
        said = http(b"<html>no</html>", status, [f"Location: {elsewhere.url}"])
        with _open(_just(said)) as ours, pytest.raises(RegistryRefused, match=r"endpoint|certificate"):
            ours.post(b"<a/>")
    assert not elsewhere.bodies


BOMB = gzip.compress(b"<a>" + b" " * 50_000_000 + b"</a>")
UNREADABLE = {
    "too long": http(b"<a>" + b" " * 100_000 + b"</a>"),
    "endless": b"HTTP/1.1 200 OK\r\n\r\n<a>" + b" " * 5_000_000,
    "bomb": http(BOMB, headers=["Content-Encoding: gzip"]),
    "brotli": http(b"x", headers=["Content-Encoding: br"]),
}


@pytest.mark.parametrize("said", UNREADABLE.values(), ids=UNREADABLE)
def test_what_is_too_much_is_cut_off(said: bytes) -> None:
    """A reply over the cap, packed or not, is not taken in."""
    started = time.monotonic()
    with _open(_just(said), max_bytes=60_000) as ours, pytest.raises(RegistryUnreadable) as caught:
        ours.post(b"<a/>")
    assert isinstance(caught.value, EndpointUnreadable)
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
        with pytest.raises(RegistryUnavailable, match=r"within 0\.4 seconds") as caught:
            ours.post(b"<a/>")
        assert 0.35 < time.monotonic() - started < 0.8
        assert isinstance(caught.value, EndpointUnavailable)
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
        with pytest.raises(RegistryUnavailable, match="within"):
            ours.post(b"x" * 50_000_000)
        ours.close()


def test_a_refused_connection_sent_nothing() -> None:
    """Nobody listens: nothing left us, and the log can say so."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(RegistryUnavailable, match="cannot be reached") as caught:
        Endpoint(f"http://127.0.0.1:{port}/").post(b"<a/>")
    assert isinstance(caught.value, EndpointUnavailable)
    assert caught.value.status is Status.NOT_SENT


@pytest.mark.parametrize(
    "error", [requests.ConnectionError("reset"), requests.Timeout("x"), ConnectionResetError("peer")]
)
@responses.activate
def test_the_networks_words_are_not_repeated(error: Exception) -> None:
    """Whatever the network says in its error, ours has its own words and no cause."""
    responses.add(responses.POST, NOWHERE, body=error)
    with pytest.raises(RegistryUnavailable) as caught:
        Endpoint(NOWHERE).post(b"<a/>")
    assert str(error) not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_reset_after_the_question_may_have_been_seen() -> None:
    """The register may have read the question: the log says no reply, not unsent."""

    def handler(_: int, __: bytes, connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")

    with _open(handler) as ours, pytest.raises(RegistryUnavailable) as caught:
        ours.post(b"<a/>")
    assert isinstance(caught.value, EndpointUnavailable)
    assert caught.value.status is Status.NO_REPLY


@pytest.mark.parametrize("endpoint", ["", "nowhere", "ftp://127.0.0.1/", "http://", "https://[::1"])
def test_an_endpoint_must_be_a_url(endpoint: str) -> None:
    """A wrong endpoint is found at the start, not at the first member."""
    with pytest.raises(ConfigError):
        Client(endpoint)


@dataclass
class Paper:
    """A certificate with its key, on disk."""

    certificate: Path
    key: Path
    issued: x509.Certificate
    signing: ec.EllipticCurvePrivateKey


def _paper(folder: Path, name: str, issuer: Paper | None = None, *, days: int = 1, host: str = "127.0.0.1") -> Paper:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.issued.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=9))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]), critical=False)
    )
    issued = builder.sign(issuer.signing if issuer else key, hashes.SHA256())
    paper = Paper(folder / f"{name}.pem", folder / f"{name}.key", issued, key)
    paper.certificate.write_bytes(issued.public_bytes(serialization.Encoding.PEM))
    paper.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paper


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Paper]:
    """Give a CA and what it signed, and another CA."""
    folder = tmp_path_factory.mktemp("papers")
    ca = _paper(folder, "ca")
    return {
        "ca": ca,
        "server": _paper(folder, "server", ca),
        "expired": _paper(folder, "expired", ca, days=-1),
        "elsewhere": _paper(folder, "elsewhere", ca, host="127.0.0.2"),
        "stranger": _paper(folder, "stranger"),
        "client": _paper(folder, "client", ca),
    }


@contextmanager
def _tls(papers: dict[str, Paper], server: str, *, ask: bool = False, newest: str = "TLSv1_3") -> Iterator[scene.Door]:
    paper, asks = papers[server], papers["ca"].certificate if ask else None
    with scene.tls_door(lambda *_: http(REPLY), paper.certificate, paper.key, asks=asks, newest=newest) as opened:
        yield opened


class TestTls:
    """Over TLS."""

    def test_mutual_trust(self, papers: dict[str, Paper]) -> None:
        """A server of our CA that asks for our certificate is answered, twice over one connection."""
        with _tls(papers, "server", ask=True) as opened:
            client, ca = papers["client"], str(papers["ca"].certificate)
            ours = Endpoint(opened.url, context=tls(identity(client.certificate, client.key, ""), ca))
            assert [ours.post(b"<a/>"), ours.post(b"<a/>")] == [REPLY, REPLY]
            assert opened.connections == 1
            ours.close()

    @pytest.mark.parametrize(
        ("server", "ask", "newest"),
        [
            ("expired", False, "TLSv1_3"),
            ("elsewhere", False, "TLSv1_3"),
            ("stranger", False, "TLSv1_3"),
            ("server", True, "TLSv1_2"),
            ("server", False, "TLSv1_1"),
        ],
        ids=["expired", "other host", "unknown CA", "our certificate is missing", "TLS 1.1"],
    )
    def test_distrust_stops(self, papers: dict[str, Paper], server: str, ask: bool, newest: str) -> None:
        """Any doubt about either certificate, or an old TLS, stops the run at once."""
        with _tls(papers, server, ask=ask, newest=newest) as opened:
            ours = Endpoint(opened.url, context=tls(None, papers["ca"].certificate))
            with pytest.raises(RegistryRefused, match="TLS") as caught:
                ours.post(b"<a/>")
            ours.close()
        assert isinstance(caught.value, EndpointRefused)
        assert caught.value.status is Status.NOT_SENT
        assert not opened.bodies

    def test_the_systems_authorities_are_the_default(self, papers: dict[str, Paper]) -> None:
        """Without a CA file a server of ours is not trusted: there is no way to turn checking off."""
        with _tls(papers, "server") as opened:
            ours = Endpoint(opened.url)
            with pytest.raises(RegistryRefused):
                ours.post(b"<a/>")
            ours.close()

    @pytest.mark.parametrize("drop", [b"", b"\x16"], ids=["silence", "drip"])
    def test_a_stalling_handshake_ends(self, papers: dict[str, Paper], drop: bytes) -> None:
        """A handshake that never ends is cut off, with nothing sent."""

        def stall(plain: socket.socket) -> socket.socket:
            with plain:
                for _ in range(40):
                    time.sleep(0.05)
                    plain.sendall(drop)
            raise OSError

        with door(lambda *_: None, wrap=stall) as opened:
            ours = Endpoint(opened.url, context=tls(None, papers["ca"].certificate), connect_s=0.3)
            started = time.monotonic()
            with pytest.raises((RegistryUnavailable, RegistryRefused)) as caught:
                ours.post(b"<a/>")
            ours.close()
        assert time.monotonic() - started < 1
        assert isinstance(caught.value, EndpointUnavailable | EndpointRefused)
        assert caught.value.status is Status.NOT_SENT

    def test_a_handshake_that_breaks_off_may_be_tried_again(self, papers: dict[str, Paper]) -> None:
        """A connection closed during the handshake is the network's trouble, not a question of trust."""

        def close(plain: socket.socket) -> socket.socket:
            plain.recv(10_000)
            plain.close()
            raise OSError

        with door(lambda *_: None, wrap=close) as opened:
            ours = Endpoint(opened.url, context=tls(None, papers["ca"].certificate))
            with pytest.raises(RegistryUnavailable) as caught:
                ours.post(b"<a/>")
            ours.close()
        assert isinstance(caught.value, EndpointUnavailable)
        assert caught.value.status is Status.NOT_SENT

    def test_the_deadline_holds_over_tls(self, papers: dict[str, Paper]) -> None:
        """A drip inside TLS is cut off as well."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(papers["server"].certificate, papers["server"].key)

        def drip(_: int, __: bytes, connection: socket.socket) -> None:
            for _ in range(40):
                time.sleep(0.05)
                connection.sendall(b"H")

        with door(drip, wrap=lambda plain: context.wrap_socket(plain, server_side=True)) as opened:
            ours = Endpoint(opened.url, context=tls(None, papers["ca"].certificate), deadline_s=0.4)
            started = time.monotonic()
            with pytest.raises(RegistryUnavailable, match="within"):
                ours.post(b"<a/>")
            ours.close()
        assert time.monotonic() - started < 0.9


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
