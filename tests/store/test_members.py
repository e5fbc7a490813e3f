"""The members: import of a library's file, lookup, and export."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from rrsync.core.compare import Change, Hold
from rrsync.core.exchange import Reason
from rrsync.core.person import Held, Member, Name
from rrsync.store.members import ImportResult, ImportRow
from tests.store.scene import AN, only_hold, present, record, status_of
from tests.support import NOW, Store, address, held, insz, member

_IMPORTS = count(1)


def results(taken: list[ImportResult]) -> list[str]:
    """Return the result of each row."""
    return [one.result for one in taken]


def take_columns(store: Store, one: Member, *columns: str) -> list[str]:
    """Import one row of a file with these columns."""
    incoming = [ImportRow(2, one, frozenset({"member_no", *columns}))]
    return results(store.members.take(incoming, import_id=f"take_columns-{next(_IMPORTS)}", at=store.clock()))


def test_a_new_member_is_added(store: Store) -> None:
    assert store.take(member(1), member(2, library="hasselt", insz=None)) == [
        ImportResult(2, "new"),
        ImportResult(3, "new"),
    ]
    standing = status_of(store)
    assert standing.member == member(1)
    assert (standing.verdict, standing.hold_reason, standing.refreshed_at, standing.changed_at) == (
        "",
        "",
        None,
        None,
    )
    assert store.members.count("hasselt") == 2
    assert store.members.find("hasselt", "M9999") is None
    assert store.members.find("genk", "M0001") is None


def test_an_empty_batch_has_no_results(store: Store) -> None:
    assert store.take() == []


def test_a_repeated_row_changes_nothing_and_keeps_the_corrections_of_the_register(store: Store) -> None:
    store.take(member(1))
    record(store, "M0001", Change(held(), held("99")))
    before = status_of(store)
    assert before.member.held == held("99")
    assert results(store.take(member(1), import_id="import-2")) == ["same"]
    assert status_of(store) == before


@pytest.mark.parametrize(
    "change",
    [
        {"held": replace(held("13", nis_code=""), address_since=None)},
        {"insz": insz(7)},
        {"insz": None},
        {"held": held(last="A")},
    ],
)
def test_a_changed_row_is_written_and_the_member_is_due(store: Store, change: dict[str, Any]) -> None:
    store.take(member(1))
    record(store, "M0001", Hold(Reason.DECEASED))
    assert results(store.take(member(1, **change), import_id="import-2")) == ["changed"]
    standing = status_of(store)
    assert standing.member == replace(member(1, **change), version=1)
    assert (standing.verdict, standing.refreshed_at) == ("", None)
    assert list(store.holds.open()) == []
    assert store.scalars("SELECT decision FROM hold") == ["superseded"]


def test_a_changed_column_leaves_corrections_in_other_columns(store: Store) -> None:
    store.take(member(1))
    record(store, "M0001", Change(held(), held("99")))
    record(store, "M0001", Hold(Reason.NEW_NUMBER, new_insz=insz(9)))
    store.settlement.accept(only_hold(store), AN)
    mended = member(1, held=replace(held(), name=Name(held().name.last, "Ann")))
    assert results(store.take(mended, import_id="import-2")) == ["changed"]
    found = present(store, "M0001")
    assert (found.held.name.first, found.held.address.house_number, found.insz) == ("Ann", "99", insz(9))
    assert results(store.take(mended, import_id="import-3")) == ["same"]


def test_a_change_of_membership_alone_keeps_the_verdict(store: Store) -> None:
    store.take(member(1))
    record(store, "M0001", Hold(Reason.DECEASED))
    ended = member(1, membership_end=NOW.date(), open_items=2)
    assert results(store.take(ended, import_id="import-2")) == ["changed"]
    standing = status_of(store)
    assert (standing.member.membership_end, standing.member.open_items) == (NOW.date(), 2)
    assert (standing.verdict, standing.hold_reason) == ("hold", "deceased")
    assert len(list(store.holds.open())) == 1


def test_a_second_row_of_a_member_is_refused(store: Store) -> None:
    assert store.take(member(1), member(1, held=held("13"))) == [
        ImportResult(2, "new"),
        ImportResult(3, "refused", "member_no", "this member stands on line 2 of the file already"),
    ]
    assert results(store.take(member(1, held=held("14")))) == ["refused"]
    assert results(store.take(member(1, held=held("14")), import_id="import-2")) == ["changed"]


def test_a_number_of_another_member_is_refused_and_not_shown(store: Store) -> None:
    store.take(member(1))
    taken = store.take(member(2, insz=insz(1)), import_id="import-2")
    assert taken == [ImportResult(2, "refused", "insz", "it is the number of another member of this library: M0001")]
    assert insz(1).digits not in repr(taken)
    assert results(store.take(member(1, library="genk"), import_id="import-2")) == ["new"]
    assert store.holder(insz(1)) == "M0001"
    assert store.holder(insz(2)) is None


def test_the_second_of_two_new_members_with_one_number_is_refused(store: Store) -> None:
    assert results(store.take(member(1), member(2, insz=insz(1)))) == ["new", "refused"]
    assert store.members.count("hasselt") == 1


def test_a_refused_row_does_not_block_a_later_one(store: Store) -> None:
    store.take(member(1))
    lines = member(2, insz=insz(1)), member(2)
    assert results(store.take(*lines, import_id="import-2")) == ["refused", "new"]


def test_a_number_may_move_to_another_member(store: Store) -> None:
    store.take(member(1), member(2))
    moved = store.take(member(1, insz=insz(8)), member(2, insz=insz(1)), member(3, insz=insz(2)), import_id="import-2")
    assert results(moved) == ["changed", "changed", "new"]
    holders = [store.holder(insz(serial)) for serial in (8, 1, 2)]
    assert holders == ["M0001", "M0002", "M0003"]


def test_swapped_numbers_are_refused(store: Store) -> None:
    store.take(member(1), member(2))
    swapped = store.take(member(1, insz=insz(2)), member(2, insz=insz(1)), import_id="import-2")
    assert results(swapped) == ["refused", "refused"]
    assert store.holder(insz(1)) == "M0001"


def test_a_missing_column_is_left_unchanged(store: Store) -> None:
    store.take(member(1, membership_end=NOW.date(), open_items=2))
    record(store, "M0001", Change(held(), held("99")))
    before = store.members.find("hasselt", "M0001")
    bare = Member("hasselt", "M0001", None, Held())
    assert take_columns(store, bare, "open_items") == ["changed"]
    after = store.members.find("hasselt", "M0001")
    assert before is not None
    assert after == replace(before, member=replace(before.member, open_items=0))
    assert take_columns(store, bare, "open_items") == ["same"]


def test_a_complete_file_after_a_partial_one_repeats_its_values(store: Store) -> None:
    store.take(member(1))
    record(store, "M0001", Change(held(), held("99")))
    renamed = Member("hasselt", "M0001", None, Held(Name("Other", "")))
    assert take_columns(store, renamed, "last_name") == ["changed"]
    found = status_of(store)
    wanted = replace(held("99"), name=Name("Other", held().name.first))
    assert found.member == replace(member(1), held=wanted, version=2)
    assert (found.verdict, found.refreshed_at) == ("", None)
    record(store, "M0001", Change(wanted, replace(wanted, address=address("98"))))
    assert results(store.take(member(1, held=held(last="Other")), import_id="again")) == ["same"]
    found = status_of(store)
    assert found.member.held.address.house_number == "98"


def test_an_empty_cell_empties_the_value(store: Store) -> None:
    store.take(member(1))
    bare = Member("hasselt", "M0001", None, Held())
    assert take_columns(store, bare, "insz", "birth_date", "box", "house_number") == ["changed"]
    found = status_of(store)
    emptied = replace(held(), birth_date=None, address=replace(address(""), nis_code=""), address_since=None)
    assert found.member == replace(member(1), insz=None, held=emptied, version=1)
    assert store.holder(insz(1)) is None


def test_a_new_member_is_empty_in_missing_columns(store: Store) -> None:
    bare = Member("hasselt", "M0001", None, Held(Name("Only", "")))
    assert take_columns(store, bare, "last_name") == ["new"]
    assert results(store.take(bare, import_id="again")) == ["same"]


def test_members_are_found_by_library_and_number(store: Store) -> None:
    store.take(member(1), member(2))
    store.take(member(1, library="genk"))
    keys = [("hasselt", "M0002"), ("genk", "M0001"), ("genk", "M0002")]
    assert store.members.of(keys) == {keys[0]: member(2), keys[1]: member(1, library="genk")}
    assert store.members.of([]) == {}


def test_an_export_is_ordered_by_number(store: Store) -> None:
    store.take(*(member(1, number=f"M{number:05d}", insz=None) for number in range(2_001)))
    store.take(member(1, library="genk"))
    numbers = [standing.member.number for standing in store.members.export("hasselt")]
    assert numbers == [f"M{number:05d}" for number in range(2_001)]


def test_an_export_can_be_limited_to_changes(store: Store) -> None:
    store.take(member(1), member(2), member(3))
    record(store, "M0001", Change(held(), held("99")), run="run-1")
    store.clock.pass_by(days=1)
    record(store, "M0002", Change(held(), held("98")), run="run-2")
    record(store, "M0003", Hold(Reason.DECEASED), run="run-2")

    def numbers(**chosen: object) -> list[str]:
        return [one.member.number for one in store.members.export("hasselt", **chosen)]  # type: ignore[arg-type]

    assert numbers(since=NOW) == ["M0001", "M0002"]
    assert numbers(since=store.clock()) == ["M0002"]
    assert numbers(run="run-1") == ["M0001"]
    assert numbers(run="run-2") == ["M0002"]
    assert numbers(run="run-3") == []
