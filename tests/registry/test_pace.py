"""The pace: never more than the budget in any second, and nobody waits for ever."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from threading import Barrier, Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrsync.core.rate_limit import Budget, CallResult, RateLimitState
from rrsync.errors import StoreError
from rrsync.registry.pace import RateLimiter, RegistryResting, T, UnsharedState


class Clock:
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        """Start far from zero, where floats are coarse."""
        self.now = 1_000_000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


@given(
    rate=st.one_of(st.integers(1, 50).map(float), st.floats(0.1, 50)),
    gaps=st.lists(st.floats(0, 2), min_size=1, max_size=80),
)
def test_no_window_of_a_second_holds_more_than_the_rate(rate: float, gaps: list[float]) -> None:
    """Whenever the calls come, any second holds at most the rate; below one a second, the spacing is kept."""
    clock = Clock()
    pace = RateLimiter(rate, sleep=clock.sleep, clock=clock)
    left = []
    for gap in gaps:
        clock.sleep(gap)
        assert pace.take()
        left.append(clock.now)
    for start in left:
        assert sum(start <= moment < start + 1 for moment in left) <= max(rate, 1)
    if rate < 1:
        assert all(after - before >= 1 / rate for before, after in pairwise(left))


def test_the_budget_is_used() -> None:
    """A queue at eight a second leaves at eight a second, but for the 2 % that let a call be late."""
    clock = Clock()
    pace = RateLimiter(8.0, sleep=clock.sleep, clock=clock)
    assert all(pace.take() for _ in range(81))
    assert clock.now - 1_000_000 == pytest.approx(10.2, abs=0.001)


@pytest.mark.parametrize("rate", [None, float("inf")])
def test_without_a_budget_nobody_waits(rate: float | None) -> None:
    """No limit, no wait."""
    clock = Clock()
    pace = RateLimiter(rate, sleep=clock.sleep, clock=clock)
    assert all(pace.take() for _ in range(1000))
    assert clock.now == 1_000_000
    assert not pace.take(lambda: True)


def test_who_is_interrupted_leaves_the_line_without_a_turn() -> None:
    """An interrupted wait ends soon and costs nobody's turn."""
    clock = Clock()
    pace = RateLimiter(0.1, sleep=clock.sleep, clock=clock)
    assert pace.take()
    assert not pace.take(lambda: clock.now > 1_000_003)
    assert clock.now < 1_000_004
    assert pace.take()
    assert clock.now == pytest.approx(1_000_010.02, abs=0.001)


def test_threads_share_one_budget_and_each_has_its_turn() -> None:
    """Six threads that always want a turn get about as many each, and together no more than the rate."""
    clock = Clock()
    ready = Barrier(6)
    turns = [0] * 6

    def sleep(seconds: float) -> None:
        time.sleep(0.0002)  # lets the others run
        clock.sleep(seconds)

    pace = RateLimiter(100.0, sleep=sleep, clock=clock)

    def work(who: int) -> None:
        ready.wait()
        while pace.take(lambda: clock.now >= 1_000_003):
            turns[who] += 1

    threads = [Thread(target=work, args=(who,)) for who in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 290 <= sum(turns) <= 300
    assert max(turns) - min(turns) <= 5


def test_an_error_in_a_wait_passes_the_turn_on() -> None:
    """Whoever fails while waiting does not block those behind."""
    clock = Clock()

    def broken(_: float) -> None:
        clock.now += 1
        raise KeyboardInterrupt

    pace = RateLimiter(2.0, sleep=broken, clock=clock)
    assert pace.take()
    with pytest.raises(KeyboardInterrupt):
        pace.take()
    assert pace.take()


def paces(clock: Clock, budget: Budget) -> tuple[RateLimiter, RateLimiter, UnsharedState]:
    """Return a night's pace and a desk's that share their traffic."""
    share = UnsharedState(clock)
    night = RateLimiter(budget, sleep=clock.sleep, clock=clock, share=share)
    return night, RateLimiter(budget, sleep=clock.sleep, clock=clock, share=share, who="an", desk=True), share


def test_two_processes_share_one_budget() -> None:
    """Whoever asks, together they send no more than the budget."""
    clock, sent = Clock(), []
    night, desk, _ = paces(clock, Budget(10, 16))
    for turn in range(60):
        pace = desk if turn % 3 == 0 else night
        assert pace.take()
        sent.append(clock.now)
        pace.give(CallResult.FINE)
    assert all(after - before >= 0.1 for before, after in pairwise(sent))


def test_a_turn_that_is_not_given_back_keeps_its_place() -> None:
    """No more are under way at once than are allowed; a night leaves the last for persons, who wait for the next."""
    clock = Clock()
    night, desk, share = paces(clock, Budget(100, 3, 20.0))
    assert night.take()
    assert night.take()
    assert not night.take(lambda: clock.now > 1_000_003)
    assert desk.take()
    desk.give(CallResult.FINE)
    assert [claim.who for claim in share.state.claims] == ["night"]
    night.give(CallResult.FINE)
    assert night.take()
    night.give(CallResult.FINE)
    night.give(CallResult.FINE)
    night.leave()
    assert not share.state.claims


def test_when_the_register_is_away_nobody_waits_and_one_tries() -> None:
    """After ten failures a person is told at once since when and until when; then the first who asks tries."""
    clock = Clock()
    night, desk, share = paces(clock, Budget(100, 16, 20.0))
    assert night.rest_s() is None
    for _ in range(10):
        assert night.take()
        night.give(CallResult.AWAY)
    clock.sleep(20)
    before = clock.now
    with pytest.raises(RegistryResting) as resting:
        desk.take()
    assert clock.now == before
    assert "away for 20 seconds; it is tried again in 40 seconds" in str(resting.value)
    assert night.rest_s() == pytest.approx(40)
    clock.sleep(40)
    assert night.rest_s() == 0
    assert desk.take()
    assert night.rest_s() == pytest.approx(35)
    with pytest.raises(RegistryResting):
        night.take()
    desk.give(CallResult.FINE)
    assert night.rest_s() is None
    assert night.take()
    night.give(CallResult.FINE)
    assert share.state.since is None


def test_what_was_under_way_does_not_say_that_the_register_is_back() -> None:
    """Two calls of one process end while it tries; only the one that tries counts."""
    clock = Clock()
    night, _, share = paces(clock, Budget(100, 16, 20.0))
    assert night.take()
    for _ in range(10):
        assert night.take()
        night.give(CallResult.AWAY)
    clock.sleep(60)
    probe = Thread(target=night.take)
    probe.start()
    probe.join()
    night.give(CallResult.FINE)
    night.leave()
    assert share.state.since is not None


def test_who_is_stopped_before_trying_leaves_it_to_another() -> None:
    """A probe that was not made keeps nobody from making it."""
    clock = Clock()
    night, desk, share = paces(clock, Budget(100, 16, 20.0))
    for call in range(10):
        assert night.take()
        night.give(CallResult.BUSY, 62.0 if call == 9 else None)
    clock.sleep(60)
    stopping: list[bool] = []
    night._sleep = stopping.append  # type: ignore[assignment]
    assert not night.take(lambda: bool(stopping))
    assert share.state.since is not None
    clock.sleep(2)
    assert desk.take()


def test_the_register_is_left_alone_for_as_long_as_it_wants() -> None:
    """A short while is waited for, a long one is told."""
    clock = Clock()
    night, desk, _ = paces(clock, Budget(100, 16, 20.0))
    assert night.take()
    night.give(CallResult.BUSY, 3.0)
    assert desk.take()
    assert clock.now == pytest.approx(1_000_003, abs=0.001)
    desk.give(CallResult.BUSY, 100_000.0)
    with pytest.raises(RegistryResting, match="wants nobody to ask for another 15 minutes"):
        desk.take()
    assert night.take(lambda: True) is False


def test_an_answer_is_not_lost_for_a_count_that_cannot_be_kept() -> None:
    """What could not be told is told later; to take a turn needs the count."""
    clock = Clock()
    alone, broken = UnsharedState(clock), [False]

    def share(change: Callable[[RateLimitState, float], tuple[RateLimitState, T]]) -> T:
        if broken[0]:
            raise StoreError("The disk of the database is full")
        return alone(change)

    pace = RateLimiter(Budget(4, 16), sleep=clock.sleep, clock=clock, share=share)
    for _ in range(9):
        assert pace.take()
        pace.give(CallResult.AWAY)
    assert pace.take()
    broken[0] = True
    pace.give(CallResult.AWAY)
    with pytest.raises(StoreError):
        pace.take()
    broken[0] = False
    with pytest.raises(RegistryResting):
        pace.take()


def test_who_wakes_too_late_takes_another_slot() -> None:
    """A process that was asleep does not send what it should have sent then."""
    clock, sent = Clock(), []
    late = iter([0.0, 0.05, 0.0, 0.3, 0.008] * 20)
    pace = RateLimiter(Budget(10, 16), sleep=lambda seconds: clock.sleep(seconds + next(late)), clock=clock)
    for _ in range(40):
        assert pace.take()
        sent.append(clock.now)
        pace.give(CallResult.FINE)
    assert all(sum(start <= moment < start + 1 for moment in sent) <= 10 for start in sent)


def test_persons_in_line_get_their_slots_in_one_go() -> None:
    """Two more come while the first waits for the traffic: it takes a slot for each of the three, in one change."""
    clock, changes = Clock(), 0
    sent: list[float] = []
    alone = UnsharedState(clock)

    def share(change: Callable[[RateLimitState, float], tuple[RateLimitState, T]]) -> T:
        nonlocal changes
        changes += 1
        while len(pace._queue) < 3 and not sent:
            time.sleep(0.0002)  # lets the others come
        return alone(change)

    pace = RateLimiter(Budget(10, 16), sleep=clock.sleep, clock=clock, share=share, who="desk", desk=True)

    def person() -> None:
        assert pace.take()
        sent.append(clock.now)

    persons = [Thread(target=person) for _ in range(3)]
    for each in persons:
        each.start()
    for each in persons:
        each.join()
    assert changes == 1
    assert len(sent) == 3
    assert all(after - before >= 0.1 for before, after in pairwise(sent))
