"""Months by places in a log, and the looks of persons in them."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rrsync.core.log_entry import Draft, Kind
from rrsync.errors import BrokenChain
from rrsync.store.encryption import Keyring
from rrsync.store.log_search import Looks
from tests.support import NOW, Clock, Dice, Store, insz, open_store

KEYS = Keyring.fresh(Dice("keys"))
HOURS = st.lists(st.integers(-167, 400), max_size=30)


def write(store: Store, *flags: str, kind: Kind = Kind.INTENT, by: str = "an", actor: str = "person") -> None:
    """Log one entry, at the time it is."""
    body: dict[str, Any] = {"actor": {"t": actor, "id": by}} | ({"flags": list(flags)} if flags else {})
    size = store.ledger.head("hasselt").size
    store.ledger.append([Draft("hasselt", kind, f"look-{size}", insz(1), body=body)])


def alter(store: Store, statement: str, **values: object) -> None:
    """Run SQL as the owner of the database, past the trigger that guards the log."""
    sqlite = store.database.is_sqlite
    store.execute("DROP TRIGGER entry_no_update" if sqlite else "DROP TRIGGER entry_append_only ON entry")
    assert store.execute(statement, **values) == 1


class TestFirst:
    """The place of the first entry at a moment or after it."""

    @given(hours=HOURS)
    @settings(max_examples=40, deadline=None)
    def test_the_clock_may_have_been_set_back_by_a_week(self, hours: list[int], migrated_file: Path) -> None:
        """Before that place nothing is of the moment or later, whatever came after it."""
        with TemporaryDirectory() as folder:
            path = shutil.copy(migrated_file, Path(folder) / "rrsync.db")
            store = open_store(f"sqlite:///{path}", clock=Clock(), random=Dice(), keys=KEYS)
            told, times = NOW, list[datetime]()
            for passed in hours:
                told += timedelta(hours=max(0, passed))
                store.clock.now = told + timedelta(hours=min(0, passed))
                times.append(store.clock.now)
                store.ledger.append([Draft("hasselt", Kind.RUN_OPEN, "")])
            looks = Looks(store.database)
            for moment in [*times, NOW, NOW + timedelta(days=3), NOW + timedelta(days=600)]:
                first = next((seq for seq, at in enumerate(times) if at >= moment), len(times))
                assert looks.first("hasselt", moment) == first
            store.close()

    def test_of_a_log_that_was_not_begun(self, store: Store) -> None:
        """It is at its end at once."""
        assert Looks(store.database).first("hasselt", NOW) == 0

    def test_of_a_log_with_a_hole(self, store: Store) -> None:
        """What is gone is named, and not passed over."""
        for _ in range(3):
            write(store)
        sqlite = store.database.is_sqlite
        store.execute("DROP TRIGGER entry_no_delete" if sqlite else "DROP TRIGGER entry_append_only ON entry")
        store.execute("DELETE FROM entry WHERE seq = 1")
        with pytest.raises(BrokenChain, match="Entry 1 of the access log of hasselt cannot be read"):
            Looks(store.database).first("hasselt", NOW)


class TestFlags:
    """The looks of persons, each with its flags."""

    def test_the_looks_of_persons_in_a_stretch(self, store: Store) -> None:
        """Intents and denials; no outcomes, no processes, nothing else a person did."""
        write(store, "refused")
        write(store, "odd_case", "own_record", kind=Kind.DENIED)
        write(store, by="rrsync night", actor="process")
        write(store, kind=Kind.VIEW)
        write(store)
        write(store)
        looks = Looks(store.database)
        assert looks.flags("hasselt", range(1, 5)) == {1: ("odd_case", "own_record"), 4: ()}
        assert list(looks.flags("hasselt", range(6))) == [0, 1, 4, 5]
        assert looks.flags("hasselt", range(0)) == looks.flags("genk", range(6)) == {}

    def test_the_looks_from_before_the_log_knew_who_acts(self, store: Store) -> None:
        """Their bytes say who it was."""
        write(store)
        write(store, by="rrsync night", actor="process")
        sqlite = store.database.is_sqlite
        store.execute("DROP TRIGGER entry_no_update" if sqlite else "DROP TRIGGER entry_append_only ON entry")
        store.execute("UPDATE entry SET actor = '', mac = NULL")
        write(store)
        assert list(Looks(store.database).flags("hasselt", range(9))) == [0, 2]

    def test_an_entry_that_cannot_be_read(self, store: Store) -> None:
        """It is named, and not left out."""
        write(store)
        alter(store, "UPDATE entry SET data = :data", data=b"{")
        with pytest.raises(BrokenChain, match="Entry 0 of the access log of hasselt cannot be read"):
            Looks(store.database).flags("hasselt", range(1))
