"""The answer about a member: shown to who asked, and decided about once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from structlog.testing import capture_logs

from rrsync.core.log_entry import Actor, ActorKind
from tests.support import Clock
from tests.web.clerk import ABROAD, MOVED, REFERENCE, SETTLED, Clerk, Place, citizen, field_of, is_clean, text, tree

WRONG = 400
DECIDED = ("offer.decision",)
HERE = f"/members/{MOVED}"


def decides(clerk: Clerk, decision: str, ticket: str) -> str:
    return clerk.sends("difference", {"decision": decision, "ticket": ticket}, member=MOVED)


class TestPage:
    """What the register said, field by field."""

    def test_a_change_stands_beside_what_is_held(self, desk: Place) -> None:
        """Nothing is written yet; what is the same is said to be, and no national number is on the page."""
        an, before = desk.clerk(), desk.member(MOVED)
        page = an.answered(MOVED)
        assert "Het register zegt iets anders" in text(page)
        assert "Er is nog niets gewijzigd" in text(page)
        street = tree(page).xpath("//tr[contains(., 'straat')]")[0]
        assert before.held.address.street in street.xpath("string(td[1])")
        assert citizen(MOVED).residence.street in street.xpath("string(td[2])")
        assert "gelijk" in text(page)
        assert "tot 04:15" in text(page)
        assert is_clean(page)
        assert desk.member(MOVED) == before

    def test_what_is_confirmed_needs_nothing(self, desk: Place) -> None:
        """No table, no decision."""
        page = desk.clerk().answered(SETTLED)
        assert "Het klopt" in text(page)
        assert not tree(page).xpath("//table | //button[@name='decision']")

    def test_what_is_on_hold_is_for_the_worklist(self, desk: Place) -> None:
        """With what to do, and what it proposes, if anything."""
        an = desk.clerk()
        page = an.answered(ABROAD)
        assert "Vraag het lid naar een postadres." in text(page)
        assert not tree(page).xpath("//button[@name='decision'] | //table")
        page = an.answered(REFERENCE)
        assert "Het register geeft een adres voor brieven." in text(page)
        assert tree(page).xpath("//table")
        assert not tree(page).xpath("//button[@name='decision']")

    def test_only_who_asked_may_see_it(self, desk: Place) -> None:
        """A colleague is led to the member, and to the question that lets them."""
        an, jan = desk.clerk(), desk.clerk("jan.baert")
        an.answered(MOVED)
        assert jan.browser.get(f"{HERE}/difference").headers["location"] == HERE
        page = jan.at(HERE)
        assert citizen(MOVED).residence.street not in page
        assert "Vraag het lid opnieuw na." in text(page)
        assert decides(jan, "accept", "x") == HERE
        assert desk.kinds(*DECIDED) == []

    def test_it_lapses(self, desk: Place, clock: Clock) -> None:
        """After a quarter of an hour it is shown no more, and said so."""
        an = desk.clerk()
        an.answered(MOVED)
        clock.pass_by(minutes=14)
        ticket = field_of(an.sees("difference", member=MOVED), "ticket")
        clock.pass_by(minutes=1)
        assert an.browser.get(f"{HERE}/difference").headers["location"] == HERE
        assert "ouder dan een kwartier" in text(an.at(HERE))
        assert decides(an, "accept", ticket) == HERE
        assert "ouder dan een kwartier" in text(an.at(HERE))
        assert desk.kinds(*DECIDED) == []

    def test_in_english_too(self, desk: Place) -> None:
        """The dates of the rows as well."""
        an = desk.clerk()
        an.answered(MOVED)
        an.sends("language", {"language": "en"})
        page = text(an.sees("difference", member=MOVED))
        assert "The register differs" in page


class TestAccept:
    """What the register says is taken over."""

    def test_it_is_written_with_who_decided(self, desk: Place) -> None:
        """The member has the register's address, and the page says so."""
        an = desk.clerk()
        ticket = field_of(an.answered(MOVED), "ticket")
        assert decides(an, "accept", ticket) == HERE
        assert desk.member(MOVED).held.address.street == citizen(MOVED).residence.street
        page = text(an.at(HERE))
        assert "Overgenomen" in page
        assert "het Rijksregister" in page
        assert "dossier brief-118 gewijzigd" in page
        decision = desk.log()[-1]
        assert (decision["kind"], decision["decision"]) == ("offer.decision", "accepted")
        assert decision["actor"] == {"id": "an.peeters", "t": "person"}
        assert citizen(MOVED).residence.street not in repr(decision)

    def test_twice_is_once(self, desk: Place, clock: Clock) -> None:
        """A double click, and the form that the back button brings; the answer's page says what was decided."""
        an = desk.clerk()
        ticket = field_of(an.answered(MOVED), "ticket")
        for _ in range(2):
            assert decides(an, "accept", ticket) == HERE
        page = text(an.at(HERE))
        assert "Overgenomen" in page
        clock.pass_by(minutes=1)
        assert decides(an, "accept", ticket) == HERE
        assert "ouder dan" not in text(an.at(HERE))
        assert desk.kinds(*DECIDED) == ["offer.decision"]
        version = desk.member(MOVED).version
        page = an.sees("difference", member=MOVED)
        assert "Wat het register zegt, staat nu bij het lid." in text(page)
        assert not tree(page).xpath("//button[@name='decision']")
        assert (desk.member(MOVED).version, desk.asked) == (version, 1)

    def test_at_the_same_moment_too(self, desk: Place) -> None:
        """One of both is written, and neither is an error."""
        an = desk.clerk()
        ticket = field_of(an.answered(MOVED), "ticket")
        jan = desk.clerk("jan.baert")
        jan.answered(MOVED, case="vraag-9")
        with ThreadPoolExecutor(2) as threads:
            sent = [threads.submit(decides, clerk, "accept", ticket) for clerk in (an, jan)]
            assert {each.result() for each in sent} == {HERE}
        assert desk.kinds(*DECIDED) == ["offer.decision"]

    def test_after_a_decline_it_is_not_taken_over(self, desk: Place) -> None:
        """A decision stands; who comes too late is told."""
        an = desk.clerk()
        ticket = field_of(an.answered(MOVED), "ticket")
        decides(an, "decline", ticket)
        an.at(HERE)
        assert decides(an, "accept", ticket) == HERE
        assert "Er is niets gewijzigd." in text(an.at(HERE))
        assert desk.kinds(*DECIDED) == ["offer.decision"]

    def test_a_member_that_was_written_meanwhile_is_left(self, desk: Place) -> None:
        """By a colleague's correction here: their word stands."""
        an, app = desk.clerk(), desk.scene.app
        ticket = field_of(an.answered(MOVED), "ticket")
        jan = Actor(ActorKind.PERSON, "jan.baert")
        until = desk.clock().date().replace(month=12)
        address = desk.member(SETTLED).held.address
        app.corrections.correct("hasselt", MOVED, address, reason="verhuisd", until=until, actor=jan)
        assert decides(an, "accept", ticket) == HERE
        assert "intussen gewijzigd" in text(an.at(HERE))
        assert desk.member(MOVED).held.address.street == address.street

    @pytest.mark.parametrize("ticket", ["", "x", "ref-0"])
    def test_another_answer_is_not_decided_about(self, desk: Place, ticket: str) -> None:
        """A form of an older answer."""
        an = desk.clerk()
        an.answered(MOVED)
        assert decides(an, "accept", ticket) == HERE
        assert "Er is niets gewijzigd." in text(an.at(HERE))
        assert desk.kinds(*DECIDED) == []

    def test_what_is_no_decision_is_none(self, desk: Place) -> None:
        """And what was confirmed cannot be decided about."""
        an = desk.clerk()
        ticket = field_of(an.answered(MOVED), "ticket")
        an.sends("difference", {"decision": "both", "ticket": ticket}, WRONG, member=MOVED)
        an.answered(SETTLED)
        offer = desk.scene.app.desk_service.recent("hasselt", SETTLED)
        assert offer is not None
        said = {"decision": "accept", "ticket": offer.reference}
        assert an.sends("difference", said, member=SETTLED) == f"/members/{SETTLED}"
        assert desk.kinds(*DECIDED) == []


class TestDecline:
    """What is held stays."""

    def test_nothing_is_written_but_who_decided(self, desk: Place) -> None:
        """The page says that the night may find it again, and offers to correct."""
        an, before = desk.clerk(), desk.member(MOVED)
        ticket = field_of(an.answered(MOVED), "ticket")
        with capture_logs() as logged:
            assert decides(an, "decline", ticket) == HERE
        page = text(an.at(HERE))
        assert "De volgende nachtelijke run kan het verschil opnieuw vinden." in page
        assert "dossier brief-118 niet overgenomen" in page
        assert desk.member(MOVED).held == before.held
        decision = desk.log()[-1]
        assert (decision["kind"], decision["decision"]) == ("offer.decision", "declined")
        page = an.sees("difference", member=MOVED)
        assert "Gelaten zoals het was" in text(page)
        assert f'href="{HERE}/correct"' in page
        assert is_clean(repr(logged))

    def test_until_then_it_is_said_to_be_undecided(self, desk: Place) -> None:
        """Among what was asked."""
        an = desk.clerk()
        an.answered(MOVED)
        assert "dossier brief-118 nog niet beslist" in text(an.at(HERE))
