"""The list of staff: names, and keyed values that nobody reads a number from; every change of it is in the log."""

from __future__ import annotations

import pytest

from rrsync.core.log_entry import Actor, ActorKind, decode
from rrsync.errors import ConfigError, LedgerError
from rrsync.store.staff import Staff, names_of
from tests.support import Store, insz

DPO = Actor(ActorKind.PERSON, "dpo")


@pytest.fixture
def staff(store: Store) -> Staff:
    """Return the lists of staff of a fresh database."""
    return Staff(store.database, store.seal, store.ledger)


def _names_of(store: Store, serial: int, library: str = "hasselt") -> set[str]:
    with store.database.read() as session:
        return set(names_of(session, store.seal, library, insz(serial)))


def test_who_is_added_is_found_by_number(store: Store, staff: Staff) -> None:
    """Under each of their names, in that library alone."""
    for library, name, serial in (
        ("hasselt", "bo", 2),
        ("hasselt", "an", 1),
        ("hasselt", "an.2", 1),
        ("genk", "cis", 1),
    ):
        staff.add(library, name, insz(serial), actor=DPO)
    assert (staff.names("hasselt"), staff.names("genk"), staff.names("nowhere")) == (["an", "an.2", "bo"], ["cis"], [])
    assert [_names_of(store, serial) for serial in (1, 2, 3)] == [{"an", "an.2"}, {"bo"}, set()]
    assert _names_of(store, 1, "genk") == {"cis"}


def test_who_is_removed_is_found_no_more(store: Store, staff: Staff) -> None:
    """And can be added again."""
    staff.add("hasselt", "an", insz(1), actor=DPO)
    staff.remove("hasselt", "an", actor=DPO)
    assert (staff.names("hasselt"), _names_of(store, 1)) == ([], set())
    staff.add("hasselt", "an", insz(2), actor=DPO)
    assert _names_of(store, 2) == {"an"}


def test_every_change_is_in_the_log(store: Store, staff: Staff) -> None:
    """Who did it, to which name; of whom by pseudonym, when the list knew the number."""
    staff.add("hasselt", "an", insz(1), actor=DPO)
    staff.remove("hasselt", "an", actor=DPO)
    added, removed = (decode(data) for _, data in store.ledger.entries("hasselt"))
    for line, deed in ((added, "add"), (removed, "remove")):
        assert (line["kind"], line["actor"]) == ("staff.change", {"t": "person", "id": "dpo"})
        assert line["staff"] == {"name": "an", "deed": deed}
    assert store.ledger.of_subject("hasselt", insz(1)) == [(0, next(iter(store.ledger.entries("hasselt")))[1])]
    assert "subj" not in removed


def test_what_cannot_be_done_leaves_no_trace(store: Store, staff: Staff) -> None:
    """A name that is taken, or that is not there: neither the list nor the log changes."""
    staff.add("hasselt", "an", insz(1), actor=DPO)
    with pytest.raises(ConfigError, match="somebody of that name already"):
        staff.add("hasselt", "an", insz(2), actor=DPO)
    with pytest.raises(ConfigError, match="nobody of that name"):
        staff.remove("hasselt", "bo", actor=DPO)
    with pytest.raises(ConfigError, match="nobody of that name"):
        staff.remove("genk", "an", actor=DPO)
    assert (staff.names("hasselt"), _names_of(store, 1), store.counts()["entry"]) == (["an"], {"an"}, 1)


def test_without_a_log_the_list_stays_as_it_is(store: Store, staff: Staff) -> None:
    """A change that cannot be logged is not made."""
    staff.add("hasselt", "an", insz(1), actor=DPO)
    store.execute("ALTER TABLE entry RENAME TO away")
    with pytest.raises(LedgerError):
        staff.add("hasselt", "bo", insz(2), actor=DPO)
    with pytest.raises(LedgerError):
        staff.remove("hasselt", "an", actor=DPO)
    assert staff.names("hasselt") == ["an"]


def test_the_number_is_nowhere_in_clear(store: Store, staff: Staff) -> None:
    """Not in the list, not in the log; and the keyed value is another in each library."""
    for library in ("hasselt", "genk"):
        staff.add(library, "an", insz(1), actor=DPO)
    marks = store.scalars("SELECT mark FROM staff")
    assert len({bytes(mark) for mark in marks}) == 2  # type: ignore[call-overload]
    kept = b"".join([*(data for _, data in store.ledger.entries("hasselt")), *map(bytes, marks)])  # type: ignore[arg-type]
    assert insz(1).digits.encode() not in kept
