"""The month's samples: how they stand, one of them, and what a reviewer decides of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lxml import html

from rrsync.audit.sample import Samples
from rrsync.core.belgian_time import Month
from rrsync.core.log_entry import Actor, ActorKind
from rrsync.core.review_sample import Finding
from tests.web.officer import GENK, HASSELT, HOUSE, Office, afresh, office, told
from tests.web.provider import person
from tests.web.scene import Browser

JUNE = "/log/samples/hasselt/2026-06"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> Iterator[Office]:
    with office(tmp_path_factory.mktemp("sample"), migrated_file) as made:
        yield made


@pytest.fixture
def at(kept: Office, tmp_path: Path) -> Iterator[Office]:
    with afresh(kept, tmp_path) as made:
        yield made


def drawn(at: Office) -> list[int]:
    """Give the entries of Hasselt's sample of June."""
    return [pick.access.seq for pick in samples(at).of("hasselt", Month(2026, 6)).picks]


def samples(at: Office) -> Samples:
    """Give who draws them."""
    return at.scene.app.samples


def decided(at: Office) -> list[tuple[int, str, str]]:
    """Give what the log of Hasselt says was decided: of which entry, what, by whom."""
    found = [line for line in at.log() if line["kind"] == "sample.review"]
    return [(line["review"]["of"], line["review"]["decision"], line["actor"]["id"]) for line in found]


def open_choices(text: str) -> set[str]:
    """Give the fields of a page in which something can be decided."""
    page: Any = html.fromstring(text)
    return set(page.xpath("//input[@type='radio']/@name"))


def reviewer(at: Office, name: str) -> Browser:
    """Give the browser of another officer of all libraries."""
    assert at.scene.op is not None
    at.scene.op.people[name] = person(name, "RRSync-DPO:OVO000009")
    return at.inside(name)


class TestMonths:
    """How they stand."""

    def test_every_month_that_has_ended(self, at: Office) -> None:
        """With what is left of it, in each library; of another's officer their own alone."""
        words = told(at.inside().get("/log/samples").text)
        assert "juni 20262420nog 20 te beslissen" in words
        assert "juni 202600niets te trekken" in words
        words = told(at.inside(GENK).get("/log/samples").text)
        assert "Bibliotheek Hasselt" not in words
        assert "Bibliotheek Genk" in words

    def test_what_waits_too_long_is_said(self, at: Office) -> None:
        """In the list, and with every other month's sample; not with its own."""
        at.scene.clock.pass_by(days=32)
        browser = at.inside()
        assert "te laat: nog 20 te beslissen" in told(browser.get("/log/samples").text)
        assert "juni 2026: nog 20 van 20 te beslissen" in told(browser.get("/log/samples/hasselt/2026-07").text)
        assert "nog 20 van 20" not in told(browser.get(JUNE).text)

    def test_what_was_decided_long_ago_is_left_out(self, at: Office) -> None:
        """The last twelve months stand there, and of those before the ones that are not decided."""
        at.scene.clock.pass_by(days=420)
        page = at.inside().get("/log/samples").text
        assert "juni 2026" in page
        rows = samples(at).months("hasselt")
        assert len(rows) == 14
        assert page.count("/log/samples/hasselt/") == 13
        assert page.count("/log/samples/genk/") == 12

    def test_before_a_month_has_ended(self, at: Office) -> None:
        """There is nothing, and it says so."""
        at.scene.clock.pass_by(days=-5)
        page = at.inside(GENK).get("/log/samples")
        assert "Er is nog geen maand voorbij." in page.text


class TestSample:
    """One of them."""

    def test_what_was_drawn(self, at: Office) -> None:
        """Each access with a choice; that it was looked at is an entry of the log."""
        browser = at.inside()
        page = browser.get(JUNE)
        places = drawn(at)
        assert len(places) == 20
        assert open_choices(page.text) == {f"finding-{seq}" for seq in places}
        assert "20 van 24 raadplegingen" in told(page.text)
        entry = at.log()[-1]
        assert (entry["kind"], entry["view"]) == (
            "log.view",
            {"what": "sample", "count": 20, "filter": {"month": "2026-06"}},
        )
        assert page.text.count("checked") == len(places)  # nothing is decided beforehand

    def test_from_month_to_month(self, at: Office) -> None:
        """As far as the log goes back, and up to the last that has ended."""
        at.scene.clock.pass_by(days=62)
        browser = at.inside()
        june, july, august = (browser.get(f"/log/samples/hasselt/2026-0{month}").text for month in (6, 7, 8))
        assert "Vorige maand" not in june
        assert f'href="{JUNE}"' in july
        assert 'href="/log/samples/hasselt/2026-08"' in july
        assert "Volgende maand" not in august
        assert "In deze maand heeft geen medewerker iets nagevraagd." in august

    @pytest.mark.parametrize("month", ["2026-05", "2026-07", "2026-7", "june", "2026-13", "9999-12"])
    def test_a_month_that_there_is_not(self, at: Office, month: str) -> None:
        """Is an address that there is not, to look at and to sign."""
        browser = at.inside()
        size = len(at.log())
        assert browser.get(f"/log/samples/hasselt/{month}").status_code == 404
        assert browser.post(f"/log/samples/hasselt/{month}", {"finding-1": "justified"}).status_code == 404
        assert len(at.log()) == size

    def test_another_library_s_is_as_unknown(self, at: Office) -> None:
        """As one that does not exist."""
        browser = at.inside(GENK)
        assert browser.get(JUNE).status_code == 404
        assert browser.post(JUNE, {f"finding-{drawn(at)[0]}": "justified"}).status_code == 404
        assert browser.get("/log/samples/nowhere/2026-06").status_code == 404
        assert not decided(at)


class TestSign:
    """What a reviewer decides."""

    def test_all_that_was_chosen_is_in_the_log(self, at: Office) -> None:
        """And no more; the page then says who decided what, and how many are left."""
        browser = at.inside(HASSELT)
        browser.get(JUNE)
        one, two, three, *rest = drawn(at)
        chosen = {f"finding-{one}": "justified", f"finding-{two}": "unjustified", f"finding-{three}": "unclear"}
        answer = browser.post(JUNE, chosen | {f"finding-{rest[0]}": ""})
        assert (answer.status_code, answer.headers["location"]) == (303, JUNE)
        assert decided(at) == [
            (one, "justified", HASSELT),
            (two, "unjustified", HASSELT),
            (three, "unclear", HASSELT),
        ]
        page = browser.get(JUNE)
        words = told(page.text)
        assert "Afgetekend: 3 beslissingen staan in het logboek. Nog 17 te beslissen." in words
        assert f"Niet verantwoord, door {HASSELT}, vandaag om 09:45." in words
        assert open_choices(page.text) == {f"finding-{seq}" for seq in rest}

    def test_another_reviewer_may_decide_again(self, at: Office) -> None:
        """Both stay."""
        seq = drawn(at)[0]
        for browser, finding in ((at.inside(HASSELT), "unclear"), (reviewer(at, "ria.maes"), "justified")):
            assert f"finding-{seq}" in open_choices(browser.get(JUNE).text)
            browser.post(JUNE, {f"finding-{seq}": finding})
        assert decided(at) == [(seq, "unclear", HASSELT), (seq, "justified", "ria.maes")]
        assert samples(at).of("hasselt", Month(2026, 6)).left == 19

    def test_the_same_form_twice_decides_once(self, at: Office) -> None:
        """Who pushes the button twice is told what is so."""
        seq = drawn(at)[0]
        browser = at.inside(HASSELT)
        browser.get(JUNE)
        answers = [browser.post(JUNE, {f"finding-{seq}": "justified"}).status_code for _ in range(2)]
        assert answers == [303, 303]
        assert decided(at) == [(seq, "justified", HASSELT)]
        assert browser.post(JUNE, {f"finding-{seq}": "unclear"}).status_code == 400
        assert len(decided(at)) == 1

    @pytest.mark.parametrize(
        "chosen", [{}, {"finding-7": "perhaps"}, {"finding-x": "justified"}, {"finding": "unclear"}]
    )
    def test_nothing_chosen(self, at: Office, chosen: dict[str, str]) -> None:
        """The page says so, and nothing is in the log."""
        browser = at.inside(HASSELT)
        browser.get(JUNE)
        answer = browser.post(JUNE, chosen)
        assert answer.status_code == 422
        assert "Kies bij minstens één regel een oordeel." in told(answer.text)
        assert not decided(at)

    def test_an_entry_that_was_not_drawn(self, at: Office) -> None:
        """Spoils the whole: nothing is signed."""
        browser = at.inside(HASSELT)
        browser.get(JUNE)
        answer = browser.post(JUNE, {f"finding-{drawn(at)[0]}": "justified", "finding-0": "justified"})
        assert answer.status_code == 400
        assert "Nothing was signed" in answer.text
        assert not decided(at)

    @pytest.mark.parametrize("name", ["an.peeters", "AN.Peeters"])
    def test_who_is_in_it_cannot_sign(self, at: Office, name: str) -> None:
        """However they write their name; they see it, and that it is not theirs."""
        browser = reviewer(at, name)
        page = browser.get(JUNE)
        assert "Je staat zelf in deze steekproef." in told(page.text)
        assert not open_choices(page.text)
        answer = browser.post(JUNE, {f"finding-{drawn(at)[0]}": "justified"})
        assert (answer.status_code, decided(at)) == (403, [])
        assert "Je staat zelf in deze steekproef." in told(answer.text)

    def test_what_was_signed_at_a_terminal_is_seen(self, at: Office) -> None:
        """The log is one."""
        seq = drawn(at)[0]
        samples(at).sign("hasselt", Month(2026, 6), [seq], Finding.UNCLEAR, Actor(ActorKind.PERSON, HOUSE))
        page = at.inside().get(JUNE)
        assert f"Onduidelijk, door {HOUSE}, vandaag om 09:45." in told(page.text)
        assert f"finding-{seq}" not in open_choices(page.text)
