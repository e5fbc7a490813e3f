"""The progress of a run while it is running, and the check whether one is running."""

from __future__ import annotations

from collections import Counter
from random import Random
from threading import Event, Thread

import pytest

from rrsync.core.planning import Plan
from rrsync.store.runs import ProgressCounter
from rrsync.store.tables import RunRow, StepRow, bulk_insert
from tests.support import NOW, Store, member

BOTH = ["genk", "hasselt"]


def add_run(store: Store, run: str, steps: int) -> None:
    """Add a run with steps of two libraries by turns."""
    with store.database.write() as session:
        session.add(RunRow(id=run, opened_at=NOW))
        rows = [
            (run, BOTH[place % 2], f"M{place:06d}", place, "stale", "open", "", "") for place in range(1, steps + 1)
        ]
        bulk_insert(session, StepRow, rows)


def try_step(store: Store, run: str, place: int, verdict: str, reason: str = "", state: str = "done") -> None:
    """Set the state and verdict of a step."""
    store.execute(
        "UPDATE step SET state = :state, verdict = :verdict, reason = :reason WHERE run = :run AND place = :place",
        run=run,
        place=place,
        state=state,
        verdict=verdict,
        reason=reason,
    )


def test_the_progress_equals_a_plain_count_at_every_moment(store: Store) -> None:
    dice, tallies, steps = Random(7), ProgressCounter(store.database, store.clock), 160
    add_run(store, "run-1", steps)
    order = sorted(range(1, steps + 1), key=lambda place: place + dice.random() * (90 if place % 9 == 0 else 6))
    kinds = [("same", "", "done"), ("change", "", "done"), ("hold", "deceased", "done"), ("", "", "left")]
    done: dict[int, tuple[str, str]] = {}
    for number, place in enumerate(order):
        verdict, reason, state = dice.choice(kinds)
        try_step(store, "run-1", place, verdict, reason, state)
        done[place] = verdict, reason
        if number == 80:
            rows = [("run-1", "genk", "X1", steps + 1, "never", "open", "", "")]
            with store.database.write() as session:
                bulk_insert(session, StepRow, rows)
        if dice.random() < 0.3 or number == len(order) - 1:
            _compare(tallies, done, steps + (number >= 80))


def test_a_finished_run_is_not_read_again(store: Store) -> None:
    tallies = ProgressCounter(store.database, store.clock)
    add_run(store, "run-1", 4)
    try_step(store, "run-1", 1, "same")
    assert tallies.of("run-1", BOTH, is_over=False).asked == 1
    try_step(store, "run-1", 2, "same")
    assert tallies.of("run-1", BOTH, is_over=True).asked == 2
    try_step(store, "run-1", 3, "same")
    assert tallies.of("run-1", BOTH, is_over=True).asked == 2


def test_more_than_a_page_of_delayed_steps_is_counted(store: Store) -> None:
    tallies = ProgressCounter(store.database, store.clock)
    add_run(store, "run-1", 1_300)
    try_step(store, "run-1", 1_300, "same")
    assert tallies.of("run-1", BOTH, is_over=False).open == 1_299
    store.execute("UPDATE step SET state = 'done', verdict = 'change' WHERE place < 1201")
    found = tallies.of("run-1", ["hasselt"], is_over=False)
    assert (found.due, found.change, found.same, found.open) == (650, 600, 0, 50)
    assert tallies.of("run-1", BOTH, is_over=False).change == 1_200


def test_the_rate_is_that_of_the_last_minute(store: Store) -> None:
    tallies = ProgressCounter(store.database, store.clock)
    add_run(store, "run-1", 1_000)
    assert tallies.of("run-1", BOTH, is_over=False).per_second == 0
    for second in range(1, 90):
        store.clock.pass_by(seconds=1)
        for place in range(2 * second - 1, 2 * second + 1):
            try_step(store, "run-1", place, "same")
        found = tallies.of("run-1", BOTH, is_over=False)
        assert found.per_second == pytest.approx(2)
    assert tallies.of("run-1", ["genk"], is_over=False).per_second == pytest.approx(1)
    for _ in range(130):
        store.clock.pass_by(seconds=1)
        found = tallies.of("run-1", BOTH, is_over=False)
    assert found.per_second == 0


def test_a_run_without_steps_has_no_progress(store: Store) -> None:
    found = ProgressCounter(store.database, store.clock).of("run-9", BOTH, is_over=False)
    assert (found.due, found.asked, found.open, found.holds) == (0, 0, 0, Counter())


def _compare(tallies: ProgressCounter, done: dict[int, tuple[str, str]], steps: int) -> None:
    """Compare the progress with a plain count, for each library and for both."""
    for libraries in (BOTH, ["genk"], ["hasselt"]):
        places = [place for place in range(1, 161) if BOTH[place % 2] in libraries]
        due = len(places) + (steps - 160) * ("genk" in libraries)
        verdicts = Counter(done[place][0] for place in places if place in done)
        found = tallies.of("run-1", libraries, is_over=False)
        assert (found.due, found.same, found.change) == (due, verdicts["same"], verdicts["change"])
        assert found.holds == +Counter({"deceased": verdicts["hold"]})
        assert found.open == due - verdicts["same"] - verdicts["change"] - verdicts["hold"]


def test_a_held_lease_is_seen_by_every_process(store: Store) -> None:
    other = store.again()
    assert not store.runs.is_held()
    with store.runs.lease():
        assert store.runs.is_held()
        assert other.runs.is_held()
    assert not store.runs.is_held()
    assert not other.runs.is_held()


def test_a_check_of_the_lease_does_not_block_a_run(store: Store) -> None:
    stop = Event()

    def look() -> None:
        while not stop.is_set():
            store.runs.is_held()

    lookers = [Thread(target=look) for _ in range(3)]
    for each in lookers:
        each.start()
    try:
        for _ in range(60):
            with store.runs.lease():
                pass
    finally:
        stop.set()
        for each in lookers:
            each.join(30)


def test_the_waiting_run_is_the_open_one_of_the_libraries(store: Store) -> None:
    store.take(member(1), member(2, library="genk"))
    assert store.runs.waiting(["hasselt"]) is None
    store.runs.open(["hasselt"], Plan(NOW.date(), None, frozenset()), new_id="run-1", at=NOW)
    assert store.runs.waiting(["hasselt"]) == "run-1"
    assert store.runs.waiting(["genk"]) is None
    store.runs.end("run-1", ["hasselt"], at=NOW)
    assert store.runs.waiting(BOTH) is None
