"""What a process has of the traffic with the register: the slots it was granted, and its way to those of all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil
from threading import Lock
from typing import Final, Protocol, TypeVar

from rrsync.core.traffic import LATE_S, Traffic

#: How long calls that are not spaced may leave on one grant.
_LASTS_S: Final = 1.0
#: A slot is left unused this late: the rest of the lateness is for what comes between the turn and the wire.
_TOO_LATE_S: Final = LATE_S / 2

T = TypeVar("T")


class Share(Protocol):
    """The traffic of all processes: changes it by a rule, alone, at the moment of its clock."""

    def __call__(self, change: Callable[[Traffic, float], tuple[Traffic, T]]) -> T:
        """Give what the rule gives."""


class Alone:
    """The traffic of a process that shares it with nobody."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.state = Traffic()
        self._clock = clock
        self._lock = Lock()

    def __call__(self, change: Callable[[Traffic, float], tuple[Traffic, T]]) -> T:
        """Change it."""
        with self._lock:
            self.state, given = change(self.state, self._clock())
        return given


@dataclass(frozen=True, slots=True)
class Slots:
    """What is left of a grant, on our clock; without a step, the calls that may be under way at once."""

    at: float = 0.0
    step_s: float = 0.0
    left: int = 0
    is_probe: bool = False

    def by(self, now: float) -> Slots:
        """Give what is left by now; the one call that tries whether the register is back is never too late."""
        if not self.left or self.is_probe:
            return self
        if not self.step_s:
            return self if now < self.at + _LASTS_S else NONE
        gone = min(max(ceil((now - _TOO_LATE_S - self.at) / self.step_s), 0), self.left)
        return replace(self, at=self.at + gone * self.step_s, left=self.left - gone)

    def used(self) -> Slots:
        """Give what is left when one is used."""
        if self.is_probe:
            return NONE
        return replace(self, at=self.at + self.step_s, left=self.left - 1) if self.step_s else self


NONE: Final = Slots()
