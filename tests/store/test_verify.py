"""Verifying: a whole log raises nothing, and whoever alters one, with all the rights there are, is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import pytest

from rrsync.core.log_entry import Draft, Kind
from rrsync.core.merkle import Edge, leaf_hash
from rrsync.errors import BrokenChain, StoreError
from rrsync.store.log_tree import Tiles
from rrsync.store.log_verification import Point, verify
from tests.owner import age, alter, bytes_at, rehash, unguard, write
from tests.support import LIBRARY, Store, insz, intent, outcome

Tamper = Callable[[Store], None]
SIZE: Final = 6
COLUMN: Final = r"the column beside the bytes says otherwise \({}\)"
WRITTEN: Final = "it is not what was written there"


def fill(store: Store, entries: int = SIZE) -> None:
    """Append intents by a person about somebody, each with its outcome."""
    body = {"actor": {"t": "person", "id": "an"}, "why": {"code": "desk"}}
    for number in range(entries // 2):
        asked = Draft(LIBRARY, Kind.INTENT, f"r{number}", insz(number + 1), "run-1", body)  # type: ignore[arg-type]
        store.ledger.append([asked, outcome(f"r{number}")])


def root(store: Store, size: int) -> bytes:
    """Return the root of a log's first entries."""
    entries = store.ledger.entries(LIBRARY, most=size)
    return Edge().extend(leaf_hash(data) for _, data in entries).root()


def point(store: Store, size: int, source: str = "the mail") -> Point:
    """Return what somebody else knows of a log."""
    return Point(size, root(store, size), source)


def fault(store: Store, *points: Point, since: Point | None = None) -> str:
    """Return what verification says is wrong."""
    with pytest.raises(BrokenChain) as caught:
        store.verify(points=points, since=since)
    return caught.value.what.removeprefix("The access log of hasselt does not verify at ")


def _flip(store: Store) -> None:
    data = bytes_at(store, 3).replace(b'"ok"', b'"OK"')
    store.execute("UPDATE entry SET data = :data WHERE seq = 3", data=data)


def _forge(store: Store, seq: int = 3) -> None:
    alter(store, seq, {"status": "no"})


def _forge_all(store: Store) -> None:
    _forge(store)
    rehash(store)


def _swap(store: Store, *, whole: bool = False) -> None:
    for old, new in ((3, -1), (4, 3), (-1, 4)):
        store.execute("UPDATE entry SET seq = :new WHERE seq = :old", old=old, new=new)
    for seq in (3, 4) if whole else ():
        alter(store, seq, {"seq": seq})
    rehash(store)


def _delete(store: Store, *, whole: bool = False) -> None:
    store.execute("DELETE FROM entry WHERE seq = 3")
    for seq in (4, 5) if whole else ():
        alter(store, seq, {"seq": seq - 1})
        store.execute("UPDATE entry SET seq = :new WHERE seq = :old", old=seq, new=seq - 1)
    if whole:
        rehash(store)


def _insert(store: Store, seq: float = SIZE, columns: str = "library") -> None:
    store.execute(
        f"INSERT INTO entry (library, seq, data, leaf, kind, reference, run, at, mac, actor) "
        f"SELECT {columns}, :seq, data, leaf, kind, 'forged', run, at, mac, actor FROM entry WHERE seq = 5",
        seq=seq,
    )


def _cut(store: Store) -> None:
    store.execute("DELETE FROM entry WHERE seq >= 4")
    rehash(store)


def _borrow(store: Store) -> None:
    """Put another library's entry here, with the tag it has there."""
    store.ledger.append([intent("r0", library="genk"), outcome("r0", library="genk")])
    store.execute("DELETE FROM entry WHERE library = 'hasselt' AND seq = 1")
    store.execute("UPDATE entry SET library = 'hasselt' WHERE library = 'genk' AND seq = 1")
    alter(store, 1, {"log": "hasselt"})
    rehash(store)


def _sql(statement: str, **values: object) -> Tamper:
    def tamper(store: Store) -> None:
        store.execute(statement, **values)

    return tamper


def _column(name: str, value: object, seq: int = 3) -> Tamper:
    return _sql(f"UPDATE entry SET {name} = :x WHERE seq = {seq}", x=value)


TAMPERINGS: dict[str, tuple[Tamper, int, str]] = {
    "a byte flipped": (_flip, 3, "the bytes were altered"),
    "an entry rewritten, with its leaf": (_forge, 3, WRITTEN),
    "an entry rewritten, with the whole tree": (_forge_all, 3, WRITTEN),
    "bytes that are no JSON": (lambda store: write(store, 3, b"{]"), 3, "the bytes are no entry"),
    "bytes that are no object": (lambda store: write(store, 3, b"[1]"), 3, "the bytes are no entry"),
    "an entry deleted": (_delete, 3, "the entry is missing"),
    "an entry deleted, the rest moved up": (lambda store: _delete(store, whole=True), 3, WRITTEN),
    "the first deleted": (_sql("DELETE FROM entry WHERE seq = 0"), 0, "the entry is missing"),
    "the last deleted": (_sql("DELETE FROM entry WHERE seq = 5"), 5, "the entry is missing"),
    "all deleted": (_sql("DELETE FROM entry"), 0, "the entry is missing"),
    "two swapped": (_swap, 3, COLUMN.format("seq")),
    "two swapped, with the whole tree": (lambda store: _swap(store, whole=True), 3, WRITTEN),
    "one inserted beyond the head": (_insert, 6, "the head does not count the entries"),
    "one inserted far beyond it": (lambda store: _insert(store, 99), 99, "the head does not count the entries"),
    "one inserted before the first": (lambda store: _insert(store, -1), -1, "the head does not count the entries"),
    "another leaf": (_column("leaf", b"\0" * 32), 3, "the bytes were altered"),
    "another kind": (_column("kind", "access.denied"), 3, COLUMN.format("kind")),
    "another reference": (_column("reference", "x"), 3, COLUMN.format("ref")),
    "another run": (_column("run", "x"), 3, COLUMN.format("run")),
    "another time": (_sql("UPDATE entry SET at = '2020-01-01 00:00:00.000000' WHERE seq = 3"), 3, COLUMN.format("ts")),
    "another subject": (_column("subject", b"\0" * 32, seq=2), 2, COLUMN.format("subj")),
    "a subject taken away": (_column("subject", None, seq=2), 2, COLUMN.format("subj")),
    "a subject emptied": (_column("subject", b"", seq=2), 2, COLUMN.format("subj")),
    "a subject added": (_column("subject", b"\0" * 32, seq=1), 1, COLUMN.format("subj")),
    "another actor": (_column("actor", "bert", seq=2), 2, COLUMN.format("actor")),
    "an actor taken away": (_column("actor", "", seq=2), 2, COLUMN.format("actor")),
    "an actor added": (_column("actor", "bert"), 3, COLUMN.format("actor")),
    "another tag": (_column("mac", b"\0" * 32), 3, WRITTEN),
    "another entry's tag": (_sql("UPDATE entry SET mac = (SELECT mac FROM entry WHERE seq = 5)"), 0, WRITTEN),
    "another library's entry": (_borrow, 1, WRITTEN),
    "a tag taken away": (_column("mac", None), 3, "its tag was taken away"),
    "the first tag taken away": (_column("mac", None, seq=0), 0, "its tag was taken away"),
    "all tags taken away": (_sql("UPDATE entry SET mac = NULL, actor = ''"), 0, "its tag was taken away"),
    "another origin": (_sql("UPDATE log SET origin = 'x'"), 0, COLUMN.format("log")),
    "the head set back": (_sql("UPDATE log SET size = 5"), 5, "the head does not count the entries"),
    "the head set forward": (_sql("UPDATE log SET size = 9"), 6, "the entry is missing"),
    "the head below nothing": (_sql("UPDATE log SET size = -1"), 0, "the head is damaged"),
    "the head damaged": (_sql("UPDATE log SET edge = :x", x=b"\0" * 64), 5, "the tree of the entries is not the tree"),
    "the head cut": (_sql("UPDATE log SET edge = :x", x=b"\0"), 5, "the tree of the entries is not the tree"),
    "the head deleted": (_sql("DELETE FROM log"), 0, "the head is missing"),
    "an entry moved to another library": (_column("library", "genk", seq=5), 5, "the entry is missing"),
}


class TestVerifying:
    """Whatever is altered is named: the library, the place and the cause."""

    def test_a_whole_log_verifies(self, store: Store) -> None:
        """Verifying gives the head, and says how far it is."""
        store.ledger.append([intent(f"r{number}") for number in range(2_100)])
        seen: list[tuple[int, int]] = []
        head = verify(store.database, LIBRARY, seal=store.seal, progress=lambda at, of: seen.append((at, of)))
        assert [head] == store.ledger.heads()
        assert seen == [(2_000, 2_100), (2_100, 2_100)]

    def test_a_log_that_was_never_begun_is_empty(self, store: Store) -> None:
        """A library without a log has size 0 and the root of nothing."""
        head = store.verify("nowhere", points=[Point(0, Edge().root(), "the mail")])
        assert (head.size, head.root) == (0, Edge().root().hex())

    @pytest.mark.parametrize("kind", TAMPERINGS)
    def test_tampering_is_named(self, store: Store, kind: str) -> None:
        """The owner of the database takes the guards away and alters something: the first fault is named."""
        tamper, seq, cause = TAMPERINGS[kind]
        fill(store)
        store.verify()
        unguard(store)
        tamper(store)
        with pytest.raises(BrokenChain, match=rf"access log of hasselt does not verify at entry {seq}: {cause}"):
            store.verify()

    def test_the_tags_of_another_installation_are_not_ours(self, store: Store) -> None:
        """Only who has the keys can write an entry."""
        fill(store)
        others = store.again(keys=store.keys.fresh(store.random))
        assert fault(others).startswith(f"entry 0: {WRITTEN}")

    def test_what_the_database_cannot_give_is_no_fault_of_the_log(self, store: Store) -> None:
        """A database that cannot be read is said to be that."""
        fill(store)
        store.execute("DROP TABLE entry")
        with pytest.raises(StoreError) as caught:
            store.verify()
        assert not isinstance(caught.value, BrokenChain)


@dataclass(frozen=True)
class Wrong:
    """What SQLite takes in a column, and which entry is named for it; ``sql`` may use what stands there."""

    sql: str
    seq: int = 3
    cause: str = ""


WRONG: Final = {
    "text for bytes": Wrong("UPDATE entry SET data = CAST(data AS TEXT) WHERE seq = 3"),
    "a number for bytes": Wrong("UPDATE entry SET data = 7 WHERE seq = 3"),
    "text for a leaf": Wrong("UPDATE entry SET leaf = 'leaf' WHERE seq = 3"),
    "text for a tag": Wrong("UPDATE entry SET mac = 'tag' WHERE seq = 3", cause=WRITTEN),
    "no bytes for a tag": Wrong("UPDATE entry SET mac = x'' WHERE seq = 3", cause=WRITTEN),
    "bytes for a kind": Wrong("UPDATE entry SET kind = CAST(kind AS BLOB) WHERE seq = 3"),
    "bytes for a reference": Wrong("UPDATE entry SET reference = CAST(reference AS BLOB) WHERE seq = 3"),
    "bytes for a run": Wrong("UPDATE entry SET run = CAST(run AS BLOB) WHERE seq = 3"),
    "bytes for an actor": Wrong("UPDATE entry SET actor = CAST(actor AS BLOB) WHERE seq = 3"),
    "text for a pseudonym": Wrong("UPDATE entry SET subject = lower(hex(subject)) WHERE seq = 2", 2),
    "a number for a pseudonym": Wrong("UPDATE entry SET subject = 0 WHERE seq = 3"),
    "nonsense for a time": Wrong("UPDATE entry SET at = 'nonsense' WHERE seq = 3"),
    "another way to write a time": Wrong("UPDATE entry SET at = replace(at, ' ', 'T') || 'Z' WHERE seq = 3"),
    "a number for a time": Wrong("UPDATE entry SET at = 7 WHERE seq = 3"),
    "text that is none": Wrong("UPDATE entry SET kind = CAST(x'ff' AS TEXT) WHERE seq = 3", cause="a column holds"),
    "bytes that are no text": Wrong(
        "UPDATE entry SET data = CAST(x'ff' AS TEXT) WHERE seq = 3", cause="a column holds"
    ),
    "half a place": Wrong("UPDATE entry SET seq = 3.5 WHERE seq = 3", cause="the entry is missing"),
    "text for a place": Wrong("UPDATE entry SET seq = 'x' WHERE seq = 3", cause="the entry is missing"),
    "one in between": Wrong(
        "INSERT INTO entry SELECT library, 2.5, data, leaf, kind, 'x', run, at, subject, actor, mac FROM entry "
        "WHERE seq = 3",
        cause="another stands before it",
    ),
    "one at no place": Wrong(
        "INSERT INTO entry SELECT library, 'x', data, leaf, kind, 'x', run, at, subject, actor, mac FROM entry "
        "WHERE seq = 3",
        6,
        "the head does not count the entries",
    ),
    "no size": Wrong("UPDATE log SET size = 'x'", 0, "the head is damaged"),
    "half a size": Wrong("UPDATE log SET size = 5.5", 0, "the head is damaged"),
    "text for an edge": Wrong("UPDATE log SET edge = 'x'", 0, "the head is damaged"),
    "bytes for an origin": Wrong("UPDATE log SET origin = CAST(origin AS BLOB)", 0, "the head is damaged"),
    "an origin that is no text": Wrong("UPDATE log SET origin = CAST(x'ff' AS TEXT)", 0, "the head is damaged"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_column_of_the_wrong_kind_is_named(store: Store, kind: str) -> None:
    """SQLite takes anything in any column; what rrsync never writes is a fault like any other, of that entry."""
    if not store.database.is_sqlite:
        pytest.skip("PostgreSQL holds one kind of value in a column")
    fill(store)
    unguard(store)
    store.execute(WRONG[kind].sql)
    assert fault(store).startswith(f"entry {WRONG[kind].seq}: {WRONG[kind].cause}")


class TestPoints:
    """A log is held against every root that is known of it."""

    def test_right_roots_raise_nothing(self, store: Store) -> None:
        """Whatever was known at any size, in any order and from any number of places."""
        fill(store)
        points = [point(store, size) for size in (3, SIZE, 0, 1, 3, SIZE)]
        assert store.verify(points=iter(points)).size == SIZE

    def test_a_wrong_root_names_what_it_covers(self, store: Store) -> None:
        """From the last right root on, the entries are not those that were signed."""
        fill(store)
        wrong = Point(5, bytes(32), "the file")
        words = "not those of which the file has a checkpoint of 5"
        assert fault(store, wrong) == f"entry 0: entries 0 to 4 are {words}"
        assert fault(store, wrong, point(store, 2), point(store, SIZE)) == f"entry 2: entries 2 to 4 are {words}"
        assert fault(store, wrong, point(store, 4)) == (
            "entry 4: the entry is not the one of which the file has a checkpoint of 5"
        )
        assert fault(store, Point(0, bytes(32), "the file")).startswith("entry 0")

    def test_a_log_that_is_too_short_says_by_whose_word(self, store: Store) -> None:
        """A cut log, or an older backup, is named at the first entry that is not there."""
        fill(store)
        known = point(store, SIZE), point(store, 5)
        unguard(store)
        _cut(store)
        assert fault(store, *known) == "entry 4: the log holds 4 entries, but the mail has a checkpoint of 5"
        store.execute("UPDATE log SET edge = :x", x=b"\0" * 32)
        assert fault(store, *known) == "entry 4: the log holds 4 entries, but the mail has a checkpoint of 5"

    def test_a_log_that_is_gone_says_by_whose_word(self, store: Store) -> None:
        """Where nothing is left, what is known elsewhere still speaks."""
        assert fault(store, Point(2, bytes(32), "the mail")) == (
            "entry 0: the log holds 0 entries, but the mail has a checkpoint of 2"
        )

    def test_the_first_fault_is_named(self, store: Store) -> None:
        """An altered entry comes before a root that does not fit later on, and after one that did not fit before."""
        fill(store)
        unguard(store)
        _forge(store, 4)
        assert fault(store, Point(5, bytes(32), "the file")).startswith(f"entry 4: {WRITTEN}")
        assert fault(store, Point(3, bytes(32), "the file")).startswith("entry 0: entries 0 to 2")
        assert fault(store, point(store, 4), Point(9, bytes(32), "the file")).startswith(f"entry 4: {WRITTEN}")


class TestSince:
    """From a root that is known on, only what came after is looked at."""

    def fill(self, store: Store) -> Point:
        """Return a root of a log that went on, with its upper tree in the cache."""
        store.ledger.append([intent(f"r{number}") for number in range(600)])
        Tiles(store.database).grow(LIBRARY, 600)
        known = point(store, 590)
        unguard(store)
        return known

    def test_only_what_came_after_is_recomputed(self, store: Store) -> None:
        """What is altered before is not seen, what is altered after is."""
        known = self.fill(store)
        assert store.verify(since=known) == store.verify()
        _forge(store, 100)
        assert store.verify(since=known).size == 600
        _forge(store, 595)
        assert fault(store, since=known).startswith(f"entry 595: {WRITTEN}")

    def test_a_root_that_is_not_the_logs_is_a_fault(self, store: Store) -> None:
        """The log is then recomputed whole, so that the fault is named."""
        known = self.fill(store)
        assert fault(store, since=Point(590, bytes(32), "the mail")).startswith("entry 0: entries 0 to 589")
        _forge(store, 580)
        assert fault(store, since=known).startswith(f"entry 580: {WRITTEN}")
        store.execute("DELETE FROM entry WHERE seq = 585")
        assert fault(store, since=known).startswith(f"entry 580: {WRITTEN}")

    def test_a_damaged_cache_is_no_fault_of_the_log(self, store: Store) -> None:
        """The entries count, not the tree that is made of them."""
        known = self.fill(store)
        store.execute("UPDATE tile SET hash = :x WHERE number = 1", x=bytes(32))
        assert store.verify(since=known).size == 600

    def test_roots_before_it_are_left_and_those_at_it_are_not(self, store: Store) -> None:
        """Two roots of one size cannot both be right."""
        known = self.fill(store)
        assert store.verify(since=known, points=[Point(3, bytes(32), "the file")]).size == 600
        assert fault(store, Point(590, bytes(32), "the file"), since=known).startswith("entry 589: the entry is not")

    def test_a_log_that_is_shorter_is_a_fault(self, store: Store) -> None:
        """There is nothing since what is not there."""
        fill(store)
        assert "holds 6 entries, but the mail has a checkpoint of 9" in fault(
            store, since=Point(9, bytes(32), "the mail")
        )

    def test_a_tag_cannot_be_left_out_after_it(self, store: Store) -> None:
        """An entry that says it is of before tags, after one that has one, is not believed."""
        known = self.fill(store)
        alter(store, 590, {"v": 1})
        store.execute("UPDATE entry SET mac = NULL WHERE seq = 590")
        rehash(store)
        assert fault(store, since=known).startswith("entry 590: its tag was taken away")


class TestBeforeTags:
    """Entries from before schema 0002 have no tag, and no actor beside their bytes."""

    def old(self, store: Store) -> Point:
        """Make a log that began before and went on after; give what was signed of it in between."""
        fill(store)
        unguard(store)
        age(store)
        known = point(store, SIZE)
        store.ledger.append([intent("new"), outcome("new")])
        return known

    def test_they_verify(self, store: Store) -> None:
        """What is old is as whole as what is new."""
        known = self.old(store)
        assert store.verify(points=[known]).size == SIZE + 2
        assert store.verify(since=known).size == SIZE + 2

    @pytest.mark.parametrize(
        ("tamper", "named"),
        [
            (_column("actor", "an", seq=2), "entry 2: the column beside the bytes says otherwise (actor)"),
            (_column("mac", b"\0" * 32, seq=2), "entry 2: the column beside the bytes says otherwise (actor)"),
            (_column("mac", b"\0" * 32, seq=3), f"entry 3: {WRITTEN}"),
            (_column("mac", None, seq=6), "entry 6: its tag was taken away"),
            (_forge_all, "entry 0: entries 0 to 5 are not those"),
        ],
    )
    def test_altering_them_is_named(self, store: Store, tamper: Tamper, named: str) -> None:
        """By entry where that can be known, else by the roots that were signed."""
        known = self.old(store)
        tamper(store)
        assert fault(store, known).startswith(named)

    def test_a_new_log_cannot_be_made_to_look_old(self, store: Store) -> None:
        """Who takes every tag away, and has every entry say that it is old, makes another log than was signed."""
        fill(store)
        known = point(store, 4)
        unguard(store)
        age(store)
        assert fault(store, known).startswith("entry 0: entries 0 to 3 are not those")
