"""TLS in both directions, for real: a server that wants a certificate, and every way in which trust can be missing."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import pytest
import requests.adapters

from rrsync.core.log_entry import Status
from rrsync.errors import ConfigError, RegistryRefused
from rrsync.net.bounded_socket import Identity, tls
from rrsync.registry.certificates import identity
from rrsync.registry.soap import Endpoint, EndpointRefused, EndpointUnavailable
from tests.registry import authority, scene
from tests.registry.authority import DAY, Paper
from tests.registry.scene import door, http

REPLY = scene.answer(scene.person())
QUESTION = b"<question/>"


@dataclass(frozen=True)
class World:
    """What both sides have: OpenSSL looks at the real clock, so these are of today."""

    folder: Path
    ca: Paper
    server: Paper
    client: Paper

    @property
    def trusted(self) -> str:
        """The file of the authority."""
        return self.file(self.ca, "ca")

    def file(self, paper: Paper, name: str) -> str:
        """Write a certificate."""
        path = self.folder / f"{name}.pem"
        path.write_bytes(paper.pem)
        return str(path)

    def issue(self, name: str, issuer: Paper | None = None, **said: object) -> Paper:
        """Issue another."""
        return authority.issue(name, issuer, now=authority.today(), **said)  # type: ignore[arg-type]  # as issue says


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return an authority, and a server and a client of it."""
    now = authority.today()
    ca = authority.issue("authority", now=now, is_ca=True)
    server = authority.issue("server", ca, now=now)
    return World(tmp_path_factory.mktemp("world"), ca, server, authority.issue("client", ca, now=now))


@contextmanager
def _server(world: World, paper: Paper | None = None, *, newest: str = "TLSv1_3") -> Iterator[scene.Door]:
    """Open a server that wants a client certificate of the world's authority."""
    served = (paper or world.server).save(world.folder, "served")
    with scene.tls_door(lambda *_: http(REPLY), *served, asks=world.file(world.ca, "asked"), newest=newest) as opened:
        yield opened


@contextmanager
def _wire(url: str, who: Identity | None, ca: str = "", **limits: float) -> Iterator[Endpoint]:
    ours = Endpoint(url, context=tls(who, ca), **({"deadline_s": 5.0} | limits))  # type: ignore[arg-type]  # its limits
    try:
        yield ours
    finally:
        ours.close()


class TestTrust:
    """Both sides know each other."""

    @pytest.mark.parametrize("newest", ["TLSv1_2", "TLSv1_3"])
    @pytest.mark.parametrize("form", ["PEM", "locked PEM", "PKCS#12"])
    def test_it_is_answered(self, world: World, tmp_path: Path, form: str, newest: str) -> None:
        """Twice over one connection, whatever form our certificate came in."""
        if form == "PKCS#12":
            (tmp_path / "client.p12").write_bytes(world.client.packed("secret"))
            who = identity(tmp_path / "client.p12", None, "secret")
        else:
            certificate, key = world.client.save(tmp_path, "client")
            if form == "locked PEM":
                key.write_bytes(world.client.secret("secret"))
            who = identity(certificate, key, "secret" if form == "locked PEM" else "")
        ca = world.file(world.ca, "ca")
        with _server(world, newest=newest) as opened, _wire(opened.url, who, ca) as ours:
            assert [ours.post(QUESTION), ours.post(QUESTION)] == [REPLY, REPLY]
        assert opened.bodies == [QUESTION, QUESTION]
        assert opened.connections == 1

    def test_a_client_below_another_authority_shows_the_way(self, world: World) -> None:
        """The chain goes along, or the server could not know it."""
        middle = world.issue("middle", world.ca, is_ca=True)
        below = world.issue("below", middle)
        with _server(world) as opened, _wire(opened.url, below.identity, world.file(world.ca, "ca")) as ours:
            assert ours.post(QUESTION) == REPLY


class TestDistrust:
    """Any doubt stops the run at once, and nothing that can be read has left us."""

    @pytest.mark.parametrize("newest", ["TLSv1_2", "TLSv1_3"])
    @pytest.mark.parametrize("who", ["nobody", "a stranger", "a namesake", "one that ended", "one that did not begin"])
    def test_a_client_that_the_server_does_not_trust(self, world: World, who: str, newest: str) -> None:
        """In TLS 1.3 the server says so after our question has left us, unread: then the log says that it may have."""
        elsewhere = world.issue("elsewhere", is_ca=True)
        fake = world.issue("authority", is_ca=True, secret=authority.key("fake authority"))
        papers = {
            "a stranger": world.issue("client", elsewhere),
            "a namesake": world.issue("client", fake),
            "one that ended": world.issue("client", world.ca, begins=-2 * DAY, ends=-DAY),
            "one that did not begin": world.issue("client", world.ca, begins=DAY),
        }
        shown = papers[who].identity if who in papers else None
        with _server(world, newest=newest) as opened, _wire(opened.url, shown, world.file(world.ca, "ca")) as ours:
            self._refused(
                ours, opened, {Status.NOT_SENT} if newest == "TLSv1_2" else {Status.NOT_SENT, Status.NO_REPLY}
            )

    @pytest.mark.parametrize("which", ["another host", "expired", "not yet valid", "another authority", "a namesake's"])
    def test_a_server_that_we_do_not_trust(self, world: World, which: str) -> None:
        """The handshake ends before anything is sent."""
        elsewhere = world.issue("elsewhere", is_ca=True)
        fake = world.issue("authority", is_ca=True, secret=authority.key("fake authority"))
        served = {
            "another host": world.issue("server", world.ca, host="127.0.0.2"),
            "expired": world.issue("server", world.ca, begins=-2 * DAY, ends=-DAY),
            "not yet valid": world.issue("server", world.ca, begins=DAY),
            "another authority": world.issue("server", elsewhere),
            "a namesake's": world.issue("server", fake),
        }[which]
        ca = world.file(world.ca, "ca")
        with _server(world, served) as opened, _wire(opened.url, world.client.identity, ca) as ours:
            self._refused(ours, opened, {Status.NOT_SENT})

    def test_an_old_tls(self, world: World) -> None:
        """1.2 is the least."""
        ca = world.file(world.ca, "ca")
        with _server(world, newest="TLSv1_1") as opened, _wire(opened.url, world.client.identity, ca) as ours:
            self._refused(ours, opened, {Status.NOT_SENT})

    @pytest.mark.parametrize("bundle", ["the system's", "certifi's"])
    def test_with_an_authority_of_our_own_no_public_one_counts(
        self, world: World, monkeypatch: pytest.MonkeyPatch, bundle: str
    ) -> None:
        """Neither the system's authorities, nor those that requests brings along and would add."""
        public = world.file(world.ca, "public")
        if bundle == "the system's":
            monkeypatch.setenv("SSL_CERT_FILE", public)
        else:
            monkeypatch.setattr(requests.adapters, "DEFAULT_CA_BUNDLE_PATH", public)
        own = world.file(world.issue("our own", is_ca=True), "own")
        who = world.client.identity
        with _server(world) as opened, _wire(opened.url, who, own) as ours:
            self._refused(ours, opened, {Status.NOT_SENT})
        with _server(world) as opened, _wire(opened.url, who) as ours:
            if bundle == "the system's":
                assert ours.post(QUESTION) == REPLY
            else:
                self._refused(ours, opened, {Status.NOT_SENT})

    def _refused(self, ours: Endpoint, opened: scene.Door, statuses: set[Status]) -> None:
        with pytest.raises(RegistryRefused, match="TLS") as caught:
            ours.post(QUESTION)
        assert isinstance(caught.value, EndpointRefused)
        assert caught.value.status in statuses
        assert not opened.bodies
        assert not opened.heads


class TestHandshake:
    """A server that does not finish, or not in time."""

    @pytest.mark.parametrize("drop", [b"", b"\x16"], ids=["silence", "drip"])
    def test_one_that_stalls_ends(self, world: World, drop: bytes) -> None:
        """It has the time to connect, and nothing was sent."""

        def stall(plain: socket.socket) -> socket.socket:
            with plain:
                for _ in range(40):
                    over.wait(0.05)
                    plain.sendall(drop)
            raise OSError

        over = Event()
        with door(lambda *_: None, wrap=stall) as opened, _wire(opened.url, None, world.trusted, connect_s=0.3) as ours:
            started = time.monotonic()
            with pytest.raises((EndpointUnavailable, EndpointRefused)) as caught:
                ours.post(QUESTION)
            over.set()
        assert time.monotonic() - started < 1
        assert isinstance(caught.value, EndpointUnavailable | EndpointRefused)
        assert caught.value.status is Status.NOT_SENT

    def test_one_that_breaks_off_may_be_tried_again(self, world: World) -> None:
        """A connection closed during the handshake is a broken connection, not a question of trust."""

        def close(plain: socket.socket) -> socket.socket:
            plain.recv(10_000)
            plain.close()
            raise OSError

        with (
            door(lambda *_: None, wrap=close) as opened,
            _wire(opened.url, None, world.trusted) as ours,
            pytest.raises(EndpointUnavailable) as caught,
        ):
            ours.post(QUESTION)
        assert caught.value.status is Status.NOT_SENT

    def test_the_deadline_holds_over_tls(self, world: World) -> None:
        """A drip inside TLS is cut off as well."""
        over = Event()

        def drip(_: int, __: bytes, connection: socket.socket) -> None:
            for _ in range(40):
                over.wait(0.05)
                connection.sendall(b"H")

        served = world.server.save(world.folder, "served")
        with scene.tls_door(drip, *served) as opened, _wire(opened.url, None, world.trusted, deadline_s=0.4) as ours:
            started = time.monotonic()
            with pytest.raises(EndpointUnavailable) as caught:
                ours.post(QUESTION)
            over.set()
        assert time.monotonic() - started < 0.9
        assert caught.value.status is Status.NO_REPLY


class TestKey:
    """How our key comes into OpenSSL."""

    def test_it_never_touches_a_disk(self, world: World) -> None:
        """It goes through memory, sealed under a passphrase of that moment; no file is written, and none stays open."""
        written: list[object] = []
        drawn: list[int] = []
        is_on, thread = True, threading.get_ident()

        def hear(event: str, given: tuple[object, ...]) -> None:
            is_ours = threading.get_ident() == thread
            if is_on and is_ours and event == "open" and isinstance(given[0], str | bytes) and given[1] != "r":
                written.append(given)

        def random(count: int) -> bytes:
            drawn.append(count)
            return bytes(count)

        sys.addaudithook(hear)
        before = _files_in_memory()
        tls(world.client.identity, random=random)
        is_on = False
        assert not written
        assert _files_in_memory() <= before
        assert drawn == [24]

    def test_the_keys_of_a_session_are_written_nowhere(
        self, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With them, who listens could read every reply."""
        monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys.log"))
        ca = world.file(world.ca, "ca")
        with _server(world) as opened, _wire(opened.url, world.client.identity, ca) as ours:
            assert ours.post(QUESTION) == REPLY
        assert not (tmp_path / "keys.log").exists()

    @pytest.mark.parametrize("content", [None, b"", b"no certificate"])
    def test_an_authority_that_cannot_be_read_is_found_at_the_start(
        self, tmp_path: Path, content: bytes | None
    ) -> None:
        """Missing, empty, or none."""
        path = tmp_path / "ca.pem"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(ConfigError, match="CA file"):
            tls(None, path)

    def test_a_certificate_that_openssl_does_not_take_is_found_at_the_start(self, world: World) -> None:
        """As one of another key, that ``identity`` would have refused already."""
        other = Identity(authority.key("another"), world.client.chain)
        with pytest.raises(ConfigError, match="private key"):
            tls(other)


def _files_in_memory() -> set[str]:
    """Return the descriptors of this process that are files in memory; other threads open sockets and pipes."""
    found = set()
    for each in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # it was closed meanwhile
            if str(each.readlink()).startswith("/memfd:rrsync"):
                found.add(each.name)
    return found
