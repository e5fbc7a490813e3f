"""A citizen's question: a number typed into a form, all that the logs say, and a ticket for the letter."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rrsync.core.insz import Insz
from rrsync.core.log_entry import Actor, ActorKind
from rrsync.errors import LedgerError
from rrsync.store.sessions import SearchTokens
from rrsync.web import log_pages
from tests.support import Clock, insz
from tests.web.officer import GENK, HASSELT, HOUSE, Office, office, ticket, told

PAGE = "/log/person"


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> Iterator[Office]:
    with office(tmp_path_factory.mktemp("person"), migrated_file) as made:
        yield made


class TestSearch:
    """By a national number."""

    def test_all_that_the_logs_say(self, at: Office) -> None:
        """Of both libraries, the newest first; that it was looked for is an entry of each, about that person."""
        before = {name: len(at.log(name)) for name in ("hasselt", "genk")}
        page = at.inside().post(PAGE, {"insz": at.settled()})
        assert page.status_code == 200
        words = told(page.text)
        assert "3 raadplegingen van deze persoon" in words
        assert words.index("an.peeters") < words.index("rrsync night")
        assert page.text.count("rrsync night") == 2
        for name, size in before.items():
            (entry,) = at.log(name)[size:]
            assert (entry["kind"], entry["actor"], entry["view"]["what"]) == (
                "log.view",
                {"t": "person", "id": HOUSE},
                "who",
            )
            assert entry["subj"]["ref"]
            assert f"regel {size} van {name}" in words

    def test_what_was_done_besides_stands_there_too(self, at: Office) -> None:
        """An earlier search, in the page's words and in the language of who reads it."""
        browser = at.inside()
        browser.post(PAGE, {"insz": at.settled()})
        words = told(browser.post(PAGE, {"insz": at.settled()}).text)
        assert f"{HOUSE}Zocht op wat het logboek over deze persoon zegt." in words
        browser.post("/language", {"language": "en"})
        words = told(browser.post(PAGE, {"insz": at.settled()}).text)
        assert f"{HOUSE}Looked up what the log says about this person." in words

    @pytest.mark.parametrize("who", [HASSELT, GENK])
    def test_an_officer_of_one_library_asks_that_one(self, at: Office, who: str) -> None:
        """The other's log says nothing, and is not looked into."""
        mine, other = ("hasselt", "genk") if who == HASSELT else ("genk", "hasselt")
        before = {name: len(at.log(name)) for name in (mine, other)}
        page = at.inside(who).post(PAGE, {"insz": at.settled()})
        assert ("an.peeters" in page.text) == (who == HASSELT)
        assert {name: len(at.log(name)) - before[name] for name in before} == {mine: 1, other: 0}
        assert f"regel {before[mine]}." in told(page.text)

    def test_nobody_looked(self, at: Office) -> None:
        """That is an answer too, with a letter."""
        page = at.inside().post(PAGE, {"insz": insz(997).digits})
        assert "Niets over deze persoon" in page.text
        assert ticket(page.text)

    def test_the_number_is_nowhere(self, at: Office) -> None:
        """Not in the page, its address or its headers, whether it was right or wrong, and in no form that is sent."""
        browser, number = at.inside(), at.settled()
        wrong = number[:-1] + str((int(number[-1]) + 1) % 10)
        for typed in (number, f"{number[:6]}-{number[6:9]}.{number[9:]}", wrong, f" {wrong} "):
            page = browser.post(PAGE, {"insz": typed})
            for said in (page.text, str(page.headers), str(page.url)):
                bare = "".join(letter for letter in said if letter.isalnum())
                assert number not in bare
                assert wrong not in bare
        assert b"insz=" not in page.content

    @pytest.mark.parametrize(("typed", "says"), [("", "Typ de elf cijfers"), ("12345", "geen rijksregisternummer")])
    def test_what_is_no_number_is_not_looked_for(self, at: Office, typed: str, says: str) -> None:
        """The form says so, and the log knows nothing of it."""
        before = len(at.log())
        page = at.inside().post(PAGE, {"insz": typed})
        assert (page.status_code, len(at.log())) == (422, before)
        assert says in told(page.text)

    def test_what_the_log_forgot_is_said(self, at: Office, monkeypatch: pytest.MonkeyPatch) -> None:
        """With the library, when there are several."""
        monkeypatch.setattr(type(at.scene.app.log_search), "forgotten", lambda *_: [2014, 2015])
        words = told(at.inside().post(PAGE, {"insz": at.settled()}).text)
        assert "Over 2014, 2015 kan het logboek van genk niets meer zeggen" in words
        words = told(at.inside(GENK).post(PAGE, {"insz": at.settled()}).text)
        assert "Over 2014, 2015 kan het logboek niets meer zeggen" in words

    def test_when_it_cannot_be_noted_nothing_is_shown(self, at: Office, monkeypatch: pytest.MonkeyPatch) -> None:
        """An error page, and not a line of the log."""
        ledger = at.scene.app.access_log

        def fail(*_: object) -> None:
            raise LedgerError("The log cannot be written")

        browser = at.inside()
        monkeypatch.setattr(type(ledger), "append_in", fail)
        page = browser.post(PAGE, {"insz": at.settled()})
        assert page.status_code == 503
        assert "an.peeters" not in page.text


class TestTicket:
    """What stands for the number."""

    @pytest.fixture
    def tickets(self, at: Office) -> SearchTokens:
        """Give what the pages give tickets with."""
        return at.scene.app.search_tokens

    def test_it_is_opaque_and_never_the_same(self, at: Office) -> None:
        """Nobody sees whether two are one person's."""
        browser = at.inside()
        first, second = (ticket(browser.post(PAGE, {"insz": at.settled()}).text) for _ in range(2))
        assert first != second
        assert len(first) == len(second)

    def test_it_is_good_in_its_session_for_a_quarter_of_an_hour(self, at: Office, tickets: SearchTokens) -> None:
        """In another session, altered, or late it is nothing."""
        sessions, clock = at.scene.app.sessions, at.scene.clock
        mine, other = (sessions.find(at.inside().cookie()) for _ in range(2))
        assert mine is not None
        assert other is not None
        number = Insz.parse(at.settled(), production=False)
        given = tickets.give(mine, number)
        assert tickets.take(mine, given) == number
        assert tickets.take(other, given) is None
        flipped = given[:-3] + ("A" if given[-3] != "A" else "B") + given[-2:]
        for spoiled in ("", "p-31", flipped, given[:-4], given * 2, given + "é", "A" * 79, "=" * 40):
            assert tickets.take(mine, spoiled) is None
        now = clock.now
        try:
            clock.pass_by(minutes=14, seconds=59)
            assert tickets.take(mine, given) == number
            clock.pass_by(seconds=1)
            assert tickets.take(mine, given) is None
            clock.now = now
            clock.pass_by(seconds=-1)
            assert tickets.take(mine, given) is None
        finally:
            clock.now = now

    def test_a_test_number_is_nothing_in_production(self, at: Office) -> None:
        """A ticket of before the settings were changed stands for nobody."""
        clock = Clock(at.scene.clock.now)
        seal = at.scene.app.search_tokens._cipher
        visit = at.scene.app.sessions.find(at.inside().cookie())
        assert visit is not None
        given = SearchTokens(seal, clock, production=False).give(visit, insz(1, born="606102"))
        assert SearchTokens(seal, clock, production=True).take(visit, given) is None


class TestDeeds:
    """What the page says of a deed."""

    def test_who_is_not_named(self) -> None:
        """An entry that somebody wrote over names nobody."""
        assert log_pages.name(Actor(ActorKind.PROCESS, "")) == "?"


@pytest.mark.parametrize(
    ("since", "until", "errors"),
    [
        ("", "", {}),
        ("2026-11-01", "2026-11-01", {}),
        (" 2026-11-01 ", "", {}),
        ("2026-11-31", "yesterday", {"since": "since_wrong", "until": "until_wrong"}),
        ("2026-11-02", "2026-11-01", {"until": "until_wrong"}),
        ("20261101", "", {"since": "since_wrong"}),
        ("0001-01-01", "9999-12-31", {"since": "since_wrong", "until": "until_wrong"}),
    ],
)
def test_days_of_a_form(since: str, until: str, errors: dict[str, str]) -> None:
    """A span by the clock in Belgium, or what is wrong with it."""
    assert log_pages.read_period(since, until).errors == errors
