"""Encrypted values, key files, and the keys of the access log with the evidence under them."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrsync.core.log_entry import Draft, Evidence, Kind
from rrsync.core.person import Address, Held, Name, PartialDate
from rrsync.errors import ConfigError, LedgerError, StoreError
from rrsync.store.encryption import KEY_BYTES, FieldCipher, Keyring
from rrsync.store.rows import RowCipher
from rrsync.store.tables import MemberRow
from tests.store.scene import ON_SQLITE, present, status_of
from tests.support import LIBRARY, Dice, Store, insz, intent, member, outcome

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
KEY = base64.b64encode(b"k" * KEY_BYTES).decode()
SECRET = base64.b64encode(b"s" * KEY_BYTES).decode()


def seal(keys: Keyring | None = None) -> FieldCipher:
    return FieldCipher(keys or Keyring.fresh(Dice("seal")), Dice("nonces"))


@given(plain=st.binary(max_size=200), where=TEXT)
def test_an_encrypted_value_decrypts(plain: bytes, where: str) -> None:
    one = seal()
    assert one.decrypt(one.encrypt(plain, where=where), where=where) == plain


@given(plain=st.binary(max_size=60), where=TEXT, elsewhere=TEXT)
def test_a_moved_value_is_refused(plain: bytes, where: str, elsewhere: str) -> None:
    one = seal()
    data = one.encrypt(plain, where=where)
    if where != elsewhere:
        with pytest.raises(StoreError):
            one.decrypt(data, where=elsewhere)


@given(st.data())
def test_an_altered_value_is_refused(data: st.DataObject) -> None:
    one = seal()
    encrypted = bytearray(one.encrypt(b"Kanariepiet", where="here"))
    at = data.draw(st.integers(0, len(encrypted) - 1))
    flipped = encrypted.copy()
    flipped[at] ^= data.draw(st.integers(1, 255))
    for wrong in (flipped, encrypted[:at]):
        with pytest.raises(StoreError) as caught:
            one.decrypt(bytes(wrong), where="here")
        assert "Kanariepiet" not in str(caught.value)


def test_two_ciphertexts_of_one_value_differ() -> None:
    one = seal()
    assert one.encrypt(b"same", where="here") != one.encrypt(b"same", where="here")
    assert one.encrypt(b"same", where="here")[:1] == b"\x01"


def test_a_missing_key_is_reported() -> None:
    data = seal().encrypt(b"x", where="here")
    with pytest.raises(StoreError):
        seal(Keyring.fresh(Dice("others"))).decrypt(data, where="here")


def test_the_first_key_encrypts_and_the_others_decrypt() -> None:
    old = Keyring.fresh(Dice("old"))
    new = Keyring.fresh(Dice("new"))
    both = Keyring(new.data | old.data, old.index)
    data = seal(old).encrypt(b"x", where="here")
    assert seal(both).decrypt(data, where="here") == b"x"
    assert seal(Keyring(new.data, old.index)).decrypt(seal(both).encrypt(b"y", where="z"), where="z") == b"y"


def test_a_keyed_hash_depends_on_key_kind_and_text() -> None:
    one, other = seal(), seal(Keyring.fresh(Dice("others")))
    assert one.keyed_hash("insz", "1") == one.keyed_hash("insz", "1")
    hashes = [each.keyed_hash(kind, text) for each in (one, other) for kind in ("insz", "mark") for text in ("1", "2")]
    assert len(set(hashes)) == 8


def test_a_key_file_is_read_back() -> None:
    keys = Keyring.fresh(Dice())
    assert Keyring.parse(keys.to_text()) == keys


def test_a_key_file_may_have_comments() -> None:
    assert Keyring.parse(f"# mine\n\ndata 12345678 {KEY} # first\nindex {KEY}\n").data == {"12345678": b"k" * KEY_BYTES}


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
def test_an_invalid_line_is_reported_by_number_without_its_content(line: str) -> None:
    with pytest.raises(ConfigError, match="Line 3 ") as caught:
        Keyring.parse(f"index {KEY}\ndata 87654321 {KEY}\n{line}\n")
    error: BaseException | None = caught.value
    while error is not None:
        assert SECRET[:8] not in f"{error!r} {error}"
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("text", ["", "# none\n", f"data 12345678 {KEY}\n", f"index {KEY}\n", f"index {KEY}\n" * 2])
def test_a_missing_or_double_kind_of_key_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        Keyring.parse(text)


def test_two_keys_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="Line 2 "):
        Keyring.parse(f"data 12345678 {KEY}\ndata 12345678 {SECRET}\nindex {KEY}\n")


def test_keys_print_masked() -> None:
    assert f"{Keyring.fresh(Dice())!r}" == "Keyring(***)"


@given(last=TEXT, first=TEXT, street=TEXT, box=TEXT)
def test_any_text_of_a_member_is_decrypted_whole(last: str, first: str, street: str, box: str) -> None:
    rows = RowCipher(seal())
    for born in (None, PartialDate(1960, 0, 0), PartialDate(1960, 1, 2)):
        one = Held(Name(last, first), born, Address(street=street, box=box), born)
        assert rows.decrypt_held("here", rows.encrypt_held("here", one)) == one


@pytest.mark.parametrize("column", ["insz", "name", "birth_date", "address"])
def test_a_column_moved_to_another_member_is_refused(store: Store, column: str) -> None:
    store.take(member(1), member(2))
    store.execute(f"UPDATE member SET {column} = (SELECT {column} FROM member m WHERE m.number = 'M0002') "
                  "WHERE number = 'M0001'")  # fmt: skip
    with pytest.raises(StoreError):
        store.members.find("hasselt", "M0001")
    assert store.members.find("hasselt", "M0002") is not None


@pytest.mark.parametrize(("one", "other"), [("name", "address"), ("birth_date", "name"), ("insz", "name")])
def test_a_column_moved_to_another_column_is_refused(store: Store, one: str, other: str) -> None:
    store.take(member(1))
    store.execute(f"UPDATE member SET {one} = {other}")
    with pytest.raises(StoreError):
        store.members.find("hasselt", "M0001")


def test_the_keyed_hash_of_a_number_differs_between_libraries(store: Store) -> None:
    assert store.rows.insz_key("hasselt", insz(1)) != store.rows.insz_key("genk", insz(1))


def test_a_member_prints_masked(store: Store) -> None:
    store.take(member(1))
    assert repr(status_of(store)).endswith("(***)")


def test_a_member_without_a_number_has_no_value_for_it(store: Store) -> None:
    store.take(member(1, insz=None), member(2, insz=None))
    assert present(store) == member(1, insz=None)
    with store.database.read() as session:
        row = session.get_one(MemberRow, ("hasselt", "M0001"))
        assert (row.insz, row.insz_key) == (None, None)


ASKED = Evidence(b"<Verzoek>\xc3\xa9\x00</Verzoek>" * 50, b"<Repliek/>")
UNANSWERED = Evidence(b"<Verzoek/>", b"")


def with_evidence(reference: str, evidence: Evidence, *, library: str = LIBRARY) -> Draft:
    """Return an outcome with its messages."""
    return Draft(library, Kind.OUTCOME, reference, insz(1), body={"status": "transient"}, evidence=evidence)


def test_evidence_is_decrypted_to_the_byte(store: Store) -> None:
    store.ledger.append([intent("a"), intent("b"), outcome("a"), with_evidence("b", ASKED)])
    store.ledger.append([intent("c", library="genk"), with_evidence("c", UNANSWERED, library="genk")])
    for ledger in (store.ledger, store.again().ledger):
        assert ledger.evidence(LIBRARY, 3) == ASKED
        assert ledger.evidence("genk", 1) == UNANSWERED
        assert [ledger.evidence(LIBRARY, seq) for seq in (0, 2, 4)] == [None] * 3
        assert ledger.evidence("nowhere", 0) is None
    assert repr(ASKED) == "Evidence(***)"


def test_evidence_is_encrypted_and_compressed_beside_the_entry(store: Store) -> None:
    store.ledger.append([intent("a"), with_evidence("a", ASKED)])
    (data,) = store.scalars("SELECT data FROM evidence")
    assert isinstance(data, bytes)
    assert len(data) < len(ASKED.request) / 5
    assert b"Verzoek" not in data
    for _, entry in store.ledger.entries(LIBRARY):
        assert b"Verzoek" not in entry


def test_evidence_without_a_subject_is_kept(store: Store) -> None:
    store.ledger.append([Draft(LIBRARY, Kind.VERIFY, "", evidence=ASKED)])
    assert store.ledger.evidence(LIBRARY, 0) == ASKED


def test_a_rolled_back_entry_leaves_no_evidence(store: Store) -> None:
    with pytest.raises(LedgerError):
        store.ledger.append([intent("a"), with_evidence("a", ASKED), outcome("a")])
    assert store.scalars("SELECT count(*) FROM evidence") == [0]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE evidence SET seq = 3 WHERE seq = 2",
        "UPDATE evidence SET library = 'genk', seq = 3 WHERE seq = 2",
        "UPDATE evidence SET seq = 3, data = substr(data, 1, 20) WHERE seq = 2",
        "UPDATE evidence SET seq = 3, data = substr(data, 1, 5) WHERE seq = 2",
    ],
)
def test_altered_or_moved_evidence_is_refused(store: Store, statement: str) -> None:
    for library in (LIBRARY, "genk"):
        store.ledger.append([intent(one, library=library, subject=insz(1)) for one in "ab"])
    store.ledger.append([with_evidence("a", ASKED), outcome("b")])
    assert store.ledger.evidence(LIBRARY, 2) == ASKED
    store.execute(statement)
    with pytest.raises(StoreError):
        store.ledger.evidence("genk" if "genk" in statement else LIBRARY, 3)


@ON_SQLITE
def test_evidence_of_another_type_is_refused(store: Store) -> None:
    store.ledger.append([intent("a"), with_evidence("a", ASKED)])
    for value in ("'a text'", "7", "CAST(x'ff' AS TEXT)"):
        store.execute(f"UPDATE evidence SET data = {value}")
        with pytest.raises(StoreError):
            store.ledger.evidence(LIBRARY, 1)


def fill(store: Store) -> None:
    """Append entries of two years to the logs of two libraries."""
    for year in (2026, 2027):
        store.clock.now = datetime(year, 7, 1, tzinfo=UTC)
        for library in (LIBRARY, "genk"):
            a, b = f"{year}-a", f"{year}-b"
            store.ledger.append([intent(a, library=library, subject=insz(1)), intent(b, library=library)])
            store.clock.pass_by(days=1)
            store.ledger.append([with_evidence(a, ASKED, library=library)])


def destroy(store: Store, year: int = 2026, *, fails: bool = False) -> tuple[int, int]:
    """Destroy the key of a year, or fail before the commit."""
    with store.ledger.writing() as session:
        counts = store.ledger.destroy_in(session, LIBRARY, year)
        if fails:
            raise ZeroDivisionError
    return counts


def test_the_ends_of_the_years_with_a_key_are_known(store: Store) -> None:
    assert store.ledger.year_ends(LIBRARY) == {}
    fill(store)
    ends = {year: datetime(year, 7, day, tzinfo=UTC) for year, day in ((2026, 2), (2027, 2))}
    assert store.ledger.year_ends(LIBRARY) == ends
    destroy(store)
    assert store.ledger.year_ends(LIBRARY) == {2027: ends[2027]}


def test_destruction_counts_entries_and_evidence(store: Store) -> None:
    fill(store)
    assert destroy(store) == (2, 1)
    assert store.counts()["log_key"] == 3
    assert store.scalars("SELECT count(*) FROM evidence") == [3]
    with pytest.raises(LedgerError):
        destroy(store)
    with pytest.raises(LedgerError):
        destroy(store, 2010)


@pytest.mark.parametrize("anew", [False, True])
def test_the_log_works_and_verifies_after_a_destruction(store: Store, anew: bool) -> None:
    fill(store)
    head, entries = store.verify(), list(store.ledger.entries(LIBRARY))
    (other,) = store.ledger.pseudonyms(LIBRARY, insz(1))[1:]
    destroy(store)
    ledger = (store.again() if anew else store).ledger
    assert (store.verify(), list(ledger.entries(LIBRARY))) == (head, entries)
    assert ledger.pseudonyms(LIBRARY, insz(1)) == [other]
    assert [seq for seq, _ in ledger.of_subject(LIBRARY, insz(1))] == [3, 5]
    assert ledger.subjects(LIBRARY, range(6)) == {3: insz(1), 5: insz(1)}
    assert [ledger.evidence(LIBRARY, seq) for seq in (2, 5)] == [None, ASKED]
    assert {one.reference for one in ledger.pending()} == {"2026-b", "2027-b"}
    ledger.append([outcome("2026-b", subject=insz(1)), outcome("2027-b")])
    assert store.verify().size == 8


def test_a_pending_access_loses_its_subject_with_the_key(store: Store) -> None:
    store.ledger.append([intent("a", subject=insz(1))])
    destroy(store)
    assert [(one.reference, one.subject) for one in store.ledger.pending()] == [("a", None)]


def test_a_rolled_back_destruction_destroys_nothing(store: Store) -> None:
    fill(store)
    with pytest.raises(ZeroDivisionError):
        destroy(store, fails=True)
    assert store.ledger.evidence(LIBRARY, 2) == ASKED
    assert len(store.ledger.of_subject(LIBRARY, insz(1))) == 4


def test_a_destroyed_key_is_never_made_again(store: Store) -> None:
    fill(store)
    destroy(store)
    for ledger in (store.ledger, store.again().ledger):
        store.clock.now = datetime(2026, 8, 1, tzinfo=UTC)
        with pytest.raises(LedgerError):
            ledger.append([intent("late", subject=insz(1))])
    store.ledger.append([intent("nobody")])
    store.ledger.append([intent("elsewhere", library="genk", subject=insz(1))])
    assert store.verify().size == 7


def test_a_deleted_key_of_the_current_year_is_not_made_again(store: Store) -> None:
    store.ledger.append([intent("a", subject=insz(1)), intent("b")])
    store.execute("DELETE FROM log_key")
    with pytest.raises(LedgerError):
        store.again().ledger.append([intent("c", subject=insz(1))])


def test_a_year_without_a_key_gets_one_though_a_later_year_has_one(store: Store) -> None:
    store.clock.now = datetime(2027, 1, 1, tzinfo=UTC)
    store.ledger.append([intent("a", subject=insz(1))])
    store.clock.now = datetime(2026, 12, 31, tzinfo=UTC)
    store.ledger.append([intent("b", subject=insz(1))])
    assert sorted(store.ledger.year_ends(LIBRARY)) == [2026, 2027]


def test_a_destroyed_key_is_not_in_the_files(store: Store) -> None:
    fill(store)
    wanted = "SELECT key FROM log_key WHERE library = 'hasselt' AND year = 2026"
    pieces = [
        *store.scalars(wanted),
        *store.scalars("SELECT data FROM evidence WHERE library = 'hasselt' AND seq = 2"),
    ]
    destroy(store)
    store.database.scrub()
    assert store.verify().size == 6
    store.ledger.append([intent("after", subject=insz(1))])
    path = store.database.path
    for file in [Path(f"{path}{end}") for end in ("", "-wal")] if path else []:
        content = file.read_bytes()
        assert all(isinstance(piece, bytes) and piece[8:40] not in content for piece in pieces)
