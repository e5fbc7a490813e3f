"""The monthly sample for review: drawn by lot from the log, so that nobody chooses it and anyone can draw it again.

1. The population is the accesses by persons in one calendar month in Belgium, attempts and denials included. The sample
   is one in a hundred, at least twenty, or all of them when there are fewer.
2. The seed is the SHA-256 of the log's root over all entries up to the month's end. Nobody knows it before the last
   entry; afterwards it cannot change without breaking the log. Steering it needs entries, which stay in the log.
3. A ticket of an access is the SHA-256 of the seed, the ticket's number and the entry's number, 8 bytes each,
   big-endian. The lowest tickets are drawn.
4. The first half (the larger one when odd) uses one ticket each (number 0): every access is equally likely.
5. The second half is drawn from the rest, by the lowest of as many tickets (from number 1 on) as an access weighs: 1,
   plus ``WEIGHTS`` for each flag. Flagged accesses are more likely, and every access is possible.

A change of these rules or weights must keep the old ones for earlier months; else those cannot be drawn again.

>>> lot = draw({7: 1, 8: 9, 9: 1}, seed=sha256(b"root").digest(), size=2)
>>> lot.random, lot.risk
((9,), (8,))
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Final

from rrsync.core.anomaly import Flag
from rrsync.core.belgian_time import Month

LEAST: Final = 20
ONE_IN: Final = 100
#: How long a sample may wait for its decisions.
MAY_WAIT: Final = timedelta(days=30)

#: How much more an access weighs for each flag: the likelier it is that somebody looked for themselves, the more.
WEIGHTS: Final[dict[str, int]] = {
    Flag.OWN_RECORD.value: 16,
    Flag.COLLEAGUE.value: 8,
    Flag.MANY_STAFF.value: 8,
    Flag.MANY_LOOKUPS.value: 4,
    Flag.MANY_REFUSED.value: 8,
    Flag.REFUSED.value: 4,
    Flag.NO_GROUND.value: 4,
    Flag.OUTSIDE_HOURS.value: 2,
    Flag.ODD_CASE.value: 2,
}


class Finding(StrEnum):
    """A reviewer's decision about an access."""

    JUSTIFIED = "justified"
    UNJUSTIFIED = "unjustified"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class DrawnSample:
    """The accesses drawn, by their place in the log, in the order of drawing."""

    random: tuple[int, ...]
    risk: tuple[int, ...]


def weight(flags: Iterable[str]) -> int:
    """Return the weight of an access in the second half; an unknown flag adds 1."""
    return 1 + sum(WEIGHTS.get(flag, 1) for flag in flags)


def sample_size(accesses: int) -> int:
    """Return the size of the sample of a number of accesses.

    >>> [sample_size(accesses) for accesses in (0, 7, 2_000, 2_001)]
    [0, 7, 20, 21]
    """
    return min(accesses, max(LEAST, -(-accesses // ONE_IN)))


def draw(weights: Mapping[int, int], *, seed: bytes, size: int) -> DrawnSample:
    """Draw ``size`` accesses without replacement; they are given by their place in the log and their weight."""
    by_chance = sorted(weights, key=lambda seq: (_ticket(seed, 0, seq), seq))
    random = by_chance[: size - size // 2]
    left = by_chance[size - size // 2 :]
    by_risk = sorted(left, key=lambda seq: (min(_ticket(seed, n + 1, seq) for n in range(weights[seq])), seq))
    return DrawnSample(tuple(random), tuple(by_risk[: size // 2]))


def is_overdue(month: Month, now: datetime) -> bool:
    """Whether a month's sample with open decisions has waited too long."""
    return now - month.end > MAY_WAIT


def _ticket(seed: bytes, number: int, seq: int) -> bytes:
    return sha256(seed + number.to_bytes(8) + seq.to_bytes(8)).digest()
