"""The search of the access log: accesses with their outcomes, events, and the positions of times."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import select

from rrsync.core.log_entry import Access, Draft, Kind
from rrsync.errors import BrokenChain
from rrsync.store.log_search import AccessFilter, LogSearch, _byte_filters
from rrsync.store.tables import EntryRow
from tests.owner import unguard
from tests.store.scene import ON_SQLITE, entries, log_access, plans
from tests.support import NOW, Store, insz

_EXAMPLES = count(1)
NIGHT = "rrsync night"
PURPOSES = ("desk", "desks", 'a "b" \\ c', "50%_é", "status")
HOURS = st.lists(st.integers(-167, 400), max_size=30)


def look(
    store: Store, serial: int = 1, *, by: str = "", status: str | None = "ok", denial: str = "", **more: str
) -> int:
    """Log an access by a person or by the nightly job; return its position."""
    who = {"by": by} if by else {"by": NIGHT, "actor": "process"}
    kind = Kind.DENIED if denial else Kind.INTENT
    return log_access(store, serial, kind=kind, status="" if denial or not status else status, **who, **more)


def event_entry(store: Store, kind: Kind, *, serial: int | None = None) -> int:
    """Log an entry that is not an access; return its position."""
    with store.ledger.writing() as session:
        return store.ledger.append_in(session, [Draft("hasselt", kind, "", insz(serial) if serial else None)])[0]


def accesses(store: Store, **wanted: Any) -> list[Access]:
    """Return the accesses that a search finds."""
    return list(LogSearch(store.database).accesses(AccessFilter(**({"library": "hasselt"} | wanted))))


def found(store: Store, **wanted: Any) -> list[int]:
    """Return the positions of the accesses that a search finds."""
    return [one.seq for one in accesses(store, **wanted)]


def pseudonyms(store: Store, serial: int) -> tuple[bytes, ...]:
    """Return the pseudonyms of a person in the log."""
    return tuple(store.ledger.pseudonyms("hasselt", insz(serial)))


def test_an_access_is_joined_with_its_outcome(store: Store) -> None:
    first = look(store, 1, by="an", status=None)
    look(store, 2)
    reference = str(entries(store)[first]["ref"])
    store.ledger.append([Draft("hasselt", Kind.OUTCOME, reference, insz(1), body={"out": {"status": "no_reply"}})])
    found = accesses(store)
    assert [(one.seq, one.outcome_seq, one.status) for one in found] == [(first, 3, "no_reply"), (1, 2, "ok")]
    assert (found[0].actor.name, found[0].purpose, found[0].at) == ("an", "desk", NOW)


def test_events_and_other_libraries_are_not_found(store: Store) -> None:
    event_entry(store, Kind.RUN_OPEN)
    only = look(store, 1)
    look(store, 1, library="genk")
    event_entry(store, Kind.VIEW, serial=1)
    assert found(store) == [only]
    assert found(store, library="nowhere") == []


def test_by_staff(store: Store) -> None:
    ans = [look(store, 1, by="an"), look(store, 2, by="an", denial="no purpose")]
    look(store, 1, by="bo")
    look(store, 1, by="An")
    look(store, 1)
    assert found(store, actor="an") == ans
    assert found(store, actor="rrsync night") == []


def test_by_persons_only(store: Store) -> None:
    look(store, 1)
    people = [look(store, 1, by="an"), look(store, 2, by="bo", status=None)]
    look(store, 3)
    assert found(store, persons_only=True) == people


def test_by_member_over_the_years(store: Store) -> None:
    looks = [look(store, 1)]
    look(store, 2)
    store.clock.pass_by(days=365)
    looks.append(look(store, 1, by="an", denial="no purpose"))
    assert found(store, subjects=pseudonyms(store, 1)) == looks
    assert found(store, subjects=pseudonyms(store, 1), actor="an") == looks[1:]
    assert found(store, subjects=pseudonyms(store, 3)) == []
    assert found(store, subjects=()) == []


@pytest.mark.parametrize(
    ("status", "places"), [("ok", [0]), ("refused", [2]), ("denied", [4]), ("open", [5]), ("no_reply", [])]
)
def test_by_how_it_ended(store: Store, status: str, places: list[int]) -> None:
    look(store, 1)
    look(store, 1, status="refused")
    look(store, 1, denial="the authorisation ended")
    look(store, 1, status=None)
    assert found(store, status=status) == places


def test_by_purpose(store: Store) -> None:
    look(store, 1, purpose="member-administration")
    asked = look(store, 1, purpose="desk")
    assert found(store, purpose="desk") == [asked]


def test_by_time(store: Store) -> None:
    places = []
    for _ in range(4):
        places.append(look(store, 1))
        store.clock.pass_by(hours=1)
    since, until = NOW + timedelta(hours=1), NOW + timedelta(hours=3)
    assert found(store, since=since, until=until) == places[1:3]
    assert found(store, since=since) == places[1:]
    assert found(store, until=until) == places[:3]
    assert found(store, since=since, until=until, subjects=pseudonyms(store, 1)) == places[1:3]


def test_a_clock_that_was_set_back_hides_nothing(store: Store) -> None:
    places = []
    for hours in (5, 6, -90, 7, 8):
        store.clock.now = NOW + timedelta(hours=hours)
        places.append(look(store, 1))
    assert found(store, since=NOW) == [places[at] for at in (0, 1, 3, 4)]


def test_the_last_ones(store: Store) -> None:
    places = [look(store, serial % 3 + 1, by="an" if serial % 2 else "") for serial in range(9)]
    assert found(store, last=2) == places[-2:]
    assert found(store, last=100) == places
    assert found(store, last=2, actor="an") == [places[5], places[7]]
    assert found(store, last=1, subjects=pseudonyms(store, 2)) == [places[7]]


def test_entries_from_before_schema_0002_are_found_by_staff(store: Store) -> None:
    places = [look(store, 1, by="an"), look(store, 1), look(store, 1, by="bo")]
    unguard(store)
    store.execute("UPDATE entry SET actor = '', mac = NULL")
    places.append(look(store, 1, by="an"))
    assert found(store, actor="an") == [places[0], places[3]]
    assert found(store, persons_only=True) == [places[0], places[2], places[3]]


@pytest.mark.parametrize("data", [b"{", b'{"ts":"yesterday"}'])
def test_an_unreadable_entry_is_named(store: Store, data: bytes) -> None:
    place = look(store, 1)
    unguard(store)
    store.execute("UPDATE entry SET data = :data WHERE seq = :seq", data=data, seq=place)
    with pytest.raises(BrokenChain, match="Entry 0 of"):
        found(store)
    with pytest.raises(BrokenChain, match="Entry 0 of"):
        LogSearch(store.database).forgotten("hasselt")


def test_an_access_is_found_by_any_of_its_entries(store: Store) -> None:
    look(store, 1, by="an")
    look(store, 1, denial="no purpose")
    event_entry(store, Kind.VIEW)
    asked, same, denied = (LogSearch(store.database).find("hasselt", seq) for seq in range(3))
    assert asked == same
    assert asked is not None
    assert (asked.seq, asked.outcome_seq, asked.actor.name) == (0, 1, "an")
    assert denied is not None
    assert (denied.seq, denied.status) == (2, "denied")
    assert [LogSearch(store.database).find("hasselt", seq) for seq in (3, 4)] == [None, None]
    assert LogSearch(store.database).find("genk", 0) is None


def test_events_by_kind_time_and_person(store: Store) -> None:
    look(store, 1)
    first, second = event_entry(store, Kind.VIEW, serial=1), event_entry(store, Kind.RUN_OPEN)
    store.clock.pass_by(hours=1)
    third = event_entry(store, Kind.VIEW, serial=2)

    def found(*kinds: Kind, **more: object) -> list[int]:
        return [seq for seq, _ in LogSearch(store.database).deeds("hasselt", kinds, **more)]  # type: ignore[arg-type]

    assert found(Kind.VIEW) == [first, third]
    assert found(Kind.VIEW, Kind.RUN_OPEN) == [first, second, third]
    assert found(Kind.VIEW, Kind.RUN_OPEN, since=NOW + timedelta(seconds=1)) == [third]
    assert found(Kind.VIEW, Kind.RUN_OPEN, until=NOW + timedelta(seconds=1)) == [first, second]
    assert found(Kind.VIEW, Kind.RUN_OPEN, subjects=pseudonyms(store, 2)) == [third]
    assert found(Kind.EXPORT) == []
    ((_, line),) = LogSearch(store.database).deeds("hasselt", [Kind.RUN_OPEN])
    assert (line["kind"], line["seq"]) == ("run.open", second)


@pytest.mark.parametrize("kind", [Kind.INTENT, Kind.OUTCOME, Kind.DENIED])
def test_an_access_kind_is_refused_in_a_search_for_events(store: Store, kind: Kind) -> None:
    with pytest.raises(ValueError, match="accesses"):
        next(LogSearch(store.database).deeds("hasselt", [Kind.VIEW, kind]))


def test_forgotten_years_are_those_that_named_people(store: Store) -> None:
    assert LogSearch(store.database).forgotten("hasselt") == []
    look(store, 1)
    for year in (2027, 2028, 2029):
        store.clock.now = datetime.fromisoformat(f"{year}-05-01T00:00Z")
        event_entry(store, Kind.RUN_OPEN, serial=None if year == 2028 else 1)
    assert LogSearch(store.database).forgotten("hasselt") == []
    store.execute("DELETE FROM log_key WHERE year < 2029")
    assert LogSearch(store.database).forgotten("hasselt") == [2026, 2027]


def test_pages_lose_and_repeat_nothing(store: Store) -> None:
    drafts = [
        Draft("hasselt", Kind.DENIED, f"r{number}", insz(1), body={"actor": {"t": "person", "id": "an"}})
        for number in range(2_001)
    ]
    store.ledger.append(drafts)
    for wanted in ({}, {"actor": "an"}, {"subjects": pseudonyms(store, 1)}):
        assert found(store, **wanted) == list(range(2_001))
        assert found(store, last=1_500, **wanted) == list(range(501, 2_001))


def test_a_search_keeps_one_page_in_memory(store: Store) -> None:
    for batch in range(5):
        named = [f"r{batch}-{number}" for number in range(2_000)]
        kinds = (Kind.INTENT, Kind.OUTCOME)
        store.ledger.append([Draft("hasselt", kind, name, insz(1)) for kind in kinds for name in named])
    tracemalloc.start()
    assert sum(1 for _ in LogSearch(store.database).accesses(AccessFilter("hasselt"))) == 10_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8_000_000


@ON_SQLITE  # the plan of PostgreSQL depends on its statistics
def test_a_search_uses_the_indexes(store: Store) -> None:
    look(store, 1, by="an")
    searches: list[tuple[str, Callable[[], object]]] = [
        ("entry_actor", lambda: found(store, actor="an")),
        ("entry_actor", lambda: found(store, persons_only=True)),
        ("entry_subject", lambda: found(store, subjects=pseudonyms(store, 1))),
        ("entry_deed", lambda: list(LogSearch(store.database).deeds("hasselt", [Kind.VIEW]))),
    ]
    for index, search in searches:
        used = "\n".join(plans(store, search))
        assert f"INDEX {index} (" in used
        assert "entry_reference (library=? AND reference=? AND kind=?)" in used or index == "entry_deed"
        assert "SCAN entry" not in used


def test_the_search_of_another_process_finds_the_same(store: Store) -> None:
    look(store, 1, by="an")
    assert list(LogSearch(store.again().database).accesses(AccessFilter("hasselt"))) == accesses(store)


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_purpose_is_found_as_it_is_written(store: Store, purpose: str) -> None:
    places = {each: look(store, purpose=each) for each in PURPOSES}
    assert found(store, purpose=purpose) == [places[purpose]]
    assert found(store, purpose=purpose, last=5) == [places[purpose]]


def test_a_status_is_found_in_its_own_field_only(store: Store) -> None:
    fine, away = look(store, case='"status":"no_reply"'), look(store, status="no_reply")
    denied, unended = look(store, denial="no purpose"), look(store, status=None)
    assert found(store, status="ok") == [fine]
    assert found(store, status="no_reply") == [away]
    assert found(store, status="denied") == [denied]
    assert found(store, status="open") == [unended]
    assert found(store, status="reused") == []
    assert found(store, status="no_reply", purpose="desk", last=1) == [away]


def test_a_search_for_open_accesses_reads_no_ended_ones(store: Store) -> None:
    look(store)
    unended = look(store, status=None)
    look(store, status=None, library="genk")
    look(store)
    conditions = _byte_filters("hasselt", purpose="", status="open", is_sqlite=store.database.is_sqlite)
    with store.database.read() as session:
        places = session.exec(select(EntryRow.seq).where(EntryRow.library == "hasselt", *conditions)).all()
    assert places == [unended]


def test_flagged_accesses_only(store: Store) -> None:
    look(store)
    flagged = [log_access(store, 1, "colleague"), log_access(store, 1, "refused", "odd_case")]
    assert found(store, flagged=True) == flagged
    assert found(store, flagged=True, last=1) == flagged[1:]
    assert found(store, flagged=True, before=flagged[1]) == flagged[:1]


def test_accesses_before_an_entry(store: Store) -> None:
    places = [look(store, by="an") for _ in range(4)]
    for more in ({}, {"actor": "an"}):
        assert found(store, before=places[3], last=2, **more) == places[1:3]
        assert found(store, before=places[0], **more) == []


def test_the_last_event_of_a_kind(store: Store) -> None:
    assert LogSearch(store.database).last_deed("hasselt", Kind.VERIFY) is None
    for size in (1, 2):
        store.ledger.append([Draft("hasselt", Kind.VERIFY, "", body={"verify": {"size": size}})])
        look(store)
    store.ledger.append([Draft("genk", Kind.VERIFY, "", body={"verify": {"size": 3}})])
    last = LogSearch(store.database).last_deed("hasselt", Kind.VERIFY)
    assert last is not None
    assert (last[0], last[1]["verify"]) == (3, {"size": 2})


def test_kept_messages_are_found(store: Store) -> None:
    for status, is_kept in (("ok", False), ("no_reply", True)):
        access = LogSearch(store.database).find("hasselt", look(store, status=status))
        assert access is not None
        assert LogSearch(store.database).has_messages(access) is is_kept


@given(hours=HOURS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_first_entry_of_a_time_is_found_though_the_clock_was_set_back_by_a_week(
    shared_store: Store, hours: list[int]
) -> None:
    library, true_time, times = f"library-{next(_EXAMPLES)}", NOW, list[datetime]()
    for passed in hours:
        true_time += timedelta(hours=max(0, passed))
        shared_store.clock.now = true_time + timedelta(hours=min(0, passed))
        times.append(shared_store.clock.now)
        shared_store.ledger.append([Draft(library, Kind.RUN_OPEN, "")])
    for at in [*times, NOW, NOW + timedelta(days=3), NOW + timedelta(days=600)]:
        first = next((seq for seq, written in enumerate(times) if written >= at), len(times))
        assert LogSearch(shared_store.database).first(library, at) == first


def test_a_new_log_has_its_first_entry_at_its_end(store: Store) -> None:
    assert LogSearch(store.database).first("hasselt", NOW) == 0


def test_a_gap_in_the_log_is_an_error(store: Store) -> None:
    for _ in range(3):
        log_access(store)
    unguard(store)
    store.execute("DELETE FROM entry WHERE seq = 1")
    with pytest.raises(BrokenChain, match="Entry 1 of"):
        LogSearch(store.database).first("hasselt", NOW)


def test_the_accesses_of_persons_in_a_span_have_their_flags(store: Store) -> None:
    log_access(store, 1, "refused")
    log_access(store, 1, "odd_case", "own_record", kind=Kind.DENIED)
    log_access(store, by="rrsync night", actor="process")
    log_access(store, kind=Kind.VIEW)
    log_access(store)
    log_access(store)
    looks = LogSearch(store.database)
    assert looks.flags("hasselt", range(1, 5)) == {1: ("odd_case", "own_record"), 4: ()}
    assert list(looks.flags("hasselt", range(6))) == [0, 1, 4, 5]
    assert looks.flags("hasselt", range(0)) == looks.flags("genk", range(6)) == {}


def test_the_flags_of_entries_from_before_schema_0002_are_found(store: Store) -> None:
    log_access(store)
    log_access(store, by="rrsync night", actor="process")
    unguard(store)
    store.execute("UPDATE entry SET actor = '', mac = NULL")
    log_access(store)
    assert list(LogSearch(store.database).flags("hasselt", range(9))) == [0, 2]


def test_the_flags_of_an_unreadable_entry_are_an_error(store: Store) -> None:
    log_access(store)
    unguard(store)
    store.execute("UPDATE entry SET data = :data", data=b"{")
    with pytest.raises(BrokenChain, match="Entry 0 of"):
        LogSearch(store.database).flags("hasselt", range(1))
