"""The way to the register before the real application: the host, the budget, what ends when, who is subscribed to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from lxml import html

from rrsync.core.rate_limit import CallResult, told
from rrsync.store.limits import SharedRateLimit
from rrsync.store.subscriptions import SubscriptionState, note_subscription
from tests.support import Clock
from tests.web.nights import AtNight, Nights, at_night, own_certificate
from tests.web.provider import Op
from tests.web.scene import Browser


@pytest.fixture
def nights(tmp_path: Path, clock: Clock, op: Op) -> Iterator[AtNight]:
    """Give what builds an installation."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(at_night(tmp_path, clock, op, **options))


def page(browser: Browser) -> Any:
    """Give the page, to search in."""
    answer = browser.get("/register")
    assert answer.status_code == 200, answer.text
    return html.fromstring(answer.text)


def facts(tree: Any) -> dict[str, str]:
    """Give what stands beside each term."""
    terms = [each.text_content() for each in tree.xpath("//dl//dt")]
    return dict(zip(terms, (" ".join(each.text_content().split()) for each in tree.xpath("//dl//dd")), strict=True))


def rows(tree: Any, section: str) -> list[list[str]]:
    """Give the rows of a section's table."""
    found = tree.xpath(f"//section[@aria-labelledby='{section}']//tbody/tr")
    return [[" ".join(cell.text_content().split()) for cell in row] for row in found]


def busy(house: Nights, *went: CallResult, wait_s: float | None = None) -> None:
    """Let calls go so, as those of any process do."""
    share = SharedRateLimit(house.app.database, house.app.runtime.stopwatch)
    share(lambda state, now: (told(state, now, went, wait_s), None))


def test_it_says_where_and_how_fast(nights: AtNight) -> None:
    """Of an installation that never asked."""
    house = nights(in_flight=16)
    tree = page(house.operator())
    said = facts(tree)
    assert said["Adres"] == urlsplit(house.register.url).netloc
    assert said["Bron"] == "Rijksregister"
    assert said["Toegelaten per seconde"] == "5000,0"
    assert (said["Tegelijk"], said["Daarvan vrij voor de balie"]) == ("16", "2")
    assert said["Gesteld in het laatste uur"] == "0"
    assert said["Afgeremd door MAGDA"] == "nee"
    assert "Mislukt" not in said
    text = tree.text_content()
    assert "Er zijn geen certificaten ingesteld" in text
    assert "Er zijn nog geen inschrijvingen" in text


def test_it_says_how_it_goes(nights: AtNight, clock: Clock) -> None:
    """Questions of the last hour, what fails, and that the register slows us down or is away."""
    house = nights()
    house.fill()
    report = house.night()
    browser = house.operator()
    asked = int(facts(page(browser))["Gesteld in het laatste uur"])
    assert asked >= report.asked
    assert facts(page(browser))["Mislukt"] == f"0 van de laatste {asked}"
    clock.pass_by(minutes=59)
    assert facts(page(house.operator()))["Gesteld in het laatste uur"] == str(asked)
    clock.pass_by(minutes=2)
    browser = house.operator()
    assert facts(page(browser))["Gesteld in het laatste uur"] == "0"
    busy(house, CallResult.BUSY)
    said = facts(page(browser))
    assert said["Afgeremd door MAGDA"] == "ja, tot 2500,0 per seconde"
    assert said["Mislukt"].startswith("1 van de laatste ")
    busy(house, *[CallResult.AWAY] * 10)
    text = " ".join(page(browser).text_content().split())
    assert "Het register antwoordt niet, of vraagt om te wachten" in text
    assert "Over ongeveer 1 minuut wordt het opnieuw geprobeerd" in text


def test_certificates_have_their_days(nights: AtNight, tmp_path: Path, clock: Clock) -> None:
    """Ours for what it is for, and those that may sign replies; what cannot be read is said."""
    own = own_certificate(tmp_path, clock(), days=20)
    trust = own_certificate(tmp_path, clock(), days=300, name="trust.pem")
    registry = f'certificate = "{own}"\nsign = true\nverify = "if_present"\ntrust = "{trust}"'
    house = nights(registry=registry)
    browser = house.operator()
    assert rows(page(browser), "certificates") == [
        ["Verbinding (mTLS)", "library.example", "21 juli 2026", "nog 20 dagen"],
        ["Ondertekening", "library.example", "21 juli 2026", "nog 20 dagen"],
        ["Vertrouwde uitgever", "library.example", "27 april 2027", "nog 300 dagen"],
    ]
    clock.pass_by(days=21)
    assert rows(page(house.operator()), "certificates")[0][3] == "verlopen"
    own.write_text("no certificate", encoding="ascii")
    tree = page(house.operator())
    assert len(rows(tree, "certificates")) == 1
    assert "Een certificaat is niet bruikbaar" in tree.text_content()
    assert "own.pem holds neither PEM nor PKCS#12." in tree.text_content()
    assert str(tmp_path) not in tree.text_content()


def test_authorisations_have_their_last_day(nights: AtNight) -> None:
    """By library; one that is over stands out."""
    house = nights(until=("2099-12-31", "2025-12-31"))
    tree = page(house.operator())
    found = rows(tree, "authorisations")
    assert [(row[0], row[1], row[3]) for row in found] == [
        ("Bibliotheek Hasselt", "RR 28/2009", "31 december 2099"),
        ("Bibliotheek Genk", "RR 28/2009", "31 december 2025"),
    ]
    badges = tree.xpath("//section[@aria-labelledby='authorisations']//span[contains(@class, 'badge')]/@class")
    assert ["good" in badges[0], "bad" in badges[1]] == [True, True]


def test_without_any_authorisation_it_is_said(nights: AtNight) -> None:
    """Nothing is asked then."""
    tree = page(nights(until=("", "")).operator())
    assert "Er is geen machtiging ingesteld" in tree.text_content()


def test_subscriptions_are_counts(nights: AtNight, clock: Clock) -> None:
    """Those that stand, those to be ended, those that cannot be, and who has none."""
    house = nights()
    house.fill("hasselt", 10)
    rows_of = house.app.subscriptions._rows
    with house.app.database.write() as session:
        for at, state in enumerate(
            (
                SubscriptionState.OPEN,
                SubscriptionState.OPEN,
                SubscriptionState.ENDING,
                SubscriptionState.ENDED,
                SubscriptionState.REFUSED,
            )
        ):
            note_subscription(session, rows_of, "hasselt", house.world.citizen(at).insz, state, at=clock())
    tree = page(house.operator())
    assert rows(tree, "subscriptions") == [
        ["Bibliotheek Hasselt", "2", "8", "1", "1"],
        ["Bibliotheek Genk", "0", "0", "0", "0"],
    ]
    assert rows(page(house.scene.inside("genk.op")), "subscriptions") == []


def test_a_setting_without_subscriptions_says_so(nights: AtNight) -> None:
    """Instead of promising the first ones."""
    tree = page(nights(registry="subscribe = false").operator())
    assert "subscribe = false" in tree.text_content()


def test_a_library_sees_its_own_alone(nights: AtNight) -> None:
    """Its authorisation and its questions; the budget is everybody's."""
    house = nights()
    house.fill("hasselt", 5)
    house.night(["hasselt"])
    tree = page(house.scene.inside("genk.op"))
    assert [row[0] for row in rows(tree, "authorisations")] == ["Bibliotheek Genk"]
    assert facts(tree)["Gesteld in het laatste uur"] == "0"
    assert int(facts(page(house.scene.inside("bo.claes")))["Gesteld in het laatste uur"]) >= 5
