"""Checkpoints and the receipts of anchors."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy.exc import DBAPIError

from rrsync.errors import BrokenChain, LedgerError
from rrsync.store.checkpoints import AnchorReceipt, Checkpoints, SignedCheckpoint
from tests.owner import unguard
from tests.store.scene import ON_SQLITE
from tests.support import NOW, Store


def checkpoint(size: int, *, library: str = "hasselt", note: str = "") -> SignedCheckpoint:
    """Return a checkpoint of so many entries."""
    return SignedCheckpoint(library, size, NOW + timedelta(seconds=size, microseconds=7), note or f"a note of {size}\n")


def test_checkpoints_are_returned_as_signed(store: Store) -> None:
    checkpoints = Checkpoints(store.database, store.seal)
    assert (checkpoints.all("hasselt"), checkpoints.last("hasselt")) == ([], None)
    checkpoints.add(checkpoint(20), checkpoint(3), checkpoint(100), checkpoint(7, library="genk"))
    assert checkpoints.all("hasselt") == [checkpoint(3), checkpoint(20), checkpoint(100)]
    assert checkpoints.last("hasselt") == checkpoint(100)
    assert checkpoints.last("genk") == checkpoint(7, library="genk")
    whole = SignedCheckpoint("hasselt", 200, NOW, "without a fraction — in the time\n")
    checkpoints.add(whole)
    assert checkpoints.last("hasselt") == whole


def test_another_note_of_a_size_is_refused(store: Store) -> None:
    checkpoints = Checkpoints(store.database, store.seal)
    checkpoints.add(checkpoint(3))
    checkpoints.add(checkpoint(3), SignedCheckpoint("hasselt", 3, NOW, checkpoint(3).note))
    with pytest.raises(LedgerError):
        checkpoints.add(checkpoint(4), checkpoint(3, note="another\n"))
    assert checkpoints.all("hasselt") == [checkpoint(3)]


@pytest.mark.parametrize("statement", ["UPDATE checkpoint SET note = 'x'", "DELETE FROM checkpoint"])
def test_the_database_refuses_to_change_a_checkpoint(store: Store, statement: str) -> None:
    Checkpoints(store.database, store.seal).add(checkpoint(3))
    with pytest.raises(DBAPIError, match="append-only"):
        store.execute(statement)


def test_receipts_are_returned_in_their_order(store: Store) -> None:
    checkpoints = Checkpoints(store.database, store.seal)
    assert checkpoints.anchorings("hasselt") == []
    assert checkpoints.last_anchored("hasselt") is None
    later = NOW + timedelta(hours=1)
    taken = [
        AnchorReceipt("hasselt", 5, "mail", NOW, ""),
        AnchorReceipt("hasselt", 7, "witness", NOW, "— witness abc\n"),
        AnchorReceipt("hasselt", 7, "witness", later, "— witness abd\n"),
        AnchorReceipt("genk", 9, "mail", later, ""),
    ]
    for one in (taken[2], taken[0], taken[1], taken[3]):
        checkpoints.anchored(one.library, one.size, one.name, one.at, one.receipt)
    assert checkpoints.anchorings("hasselt") == taken[:3]
    assert checkpoints.last_anchored("hasselt") == taken[2]
    assert checkpoints.last_anchored("hasselt", "mail") == taken[0]
    assert checkpoints.last_anchored("hasselt", "file") is None


@ON_SQLITE
def test_an_invalid_time_is_a_fault(store: Store) -> None:
    checkpoints = Checkpoints(store.database, store.seal)
    checkpoints.add(checkpoint(3))
    checkpoints.anchored("hasselt", 3, "mail", NOW, "")
    unguard(store)
    for value in ("'nonsense'", "7", "x'00'"):
        store.execute(f"UPDATE checkpoint SET at = {value}")
        store.execute(f"UPDATE anchor SET at = {value}")
        for use in (checkpoints.all, checkpoints.last):
            with pytest.raises(BrokenChain):
                use("hasselt")
        assert checkpoints.anchorings("hasselt") == []
        assert checkpoints.last_anchored("hasselt") is None


@pytest.mark.parametrize(
    "change", ["size = 9", "name = 'file'", "at = '2030-01-01 00:00:00'", "receipt = 'x'", "library = 'genk'"]
)
def test_a_receipt_with_a_wrong_mac_is_skipped(store: Store, change: str) -> None:
    checkpoints = Checkpoints(store.database, store.seal)
    checkpoints.anchored("hasselt", 3, "mail", NOW, "")
    assert checkpoints.last_anchored("hasselt") is not None
    store.execute(f"UPDATE anchor SET {change}")
    for library in ("hasselt", "genk"):
        assert checkpoints.anchorings(library) == []
        assert checkpoints.last_anchored(library) is None


def test_a_receipt_of_the_future_hides_no_earlier_one(store: Store) -> None:
    checkpoints = Checkpoints(store.database, store.seal)
    checkpoints.anchored("hasselt", 3, "mail", NOW, "")
    checkpoints.anchored("hasselt", 4, "mail", NOW + timedelta(days=365), "")
    last = checkpoints.last_anchored("hasselt", until=NOW)
    assert last is not None
    assert last.size == 3
    checkpoints.failed("mail", NOW)
    assert checkpoints.last_failure("mail", until=NOW) == NOW
    assert checkpoints.last_failure("file", until=NOW) is None
