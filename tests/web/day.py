"""A day at work in the system's Chromium: the real application on a port, the register, a database and a provider.

Every page somebody comes by is held against the same things: axe finds nothing, nothing is wider than the screen, there
is a way out, nothing of a person stands in the address, the browser complains of nothing and asks nobody else. With
``RRSYNC_SHOTS=folder`` there is a picture of it.
"""

from __future__ import annotations

import io
import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # it has no types
from PIL import Image
from playwright.sync_api import Browser, Page

from rrsync.core.insz import holds_insz
from rrsync.simulator.citizens import Situation, member_rows
from rrsync.store.members import ImportRow
from rrsync.web.server import PageServer
from tests.installation import member_of
from tests.support import Clock
from tests.web.browser import lead
from tests.web.provider import SECRET, Op, person, running
from tests.web.scene import Scene, opened
from tests.web.town import MORNING, Town, town

SHOTS: Final = os.environ.get("RRSYNC_SHOTS")
#: How a page is looked at: on the desk's screen by day and by night, and on a phone.
MODES: Final[dict[str, dict[str, Any]]] = {
    "light": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "dark"},
    "narrow": {"viewport": {"width": 320, "height": 640}, "color_scheme": "light"},
}
_TALLEST: Final = 2_400
_COLOURS: Final = 128


def free_port() -> int:
    """Give a port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@dataclass
class Day:
    """The town, its pages, and one browser before them; what the browser complained of, and where it went."""

    town: Town
    scene: Scene
    op: Op
    page: Page
    mode: str
    troubles: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)

    def attend(self) -> None:
        """Hear what the browser complains of in our pages, and what it asks for elsewhere."""
        ours = (self.scene.origin, self.op.url)

        def hear(kind: str, text: str, where: str) -> None:
            if kind in {"error", "warning"} and where.startswith(self.scene.origin):
                self.troubles.append(f"{kind}: {text}")

        def asked(url: str) -> None:
            if not url.startswith(ours):
                self.troubles.append(f"elsewhere: {url}")
            if url.startswith(self.scene.origin):
                self.seen.append(url)

        self.page.on("console", lambda said: hear(said.type, said.text, said.location["url"]))
        self.page.on("pageerror", lambda error: self.troubles.append(f"error: {error}"))
        self.page.on("request", lambda request: asked(request.url))

    def go(self, path: str) -> None:
        """Type an address."""
        self.page.goto(self.scene.origin + path)

    def press(self, name: str, *, exact: bool = True) -> None:
        """Press a button of the page itself, which leads to a page."""
        lead(self.page.locator("main").get_by_role("button", name=name, exact=exact))

    def follow(self, name: str, *, within: str = "main") -> None:
        """Follow a link."""
        lead(self.page.locator(within).get_by_role("link", name=name).first)

    def log_in(self, who: str) -> None:
        """Come in through the provider, as anybody does who opens the pages."""
        self.go("/")
        self.look("login", is_inside=False)
        self.follow("Aanmelden met ACM/IDM")
        self.page.get_by_role("button", name=who).click()
        self.page.wait_for_url(re.compile(re.escape(self.scene.origin) + r"/(?!login)"))

    def log_out(self) -> None:
        """Go out, here and at the provider; going back shows nothing of what was there."""
        self.page.get_by_role("button", name="Afmelden", exact=True).click()
        self.page.wait_for_url("**/login/left")
        self.look("logged-out", is_inside=False)
        self.page.go_back()
        self.page.wait_for_url("**/login")

    def look(self, name: str, *, is_inside: bool = True) -> None:
        """Hold the page against what must hold of every page, and take its picture."""
        found = [f"{each['id']} {each['nodes'][0]['target']}" for each in Axe().run(self.page).response["violations"]]
        assert found == [], name
        assert not self.page.evaluate("document.documentElement.scrollWidth > innerWidth"), name
        assert self.page.locator("h1").count() == 1
        assert not is_inside or self.page.get_by_role("button", name="Afmelden", exact=True).is_visible()
        if SHOTS:
            self._shoot(name)

    def _shoot(self, name: str) -> None:
        taken = Image.open(io.BytesIO(self.page.screenshot(full_page=True, animations="disabled"))).convert("RGB")
        cut = taken.crop((0, 0, taken.width, min(taken.height, _TALLEST)))
        small = cut.quantize(_COLOURS, dither=Image.Dither.NONE)
        small.save(Path(SHOTS or ".") / f"{name}.{self.mode}.png", optimize=True)

    def move(self, *numbers: str) -> None:
        """Let the library's own file of this morning give these members another house number."""
        rows = {row["member_no"]: row for row in member_rows(self.town.world)}
        changed = [rows[number] | {"house_number": f"{rows[number]['house_number']}9", "box": ""} for number in numbers]
        incoming = [ImportRow(line, member_of("hasselt", row)) for line, row in enumerate(changed, start=2)]
        self.scene.app.members.take(incoming, import_id="morning", at=self.scene.clock())

    def name(self, number: str) -> str:
        """Give a member's last name."""
        return self.town.world.citizen(int(number[1:]) - 1).name.last

    def digits(self, number: str) -> str:
        """Give a member's national number."""
        return self.town.world.citizen(int(number[1:]) - 1).insz.digits

    def settled(self) -> list[str]:
        """Give members of Hasselt who live where the library thinks, and about whom nobody asked at the desk."""
        return self.town.who(Situation.SETTLED)[14:]

    def require_quiet(self) -> None:
        """See that nothing was complained of, and that no address named a person."""
        assert self.troubles == []
        people = [self.town.world.citizen(place) for place in range(len(self.town.world))]
        words = {word.lower() for one in people for word in (one.name.last, one.name.first) if len(word) > 3}
        for url in self.seen:
            assert not holds_insz(url), url
            assert not words & set(re.split(r"[^\w]+", url.lower())), url


@contextmanager
def day(
    chrome: Browser, folder: Path, mode: str = "light", *, prepare: Callable[[Path], str] = lambda _: ""
) -> Iterator[Day]:
    """Give a day in the town; at its end nothing may have been complained of."""
    clock, port = Clock(MORNING), free_port()
    with pytest.MonkeyPatch.context() as patch, running(clock) as op:
        for name in [name for name in os.environ if name.startswith("RRSYNC_") and name != "RRSYNC_SHOTS"]:
            patch.delenv(name)
        patch.setenv("RRSYNC_OIDC_SECRET", SECRET)
        patch.setenv("RRSYNC_WEB__OUTSIDE_PER_MONTH", "5")
        op.people["dora.wouters"] = person("dora.wouters", "RRSync-Admin:OVO000009")
        op.url = op.url.replace("127.0.0.1", "localhost")
        public = f"http://127.0.0.1:{port}"
        with (
            town(folder, clock=clock, public=public, issuer=op.url, prepare=prepare) as made,
            opened(made.settings, clock, op) as scene,
            PageServer(scene.made, "127.0.0.1", port),
        ):
            context = chrome.new_context(**MODES[mode], locale="nl-BE", reduced_motion="reduce")
            context.set_default_timeout(15_000)
            stage = Day(made, scene, op, context.new_page(), mode)
            stage.attend()
            yield stage
            context.close()
            stage.require_quiet()
