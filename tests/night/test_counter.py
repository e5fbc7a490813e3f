"""The counter against a real register: what is asked, offered, decided and shown again, on either database."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest

from rrsync.app.web_services import web_services
from rrsync.core.exchange import Reason
from rrsync.core.log_entry import REUSED, Actor, ActorKind, Kind
from rrsync.core.person import Address, Member
from rrsync.errors import Busy, ConfigError, LedgerError, NotAuthorised, RegistryUnavailable, RrsyncError, StoreError
from rrsync.simulator.faults import Fault
from rrsync.store.desk_answers import ANSWER_LIFETIME, DeskAnswer
from rrsync.store.log_search import AccessFilter
from rrsync.store.rows import MemberStatus
from rrsync.sync.desk import DeskService, MemberLocks, OncePerMinute
from tests.night.conftest import LibraryNight
from tests.night.house import LIBRARY, House
from tests.support import NOW

AN: Final = Actor(ActorKind.PERSON, "an.peeters")
BO: Final = Actor(ActorKind.PERSON, "bo.claes")
#: Of the forty people of the first seed.
ABROAD: Final = "M000007"
MOVED: Final = "M000015"
SETTLED: Final = "M000001"


@pytest.fixture
def house(library_night: LibraryNight) -> House:
    """Give a library with forty members whom nobody was asked about."""
    house = library_night(people=40)
    house.fill()
    return house


@pytest.fixture
def counter(house: House) -> DeskService:
    """Give its counter, as the pages have it."""
    return web_services(house.app).desk_service


def ask(counter: DeskService, number: str = MOVED, actor: Actor = AN, **words: str) -> DeskAnswer:
    """Ask about a member, or be shown the answer again."""
    said = {"purpose": "desk", "case": "letter-118"} | words
    return counter.ask(LIBRARY, number, actor=actor, **said)


def standing(house: House, number: str = MOVED) -> MemberStatus:
    """Give a member as it stands."""
    found = house.app.members.find(LIBRARY, number)
    assert found is not None
    return found


def member(house: House, number: str = MOVED) -> Member:
    """Give a member."""
    return standing(house, number).member


def lines(house: House) -> list[dict[str, Any]]:
    """Give the entries of the log."""
    return [entry.line for entry in house.raw.state().entries.get(LIBRARY, [])]


def kinds(house: House) -> list[str]:
    """Give the kinds of the entries, but for what is noted of the settings."""
    return [line["kind"] for line in lines(house) if line["kind"] != Kind.SETTINGS]


def again(house: House, number: str = MOVED, **row: str) -> None:
    """Import a member's row anew, with something else in it."""
    old = next(one for one in house.rows if one["member_no"] == number)
    house.take([old | row])


def elsewhere(offer: DeskAnswer) -> Address:
    """Give an address that is neither ours nor the register's."""
    return replace(offer.before.address, street="Zandzeggepad", postal_code="9690", municipality="Kluisbergen")


class TestAsking:
    """A question at the counter."""

    def test_a_change_is_offered_and_not_written(self, house: House, counter: DeskService) -> None:
        """The member is as it was and as due; the outcome says that a change was offered, and no field's name."""
        before = standing(house)
        offer = ask(counter)
        assert house.people is not None
        citizen = house.people.find(before.member.insz.digits if before.member.insz else "")
        assert citizen is not None
        assert (offer.verdict, offer.state, offer.reason, offer.hold) == ("change", "open", None, None)
        assert offer.before == before.member.held
        assert offer.after is not None
        assert offer.after.address.street == citizen.residence.street
        assert (offer.by, offer.purpose, offer.case) == (AN.name, "desk", "letter-118")
        assert (offer.asked_at, offer.until) == (NOW, NOW + timedelta(minutes=15))
        assert standing(house) == before
        outcome = lines(house)[-1]
        assert (outcome["kind"], outcome["verdict"], outcome["offered"]) == (Kind.OUTCOME, "change", True)
        assert "changed" not in outcome
        assert "preview" not in outcome
        assert set(outcome["out"]["got"]) == set(offer.got) != set()
        assert counter.recent(LIBRARY, MOVED) == offer
        assert (counter.seen(offer, "An.Peeters "), counter.seen(offer, BO.name)) == (True, False)
        assert [look.is_offered for look in house.app.log_search.accesses(AccessFilter(LIBRARY))] == [True]

    def test_what_is_the_same_is_settled_at_once(self, house: House, counter: DeskService) -> None:
        """The member was asked about, and what the register adds is written."""
        offer = ask(counter, SETTLED)
        assert (offer.verdict, offer.state) == ("same", "settled")
        found = standing(house, SETTLED)
        assert (found.verdict, found.refreshed_at, found.member.held) == ("same", NOW, offer.after)
        assert counter.recent(LIBRARY, SETTLED) == offer

    def test_a_hold_is_settled_at_once(self, house: House, counter: DeskService) -> None:
        """It stands on the worklist, and the offer names it for as long as it is open."""
        offer = ask(counter, ABROAD)
        (hold,) = house.app.holds.open()
        assert (offer.verdict, offer.reason, offer.after, offer.hold) == ("hold", Reason.ABROAD, None, hold.id)
        assert standing(house, ABROAD).hold_reason == "abroad"
        house.app.settlement.dismiss(hold, AN)
        now = counter.recent(LIBRARY, ABROAD)
        assert now is not None
        assert now.hold is None

    @pytest.mark.parametrize(
        ("number", "words", "error"),
        [
            ("M999999", {}, "no member of this number"),
            (MOVED, {"case": "85.67.30-033.60"}, "national number may not stand"),
        ],
    )
    def test_what_cannot_be_asked(
        self, house: House, counter: DeskService, number: str, words: dict[str, str], error: str
    ) -> None:
        """Nothing is asked, and the next question goes."""
        with pytest.raises(ConfigError, match=error):
            ask(counter, number, AN, **words)
        assert not house.simulator.asked
        assert ask(counter).state == "open"

    def test_what_nobody_allowed_is_denied(self, house: House, counter: DeskService) -> None:
        """As at the desk: the denial is in the log, and nothing was sent."""
        with pytest.raises(NotAuthorised):
            ask(counter, purpose="curiosity")
        assert kinds(house) == [Kind.DENIED]
        assert not house.simulator.asked

    def test_while_the_register_is_away(self, house: House, counter: DeskService) -> None:
        """Nothing is kept, and somebody may ask at once again."""
        house.simulator.faults = [Fault.parse("unavailable:1")]
        before = standing(house)
        with pytest.raises(RegistryUnavailable):
            ask(counter)
        assert (standing(house), counter.recent(LIBRARY, MOVED)) == (before, None)
        house.simulator.faults = ()
        assert ask(web_services(house.app).desk_service).state == "open"

    def test_a_member_with_another_number_since(self, house: House, counter: DeskService) -> None:
        """The answer is dropped, and the log says that it was about nobody's number."""

        def renumber(_: str) -> None:
            house.audit.also = None
            again(house, insz="85673003360")

        house.audit.also = renumber
        with pytest.raises(StoreError, match="another number while the register was asked"):
            ask(counter)
        assert lines(house)[-1]["verdict"] == "void"
        assert counter.recent(LIBRARY, MOVED) is None

    def test_a_mix_up_is_a_hold_that_the_officer_hears_of(self, house: House, counter: DeskService) -> None:
        """Whatever door a reply about somebody else comes in by."""
        told: list[tuple[str, str]] = []
        desk = replace(house.app.desk(), alarm=lambda *said: told.append(said))
        house.simulator.faults = [Fault.parse("mixup:1")]
        assert ask(replace(counter, desk=lambda: desk)).reason is Reason.MISMATCH
        assert told == [("mix_up", LIBRARY)]


class TestAgain:
    """Nobody is asked about twice in a quarter of an hour."""

    def test_the_answer_is_shown_again_and_logged(self, house: House, counter: DeskService) -> None:
        """Whom it was shown to and why is an entry of its own, a look like any other, but not one of the register's."""
        first = ask(counter)
        house.clock.pass_by(minutes=14)
        second = ask(counter, actor=BO, purpose="member-administration", case="letter-119")
        assert len(house.simulator.asked) == 1
        assert second == replace(first, seen=(AN.name, BO.name))
        assert counter.seen(second, BO.name)
        line = lines(house)[-1]
        assert (line["kind"], line["actor"]["id"], line["of"]) == (Kind.REUSE, BO.name, first.reference)
        assert line["why"]["code"] == "member-administration"
        assert line["why"]["case"] == "letter-119"
        assert line["ref"] != first.reference
        looks = list(house.app.log_search.accesses(AccessFilter(LIBRARY)))
        assert [(look.status, look.of, look.verdict) for look in looks] == [
            ("ok", "", "change"),
            (REUSED, first.reference, "change"),
        ]
        assert looks[1].got == first.got
        assert looks[1].subject == looks[0].subject
        assert counter.reuse(second, actor=BO, purpose="desk", case="x-1").seen == (AN.name, BO.name)
        assert house.app.notary.verify(LIBRARY).size == len(lines(house))

    def test_a_hold_is_named_when_it_is_shown_again(self, house: House, counter: DeskService) -> None:
        """As the first outcome did."""
        ask(counter, ABROAD)
        ask(counter, ABROAD, actor=BO)
        assert (lines(house)[-1]["verdict"], lines(house)[-1]["hold"]) == ("hold", "abroad")

    @pytest.mark.parametrize(
        ("words", "error"),
        [({"purpose": "curiosity"}, NotAuthorised), ({"case": "85.67.30-033.60"}, ConfigError)],
    )
    def test_what_may_not_be_asked_is_not_shown_again(
        self, house: House, counter: DeskService, words: dict[str, str], error: type[RrsyncError]
    ) -> None:
        """The authorisation is looked at as for a question."""
        first = ask(counter)
        with pytest.raises(error):
            ask(counter, actor=BO, **words)
        now = counter.recent(LIBRARY, MOVED)
        assert now == first
        assert Kind.REUSE not in kinds(house)
        assert (Kind.DENIED in kinds(house)) == (error is NotAuthorised)

    def test_after_a_quarter_of_an_hour_it_is_gone(self, house: House, counter: DeskService) -> None:
        """It can be neither shown nor decided about; the next question is an access, and forgets it."""
        first = ask(counter)
        ask(counter, SETTLED)
        house.clock.now = first.until
        assert counter.recent(LIBRARY, MOVED) is None
        for act in (counter.accept, counter.decline):
            with pytest.raises(StoreError, match="This answer has lapsed"):
                act(first, AN)
        with pytest.raises(StoreError, match="This answer has lapsed"):
            counter.reuse(first, actor=AN, purpose="desk", case="c-1")
        assert ask(counter).reference != first.reference
        assert house.raw.rows("SELECT count(*) FROM offer")[0][0] == 1
        assert len(house.simulator.asked) == 3
        with pytest.raises(StoreError, match="This answer has lapsed"):  # the one before is not the one there is
            counter.accept(first, AN)

    def test_a_clock_that_was_put_back_keeps_no_answer(self, house: House, counter: DeskService) -> None:
        """One from the future is not shown."""
        ask(counter)
        house.clock.pass_by(hours=-1)
        assert counter.recent(LIBRARY, MOVED) is None

    def test_the_night_forgets_what_has_lapsed(self, house: House, counter: DeskService) -> None:
        """Nothing of a person is kept beside the member for longer than it is of use."""
        ask(counter)
        house.clock.now = NOW + ANSWER_LIFETIME
        house.night()
        assert house.raw.rows("SELECT count(*) FROM offer")[0][0] == 0
        assert house.app.desk_answers.sweep() == 0

    @pytest.mark.parametrize("how", ["import", "night", "correction"])
    def test_a_member_that_was_written_to_is_asked_about_anew(
        self, house: House, counter: DeskService, how: str
    ) -> None:
        """An answer about what the member was is not shown, nor taken over."""
        offer = ask(counter)
        if how == "import":
            again(house, street="Kanarievogelstraat")
        elif how == "night":
            house.night(full=True)
        else:
            until = NOW.date() + timedelta(days=9)
            counter.correct(LIBRARY, MOVED, elsewhere(offer), reason="lease", until=until, actor=AN)
        before = standing(house)
        assert counter.recent(LIBRARY, MOVED) is None
        for act in (counter.accept, counter.decline):
            with pytest.raises(StoreError, match=r"was changed, or asked about, since .*Look at the member again"):
                act(offer, AN)
        assert standing(house) == before
        assert Kind.OFFER not in kinds(house)
        ask(counter)
        asked = [one.digits for one in house.simulator.asked]
        assert asked.count(asked[0]) == (3 if how == "night" else 2)


class TestDeciding:
    """A person accepts what is offered, or declines it."""

    def test_what_is_accepted_is_written_with_the_decision(self, house: House, counter: DeskService) -> None:
        """The member, the change and the entry, together; the member counts as asked about when the register was."""
        offer = ask(counter)
        house.clock.pass_by(minutes=5)
        counter.accept(offer, BO)
        found, line = standing(house), lines(house)[-1]
        assert (found.member.held, found.verdict, found.hold_reason) == (offer.after, "change", "")
        assert (found.refreshed_at, found.changed_at) == (NOW, house.clock())
        assert (line["kind"], line["ref"], line["decision"]) == (Kind.OFFER, offer.reference, "accepted")
        assert (line["actor"], "address" in line["changed"]) == ({"t": "person", "id": BO.name}, True)
        (change,) = (one for one in house.raw.state().changes if one.key == (LIBRARY, MOVED))
        assert change.seq == line["seq"]
        now = counter.recent(LIBRARY, MOVED)
        assert now is not None
        assert (now.state, now.before, now.after) == ("accepted", offer.before, offer.after)
        assert ask(counter, actor=BO).state == "accepted"
        assert len(house.simulator.asked) == 1
        for act in (counter.accept, counter.decline):
            with pytest.raises(StoreError, match="was decided already"):
                act(now, AN)
        assert house.night().hold["mismatch"] == 0

    def test_what_is_accepted_closes_the_hold_of_before(self, house: House, counter: DeskService) -> None:
        """The register says nothing to look at any more."""
        house.simulator.faults = [Fault.parse("mixup:1")]
        ask(counter)
        house.simulator.faults = ()
        house.clock.now = NOW + ANSWER_LIFETIME
        offer = ask(counter)
        assert len(list(house.app.holds.open())) == 1
        counter.accept(offer, AN)
        assert not list(house.app.holds.open())

    def test_what_is_declined_stays_as_it_was(self, house: House, counter: DeskService) -> None:
        """With an entry and nothing else; the night asks by its own rule, and takes the register's word."""
        before, offer = standing(house), ask(counter)
        counter.decline(offer, AN)
        assert standing(house) == before
        assert (lines(house)[-1]["decision"], lines(house)[-1]["changed"]) == ("declined", [])
        assert ask(counter).state == "declined"
        assert house.night().exit_code == 0
        assert member(house).held == offer.after

    def test_two_who_accept_at_once_write_once(self, house: House, counter: DeskService) -> None:
        """One of them is told that it was decided."""
        offer, ready = ask(counter), threading.Barrier(4)

        def press(who: int) -> str:
            ready.wait(10)
            try:
                counter.accept(offer, (AN, BO)[who % 2])
            except StoreError as error:
                return error.what
            return ""

        with ThreadPoolExecutor(4) as pool:
            said = sorted(pool.map(press, range(4)))
        assert said == ["", *["This was decided already"] * 3]
        assert kinds(house).count(Kind.OFFER) == 1
        assert member(house).version == offer.version + 1

    @pytest.mark.parametrize("table", ["offer", "entry", "log"])
    def test_an_answer_is_kept_with_its_outcome_or_not_at_all(
        self, house: House, counter: DeskService, table: str
    ) -> None:
        """When one of them cannot be written, none of it was, and the intent still waits for its outcome."""
        before = standing(house)

        def refuse(_: str) -> None:
            house.audit.also = None
            _refuse(house, table)

        house.audit.also = refuse
        with pytest.raises(LedgerError, match="could not be written"):
            ask(counter)
        assert standing(house) == before
        assert kinds(house) == [Kind.INTENT]
        assert counter.recent(LIBRARY, MOVED) is None
        house.audit.also = None
        _allow(house, table)
        house.clock.pass_by(minutes=16)
        house.night()  # gives what was left without outcome its own


def _refuse(house: House, table: str) -> None:
    """Have the database refuse what ends a question."""
    event = "INSERT" if table == "entry" else "UPDATE"
    with house.app.database.engine.begin() as connection:
        if house.app.database.is_sqlite:
            connection.exec_driver_sql(
                f"CREATE TRIGGER refuse BEFORE {event} ON \"{table}\" BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
            )
            return
        connection.exec_driver_sql(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'disk is full'; END $$"
        )
        connection.exec_driver_sql(
            f'CREATE TRIGGER refuse BEFORE {event} ON "{table}" FOR EACH ROW EXECUTE FUNCTION refuse()'
        )


def _allow(house: House, table: str) -> None:
    with house.app.database.engine.begin() as connection:
        on = "" if house.app.database.is_sqlite else f' ON "{table}"'
        connection.exec_driver_sql(f"DROP TRIGGER refuse{on}")


class TestAtOnce:
    """Many press the button about the same member."""

    def test_eight_threads_make_one_access(self, house: House, counter: DeskService) -> None:
        """The others are shown its answer, each with an entry of their own."""
        ready = threading.Barrier(8)

        def press(who: int) -> DeskAnswer:
            ready.wait(10)
            return ask(counter, actor=Actor(ActorKind.PERSON, f"staff-{who}"))

        with ThreadPoolExecutor(8) as pool:
            offers = list(pool.map(press, range(8)))
        assert len(house.simulator.asked) == 1
        assert len({offer.reference for offer in offers}) == 1
        assert kinds(house).count(Kind.REUSE) == 7
        now = counter.recent(LIBRARY, MOVED)
        assert now is not None
        assert set(now.seen) == {f"staff-{who}" for who in range(8)}
        assert house.app.notary.verify(LIBRARY).size == len(lines(house))

    def test_another_process_asks_nothing_meanwhile(self, house: House, counter: DeskService) -> None:
        """It is told so; when the answer is there, it shows that one."""
        other = web_services(house.stack.enter_context(house.opened())).desk_service
        told: list[str] = []

        def meanwhile(_: str) -> None:
            house.audit.also = None
            try:
                ask(other, actor=BO)
            except Busy as error:
                told.append(error.what)

        house.audit.also = meanwhile
        first = ask(counter)
        assert told == ["Somebody else asks the register about this member just now"]
        assert ask(other, actor=BO).reference == first.reference
        assert len(house.simulator.asked) == 1

    def test_an_answer_that_came_between_is_shown(self, house: House, counter: DeskService) -> None:
        """Who looked before the other process had its answer, and may ask after, looks again."""
        other = web_services(house.stack.enter_context(house.opened())).desk_service
        offers = house.app.desk_answers
        claim = offers.claim

        class Late:
            """Lets the other process be first, between the look and the claim."""

            def __getattr__(self, name: str) -> Any:
                return getattr(offers, name)

            def claim(self, library: str, number: str) -> Any:
                ask(other, actor=BO)
                return claim(library, number)

        late: Any = Late()
        offer = ask(replace(counter, offers=late))
        assert offer.seen == (BO.name, AN.name)
        assert len(house.simulator.asked) == 1
        assert ask(counter).reference == offer.reference

    def test_who_died_while_asking_keeps_others_for_two_minutes(self, house: House, counter: DeskService) -> None:
        """Then somebody may ask."""
        assert house.app.desk_answers.claim(LIBRARY, MOVED) is not None
        house.clock.pass_by(seconds=119)
        with pytest.raises(Busy, match="Nothing was asked"):
            ask(counter)
        assert ask(counter, SETTLED).state == "settled"
        house.clock.pass_by(seconds=1)
        assert ask(counter).state == "open"

    def test_a_turn_that_does_not_come_is_told(self) -> None:
        """And one that is over is forgotten."""
        turns = MemberLocks()
        with turns.of("hasselt", "M1"):
            with pytest.raises(Busy), turns.of("hasselt", "M1", patience_s=0.01):
                pass
            with turns.of("hasselt", "M2"), turns.of("genk", "M1"):
                pass
        assert not turns._waiting


class TestRefused:
    """Who asked as often as they may, and asks again."""

    def test_a_refusal_is_noted_once_a_minute(self, house: House, counter: DeskService) -> None:
        """It is a denial like any other, so that three of them in a day stand out; nothing was sent."""
        for minute in range(3):
            for _ in range(4):
                counter.refused(LIBRARY, MOVED, actor=AN, purpose="desk", case="letter-118")
            assert kinds(house) == [Kind.DENIED] * (minute + 1)
            house.clock.pass_by(minutes=1)
        counter.refused(LIBRARY, MOVED, actor=BO, purpose="desk", case="letter-118")
        said = [line for line in lines(house) if line["kind"] == Kind.DENIED]
        assert [line["actor"]["id"] for line in said] == [AN.name] * 3 + [BO.name]
        assert {line["denial"] for line in said} == {"the limit of questions was reached"}
        assert ["many_refused" in line["flags"] for line in said] == [False, False, True, False]
        assert not house.simulator.asked

    def test_names_of_long_ago_are_not_kept(self) -> None:
        """Nor do those of two libraries meet."""
        recently = OncePerMinute()
        assert recently.is_due("hasselt", "an", NOW)
        assert not recently.is_due("hasselt", "an", NOW)
        assert recently.is_due("genk", "an", NOW)
        assert recently.is_due("genk", "bo", NOW + timedelta(minutes=1))
        assert len(recently._last) == 1


def test_nothing_of_it_is_in_clear(house: House, counter: DeskService) -> None:
    """Neither who asked and why, nor what was answered: the database's owner learns from it what the log says alone."""
    offer = ask(counter, case="letter-canary")
    counter.correct(
        LIBRARY,
        SETTLED,
        elsewhere(offer),
        reason="toonde een huurcontract",
        until=NOW.date() + timedelta(days=30),
        actor=Actor(ActorKind.PERSON, "canary.staff"),
    )
    rows = [str(row) for table in ("offer", "correction") for row in house.raw.rows(f"SELECT * FROM {table}")]
    assert len(rows) == 2
    words = ("canary", "Zandzeggepad", "Kluisbergen", "huurcontract", AN.name, "desk", offer.before.name.last)
    assert [word for word in words for row in rows if word in row] == []


def at_once(*works: Callable[[], object]) -> None:
    """Do several things at once; what one of them raises is nobody's."""
    ready = threading.Barrier(len(works))

    def work(one: Callable[[], object]) -> None:
        ready.wait(10)
        with suppress(RrsyncError):
            one()

    with ThreadPoolExecutor(len(works)) as pool:
        list(pool.map(work, works))


def test_accept_decline_correct_and_import_at_once(house: House, counter: DeskService) -> None:
    """Whichever comes first, the log and the member tell the same story."""
    offer = ask(counter)
    address, until = elsewhere(offer), NOW.date() + timedelta(days=30)
    at_once(
        lambda: counter.accept(offer, AN),
        lambda: counter.decline(offer, BO),
        lambda: counter.correct(LIBRARY, MOVED, address, reason="lease", until=until, actor=AN),
        lambda: counter.reuse(offer, actor=BO, purpose="desk", case="c-1"),
    )
    said = [line for line in lines(house) if line["kind"] == Kind.OFFER]
    changes = [one for one in house.raw.state().changes if one.key == (LIBRARY, MOVED)]
    accepted = [line for line in said if line["decision"] == "accepted"]
    assert len(said) <= 1
    assert len(changes) == len(accepted) + kinds(house).count(Kind.CORRECT)
    assert member(house).version == len(changes)
    assert house.app.notary.verify(LIBRARY).size == len(lines(house))
