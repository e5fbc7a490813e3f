"""The traffic on a database: processes that share one never send more than the budget, on one clock."""

from __future__ import annotations

import multiprocessing
import time
from multiprocessing.connection import Connection
from threading import Event, Thread

import pytest

from rrsync.core.rate_limit import Ask, Budget, Grant, Traffic, Went, reserve
from rrsync.errors import StoreError
from rrsync.registry.pace import Pace
from rrsync.store.engine import Database
from rrsync.store.limits import Shared
from tests.support import Store

RATE = 200
SECONDS = 1.5


def work(url: str, who: str, pipe: Connection) -> None:
    """Be a process that sends all it may, from four threads; a desk sends now and then."""
    database, sent = Database(url), []
    desk = who.startswith("desk")
    pace = Pace(Budget(RATE, 16, 20.0), sleep=Event().wait, share=Shared(database), who=who, desk=desk)
    pipe.send(None)
    pipe.recv()
    until = time.monotonic() + SECONDS

    def thread() -> None:
        while time.monotonic() < until and pace.take(lambda: time.monotonic() >= until):
            sent.append(time.monotonic())
            pace.give(Went.FINE)
            if desk:
                Event().wait(0.05)

    threads = [Thread(target=thread) for _ in range(1 if desk else 4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    pace.leave()
    database.close()
    pipe.send(sent)


def test_real_processes_never_send_more_than_the_budget(database_url: str) -> None:
    """Two nights and a desk on one database: no window of a second, a half or a tenth holds too many."""
    context = multiprocessing.get_context("forkserver")
    pipes, processes = [], []
    for who in ("night-1", "night-2", "desk-1"):
        ours, theirs = context.Pipe()
        processes.append(context.Process(target=work, args=(database_url, who, theirs), daemon=True))
        processes[-1].start()
        pipes.append(ours)
    for pipe in pipes:
        pipe.recv()
    for pipe in pipes:
        pipe.send(None)
    each = [pipe.recv() for pipe in pipes]
    for process in processes:
        process.join(10)
    sent = sorted(moment for moments in each for moment in moments)
    assert all(each)
    assert len(sent) > 20
    for window_s in (1.0, 0.5, 0.1):
        fullest = max(sum(first <= moment < first + window_s for moment in sent) for first in sent)
        assert fullest <= RATE * window_s + (0 if window_s == 1 else LATE), window_s


#: Shorter windows may hold what is late by up to 20 ms.
LATE = RATE * 0.02


@pytest.fixture
def shared(store: Store) -> Shared:
    """Return the traffic of a fresh database, on its own clock."""
    return Shared(store.database)


def test_what_one_process_writes_the_next_one_reads(store: Store, shared: Shared) -> None:
    """One row, on a clock that only goes on; a rule that changes nothing writes nothing."""
    budget = Budget(1, 16)
    first = shared(lambda state, now: reserve(state, now, Ask("one"), budget))
    again = Shared(store.again().database)
    second = again(lambda state, now: reserve(state, now, Ask("an", desk=True), budget))
    assert isinstance(first, Grant)
    assert isinstance(second, Grant)
    assert second.at == pytest.approx(first.at + 1.02)
    (state,) = store.scalars("SELECT state FROM traffic WHERE id = 1")
    store.execute("UPDATE traffic SET state = :state", state=f" {state}")
    again(lambda state, _: (state, None))
    assert store.scalars("SELECT state FROM traffic") == [f" {state}"]


def test_the_clock_is_common_and_goes_on(shared: Shared, store: Store) -> None:
    """Two processes read the same time."""
    other = Shared(store.again().database)
    times = [each(lambda state, now: (state, now)) for each in (shared, other) * 5]
    assert times == sorted(times)
    assert times[-1] - times[0] < 5


def test_a_clock_of_the_caller_s_own_takes_its_place(store: Store) -> None:
    """So that a test can let time pass."""
    assert Shared(store.database, lambda: 7.0)(lambda state, now: (state, now)) == 7.0


def test_a_row_that_cannot_be_read_begins_anew(store: Store, shared: Shared) -> None:
    """Whatever stands there, nobody is faster for it."""
    store.execute("INSERT INTO traffic (id, state) VALUES (1, 'rubbish')")
    found = shared(lambda state, now: (state, (state, now)))
    assert found[0] == Traffic(not_before=found[1] + 5)


def test_a_rule_that_fails_changes_nothing(store: Store, shared: Shared) -> None:
    """Nor does a database that does not answer."""
    shared(lambda state, now: reserve(state, now, Ask("one"), Budget(1, 16)))
    before = store.scalars("SELECT state FROM traffic")

    def broken(_state: Traffic, _now: float) -> tuple[Traffic, None]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        shared(broken)
    assert store.scalars("SELECT state FROM traffic") == before
    store.execute("DROP TABLE traffic")
    with pytest.raises(StoreError):
        shared(lambda state, _: (state, None))


def test_who_looks_changes_nothing_and_keeps_nobody_waiting(store: Store) -> None:
    """Neither before the first call nor while somebody else has the row."""
    shared = Shared(store.database, lambda: 100.0)
    assert shared.look() == (Traffic(), 100.0)
    assert store.scalars("SELECT count(*) FROM traffic") == [0]
    shared(lambda state, now: (reserve(state, now, Ask("night"), Budget(8))[0], None))

    def within(state: Traffic, _now: float) -> tuple[Traffic, Traffic]:
        return state, Shared(store.again().database, lambda: 101.0).look()[0]

    assert shared(within) == shared.look()[0]
    assert shared.look()[0].free_at > 100
