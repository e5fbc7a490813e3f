"""An address that staff know better: kept for as long as they say, and ended."""

from __future__ import annotations

from datetime import date

import pytest
from structlog.testing import capture_logs

from tests.support import Clock
from tests.web.clerk import MOVED, OK, SETTLED, Clerk, Place, citizen, dotted, field_of, is_clean, text, tree

UNUSABLE = 422
HERE = f"/members/{SETTLED}"
KINDS = ("member.correct", "member.uncorrect")
SAID = {
    "street": "Nieuwe Laan",
    "house_number": "7",
    "box": "2",
    "postal_code": "3600",
    "municipality": "Genk",
    "country": "bel",
    "reason": "verhuisd, toonde huurcontract",
    "until": "2026-12-31",
}


def keeps(clerk: Clerk, number: str = SETTLED, **said: str) -> str:
    return clerk.sends("correct", SAID | said, member=number)


class TestForm:
    """The form, and what it takes."""

    def test_it_begins_with_what_is_held(self, desk: Place) -> None:
        """And says until when at the latest: a year ahead."""
        an, held = desk.clerk(), desk.member(SETTLED).held
        page = an.sees("correct", member=SETTLED)
        assert field_of(page, "street") == held.address.street
        assert field_of(page, "country") == "BEL"
        assert "Ten laatste 1 juli 2027" in text(page)
        assert tree(page).xpath("//input[@name='until']/@max") == ["2027-07-01"]

    @pytest.mark.parametrize(
        ("said", "says"),
        [
            ({"street": " "}, "Vul de straat in."),
            ({"postal_code": ""}, "Vul de postcode in."),
            ({"postal_code": "350"}, "Een Belgische postcode heeft vier cijfers."),
            ({"municipality": ""}, "Vul de gemeente in."),
            ({"country": "Belg"}, "Gebruik een code van drie letters"),
            ({"reason": ""}, "Vul een reden in."),
            ({"reason": "x" * 201}, "Dit is te lang voor dit veld."),
            ({"box": "x" * 13}, "Dit is te lang voor dit veld."),
            ({"until": ""}, "Kies tot wanneer de verbetering geldt."),
            ({"until": "2026-07-01"}, "Kies een dag na vandaag"),
            ({"until": "2027-07-02"}, "Kies een dag na vandaag"),
            ({"until": "2026-02-30"}, "Kies een dag na vandaag"),
            ({"until": "morgen"}, "Kies een dag na vandaag"),
        ],
    )
    def test_what_cannot_be_kept_is_said_at_its_field(self, desk: Place, said: dict[str, str], says: str) -> None:
        """The rest stays as it was typed, and nothing is written."""
        an, before = desk.clerk(), desk.member(SETTLED)
        an.sees("correct", member=SETTLED)
        page = an.sends("correct", SAID | said, UNUSABLE, member=SETTLED)
        assert says in text(page)
        assert len(tree(page).xpath("//*[@aria-invalid='true']")) == 1
        assert field_of(page, "house_number") == "7"
        assert (desk.member(SETTLED), desk.log()) == (before, [])

    @pytest.mark.parametrize("field", sorted(SAID))
    def test_a_national_number_stands_in_none_and_does_not_come_back(self, desk: Place, field: str) -> None:
        """Wherever it was typed, and however."""
        an, number = desk.clerk(), citizen(MOVED).insz
        an.sees("correct", member=SETTLED)
        with capture_logs() as logged:
            for typed in (number.digits, dotted(number), f"nr. {dotted(number)}"):
                page = an.sends("correct", SAID | {field: typed}, UNUSABLE, member=SETTLED)
                assert "Hier staat een rijksregisternummer in." in text(page)
                assert is_clean(page)
        assert is_clean(repr(logged))
        assert desk.log() == []

    def test_a_place_abroad_needs_no_belgian_code(self, desk: Place) -> None:
        """Its own, or none."""
        an = desk.clerk()
        an.sees("correct", member=SETTLED)
        assert keeps(an, postal_code="", country="irl") == HERE
        assert desk.member(SETTLED).held.address.country == "IRL"

    def test_an_empty_form_names_all_that_is_missing(self, desk: Place) -> None:
        """In the order of the form."""
        an = desk.clerk()
        an.sees("correct", member=SETTLED)
        page = an.sends("correct", {}, UNUSABLE, member=SETTLED)
        found = tree(page).xpath("//div[@role='alert']//a/@href")
        assert found == ["#street", "#postal_code", "#municipality", "#reason", "#until"]


class TestKept:
    """A correction that is in force."""

    def test_the_member_has_the_staffs_address(self, desk: Place) -> None:
        """With why, by whom and until when; the log has no address and no reason."""
        an = desk.clerk()
        an.sees("correct", member=SETTLED)
        assert keeps(an) == HERE
        page = text(an.at(HERE))
        assert "Bewaard: dit adres blijft staan tot 31 december 2026" in page
        assert "Nieuwe Laan 7 bus 2" in page
        assert "een medewerker, zolang de verbetering geldt" in page
        assert "verhuisd, toonde huurcontract" in page
        assert "Door an.peeters, vandaag om 04:00" in page
        assert desk.member(SETTLED).held.address.country == "BEL"
        (entry,) = (line for line in desk.log() if line["kind"] in KINDS)
        assert entry["until"] == "2026-12-31"
        assert "Nieuwe" not in repr(entry)
        assert "huurcontract" not in repr(entry)

    def test_the_register_does_not_take_it_away(self, desk: Place) -> None:
        """It says otherwise, and the page says that what we hold stands."""
        an = desk.clerk()
        an.sees("correct", member=SETTLED)
        keeps(an)
        page = an.answered(SETTLED)
        assert "Het klopt" in text(page)
        assert desk.member(SETTLED).held.address.street == "Nieuwe Laan"

    def test_what_is_held_may_be_kept_as_it_is(self, desk: Place) -> None:
        """After a decline: the member still lives there, whatever the register says."""
        an, held = desk.clerk(), desk.member(MOVED).held.address
        ticket = field_of(an.answered(MOVED), "ticket")
        an.sends("difference", {"decision": "decline", "ticket": ticket}, member=MOVED)
        page = an.sees("correct", member=MOVED)
        said = {name: field_of(page, name) for name in SAID if name not in {"reason", "until"}}
        an.sends("correct", said | {"reason": "woont er nog", "until": "2026-08-31"}, member=MOVED)
        assert desk.member(MOVED).held.address.street == held.street
        assert "Het klopt" in text(an.answered(MOVED, case="vraag-9"))

    def test_twice_is_once(self, desk: Place) -> None:
        """A double click writes one line in the log."""
        an = desk.clerk()
        an.sees("correct", member=SETTLED)
        assert [keeps(an), keeps(an)] == [HERE, HERE]
        assert desk.kinds(*KINDS) == ["member.correct"]

    def test_a_colleague_may_put_another_in_its_place(self, desk: Place) -> None:
        """And the newest stands."""
        an, jan = desk.clerk(), desk.clerk("jan.baert")
        for clerk, street in ((an, "Eerste Straat"), (jan, "Tweede Straat")):
            clerk.sees("correct", member=SETTLED)
            keeps(clerk, street=street)
        assert desk.member(SETTLED).held.address.street == "Tweede Straat"


class TestEnded:
    """A correction that is over."""

    def test_a_person_ends_it(self, desk: Place) -> None:
        """Then what the register says counts again."""
        an = desk.clerk()
        an.sees("correct", member=SETTLED)
        keeps(an)
        assert an.sends("uncorrect", {}, member=SETTLED) == HERE
        page = text(an.at(HERE))
        assert "De verbetering is beëindigd." in page
        assert "nog niet nagevraagd" in page
        assert desk.kinds(*KINDS) == list(KINDS)
        assert "Het register zegt iets anders" in text(an.answered(SETTLED))

    def test_twice_is_once(self, desk: Place, clock: Clock) -> None:
        """A double click, and the form that the back button brings: it had ended already."""
        an = desk.clerk()
        an.sees("correct", member=SETTLED)
        keeps(an)
        for _ in range(2):
            an.sends("uncorrect", {}, member=SETTLED)
        assert "De verbetering is beëindigd." in text(an.at(HERE))
        clock.pass_by(minutes=1)
        assert an.sends("uncorrect", {}, member=SETTLED) == HERE
        assert "was al beëindigd" in text(an.at(HERE))
        assert desk.kinds(*KINDS) == list(KINDS)

    def test_it_lapses_after_its_day(self, desk: Place, clock: Clock) -> None:
        """On its day it stands still."""
        an = desk.clerk()
        an.sees("correct", member=SETTLED)
        keeps(an, until="2026-07-02")
        clock.pass_by(days=1)
        assert "Verbeterd door een medewerker" in text(desk.clerk().at(HERE))
        clock.pass_by(days=1)
        assert "Verbeterd door een medewerker" not in text(desk.clerk().at(HERE, OK))
        assert date(2026, 7, 3) == clock().date()
