"""Members are found by name and by number though both are sealed, and what they are found by tells nobody a name."""

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
from rrsync.store.encryption import Keyring, Seal
from rrsync.store.member_search import Finder
from rrsync.store.rows import Lamps, Rows, fill_beacons
from tests.store.scene import AN, present, record
from tests.support import FIRST, LAST, Clock, Dice, Store, held, insz, member, open_store

_EXAMPLES = count(1)
_LETTERS = st.characters(max_codepoint=0x6FF, categories=("L", "Mn"))
_WORDS = st.lists(st.text(_LETTERS, min_size=1, max_size=9), min_size=1, max_size=4)


def finder(store: Store) -> Finder:
    """Return who finds members in a store."""
    return Finder(store.database, store.rows)


def named(store: Store, words: str, *, library: str = "hasselt", most: int = 50) -> list[str]:
    """Return the numbers of the members that are found, in their order; there are no more than these."""
    found, is_cut = finder(store).named(library, words, most=most)
    assert not is_cut
    return [standing.member.number for standing in found]


def beacons(store: Store) -> dict[tuple[str, str], tuple[int, ...]]:
    """Return what stands in the table."""
    with store.database.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT library, number, three, four, six FROM beacon").all()
    return {(library, number): tuple(lit) for library, number, *lit in rows}


def require_true(store: Store) -> None:
    """See that every member has the beacons of the name it has now, and nobody else has any."""
    lamps, due = Lamps(store.rows, "hasselt"), {}
    for one in store.members.export("hasselt"):
        due["hasselt", one.member.number] = lamps.of(chain.from_iterable(readings(one.member.held.name)))
    assert beacons(store) == due


class TestByName:
    """What is typed at the desk."""

    def test_words_in_any_order_whatever_their_case_and_accents(self, store: Store) -> None:
        """And without the end of a word, or with particles written otherwise."""
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

    def test_nothing_typed_finds_nobody(self, store: Store) -> None:
        """Not even a member without a name, nor one without beacons."""
        store.take(member(1), member(2, held=held(last="", first="")))
        store.execute("DELETE FROM beacon WHERE number = 'M0001'")
        for words in ("", "  ", "-'", "."):
            assert finder(store).named("hasselt", words) == ((), False)

    def test_the_whole_standing_is_given(self, store: Store) -> None:
        """As it is found by number."""
        store.take(member(1))
        record(store, "M0001", Change(held(), held("99")))
        assert finder(store).named("hasselt", LAST) == ((store.members.find("hasselt", "M0001"),), False)

    def test_no_more_than_most_and_it_is_said(self, store: Store) -> None:
        """Exactly as many as may be is not too many; they come by name."""
        names = ("Zegers", "Aerts", "Évrard", "Maes")
        store.take(*(member(at, held=held(last=last)) for at, last in enumerate(names, start=1)))
        found, is_cut = finder(store).named("hasselt", FIRST, most=4)
        assert ([one.member.held.name.last for one in found], is_cut) == (["Aerts", "Évrard", "Maes", "Zegers"], False)
        found, is_cut = finder(store).named("hasselt", FIRST, most=3)
        assert ({one.member.number for one in found}, is_cut) == ({"M0001", "M0002", "M0003"}, True)

    def test_only_the_library_s_own(self, store: Store) -> None:
        """The same person is a member elsewhere too."""
        store.take(member(1))
        store.take(member(1, library="genk", number="G1"))
        assert named(store, LAST) == ["M0001"]
        assert named(store, LAST, library="genk") == ["G1"]
        assert named(store, LAST, library="nowhere") == []

    def test_more_candidates_than_a_page(self, store: Store) -> None:
        """The last of many with the same beginning is found, and among many without beacons too."""
        store.take(*(member(at, insz=None, held=held(last="Vandamme")) for at in range(1, 2_101)))
        store.take(member(2_101, insz=None, held=held(last="Vandaele")))
        assert named(store, "vandae") == ["M2101"]
        store.execute("DELETE FROM beacon")
        assert named(store, "vandae") == ["M2101"]
        found, is_cut = finder(store).named("hasselt", "vandamme")
        assert (len(found), is_cut) == (50, True)

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(last=_WORDS, first=_WORDS, data=st.data())
    def test_every_beginning_of_every_word(
        self, store: Store, last: list[str], first: list[str], data: st.DataObject
    ) -> None:
        """Whatever the name: each word cut off after three letters or more, in any order; in this library alone."""
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


class TestDamage:
    """What cannot be opened keeps nobody from finding the others."""

    def test_a_damaged_member_is_left_out(self, store: Store) -> None:
        """Whether its name cannot be opened, or anything else of it."""
        store.take(member(1), member(2), member(3))
        store.execute(
            "UPDATE member SET name = (SELECT address FROM member WHERE number = 'M0003') WHERE number = 'M0001'"
        )
        store.execute("UPDATE member SET address = name WHERE number = 'M0002'")
        assert named(store, LAST) == ["M0003"]

    def test_other_keys_are_an_error(self, store: Store) -> None:
        """That nobody is found would be no answer; a search that leaves nobody to open says nothing of it."""
        store.take(member(1))
        store.execute("DELETE FROM beacon")
        other = store.again(keys=Keyring.fresh(Dice("other")))
        with pytest.raises(StoreError, match="key"):
            finder(other).named("hasselt", LAST)


class TestByNumber:
    """A national number, from an identity card."""

    def test_the_member_who_has_it(self, store: Store) -> None:
        """In this library, now."""
        store.take(member(1), member(2))
        store.take(member(3, library="genk"))
        assert finder(store).numbered("hasselt", insz(2)) == store.members.find("hasselt", "M0002")
        assert finder(store).numbered("hasselt", insz(3)) is None
        record(store, "M0002", Hold(Reason.NEW_NUMBER, new_insz=insz(9)))
        (hold,) = store.holds.open()
        store.settlement.accept(hold, AN)
        assert finder(store).numbered("hasselt", insz(2)) is None
        assert finder(store).numbered("hasselt", insz(9)) == store.members.find("hasselt", "M0002")


class TestWritten:
    """Beacons follow the name, wherever it is written."""

    def test_by_an_import(self, store: Store) -> None:
        """New members, changed ones, and those that stay as they are."""
        store.take(member(1), member(2), member(3, held=held(last="", first="")))
        require_true(store)
        assert beacons(store)["hasselt", "M0003"] == (0, 0, 0)
        again = member(1, held=held(last="Çelik")), member(2), member(4, held=held(last="Maes"))
        store.take(*again, import_id="import-2")
        require_true(store)
        assert (named(store, "celik"), named(store, LAST)) == (["M0001"], ["M0002"])

    def test_by_a_file_that_says_first_names_alone(self, store: Store) -> None:
        """The last name the register gave since is still what the member is found by."""
        store.take(member(1))
        record(store, "M0001", Change(held(), held(last="Maes")))
        mended = member(1, held=held(first="Ann"))
        store.take(mended, import_id="import-2")
        require_true(store)
        assert named(store, "maes ann") == ["M0001"]

    def test_by_the_register(self, store: Store) -> None:
        """A change, what is filled in, and a proposal that a person accepts."""
        store.take(member(1), member(2, held=held(last="")), member(3))
        record(store, "M0001", Change(held(), held("99", last="Maes")))
        record(store, "M0002", Same(held(last="Claes")))
        record(store, "M0003", Hold(Reason.NAME_DIFFERS, proposal=held(last="Aerts")))
        require_true(store)
        assert (named(store, "maes"), named(store, "claes"), named(store, "aerts")) == (["M0001"], ["M0002"], [])
        (hold,) = store.holds.open()
        store.settlement.accept(hold, AN)
        require_true(store)
        assert named(store, "aerts") == ["M0003"]

    def test_a_number_and_an_address_leave_them(self, store: Store) -> None:
        """A name that stays needs nothing written."""
        store.take(member(1))
        before = beacons(store)
        record(store, "M0001", Change(held(), held("99")))
        record(store, "M0001", Hold(Reason.NEW_NUMBER, new_insz=insz(9)))
        (hold,) = store.holds.open()
        store.settlement.accept(hold, AN)
        assert (present(store, "M0001").insz, beacons(store)) == (insz(9), before)

    def test_what_is_not_written_leaves_none(self, store: Store) -> None:
        """A row that is refused, and an import that fails half-way."""
        store.take(member(1))
        store.take(member(2, insz=insz(1)), import_id="import-2")
        with pytest.raises(StoreError):
            store.take(replace(member(3), membership_end="no date"), import_id="import-3")  # type: ignore[arg-type]
        require_true(store)


class Stopped(Exception):
    """Somebody ended the program."""


class Stopping(Rows):
    """Opens so many names, and is stopped then."""

    left = 1_500

    def name(self, library: str, number: str, sealed: bytes) -> Name:
        """Open one, or stop."""
        self.left -= 1
        if self.left < 0:
            raise Stopped
        return super().name(library, number, sealed)


class TestFilled:
    """Members who were there before there were beacons."""

    def test_they_are_found_before_and_after(self, store: Store) -> None:
        """Filling gives each what an import would have, in every library, once."""
        store.take(member(1), member(2, held=held(last="Maes")))
        store.take(member(1, library="genk"))
        before = beacons(store)
        store.execute("DELETE FROM beacon WHERE NOT (library = 'hasselt' AND number = 'M0002')")
        assert named(store, LAST) == ["M0001"]
        assert named(store, "maes") == ["M0002"]
        assert (fill_beacons(store.database, store.rows), fill_beacons(store.database, store.rows)) == (2, 0)
        assert beacons(store) == before
        assert named(store, LAST) == ["M0001"]

    def test_what_was_stopped_goes_on(self, store: Store) -> None:
        """What is done stays done, and nothing is done twice."""
        store.take(*(member(at, insz=None) for at in range(1, 2_102)))
        store.execute("DELETE FROM beacon")
        with pytest.raises(Stopped):
            fill_beacons(store.database, Stopping(store.seal))
        assert len(beacons(store)) == 1_000
        assert fill_beacons(store.database, store.rows) == 1_101
        require_true(store)

    def test_a_damaged_name_is_passed_by(self, store: Store) -> None:
        """The others are filled, and with the wrong keys none."""
        store.take(member(1), member(2))
        store.execute("UPDATE member SET name = address WHERE number = 'M0001'")
        store.execute("DELETE FROM beacon")
        other = store.again(keys=Keyring.fresh(Dice("other")))
        assert fill_beacons(other.database, other.rows) == 0
        assert fill_beacons(store.database, store.rows) == 1
        assert list(beacons(store)) == [("hasselt", "M0002")]

    def test_init_fills_them(self, tmp_path: Path) -> None:
        """``rrsync init`` on an installation that has members brings it to what an import would have left."""
        path = tmp_path / "rrsync.toml"
        install(path)
        found = load(path)
        store = open_store(found.store.url, clock=Clock(), random=Dice(), keys=Keyring.parse(read_keys(found)))
        try:
            store.take(member(1))
            before = beacons(store)
            store.execute("DELETE FROM beacon")
            assert install(path) == []
            assert beacons(store) == before != {}
        finally:
            store.close()


class TestNothingTold:
    """Who has the database and not the keys learns no name from it."""

    def test_the_table_holds_no_text_of_a_name(self, store: Store) -> None:
        """The member's key and three numbers, each of 63 lamps."""
        store.take(member(1), member(2, held=held(last="Van den Broeck")))
        with store.database.engine.connect() as connection:
            found = connection.exec_driver_sql("SELECT * FROM beacon")
            assert list(found.keys()) == ["library", "number", "three", "four", "six"]
            rows = found.all()
        assert {row[:2] for row in rows} == {("hasselt", "M0001"), ("hasselt", "M0002")}
        for row in rows:
            assert all(type(lit) is int and 0 < lit < 2**63 for lit in row[2:])

    def test_neither_order_nor_repetition_nor_the_rest_of_a_word_shows(self, store: Store) -> None:
        """Names whose words begin alike have the same beacons: nothing finer is told."""
        same = (("Peeters", "An Jan"), ("Jan", "Peetersen-An"), ("PEETERS", "Jan An Jan"))
        store.take(*(member(at, held=held(last=last, first=first)) for at, (last, first) in enumerate(same, start=1)))
        assert len(set(beacons(store).values())) == 1

    def test_another_library_or_installation_has_other_lamps(self, store: Store) -> None:
        """The same person cannot be followed from one library to the next."""
        store.take(member(1))
        store.take(member(1, library="genk"))
        first, second = beacons(store).values()
        assert first != second
        other = Lamps(Rows(Seal(Keyring.fresh(Dice("other")), os.urandom)), "hasselt")
        name = readings(held().name)
        assert other.of(chain.from_iterable(name)) != beacons(store)["hasselt", "M0001"]

    def test_many_beginnings_share_a_lamp(self, keys: Keyring) -> None:
        """Of two thousand beginnings every lamp has more than ten, so that a lamp is no word."""
        lamps = Lamps(Rows(Seal(keys, os.urandom)), "hasselt")
        letters = "abdehiklmnoprstv"
        lit = Counter(lamps.of([a + b + c])[0] for a in letters for b in letters for c in letters[:8])
        assert len(lit) == 63
        assert all(lamp.bit_count() == 1 for lamp in lit)
        assert min(lit.values()) > 10
