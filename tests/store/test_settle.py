"""What follows from an answer, or from a person's decision, is written together or not at all."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rrsync.core.compare import Change, Hold, Same, Verdict
from rrsync.core.exchange import Answer, Reason
from rrsync.core.insz import Insz
from rrsync.core.log_entry import decode
from rrsync.core.person import Member, PartialDate
from rrsync.core.planning import Plan
from rrsync.errors import LedgerError, StoreError
from rrsync.store.encryption import Keyring
from rrsync.store.holds import OpenHold, set_hold
from rrsync.store.settlement import Item
from rrsync.store.subscriptions import Subscriptions
from rrsync.store.tables import ChangeRow
from tests.store.scene import AN, always, ask, present, record
from tests.support import NOW, Clock, Dice, Store, held, insz, member, open_store

PLAN = Plan(NOW.date(), None, frozenset())
MOVED = Change(held(), held("99"))
_EXAMPLES = count()


def last(store: Store, library: str = "hasselt") -> dict[str, object]:
    """Return the newest entry of a log."""
    return dict(decode(list(store.ledger.entries(library))[-1][1]))


def standing(store: Store, number: str = "M0001") -> tuple[str, str]:
    """Return the verdict and the hold reason on a member."""
    found = store.members.find("hasselt", number)
    assert found is not None
    return found.verdict, found.hold_reason


def only_hold(store: Store) -> OpenHold:
    """Return the one hold that is open."""
    (hold,) = store.holds.open()
    return hold


@pytest.fixture(scope="module")
def long(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Yield a store for many examples, each with members of its own."""
    path = shutil.copy(migrated_file, tmp_path_factory.mktemp("chains") / "rrsync.db")
    opened = open_store(f"sqlite:///{path}", clock=Clock(), random=Dice(), keys=Keyring.fresh(Dice("keys")))
    yield opened
    opened.close()


def record_as(store: Store, number: str, now: Insz, new: Insz) -> None:
    """Settle that the register gives a member another number."""
    item = ask(store, number, subject=now)
    store.settlement.settle([item], always(Hold(Reason.NEW_NUMBER, new_insz=new)))


class TestSettling:
    """Outcome, member, change, hold and step, in one transaction."""

    def test_a_change_is_written_with_the_entry_that_says_so(self, store: Store) -> None:
        """The member has the new data, the change both sides, the entry the names of what changed."""
        store.take(member(1))
        record(store, "M0001", MOVED, run="run-1")
        found = store.members.find("hasselt", "M0001")
        assert found is not None
        assert found.member == replace(member(1), held=held("99"), version=1)
        assert (found.verdict, found.refreshed_at, found.changed_at) == ("change", NOW, NOW)
        assert (last(store)["verdict"], last(store)["changed"]) == ("change", ["address"])
        with store.database.read() as session:
            change = session.get_one(ChangeRow, ("hasselt", last(store)["seq"]))
            assert (change.number, change.run, change.verdict, change.at) == ("M0001", "run-1", "change", NOW)
            assert store.rows.open_side("change|before|hasselt|1", change.before) == held()
            assert store.rows.open_side("change|after|hasselt|1", change.after) == held("99")
        assert store.ledger.pending() == []

    def test_the_same_writes_no_change(self, store: Store) -> None:
        """Only that the member was asked about is noted."""
        store.take(member(1))
        record(store, "M0001", Same(held()))
        found = store.members.find("hasselt", "M0001")
        assert found is not None
        assert found.member == member(1)
        assert (found.verdict, found.refreshed_at, found.changed_at) == ("same", NOW, None)
        assert store.counts()["change"] == 0
        assert "changed" not in last(store)
        assert last(store)["verdict"] == "same"

    def test_what_the_same_fills_in_is_written_and_said(self, store: Store) -> None:
        """A birth date that we did not have is a write like any other, but no change to export."""
        store.take(member(1, held=replace(held(), birth_date=None)))
        record(store, "M0001", Same(held()))
        found = store.members.find("hasselt", "M0001")
        assert found is not None
        assert found.member.held.birth_date == PartialDate(1960, 1, 2)
        assert found.changed_at is None
        assert last(store)["changed"] == ["birth_date"]
        assert store.scalars("SELECT verdict FROM change") == ["same"]

    def test_a_hold_keeps_what_we_hold(self, store: Store) -> None:
        """The member stays as it was, and stands on the worklist with what accepting would write."""
        store.take(member(1))
        item = record(store, "M0001", Hold(Reason.NAME_DIFFERS, proposal=held("99")))
        assert present(store, "M0001") == member(1)
        assert standing(store) == ("hold", "name_differs")
        hold = only_hold(store)
        assert (hold.library, hold.number, hold.reason) == ("hasselt", "M0001", Reason.NAME_DIFFERS)
        assert (hold.reference, hold.opened_at, hold.proposal) == (item.outcome.reference, NOW, held("99"))
        assert (last(store)["verdict"], last(store)["hold"]) == ("hold", "name_differs")
        assert store.holds.find(hold.id) == hold
        assert store.holds.find(hold.id + 1) is None
        assert list(store.holds.open(library="genk")) == []
        assert [one.id for one in store.holds.open(library="hasselt")] == [hold.id]

    def test_many_are_settled_together(self, store: Store) -> None:
        """Each item gets its own verdict, over libraries, in the order of the items."""
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
        assert (standing(store), standing(store, "M0002")) == (("change", ""), ("hold", "deceased"))
        assert store.verify().size == 4
        assert store.verify("genk").size == 2
        assert store.settlement.settle([], always(MOVED)) == []

    def test_the_step_is_done_with_the_verdict(self, store: Store) -> None:
        """The run's journal says what became of the member, in the same transaction."""
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
    def test_an_answer_about_another_number_is_void(self, store: Store, gone: str) -> None:
        """When the member has another number by now, or is gone, only the outcome is written; the step stays open."""
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
        assert last(store)["verdict"] == "void"
        assert (store.counts()["change"], store.runs.left(run, ["hasselt"]), store.ledger.pending()) == (0, 1, [])

    def test_the_member_is_judged_as_it_is_now(self, store: Store) -> None:
        """What was imported while the register was asked is what the answer is held against."""
        store.take(member(1))
        item = ask(store, "M0001", subject=insz(1))
        store.take(member(1, held=held("55")), import_id="import-2")
        seen: list[Member] = []

        def judge(one: Member, _: Answer) -> Verdict:
            seen.append(one)
            return Same(one.held)

        store.settlement.settle([item], judge)
        assert [one.held.address.house_number for one in seen] == ["55"]


class TestAllOrNothing:
    """A failure anywhere leaves everything as it was."""

    def items(self, store: Store) -> Sequence[Item]:
        """Ask about two members of a run."""
        store.take(member(1), member(2))
        run = store.runs.open(["hasselt"], PLAN, new_id="run-1", at=NOW).id
        return [ask(store, f"M{serial:04d}", subject=insz(serial), run=run) for serial in (1, 2)]

    def whole(self, store: Store) -> tuple[object, ...]:
        """Return all that settling could write."""
        members = [store.members.find("hasselt", number) for number in ("M0001", "M0002")]
        steps = store.scalars("SELECT state FROM step ORDER BY number")
        return members, store.counts(), store.ledger.heads(), store.ledger.pending(), steps

    def test_a_judge_that_fails_half_way_writes_nothing(self, store: Store) -> None:
        """The first item's verdict is undone with the second's."""
        items = self.items(store)
        before = self.whole(store)

        def judge(one: Member, _: Answer) -> Verdict:
            if one.number == "M0002":
                raise ZeroDivisionError
            return MOVED

        with pytest.raises(ZeroDivisionError):
            store.settlement.settle(items, judge)
        assert self.whole(store) == before

    @pytest.mark.parametrize("table", ["change", "hold", "entry", "pending", "step", "member", "log"])
    def test_a_database_that_refuses_half_way_writes_nothing(self, store: Store, table: str) -> None:
        """Whichever statement fails, none of them happened, and the error says so."""
        items = self.items(store)
        before = self.whole(store)
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
        with pytest.raises(LedgerError, match=r"could not be written: The disk of the database is full\. Nothing was"):
            store.settlement.settle(items, lambda one, _: verdicts[one.number])
        assert self.whole(store) == before

    def test_an_answer_cannot_be_settled_twice(self, store: Store) -> None:
        """The second outcome of a reference is refused, and with it all it would have written."""
        store.take(member(1))
        item = record(store, "M0001", Same(held()))
        before = store.members.find("hasselt", "M0001"), store.counts()
        with pytest.raises(LedgerError):
            store.settlement.settle([item], always(MOVED))
        assert (store.members.find("hasselt", "M0001"), store.counts()) == before


class TestHolds:
    """The worklist, as verdict follows verdict."""

    def test_the_same_hold_is_renewed(self, store: Store) -> None:
        """It stays one hold, opened when it was first seen, with the newest proposal and reference."""
        store.take(member(1))
        record(store, "M0001", Hold(Reason.NAME_DIFFERS, proposal=held("98")))
        first = only_hold(store)
        store.clock.pass_by(days=1)
        item = record(store, "M0001", Hold(Reason.NAME_DIFFERS, proposal=held("99")))
        hold = only_hold(store)
        assert (hold.id, hold.opened_at) == (first.id, first.opened_at)
        assert (hold.reference, hold.proposal) == (item.outcome.reference, held("99"))

    def test_another_reason_supersedes(self, store: Store) -> None:
        """One hold is open at most; the one before is closed, and its proposal forgotten."""
        store.take(member(1))
        record(store, "M0001", Hold(Reason.NAME_DIFFERS, proposal=held("98")))
        record(store, "M0001", Hold(Reason.NEW_NUMBER, new_insz=insz(9)))
        hold = only_hold(store)
        assert (hold.reason, hold.proposal, hold.new_insz) == (Reason.NEW_NUMBER, None, insz(9))
        assert store.scalars("SELECT decision FROM hold ORDER BY id") == ["superseded", None]
        assert store.scalars("SELECT proposal FROM hold ORDER BY id") == [None, None]

    @pytest.mark.parametrize("verdict", [Same(held()), MOVED])
    def test_a_verdict_that_is_no_hold_closes_it(self, store: Store, verdict: Verdict) -> None:
        """What the register set right itself needs nobody."""
        store.take(member(1))
        record(store, "M0001", Hold(Reason.NAME_DIFFERS, proposal=held("98")))
        record(store, "M0001", verdict)
        assert list(store.holds.open()) == []
        assert store.scalars("SELECT decided_by FROM hold") == ["register"]
        assert standing(store)[1] == ""

    def test_what_was_dismissed_stays_dismissed(self, store: Store) -> None:
        """While the register repeats itself nobody is bothered; when it says something else, somebody is."""
        store.take(member(1))
        record(store, "M0001", Hold(Reason.NAME_DIFFERS, proposal=held("98")))
        store.settlement.dismiss(only_hold(store), AN)
        assert standing(store) == ("", "")
        for _ in range(2):
            record(store, "M0001", Hold(Reason.NAME_DIFFERS, proposal=held("98")))
            assert list(store.holds.open()) == []
        record(store, "M0001", Hold(Reason.NAME_DIFFERS, proposal=held("99")))
        assert only_hold(store).proposal == held("99")

    def test_what_was_dismissed_is_over_once_the_register_says_otherwise(self, store: Store) -> None:
        """A person who is well again and then dies is somebody to look at, whatever was dismissed a year ago."""
        store.take(member(1))
        record(store, "M0001", Hold(Reason.DECEASED))
        store.settlement.dismiss(only_hold(store), AN)
        record(store, "M0001", Same(held()))
        record(store, "M0001", Hold(Reason.DECEASED))
        assert only_hold(store).reason is Reason.DECEASED

    @pytest.mark.parametrize("reason", [Reason.MISMATCH, Reason.UNREADABLE, Reason.REFUSED])
    def test_an_answer_that_cannot_be_used_never_stays_dismissed(self, store: Store, reason: Reason) -> None:
        """It happened again, and that is news."""
        store.take(member(1))
        record(store, "M0001", Hold(reason))
        store.settlement.dismiss(only_hold(store), AN)
        record(store, "M0001", Hold(reason))
        assert only_hold(store).reason is reason

    @pytest.mark.parametrize("reason", [Reason.MISMATCH, Reason.UNREADABLE, Reason.REFUSED])
    def test_an_answer_that_cannot_be_used_spoils_no_hold(self, store: Store, reason: Reason) -> None:
        """The new number that was found stays proposed, and the member stays on hold for it."""
        store.take(member(1))
        record(store, "M0001", Hold(Reason.NEW_NUMBER, new_insz=insz(9)), run="run-1")
        record(store, "M0001", Hold(reason), run="run-2")
        assert (only_hold(store).reason, only_hold(store).new_insz) == (Reason.NEW_NUMBER, insz(9))
        assert standing(store) == ("hold", "new_number")
        record(store, "M0001", Hold(Reason.DECEASED))
        assert only_hold(store).reason is Reason.DECEASED

    def test_after_an_unreadable_answer_the_member_is_as_due_as_before(self, store: Store) -> None:
        """Nothing was learnt, so nothing is put off."""
        store.take(member(1))
        record(store, "M0001", Same(held()))
        store.clock.pass_by(days=31)
        record(store, "M0001", Hold(Reason.UNREADABLE))
        found = store.members.find("hasselt", "M0001")
        assert found is not None
        assert found.refreshed_at == NOW

    def test_holds_are_listed_oldest_first(self, store: Store) -> None:
        """The worklist is worked from its top."""
        store.take(member(1), member(2), member(3))
        for number in ("M0002", "M0003", "M0001"):
            record(store, number, Hold(Reason.DECEASED))
        assert [hold.number for hold in store.holds.open()] == ["M0002", "M0003", "M0001"]
        assert "M0002" not in repr(list(store.holds.open()))


class TestDeciding:
    """A person accepts or dismisses, and the access log says who."""

    def test_accepting_writes_the_proposal(self, store: Store) -> None:
        """The member has what the hold proposed; the decision is an entry with who and what, about whom."""
        store.take(member(1))
        item = record(store, "M0001", Hold(Reason.NAME_DIFFERS, proposal=held("99", last="Anders")))
        store.clock.pass_by(hours=1)
        store.settlement.accept(only_hold(store), AN)
        found = store.members.find("hasselt", "M0001")
        assert found is not None
        assert found.member == replace(member(1), held=held("99", last="Anders"), version=1)
        assert (found.verdict, found.hold_reason, found.changed_at) == ("change", "", store.clock())
        entry = last(store)
        assert (entry["kind"], entry["ref"], entry["decision"]) == ("hold.decision", item.outcome.reference, "accepted")
        assert (entry["hold"], entry["changed"]) == ("name_differs", ["name", "address"])
        assert entry["actor"] == {"t": "person", "id": "an"}
        assert len(store.ledger.of_subject("hasselt", insz(1))) == 3
        assert list(store.holds.open()) == []
        assert store.scalars("SELECT verdict FROM change") == ["accepted"]
        assert store.scalars("SELECT decided_by FROM hold") == ["an"]

    def test_accepting_a_new_number_makes_the_member_due(self, store: Store) -> None:
        """The member has the new number and will be asked about under it."""
        store.take(member(1))
        record(store, "M0001", Hold(Reason.NEW_NUMBER, new_insz=insz(9)))
        store.settlement.accept(only_hold(store), AN)
        found = store.members.find("hasselt", "M0001")
        assert found is not None
        assert found.member == replace(member(1), insz=insz(9), version=1)
        assert (found.verdict, found.refreshed_at) == ("", None)
        assert store.holder(insz(9)) == "M0001"
        assert store.holder(insz(1)) is None
        store.take(member(1), import_id="import-2")
        assert present(store, "M0001").insz == insz(9)
        assert store.members.numbers("hasselt", "M0001") == [insz(9), insz(1)]
        assert last(store)["changed"] == ["insz"]

    def test_a_new_number_of_another_member_is_refused(self, store: Store) -> None:
        """Two members that are one person are joined in the library system; here nothing is written."""
        store.take(member(1), member(9))
        record(store, "M0001", Hold(Reason.NEW_NUMBER, new_insz=insz(9)))
        before = store.counts(), present(store, "M0001")
        with pytest.raises(
            StoreError, match=r"^The new number is that of member M0009 already\..*join the two"
        ) as caught:
            store.settlement.accept(only_hold(store), AN)
        assert not isinstance(caught.value, LedgerError)
        assert (store.counts(), present(store, "M0001")) == before
        assert only_hold(store).number == "M0001"
        assert store.scalars("SELECT count(*) FROM subscription") == [0]

    def test_a_hold_tells_with_whom_to_merge(self, store: Store) -> None:
        """By who has the new number now, in the same library: an import may bring them, or take them away."""
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

    def test_a_merge_that_was_dismissed_comes_back_when_the_other_is_gone(self, store: Store) -> None:
        """The two were joined, and the one that stayed has the old number: now it can be taken over."""
        store.take(member(1), member(9))
        record(store, "M0001", Hold(Reason.NEW_NUMBER, new_insz=insz(9)))
        store.settlement.dismiss(only_hold(store), AN)
        record(store, "M0001", Hold(Reason.NEW_NUMBER, new_insz=insz(9)))
        assert list(store.holds.open()) == []
        store.execute("DELETE FROM member WHERE number = 'M0009'")
        record(store, "M0001", Hold(Reason.NEW_NUMBER, new_insz=insz(9)))
        assert only_hold(store).offers

    def test_twins_of_very_many_holds_are_found(self, store: Store) -> None:
        """More than are looked up at once."""
        serials = range(1, 511)
        store.take(*map(member, serials))
        store.take(*(member(serial, number=f"T{serial:04d}", insz=insz(serial, born="600103")) for serial in serials))
        items = [ask(store, f"M{serial:04d}", subject=insz(serial)) for serial in serials]
        news = {f"M{serial:04d}": insz(serial, born="600103") for serial in serials}
        store.settlement.settle(items, lambda one, _: Hold(Reason.NEW_NUMBER, new_insz=news[one.number]))
        assert [hold.twin for hold in store.holds.open()] == [f"T{serial:04d}" for serial in serials]

    def test_a_number_the_member_had_is_not_offered(self, store: Store) -> None:
        """A chain that leads back is held for a person to see, without what would lead in a circle."""
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
            with pytest.raises(StoreError, match=r"^A hold for new_number has nothing to take over"):
                store.settlement.accept(hold, AN)
        assert present(store, "M0001").insz == insz(3)
        assert store.members.numbers("hasselt", "M0001") == [insz(3), insz(2), insz(1)]

    @pytest.mark.parametrize("new", [1, 2], ids=["it had", "it has"])
    def test_a_number_the_member_has_or_had_cannot_be_accepted(self, store: Store, new: int) -> None:
        """Not even from a hold that was opened before this was seen."""
        store.take(member(1))
        record(store, "M0001", Hold(Reason.NEW_NUMBER, new_insz=insz(2)))
        store.settlement.accept(only_hold(store), AN)
        with store.database.write() as session:
            hold = Hold(Reason.NEW_NUMBER, new_insz=insz(new))
            set_hold(session, store.rows, ("hasselt", "M0001"), hold, reference="old", at=NOW)
        before = store.counts(), present(store, "M0001")
        assert only_hold(store).twin is None
        with pytest.raises(StoreError, match=r"^The new number is one that this member has or had: .*in a circle\."):
            store.settlement.accept(only_hold(store), AN)
        assert (store.counts(), present(store, "M0001")) == before

    def test_a_hold_that_proposes_nothing_cannot_be_accepted(self, store: Store) -> None:
        """There is nothing to take over of a person who died; it is refused and nothing is written."""
        store.take(member(1))
        record(store, "M0001", Hold(Reason.DECEASED))
        before = store.counts(), standing(store)
        with pytest.raises(StoreError, match=r"^A hold for deceased has nothing to take over\..*dismiss the hold"):
            store.settlement.accept(only_hold(store), AN)
        assert (store.counts(), standing(store)) == before
        assert only_hold(store).reason is Reason.DECEASED

    def test_dismissing_keeps_what_we_hold(self, store: Store) -> None:
        """Nothing is written to the member's data, and the decision stands in the log."""
        store.take(member(1))
        record(store, "M0001", Hold(Reason.NAME_DIFFERS, proposal=held("99")))
        store.settlement.dismiss(only_hold(store), AN)
        assert present(store, "M0001") == member(1)
        assert (last(store)["decision"], last(store)["changed"]) == ("dismissed", [])
        assert store.counts()["change"] == 0

    @pytest.mark.parametrize("decide", ["accept", "dismiss"])
    @pytest.mark.parametrize("meanwhile", ["decided", "renewed", "gone"])
    def test_a_hold_that_is_no_longer_the_one_seen_is_refused(self, store: Store, decide: str, meanwhile: str) -> None:
        """Who decides on what they saw an hour ago is told to look again, and nothing is written."""
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
        with pytest.raises(StoreError, match=r"^This hold was decided or renewed meanwhile\..*rrsync holds list"):
            getattr(store.settlement, decide)(seen, AN)
        assert store.counts() == before


class TestChains:
    """However the register sends two members from number to number, nobody ever comes back to one they had."""

    @settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(said=st.lists(st.tuples(st.integers(0, 1), st.integers(0, 4)), max_size=9))
    def test_every_chain(self, long: Store, said: list[tuple[int, int]]) -> None:
        """A number is taken over if the member never had it and no other has it; each that was left is to be ended."""
        example = next(_EXAMPLES)
        pool = [
            insz(serial, born=(date(1930, 1, 1) + timedelta(days=example)).strftime("%y%m%d")) for serial in range(1, 6)
        ]
        names = [f"{example}-a", f"{example}-b"]
        long.take(*(member(number=name, insz=pool[at]) for at, name in enumerate(names)))
        had: list[list[Insz]] = [[pool[0]], [pool[1]]]
        for who, new in said:
            now, theirs = had[who][-1], pool[new]
            record_as(long, names[who], now, theirs)
            hold = next(one for one in long.holds.open() if one.number == names[who])
            may = theirs not in had[who] and theirs != had[1 - who][-1]
            assert hold.offers is may
            assert (hold.twin is not None) is (theirs == had[1 - who][-1] and theirs not in had[who])
            with nullcontext() if may else pytest.raises(StoreError):
                long.settlement.accept(hold, AN)
                had[who].append(theirs)
        for name, numbers in zip(names, had, strict=True):
            assert long.members.numbers("hasselt", name) == numbers[::-1]
        subscriptions = Subscriptions(long.database, long.ledger, long.rows, clock=long.clock)
        ending = {one.insz for one in subscriptions.ending("hasselt", most=1000)} & set(pool)
        assert ending == {one for numbers in had for one in numbers[:-1]} - {numbers[-1] for numbers in had}


class TestTogether:
    """PostgreSQL lets many write at once: whoever needs the same members takes them in one order."""

    @pytest.fixture(autouse=True)
    def _postgres(self, store: Store) -> None:
        if store.database.is_sqlite:
            pytest.skip("SQLite lets one writer in at a time")

    @staticmethod
    def wait_for(store: Store, waiting: int, unless: Sequence[Future[Any]] = ()) -> None:
        """Go on when so many connections wait for a lock, or one of these is over."""
        tick = threading.Event()
        counted = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        while store.scalars(counted) != [waiting] and not any(one.done() for one in unless):
            tick.wait(0.01)

    def test_deciding_while_the_night_settles_the_same_member(self, store: Store) -> None:
        """Neither waits for the other for ever: the one that came second is told that the hold was renewed."""
        store.take(member(1))
        record(store, "M0001", Hold(Reason.NAME_DIFFERS, proposal=held("98")))
        seen = only_hold(store)
        item = ask(store, "M0001", subject=insz(1))
        deciding: list[Future[Any]] = []
        with ThreadPoolExecutor(1) as pool:

            def judge(one: Member, _: Answer) -> Verdict:
                deciding.append(pool.submit(store.settlement.accept, seen, AN))
                self.wait_for(store, 1, deciding)
                return Hold(Reason.NAME_DIFFERS, proposal=one.held)

            store.settlement.settle([item], judge)
            with pytest.raises(StoreError, match="decided or renewed meanwhile"):
                deciding[0].result(30)
        assert only_hold(store).reference == item.outcome.reference

    def test_importing_while_the_night_settles_the_same_members(self, store: Store) -> None:
        """A file in another order than the night's does not make the two wait for each other for ever."""
        store.take(member(1), member(2))
        items = [ask(store, f"M{serial:04d}", subject=insz(serial)) for serial in (1, 2)]
        with ThreadPoolExecutor(2) as pool:
            with store.database.write() as session:
                session.connection().exec_driver_sql("SELECT * FROM member WHERE number = 'M0002' FOR UPDATE")
                rows = member(2, held=held("13")), member(1, held=held("14"))
                importing = pool.submit(lambda: store.take(*rows, import_id="import-2"))
                self.wait_for(store, 1, [importing])
                settling = pool.submit(store.settlement.settle, items, lambda one, _: Same(one.held))
                self.wait_for(store, 2, [settling])
            assert [taken.result for taken in importing.result(30)] == ["changed", "changed"]
            assert len(settling.result(30)) == 2
        assert store.ledger.pending() == []
