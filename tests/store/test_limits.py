"""The desk quotas and the rate limit, shared by all processes on a database."""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from multiprocessing.connection import Connection
from threading import Barrier, Event

import pytest

from rrsync.core.desk_quota import Limits, QuotaExceeded, QuotaGranted, Window
from rrsync.core.rate_limit import Budget, CallResult, RateLimitState, SlotGrant, SlotRequest, reserve
from rrsync.errors import StoreError
from rrsync.registry.pace import RateLimiter
from rrsync.store.engine import Database
from rrsync.store.limits import DeskQuotas, SharedRateLimit
from tests.store.scene import run_together
from tests.support import Clock, Store

QUOTAS = {"per_minute": 7, "per_hour": 9, "per_day": 12, "library_per_day": 15}
LIMITS = Limits(**QUOTAS)
#: Queries as several people until all are refused, and prints the name of each granted query.
PROGRAM = f"""
from datetime import UTC, datetime
from rrsync.core.desk_quota import Limits, QuotaGranted
from rrsync.store.engine import Database
from rrsync.store.limits import DeskQuotas
url, *names = sys.argv[1:]
quotas = DeskQuotas(Database(url, timeout_s=60), Limits(**{QUOTAS}), lambda: datetime(2026, 7, 1, tzinfo=UTC))
ready()
for name in names * 10:
    if isinstance(quotas.take("hasselt", name), QuotaGranted):
        print(name)
"""
RATE = 200
SECONDS = 1.5
#: Shorter windows may hold calls that are late by up to 20 ms.
LATE = RATE * 0.02


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    yield opened
    opened.close()


def test_a_person_has_five_queries_a_minute(database: Database, clock: Clock) -> None:
    quotas = DeskQuotas(database, Limits(), clock)
    assert [quotas.take("hasselt", "an") for _ in range(3)] == [QuotaGranted()] * 3
    assert [quotas.take("hasselt", "an") for _ in range(2)] == [QuotaGranted((Window.MINUTE,))] * 2
    assert [quotas.take("hasselt", "an") for _ in range(3)] == [QuotaExceeded(Window.MINUTE, timedelta(minutes=1))] * 3
    assert quotas.take("hasselt", "bo") == QuotaGranted()
    assert quotas.take("genk", "an") == QuotaGranted()
    clock.pass_by(seconds=60)
    assert quotas.take("hasselt", "an") == QuotaGranted()


def test_a_library_has_a_quota_a_day(database: Database, clock: Clock) -> None:
    quotas = DeskQuotas(database, Limits(library_per_day=4, soft=1), clock)
    for name in ("an", "bo", "cis", "dré"):
        assert isinstance(quotas.take("hasselt", name), QuotaGranted)
        clock.pass_by(minutes=5)
    assert quotas.take("hasselt", "els") == QuotaExceeded(Window.LIBRARY_DAY, timedelta(hours=23, minutes=40))
    assert quotas.take("genk", "els") == QuotaGranted()
    clock.pass_by(hours=23, minutes=40)
    assert quotas.take("hasselt", "els") == QuotaGranted((Window.LIBRARY_DAY,))


def test_a_query_is_deleted_after_a_day(database: Database, clock: Clock) -> None:
    quotas = DeskQuotas(database, Limits(), clock)
    quotas.take("hasselt", "an")
    clock.pass_by(hours=25)
    quotas.take("hasselt", "bo")
    with database.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT name FROM ask").scalars().all() == ["bo"]


def test_a_query_that_cannot_be_counted_is_refused(database: Database, clock: Clock) -> None:
    with database.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE ask")
    with pytest.raises(StoreError):
        DeskQuotas(database, Limits(), clock).take("hasselt", "an")


def test_threads_share_the_limit(database: Database, clock: Clock) -> None:
    quotas, start = DeskQuotas(database, LIMITS, clock), Barrier(8)

    def ask(_number: int) -> list[object]:
        start.wait()
        return [quotas.take("hasselt", "an") for _ in range(5)]

    with ThreadPoolExecutor(8) as pool:
        found = [verdict for verdicts in pool.map(ask, range(8)) for verdict in verdicts]
    assert sum(isinstance(each, QuotaGranted) for each in found) == 7
    assert len(found) == 40


def test_processes_share_the_limits(database: Database, database_url: str) -> None:
    names = ["an", "bo", "cis"]
    granted = Counter(run_together(PROGRAM, *[[database_url, *names]] * 3))
    assert granted.total() == LIMITS.library_per_day
    assert max(granted.values()) <= LIMITS.per_minute
    with database.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM ask").scalar() == LIMITS.library_per_day


def work(url: str, who: str, pipe: Connection) -> None:
    """Send as much as allowed, from four threads; a desk sends now and then."""
    database, sent = Database(url), []
    desk = who.startswith("desk")
    pace = RateLimiter(Budget(RATE, 16, 20.0), sleep=Event().wait, share=SharedRateLimit(database), who=who, desk=desk)
    pipe.send(None)
    pipe.recv()
    until = time.monotonic() + SECONDS

    def thread() -> None:
        while time.monotonic() < until and pace.take(lambda: time.monotonic() >= until):
            sent.append(time.monotonic())
            pace.give(CallResult.FINE)
            if desk:
                Event().wait(0.05)

    with ThreadPoolExecutor(4) as pool:
        for _ in range(1 if desk else 4):
            pool.submit(thread)
    pace.leave()
    database.close()
    pipe.send(sent)


def test_processes_together_never_exceed_the_rate(database_url: str) -> None:
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


@pytest.fixture
def shared(store: Store) -> SharedRateLimit:
    return SharedRateLimit(store.database)


def test_processes_share_the_state_and_a_rule_without_effect_writes_nothing(
    store: Store, shared: SharedRateLimit
) -> None:
    budget = Budget(1, 16)
    first = shared(lambda state, now: reserve(state, now, SlotRequest("one"), budget))
    again = SharedRateLimit(store.again().database)
    second = again(lambda state, now: reserve(state, now, SlotRequest("an", desk=True), budget))
    assert isinstance(first, SlotGrant)
    assert isinstance(second, SlotGrant)
    assert second.at == pytest.approx(first.at + 1.02)
    (state,) = store.scalars("SELECT state FROM traffic WHERE id = 1")
    store.execute("UPDATE traffic SET state = :state", state=f" {state}")
    again(lambda state, _: (state, None))
    assert store.scalars("SELECT state FROM traffic") == [f" {state}"]


def test_processes_share_a_clock_that_never_goes_back(shared: SharedRateLimit, store: Store) -> None:
    other = SharedRateLimit(store.again().database)
    times = [each(lambda state, now: (state, now)) for each in (shared, other) * 5]
    assert times == sorted(times)
    assert times[-1] - times[0] < 5


def test_a_given_clock_replaces_the_common_one(store: Store) -> None:
    assert SharedRateLimit(store.database, lambda: 7.0)(lambda state, now: (state, now)) == 7.0


def test_an_invalid_state_starts_anew_after_a_pause(store: Store, shared: SharedRateLimit) -> None:
    store.execute("INSERT INTO traffic (id, state) VALUES (1, 'rubbish')")
    found = shared(lambda state, now: (state, (state, now)))
    assert found[0] == RateLimitState(not_before=found[1] + 5)


def test_a_failed_rule_changes_nothing(store: Store, shared: SharedRateLimit) -> None:
    shared(lambda state, now: reserve(state, now, SlotRequest("one"), Budget(1, 16)))
    before = store.scalars("SELECT state FROM traffic")

    def broken(_state: RateLimitState, _now: float) -> tuple[RateLimitState, None]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        shared(broken)
    assert store.scalars("SELECT state FROM traffic") == before
    store.execute("DROP TABLE traffic")
    with pytest.raises(StoreError):
        shared(lambda state, _: (state, None))


def test_reading_the_state_neither_writes_nor_waits(store: Store) -> None:
    shared = SharedRateLimit(store.database, lambda: 100.0)
    assert shared.look() == (RateLimitState(), 100.0)
    assert store.scalars("SELECT count(*) FROM traffic") == [0]
    shared(lambda state, now: (reserve(state, now, SlotRequest("night"), Budget(8))[0], None))

    def within(state: RateLimitState, _now: float) -> tuple[RateLimitState, RateLimitState]:
        return state, SharedRateLimit(store.again().database, lambda: 101.0).look()[0]

    assert shared(within) == shared.look()[0]
    assert shared.look()[0].free_at > 100
