"""What a run says it did, when it stops believing, and who it asks about."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrsync.core.brakes import ENOUGH, WINDOW, Surge
from rrsync.core.compare import Change, Hold, Same, Verdict
from rrsync.core.exchange import Answer, Found, Reason, Refused, Unknown
from rrsync.core.person import Address, Person
from rrsync.core.planning import SETTLED, Plan, seconds_left, tonight
from rrsync.core.report import Report
from rrsync.errors import (
    BrokenChain,
    Busy,
    ConfigError,
    Interrupted,
    LedgerError,
    NotAnInsz,
    NotAuthorised,
    RegistryUnavailable,
    RrsyncError,
    Stopped,
)
from tests.support import NOW, address, held, member

PERSON = Person(held().name, None, held().address, None)
FOUND = Found("r", PERSON, withheld={"Geslacht": 1, "Adressen/X": 2})
PAIRS: list[tuple[Answer, Verdict]] = [
    (FOUND, Same(held())),
    (FOUND, Change(held(), held("99"))),
    (FOUND, Hold(Reason.PROTECTED)),
    (Unknown("r", Reason.UNKNOWN), Hold(Reason.UNKNOWN)),
    (Refused("r", Reason.REFUSED), Hold(Reason.REFUSED)),
]


class TestReport:
    """Counts that add up, an exit code, and the contract's document."""

    @given(st.lists(st.sampled_from(PAIRS)))
    def test_the_counts_add_up(self, pairs: list[tuple[Answer, Verdict]]) -> None:
        """Everybody asked about has one answer and one verdict."""
        report = Report("run-1", NOW)
        for answer, verdict in pairs:
            report.count(answer, verdict)
        assert report.asked == len(pairs) == report.found + report.unknown + report.refused
        assert report.asked == report.same + report.change + report.hold.total()
        assert report.withheld == Counter({"Geslacht": report.found, "Adressen/X": 2 * report.found}) + Counter()

    @pytest.mark.parametrize(
        ("said", "code"),
        [
            ({}, 0),
            ({"open": 1}, 3),
            ({"interrupted": True}, 3),
            ({"stopped": ("breaker", "x")}, 4),
            ({"stopped": ("breaker", "x"), "open": 1, "interrupted": True}, 4),
        ],
    )
    def test_the_exit_code_is_the_contracts(self, said: dict[str, object], code: int) -> None:
        """0 done, 3 when steps are still open, 4 stopped on purpose."""
        report = Report("run-1", NOW)
        for name, value in said.items():
            setattr(report, name, value)
        assert report.exit_code == code

    def test_the_document_is_the_contracts(self) -> None:
        """``night --json``: these keys, in this order, with plain values."""
        report = Report(
            "run-1", NOW, due=3, calls=30, seconds=8.0, stopped=("breaker", "wait"), log={"b": (2, "x"), "a": (1, "y")}
        )
        assert report.as_json()["finished"] is None
        report.count(*PAIRS[2])
        report.finished = NOW + timedelta(seconds=8)
        document = report.as_json()
        keys = "run started finished due asked found unknown refused same change hold open withheld stopped"
        assert " ".join(document) == f"{keys} calls_per_second log"
        assert document == {
            "run": "run-1",
            "started": "2026-07-01T02:00:00+00:00",
            "finished": "2026-07-01T02:00:08+00:00",
            "due": 3,
            "asked": 1,
            "found": 1,
            "unknown": 0,
            "refused": 0,
            "same": 0,
            "change": 0,
            "hold": {"protected": 1},
            "open": 0,
            "withheld": {"Adressen/X": 2, "Geslacht": 1},
            "stopped": {"reason": "breaker", "hint": "wait"},
            "calls_per_second": 3.75,
            "log": {"a": {"size": 1, "root": "y"}, "b": {"size": 2, "root": "x"}},
        }
        assert Report("run-2", NOW).as_json()["stopped"] is None

    def test_no_time_is_no_rate(self) -> None:
        """A run of no seconds divides by nothing."""
        assert Report("run-1", NOW, calls=5).calls_per_second == 0.0


class TestPlan:
    """What makes a member due."""

    def test_a_night_asks_what_is_old(self) -> None:
        """Older than so many days, and never again what is settled for good."""
        plan = tonight(now=NOW, stale_after_days=30, full=False, most=7)
        assert plan == Plan(date(2026, 7, 1), NOW - timedelta(days=30), SETTLED, 7)
        assert {Reason.DECEASED, Reason.CANCELLED, Reason.UNKNOWN, Reason.NEW_NUMBER} == SETTLED

    def test_a_full_night_asks_everybody(self) -> None:
        """However fresh, however settled."""
        assert tonight(now=NOW, stale_after_days=30, full=True, most=None) == Plan(date(2026, 7, 1), None, frozenset())

    @pytest.mark.parametrize(
        ("steps", "rate", "seconds"), [(80, 8.0, 10), (0, 8.0, 0), (5, 0.0, 0), (5, -1.0, 0), (1, 8.0, 0)]
    )
    def test_how_long_it_takes(self, steps: int, rate: float, seconds: int) -> None:
        """In whole seconds; without a rate nobody knows."""
        assert seconds_left(steps, rate) == seconds


def moves(number: int) -> Change:
    """Return a move to a place of its own."""
    return Change(held(), held(str(number)))


class TestSurge:
    """Too many moves at once are no moves."""

    def test_a_share_of_the_window_trips_once_there_is_enough(self) -> None:
        """From 500 compared on, more than the share is one too many; the share itself is believed."""
        surge = Surge(share=0.1, same_address=1_000)
        trips = [surge.trips(member(), moves(number)) for number in range(51)]
        trips += [surge.trips(member(), Same(held())) for _ in range(ENOUGH - 52)]
        assert not any(trips)
        assert surge.trips(member(), moves(1_000))
        calm = Surge(share=0.1, same_address=1_000)
        assert not any(calm.trips(member(), moves(number)) for number in range(49))
        assert not any(calm.trips(member(), Same(held())) for _ in range(ENOUGH - 50))
        assert not calm.trips(member(), moves(1_000))

    def test_the_window_forgets(self) -> None:
        """What was long ago counts no more."""
        surge = Surge(share=0.1, same_address=1_000)
        for number in range(100):
            surge.trips(member(), moves(number))
        for _ in range(WINDOW):
            surge.trips(member(), Same(held()))
        assert not surge.trips(member(), moves(1_000))

    def test_too_many_at_one_address_trip_at_once(self) -> None:
        """However it is spelled; another box is another place."""
        surge = Surge(share=1.0, same_address=2)
        same = [
            Change(held(), held("99", street=street)) for street in ("Lange straat", "LANGE STRAAT", "lange-straat")
        ]
        assert [surge.trips(member(), one) for one in same] == [False, False, True]
        assert not surge.trips(member(), Change(held(), held("99", street="Lange straat", box="4")))

    def test_only_moves_count(self) -> None:
        """Another name is no move, a hold is none, and filling an empty address is none."""
        surge = Surge(share=0.0, same_address=0)
        empty = member(held=replace(held(), address=Address()))
        assert not surge.trips(empty, Change(empty.held, held()))
        assert not surge.trips(member(), Change(held(), held(last="Anders")))
        assert not surge.trips(member(), Hold(Reason.DECEASED))
        assert not surge.trips(member(), Same(held()))
        assert surge.trips(member(), Change(held(), replace(held(), address=address("99"))))


class TestErrors:
    """One tree; the number is the exit code a door gives."""

    @pytest.mark.parametrize(
        ("kind", "code"),
        [
            (RrsyncError, 1),
            (ConfigError, 2),
            (NotAnInsz, 2),
            (NotAuthorised, 4),
            (RegistryUnavailable, 3),
            (Interrupted, 3),
            (Busy, 75),
            (LedgerError, 4),
            (BrokenChain, 4),
        ],
    )
    def test_an_error_is_three_short_sentences(self, kind: type[RrsyncError], code: int) -> None:
        """What was wrong, what was kept, what to do; each ends in one full stop."""
        error = kind("It broke.", kept="All is kept.", todo="Try again.")
        assert str(error) == "It broke. All is kept. Try again."
        assert str(kind("It broke")) == "It broke. Nothing was changed."
        assert error.exit_code == code

    def test_a_stop_has_one_word(self) -> None:
        """The report names it; what was done is kept unless said otherwise."""
        stop = Stopped("Too many refusals", reason="breaker", todo="Call them")
        assert (stop.reason, stop.exit_code) == ("breaker", 4)
        assert str(stop) == "Too many refusals. What was done is kept, the rest stays open. Call them."
        assert str(Stopped("x", reason="y", kept="All")) == "x. All."
