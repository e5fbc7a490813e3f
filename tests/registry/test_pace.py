"""The pace: never more than the budget in any second, and nobody waits for ever."""

from __future__ import annotations

import time
from itertools import pairwise
from threading import Barrier, Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrsync.registry.pace import Pace


class Clock:
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        """Start far from zero, where floats are coarse."""
        self.now = 1_000_000.0

    def __call__(self) -> float:
        """Give the time."""
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
    pace = Pace(rate, sleep=clock.sleep, clock=clock)
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
    """A queue at eight a second leaves at eight a second."""
    clock = Clock()
    pace = Pace(8.0, sleep=clock.sleep, clock=clock)
    assert all(pace.take() for _ in range(81))
    assert clock.now - 1_000_000 == pytest.approx(10, abs=0.001)


@pytest.mark.parametrize("rate", [None, float("inf")])
def test_without_a_budget_nobody_waits(rate: float | None) -> None:
    """No limit, no wait."""
    clock = Clock()
    pace = Pace(rate, sleep=clock.sleep, clock=clock)
    assert all(pace.take() for _ in range(1000))
    assert clock.now == 1_000_000
    assert not pace.take(lambda: True)


def test_who_is_interrupted_leaves_the_line_without_a_turn() -> None:
    """An interrupted wait ends soon and costs nobody's turn."""
    clock = Clock()
    pace = Pace(0.1, sleep=clock.sleep, clock=clock)
    assert pace.take()
    assert not pace.take(lambda: clock.now > 1_000_003)
    assert clock.now < 1_000_004
    assert pace.take()
    assert clock.now == pytest.approx(1_000_010, abs=0.001)


def test_threads_share_one_budget_and_each_has_its_turn() -> None:
    """Six threads that always want a turn get about as many each, and together no more than the rate."""
    clock = Clock()
    ready = Barrier(6)
    turns = [0] * 6

    def sleep(seconds: float) -> None:
        time.sleep(0.0002)  # lets the others run
        clock.sleep(seconds)

    pace = Pace(100.0, sleep=sleep, clock=clock)

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

    pace = Pace(2.0, sleep=broken, clock=clock)
    assert pace.take()
    with pytest.raises(KeyboardInterrupt):
        pace.take()
    assert pace.take()
