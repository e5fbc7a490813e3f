"""Work behind the pages: one thread a name, an end with the process, and a word for the page when it fails."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event, Thread

import pytest
from structlog.testing import capture_logs

from rrsync.errors import Busy
from rrsync.web.server import BackgroundJobs, JobStop


@pytest.fixture
def stop() -> Event:
    return Event()


@pytest.fixture
def jobs(stop: Event) -> Iterator[BackgroundJobs]:
    """Give what runs jobs, and end them with the test."""
    made = BackgroundJobs(stop)
    yield made
    made.end()


class TestJobs:
    """BackgroundJobs of one process."""

    def test_one_runs_behind_and_is_done(self, jobs: BackgroundJobs) -> None:
        """Its name is free again when it is done."""
        go, did = Event(), list[int]()

        def work() -> None:
            go.wait(10)
            did.append(1)

        assert not jobs.running("night 1")
        assert jobs.start("night 1", work)
        assert jobs.running("night 1")
        assert not did
        go.set()
        assert jobs.wait("night 1", 10)
        assert did == [1]
        assert jobs.start("night 1", work)
        assert jobs.wait("night 1", 10)
        assert did == [1, 1]

    def test_a_second_of_the_same_name_is_not_begun(self, jobs: BackgroundJobs) -> None:
        """Another name is another job."""
        go, did = Event(), list[str]()

        def work(name: str) -> None:
            go.wait(10)
            did.append(name)

        assert jobs.start("night 1", lambda: work("first"))
        assert not jobs.start("night 1", lambda: work("second"))
        assert jobs.start("release 1", lambda: work("other"))
        assert not jobs.wait("night 1", 0.01)
        go.set()
        assert jobs.wait("night 1", 10)
        assert jobs.wait("release 1", 10)
        assert sorted(did) == ["first", "other"]

    def test_why_one_failed_is_kept_until_the_next(self, jobs: BackgroundJobs) -> None:
        """For the page, in the error's own sentences; the program's log has the kind of error alone."""
        error = Busy("Another night is running", kept="Nothing was started", todo="Wait")

        def fail() -> None:
            raise error

        with capture_logs() as logged:
            assert jobs.start("night 1", fail)
            assert jobs.wait("night 1", 10)
        assert jobs.failure("night 1") is error
        assert logged == [{"event": "job.failed", "code": "night", "reason": "Busy", "log_level": "warning"}]
        assert jobs.failure("night 2") is None
        assert jobs.start("night 1", lambda: None)
        assert jobs.wait("night 1", 10)
        assert jobs.failure("night 1") is None

    def test_what_nobody_foresaw_says_nothing_of_anybody(self, jobs: BackgroundJobs) -> None:
        """A bug's own text may hold anything, so that neither page nor log has it."""

        def broken() -> None:
            raise ValueError("Kanariepiet, Kanarievogelstraat 12")

        with capture_logs() as logged:
            jobs.start("hooks", broken)
            assert jobs.wait("hooks", 10)
        assert logged == [{"event": "job.broke", "code": "hooks", "reason": "ValueError", "log_level": "error"}]
        trouble = jobs.failure("hooks")
        assert trouble is not None
        assert "Kanarie" not in str(trouble)
        assert trouble.kept == "What was committed is kept"

    def test_the_end_stops_all_and_waits_for_them(self, jobs: BackgroundJobs, stop: Event) -> None:
        """What is begun after it is not."""
        ended = list[bool]()

        def work() -> None:
            ended.append(stop.wait(10))

        jobs.start("night 1", work)
        jobs.start("hooks", work)
        jobs.end()
        assert ended == [True, True]
        assert not jobs.start("hooks", work)


class TestOwnStop:
    """A stop of one piece of work, within a process's."""

    def test_its_own_does_not_stop_the_process(self) -> None:
        """A night that stops itself leaves the pages open."""
        whole = Event()
        own = JobStop(whole)
        assert not own.is_set()
        assert not own.wait(0)
        own.set()
        assert own.is_set()
        assert own.wait()
        assert not whole.is_set()

    def test_the_process_s_stops_it(self) -> None:
        """Also while it is waited for, however long that was to be."""
        whole = Event()
        own = JobStop(whole)
        waited = list[bool]()
        thread = Thread(target=lambda: waited.append(own.wait(60)))
        thread.start()
        whole.set()
        thread.join(10)
        assert waited == [True]
        assert own.is_set()

    def test_it_is_waited_for_no_longer_than_was_said(self) -> None:
        """Whole or part of what it looks up at a time."""
        own = JobStop(Event())
        assert not own.wait(0.01)
        assert not own.wait(0.45)
