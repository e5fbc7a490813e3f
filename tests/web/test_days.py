"""What stood out on a day."""

from __future__ import annotations

import pytest

from rrsync.core.roles import Role
from rrsync.errors import NotAuthorised
from tests.web.watched import Watch, read, words
from tests.web.watched import kept_town as kept_town  # noqa: PLC0414 — a fixture
from tests.web.watched import watch as watch  # noqa: PLC0414 — a fixture
from tests.web.watched import watching as watching  # noqa: PLC0414 — a fixture


class TestDay:
    """One day in Belgium, library by library."""

    def test_it_begins_with_yesterday(self, watch: Watch) -> None:
        """The last day that ended; leading there is no look."""
        sizes = watch.sizes()
        answer = watch.officer().get("/log/days")
        assert (answer.status_code, answer.headers["location"]) == (303, "/log/days/2026-06-30")
        assert watch.sizes() == sizes

    def test_what_stood_out(self, watch: Watch) -> None:
        """As the digest says: how many looks by how many people, and those with a flag; it is a look itself."""
        answer = watch.officer().get("/log/days/2026-06-11")
        said = words(answer)
        assert "Donderdag 11 juni 2026" in said
        assert "14 raadplegingen door 1 medewerker." in said
        assert "14 raadplegingen vallen op" in said
        assert len(read(answer).xpath("//table//th/a")) == 14
        assert watch.last()["view"] == {"what": "digest", "filter": {"day": "2026-06-11"}, "count": 14}

    def test_a_refused_attempt(self, watch: Watch) -> None:
        """Stands apart."""
        with pytest.raises(NotAuthorised):
            watch.look(watch.number(), purpose="curiosity")
        said = words(watch.officer().get("/log/days/2026-07-01"))
        assert "1 geweigerde poging" in said
        assert "jan.baert" in said

    def test_a_quiet_day(self, watch: Watch) -> None:
        """Nobody asked; or nothing of it stood out."""
        assert "Niemand heeft iets nagevraagd." in words(watch.officer().get("/log/days/2026-06-30"))

    def test_the_days_beside_it(self, watch: Watch) -> None:
        """From the day on which a log began to today."""
        browser = watch.officer()
        for day, beside in (
            ("2026-06-11", ["/log/days/2026-06-12"]),
            ("2026-06-12", ["/log/days/2026-06-11", "/log/days/2026-06-13"]),
            ("2026-07-01", ["/log/days/2026-06-30"]),
        ):
            assert read(browser.get(f"/log/days/{day}")).xpath("//main//nav//a/@href") == beside

    @pytest.mark.parametrize("day", ["2026-07-02", "2026-06-10", "2026-06-31", "yesterday", "0001-01-01", "9999-12-31"])
    def test_a_day_that_cannot_be_shown(self, watch: Watch, day: str) -> None:
        """Still to come, before there was a log, or no day."""
        sizes = watch.sizes()
        assert watch.officer().get(f"/log/days/{day}").status_code == 404
        assert watch.sizes() == sizes

    def test_one_s_own_library_alone(self, watch: Watch) -> None:
        """An officer of all sees each, and each log says so."""
        titles = ["Bibliotheek Hasselt", "Bibliotheek Genk"]
        for library, seen in (("hasselt", titles[:1]), ("genk", titles[1:]), (None, titles)):
            before = watch.sizes()
            page = read(watch.officer(library).get("/log/days/2026-06-12"))
            assert [h.text for h in page.xpath("//main//h2")] == seen
            grown = {name for name, size in watch.sizes().items() if size > before[name]}
            assert grown == ({library} if library else {"hasselt", "genk"})

    @pytest.mark.parametrize("role", [Role.DESK, Role.OPERATOR, Role.ADMIN])
    def test_nobody_else_sees_it(self, watch: Watch, role: Role) -> None:
        """Nor where it begins."""
        browser = watch.officer(role=role)
        assert browser.get("/log/days").status_code == 403
        assert browser.get("/log/days/2026-06-11").status_code == 403

    def test_a_sample_that_is_overdue(self, watch: Watch) -> None:
        """Is said, and leads to it."""
        watch.scene.clock.pass_by(days=45)
        answer = watch.officer().get("/log/days/2026-06-12")
        assert "Steekproeven die te laat zijn" in words(answer)
        assert read(answer).xpath("//a[@href='/log/samples/hasselt/2026-06']")
