"""What is sent twice is done once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier, Event

import pytest

from rrsync.web.forms import FormSubmissions
from tests.support import NOW


class Work:
    """Something that is done, and counts how often."""

    def __init__(self, fails: Callable[[], bool] = lambda: False) -> None:
        self.done = 0
        self.begun, self.may_end = Event(), Event()
        self._fails = fails

    def __call__(self) -> str:
        """Do it."""
        self.done += 1
        self.begun.set()
        assert self.may_end.wait(10)
        if self._fails():
            raise LookupError
        return f"/done/{self.done}"


@pytest.mark.parametrize("fails", [False, True])
def test_the_second_waits_for_the_first_and_ends_as_it_did(fails: bool) -> None:
    """Also when that failed; after that it is tried again."""
    once, work = FormSubmissions(), Work(lambda: fails)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(once.run_once, ("key",), NOW, work)
        assert work.begun.wait(10)
        second = threads.submit(once.run_once, ("key",), NOW, work)
        work.may_end.set()
        ends = [repr(each.exception(10)) if each.exception(10) else each.result() for each in (first, second)]
    assert len(set(ends)) <= work.done
    assert work.done == 1 or fails
    if fails:
        before = work.done
        with pytest.raises(LookupError):
            once.run_once(("key",), NOW, work)
        assert work.done == before + 1


def test_what_was_done_stands_for_ten_seconds() -> None:
    """Then it is something new; another form is at once."""
    once, work = FormSubmissions(), Work()
    work.may_end.set()
    assert [once.run_once(("a",), NOW + timedelta(seconds=s), work) for s in (0, 9, 10, 10)] == [
        "/done/1",
        "/done/1",
        "/done/2",
        "/done/2",
    ]
    assert once.run_once(("b",), NOW, work) == "/done/3"


def test_of_many_at_once_one_is_done() -> None:
    """Whoever is first."""
    once, work, start = FormSubmissions(), Work(), Barrier(8)
    work.may_end.set()

    def send() -> str:
        start.wait(10)
        return once.run_once(("key",), NOW, work)

    with ThreadPoolExecutor(8) as threads:
        sent = [threads.submit(send) for _ in range(8)]
        assert {each.result(10) for each in sent} == {"/done/1"}
