"""Rows 61, 67, 68 and 78: clocks that jump, processes that die or are asked to, and two that are after one member."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from typing import Final

from tests.faults.catalogue import STAFF, Call, Case, Row, Trial, ends
from tests.faults.saying import recovers
from tests.night import victim
from tests.night.house import LIBRARY

TIME: Final = re.compile(rb"<Datum>([^<]*)</Datum><Tijd>([^<]*)</Tijd>")


def twice_the_hour(first: datetime, second: datetime) -> Callable[[Trial], None]:
    """Return what runs a night at two moments, which Belgian clocks may show as one."""

    def inject(trial: Trial) -> None:
        trial.build(members=3).clock.now = first
        trial.serve(Call.said)
        trial.night()
        trial.house.clock.now = second
        trial.night()

    return inject


def one_night(*times: str) -> Callable[[Trial], None]:
    """Return what asserts that everybody was asked about once, at this Belgian time, and the log is in UTC."""

    def expect(trial: Trial) -> None:
        assert trial.door is not None
        told = {b" ".join(found.groups()).decode() for body in trial.door.bodies for found in TIME.finditer(body)}
        assert told == set(times)
        stamps = [entry.line["ts"] for entry in trial.entries]
        assert stamps == sorted(stamps)
        assert all(stamp.endswith("Z") for stamp in stamps)
        assert trial.report is not None
        assert trial.report.due == 0
        ends(outcomes={"ok": 3}, tries=3, exit_code=0, changed=3)(trial)

    return expect


def killed_at(which: int) -> Callable[[Trial], None]:
    """Return what kills a night's process, a real one, when so many questions have come."""

    def inject(trial: Trial) -> None:
        built = trial.build(members=9, in_flight=2)
        built.app.database.close()
        built.prepare(libraries=built.libraries, full=True)
        context, seen = multiprocessing.get_context("forkserver"), count(1)
        context.set_forkserver_preload(["tests.night.victim"])
        process = context.Process(target=victim.night, args=(str(built.folder), built.clock()))

        def strike(_: str) -> None:
            if next(seen) == which and process.pid is not None:
                os.kill(process.pid, signal.SIGKILL)

        built.audit.also = strike
        process.start()
        process.join(60)
        trial.exit_code = process.exitcode
        built.audit.also = None

    return inject


def nothing_lost(trial: Trial) -> None:
    """What is there is whole; what the dead process left without outcome gets one; everybody is asked again."""
    assert trial.exit_code == -signal.SIGKILL
    run = str(trial.house.raw.rows("SELECT id FROM run")[0][0])
    trial.house.look(run, dead=True)
    lost = trial.outcomes[""]
    assert lost >= 1
    assert trial.changed == trial.outcomes["ok"]
    recovers(trial)
    assert (trial.outcomes["indeterminate"], trial.outcomes[""]) == (lost, 0)


def asked_to_stop(trial: Trial) -> None:
    """Send this process SIGTERM while a call is under way; the register takes a while to answer it."""
    trial.build(members=12, in_flight=1).clock.now = datetime.now(UTC)
    told = threading.Event()

    def answer(call: Call) -> bytes:
        if not told.is_set():
            told.set()
            os.kill(os.getpid(), signal.SIGTERM)
        return call.said()

    trial.serve(answer)
    trial.command("night")


def stopped_cleanly(trial: Trial) -> None:
    """What was under way is settled, nothing more is sent, and what is open is said."""
    assert trial.exit_code == 3, trial.said
    trial.house.look(str(trial.house.raw.rows("SELECT id FROM run")[0][0]), dead=True)
    assert 1 <= trial.tries <= 2
    assert (trial.outcomes["ok"], trial.outcomes[""]) == (trial.tries, 0)
    assert set(trial.outcomes) <= {"ok", "not_sent"}
    assert trial.changed == trial.tries
    assert "still open: the next `rrsync night`" in trial.said
    recovers(trial)


def desk_meanwhile(trial: Trial) -> None:
    """Refresh a member at the desk while the night's question about the same member is at the register."""
    built = trial.build(members=1, in_flight=1)
    built.excused = True  # the auditor expects of the night what the desk did
    desk, first = built.app.desk(), threading.Event()

    def also(_: str) -> None:
        if not first.is_set():
            first.set()
            number = built.rows[0]["member_no"]
            desk.refresh(LIBRARY, number, actor=STAFF, purpose="desk", case="c-1", preview=False)

    built.audit.also = also


def asked_twice_changed_once(trial: Trial) -> None:
    """Both were answered and are in the log; the first changed the member, the other found it the same."""
    verdicts = [entry.line.get("verdict") for entry in trial.entries if entry.kind == "access.outcome"]
    assert verdicts == ["change", "same"]
    ends(outcomes={"ok": 2}, tries=2, exit_code=0, changed=1)(trial)


ROWS: Final = (
    Row(
        61,
        "an hour that comes twice or never",
        twice_the_hour(datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),
        one_night("2026-10-25 02:30:00.000"),
        also=[
            Case(
                "in spring",
                twice_the_hour(datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC), datetime(2026, 3, 29, 1, 0, tzinfo=UTC)),
                one_night("2026-03-29 01:59:59.000"),
            ),
        ],
        note="a run has no date for its key: who was asked is not due again, at whatever hour the night starts",
    ),
    Row(
        67,
        "a process that is killed",
        killed_at(1),
        nothing_lost,
        also=[Case("half way", killed_at(5), nothing_lost)],
        note="by the hundred, at every moment and on both databases: tests/night/test_kills",
    ),
    Row(
        68,
        "a process that is asked to stop",
        asked_to_stop,
        stopped_cleanly,
        note="the contract's exit code for steps that are open is 3; the catalogue's 0 would hide them",
    ),
    Row(
        78,
        "desk and night after one member",
        desk_meanwhile,
        asked_twice_changed_once,
        note="both are asked, for each is an access of its own; the transaction reads the member again, so the later "
        "answer is compared with what the earlier one wrote",
    ),
)
