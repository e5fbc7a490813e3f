"""The officer's overview: how every log stands, what awaits, and recomputing a log."""

from __future__ import annotations

import shutil
from pathlib import Path
from threading import Event

import pytest

from rrsync.core.roles import Role
from rrsync.errors import NotAuthorised
from rrsync.simulator.faults import Fault
from rrsync.simulator.server import Simulator
from tests.support import References
from tests.web.town import BEFORE
from tests.web.watched import Open, Watch, read, words
from tests.web.watched import kept_town as kept_town  # noqa: PLC0414 — a fixture
from tests.web.watched import watch as watch  # noqa: PLC0414 — a fixture
from tests.web.watched import watching as watching  # noqa: PLC0414 — a fixture

ALTERED = "UPDATE entry SET data = CAST(data || ' ' AS BLOB) WHERE seq = 7 AND library = 'hasselt'"
CUT = "DELETE FROM entry WHERE seq = (SELECT size - 1 FROM log WHERE library = 'hasselt') AND library = 'hasselt'"


def anchor(folder: Path) -> str:
    """Give the settings of an anchor that is a file."""
    return f'\n[[log.anchor]]\nkind = "file"\npath = "{folder}/elsewhere"\n'


class TestOverview:
    """How every log stands."""

    def test_before_anything_was_recomputed(self, watch: Watch) -> None:
        """Its size, that it was signed, and that nobody recomputed it or keeps it elsewhere."""
        size = watch.sizes()["hasselt"]
        said = words(watch.officer().get("/officer"))
        assert f"Regels{size}" in said
        assert "Nog niet nagerekend" in said
        assert "Nagerekendnooit" in said
        assert f"Ondertekend12 juni 2026 om 09:45, tot regel {size}" in said
        assert "Nergens" in said

    def test_an_officer_of_one_library_sees_its_log_alone(self, watch: Watch) -> None:
        """Of the house, all."""
        assert [h.text for h in read(watch.officer("genk").get("/officer")).xpath("//h3")] == ["Bibliotheek Genk"]
        titles = [h.text for h in read(watch.officer(None).get("/officer")).xpath("//h3")]
        assert titles == ["Bibliotheek Hasselt", "Bibliotheek Genk"]

    @pytest.mark.parametrize("role", [Role.DESK, Role.OPERATOR, Role.ADMIN])
    def test_nobody_else_sees_it(self, watch: Watch, role: Role) -> None:
        """And no log says that they did."""
        sizes = watch.sizes()
        assert watch.officer(role=role).get("/officer").status_code == 403
        assert watch.sizes() == sizes

    def test_what_awaits_is_a_look_at_yesterday(self, watch: Watch) -> None:
        """As the digest is: an entry of each log it tells of."""
        said = words(watch.officer(None).get("/officer"))
        assert "20 raadplegingen van de steekproef te beslissen" in said
        for library in ("hasselt", "genk"):
            last = watch.last(library)
            assert (last["kind"], last["actor"]) == ("log.view", {"t": "person", "id": "els.smets"})
            assert last["view"] == {"what": "digest", "filter": {"day": "2026-06-30"}, "count": 0}

    def test_what_stood_out_yesterday_awaits(self, watch: Watch) -> None:
        """Flagged, refused, overdue, each leading to where it can be seen."""
        watch.scene.clock.pass_by(days=-1)
        watch.look(watch.number())
        watch.look(watch.number())
        with pytest.raises(NotAuthorised):
            watch.look(watch.number(), purpose="curiosity")
        watch.scene.clock.pass_by(days=1)
        page = read(watch.officer().get("/officer"))
        tasks = {li.text_content().strip(): li.xpath("./a/@href")[0] for li in page.xpath("//ul[@class='tasks']/li")}
        assert tasks["1 geweigerde poging"] == "/log/days"
        assert tasks["2 raadplegingen vielen gisteren op"] == "/log/days"
        watch.scene.clock.pass_by(days=60)
        assert "1 steekproef is te laat" in words(watch.officer().get("/officer"))

    def test_a_mix_up_awaits(self, watching: Open, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whoever asked, a process too."""
        town, faults = watching().town, [Fault.parse("mixup:1")]
        with Simulator(now=town.clock, new_reference=References(), world=town.world, faults=faults) as register:
            monkeypatch.setenv("RRSYNC_REGISTRY__ENDPOINT", register.url)
            watch = watching()
            watch.scene.clock.pass_by(days=-1)
            watch.look(watch.number())
            watch.scene.clock.pass_by(days=1)
        browser = watch.officer()
        assert "1 antwoord over iemand anders" in words(browser.get("/officer"))
        said = words(browser.get("/log/days/2026-06-30"))
        assert "1 antwoord over iemand anders, of met een foute handtekening" in said
        assert "Niets daarvan is gebruikt." in said


class TestAnchors:
    """What is kept elsewhere, since when, and what fails."""

    def test_never_then_good_then_late(self, watching: Open, tmp_path: Path) -> None:
        """By the anchor's own rhythm, with an hour for a timer to come by."""
        watch = watching(anchor(tmp_path))
        browser = watch.officer()
        assert "nog nooit" in words(browser.get("/officer"))
        assert watch.app.notary.close(["hasselt", "genk"]) == []
        size = watch.app.access_log.head("hasselt").size
        said = words(browser.get("/officer"))
        assert "bestand elders" in said
        assert "nog nooit" not in said
        assert f"vandaag om 09:45, {size} regels" in said
        watch.scene.clock.pass_by(hours=4)
        assert "te laat" not in words(watch.officer().get("/officer"))
        watch.scene.clock.pass_by(minutes=1)
        assert "te laat" in words(watch.officer().get("/officer"))

    def test_one_that_fails(self, watching: Open, tmp_path: Path) -> None:
        """Since when, and who can tell why; when it takes it again, it is good."""
        watch = watching(anchor(tmp_path))
        watch.app.notary.close(["hasselt"])
        shutil.move(tmp_path / "elsewhere", tmp_path / "away")
        watch.scene.clock.pass_by(hours=3)
        assert len(watch.app.notary.close(["hasselt"])) == 1
        said = words(watch.officer().get("/officer"))
        assert "het laatst mislukt vandaag om 12:45" in said
        assert "rrsync log anchor" in said
        shutil.move(tmp_path / "away", tmp_path / "elsewhere")
        watch.scene.clock.pass_by(minutes=10)
        assert watch.app.notary.close(["hasselt"]) == []
        assert "mislukt" not in words(watch.officer().get("/officer"))


class TestVerify:
    """Recomputing a whole log, behind the pages."""

    def test_a_whole_log(self, watch: Watch) -> None:
        """The page says so, when and by whom; so does the log."""
        size = watch.sizes()["hasselt"]
        browser = watch.officer()
        answer = browser.post("/officer/verify", {"library": "hasselt"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/officer")
        last = watch.last()
        assert (last["kind"], last["actor"]["id"]) == ("log.verify", "els.smets")
        assert (last["verify"]["size"], last["verify"]["since"]) == (size, 0)
        said = words(browser.get("/officer"))
        assert f"het logboek van Bibliotheek Hasselt is volledig, {size} regels" in said
        assert "Nagerekendvandaag om 09:45, door els.smets1 regel is er sindsdien bijgekomen" in said
        assert "Volledig" in said
        again = words(browser.get("/officer"))
        assert "Nagerekend: het logboek" not in again
        assert "2 regels zijn er sindsdien bijgekomen" in again

    def test_only_one_s_own(self, watch: Watch) -> None:
        """Another library's log is as unknown as one that is not there; an officer of all says which."""
        browser = watch.officer()
        sizes = watch.sizes()
        for library in ("genk", "nowhere"):
            assert browser.post("/officer/verify", {"library": library}).status_code == 404
        house = watch.officer(None)
        assert house.post("/officer/verify").headers["location"] == "/officer"
        assert watch.sizes() == sizes
        assert house.post("/officer/verify", {"library": "genk"}).status_code == 303
        assert watch.last("genk")["kind"] == "log.verify"
        assert watch.sizes()["hasselt"] == sizes["hasselt"]

    def test_while_it_goes_on(self, watch: Watch) -> None:
        """The page says so, and has no second button; then it says what came of it."""
        jobs, over = watch.scene.made.state.context.jobs, Event()
        assert jobs.start("verify hasselt", over.wait)
        try:
            browser = watch.officer()
            assert browser.post("/officer/verify", {"library": "hasselt"}).status_code == 303
            page = browser.get("/officer")
            assert "Wordt nu nagerekend" in words(page)
            assert "Het logboek van Bibliotheek Hasselt wordt nagerekend." in words(page)
            assert not read(page).xpath("//form[@action='/officer/verify']")
        finally:
            over.set()
        assert jobs.wait("verify hasselt")
        assert read(browser.get("/officer")).xpath("//form[@action='/officer/verify']")

    def test_what_cannot_be_found_out(self, watch: Watch) -> None:
        """Is no fault of the log: the page says why, and the log stands as it stood."""
        kept = watch.app.settings.log.signed
        shutil.rmtree(kept)
        kept.write_text("no folder", encoding="utf-8")
        said = words(watch.officer().get("/officer"))
        assert "Dit kon niet worden nagegaan" in said
        assert "Niet volledig" not in said


class TestBroken:
    """A log that somebody who owns the database altered."""

    def test_an_entry_that_was_altered(self, watch: Watch) -> None:
        """Is found by recomputing: which entry, what is kept, what to do; nothing is added to the log."""
        watch.tamper(ALTERED)
        size = watch.sizes()["hasselt"]
        browser = watch.officer()
        browser.post("/officer/verify", {"library": "hasselt"})
        assert watch.sizes()["hasselt"] == size
        said = words(browser.get("/officer"))
        assert "Niet volledig" in said
        assert "The access log of hasselt does not verify at entry 7: the bytes were altered." in said
        assert "Er is niets hersteld of overschreven" in said
        assert "Laat de databank zoals ze is." in said
        assert "Vastgesteld vandaag om 09:45, door els.smets." in said
        assert watch.sizes()["hasselt"] == size

    def test_a_restart_forgets_nothing(self, watching: Open) -> None:
        """What was found stays known until the log was found whole again."""
        watch = watching()
        watch.tamper(ALTERED)
        watch.officer().post("/officer/verify", {"library": "hasselt"})
        other = watching()
        assert "does not verify at entry 7" in words(other.officer().get("/officer"))
        assert "does not verify" not in words(other.officer("genk").get("/officer"))
        other.tamper(ALTERED.replace("data || ' '", "rtrim(data)"))
        browser = other.officer()
        browser.post("/officer/verify", {"library": "hasselt"})
        said = words(browser.get("/officer"))
        assert "Volledig" in said
        assert "does not verify" not in said

    def test_a_log_that_was_cut(self, watch: Watch) -> None:
        """Is seen at once; nothing of it is shown, searched or counted, and nothing is added."""
        watch.tamper(CUT)
        size = watch.app.access_log.count("hasselt")
        browser = watch.officer()
        said = words(browser.get("/officer"))
        assert "Niet volledig" in said
        assert "does not hold the" in said
        assert not read(browser.get("/officer")).xpath("//ul[@class='tasks']")
        day = (watch.scene.clock() - BEFORE).date().isoformat()
        for path in ("/log/entries/hasselt/3", f"/log/days/{day}", "/log/figures"):
            answer = browser.get(path)
            assert answer.status_code == 503
            assert "call the data-protection officer" in words(answer)
        assert browser.post("/log", {"library": "hasselt"}).status_code == 503
        assert browser.post("/log/entries/hasselt/3/proof").status_code == 503
        assert browser.post("/log/entries/hasselt/3/evidence", {"reason": "klacht"}).status_code == 503
        assert watch.app.access_log.count("hasselt") == size

    def test_a_head_that_is_damaged(self, watch: Watch) -> None:
        """The page stands, and says so; other logs are shown as they are."""
        watch.tamper("UPDATE log SET edge = X'00' WHERE library = 'hasselt'")
        answer = watch.officer(None).get("/officer")
        assert answer.status_code == 200
        assert "The head of the access log of hasselt is damaged" in words(answer)
        assert watch.last("genk")["view"]["what"] == "digest"
