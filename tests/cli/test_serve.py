"""``rrsync serve``: the pages on a port, until it is told to stop."""

from __future__ import annotations

import gc
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import requests

from rrsync.app.services import Services
from rrsync.app.web_services import WebServices, web_services
from rrsync.cli import serve
from rrsync.core.log_entry import Draft, Kind
from rrsync.errors import LedgerError
from rrsync.web.server import PageServer
from tests.cli.conftest import Place


@pytest.fixture
def place(empty: Place) -> Place:
    """Return a working directory with a new installation."""
    assert empty.run("init").code == 0
    return empty


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def meanwhile(do: Callable[[], None]) -> Iterator[list[BaseException]]:
    """Do something beside the command, and then tell the process to stop; give what went wrong."""
    wrong: list[BaseException] = []

    def run() -> None:
        try:
            do()
        except BaseException as error:  # noqa: BLE001 — told to the test
            wrong.append(error)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=run)
    thread.start()
    yield wrong
    thread.join()
    assert wrong == []


def _answered(url: str) -> requests.Response:
    """Return the answer of pages that are about to be there."""
    for _ in range(200):
        try:
            with requests.Session() as session:
                session.trust_env = False
                return session.get(url, timeout=5, allow_redirects=False)
        except requests.ConnectionError:
            threading.Event().wait(0.05)
    raise AssertionError("the pages never answered")


def test_the_pages_are_served_until_told_to_stop(place: Place) -> None:
    """On the port of the settings, under the headers of all; SIGTERM ends them, and the port is free again."""
    port = _free_port()
    place.env(WEB__PORT=str(port))

    def look() -> None:
        page = _answered(f"http://127.0.0.1:{port}/login")
        assert (page.status_code, page.headers["cache-control"]) == (200, "no-store")
        assert "an.peeters@" in page.text
        assert "server" not in page.headers
        assert _answered(f"http://localhost:{port}/login").status_code == 421

    with meanwhile(look):
        said = place.run("serve")
    assert said.code == 0
    assert f"The pages are at http://127.0.0.1:{port} ;" in said.err
    assert said.err.rstrip().endswith("The pages are closed.")
    assert "GET" not in said.err
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", port))


def test_the_collector_is_left_as_it_was(place: Place) -> None:
    """While the pages are served it leaves alone what was there before, and afterwards nothing."""
    port, usual = _free_port(), gc.get_threshold()
    place.env(WEB__PORT=str(port))

    def look() -> None:
        _answered(f"http://127.0.0.1:{port}/login")
        assert gc.get_freeze_count() > 0
        assert gc.get_threshold() != usual

    with meanwhile(look):
        assert place.run("serve").code == 0
    assert (gc.get_freeze_count(), gc.get_threshold()) == (0, usual)


def test_what_the_pages_write_is_signed_while_they_run(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every minute, and at the end; the log needs nobody to stop the pages."""
    monkeypatch.setattr(serve, "_BEAT_S", 0.05)
    port = _free_port()
    place.env(WEB__PORT=str(port))
    rooms: list[Services] = []

    def opened(app: Services) -> WebServices:
        rooms.append(app)
        return web_services(app)

    monkeypatch.setattr(serve, "web_services", opened)

    def write() -> None:
        _answered(f"http://127.0.0.1:{port}/login")
        (app,) = rooms
        app.access_log.append([Draft("demo", Kind.VIEW, "", body={"view": {"what": "test"}})])
        for _ in range(200):
            last = app.checkpoints.last("demo")
            if last is not None and last.size == 1:
                return
            threading.Event().wait(0.05)
        raise AssertionError("nobody signed it")

    with meanwhile(write):
        assert place.run("serve").code == 0


def test_what_cannot_be_signed_is_told_and_tried_again(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The pages stay: the desk asks the notary by itself before it asks the register."""
    monkeypatch.setattr(serve, "_BEAT_S", 0.05)
    tried = threading.Event()

    def fails(_: Services) -> None:
        tried.set()
        raise LedgerError("The log cannot be signed now")

    port = _free_port()
    place.env(WEB__PORT=str(port))
    monkeypatch.setattr(Services, "sign_off", fails)

    def look() -> None:
        assert tried.wait(20)
        assert _answered(f"http://127.0.0.1:{port}/login").status_code == 200

    with meanwhile(look):
        said = place.run("serve")
    assert '"event": "pages.untended"' in said.err
    assert said.code == 4


def test_pages_that_stop_by_themselves_are_no_success(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that whoever watches the process starts them again."""
    monkeypatch.setattr(PageServer, "is_alive", property(lambda _: False))
    place.env(WEB__PORT=str(_free_port()))
    said = place.run("serve")
    assert said.code == 1
    assert "The pages stopped by themselves" in said.err


def test_a_port_that_is_taken_is_told_as_such(place: Place) -> None:
    """And nothing was started."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        place.env(WEB__PORT=str(taken.getsockname()[1]))
        said = place.run("serve")
    assert said.code == 2
    assert "The pages cannot be served on 127.0.0.1" in said.err


def test_pages_for_others_want_a_provider(place: Place) -> None:
    """Without one nobody could come in."""
    place.env(WEB__HOST="0.0.0.0", WEB__PUBLIC_URL="https://rrsync.example")
    said = place.run("serve")
    assert said.code == 2
    assert "[web.oidc]" in said.err
