"""The rate limiter of one process: when a call to the register may leave, by the rules of ``core.rate_limit``.

1. The threads of a process queue. The first of them reserves slots from the state that all processes share, waits for
   the next slot, and leaves. A slot that it wakes up too late for is lost, and it takes another.
2. Every slot that was taken is given back with the result of the call.
3. While the register rests, ``take`` raises ``RegistryResting`` instead of waiting.
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
    Budget,
    CallResult,
    RateLimitState,
    SlotGrant,
    SlotPause,
    SlotRequest,
    SlotWait,
    left,
    probed,
    reserve,
    resting,
    told,
)
from rrsync.errors import RegistryUnavailable, StoreError

#: How long calls that are not spaced may leave on one grant.
_GRANT_LASTS_S: Final = 1.0
#: A slot is not used after this delay: the rest of the allowed delay is for what comes before the first byte.
_TOO_LATE_S: Final = LATE_S / 2
#: How long a wait may go on without checking for an interruption.
_CHECK_S: Final = 0.25
_IN_FLIGHT_S: Final = 0.02
_AGAIN_S: Final = 0.001
#: By which factor the measured delay of the shared state decays.
_DECAY: Final = 0.9

T = TypeVar("T")


class SharedState(Protocol):
    """The state that all processes share; one call at a time changes it, at the time of the state's own clock."""

    def __call__(self, change: Callable[[RateLimitState, float], tuple[RateLimitState, T]]) -> T:
        """Apply a change and return its result."""


class UnsharedState:
    """The state of a process that shares it with no other."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.state = RateLimitState()
        self._clock = clock
        self._lock = Lock()

    def __call__(self, change: Callable[[RateLimitState, float], tuple[RateLimitState, T]]) -> T:
        """Apply a change and return its result."""
        with self._lock:
            self.state, given = change(self.state, self._clock())
        return given


@dataclass(frozen=True, slots=True)
class Lease:
    """The rest of a grant, on our clock; without a step, ``left`` calls may be in flight at once."""

    at: float = 0.0
    step_s: float = 0.0
    left: int = 0
    is_probe: bool = False

    def at_time(self, now: float) -> Lease:
        """Return what is left at ``now``; a probe is never too late."""
        if not self.left or self.is_probe:
            return self
        if not self.step_s:
            return self if now < self.at + _GRANT_LASTS_S else NONE
        gone = min(max(ceil((now - _TOO_LATE_S - self.at) / self.step_s), 0), self.left)
        return replace(self, at=self.at + gone * self.step_s, left=self.left - gone)

    def used(self) -> Lease:
        """Return what is left after one slot is used."""
        if self.is_probe:
            return NONE
        return replace(self, at=self.at + self.step_s, left=self.left - 1) if self.step_s else self


NONE: Final = Lease()


class RegistryResting(RegistryUnavailable):
    """No process asks the register for a while; nothing was sent."""


def not_interrupted() -> bool:
    """Return ``False``: nothing interrupts."""
    return False


class RateLimiter:
    """Lets calls leave within the shared budget; without a budget it lets all leave. All threads of a process share it.

    ``who`` names the process among those that share. The night has always the same name, for only one runs at a time.
    At a ``desk`` people wait: it reserves a slot for each of them, and gives back what it has as soon as no one waits.
    """

    def __init__(
        self,
        budget: Budget | float | None,
        *,
        sleep: Callable[[float], object],
        clock: Callable[[], float] = time.monotonic,
        share: SharedState | None = None,
        who: str = "night",
        desk: bool = False,
    ) -> None:
        self._budget = budget if isinstance(budget, Budget) else Budget(budget or float("inf"))
        self._is_free = budget is None
        self._share = share or UnsharedState(clock)
        self._sleep = sleep
        self._clock = clock
        self._who = who
        self._desk = desk
        self._queue: deque[Lock] = deque()
        self._queueing = Lock()
        self._sharing = Lock()
        self._counting = Lock()
        self._in_flight = 0
        self._lease = NONE
        self._probing: int | None = None
        self._results: list[CallResult] = []
        self._known = RateLimitState()
        self._ahead_s = 0.0
        self._lag_s = 0.0
        self._request = SlotRequest(who, desk)

    def take(self, interrupted: Callable[[], bool] = not_interrupted) -> bool:
        """Wait for a slot; return ``False``, without having used one, when interrupted before it came.

        Raises:
            Resting: the register rests.
            StoreError: the shared state cannot be reached.
        """
        if self._is_free:
            return not interrupted()
        with self._queued():
            while not interrupted():
                wait_s = self._next()
                if not wait_s:
                    return True
                self._sleep(min(wait_s, _CHECK_S))
            self._withdraw()
        return False

    def give(self, went: CallResult, retry_after_s: float | None = None) -> None:
        """Give a slot back with the result of its call; ``retry_after_s`` is how long the register wants no calls."""
        if self._is_free:
            return
        with self._counting:
            self._in_flight -= 1
            self._results.append(went)
            is_probe = self._probing == get_ident()
            if is_probe:
                self._probing = None
            is_over = self._desk and not self._in_flight and not self._queue
        if is_probe or is_over or went is not CallResult.FINE:
            with suppress(StoreError):  # the answer counts more than the statistics
                self._report(partial(probed, went=went) if is_probe else _unchanged, retry_after_s)

    def leave(self) -> None:
        """Report pending results, and have no call in flight any more."""
        if not self._is_free:
            self._lease = NONE
            with suppress(StoreError):
                self._report(lambda state, _: left(state, self._who))

    def rest_s(self) -> float | None:
        """Return how long the register rests: 0 when one call may probe it, ``None`` if it does not rest.

        Raises:
            StoreError: the shared state cannot be reached.
        """
        if self._is_free or not self._is_away():
            return None
        rest = self._shared(lambda state, now: (state, resting(state, now)))
        if rest is not None:
            return rest.for_s
        return None if self._known.since is None else 0.0

    @contextmanager
    def _queued(self) -> Iterator[None]:
        """Queue until it is our turn, and pass the turn on afterwards."""
        mine = Lock()
        with self._queueing:
            if self._queue:
                mine.acquire()
            self._queue.append(mine)
        try:
            mine.acquire()  # released by the thread before
            yield
        finally:
            with self._queueing:
                was_first = self._queue[0] is mine
                self._queue.remove(mine)
                if was_first and self._queue:
                    self._queue[0].release()

    def _next(self) -> float:
        """Use the next slot, or return how long to wait for it."""
        with self._counting:
            lease = self._lease = self._lease.at_time(self._clock())
        wait_s = 0.0 if lease.left else self._reserve()
        return wait_s or self._use()

    def _use(self) -> float:
        with self._counting:
            now = self._clock()
            lease = self._lease.at_time(now)
            if not lease.left:  # it passed while we waited for the lock
                return _AGAIN_S
            if lease.at > now:
                return lease.at - now
            if not lease.step_s and self._in_flight >= lease.left:
                return _IN_FLIGHT_S
            self._lease = lease.used()
            self._in_flight += 1
            self._probing = get_ident() if lease.is_probe else self._probing
        return 0.0

    def _reserve(self) -> float:
        """Reserve slots, or return how long to wait before trying again."""
        with self._sharing, self._pending() as results:

            def change(state: RateLimitState, now: float) -> tuple[RateLimitState, SlotGrant | SlotWait | SlotPause]:
                self._request = SlotRequest(self._who, self._desk, self._in_flight, self._lag_s, len(self._queue))
                return reserve(told(state, now, results), now, self._request, self._budget)

            given = self._shared(change)
        match given:
            case SlotPause():
                raise _resting(given)
            case SlotWait():
                return given.for_s
            case SlotGrant():
                at = given.at + self._ahead_s
                left = given.slots if given.step_s else given.slots + self._request.flying
                self._lease = Lease(at, given.step_s, left, given.probe)
                return 0.0

    def _report(
        self, then: Callable[[RateLimitState, float], RateLimitState], retry_after_s: float | None = None
    ) -> None:
        """Report pending results, and apply ``then`` to the state."""
        with self._sharing, self._pending() as results:

            def change(state: RateLimitState, now: float) -> tuple[RateLimitState, None]:
                state = then(told(state, now, results, retry_after_s), now)
                is_over = self._desk and not self._in_flight and not self._lease.left
                return left(state, self._who) if is_over else state, None

            self._shared(change)
            with self._counting:
                if self._known.since is not None or CallResult.BUSY in results:
                    self._lease = NONE

    def _withdraw(self) -> None:
        """Give back slots that no one waits for any more."""
        with self._counting:
            lease, self._lease = self._lease, NONE
        if lease.left and (self._desk or lease.is_probe):
            with suppress(StoreError):
                self._report(partial(probed, went=None) if lease.is_probe else _unchanged)

    @contextmanager
    def _pending(self) -> Iterator[list[CallResult]]:
        """Yield the pending results; when reporting fails, they stay pending."""
        with self._counting:
            results, self._results = self._results, []
        try:
            yield results
        except BaseException:
            with self._counting:
                self._results = results + self._results
            raise

    def _shared(self, change: Callable[[RateLimitState, float], tuple[RateLimitState, T]]) -> T:
        """Apply a change to the shared state; note the new state and how far our clock is ahead of its clock."""
        read_at = 0.0

        def noted(state: RateLimitState, now: float) -> tuple[RateLimitState, T]:
            nonlocal read_at
            read_at = self._clock()  # read after the other clock, so that no slot is taken too early
            self._ahead_s = read_at - now
            self._known, given = change(state, now)
            return self._known, given

        given = self._share(noted)
        self._lag_s = min(max(self._clock() - read_at, self._lag_s * _DECAY), _CHECK_S)
        return given

    def _is_away(self) -> bool:
        return self._known.since is not None or resting(self._known, self._clock() - self._ahead_s) is not None


def _unchanged(state: RateLimitState, _: float) -> RateLimitState:
    return state


def _resting(rest: SlotPause) -> RegistryResting:
    """Return the error that says since when the register rests, and when to try again."""
    again = _duration(rest.for_s)
    if rest.since_s is None:
        what = f"The register wants nobody to ask for another {again}"
    else:
        what = f"The register has been away for {_duration(rest.since_s)}; it is tried again in {again}"
    return RegistryResting(what, kept="Nothing more was sent, and no member was changed", todo=f"Try again in {again}")


def _duration(seconds: float) -> str:
    """Return a duration in words."""
    whole = max(1, ceil(seconds))
    if whole < 120:
        return f"{whole} seconds" if whole > 1 else "a second"
    return f"{ceil(whole / 60)} minutes"
