"""Every page with what it may show: read as HTML, and looked at in the system's Chromium under the real headers.

``RRSYNC_SHOTS`` names a folder for pictures of every page, and for the letter and the log on paper.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # it has no types
from lxml import html
from playwright.sync_api import Browser, Page

import rrsync.web
from rrsync.core.insz import holds_insz
from rrsync.web.paths import PATHS
from rrsync.web.render import Pages
from tests.web.browser import HOST, Site
from tests.web.gallery import TOKEN, gallery

SHOTS: Final = os.environ.get("RRSYNC_SHOTS")
NAMES: Final = tuple(gallery())
#: What the browser looks at: of the holds that differ by a sentence alone, one; and not the page that leads on at once.
LOOKED: Final = tuple(
    name for name in NAMES if name != "welcome" and (not name.startswith("hold-") or name == "hold-unknown")
)
LANGUAGES: Final[tuple[Literal["nl", "en"], ...]] = ("nl", "en")
PAPERS: Final = ("letter", "log-found")
#: As wide as the desk's screen, and as it is at four times the size of letters, or on a phone (WCAG 1.4.10).
MODES: Final[dict[str, dict[str, Any]]] = {
    "light": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "narrow": {"viewport": {"width": 320, "height": 800}, "color_scheme": "light"},
    "contrast": {"viewport": {"width": 1280, "height": 900}, "contrast": "more", "forced_colors": "active"},
}
_PLACES: Final = [re.compile(re.sub(r"{\w+}", "[^/]+", text)) for text in PATHS.values()]
_RAW_DATE: Final = re.compile(r"\b\d{4}-\d{2}-\d{2}\b")


@cache
def made(language: Literal["nl", "en"]) -> dict[str, str]:
    """Give every page of the gallery in one language."""
    pages = Pages()
    return {name: pages.page(view, replace(frame, language=language)) for name, (view, frame) in gallery().items()}


def tree(name: str, language: Literal["nl", "en"] = "nl") -> Any:
    """Give a page to search in."""
    return html.fromstring(made(language)[name])


class TestGallery:
    """The gallery has them all."""

    def test_every_page_is_in_it(self) -> None:
        """No page that nobody looked at."""
        templates = {file.stem for file in (Path(rrsync.web.__file__).parent / "templates").glob("*.html")}
        assert {view.name for view, _ in gallery().values()} == templates - {"base"}


@pytest.mark.parametrize("name", NAMES)
class TestPages:
    """What holds of every page, whatever it shows."""

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_it_has_no_style_or_script_of_its_own(self, name: str, language: Literal["nl", "en"]) -> None:
        """The policy would refuse them: none inline, and no handler."""
        page = tree(name, language)
        assert not page.xpath("//style | //@style | //script[not(@src)] | //@*[starts-with(name(), 'on')]")

    def test_it_leads_nowhere_but_to_our_pages(self, name: str) -> None:
        """Every link, form and file is an address of ``web.paths``, or a place on the page that is there."""
        page = tree(name)
        ids = set(page.xpath("//@id"))
        for link in page.xpath("//@href | //@src | //@action | //@formaction | //@data-live"):
            if link.startswith("#"):
                assert link[1:] in ids, link
            else:
                assert any(place.fullmatch(link.partition("?")[0]) for place in _PLACES), link

    def test_its_ids_are_its_own(self, name: str) -> None:
        """No two, and every one that is meant is there."""
        page = tree(name)
        ids = page.xpath("//@id")
        meant = [
            one for text in page.xpath("//@aria-describedby | //@aria-labelledby | //@for") for one in text.split()
        ]
        assert len(ids) == len(set(ids))
        assert set(meant) <= set(ids)

    def test_its_forms_are_whole(self, name: str) -> None:
        """Each is sent by POST with the token and a button, and each field has a label."""
        for form in tree(name).xpath("//form"):
            assert form.get("method") == "post"
            assert form.xpath(".//input[@type='hidden'][@name='token']/@value") == [TOKEN]
            assert form.xpath(".//button[not(@type='button')]")
            for field in form.xpath(".//input[not(@type='hidden')] | .//select"):
                label = form.xpath(f".//label[@for='{field.get('id')}']")
                assert [text for one in label if (text := one.text_content().strip())], field.get("name")

    def test_its_headings_step_down_one_by_one(self, name: str) -> None:
        """One first heading, and no step left out."""
        levels = [int(heading.tag[1]) for heading in tree(name).xpath("//h1 | //h2 | //h3 | //h4")]
        assert levels.count(1) == 1
        assert levels[0] == 1
        assert all(after - before <= 1 for before, after in pairwise(levels))

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_no_national_number_is_on_it(self, name: str, language: Literal["nl", "en"]) -> None:
        """Nor anything that could be one, in a text or in an address."""
        assert not holds_insz(made(language)[name])

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_dates_are_as_people_write_them(self, name: str, language: Literal["nl", "en"]) -> None:
        """None as a machine does, but where a machine reads it."""
        text = " ".join(tree(name, language).xpath("//body//text()"))
        assert not _RAW_DATE.search(text)

    def test_it_says_its_language(self, name: str) -> None:
        """As a reader aloud must know it; the way to the other language says which that is."""
        for language, other in zip(LANGUAGES, reversed(LANGUAGES), strict=True):
            page = tree(name, language)
            assert page.get("lang") == language
            assert page.xpath("//button[@name='language']/@lang") == [other]

    def test_what_is_said_differs_by_language(self, name: str) -> None:
        """A title in the other language is another, unless the word is the same."""
        (dutch,), (english,) = (tree(name, language).xpath("//head/title/text()") for language in LANGUAGES)
        assert dutch != english or dutch.startswith("Register")


@pytest.fixture(
    scope="module",
    params=["light", "narrow", *(pytest.param(mode, marks=pytest.mark.whole) for mode in ("dark", "contrast"))],
)
def shown(request: pytest.FixtureRequest, chrome: Browser) -> Iterator[tuple[str, Site, Page]]:
    """Give a browser's page in one mode, and the site it looks at."""
    site = Site(made("nl"))
    context = chrome.new_context(**MODES[request.param], locale="nl-BE", reduced_motion="reduce")
    yield request.param, site, site.attend(context.new_page())
    context.close()


class TestBrowser:
    """What a browser makes of the pages."""

    @pytest.mark.parametrize("name", LOOKED)
    def test_a_page_can_be_used_by_everybody(self, shown: tuple[str, Site, Page], name: str) -> None:
        """Nothing is found by axe, and nothing is wider than the screen, complained of, or asked for elsewhere."""
        mode, site, page = shown
        site.troubles.clear()
        page.goto(f"{HOST}/{name}")
        found = [f"{each['id']} {each['nodes'][0]['target']}" for each in Axe().run(page).response["violations"]]
        if SHOTS:
            page.screenshot(path=Path(SHOTS) / f"{name}.{mode}.png", full_page=True)
        assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
        assert [*found, *site.troubles] == []

    def test_english_fits_too(self, chrome: Browser) -> None:
        """On the narrowest screen."""
        site = Site(made("en"))
        context = chrome.new_context(**MODES["narrow"])
        page = site.attend(context.new_page())
        wide = []
        for name in LOOKED:
            page.goto(f"{HOST}/{name}")
            wide += [name] * page.evaluate("document.documentElement.scrollWidth > innerWidth")
            if SHOTS:
                page.screenshot(path=Path(SHOTS) / f"{name}.english.png", full_page=True)
        context.close()
        assert [*wide, *site.troubles] == []

    @pytest.mark.parametrize("name", ["desk-found", "member", "difference", "hold", "officer", "sample", "export"])
    def test_the_keyboard_goes_where_the_eye_goes(self, chrome: Browser, name: str) -> None:
        """From the skip link down to the last, in the order of the page, each seen when it is reached."""
        site = Site(made("nl"))
        context = chrome.new_context(**MODES["light"])
        page = site.attend(context.new_page())
        page.goto(f"{HOST}/{name}")
        stops = page.evaluate(_STOPS)
        page.locator(".skip").focus()
        reached = [0]
        while reached[-1] < stops - 1:
            page.keyboard.press("Tab")
            at, is_seen = page.evaluate(_REACHED)
            assert is_seen, at
            assert at - reached[-1] in {0, 1}, at  # a day's parts are stops of their own
            reached.append(at)
        context.close()
        assert site.troubles == []

    def test_a_running_night_renews_itself(self, chrome: Browser) -> None:
        """The part comes in the place of the last one, and what it is about is said aloud."""
        view, frame = gallery()["run-live"]
        part = Pages().part("live", view, frame).replace("61.880", "70.001")
        site = Site(made("nl") | {"runs/n-20261103-7f31/live": part})
        context = chrome.new_context(**MODES["light"])
        page = site.attend(context.new_page())
        page.clock.install()
        page.goto(f"{HOST}/run-live")
        page.clock.run_for(2_100)
        page.get_by_text("70.001").first.wait_for(state="attached")
        assert "70.001" in page.inner_text("[data-body]")
        assert "70.001" in (page.text_content("[data-said]") or "")
        context.close()
        assert site.troubles == []

    @pytest.mark.parametrize("name", PAPERS)
    def test_paper_shows_what_it_is_about(self, chrome: Browser, tmp_path: Path, name: str) -> None:
        """No button, no menu; of the letter the sheet alone."""
        site = Site(made("nl"))
        context = chrome.new_context(**MODES["dark"])
        page = site.attend(context.new_page())
        page.goto(f"{HOST}/{name}")
        page.emulate_media(media="print")
        assert not any(button.is_visible() for button in page.locator("button, nav").all())
        assert page.locator("header.top").is_visible() == (name != "letter")
        assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
        paper = Path(SHOTS or tmp_path) / f"{name}.pdf"
        page.pdf(path=paper, prefer_css_page_size=True)
        assert paper.read_bytes().startswith(b"%PDF")
        context.close()
        assert site.troubles == []


#: How many places Tab stops at. Of radio buttons with one name it stops at one.
_STOPS: Final = """() => {
  const WHAT = "a[href], button, input, select, summary, [tabindex='0']";
  const groups = new Set();
  window.stops = [...document.querySelectorAll(WHAT)].filter(one => {
    if (one.type === "hidden" || !one.checkVisibility({ visibilityProperty: true })) return false;
    if (one.type !== "radio") return true;
    const group = [...document.getElementsByName(one.name)];
    if (groups.has(one.name)) return false;
    groups.add(one.name);
    one.group = group;
    return true;
  });
  return window.stops.length;
}"""
#: Which of them has the focus, and whether it can be seen that it has.
_REACHED: Final = """() => {
  const one = document.activeElement;
  const at = window.stops.findIndex(each => each === one || (each.group ?? []).includes(one));
  const place = one.getBoundingClientRect();
  const seen = place.bottom > 0 && place.top < innerHeight && getComputedStyle(one).outlineStyle !== "none";
  return [at, seen];
}"""
