"""The access log: it only grows, without gaps, one outcome an intent, and whoever alters it is found out."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from sqlmodel import col, select

from rrsync.core.log_entry import Actor, ActorKind, Draft, Kind, decode, stamp
from rrsync.core.merkle import Edge, leaf_hash
from rrsync.errors import BrokenChain, LedgerError, StoreError
from rrsync.store.encryption import SubjectKey
from rrsync.store.tables import EntryRow, LogKeyRow
from tests.support import LIBRARY, NOW, ROOT, Dice, Store, insz, intent, open_store, outcome


def entries(store: Store, library: str = "hasselt") -> list[dict[str, object]]:
    """Return a log's entries, read."""
    return [dict(decode(data)) for _, data in store.ledger.entries(library)]


def fail_after(store: Store, *batches: list[Draft]) -> None:
    """Append in one transaction, and fail before it is committed."""
    with store.ledger.writing() as session:
        for drafts in batches:
            store.ledger.append_in(session, drafts)
        raise ZeroDivisionError


class TestAppending:
    """What is appended stands there, in order, under one head."""

    def test_entries_stand_in_the_order_of_their_drafts(self, store: Store) -> None:
        """Drafts of several libraries go each to the end of their own log, and their places come back in order."""
        drafts = [intent("a"), intent("b", library="genk"), intent("c"), intent("d", library="genk")]
        with store.ledger.writing() as session:
            assert store.ledger.append_in(session, drafts) == [0, 0, 1, 1]
        with store.ledger.writing() as session:
            assert store.ledger.append_in(session, [outcome("a"), outcome("d", library="genk")]) == [2, 2]
        assert [line["ref"] for line in entries(store)] == ["a", "c", "a"]
        assert [line["ref"] for line in entries(store, "genk")] == ["b", "d", "d"]
        assert [line["seq"] for line in entries(store)] == [0, 1, 2]

    def test_the_head_is_the_root_of_the_entries(self, store: Store) -> None:
        """Size and root that are kept are those of the tree of the exact bytes."""
        for number in range(13):
            store.ledger.append([intent(f"r{number}", subject=insz(number + 1))])
        (head,) = store.ledger.heads()
        edge = Edge().extend(leaf_hash(data) for _, data in store.ledger.entries("hasselt"))
        assert (head.library, head.size, head.root) == ("hasselt", 13, edge.root().hex())
        assert store.verify() == head

    def test_no_drafts_write_nothing(self, store: Store) -> None:
        """An empty append leaves no trace."""
        store.ledger.append([])
        assert store.ledger.heads() == []

    def test_an_entry_has_the_time_of_the_clock(self, store: Store) -> None:
        """Its time is the clock's, in UTC to the microsecond."""
        store.clock.now = datetime(2026, 7, 1, 2, 3, 4, 5, tzinfo=UTC)
        store.ledger.append([intent("ref-1")])
        assert entries(store)[0]["ts"] == "2026-07-01T02:03:04.000005Z"

    def test_an_entry_that_is_too_long_is_refused(self, store: Store) -> None:
        """An entry over 4 KiB is not written, and nothing that came with it."""
        long = Draft("hasselt", Kind.DENIED, "ref-2", body={"why": "x" * 5000})
        with pytest.raises(LedgerError, match="longer than 4 KiB"):
            store.ledger.append([intent("ref-1"), long])
        assert store.counts()["entry"] == 0

    def test_an_entry_that_no_bytes_can_say_is_refused(self, store: Store) -> None:
        """A name with half a character in it, as a shell may hand over, cannot be kept and so nothing may be asked."""
        body = {"actor": {"t": "person", "id": "an\udce9"}}
        with pytest.raises(LedgerError, match="cannot be written as JSON"):
            store.ledger.append([Draft("hasselt", Kind.INTENT, "ref-1", body=body)])  # type: ignore[arg-type]
        assert store.counts()["entry"] == 0

    def test_the_stream_can_begin_and_end_anywhere(self, store: Store) -> None:
        """Entries are given from a sequence on, and as many as wanted; pages do not show."""
        store.ledger.append([intent(f"r{number}") for number in range(2_005)])
        assert [seq for seq, _ in store.ledger.entries("hasselt")] == list(range(2_005))
        assert [seq for seq, _ in store.ledger.entries("hasselt", since=2_003)] == [2_003, 2_004]
        assert [seq for seq, _ in store.ledger.entries("hasselt", since=1, most=2)] == [1, 2]
        assert [seq for seq, _ in store.ledger.entries("hasselt", most=2_001)] == list(range(2_001))
        assert list(store.ledger.entries("hasselt", most=0)) == []
        assert list(store.ledger.entries("nowhere")) == []

    def test_the_origin_of_a_log_never_changes(self, store: Store) -> None:
        """The name a log was begun under stays in every entry, whatever the settings say later."""
        first = open_store(
            store.url, clock=store.clock, random=Dice("x"), keys=store.keys, origins={"hasselt": "rrsync.test/hasselt"}
        )
        first.ledger.append([intent("ref-1")])
        first.database.close()
        store.ledger.append([intent("ref-2")])
        assert [line["log"] for line in entries(store)] == ["rrsync.test/hasselt"] * 2
        store.verify()

    def test_each_row_has_its_tag_and_the_person_who_acts(self, store: Store) -> None:
        """The tag is that of library, place and leaf; a process, and an entry without an actor, name no person."""
        for kind in ActorKind:
            body = {"actor": {"t": kind.value, "id": "an"}}
            store.ledger.append([Draft(LIBRARY, Kind.VIEW, "", body=body)])  # type: ignore[arg-type]
        store.ledger.append([intent("ref-1")])
        with store.database.read() as session:
            rows = session.exec(select(EntryRow.actor, EntryRow.mac).order_by(col(EntryRow.seq))).all()
        leaves = [leaf_hash(data) for _, data in store.ledger.entries(LIBRARY)]
        tags = [store.seal.tag(f"hasselt|{seq}", leaf) for seq, leaf in enumerate(leaves)]
        assert rows == list(zip(["an", "", ""], tags, strict=True))
        assert len(set(tags)) == 3

    def test_a_process_knows_what_it_wrote(self, store: Store) -> None:
        """What was committed to each log since it started, and nothing of what was rolled back."""
        store.ledger.append([intent("a"), intent("b", library="genk"), outcome("a")])
        with pytest.raises(ZeroDivisionError):
            fail_after(store, [intent("c")])
        with pytest.raises(LedgerError):
            store.ledger.append([intent("a")])
        assert store.ledger.written() == ["genk", LIBRARY]
        assert [store.ledger.grown(library) for library in (LIBRARY, "genk", "nowhere")] == [2, 1, 0]
        assert store.again().ledger.written() == []

    def test_a_log_says_what_it_is(self, store: Store) -> None:
        """Its name, its first moment and its head; of one that was not begun, those it will have."""
        ledger = store.again(origins={LIBRARY: "rrsync.test/hasselt"}).ledger
        assert (ledger.origin(LIBRARY), ledger.origin("genk")) == ("rrsync.test/hasselt", "genk")
        assert (ledger.began(LIBRARY), ledger.head(LIBRARY).size) == (None, 0)
        assert ledger.head(LIBRARY).root == Edge().root().hex()
        ledger.append([intent("a")])
        store.clock.pass_by(days=1)
        store.ledger.append([intent("b")])
        assert (store.ledger.origin(LIBRARY), store.ledger.began(LIBRARY)) == ("rrsync.test/hasselt", NOW)
        assert [store.ledger.head(LIBRARY)] == store.ledger.heads()

    def test_a_stretch_of_time_is_a_stretch_of_the_log(self, store: Store) -> None:
        """From the first entry that is not before, to the last that is."""
        moments = [store.clock()]
        for number in range(4):
            store.ledger.append([intent(f"a{number}"), intent(f"b{number}")])
            moments.append(store.clock.pass_by(hours=1))
        between = store.ledger.between
        assert between(LIBRARY, None, None) == range(8)
        assert between(LIBRARY, moments[1], moments[3]) == range(2, 6)
        assert between(LIBRARY, moments[3], None) == range(6, 8)
        assert between(LIBRARY, None, moments[1]) == range(2)
        assert not between(LIBRARY, moments[4], None)
        assert not between("nowhere", None, None)


class TestOutcomes:
    """Every intent gets exactly one outcome."""

    def test_an_intent_is_pending_until_its_outcome(self, store: Store) -> None:
        """What has no outcome yet is listed, the oldest first."""
        store.ledger.append([intent("b", run="run-1"), intent("c")])
        store.clock.pass_by(seconds=-5)
        store.ledger.append([intent("a")])
        assert [(one.reference, one.run) for one in store.ledger.pending()] == [("a", ""), ("b", "run-1"), ("c", "")]
        store.ledger.append([outcome("b"), outcome("a")])
        (left,) = store.ledger.pending()
        assert (left.library, left.reference, left.at) == ("hasselt", "c", NOW)

    def test_intent_and_outcome_may_come_together(self, store: Store) -> None:
        """A question that was over at once leaves nothing pending."""
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
    def test_a_second_or_a_groundless_entry_is_refused(self, store: Store, drafts: list[Draft]) -> None:
        """A second intent or outcome for a reference, and an outcome nobody asked for, write nothing at all."""
        store.ledger.append([intent("a"), outcome("a"), intent("b")])
        before = store.counts(), store.ledger.heads()
        with pytest.raises(LedgerError):
            store.ledger.append(drafts)
        assert (store.counts(), store.ledger.heads()) == before
        assert [one.reference for one in store.ledger.pending()] == ["b"]

    def test_a_roll_back_leaves_no_gap(self, store: Store) -> None:
        """What is undone never had a place: the next entry takes it."""
        store.ledger.append([intent("a")])
        with pytest.raises(ZeroDivisionError):
            fail_after(store, [outcome("a"), intent("b")])
        store.ledger.append([intent("c")])
        assert [line["ref"] for line in entries(store)] == ["a", "c"]
        assert [one.reference for one in store.ledger.pending()] == ["a", "c"]
        assert store.verify().size == 2

    def test_an_error_that_is_not_the_databases_is_left_as_it_is(self, store: Store) -> None:
        """Only a database that refuses is told as a log that cannot be written."""
        with pytest.raises(StoreError, match=r"^Decided meanwhile\.") as caught, store.ledger.writing():
            raise StoreError("Decided meanwhile", todo="Look again")
        assert not isinstance(caught.value, LedgerError)


class TestTogether:
    """Many writers at once make one log."""

    def test_sixty_four_threads_leave_no_gap(self, store: Store) -> None:
        """From an empty log on, whoever appends together gets places one after another, in each library's log."""

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

    def test_two_processes_leave_no_gap(self, store: Store) -> None:
        """Nothing that keeps the order lives in one process's memory."""
        program = (
            "import sys\n"
            "from rrsync.store.encryption import Keyring\n"
            "from tests.support import Clock, Dice, insz, intent, open_store, outcome\n"
            "name, url = sys.argv[1:]\n"
            "keys = Keyring.fresh(Dice('keys'))\n"
            "store = open_store(url, clock=Clock(), random=Dice(name), keys=keys, timeout_s=60)\n"
            "for number in range(25):\n"
            "    store.ledger.append([intent(f'{name}-{number}', subject=insz(number + 1))])\n"
            "    store.ledger.append([outcome(f'{name}-{number}')])\n"
            "store.database.close()\n"
        )
        command = [sys.executable, "-c", program]
        running = [subprocess.Popen([*command, name, store.url], cwd=ROOT) for name in ("one", "two")]
        assert [process.wait(60) for process in running] == [0, 0]
        assert [line["seq"] for line in entries(store)] == list(range(100))
        assert store.verify().size == 100
        assert len(store.ledger.of_subject("hasselt", insz(7))) == 2
        assert store.ledger.pending() == []


class TestSubjects:
    """A person is in the log as a pseudonym and an encrypted number, under a key of the library and year."""

    def test_a_persons_entries_are_found(self, store: Store) -> None:
        """All entries about one person, over the years, and nobody else's."""
        store.ledger.append([intent("a", subject=insz(1)), intent("b", subject=insz(2)), intent("c")])
        store.clock.pass_by(days=365)
        store.ledger.append([intent("d", subject=insz(1)), intent("e", library="genk", subject=insz(1))])
        assert [seq for seq, _ in store.ledger.of_subject("hasselt", insz(1))] == [0, 3]
        assert [seq for seq, _ in store.ledger.of_subject("hasselt", insz(3))] == []
        assert [seq for seq, _ in store.again().ledger.of_subject("hasselt", insz(1))] == [0, 3]
        assert store.ledger.subjects("hasselt", [0, 1, 2, 3, 9]) == {0: insz(1), 1: insz(2), 3: insz(1)}
        assert len(store.ledger.pseudonyms("hasselt", insz(1))) == 2

    def test_a_new_year_makes_a_new_key(self, store: Store) -> None:
        """The same person has another pseudonym every year and in every library."""
        store.clock.now = datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)
        store.ledger.append([intent("a", subject=insz(1)), intent("b", library="genk", subject=insz(1))])
        store.clock.pass_by(seconds=1)
        store.ledger.append([intent("c", subject=insz(1))])
        (first, second), (other,) = entries(store), entries(store, "genk")
        subjects = [line["subj"] for line in (first, second, other)]
        assert [subject["key"] for subject in subjects] == ["2026", "2027", "2026"]  # type: ignore[index]
        assert len({subject["ref"] for subject in subjects}) == 3  # type: ignore[index]
        assert store.scalars("SELECT count(*) FROM log_key") == [3]

    def test_the_number_can_be_read_back_with_the_key_alone(self, store: Store) -> None:
        """The encrypted number opens under the year's key, at its own place only."""
        store.ledger.append([intent("a"), intent("b", subject=insz(1))])
        with store.database.read() as session:
            row = session.get_one(LogKeyRow, ("hasselt", 2026))
            key = SubjectKey(store.seal.open(row.key, where="log_key|key|hasselt|2026"), Dice())
        import base64  # noqa: PLC0415 — used here alone

        sealed = base64.b64decode(entries(store)[1]["subj"]["enc"])  # type: ignore[index]
        assert key.decrypt(sealed, where="hasselt|1") == insz(1).digits
        for data, where in ((sealed, "hasselt|0"), (sealed[:-1], "hasselt|1"), (sealed[:5], "hasselt|1"), (b"", "")):
            with pytest.raises(StoreError, match="altered or moved"):
                key.decrypt(data, where=where)

    @pytest.mark.parametrize("drafts", [1, 2, 3])
    def test_a_key_that_was_rolled_back_is_never_used(self, store: Store, drafts: int) -> None:
        """When the transaction that made a year's key is undone, the next one makes and keeps its own."""
        made = [intent(f"a{number}", subject=insz(1)) for number in range(drafts)]
        for batches in ([[draft] for draft in made], [made]):
            with pytest.raises(ZeroDivisionError):
                fail_after(store, *batches)
        store.ledger.append(made)
        assert store.counts()["log_key"] == 1
        assert len(store.again().ledger.of_subject("hasselt", insz(1))) == drafts

    def test_a_destroyed_key_leaves_the_proof_whole(self, store: Store) -> None:
        """Without the year's key its people are unknown, and the log verifies as before."""
        store.ledger.append([intent("a", subject=insz(1))])
        store.clock.pass_by(days=365)
        store.ledger.append([intent("b", subject=insz(1))])
        head = store.verify()
        store.execute("DELETE FROM log_key WHERE year = 2026")
        later = store.again().ledger
        assert [seq for seq, _ in later.of_subject("hasselt", insz(1))] == [1]
        assert store.verify() == head


class TestDamage:
    """What is no log is not taken for one."""

    @pytest.mark.parametrize(
        "use", [lambda store: store.ledger.heads(), lambda store: store.ledger.append([intent("z")])]
    )
    def test_a_damaged_head_stops_everything(self, store: Store, use: Callable[[Store], object]) -> None:
        """A log whose head is no head is neither read nor written."""
        store.ledger.append([intent("a")])
        store.execute("UPDATE log SET edge = :x", x=b"\0")
        with pytest.raises(BrokenChain, match="The head of the access log of hasselt is damaged"):
            use(store)
        assert store.counts()["entry"] == 1


def test_an_entry_is_canonical_json_with_what_the_law_asks(store: Store) -> None:
    """Who, what, whose, when, why are in the bytes; the person only as a pseudonym and an encrypted number."""
    actor = Actor(ActorKind.PERSON, "an")
    body = {"actor": {"t": actor.kind.value, "id": actor.name}, "purpose": "desk"}
    store.ledger.append([Draft("hasselt", Kind.INTENT, "ref-1", insz(1), "run-1", body)])  # type: ignore[arg-type]
    ((_, data),) = store.ledger.entries("hasselt")
    line = json.loads(data)
    assert {name: line[name] for name in ("v", "log", "seq", "kind", "ref", "run", "ts", "actor", "purpose")} == {
        "v": 2,
        "log": "hasselt",
        "seq": 0,
        "kind": "access.intent",
        "ref": "ref-1",
        "run": "run-1",
        "ts": stamp(NOW),
        "actor": {"t": "person", "id": "an"},
        "purpose": "desk",
    }
    assert set(line["subj"]) == {"ref", "enc", "key"}
    assert insz(1).digits.encode() not in data
