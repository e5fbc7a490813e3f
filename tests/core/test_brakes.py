"""The brakes of a run: what it counts, what it decides, and that several workers count together."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrsync.core.brakes import (
    BAD_SIGNATURES,
    ENOUGH,
    LONGEST_AWAY_S,
    PLACES,
    WINDOW,
    BarLibrary,
    Brakes,
    GoOn,
    HoldChanges,
    LibraryCounts,
    Limits,
    Stop,
    alarm_reason,
    alarms,
    barred,
    decide,
    decode,
    encode,
    first_barred,
    judge_and_count,
    released,
    seen,
    store_failure,
)
from rrsync.core.compare import Change, Hold, Same, Verdict
from rrsync.core.exchange import Answer, Found, Reason, Refused
from rrsync.core.log_entry import JSON, Draft, Kind, Status
from rrsync.core.person import Address, Held, Member, Person
from rrsync.errors import AnchorUnavailable, LedgerError, NotAuthorised, RegistryRefused, StoreError
from tests.support import address, held, member

LIMITS: Final = Limits(mismatches=2, unavailable=4, change_share=0.1, same_address=2)
LAX: Final = Limits(mismatches=10_000, unavailable=10_000, change_share=1.0, same_address=10_000)
LIBRARIES: Final = ("genk", "hasselt")


def key(library: str, place: tuple[str, ...]) -> str:
    """Return an address as one word; the store hashes it."""
    return "|".join((library, *place))


def says(theirs: Held) -> Found:
    """Return the answer that a person is this."""
    return Found("r", Person(theirs.name, None, theirs.address, None))


@dataclass(frozen=True, slots=True)
class Step:
    """One answer about one member."""

    library: str
    answer: Answer
    status: Status = Status.OK
    ours: Held = field(default_factory=held)

    def seen_by(self, brakes: Brakes, limits: Limits) -> tuple[Verdict, Brakes]:
        """Return the verdict, and the brakes with the step counted, as a settlement does."""
        about = member(library=self.library, held=self.ours)
        verdict, brakes = judge_and_count(brakes, about, self.answer, limits, key=key)
        body: dict[str, JSON] = {"out": {"status": self.status.value}}
        return verdict, brakes + seen(
            self.library, self.answer, Draft(self.library, Kind.OUTCOME, "r", body=body), verdict
        )


SAME: Final = Step("hasselt", says(held()))
MIXED_UP: Final = Step("hasselt", Refused("r", Reason.MISMATCH), Status.MISMATCH)
BADLY_SIGNED: Final = Step("hasselt", Refused("r", Reason.UNREADABLE), Status.SIG_BAD)
USELESS: Final = Step("hasselt", Refused("r", Reason.REFUSED), Status.REFUSED)
KINDS: Final = (SAME, MIXED_UP, BADLY_SIGNED, USELESS)


def moved(number: int, library: str = "hasselt") -> Step:
    """Return a move to an address of its own."""
    return Step(library, says(held(f"{100 + number}")))


def after(steps: Iterable[Step], limits: Limits = LIMITS, brakes: Brakes | None = None) -> Brakes:
    """Return the brakes after these steps."""
    brakes = brakes or Brakes()
    for step in steps:
        _, brakes = step.seen_by(brakes, limits)
    return brakes


def steps() -> st.SearchStrategy[list[Step]]:
    """Draw steps of all kinds, in two libraries."""
    kinds = [*KINDS, *(moved(number) for number in range(5))]
    one = st.builds(
        lambda step, library: replace(step, library=library), st.sampled_from(kinds), st.sampled_from(LIBRARIES)
    )
    return st.lists(one, max_size=30)


def states() -> st.SearchStrategy[Brakes]:
    """Draw brakes, whatever a run has seen."""
    count = st.integers(0, 5)
    libraries = st.dictionaries(
        st.sampled_from(LIBRARIES), st.builds(LibraryCounts, count, count, st.text("01", max_size=20)), max_size=2
    )
    why = st.tuples(st.sampled_from(["refused", "not_authorised", "signature"]), st.text(max_size=5))
    return st.builds(
        Brakes,
        libraries=libraries,
        places=st.dictionaries(st.text(max_size=3), st.integers(1, 5), max_size=5),
        answers=st.integers(5, 9),
        useless=count,
        away_s=st.sampled_from([0.0, 5.0, LONGEST_AWAY_S]),
        mass_change=st.booleans(),
        is_reported=st.booleans(),
        barred=st.dictionaries(st.sampled_from(LIBRARIES), why, max_size=2),
        told=st.frozensets(st.tuples(st.sampled_from(["mix_up", "signature"]), st.sampled_from(LIBRARIES))),
    )


class TestSum:
    """What several workers saw is what one would have seen."""

    @given(steps(), steps())
    def test_two_workers_states_add_up_to_what_one_would_have_seen(self, mine: list[Step], yours: list[Step]) -> None:
        """Count by count, whoever saw what; and so the decision is the same."""
        both = after(mine, LAX) + after(yours, LAX)
        one = after(mine + yours, LAX)
        assert both == one
        assert decide(both, LIMITS) == decide(one, LIMITS)

    @given(states(), states(), states())
    def test_it_does_not_matter_which_two_are_added_first(self, one: Brakes, two: Brakes, three: Brakes) -> None:
        """Addition is associative, and nothing seen adds nothing."""
        assert (one + two) + three == one + (two + three)
        assert one + Brakes() == one == Brakes() + one

    @given(st.lists(st.tuples(steps(), st.booleans()), max_size=5))
    def test_workers_who_add_in_turn_lose_nothing(self, turns: list[tuple[list[Step], bool]]) -> None:
        """Each reads the run's state, adds a batch and writes it back; a kill between two batches changes nothing."""
        state = encode(Brakes())
        for batch, is_killed in turns:
            state = state if is_killed else encode(after(batch, LAX, decode(state)))
        assert decode(state) == after([step for batch, is_killed in turns if not is_killed for step in batch], LAX)

    def test_moves_that_two_workers_saw_are_one_mass_change(self) -> None:
        """Three members at one address are too many, though no worker saw three."""
        mine, yours = after([moved(1)] * 2), after([moved(1)])
        assert not mine.mass_change
        assert not yours.mass_change
        assert after([moved(1)], brakes=mine + yours).mass_change

    def test_a_library_that_both_bar_keeps_the_first_reason(self) -> None:
        """The first to be barred is the one that is reported."""
        mine, yours = Brakes(barred={"genk": ("refused", "a")}), Brakes(barred={"genk": ("signature", "b")})
        both = mine + yours + Brakes(barred={"aalst": ("refused", "c")})
        assert dict(both.barred) == {"genk": ("refused", "a"), "aalst": ("refused", "c")}


class TestText:
    """The row of a run keeps the state as text."""

    @given(states())
    def test_what_is_written_is_read_again(self, brakes: Brakes) -> None:
        """Value for value, with what was barred and moved to first still first."""
        read = decode(encode(brakes))
        assert read == brakes
        assert list(read.barred) == list(brakes.barred)
        assert list(read.places) == list(brakes.places)

    def test_a_text_of_an_older_version_is_read(self) -> None:
        """A count that it does not have is 0."""
        text = '{"libraries":{"genk":{"mix_ups":1,"moves":"11"}},"barred":{},"told":[]}'
        assert decode(text) == Brakes({"genk": LibraryCounts(1, 0, "0001")})


class TestDecision:
    """The first decision that applies."""

    def test_nothing_seen_goes_on(self) -> None:
        """And so does what is below every limit."""
        assert decide(Brakes(), LIMITS) == GoOn()
        assert decide(after([MIXED_UP, USELESS, SAME, USELESS, moved(1)]), LIMITS, "hasselt") == GoOn()

    @given(st.lists(st.sampled_from([*KINDS, moved(0)]), max_size=12))
    def test_a_run_stops_at_its_limits(self, seen_so_far: list[Step]) -> None:
        """In the order of the causes: whose answer it is, who signed it, whether it is any use."""
        counts = Counter(map(id, seen_so_far))
        useless = 0
        for step in seen_so_far:
            useless = useless + 1 if isinstance(step.answer, Refused) else 0
        wanted = (
            "mix_up"
            if counts[id(MIXED_UP)] >= LIMITS.mismatches
            else "signature"
            if counts[id(BADLY_SIGNED)] >= BAD_SIGNATURES
            else "breaker"
            if useless >= LIMITS.unavailable
            else None
        )
        brakes = after(seen_so_far, replace(LIMITS, same_address=99))
        decision = decide(brakes, LIMITS)
        assert (decision.reason if isinstance(decision, Stop) else None) == wanted

    def test_a_run_stops_when_the_register_was_away_too_long(self) -> None:
        """All waiting is added."""
        almost = Brakes(away_s=LONGEST_AWAY_S - 1)
        assert decide(almost, LIMITS) == GoOn()
        stop = decide(almost + Brakes(away_s=1.0), LIMITS)
        assert isinstance(stop, Stop)
        assert stop.reason == stop.as_error().reason == "breaker"
        assert str(stop.as_error()) == f"{stop.what}. What was done is kept, the rest stays open. {stop.todo}."

    @pytest.mark.parametrize(
        ("error", "reason"),
        [(RegistryRefused("no"), "refused"), (NotAuthorised("no"), "not_authorised")],
    )
    def test_a_library_that_is_refused_is_barred_alone(
        self, error: RegistryRefused | NotAuthorised, reason: str
    ) -> None:
        """The run goes on for the others."""
        brakes = after([SAME]) + barred("genk", error)
        bar = BarLibrary("genk", reason, str(error))
        assert decide(brakes, LIMITS, "genk") == bar == first_barred(brakes)
        assert decide(brakes, LIMITS, "hasselt") == decide(brakes, LIMITS) == GoOn()
        assert alarms(brakes) == Brakes()
        assert first_barred(Brakes()) is None

    def test_a_library_whose_signer_is_not_trusted_is_barred_and_told(self) -> None:
        """The officer is told of it, once."""
        error = RegistryRefused("no")
        error.status = Status.SIG_BAD  # type: ignore[attr-defined] # as the verification of signatures does
        brakes = barred("genk", error)
        assert decide(brakes, LIMITS, "genk") == BarLibrary("genk", "signature", str(error))
        assert alarms(brakes).told == {("signature", "genk")}
        assert alarms(brakes + alarms(brakes)) == Brakes()

    def test_a_mass_change_stops_once_and_holds_changes_from_then_on(self) -> None:
        """Once it is reported the run may go on, and believes no change until it ends."""
        brakes = after([moved(1)] * 3)
        stop = decide(brakes, LIMITS)
        assert isinstance(stop, Stop)
        assert stop.reason == "mass_change"
        reported = released(brakes, "mass_change")
        assert decide(reported, LIMITS) == HoldChanges()
        verdict, later = moved(7).seen_by(reported, LIMITS)
        assert isinstance(verdict, Hold)
        assert verdict.reason is Reason.MASS_CHANGE
        assert decide(later, LIMITS) == HoldChanges()

    @pytest.mark.parametrize(
        ("error", "reason"),
        [(StoreError("x"), "evidence"), (LedgerError("x"), "evidence"), (AnchorUnavailable("x"), "anchor")],
    )
    def test_a_failing_database_is_a_reason_to_stop(self, error: StoreError, reason: str) -> None:
        """A log that no anchor takes has a word of its own."""
        assert store_failure(error).reason == reason


class TestAlarms:
    """The data-protection officer is told of answers that might have deceived us."""

    @pytest.mark.parametrize(
        ("body", "verdict", "reason"),
        [
            ({}, None, None),
            ({"out": {"status": "ok"}}, Same(held()), None),
            ({"out": {"status": "sig_bad"}}, Hold(Reason.UNREADABLE), "signature"),
            ({"out": {"status": "ok"}}, Hold(Reason.MISMATCH), "mix_up"),
            ({"out": {"status": "ok"}}, Hold(Reason.REFUSED), None),
        ],
    )
    def test_which_answers_they_are(self, body: dict[str, JSON], verdict: Verdict | None, reason: str | None) -> None:
        """A bad signature, and an answer about somebody else."""
        assert alarm_reason(Draft("genk", Kind.OUTCOME, "r", body=body), verdict) == reason

    def test_a_mix_up_is_told_at_once_and_bad_signatures_together(self) -> None:
        """Of each library that it happened to, each once."""
        brakes = after([MIXED_UP, BADLY_SIGNED, replace(BADLY_SIGNED, library="genk")])
        assert alarms(brakes).told == {("mix_up", "hasselt")}
        brakes = after([BADLY_SIGNED], brakes=brakes + alarms(brakes))
        assert alarms(brakes).told == {("signature", "genk"), ("signature", "hasselt")}

    def test_it_is_told_again_when_it_happens_again_after_a_stop(self) -> None:
        """Where the count begins anew, so do the alarms; what still counts stays told."""
        brakes = after([MIXED_UP, *[BADLY_SIGNED] * BAD_SIGNATURES])
        brakes += alarms(brakes)
        assert not alarms(released(brakes, None)).told
        assert released(brakes, "signature").told == {("mix_up", "hasselt")}
        assert alarms(after([MIXED_UP], brakes=released(brakes, "mix_up"))).told == {("mix_up", "hasselt")}


class TestReleased:
    """A run that told why it stopped may go on."""

    @given(states())
    def test_the_reported_reason_does_not_stop_the_run_again(self, brakes: Brakes) -> None:
        """One night after the other, until no reason is left; the changes of a mass change stay on hold."""
        reasons = []
        while isinstance(stop := decide(brakes, LIMITS), Stop):
            reasons.append(stop.reason)
            brakes = released(brakes, stop.reason)
        assert len(reasons) == len(set(reasons))
        assert decide(brakes, LIMITS) == (HoldChanges() if brakes.mass_change else GoOn())

    @given(states())
    def test_all_other_counts_stay(self, brakes: Brakes) -> None:
        """Bars and waiting end with the night, whatever ended it."""
        kept = released(brakes, None)
        assert replace(kept, told=frozenset()) == replace(brakes, barred={}, away_s=0.0, told=frozenset())
        assert released(brakes, "mix_up").bad_signatures == brakes.bad_signatures
        assert released(brakes, "signature").mix_ups == brakes.mix_ups
        assert released(brakes, "anchor") == kept


class Surge:
    """The rule of the first version, in its own words: the oracle."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.window: deque[bool] = deque(maxlen=WINDOW)
        self.arrivals: Counter[str] = Counter()

    def trips(self, house_number: str | None) -> bool:
        """Count one compared address; whether it is one move too many."""
        self.window.append(house_number is not None)
        if house_number is None:
            return False
        self.arrivals[house_number] += 1
        is_over = len(self.window) >= ENOUGH and sum(self.window) > self.limits.change_share * len(self.window)
        return is_over or self.arrivals[house_number] > self.limits.same_address


def first_trip(sequence: Sequence[Step], limits: Limits) -> int | None:
    """Return the place of the step at which the brakes see a mass change."""
    brakes = Brakes()
    for place, step in enumerate(sequence):
        _, brakes = step.seen_by(brakes, limits)
        if brakes.mass_change:
            return place
    return None


class TestMassChange:
    """Too many moves at once are no moves."""

    @pytest.mark.parametrize("seed", range(20))
    def test_it_trips_where_the_first_version_did(self, seed: int) -> None:
        """Whatever comes in whatever order."""
        dice = Random(seed)
        limits = replace(LAX, change_share=dice.choice([0.05, 0.1, 0.3]), same_address=dice.choice([3, 50, 10_000]))
        share, places = dice.choice([0.04, 0.09, 0.11, 0.28, 0.33]), dice.choice([20, 900])
        numbers = [dice.randrange(places) if dice.random() < share else None for _ in range(1_500)]
        oracle = Surge(limits)
        wanted = next((at for at, one in enumerate(numbers) if oracle.trips(None if one is None else str(one))), None)
        assert first_trip([SAME if one is None else moved(one) for one in numbers], limits) == wanted

    def test_the_share_itself_is_believed(self) -> None:
        """From 500 compared on, one more than the share is one too many."""
        calm = [*(moved(number) for number in range(49)), *[SAME] * (ENOUGH - 50)]
        assert first_trip([*calm, moved(999)], LIMITS) is None
        assert first_trip([*calm, moved(998), moved(999)], LIMITS) == ENOUGH

    def test_the_window_forgets(self) -> None:
        """A move before the last 1 000 compared addresses counts no more."""
        limits = replace(LIMITS, same_address=WINDOW)
        long_ago = after([moved(number) for number in range(100)], limits)
        assert not after([*[SAME] * WINDOW, moved(999)], limits, long_ago).mass_change

    def test_an_address_is_forgotten_behind_a_thousand_others(self) -> None:
        """So the state stays small; an address that members keep moving to is remembered."""
        limits = replace(LAX, same_address=2)
        often = [moved(0), moved(0), *(moved(number) for number in range(1, PLACES)), moved(0)]
        assert first_trip(often, limits) == len(often) - 1
        brakes = after([moved(0), moved(0), *(moved(number) for number in range(1, PLACES + 1)), moved(0)], limits)
        assert not brakes.mass_change
        assert len(brakes.places) == PLACES

    def test_too_many_at_one_address_trip_at_once(self) -> None:
        """However it is spelled; another box, or another library's count, is another."""
        spelled = [
            Step("hasselt", says(held("99", street=street)))
            for street in ("Lange straat", "LANGE STRAAT", "lange-straat")
        ]
        assert first_trip(spelled, LIMITS) == 2
        elsewhere = Step("hasselt", says(held("99", street="Lange straat", box="4")))
        assert first_trip([*spelled[:2], elsewhere, replace(spelled[2], library="genk")], LIMITS) is None

    def test_only_moves_count(self) -> None:
        """Another name is no move, a hold is none, and filling in an empty address is none."""
        limits = replace(LIMITS, change_share=0.0, same_address=0)
        empty = replace(held(), address=Address())
        filled = Step("hasselt", says(held()), ours=empty)
        assert first_trip([filled, Step("hasselt", says(held(last="Anders"))), USELESS, SAME], limits) is None
        assert after([filled], limits).libraries["hasselt"].moves == ""
        assert first_trip([Step("hasselt", says(replace(held(), address=address("99"))))], limits) == 0

    def test_the_verdict_is_that_of_the_comparison_until_then(self) -> None:
        """The move that is one too many is the first to be held."""
        verdicts = []
        brakes = Brakes()
        for step in [SAME, moved(1), moved(1), moved(1), SAME]:
            verdict, brakes = step.seen_by(brakes, LIMITS)
            verdicts.append(type(verdict))
        assert verdicts == [Same, Change, Change, Hold, Same]


def test_a_member_is_never_more_than_a_hash() -> None:
    """The state holds libraries, counts and keyed hashes: the address goes through ``key`` alone."""
    asked: list[tuple[str, tuple[str, ...]]] = []

    def secret(library: str, place: tuple[str, ...]) -> str:
        asked.append((library, place))
        return f"hash-{len(asked)}"

    about: Member = member()
    _, brakes = judge_and_count(Brakes(), about, moved(1).answer, LIMITS, key=secret)
    assert len(asked) == 1
    assert dict(brakes.places) == {"hash-1": 1}
    assert not any(word in encode(brakes) for word in asked[0][1] if word)
