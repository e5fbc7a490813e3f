"""The operator's runs before the real application: the list, one run, going on, releasing a mass change."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final

import pytest
from lxml import html
from sqlalchemy import insert, text, update
from sqlmodel import col

from rrsync.core.log_entry import Actor, ActorKind, Draft, Kind
from rrsync.store.holds import Holds, OpenHold
from rrsync.store.tables import RunRow, StepRow
from rrsync.sync.hold_decisions import MassChangeRelease
from tests.support import Clock
from tests.web.nights import STREET, AtNight, Nights, OneHouse, at_night, own_certificate
from tests.web.provider import Op
from tests.web.scene import Browser


@pytest.fixture
def nights(tmp_path: Path, clock: Clock, op: Op) -> Iterator[AtNight]:
    """Give what builds an installation."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(at_night(tmp_path, clock, op, **options))


def tree(page: str) -> Any:
    """Give a page to search in."""
    return html.fromstring(page)


def words(page: str) -> str:
    """Give the text of a page, its blanks as one."""
    return " ".join(tree(page).text_content().split())


def figures(browser: Browser, run: str) -> dict[str, int]:
    """Give the figures of a run's page: same, change, held, open."""
    page = tree(browser.get(f"/runs/{run}").text)
    said = page.xpath("//dl[@class='figures']//dd")
    names = ("same", "change", "held", "open")
    return dict(zip(names, (int(each.text_content().replace(".", "")) for each in said), strict=True))


def flash(browser: Browser, run: str) -> str:
    """Give a run's page as it is read after a redirect."""
    return words(browser.get(f"/runs/{run}").text)


class TestList:
    """The list of runs."""

    def test_without_a_run_it_says_what_to_do(self, nights: AtNight) -> None:
        """The timer starts one, or a person."""
        page = nights().operator().get("/runs")
        assert page.status_code == 200
        assert "Er is nog geen run geweest" in page.text
        assert "rrsync night" in page.text

    def test_it_has_each_run_with_its_counts(self, nights: AtNight, clock: Clock) -> None:
        """As the night's own report has them, the newest first."""
        house = nights()
        house.fill()
        first = house.night(after=10)
        clock.pass_by(hours=1)
        second = house.night()
        assert second.run == first.run
        clock.pass_by(days=1)
        third = house.night(full=True)
        page = tree(house.operator().get("/runs").text)
        rows = page.xpath("//tbody/tr")
        assert [row.xpath("./th/a/@href")[0] for row in rows] == [f"/runs/{third.run}", f"/runs/{first.run}"]
        counts = [[int(cell.text_content()) for cell in row.xpath("./td[contains(@class, 'count')]")] for row in rows]
        assert counts[0] == [third.asked, third.change, third.hold.total(), 0]
        both = first.hold + second.hold
        assert counts[1] == [first.asked + second.asked, first.change + second.change, both.total(), 0]
        assert [" ".join(row.xpath("./td[2]")[0].text_content().split()) for row in rows] == ["klaar", "klaar"]


class TestRun:
    """One run."""

    def test_it_has_the_report_s_counts_and_nobody_s_data(self, nights: AtNight) -> None:
        """Holds are counted by reason, in words."""
        house = nights()
        house.fill()
        report = house.night()
        browser = house.operator()
        assert figures(browser, report.run) == {
            "same": report.same,
            "change": report.change,
            "held": report.hold.total(),
            "open": 0,
        }
        page = browser.seen[-1].text
        reasons = tree(page).xpath("//table//tbody/tr")
        assert len(reasons) == len(report.hold)
        assert "Verdergaan" not in page
        assert "Vrijgeven" not in page
        for position in range(40):
            citizen = house.world.citizen(position)
            assert citizen.insz.digits not in page
            assert citizen.residence.street not in page

    def test_a_stopped_one_says_why_and_what_to_do(self, nights: AtNight) -> None:
        """In the words for its reason."""
        house = nights(until=("2019-12-31", "2099-12-31"))
        house.fill()
        report = house.night()
        assert report.stopped is not None
        page = words(house.operator().get(f"/runs/{report.run}").text)
        assert "geen machtiging" in page
        assert "kijk de machtiging in de instellingen na" in page

    def test_a_library_sees_its_own_numbers_alone(self, nights: AtNight) -> None:
        """Of a run of both; one without the library there is not."""
        house = nights()
        house.fill("hasselt")
        house.fill("genk", 10)
        report = house.night(["hasselt", "genk"])
        alone = house.night(["hasselt"], full=True)
        counts = figures(house.operator(), report.run)
        hasselt, genk = (figures(house.scene.inside(who), report.run) for who in ("bo.claes", "genk.op"))
        assert sum(genk.values()) == 10
        assert {name: hasselt[name] + genk[name] for name in counts} == counts
        assert sum(counts.values()) == report.due
        of_genk = house.scene.inside("genk.op")
        assert of_genk.get(f"/runs/{alone.run}").status_code == 404
        assert of_genk.get(f"/runs/{alone.run}/live").status_code == 404
        assert of_genk.post(f"/runs/{alone.run}/resume").status_code == 404
        assert of_genk.post(f"/runs/{alone.run}/release", {"checked": "yes"}).status_code == 404
        assert alone.run not in of_genk.get("/runs").text
        unknown = of_genk.get("/runs/no-such-run")
        assert unknown.status_code == 404
        assert words(unknown.text) == words(of_genk.get(f"/runs/{alone.run}").text)

    @pytest.mark.parametrize("name", ["%00", "a" * 200, "x'y", "%C3%A9"])
    def test_a_name_that_is_none_is_unknown(self, nights: AtNight, name: str) -> None:
        """Whatever it is made of."""
        assert nights().operator().get(f"/runs/{name}").status_code == 404

    def test_who_is_no_operator_sees_none_of_it(self, nights: AtNight) -> None:
        """Nor may they do anything of it."""
        house = nights()
        house.fill(most=4)
        run = house.night().run
        desk = house.scene.inside("an.peeters")
        for path in ("/operator", "/runs", f"/runs/{run}", f"/runs/{run}/live", "/register"):
            assert desk.get(path).status_code == 403, path
        assert desk.post(f"/runs/{run}/resume").status_code == 403

    def test_a_killed_one_can_be_gone_on_with(self, nights: AtNight) -> None:
        """It is open in the access log, but no night is there any more."""
        house = nights()
        house.fill()
        report = house.night(after=10)
        with house.app.database.write() as session:
            session.execute(text("UPDATE step SET state = 'open', verdict = '' WHERE place > 6"))
        house.app.access_log.append([Draft("hasselt", Kind.RUN_OPEN, "", run=report.run)])
        page = house.operator().get(f"/runs/{report.run}").text
        assert "niet af" in page
        assert "Verdergaan" in page
        listed = words(house.operator().get("/runs").text)
        assert "niet bekend" in listed


class TestResume:
    """Going on with a run from its page."""

    def test_it_goes_on_behind_the_page_to_the_end(self, nights: AtNight, clock: Clock) -> None:
        """With progress to follow; a second press, there or here, says that one is running."""
        house = nights(in_flight=2)
        house.fill()
        run = house.night(after=6).run
        house.waiting.after = 10
        browser = house.operator()
        page = browser.get(f"/runs/{run}").text
        assert "niet af" in words(page)
        assert browser.post(f"/runs/{run}/resume").headers["location"] == f"/runs/{run}"
        assert house.waiting.reached.wait(30)
        assert "De run gaat verder waar ze stopte." in flash(browser, run)
        first = tree(browser.get(f"/runs/{run}/live").text)
        assert first.xpath("//@data-state") == ["running"]
        assert browser.post(f"/runs/{run}/resume").status_code == 303
        assert "Er loopt al een run" in flash(browser, run)
        going = browser.seen[-1].text
        assert f'data-live="/runs/{run}/live"' in going
        assert "Verdergaan" not in words(going).replace("Verdergaan of", "")
        clock.pass_by(seconds=10)
        house.waiting.go.set()
        house.done(run)
        last = tree(browser.get(f"/runs/{run}/live").text)
        assert last.xpath("//@data-state") == ["done"]
        assert last.xpath("//@data-share") == ["100"]
        counts = figures(browser, run)
        assert (sum(counts.values()), counts["open"]) == (house.due, 0)
        assert house.context.jobs.failure(f"night {run}") is None
        assert not house.app.stop.is_set()

    def test_a_night_of_the_timer_is_not_disturbed(self, nights: AtNight) -> None:
        """It holds the lease: the page says so, and follows it."""
        house = nights(in_flight=2)
        house.fill()
        run = house.night(after=6).run
        house.waiting.after = 8
        browser = house.operator()
        browser.get(f"/runs/{run}")
        timer = Thread(target=house.night)
        timer.start()
        try:
            assert house.waiting.reached.wait(30)
            page = browser.get(f"/runs/{run}").text
            assert "bezig" in words(page)
            assert "data-live" in page
            assert browser.post(f"/runs/{run}/resume").status_code == 303
            assert "Er loopt al een run" in flash(browser, run)
        finally:
            house.waiting.go.set()
            timer.join(60)
        assert figures(browser, run)["open"] == 0

    def test_the_process_s_end_leaves_it_to_be_gone_on_with(self, nights: AtNight) -> None:
        """What was asked is settled, the rest stays open; the next night does it."""
        house = nights(in_flight=2)
        house.fill()
        run = house.night(after=6).run
        house.waiting.after = 12
        browser = house.operator()
        browser.get(f"/runs/{run}")
        browser.post(f"/runs/{run}/resume")
        assert house.waiting.reached.wait(30)
        house.app.stop.set()
        house.waiting.go.set()
        house.done(run)
        counts = figures(browser, run)
        assert counts["open"] > 0
        assert not house.app.access_log.pending()
        report = house.night()
        assert (report.run, report.open) == (run, 0)

    def test_what_is_over_is_not_begun_again(self, nights: AtNight) -> None:
        """There is nothing to go on with."""
        house = nights()
        house.fill(most=6)
        run = house.night().run
        browser = house.operator()
        browser.get(f"/runs/{run}")
        browser.post(f"/runs/{run}/resume")
        assert "valt niet verder te gaan" in flash(browser, run)

    def test_why_it_failed_is_said(self, nights: AtNight, tmp_path: Path, clock: Clock) -> None:
        """As when a certificate went: with what was kept and what to do."""
        gone = own_certificate(tmp_path, clock())
        house = nights(registry=f'certificate = "{gone}"')
        house.fill()
        run = house.night(after=6).run
        browser = house.operator()
        browser.get(f"/runs/{run}")
        gone.unlink()
        browser.post(f"/runs/{run}/resume")
        house.done(run)
        page = words(browser.get(f"/runs/{run}").text)
        assert "Verdergaan of vrijgeven is niet gelukt" in page
        assert "The certificate or key own.pem cannot be read. Nothing was asked." in page
        assert "Verdergaan" in page

    def test_why_it_failed_for_others_is_theirs(self, nights: AtNight) -> None:
        """What is wrong with a library's log is not told to another that was in the same run."""
        house = nights()
        house.fill()
        house.fill("genk")
        run = house.night(["hasselt", "genk"], after=10).run
        with house.app.database.write() as session:
            session.execute(text("UPDATE log SET edge = :junk WHERE library = 'hasselt'"), {"junk": b"junk"})
        hasselt, genk = house.scene.inside("bo.claes"), house.scene.inside("genk.op")
        hasselt.get(f"/runs/{run}")
        hasselt.post(f"/runs/{run}/resume")
        house.done(run)
        assert "access log of hasselt" in words(hasselt.get(f"/runs/{run}").text)
        assert "hasselt" not in words(genk.get(f"/runs/{run}").text).lower()
        assert "access log of hasselt" in words(house.operator().get(f"/runs/{run}").text)

    def test_who_proved_who_they_are_long_ago_proves_it_again(self, nights: AtNight, clock: Clock) -> None:
        """Nothing was begun."""
        house = nights()
        house.fill()
        run = house.night(after=6).run
        browser = house.operator()
        browser.get(f"/runs/{run}")
        clock.pass_by(minutes=11)
        for deed in ("resume", "release"):
            answer = browser.post(f"/runs/{run}/{deed}", {"checked": "yes"})
            assert answer.status_code == 403
            assert "/login/again" in answer.text
        assert not house.context.jobs.running(f"night {run}")


MASS: Final[dict[str, Any]] = {"world": OneHouse(seed=1, people=60), "in_flight": 2, "same": 5}


def trip(house: Nights) -> Nights:
    """Run a night that stops for a mass change."""
    house.fill()
    report = house.night()
    assert report.stopped is not None
    assert report.stopped[0] == "mass_change"
    return house


class TestRelease:
    """Releasing what a mass change held back."""

    @pytest.fixture
    def tripped(self, nights: AtNight) -> Nights:
        """Give nights of which the first stopped for a mass change."""
        return trip(nights(**MASS))

    @staticmethod
    def run_of(house: Nights) -> str:
        """Give the one run there is."""
        (run,) = house.context.run_history.runs(["hasselt"], most=5)
        return run.id

    def test_each_change_is_a_decision_under_the_person_s_name(self, nights: AtNight, database_url: str) -> None:
        """And written; the rest of the run, gone on with, is held and released as well: on either database."""
        house = trip(nights(**MASS, url=database_url))
        run = self.run_of(house)
        browser = house.operator()
        page = words(browser.get(f"/runs/{run}").text)
        assert "te veel wijzigingen tegelijk" in page
        held = len(list(house.app.holds.open()))
        assert held > 0
        assert f"{held} wijziging" in page
        assert browser.post(f"/runs/{run}/release", {"checked": "yes"}).headers["location"] == f"/runs/{run}"
        house.done(run, "release")
        assert f"Vrijgegeven: {held} tegengehouden" in flash(browser, run)
        assert not list(house.app.holds.open())
        assert len(_decisions(house)) == held
        assert {(said["decision"], said["hold"], said["actor"]["id"]) for said in _decisions(house)} == {
            ("accepted", "mass_change", "house.op")
        }
        browser.get(f"/runs/{run}")
        browser.post(f"/runs/{run}/resume")
        house.done(run)
        more = len(list(house.app.holds.open()))
        assert more > held
        assert "klaar" in words(browser.get(f"/runs/{run}").text)
        browser.post(f"/runs/{run}/release", {"checked": "yes"})
        house.done(run, "release")
        assert not list(house.app.holds.open())
        assert len(_decisions(house)) == held + more
        assert all(standing.member.held.address.street == STREET for standing in house.asked())
        assert "Vrijgeven" not in words(browser.get(f"/runs/{run}").text).replace("Vrijgegeven", "")
        browser.post(f"/runs/{run}/release", {"checked": "yes"})
        assert "Er wordt niets meer tegengehouden" in flash(browser, run)

    def test_nothing_is_released_unlooked_at(self, tripped: Nights) -> None:
        """The form asks whether some were looked at."""
        run, browser = self.run_of(tripped), tripped.operator()
        browser.get(f"/runs/{run}")
        before = len(list(tripped.app.holds.open()))
        browser.post(f"/runs/{run}/release")
        assert "Niets vrijgegeven" in flash(browser, run)
        assert len(list(tripped.app.holds.open())) == before
        assert not _decisions(tripped)

    def test_it_can_be_gone_on_with_after_a_kill(self, tripped: Nights) -> None:
        """Each change stands or does not; the page counts those that are left, and a second press does them."""
        run, browser = self.run_of(tripped), tripped.operator()
        browser.get(f"/runs/{run}")
        browser.post(f"/runs/{run}/resume")
        tripped.done(run)
        held = [hold.id for hold in tripped.app.holds.open()]
        release = MassChangeRelease(tripped.app.holds, tripped.app.settlement, tripped.context.run_history, After(3))
        assert release.run(run, ["hasselt"], Actor(ActorKind.PERSON, "house.op")) == 3
        assert [hold.id for hold in tripped.app.holds.open()] == held[3:]
        assert f"{len(held) - 3} wijzigingen worden tegengehouden" in words(browser.get(f"/runs/{run}").text)
        browser.post(f"/runs/{run}/release", {"checked": "yes"})
        tripped.done(run, "release")
        assert not list(tripped.app.holds.open())
        assert len(_decisions(tripped)) == len(held)

    def test_other_holds_and_other_runs_stay(self, tripped: Nights) -> None:
        """What a later night asked again is that night's; what somebody decided meanwhile is decided."""
        run, browser = self.run_of(tripped), tripped.operator()
        browser.get(f"/runs/{run}")
        browser.post(f"/runs/{run}/resume")
        tripped.done(run)
        first, second, *_ = tripped.app.holds.open()
        tripped.app.settlement.dismiss(first, Actor(ActorKind.PERSON, "an.peeters"))
        with tripped.app.database.write() as session:
            session.execute(
                text("UPDATE hold SET reason = 'deceased', reference = :other WHERE id = :id"),
                {"other": "ref-of-another", "id": second.id},
            )
        assert second.id not in set(tripped.context.run_history.held(run, ["hasselt"]))
        browser.post(f"/runs/{run}/release", {"checked": "yes"})
        tripped.done(run, "release")
        assert [hold.id for hold in tripped.app.holds.open()] == [second.id]
        assert [said["decision"] for said in _decisions(tripped)].count("dismissed") == 1

    def test_one_that_cannot_be_written_keeps_no_other_back(self, tripped: Nights) -> None:
        """All others are, and then it is said; it stays on hold."""
        run, browser = self.run_of(tripped), tripped.operator()
        browser.get(f"/runs/{run}")
        browser.post(f"/runs/{run}/resume")
        tripped.done(run)
        damaged, *others = [hold.id for hold in tripped.app.holds.open()]
        with tripped.app.database.write() as session:
            session.execute(text("UPDATE hold SET proposal = mark WHERE id = :id"), {"id": damaged})
        browser.post(f"/runs/{run}/release", {"checked": "yes"})
        tripped.done(run, "release")
        assert len(_decisions(tripped)) == len(others)
        page = words(browser.get(f"/runs/{run}").text)
        assert "Verdergaan of vrijgeven is niet gelukt" in page
        assert "1 wijziging wordt tegengehouden" in page

    def test_without_a_log_nothing_is_released(self, tripped: Nights) -> None:
        """It stops at the first: no change without its entry."""
        run, browser = self.run_of(tripped), tripped.operator()
        browser.get(f"/runs/{run}")
        held = len(list(tripped.app.holds.open()))
        with tripped.app.database.write() as session:
            session.execute(text("CREATE TRIGGER full BEFORE INSERT ON entry BEGIN SELECT RAISE(ABORT, 'full'); END"))
        browser.post(f"/runs/{run}/release", {"checked": "yes"})
        tripped.done(run, "release")
        assert len(list(tripped.app.holds.open())) == held
        assert "The access log could not be written" in words(browser.get(f"/runs/{run}").text)

    def test_what_is_decided_between_look_and_deed_is_passed_over(self, tripped: Nights) -> None:
        """By somebody at the desk, in the same moment."""
        run = self.run_of(tripped)
        an = Actor(ActorKind.PERSON, "an.peeters")

        class Slow(Holds):
            """Holds of which somebody decides one while it is looked at."""

            def find(self, number: int) -> OpenHold | None:
                hold = super().find(number)
                if hold is not None:
                    tripped.app.settlement.dismiss(hold, an)
                return hold

        slow = Slow(tripped.app.database, tripped.app.holds._rows)
        release = MassChangeRelease(slow, tripped.app.settlement, tripped.context.run_history, Event())
        assert release.run(run, ["hasselt"], Actor(ActorKind.PERSON, "house.op")) == 0
        assert {said["decision"] for said in _decisions(tripped)} == {"dismissed"}

    def test_what_is_asked_again_between_look_and_deed_is_passed_over(self, tripped: Nights) -> None:
        """Another run did not believe it either, and of that nobody looked at any."""
        run = self.run_of(tripped)

        class Renewed(Holds):
            """Holds of which a later run renews one before it is looked at."""

            def find(self, number: int) -> OpenHold | None:
                with tripped.app.database.write() as session:
                    later = text("UPDATE hold SET reference = 'later ' || id WHERE id = :id")
                    session.execute(later, {"id": number})
                return super().find(number)

        renewed = Renewed(tripped.app.database, tripped.app.holds._rows)
        release = MassChangeRelease(renewed, tripped.app.settlement, tripped.context.run_history, Event())
        held = [hold.id for hold in tripped.app.holds.open()]
        assert release.run(run, ["hasselt"], Actor(ActorKind.PERSON, "house.op")) == 0
        assert [hold.id for hold in tripped.app.holds.open()] == held
        assert not _decisions(tripped)

    def test_its_progress_is_on_the_page(self, tripped: Nights) -> None:
        """While it goes on, the page follows it, and a second press says so."""
        run, browser = self.run_of(tripped), tripped.operator()
        go = Event()
        tripped.context.jobs.start(f"release {run}", go.wait)
        page = browser.get(f"/runs/{run}").text
        assert "data-live" in page
        assert "Vrijgeven: nog" in words(page)
        assert tree(browser.get(f"/runs/{run}/live").text).xpath("//@data-state") == ["running"]
        browser.post(f"/runs/{run}/release", {"checked": "yes"})
        assert "Er wordt nu al aan deze run gewerkt" in flash(browser, run)
        go.set()
        tripped.done(run, "release")
        assert tree(browser.get(f"/runs/{run}/live").text).xpath("//@data-state") == ["stopped"]


def _decisions(house: Nights) -> list[dict[str, Any]]:
    """Give what the access log says was decided."""
    return [line for _, line in house.app.log_search.deeds("hasselt", {Kind.DECISION})]


class After(Event):
    """A stop that comes when it was looked at so many times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self._times = times

    def is_set(self) -> bool:
        """Whether it has come."""
        self._times -= 1
        return self._times < 0


def test_a_running_night_s_page_costs_little(nights: AtNight, clock: Clock) -> None:
    """Under 20 ms of work, as it asks every two seconds: with a hundred thousand steps, in the middle of them."""
    house = nights()
    house.fill(most=4)
    run = house.night().run
    steps = [
        {
            "run": run,
            "library": "hasselt",
            "number": f"X{place:06d}",
            "place": place,
            "why": "stale",
            "state": "done" if place < 60_000 else "open",
            "verdict": "same" if place < 60_000 else "",
            "reason": "",
        }
        for place in range(10, 100_000)
    ]
    with house.app.database.write() as session:
        session.execute(insert(StepRow), steps)
        session.execute(update(RunRow).values(ended_at=None))
    house.app.access_log.append([Draft("hasselt", Kind.RUN_OPEN, "", run=run)])
    browser = house.operator()
    with house.app.runs.lease():
        assert "bezig" in words(browser.get(f"/runs/{run}").text)
        took = list[float]()
        for step in range(20):
            with house.app.database.write() as session:
                there = update(StepRow).where(col(StepRow.place).between(60_000 + 16 * step, 60_015 + 16 * step))
                session.execute(there.values(state="done", verdict="change"))
            clock.pass_by(seconds=2)
            begun = time.process_time()
            part = browser.get(f"/runs/{run}/live")
            took.append(time.process_time() - begun)
        assert part.status_code == 200
        counts = [int(each.text_content().replace(".", "")) for each in tree(part.text).xpath("//dd")]
        assert counts[1] == 20 * 16 + house.changed(run)
        assert "8,0 vragen per seconde" in words(part.text)
    print(f"a running night's page: {1000 * sorted(took)[10]:.1f} ms at the median")
    assert sorted(took)[10] < 0.02
