"""A newcomer who typed ``make demo``: how many clicks until a member is refreshed."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from subprocess import PIPE, Popen

import pytest
from playwright.sync_api import Page

from tests.cli.conftest import RRSYNC
from tests.web.browser import browser, chromium, lead

pytestmark = pytest.mark.skipif(chromium() is None, reason="there is no Chromium on this machine")


class Clicks:
    """Somebody with a mouse, who counts; typing is no click."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.count = 0

    def on(self, what: str) -> None:
        """Click on what leads to a page."""
        lead(self.page.locator(what).first)
        self.count += 1

    def choose(self, what: str) -> None:
        """Click on what leads nowhere."""
        self.page.locator(what).first.check()
        self.count += 1


def test_a_member_is_refreshed_within_five_clicks(tmp_path: Path) -> None:
    """By the mouse alone: come in, search whom the page names, say why, ask, and take over what the register says."""
    words = [RRSYNC, "demo", "--members", "60", "--serve"]
    with Popen(words, cwd=tmp_path, stdout=PIPE, stderr=PIPE, text=True) as demo:
        try:
            number = _refreshed(demo)
        finally:
            demo.send_signal(signal.SIGINT)
        out, _ = demo.communicate(timeout=30)
    assert f"search for {number}." in out
    assert demo.returncode == 0


def _refreshed(demo: Popen[str]) -> str:
    """Click on the demo's pages, and give the number of the member who is refreshed."""
    assert demo.stderr is not None
    found = re.search(r"The pages are at (\S+) ;", demo.stderr.readline())
    assert found is not None
    with browser() as started:
        clicks = Clicks(page := started.new_page())
        page.goto(found[1])
        clicks.on("main form button")
        named = re.search(r"M\d{6}", page.inner_text("main"))
        assert named is not None
        page.locator("input[name=words]").fill(named[0])
        clicks.on("main form[role=search] button")
        assert page.url == f"{found[1]}/members/{named[0]}"
        page.locator("input[name=case]").fill("trial-1")
        clicks.choose("input[name=purpose][value=desk]")
        clicks.on("main form[action$=refresh] button")
        assert page.url.endswith("/difference")
        clicks.on("button[value=accept]")
        assert page.url == f"{found[1]}/members/{named[0]}"
        assert "Rijksregister" in page.inner_text("main")
        assert clicks.count <= 5
    return named[0]
