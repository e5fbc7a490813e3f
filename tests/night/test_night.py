"""Whole nights, on both databases; the auditor looks after each of them."""

from __future__ import annotations

import contextlib
import io
import json
import multiprocessing
from dataclasses import replace
from itertools import count
from uuid import uuid4

import pytest
from sqlalchemy import text

from rrsync.cli.app import run
from rrsync.errors import Busy
from rrsync.simulator.citizens import member_rows
from rrsync.simulator.replies import Request, Stamp, Uitzondering, refusal
from rrsync.simulator.server import Simulator
from rrsync.sync.night import Night, Progress
from tests.night import victim
from tests.night.conftest import LibraryNight
from tests.night.house import House

KEYS = (
    *("run", "started", "finished", "due", "asked", "found", "unknown", "refused", "same", "change", "hold", "open"),
    *("withheld", "stopped", "calls_per_second", "log"),
)


def numbers_asked(house: House) -> list[str]:
    """Give the numbers that the register was asked about, in order."""
    return [one.digits for one in house.simulator.asked]


def test_the_first_night_asks_everybody_and_a_later_one_finds_nothing_new(library_night: LibraryNight) -> None:
    """Everybody who is due gets the verdict that the register's truth asks for; a month later all is the same."""
    house = library_night()
    house.fill()
    first = house.night()
    assert (first.exit_code, first.open, first.stopped) == (0, 0, None)
    assert first.change > 0
    assert len(numbers_asked(house)) == first.due == len(set(numbers_asked(house)))
    house.clock.pass_by(days=31)
    second = house.night()
    assert second.change == 0
    assert second.same == first.same + first.change
    assert not {"deceased", "cancelled", "unknown", "new_number"} & set(second.hold)


def test_who_was_asked_lately_is_left_alone_unless_everybody_is(library_night: LibraryNight) -> None:
    """The same night again asks nobody; a full one asks everybody there is a ground to ask about, the settled too."""
    house = library_night(people=60)
    house.fill()
    first = house.night()
    assert house.night().due == 0
    full = house.night(full=True)
    assert full.due == first.due
    assert dict(full.hold) == dict(first.hold)


def test_nobody_is_asked_without_a_number_or_a_ground(library_night: LibraryNight) -> None:
    """Who left is asked about only while something is still open, or until the day itself."""
    house = library_night(people=10)
    rows = [row | {"membership_end": "", "open_items": "0"} for row in member_rows(house.simulator.world)]  # type: ignore[arg-type]
    rows[0] |= {"insz": ""}
    rows[1] |= {"membership_end": "2026-06-30"}
    rows[2] |= {"membership_end": "2026-06-30", "open_items": "1"}
    rows[3] |= {"membership_end": "2026-07-01"}
    house.take(rows)
    assert house.night().due == 8
    assert not {rows[0]["insz"], rows[1]["insz"]} & set(numbers_asked(house))


def test_a_night_may_be_kept_short(library_night: LibraryNight) -> None:
    """``--max`` takes who was never asked first, and the next night the next ones."""
    house = library_night(people=30)
    house.fill()
    everybody = house.night(most=7).due + house.night(most=7).due
    assert everybody == 14 == len(set(numbers_asked(house)))
    house.clock.pass_by(days=40)
    asked_before = set(numbers_asked(house))
    assert house.night(most=10).due == 10
    assert not asked_before & set(numbers_asked(house)[14:])


def test_a_night_that_was_told_to_stop_goes_on_where_it_was(library_night: LibraryNight) -> None:
    """What was under way is settled, the rest stays open, and nobody is asked twice."""
    house = library_night(people=120)
    house.fill()

    def stop_at_thirty(_: str) -> None:
        if len(house.audit.recorded) == 30:
            house.app.stop.set()

    house.audit.also = stop_at_thirty
    first = house.night()
    assert first.interrupted
    assert first.exit_code == 3
    assert 30 <= first.asked < first.due
    assert first.open == first.due - first.asked
    house.reopen()
    second = house.night()
    assert (second.run, second.due, second.asked) == (first.run, first.open, first.open)
    assert second.exit_code == 0
    asked = numbers_asked(house)
    assert len(asked) == len(set(asked)) == first.due


def test_a_second_night_at_the_same_time_is_refused(library_night: LibraryNight) -> None:
    """The one that came first goes on undisturbed."""
    house = library_night(people=40)
    house.fill()
    refused: list[Busy] = []

    def another(_: str) -> None:
        if not refused:
            with house.opened() as other, pytest.raises(Busy) as busy:
                house.told(lambda: other.night().run(house.libraries, None, progress=print))  # type: ignore[arg-type]
            refused.append(busy.value)

    house.audit.also = another
    report = house.night()
    assert refused[0].exit_code == 75
    assert (report.exit_code, report.asked) == (0, report.due)


def test_the_lease_of_a_process_that_was_killed_is_free(library_night: LibraryNight) -> None:
    """Another process's night bars ours, until it is dead."""
    house = library_night(people=10)
    house.fill()
    context = multiprocessing.get_context("forkserver")
    holding = context.Event()
    other = context.Process(target=victim.hold_lease, args=(house.settings.store.url, holding), daemon=True)
    other.start()
    assert holding.wait(30)
    with pytest.raises(Busy) as busy:
        house.night()
    assert busy.value.exit_code == 75
    assert not numbers_asked(house)
    without = max(0, house.raw.others() - 1)
    other.kill()
    other.join()
    victim.wait_until_gone(house.raw, patience_s=10, but=without)
    assert house.night().exit_code == 0


def test_progress_counts_up_to_everybody(library_night: LibraryNight) -> None:
    """The estimate of the end follows the rate, and is nothing when all were tried."""
    house = library_night(people=100, in_flight=4)
    house.fill()

    def pass_by(_: str) -> None:
        house.clock.pass_by(seconds=0.1)

    house.audit.also = pass_by
    seen: list[Progress] = []
    report = house.night(progress=seen.append)
    assert [one.tried for one in seen] == sorted(one.tried for one in seen)
    assert {one.due for one in seen} == {report.due}
    assert (seen[-1].tried, seen[-1].seconds_left) == (report.due, 0)
    middle = seen[len(seen) // 2]
    assert middle.seconds_left == pytest.approx((middle.due - middle.tried) * 0.1, abs=2)
    assert report.calls_per_second == pytest.approx(10, rel=0.2)


def test_a_library_without_an_authorisation_in_force_is_barred(library_night: LibraryNight) -> None:
    """Nothing is sent for it and the denial is logged; the other library goes on; the exit code says stopped."""
    house = library_night(people=40, libraries=("aalst", "genk"), ended=("aalst",))
    house.fill()
    house.scene.barred = {"aalst"}
    report = house.night()
    assert report.exit_code == 4
    assert report.stopped is not None
    assert report.stopped[0] == "not_authorised"
    assert "aalst" in report.stopped[1]
    state = house.raw.state()
    kinds = {entry.kind for entry in state.entries["aalst"]}
    assert "access.denied" in kinds
    assert "access.intent" not in kinds
    assert {step.state for step in state.steps if step.key[0] == "genk"} == {"done"}
    assert {step.verdict for step in state.steps if step.key[0] == "aalst"} == {""}
    assert {one.sender for one in house.simulator.asked} == {"genk.example/bibliotheek"}


class Choosy(Simulator):
    """A register that knows no authorisation for one sender."""

    def _about(self, asker: Request, stamp: Stamp) -> bytes:
        if asker.sender.startswith("aalst"):
            return refusal(asker, stamp, Uitzondering("13001", "Geen machtiging voor deze afzender"))
        return super()._about(asker, stamp)


def test_a_library_that_the_register_refuses_is_stopped(library_night: LibraryNight) -> None:
    """Only what was in flight is asked in vain; the other library goes on, and the first one next night."""
    house = library_night(people=80, libraries=("aalst", "genk"), in_flight=4, kind=Choosy)
    house.fill()
    house.scene.barred = {"aalst"}
    report = house.night()
    assert report.exit_code == 4
    assert report.stopped is not None
    assert report.stopped[0] == "refused"
    assert "13001" in report.stopped[1]
    asked_in_vain = [one for one in house.simulator.asked if one.sender.startswith("aalst")]
    assert 1 <= len(asked_in_vain) <= 8
    state = house.raw.state()
    assert {step.state for step in state.steps if step.key[0] == "genk"} == {"done"}
    house.simulator.__class__ = Simulator
    second = house.night()
    assert (second.due, second.exit_code, second.open) == (report.open, 0, 0)


def test_a_library_that_is_barred_for_long_holds_up_no_other(library_night: LibraryNight) -> None:
    """The run of which nothing can be done any more ends, so that everybody else becomes due again."""
    house = library_night(people=20, libraries=("aalst", "genk"), ended=("aalst",))
    house.fill()
    house.scene.barred = {"aalst"}
    first = house.night()
    house.clock.pass_by(days=31)
    second = house.night()
    assert (first.exit_code, second.exit_code) == (4, 4)
    assert second.same == first.same + first.change > 0


def test_a_night_of_one_library_leaves_another_as_due_as_it_was(library_night: LibraryNight) -> None:
    """Whoever was in an open run and is not asked about tonight is asked about in the next night of all."""
    house = library_night(people=30, libraries=("aalst", "genk"), in_flight=2)
    house.fill()

    def stop_at_ten(_: str) -> None:
        if len(house.audit.recorded) == 10:
            house.app.stop.set()

    house.audit.also = stop_at_ten
    first = house.night()
    house.audit.also = None
    house.reopen()
    house.scene.barred = {"aalst"}
    second = house.night(libraries=["genk"])
    house.scene.barred = set()
    third = house.night()
    assert third.exit_code == 0
    assert first.asked + second.asked + third.asked == first.due == len(set(numbers_asked(house))) * 2


def test_an_authorisation_may_end_between_two_tries(library_night: LibraryNight) -> None:
    """The night goes on to its end: nothing more is sent for that library, and the denial is in its log."""
    house = library_night(people=20, libraries=("aalst", "genk"), last_days=("aalst",), faults=("busy:1",))
    house.fill()
    house.scene.barred = {"aalst"}

    def midnight(_: str) -> None:
        if len(house.audit.recorded) == 1:
            house.clock.pass_by(days=1)
        if len(house.audit.recorded) == 4:
            house.simulator.faults = ()

    house.audit.also = midnight
    report = house.night()
    assert report.stopped is not None
    assert (report.exit_code, report.stopped[0]) == (4, "not_authorised")
    state = house.raw.state()
    assert {step.state for step in state.steps if step.key[0] == "genk"} == {"done"}
    assert state.entries["aalst"][-1].kind == "run.close"


def test_a_member_who_gets_another_number_meanwhile_is_asked_again(library_night: LibraryNight) -> None:
    """The answer under way is about nobody here any more: its outcome is kept, and nothing else of it."""
    house = library_night(people=40)
    assert house.people is not None
    rows = list(member_rows(house.people))
    ours, spare = rows[3], rows.pop(30)
    house.take(rows)
    renumbered = ours | {name: spare[name] for name in spare if name != "member_no"}
    done: list[str] = []

    def renumber(reference: str) -> None:
        asked = {one.reference: one.digits for one in house.simulator.asked}
        if asked[reference] == ours["insz"] and not done:
            done.append(reference)
            house.take([renumbered])

    house.audit.also = renumber
    report = house.night()
    assert (report.exit_code, report.open) == (3, 1)
    state = house.raw.state()
    (outcome,) = [
        entry for entry in state.entries["demo"] if entry.reference == done[0] and entry.kind == "access.outcome"
    ]
    assert outcome.line["verdict"] == "void"
    assert state.members["demo", ours["member_no"]].refreshed_at is None
    house.audit.also = None
    again = house.night()
    assert (again.due, again.exit_code) == (1, 0)
    assert numbers_asked(house)[-1] == spare["insz"]


def test_the_door_gives_the_contract_s_document_and_nothing_else(library_night: LibraryNight) -> None:
    """``night --json``: these keys, in this order, and the exit code."""
    house = library_night(people=30)
    house.fill()
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = run(["night", "--json", "--config", str(house.folder / "rrsync.toml")])
    house.said.append(out.getvalue())
    document = json.loads(out.getvalue())
    assert code == 0
    assert tuple(document) == KEYS
    assert document["stopped"] is None
    assert (
        document["asked"] == document["due"] == document["same"] + document["change"] + sum(document["hold"].values())
    )
    assert set(document["log"]["demo"]) == {"size", "root"}
    assert document["log"]["demo"]["size"] == len(house.raw.state().entries["demo"])


def test_after_a_mass_change_no_change_is_believed_until_the_run_is_over(library_night: LibraryNight) -> None:
    """The run stops; the next night goes on with it, puts every change on hold and writes none; later all is usual."""
    house = library_night(people=60)
    house.fill()

    house.scene.tolerated |= {"mass_change"}

    def strict(night: Night) -> Night:
        return replace(night, limits=replace(night.limits, same_address=0), at_once=2)

    stopped = house.night(change=strict)
    assert (stopped.exit_code, stopped.stopped is not None and stopped.stopped[0]) == (4, "mass_change")
    assert stopped.change == 0
    assert stopped.open > 0
    house.reopen()
    going_on = house.night(change=strict)
    assert (going_on.run, going_on.exit_code, going_on.change) == (stopped.run, 0, 0)
    assert stopped.hold["mass_change"] + going_on.hold["mass_change"] > 1
    house.reopen()
    assert house.night(full=True).change == stopped.hold["mass_change"] + going_on.hold["mass_change"]


def test_a_damaged_member_keeps_nobody_else_from_being_asked(library_night: LibraryNight) -> None:
    """One row that cannot be opened stays open; everybody else gets a verdict."""
    house = library_night(people=20)
    house.fill()
    house.excused = True  # the auditor, too, cannot open the row
    with house.app.database.write() as session:
        session.execute(text("UPDATE member SET address = name WHERE number = 'M000003'"))
    report = house.night()
    assert (report.due, report.asked, report.open, report.exit_code) == (20, 19, 1, 3)


def test_a_night_for_one_library_goes_on_while_another_is_left_open(library_night: LibraryNight) -> None:
    """Months later the first library's members are due again, whatever the second left behind."""
    house = library_night(people=12, libraries=("aalst", "genk"))
    house.fill()
    short = house.night(change=lambda night: _stopping(night, after=6))
    assert short.interrupted
    house.reopen()
    assert house.night(libraries=["aalst"]).open == 0
    house.clock.pass_by(days=40)
    assert house.night(libraries=["aalst"]).due > 0


def _stopping(night: Night, *, after: int) -> Night:
    """Give a night that is told to stop when it makes its n-th reference."""
    asked = count(1)

    def reference() -> str:
        if next(asked) >= after:
            night.stop.set()
        return str(uuid4())

    return replace(night, new_reference=reference)
