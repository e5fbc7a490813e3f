"""The operator's morning before the real application: the last night, who is due, what awaits, what ends soon."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from lxml import html

from rrsync.core.log_entry import Actor, ActorKind
from tests.support import Clock
from tests.web.nights import AtNight, at_night, own_certificate
from tests.web.provider import Op
from tests.web.scene import Browser


@pytest.fixture
def nights(tmp_path: Path, clock: Clock, op: Op) -> Iterator[AtNight]:
    """Give what builds an installation."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(at_night(tmp_path, clock, op, **options))


def page(browser: Browser) -> Any:
    """Give the morning's page, to search in."""
    answer = browser.get("/operator")
    assert answer.status_code == 200, answer.text
    return html.fromstring(answer.text)


def said(tree: Any) -> list[str]:
    """Give what the notices of a page say, the first first."""
    found = tree.xpath("//main//div[contains(@class, 'notice-body')]")
    return [" ".join(each.text_content().split()) for each in found]


def counts(tree: Any) -> list[list[str]]:
    """Give the rows of the forecast."""
    rows = tree.xpath("//section[@aria-labelledby='tonight']//tbody/tr")
    return [[cell.text_content().strip() for cell in row] for row in rows]


def test_before_the_first_night_it_says_what_to_do(nights: AtNight) -> None:
    """And promises nothing: all is not well because nothing happened."""
    tree = page(nights().operator())
    assert said(tree) == []
    text = " ".join(tree.text_content().split())
    assert "Er is nog geen run geweest" in text
    assert "rrsync night" in text
    assert "Niemand is aan de beurt." in text
    assert "Niemand wacht op een beslissing." in text


def test_the_forecast_is_that_of_the_night(nights: AtNight, clock: Clock) -> None:
    """By library and why, as ``rrsync night --dry-run`` has it."""
    house = nights()
    house.fill("hasselt")
    house.fill("genk", 10)
    browser = house.operator()
    rows = counts(page(browser))
    assert [row[0] for row in rows] == ["Bibliotheek Hasselt", "Bibliotheek Genk"]
    assert [row[1:5] for row in rows] == [[str(house.due), "0", "0", str(house.due)], ["10", "0", "0", "10"]]
    house.night(["hasselt", "genk"])
    assert counts(page(browser)) == []
    clock.pass_by(days=31)
    again = counts(page(house.operator()))
    assert int(again[0][2]) == house.night(["hasselt"]).due
    assert again[1][1:5] == ["0", again[1][2], "0", again[1][2]]


def test_a_library_sees_its_own_morning(nights: AtNight) -> None:
    """Neither the other's run, nor its holds, nor who is due there."""
    house = nights()
    house.fill("hasselt")
    house.fill("genk", 10)
    house.night(["hasselt"])
    hasselt, genk = (page(house.scene.inside(who)) for who in ("bo.claes", "genk.op"))
    assert "Laatste run" in hasselt.text_content()
    assert "Er is nog geen run geweest" in genk.text_content()
    assert "Er is nog geen run geweest" not in hasselt.text_content()
    assert counts(hasselt) == []
    assert [row[0] for row in counts(genk)] == ["Bibliotheek Genk"]
    held = len(list(house.app.holds.open()))
    assert held
    assert f"{held} leden wachten" in " ".join(hasselt.text_content().split())
    assert "Niemand wacht" in genk.text_content()


def test_after_a_good_night_all_is_well(nights: AtNight, clock: Clock) -> None:
    """Until no other follows: then the timer is to be looked at."""
    house = nights()
    house.fill()
    house.night()
    assert said(page(house.operator())) == [
        "Gelukt: Alles in orde De laatste run is af, en niets loopt binnenkort ten einde."
    ]
    clock.pass_by(hours=37)
    (missed,) = said(page(house.operator()))
    assert missed == ("Let op: De laatste run begon gisteren om 04:00. Kijk na of de timer elke nacht een run start.")


def test_what_is_wrong_is_said_the_worst_first(nights: AtNight, tmp_path: Path, clock: Clock) -> None:
    """A run that stopped, what ends or is over, what cannot be read, in the reader's language."""
    own = own_certificate(tmp_path, clock(), days=20)
    house = nights(registry=f'certificate = "{own}"', until=("2026-08-01", ""))
    house.fill("hasselt")
    house.fill("genk", 4)
    house.night(["hasselt", "genk"])
    browser = house.operator()
    first = said(page(browser))
    assert first == [
        "Fout: De laatste run stopte: geen machtiging.",
        "Fout: Bibliotheek Genk: er is geen machtiging ingesteld. Er wordt niets gevraagd.",
        "Let op: Verbinding (mTLS): het certificaat loopt af op 21 juli 2026. Vraag een nieuw aan.",
        "Let op: Bibliotheek Hasselt: de machtiging loopt af op 1 augustus 2026.",
    ]
    browser.post("/language", {"language": "en", "address": "/operator"})
    assert said(page(browser))[0] == "Error: The last run stopped: no authorisation."
    browser.post("/language", {"language": "nl", "address": "/operator"})
    clock.pass_by(days=40)
    later = said(page(house.operator()))
    ended = (
        "Fout: Verbinding (mTLS): het certificaat is afgelopen op 21 juli 2026. Tot er een nieuw is, werkt er niets."
    )
    assert ended in later
    assert any("Bibliotheek Hasselt: de machtiging geldt vandaag niet (tot 1 augustus 2026)" in one for one in later)
    own.unlink()
    assert "Fout: Een certificaat is niet bruikbaar. The certificate or key own.pem cannot be read." in (
        said(page(house.operator()))
    )


def test_an_unfinished_run_is_said(nights: AtNight) -> None:
    """With how many are open."""
    house = nights(in_flight=2)
    house.fill()
    report = house.night(after=6)
    (left,) = said(page(house.operator()))
    assert left == f"Let op: De laatste run is niet af: {report.open} leden staan nog open."


def test_of_those_who_sign_replies_the_one_that_lasts_longest_counts(
    nights: AtNight, tmp_path: Path, clock: Clock
) -> None:
    """A new one stands beside the old: nothing is wrong until both end."""
    old, new = (own_certificate(tmp_path, clock(), days=days, name=f"{days}.pem") for days in (5, 400))
    (tmp_path / "trust.pem").write_bytes(old.read_bytes() + new.read_bytes())
    house = nights(registry=f'verify = "if_present"\ntrust = "{tmp_path / "trust.pem"}"')
    house.fill(most=2)
    house.night()
    browser = house.operator()
    assert said(page(browser))[0].startswith("Gelukt")
    clock.pass_by(days=350)
    assert any("Vertrouwde uitgever: het certificaat loopt af" in one for one in said(page(house.operator())))


def test_no_page_of_the_operator_s_has_anybody_in_it(nights: AtNight) -> None:
    """Members are counted: no number, no name, no street."""
    house = nights()
    house.fill()
    run = house.night().run
    browser = house.operator()
    held = next(iter(house.app.holds.open()))
    house.app.settlement.dismiss(held, Actor(ActorKind.PERSON, "an.peeters"))
    for path in ("/operator", "/runs", f"/runs/{run}", f"/runs/{run}/live", "/register"):
        text = browser.get(path).text
        for position in range(40):
            citizen = house.world.citizen(position)
            for secret in (citizen.insz.digits, citizen.residence.street, f"M{position + 1:06d}"):
                assert secret not in text, path
