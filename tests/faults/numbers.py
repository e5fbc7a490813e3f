"""Rows 43 and 45: numbers that were replaced, and numbers that MAGDA has no subscription to."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from rrsync.simulator.citizens import Citizen, Situation, World, member_rows
from tests.faults.catalogue import Call, Case, Row, Trial, ends
from tests.faults.saying import is_read, remark
from tests.night.house import LIBRARY

PEOPLE: Final = 400
NUMBER: Final = re.compile(rb">([0-9]{11})<")


def renumbered() -> list[tuple[Citizen, dict[str, str]]]:
    """Return two people with a new number, of whom one is told with content and the other without."""
    world = World(seed=1, people=PEOPLE)
    found = [(world.citizen(position), row) for position, row in enumerate(member_rows(world))]
    return [
        (one, row | {"membership_end": "", "street": "Oude Kanariestraat", "house_number": "1"})
        for one, row in found
        if one.situation is Situation.RENUMBERED
    ]


def two_renumbered(trial: Trial) -> None:
    """Take both in."""
    trial.build(members=0, people=PEOPLE)
    trial.house.take([row for _, row in renumbered()])
    trial.before = trial.house.raw.state()


def with_a_twin(trial: Trial) -> None:
    """Take one in, and a second member who has the new number already."""
    trial.build(members=0, people=PEOPLE)
    (one, row), *_ = renumbered()
    trial.house.take([row, row | {"member_no": "M999999", "insz": one.new_insz.digits}])
    trial.before = trial.house.raw.state()


def digits(trial: Trial) -> dict[str, str]:
    """Return the number of each member."""
    return {number: member.digits for (_, number), member in trial.house.raw.state().members.items()}


def accepted(trial: Trial) -> None:
    """Accept every hold there is, through the door."""
    holds = trial.house.raw.rows("SELECT id FROM hold WHERE reason = 'new_number'")
    trial.house.reopen()
    for (hold,) in holds:
        trial.command("holds", "accept", str(hold), "--actor", "an.peeters")
    numbers = {number for one, _ in renumbered() for number in (one.insz.digits, one.new_insz.digits)}
    assert not [number for number in numbers if number in trial.heard()]
    assert not trial.house.last("")
    trial.expected_findings = True  # what was found is shown to who asked at the desk: a name or a street may be in it


def renumbered_when_accepted(trial: Trial) -> None:
    """First a hold, and the old number as it was; once accepted the new one, and its address."""
    people = {row["member_no"]: one for one, row in renumbered()}
    count = len(people)
    assert count == 2
    outcomes = {"replaced": count}
    ends(outcomes=outcomes, tries=count, exit_code=0, holds={"new_number": count}, heals=False)(trial)
    assert digits(trial) == {number: one.insz.digits for number, one in people.items()}
    trial.house.excused = True
    accepted(trial)
    assert trial.exit_code == 0, trial.said
    assert digits(trial) == {number: one.new_insz.digits for number, one in people.items()}
    assert (trial.changed, dict(trial.holds)) == (count, {})
    asked = [one.digits for one in trial.house.simulator.asked]
    assert {one.new_insz.digits for one in people.values()} <= set(asked)


def never_another_s(trial: Trial) -> None:
    """The new number is another member's: it is not taken over, whoever accepts."""
    before = digits(trial)
    assert trial.holds["new_number"] == 1
    trial.house.excused = True
    accepted(trial)
    assert trial.exit_code != 0, trial.said
    assert digits(trial) == before
    assert trial.outcomes[""] == 0


def unsubscribed(code: str, *, for_good: bool = False, **settings: str) -> Callable[[Trial], None]:
    """Return a register that knows no subscription to anybody, until one is made; or ``for_good``."""

    def inject(trial: Trial) -> None:
        trial.build(members=2)
        subscribed: set[bytes] = set()
        refusal = remark((code, "FOUT"))

        def answer(call: Call) -> bytes | None:
            number = NUMBER.findall(call.body)[-1]
            if not is_read(call):
                subscribed.add(number)
                return call.said()
            return call.said() if number in subscribed and not for_good else refusal(call)

        trial.serve(answer)
        trial.env(**settings)

    return inject


def subscribed_and_asked_once_more(code: str) -> Callable[[Trial], None]:
    """Return what asserts that each was asked about, subscribed, and asked about again; and all is in the log."""

    def expect(trial: Trial) -> None:
        assert (trial.exit_code, trial.tries, trial.changed) == (0, 6, 2), trial.said
        assert trial.codes[f"{code}/MAGDA"] == 2
        assert (trial.outcomes.total(), trial.outcomes[""]) == (6, 0)
        assert not trial.holds
        open_ones = trial.house.raw.rows("SELECT state FROM subscription WHERE library = ?", LIBRARY)
        assert open_ones == [("open",), ("open",)]
        trial.heal()

    return expect


def never_a_loop(trial: Trial) -> None:
    """Once subscribed and asked once more, and so again at the night's end; then it waits for another night."""
    assert (trial.exit_code, trial.tries, trial.changed, trial.left) == (3, 12, 0, 2), trial.said
    assert not trial.holds
    assert trial.outcomes[""] == 0


ROWS: Final = (
    Row(
        43,
        "a person with a new number",
        two_renumbered,
        renumbered_when_accepted,
        also=[Case("that another member has", with_a_twin, never_another_s)],
        note="FACTS 9.10 and the issue: accepting the hold renumbers, and asks under the new number at once",
    ),
    Row(
        45,
        "no subscription",
        unsubscribed("40003", REGISTRY__REPERTORY="02.00"),
        subscribed_and_asked_once_more("40003"),
        also=[
            Case(
                "13202 and the newer repertory",
                unsubscribed("13202", REGISTRY__REPERTORY="02.01"),
                subscribed_and_asked_once_more("13202"),
            ),
            Case("for good", unsubscribed("40003", for_good=True, REGISTRY__REPERTORY="02.00"), never_a_loop),
            Case(
                "that are not ours to make",
                unsubscribed("40003", REGISTRY__SUBSCRIBE="false"),
                ends(outcomes={"refused": 2}, tries=2, exit_code=0, holds={"refused": 2}),
            ),
        ],
        note="the catalogue only sets aside; FACTS 9.7 and the issue subscribe and ask once more",
    ),
)
