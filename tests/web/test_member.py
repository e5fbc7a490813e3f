"""A member at the desk: what is shown, and the question to the register, asked once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from rrsync.core.desk_quota import REACHED, Limits, Window
from rrsync.core.planning import tonight
from rrsync.store.limits import DeskQuotas
from rrsync.store.members import ImportRow
from tests.support import Clock, member
from tests.web.clerk import (
    ABROAD,
    CASE,
    MOVED,
    OTHERS,
    SETTLED,
    Clerk,
    Make,
    Place,
    citizen,
    dotted,
    is_clean,
    place,
    text,
    tree,
)
from tests.web.conftest import OIDC
from tests.web.provider import Op
from tests.web.scene import PUBLIC

UNUSABLE, MANY, FORBIDDEN, BUSY, AWAY, REJECTED = 422, 429, 403, 409, 503, 502
_STUCK = "CREATE TRIGGER stuck BEFORE INSERT ON entry BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
ACCESS = ("access.intent", "access.outcome", "access.denied", "access.reuse")


def pages(op: Op) -> str:
    return OIDC.format(public=PUBLIC, issuer=op.url)


class TestPage:
    """What is shown of a member."""

    def test_it_says_what_is_held_and_since_when(self, desk: Place) -> None:
        """The name, the address, that nobody asked yet; no national number, on no page."""
        an, held = desk.clerk(), desk.member(SETTLED).held
        page = an.sees("member", member=SETTLED)
        for said in (held.name.last, held.address.street, held.address.municipality, "nog niet nagevraagd"):
            assert said in text(page)
        assert "de bibliotheek zelf" in text(page)
        assert "bekend, wordt niet getoond" in text(page)
        assert "Over dit lid is nog niets nagevraagd." in text(page)
        assert is_clean(page)

    def test_after_an_answer_it_is_the_registers(self, desk: Place, clock: Clock) -> None:
        """With when it was asked, by whom and why; a month later it is out of date."""
        an = desk.clerk()
        an.answered(SETTLED)
        page = text(an.sees("member", member=SETTLED))
        assert "het Rijksregister" in page
        assert "vandaag om 04:00 (zonet)" in page
        assert "an.peeters vraag aan de balie dossier brief-118 bevestigd" in page
        clock.pass_by(days=31)
        assert "verouderd" in text(desk.clerk().sees("member", member=SETTLED))

    def test_in_english_too(self, desk: Place) -> None:
        """The same page, in the other language."""
        an = desk.clerk()
        an.sees("member", member=SETTLED)
        an.sends("language", {"language": "en"})
        assert "not checked yet" in text(an.sees("member", member=SETTLED))

    def test_without_a_number_nobody_is_asked_about(self, desk: Place) -> None:
        """The page says so, and a form that is sent all the same does nothing."""
        unknown = replace(member(), number="K1", insz=None)
        desk.scene.app.members.take([ImportRow(2, unknown)], import_id="import-9", at=desk.clock())
        an = desk.clerk()
        assert "is er geen rijksregisternummer" in text(an.sees("member", member="K1"))
        assert an.sends("refresh", {"purpose": "desk", "case": CASE}, member="K1") == "/members/K1"
        assert (desk.asked, desk.log()) == (0, [])

    def test_what_the_night_asked_is_said_to_be_the_nights(self, desk: Place) -> None:
        """By its own name, and no person's."""
        plan = tonight(now=desk.clock(), stale_after_days=30, full=False, most=None)
        desk.scene.app.night().run(["hasselt"], plan, progress=lambda _: None)
        assert "de nachtelijke run ledenadministratie bevestigd" in text(desk.clerk().sees("member", member=SETTLED))


class TestRefresh:
    """Asks, for a reason, and leads to the answer."""

    def test_the_log_has_who_why_and_for_which_case(self, desk: Place) -> None:
        """Before and after the question; the address of the answer's page is of the member number."""
        an = desk.clerk()
        assert an.asks(SETTLED) == f"/members/{SETTLED}/difference"
        intent, outcome = (line for line in desk.log() if line["kind"] in ACCESS)
        assert intent["actor"] == {"id": "an.peeters", "t": "person"}
        assert (intent["why"]["code"], intent["why"]["case"]) == ("desk", CASE)
        assert (outcome["kind"], outcome["verdict"]) == ("access.outcome", "same")
        assert desk.asked == 1

    @pytest.mark.parametrize(
        ("said", "says", "back"),
        [
            ({"purpose": "", "case": CASE}, "Kies waarom je dit navraagt.", CASE),
            ({"purpose": "desk", "case": ""}, "Vul een dossier in.", ""),
            ({"purpose": "desk", "case": "ab"}, "Gebruik 3 tot 40 letters", "ab"),
            ({"purpose": "desk", "case": "brief 118"}, "Gebruik 3 tot 40 letters", "brief 118"),
            ({"purpose": "desk", "case": "x" * 41}, "Gebruik 3 tot 40 letters", "x" * 41),
            ({}, "Kies waarom je dit navraagt.", ""),
        ],
    )
    def test_a_form_that_lacks_something_asks_nothing(
        self, desk: Place, said: dict[str, str], says: str, back: str
    ) -> None:
        """It says what, and keeps the rest."""
        an = desk.clerk()
        an.sees("member", member=SETTLED)
        page = an.sends("refresh", said, UNUSABLE, member=SETTLED)
        assert says in text(page)
        assert tree(page).xpath("//input[@name='case']/@value") == ([back] if said else [""])
        assert (desk.asked, desk.log()) == (0, [])

    @pytest.mark.parametrize("dressed", ["{}", "brief/{}", "X{}X"])
    def test_a_case_with_a_national_number_does_not_come_back(self, desk: Place, dressed: str) -> None:
        """Nor is it in any log."""
        an, number = desk.clerk(), citizen(MOVED).insz
        an.sees("member", member=SETTLED)
        with capture_logs() as logged:
            for typed in (number.digits, dotted(number)):
                said = {"purpose": "desk", "case": dressed.format(typed)}
                page = an.sends("refresh", said, UNUSABLE, member=SETTLED)
                assert is_clean(page)
                page = an.sends("refresh", {"purpose": typed, "case": CASE}, UNUSABLE, member=SETTLED)
                assert is_clean(page)
        assert is_clean(repr(logged))
        assert (desk.asked, desk.log()) == (0, [])

    def test_a_purpose_of_no_authorisation_is_refused_and_noted(self, desk: Place) -> None:
        """Who makes a form of their own is told no, and stands in the log."""
        an = desk.clerk()
        page = an.asks(SETTLED, FORBIDDEN, purpose="curiosity")
        assert "Dit mag niet worden nagevraagd" in text(page)
        assert desk.kinds(*ACCESS) == ["access.denied"]
        assert desk.asked == 0

    def test_without_an_authorisation_nothing_is_asked(self, desk: Place) -> None:
        """The page says that there is none; a form that is sent all the same is refused and noted."""
        gert = desk.clerk("gert.nijs")
        assert "geen geldige machtiging" in text(gert.sees("member", member=OTHERS))
        page = gert.asks(OTHERS, FORBIDDEN)
        assert f'href="/members/{OTHERS}"' in page
        assert [line["kind"] for line in desk.log("genk")][-1:] == ["access.denied"]
        assert desk.asked == 0


class TestAgain:
    """Within a quarter of an hour the answer is shown again, and the register is not asked."""

    def test_a_colleague_sees_it_and_stands_in_the_log(self, desk: Place, clock: Clock) -> None:
        """With their own reason; the question was asked once."""
        an, jan = desk.clerk(), desk.clerk("jan.baert")
        an.answered(MOVED)
        clock.pass_by(minutes=14)
        assert "04:00" in text(jan.sees("member", member=MOVED))
        page = jan.answered(MOVED, case="vraag-9")
        assert "Het register is niet opnieuw gevraagd" in text(page)
        assert citizen(MOVED).residence.street in page
        assert desk.asked == 1
        assert desk.kinds(*ACCESS) == ["access.intent", "access.outcome", "access.reuse"]
        reuse = desk.log()[-1]
        assert (reuse["actor"]["id"], reuse["why"]["case"]) == ("jan.baert", "vraag-9")
        assert "opnieuw getoond" in text(jan.sees("member", member=MOVED))

    def test_after_it_the_register_is_asked_again(self, desk: Place, clock: Clock) -> None:
        """With another access in the log."""
        desk.clerk().answered(MOVED)
        clock.pass_by(minutes=16)
        desk.clerk().answered(MOVED)
        assert desk.asked == 2
        assert desk.kinds(*ACCESS) == ["access.intent", "access.outcome"] * 2

    def test_the_same_form_twice_is_one_question(self, desk: Place, clock: Clock) -> None:
        """A double click, and the form that the back button brings; not a second line in the log either."""
        an = desk.clerk()
        an.sees("member", member=MOVED)
        said = {"purpose": "desk", "case": CASE}
        for _ in range(2):
            assert an.sends("refresh", said, member=MOVED) == f"/members/{MOVED}/difference"
        clock.pass_by(minutes=5)
        assert an.sends("refresh", said, member=MOVED) == f"/members/{MOVED}/difference"
        assert desk.asked == 1
        assert desk.kinds(*ACCESS) == ["access.intent", "access.outcome"]

    def test_at_the_same_moment_too(self, desk: Place) -> None:
        """One person's click goes twice, and a colleague asks: one question, and the colleague's look is noted."""
        an, jan = desk.clerk(), desk.clerk("jan.baert")
        again = Clerk(desk.scene.browser())
        again.browser.client.cookies = an.browser.client.cookies
        for clerk in (an, again, jan):
            clerk.sees("member", member=MOVED)
        desk.register.latency_ms = 300
        with ThreadPoolExecutor(3) as threads:
            said = {"purpose": "desk", "case": CASE}
            sent = [threads.submit(clerk.sends, "refresh", said, member=MOVED) for clerk in (an, again, jan)]
            assert {each.result() for each in sent} == {f"/members/{MOVED}/difference"}
        assert desk.asked == 1
        assert desk.kinds(*ACCESS) == ["access.intent", "access.outcome", "access.reuse"]

    def test_looking_asks_nothing(self, desk: Place) -> None:
        """Not the answer's page again, nor the member's."""
        an = desk.clerk()
        an.answered(MOVED)
        size = len(desk.log())
        for name in ("difference", "member", "difference", "correct"):
            an.sees(name, member=MOVED)
        an.sees("holds")
        assert (desk.asked, len(desk.log())) == (1, size)


class TestLimits:
    """How often one may ask."""

    def test_near_a_limit_it_is_said_how_many_are_left(self, make: Make, clock: Clock, op: Op) -> None:
        """Once, on the next page."""
        limits = "[web.limits]\nper_day = 5\n"
        with place(make, clock, op, pages(op) + limits) as desk:
            an = desk.clerk()
            for number in ("M000001", "M000002", "M000003"):
                assert "Vandaag kun je dat nog" not in an.answered(number)
                clock.pass_by(minutes=2)
            assert "Vandaag kun je dat nog 1 keer." in text(an.answered("M000004"))
            assert "Vandaag kun je dat nog" not in an.sees("difference", member="M000004")

    def test_at_the_limit_it_is_said_when_one_may_again(self, desk: Place, clock: Clock) -> None:
        """Nothing is asked; that somebody tried is in the log, once a minute."""
        an = desk.clerk()
        for at in range(1, 6):
            an.answered(f"M{at:06d}")
        for _ in range(2):
            page = an.asks("M000006", MANY)
            clock.pass_by(seconds=1)
        assert "Even wachten" in text(page)
        assert "Opnieuw mogelijk over 1 minuut" in text(page)
        assert 'href="/members/M000006"' in page
        assert desk.asked == 5
        denied = [line for line in desk.log() if line["kind"] == "access.denied"]
        assert [(line["denial"], line["why"]["case"]) for line in denied] == [(REACHED, CASE)]
        an.answered("M000005", case="vraag-9")  # shown again: it takes no turn
        clock.pass_by(minutes=1)
        an.answered("M000006")
        assert desk.asked == 6

    def test_the_librarys_limit_is_said_to_be_the_librarys(self, make: Make, clock: Clock, op: Op) -> None:
        """Whoever of it asks."""
        limits = "[web.limits]\nlibrary_per_day = 1\n"
        with place(make, clock, op, pages(op) + limits) as desk:
            desk.clerk().answered(SETTLED)
            page = desk.clerk("jan.baert").asks(MOVED, MANY)
            assert "Je bibliotheek stelde vandaag al zoveel vragen als toegelaten." in text(page)

    def test_what_is_left_counts_for_person_and_library(self, desk: Place, clock: Clock) -> None:
        """Whichever is nearer is said as it is, also past it."""
        quotas = DeskQuotas(desk.scene.app.database, Limits(per_day=3, library_per_day=4), clock)
        for name in ("an.peeters", "an.peeters", "jan.baert"):
            quotas.take("hasselt", name)
        assert quotas.left("hasselt", "an.peeters") == {
            Window.MINUTE: 3,
            Window.HOUR: 28,
            Window.DAY: 1,
            Window.LIBRARY_DAY: 1,
        }
        assert quotas.left("genk", "an.peeters")[Window.LIBRARY_DAY] == 4


class TestTrouble:
    """What goes wrong is said in words of the desk, leads back to the member, and changed nothing."""

    def test_a_register_that_is_away(self, make: Make, clock: Clock, op: Op) -> None:
        """Nothing was changed; try again; and the next time it is asked."""
        with place(make, clock, op, pages(op), "unavailable:1") as desk:
            an, before = desk.clerk(), desk.member(MOVED)
            page = an.asks(MOVED, AWAY)
            for said in ("Het register antwoordt niet", "Er is niets gewijzigd.", "over enkele minuten opnieuw"):
                assert said in text(page)
            assert f'href="/members/{MOVED}"' in page
            assert is_clean(page)
            assert desk.member(MOVED) == before

    def test_a_register_that_refuses_us(self, make: Make, clock: Clock, op: Op) -> None:
        """To try again does not help: it is for who runs rrsync."""
        with place(make, clock, op, pages(op), "refused:1") as desk:
            page = desk.clerk().asks(MOVED, REJECTED)
            assert "Het register neemt de vraag niet aan" in text(page)
            assert f'href="/members/{MOVED}"' in page

    def test_a_log_that_cannot_be_written(self, desk: Place) -> None:
        """Then nothing is asked."""
        an = desk.clerk()
        an.sees("member", member=SETTLED)
        with desk.scene.app.database.engine.begin() as connection:
            connection.exec_driver_sql(_STUCK)
        page = an.sends("refresh", {"purpose": "desk", "case": CASE}, AWAY, member=SETTLED)
        assert "Er kan nu niets worden gevraagd" in text(page)
        assert desk.asked == 0

    def test_somebody_else_who_is_asking(self, desk: Place) -> None:
        """In another process: then nothing is asked here, and a moment later it may be."""
        an, offers = desk.clerk(), desk.scene.app.desk_answers
        claim = offers.claim("hasselt", MOVED)
        assert claim is not None
        page = an.asks(MOVED, BUSY)
        assert "Hier is al iemand mee bezig" in text(page)
        assert f'href="/members/{MOVED}"' in page
        assert desk.asked == 0
        offers.release("hasselt", MOVED, claim)
        an.answered(MOVED)

    def test_what_is_on_hold_says_what_to_do(self, desk: Place) -> None:
        """The answer's page leads to the worklist, and so does the member's."""
        an = desk.clerk()
        page = an.answered(ABROAD)
        assert "Deze persoon is naar het buitenland verhuisd." in text(page)
        assert f'href="/holds/{desk.hold(ABROAD)}"' in page
        assert f'href="/holds/{desk.hold(ABROAD)}"' in an.sees("member", member=ABROAD)
