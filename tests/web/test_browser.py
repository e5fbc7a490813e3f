"""A login in a real browser, across two sites: what only a browser decides, and no client in Python does.

The provider is called ``localhost`` and the pages ``127.0.0.1``, which a browser takes for two sites.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Page, Request

from rrsync.config.settings import Settings
from rrsync.web.server import PageServer
from tests.support import Clock
from tests.web.browser import browser, chromium, lead
from tests.web.conftest import OIDC
from tests.web.provider import Op
from tests.web.scene import Scene, opened

Make = Callable[[str], Settings]

pytestmark = pytest.mark.skipif(chromium() is None, reason="there is no Chromium on this machine")


def free_port() -> int:
    """Give a port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@dataclass
class Stage:
    """The pages on a port, and a browser's page before them; what it complained of, and what it asked for."""

    scene: Scene
    page: Page
    troubles: list[str]
    asked: list[Request]
    said: list[str]

    def hear(self, kind: str, text: str, where: str) -> None:
        """Keep what a browser complains of in our pages; what the provider's lack is its own."""
        self.said.append(text)
        if kind in {"error", "warning"} and where.startswith(self.scene.origin):
            self.troubles.append(f"{kind}: {text}")

    def go(self, path: str) -> None:
        """Type an address."""
        self.page.goto(self.scene.origin + path)


@pytest.fixture
def stage(make: Make, clock: Clock, op: Op) -> Iterator[Stage]:
    """Give pages and provider as two sites, and a browser."""
    port = free_port()
    op.url = op.url.replace("127.0.0.1", "localhost")
    settings = make(OIDC.format(public=f"http://127.0.0.1:{port}", issuer=op.url))
    with (
        opened(settings, clock, op) as scene,
        PageServer(scene.made, "127.0.0.1", port),
        browser() as started,
        started.new_page() as page,
    ):
        made = Stage(scene, page, [], [], [])
        page.on("console", lambda said: made.hear(said.type, said.text, said.location["url"]))
        page.on("pageerror", lambda error: made.troubles.append(f"error: {error}"))
        page.on("request", lambda request: made.asked.append(request))  # noqa: PLW0108 — Playwright marks a function
        yield made


def test_a_whole_login(stage: Stage, op: Op) -> None:
    """From the pages to the provider's own and back to the desk without a click; and out of both."""
    page = stage.page
    stage.go("/")
    assert page.url.endswith("/login")
    lead(page.get_by_role("link", name="Aanmelden met ACM/IDM"))
    assert page.url.startswith(f"{op.url}/authorize?")
    page.get_by_role("button", name="an.peeters").click()
    page.wait_for_url(f"{stage.scene.origin}/desk")
    assert "an.peeters" in page.content()
    kept = {cookie["name"]: cookie for cookie in page.context.cookies(stage.scene.origin)}
    assert kept.keys() == {"rrs"}
    assert (kept["rrs"]["sameSite"], kept["rrs"]["httpOnly"]) == ("Strict", True)
    assert page.evaluate("document.cookie") == ""
    page.get_by_role("button", name="Afmelden").click()
    page.wait_for_url("**/login/left")
    assert "afgemeld" in page.content()
    assert {cookie["name"] for cookie in page.context.cookies(stage.scene.origin)} == {"rrs-start"}
    assert [each[0] for each in op.asked].count("logout") == 1
    assert stage.troubles == []


def test_a_form_of_ours_comes_from_nowhere_and_is_ours(stage: Stage) -> None:
    """As our pages tell nobody where one comes from, the browser calls their origin ``null``, and their site ours."""
    stage.go("/login")
    lead(stage.page.get_by_role("button", name="English"))
    assert "Log in" in stage.page.content()
    (sent,) = [each for each in stage.asked if each.method == "POST"]
    headers = sent.all_headers()
    assert headers["sec-fetch-site"] == "same-origin"
    assert headers["origin"] in {"null", stage.scene.origin}
    assert "referer" not in headers
    assert stage.troubles == []


def test_another_sites_page_can_neither_send_nor_frame_ours(stage: Stage, op: Op) -> None:
    """It has no token, its site is another, the session's cookie stays behind, and a frame stays empty."""
    page, scene = stage.page, stage.scene
    op.auto = "an.peeters"
    stage.go("/login/start")
    page.wait_for_url(f"{scene.origin}/desk")
    token = page.locator('input[name="token"]').first.input_value()
    stage.asked.clear()
    page.goto(f"{op.url}/authorize")
    page.set_content(
        f'<form method="post" action="{scene.origin}/logout"><input name="token" value="{token}">'
        "<button>Go</button></form>"
        f'<iframe src="{scene.origin}/login"></iframe>'
    )
    page.get_by_role("button", name="Go").click()
    page.wait_for_url(f"{scene.origin}/logout")
    assert "Dit formulier is verlopen" in page.content()
    (sent,) = [each for each in stage.asked if each.method == "POST"]
    headers = sent.all_headers()
    assert headers["sec-fetch-site"] == "cross-site"
    assert "rrs=" not in headers.get("cookie", "")
    assert any("frame-ancestors" in said for said in stage.said)
    stage.go("/")
    assert "an.peeters" in page.content()  # nothing was ended


def test_nothing_is_asked_for_elsewhere(stage: Stage, op: Op) -> None:
    """All a page needs is ours."""
    op.auto = "an.peeters"
    stage.go("/login")
    stage.go("/login/start")
    stage.page.wait_for_url(f"{stage.scene.origin}/desk")
    stage.go("/nothing")
    elsewhere = {each.url.partition("?")[0] for each in stage.asked if not each.url.startswith(stage.scene.origin)}
    assert elsewhere == {f"{op.url}/authorize"}
    assert [trouble for trouble in stage.troubles if "404" not in trouble] == []
