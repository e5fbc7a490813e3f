"""How many looks there were by day."""

from __future__ import annotations

from datetime import date

import pytest

from rrsync.core.log_entry import Actor, ActorKind
from rrsync.core.roles import Role
from rrsync.web import figures
from tests.web.watched import Watch, read, words
from tests.web.watched import kept_town as kept_town  # noqa: PLC0414 — a fixture
from tests.web.watched import watch as watch  # noqa: PLC0414 — a fixture
from tests.web.watched import watching as watching  # noqa: PLC0414 — a fixture

Drawn = dict[str, dict[str, dict[str, int]]]


def drawn(page: object) -> Drawn:
    """Give the tables beside the drawings: drawing, series, day in words, count."""
    found: Drawn = {}
    for section in read(page).xpath("//section[@class='plot']"):  # type: ignore[arg-type]
        heads = [th.text for th in section.xpath(".//thead//th")][1:]
        rows = {
            row.xpath("./th")[0].text: [int(td.text.replace(".", "")) for td in row.xpath("./td")]
            for row in section.xpath(".//tbody/tr | .//tfoot/tr")
        }
        found[section.xpath("./h2/text()")[0]] = {
            head: {day: counts[at] for day, counts in rows.items() if counts[at]} for at, head in enumerate(heads)
        }
    return found


class TestFigures:
    """Counted in the database, drawn by day."""

    def test_by_purpose_and_by_staff(self, watch: Watch) -> None:
        """The night is a purpose's, and nobody's; days are those in Belgium."""
        answer = watch.officer().get("/log/figures")
        assert "64 raadplegingen van 2 juni 2026 tot en met 1 juli 2026." in words(answer)
        desk = {"11 juni 2026": 14, "12 juni 2026": 10, "Samen": 24}
        assert drawn(answer) == {
            "Per doel": {
                "ledenadministratie": {"11 juni 2026": 40, "Samen": 40},
                "vraag aan de balie": desk,
            },
            "Per medewerker": {"an.peeters": desk},
        }
        assert watch.last()["view"] == {"what": "figures", "filter": {"since": "2026-06-02"}, "count": 64}

    def test_it_agrees_with_the_log(self, watch: Watch) -> None:
        """To the look, also with those that came since it was first drawn."""
        browser = watch.officer()
        browser.get("/log/figures")
        watch.look(watch.number())
        total = len(watch.accesses())
        said = drawn(browser.get("/log/figures?days=90"))
        assert sum(counts["Samen"] for counts in said["Per doel"].values()) == total
        assert said["Per medewerker"]["jan.baert"] == {"1 juli 2026": 1, "Samen": 1}

    def test_an_officer_of_all_sees_each_library(self, watch: Watch) -> None:
        """And each log says so."""
        said = drawn(watch.officer(None).get("/log/figures"))
        by_library = {name: counts["Samen"] for name, counts in said["Per bibliotheek"].items()}
        assert by_library == {"Bibliotheek Hasselt": 64, "Bibliotheek Genk": 40}
        for library in ("hasselt", "genk"):
            assert watch.last(library)["view"]["what"] == "figures"

    @pytest.mark.parametrize(("days", "length"), [("7", 7), ("90", 90), ("", 30), ("365", 30), ("x", 30)])
    def test_the_span(self, watch: Watch, days: str, length: int) -> None:
        """One of three, whatever is asked for."""
        page = read(watch.officer().get(f"/log/figures?days={days}"))
        assert page.xpath("//main//nav//a[@aria-current]/text()") == [f"{length} dagen"]
        rows = page.xpath("(//section[@class='plot'])[1]//tbody/tr")
        assert len(rows) in {0, length}  # a week ago there was nothing: it says so

    def test_nothing_to_draw(self, watch: Watch) -> None:
        """Is said."""
        assert "In deze periode is niets nagevraagd" in words(watch.officer().get("/log/figures?days=7"))

    def test_many_members_of_staff(self, watch: Watch) -> None:
        """Who looked the most have a row; the others have one together."""
        for at in range(17):
            watch.look(watch.number(), actor=Actor(ActorKind.PERSON, f"staff.{at:02d}"))
        staff = drawn(watch.officer().get("/log/figures"))["Per medewerker"]
        assert len(staff) == 16
        assert staff["an.peeters"]["Samen"] == 24
        assert staff["3 anderen samen"]["Samen"] == 3

    @pytest.mark.parametrize("role", [Role.DESK, Role.OPERATOR, Role.ADMIN])
    def test_nobody_else_sees_them(self, watch: Watch, role: Role) -> None:
        """The figures tell of staff too."""
        assert watch.officer(role=role).get("/log/figures").status_code == 403

    def test_a_log_that_cannot_be_counted(self, watch: Watch) -> None:
        """Gives no figure at all, and says what to do."""
        watch.tamper("UPDATE entry SET data = CAST('no entry' AS BLOB) WHERE seq = 100 AND library = 'hasselt'")
        answer = watch.officer().get("/log/figures")
        assert answer.status_code == 503
        assert "rrsync log verify" in words(answer)
        assert not drawn(answer)


class TestPlot:
    """Bars by day."""

    def test_nothing_is_drawn_of_nothing(self) -> None:
        """No days, no bars, no division by none."""
        drawn = figures.rows([], first=date(2026, 11, 1))
        assert (drawn.days, drawn.rows, drawn.most) == ((), (), 0)

    def test_bars_stay_in_their_row(self) -> None:
        """A small count is still seen, and none is higher than the row; weekends and named days are in the width."""
        drawn = figures.rows([("a", (1, 0, 1_000)), ("b", (5, 5, 5))], first=date(2026, 10, 30))
        bars = [bar for row in drawn.rows for bar in row.bars]
        assert all(1 <= bar.height <= drawn.height and bar.y + bar.height == drawn.height for bar in bars)
        assert all(bar.x >= 0 and bar.x + bar.width <= drawn.width for bar in bars)
        assert len(drawn.weekends) == 2
        assert [tick.share for tick in drawn.ticks] == [16.7, 50.0, 83.3]
