"""Keys and sealed values: what is sealed opens at its own place, with its own key, and nowhere else."""

from __future__ import annotations

import base64
import pickle
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrsync.core.person import Address, Held, Name, PartialDate
from rrsync.errors import ConfigError, StoreError
from rrsync.store.encryption import KEY_BYTES, Keyring, Seal
from rrsync.store.rows import Rows
from rrsync.store.tables import MemberRow
from tests.support import Dice, Store, held, insz, member

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
KEY = base64.b64encode(b"k" * KEY_BYTES).decode()
SECRET = base64.b64encode(b"s" * KEY_BYTES).decode()


def seal(keys: Keyring | None = None) -> Seal:
    """Return a seal with keys of its own."""
    return Seal(keys or Keyring.fresh(Dice("seal")), Dice("nonces"))


class TestSeal:
    """AES-256-GCM, with table, column and row bound in."""

    @given(plain=st.binary(max_size=200), where=TEXT)
    def test_what_is_sealed_opens_again(self, plain: bytes, where: str) -> None:
        """Any value comes back whole at its own place."""
        one = seal()
        assert one.open(one.seal(plain, where=where), where=where) == plain

    @given(plain=st.binary(max_size=60), where=TEXT, elsewhere=TEXT)
    def test_a_value_that_was_moved_is_refused(self, plain: bytes, where: str, elsewhere: str) -> None:
        """A value opens at no other place than its own."""
        one = seal()
        data = one.seal(plain, where=where)
        if where != elsewhere:
            with pytest.raises(StoreError, match="altered, moved, or belongs to other keys"):
                one.open(data, where=elsewhere)

    @given(st.data())
    def test_a_value_that_was_altered_is_refused(self, data: st.DataObject) -> None:
        """No single altered byte and no cut passes, wherever it is; the sentence names no content."""
        one = seal()
        sealed = bytearray(one.seal(b"Kanariepiet", where="here"))
        at = data.draw(st.integers(0, len(sealed) - 1))
        flipped = sealed.copy()
        flipped[at] ^= data.draw(st.integers(1, 255))
        for wrong in (flipped, sealed[:at]):
            with pytest.raises(StoreError) as caught:
                one.open(bytes(wrong), where="here")
            assert "Kanariepiet" not in str(caught.value)

    def test_no_two_sealed_values_are_alike(self) -> None:
        """The same value sealed twice cannot be told from two values."""
        one = seal()
        assert one.seal(b"same", where="here") != one.seal(b"same", where="here")

    def test_another_installations_keys_are_named_as_the_cause(self) -> None:
        """A value under a key that is not in the key file says so, and what to do."""
        data = seal().seal(b"x", where="here")
        with pytest.raises(StoreError, match=r"encrypted with a key that is not in the key file\. .*Put the key file"):
            seal(Keyring.fresh(Dice("others"))).open(data, where="here")

    def test_an_old_key_still_reads_and_the_first_one_writes(self) -> None:
        """After a rotation the new key stands first; what the old one wrote still opens."""
        old = Keyring.fresh(Dice("old"))
        new = Keyring.fresh(Dice("new"))
        both = Keyring(new.data | old.data, old.index)
        data = seal(old).seal(b"x", where="here")
        assert seal(both).open(data, where="here") == b"x"
        assert seal(Keyring(new.data, old.index)).open(seal(both).seal(b"y", where="z"), where="z") == b"y"

    def test_a_lookup_value_is_keyed_and_of_one_kind(self) -> None:
        """The same text gives the same value under the same key and kind alone."""
        one, other = seal(), seal(Keyring.fresh(Dice("others")))
        assert one.lookup("insz", "1") == one.lookup("insz", "1")
        assert (
            len({one.lookup("insz", "1"), one.lookup("mark", "1"), one.lookup("insz", "2"), other.lookup("insz", "1")})
            == 4
        )


class TestKeyring:
    """The key file: one key a line; what is wrong is named by its line, never shown."""

    def test_fresh_keys_are_read_back(self) -> None:
        """What is written to a key file is read from it."""
        keys = Keyring.fresh(Dice())
        assert Keyring.parse(keys.to_text()) == keys

    def test_comments_and_empty_lines_are_free(self) -> None:
        """A key file may be commented."""
        assert Keyring.parse(f"# mine\n\ndata 12345678 {KEY} # first\nindex {KEY}\n").data == {
            "12345678": b"k" * KEY_BYTES
        }

    @pytest.mark.parametrize(
        "line",
        [
            f"data {SECRET}",
            f"data 1234567 {SECRET}",
            f"data éééééééé {SECRET}",
            f"data 12345678 {SECRET} {SECRET}",
            f"data 12345678 {SECRET[:-4]}",
            f"data 12345678 {SECRET[:-1]}",
            f"data 12345678 {SECRET}é",
            f"data 12345678 {SECRET[:-2]}!!",
            f"index {SECRET[:-8]}",
            SECRET,
            f"key {SECRET}",
        ],
    )
    def test_a_line_that_is_no_key_is_named_and_not_shown(self, line: str) -> None:
        """The error names the line's number; neither it nor what caused it holds a piece of the key."""
        with pytest.raises(ConfigError, match="Line 3 of the key file is no key") as caught:
            Keyring.parse(f"index {KEY}\ndata 87654321 {KEY}\n{line}\n")
        error: BaseException | None = caught.value
        while error is not None:
            assert SECRET[:8] not in f"{error!r} {error}"
            error = error.__cause__ or error.__context__

    @pytest.mark.parametrize("text", ["", "# none\n", f"data 12345678 {KEY}\n", f"index {KEY}\n", f"index {KEY}\n" * 2])
    def test_a_kind_of_key_that_is_missing_or_double_is_refused(self, text: str) -> None:
        """There must be a data key and exactly one index key."""
        with pytest.raises(ConfigError, match="at least one data key and exactly one index key"):
            Keyring.parse(text)

    def test_two_keys_of_one_name_are_refused(self) -> None:
        """A second key under a name would hide the first, and what that wrote could not be read."""
        with pytest.raises(ConfigError, match="Line 2 of the key file is no key"):
            Keyring.parse(f"data 12345678 {KEY}\ndata 12345678 {SECRET}\nindex {KEY}\n")

    def test_keys_print_masked(self) -> None:
        """No log line or traceback shows a key."""
        assert f"{Keyring.fresh(Dice())!r}" == "Keyring(***)"


class TestRows:
    """Members as sealed columns."""

    @given(last=TEXT, first=TEXT, street=TEXT, box=TEXT)
    def test_what_is_held_comes_back_whole(self, last: str, first: str, street: str, box: str) -> None:
        """Any text in any part survives, beside a member and in its row alike."""
        rows = Rows(seal())
        for born in (None, PartialDate(1960, 0, 0), PartialDate(1960, 1, 2)):
            one = Held(Name(last, first), born, Address(street=street, box=box), born)
            assert rows.open_side("here", rows.seal_side("here", one)) == one

    @pytest.mark.parametrize("column", ["insz", "name", "birth_date", "address"])
    def test_a_column_moved_to_another_member_is_refused(self, store: Store, column: str) -> None:
        """Whoever copies one member's column into another's row is found out when it is read."""
        store.take(member(1), member(2))
        store.execute(f"UPDATE member SET {column} = (SELECT {column} FROM member m WHERE m.number = 'M0002') "
                      "WHERE number = 'M0001'")  # fmt: skip
        with pytest.raises(StoreError, match="altered, moved"):
            store.members.find("hasselt", "M0001")
        assert store.members.find("hasselt", "M0002") is not None

    @pytest.mark.parametrize(("one", "other"), [("name", "address"), ("birth_date", "name"), ("insz", "name")])
    def test_a_column_moved_to_another_column_is_refused(self, store: Store, one: str, other: str) -> None:
        """Within one row, too, a value opens in its own column alone."""
        store.take(member(1))
        store.execute(f"UPDATE member SET {one} = {other}")
        with pytest.raises(StoreError, match="altered, moved"):
            store.members.find("hasselt", "M0001")

    def test_a_number_has_another_lookup_value_in_each_library(self, store: Store) -> None:
        """Two libraries' rows cannot be laid side by side."""
        assert store.rows.insz_key("hasselt", insz(1)) != store.rows.insz_key("genk", insz(1))

    def test_values_of_the_store_print_masked(self, store: Store) -> None:
        """A member as it stands, and what is proposed for it, show nobody."""
        store.take(member(1))
        assert repr(store.members.find("hasselt", "M0001")) == "Standing(***)"

    def test_a_member_without_a_number_is_held_too(self, store: Store) -> None:
        """No number is no value, not an empty one."""
        store.take(member(1, insz=None), member(2, insz=None))
        found = store.members.find("hasselt", "M0001")
        assert found is not None
        assert found.member == replace(member(1, insz=None), held=replace(held(), address=found.member.held.address))
        with store.database.read() as session:
            row = session.get_one(MemberRow, ("hasselt", "M0001"))
            assert (row.insz, row.insz_key) == (None, None)


def test_a_sealed_value_is_bytes_alone() -> None:
    """What goes to the database is plain bytes with a version in front."""
    data = seal().seal(b"x", where="here")
    assert data[:1] == b"\x01"
    assert pickle.loads(pickle.dumps(data)) == data
