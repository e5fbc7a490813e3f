"""A browser before the real pages, on an installation of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2 as httpx
from fastapi import FastAPI
from fastapi.testclient import TestClient

from rrsync.app.runtime import Runtime
from rrsync.app.services import open_services
from rrsync.app.web_services import WebServices, web_services
from rrsync.config.settings import Settings
from rrsync.web.access_rules import RULES
from rrsync.web.app import create_app
from tests.installation import NoWait, Stopwatch
from tests.support import Clock, Dice, References
from tests.web.provider import Op

PUBLIC: Final = "https://rrsync.example"
HERE: Final = "http://127.0.0.1:8000"
#: What the guard's table says of the door alone, for pages that a test makes up behind it.
DOOR: Final = {
    (method, at): rule
    for (method, at), rule in RULES.items()
    if at in {"/", "/logout", "/language"} or at.startswith(("/login", "/sessions"))
}
SESSION: Final = "__Host-rrs"
START: Final = "__Host-rrs-start"
_TOKEN: Final = re.compile(r'name="token" value="([^"]*)"')


@dataclass
class Browser:
    """A browser that keeps cookies, sends what browsers send, and follows nothing by itself."""

    client: httpx.Client
    origin: str
    seen: list[httpx.Response] = field(default_factory=list)

    def get(self, path: str, /, **headers: str) -> httpx.Response:
        """Go somewhere."""
        response = self.client.get(path, headers={"Sec-Fetch-Mode": "navigate", **headers})
        self.seen.append(response)
        return response

    def post(self, path: str, said: Mapping[str, str] | None = None, /, **headers: str) -> httpx.Response:
        """Send a form, with the token of the page last seen unless another is said."""
        usual = {"Sec-Fetch-Site": "same-origin", "Origin": "null", "Sec-Fetch-Mode": "navigate"}
        sent = {name: value for name, value in ({"token": self.token} | dict(said or {})).items() if value != "-"}
        head = {name: value for name, value in (usual | headers).items() if value != "-"}
        response = self.client.post(path, data=sent, headers=head)
        self.seen.append(response)
        return response

    @property
    def token(self) -> str:
        """The token in the last page that had a form."""
        found = [match[1] for response in self.seen if (match := _TOKEN.search(response.text))]
        return found[-1] if found else ""

    def cookie(self, name: str = SESSION) -> str:
        """Give the value of a cookie that is kept."""
        return self.client.cookies.get(name) or ""


@dataclass
class Scene:
    """The application, its rooms, its clock, and the provider, if it has one."""

    app: WebServices
    made: FastAPI
    clock: Clock
    op: Op | None
    origin: str
    browsers: list[httpx.Client] = field(default_factory=list)

    def browser(self, client: tuple[str, int] = ("127.0.0.1", 50_000)) -> Browser:
        """Open another browser."""
        opened = TestClient(self.made, base_url=self.origin, client=client, follow_redirects=False)
        self.browsers.append(opened)
        return Browser(opened, self.origin)

    def begin(self, browser: Browser, path: str = "/login/start") -> str:
        """Begin a login, and give where the provider leads back to."""
        assert self.op is not None
        sent = browser.get(path)
        assert sent.status_code == 303, sent.text
        with httpx.Client(trust_env=False) as outside:
            led = outside.get(sent.headers["location"])
        assert led.status_code == 303, led.text
        parts = urlsplit(led.headers["location"])
        assert f"{parts.scheme}://{parts.netloc}" == self.origin
        return f"{parts.path}?{parts.query}"

    def log_in(self, browser: Browser, who: str = "an.peeters", path: str = "/login/start") -> httpx.Response:
        """Go through the provider as somebody."""
        assert self.op is not None
        self.op.auto = who
        return browser.get(self.begin(browser, path))

    def inside(self, who: str = "an.peeters") -> Browser:
        """Give a browser of somebody who is logged in."""
        browser = self.browser()
        assert self.log_in(browser, who).status_code == 200
        assert browser.get("/").status_code in {200, 303}
        return browser


@contextmanager
def opened(settings: Settings, clock: Clock, op: Op | None = None, **built: Any) -> Iterator[Scene]:
    """Give the pages of an installation; what would wait before it tries again goes on at once."""
    stopwatch = Stopwatch()
    runtime = Runtime(clock, References(), Dice("web"), stopwatch)
    with open_services(settings, runtime) as rooms:
        app = web_services(replace(rooms, stop=NoWait(stopwatch)))
        scene = Scene(app, create_app(app, **built), clock, op, settings.web.origin)
        if op is not None:
            op.redirects = [f"{scene.origin}/login/back"]
            op.leaves = [f"{scene.origin}/login/left"]
        try:
            yield scene
        finally:
            for browser in scene.browsers:
                browser.close()
