"""A number that was replaced, the whole way: the night finds it, a person accepts, the new one is asked about."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest

from rrsync.config.load import read_keys
from rrsync.core.insz import Insz
from rrsync.core.log_entry import Actor, ActorKind
from rrsync.errors import Stopped, StoreError
from rrsync.simulator.citizens import Citizen, Situation, World
from rrsync.simulator.faults import Fault
from rrsync.store.encryption import FieldCipher, Keyring
from rrsync.store.holds import OpenHold
from rrsync.store.rows import RowCipher
from rrsync.store.subscriptions import SubscriptionState, note_subscription
from rrsync.sync.hold_decisions import AskedAgain, Postponed
from rrsync.sync.subscriptions import Grounds
from tests.night.conftest import LibraryNight
from tests.night.house import LIBRARY, House
from tests.night.raw import Entry

AN = Actor(ActorKind.PERSON, "an.peeters")
NIGHT = Grounds(Actor(ActorKind.PROCESS, "rrsync night"), "member-administration")


@pytest.fixture
def house(library_night: LibraryNight) -> House:
    """Give a library after a night that found a number replaced, at a register that wants subscriptions."""
    house = library_night(people=20)
    house.simulator.must_subscribe = True
    house.fill()
    assert house.night().hold["new_number"] == 1
    return house


def renumbered(house: House) -> Citizen:
    """Give the person who has a new number."""
    assert house.people is not None
    people = map(house.people.citizen, range(len(house.people)))
    return next(one for one in people if one.situation is Situation.RENUMBERED)


def found(house: House) -> OpenHold:
    """Give the hold that the night opened."""
    return next(hold for hold in house.app.holds.open() if hold.reason == "new_number")


def state(house: House, insz: Insz) -> str:
    """Give how the library's subscription to a number stands."""
    one = house.app.subscriptions.find(LIBRARY, insz)
    return one.state.value if one else ""


def at_the_register(house: House, insz: Insz) -> bool:
    """Whether the register has a subscription of the library's to a number."""
    authorisation = house.app.authorisations[LIBRARY]
    return house.simulator.subscribes(authorisation.sender, authorisation.capacity, insz.digits)


def about(house: House, insz: Insz, *, case: str) -> list[Entry]:
    """Give the entries about a person whose accesses were for a case, in their order."""
    entries = house.raw.state().entries[LIBRARY]
    asked = {one.reference for one in entries if one.line.get("why", {}).get("case") == case}
    return [one for one in entries if one.reference in asked and one.digits == insz.digits]


def accept(house: House) -> Any:
    """Accept the hold, and let the auditor look at every access."""
    hold = found(house)
    house.prepare(libraries=house.libraries, full=False)
    return house.told(lambda: house.app.renumber().accept(hold, AN))


def test_the_whole_way(house: House) -> None:
    """Old unsubscribed, new subscribed and asked: the member has number and address, and each access its name."""
    citizen, hold = renumbered(house), found(house)
    assert house.people is not None
    now = house.people.find(citizen.new_insz.digits)
    assert now is not None
    assert state(house, citizen.insz) == "open"
    done = accept(house)
    assert isinstance(done, AskedAgain)
    member = house.app.members.find(LIBRARY, hold.number)
    assert member is not None
    assert member.member.insz == citizen.new_insz
    assert (member.verdict, member.hold_reason) in {("same", ""), ("change", "")}
    assert member.member.held.address.street == now.residence.street
    assert (state(house, citizen.insz), state(house, citizen.new_insz)) == ("ended", "open")
    assert (at_the_register(house, citizen.insz), at_the_register(house, citizen.new_insz)) == (False, True)
    old = about(house, citizen.insz, case=f"hold-{hold.id}")
    new = about(house, citizen.new_insz, case=f"hold-{hold.id}")
    asked = [one.line["op"].partition("-")[0] for one in (*old, *new) if one.kind == "access.intent"]
    assert asked == ["RegistreerUitschrijving", "RegistreerInschrijving", "GeefPersoon"]
    assert [one.kind for one in old] == ["access.intent", "access.outcome"]
    assert [one.kind for one in new] == ["access.intent", "access.outcome"] * 2
    assert {one.line["actor"]["id"] for one in (*old, *new) if one.kind == "access.intent"} == {AN.name}
    assert not house.app.access_log.pending()
    assert all(house.audit.recorded.values())
    house.clock.pass_by(days=31)
    assert house.night().open == 0
    house.look(house.night().run)


def test_while_the_register_is_away_everything_waits(house: House) -> None:
    """The decision stands, the next night asks under the new number, and the old subscription is ended when it can."""
    citizen = renumbered(house)
    house.simulator.faults = [Fault.parse("unavailable:1")]
    done = accept(house)
    assert isinstance(done, Postponed)
    assert done.why.exit_code == 3
    assert (state(house, citizen.insz), state(house, citizen.new_insz)) == ("ending", "")
    registrar = house.app.registrar(house.app.desk().gate)
    assert registrar.drain([LIBRARY], NIGHT) == 0
    assert state(house, citizen.insz) == "ending"
    house.simulator.faults = ()
    house.reopen()
    report = house.night()
    assert (report.exit_code, report.asked, report.open) == (0, 1, 0)
    assert state(house, citizen.new_insz) == "open"
    assert (state(house, citizen.insz), at_the_register(house, citizen.insz)) == ("ended", False)
    ended = [one.line for one in house.raw.state().entries[LIBRARY] if one.line.get("act") == "W"][-1]
    assert (ended["run"], ended["op"]) == (report.run, "RegistreerUitschrijving-02.00")


def test_what_the_register_refuses_to_end_is_not_asked_for_again(house: House) -> None:
    """With a reason: a person must look."""
    citizen = renumbered(house)
    house.simulator.faults = [Fault.parse("unavailable:1")]
    accept(house)
    house.simulator.faults = [Fault.parse("unknowncode:1")]
    registrar = house.app.registrar(house.app.desk().gate)
    assert registrar.drain([LIBRARY], NIGHT) == 0
    assert state(house, citizen.insz) == "refused"
    house.simulator.faults = ()
    asked = len(house.simulator.asked)
    assert registrar.drain([LIBRARY], NIGHT) == 0
    assert len(house.simulator.asked) == asked


def test_a_night_without_subscriptions_of_ours_ends_none(house: House) -> None:
    """What others keep is not ours to end."""
    citizen = renumbered(house)
    house.simulator.faults = [Fault.parse("unavailable:1")]
    accept(house)
    house.simulator.faults = ()
    registry = house.settings.registry.model_copy(update={"subscribe": False})
    house.settings = house.settings.model_copy(update={"registry": registry})
    house.reopen()
    house.simulator.must_subscribe = False
    assert house.night().exit_code == 0
    assert state(house, citizen.insz) == "ending"


def test_a_new_number_of_another_member_asks_nobody(house: House) -> None:
    """They are one person; nothing is unsubscribed."""
    citizen = renumbered(house)
    house.take([{"member_no": "TWIN", "insz": citizen.new_insz.digits}])
    hold, asked = found(house), len(house.simulator.asked)
    assert hold.twin == "TWIN"
    with pytest.raises(StoreError, match="that of member TWIN already"):
        accept(house)
    assert len(house.simulator.asked) == asked
    assert state(house, citizen.insz) == "open"


def test_a_number_that_is_a_members_again_keeps_its_subscription(house: House) -> None:
    """There is a live file on that person, whatever was to be ended."""
    citizen = renumbered(house)
    house.simulator.faults = [Fault.parse("unavailable:1")]
    accept(house)
    house.simulator.faults = ()
    house.take([{"member_no": "AGAIN", "insz": citizen.insz.digits}])
    assert house.app.registrar(house.app.desk().gate).drain([LIBRARY], NIGHT) == 0
    assert state(house, citizen.insz) == "ending"


def test_a_run_ends_a_bounded_number_of_them(house: House) -> None:
    """The rest waits for the next run; one library that may not ask keeps no other from its own."""
    some = [one.insz for one in house.app.subscriptions.of(LIBRARY, SubscriptionState.OPEN)][:5]
    strangers = [Insz(house.people.citizen(at).relative.digits) for at in range(5)] if house.people else []
    assert len(some) == len(strangers) == 5
    rows = RowCipher(FieldCipher(Keyring.parse(read_keys(house.settings)), os.urandom))
    with house.app.database.write() as session:
        for insz in (*some, *strangers):
            note_subscription(session, rows, LIBRARY, insz, SubscriptionState.ENDING, at=house.clock())
    registrar = house.app.registrar(house.app.desk().gate)
    assert registrar.drain(["nowhere", LIBRARY], NIGHT, most=3) == 3
    assert [state(house, insz) for insz in strangers] == ["ended"] * 3 + ["ending"] * 2
    assert registrar.drain([LIBRARY], NIGHT) == 2
    assert registrar.drain([LIBRARY], NIGHT) == 0
    assert {state(house, insz) for insz in some} == {"ending"}


def test_a_library_without_authorisation_ends_none(library_night: LibraryNight) -> None:
    """The denial is logged, nothing is sent, and the library beside it is served."""
    house = library_night(people=10, libraries=("genk", LIBRARY), ended=("genk",))
    citizen = next(map(World(people=10).citizen, range(10)))
    rows = RowCipher(FieldCipher(Keyring.parse(read_keys(house.settings)), os.urandom))
    with house.app.database.write() as session:
        for library in house.libraries:
            note_subscription(session, rows, library, citizen.insz, SubscriptionState.ENDING, at=house.clock())
    registrar = house.app.registrar(house.app.desk().gate)
    assert registrar.drain(house.libraries, NIGHT) == 1
    assert len(house.simulator.asked) == 1
    assert [one.insz for one in house.app.subscriptions.ending("genk", most=9)] == [citizen.insz]
    assert [one.kind for one in house.raw.state().entries["genk"]] == ["access.denied"]


def test_a_register_that_ends_and_makes_no_subscription(house: House) -> None:
    """The member has its number and is on hold for what the register refuses; the old one is tried again later."""
    citizen, hold = renumbered(house), found(house)
    house.simulator.faults = [Fault.parse("unregistered:1")]
    done = accept(house)
    assert isinstance(done, AskedAgain)
    member = house.app.members.find(LIBRARY, hold.number)
    assert member is not None
    assert (member.member.insz, member.hold_reason) == (citizen.new_insz, "refused")
    assert (state(house, citizen.insz), state(house, citizen.new_insz)) == ("ending", "")
    registrar = house.app.registrar(house.app.desk().gate)
    assert registrar.drain([LIBRARY], NIGHT) == 0
    house.simulator.faults = ()
    assert registrar.drain([LIBRARY], NIGHT) == 1
    assert state(house, citizen.insz) == "ended"
    assert not house.app.access_log.pending()


def test_a_reply_about_another_question_stops_and_is_told(house: House) -> None:
    """Nothing of it is believed: the subscription stands here as it did, and no second question is asked."""
    citizen, asked = renumbered(house), len(house.simulator.asked)
    told: list[tuple[str, str]] = []
    house.simulator.faults = [Fault.parse("otherref:1")]
    renumber = house.app.renumber()
    desk = replace(house.app.desk(), alarm=lambda word, library: told.append((word, library)))
    done = replace(renumber, desk=lambda: desk).accept(found(house), AN)
    assert isinstance(done, Postponed)
    assert (done.why.exit_code, told) == (4, [("mix_up", LIBRARY)])
    assert len(house.simulator.asked) == asked + 1
    assert state(house, citizen.insz) == "ending"
    with pytest.raises(Stopped) as stopped:
        house.app.registrar(desk.gate).drain([LIBRARY], NIGHT)
    assert stopped.value.reason == "mix_up"
    assert not house.app.access_log.pending()
