"""Row 59: far more addresses change at once than people move."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tests.faults.catalogue import Case, Row, Trial
from tests.faults.saying import edited

PLACE: Final = (
    (r"<Straatnaam>.*?</Straatnaam>", "<Straatnaam><String>Stationsplein</String></Straatnaam>"),
    (r"<Huisnummer>[^<]*</Huisnummer>", "<Huisnummer>1</Huisnummer>"),
    (r"<Postcode>[^<]*</Postcode>", "<Postcode>1000</Postcode>"),
    (r"(?<=</Huisnummer>)<Busnummer(?:/>|>[^<]*</Busnummer>)|$", ""),
)


def to_one_place(trial: Trial) -> None:
    """Let everybody move to one address, by a register that has it wrong; the auditor knows better, and is excused."""
    trial.build(members=40, people=200, in_flight=2).excused = True
    trial.serve(edited(*PLACE))


def everybody_moves(trial: Trial) -> None:
    """Let everybody live elsewhere than is held: five hundred people and more."""
    trial.build(members=540, people=1_000, in_flight=8, tolerated=("mass_change",)).excused = True
    trial.expected_findings = True  # a thousand people are not searched for once more: the other case is


def stops_and_holds(at_most: int) -> Callable[[Trial], None]:
    """Return what asserts that at most so many were changed, the next are on hold, and so is the rest of the run."""

    def expect(trial: Trial) -> None:
        assert (trial.exit_code, trial.stopped) == (4, "mass_change"), trial.said
        assert "`rrsync holds list`" in trial.said
        assert trial.changed <= at_most
        assert set(trial.holds) == {"mass_change"}
        assert trial.outcomes["ok"] == trial.changed + trial.holds.total()
        assert trial.outcomes.keys() <= {
            "ok",
            "not_sent",
        }  # a question that waits to leave when the run stops is not sent
        changed, before = trial.changed, trial.tries
        trial.house.reopen()
        trial.night()  # the same run, to its end: nobody is changed any more without a person
        assert (trial.exit_code, trial.stopped, trial.changed) == (0, "", changed), trial.report
        assert trial.tries > before
        assert changed + trial.holds["mass_change"] == len(trial.house.rows)

    return expect


ROWS: Final = (
    Row(
        59,
        "everybody moves to one address",
        to_one_place,
        stops_and_holds(20),
        also=[Case("far too many move", everybody_moves, stops_and_holds(500))],
        note="the share is a setting (max_change_share), of which the default is higher than the catalogue's 5 %",
    ),
)
