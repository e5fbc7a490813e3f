"""An invented population of any size that needs no memory: every citizen follows from a seed and a position.

1. A position has one test number and a test number one position (``numbers.py``).
2. A situation is a slot in a block of 200 people, so every rarity is there and the proportions are those of real life:
   85 % live where the library thinks (some spelled otherwise), 6 % moved, the rest is what goes wrong.
3. Everything else is drawn from the seed and the position.

>>> world = World(seed=7, people=300)
>>> world.find(world.citizen(41).insz.digits) == world.citizen(41)
True
>>> world.citizen(41)
Citizen(***)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from rrsync.errors import ConfigError
from rrsync.simulator.citizen import LIMIT, Citizen, Situation, draw
from rrsync.simulator.numbers import Numbers, mix

__all__ = ["Citizen", "Situation", "World", "member_rows"]

_BLOCK: Final = 200
_STRIDE: Final = 73


def _slots() -> tuple[tuple[Situation, int], ...]:
    """Give the situations of a block, each with its rank among its like."""
    many = {Situation.SETTLED: 130, Situation.RESPELLED: 40, Situation.MOVED: 12, Situation.FOREIGNER: 2}
    many[Situation.DECEASED] = 2
    row = [situation for situation in Situation for _ in range(many.get(situation, 1))]
    seen: Counter[Situation] = Counter()
    slots = []
    for situation in row:
        slots.append((situation, seen[situation]))
        seen[situation] += 1
    return tuple(slots)


_SLOTS: Final = _slots()


@dataclass(frozen=True, slots=True)
class World:
    """An invented population; the same seed and size give the same people."""

    seed: int = 1
    people: int = 1000
    _numbers: Numbers = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse a size for which there are not enough test numbers.

        Raises:
            ConfigError: when the size is negative or above sixteen million.
        """
        if not 0 <= self.people <= LIMIT:
            raise ConfigError(f"A population holds 0 to {LIMIT} people", todo="Ask for fewer people")
        object.__setattr__(self, "_numbers", Numbers(self.seed))

    def __len__(self) -> int:
        """How many people there are."""
        return self.people

    def citizen(self, position: int) -> Citizen:
        """Give the person at a position.

        Raises:
            IndexError: when nobody has that position.
        """
        if not 0 <= position < self.people:
            raise IndexError("Nobody has this position")
        situation, rank = _SLOTS[(position * _STRIDE + mix(self.seed, 3)) % _BLOCK]
        variant = position // _BLOCK + rank + self.seed
        return draw(self._numbers, position, situation, variant)

    def find(self, digits: str) -> Citizen | None:
        """Give the person with a number; who was renumbered is found by the old and by the new one."""
        position = self._numbers.position(digits)
        if position is None:
            return None
        if position < self.people:
            return self.citizen(position)
        old = position - LIMIT
        if not 0 <= old < self.people:
            return None
        citizen = self.citizen(old)
        if citizen.situation is not Situation.RENUMBERED:
            return None
        return replace(citizen, insz=citizen.new_insz, situation=Situation.SETTLED)


def member_rows(world: World, count: int | None = None) -> Iterator[dict[str, str]]:
    """Give what a library holds of the first ``count`` people, a row each, with the columns of a member file."""
    for position in range(len(world) if count is None else min(count, len(world))):
        citizen = world.citizen(position)
        known, left = citizen.known, _has_left(citizen)
        yield {
            "member_no": f"M{position + 1:06d}",
            "insz": citizen.insz.digits,
            "last_name": citizen.name.last,
            "first_names": citizen.name.first,
            "birth_date": _held_birth(citizen),
            "street": known.street,
            "house_number": known.house_number,
            "box": known.box,
            "postal_code": known.postal_code,
            "municipality": known.municipality,
            "country": "BEL",
            "membership_end": "2024-06-30" if left else "",
            "open_items": str(mix(world.seed, position, 9) % 3 if left or position % 10 == 0 else 0),
        }


def _has_left(citizen: Citizen) -> bool:
    return citizen.situation is Situation.SETTLED and citizen.position % 40 == 13


def _held_birth(citizen: Citizen) -> str:
    """Give the birth date a library holds: of a partial one nothing, or the first of January it once made up."""
    if citizen.birth.is_complete:
        return citizen.birth.text
    return "" if citizen.variant % 2 else f"{citizen.birth.year}-01-01"
