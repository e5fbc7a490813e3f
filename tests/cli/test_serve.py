"""``rrsync serve``: the pages on a port until a signal stops them."""

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
def port(installed: Place) -> int:
    """Return a free port, which the settings name."""
    free = serve.free_port(0)
    installed.env(WEB__PORT=str(free))
    return free


@contextmanager
def meanwhile(do: Callable[[], None]) -> Iterator[None]:
    """Call a function beside the command, then send SIGTERM; an error of the function fails the test."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            do()
        except BaseException as error:  # noqa: BLE001 — reported by the test
            errors.append(error)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=run)
    thread.start()
    yield
    thread.join()
    assert errors == []


def eventually(find: Callable[[], object]) -> object:
    """Call a function until it returns something."""
    for _ in range(400):
        if found := find():
            return found
        threading.Event().wait(0.05)
    raise AssertionError("it never happened")


def get(port: int, host: str = "127.0.0.1") -> requests.Response:
    """Return the login page of a server that is starting."""

    def ask() -> requests.Response | None:
        try:
            with requests.Session() as session:
                session.trust_env = False
                return session.get(f"http://{host}:{port}/login", timeout=5, allow_redirects=False)
        except requests.ConnectionError:
            return None

    for _ in range(400):
        if (answer := ask()) is not None:
            return answer
        threading.Event().wait(0.05)
    raise AssertionError("the pages never answered")


def test_the_pages_are_served_until_a_signal(installed: Place, port: int) -> None:
    """With the headers of every page; afterwards the port is free and the garbage collector is as before."""
    usual = gc.get_threshold()

    def look() -> None:
        page = get(port)
        assert (page.status_code, page.headers["cache-control"]) == (200, "no-store")
        assert "an.peeters@" in page.text
        assert "server" not in page.headers
        assert get(port, "localhost").status_code == 421
        assert gc.get_freeze_count() > 0
        assert gc.get_threshold() != usual

    with meanwhile(look):
        said = installed.run("serve")
    assert said.code == 0
    assert f"http://127.0.0.1:{port} " in said.err
    assert "GET" not in said.err
    assert (gc.get_freeze_count(), gc.get_threshold()) == (0, usual)
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", port))


def test_new_entries_are_signed_while_the_pages_run(
    installed: Place, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every minute."""
    monkeypatch.setattr(serve, "_MAINTENANCE_S", 0.05)
    opened: list[Services] = []

    def capture(services: Services) -> WebServices:
        opened.append(services)
        return web_services(services)

    monkeypatch.setattr(serve, "web_services", capture)

    def write() -> None:
        get(port)
        (services,) = opened
        services.access_log.append([Draft("demo", Kind.VIEW, "", body={"view": {"what": "test"}})])
        eventually(lambda: (last := services.checkpoints.last("demo")) is not None and last.size == 1)

    with meanwhile(write):
        assert installed.run("serve").code == 0


def test_an_error_of_signing_is_logged_and_retried(
    installed: Place, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pages stay available; the exit code is 4."""
    monkeypatch.setattr(serve, "_MAINTENANCE_S", 0.05)
    tried = threading.Event()

    def fails(_: Services) -> None:
        tried.set()
        raise LedgerError("The log cannot be signed now")

    monkeypatch.setattr(Services, "sign_off", fails)

    def look() -> None:
        assert tried.wait(20)
        assert get(port).status_code == 200

    with meanwhile(look):
        said = installed.run("serve")
    assert '"event": "pages.untended"' in said.err
    assert said.code == 4


@pytest.mark.usefixtures("port")
def test_a_server_that_stops_by_itself(installed: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """1, so that a supervisor starts it again."""
    monkeypatch.setattr(PageServer, "is_alive", property(lambda _: False))
    assert installed.run("serve").code == 1


def test_unusable_addresses(installed: Place) -> None:
    """2: a port in use, or a public address without an identity provider."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        said = installed.env(WEB__PORT=str(taken.getsockname()[1])).run("serve")
    assert said.code == 2
    assert "127.0.0.1" in said.err
    said = installed.env(WEB__HOST="0.0.0.0", WEB__PUBLIC_URL="https://rrsync.example").run("serve")
    assert said.code == 2
    assert "[web.oidc]" in said.err
