"""What was asked at the desks, counted for all processes."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from threading import Barrier, Thread

import pytest

from rrsync.core.desk_quota import Granted, Limits, Refused, Window
from rrsync.errors import StoreError
from rrsync.store.engine import Database
from rrsync.store.limits import Quotas
from tests.store.asker import LIMITS
from tests.support import ROOT, Clock


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    yield opened
    opened.close()


def test_the_sixth_ask_in_a_minute_waits(database: Database, clock: Clock) -> None:
    """Then there is room for as many as have left the minute; what was refused did not count."""
    quotas = Quotas(database, Limits(), clock)
    assert [quotas.take("hasselt", "an") for _ in range(3)] == [Granted()] * 3
    assert [quotas.take("hasselt", "an") for _ in range(2)] == [Granted((Window.MINUTE,))] * 2
    assert [quotas.take("hasselt", "an") for _ in range(3)] == [Refused(Window.MINUTE, timedelta(minutes=1))] * 3
    assert quotas.take("hasselt", "bo") == Granted()
    assert quotas.take("genk", "an") == Granted()
    clock.pass_by(seconds=60)
    assert quotas.take("hasselt", "an") == Granted()


def test_a_library_has_a_day_of_its_own(database: Database, clock: Clock) -> None:
    """Whoever of its staff asks; another library is not touched, and a day later there is room."""
    quotas = Quotas(database, Limits(library_per_day=4, soft=1), clock)
    for name in ("an", "bo", "cis", "dré"):
        assert isinstance(quotas.take("hasselt", name), Granted)
        clock.pass_by(minutes=5)
    assert quotas.take("hasselt", "els") == Refused(Window.LIBRARY_DAY, timedelta(hours=23, minutes=40))
    assert quotas.take("genk", "els") == Granted()
    clock.pass_by(hours=23, minutes=40)
    assert quotas.take("hasselt", "els") == Granted((Window.LIBRARY_DAY,))


def test_what_no_longer_counts_is_thrown_away(database: Database, clock: Clock) -> None:
    """So that nobody reads from it who worked when."""
    quotas = Quotas(database, Limits(), clock)
    quotas.take("hasselt", "an")
    clock.pass_by(hours=25)
    quotas.take("hasselt", "bo")
    with database.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT name FROM ask").scalars().all() == ["bo"]


def test_what_cannot_be_counted_is_not_granted(database: Database, clock: Clock) -> None:
    """No count, no ask."""
    with database.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE ask")
    with pytest.raises(StoreError, match="rrsync init"):
        Quotas(database, Limits(), clock).take("hasselt", "an")


def test_threads_share_the_limit(database: Database, clock: Clock) -> None:
    """As many as there is room for, whoever comes first."""
    quotas, start, found = Quotas(database, LIMITS, clock), Barrier(8), list[object]()

    def ask() -> None:
        start.wait()
        found.extend(quotas.take("hasselt", "an") for _ in range(5))

    threads = [Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(each, Granted) for each in found) == 7
    assert len(found) == 40


def test_processes_share_the_limits(database: Database, database_url: str) -> None:
    """Three processes ask as fast as they can: no person and no library ever gets more than its limit."""
    asker = [sys.executable, "-m", "tests.store.asker", database_url, "an", "bo", "cis"]
    running = [
        subprocess.Popen(asker, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    granted: Counter[str] = Counter()
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in running:
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        granted.update(out.split())
    assert granted.total() == LIMITS.library_per_day
    assert max(granted.values()) <= LIMITS.per_minute
    with database.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM ask").scalar() == LIMITS.library_per_day
