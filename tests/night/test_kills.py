"""A night that is killed, again and again, at any moment: a real process, a real ``SIGKILL``.

``RRSYNC_KILLS`` says how many kills there are on both databases together, ``RRSYNC_SEED`` with which dice (printed).
They come in batches, each on a database of its own, for the auditor reads everything after every kill.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from random import Random

import pytest

from rrsync.simulator.citizens import Citizen, Situation, World, member_rows
from tests.night import victim
from tests.night.conftest import LibraryNight
from tests.night.house import House
from tests.support import amount

KILLS = amount("KILLS", short=10, whole=1000)
BATCH = min(25, max(1, KILLS // 2))
BATCHES = max(1, KILLS // (2 * BATCH))
SEED = int(os.environ.get("RRSYNC_SEED") or Random().randrange(10**6))
PEOPLE = 300
IN_FLIGHT = 4
LONGEST = 400


@dataclass(slots=True)
class Seasons:
    """A population of which another third of the settled moves in every season, so that every night has to write."""

    world: World
    season: int = 0

    def find(self, digits: str) -> Citizen | None:
        """Give the person with a number, where they live this season."""
        citizen = self.world.find(digits)
        if citizen is None or citizen.situation is not Situation.SETTLED or (citizen.position + self.season) % 3:
            return citizen
        return replace(citizen, residence=replace(citizen.residence, house_number=str(1000 + self.season)))

    def __len__(self) -> int:
        """How many people there are."""
        return len(self.world)

    def citizen(self, position: int) -> Citizen:
        """Give the person at a position."""
        return self.world.citizen(position)


@dataclass(slots=True)
class Reaper:
    """Kills the process under way when so many requests have come, or when so much time has passed."""

    dice: Random
    pid: int = 0
    left: int = 0
    lag_s: float = 0.0
    timers: list[threading.Timer] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Choose the first moment."""
        self.aim()

    def aim(self) -> None:
        """Choose the next moment: mostly at a request or up to 30 ms after one, else early in the life of a process."""
        early = self.dice.random() < 0.2
        self.left = 0 if early else 1 + self.dice.randrange(LONGEST)
        self.lag_s = self.dice.random() * (0.15 if early else 0.03) * (self.dice.random() < 0.8)

    def begin(self, pid: int) -> None:
        """Look after a new process."""
        self.pid = pid
        if not self.left:
            self._strike()

    def __call__(self, _: str) -> None:
        """Count a request."""
        self.left -= 1
        if self.left == 0:
            self._strike()

    def _strike(self) -> None:
        if not self.lag_s:
            self._kill(self.pid)
            return
        timer = threading.Timer(self.lag_s, self._kill, [self.pid])
        self.timers.append(timer)
        timer.start()

    def _kill(self, pid: int) -> None:
        if pid == self.pid:
            os.kill(pid, signal.SIGKILL)

    def rest(self) -> None:
        """Let every shot that was fired arrive before the process's number may be another's."""
        self.pid = 0
        while self.timers:
            self.timers.pop().join()


@pytest.fixture
def forkserver() -> Iterator[multiprocessing.context.ForkServerContext]:
    """Give what starts processes that have imported everything already, in a few milliseconds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.night.victim"])
    return context  # type: ignore[return-value]


@pytest.mark.proof
@pytest.mark.timeout(900)
@pytest.mark.parametrize("batch", range(BATCHES))
def test_whenever_it_is_killed_nothing_is_lost_and_nothing_is_wrong(
    library_night: LibraryNight, forkserver: multiprocessing.context.ForkServerContext, batch: int
) -> None:
    """After every kill what is there is true and said; the next night goes on, and in the end everything was done."""
    print(f"RRSYNC_SEED={SEED} batch {batch}")
    house = library_night(people=PEOPLE, in_flight=IN_FLIGHT)
    assert house.people is not None
    house.take(member_rows(house.people))
    house.app.database.close()
    seasons = Seasons(house.people)
    house.simulator.world = seasons  # type: ignore[assignment]  # it knows the same people
    house.scene.find = seasons.find
    house.audit.also = reaper = Reaper(Random(f"{SEED} {batch}"))
    kills = 0
    begin(house)
    while kills < BATCH:
        code = live(house, forkserver, reaper)
        run, dead = newest(house)
        house.look(run, dead=dead)
        if code == -signal.SIGKILL:
            kills += 1
        else:
            assert code == 0
        if code or reaper.left <= 0:  # it hit, or came too late
            reaper.aim()
        if not dead:
            seasons.season += 1
            begin(house)
    reaper.left = -1
    assert live(house, forkserver, reaper) == 0
    house.look(newest(house)[0])
    assert not newest(house)[1]
    show(house, kills)


def begin(house: House) -> None:
    """Let a day pass, and note what everybody is before a run over all of them."""
    house.clock.pass_by(days=1)
    asked = house.scene.asked
    house.prepare(libraries=house.libraries, full=True)
    house.scene.asked = asked


def newest(house: House) -> tuple[str, bool]:
    """Give the newest run, and whether it is still open."""
    rows = house.raw.rows("SELECT id, ended_at FROM run ORDER BY opened_at DESC LIMIT 1")
    return (rows[0][0], rows[0][1] is None) if rows else ("", True)


def live(house: House, context: multiprocessing.context.ForkServerContext, reaper: Reaper) -> int:
    """Let a process run nights until it is done or dead; give its exit code, negative for a signal."""
    process = context.Process(target=victim.night, args=(str(house.folder), house.clock()))
    process.start()
    assert process.pid is not None
    reaper.begin(process.pid)
    process.join(120)
    reaper.rest()
    assert process.exitcode is not None
    code = process.exitcode
    process.close()
    victim.wait_until_gone(house.raw, patience_s=20)
    return code


def show(house: House, kills: int) -> None:
    """Print what it came to, and hold the calls against the members."""
    state = house.raw.state()
    entries = [entry for library in state.entries.values() for entry in library]
    lost = sum(entry.line.get("out", {}).get("status") == "indeterminate" for entry in entries)
    done = sum(step.state == "done" for step in state.steps)
    calls = house.simulator.counts["requests"]
    again = calls - done
    print(
        f"{house.settings.store.url.split(':', maxsplit=1)[0]}: {kills} kills, {len(state.ended)} runs, {done} steps, "
        f"{calls} calls, {again} of them repeated ({again / done:.1%}), {lost} accesses indeterminate, "
        f"{len(entries)} entries, 0 violations"
    )
    assert again <= lost <= kills * 2 * IN_FLIGHT
