"""How many looks there were, hour by hour: on both databases, and once for every entry."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from rrsync.core.log_entry import Draft, Kind
from rrsync.errors import BrokenChain
from rrsync.store.reports import Group, Tally
from tests.support import NOW, Store, insz

WEEK = timedelta(days=7)


def write(
    store: Store, purpose: str = "desk", *, by: str = "an", kind: Kind = Kind.INTENT, actor: str = "person"
) -> None:
    """Log one entry, at the time it is."""
    body: dict[str, Any] = {"actor": {"t": actor, "id": by}, "why": {"code": purpose}}
    size = store.ledger.head("hasselt").size
    store.ledger.append([Draft("hasselt", kind, f"look-{size}", insz(1), body=body)])


def alter(store: Store, statement: str) -> None:
    """Run SQL as the owner of the database, past the trigger that guards the log."""
    sqlite = store.database.is_sqlite
    store.execute("DROP TRIGGER entry_no_update" if sqlite else "DROP TRIGGER entry_append_only ON entry")
    assert store.execute(statement) == 1


class TestSince:
    """Counts from a moment on."""

    def test_by_hour_person_and_purpose(self, store: Store) -> None:
        """Looks, tries and denials; what is no look is none, and a process has no name."""
        write(store)
        write(store, kind=Kind.DENIED)
        write(store, kind=Kind.VIEW)
        write(store, kind=Kind.REUSE)
        write(store, "member-administration", by="rrsync night", actor="process")
        store.clock.pass_by(minutes=59)
        write(store, by="bo")
        store.clock.pass_by(minutes=1)
        write(store, by="bo")
        later = NOW + timedelta(hours=1)
        assert Tally(store.database).since("hasselt", NOW) == Counter(
            {
                Group(NOW, "an", "desk"): 3,
                Group(NOW, "", "member-administration"): 1,
                Group(NOW, "bo", "desk"): 1,
                Group(later, "bo", "desk"): 1,
            }
        )
        assert Tally(store.database).since("hasselt", later).total() == 1

    def test_a_log_that_was_not_begun(self, store: Store) -> None:
        """Holds none, and is counted once it is there."""
        tally = Tally(store.database)
        assert not tally.since("hasselt", NOW)
        write(store)
        assert tally.since("hasselt", NOW).total() == 1
        assert not tally.since("genk", NOW)

    def test_what_came_since_is_added(self, store: Store) -> None:
        """Whoever asks again gets all; a shorter span, then a longer one, are each their own."""
        tally = Tally(store.database)
        for _ in range(3):
            write(store)
            store.clock.pass_by(days=1)
        assert tally.since("hasselt", NOW).total() == 3
        assert tally.since("hasselt", NOW + timedelta(days=1)).total() == 2
        write(store)
        assert tally.since("hasselt", NOW + timedelta(days=3)).total() == 1
        assert tally.since("hasselt", NOW - WEEK).total() == 4

    def test_entries_are_read_once(self, store: Store) -> None:
        """What was counted is not looked at again, or this would fail."""
        tally = Tally(store.database)
        write(store)
        assert tally.since("hasselt", NOW).total() == 1
        alter(store, "UPDATE entry SET kind = 'log.view' WHERE seq = 0")
        write(store)
        assert tally.since("hasselt", NOW).total() == 2
        assert Tally(store.database).since("hasselt", NOW).total() == 1

    def test_a_clock_that_went_back(self, store: Store) -> None:
        """Each entry is in the hour it says; by up to a week."""
        store.clock.pass_by(days=6)
        write(store)
        store.clock.pass_by(days=-6)
        write(store, by="bo")
        tally = Tally(store.database)
        assert tally.since("hasselt", NOW).total() == 2
        assert list(tally.since("hasselt", NOW + timedelta(days=1))) == [Group(NOW + timedelta(days=6), "an", "desk")]

    def test_a_backup_that_was_put_back(self, store: Store) -> None:
        """Is counted from the start: what was counted of the longer log is forgotten."""
        tally = Tally(store.database)
        write(store)
        write(store, by="bo")
        assert tally.since("hasselt", NOW).total() == 2
        names = ("entry_no_delete", "entry_no_update") if store.database.is_sqlite else ()
        for name in names:
            store.execute(f"DROP TRIGGER IF EXISTS {name}")
        if not store.database.is_sqlite:
            store.execute("ALTER TABLE entry DISABLE TRIGGER ALL")
        store.execute("DELETE FROM entry WHERE seq = 1")
        store.execute("UPDATE log SET size = 1")
        assert list(tally.since("hasselt", NOW)) == [Group(NOW, "an", "desk")]

    @pytest.mark.parametrize("text", ["no entry", "[]x", "\\xff"])
    def test_what_is_no_entry_is_not_counted(self, store: Store, text: str) -> None:
        """The log is broken: nobody is told a number that may be wrong."""
        write(store)
        data = "X'FF'" if store.database.is_sqlite else r"'\xff'::bytea"
        if text != "\\xff":
            data = f"CAST('{text}' AS BLOB)" if store.database.is_sqlite else f"convert_to('{text}', 'UTF8')"
        alter(store, f"UPDATE entry SET data = {data} WHERE seq = 0")
        with pytest.raises(BrokenChain, match="cannot be counted"):
            Tally(store.database).since("hasselt", NOW)

    @pytest.mark.parametrize("seq", range(4))
    def test_a_time_that_is_none(self, store: Store, seq: int) -> None:
        """Only SQLite takes it; wherever it stands, nobody is told a number."""
        if not store.database.is_sqlite:
            pytest.skip("PostgreSQL takes no text for a time")
        for _ in range(4):
            write(store)
        alter(store, f"UPDATE entry SET at = 'yesterday' WHERE seq = {seq}")
        with pytest.raises(BrokenChain, match="cannot be"):
            Tally(store.database).since("hasselt", NOW)
