"""The citizen's letter: as a page that is made to be printed, and as a PDF that is read back."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from lxml import html
from pypdf import PdfReader

from rrsync.audit.letter_texts import TEXT
from rrsync.core.insz import Insz
from tests.support import insz
from tests.web.officer import GENK, HASSELT, HOUSE, Office, office, ticket, told
from tests.web.scene import Browser

SEARCH = "/log/person"
LETTER = "/log/person/letter"


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> Iterator[Office]:
    with office(tmp_path_factory.mktemp("letter"), migrated_file) as made:
        yield made


def found(at: Office, who: str = HOUSE, number: str = "") -> tuple[Browser, dict[str, str]]:
    """Give the browser of an officer who searched for a member, and the form that the page then has."""
    browser = at.inside(who)
    page = browser.post(SEARCH, {"insz": number or at.settled()})
    return browser, {"ticket": ticket(page.text), "language": "nl"}


def places(at: Office, library: str) -> set[int]:
    """Give where the log of a library speaks of the member."""
    about = at.scene.app.access_log.of_subject(library, Insz.parse(at.settled(), production=False))
    return {seq for seq, data in about if orjson.loads(data)["kind"] != "access.outcome"}


def named(text: str, library: str) -> list[int]:
    """Give the entries of a library that a letter names, the first of each pair."""
    return [int(seq) for seq in re.findall(rf"regels? (\d+)(?: en \d+)? van {library}\b", text)]


def letter(text: str) -> Any:
    """Give the letter that stands on a page."""
    page: Any = html.fromstring(text)
    (part,) = page.xpath("//article")
    return part


def article(text: str) -> str:
    """Give the words of the letter on a page, with single blanks."""
    part = letter(text)
    return " ".join(" ".join(piece for piece in part.itertext()).split())


def paper(data: bytes) -> str:
    """Give the words of a PDF, with single blanks, without what stands at the feet of its pages."""
    words = " ".join(" ".join(page.extract_text().split()) for page in PdfReader(io.BytesIO(data)).pages)
    return re.sub(r" (?:Bladzijde|Page) \d+ (?:van|of) \d+", "", words)


class TestPage:
    """To be printed."""

    def test_every_entry_is_in_it_once(self, at: Office) -> None:
        """Of both libraries, with the entry of this letter itself; and nothing of the person."""
        browser, form = found(at)
        page = browser.post(LETTER, form)
        assert page.status_code == 200
        words = article(page.text)
        for library in ("hasselt", "genk"):
            assert sorted(named(words, library)) == sorted(places(at, library))
        assert "onder de naam an.peeters" in words
        assert at.settled() not in page.text
        citizen = at.citizen()
        assert citizen.name.last not in page.text
        assert citizen.residence.street not in page.text

    @pytest.mark.parametrize(("who", "library"), [(HASSELT, "hasselt"), (GENK, "genk")])
    def test_one_library_s_officer_writes_for_it(self, at: Office, who: str, library: str) -> None:
        """Its name stands at the head, and only its log is told of."""
        other = {"hasselt": "genk", "genk": "hasselt"}[library]
        size = len(at.log(other))
        browser, form = found(at, who)
        words = article(browser.post(LETTER, form).text)
        assert words.startswith(f"Bibliotheek {library.title()} Datum 1 juli 2026")
        assert sorted(named(words, library)) == sorted(places(at, library))
        assert not named(words, other)
        assert len(at.log(other)) == size

    def test_in_the_language_that_is_chosen(self, at: Office) -> None:
        """Whatever the page around it is in; what is no language is Dutch."""
        browser, form = found(at)
        english = browser.post(LETTER, form | {"language": "en"})
        assert "Brief aan de burger" in english.text
        assert letter(english.text).get("lang") == "en"
        assert TEXT["title"] in article(english.text)
        assert "Wie heeft uw gegevens" in article(browser.post(LETTER, form | {"language": "fr"}).text)

    def test_making_it_is_a_look(self, at: Office) -> None:
        """Of whoever made it; so the next letter has it."""
        browser, form = found(at)
        browser.post(LETTER, form)
        entry = at.log()[-1]
        assert (entry["kind"], entry["view"]["what"], entry["actor"]["id"]) == ("log.view", "who", HOUSE)
        assert entry["seq"] in named(article(browser.post(LETTER, form).text), "hasselt")

    def test_nobody_looked(self, at: Office) -> None:
        """That is a letter too: what it tells of is the search for it."""
        browser, form = found(at, GENK, number=insz(995).digits)
        words = article(browser.post(LETTER, form).text)
        assert "Raadplegingen: 0. Pogingen die mislukten of geweigerd werden: 0. Andere regels over u: 1." in words
        assert "zocht op wat het logboek over u zegt, om u te antwoorden" in words


class TestFile:
    """As a PDF."""

    @pytest.mark.parametrize("language", ["nl", "en"])
    def test_it_says_what_the_page_says(self, at: Office, language: str) -> None:
        """Each text of the page stands in it, but for what came between: that the page was made."""
        browser, form = found(at, HASSELT)
        page = browser.post(LETTER, form | {"language": language})
        answer = browser.post(LETTER, form | {"language": language, "file": "yes"})
        part = letter(page.text)
        said = paper(answer.content)
        texts = [" ".join(each.text_content().split()) for each in part.xpath(".//dt | .//dd | .//p | .//h2 | .//h3")]
        missing = [text for text in texts if text not in said]
        assert len(texts) > 30
        assert all(re.search(r"entries about you:|regels over u:|are in the log too|staat zelf", t) for t in missing)
        assert len(missing) == 2

    def test_it_is_a_file_that_names_nobody(self, at: Office) -> None:
        """And that nobody keeps on the way."""
        browser, form = found(at)
        for language, name in (("nl", "brief"), ("en", "letter")):
            answer = browser.post(LETTER, form | {"language": language, "file": "yes"})
            assert answer.headers["content-type"] == "application/pdf"
            assert answer.headers["content-disposition"] == f'attachment; filename="{name}-2026-07-01.pdf"'
            assert answer.headers["cache-control"] == "no-store"
            assert at.settled().encode() not in answer.content
            assert sorted(named(paper(answer.content), "genk")) == sorted(places(at, "genk")) or language == "en"


class TestTicket:
    """Without a number there is no letter."""

    @pytest.mark.parametrize("spoiled", ["", "p-31", "AAAA"])
    def test_one_that_is_none_leads_to_a_new_search(self, at: Office, spoiled: str) -> None:
        """And says why; the log knows nothing of it."""
        browser, form = found(at)
        size = len(at.log())
        answer = browser.post(LETTER, form | {"ticket": spoiled, "file": "yes"})
        assert (answer.status_code, answer.headers["location"], len(at.log())) == (303, SEARCH, size)
        assert "Een kwartier na het zoeken is het nummer vergeten." in told(browser.get(SEARCH).text)

    def test_another_s_is_none(self, at: Office) -> None:
        """What one officer's page holds is nothing in another's session."""
        _, form = found(at, HASSELT)
        other = at.inside(GENK)
        assert other.post(LETTER, form).headers["location"] == SEARCH

    def test_it_lapses(self, at: Office) -> None:
        """A quarter of an hour after the search, though the session goes on."""
        clock = at.scene.clock
        now = clock.now
        try:
            browser, form = found(at)
            clock.pass_by(minutes=10)
            assert browser.post(LETTER, form).status_code == 200
            clock.pass_by(minutes=5)
            assert browser.post(LETTER, form).headers["location"] == SEARCH
        finally:
            clock.now = now
