"""Checkpoints and anchorings: what was signed and who took it in, as it was, and never anew."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy.exc import DBAPIError

from rrsync.errors import BrokenChain, LedgerError
from rrsync.store.checkpoints import Anchoring, Checkpoints, Kept
from tests.owner import unguard
from tests.support import NOW, Store


def kept(size: int, *, library: str = "hasselt", note: str = "") -> Kept:
    """Return a checkpoint of so many entries."""
    return Kept(library, size, NOW + timedelta(seconds=size, microseconds=7), note or f"a note of {size}\n")


def test_what_was_signed_comes_back(store: Store) -> None:
    """To the microsecond and to the letter, the shortest first, each log's own."""
    checkpoints = Checkpoints(store.database, store.seal)
    assert (checkpoints.all("hasselt"), checkpoints.last("hasselt")) == ([], None)
    checkpoints.add(kept(20), kept(3), kept(100), kept(7, library="genk"))
    assert checkpoints.all("hasselt") == [kept(3), kept(20), kept(100)]
    assert checkpoints.last("hasselt") == kept(100)
    assert checkpoints.last("genk") == kept(7, library="genk")
    whole = Kept("hasselt", 200, NOW, "without a fraction — in the time\n")
    checkpoints.add(whole)
    assert checkpoints.last("hasselt") == whole


def test_what_was_signed_already_is_left(store: Store) -> None:
    """The same note may be kept again; another of that size is refused, with all that came with it."""
    checkpoints = Checkpoints(store.database, store.seal)
    checkpoints.add(kept(3))
    checkpoints.add(kept(3), Kept("hasselt", 3, NOW, kept(3).note))
    with pytest.raises(LedgerError, match="Another checkpoint of 3 entries of the log of hasselt was signed before"):
        checkpoints.add(kept(4), kept(3, note="another\n"))
    assert checkpoints.all("hasselt") == [kept(3)]


@pytest.mark.parametrize("statement", ["UPDATE checkpoint SET note = 'x'", "DELETE FROM checkpoint"])
def test_the_database_refuses_to_change_what_was_signed(store: Store, statement: str) -> None:
    """A checkpoint can no more be changed than an entry."""
    Checkpoints(store.database, store.seal).add(kept(3))
    with pytest.raises(DBAPIError, match="append-only"):
        store.execute(statement)


def test_anchorings_come_back_in_their_order(store: Store) -> None:
    """What was taken in when, by whom, and what they gave for it; of any anchor or of one."""
    checkpoints = Checkpoints(store.database, store.seal)
    assert checkpoints.anchorings("hasselt") == []
    assert checkpoints.last_anchored("hasselt") is None
    later = NOW + timedelta(hours=1)
    taken = [
        Anchoring("hasselt", 5, "mail", NOW, ""),
        Anchoring("hasselt", 7, "witness", NOW, "— witness abc\n"),
        Anchoring("hasselt", 7, "witness", later, "— witness abd\n"),
        Anchoring("genk", 9, "mail", later, ""),
    ]
    for one in (taken[2], taken[0], taken[1], taken[3]):
        checkpoints.anchored(one.library, one.size, one.name, one.at, one.receipt)
    assert checkpoints.anchorings("hasselt") == taken[:3]
    assert checkpoints.last_anchored("hasselt") == taken[2]
    assert checkpoints.last_anchored("hasselt", "mail") == taken[0]
    assert checkpoints.last_anchored("hasselt", "file") is None


def test_a_time_that_is_none_is_a_fault_that_is_named(store: Store) -> None:
    """SQLite takes anything in any column."""
    if not store.database.is_sqlite:
        pytest.skip("PostgreSQL holds one kind of value in a column")
    checkpoints = Checkpoints(store.database, store.seal)
    checkpoints.add(kept(3))
    checkpoints.anchored("hasselt", 3, "mail", NOW, "")
    unguard(store)
    for value in ("'nonsense'", "7", "x'00'"):
        store.execute(f"UPDATE checkpoint SET at = {value}")
        store.execute(f"UPDATE anchor SET at = {value}")
        for use in (checkpoints.all, checkpoints.last):
            with pytest.raises(BrokenChain, match="checkpoint of 3 of the access log of hasselt bears no time"):
                use("hasselt")
        assert checkpoints.anchorings("hasselt") == []
        assert checkpoints.last_anchored("hasselt") is None


@pytest.mark.parametrize(
    "change", ["size = 9", "name = 'file'", "at = '2030-01-01 00:00:00'", "receipt = 'x'", "library = 'genk'"]
)
def test_an_anchoring_that_we_did_not_note_counts_for_nothing(store: Store, change: str) -> None:
    """Who owns the database could else vouch for himself."""
    checkpoints = Checkpoints(store.database, store.seal)
    checkpoints.anchored("hasselt", 3, "mail", NOW, "")
    assert checkpoints.last_anchored("hasselt") is not None
    store.execute(f"UPDATE anchor SET {change}")
    for library in ("hasselt", "genk"):
        assert checkpoints.anchorings(library) == []
        assert checkpoints.last_anchored(library) is None


def test_an_anchoring_of_the_future_hides_none_of_the_past(store: Store) -> None:
    """A clock that was once ahead must not silence an anchor for good."""
    checkpoints = Checkpoints(store.database, store.seal)
    checkpoints.anchored("hasselt", 3, "mail", NOW, "")
    checkpoints.anchored("hasselt", 4, "mail", NOW + timedelta(days=365), "")
    last = checkpoints.last_anchored("hasselt", until=NOW)
    assert last is not None
    assert last.size == 3
    checkpoints.failed("mail", NOW)
    assert checkpoints.last_failure("mail", until=NOW) == NOW
    assert checkpoints.last_failure("file", until=NOW) is None
