"""The auditor is no ornament: for each invariant, a bug put in on purpose is found."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import pytest

from rrsync.core.brakes import Brakes, Limits
from rrsync.core.compare import Verdict
from rrsync.core.log_entry import Draft
from rrsync.core.person import Member
from rrsync.core.planning import Due
from rrsync.registry.gate import AnsweredQuestion, Gate, RecordedQuestion
from rrsync.store.access_log import AccessLog
from rrsync.store.settlement import Settlement, SettlementItem
from rrsync.sync.night import Night, RunState
from tests.night.conftest import LibraryNight
from tests.night.house import House

Settled: TypeAlias = tuple[list[Verdict | None], Brakes]


class Stranger:
    """Stands in for a part of the night and passes on whatever it does not spoil."""

    def __init__(self, true: Any) -> None:
        self.true = true

    def __getattr__(self, name: str) -> Any:
        """Pass on."""
        return getattr(self.true, name)


class LogsAfterSending(Stranger):
    """A gate that writes its intents once the answers are there."""

    def __init__(self, true: Gate) -> None:
        super().__init__(true)
        self.late: list[Draft] = []
        self.append = true._append

    def record(self, questions: Sequence[Any]) -> list[RecordedQuestion]:
        """Keep the intents back."""
        self.true._append = self.late.extend
        try:
            return list(self.true.record(questions))
        finally:
            self.true._append = self.append

    def send(self, recorded: RecordedQuestion) -> AnsweredQuestion:
        """Send first, and write then."""
        exchange: AnsweredQuestion = self.true.send(recorded)
        mine = [draft for draft in self.late if draft.reference == recorded.question.reference]
        self.append(mine)
        return exchange


class SettlesInTwo(Stranger):
    """A settlement that writes members and outcomes each in a transaction of its own, and dies between the two."""

    def __init__(self, true: Settlement, ledger: AccessLog) -> None:
        super().__init__(true)
        self.ledger = ledger

    def settle_run(self, _: str, items: Sequence[SettlementItem], *__: object) -> Settled:
        """Write the members, with no word of it in the log, and die at the first that changed."""
        with self.ledger.writing() as session:
            for item in items:
                row = self.true._rows
                member = replace_street(session, row, item)
                if member is not None:
                    break
        raise Died


class Died(Exception):
    """The process, so to say."""


def replace_street(session: Any, rows: Any, item: SettlementItem) -> Member | None:
    """Write one member's new address."""
    from rrsync.store.rows import member_rows  # noqa: PLC0415 — of this bug alone
    from rrsync.store.tables import MemberRow  # noqa: PLC0415 — the same

    found = member_rows(session, [(item.library, item.number)])[item.library, item.number]
    member = rows.member(found)
    place = getattr(getattr(item.answer, "person", None), "residence", None)
    if not place:
        return None
    held = replace(member.held, address=replace(place, house_number="9999"))
    for name, sealed in rows.held_columns(item.library, item.number, held).items():
        setattr(session.get(MemberRow, (item.library, item.number)), name, sealed)
    return member  # type: ignore[no-any-return]


class ForgetsOutcome(Stranger):
    """A settlement whose outcomes of changes are written twice or never, were the log to let it."""

    def settle_run(self, run: str, items: Sequence[SettlementItem], limits: Limits, news: Brakes) -> Settled:
        """Settle all but the first."""
        spared = items[:1] if len(items) > 1 else []
        verdicts, brakes = self.true.settle_run(run, items[len(spared) :], limits, news)
        return [None for _ in spared] + verdicts, brakes


class LosesAStep(Night):
    """A night that passes over somebody."""

    def _steps(self, state: RunState) -> Iterator[tuple[Due, Member]]:
        for place, step in enumerate(super()._steps(state)):
            if place != 7:
                yield step


class SwapsAnswers(Stranger):
    """A settlement that gives two members each other's answer."""

    def settle_run(self, run: str, items: Sequence[SettlementItem], limits: Limits, news: Brakes) -> Settled:
        """Swap the first two."""
        swapped = list(items)
        if len(items) > 1:
            swapped[0], swapped[1] = (
                replace(items[0], answer=items[1].answer),
                replace(items[1], answer=items[0].answer),
            )
        return self.true.settle_run(run, swapped, limits, news)  # type: ignore[no-any-return]


class SwapsMembers(SwapsAnswers):
    """A settlement that writes two members' answers, outcomes and all, to each other's row."""

    def settle_run(self, run: str, items: Sequence[SettlementItem], limits: Limits, news: Brakes) -> Settled:
        """Let the answers seem to be about the other."""
        subjects = {(item.library, item.number): item.outcome.subject for item in items}
        swapped = list(items)
        if len(items) > 1:
            for at, other in ((0, 1), (1, 0)):
                key = items[at].library, items[at].number
                outcome = replace(items[other].outcome, subject=subjects[key])
                swapped[at] = replace(items[at], answer=items[other].answer, outcome=outcome)
        return self.true.settle_run(run, swapped, limits, news)  # type: ignore[no-any-return]


class Talks(Stranger):
    """A gate that logs whom it asks about."""

    def send(self, recorded: RecordedQuestion) -> AnsweredQuestion:
        """Say it."""
        digits = recorded.question.insz.digits
        logging.getLogger("rrsync.debug").debug("asking about %s.%s", digits[:9], digits[9:])
        return self.true.send(recorded)  # type: ignore[no-any-return]


def spoiled(house: House, change: Callable[[Night], Night]) -> None:
    """Run a night with a bug in it, as far as it comes."""
    house.fill()
    house.excused = True
    house.night(change=change)


def test_a_log_written_after_sending_is_found(library_night: LibraryNight) -> None:
    """I1: the auditor looks when the reference reaches the register, and finds no intent."""
    house = library_night(people=20)
    spoiled(house, lambda night: replace(night, gate=LogsAfterSending(night.gate)))  # type: ignore[arg-type]
    house.expect("I1")


def test_an_intent_without_an_outcome_is_found(library_night: LibraryNight) -> None:
    """I2: an answer that was dropped leaves an intent alone."""
    house = library_night(people=20)
    spoiled(house, lambda night: replace(night, settlement=ForgetsOutcome(night.settlement)))  # type: ignore[arg-type]
    house.expect("I2")


def test_an_outcome_in_another_transaction_is_found(library_night: LibraryNight) -> None:
    """I3: who dies between the two leaves a member changed of which the log says nothing."""
    house = library_night(people=20)
    with pytest.raises(Died):
        spoiled(house, lambda night: replace(night, settlement=SettlesInTwo(night.settlement, night.ledger)))  # type: ignore[arg-type]
    house.expect("I3")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE log SET size = size + 1",
        "UPDATE log SET edge = (SELECT leaf FROM entry WHERE seq = 0)",
    ],
)
def test_a_head_that_is_not_that_of_its_entries_is_found(library_night: LibraryNight, statement: str) -> None:
    """I4: neither another count nor another tree passes."""
    house = library_night(people=10)
    house.fill()
    house.night()
    if house.raw.path is not None:
        house.raw.rows("DROP TRIGGER IF EXISTS log_no_update")
    with house.app.database.engine.begin() as connection:
        connection.exec_driver_sql(statement)
    house.expect("I4")


def test_a_step_that_is_passed_over_is_found(library_night: LibraryNight) -> None:
    """I5: somebody was due, and never asked about."""
    house = library_night(people=20)
    spoiled(house, lambda night: LosesAStep(**{name: getattr(night, name) for name in Night.__slots__}))
    house.expect("I5")


def test_a_step_that_was_never_made_is_found(library_night: LibraryNight) -> None:
    """I5: somebody was due, and not in the run."""
    house = library_night(people=20)
    house.fill()
    report = house.night()
    with house.app.database.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM step WHERE place = 3")
    house.expect("I5", run=report.run)


@pytest.mark.parametrize("bug", [SwapsAnswers, SwapsMembers])
def test_an_answer_given_to_another_is_found(library_night: LibraryNight, bug: type[SwapsAnswers]) -> None:
    """I5: the verdict is not the one that this number's truth asks for."""
    house = library_night(people=20)
    spoiled(house, lambda night: replace(night, settlement=bug(night.settlement)))  # type: ignore[arg-type]
    house.expect("I5")


def test_a_number_in_a_log_line_is_found(library_night: LibraryNight, capfd: pytest.CaptureFixture[str]) -> None:
    """I6: at whatever level, and however it is written."""
    house = library_night(people=20)
    house.fill()
    said: list[str] = []
    handler = logging.Handler(logging.DEBUG)
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("rrsync.debug").addHandler(handler)
    try:
        house.night(change=lambda night: replace(night, gate=Talks(night.gate)))  # type: ignore[arg-type]
    finally:
        logging.getLogger("rrsync.debug").removeHandler(handler)
    assert {finding[:2] for finding in house.last("\n".join(said))} == {"I6"}
    house.excused = True


@pytest.mark.parametrize("column", ["import_id", "verdict"])
def test_a_name_in_a_column_is_found(library_night: LibraryNight, column: str) -> None:
    """I6: the database is searched byte by byte."""
    house = library_night(people=20)
    house.fill()
    name = max((row["last_name"] for row in house.rows), key=len)
    with house.app.database.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE member SET {column} = '{name}' WHERE number = 'M000003'")
    assert {finding[:2] for finding in house.last("")} == {"I6"}
    house.excused = True
