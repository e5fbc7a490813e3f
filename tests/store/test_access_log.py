"""The access log: it only grows, without gaps, and every intent gets exactly one outcome."""

from __future__ import annotations

import base64
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from sqlmodel import col, select

from rrsync.core.log_entry import ActorKind, Draft, Kind, stamp
from rrsync.core.merkle import Edge, leaf_hash
from rrsync.errors import BrokenChain, LedgerError, StoreError
from rrsync.store.encryption import SubjectKey
from rrsync.store.tables import EntryRow, LogKeyRow
from tests.store.scene import AN, entries, run_together
from tests.support import LIBRARY, NOW, Dice, Store, insz, intent, open_store, outcome

#: Appends 25 accesses to a log.
PROGRAM = """
from rrsync.store.encryption import Keyring
from tests.support import Clock, Dice, insz, intent, open_store, outcome
name, url = sys.argv[1:]
store = open_store(url, clock=Clock(), random=Dice(name), keys=Keyring.fresh(Dice("keys")), timeout_s=60)
ready()
for number in range(25):
    store.ledger.append([intent(f"{name}-{number}", subject=insz(number + 1))])
    store.ledger.append([outcome(f"{name}-{number}")])
"""


def fail_after(store: Store, *batches: list[Draft]) -> None:
    """Append in one transaction, and fail before the commit."""
    with store.ledger.writing() as session:
        for drafts in batches:
            store.ledger.append_in(session, drafts)
        raise ZeroDivisionError


def test_entries_have_the_order_of_their_drafts(store: Store) -> None:
    drafts = [intent("a"), intent("b", library="genk"), intent("c"), intent("d", library="genk")]
    with store.ledger.writing() as session:
        assert store.ledger.append_in(session, drafts) == [0, 0, 1, 1]
    with store.ledger.writing() as session:
        assert store.ledger.append_in(session, [outcome("a"), outcome("d", library="genk")]) == [2, 2]
    assert [line["ref"] for line in entries(store)] == ["a", "c", "a"]
    assert [line["ref"] for line in entries(store, "genk")] == ["b", "d", "d"]
    assert [line["seq"] for line in entries(store)] == [0, 1, 2]


def test_the_head_is_the_root_of_the_entries(store: Store) -> None:
    for number in range(13):
        store.ledger.append([intent(f"r{number}", subject=insz(number + 1))])
    (head,) = store.ledger.heads()
    edge = Edge().extend(leaf_hash(data) for _, data in store.ledger.entries("hasselt"))
    assert (head.library, head.size, head.root) == ("hasselt", 13, edge.root().hex())
    assert store.verify() == head


def test_no_drafts_write_nothing(store: Store) -> None:
    store.ledger.append([])
    assert store.ledger.heads() == []


def test_an_entry_has_the_time_of_the_clock(store: Store) -> None:
    store.clock.now = datetime(2026, 7, 1, 2, 3, 4, 5, tzinfo=UTC)
    store.ledger.append([intent("ref-1")])
    assert entries(store)[0]["ts"] == "2026-07-01T02:03:04.000005Z"


def test_an_entry_that_is_too_long_is_refused(store: Store) -> None:
    long = Draft("hasselt", Kind.DENIED, "ref-2", body={"why": "x" * 5000})
    with pytest.raises(LedgerError, match="4 KiB"):
        store.ledger.append([intent("ref-1"), long])
    assert store.counts()["entry"] == 0


def test_an_entry_that_cannot_be_encoded_is_refused(store: Store) -> None:
    body = {"actor": {"t": "person", "id": "an\udce9"}}
    with pytest.raises(LedgerError, match="JSON"):
        store.ledger.append([Draft("hasselt", Kind.INTENT, "ref-1", body=body)])  # type: ignore[arg-type]
    assert store.counts()["entry"] == 0


def test_entries_are_streamed_from_any_position(store: Store) -> None:
    store.ledger.append([intent(f"r{number}") for number in range(2_005)])
    assert [seq for seq, _ in store.ledger.entries("hasselt")] == list(range(2_005))
    assert [seq for seq, _ in store.ledger.entries("hasselt", since=2_003)] == [2_003, 2_004]
    assert [seq for seq, _ in store.ledger.entries("hasselt", since=1, most=2)] == [1, 2]
    assert [seq for seq, _ in store.ledger.entries("hasselt", most=2_001)] == list(range(2_001))
    assert list(store.ledger.entries("hasselt", most=0)) == []
    assert list(store.ledger.entries("nowhere")) == []


def test_the_origin_of_a_log_never_changes(store: Store) -> None:
    first = open_store(
        store.url, clock=store.clock, random=Dice("x"), keys=store.keys, origins={"hasselt": "rrsync.test/hasselt"}
    )
    first.ledger.append([intent("ref-1")])
    first.database.close()
    store.ledger.append([intent("ref-2")])
    assert [line["log"] for line in entries(store)] == ["rrsync.test/hasselt"] * 2
    store.verify()


def test_each_row_has_its_mac_and_the_acting_person(store: Store) -> None:
    for kind in ActorKind:
        body = {"actor": {"t": kind.value, "id": "an"}}
        store.ledger.append([Draft(LIBRARY, Kind.VIEW, "", body=body)])  # type: ignore[arg-type]
    store.ledger.append([intent("ref-1")])
    with store.database.read() as session:
        rows = session.exec(select(EntryRow.actor, EntryRow.mac).order_by(col(EntryRow.seq))).all()
    leaves = [leaf_hash(data) for _, data in store.ledger.entries(LIBRARY)]
    macs = [store.seal.mac(f"hasselt|{seq}", leaf) for seq, leaf in enumerate(leaves)]
    assert rows == list(zip(["an", "", ""], macs, strict=True))
    assert len(set(macs)) == 3


def test_a_process_counts_the_entries_it_committed(store: Store) -> None:
    store.ledger.append([intent("a"), intent("b", library="genk"), outcome("a")])
    with pytest.raises(ZeroDivisionError):
        fail_after(store, [intent("c")])
    with pytest.raises(LedgerError):
        store.ledger.append([intent("a")])
    assert store.ledger.written() == ["genk", LIBRARY]
    assert [store.ledger.grown(library) for library in (LIBRARY, "genk", "nowhere")] == [2, 1, 0]
    assert store.again().ledger.written() == []


def test_a_log_has_a_name_a_first_time_and_a_head(store: Store) -> None:
    ledger = store.again(origins={LIBRARY: "rrsync.test/hasselt"}).ledger
    assert (ledger.origin(LIBRARY), ledger.origin("genk")) == ("rrsync.test/hasselt", "genk")
    assert (ledger.began(LIBRARY), ledger.head(LIBRARY).size) == (None, 0)
    assert ledger.head(LIBRARY).root == Edge().root().hex()
    ledger.append([intent("a")])
    store.clock.pass_by(days=1)
    store.ledger.append([intent("b")])
    assert (store.ledger.origin(LIBRARY), store.ledger.began(LIBRARY)) == ("rrsync.test/hasselt", NOW)
    assert [store.ledger.head(LIBRARY)] == store.ledger.heads()


def test_a_span_of_time_is_a_span_of_positions(store: Store) -> None:
    moments = [store.clock()]
    for number in range(4):
        store.ledger.append([intent(f"a{number}"), intent(f"b{number}")])
        moments.append(store.clock.pass_by(hours=1))
    span = store.ledger.between
    assert span(LIBRARY, None, None) == range(8)
    assert span(LIBRARY, moments[1], moments[3]) == range(2, 6)
    assert span(LIBRARY, moments[3], None) == range(6, 8)
    assert span(LIBRARY, None, moments[1]) == range(2)
    assert not span(LIBRARY, moments[4], None)
    assert not span("nowhere", None, None)


def test_an_intent_is_pending_until_its_outcome(store: Store) -> None:
    store.ledger.append([intent("b", run="run-1"), intent("c")])
    store.clock.pass_by(seconds=-5)
    store.ledger.append([intent("a")])
    assert [(one.reference, one.run) for one in store.ledger.pending()] == [("a", ""), ("b", "run-1"), ("c", "")]
    store.ledger.append([outcome("b"), outcome("a")])
    (left,) = store.ledger.pending()
    assert (left.library, left.reference, left.at) == ("hasselt", "c", NOW)


def test_intent_and_outcome_may_come_together(store: Store) -> None:
    store.ledger.append([intent("a"), outcome("a")])
    assert store.ledger.pending() == []


@pytest.mark.parametrize(
    "drafts",
    [
        [outcome("a")],
        [outcome("never")],
        [outcome("b", library="genk")],
        [outcome("b"), outcome("b")],
        [outcome("b"), outcome("never")],
        [intent("a")],
        [intent("b")],
    ],
)
def test_a_second_outcome_or_one_without_an_intent_is_refused(store: Store, drafts: list[Draft]) -> None:
    store.ledger.append([intent("a"), outcome("a"), intent("b")])
    before = store.counts(), store.ledger.heads()
    with pytest.raises(LedgerError):
        store.ledger.append(drafts)
    assert (store.counts(), store.ledger.heads()) == before
    assert [one.reference for one in store.ledger.pending()] == ["b"]


def test_a_roll_back_leaves_no_gap(store: Store) -> None:
    store.ledger.append([intent("a")])
    with pytest.raises(ZeroDivisionError):
        fail_after(store, [outcome("a"), intent("b")])
    store.ledger.append([intent("c")])
    assert [line["ref"] for line in entries(store)] == ["a", "c"]
    assert [one.reference for one in store.ledger.pending()] == ["a", "c"]
    assert store.verify().size == 2


def test_an_error_of_the_caller_is_not_translated(store: Store) -> None:
    with pytest.raises(StoreError) as caught, store.ledger.writing():
        raise StoreError("Decided meanwhile", todo="Look again")
    assert not isinstance(caught.value, LedgerError)


def test_sixty_four_threads_leave_no_gap(store: Store) -> None:

    def write(thread: int) -> None:
        for number in range(4):
            reference, library = f"t{thread}-{number}", LIBRARY if number % 2 else "genk"
            store.ledger.append([intent(reference, library=library, subject=insz(thread + 1))])
            store.ledger.append([outcome(reference, library=library)])

    with ThreadPoolExecutor(64) as pool:
        list(pool.map(write, range(64)))
    for library in (LIBRARY, "genk"):
        lines = entries(store, library)
        assert [line["seq"] for line in lines] == list(range(256))
        assert len({(line["kind"], line["ref"]) for line in lines}) == 256
        assert store.verify(library).size == store.ledger.grown(library) == 256
    assert store.ledger.pending() == []
    assert store.counts()["log_key"] == 2


def test_two_processes_leave_no_gap(store: Store) -> None:
    run_together(PROGRAM, ["one", store.url], ["two", store.url])
    assert [line["seq"] for line in entries(store)] == list(range(100))
    assert store.verify().size == 100
    assert len(store.ledger.of_subject("hasselt", insz(7))) == 2
    assert store.ledger.pending() == []


def test_a_persons_entries_are_found(store: Store) -> None:
    store.ledger.append([intent("a", subject=insz(1)), intent("b", subject=insz(2)), intent("c")])
    store.clock.pass_by(days=365)
    store.ledger.append([intent("d", subject=insz(1)), intent("e", library="genk", subject=insz(1))])
    assert [seq for seq, _ in store.ledger.of_subject("hasselt", insz(1))] == [0, 3]
    assert [seq for seq, _ in store.ledger.of_subject("hasselt", insz(3))] == []
    assert [seq for seq, _ in store.again().ledger.of_subject("hasselt", insz(1))] == [0, 3]
    assert store.ledger.subjects("hasselt", [0, 1, 2, 3, 9]) == {0: insz(1), 1: insz(2), 3: insz(1)}
    assert len(store.ledger.pseudonyms("hasselt", insz(1))) == 2


def test_a_new_year_makes_a_new_key(store: Store) -> None:
    store.clock.now = datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)
    store.ledger.append([intent("a", subject=insz(1)), intent("b", library="genk", subject=insz(1))])
    store.clock.pass_by(seconds=1)
    store.ledger.append([intent("c", subject=insz(1))])
    (first, second), (other,) = entries(store), entries(store, "genk")
    subjects = [line["subj"] for line in (first, second, other)]
    assert [subject["key"] for subject in subjects] == ["2026", "2027", "2026"]
    assert len({subject["ref"] for subject in subjects}) == 3
    assert store.scalars("SELECT count(*) FROM log_key") == [3]


def test_the_number_is_decrypted_with_its_key_at_its_place_only(store: Store) -> None:
    store.ledger.append([intent("a"), intent("b", subject=insz(1))])
    with store.database.read() as session:
        row = session.get_one(LogKeyRow, ("hasselt", 2026))
        key = SubjectKey(store.seal.decrypt(row.key, where="log_key|key|hasselt|2026"), Dice())
    sealed = base64.b64decode(entries(store)[1]["subj"]["enc"])
    assert key.decrypt(sealed, where="hasselt|1") == insz(1).digits
    for data, where in ((sealed, "hasselt|0"), (sealed[:-1], "hasselt|1"), (sealed[:5], "hasselt|1"), (b"", "")):
        with pytest.raises(StoreError):
            key.decrypt(data, where=where)


@pytest.mark.parametrize("drafts", [1, 2, 3])
def test_a_rolled_back_key_is_never_used(store: Store, drafts: int) -> None:
    made = [intent(f"a{number}", subject=insz(1)) for number in range(drafts)]
    for batches in ([[draft] for draft in made], [made]):
        with pytest.raises(ZeroDivisionError):
            fail_after(store, *batches)
    store.ledger.append(made)
    assert store.counts()["log_key"] == 1
    assert len(store.again().ledger.of_subject("hasselt", insz(1))) == drafts


@pytest.mark.parametrize("use", [lambda store: store.ledger.heads(), lambda store: store.ledger.append([intent("z")])])
def test_a_log_with_a_damaged_head_is_neither_read_nor_written(store: Store, use: Callable[[Store], object]) -> None:
    store.ledger.append([intent("a")])
    store.execute("UPDATE log SET edge = :x", x=b"\0")
    with pytest.raises(BrokenChain):
        use(store)
    assert store.counts()["entry"] == 1


def test_an_entry_has_the_fields_that_the_law_requires(store: Store) -> None:
    body = {"actor": {"t": AN.kind.value, "id": AN.name}, "purpose": "desk"}
    store.ledger.append([Draft("hasselt", Kind.INTENT, "ref-1", insz(1), "run-1", body)])  # type: ignore[arg-type]
    (line,) = entries(store)
    subject = line.pop("subj")
    assert line == body | {
        "v": 2,
        "log": "hasselt",
        "seq": 0,
        "kind": "access.intent",
        "ref": "ref-1",
        "run": "run-1",
        "ts": stamp(NOW),
    }
    assert set(subject) == {"ref", "enc", "key"}
    assert insz(1).digits not in str(subject)
