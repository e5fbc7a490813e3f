"""Whole days in a real browser: the desk's, the operator's, the admin's, the data-protection officer's.

``RRSYNC_SHOTS=docs/screens`` takes a picture of every page they come by (``make screens``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, Page
from pypdf import PdfReader

from rrsync.store.log_search import AccessFilter
from tests.support import insz
from tests.web.browser import lead
from tests.web.day import SHOTS, Day, day

MODES: Final = ["light", *(pytest.param(mode, marks=pytest.mark.whole) for mode in ("dark", "narrow"))]
MONTH: Final = "2026-06"


@pytest.fixture
def here(chrome: Browser, tmp_path: Path) -> Iterator[Day]:
    """Give a day."""
    with day(chrome, tmp_path) as made:
        yield made


def find(day: Day, words: str) -> None:
    """Search at the desk, from wherever one is."""
    day.follow("Balie", within="nav.places")
    day.page.get_by_label("Lidnummer of naam").fill(words)
    day.press("Zoeken")


def ask(day: Day, case: str) -> None:
    """Say why, and ask the register."""
    day.page.locator("input[name=purpose][value=desk]").check()
    day.page.get_by_label("Dossier").fill(case)
    day.press("Navragen")


def kinds(day: Day) -> list[str]:
    """Give the kinds of Hasselt's entries since this morning."""
    lines = [json.loads(data) for _, data in day.scene.app.access_log.entries("hasselt")]
    return [line["kind"] for line in lines if line["ts"] >= f"{day.scene.clock.now:%Y-%m-%dT%H:%M}"]


def at_the_desk(day: Day) -> None:
    """Find, ask, take over; correct; see again without asking; work the holds; find by number; go home."""
    first, second = day.settled()[:2]
    day.move(first, second)
    day.log_in("an.peeters")
    day.look("desk")
    take_over(day, first)
    correct(day, second)
    work_a_hold(day)
    outside(day)
    day.follow("Balie", within="nav.places")
    day.page.get_by_text("Zoeken op rijksregisternummer").click()
    day.page.locator("input[name=insz]").fill(day.digits(second))
    lead(day.page.locator("form:has(input[name=insz]) button"))
    day.page.wait_for_url(f"**/members/{second}")
    day.follow("an.peeters", within="header")
    day.look("sessions")
    day.go("/members/X999999")
    day.look("missing")
    day.troubles = [trouble for trouble in day.troubles if "404" not in trouble]
    day.log_out()


def take_over(day: Day, number: str) -> None:
    """Find a member by name, ask, and take over what the register says; nothing is asked a second time."""
    page, register = day.page, day.town.register
    asked = len(register.asked)
    find(day, day.name(number))
    if page.url.endswith("/desk"):
        day.look("desk-found")
        lead(page.get_by_role("row", name=number).get_by_role("link"))
    page.wait_for_url(f"**/members/{number}")
    day.look("member")
    ask(day, "brief-118")
    assert page.url.endswith("/difference")
    day.look("difference")
    day.press("Overnemen")
    day.look("member-accepted")
    assert len(register.asked) == asked + 1


def correct(day: Day, number: str) -> None:
    """Ask about a member, and put what the desk knows better in the place of the answer."""
    page = day.page
    find(day, number)
    ask(day, "brief-119")
    day.follow("Zelf verbeteren")
    day.look("correct")
    page.get_by_label("Reden").fill("Nieuwe straatnaam, nog niet in het register")
    page.locator("input[name=until]").fill("2026-12-31")
    day.press("Verbetering bewaren")
    day.look("member-corrected")


def work_a_hold(day: Day) -> None:
    """Open the first of the worklist, and decide."""
    page, holds = day.page, day.scene.app.holds
    day.follow("Werklijst", within="nav.places")
    day.look("holds")
    waiting = sum(1 for _ in holds.open(library="hasselt"))
    lead(page.locator("main a[href^='/holds/']").first)
    page.wait_for_url("**/holds/*")
    day.look("hold")
    lead(page.locator("main button[name=decision]").last)
    day.look("hold-next")
    assert sum(1 for _ in holds.open(library="hasselt")) == waiting - 1


def outside(day: Day) -> None:
    """Wish to ask about somebody who is no member, which wants a colleague's word."""
    page = day.page
    day.follow("Geen lid", within="nav.places")
    day.look("outside")
    page.locator("input[name=insz]").fill(insz(7).digits)
    page.locator("select[name=purpose]").select_option("desk")
    page.locator("input[name=case]").fill("inschrijving-7")
    lead(page.locator("main form button").first)
    page.wait_for_url("**/desk/outside/*")
    day.look("wish")


def at_the_keys(day: Day) -> None:
    """What the admin does: make a key, which is shown once; look at webhooks, and at who is logged in."""
    page = day.page
    day.log_in("dora.wouters")
    day.look("admin")
    page.locator("select[name=library]").select_option("hasselt")
    page.locator("input[name=name]").fill("bibliotheeksysteem")
    page.locator("input[name=scopes]").first.check()
    page.locator("input[name=days][value='90']").check()
    lead(page.locator("main form:has(input[name=scopes]) button"))
    assert re.search(r"rrs_[0-9a-f]{12}_", page.inner_text("main"))
    page.locator("#key").evaluate("one => one.textContent = 'rrs_0123456789ab_…'")  # no key stands in a picture
    day.look("key")
    for place, name in (("Sleutels", "admin-keys"), ("Webhooks", "hooks"), ("Aangemeld", "people")):
        day.follow(place, within="nav.places")
        assert "rrs_" not in page.inner_text("main")
        day.look(name)
    day.log_out()


def at_the_controls(day: Day) -> None:
    """What the operator looks at: the overview, the nights, one of them, the register."""
    day.log_in("bo.claes")
    day.look("operator")
    day.follow("Nachtelijke runs", within="nav.places")
    day.look("runs")
    lead(day.page.locator(f"main a[href='/runs/{day.town.nights['hasselt']}']").first)
    day.look("run")
    day.follow("Register", within="nav.places")
    day.look("register")
    day.log_out()


def at_the_officers(day: Day, folder: Path) -> None:
    """Verify, search, review a day, answer a citizen, sign off the month, export."""
    day.log_in("els.smets")
    day.look("officer")
    verify(day)
    read(day)
    answer(day, day.settled()[0], folder)
    day.follow("Steekproef", within="nav.places")
    day.look("samples")
    sign(day)
    day.follow("Cijfers", within="nav.places")
    day.look("figures")
    export(day, folder)
    day.log_out()


def verify(day: Day) -> None:
    """Have a log recomputed, which goes on beside, and see what came of it."""
    lead(day.page.locator("form.verify button").first)
    while day.page.locator("form.verify").count() != 2:  # as long as the test may take
        day.page.reload()
    day.look("officer-verified")
    assert "log.verify" in kinds(day)


def read(day: Day) -> None:
    """Search the log for what one of the staff asked, open a line of it, and review a day."""
    page = day.page
    day.follow("Logboek", within="nav.places")
    day.look("log")
    page.get_by_label("Bibliotheek").select_option("hasselt")
    page.locator("input[name=staff]").fill("an.peeters")
    day.press("Zoeken")
    day.look("log-found")
    lead(page.locator("main a[href^='/log/entries/']").first)
    day.look("entry")
    day.follow("Wat opvalt", within="nav.places")
    day.look("days")
    day.go("/log/days/2026-06-11")
    day.look("day")


def answer(day: Day, number: str, folder: Path) -> None:
    """Find a citizen's accesses by their number, and give them the letter, as a page and as a file."""
    page = day.page
    day.follow("Vraag van een burger", within="nav.places")
    day.look("person")
    page.locator("input[name=insz]").fill(day.digits(number))
    day.press("Zoeken")
    day.look("person-found")
    lead(page.locator("form[action='/log/person/letter'] button"))
    day.look("letter")
    with page.expect_download() as taken:
        page.locator("button[name=file]").click()
    paper = folder / "letter.pdf"
    taken.value.save_as(paper)
    assert len(PdfReader(paper).pages) >= 1
    assert day.name(number) not in taken.value.suggested_filename


def sign(day: Day) -> None:
    """Sign off last month's sample of Hasselt, all of it."""
    page = day.page
    day.go(f"/log/samples/hasselt/{MONTH}")
    day.look("sample")
    left = page.locator("input[type=radio][value=justified]")
    assert left.count() > 0
    for place in range(left.count()):
        left.nth(place).check()
    day.press("Aftekenen")
    day.look("sample-signed")
    assert page.locator("input[type=radio][value=justified]").count() == 0
    assert "sample.review" in kinds(day)


def export(day: Day, folder: Path) -> None:
    """Give the log out, with a reason."""
    page = day.page
    day.follow("Uitvoer", within="nav.places")
    day.look("export")
    page.get_by_label("Bibliotheek").select_option("hasselt")
    page.locator("input[name=format][value=csv]").check()
    page.locator("input[name=reason]").fill("Jaarlijkse controle 2026")
    with page.expect_download() as taken:
        page.get_by_role("button", name="Uitvoeren", exact=True).click()
    file = folder / "log.csv"
    taken.value.save_as(file)
    assert "an.peeters" in file.read_text(encoding="utf-8-sig")
    assert re.fullmatch(r"[a-z0-9.-]+\.csv", taken.value.suggested_filename)
    assert "log.export" in kinds(day)


def test_the_desks_day(chrome: Browser, tmp_path: Path, database_url: str) -> None:
    """On both databases: what was decided is written, and every question is in the log, which is whole."""
    with day(chrome, tmp_path, prepare=lambda _: database_url) as here:
        at_the_desk(here)
        looks = list(
            here.scene.app.log_search.accesses(AccessFilter("hasselt", actor="an.peeters", since=here.scene.clock.now))
        )
        assert [look.case for look in looks] == ["brief-118", "brief-119"]
        assert "member.correct" in kinds(here)
        here.scene.app.notary.verify("hasselt")


def test_the_operators_day(here: Day) -> None:
    """Looking alone: nobody is asked about, and no member is shown."""
    asked = len(here.town.register.asked)
    at_the_controls(here)
    assert len(here.town.register.asked) == asked


def test_the_admins_day(here: Day) -> None:
    """A key is shown once, and who set it up sees neither a member nor the log."""
    at_the_keys(here)
    assert not [url for url in here.seen if re.search(r"/(log(?!in)|members|officer)\b", url)]


def test_the_officers_day(here: Day, tmp_path: Path) -> None:
    """What the officer looks at is in the log itself."""
    at_the_officers(here, tmp_path)
    assert kinds(here).count("log.view") >= 3


@pytest.mark.timeout(600)
@pytest.mark.parametrize("mode", MODES)
def test_every_page_has_its_picture(chrome: Browser, tmp_path: Path, mode: str) -> None:
    """In the dark and on a phone too, all four days one after another."""
    if mode == "light" and not SHOTS:
        pytest.skip("the days themselves look at it in the light")
    with day(chrome, tmp_path, mode) as here:
        at_the_desk(here)
        at_the_controls(here)
        at_the_keys(here)
        at_the_officers(here, tmp_path)


def test_the_desk_by_what_is_wrong(here: Day) -> None:
    """A form that cannot be used says what to do, at the field, and nothing is asked."""
    page, number = here.page, here.settled()[0]
    asked = len(here.town.register.asked)
    here.log_in("an.peeters")
    here.press("Zoeken")
    here.look("desk-empty")
    find(here, "Niemand Zoheet")
    here.look("desk-none")
    find(here, number)
    here.press("Navragen")
    assert page.locator("[aria-invalid=true]").count() >= 1
    here.look("member-wrong")
    ask(here, here.digits(number))
    assert here.digits(number) not in page.content()
    assert page.locator("[aria-invalid=true]").count() == 1
    here.troubles = [trouble for trouble in here.troubles if "422" not in trouble and "400" not in trouble]
    assert len(here.town.register.asked) == asked


def test_what_lapsed_is_not_accepted(here: Day) -> None:
    """An answer counts a quarter of an hour; then it is asked for anew, and nothing is written by the old page."""
    page, number = here.page, here.settled()[0]
    here.move(number)
    here.log_in("an.peeters")
    find(here, number)
    ask(here, "brief-118")
    before = here.scene.app.members.find("hasselt", number)
    here.scene.clock.pass_by(minutes=14)
    page.reload()  # the session is used; the answer is not renewed by it
    here.scene.clock.pass_by(minutes=2)
    here.press("Overnemen")
    here.look("lapsed")
    assert here.scene.app.members.find("hasselt", number) == before


def tab_to(page: Page, wanted: str) -> None:
    """Press Tab until what has the focus is called so."""
    for _ in range(60):
        page.keyboard.press("Tab")
        said = page.evaluate(_FOCUSED)
        if wanted in said:
            return
    raise AssertionError(f"Tab never comes to {wanted}")


_FOCUSED: Final = """() => {
  const one = document.activeElement;
  return [one.innerText, one.value, ...[...(one.labels ?? [])].map(each => each.innerText)].join(" ");
}"""


def test_the_desk_by_keyboard_alone(here: Day) -> None:
    """From the login to what the register says, taken over, and out again; no pointer is touched."""
    page, keys, number = here.page, here.page.keyboard, here.settled()[0]
    here.move(number)
    here.go("/")
    steps = (
        ("Aanmelden met", "Enter", f"{here.op.url}/**"),
        ("an.peeters", "Enter", "**/desk"),
        ("", number, ""),
        ("", "Enter", f"**/members/{number}"),
        ("balie", "Space", ""),
        ("Dossier", "brief-118", ""),
        ("Navragen", "Enter", "**/difference"),
        ("Overnemen", "Enter", f"**/members/{number}"),
        ("Afmelden", "Enter", "**/login/left"),
    )
    for wanted, pressed, leads in steps:
        if wanted:
            tab_to(page, wanted)
        else:  # the page puts one into the field to search with, as soon as it is there
            page.wait_for_function("document.activeElement.name === 'words'")
        if pressed in {"Enter", "Space"}:
            keys.press(pressed)
        else:
            keys.type(pressed)
        if leads:
            page.wait_for_url(leads)
    found = here.scene.app.members.find("hasselt", number)
    assert found is not None
    assert found.verdict == "change"
