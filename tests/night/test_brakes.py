"""The brakes of a run outlive the process: what a killed run counted stops the one that takes it over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import pytest

from rrsync.core.brakes import Brakes, Limits, decode
from rrsync.core.compare import Verdict
from rrsync.store.settlement import Settlement, SettlementItem
from rrsync.sync.night import Night
from tests.night.conftest import LibraryNight
from tests.night.house import House

#: The limit of a simulator: ``services._SIMULATOR_MISMATCHES``.
LIMIT: Final = 5


class Killed(BaseException):
    """The process is gone: nothing is closed or told any more."""


@dataclass(frozen=True, slots=True)
class DiesAt:
    """A settlement whose process dies once it has committed what these brakes say."""

    true: Settlement
    is_time: Callable[[Brakes], bool]

    def settle_run(
        self, run: str, items: Sequence[SettlementItem], limits: Limits, news: Brakes
    ) -> tuple[list[Verdict | None], Brakes]:
        """Settle, and die if it is time."""
        verdicts, brakes = self.true.settle_run(run, items, limits, news)
        if self.is_time(brakes):
            raise Killed
        return verdicts, brakes


def killed(house: House, is_time: Callable[[Brakes], bool], change: Callable[[Night], Night] = lambda it: it) -> None:
    """Run a night that dies at this moment, and let a day pass."""

    def dying(night: Night) -> Night:
        return replace(change(night), at_once=1, settlement=DiesAt(night.settlement, is_time))  # type: ignore[arg-type]

    with pytest.raises(Killed):
        house.night(change=dying)
    house.clock.pass_by(days=1)
    house.reopen()


def one_by_one(night: Night) -> Night:
    """Return a night with one question at a time."""
    return replace(night, at_once=1)


def mix_ups(house: House) -> int:
    """Return how many answers about somebody else the access log has."""
    return sum(
        entry.line.get("out", {}).get("status") == "mismatch"
        for entry in house.raw.state().entries["demo"]
        if entry.kind == "access.outcome"
    )


def kept(house: House) -> list[Brakes | None]:
    """Return the brakes of each run, as its row keeps them."""
    rows = house.raw.rows("SELECT brakes FROM run ORDER BY opened_at")
    return [None if text is None else decode(text) for (text,) in rows]


def test_a_killed_run_has_not_forgotten_its_mix_ups(library_night: LibraryNight) -> None:
    """Those before the kill and those after it stop the run together; once they are reported it goes on."""
    house = library_night(people=40, faults=("mixup:4",), tolerated={"mismatch"})
    house.fill()
    killed(house, lambda brakes: brakes.mix_ups == LIMIT - 2)
    assert mix_ups(house) == LIMIT - 2
    (brakes,) = kept(house)
    assert brakes is not None
    assert brakes.mix_ups == LIMIT - 2
    second = house.night(change=one_by_one)
    assert second.stopped is not None
    assert (second.exit_code, second.stopped[0]) == (4, "mix_up")
    assert second.hold["mismatch"] == 2
    assert mix_ups(house) == LIMIT
    house.simulator.faults = ()
    house.reopen()
    third = house.night()
    assert (third.run, third.exit_code, third.open) == (second.run, 0, 0)
    assert kept(house) == [None]


def test_a_killed_run_that_had_to_stop_tells_it_before_it_asks_again(library_night: LibraryNight) -> None:
    """The alarm and the reason that the dead process could not give any more; nobody is asked about meanwhile."""
    house = library_night(people=40, faults=("mixup:4",), tolerated={"mismatch"})
    house.fill()
    told: list[tuple[str, str]] = []

    def strict(night: Night) -> Night:
        watch = replace(night.watch, alarm=lambda reason, library: told.append((reason, library)))
        return replace(night, at_once=1, watch=watch, limits=replace(night.limits, mismatches=1))

    killed(house, lambda brakes: brakes.mix_ups == 1, strict)
    asked = len(house.simulator.asked)
    assert not told
    second = house.night(change=strict)
    assert second.stopped is not None
    assert (second.stopped[0], second.asked) == ("mix_up", 0)
    assert told == [("mix_up", "demo")]
    assert len(house.simulator.asked) == asked
    house.simulator.faults = ()
    house.reopen()
    assert house.night(change=strict).exit_code == 0
    assert told == [("mix_up", "demo")]


def test_a_run_killed_at_a_mass_change_believes_no_change_when_it_goes_on(library_night: LibraryNight) -> None:
    """It stops for it once, with a report; the night after puts every change on hold."""
    house = library_night(people=40, tolerated={"mass_change"})
    house.fill()

    def strict(night: Night) -> Night:
        return replace(night, at_once=1, limits=replace(night.limits, same_address=0))

    killed(house, lambda brakes: brakes.mass_change, strict)
    second = house.night(change=strict)
    assert second.stopped is not None
    assert (second.stopped[0], second.asked) == ("mass_change", 0)
    house.reopen()
    third = house.night(change=strict)
    assert (third.run, third.exit_code, third.change) == (second.run, 0, 0)
    assert third.hold["mass_change"] > 0


def test_a_run_remembers_how_long_the_register_was_away(library_night: LibraryNight) -> None:
    """The waiting of a killed run counts; that of one that ended in order is over."""
    house = library_night(people=30, in_flight=4, faults=("reset:1",))
    house.fill()

    def impatient(_: object) -> None:
        if house.stopwatch.waited > 900:
            raise Killed

    with pytest.raises(Killed):
        house.night(progress=impatient)
    (brakes,) = kept(house)
    assert brakes is not None
    assert 800 < brakes.away_s < 1_000
    house.reopen()
    before = house.stopwatch.waited
    second = house.night()
    assert second.stopped is not None
    assert second.stopped[0] == "breaker"
    assert house.stopwatch.waited - before < 1_200
    (brakes,) = kept(house)
    assert brakes is not None
    assert brakes.away_s == 0
    house.simulator.faults = ()
    house.stopwatch.waited += 900
    house.reopen()
    assert house.night().exit_code == 0
