"""The staff lists, and the facts that the anomaly rules get about a query."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from rrsync.core.anomaly import Attempt, Tie, Traces
from rrsync.core.compare import Change, Hold, Same
from rrsync.core.exchange import Reason
from rrsync.core.log_entry import Draft, Kind
from rrsync.errors import ConfigError, LedgerError
from rrsync.store.encryption import SubjectKeys
from rrsync.store.staff import AnomalyFacts, StaffList, names_of
from tests.store.scene import AN, DPO, ON_SQLITE, entries, log_access, plans, record
from tests.support import NOW, Dice, Store, held, insz, member


@pytest.fixture
def staff(store: Store) -> StaffList:
    return StaffList(store.database, store.seal, store.ledger)


def _names_of(store: Store, serial: int, library: str = "hasselt") -> set[str]:
    with store.database.read() as session:
        return set(names_of(session, store.seal, library, insz(serial)))


def test_an_added_person_is_found_by_number_under_each_name(store: Store, staff: StaffList) -> None:
    for library, name, serial in (
        ("hasselt", "bo", 2),
        ("hasselt", "an", 1),
        ("hasselt", "an.2", 1),
        ("genk", "cis", 1),
    ):
        staff.add(library, name, insz(serial), actor=DPO)
    assert (staff.names("hasselt"), staff.names("genk"), staff.names("nowhere")) == (["an", "an.2", "bo"], ["cis"], [])
    assert [_names_of(store, serial) for serial in (1, 2, 3)] == [{"an", "an.2"}, {"bo"}, set()]
    assert _names_of(store, 1, "genk") == {"cis"}
    assert [around(store, serial)[1].names for serial in (1, 2, 3)] == [{"an", "an.2"}, {"bo"}, set()]


def test_a_removed_person_is_no_longer_found(store: Store, staff: StaffList) -> None:
    staff.add("hasselt", "an", insz(1), actor=DPO)
    staff.remove("hasselt", "an", actor=DPO)
    assert (staff.names("hasselt"), _names_of(store, 1)) == ([], set())
    staff.add("hasselt", "an", insz(2), actor=DPO)
    assert _names_of(store, 2) == {"an"}


def test_every_change_is_logged(store: Store, staff: StaffList) -> None:
    staff.add("hasselt", "an", insz(1), actor=DPO)
    staff.remove("hasselt", "an", actor=DPO)
    added, removed = entries(store)
    for line, deed in ((added, "add"), (removed, "remove")):
        assert (line["kind"], line["actor"]) == ("staff.change", {"t": "person", "id": "dpo"})
        assert line["staff"] == {"name": "an", "deed": deed}
    assert [seq for seq, _ in store.ledger.of_subject("hasselt", insz(1))] == [0]
    assert "subj" not in removed


def test_a_refused_change_changes_nothing(store: Store, staff: StaffList) -> None:
    staff.add("hasselt", "an", insz(1), actor=DPO)
    with pytest.raises(ConfigError):
        staff.add("hasselt", "an", insz(2), actor=DPO)
    with pytest.raises(ConfigError):
        staff.remove("hasselt", "bo", actor=DPO)
    with pytest.raises(ConfigError):
        staff.remove("genk", "an", actor=DPO)
    assert (staff.names("hasselt"), _names_of(store, 1), store.counts()["entry"]) == (["an"], {"an"}, 1)


def test_a_change_that_cannot_be_logged_is_not_made(store: Store, staff: StaffList) -> None:
    staff.add("hasselt", "an", insz(1), actor=DPO)
    store.execute("ALTER TABLE entry RENAME TO away")
    with pytest.raises(LedgerError):
        staff.add("hasselt", "bo", insz(2), actor=DPO)
    with pytest.raises(LedgerError):
        staff.remove("hasselt", "an", actor=DPO)
    assert staff.names("hasselt") == ["an"]


def test_the_number_is_nowhere_in_clear(store: Store, staff: StaffList) -> None:
    for library in ("hasselt", "genk"):
        staff.add(library, "an", insz(1), actor=DPO)
    marks = store.scalars("SELECT mark FROM staff")
    assert len({bytes(mark) for mark in marks}) == 2  # type: ignore[call-overload]
    kept = b"".join([*(data for _, data in store.ledger.entries("hasselt")), *map(bytes, marks)])  # type: ignore[arg-type]
    assert insz(1).digits.encode() not in kept


def facts(store: Store) -> AnomalyFacts:
    return AnomalyFacts(store.database, store.seal, store.rows, SubjectKeys(store.seal, Dice("facts")))


def around(store: Store, serial: int = 1, *, by: str = "an", library: str = "hasselt") -> tuple[Attempt, Traces]:
    """Return a query that is about to be logged, and the facts around it."""
    return facts(store).around(library, insz(serial), name=by, at=store.clock(), case="c", is_denied=False)


def test_own_accesses_of_the_last_day(store: Store) -> None:
    log_access(store, 9)
    store.clock.pass_by(hours=24)
    log_access(store, 1)
    store.clock.pass_by(minutes=5)
    log_access(store, 2, kind=Kind.DENIED)
    log_access(store, 3, by="bo")
    log_access(store, 3, library="genk")
    store.ledger.append([Draft("hasselt", Kind.VIEW, "", body={"actor": {"t": "person", "id": "an"}})])
    attempt, traces = around(store)
    at = store.clock()
    assert [(one.at, one.name, one.is_denied) for one in traces.looks] == [
        (at, "an", True),
        (at - timedelta(minutes=5), "an", False),
    ]
    assert (attempt.at, attempt.name, attempt.case, attempt.is_denied) == (at, "an", "c", False)
    assert [one.subject == attempt.subject for one in traces.looks] == [False, True]


def test_two_persons_differ_before_the_first_entry_of_a_log(store: Store) -> None:
    assert around(store, 1)[0].subject != around(store, 2)[0].subject
    assert around(store)[1] == Traces()


def test_own_accesses_are_read_in_pages_up_to_two_thousand(store: Store) -> None:
    body: dict[str, Any] = {"actor": {"t": "person", "id": "an"}}
    drafts = [Draft("hasselt", Kind.DENIED, f"many-{n}", insz(1), body=body) for n in range(2_100)]
    store.ledger.append(drafts[:450])
    assert len(around(store)[1].looks) == 450
    store.clock.pass_by(hours=23)
    store.ledger.append(drafts[450:850])
    assert len(around(store)[1].looks) == 850
    store.clock.pass_by(hours=2)
    assert len(around(store)[1].looks) == 400
    store.ledger.append(drafts[850:])
    assert len(around(store)[1].looks) == 1_650
    store.clock.pass_by(hours=-10)
    assert len(around(store)[1].looks) == 2_000


def test_persons_who_queried_the_same_member_in_seven_days(store: Store) -> None:
    log_access(store, 1, by="old")
    store.clock.pass_by(days=7)
    for by in ("an", "bo", "bo"):
        log_access(store, 1, by=by)
    log_access(store, 1, by="dre", kind=Kind.DENIED)
    log_access(store, 1, by="rrsync night", actor="process")
    log_access(store, 2, by="cis")
    log_access(store, 1, by="elf", library="genk")
    assert around(store)[1].staff == {"an", "bo", "dre"}


def test_accesses_of_the_old_year_count_in_the_new_year(store: Store) -> None:
    store.clock.now = datetime(2026, 12, 30, 12, 0, tzinfo=UTC)
    log_access(store, 1, by="bo")
    store.clock.now = datetime(2027, 1, 2, 12, 0, tzinfo=UTC)
    assert around(store)[1].staff == {"bo"}
    log_access(store, 1, by="cis")
    attempt, traces = around(store)
    assert traces.staff == {"bo", "cis"}
    assert attempt.subject == store.ledger.pseudonyms("hasselt", insz(1))[1]


def test_a_person_who_is_no_member_has_no_tie(store: Store) -> None:
    store.take(member(1))
    assert around(store, 2)[1].tie is None
    assert around(store, 1, library="genk")[1].tie is None


def test_membership_and_open_items(store: Store) -> None:
    store.take(member(1), member(2, membership_end=date(2026, 5, 1), open_items=3))
    assert around(store, 1)[1].tie == Tie(None, 0)
    assert around(store, 2)[1].tie == Tie(date(2026, 5, 1), 3)


def test_a_verdict_confirms_the_tie_and_an_open_hold_marks_it(store: Store) -> None:
    store.take(member(1), member(2), member(3), member(4))
    record(store, "M0001", Same(held()))
    record(store, "M0002", Change(held(), held("99")))
    record(store, "M0003", Hold(Reason.ABROAD))
    record(store, "M0004", Hold(Reason.ABROAD))
    store.settlement.dismiss(list(store.holds.open())[1], AN)
    assert [around(store, serial)[1].tie for serial in (1, 2, 3, 4)] == [
        Tie(None, 0, confirmed_at=NOW),
        Tie(None, 0, confirmed_at=NOW),
        Tie(None, 0, is_on_hold=True),
        Tie(None, 0),
    ]


@pytest.mark.parametrize("lost", ["entry", "staff", "member", "hold", "log_key"])
def test_a_fact_that_cannot_be_read_refuses_the_query(store: Store, lost: str) -> None:
    store.take(member(1))
    log_access(store, 1)
    known = facts(store)
    store.execute(f"ALTER TABLE {lost} RENAME TO away")
    with pytest.raises(LedgerError) as caught:
        known.around("hasselt", insz(1), name="an", at=NOW, case="", is_denied=False)
    assert caught.value.kept == "Nothing was asked"


def test_an_altered_key_refuses_the_query(store: Store) -> None:
    log_access(store, 1)
    store.execute("UPDATE log_key SET key = :key", key=b"\x01" + bytes(40))
    with pytest.raises(LedgerError):
        around(store)


@ON_SQLITE  # a planner with statistics reads a short log whole
def test_every_statement_uses_an_index(store: Store) -> None:
    store.take(member(1))
    record(store, "M0001", Same(held()))
    log_access(store, 1)
    used = plans(store, lambda: around(store))
    assert len(used) == 6
    assert not [plan for plan in used if "SCAN" in plan or "TEMP B-TREE FOR ORDER" in plan]
    assert any("entry_actor (library=? AND actor=?)" in plan for plan in used)
    assert any("entry_subject (library=? AND subject=?)" in plan for plan in used)
    assert any("member_insz (library=? AND insz_key=?)" in plan for plan in used)
