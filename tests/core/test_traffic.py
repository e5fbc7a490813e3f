"""The traffic's rules: no second above the budget, whoever asks when; who is away or busy is left alone."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rrsync.core.rate_limit import (
    IN_A_ROW,
    LATE_S,
    LONGEST_REST_S,
    REST_S,
    SLOWEST,
    Budget,
    CallResult,
    RateLimitState,
    SlotGrant,
    SlotPause,
    SlotRequest,
    SlotWait,
    left,
    parse,
    probed,
    reserve,
    resting,
    told,
)

NIGHT = SlotRequest("night")
DESK = SlotRequest("an", desk=True)
FINE, AWAY, BUSY = CallResult.FINE, CallResult.AWAY, CallResult.BUSY
NOW = 1000.0
TEN = Budget(10, 16, 20.0)


@dataclass
class Process:
    """A process of the simulation: what it asks for, and what it has in flight."""

    who: str
    desk: bool
    lates: list[float]
    lag_s: float
    lasts_s: float
    flying: int = 0
    asked_at: float = 0.0
    sent: list[float] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)


class Simulation:
    """Processes that send all they may for so long, as a queue of events; ``most`` were ever in flight at once.

    Each sends a slot's call at most ``LATE_S`` after it. A night wants the next slots when the last is used, a desk the
    next one ``pause_s`` after its answer.
    """

    def __init__(self, processes: list[Process], budget: Budget, *, seconds: float, pause_s: float = 0.0) -> None:
        self.state, self.most = RateLimitState(), 0
        self.processes, self.budget, self.pause_s = processes, budget, pause_s
        self.events: list[tuple[float, int, Callable[[Process, float], None], Process]] = []
        self.numbers = count()
        for number, process in enumerate(processes):
            process.asked_at = NOW
            self.later(NOW + number / 1000, self.ask, process)
        while self.events and self.events[0][0] < NOW + seconds:
            now, _, what, process = heapq.heappop(self.events)
            what(process, now)

    def later(self, at: float, what: Callable[[Process, float], None], process: Process) -> None:
        """Let something happen."""
        heapq.heappush(self.events, (at, next(self.numbers), what, process))

    def send(self, process: Process, now: float) -> None:
        """A call leaves."""
        process.flying += 1
        process.sent.append(now)
        self.most = max(self.most, sum(each.flying for each in self.processes))
        self.later(now + process.lasts_s, self.over, process)

    def over(self, process: Process, now: float) -> None:
        """A call is over."""
        process.flying -= 1
        if process.desk:
            self.state = left(self.state, process.who)
            process.asked_at = now + self.pause_s
            self.later(process.asked_at, self.ask, process)

    def ask(self, process: Process, now: float) -> None:
        """A process wants slots."""
        ask = SlotRequest(process.who, process.desk, process.flying, process.lag_s)
        self.state, given = reserve(self.state, now, ask, self.budget)
        if isinstance(given, SlotWait):
            self.later(now + given.for_s, self.ask, process)
            return
        assert isinstance(given, SlotGrant)
        for slot in range(given.slots):
            late = process.lates[(len(process.sent) + slot) % len(process.lates)]
            self.later(given.at + slot * given.step_s + late, self.send, process)
        if process.desk:
            process.waited.append(given.at - process.asked_at)
        else:
            self.later(given.at + (given.slots - 1) * given.step_s + LATE_S, self.ask, process)


def fullest(moments: list[float], window_s: float = 1.0) -> int:
    """Return how many stand in the fullest window."""
    moments, first, most = sorted(moments), 0, 0
    for last, moment in enumerate(moments):
        while moment - moments[first] >= window_s:
            first += 1
        most = max(most, last - first + 1)
    return most


lates = st.lists(st.floats(0, LATE_S, exclude_max=True), min_size=1, max_size=20)
some_processes = st.lists(
    st.builds(Process, st.just(""), st.booleans(), lates, st.floats(0, 0.05), st.floats(0.001, 3)),
    min_size=1,
    max_size=5,
)


@settings(max_examples=60, deadline=None)
@given(processes=some_processes, rate=st.one_of(st.integers(1, 60), st.floats(0.2, 60)), seats=st.integers(1, 32))
def test_no_second_and_no_moment_holds_more_than_the_budget(processes: list[Process], rate: float, seats: int) -> None:
    """Whoever asks, however late each call is and however long it lasts."""
    for number, process in enumerate(processes):
        process.who = f"p{number}"
    budget = Budget(rate, seats, 20.0)
    most = Simulation(processes, budget, seconds=12).most
    sent = sorted(moment for process in processes for moment in process.sent)
    assert most <= max(seats, 2)  # one is always a person's
    assert fullest(sent) <= max(1, int(rate))
    if rate < 1:
        assert all(after - before > 1 / rate for before, after in pairwise(sent))


@pytest.mark.parametrize("nights", [1, 2, 3])
def test_nights_use_the_budget_and_share_it(nights: int) -> None:
    """They reach at least 97 % of it, and each gets its part."""
    processes = [Process(f"n{number}", False, [0.001], 0.005, 0.3) for number in range(nights)]
    Simulation(processes, TEN, seconds=60)
    counts = [len(process.sent) for process in processes]
    assert sum(counts) >= 0.97 * 10 * 60
    assert min(counts) >= 0.7 * max(counts)


@pytest.mark.parametrize(
    ("rate", "bound_s"), [(4.0, 1.0), (8.0, 0.6), (10.0, 0.6), (50.0, 0.6), (1.0, 2.3), (0.5, 4.3)]
)
def test_a_person_is_served_during_a_full_night(rate: float, bound_s: float) -> None:
    """However full the night, the next slot is the person's."""
    desks = [Process(f"d{number}", True, [0.0], 0.01, 0.3) for number in range(2)]
    nights = [Process(f"n{number}", False, [0.0], 0.005, 2.0) for number in range(2)]
    Simulation([*nights, *desks], Budget(rate, 16, 20.0), seconds=60, pause_s=0.7)
    waited = [wait for desk in desks for wait in desk.waited]
    assert len(waited) > 10
    assert max(waited) <= bound_s


def test_a_night_leaves_calls_in_flight_for_persons_and_shares_its_own() -> None:
    """Of 16, two are never a night's; a second night gets half of the rest as soon as calls come back."""
    budget = Budget(10_000, 16, 20.0)
    state, first = reserve(RateLimitState(), NOW, NIGHT, budget)
    assert isinstance(first, SlotGrant)
    assert first.slots == 14
    state, second = reserve(state, NOW, SlotRequest("other"), budget)
    assert isinstance(second, SlotWait)
    for number in range(2):
        state, person = reserve(state, NOW, SlotRequest(f"d{number}", desk=True), budget)
        assert isinstance(person, SlotGrant)
    assert isinstance(reserve(state, NOW, DESK, budget)[1], SlotWait)
    state, none = reserve(state, NOW, replace(NIGHT, flying=7), budget)
    assert isinstance(none, SlotWait)
    state, second = reserve(state, NOW, SlotRequest("other"), budget)
    assert isinstance(second, SlotGrant)
    assert second.slots == 7


def test_persons_who_wait_get_a_slot_each() -> None:
    """In one go, the next ones; never more than a night takes at once, and one alone to see whether it is back."""
    budget = Budget(40, 64, 20.0)
    state, given = reserve(RateLimitState(), NOW, replace(DESK, people=3), budget)
    assert isinstance(given, SlotGrant)
    assert (given.at, given.slots) == (NOW, 3)
    _, after = reserve(state, NOW, SlotRequest("bo", desk=True), budget)
    assert isinstance(after, SlotGrant)
    assert after.at == pytest.approx(NOW + 3 * given.step_s)
    most, night = (reserve(RateLimitState(), NOW, ask, budget)[1] for ask in (replace(DESK, people=99), NIGHT))
    assert isinstance(most, SlotGrant)
    assert isinstance(night, SlotGrant)
    assert most.slots == night.slots
    away = RateLimitState(since=NOW - 70, again_at=NOW - 10)
    _, probe = reserve(away, NOW, replace(DESK, people=3), budget)
    assert isinstance(probe, SlotGrant)
    assert (probe.slots, probe.probe) == (1, True)


def test_a_dead_process_holds_nobody_up_for_ever() -> None:
    """When its calls cannot last any longer, they count no more; who leaves is gone at once."""
    budget = Budget(10_000, 1, 20.0)
    state, _ = reserve(RateLimitState(), NOW, SlotRequest("dead", desk=True), budget)
    state, _ = reserve(state, NOW, SlotRequest("dead too", desk=True), budget)
    assert isinstance(reserve(state, NOW + 20, DESK, budget)[1], SlotWait)
    assert isinstance(reserve(state, NOW + 36, DESK, budget)[1], SlotGrant)
    assert isinstance(reserve(left(state, "dead"), NOW, DESK, budget)[1], SlotGrant)


def test_a_night_of_one_call_leaves_a_person_another() -> None:
    """Whatever the setting: nobody at the desk waits for a night to end."""
    budget = Budget(10_000, 1, 20.0)
    state, given = reserve(RateLimitState(), NOW, SlotRequest("night"), budget)
    assert isinstance(given, SlotGrant)
    assert isinstance(reserve(state, NOW, DESK, budget)[1], SlotGrant)


def test_a_busy_register_halves_the_rate_and_quiet_brings_it_back() -> None:
    """At most once a second, never below a sixteenth; back in eighths, each five seconds."""
    state = told(RateLimitState(), NOW, [BUSY])
    assert state.share == 1 / 2
    assert told(state, NOW + 0.5, [BUSY, BUSY]).share == 1 / 2
    assert told(state, NOW + 1, [BUSY]).share == 1 / 4
    shares = []
    for second in range(1, 30):
        state, _ = reserve(state, NOW + second, DESK, TEN)
        shares.append(state.share)
    assert shares == [min(1, 1 / 2 + second // 5 / 8) for second in range(1, 30)]
    for second in range(30, 40):
        state = told(state, NOW + second, [FINE, BUSY])
    assert state.share == SLOWEST


def test_half_the_rate_is_half_the_calls() -> None:
    """While the rate is cut, slots are twice as far apart."""
    _, grant = reserve(told(RateLimitState(), NOW, [BUSY]), NOW, NIGHT, TEN)
    assert isinstance(grant, SlotGrant)
    assert grant.step_s == pytest.approx(0.204, abs=1e-4)


@pytest.mark.parametrize(("said", "kept"), [(3, 3), (0, 1), (-5, 1), (1e9, 900), (0.2, 1)])
def test_nobody_asks_before_the_register_wants_it(said: float, kept: float) -> None:
    """Retry-After is minded within reason: a short one is waited out, a long one is a rest."""
    state = told(RateLimitState(), NOW, [BUSY], said)
    _, given = reserve(state, NOW, NIGHT, TEN)
    _, person = reserve(state, NOW, DESK, TEN)
    if kept > 5:
        assert given == person == SlotPause(kept)
    else:
        assert isinstance(given, SlotWait)
        assert isinstance(person, SlotGrant)
        assert person.at == NOW + kept
    assert isinstance(reserve(state, NOW + kept, NIGHT, TEN)[1], SlotGrant)


def broken(at: float = NOW) -> RateLimitState:
    """Return traffic whose breaker has just opened."""
    return told(RateLimitState(), at, [AWAY] * IN_A_ROW)


def test_ten_failures_in_a_row_open_the_breaker_and_nine_do_not() -> None:
    """One that is fine in between begins the count anew; being busy counts as well."""
    assert resting(told(RateLimitState(), NOW, [AWAY] * 9), NOW) is None
    assert resting(told(RateLimitState(), NOW, [AWAY] * 9 + [FINE] + [AWAY] * 9), NOW) is None
    assert resting(told(RateLimitState(), NOW, [AWAY, BUSY] * 5), NOW) == SlotPause(REST_S, 0.0)
    assert reserve(broken(), NOW + 12, DESK, TEN)[1] == SlotPause(REST_S - 12, 12.0)


def test_half_of_the_last_fifty_open_it_too() -> None:
    """A register that fails every second time is away; one that fails every third time is not."""
    assert resting(told(RateLimitState(), NOW, [FINE, AWAY] * 24), NOW) is None
    assert resting(told(RateLimitState(), NOW, [FINE, AWAY] * 25), NOW) is not None
    assert resting(told(RateLimitState(), NOW, [FINE, FINE, AWAY] * 200), NOW) is None


def test_one_call_sees_whether_the_register_is_back() -> None:
    """After a minute one asks, all others wait for how it goes; each failure doubles the rest, to 15 minutes."""
    state, now, rests = broken(), NOW, []
    for _ in range(7):
        rest = resting(state, now)
        assert rest is not None
        rests.append(rest.for_s)
        now += rest.for_s
        state, grant = reserve(state, now, NIGHT, TEN)
        assert isinstance(grant, SlotGrant)
        assert (grant.slots, grant.probe) == (1, True)
        assert isinstance(reserve(state, now, DESK, TEN)[1], SlotPause)
        state = probed(told(state, now, [AWAY]), now, AWAY)
    assert rests == [60, 120, 240, 480, LONGEST_REST_S, LONGEST_REST_S, LONGEST_REST_S]
    now += LONGEST_REST_S
    state, _ = reserve(state, now, DESK, TEN)
    state = probed(told(state, now, [FINE]), now, FINE)
    assert isinstance(reserve(state, now + 1, NIGHT, TEN)[1], SlotGrant)
    assert resting(told(state, now, [AWAY] * 9), now) is None
    assert resting(told(state, now, [AWAY] * 10), now) == SlotPause(REST_S, 0.0)


def test_what_was_under_way_neither_closes_nor_lengthens_a_rest() -> None:
    """Only the one call that tries says whether the register is back."""
    assert told(broken(), NOW + 1, [FINE] * 20 + [AWAY] * 20).since == NOW
    assert resting(told(broken(), NOW + 1, [FINE, AWAY]), NOW + 1) == SlotPause(REST_S - 1, 1.0)


def test_a_try_that_is_not_made_or_whose_process_dies_leaves_the_next_to_another() -> None:
    """At once when it was given back, else when it cannot last any longer."""
    state, _ = reserve(broken(), NOW + REST_S, NIGHT, TEN)
    _, other = reserve(probed(state, NOW + REST_S, None), NOW + REST_S, DESK, TEN)
    assert isinstance(other, SlotGrant)
    assert other.probe
    assert isinstance(reserve(state, NOW + REST_S + 20, DESK, TEN)[1], SlotPause)
    assert isinstance(reserve(state, NOW + REST_S + 36, DESK, TEN)[1], SlotGrant)


def test_a_clock_that_is_set_back_makes_nobody_ask_sooner_or_much_later() -> None:
    """A machine that was started anew counts from zero: what had to wait waits as long as before."""
    state, _ = reserve(told(broken(), NOW, [BUSY]), NOW, DESK, TEN)
    assert resting(state, 3.0) == SlotPause(REST_S, 0.0)
    state, grant = reserve(RateLimitState(), NOW, NIGHT, TEN)
    assert isinstance(grant, SlotGrant)
    _, again = reserve(state, 3.0, DESK, TEN)
    assert isinstance(again, SlotGrant)
    assert again.at == pytest.approx(3 + 3 * 0.102)


@given(st.lists(st.tuples(st.sampled_from(list(CallResult)), st.floats(0, 100)), max_size=30))
def test_it_is_read_as_it_was_written(calls: list[tuple[CallResult, float]]) -> None:
    """Whatever happened."""
    state, now = RateLimitState(), NOW
    for went, passes in calls:
        now += passes
        state, _ = reserve(told(state, now, [went], passes), now, NIGHT, TEN)
    assert parse(state.dump(), now) == state


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "null",
        '{"share":2}{',
        '{"share":"1"}',
        '{"new":1}',
        '{"free_at":NaN}',
        '{"claims":[{}]}',
        "\x00",
        "nothing",
    ],
)
def test_what_cannot_be_read_is_begun_anew_and_not_at_once(text: str) -> None:
    """Nobody knows what was sent last, so nothing is for some seconds; an empty one is new."""
    assert isinstance(reserve(parse(text, NOW), NOW, NIGHT, TEN)[1], SlotWait)
    assert parse("", NOW) == parse("{}", NOW) == RateLimitState()


def test_no_share_makes_it_faster_than_the_budget() -> None:
    """Not even one that somebody wrote."""
    for share in (100.0, 0.0, -3.0):
        _, grant = reserve(parse(f'{{"share":{share}}}', NOW), NOW, NIGHT, TEN)
        assert isinstance(grant, SlotGrant)
        assert grant.step_s >= 0.102


def test_a_probe_of_a_register_that_is_back_already_changes_nothing() -> None:
    """Another call saw it first."""
    for went in (FINE, AWAY, None):
        assert probed(RateLimitState(), NOW, went) == replace(RateLimitState(), seen=NOW)
