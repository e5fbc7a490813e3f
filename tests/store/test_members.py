"""The members: a library's own rows come in, and what the register corrected stays corrected."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from rrsync.core.compare import Change, Hold
from rrsync.core.exchange import Reason
from rrsync.core.person import Held, Member, Name
from rrsync.store.members import Incoming, Taken
from tests.store.scene import AN, present, record
from tests.support import NOW, Store, address, held, insz, member

_IMPORTS = count(1)


def results(taken: list[Taken]) -> list[str]:
    """Return what became of each row."""
    return [one.result for one in taken]


def partly(store: Store, one: Member, *columns: str) -> list[str]:
    """Import one row of a file that has these columns alone."""
    incoming = [Incoming(2, one, frozenset({"member_no", *columns}))]
    return results(store.members.take(incoming, import_id=f"partly-{next(_IMPORTS)}", at=store.clock()))


class TestTaking:
    """One batch of an import, one transaction."""

    def test_a_new_member_is_written(self, store: Store) -> None:
        """It stands as the file has it, never asked about."""
        assert store.take(member(1), member(2, library="hasselt", insz=None)) == [Taken(2, "new"), Taken(3, "new")]
        standing = store.members.find("hasselt", "M0001")
        assert standing is not None
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

    def test_no_rows_are_no_work(self, store: Store) -> None:
        """An empty batch gives an empty answer."""
        assert store.take() == []

    def test_the_same_row_again_changes_nothing(self, store: Store) -> None:
        """A second import of the same file leaves every member as it is, asked about or not."""
        store.take(member(1))
        record(store, "M0001", Change(held(), held("99")))
        before = store.members.find("hasselt", "M0001")
        assert results(store.take(member(1), import_id="import-2")) == ["same"]
        assert store.members.find("hasselt", "M0001") == before

    def test_what_the_register_corrected_stays_corrected(self, store: Store) -> None:
        """The library's file still has the old address; the member keeps the register's."""
        store.take(member(1))
        record(store, "M0001", Change(held(), held("99")))
        store.take(member(1), import_id="import-2")
        standing = store.members.find("hasselt", "M0001")
        assert standing is not None
        assert standing.member.held.address.house_number == "99"
        assert (standing.verdict, standing.refreshed_at) == ("change", NOW)

    @pytest.mark.parametrize(
        "change",
        [
            {"held": replace(held("13", nis_code=""), address_since=None)},
            {"insz": insz(7)},
            {"insz": None},
            {"held": held(last="A")},
        ],
    )
    def test_a_row_that_says_something_new_is_written_and_due_again(self, store: Store, change: dict[str, Any]) -> None:
        """The library knows better now: its row is taken, what was found out before is forgotten, holds are closed."""
        store.take(member(1))
        record(store, "M0001", Hold(Reason.DECEASED))
        assert results(store.take(member(1, **change), import_id="import-2")) == ["changed"]
        standing = store.members.find("hasselt", "M0001")
        assert standing is not None
        assert standing.member == replace(member(1, **change), version=1)
        assert (standing.verdict, standing.refreshed_at) == ("", None)
        assert list(store.holds.open()) == []
        assert store.scalars("SELECT decision FROM hold") == ["superseded"]

    def test_a_correction_of_one_thing_leaves_what_the_register_corrected(self, store: Store) -> None:
        """The library mends a first name; the address the register gave since, and a number it gave, stay."""
        store.take(member(1))
        record(store, "M0001", Change(held(), held("99")))
        record(store, "M0001", Hold(Reason.NEW_NUMBER, new_insz=insz(9)))
        (hold,) = store.holds.open()
        store.settlement.accept(hold, AN)
        mended = member(1, held=replace(held(), name=Name(held().name.last, "Ann")))
        assert results(store.take(mended, import_id="import-2")) == ["changed"]
        found = present(store, "M0001")
        assert (found.held.name.first, found.held.address.house_number, found.insz) == ("Ann", "99", insz(9))
        assert results(store.take(mended, import_id="import-3")) == ["same"]

    def test_the_end_of_a_membership_alone_asks_nobody_again(self, store: Store) -> None:
        """Membership and loans are the library's; they are taken over and what was found out stays."""
        store.take(member(1))
        record(store, "M0001", Hold(Reason.DECEASED))
        ended = member(1, membership_end=NOW.date(), open_items=2)
        assert results(store.take(ended, import_id="import-2")) == ["changed"]
        standing = store.members.find("hasselt", "M0001")
        assert standing is not None
        assert (standing.member.membership_end, standing.member.open_items) == (NOW.date(), 2)
        assert (standing.verdict, standing.hold_reason) == ("hold", "deceased")
        assert len(list(store.holds.open())) == 1

    def test_a_member_on_two_lines_is_refused_the_second_time(self, store: Store) -> None:
        """Within a batch and over batches of one import the first line counts, and is named."""
        assert store.take(member(1), member(1, held=held("13"))) == [
            Taken(2, "new"),
            Taken(3, "refused", "member_no", "this member stands on line 2 of the file already"),
        ]
        assert results(store.take(member(1, held=held("14")))) == ["refused"]
        assert results(store.take(member(1, held=held("14")), import_id="import-2")) == ["changed"]

    def test_a_number_of_another_member_is_refused_and_not_shown(self, store: Store) -> None:
        """Two members of one library never have one number; in another library it is free."""
        store.take(member(1))
        taken = store.take(member(2, insz=insz(1)), import_id="import-2")
        assert taken == [Taken(2, "refused", "insz", "it is the number of another member of this library: M0001")]
        assert insz(1).digits not in repr(taken)
        assert results(store.take(member(1, library="genk"), import_id="import-2")) == ["new"]
        assert store.holder(insz(1)) == "M0001"
        assert store.holder(insz(2)) is None

    def test_two_new_members_with_one_number_are_refused(self, store: Store) -> None:
        """Within one batch, too, the first keeps the number."""
        assert results(store.take(member(1), member(2, insz=insz(1)))) == ["new", "refused"]
        assert store.members.count("hasselt") == 1

    def test_a_refused_line_does_not_block_a_later_one(self, store: Store) -> None:
        """When a member's first line was refused, its second may be taken."""
        store.take(member(1))
        lines = member(2, insz=insz(1)), member(2)
        assert results(store.take(*lines, import_id="import-2")) == ["refused", "new"]

    def test_a_number_may_move_to_another_member(self, store: Store) -> None:
        """Who gives a number up and who takes it may stand in one batch, the first before the second."""
        store.take(member(1), member(2))
        moved = store.take(
            member(1, insz=insz(8)), member(2, insz=insz(1)), member(3, insz=insz(2)), import_id="import-2"
        )
        assert results(moved) == ["changed", "changed", "new"]
        holders = [store.holder(insz(serial)) for serial in (8, 1, 2)]
        assert holders == ["M0001", "M0002", "M0003"]

    def test_two_numbers_that_were_swapped_are_refused(self, store: Store) -> None:
        """What looks like two people in one another's place is for a person to look at, and both stay as they are."""
        store.take(member(1), member(2))
        swapped = store.take(member(1, insz=insz(2)), member(2, insz=insz(1)), import_id="import-2")
        assert results(swapped) == ["refused", "refused"]
        assert store.holder(insz(1)) == "M0001"

    def test_a_column_that_a_file_does_not_have_is_not_said(self, store: Store) -> None:
        """What is held stays, the register's own corrections and the member's number too, and nobody is asked again."""
        store.take(member(1, membership_end=NOW.date(), open_items=2))
        record(store, "M0001", Change(held(), held("99")))
        before = store.members.find("hasselt", "M0001")
        bare = Member("hasselt", "M0001", None, Held())
        assert partly(store, bare, "open_items") == ["changed"]
        after = store.members.find("hasselt", "M0001")
        assert before is not None
        assert after == replace(before, member=replace(before.member, open_items=0))
        assert partly(store, bare, "open_items") == ["same"]

    def test_the_whole_file_after_a_partial_one_says_nothing_new(self, store: Store) -> None:
        """A file of some columns does not make the library forget what its whole file said."""
        store.take(member(1))
        record(store, "M0001", Change(held(), held("99")))
        renamed = Member("hasselt", "M0001", None, Held(Name("Other", "")))
        assert partly(store, renamed, "last_name") == ["changed"]
        found = store.members.find("hasselt", "M0001")
        assert found is not None
        wanted = replace(held("99"), name=Name("Other", held().name.first))
        assert found.member == replace(member(1), held=wanted, version=2)
        assert (found.verdict, found.refreshed_at) == ("", None)
        record(store, "M0001", Change(wanted, replace(wanted, address=address("98"))))
        assert results(store.take(member(1, held=held(last="Other")), import_id="again")) == ["same"]
        found = store.members.find("hasselt", "M0001")
        assert found is not None
        assert found.member.held.address.house_number == "98"

    def test_an_empty_cell_in_a_column_that_is_there_is_empty(self, store: Store) -> None:
        """Only a column that is not there leaves what is held; of an address some parts may be said."""
        store.take(member(1))
        bare = Member("hasselt", "M0001", None, Held())
        assert partly(store, bare, "insz", "birth_date", "box", "house_number") == ["changed"]
        found = store.members.find("hasselt", "M0001")
        assert found is not None
        emptied = replace(held(), birth_date=None, address=replace(address(""), nis_code=""), address_since=None)
        assert found.member == replace(member(1), insz=None, held=emptied, version=1)
        assert store.holder(insz(1)) is None

    def test_a_new_member_has_nothing_in_the_columns_that_are_not_there(self, store: Store) -> None:
        """And when a later file says the same by empty cells, it is the same."""
        bare = Member("hasselt", "M0001", None, Held(Name("Only", "")))
        assert partly(store, bare, "last_name") == ["new"]
        assert results(store.take(bare, import_id="again")) == ["same"]


class TestReading:
    """One, some, or all as a stream."""

    def test_members_are_given_by_their_keys(self, store: Store) -> None:
        """Of several libraries at once; who is not there is left out."""
        store.take(member(1), member(2))
        store.take(member(1, library="genk"))
        keys = [("hasselt", "M0002"), ("genk", "M0001"), ("genk", "M0002")]
        assert store.members.of(keys) == {keys[0]: member(2), keys[1]: member(1, library="genk")}
        assert store.members.of([]) == {}

    def test_an_export_is_a_stream_by_number(self, store: Store) -> None:
        """More than a page comes in one order, each member once, of one library."""
        store.take(*(member(1, number=f"M{number:05d}", insz=None) for number in range(2_001)))
        store.take(member(1, library="genk"))
        numbers = [standing.member.number for standing in store.members.export("hasselt")]
        assert numbers == [f"M{number:05d}" for number in range(2_001)]

    def test_an_export_may_be_of_what_changed(self, store: Store) -> None:
        """Since a moment, or by a run; a verdict that changed nothing is no change."""
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
