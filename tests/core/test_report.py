"""A run's report, the plan of a night, and the errors."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrsync.core.compare import Change, Hold, Same, Verdict
from rrsync.core.exchange import Answer, Found, Reason, Refused, Unknown
from rrsync.core.person import Person
from rrsync.core.planning import DESK_TIME, SETTLED, Plan, is_lost, questions_to_send, seconds_left, tonight
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
from tests.support import NOW, held

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

    def test_the_first_reason_to_stop_is_reported(self) -> None:
        """What fails after it, while the run is closed, does not hide it."""
        report = Report("run-1", NOW)
        report.stop(Stopped("The register is away", reason="breaker"))
        report.stop(Stopped("The disk is full", reason="evidence"))
        assert report.stopped is not None
        assert report.stopped[0] == "breaker"

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

    @given(st.integers(1, 50), st.integers(0, 100), st.one_of(st.none(), st.floats(0, 100)))
    def test_no_more_leave_than_may_be_under_way(self, at_once: int, in_flight: int, rest_s: float | None) -> None:
        """Batches are not small, and not more than twice ``at_once``; a register that is away gets one question."""
        number = questions_to_send(at_once=at_once, in_flight=in_flight, rest_s=rest_s)
        if rest_s is None:
            assert number == 0 or at_once <= number <= 2 * at_once - in_flight
            assert number > 0 or in_flight > at_once
        else:
            assert number == (rest_s == 0 and in_flight == 0)

    @pytest.mark.parametrize(
        ("run", "age", "lost"),
        [("run-1", timedelta(), True), ("", timedelta(), False), ("", DESK_TIME, False), ("", 2 * DESK_TIME, True)],
    )
    def test_who_waits_for_an_outcome_in_vain(self, run: str, age: timedelta, lost: bool) -> None:
        """The questions of an earlier night, and those of a desk that are long past."""
        assert is_lost(run=run, at=NOW - age, now=NOW) is lost

    @pytest.mark.parametrize(
        ("steps", "rate", "seconds"), [(80, 8.0, 10), (0, 8.0, 0), (5, 0.0, 0), (5, -1.0, 0), (1, 8.0, 0)]
    )
    def test_how_long_it_takes(self, steps: int, rate: float, seconds: int) -> None:
        """In whole seconds; without a rate nobody knows."""
        assert seconds_left(steps, rate) == seconds


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
