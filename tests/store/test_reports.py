"""Operating figures, counts of accesses, and the history of runs."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from rrsync.core.compare import Change, Hold, Same
from rrsync.core.exchange import Reason
from rrsync.core.log_entry import Draft, Kind
from rrsync.core.planning import Plan
from rrsync.errors import BrokenChain
from rrsync.store.reports import AccessCounts, AccessGroup, OperatingCounts, RunHistory, SubscriptionCounts
from rrsync.store.subscriptions import SubscriptionState, note_subscription
from rrsync.store.tables import utc_text
from tests.owner import unguard
from tests.store.scene import ON_SQLITE, log_access, record
from tests.support import NOW, Store, held, insz, intent, member

TODAY = NOW.date()


@pytest.fixture
def census(store: Store) -> OperatingCounts:
    return OperatingCounts(store.database)


def test_open_holds_are_counted_by_library(store: Store, census: OperatingCounts) -> None:
    store.take(member(1), member(2), member(3))
    store.take(member(1, library="genk"))
    assert census.holds(["hasselt", "genk"]) == 0
    for number in ("M0001", "M0002"):
        record(store, number, Hold(Reason.DECEASED))
    record(store, "M0001", Hold(Reason.DECEASED), library="genk")
    record(store, "M0002", Same(held()))
    assert [census.holds(each) for each in (["hasselt"], ["genk"], ["hasselt", "genk"], [])] == [1, 1, 2, 0]


def test_subscriptions_are_counted_by_state(store: Store, census: OperatingCounts) -> None:
    left = TODAY - timedelta(days=1)
    store.take(
        member(1),
        member(2),
        member(3),
        member(4, membership_end=left),
        member(5, membership_end=left, open_items=1),
        member(6, membership_end=TODAY),
        member(7, insz=None),
    )
    store.take(member(1, library="genk"))
    assert census.subscribed(["genk"], today=TODAY) == [SubscriptionCounts("genk", 0, 0, 0, 1)]
    with store.database.write() as session:
        for serial, state in enumerate(
            (SubscriptionState.OPEN, SubscriptionState.ENDING, SubscriptionState.ENDED, SubscriptionState.REFUSED),
            start=1,
        ):
            note_subscription(session, store.rows, "hasselt", insz(serial), state, at=NOW)
        note_subscription(session, store.rows, "hasselt", insz(9), SubscriptionState.OPEN, at=NOW)
    assert census.subscribed(["hasselt", "genk"], today=TODAY) == [
        SubscriptionCounts("hasselt", 2, 1, 1, 4),
        SubscriptionCounts("genk", 0, 0, 0, 1),
    ]


def test_queries_are_counted_since_a_time(store: Store, census: OperatingCounts) -> None:
    assert census.questions(["hasselt"], since=NOW) == 0
    store.take(*(member(serial) for serial in range(1, 10)))
    for serial in range(1, 10):
        record(store, f"M000{serial}", Same(held()))
        store.clock.pass_by(minutes=10)
    store.ledger.append([intent("lone", subject=insz(1))])
    store.ledger.append([intent("other", subject=insz(1), library="genk")])
    wanted = [(0, 10), (5, 9), (10, 9), (30, 7), (80, 2), (81, 1), (90, 1), (91, 0)]
    for minutes, count in wanted:
        assert census.questions(["hasselt"], since=NOW + timedelta(minutes=minutes)) == count, minutes
    assert census.questions(["hasselt", "genk"], since=NOW) == 11


def test_a_gap_in_the_log_is_an_error(store: Store, census: OperatingCounts) -> None:
    store.ledger.append([intent(f"ref-{at}") for at in range(8)])
    unguard(store)
    store.execute("DELETE FROM entry WHERE seq = 4")
    with pytest.raises(BrokenChain, match="Entry 4 of"):
        census.questions(["hasselt"], since=NOW)


def owner_executes(store: Store, statement: str) -> None:
    """Change one row as the owner of the database, without the triggers."""
    unguard(store)
    assert store.execute(statement) == 1


def test_accesses_are_counted_by_hour_person_and_purpose(store: Store) -> None:
    log_access(store)
    log_access(store, kind=Kind.DENIED)
    log_access(store, kind=Kind.VIEW)
    log_access(store, kind=Kind.REUSE)
    log_access(store, purpose="member-administration", by="rrsync night", actor="process")
    store.clock.pass_by(minutes=59)
    log_access(store, by="bo")
    store.clock.pass_by(minutes=1)
    log_access(store, by="bo")
    later = NOW + timedelta(hours=1)
    assert AccessCounts(store.database).since("hasselt", NOW) == Counter(
        {
            AccessGroup(NOW, "an", "desk"): 3,
            AccessGroup(NOW, "", "member-administration"): 1,
            AccessGroup(NOW, "bo", "desk"): 1,
            AccessGroup(later, "bo", "desk"): 1,
        }
    )
    assert AccessCounts(store.database).since("hasselt", later).total() == 1


def test_a_new_log_has_no_accesses(store: Store) -> None:
    tally = AccessCounts(store.database)
    assert not tally.since("hasselt", NOW)
    log_access(store)
    assert tally.since("hasselt", NOW).total() == 1
    assert not tally.since("genk", NOW)


def test_a_later_count_adds_the_new_entries(store: Store) -> None:
    tally = AccessCounts(store.database)
    for _ in range(3):
        log_access(store)
        store.clock.pass_by(days=1)
    assert tally.since("hasselt", NOW).total() == 3
    assert tally.since("hasselt", NOW + timedelta(days=1)).total() == 2
    log_access(store)
    assert tally.since("hasselt", NOW + timedelta(days=3)).total() == 1
    assert tally.since("hasselt", NOW - timedelta(days=7)).total() == 4


def test_each_entry_is_counted_once_in_a_process(store: Store) -> None:
    tally = AccessCounts(store.database)
    log_access(store)
    assert tally.since("hasselt", NOW).total() == 1
    owner_executes(store, "UPDATE entry SET kind = 'log.view' WHERE seq = 0")
    log_access(store)
    assert tally.since("hasselt", NOW).total() == 2
    assert AccessCounts(store.database).since("hasselt", NOW).total() == 1


def test_a_clock_set_back_by_a_week_loses_no_access(store: Store) -> None:
    store.clock.pass_by(days=6)
    log_access(store)
    store.clock.pass_by(days=-6)
    log_access(store, by="bo")
    tally = AccessCounts(store.database)
    assert tally.since("hasselt", NOW).total() == 2
    assert list(tally.since("hasselt", NOW + timedelta(days=1))) == [AccessGroup(NOW + timedelta(days=6), "an", "desk")]


def test_a_restored_backup_is_counted_anew(store: Store) -> None:
    tally = AccessCounts(store.database)
    log_access(store)
    log_access(store, by="bo")
    assert tally.since("hasselt", NOW).total() == 2
    unguard(store)
    store.execute("DELETE FROM entry WHERE seq = 1")
    store.execute("UPDATE log SET size = 1")
    assert list(tally.since("hasselt", NOW)) == [AccessGroup(NOW, "an", "desk")]


@pytest.mark.parametrize("text", ["no entry", "[]x", "\\xff"])
def test_an_unreadable_entry_is_an_error(store: Store, text: str) -> None:
    log_access(store)
    data = "X'FF'" if store.database.is_sqlite else r"'\xff'::bytea"
    if text != "\\xff":
        data = f"CAST('{text}' AS BLOB)" if store.database.is_sqlite else f"convert_to('{text}', 'UTF8')"
    owner_executes(store, f"UPDATE entry SET data = {data} WHERE seq = 0")
    with pytest.raises(BrokenChain, match="cannot be counted"):
        AccessCounts(store.database).since("hasselt", NOW)


@ON_SQLITE
@pytest.mark.parametrize("seq", range(4))
def test_an_invalid_time_is_an_error(store: Store, seq: int) -> None:
    for _ in range(4):
        log_access(store)
    owner_executes(store, f"UPDATE entry SET at = 'yesterday' WHERE seq = {seq}")
    with pytest.raises(BrokenChain, match="cannot be"):
        AccessCounts(store.database).since("hasselt", NOW)


BOTH = ["genk", "hasselt"]


@pytest.fixture
def journal(store: Store) -> RunHistory:
    return RunHistory(store.database, store.clock, BOTH)


def open_run(store: Store, run: str, libraries: list[str] | None = None) -> str:
    """Open a run as the nightly job does."""
    chosen = libraries or ["hasselt"]
    found = store.runs.open(chosen, Plan(NOW.date(), None, frozenset()), new_id=run, at=store.clock()).id
    store.ledger.append([Draft(library, Kind.RUN_OPEN, "", run=found) for library in chosen])
    return found


def close_run(
    store: Store, run: str, libraries: list[str] | None = None, *, stopped: str = "", over: bool = True
) -> None:
    """Close a run as the nightly job does, and finish it if it is over."""
    chosen = libraries or ["hasselt"]
    body = {"asked": 0, "open": 0} | ({"stopped": stopped} if stopped else {})
    store.ledger.append([Draft(library, Kind.RUN_CLOSE, "", run=run, body=body) for library in chosen])
    if over:
        store.runs.end(run, chosen, at=store.clock())


def test_a_run_is_begun_then_closed_then_finished(store: Store, journal: RunHistory) -> None:
    store.take(member(1))
    assert journal.runs(BOTH, most=9) == []
    open_run(store, "run-1")
    (run_record,) = journal.runs(BOTH, most=9)
    assert (run_record.id, run_record.is_begun, run_record.is_last, run_record.closed_at, run_record.ended_at) == (
        "run-1",
        True,
        True,
        None,
        None,
    )
    close_run(store, "run-1", stopped="breaker", over=False)
    (run_record,) = journal.runs(BOTH, most=9)
    assert (run_record.is_begun, run_record.stopped, run_record.closed_at, run_record.ended_at) == (
        False,
        "breaker",
        NOW,
        None,
    )
    open_run(store, "run-2")
    (run_record,) = journal.runs(BOTH, most=9)
    assert (run_record.id, run_record.is_begun, run_record.stopped) == ("run-1", True, "")
    store.clock.pass_by(hours=1)
    close_run(store, "run-1")
    (run_record,) = journal.runs(BOTH, most=9)
    assert (run_record.is_begun, run_record.stopped) == (False, "")
    assert run_record.closed_at == run_record.ended_at == NOW + timedelta(hours=1)
    assert journal.find("run-1", ["hasselt"]) == journal.runs(["hasselt"], most=9)[0]


def test_a_library_sees_its_own_runs(store: Store, journal: RunHistory) -> None:
    for day, libraries in enumerate((["hasselt"], ["genk"], BOTH, ["hasselt"])):
        store.clock.now = NOW + timedelta(days=day)
        store.take(*(member(10 * day + 1, library=library) for library in libraries))
        open_run(store, f"run-{day}", libraries)
        close_run(store, f"run-{day}", libraries)
    assert [run_record.id for run_record in journal.runs(["hasselt"], most=9)] == ["run-3", "run-2", "run-0"]
    assert [run_record.id for run_record in journal.runs(["genk"], most=9)] == ["run-2", "run-1"]
    assert [run_record.id for run_record in journal.runs(BOTH, most=3)] == ["run-3", "run-2", "run-1"]
    assert journal.find("run-1", ["hasselt"]) is None
    assert journal.find("run-1", BOTH) is not None
    assert journal.find("no-run", BOTH) is None
    assert journal.runs([], most=9) == []


def test_the_newest_event_of_any_library_counts(store: Store, journal: RunHistory) -> None:
    store.take(member(1), member(2, library="genk"))
    open_run(store, "run-1", BOTH)
    close_run(store, "run-1", BOTH, stopped="mass_change", over=False)
    store.clock.pass_by(hours=1)
    open_run(store, "run-1", ["hasselt"])
    found = {who[0]: journal.find("run-1", list(who)) for who in (("genk",), ("hasselt",), ("both", *BOTH))}
    assert [bool(one and one.is_begun) for one in found.values()] == [False, True, True]
    assert [one.stopped if one else None for one in found.values()] == ["mass_change", "", ""]


def test_a_killed_run_is_not_the_newest_after_another_was_opened(store: Store, journal: RunHistory) -> None:
    store.take(member(1), member(2, library="genk"))
    open_run(store, "run-1", ["hasselt"])
    store.clock.pass_by(hours=1)
    open_run(store, "run-2", ["genk"])
    mine, other = journal.find("run-1", ["hasselt"]), journal.find("run-2", ["genk"])
    assert mine is not None
    assert other is not None
    assert (mine.is_begun, mine.is_last, other.is_begun, other.is_last) == (True, False, True, True)


def test_an_unreadable_close_event_is_an_error(store: Store, journal: RunHistory) -> None:
    store.take(member(1))
    close_run(store, open_run(store, "run-1"))
    unguard(store)
    store.execute("UPDATE entry SET data = :junk WHERE kind = 'run.close'", junk=b"junk")
    for read in (lambda: journal.runs(BOTH, most=1), lambda: journal.find("run-1", BOTH)):
        with pytest.raises(BrokenChain, match="of hasselt cannot be read"):
            read()


def test_mass_change_holds_are_those_of_the_run_that_are_open(store: Store, journal: RunHistory) -> None:
    store.take(*(member(serial) for serial in range(1, 6)))
    run = open_run(store, "run-1")
    mass_change = Hold(Reason.MASS_CHANGE, held("99"))
    for serial in (1, 2, 3):
        record(store, f"M000{serial}", mass_change, run=run)
    record(store, "M0004", Hold(Reason.DECEASED), run=run)
    holds = {hold.number: hold for hold in store.holds.open()}
    of_run = [holds[f"M000{serial}"].id for serial in (1, 2, 3)]
    assert list(journal.held(run, BOTH)) == of_run
    assert list(journal.held(run, ["genk"])) == []
    assert list(journal.held("run-2", BOTH)) == []
    record(store, "M0001", mass_change, run="run-2")
    record(store, "M0002", Change(held(), held("99")))
    assert list(journal.held(run, BOTH)) == of_run[2:]
    assert list(journal.held("run-2", BOTH)) == of_run[:1]
    assert [journal.count_held(name, BOTH) for name in (run, "run-2", "run-3")] == [1, 1, 0]
    assert journal.count_held(run, ["genk"]) == 0


def test_mass_change_holds_are_streamed_in_pages(
    store: Store, journal: RunHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rrsync.store.reports._PAGE", 2)
    store.take(*(member(serial) for serial in range(1, 6)))
    run = open_run(store, "run-1")
    for serial in range(1, 6):
        record(store, f"M000{serial}", Hold(Reason.MASS_CHANGE, held("99")), run=run)
    seen = []
    for number in journal.held(run, ["hasselt"]):
        seen.append(number)
        record(store, next(hold for hold in store.holds.open() if hold.id == number).number, Same(held()))
    assert len(seen) == 5
    assert list(journal.held(run, ["hasselt"])) == []


def test_the_time_of_a_run_is_utc(store: Store) -> None:
    store.execute(f"INSERT INTO run (id, opened_at, mass_change) VALUES ('run-1', '{utc_text(NOW)}', false)")
    store.ledger.append([Draft("hasselt", Kind.RUN_OPEN, "", run="run-1")])
    found = RunHistory(store.database, store.clock, BOTH).find("run-1", BOTH)
    assert found is not None
    assert found.opened_at == NOW
