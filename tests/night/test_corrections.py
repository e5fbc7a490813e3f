"""Addresses that staff know better: what a night, a desk, a hold, a file and a day do to them, on either database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, Final

import pytest

from rrsync.app.web_services import web_services
from rrsync.core.log_entry import Actor, ActorKind, Kind
from rrsync.core.person import Address
from rrsync.errors import ConfigError, StoreError
from rrsync.store.corrections import Correction
from rrsync.store.rows import MemberStatus
from rrsync.sync.desk import DeskService, last_correction_day
from tests.night.conftest import LibraryNight
from tests.night.house import LIBRARY, House
from tests.support import NOW

AN: Final = Actor(ActorKind.PERSON, "an.peeters")
BO: Final = Actor(ActorKind.PERSON, "bo.claes")
ITSELF: Final = {"t": "process", "id": "rrsync"}
TODAY: Final = NOW.date()
NEXT_WEEK: Final = TODAY + timedelta(days=7)
THERE: Final = Address("Zandzeggepad", "4", "2", "9690", "Kluisbergen", "", "BEL")
MOVED: Final = "M000015"
SETTLED: Final = "M000001"
REFERENCE_ADDRESS: Final = "M000040"


@pytest.fixture
def house(library_night: LibraryNight) -> House:
    """Give a library with forty members whom nobody was asked about."""
    house = library_night(people=40)
    house.excused = True  # a member is not what the register says of it
    house.fill()
    return house


@pytest.fixture
def counter(house: House) -> DeskService:
    """Give its counter, as the pages have it."""
    return web_services(house.app).desk_service


def standing(house: House, number: str = MOVED) -> MemberStatus:
    """Give a member as it stands."""
    found = house.app.members.find(LIBRARY, number)
    assert found is not None
    return found


def at(house: House, number: str = MOVED) -> Address:
    """Give a member's address."""
    return standing(house, number).member.held.address


def correct(
    counter: DeskService,
    number: str = MOVED,
    address: Address = THERE,
    *,
    until: date = NEXT_WEEK,
    reason: str = "lease",
) -> Correction:
    """Correct an address."""
    return counter.correct(LIBRARY, number, address, reason=reason, until=until, actor=AN)


def ask(counter: DeskService, number: str = MOVED) -> Any:
    """Ask about a member."""
    return counter.ask(LIBRARY, number, actor=AN, purpose="desk", case="letter-118")


def deeds(house: House) -> list[dict[str, Any]]:
    """Give what the log says of corrections."""
    lines = [entry.line for entry in house.raw.state().entries.get(LIBRARY, [])]
    return [line for line in lines if line["kind"] in {Kind.CORRECT, Kind.UNCORRECT}]


def ends(house: House) -> list[str]:
    """Give what ended corrections."""
    return [line["ended"] for line in deeds(house) if line["kind"] == Kind.UNCORRECT]


def registers(house: House, number: str = MOVED) -> Address:
    """Give where the register says that a member lives."""
    insz = standing(house, number).member.insz
    assert house.people is not None
    assert insz is not None
    citizen = house.people.find(insz.digits)
    assert citizen is not None
    return citizen.residence


class TestCorrecting:
    """A person puts an address in the place of the register's."""

    def test_it_is_written_with_an_entry_that_names_no_address(self, house: House, counter: DeskService) -> None:
        """The member, the change, the correction and the entry, together."""
        before = standing(house).member
        said = correct(counter)
        assert said == Correction(LIBRARY, MOVED, THERE, "lease", AN.name, NOW, NEXT_WEEK)
        assert house.app.corrections.of(LIBRARY, MOVED) == said
        found = standing(house)
        assert found.member == replace(
            before, held=replace(before.held, address=THERE, address_since=None), version=1, insz=before.insz
        )
        assert found.changed_at == NOW
        (line,) = deeds(house)
        assert (line["actor"]["id"], line["changed"], line["until"]) == (AN.name, ["address"], "2026-07-08")
        assert line["subj"]["ref"]
        assert not any(part in str(line) for part in ("Zandzeggepad", "Kluisbergen", "lease"))
        assert house.app.corrections.of(LIBRARY, SETTLED) is None
        assert [each.member.number for each in house.app.members.export(LIBRARY, since=NOW)] == [MOVED]

    def test_another_one_takes_its_place(self, house: House, counter: DeskService) -> None:
        """There is one at a time."""
        correct(counter)
        house.clock.pass_by(hours=1)
        second = correct(counter, address=replace(THERE, house_number="5"), until=TODAY + timedelta(days=9))
        assert house.app.corrections.of(LIBRARY, MOVED) == second
        assert at(house).house_number == "5"
        assert len(deeds(house)) == 2

    def test_the_address_that_is_there_may_be_kept(self, house: House, counter: DeskService) -> None:
        """Whatever the register says; nothing of it is written anew but the word of who keeps it."""
        before = standing(house).member.held
        correct(counter, address=replace(before.address, street=before.address.street.upper()))
        assert deeds(house)[0]["changed"] == []
        assert standing(house).member.held == before
        assert ask(counter).verdict == "same"
        assert standing(house).member.held.address.street == before.address.street

    @pytest.mark.parametrize(
        ("parts", "words", "error"),
        [
            ({"street": " "}, {}, "lacks its street or its municipality"),
            ({"municipality": ""}, {}, "lacks its street or its municipality"),
            ({"street": "x" * 201}, {}, "Street is longer than 200 characters"),
            ({"house_number": "4\x1b"}, {}, "House number is longer .* or not printable"),
            ({"box": "85.67.30-033.60"}, {}, "Box holds a national number"),
            ({}, {"reason": " \t"}, "The reason is empty"),
            ({}, {"reason": "is 85673003360"}, "The reason holds a national number"),
            ({}, {"until": TODAY}, "until a day after today, and at most a year ahead"),
            ({}, {"until": date(2027, 7, 2)}, "until a day after today, and at most a year ahead"),
        ],
    )
    def test_what_cannot_be_one_is_refused(
        self, house: House, counter: DeskService, parts: dict[str, str], words: dict[str, Any], error: str
    ) -> None:
        """With a sentence, and nothing is written."""
        before = standing(house)
        with pytest.raises(ConfigError, match=error):
            correct(counter, address=replace(THERE, **parts), **words)
        assert (standing(house), deeds(house)) == (before, [])

    def test_of_nobody(self, counter: DeskService) -> None:
        """A member who is not there has no address."""
        with pytest.raises(ConfigError, match="no member of this number"):
            correct(counter, "M999999")
        with pytest.raises(ConfigError, match="no member of this number"):
            counter.uncorrect(LIBRARY, "M999999", AN)

    def test_a_year_ahead_is_the_same_day(self, counter: DeskService) -> None:
        """Of a leap day, the day before the first of March; a country that is not named is ours."""
        assert last_correction_day(date(2028, 2, 29)) == date(2029, 2, 28)
        said = correct(counter, address=replace(THERE, country=""), until=last_correction_day(TODAY))
        assert (said.until, said.address.country) == (date(2027, 7, 1), "BEL")


class TestInForce:
    """While it is in force the address is the staff's."""

    @pytest.mark.parametrize("how", ["night", "counter", "desk"])
    def test_the_registers_address_is_taken_as_unsaid(self, house: House, counter: DeskService, how: str) -> None:
        """By whatever door it comes; the member was asked about all the same."""
        correct(counter)
        if how == "night":
            house.night()
        elif how == "counter":
            assert ask(counter).verdict == "same"
        else:
            desk = house.app.desk()
            for preview in (True, False):
                found = desk.refresh(LIBRARY, MOVED, actor=AN, purpose="desk", case="c-1", preview=preview)
                assert type(found.verdict).__name__ == "Same"
        now = standing(house)
        assert (now.member.held.address, now.verdict, now.refreshed_at) == (THERE, "same", NOW)
        assert house.app.corrections.of(LIBRARY, MOVED) is not None
        assert ends(house) == []

    def test_signals_count_as_ever(self, house: House, counter: DeskService) -> None:
        """A member who has a reference address is on hold; taking it over is no more what is proposed."""
        correct(counter, REFERENCE_ADDRESS)
        offer = ask(counter, REFERENCE_ADDRESS)
        assert (offer.verdict, offer.reason, offer.after) == ("hold", "reference_address", None)
        (hold,) = house.app.holds.open()
        assert not hold.offers
        with pytest.raises(StoreError, match="nothing to take over"):
            house.app.settlement.accept(hold, AN)
        assert at(house, REFERENCE_ADDRESS) == THERE

    def test_a_person_may_take_over_what_a_hold_proposed_before(self, house: House, counter: DeskService) -> None:
        """That ends the correction, in that person's name."""
        house.night()
        hold = next(one for one in house.app.holds.open() if one.number == REFERENCE_ADDRESS)
        correct(counter, REFERENCE_ADDRESS)
        house.app.settlement.accept(hold, BO)
        assert house.app.corrections.of(LIBRARY, REFERENCE_ADDRESS) is None
        assert at(house, REFERENCE_ADDRESS).street == registers(house, REFERENCE_ADDRESS).street
        assert [(line["ended"], line["actor"]["id"]) for line in deeds(house)[1:]] == [("staff", BO.name)]

    @pytest.mark.parametrize("how", ["night", "counter"])
    def test_a_register_that_says_the_same_ends_it(self, house: House, counter: DeskService, how: str) -> None:
        """Spelling apart; by itself, and the address is the register's again."""
        theirs = registers(house)
        correct(counter, address=replace(theirs, street=f" {theirs.street.upper()} ", nis_code=""))
        house.night() if how == "night" else ask(counter)
        assert ends(house) == ["agreed"]
        assert deeds(house)[-1]["actor"] == ITSELF
        assert house.app.corrections.of(LIBRARY, MOVED) is None
        assert at(house).nis_code == theirs.nis_code
        assert house.app.notary.verify(LIBRARY).size == house.app.access_log.head(LIBRARY).size


class TestEnding:
    """It ends by a person, a day, or the library's own file; then the register's word is taken again."""

    def test_a_person_ends_it(self, house: House, counter: DeskService) -> None:
        """Once; the member is due at once, and its address stays until the register is asked."""
        correct(counter)
        house.night()
        counter.uncorrect(LIBRARY, MOVED, BO)
        assert house.app.corrections.of(LIBRARY, MOVED) is None
        assert (at(house), standing(house).refreshed_at) == (THERE, None)
        assert [(line["ended"], line["actor"]["id"]) for line in deeds(house)[1:]] == [("staff", BO.name)]
        with pytest.raises(StoreError, match="has ended already"):
            counter.uncorrect(LIBRARY, MOVED, BO)
        house.night()
        assert at(house).street == registers(house).street

    @pytest.mark.parametrize("by", ["night", "counter", "desk"])
    def test_after_its_day_the_registers_word_is_taken_again(self, house: House, counter: DeskService, by: str) -> None:
        """The night begins with that, and so does whoever asks first; through its last day it is in force."""
        correct(counter)
        house.night()
        house.clock.now = NOW + timedelta(days=7)
        assert house.app.corrections.of(LIBRARY, MOVED) is not None
        house.night()
        assert (at(house), ends(house)) == (THERE, [])
        house.clock.now = NOW + timedelta(days=8)
        assert house.app.corrections.of(LIBRARY, MOVED) is None
        with pytest.raises(StoreError, match="has ended already"):
            counter.uncorrect(LIBRARY, MOVED, BO)
        if by == "night":
            assert house.night().asked >= 1
        elif by == "desk":
            house.app.desk().refresh(LIBRARY, MOVED, actor=AN, purpose="desk", case="c-1", preview=False)
        else:
            offer = ask(counter)
            assert offer.verdict == "change"
            assert standing(house).refreshed_at is None  # it is due, should nobody decide
            counter.accept(offer, AN)
        assert at(house).street == registers(house).street
        assert ends(house) == ["lapsed"]
        assert deeds(house)[-1]["actor"] == ITSELF

    def test_the_librarys_own_file_ends_it(self, house: House, counter: DeskService) -> None:
        """With another address; a row that repeats itself does not, nor does another name."""
        correct(counter)
        correct(counter, SETTLED)
        old = {row["member_no"]: row for row in house.rows}
        house.take([old[MOVED], old[SETTLED] | {"last_name": "Anders"}])
        assert at(house) == THERE
        house.take([old[MOVED] | {"street": "Kanarievogelstraat"}])
        assert house.app.corrections.of(LIBRARY, MOVED) is None
        assert house.app.corrections.of(LIBRARY, SETTLED) is not None
        assert at(house).street == "Kanarievogelstraat"
        assert ends(house) == []
        house.night()
        assert ends(house) == ["file"]
        assert at(house).street == registers(house).street

    def test_many_lapse_in_one_go(self, house: House, counter: DeskService) -> None:
        """Also of a member who is there no more; those of other libraries are not looked at."""
        numbers = [row["member_no"] for row in house.rows]
        for number in numbers:
            correct(counter, number)
        house.clock.now = NOW + timedelta(days=8)
        with house.app.database.engine.begin() as connection:
            connection.exec_driver_sql(f"DELETE FROM member WHERE number = '{MOVED}'")
        assert house.app.corrections.lapse(["genk"]) == 0
        assert house.app.corrections.lapse([LIBRARY]) == len(numbers)
        assert house.app.corrections.lapse([LIBRARY]) == 0
        assert ends(house) == ["lapsed"] * len(numbers)
        assert sum("subj" not in line for line in deeds(house)) == 1

    def test_one_made_anew_while_it_lapses_stays(self, house: House, counter: DeskService) -> None:
        """What is ended is looked at again under the member's lock."""
        correct(counter)
        house.clock.now = NOW + timedelta(days=8)
        corrections: Any = house.app.corrections
        over: Callable[..., Any] = corrections._over
        found = over([LIBRARY], "")
        assert found == [(LIBRARY, MOVED)]
        correct(counter, until=TODAY + timedelta(days=20))
        assert corrections._lapse(LIBRARY, [MOVED]) == 0
        assert corrections.of(LIBRARY, MOVED) is not None
        assert ends(house) == []
