"""What makes an access stand out, and what does not."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrsync.core.anomaly import Attempt, Flag, Limits, Tie, Traces, flags, looks
from rrsync.core.belgian_time import Hours
from tests.support import NOW

AN = Attempt(NOW, "an", b"jef", "letter-118")
MEMBER = Tie(None, 0)
PLAIN = Traces(tie=MEMBER)
LIMITS = Limits(staff=3, per_hour=4, per_day=6, refused=2, hours=Hours.parse("24/7"), case=re.compile(r"letter-[0-9]+"))
SPANS = st.timedeltas(timedelta(), timedelta(days=2))


def earlier(*minutes: float, subject: str = "", is_denied: bool = False) -> tuple[Attempt, ...]:
    """Return attempts so many minutes ago; each at another person, unless it is named."""
    return tuple(
        replace(
            AN, at=NOW - timedelta(minutes=ago), subject=(subject or f"subject-{ago}").encode(), is_denied=is_denied
        )
        for ago in minutes
    )


def of(traces: Traces = PLAIN, attempt: Attempt = AN, limits: Limits = LIMITS) -> list[str]:
    """Return the flags of an attempt."""
    return flags(attempt, traces, limits)


def test_an_ordinary_access_has_no_flags() -> None:
    """A member, for a case, in opening hours."""
    assert of() == []


def test_what_is_not_set_is_not_looked_at() -> None:
    """Without opening hours, any hour will do; without a shape, any case."""
    assert of(limits=Limits(), attempt=replace(AN, case="because")) == []


def test_flags_come_sorted() -> None:
    """An entry's bytes do not hang on the order of the rules."""
    limits = replace(LIMITS, staff=1, per_hour=1, refused=1, hours=Hours.parse("mo closed"))
    everything = replace(AN, case="", is_denied=True)
    assert of(Traces(names=frozenset({"an"})), everything, limits) == sorted(set(Flag) - {Flag.COLLEAGUE})


class TestMany:
    """From a number on, it is many."""

    @given(st.frozensets(st.sampled_from(["an", "bo", "cis", "dre"])))
    def test_many_of_the_staff_about_one_person(self, staff: frozenset[str]) -> None:
        """This one is counted too, and once."""
        assert (of(replace(PLAIN, staff=staff)) == ["many_staff"]) == (len(staff | {"an"}) >= 3)

    def test_many_looks_in_an_hour(self) -> None:
        """This one is the fourth; one of an hour ago is no longer in it."""
        assert of(replace(PLAIN, looks=earlier(10, 20, 59.9))) == ["many_lookups"]
        assert of(replace(PLAIN, looks=earlier(10, 20, 60))) == []

    def test_many_looks_in_a_day(self) -> None:
        """This one is the sixth; one of a day ago is no longer in it."""
        assert of(replace(PLAIN, looks=earlier(100, 200, 300, 400, 1439.9))) == ["many_lookups"]
        assert of(replace(PLAIN, looks=earlier(100, 200, 300, 400, 1440))) == []

    def test_denied_attempts_are_looks(self) -> None:
        """They were meant as such."""
        assert of(replace(PLAIN, looks=earlier(10, 20, 30, is_denied=True))) == ["many_lookups"]

    def test_a_question_that_is_tried_again_is_one_look(self) -> None:
        """However often within the minute; after it, it is another look."""
        assert of(replace(PLAIN, looks=earlier(0, 0.3, 0.6, 0.9, 0.99, subject="jef"))) == []
        assert of(replace(PLAIN, looks=earlier(0.1, 0.9, 1, 2, 3, 3.5, subject="jef"))) == ["many_lookups"]

    @given(st.lists(st.tuples(SPANS, st.sampled_from([b"1", b"2", b"3"])), max_size=20))
    def test_looks_are_counted_in_any_order(self, drawn: list[tuple[timedelta, bytes]]) -> None:
        """At least one for each person, at most one for each attempt; no two at one person within a minute."""
        attempts = [replace(AN, at=NOW - ago, subject=subject) for ago, subject in drawn]
        counted = looks(attempts)
        assert len({subject for _, subject in drawn}) <= counted <= len(drawn)
        assert counted == looks(reversed(attempts))
        apart = [replace(each, at=NOW + n * timedelta(minutes=1)) for n, each in enumerate(attempts)]
        assert looks(apart) == len(apart)

    def test_many_refused_in_a_day(self) -> None:
        """Only a refusal is one of many; those of a day ago no longer count."""
        again = replace(AN, is_denied=True)
        assert of(attempt=again) == ["refused"]
        assert of(replace(PLAIN, looks=earlier(1439, is_denied=True)), again) == ["many_refused", "refused"]
        assert of(replace(PLAIN, looks=earlier(1440, is_denied=True)), again) == ["refused"]
        assert of(replace(PLAIN, looks=earlier(100)), again) == ["refused"]
        assert of(replace(PLAIN, looks=earlier(100, 200, is_denied=True))) == []


class TestStaff:
    """Who looks and who is looked at may know each other."""

    @pytest.mark.parametrize(
        ("names", "flag"),
        [
            ({"an"}, ["own_record"]),
            ({"An"}, ["own_record"]),
            ({"an", "an.second"}, ["own_record"]),
            ({"bo"}, ["colleague"]),
            (set(), []),
        ],
    )
    def test_on_the_list(self, names: set[str], flag: list[str]) -> None:
        """Under the name of who looks, however it is written; or under another."""
        assert of(replace(PLAIN, names=frozenset(names))) == flag


def test_outside_opening_hours() -> None:
    """It is four o'clock in the morning in Belgium."""
    assert of(limits=replace(LIMITS, hours=Hours.parse("mo-su 09:00-19:00"))) == ["outside_hours"]
    assert of(limits=replace(LIMITS, hours=Hours.parse("mo-su 04:00-05:00"))) == []


@pytest.mark.parametrize("case", ["", "because", "letter-", "a letter-118", "letter-118 x", "letter-118\n"])
def test_a_case_that_is_not_written_as_usual(case: str) -> None:
    """It must have the shape as a whole."""
    assert of(attempt=replace(AN, case=case)) == ["odd_case"]


class TestGround:
    """Something that the reason could match."""

    @pytest.mark.parametrize(
        ("tie", "has_ground"),
        [
            (None, False),
            (Tie(None, 0), True),
            (Tie(date(2026, 7, 1), 0), True),
            (Tie(date(2026, 6, 30), 0), False),
            (Tie(date(2026, 6, 30), 1), True),
            (Tie(date(2026, 6, 30), 0, is_on_hold=True), True),
            (Tie(None, 0, confirmed_at=NOW - timedelta(hours=23, minutes=59)), False),
            (Tie(None, 3, confirmed_at=NOW), False),
            (Tie(None, 0, confirmed_at=NOW - timedelta(hours=24)), True),
            (Tie(None, 0, is_on_hold=True, confirmed_at=NOW), True),
            (Tie(date(2026, 6, 30), 1, confirmed_at=NOW), False),
        ],
    )
    def test_what_there_is_to_ask_for(self, tie: Tie | None, has_ground: bool) -> None:
        """A membership, open items or a hold; and nothing to ask again for when it was confirmed today."""
        assert (of(replace(PLAIN, tie=tie)) == []) == has_ground
        assert of(replace(PLAIN, tie=tie)) in ([], ["no_ground"])

    def test_who_is_shown_an_answer_again_asks_nothing(self) -> None:
        """That the register confirmed it lately is why there is an answer; who has no tie is no one's to look at."""
        attempt = replace(AN, is_again=True)
        assert of(replace(PLAIN, tie=Tie(None, 0, confirmed_at=NOW)), attempt) == []
        assert of(replace(PLAIN, tie=Tie(date(2026, 6, 30), 0, confirmed_at=NOW)), attempt) == ["no_ground"]
        assert of(replace(PLAIN, tie=None), attempt) == ["no_ground"]

    @pytest.mark.parametrize(("at", "has_ground"), [("21:59:59", True), ("22:00:00", False)])
    def test_a_membership_ends_with_its_day_in_belgium(self, at: str, has_ground: bool) -> None:
        """At midnight there, not in Greenwich."""
        attempt = replace(AN, at=datetime.fromisoformat(f"2026-06-30T{at}Z"))
        assert (of(Traces(tie=Tie(date(2026, 6, 30), 0)), attempt) == []) == has_ground
