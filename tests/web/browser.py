"""The system's Chromium, and a site in memory that serves the gallery to it under the application's own headers."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Locator, Page, Route, sync_playwright

import rrsync.web
from rrsync.web.paths import path

HOST: Final = "http://rrsync.test"
CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
_STATIC: Final = path("static", file="")
_FOLDER: Final = Path(rrsync.web.__file__).parent / "static"
_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
#: So that the browser runs in a container too, and asks nobody anything by itself.
_QUIET: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def chromium() -> str | None:
    """Give where the system's Chromium is, if it is there."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def browser() -> Iterator[Browser]:
    """Give a browser that runs."""
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium(), args=list(_QUIET))
        try:
            yield found
        finally:
            found.close()


def lead(one: Locator) -> None:
    """Click, and come where it leads: the page one stood on has been left when this returns."""
    with one.page.expect_navigation():
        one.click()


@dataclass
class Site:
    """Pages by name, served to a browser's page; what went wrong in it, and what it asked for elsewhere."""

    pages: Mapping[str, str]
    troubles: list[str] = field(default_factory=list)

    def attend(self, page: Page) -> Page:
        """Serve a page, and hear what it complains of."""
        page.route("**/*", self._serve)
        page.on("console", lambda said: self.troubles.append(f"{said.type}: {said.text}"))
        page.on("pageerror", lambda error: self.troubles.append(f"error: {error}"))
        return page

    def _serve(self, route: Route) -> None:
        address = route.request.url
        if not address.startswith(f"{HOST}/"):
            self.troubles.append(f"elsewhere: {address}")
            route.abort()
            return
        found = address.removeprefix(HOST)
        if found.startswith(_STATIC):
            file = _FOLDER / found.removeprefix(_STATIC)
            body, kind = file.read_text(encoding="utf-8"), _TYPES[file.suffix]
        else:
            name = found.removeprefix("/") or "home"
            if name.endswith("/live") and name not in self.pages:  # a page that follows a run asks for a part of itself
                name = route.request.frame.url.removeprefix(f"{HOST}/")
            body, kind = self.pages[name], "text/html; charset=utf-8"
        route.fulfill(body=body, headers={"Content-Type": kind, "Content-Security-Policy": CSP})
