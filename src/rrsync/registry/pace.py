"""When a call may leave: the rules of ``core.traffic``, waited for by the threads of one process.

The threads stand in line. The first of them gets slots from the traffic that all processes share, waits until one
comes, and leaves; a slot that it wakes up too late for is lost, and it takes another. Every turn that was taken is
given back with how the call went.

What a process has of the traffic with the register: the slots it was granted, and its way to those of all.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from math import ceil
from threading import Lock, get_ident
from typing import Final, Protocol, TypeVar

from rrsync.core.rate_limit import (
    LATE_S,
    Ask,
    Budget,
    Grant,
    Rest,
    Traffic,
    Wait,
    Went,
    left,
    probed,
    reserve,
    resting,
    told,
)
from rrsync.errors import RegistryUnavailable, StoreError

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

#: How long a wait may go on without looking whether it is still wanted.
_LOOK_S: Final = 0.25
_SEAT_S: Final = 0.02
_AGAIN_S: Final = 0.001

#: How fast it is forgotten how long the traffic kept us.
_FORGET: Final = 0.9


class Resting(RegistryUnavailable):
    """Nobody asks the register for a while; nothing was sent."""


def never() -> bool:
    """Nobody interrupts."""
    return False


class Pace:
    """Lets calls go within the budget of all; without a budget it lets all go. One for all threads of a process.

    ``who`` names the process among those that share: a night, of which there is one at a time, always by the same name.
    At a ``desk`` persons wait: it takes a slot for each of them, and gives back what it has as soon as nobody waits.
    """

    def __init__(
        self,
        budget: Budget | float | None,
        *,
        sleep: Callable[[float], object],
        clock: Callable[[], float] = time.monotonic,
        share: Share | None = None,
        who: str = "night",
        desk: bool = False,
    ) -> None:
        self._budget = budget if isinstance(budget, Budget) else Budget(budget or float("inf"))
        self._is_free = budget is None
        self._share = share or Alone(clock)
        self._sleep = sleep
        self._clock = clock
        self._who = who
        self._desk = desk
        self._line: deque[Lock] = deque()
        self._standing = Lock()
        self._sharing = Lock()
        self._counting = Lock()
        self._flying = 0
        self._slots = NONE
        self._probing: int | None = None
        self._untold: list[Went] = []
        self._known = Traffic()
        self._ahead_s = 0.0
        self._lag_s = 0.0
        self._asked = Ask(who, desk)

    def take(self, interrupted: Callable[[], bool] = never) -> bool:
        """Wait for a turn; give ``False``, without having used one, when interrupted before it came.

        Raises:
            Resting: nobody asks the register now.
            StoreError: the traffic cannot be shared.
        """
        if self._is_free:
            return not interrupted()
        with self._in_line():
            while not interrupted():
                wait_s = self._next()
                if not wait_s:
                    return True
                self._sleep(min(wait_s, _LOOK_S))
            self._withdraw()
        return False

    def give(self, went: Went, retry_after_s: float | None = None) -> None:
        """Give a turn back, and tell how its call went and for how long the register wants nobody to ask."""
        if self._is_free:
            return
        with self._counting:
            self._flying -= 1
            self._untold.append(went)
            is_probe = self._probing == get_ident()
            if is_probe:
                self._probing = None
            is_over = self._desk and not self._flying and not self._line
        if is_probe or is_over or went is not Went.FINE:
            with suppress(StoreError):  # an answer is worth more than its place in the count
                self._tell(partial(probed, went=went) if is_probe else _as_it_is, retry_after_s)

    def leave(self) -> None:
        """Tell what is untold, and have no call in flight any more."""
        if not self._is_free:
            self._slots = NONE
            with suppress(StoreError):
                self._tell(lambda state, _: left(state, self._who))

    def rest_s(self) -> float | None:
        """Give for how long nobody asks: 0 when one call may see whether the register is back, ``None`` if all is well.

        Raises:
            StoreError: the traffic cannot be shared.
        """
        if self._is_free or not self._is_away():
            return None
        rest = self._shared(lambda state, now: (state, resting(state, now)))
        if rest is not None:
            return rest.for_s
        return None if self._known.since is None else 0.0

    @contextmanager
    def _in_line(self) -> Iterator[None]:
        """Stand in line until it is our turn, and pass it on after."""
        mine = Lock()
        with self._standing:
            if self._line:
                mine.acquire()
            self._line.append(mine)
        try:
            mine.acquire()  # passed on by who stood before
            yield
        finally:
            with self._standing:
                was_first = self._line[0] is mine
                self._line.remove(mine)
                if was_first and self._line:
                    self._line[0].release()

    def _next(self) -> float:
        """Use the next slot, or give how long to wait for it."""
        with self._counting:
            slots = self._slots = self._slots.by(self._clock())
        wait_s = 0.0 if slots.left else self._reserve()
        return wait_s or self._use()

    def _use(self) -> float:
        with self._counting:
            now = self._clock()
            slots = self._slots.by(now)
            if not slots.left:  # it came too late for us
                return _AGAIN_S
            if slots.at > now:
                return slots.at - now
            if not slots.step_s and self._flying >= slots.left:
                return _SEAT_S
            self._slots = slots.used()
            self._flying += 1
            self._probing = get_ident() if slots.is_probe else self._probing
        return 0.0

    def _reserve(self) -> float:
        """Get slots, or give how long to wait before asking again."""
        with self._sharing, self._telling() as how:

            def change(state: Traffic, now: float) -> tuple[Traffic, Grant | Wait | Rest]:
                self._asked = Ask(self._who, self._desk, self._flying, self._lag_s, len(self._line))
                return reserve(told(state, now, how), now, self._asked, self._budget)

            given = self._shared(change)
        match given:
            case Rest():
                raise _resting(given)
            case Wait():
                return given.for_s
            case Grant():
                at = given.at + self._ahead_s
                left = given.slots if given.step_s else given.slots + self._asked.flying
                self._slots = Slots(at, given.step_s, left, given.probe)
                return 0.0

    def _tell(self, then: Callable[[Traffic, float], Traffic], retry_after_s: float | None = None) -> None:
        """Tell what is untold, and what comes of it ``then``."""
        with self._sharing, self._telling() as how:

            def change(state: Traffic, now: float) -> tuple[Traffic, None]:
                state = then(told(state, now, how, retry_after_s), now)
                is_over = self._desk and not self._flying and not self._slots.left
                return left(state, self._who) if is_over else state, None

            self._shared(change)
            with self._counting:
                if self._known.since is not None or Went.BUSY in how:
                    self._slots = NONE

    def _withdraw(self) -> None:
        """Give back slots that nobody wants any more."""
        with self._counting:
            slots, self._slots = self._slots, NONE
        if slots.left and (self._desk or slots.is_probe):
            with suppress(StoreError):
                self._tell(partial(probed, went=None) if slots.is_probe else _as_it_is)

    @contextmanager
    def _telling(self) -> Iterator[list[Went]]:
        """Give what is untold; when telling it fails, it stays so."""
        with self._counting:
            how, self._untold = self._untold, []
        try:
            yield how
        except BaseException:
            with self._counting:
                self._untold = how + self._untold
            raise

    def _shared(self, change: Callable[[Traffic, float], tuple[Traffic, T]]) -> T:
        """Change the traffic, and note what it is now and by how much our clock is ahead of its clock."""
        heard = 0.0

        def noted(state: Traffic, now: float) -> tuple[Traffic, T]:
            nonlocal heard
            heard = self._clock()  # not before the other was read, so that no slot is thought to come too early
            self._ahead_s = heard - now
            self._known, given = change(state, now)
            return self._known, given

        given = self._share(noted)
        self._lag_s = min(max(self._clock() - heard, self._lag_s * _FORGET), _LOOK_S)
        return given

    def _is_away(self) -> bool:
        return self._known.since is not None or resting(self._known, self._clock() - self._ahead_s) is not None


def _as_it_is(state: Traffic, _: float) -> Traffic:
    return state


def _resting(rest: Rest) -> Resting:
    """Say since when nobody asks, and when to try again."""
    again = _words(rest.for_s)
    if rest.since_s is None:
        what = f"The register wants nobody to ask for another {again}"
    else:
        what = f"The register has been away for {_words(rest.since_s)}; it is tried again in {again}"
    return Resting(what, kept="Nothing more was sent, and no member was changed", todo=f"Try again in {again}")


def _words(seconds: float) -> str:
    """Give how long that is, in words."""
    whole = max(1, ceil(seconds))
    if whole < 120:
        return f"{whole} seconds" if whole > 1 else "a second"
    return f"{ceil(whole / 60)} minutes"
