"""Nights and a register that is away, busy or not to be trusted: who waits, who tries, who is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from threading import Event, Lock

import pytest

from rrsync.core.exchange import Question
from rrsync.core.log_entry import Actor, ActorKind
from rrsync.errors import AnchorUnavailable
from rrsync.registry.gate import AnsweredQuestion, Gate, RecordedQuestion
from rrsync.registry.pace import RegistryResting
from rrsync.simulator.faults import Fault
from rrsync.sync.night import Night, Progress
from tests.night.conftest import LibraryNight
from tests.night.house import House

STAFF = Actor(ActorKind.PERSON, "an")


def at(house: House, marks: dict[int, list[str]]) -> None:
    """Let faults strike from certain questions on."""

    def strike(_: str) -> None:
        reached = max((mark for mark in marks if mark <= len(house.audit.recorded)), default=0)
        house.simulator.faults = [Fault.parse(fault) for fault in marks.get(reached, [])]

    house.audit.also = strike


def loud(alarms: list[tuple[str, str]], fails: bool = False) -> Callable[[Night], Night]:
    """Give what puts an alarm into a night; one that ``fails`` reaches nobody."""

    def ring(reason: str, library: str) -> None:
        alarms.append((reason, library))
        if fails:
            raise AnchorUnavailable("The mail server does not answer")

    return lambda night: replace(night, watch=replace(night.watch, alarm=ring))


def test_a_register_that_comes_back_is_asked_on(library_night: LibraryNight) -> None:
    """The night waits, tries with one question at a time, and asks again about those it could not ask about."""
    house = library_night(people=60, in_flight=4)
    house.fill()
    at(house, {20: ["reset:1"], 32: []})
    report = house.night()
    assert (report.exit_code, report.open, report.asked) == (0, 0, report.due)
    assert house.stopwatch.waited >= 60


def test_while_the_register_is_away_nothing_is_recorded_that_is_not_tried(library_night: LibraryNight) -> None:
    """After the breaker opened, one question an attempt is all that the log gets."""
    house = library_night(people=60, in_flight=4)
    house.fill()
    at(house, {1: ["reset:1"]})
    report = house.night()
    assert report.stopped is not None
    assert (report.exit_code, report.stopped[0]) == (4, "breaker")
    assert house.stopwatch.waited >= 1800
    intents = [each for each in house.raw.state().entries["demo"] if each.kind == "access.intent"]
    assert len(house.simulator.asked) <= 4 + 10 + 7
    assert len(intents) <= 8 + 10 + 4 + 2 * 7


def test_a_night_can_be_stopped_while_it_waits(library_night: LibraryNight) -> None:
    """Nothing is lost, and the next one goes on."""
    house = library_night(people=30, in_flight=4, faults=("reset:1",))
    house.fill()

    def stop(_: Progress) -> None:
        if house.stopwatch.waited > 200:
            house.app.stop.set()

    report = house.night(progress=stop)
    assert report.interrupted
    assert (report.exit_code, report.open) == (3, report.due)
    house.simulator.faults = ()
    house.reopen()
    house.stopwatch.waited += 900
    assert house.night().exit_code == 0


def test_a_person_is_told_at_once_that_the_register_is_away(library_night: LibraryNight) -> None:
    """Whom the night found away, the desk does not ask; later the desk's own question sees that it is back."""
    house = library_night(people=30, in_flight=4, faults=("reset:1",))
    house.fill()
    house.night()
    asked = len(house.simulator.asked)
    house.reopen()
    (library, number) = next(iter(house.raw.state().members))
    with pytest.raises(RegistryResting, match=r"has been away for .* tried again in"):
        house.app.desk().refresh(library, number, actor=STAFF, purpose="desk", case="1", preview=True)
    assert len(house.simulator.asked) == asked
    last = house.raw.state().entries[library][-1]
    assert last.line["out"]["status"] == "not_sent"
    house.simulator.faults = ()
    house.stopwatch.waited += 900
    house.app.desk().refresh(library, number, actor=STAFF, purpose="desk", case="1", preview=True)
    assert len(house.simulator.asked) == asked + 1


@pytest.mark.parametrize("fails", [False, True])
def test_a_mix_up_is_told_once_after_its_evidence_is_kept(library_night: LibraryNight, fails: bool) -> None:
    """Of each library that it happened to; who is not reached stops nothing."""
    house = library_night(people=40, in_flight=2, faults=("mixup:4",), tolerated={"mismatch"})
    house.fill()
    alarms: list[tuple[str, str]] = []
    change = loud(alarms, fails)

    def one(night: Night) -> Night:
        return change(replace(night, limits=replace(night.limits, mismatches=1)))

    report = house.night(change=one)
    assert report.stopped is not None
    assert report.stopped[0] == "mix_up"
    assert alarms == [("mix_up", "demo")]
    assert house.raw.rows("SELECT count(*) FROM evidence")[0][0] >= 1


def test_all_is_well_and_nobody_is_told(library_night: LibraryNight) -> None:
    """No alarm without a reason."""
    house = library_night(people=20)
    house.fill()
    alarms: list[tuple[str, str]] = []
    assert house.night(change=loud(alarms)).exit_code == 0
    assert not alarms


def test_who_had_calls_in_flight_leaves_none_behind(library_night: LibraryNight) -> None:
    """When the night is over, all that are allowed are free."""
    house = library_night(people=20)
    house.fill()
    house.night()
    assert '"claims":[]' in str(house.raw.rows("SELECT state FROM traffic")[0][0])


class Breaks:
    """A gate that breaks over one question when every other was answered."""

    def __init__(self, gate: Gate, others: int) -> None:
        self.gate, self.left, self.over = gate, others, Event()
        self.lock, self.broken = Lock(), False

    def record(self, questions: Sequence[Question]) -> list[RecordedQuestion]:
        """Record them."""
        return self.gate.record(questions)

    def send(self, recorded: RecordedQuestion) -> AnsweredQuestion:
        """Send it, but for the first."""
        with self.lock:
            is_first, self.broken = not self.broken, True
        if is_first:
            self.over.wait(10)
            raise RuntimeError("a bug")
        exchange = self.gate.send(recorded)
        with self.lock:
            self.left -= 1
            if not self.left:
                self.over.set()
        return exchange


def test_what_came_beside_something_unexpected_is_settled(library_night: LibraryNight) -> None:
    """Only the question that broke is left without an outcome, for the next night to call indeterminate."""
    house = library_night(people=8, in_flight=8)
    house.fill()
    with pytest.raises(RuntimeError, match="a bug"):
        house.night(change=lambda night: replace(night, gate=Breaks(night.gate, 7)))  # type: ignore[arg-type]
    assert len(house.app.access_log.pending()) == 1
    house.reopen()
    assert house.night().exit_code == 0
