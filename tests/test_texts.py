"""The texts for people: all translated, none unused, none longer than its place, and one for every code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from gettext import GNUTranslations
from io import BytesIO
from pathlib import Path
from typing import Any, Final, Literal

import pytest
from babel.messages import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from lxml import html

import rrsync
from rrsync.audit.letter_texts import ANSWERED, FAILED, LETTER_DEEDS, VERDICTS
from rrsync.core.anomaly import Flag
from rrsync.core.exchange import Reason
from rrsync.core.log_entry import DENIED, OPEN, REUSED, Status
from rrsync.core.review_sample import Finding
from rrsync.core.roles import Denial, Role
from rrsync.store.corrections import CorrectionEnd
from rrsync.text import log_terms, page_messages
from rrsync.text.catalogue import translations
from rrsync.text.holds import HOLDS
from rrsync.text.run_stops import RUN_STOPS
from rrsync.web.guard import ERROR_REPLIES, Denied
from rrsync.web.oidc import LoginFailure
from rrsync.web.paths import PATHS
from rrsync.web.render import TONES, Frame, Pages, Place
from rrsync.web.run_pages import RunLine
from rrsync.web.runs import RunsPage
from tests.support import ROOT
from tests.web.gallery import gallery

NOW: Final = datetime(2026, 11, 1, 9, 0, tzinfo=UTC)
PACKAGE: Final = Path(rrsync.__file__).parent
CATALOGUE: Final = PACKAGE / "text" / "locale" / "nl" / "LC_MESSAGES" / "rrsync.po"
LANGUAGES: Final[tuple[Literal["nl", "en"], ...]] = ("nl", "en")
_PLACE: Final = re.compile(r"%\((\w+)\)s")

#: Table of texts -> the codes it must have, and no others.
CODES: Final[dict[str, tuple[Mapping[str, object], set[str]]]] = {
    "holds": (HOLDS, set(Reason)),
    "flags": (log_terms.FLAGS, set(Flag)),
    "flag meanings": (log_terms.FLAG_MEANINGS, set(Flag)),
    "findings": (log_terms.FINDINGS, set(Finding)),
    "ends of a correction": (log_terms.ENDS, set(CorrectionEnd)),
    "ends of an access": ({code: code for code in log_terms.STATUSES}, {*Status, DENIED, OPEN, REUSED}),
    "answered or failed": (ANSWERED | FAILED, {*Status, DENIED, OPEN, REUSED}),
    "deeds of a letter": (LETTER_DEEDS, set(log_terms.DEEDS)),
    "roles": (page_messages.ROLES, set(Role)),
    "places": (page_messages.PLACES, set(Place)),
    "refused logins": (page_messages.REFUSALS, {*Denial, *LoginFailure}),
}

#: Place of a text on a page -> where it is, and how many letters it has room for.
ROOM: Final = {
    "button": ("//button | //a[contains(@class, 'button')]", 35),
    "badge": ("//*[contains(concat(' ', @class, ' '), ' badge ')]", 32),
    "tag": ("//*[@class='tag']", 25),
    "link of the navigation": ("//nav[@class='places']//a", 22),
    "head of a column": ("//th[@scope='col']", 28),
    "label": ("//label", 52),
    "legend": ("//legend", 40),
    "option": ("//option", 35),
    "figure": ("//dl[contains(@class, 'figures')]//dt", 15),
    "fact": ("//dl[contains(@class, 'facts')]/dt", 40),
    "title of a page": ("//h1", 50),
    "title of a section": ("//h2", 50),
    "title of a notice": ("//p[@class='notice-title']", 55),
    "summary": ("//summary", 35),
    "hint": ("//p[contains(@class, 'hint')]", 220),
    "lead": ("//p[@class='lead']", 300),
}


@cache
def catalogue() -> Catalog:
    """Return the Dutch catalogue."""
    return read_po(BytesIO(CATALOGUE.read_bytes()), locale="nl")


@cache
def extracted() -> frozenset[str | tuple[str, ...]]:
    """Return the texts that are in the code and the templates now."""
    with (ROOT / "babel.cfg").open("r", encoding="utf-8") as file:
        methods, options = parse_mapping_cfg(file)  # type: ignore[no-untyped-call]  # Babel has no types for it
    found = extract_from_dir(PACKAGE, methods, options)
    return frozenset(message if isinstance(message, str) else tuple(message) for _, _, message, _, _ in found)


def _called(file: Path) -> Iterator[str]:
    """Yield the texts that a module marks or translates."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", "") or getattr(node.func, "attr", "")
            texts = node.args if name in {"_", "N_", "gettext", "ngettext"} else []
            yield from (each.value for each in texts if isinstance(each, ast.Constant) and isinstance(each.value, str))


def _all(text: str | tuple[str, ...] | list[str]) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text)


class TestCatalogue:
    """The Dutch catalogue."""

    def test_it_has_the_texts_of_the_code(self) -> None:
        """None is missing and none is unused; `make texts` brings it up to date."""
        assert {message.id if isinstance(message.id, str) else tuple(message.id) for message in catalogue()} - {
            ""
        } == extracted()
        assert not catalogue().obsolete

    def test_it_has_every_text_that_a_call_names(self) -> None:
        """Also one inside an f-string, which the tool that collects them does not see."""
        single = {text for each in extracted() for text in ((each,) if isinstance(each, str) else each)}
        assert [text for file in PACKAGE.rglob("*.py") for text in _called(file) if text not in single] == []

    def test_every_text_is_translated(self) -> None:
        """Nothing is left empty or to be checked, and the same places are filled in."""
        for message in catalogue():
            if not message.id:
                continue
            sources, texts = _all(message.id), _all(message.string or "")
            assert len(texts) == len(sources), message.id
            assert all(texts), message.id
            assert not message.fuzzy, message.id
            assert {place for text in texts for place in _PLACE.findall(text)} == {
                place for text in sources for place in _PLACE.findall(text)
            }

    def test_no_text_is_taken_for_html_or_for_a_place(self) -> None:
        """A template trusts a text, and fills in its places."""
        texts = [
            text for message in catalogue() for text in (*_all(message.id), *_all(message.string or "")) if message.id
        ]
        assert [text for text in texts if re.search(r"[<>&\"]", text) or "%" in _PLACE.sub("", text)] == []

    def test_what_is_read_is_what_is_written(self) -> None:
        """The compiled catalogue is that of the texts."""
        compiled = BytesIO()
        write_mo(compiled, catalogue())
        compiled.seek(0)
        fresh, kept = GNUTranslations(compiled), translations("nl")
        for message in catalogue():
            one, *several = _all(message.id)
            assert kept.gettext(one) == fresh.gettext(one)
            for more in several:
                assert [kept.ngettext(one, more, n) for n in (1, 2)] == [fresh.ngettext(one, more, n) for n in (1, 2)]


class TestCodes:
    """Every code has its text."""

    @pytest.mark.parametrize("table", CODES)
    def test_all_are_there(self, table: str) -> None:
        """And none of a code that is not there."""
        texts, codes = CODES[table]
        assert set(texts) == codes

    def test_every_outcome_has_a_text(self) -> None:
        """A status, or what was made of a reply; an access was answered or failed, never both."""
        assert set(log_terms.STATUSES) | set(VERDICTS) <= set(log_terms.OUTCOMES)
        assert not set(ANSWERED) & set(FAILED)
        assert set(TONES) <= set(log_terms.OUTCOMES)

    def test_every_page_has_its_place(self) -> None:
        """In the navigation, and an address."""
        assert set(Place) <= set(PATHS)

    @pytest.mark.parametrize(
        "table", [page_messages.FLASHES, page_messages.FORM_ERRORS, page_messages.PROBLEMS, RUN_STOPS]
    )
    def test_no_code_is_without_use(self, table: Mapping[str, object]) -> None:
        """Each is named somewhere in the code, but those that a limit makes."""
        code = "".join(file.read_text(encoding="utf-8") for file in PACKAGE.rglob("*.py") if file.parent.name != "text")
        made = {f"near_{each}" for each in ("minute", "hour", "day", "library_day")}
        assert [name for name in table if name not in made and f'"{name}"' not in code] == []

    def test_a_code_of_a_later_version_stands_as_it_is(self) -> None:
        """A run that stopped for an unknown reason is still shown."""
        run = RunLine("n-1", NOW, NOW, "stopped", 1, 0, 0, 0, "eclipse")
        assert "eclipse" in Pages().page(RunsPage((run,)), Frame(NOW, "t"))

    @pytest.mark.parametrize("kind", Denied)
    def test_every_error_has_its_page(self, kind: Denied) -> None:
        """Whatever turns somebody away."""
        assert ERROR_REPLIES[kind].kind in page_messages.PROBLEMS


class TestRoom:
    """No text is longer than its place."""

    @pytest.mark.parametrize("place", ROOM)
    def test_every_text_fits(self, place: str) -> None:
        """In both languages, on every page of the gallery."""
        where, most = ROOM[place]
        found = {text for page in _trees() for each in page.xpath(where) for text in [_seen(each)]}
        assert found
        assert [text for text in found if len(text) > most] == []

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_every_code_fits(self, language: str) -> None:
        """Also those that no page of the gallery shows."""
        for table, place in (
            (log_terms.OUTCOMES, "badge"),
            (log_terms.FLAGS, "tag"),
            (log_terms.FINDINGS, "label"),
            (log_terms.PURPOSES, "option"),
            (page_messages.PLACES, "link of the navigation"),
        ):
            texts = [translations(language).gettext(text) for text in table.values()]
            assert [text for text in texts if len(text) > ROOM[place][1]] == []


@cache
def _trees() -> tuple[Any, ...]:
    return tuple(_each_tree())


def _each_tree() -> Iterator[Any]:
    pages = Pages()
    for view, frame in gallery().values():
        for language in LANGUAGES:
            yield html.fromstring(pages.page(view, replace(frame, language=language)))


def _seen(element: Any) -> str:
    """Return the text of an element without what is there for a reader aloud."""
    return " ".join("".join(element.xpath(".//text()[not(ancestor::*[@class='hidden'])]")).split())
