"""Verification of the access log: an unaltered log verifies, and every alteration by the database's owner is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import pytest

from rrsync.core.log_entry import Draft, Kind
from rrsync.core.merkle import Edge, leaf_hash
from rrsync.errors import BrokenChain, StoreError
from rrsync.store.log_tree import KnownRoot, LogTree, verify_log
from tests.owner import age, alter, bytes_at, rehash, unguard, write
from tests.store.scene import ON_SQLITE
from tests.support import LIBRARY, Store, insz, intent, outcome

Tamper = Callable[[Store], None]
SIZE: Final = 6
COLUMN: Final = r"a column contradicts the bytes \({}\)"
WRONG_MAC: Final = "its MAC is wrong"
NO_MAC: Final = "its MAC was removed"


def fill(store: Store, entries: int = SIZE) -> None:
    """Append intents of a person, each with its outcome."""
    body = {"actor": {"t": "person", "id": "an"}, "why": {"code": "desk"}}
    for number in range(entries // 2):
        asked = Draft(LIBRARY, Kind.INTENT, f"r{number}", insz(number + 1), "run-1", body)  # type: ignore[arg-type]
        store.ledger.append([asked, outcome(f"r{number}")])


def root(store: Store, size: int) -> bytes:
    """Return the root of a log's first entries."""
    entries = store.ledger.entries(LIBRARY, most=size)
    return Edge().extend(leaf_hash(data) for _, data in entries).root()


def point(store: Store, size: int, source: str = "the mail") -> KnownRoot:
    """Return a root that is known outside the database."""
    return KnownRoot(size, root(store, size), source)


def fault(store: Store, *points: KnownRoot, since: KnownRoot | None = None) -> str:
    """Return the fault that verification reports."""
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
    """Move an entry of another library here, with its MAC."""
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
    "an entry rewritten, with its leaf": (_forge, 3, WRONG_MAC),
    "an entry rewritten, with the whole tree": (_forge_all, 3, WRONG_MAC),
    "bytes that are no JSON": (lambda store: write(store, 3, b"{]"), 3, "the bytes are not an entry"),
    "bytes that are no object": (lambda store: write(store, 3, b"[1]"), 3, "the bytes are not an entry"),
    "an entry deleted": (_delete, 3, "the entry is missing"),
    "an entry deleted, the rest moved up": (lambda store: _delete(store, whole=True), 3, WRONG_MAC),
    "the first deleted": (_sql("DELETE FROM entry WHERE seq = 0"), 0, "the entry is missing"),
    "the last deleted": (_sql("DELETE FROM entry WHERE seq = 5"), 5, "the entry is missing"),
    "all deleted": (_sql("DELETE FROM entry"), 0, "the entry is missing"),
    "two swapped": (_swap, 3, COLUMN.format("seq")),
    "two swapped, with the whole tree": (lambda store: _swap(store, whole=True), 3, WRONG_MAC),
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
    "another MAC": (_column("mac", b"\0" * 32), 3, WRONG_MAC),
    "another entry's MAC": (_sql("UPDATE entry SET mac = (SELECT mac FROM entry WHERE seq = 5)"), 0, WRONG_MAC),
    "another library's entry": (_borrow, 1, WRONG_MAC),
    "a MAC removed": (_column("mac", None), 3, NO_MAC),
    "the first MAC removed": (_column("mac", None, seq=0), 0, NO_MAC),
    "all MACs removed": (_sql("UPDATE entry SET mac = NULL, actor = ''"), 0, NO_MAC),
    "another origin": (_sql("UPDATE log SET origin = 'x'"), 0, COLUMN.format("log")),
    "the head set back": (_sql("UPDATE log SET size = 5"), 5, "the head does not count the entries"),
    "the head set forward": (_sql("UPDATE log SET size = 9"), 6, "the entry is missing"),
    "the head below nothing": (_sql("UPDATE log SET size = -1"), 0, "the head is damaged"),
    "the head damaged": (_sql("UPDATE log SET edge = :x", x=b"\0" * 64), 5, "the tree of the entries is not the tree"),
    "the head cut": (_sql("UPDATE log SET edge = :x", x=b"\0"), 5, "the tree of the entries is not the tree"),
    "the head deleted": (_sql("DELETE FROM log"), 0, "the head is missing"),
    "an entry moved to another library": (_column("library", "genk", seq=5), 5, "the entry is missing"),
}


def test_an_unaltered_log_verifies_with_progress(store: Store) -> None:
    store.ledger.append([intent(f"r{number}") for number in range(2_100)])
    seen: list[tuple[int, int]] = []
    head = verify_log(store.database, LIBRARY, cipher=store.seal, progress=lambda at, of: seen.append((at, of)))
    assert [head] == store.ledger.heads()
    assert seen == [(2_000, 2_100), (2_100, 2_100)]


def test_a_missing_log_verifies_as_empty(store: Store) -> None:
    head = store.verify("nowhere", points=[KnownRoot(0, Edge().root(), "the mail")])
    assert (head.size, head.root) == (0, Edge().root().hex())


@pytest.mark.parametrize("kind", TAMPERINGS)
def test_tampering_is_named(store: Store, kind: str) -> None:
    tamper, seq, cause = TAMPERINGS[kind]
    fill(store)
    store.verify()
    unguard(store)
    tamper(store)
    with pytest.raises(BrokenChain, match=rf"access log of hasselt does not verify at entry {seq}: {cause}"):
        store.verify()


def test_macs_of_other_keys_are_wrong(store: Store) -> None:
    fill(store)
    others = store.again(keys=store.keys.fresh(store.random))
    assert fault(others).startswith(f"entry 0: {WRONG_MAC}")


def test_an_unreadable_database_is_not_a_fault_of_the_log(store: Store) -> None:
    fill(store)
    store.execute("DROP TABLE entry")
    with pytest.raises(StoreError) as caught:
        store.verify()
    assert not isinstance(caught.value, BrokenChain)


@dataclass(frozen=True)
class WrongValue:
    """A value of another type in a column, and the fault that is named."""

    sql: str
    seq: int = 3
    cause: str = ""


WRONG_VALUES: Final = {
    "text for bytes": WrongValue("UPDATE entry SET data = CAST(data AS TEXT) WHERE seq = 3"),
    "a number for bytes": WrongValue("UPDATE entry SET data = 7 WHERE seq = 3"),
    "text for a leaf": WrongValue("UPDATE entry SET leaf = 'leaf' WHERE seq = 3"),
    "text for a MAC": WrongValue("UPDATE entry SET mac = 'tag' WHERE seq = 3", cause=WRONG_MAC),
    "no bytes for a MAC": WrongValue("UPDATE entry SET mac = x'' WHERE seq = 3", cause=WRONG_MAC),
    "bytes for a kind": WrongValue("UPDATE entry SET kind = CAST(kind AS BLOB) WHERE seq = 3"),
    "bytes for a reference": WrongValue("UPDATE entry SET reference = CAST(reference AS BLOB) WHERE seq = 3"),
    "bytes for a run": WrongValue("UPDATE entry SET run = CAST(run AS BLOB) WHERE seq = 3"),
    "bytes for an actor": WrongValue("UPDATE entry SET actor = CAST(actor AS BLOB) WHERE seq = 3"),
    "text for a pseudonym": WrongValue("UPDATE entry SET subject = lower(hex(subject)) WHERE seq = 2", 2),
    "a number for a pseudonym": WrongValue("UPDATE entry SET subject = 0 WHERE seq = 3"),
    "nonsense for a time": WrongValue("UPDATE entry SET at = 'nonsense' WHERE seq = 3"),
    "another way to write a time": WrongValue("UPDATE entry SET at = replace(at, ' ', 'T') || 'Z' WHERE seq = 3"),
    "a number for a time": WrongValue("UPDATE entry SET at = 7 WHERE seq = 3"),
    "text that is none": WrongValue(
        "UPDATE entry SET kind = CAST(x'ff' AS TEXT) WHERE seq = 3", cause="a column holds"
    ),
    "bytes that are no text": WrongValue(
        "UPDATE entry SET data = CAST(x'ff' AS TEXT) WHERE seq = 3", cause="a column holds"
    ),
    "half a place": WrongValue("UPDATE entry SET seq = 3.5 WHERE seq = 3", cause="the entry is missing"),
    "text for a place": WrongValue("UPDATE entry SET seq = 'x' WHERE seq = 3", cause="the entry is missing"),
    "one in between": WrongValue(
        "INSERT INTO entry SELECT library, 2.5, data, leaf, kind, 'x', run, at, subject, actor, mac FROM entry "
        "WHERE seq = 3",
        cause="another entry comes before it",
    ),
    "one at no place": WrongValue(
        "INSERT INTO entry SELECT library, 'x', data, leaf, kind, 'x', run, at, subject, actor, mac FROM entry "
        "WHERE seq = 3",
        6,
        "the head does not count the entries",
    ),
    "no size": WrongValue("UPDATE log SET size = 'x'", 0, "the head is damaged"),
    "half a size": WrongValue("UPDATE log SET size = 5.5", 0, "the head is damaged"),
    "text for an edge": WrongValue("UPDATE log SET edge = 'x'", 0, "the head is damaged"),
    "bytes for an origin": WrongValue("UPDATE log SET origin = CAST(origin AS BLOB)", 0, "the head is damaged"),
    "an origin that is no text": WrongValue("UPDATE log SET origin = CAST(x'ff' AS TEXT)", 0, "the head is damaged"),
}


@ON_SQLITE
@pytest.mark.parametrize("kind", WRONG_VALUES)
def test_a_column_of_another_type_is_named(store: Store, kind: str) -> None:
    fill(store)
    unguard(store)
    store.execute(WRONG_VALUES[kind].sql)
    assert fault(store).startswith(f"entry {WRONG_VALUES[kind].seq}: {WRONG_VALUES[kind].cause}")


def test_known_roots_that_match_verify(store: Store) -> None:
    fill(store)
    points = [point(store, size) for size in (3, SIZE, 0, 1, 3, SIZE)]
    assert store.verify(points=iter(points)).size == SIZE


def test_a_wrong_root_names_the_entries_it_covers(store: Store) -> None:
    fill(store)
    wrong = KnownRoot(5, bytes(32), "the file")
    words = "not those of which the file has a checkpoint of 5"
    assert fault(store, wrong) == f"entry 0: entries 0 to 4 are {words}"
    assert fault(store, wrong, point(store, 2), point(store, SIZE)) == f"entry 2: entries 2 to 4 are {words}"
    assert fault(store, wrong, point(store, 4)) == (
        "entry 4: the entry is not the one of which the file has a checkpoint of 5"
    )
    assert fault(store, KnownRoot(0, bytes(32), "the file")).startswith("entry 0")


def test_a_log_that_is_too_short_names_the_source_of_the_root(store: Store) -> None:
    fill(store)
    known = point(store, SIZE), point(store, 5)
    unguard(store)
    _cut(store)
    assert fault(store, *known) == "entry 4: the log holds 4 entries, but the mail has a checkpoint of 5"
    store.execute("UPDATE log SET edge = :x", x=b"\0" * 32)
    assert fault(store, *known) == "entry 4: the log holds 4 entries, but the mail has a checkpoint of 5"


def test_a_log_that_is_gone_names_the_source_of_the_root(store: Store) -> None:
    assert fault(store, KnownRoot(2, bytes(32), "the mail")) == (
        "entry 0: the log holds 0 entries, but the mail has a checkpoint of 2"
    )


def test_the_first_fault_is_named(store: Store) -> None:
    fill(store)
    unguard(store)
    _forge(store, 4)
    assert fault(store, KnownRoot(5, bytes(32), "the file")).startswith(f"entry 4: {WRONG_MAC}")
    assert fault(store, KnownRoot(3, bytes(32), "the file")).startswith("entry 0: entries 0 to 2")
    assert fault(store, point(store, 4), KnownRoot(9, bytes(32), "the file")).startswith(f"entry 4: {WRONG_MAC}")


def fill_and_cache(store: Store) -> KnownRoot:
    """Fill a log, cache its tree, and return the root of all but the last ten entries."""
    store.ledger.append([intent(f"r{number}") for number in range(600)])
    LogTree(store.database).grow(LIBRARY, 600)
    known = point(store, 590)
    unguard(store)
    return known


def test_only_entries_after_the_root_are_verified(store: Store) -> None:
    known = fill_and_cache(store)
    assert store.verify(since=known) == store.verify()
    _forge(store, 100)
    assert store.verify(since=known).size == 600
    _forge(store, 595)
    assert fault(store, since=known).startswith(f"entry 595: {WRONG_MAC}")


def test_a_wrong_root_makes_all_entries_be_verified(store: Store) -> None:
    known = fill_and_cache(store)
    assert fault(store, since=KnownRoot(590, bytes(32), "the mail")).startswith("entry 0: entries 0 to 589")
    _forge(store, 580)
    assert fault(store, since=known).startswith(f"entry 580: {WRONG_MAC}")
    store.execute("DELETE FROM entry WHERE seq = 585")
    assert fault(store, since=known).startswith(f"entry 580: {WRONG_MAC}")


def test_a_damaged_cache_is_not_a_fault_of_the_log(store: Store) -> None:
    known = fill_and_cache(store)
    store.execute("UPDATE tile SET hash = :x WHERE number = 1", x=bytes(32))
    assert store.verify(since=known).size == 600


def test_roots_before_the_known_one_are_ignored(store: Store) -> None:
    known = fill_and_cache(store)
    assert store.verify(since=known, points=[KnownRoot(3, bytes(32), "the file")]).size == 600
    assert fault(store, KnownRoot(590, bytes(32), "the file"), since=known).startswith("entry 589: the entry is not")


def test_a_log_shorter_than_the_known_root_is_a_fault(store: Store) -> None:
    fill(store)
    assert "holds 6 entries, but the mail has a checkpoint of 9" in fault(
        store, since=KnownRoot(9, bytes(32), "the mail")
    )


def test_a_mac_cannot_be_removed_after_the_known_root(store: Store) -> None:
    known = fill_and_cache(store)
    alter(store, 590, {"v": 1})
    store.execute("UPDATE entry SET mac = NULL WHERE seq = 590")
    rehash(store)
    assert fault(store, since=known).startswith(f"entry 590: {NO_MAC}")


def begin_before_macs(store: Store) -> KnownRoot:
    """Make a log that began before schema 0002; return the root at the upgrade."""
    fill(store)
    unguard(store)
    age(store)
    known = point(store, SIZE)
    store.ledger.append([intent("new"), outcome("new")])
    return known


def test_entries_from_before_macs_verify(store: Store) -> None:
    known = begin_before_macs(store)
    assert store.verify(points=[known]).size == SIZE + 2
    assert store.verify(since=known).size == SIZE + 2


@pytest.mark.parametrize(
    ("tamper", "named"),
    [
        (_column("actor", "an", seq=2), "entry 2: a column contradicts the bytes (actor)"),
        (_column("mac", b"\0" * 32, seq=2), "entry 2: a column contradicts the bytes (actor)"),
        (_column("mac", b"\0" * 32, seq=3), f"entry 3: {WRONG_MAC}"),
        (_column("mac", None, seq=6), f"entry 6: {NO_MAC}"),
        (_forge_all, "entry 0: entries 0 to 5 are not those"),
    ],
)
def test_altered_entries_from_before_macs_are_named(store: Store, tamper: Tamper, named: str) -> None:
    known = begin_before_macs(store)
    tamper(store)
    assert fault(store, known).startswith(named)


def test_a_log_rewritten_without_macs_contradicts_the_known_root(store: Store) -> None:
    fill(store)
    known = point(store, 4)
    unguard(store)
    age(store)
    assert fault(store, known).startswith("entry 0: entries 0 to 3 are not those")
