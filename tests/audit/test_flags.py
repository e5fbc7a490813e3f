"""Flags on entries: put there before they are committed, on what persons do and nothing else."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from sqlalchemy import event

from rrsync.core.anomaly import Limits
from rrsync.core.belgian_time import Hours
from rrsync.core.log_entry import Draft, Kind, decode
from rrsync.errors import LedgerError
from tests.audit.watched import DPO, Watched, flags_of, there, watch
from tests.support import Store, insz, member

OPEN = there("2026-07-01T10:00")


@pytest.fixture
def watched(store: Store) -> Watched:
    """Return a library of ten members that was never asked about them, on a Wednesday at ten."""
    store.take(*[member(serial) for serial in range(1, 11)])
    store.clock.now = OPEN
    limits = Limits(
        staff=3, per_hour=4, per_day=6, refused=2, hours=Hours.parse("mo-fr 09:00-19:00"), case=re.compile("letter-.+")
    )
    return watch(store, limits)


class TestMarking:
    """What stands out is marked."""

    def test_an_ordinary_look_is_left_as_it_is(self, watched: Watched) -> None:
        """Its entry has no flags at all."""
        draft = watched.draft()
        assert watched.oversight.flags.mark([draft]) == [draft]
        assert "flags" not in draft.body

    def test_a_flag_stands_on_the_entry(self, watched: Watched) -> None:
        """Beside all that the gate said, in bytes that are hashed."""
        watched.store.clock.now = there("2026-07-05T10:00")
        assert watched.marked(watched.draft(case="because")) == [["odd_case", "outside_hours"]]
        (data,) = (data for _, data in watched.store.ledger.entries("hasselt"))
        line = decode(data)
        assert line["flags"] == ["odd_case", "outside_hours"]
        assert (line["actor"], line["why"]) == ({"t": "person", "id": "an"}, {"code": "desk", "case": "because"})

    def test_every_rule(self, watched: Watched) -> None:
        """From what the log and the tables say, each in its turn."""
        staff = watched.oversight.staff
        staff.add("hasselt", "an", insz(1), actor=DPO)
        staff.add("hasselt", "bo", insz(2), actor=DPO)
        assert watched.marked(watched.draft(1)) == [["own_record"]]
        assert watched.marked(watched.draft(2)) == [["colleague"]]
        assert watched.marked(watched.draft(99, by="dre")) == [["no_ground"]]
        assert watched.marked(watched.draft(3), watched.draft(4)) == [[], ["many_lookups"]]
        assert watched.marked(watched.draft(3, by="bo"), watched.draft(3, by="cis")) == [[], ["many_staff"]]
        assert watched.marked(watched.draft(5, by="elf", is_denied=True)) == [["refused"]]
        watched.store.clock.pass_by(minutes=5)
        assert watched.marked(watched.draft(5, by="elf", is_denied=True)) == [["many_refused", "refused"]]

    def test_looks_that_are_logged_together_see_each_other(self, watched: Watched) -> None:
        """As if they had been logged one by one."""
        drafts = [watched.draft(serial, by=by) for by in ("an", "bo", "cis") for serial in (1, 2, 3, 4)]
        together = [flags_of(draft) for draft in watched.oversight.flags.mark(drafts)]
        apart = [watched.marked(draft)[0] for draft in drafts]
        assert together == apart
        assert together[3] == ["many_lookups"]
        assert together[8] == ["many_staff"]

    def test_each_library_has_its_own_limits(self, watched: Watched) -> None:
        """One that sets none has the usual ones, and its own members."""
        watched.store.take(member(1, library="genk"))
        watched.store.clock.now = there("2026-07-05T03:00")
        assert watched.marked(watched.draft(1, case="x", library="genk")) == [[]]

    def test_a_look_tried_again_gets_the_same_flags(self, watched: Watched) -> None:
        """A try is not a look more."""
        for _ in range(8):
            assert watched.marked(watched.draft(1)) == [[]]
            watched.store.clock.pass_by(seconds=7)

    def test_after_a_day_it_is_no_longer_many(self, watched: Watched) -> None:
        """What was done before counts as long as the rule says."""
        assert watched.marked(*[watched.draft(serial) for serial in range(1, 7)])[-1] == ["many_lookups"]
        watched.store.clock.pass_by(hours=1)
        assert watched.marked(watched.draft(7)) == [["many_lookups"]]
        watched.store.clock.pass_by(hours=23)
        assert watched.marked(watched.draft(8)) == [[]]


class TestNobody:
    """What is not looked at."""

    def test_a_process_costs_nothing(self, watched: Watched) -> None:
        """Not one query, and no flag, whatever the hour."""
        asked: list[str] = []

        def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
            asked.append(statement)

        event.listen(watched.store.database.engine, "before_cursor_execute", note)
        watched.store.clock.now = there("2026-07-05T03:00")
        drafts = [watched.draft(99, by="rrsync night", actor="process", is_denied=denied) for denied in (False, True)]
        drafts += [
            Draft("hasselt", Kind.OUTCOME, "watched-0", insz(1), body={"out": {"status": "ok"}}),
            Draft("hasselt", Kind.VIEW, "", insz(1), body={"actor": {"t": "person", "id": "an"}}),
            Draft("hasselt", Kind.DENIED, "odd", None, body={"actor": {"t": "person", "id": "an"}}),
        ]
        assert watched.oversight.flags.mark(drafts) == drafts
        assert not asked

    def test_a_look_without_a_reason_is_a_look(self, watched: Watched) -> None:
        """Its case is none, which is odd."""
        draft = Draft("hasselt", Kind.INTENT, "bare", insz(1), body={"actor": {"t": "person", "id": "an"}})
        assert watched.marked(draft) == [["odd_case"]]


class TestFailing:
    """What cannot be judged is not let through."""

    @pytest.mark.parametrize("is_denied", [False, True])
    def test_without_the_facts_nothing_is_logged(self, watched: Watched, is_denied: bool) -> None:
        """Not one of those that came together, marked or not."""
        watched.store.execute("ALTER TABLE staff RENAME TO away")
        drafts = [watched.draft(1, actor="process"), watched.draft(2, is_denied=is_denied)]
        with pytest.raises(LedgerError):
            watched.marked(*drafts)
        assert watched.store.counts()["entry"] == 0

    def test_a_process_asks_on(self, watched: Watched) -> None:
        """It is not judged, so it does not wait for what judges."""
        watched.store.execute("ALTER TABLE staff RENAME TO away")
        assert watched.marked(watched.draft(1, actor="process")) == [[]]


def test_at_new_year_the_week_before_still_counts(watched: Watched) -> None:
    """Though everybody has another pseudonym."""
    watched.store.clock.now = there("2026-12-31T10:00")
    watched.marked(watched.draft(1, by="bo"), watched.draft(1, by="cis"))
    watched.store.clock.now += timedelta(days=2)
    assert watched.marked(watched.draft(1, by="an", case="letter-2")) == [["many_staff", "outside_hours"]]
