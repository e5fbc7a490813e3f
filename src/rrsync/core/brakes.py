"""What stops a run: its state so far, one more answer, and the decision that follows.

``Brakes`` is a value. The run's row keeps it (``store.runs``), so the workers of a run share it and a run that goes on
the next day has not forgotten it. States add up: ``earlier + later`` is what one worker would have seen.

The decision is the first of these that applies:

1. ``Stop`` with reason ``mix_up``: the register answered about other people than it was asked about.
2. ``Stop`` with reason ``signature``: replies were not signed as they must be.
3. ``Stop`` with reason ``mass_change``: far more addresses changed than people move. More than a share of the last
   1 000 compared addresses changed (from 500 on), or too many members moved to one address. An address is forgotten
   when members moved to 1 000 others since. Only members with an address count: filling in an empty one is no move.
4. ``Stop`` with reason ``breaker``: the register was away too long, or gave too many useless answers in a row.
5. ``BarLibrary``: the register, or the library's authorisation, refuses this library.
6. ``HoldChanges``: this run stopped for a mass change before. Until it ends, every change waits for a person.
7. ``GoOn``.

A brake for fields that vanish would count in ``LibraryCounts``, beside ``moves``, and stop or hold between 3 and 4.

Once a run has reported why it stopped, ``released`` resets that brake: a person knows, and may run the night again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Final, TypeAlias

from rrsync.core.compare import Change, Hold, Verdict, address_differs, compare, plain
from rrsync.core.exchange import Answer, Reason, Refused
from rrsync.core.log_entry import Draft, Status
from rrsync.core.person import Member
from rrsync.core.report import MIX_UP, SIGNATURE
from rrsync.errors import AnchorError, NotAuthorised, RegistryRefused, Stopped, StoreError

MASS_CHANGE: Final = "mass_change"
BREAKER: Final = "breaker"

#: How many compared addresses a library's share of moves is taken of, and from how many on.
WINDOW: Final = 1_000
ENOUGH: Final = 500
#: How many addresses that members moved to are remembered.
PLACES: Final = 1_000
#: A run stops at this many replies with a bad signature.
BAD_SIGNATURES: Final = 3
#: A run stops when it has waited this long, in all, for a register that is away.
LONGEST_AWAY_S: Final = 1_800.0

_CALL: Final = "Call the MAGDA service desk and the data-protection officer before the next run"
_DROPPED: Final = "Those answers were dropped, the members are on hold and nothing of them was changed"


@dataclass(frozen=True, slots=True)
class Limits:
    """The settings of the brakes (``[night]``).

    A run stops at ``mismatches`` answers about somebody else and at ``unavailable`` useless answers in a row. It
    believes no change any more when more than ``change_share`` of the addresses changed, or more than ``same_address``
    members moved to one address.
    """

    mismatches: int
    unavailable: int
    change_share: float
    same_address: int


@dataclass(frozen=True, slots=True)
class GoOn:
    """Nothing speaks against asking on."""


@dataclass(frozen=True, slots=True)
class HoldChanges:
    """Ask on, but put every change on hold."""


@dataclass(frozen=True, slots=True)
class BarLibrary:
    """Ask nothing more for this library; ``hint`` says why in sentences."""

    library: str
    reason: str
    hint: str


@dataclass(frozen=True, slots=True)
class Stop:
    """Ask nothing more in this run."""

    reason: str
    what: str
    todo: str
    kept: str = ""

    def as_error(self) -> Stopped:
        """Return the error that ends the run."""
        return Stopped(self.what, reason=self.reason, kept=self.kept, todo=self.todo)


Decision: TypeAlias = GoOn | HoldChanges | BarLibrary | Stop


@dataclass(frozen=True, slots=True)
class LibraryCounts:
    """The counts of one library; ``moves`` has a 1 for each compared address that changed, else a 0, oldest first."""

    mix_ups: int = 0
    bad_signatures: int = 0
    moves: str = ""

    def __add__(self, later: LibraryCounts) -> LibraryCounts:
        """Return the sum."""
        return LibraryCounts(
            self.mix_ups + later.mix_ups,
            self.bad_signatures + later.bad_signatures,
            (self.moves + later.moves)[-WINDOW:],
        )


@dataclass(frozen=True, slots=True)
class Brakes:
    """What a run has seen so far; without arguments, nothing.

    ``useless`` counts the useless answers since the last useful one, of ``answers`` in all. ``places`` counts the
    members who moved to an address, by a keyed hash of library and address. ``barred`` has reason and hint by library,
    ``told`` the alarms that the data-protection officer got: reason and library. After a ``mass_change`` no change is
    believed; ``is_reported`` says that the run stopped for it already.
    """

    libraries: Mapping[str, LibraryCounts] = field(default_factory=dict)
    places: Mapping[str, int] = field(default_factory=dict)
    answers: int = 0
    useless: int = 0
    away_s: float = 0.0
    mass_change: bool = False
    is_reported: bool = False
    barred: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    told: frozenset[tuple[str, str]] = frozenset()

    def __add__(self, later: Brakes) -> Brakes:
        """Return the sum; of a library that both bar, the earlier reason stays."""
        libraries = dict(self.libraries)
        for library, counts in later.libraries.items():
            libraries[library] = libraries.get(library, LibraryCounts()) + counts
        is_all_useless = later.useless == later.answers
        return Brakes(
            libraries=libraries,
            places=_last_places(self.places, later.places) if later.places else self.places,
            answers=self.answers + later.answers,
            useless=later.useless + (self.useless if is_all_useless else 0),
            away_s=self.away_s + later.away_s,
            mass_change=self.mass_change or later.mass_change,
            is_reported=self.is_reported or later.is_reported,
            barred={**later.barred, **self.barred} if later.barred else self.barred,
            told=self.told | later.told,
        )

    @property
    def mix_ups(self) -> int:
        """The mix-ups of all libraries."""
        return sum(counts.mix_ups for counts in self.libraries.values())

    @property
    def bad_signatures(self) -> int:
        """The bad signatures of all libraries."""
        return sum(counts.bad_signatures for counts in self.libraries.values())


def decide(brakes: Brakes, limits: Limits, library: str = "") -> Decision:
    """Return the decision on the run and, if named, on one of its libraries."""
    if stop := _stop(brakes, limits):
        return stop
    if library in brakes.barred:
        return BarLibrary(library, *brakes.barred[library])
    return HoldChanges() if brakes.mass_change else GoOn()


def judge_and_count(
    brakes: Brakes, member: Member, answer: Answer, limits: Limits, *, key: Callable[[str, tuple[str, ...]], str]
) -> tuple[Verdict, Brakes]:
    """Return the verdict on a member, and the brakes with its address counted; ``key`` hashes library and address."""
    verdict, library = compare(member, answer), member.library
    if member.held.address:
        place = _place_moved_to(member, verdict)
        if place is None:
            brakes += Brakes({library: LibraryCounts(moves="0")})
        else:
            hashed = key(library, place)
            brakes += Brakes({library: LibraryCounts(moves="1")}, {hashed: 1})
            if _is_mass_change(brakes.libraries[library].moves, brakes.places[hashed], limits):
                brakes = replace(brakes, mass_change=True)
    return (compare(member, answer, mass_change=True) if brakes.mass_change else verdict), brakes


def seen(library: str, answer: Answer, outcome: Draft, verdict: Verdict | None) -> Brakes:
    """Return what one settled answer adds; the verdict is ``None`` if the member has another number by now."""
    alarm = alarm_reason(outcome, verdict)
    counts = LibraryCounts(mix_ups=int(alarm == MIX_UP), bad_signatures=int(alarm == SIGNATURE))
    return Brakes({library: counts}, answers=1, useless=int(isinstance(answer, Refused)))


def barred(library: str, error: RegistryRefused | NotAuthorised) -> Brakes:
    """Return what an error adds that every member of the library would meet alike."""
    reason = "refused" if isinstance(error, RegistryRefused) else "not_authorised"
    if is_signature(error):
        reason = SIGNATURE
    return Brakes(barred={library: (reason, str(error))})


def alarm_reason(outcome: Draft, verdict: Verdict | None) -> str | None:
    """Return the reason of the alarm if an answer could have deceived us: a bad signature or somebody else's data."""
    out = outcome.body.get("out")
    if isinstance(out, dict) and out.get("status") == Status.SIG_BAD:
        return SIGNATURE
    return MIX_UP if isinstance(verdict, Hold) and verdict.reason is Reason.MISMATCH else None


def is_signature(error: Exception) -> bool:
    """Whether the signer is not to be trusted, whichever member is asked about."""
    return getattr(error, "status", None) is Status.SIG_BAD


def alarms(brakes: Brakes) -> Brakes:
    """Return, as an addition, the alarms (``told``) that the data-protection officer must still get."""
    due = {(SIGNATURE, library) for library, (reason, _) in brakes.barred.items() if reason == SIGNATURE}
    due |= {(MIX_UP, library) for library, counts in brakes.libraries.items() if counts.mix_ups}
    if brakes.bad_signatures >= BAD_SIGNATURES:
        due |= {(SIGNATURE, library) for library, counts in brakes.libraries.items() if counts.bad_signatures}
    return Brakes(told=frozenset(due - brakes.told))


def first_barred(brakes: Brakes) -> BarLibrary | None:
    """Return the library that was barred first."""
    return next((BarLibrary(library, *why) for library, why in brakes.barred.items()), None)


def released(brakes: Brakes, reason: str | None) -> Brakes:
    """Return the brakes of a run that was closed with this reason to stop: what it reported does not stop it again.

    Bars and the time the register was away end with the night. All other counts stay, and their alarms stay told.
    """
    after = replace(
        brakes,
        libraries={
            library: replace(
                counts,
                mix_ups=0 if reason == MIX_UP else counts.mix_ups,
                bad_signatures=0 if reason == SIGNATURE else counts.bad_signatures,
            )
            for library, counts in brakes.libraries.items()
        },
        useless=0 if reason == BREAKER else brakes.useless,
        away_s=0.0,
        is_reported=brakes.is_reported or reason == MASS_CHANGE,
        barred={},
        told=frozenset(),
    )
    return replace(after, told=brakes.told & alarms(after).told)


def store_failure(error: StoreError) -> Stop:
    """Return the stop of a run whose database fails, or whose log no anchor takes."""
    return Stop("anchor" if isinstance(error, AnchorError) else "evidence", error.what, error.todo)


def encode(brakes: Brakes) -> str:
    """Return the brakes as JSON."""
    values = {part.name: getattr(brakes, part.name) for part in fields(brakes)}
    values["libraries"] = {
        library: {**asdict(counts), "moves": f"{int('1' + counts.moves, 2):x}"}  # hexadecimal; a 1 keeps leading zeros
        for library, counts in brakes.libraries.items()
    }
    values["told"] = sorted(brakes.told)
    return json.dumps(values, separators=(",", ":"))


def decode(text: str) -> Brakes:
    """Return the brakes that ``encode`` wrote; what an older version did not count is nothing.

    >>> decode(encode(Brakes(answers=4, useless=1))) == Brakes(answers=4, useless=1)
    True
    """
    values = json.loads(text)
    values["libraries"] = {
        library: LibraryCounts(**counts | {"moves": f"{int(counts['moves'], 16):b}"[1:]})
        for library, counts in values["libraries"].items()
    }
    values["barred"] = {library: (reason, hint) for library, (reason, hint) in values["barred"].items()}
    values["told"] = frozenset((reason, library) for reason, library in values["told"])
    return Brakes(**values)


def _stop(brakes: Brakes, limits: Limits) -> Stop | None:
    if brakes.mix_ups >= limits.mismatches:
        return Stop(MIX_UP, "The register answered about somebody else than was asked about", _CALL, _DROPPED)
    if brakes.bad_signatures >= BAD_SIGNATURES:
        return Stop(SIGNATURE, "The register's replies were not signed as they must be, three times", _CALL, _DROPPED)
    if brakes.mass_change and not brakes.is_reported:
        return Stop(
            MASS_CHANGE,
            "Far more addresses changed than people move",
            "Look at them with `rrsync holds list`; run the night again, and accept those that are right",
            "The last changes were not applied: they are on hold, and so will the rest of this run's be",
        )
    if brakes.away_s >= LONGEST_AWAY_S:
        return Stop(
            BREAKER,
            "The register was away for half an hour in all",
            "Run the night again when the register is back: it goes on where it stopped",
        )
    if brakes.useless >= limits.unavailable:
        return Stop(
            BREAKER,
            "The register gave no answer that can be used, many times in a row",
            "Look into it with `rrsync holds list`; then run the night again: it goes on where it stopped",
        )
    return None


def _place_moved_to(member: Member, verdict: Verdict) -> tuple[str, ...] | None:
    """Return the address that a member moved to, whatever its spelling; ``None`` if it did not move."""
    if not isinstance(verdict, Change) or not address_differs(member.held.address, verdict.after.address):
        return None
    address = verdict.after.address
    return plain(address.street), plain(address.house_number), plain(address.box), plain(address.postal_code)


def _is_mass_change(moves: str, arrivals: int, limits: Limits) -> bool:
    """Whether the last move is one too many: of these ``moves`` in its library, and ``arrivals`` at its address."""
    is_share_exceeded = len(moves) >= ENOUGH and moves.count("1") > limits.change_share * len(moves)
    return is_share_exceeded or arrivals > limits.same_address


def _last_places(earlier: Mapping[str, int], later: Mapping[str, int]) -> Mapping[str, int]:
    """Return the sums of the addresses that were moved to last."""
    places = dict(earlier)
    for place, count in later.items():
        places[place] = places.pop(place, 0) + count
    return dict(list(places.items())[-PLACES:])
