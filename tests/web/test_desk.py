"""The search of the desk: own members alone, and nothing of what was typed where it stays."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import httpx2 as httpx
import pytest
from structlog.testing import capture_logs

from rrsync.core.person import Address
from rrsync.store.members import ImportRow
from rrsync.web.member_search import MOST
from rrsync.web.paths import path
from tests.support import insz, member
from tests.web.clerk import MOVED, OK, OTHERS, SETTLED, Clerk, Place, citizen, dotted, is_clean, settled, text, tree
from tests.web.scene import SESSION

UNUSABLE = 422


def straight(desk: Place, clerk: Clerk, address: str) -> str:
    """Go to an address as a server reads it: once decoded, while a test's client does it twice."""

    async def go() -> str:
        across = httpx.ASGITransport(app=desk.scene.made)
        async with httpx.AsyncClient(transport=across, base_url=desk.scene.origin) as client:
            cookie = f"{SESSION}={clerk.browser.cookie()}"
            answer = await client.get(address, headers={"Cookie": cookie, "Sec-Fetch-Mode": "navigate"})
            assert answer.status_code == OK
            return answer.text

    return asyncio.run(go())


def by_insz(typed: str) -> dict[str, str]:
    return {"by": "insz", "insz": typed}


class TestWords:
    """A member number or a name, in one field."""

    @pytest.mark.parametrize("typed", [MOVED, f"  {MOVED} ", MOVED.lower()])
    def test_a_member_number_leads_to_the_member(self, desk: Place, typed: str) -> None:
        """However it is typed."""
        an = desk.clerk()
        an.sees("desk")
        assert an.sends("desk", {"words": typed}) == f"/members/{MOVED}"

    def test_a_name_finds_who_has_it(self, desk: Place) -> None:
        """In any order, with the address and how old it is; one alone is shown at once."""
        an = desk.clerk()
        an.sees("desk")
        name = citizen(MOVED).name
        assert an.sends("desk", {"words": f"{name.first} {name.last.upper()}"}) == f"/members/{MOVED}"
        desk.scene.app.members.take(
            [ImportRow(at, member(at, number=f"K{at}", insz=insz(at), held=replace(member().held))) for at in (2, 3)],
            import_id="import-9",
            at=desk.clock(),
        )
        page = an.sends("desk", {"words": "kanariepiet"}, OK)
        assert "2 leden gevonden" in text(page)
        assert tree(page).xpath("//table//a/@href") == ["/members/K2", "/members/K3"]
        assert "nog niet nagevraagd" in text(page)
        assert 'value="kanariepiet"' in page

    def test_who_is_not_there_is_said_so(self, desk: Place) -> None:
        """With what to do about it; and nothing was asked of the register, nor written in the log."""
        an = desk.clerk()
        an.sees("desk")
        assert "Geen lid gevonden" in text(an.sends("desk", {"words": "Zwaluwstaart"}, OK))
        assert "Geen lid gevonden" in text(an.sends("desk", {"words": "M999999"}, OK))
        assert "Geen lid gevonden" in text(an.sends("desk", {"words": "12345"}, OK))
        assert (desk.asked, desk.log()) == (0, [])

    def test_of_too_many_some_are_shown(self, desk: Place) -> None:
        """And it is said that there are more."""
        desk.scene.app.members.take(
            [ImportRow(at, member(at, number=f"K{at:03d}")) for at in range(2, MOST + 4)],
            import_id="import-9",
            at=desk.clock(),
        )
        an = desk.clerk()
        an.sees("desk")
        page = an.sends("desk", {"words": "Kanariepiet"}, OK)
        assert len(tree(page).xpath("//tbody/tr")) == MOST
        assert "Er zijn er meer" in text(page)

    @pytest.mark.parametrize(
        ("typed", "says"),
        [("", "Typ een lidnummer of een naam."), (" \x00 ", "Typ een lidnummer"), ("é", "minstens twee letters")],
    )
    def test_what_cannot_be_searched_for(self, desk: Place, typed: str, says: str) -> None:
        """Is said so at the field."""
        an = desk.clerk()
        an.sees("desk")
        page = an.sends("desk", {"words": typed}, UNUSABLE)
        assert says in text(page)
        assert 'aria-invalid="true"' in page

    @pytest.mark.parametrize("dressed", ["{}", "{} ", "lid {}", "x"])
    def test_a_national_number_has_a_field_of_its_own(self, desk: Place, dressed: str) -> None:
        """It is not looked for as a word, and does not come back, however it is written."""
        an = desk.clerk()
        an.sees("desk")
        number = citizen(MOVED).insz
        typed = " . ".join(dotted(number).split(".")) if dressed == "x" else dressed.format(dotted(number))
        with capture_logs() as logged:
            page = an.sends("desk", {"words": typed}, UNUSABLE)
        assert "Gebruik daarvoor het tweede zoekveld" in text(page)
        assert is_clean(page + repr(logged))

    def test_one_that_was_mistyped_does_not_come_back_either(self, desk: Place) -> None:
        """Eleven digits that fit nobody are almost somebody's."""
        an = desk.clerk()
        an.sees("desk")
        page = an.sends("desk", {"words": "61.01.02-001.11"}, OK)
        assert "61.01" not in page
        assert "Geen lid gevonden" in text(page)


class TestInsz:
    """A national number, sent and never shown."""

    def test_it_leads_to_the_member(self, desk: Place) -> None:
        """Typed as on the card or as digits alone; the address has the member number."""
        an, number = desk.clerk(), citizen(MOVED).insz
        an.sees("desk")
        with capture_logs() as logged:
            for typed in (dotted(number), number.digits, f" {number.digits} "):
                assert an.sends("desk", by_insz(typed)) == f"/members/{MOVED}"
        assert is_clean(repr(logged) + "".join(str(answer.headers) + answer.text for answer in an.browser.seen))

    @pytest.mark.parametrize(
        ("typed", "says"),
        [("", "Typ de elf cijfers"), ("6101", "Dit is geen rijksregisternummer"), ("61010200111", "Dit is geen")],
    )
    def test_what_is_none_is_said_so(self, desk: Place, typed: str, says: str) -> None:
        """And the field stays empty."""
        an = desk.clerk()
        an.sees("desk")
        page = an.sends("desk", by_insz(typed), UNUSABLE)
        assert says in text(page)
        assert not typed or typed not in page

    def test_who_is_no_member_is_not_found(self, desk: Place) -> None:
        """And the number does not come back."""
        an = desk.clerk()
        an.sees("desk")
        page = an.sends("desk", by_insz(insz(77).digits), OK)
        assert "Geen lid gevonden" in text(page)
        assert insz(77).digits not in page


class TestElsewhere:
    """A member of another library is as unknown as one who does not exist."""

    def test_a_search_finds_own_members_alone(self, desk: Place) -> None:
        """By number, by name, and by a national number that only the other library has."""
        an, gert = desk.clerk(), desk.clerk("gert.nijs")
        an.sees("desk")
        gert.sees("desk")
        assert gert.sends("desk", {"words": OTHERS}) == f"/members/{OTHERS}"
        assert settled(an.sends("desk", {"words": OTHERS}, OK)).replace(OTHERS, "X") == settled(
            an.sends("desk", {"words": "G999999"}, OK)
        ).replace("G999999", "X")
        number, nobody = citizen(MOVED).insz.digits, insz(77).digits
        there, nowhere = (gert.sends("desk", by_insz(digits), OK) for digits in (number, nobody))
        assert settled(there) == settled(nowhere)
        name = citizen(MOVED).name
        there, nowhere = (gert.sends("desk", {"words": words}, OK) for words in (name.last, "Zwaluwstaart"))
        assert settled(there).replace(name.last, "X") == settled(nowhere).replace("Zwaluwstaart", "X")

    def test_every_address_of_a_foreign_member_is_that_of_nobody(self, desk: Place) -> None:
        """The same bytes under the same status, whatever is sent there; and nothing is asked, or written down."""
        gert = desk.clerk("gert.nijs")
        gert.sees("desk")
        correct = {"street": "Dorpsstraat", "postal_code": "3600", "municipality": "Genk", "reason": "r"}
        forms: list[tuple[str, dict[str, str]]] = [
            ("refresh", {"purpose": "desk", "case": "brief-1"}),
            ("refresh", {}),
            ("difference", {"decision": "accept", "ticket": "t"}),
            ("correct", correct | {"until": "2026-12-31"}),
            ("uncorrect", {}),
        ]
        for number in (SETTLED, "M999999"):
            for name in ("member", "difference", "correct"):
                gert.sees(name, 404, member=number)
            for name, said in forms:
                gert.sends(name, said, 404, member=number)
        half = len(forms) + 3
        there, nowhere = gert.browser.seen[-2 * half : -half], gert.browser.seen[-half:]
        assert [settled(one.text) for one in there] == [settled(one.text) for one in nowhere]
        assert [dict(one.headers) for one in there] == [dict(one.headers) for one in nowhere]
        assert SETTLED not in "".join(one.text for one in there)
        assert (desk.asked, desk.log(), desk.log("genk")) == (0, [], [])

    def test_an_odd_member_number_has_its_address(self, desk: Place) -> None:
        """A slash or dots in it lead to that member all the same; what none can be is missing, and no error."""
        odd = ("M 12/3", "..", "50%", "a\\b")
        desk.scene.app.members.take(
            [
                ImportRow(at, member(at, number=number, held=replace(member().held, address=Address(street="Laan"))))
                for at, number in enumerate(odd, start=2)
            ],
            import_id="import-9",
            at=desk.clock(),
        )
        an = desk.clerk()
        an.sees("desk")
        for number in odd:
            address = an.sends("desk", {"words": number})
            assert "Laan" in straight(desk, an, address)
            assert "Adres zelf verbeteren" in straight(desk, an, path("correct", member=number))
        for number in ("M\x00", "M" * 65, "M\n1"):
            an.sees("member", 404, member=number)
