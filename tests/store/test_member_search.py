"""The search for members by name and number, and the blind index that reveals no name."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from itertools import chain, count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rrsync.cli.setup import install
from rrsync.config.load import load, read_keys
from rrsync.core.compare import Change, Hold, Same
from rrsync.core.exchange import Reason
from rrsync.core.name_search import held as readings
from rrsync.core.name_search import typed
from rrsync.core.person import Name
from rrsync.errors import StoreError
from rrsync.store.encryption import FieldCipher, Keyring
from rrsync.store.member_search import MemberSearch
from rrsync.store.rows import BlindIndex, RowCipher, fill_blind_index
from tests.store.scene import AN, only_hold, present, record
from tests.support import FIRST, LAST, Clock, Dice, Store, held, insz, member, open_store

_EXAMPLES = count(1)
_LETTERS = st.characters(max_codepoint=0x6FF, categories=("L", "Mn"))
_WORDS = st.lists(st.text(_LETTERS, min_size=1, max_size=9), min_size=1, max_size=4)


def finder(store: Store) -> MemberSearch:
    return MemberSearch(store.database, store.rows)


def named(store: Store, words: str, *, library: str = "hasselt", most: int = 50) -> list[str]:
    """Return the numbers of the members that a search finds, in their order."""
    found, is_cut = finder(store).named(library, words, most=most)
    assert not is_cut
    return [standing.member.number for standing in found]


def index_rows(store: Store) -> dict[tuple[str, str], tuple[int, ...]]:
    """Return the rows of the index."""
    with store.database.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT library, number, three, four, six FROM beacon").all()
    return {(library, number): tuple(lit) for library, number, *lit in rows}


def require_current_index(store: Store) -> None:
    """Check that the index has the current name of every member, and nothing else."""
    index, due = BlindIndex(store.rows, "hasselt"), {}
    for one in store.members.export("hasselt"):
        due["hasselt", one.member.number] = index.of(chain.from_iterable(readings(one.member.held.name)))
    assert index_rows(store) == due


def test_words_are_found_in_any_order_case_and_accents(store: Store) -> None:
    store.take(
        member(1, held=held(last="Van den Broeck", first="Anaïs")),
        member(2, held=held(last="Vandenbroeck", first="Jan")),
        member(3, held=held(last="Yıldız", first="Anneke")),  # noqa: RUF001 — a dotless i, as in Turkish
    )
    assert named(store, "BROECK anais") == ["M0001"]
    assert named(store, "van den broeck") == ["M0001", "M0002"]
    assert named(store, "vandenb j") == ["M0002"]
    assert named(store, "ann") == ["M0003"]
    assert named(store, "yildiz") == ["M0003"]
    assert named(store, "roeck") == []


def test_an_empty_search_finds_nobody(store: Store) -> None:
    store.take(member(1), member(2, held=held(last="", first="")))
    store.execute("DELETE FROM beacon WHERE number = 'M0001'")
    for words in ("", "  ", "-'", "."):
        assert finder(store).named("hasselt", words) == ((), False)


def test_a_found_member_has_its_last_verdict(store: Store) -> None:
    store.take(member(1))
    record(store, "M0001", Change(held(), held("99")))
    assert finder(store).named("hasselt", LAST) == ((store.members.find("hasselt", "M0001"),), False)


def test_a_cut_result_is_marked(store: Store) -> None:
    names = ("Zegers", "Aerts", "Évrard", "Maes")
    store.take(*(member(at, held=held(last=last)) for at, last in enumerate(names, start=1)))
    found, is_cut = finder(store).named("hasselt", FIRST, most=4)
    assert ([one.member.held.name.last for one in found], is_cut) == (["Aerts", "Évrard", "Maes", "Zegers"], False)
    found, is_cut = finder(store).named("hasselt", FIRST, most=3)
    assert ({one.member.number for one in found}, is_cut) == ({"M0001", "M0002", "M0003"}, True)


def test_a_search_finds_members_of_its_library_only(store: Store) -> None:
    store.take(member(1))
    store.take(member(1, library="genk", number="G1"))
    assert named(store, LAST) == ["M0001"]
    assert named(store, LAST, library="genk") == ["G1"]
    assert named(store, LAST, library="nowhere") == []


def test_more_candidates_than_a_page_are_read(store: Store) -> None:
    store.take(*(member(at, insz=None, held=held(last="Vandamme")) for at in range(1, 2_101)))
    store.take(member(2_101, insz=None, held=held(last="Vandaele")))
    assert named(store, "vandae") == ["M2101"]
    store.execute("DELETE FROM beacon")
    assert named(store, "vandae") == ["M2101"]
    found, is_cut = finder(store).named("hasselt", "vandamme")
    assert (len(found), is_cut) == (50, True)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(last=_WORDS, first=_WORDS, data=st.data())
def test_any_prefixes_of_all_words_find_a_name(
    store: Store, last: list[str], first: list[str], data: st.DataObject
) -> None:
    name, number = held(last=" ".join(last), first="-".join(first)), f"E{next(_EXAMPLES)}"
    store.take(member(1, insz=None, number=number, held=name))
    store.take(member(1, insz=None, number=f"{number}-genk", library="genk", held=name))
    words = data.draw(st.permutations([*last, *first]))
    cut = [word[: data.draw(st.integers(3, 9))] for word in words]
    parts = [
        part if all(len(each) >= 3 for reading in typed(part) for each in reading) else word
        for part, word in zip(cut, words, strict=True)
    ]
    if not typed(" ".join(parts)):
        return
    for text in (" ".join(parts), *(part for part in parts if typed(part))):
        found, _ = finder(store).named("hasselt", text, most=10_000)
        assert number in {one.member.number for one in found}
        assert all(one.member.library == "hasselt" for one in found)


def test_a_damaged_member_is_left_out(store: Store) -> None:
    store.take(member(1), member(2), member(3))
    store.execute("UPDATE member SET name = (SELECT address FROM member WHERE number = 'M0003') WHERE number = 'M0001'")
    store.execute("UPDATE member SET address = name WHERE number = 'M0002'")
    assert named(store, LAST) == ["M0003"]


def test_a_search_with_other_keys_is_an_error(store: Store) -> None:
    store.take(member(1))
    store.execute("DELETE FROM beacon")
    other = store.again(keys=Keyring.fresh(Dice("other")))
    with pytest.raises(StoreError):
        finder(other).named("hasselt", LAST)


def test_a_member_is_found_by_the_current_number_only(store: Store) -> None:
    store.take(member(1), member(2))
    store.take(member(3, library="genk"))
    assert finder(store).numbered("hasselt", insz(2)) == store.members.find("hasselt", "M0002")
    assert finder(store).numbered("hasselt", insz(3)) is None
    record(store, "M0002", Hold(Reason.NEW_NUMBER, new_insz=insz(9)))
    store.settlement.accept(only_hold(store), AN)
    assert finder(store).numbered("hasselt", insz(2)) is None
    assert finder(store).numbered("hasselt", insz(9)) == store.members.find("hasselt", "M0002")


def test_an_import_writes_the_index(store: Store) -> None:
    store.take(member(1), member(2), member(3, held=held(last="", first="")))
    require_current_index(store)
    assert index_rows(store)["hasselt", "M0003"] == (0, 0, 0)
    again = member(1, held=held(last="Çelik")), member(2), member(4, held=held(last="Maes"))
    store.take(*again, import_id="import-2")
    require_current_index(store)
    assert (named(store, "celik"), named(store, LAST)) == (["M0001"], ["M0002"])


def test_an_import_of_first_names_keeps_the_last_name_of_the_register(store: Store) -> None:
    store.take(member(1))
    record(store, "M0001", Change(held(), held(last="Maes")))
    mended = member(1, held=held(first="Ann"))
    store.take(mended, import_id="import-2")
    require_current_index(store)
    assert named(store, "maes ann") == ["M0001"]


def test_a_verdict_and_an_accepted_proposal_write_the_index(store: Store) -> None:
    store.take(member(1), member(2, held=held(last="")), member(3))
    record(store, "M0001", Change(held(), held("99", last="Maes")))
    record(store, "M0002", Same(held(last="Claes")))
    record(store, "M0003", Hold(Reason.NAME_DIFFERS, proposal=held(last="Aerts")))
    require_current_index(store)
    assert (named(store, "maes"), named(store, "claes"), named(store, "aerts")) == (["M0001"], ["M0002"], [])
    store.settlement.accept(only_hold(store), AN)
    require_current_index(store)
    assert named(store, "aerts") == ["M0003"]


def test_a_change_of_number_or_address_leaves_the_index(store: Store) -> None:
    store.take(member(1))
    before = index_rows(store)
    record(store, "M0001", Change(held(), held("99")))
    record(store, "M0001", Hold(Reason.NEW_NUMBER, new_insz=insz(9)))
    store.settlement.accept(only_hold(store), AN)
    assert (present(store, "M0001").insz, index_rows(store)) == (insz(9), before)


def test_a_refused_or_failed_import_leaves_no_index(store: Store) -> None:
    store.take(member(1))
    store.take(member(2, insz=insz(1)), import_id="import-2")
    with pytest.raises(StoreError):
        store.take(replace(member(3), membership_end="no date"), import_id="import-3")  # type: ignore[arg-type]
    require_current_index(store)


class Interrupted(Exception):
    """The fill was interrupted."""


class InterruptedRows(RowCipher):
    """Decrypts some names, and is interrupted then."""

    left = 1_500

    def name(self, library: str, number: str, sealed: bytes) -> Name:
        """Decrypt a name, or raise."""
        self.left -= 1
        if self.left < 0:
            raise Interrupted
        return super().name(library, number, sealed)


def test_members_without_an_index_are_found_and_filled(store: Store) -> None:
    store.take(member(1), member(2, held=held(last="Maes")))
    store.take(member(1, library="genk"))
    before = index_rows(store)
    store.execute("DELETE FROM beacon WHERE NOT (library = 'hasselt' AND number = 'M0002')")
    assert named(store, LAST) == ["M0001"]
    assert named(store, "maes") == ["M0002"]
    assert (fill_blind_index(store.database, store.rows), fill_blind_index(store.database, store.rows)) == (2, 0)
    assert index_rows(store) == before
    assert named(store, LAST) == ["M0001"]


def test_an_interrupted_fill_continues(store: Store) -> None:
    store.take(*(member(at, insz=None) for at in range(1, 2_102)))
    store.execute("DELETE FROM beacon")
    with pytest.raises(Interrupted):
        fill_blind_index(store.database, InterruptedRows(store.seal))
    assert len(index_rows(store)) == 1_000
    assert fill_blind_index(store.database, store.rows) == 1_101
    require_current_index(store)


def test_a_fill_skips_damaged_names(store: Store) -> None:
    store.take(member(1), member(2))
    store.execute("UPDATE member SET name = address WHERE number = 'M0001'")
    store.execute("DELETE FROM beacon")
    other = store.again(keys=Keyring.fresh(Dice("other")))
    assert fill_blind_index(other.database, other.rows) == 0
    assert fill_blind_index(store.database, store.rows) == 1
    assert list(index_rows(store)) == [("hasselt", "M0002")]


def test_init_fills_the_index(tmp_path: Path) -> None:
    path = tmp_path / "rrsync.toml"
    install(path)
    found = load(path)
    store = open_store(found.store.url, clock=Clock(), random=Dice(), keys=Keyring.parse(read_keys(found)))
    try:
        store.take(member(1))
        before = index_rows(store)
        store.execute("DELETE FROM beacon")
        assert install(path) == []
        assert index_rows(store) == before != {}
    finally:
        store.close()


def test_the_index_holds_three_integers_only(store: Store) -> None:
    store.take(member(1), member(2, held=held(last="Van den Broeck")))
    with store.database.engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT * FROM beacon")
        assert list(found.keys()) == ["library", "number", "three", "four", "six"]
        rows = found.all()
    assert {row[:2] for row in rows} == {("hasselt", "M0001"), ("hasselt", "M0002")}
    for row in rows:
        assert all(type(lit) is int and 0 < lit < 2**63 for lit in row[2:])


def test_the_index_reveals_neither_order_nor_repetition_nor_the_ends_of_words(store: Store) -> None:
    same = (("Peeters", "An Jan"), ("Jan", "Peetersen-An"), ("PEETERS", "Jan An Jan"))
    store.take(*(member(at, held=held(last=last, first=first)) for at, (last, first) in enumerate(same, start=1)))
    assert len(set(index_rows(store).values())) == 1


def test_the_index_differs_between_libraries_and_installations(store: Store) -> None:
    store.take(member(1))
    store.take(member(1, library="genk"))
    first, second = index_rows(store).values()
    assert first != second
    other = BlindIndex(RowCipher(FieldCipher(Keyring.fresh(Dice("other")), os.urandom)), "hasselt")
    name = readings(held().name)
    assert other.of(chain.from_iterable(name)) != index_rows(store)["hasselt", "M0001"]


def test_many_prefixes_share_a_bit(keys: Keyring) -> None:
    index = BlindIndex(RowCipher(FieldCipher(keys, os.urandom)), "hasselt")
    letters = "abdehiklmnoprstv"
    lit = Counter(index.of([a + b + c])[0] for a in letters for b in letters for c in letters[:8])
    assert len(lit) == 63
    assert all(bits.bit_count() == 1 for bits in lit)
    assert min(lit.values()) > 10
