"""The lot: the same for whoever draws it, fair in one half, and leaning to what stands out in the other."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrsync.core.anomaly import Flag
from rrsync.core.belgian_time import Month
from rrsync.core.review_sample import WEIGHTS, draw, is_overdue, sample_size, weight

SEEDS = st.binary(min_size=32, max_size=32)
POPULATIONS = st.dictionaries(st.integers(0, 2**40), st.integers(1, 12), max_size=60)


def seed(number: int) -> bytes:
    """Return one of many seeds."""
    return sha256(f"seed {number}".encode()).digest()


class TestDrawing:
    """By the lowest tickets, without putting any back."""

    @given(POPULATIONS, SEEDS)
    def test_anyone_draws_the_same(self, weights: dict[int, int], by: bytes) -> None:
        """Whatever the order in which the accesses come; so many, each once, the larger half at random."""
        size = sample_size(len(weights))
        lot = draw(weights, seed=by, size=size)
        assert lot == draw(dict(sorted(weights.items(), reverse=True)), seed=by, size=size)
        drawn = [*lot.random, *lot.risk]
        assert len(drawn) == len(set(drawn)) == size
        assert set(drawn) <= set(weights)
        assert len(lot.random) - len(lot.risk) in {0, 1}

    @given(POPULATIONS, SEEDS)
    def test_all_are_drawn_when_there_are_few(self, weights: dict[int, int], by: bytes) -> None:
        """Up to twenty."""
        lot = draw(weights, seed=by, size=len(weights))
        assert {*lot.random, *lot.risk} == set(weights)

    def test_the_tickets_are_as_written_down(self) -> None:
        """SHA-256 of the seed, the ticket's number and the entry's, so that it can be done with other tools."""
        weights = {seq: 1 + seq % 7 for seq in range(500, 700)}
        by = seed(0)

        def ticket(number: int, seq: int) -> str:
            return sha256(by + bytes.fromhex(f"{number:016x}{seq:016x}")).hexdigest()

        first = sorted(weights, key=lambda seq: ticket(0, seq))[:11]
        left = set(weights) - set(first)
        tickets = sorted((ticket(number, seq), seq) for seq in left for number in range(1, weights[seq] + 1))
        second = list(dict.fromkeys(seq for _, seq in tickets))[:10]
        lot = draw(weights, seed=by, size=21)
        assert (list(lot.random), list(lot.risk)) == (first, second)

    def test_the_first_half_is_fair(self) -> None:
        """Over many months, whatever stands out is drawn as often as what does not (chi square, p = 0.0001)."""
        draws, accesses = 2_000, 50
        counts = Counter(
            seq
            for number in range(draws)
            for seq in draw({n: 1 + n % 5 * 4 for n in range(accesses)}, seed=seed(number), size=20).random
        )
        expected = draws * 10 / accesses
        chance = 1 - 10 / accesses  # drawn without putting back: the variance is that much smaller
        square = sum((counts[n] - expected) ** 2 for n in range(accesses)) / expected / chance
        assert square < 94.0  # 49 degrees of freedom

    def test_the_second_half_leans_to_what_stands_out(self) -> None:
        """The first that is drawn is so in proportion to what it weighs; and nothing is out of reach."""
        draws, weights = 3_000, dict.fromkeys(range(40), 1) | dict.fromkeys(range(40, 50), 9)
        lots = [draw(weights, seed=seed(number), size=10) for number in range(draws)]
        share = sum(lot.risk[0] >= 40 for lot in lots) / draws
        assert share == pytest.approx(90 / 130, abs=0.035)
        assert {seq for lot in lots for seq in lot.risk} == set(weights)
        assert sum(seq >= 40 for lot in lots for seq in lot.random) / draws == pytest.approx(1, abs=0.07)


class TestSize:
    """At least twenty and one in a hundred."""

    @given(st.integers(0, 10**7))
    def test_how_many_are_drawn(self, accesses: int) -> None:
        """All of a few; else both are reached, and not more than needed."""
        size = sample_size(accesses)
        assert size <= accesses
        assert size == accesses or (size >= 20 and size * 100 >= accesses)
        assert size <= 20 or (size - 1) * 100 < accesses

    def test_what_an_access_weighs(self) -> None:
        """More with every flag, and the flag of a later version counts for something."""
        assert weight([]) == 1
        assert weight(["own_record", "outside_hours"]) == 19
        assert weight(["of a later version"]) == 2
        assert set(WEIGHTS) == set(Flag)


def test_a_sample_is_overdue_after_thirty_days() -> None:
    """From the month's end on."""
    month = Month(2026, 9)
    assert not is_overdue(month, month.end + timedelta(days=30))
    assert is_overdue(month, month.end + timedelta(days=30, seconds=1))
