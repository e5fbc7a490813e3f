"""What is known around a look: found by index, over the end of a year too, and refused when it cannot be read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from sqlalchemy import event

from rrsync.core.anomaly import Attempt, Tie, Traces
from rrsync.core.compare import Change, Hold, Same
from rrsync.core.exchange import Reason
from rrsync.core.log_entry import Actor, ActorKind, Draft, Kind
from rrsync.errors import LedgerError
from rrsync.store.encryption import SubjectKeys
from rrsync.store.log_search import Facts
from rrsync.store.staff import Staff
from tests.store.scene import AN, record
from tests.support import NOW, Dice, Store, held, insz, member

DPO = Actor(ActorKind.PERSON, "dpo")
_NUMBERS: Iterator[int] = count(1)


def facts_of(store: Store) -> Facts:
    """Return what is known in a store."""
    return Facts(store.database, store.seal, store.rows, SubjectKeys(store.seal, Dice("facts")))


def look(
    store: Store,
    serial: int,
    *,
    by: str = "an",
    is_denied: bool = False,
    library: str = "hasselt",
    kind: str = "person",
) -> None:
    """Log a look, as the gate does."""
    body: dict[str, Any] = {"actor": {"t": kind, "id": by}, "why": {"code": "desk"}}
    said = Kind.DENIED if is_denied else Kind.INTENT
    store.ledger.append([Draft(library, said, f"fact-{next(_NUMBERS)}", insz(serial), body=body)])


def around(store: Store, serial: int = 1, *, by: str = "an", library: str = "hasselt") -> tuple[Attempt, Traces]:
    """Return a look that is about to be logged, and what is known around it."""
    return facts_of(store).around(library, insz(serial), name=by, at=store.clock(), case="c", is_denied=False)


class TestLooks:
    """What the same person looked at in the last day."""

    def test_a_person_s_own_looks_of_the_last_day(self, store: Store) -> None:
        """Denied ones too; no one else's, no other library's, no other entry."""
        look(store, 9)
        store.clock.pass_by(hours=24)
        look(store, 1)
        store.clock.pass_by(minutes=5)
        look(store, 2, is_denied=True)
        look(store, 3, by="bo")
        look(store, 3, library="genk")
        store.ledger.append([Draft("hasselt", Kind.VIEW, "", body={"actor": {"t": "person", "id": "an"}})])
        attempt, traces = around(store)
        at = store.clock()
        assert [(one.at, one.name, one.is_denied) for one in traces.looks] == [
            (at, "an", True),
            (at - timedelta(minutes=5), "an", False),
        ]
        assert (attempt.at, attempt.name, attempt.case, attempt.is_denied) == (at, "an", "c", False)
        assert [one.subject == attempt.subject for one in traces.looks] == [False, True]

    def test_before_the_first_entry_a_person_is_told_from_another(self, store: Store) -> None:
        """Though no key of the year was made yet."""
        assert around(store, 1)[0].subject != around(store, 2)[0].subject
        assert around(store)[1] == Traces()

    def test_many_looks_are_read_page_by_page(self, store: Store) -> None:
        """All of the last day, up to two thousand entries: more is many by any limit."""
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


class TestStaff:
    """Who looked at the same person in the last week, and who that person is."""

    def test_the_staff_who_looked_at_a_person(self, store: Store) -> None:
        """In seven days, each once; not processes, not at others, not elsewhere."""
        look(store, 1, by="old")
        store.clock.pass_by(days=7)
        for by in ("an", "bo", "bo"):
            look(store, 1, by=by)
        look(store, 1, by="dre", is_denied=True)
        look(store, 1, by="rrsync night", kind="process")
        look(store, 2, by="cis")
        look(store, 1, by="elf", library="genk")
        assert around(store)[1].staff == {"an", "bo", "dre"}

    def test_at_new_year_the_looks_of_the_old_year_still_count(self, store: Store) -> None:
        """Though the person has another pseudonym by then."""
        store.clock.now = datetime(2026, 12, 30, 12, 0, tzinfo=UTC)
        look(store, 1, by="bo")
        store.clock.now = datetime(2027, 1, 2, 12, 0, tzinfo=UTC)
        assert around(store)[1].staff == {"bo"}
        look(store, 1, by="cis")
        attempt, traces = around(store)
        assert traces.staff == {"bo", "cis"}
        assert attempt.subject == store.ledger.pseudonyms("hasselt", insz(1))[1]

    def test_a_person_on_the_list_of_staff(self, store: Store) -> None:
        """Under each of their names."""
        staff = Staff(store.database, store.seal, store.ledger)
        for name, serial in (("an", 1), ("an.2", 1), ("bo", 2)):
            staff.add("hasselt", name, insz(serial), actor=DPO)
        assert [around(store, serial)[1].names for serial in (1, 2, 3)] == [{"an", "an.2"}, {"bo"}, set()]


class TestTie:
    """What binds a member to the library."""

    def test_who_is_no_member(self, store: Store) -> None:
        """Nothing."""
        store.take(member(1))
        assert around(store, 2)[1].tie is None
        assert around(store, 1, library="genk")[1].tie is None

    def test_membership_and_open_items(self, store: Store) -> None:
        """As the library's own file has them."""
        store.take(member(1), member(2, membership_end=date(2026, 5, 1), open_items=3))
        assert around(store, 1)[1].tie == Tie(None, 0)
        assert around(store, 2)[1].tie == Tie(date(2026, 5, 1), 3)

    def test_what_the_register_confirmed(self, store: Store) -> None:
        """Same or change says so; a hold does not, and is ground to ask again while it is open."""
        store.take(member(1), member(2), member(3), member(4))
        record(store, "M0001", Same(held()))
        record(store, "M0002", Change(held(), held("99")))
        record(store, "M0003", Hold(Reason.ABROAD))
        record(store, "M0004", Hold(Reason.ABROAD))
        found = next(hold for hold in store.holds.open() if hold.number == "M0004")
        store.settlement.dismiss(found, AN)
        assert [around(store, serial)[1].tie for serial in (1, 2, 3, 4)] == [
            Tie(None, 0, confirmed_at=NOW),
            Tie(None, 0, confirmed_at=NOW),
            Tie(None, 0, is_on_hold=True),
            Tie(None, 0),
        ]


class TestReading:
    """By index, or not at all."""

    @pytest.mark.parametrize("lost", ["entry", "staff", "member", "hold", "log_key"])
    def test_what_cannot_be_read_lets_nobody_look(self, store: Store, lost: str) -> None:
        """A look that cannot be judged is not made."""
        store.take(member(1))
        look(store, 1)
        facts = facts_of(store)
        store.execute(f"ALTER TABLE {lost} RENAME TO away")
        with pytest.raises(LedgerError, match="cannot be seen whether this look stands out") as raised:
            facts.around("hasselt", insz(1), name="an", at=NOW, case="", is_denied=False)
        assert "Nothing was asked" in str(raised.value)

    def test_a_key_that_was_altered_lets_nobody_look(self, store: Store) -> None:
        """Whose pseudonym it is cannot be known."""
        look(store, 1)
        store.execute("UPDATE log_key SET key = :key", key=b"\x01" + bytes(40))
        with pytest.raises(LedgerError, match="cannot be seen whether this look stands out"):
            around(store)

    def test_every_query_goes_by_an_index(self, store: Store) -> None:
        """Whatever the length of the log, a look costs a few milliseconds."""
        if not store.database.is_sqlite:
            pytest.skip("a planner with statistics reads a short log whole, and rightly so")
        store.take(member(1))
        record(store, "M0001", Same(held()))
        look(store, 1)
        said: list[tuple[str, Any]] = []

        def note(_c: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
            said.append((statement, parameters))

        event.listen(store.database.engine, "before_cursor_execute", note)
        around(store)
        event.remove(store.database.engine, "before_cursor_execute", note)
        with store.database.engine.connect() as connection:
            plans = [
                " ".join(str(row[3]) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", parameters))
                for sql, parameters in said
                if sql.lstrip().startswith("SELECT")
            ]
        assert len(plans) == 6
        assert not [plan for plan in plans if "SCAN" in plan or "TEMP B-TREE FOR ORDER" in plan]
        assert any("entry_actor (library=? AND actor=?)" in plan for plan in plans)
        assert any("entry_subject (library=? AND subject=?)" in plan for plan in plans)
        assert any("member_insz (library=? AND insz_key=?)" in plan for plan in plans)
