"""The rate limit that all processes on one database share: a small state, and the rules on it.

1. Pace. Calls leave in evenly spaced slots, so that no second holds more calls than the budget. An interval is 2 %
   longer than necessary, so that a call may be 20 ms late. A night reserves about a quarter of a second of slots at a
   time, when the last ones are nearly used; desk requests get the next slots, one each.
2. Calls in flight. Each process reserves a number of calls in flight; nights leave some for desk requests, at least
   one. The reservation of a dead process ends when its calls can no longer be running.
3. Rate. A register that is too busy halves the rate; every five quiet seconds restore an eighth of the budget.
4. Circuit breaker. After ten failures in a row, or in half of the last fifty calls, nobody asks for a minute. Then one
   probe is sent: a failure doubles the wait, up to a quarter of an hour; a success closes the breaker.

Time is in seconds of a clock that all processes share. When it is set back, the remaining waits stay as long.

>>> state, grant = reserve(RateLimitState(), 100.0, SlotRequest("night"), Budget(max_per_second=8))
>>> grant.at, round(grant.step_s, 4), grant.slots
(100.0, 0.1275, 2)
>>> round(reserve(state, 100.0, SlotRequest("an", desk=True), Budget(max_per_second=8))[1].at, 3)
100.255
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import ceil
from typing import ClassVar, Final

from pydantic import ConfigDict, TypeAdapter, ValidationError

#: How late a call may leave after its slot, and by what part each interval is longer for it.
LATE_S: Final = 0.02
BLOCK_S: Final = 0.25
AHEAD_S: Final = 0.1
#: No register takes so many a second: calls of such a budget, a simulator's, are not spaced.
SPACED: Final = 1000
#: A wait that the register asks for is waited out, or counts as away when it is longer.
PATIENCE_S: Final = 5.0
_POLL_S: Final = 0.1
_ROUNDING_S: Final = 1e-6
_MARGIN_S: Final = 15.0

IN_A_ROW: Final = 10
LAST: Final = 50
REST_S: Final = 60.0
LONGEST_REST_S: Final = 900.0

SLOWEST: Final = 1 / 16
_STEP: Final = 1 / 8
_QUIET_S: Final = 5.0  # without a call that came too fast
_SHORTEST_WAIT_S: Final = 1.0


class CallResult(StrEnum):
    """The result of a call, as far as the rate limit needs it."""

    FINE = "fine"
    AWAY = "away"
    BUSY = "busy"


@dataclass(frozen=True, slots=True)
class Budget:
    """The limits of the register for all processes together; one call lasts at most ``deadline_s``."""

    max_per_second: float = float("inf")
    max_in_flight: int = 1_000_000
    deadline_s: float = 45.0

    @property
    def step_s(self) -> float:
        """The time between two calls, or none. A fraction of a call a second is not used: 8.5 are 8."""
        rate = self.max_per_second
        if rate > SPACED:
            return 0.0
        return _ROUNDING_S + (1 / rate + LATE_S if rate < 1 else (1 + LATE_S) / int(rate))

    @property
    def for_nights(self) -> int:
        """How many calls in flight nights may have, so that some are left for persons."""
        return max(1, self.max_in_flight - max(1, self.max_in_flight // 8))


@dataclass(frozen=True, slots=True)
class Reservation:
    """The calls that one process may have in flight, until a time."""

    who: str
    desk: bool
    calls: int
    until: float


@dataclass(frozen=True, slots=True)
class SlotRequest:
    """A request of a process: slots for a night, or the next ones for ``people`` waiting at a desk.

    ``flying`` calls are in flight; ``lag_s`` is the time it takes to receive the grant.
    """

    who: str
    desk: bool = False
    flying: int = 0
    lag_s: float = 0.0
    people: int = 1


@dataclass(frozen=True, slots=True)
class SlotGrant:
    """Slots from a time on; without a step, a number of calls that may run at once, for a second.

    A ``probe`` is the one call that tests whether the register is back.
    """

    at: float
    step_s: float
    slots: int
    probe: bool = False


@dataclass(frozen=True, slots=True)
class SlotWait:
    """No slots now: ask again after this time."""

    for_s: float


@dataclass(frozen=True, slots=True)
class SlotPause:
    """Nobody may ask for this long. The breaker opened ``since_s`` ago, or the register wants a pause (``None``)."""

    for_s: float
    since_s: float | None = None


@dataclass(frozen=True, slots=True)
class RateLimitState:
    """The shared state; times are seconds of the shared clock.

    ``share`` is the part of the budget in use; ``cut_at`` and ``quiet_at`` are when it was cut and when quiet began.
    ``last`` has a sign for each recent call. The breaker is open since ``since``.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    seen: float = 0.0
    free_at: float = 0.0
    not_before: float = 0.0
    share: float = 1.0
    cut_at: float = 0.0
    quiet_at: float = 0.0
    failed: int = 0
    last: str = ""
    since: float | None = None
    again_at: float = 0.0
    rest_s: float = REST_S
    claims: tuple[Reservation, ...] = ()

    def dump(self) -> str:
        """Return the state as the text that the database stores."""
        return _FORM.dump_json(self).decode()


_FORM: Final = TypeAdapter(RateLimitState)


def parse(text: str, now: float) -> RateLimitState:
    """Read the result of ``dump``; unreadable text gives a new state that begins with some seconds of silence."""
    if text in {"", "{}"}:
        return RateLimitState()
    try:
        return _FORM.validate_json(text)
    except ValidationError:
        return RateLimitState(not_before=now + PATIENCE_S)


def reserve(
    state: RateLimitState, now: float, ask: SlotRequest, budget: Budget
) -> tuple[RateLimitState, SlotGrant | SlotWait | SlotPause]:
    """Return the next slots of a process, or why it must wait; a grant includes calls in flight."""
    if rest := resting(state, now):
        return state, rest
    early_s = max(state.free_at, state.not_before) - now - AHEAD_S - ask.lag_s
    if early_s > _ROUNDING_S and not ask.desk:
        return state, SlotWait(early_s)
    state = by_now(state, now)
    is_probe, is_spaced = state.since is not None, budget.step_s > 0
    start = max(now + ask.lag_s * is_spaced, state.free_at, state.not_before)
    step_s = budget.step_s / state.share
    block = ceil(BLOCK_S / step_s) if is_spaced else budget.max_in_flight
    slots = min(max(_room(state, ask, budget), 0), 1 if is_probe else block, ask.people if ask.desk else block)
    until = now + budget.deadline_s + _MARGIN_S
    state = replace(state, claims=(*_others(state, ask.who), Reservation(ask.who, ask.desk, ask.flying + slots, until)))
    if not slots:
        return state, SlotWait(_POLL_S)
    if is_probe:  # who dies while trying, tries no longer than this
        state = replace(state, again_at=until)
    if is_spaced:
        state = replace(state, free_at=start + slots * step_s)
    return state, SlotGrant(start, step_s, slots, is_probe)


def resting(state: RateLimitState, now: float) -> SlotPause | None:
    """Return the remaining pause, if nobody may ask: the breaker is open, or the register asked for a pause."""
    state = by_now(state, now)
    if state.since is not None and state.again_at > now:
        return SlotPause(max(state.again_at, state.not_before) - now, now - state.since)
    if state.not_before - now > PATIENCE_S:
        return SlotPause(state.not_before - now)
    return None


def told(
    state: RateLimitState, now: float, how: Sequence[CallResult], retry_after_s: float | None = None
) -> RateLimitState:
    """Record the results of calls, in order; ``retry_after_s`` came with the last one."""
    if not how:
        return state
    state = by_now(state, now)
    for went in how:
        if went is CallResult.BUSY:
            state = _slower(state, now)
        if state.since is None:  # while nobody asks, what was under way changes nothing
            state = _counted(state, now, went)
    if retry_after_s is not None:
        wait_s = min(max(retry_after_s, _SHORTEST_WAIT_S), LONGEST_REST_S)
        state = replace(state, not_before=max(state.not_before, now + wait_s))
    return state


def probed(state: RateLimitState, now: float, went: CallResult | None) -> RateLimitState:
    """Record the result of the probe; ``None`` when it was not sent."""
    state = by_now(state, now)
    if state.since is None:
        return state
    if went is None:
        return replace(state, again_at=now)
    if went is CallResult.FINE:
        return replace(state, since=None, failed=0, last="", rest_s=REST_S)
    rest_s = min(2 * state.rest_s, LONGEST_REST_S)
    return replace(state, rest_s=rest_s, again_at=now + rest_s)


def left(state: RateLimitState, who: str) -> RateLimitState:
    """Release the reservation of a process without calls in flight."""
    return replace(state, claims=_others(state, who))


def by_now(state: RateLimitState, now: float) -> RateLimitState:
    """Return the state at a time: expired reservations are gone, and quiet has restored the rate."""
    if now < state.seen:
        state = _shifted(state, now - state.seen)
    share, quiet_at = min(max(state.share, SLOWEST), 1.0), state.quiet_at
    if share < 1:
        steps = int((now - quiet_at) / _QUIET_S)
        share, quiet_at = min(1.0, share + steps * _STEP), quiet_at + steps * _QUIET_S
    claims = tuple(claim for claim in state.claims if claim.until > now)
    return replace(state, seen=now, share=share, quiet_at=quiet_at, claims=claims)


def _shifted(state: RateLimitState, by: float) -> RateLimitState:
    """Return the state for a clock that was set back."""
    return replace(
        state,
        seen=state.seen + by,
        free_at=state.free_at + by,
        not_before=state.not_before + by,
        cut_at=state.cut_at + by,
        quiet_at=state.quiet_at + by,
        since=None if state.since is None else state.since + by,
        again_at=state.again_at + by,
        claims=tuple(replace(claim, until=claim.until + by) for claim in state.claims),
    )


def _others(state: RateLimitState, who: str) -> tuple[Reservation, ...]:
    return tuple(claim for claim in state.claims if claim.who != who)


def _room(state: RateLimitState, ask: SlotRequest, budget: Budget) -> int:
    """Return how many more calls a process may have in flight; nights leave some for desk requests."""
    others = _others(state, ask.who)
    free = max(budget.max_in_flight, budget.for_nights + 1) - sum(claim.calls for claim in others)
    if not ask.desk:
        nights = [claim.calls for claim in others if not claim.desk]
        free = min(free, budget.for_nights - sum(nights), ceil(budget.for_nights / (len(nights) + 1)))
    return free - ask.flying


def _slower(state: RateLimitState, now: float) -> RateLimitState:
    if now - state.cut_at < 1:
        return replace(state, quiet_at=now)
    return replace(state, share=max(state.share / 2, SLOWEST), cut_at=now, quiet_at=now)


def _counted(state: RateLimitState, now: float, went: CallResult) -> RateLimitState:
    """Record a call, and open the breaker after too many failures."""
    is_fine = went is CallResult.FINE
    failed, last = 0 if is_fine else state.failed + 1, (state.last + ("+" if is_fine else "-"))[-LAST:]
    state = replace(state, failed=failed, last=last)
    if failed < IN_A_ROW and last.count("-") < LAST / 2:
        return state
    return replace(state, since=now, again_at=now + REST_S, rest_s=REST_S)
