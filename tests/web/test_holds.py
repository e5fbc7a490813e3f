"""The worklist: one hold after the other, each decided once."""

from __future__ import annotations

from itertools import count

import pytest
from structlog.testing import capture_logs

from rrsync.app.services import Services
from rrsync.core.exchange import Reason
from rrsync.core.planning import tonight
from rrsync.registry.pace import RateLimiter
from rrsync.simulator.replies import PERSON
from rrsync.store.holds import HOLDS_PER_PAGE
from rrsync.store.members import ImportRow
from rrsync.sync.refresh import MemberRefresh
from tests.support import Clock, Store, member
from tests.web.clerk import (
    ABROAD,
    MOVED,
    REFERENCE,
    RENUMBERED,
    Clerk,
    Make,
    Place,
    citizen,
    field_of,
    is_clean,
    place,
    settled,
    text,
    tree,
)
from tests.web.conftest import OIDC
from tests.web.provider import Op
from tests.web.scene import PUBLIC

MISSING, WRONG, MANY = 404, 400, 429
DECIDED = ("hold.decision",)


@pytest.fixture
def night(desk: Place) -> Place:
    """Give a desk after a night: four of Hasselt's members are on hold."""
    plan = tonight(now=desk.clock(), stale_after_days=30, full=False, most=None)
    desk.scene.app.night().run(["hasselt"], plan, progress=lambda _: None)
    return desk


def decides(clerk: Clerk, hold: int, decision: str, **said: str) -> str:
    """Look at a hold, and decide."""
    reference = field_of(clerk.sees("hold", hold=hold), "reference")
    return clerk.sends("hold", {"decision": decision, "reference": reference} | said, hold=hold)


class TestList:
    """What awaits a person."""

    def test_the_oldest_comes_first_with_its_reason(self, night: Place) -> None:
        """In words, and how many there are, also beside the menu."""
        an = night.clerk()
        page = an.sees("holds")
        holds, _ = night.scene.app.holds.page("hasselt")
        assert f"{len(holds)} leden te bekijken" in text(page)
        assert tree(page).xpath("//tbody//a/@href") == [f"/holds/{hold.id}" for hold in holds]
        for said in ("woont in het buitenland", "nieuw rijksregisternummer", "referentieadres"):
            assert said in text(page).lower()
        assert night.member(ABROAD).held.name.last in text(page)
        assert f"{len(holds)} te bekijken" in " ".join(tree(an.sees("desk")).xpath("//nav//text()"))
        assert is_clean(page)

    def test_it_is_narrowed_to_a_reason(self, night: Place) -> None:
        """Those of it alone; of one that no hold has, it says that nothing is left."""
        an = night.clerk()
        page = an.at("/holds?reason=abroad")
        assert tree(page).xpath("//tbody//a/@href") == [f"/holds/{night.hold(ABROAD)}?reason=abroad"]
        assert "1 lid te bekijken" in text(page)
        assert "Met deze reden is er niets meer te bekijken" in text(an.at("/holds?reason=absent"))
        assert len(tree(an.at("/holds?reason=nonsense&beyond=x")).xpath("//tbody/tr")) > 1

    def test_when_nothing_waits_it_says_so(self, desk: Place) -> None:
        """And where new ones come from."""
        assert "Er is niets te bekijken" in text(desk.clerk().sees("holds"))

    def test_a_page_has_fifty(self, desk: Place) -> None:
        """The others are on the next ones."""
        many = [ImportRow(at, member(at, number=f"K{at:03d}")) for at in range(2, HOLDS_PER_PAGE + 4)]
        desk.scene.app.members.take(many, import_id="import-9", at=desk.clock())
        with desk.scene.app.database.engine.begin() as connection:
            for at in range(2, HOLDS_PER_PAGE + 4):
                connection.exec_driver_sql(
                    "INSERT INTO hold (library, number, reason, reference, opened_at, mark) "
                    "VALUES ('hasselt', ?, 'deceased', ?, '2026-06-01 02:00:00.000000', x'')",
                    (f"K{at:03d}", f"r-{at}"),
                )
        an = desk.clerk()
        page = an.at("/holds?reason=deceased")
        assert f"{HOLDS_PER_PAGE + 2} leden te bekijken" in text(page)
        assert len(tree(page).xpath("//tbody/tr")) == HOLDS_PER_PAGE
        (further,) = tree(page).xpath("//main//p[@class='buttons']/a/@href")
        page = an.at(further)
        assert [one.split("?")[0] for one in tree(page).xpath("//tbody//a/@href")] == [
            f"/holds/{desk.hold(number)}" for number in ("K052", "K053")
        ]
        assert tree(page).xpath("//main//p[@class='buttons']/a/@href") == ["/holds?reason=deceased"]


class TestHold:
    """One of them."""

    def test_it_says_what_is_the_matter_and_what_to_do(self, night: Place) -> None:
        """And its place among the others."""
        an = night.clerk()
        page = an.sees("hold", hold=night.hold(ABROAD))
        assert "Deze persoon is naar het buitenland verhuisd." in text(page)
        assert "Vraag het lid naar een postadres." in text(page)
        assert " van 3 " in text(page)
        assert "Afgehandeld: van de lijst halen" in text(page)
        assert "Overnemen" not in text(page)

    def test_what_it_proposes_stands_beside_what_is_held(self, night: Place) -> None:
        """And can be taken over."""
        page = night.clerk().sees("hold", hold=night.hold(REFERENCE))
        assert tree(page).xpath("//table")
        assert "Overnemen" in text(page)

    def test_a_new_number_is_not_shown(self, night: Place) -> None:
        """Only that there is one."""
        page = night.clerk().sees("hold", hold=night.hold(RENUMBERED))
        assert "Er is een nieuw rijksregisternummer. Het wordt hier niet getoond." in text(page)
        assert is_clean(page)

    def test_a_new_number_that_another_member_has(self, night: Place) -> None:
        """The two are one person: both are named, and nothing can be taken over."""
        twin = member(5, number="K7", insz=citizen(RENUMBERED).new_insz)
        night.scene.app.members.take([ImportRow(2, twin)], import_id="import-9", at=night.clock())
        page = night.clerk().sees("hold", hold=night.hold(RENUMBERED))
        assert "Het nieuwe nummer is al dat van lid K7" in text(page)
        assert 'href="/members/K7"' in page
        assert not tree(page).xpath("//button[@value='accept']")
        assert is_clean(page)

    def test_another_librarys_is_as_unknown_as_none(self, night: Place) -> None:
        """The same bytes under the same status, looked at or decided about."""
        gert, hold = night.clerk("gert.nijs"), night.hold(REFERENCE)
        gert.sees("holds")
        said = {"decision": "accept", "reference": "r"}
        seen = [
            (gert.sees("hold", MISSING, hold=number), gert.sends("hold", said, MISSING, hold=number))
            for number in (hold, 999_999_999, "0", "x", "9" * 20)
        ]
        assert len({settled(page) for pair in seen for page in pair}) == 1
        assert night.kinds(*DECIDED) == []
        assert "Er is niets te bekijken" in text(gert.sees("holds"))


class TestDecide:
    """Taken over, or left; the next one comes then."""

    def test_what_it_proposes_is_taken_over(self, night: Place) -> None:
        """With who decided, in the log."""
        an, hold, before = night.clerk(), night.hold(REFERENCE), night.member(REFERENCE)
        leads = decides(an, hold, "accept")
        assert leads.startswith("/holds/")
        assert leads != f"/holds/{hold}"
        assert "Overgenomen, en van de werklijst gehaald." in text(an.at(leads))
        assert night.member(REFERENCE).held.address != before.held.address
        entry = night.log()[-1]
        assert (entry["kind"], entry["decision"], entry["actor"]["id"]) == ("hold.decision", "accepted", "an.peeters")
        an.sees("hold", MISSING, hold=hold)

    def test_what_is_held_stays(self, night: Place) -> None:
        """And the hold is off the list."""
        an, hold, before = night.clerk(), night.hold(ABROAD), night.member(ABROAD)
        leads = decides(an, hold, "dismiss")
        assert "Afgewezen, en van de werklijst gehaald." in text(an.at(leads))
        assert night.member(ABROAD).held == before.held
        an.sees("hold", MISSING, hold=hold)

    def test_one_goes_on_in_what_it_was_narrowed_to(self, night: Place) -> None:
        """And back to the list, when nothing of it is left."""
        an, hold = night.clerk(), night.hold(ABROAD)
        page = an.at(f"/holds/{hold}?reason=abroad")
        assert "1 van 1" in text(page)
        assert decides(an, hold, "dismiss", reason="abroad") == "/holds?reason=abroad"

    def test_all_of_them_one_after_the_other(self, night: Place) -> None:
        """To the end of the list."""
        an = night.clerk()
        at = tree(an.sees("holds")).xpath("//div[@class='row-head']//a/@href")[0]
        for _ in range(len(night.scene.app.holds.page("hasselt")[0])):
            at = decides(an, int(at.rpartition("/")[2]), "dismiss")
        assert at == "/holds"
        assert "Er is niets te bekijken" in text(an.at(at))

    def test_twice_is_once(self, night: Place) -> None:
        """A double click leads on where the first did, and writes one line."""
        an, hold = night.clerk(), night.hold(REFERENCE)
        said = {"decision": "accept", "reference": field_of(an.sees("hold", hold=hold), "reference")}
        first, second = (an.sends("hold", said, hold=hold) for _ in range(2))
        assert first == second
        assert "Overgenomen" in text(an.at(second))
        assert night.kinds(*DECIDED) == ["hold.decision"]

    def test_what_was_renewed_meanwhile_is_looked_at_again(self, night: Place) -> None:
        """The register may say something else by now."""
        an, hold = night.clerk(), night.hold(REFERENCE)
        an.sees("hold", hold=hold)
        leads = an.sends("hold", {"decision": "accept", "reference": "another"}, hold=hold)
        assert leads == f"/holds/{hold}"
        assert "Hierover werd intussen beslist" in text(an.at(leads))
        assert night.kinds(*DECIDED) == []

    def test_what_cannot_be_taken_over_is_not(self, night: Place) -> None:
        """Whoever makes a form of their own."""
        an, hold, before = night.clerk(), night.hold(ABROAD), night.member(ABROAD)
        decides(an, hold, "accept")
        assert night.member(ABROAD) == before
        assert night.hold(ABROAD) == hold
        an.sends("hold", {"decision": "both", "reference": ""}, WRONG, hold=hold)

    def test_a_new_number_is_taken_over_and_asked_under(self, night: Place) -> None:
        """At once, which takes a turn; no number is on a page or in a line."""
        an, hold, asked = night.clerk(), night.hold(RENUMBERED), night.register.counts[PERSON.operation]
        with capture_logs() as logged:
            page = an.at(decides(an, hold, "accept"))
        assert "is meteen nagevraagd in het register" in text(page)
        assert night.member(RENUMBERED).insz == citizen(RENUMBERED).new_insz
        assert night.register.counts[PERSON.operation] == asked + 1
        assert night.kinds(*DECIDED) == ["hold.decision"]
        assert is_clean(page + repr(logged))
        quotas = night.scene.app.quotas.left("hasselt", "an.peeters")
        assert min(quotas.values()) == 4

    def test_it_goes_at_the_pace_of_all_other_questions(self, night: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        """One desk asks for all pages of a process: a second would not know what the first one has in flight."""
        built, build = count(), Services.desk

        def counted(app: Services, pace: RateLimiter | None = None) -> MemberRefresh:
            next(built)
            return build(app, pace)

        monkeypatch.setattr(Services, "desk", counted)
        an = night.clerk()
        an.answered(MOVED)
        decides(an, night.hold(RENUMBERED), "accept")
        assert night.kinds(*DECIDED) == ["hold.decision"]
        assert next(built) == 1

    def test_a_register_that_is_away_does_it_the_next_night(self, night: Place) -> None:
        """The decision stands."""
        an, hold = night.clerk(), night.hold(RENUMBERED)
        night.register.__exit__()
        page = text(an.at(decides(an, hold, "accept")))
        assert "de volgende nacht gebeurt dat" in page
        assert night.member(RENUMBERED).insz == citizen(RENUMBERED).new_insz

    def test_over_the_limit_nothing_is_decided(self, make: Make, clock: Clock, op: Op) -> None:
        """When one may again is said, and the page leads back to the hold."""
        settings = OIDC.format(public=PUBLIC, issuer=op.url) + "[web.limits]\nper_day = 2\n"
        with place(make, clock, op, settings) as desk:
            an = desk.clerk()
            an.answered(RENUMBERED)
            an.answered(MOVED)
            hold = desk.hold(RENUMBERED)
            said = {"decision": "accept", "reference": field_of(an.sees("hold", hold=hold), "reference")}
            page = an.sends("hold", said, MANY, hold=hold)
            assert f'href="/holds/{hold}"' in page
            assert desk.kinds("access.denied", *DECIDED) == ["access.denied"]


class TestWorklist:
    """The room behind it, on either database."""

    def test_it_counts_pages_and_places(self, store: Store) -> None:
        """Of one library, of all or one reason; what is decided is no more in it."""
        worklist = store.holds
        rows = [(number, reason) for number, reason in enumerate(("abroad", "deceased", "abroad", "absent"), start=1)]
        for number, reason in rows:
            store.execute(
                "INSERT INTO hold (library, number, reason, reference, opened_at, mark) "
                "VALUES (:library, :number, :reason, 'r', '2026-06-01 02:00:00.000000', :mark)",
                library="hasselt",
                number=f"M{number}",
                reason=reason,
                mark=b"",
            )
        holds, has_more = worklist.page("hasselt")
        assert ([hold.number for hold in holds], has_more) == (["M1", "M2", "M3", "M4"], False)
        assert worklist.counts("hasselt") == {Reason.DECEASED: 1, Reason.ABROAD: 2, Reason.ABSENT: 1}
        assert list(worklist.counts("hasselt")) == [Reason.DECEASED, Reason.ABROAD, Reason.ABSENT]
        assert (worklist.count("hasselt"), worklist.count("genk")) == (4, 0)
        one, two, three, four = (hold.id for hold in holds)
        turn = worklist.turn("hasselt", two)
        assert (turn.place, turn.total, turn.before, turn.after) == (2, 4, one, three)
        turn = worklist.turn("hasselt", two, reason=Reason.ABROAD)
        assert (turn.total, turn.before, turn.after) == (2, one, three)
        assert worklist.turn("genk", two).total == 0
        found, _ = worklist.page("hasselt", reason=Reason.ABROAD, beyond=one)
        assert [hold.id for hold in found] == [three]
        assert worklist.of("hasselt", "M4") is not None
        assert worklist.of("genk", "M4") is None
        store.execute("UPDATE hold SET closed_at = '2026-06-02 02:00:00.000000' WHERE id = :id", id=four)
        assert worklist.of("hasselt", "M4") is None
        assert worklist.count("hasselt") == 3
