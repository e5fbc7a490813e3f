"""Settlement: all that follows from an answer or a decision is written together, or nothing is."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from datetime import date, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rrsync.core.compare import Change, Hold, Same, Verdict
from rrsync.core.exchange import Answer, Reason
from rrsync.core.insz import Insz
from rrsync.core.person import Member, PartialDate
from rrsync.core.planning import Plan
from rrsync.errors import LedgerError, StoreError
from rrsync.store.holds import set_hold
from rrsync.store.settlement import SettlementItem
from rrsync.store.subscriptions import Subscriptions
from rrsync.store.tables import ChangeRow
from tests.store.scene import AN, ON_POSTGRESQL, always, ask, entries, only_hold, present, record, status_of
from tests.support import NOW, Store, held, insz, member

PLAN = Plan(NOW.date(), None, frozenset())
MOVED = Change(held(), held("99"))
_EXAMPLES = count()


def verdict_on(store: Store, number: str = "M0001") -> tuple[str, str]:
    """Return the verdict and the hold reason on a member."""
    status = status_of(store, number)
    return status.verdict, status.hold_reason


def test_a_change_is_written_with_its_log_entry(store: Store) -> None:
    store.take(member(1))
    record(store, "M0001", MOVED, run="run-1")
    found = status_of(store)
    assert found.member == replace(member(1), held=held("99"), version=1)
    assert (found.verdict, found.refreshed_at, found.changed_at) == ("change", NOW, NOW)
    assert (entries(store)[-1]["verdict"], entries(store)[-1]["changed"]) == ("change", ["address"])
    with store.database.read() as session:
        change = session.get_one(ChangeRow, ("hasselt", entries(store)[-1]["seq"]))
        assert (change.number, change.run, change.verdict, change.at) == ("M0001", "run-1", "change", NOW)
        assert store.rows.decrypt_held("change|before|hasselt|1", change.before) == held()
        assert store.rows.decrypt_held("change|after|hasselt|1", change.after) == held("99")
    assert store.ledger.pending() == []


def test_an_unchanged_member_has_no_change(store: Store) -> None:
    store.take(member(1))
    record(store, "M0001", Same(held()))
    found = status_of(store)
    assert found.member == member(1)
    assert (found.verdict, found.refreshed_at, found.changed_at) == ("same", NOW, None)
    assert store.counts()["change"] == 0
    assert "changed" not in entries(store)[-1]
    assert entries(store)[-1]["verdict"] == "same"


def test_filled_in_data_is_written_and_logged(store: Store) -> None:
    store.take(member(1, held=replace(held(), birth_date=None)))
    record(store, "M0001", Same(held()))
    found = status_of(store)
    assert found.member.held.birth_date == PartialDate(1960, 1, 2)
    assert found.changed_at is None
    assert entries(store)[-1]["changed"] == ["birth_date"]
    assert store.scalars("SELECT verdict FROM change") == ["same"]


def test_a_hold_leaves_the_member_unchanged(store: Store) -> None:
    store.take(member(1))
    item = record(store, "M0001", Hold(Reason.NAME_DIFFERS, proposal=held("99")))
    assert present(store, "M0001") == member(1)
    assert verdict_on(store) == ("hold", "name_differs")
    hold = only_hold(store)
    assert (hold.library, hold.number, hold.reason) == ("hasselt", "M0001", Reason.NAME_DIFFERS)
    assert (hold.reference, hold.opened_at, hold.proposal) == (item.outcome.reference, NOW, held("99"))
    assert (entries(store)[-1]["verdict"], entries(store)[-1]["hold"]) == ("hold", "name_differs")
    assert store.holds.find(hold.id) == hold
    assert store.holds.find(hold.id + 1) is None
    assert list(store.holds.open(library="genk")) == []
    assert [one.id for one in store.holds.open(library="hasselt")] == [hold.id]


def test_several_answers_are_settled_together(store: Store) -> None:
    store.take(member(1), member(2))
    store.take(member(1, library="genk"))
    items = [
        ask(store, "M0002", subject=insz(2)),
        ask(store, "M0001", subject=insz(1), library="genk"),
        ask(store, "M0001", subject=insz(1)),
    ]
    verdicts: dict[tuple[str, str], Verdict] = {
        ("hasselt", "M0001"): MOVED,
        ("hasselt", "M0002"): Hold(Reason.DECEASED),
        ("genk", "M0001"): Same(held()),
    }
    given = store.settlement.settle(items, lambda one, _: verdicts[one.library, one.number])
    assert given == [verdicts[item.library, item.number] for item in items]
    assert (verdict_on(store), verdict_on(store, "M0002")) == (("change", ""), ("hold", "deceased"))
    assert store.verify().size == 4
    assert store.verify("genk").size == 2
    assert store.settlement.settle([], always(MOVED)) == []


def test_the_step_gets_the_verdict(store: Store) -> None:
    store.take(member(1), member(2))
    run = store.runs.open(["hasselt"], PLAN, new_id="run-1", at=NOW).id
    record(store, "M0001", Hold(Reason.DECEASED), run=run)
    record(store, "M0002", MOVED, run=run)
    assert store.scalars("SELECT state || verdict || reason FROM step ORDER BY number") == [
        "doneholddeceased",
        "donechange",
    ]
    assert store.runs.left(run, ["hasselt"]) == 0


@pytest.mark.parametrize("gone", ["renumbered", "gone"])
def test_an_answer_about_another_number_is_void(store: Store, gone: str) -> None:
    store.take(member(1))
    run = store.runs.open(["hasselt"], PLAN, new_id="run-1", at=NOW).id
    item = ask(store, "M0001", subject=insz(1), run=run)
    if gone == "gone":
        store.execute("DELETE FROM member")
    else:
        store.take(member(1, insz=insz(9)), import_id="import-2")
    before = store.members.find("hasselt", "M0001")
    assert store.settlement.settle([item], always(MOVED)) == [None]
    assert store.members.find("hasselt", "M0001") == before
    assert entries(store)[-1]["verdict"] == "void"
    assert (store.counts()["change"], store.runs.left(run, ["hasselt"]), store.ledger.pending()) == (0, 1, [])


def test_the_current_member_is_judged(store: Store) -> None:
    store.take(member(1))
    item = ask(store, "M0001", subject=insz(1))
    store.take(member(1, held=held("55")), import_id="import-2")
    seen: list[Member] = []

    def judge(one: Member, _: Answer) -> Verdict:
        seen.append(one)
        return Same(one.held)

    store.settlement.settle([item], judge)
    assert [one.held.address.house_number for one in seen] == ["55"]


def two_items(store: Store) -> Sequence[SettlementItem]:
    """Ask about two members of a run."""
    store.take(member(1), member(2))
    run = store.runs.open(["hasselt"], PLAN, new_id="run-1", at=NOW).id
    return [ask(store, f"M{serial:04d}", subject=insz(serial), run=run) for serial in (1, 2)]


def all_state(store: Store) -> tuple[object, ...]:
    """Return all that settling could write."""
    members = [store.members.find("hasselt", number) for number in ("M0001", "M0002")]
    steps = store.scalars("SELECT state FROM step ORDER BY number")
    return members, store.counts(), store.ledger.heads(), store.ledger.pending(), steps


def test_a_failing_judge_writes_nothing(store: Store) -> None:
    items = two_items(store)
    before = all_state(store)

    def judge(one: Member, _: Answer) -> Verdict:
        if one.number == "M0002":
            raise ZeroDivisionError
        return MOVED

    with pytest.raises(ZeroDivisionError):
        store.settlement.settle(items, judge)
    assert all_state(store) == before


@pytest.mark.parametrize("table", ["change", "hold", "entry", "pending", "step", "member", "log"])
def test_a_failing_statement_writes_nothing(store: Store, table: str) -> None:
    items = two_items(store)
    before = all_state(store)
    event = {"change": "INSERT", "hold": "INSERT", "entry": "INSERT", "pending": "DELETE"}.get(table, "UPDATE")
    if store.database.is_sqlite:
        store.execute(
            f"CREATE TRIGGER refuse BEFORE {event} ON \"{table}\" BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
        )
    else:
        store.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'disk is full'; END $$"
        )
        store.execute(f'CREATE TRIGGER refuse BEFORE {event} ON "{table}" FOR EACH ROW EXECUTE FUNCTION refuse()')
    verdicts: dict[str, Verdict] = {"M0001": MOVED, "M0002": Hold(Reason.DECEASED)}
    with pytest.raises(LedgerError):
        store.settlement.settle(items, lambda one, _: verdicts[one.number])
    assert all_state(store) == before


def test_a_second_settlement_is_refused(store: Store) -> None:
    store.take(member(1))
    item = record(store, "M0001", Same(held()))
    before = store.members.find("hasselt", "M0001"), store.counts()
    with pytest.raises(LedgerError):
        store.settlement.settle([item], always(MOVED))
    assert (store.members.find("hasselt", "M0001"), store.counts()) == before


def test_a_repeated_hold_is_renewed(store: Store) -> None:
    store.take(member(1))
    record(store, "M0001", Hold(Reason.NAME_DIFFERS, proposal=held("98")))
    first = only_hold(store)
    store.clock.pass_by(days=1)
    item = record(store, "M0001", Hold(Reason.NAME_DIFFERS, proposal=held("99")))
    hold = only_hold(store)
    assert (hold.id, hold.opened_at) == (first.id, first.opened_at)
    assert (hold.reference, hold.proposal) == (item.outcome.reference, held("99"))


def test_another_reason_supersedes_a_hold(store: Store) -> None:
    store.take(member(1))
    record(store, "M0001", Hold(Reason.NAME_DIFFERS, proposal=held("98")))
    record(store, "M0001", Hold(Reason.NEW_NUMBER, new_insz=insz(9)))
    hold = only_hold(store)
    assert (hold.reason, hold.proposal, hold.new_insz) == (Reason.NEW_NUMBER, None, insz(9))
    assert store.scalars("SELECT decision FROM hold ORDER BY id") == ["superseded", None]
    assert store.scalars("SELECT proposal FROM hold ORDER BY id") == [None, None]


@pytest.mark.parametrize("verdict", [Same(held()), MOVED])
def test_another_verdict_closes_a_hold(store: Store, verdict: Verdict) -> None:
    store.take(member(1))
    record(store, "M0001", Hold(Reason.NAME_DIFFERS, proposal=held("98")))
    record(store, "M0001", verdict)
    assert list(store.holds.open()) == []
    assert store.scalars("SELECT decided_by FROM hold") == ["register"]
    assert verdict_on(store)[1] == ""


def test_a_dismissed_hold_stays_dismissed_while_the_register_repeats_it(store: Store) -> None:
    store.take(member(1))
    record(store, "M0001", Hold(Reason.NAME_DIFFERS, proposal=held("98")))
    store.settlement.dismiss(only_hold(store), AN)
    assert verdict_on(store) == ("", "")
    for _ in range(2):
        record(store, "M0001", Hold(Reason.NAME_DIFFERS, proposal=held("98")))
        assert list(store.holds.open()) == []
    record(store, "M0001", Hold(Reason.NAME_DIFFERS, proposal=held("99")))
    assert only_hold(store).proposal == held("99")


def test_a_dismissed_hold_comes_back_after_another_answer(store: Store) -> None:
    store.take(member(1))
    record(store, "M0001", Hold(Reason.DECEASED))
    store.settlement.dismiss(only_hold(store), AN)
    record(store, "M0001", Same(held()))
    record(store, "M0001", Hold(Reason.DECEASED))
    assert only_hold(store).reason is Reason.DECEASED


@pytest.mark.parametrize("reason", [Reason.MISMATCH, Reason.UNREADABLE, Reason.REFUSED])
def test_an_unusable_answer_does_not_stay_dismissed(store: Store, reason: Reason) -> None:
    store.take(member(1))
    record(store, "M0001", Hold(reason))
    store.settlement.dismiss(only_hold(store), AN)
    record(store, "M0001", Hold(reason))
    assert only_hold(store).reason is reason


@pytest.mark.parametrize("reason", [Reason.MISMATCH, Reason.UNREADABLE, Reason.REFUSED])
def test_an_unusable_answer_replaces_no_other_hold(store: Store, reason: Reason) -> None:
    store.take(member(1))
    record(store, "M0001", Hold(Reason.NEW_NUMBER, new_insz=insz(9)), run="run-1")
    record(store, "M0001", Hold(reason), run="run-2")
    assert (only_hold(store).reason, only_hold(store).new_insz) == (Reason.NEW_NUMBER, insz(9))
    assert verdict_on(store) == ("hold", "new_number")
    record(store, "M0001", Hold(Reason.DECEASED))
    assert only_hold(store).reason is Reason.DECEASED


def test_an_unreadable_answer_leaves_the_member_as_due_as_before(store: Store) -> None:
    store.take(member(1))
    record(store, "M0001", Same(held()))
    store.clock.pass_by(days=31)
    record(store, "M0001", Hold(Reason.UNREADABLE))
    found = status_of(store)
    assert found.refreshed_at == NOW


def test_holds_are_listed_the_oldest_first(store: Store) -> None:
    store.take(member(1), member(2), member(3))
    for number in ("M0002", "M0003", "M0001"):
        record(store, number, Hold(Reason.DECEASED))
    assert [hold.number for hold in store.holds.open()] == ["M0002", "M0003", "M0001"]
    assert "M0002" not in repr(list(store.holds.open()))


def test_accepting_writes_the_proposal(store: Store) -> None:
    store.take(member(1))
    item = record(store, "M0001", Hold(Reason.NAME_DIFFERS, proposal=held("99", last="Anders")))
    store.clock.pass_by(hours=1)
    store.settlement.accept(only_hold(store), AN)
    found = status_of(store)
    assert found.member == replace(member(1), held=held("99", last="Anders"), version=1)
    assert (found.verdict, found.hold_reason, found.changed_at) == ("change", "", store.clock())
    entry = entries(store)[-1]
    assert (entry["kind"], entry["ref"], entry["decision"]) == ("hold.decision", item.outcome.reference, "accepted")
    assert (entry["hold"], entry["changed"]) == ("name_differs", ["name", "address"])
    assert entry["actor"] == {"t": "person", "id": "an"}
    assert len(store.ledger.of_subject("hasselt", insz(1))) == 3
    assert list(store.holds.open()) == []
    assert store.scalars("SELECT verdict FROM change") == ["accepted"]
    assert store.scalars("SELECT decided_by FROM hold") == ["an"]


def test_accepting_a_new_number_makes_the_member_due(store: Store) -> None:
    store.take(member(1))
    record(store, "M0001", Hold(Reason.NEW_NUMBER, new_insz=insz(9)))
    store.settlement.accept(only_hold(store), AN)
    found = status_of(store)
    assert found.member == replace(member(1), insz=insz(9), version=1)
    assert (found.verdict, found.refreshed_at) == ("", None)
    assert store.holder(insz(9)) == "M0001"
    assert store.holder(insz(1)) is None
    store.take(member(1), import_id="import-2")
    assert present(store, "M0001").insz == insz(9)
    assert store.members.numbers("hasselt", "M0001") == [insz(9), insz(1)]
    assert entries(store)[-1]["changed"] == ["insz"]


def test_a_new_number_of_another_member_is_refused(store: Store) -> None:
    store.take(member(1), member(9))
    record(store, "M0001", Hold(Reason.NEW_NUMBER, new_insz=insz(9)))
    before = store.counts(), present(store, "M0001")
    with pytest.raises(StoreError, match="M0009") as caught:
        store.settlement.accept(only_hold(store), AN)
    assert not isinstance(caught.value, LedgerError)
    assert (store.counts(), present(store, "M0001")) == before
    assert only_hold(store).number == "M0001"
    assert store.scalars("SELECT count(*) FROM subscription") == [0]


def test_a_hold_names_the_member_who_has_the_new_number(store: Store) -> None:
    store.take(member(1))
    store.take(member(9, library="genk"))
    record(store, "M0001", Hold(Reason.NEW_NUMBER, new_insz=insz(9)))
    assert (only_hold(store).twin, only_hold(store).offers) == (None, True)
    store.take(member(9), member(2))
    record(store, "M0002", Hold(Reason.DECEASED))
    first, second = store.holds.open()
    assert (first.twin, first.offers) == ("M0009", False)
    assert (second.twin, second.offers) == (None, False)
    assert store.holds.find(first.id) == first
    store.take(member(9, insz=insz(8)), import_id="import-2")
    found = store.holds.find(first.id)
    assert found is not None
    assert found.twin is None


def test_a_dismissed_new_number_comes_back_when_its_holder_is_gone(store: Store) -> None:
    store.take(member(1), member(9))
    record(store, "M0001", Hold(Reason.NEW_NUMBER, new_insz=insz(9)))
    store.settlement.dismiss(only_hold(store), AN)
    record(store, "M0001", Hold(Reason.NEW_NUMBER, new_insz=insz(9)))
    assert list(store.holds.open()) == []
    store.execute("DELETE FROM member WHERE number = 'M0009'")
    record(store, "M0001", Hold(Reason.NEW_NUMBER, new_insz=insz(9)))
    assert only_hold(store).offers


def test_the_holders_of_many_new_numbers_are_found(store: Store) -> None:
    serials = range(1, 511)
    store.take(*map(member, serials))
    store.take(*(member(serial, number=f"T{serial:04d}", insz=insz(serial, born="600103")) for serial in serials))
    items = [ask(store, f"M{serial:04d}", subject=insz(serial)) for serial in serials]
    news = {f"M{serial:04d}": insz(serial, born="600103") for serial in serials}
    store.settlement.settle(items, lambda one, _: Hold(Reason.NEW_NUMBER, new_insz=news[one.number]))
    assert [hold.twin for hold in store.holds.open()] == [f"T{serial:04d}" for serial in serials]


def test_a_former_number_is_not_offered(store: Store) -> None:
    store.take(member(1))
    for new in (2, 3):
        record(store, "M0001", Hold(Reason.NEW_NUMBER, new_insz=insz(new)))
        store.settlement.accept(only_hold(store), AN)
    for new in (1, 2, 3):
        item = ask(store, "M0001", subject=insz(3))
        (verdict,) = store.settlement.settle([item], always(Hold(Reason.NEW_NUMBER, new_insz=insz(new))))
        assert verdict == Hold(Reason.NEW_NUMBER)
        hold = only_hold(store)
        assert (hold.reason, hold.new_insz, hold.offers) == (Reason.NEW_NUMBER, None, False)
        with pytest.raises(StoreError):
            store.settlement.accept(hold, AN)
    assert present(store, "M0001").insz == insz(3)
    assert store.members.numbers("hasselt", "M0001") == [insz(3), insz(2), insz(1)]


@pytest.mark.parametrize("new", [1, 2], ids=["it had", "it has"])
def test_a_current_or_former_number_cannot_be_accepted(store: Store, new: int) -> None:
    store.take(member(1))
    record(store, "M0001", Hold(Reason.NEW_NUMBER, new_insz=insz(2)))
    store.settlement.accept(only_hold(store), AN)
    with store.database.write() as session:
        hold = Hold(Reason.NEW_NUMBER, new_insz=insz(new))
        set_hold(session, store.rows, ("hasselt", "M0001"), hold, reference="old", at=NOW)
    before = store.counts(), present(store, "M0001")
    assert only_hold(store).twin is None
    with pytest.raises(StoreError):
        store.settlement.accept(only_hold(store), AN)
    assert (store.counts(), present(store, "M0001")) == before


def test_a_hold_without_a_proposal_cannot_be_accepted(store: Store) -> None:
    store.take(member(1))
    record(store, "M0001", Hold(Reason.DECEASED))
    before = store.counts(), verdict_on(store)
    with pytest.raises(StoreError):
        store.settlement.accept(only_hold(store), AN)
    assert (store.counts(), verdict_on(store)) == before
    assert only_hold(store).reason is Reason.DECEASED


def test_dismissing_leaves_the_member_unchanged(store: Store) -> None:
    store.take(member(1))
    record(store, "M0001", Hold(Reason.NAME_DIFFERS, proposal=held("99")))
    store.settlement.dismiss(only_hold(store), AN)
    assert present(store, "M0001") == member(1)
    assert (entries(store)[-1]["decision"], entries(store)[-1]["changed"]) == ("dismissed", [])
    assert store.counts()["change"] == 0


@pytest.mark.parametrize("decide", ["accept", "dismiss"])
@pytest.mark.parametrize("meanwhile", ["decided", "renewed", "gone"])
def test_a_decision_about_an_outdated_hold_is_refused(store: Store, decide: str, meanwhile: str) -> None:
    store.take(member(1))
    record(store, "M0001", Hold(Reason.NAME_DIFFERS, proposal=held("98")))
    seen = only_hold(store)
    if meanwhile == "decided":
        store.settlement.dismiss(seen, AN)
    elif meanwhile == "renewed":
        record(store, "M0001", Hold(Reason.NAME_DIFFERS, proposal=held("99")))
    else:
        store.execute("DELETE FROM member")
    before = store.counts()
    with pytest.raises(StoreError):
        getattr(store.settlement, decide)(seen, AN)
    assert store.counts() == before


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=st.lists(st.tuples(st.integers(0, 1), st.integers(0, 4)), max_size=9))
def test_no_chain_of_new_numbers_leads_back(shared_store: Store, said: list[tuple[int, int]]) -> None:
    example = next(_EXAMPLES)
    pool = [
        insz(serial, born=(date(1930, 1, 1) + timedelta(days=example)).strftime("%y%m%d")) for serial in range(1, 6)
    ]
    names = [f"{example}-a", f"{example}-b"]
    shared_store.take(*(member(number=name, insz=pool[at]) for at, name in enumerate(names)))
    had: list[list[Insz]] = [[pool[0]], [pool[1]]]
    for who, new in said:
        now, theirs = had[who][-1], pool[new]
        item = ask(shared_store, names[who], subject=now)
        shared_store.settlement.settle([item], always(Hold(Reason.NEW_NUMBER, new_insz=theirs)))
        hold = next(one for one in shared_store.holds.open() if one.number == names[who])
        may = theirs not in had[who] and theirs != had[1 - who][-1]
        assert hold.offers is may
        assert (hold.twin is not None) is (theirs == had[1 - who][-1] and theirs not in had[who])
        with nullcontext() if may else pytest.raises(StoreError):
            shared_store.settlement.accept(hold, AN)
            had[who].append(theirs)
    for name, numbers in zip(names, had, strict=True):
        assert shared_store.members.numbers("hasselt", name) == numbers[::-1]
    subscriptions = Subscriptions(
        shared_store.database, shared_store.ledger, shared_store.rows, clock=shared_store.clock
    )
    ending = {one.insz for one in subscriptions.ending("hasselt", most=1000)} & set(pool)
    assert ending == {one for numbers in had for one in numbers[:-1]} - {numbers[-1] for numbers in had}


def wait_for(store: Store, waiting: int, unless: Sequence[Future[Any]] = ()) -> None:
    """Go on when so many connections wait for a lock, or one of these is over."""
    tick = threading.Event()
    counted = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    while store.scalars(counted) != [waiting] and not any(one.done() for one in unless):
        tick.wait(0.01)


@ON_POSTGRESQL
def test_deciding_during_a_settlement_does_not_deadlock(store: Store) -> None:
    store.take(member(1))
    record(store, "M0001", Hold(Reason.NAME_DIFFERS, proposal=held("98")))
    seen = only_hold(store)
    item = ask(store, "M0001", subject=insz(1))
    deciding: list[Future[Any]] = []
    with ThreadPoolExecutor(1) as pool:

        def judge(one: Member, _: Answer) -> Verdict:
            deciding.append(pool.submit(store.settlement.accept, seen, AN))
            wait_for(store, 1, deciding)
            return Hold(Reason.NAME_DIFFERS, proposal=one.held)

        store.settlement.settle([item], judge)
        with pytest.raises(StoreError):
            deciding[0].result(30)
    assert only_hold(store).reference == item.outcome.reference


@ON_POSTGRESQL
def test_importing_during_a_settlement_does_not_deadlock(store: Store) -> None:
    store.take(member(1), member(2))
    items = [ask(store, f"M{serial:04d}", subject=insz(serial)) for serial in (1, 2)]
    with ThreadPoolExecutor(2) as pool:
        with store.database.write() as session:
            session.connection().exec_driver_sql("SELECT * FROM member WHERE number = 'M0002' FOR UPDATE")
            rows = member(2, held=held("13")), member(1, held=held("14"))
            importing = pool.submit(lambda: store.take(*rows, import_id="import-2"))
            wait_for(store, 1, [importing])
            settling = pool.submit(store.settlement.settle, items, lambda one, _: Same(one.held))
            wait_for(store, 2, [settling])
        assert [taken.result for taken in importing.result(30)] == ["changed", "changed"]
        assert len(settling.result(30)) == 2
    assert store.ledger.pending() == []
