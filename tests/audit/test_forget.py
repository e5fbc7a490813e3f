"""Forgetting: after ten years, by two people, for ever; and every proof still holds."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rrsync.audit.key_destruction import KeyDestruction
from rrsync.core.log_entry import Actor, ActorKind, Evidence, Kind
from rrsync.errors import ConfigError, LedgerError, StoreError
from rrsync.store.log_search import LogSearch
from rrsync.store.log_tree import verify_log
from tests.support import LIBRARY, Store, insz, intent, member, outcome

AN, BERT = (Actor(ActorKind.PERSON, name) for name in ("an.peeters", "bert.maes"))
YEAR = 2026
#: Ten years after the last entry of the year, which is of the first of July.
TERM = datetime(2036, 7, 1, 2, 0, tzinfo=UTC)


@pytest.fixture
def forgetting(store: Store) -> KeyDestruction:
    """Return who forgets, on a log with two accesses about one person, whose messages were kept."""
    for number in ("1", "2"):
        store.ledger.append([intent(f"ref-{number}", subject=insz(7))])
        said = Evidence(b"<question/>", b"<answer/>")
        store.ledger.append([replace(outcome(f"ref-{number}", subject=insz(7)), evidence=said)])
    return KeyDestruction(store.ledger, LogSearch(store.database), store.clock, store.database.scrub)


def past(store: Store, **more: float) -> None:
    """Let the term pass."""
    store.clock.now = TERM + timedelta(**more)


def test_the_term_is_ten_years_after_the_years_last_entry(forgetting: KeyDestruction, store: Store) -> None:
    """Not a second less; and a leap day's term ends on the first of March."""
    assert forgetting.terms(LIBRARY) == {YEAR: TERM}
    past(store, seconds=-1)
    with pytest.raises(ConfigError, match="must be kept until 2036-07-01"):
        forgetting.ask(LIBRARY, YEAR, AN)
    with pytest.raises(ConfigError, match="must be kept until"):
        forgetting.confirm(LIBRARY, YEAR, BERT)
    store.clock.now = datetime(2028, 2, 29, 12, tzinfo=UTC)
    store.ledger.append([intent("leap", library="genk", subject=insz(1))])
    assert forgetting.terms("genk") == {2028: datetime(2038, 3, 1, 12, tzinfo=UTC)}


def test_one_person_is_not_enough(forgetting: KeyDestruction, store: Store) -> None:
    """Who asked cannot confirm, nobody can confirm what was not asked, or was asked too long ago or of another year."""
    past(store)
    with pytest.raises(ConfigError, match="Nobody else asked"):
        forgetting.confirm(LIBRARY, YEAR, BERT)
    forgetting.ask(LIBRARY, YEAR, AN)
    with pytest.raises(ConfigError, match="Nobody else asked"):
        forgetting.confirm(LIBRARY, YEAR, AN)
    store.clock.pass_by(days=30, seconds=1)
    with pytest.raises(ConfigError, match="Nobody else asked in the last 30 days"):
        forgetting.confirm(LIBRARY, YEAR, BERT)
    assert forgetting.terms(LIBRARY)


def test_another_question_does_not_hide_the_first(forgetting: KeyDestruction, store: Store) -> None:
    """Two years may be asked for one after the other."""
    store.clock.now = datetime(2027, 1, 2, tzinfo=UTC)
    store.ledger.append([intent("later", subject=insz(8))])
    store.clock.now = datetime(2040, 1, 1, tzinfo=UTC)
    forgetting.ask(LIBRARY, YEAR, AN)
    forgetting.ask(LIBRARY, 2027, AN)
    assert forgetting.confirm(LIBRARY, YEAR, BERT).entries == 4
    assert list(forgetting.terms(LIBRARY)) == [2027]


def test_two_people_destroy_a_key_for_ever(forgetting: KeyDestruction, store: Store) -> None:
    """Nobody is found any more, no message is left; the log says so, verifies, and can be written."""
    before = store.ledger.head(LIBRARY)
    past(store)
    assert store.ledger.of_subject(LIBRARY, insz(7))
    forgetting.ask(LIBRARY, YEAR, AN)
    done = forgetting.confirm(LIBRARY, YEAR, BERT)
    assert (done.year, done.entries, done.evidence) == (YEAR, 4, 2)
    assert store.ledger.of_subject(LIBRARY, insz(7)) == []
    assert store.ledger.evidence(LIBRARY, 1) is None
    assert store.scalars("SELECT count(*) FROM log_key") == [0]
    (last,) = (line for _, line in LogSearch(store.database).deeds(LIBRARY, {Kind.FORGOTTEN}))
    assert last["key"] == {"year": YEAR, "entries": 4, "evidence": 2, "asked_by": "an.peeters"}
    assert last["actor"] == {"t": "person", "id": "bert.maes"}
    head = verify_log(store.database, LIBRARY, cipher=store.seal)
    assert head.size == before.size + 2
    store.ledger.append([intent("ref-3", subject=insz(7))])
    assert len(store.ledger.of_subject(LIBRARY, insz(7))) == 1
    again = forgetting.confirm(LIBRARY, YEAR, BERT)  # cleans the files once more, and destroys nothing else
    assert (again.entries, again.evidence) == (0, 0)
    with pytest.raises(ConfigError, match=f"has no key of {YEAR}"):
        forgetting.ask(LIBRARY, YEAR, AN)
    assert forgetting.lost(LIBRARY) == []


@pytest.mark.parametrize("name", ["An.Peeters", " an.peeters", "AN.PEETERS ", "an\uff0epeeters"])
def test_another_spelling_is_no_other_person(forgetting: KeyDestruction, store: Store, name: str) -> None:
    """Case, blanks and wide letters make nobody else."""
    past(store)
    forgetting.ask(LIBRARY, YEAR, AN)
    with pytest.raises(ConfigError, match="Nobody else asked"):
        forgetting.confirm(LIBRARY, YEAR, Actor(ActorKind.PERSON, name))


def test_files_that_cannot_be_cleaned_now_are_cleaned_by_a_second_try(forgetting: KeyDestruction, store: Store) -> None:
    """The key is gone, and it is said that files may still hold it."""
    past(store)
    forgetting.ask(LIBRARY, YEAR, AN)
    cleaned: list[int] = []

    def busy() -> None:
        raise StoreError("Another program is reading the database")

    with pytest.raises(StoreError, match="is destroyed, but files may still hold it"):
        replace(forgetting, scrub=busy).confirm(LIBRARY, YEAR, BERT)
    replace(forgetting, scrub=lambda: cleaned.append(1)).confirm(LIBRARY, YEAR, BERT)
    assert cleaned == [1]


@pytest.mark.parametrize("database_kind", ["sqlite"])  # a server has no file that a reader keeps back
def test_a_reader_that_keeps_the_files_back_is_said(store: Store) -> None:
    """Instead of leaving the key in the write-ahead log without a word."""
    store.ledger.append([intent("ref-9", subject=insz(9))])
    path = store.database.path
    with closing(sqlite3.connect(str(path))) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM entry").fetchone()
        store.ledger.append([intent("ref-10", subject=insz(9))])
        with pytest.raises(StoreError, match="Another program is reading"):
            store.again(timeout_s=0.2).database.scrub()
    store.database.scrub()


def test_a_key_that_somebody_deleted_is_missed(forgetting: KeyDestruction, store: Store) -> None:
    """No entry says that it was destroyed."""
    assert forgetting.lost(LIBRARY) == []
    store.execute("DELETE FROM log_key")
    assert forgetting.lost(LIBRARY) == [YEAR]


def test_a_key_that_was_destroyed_is_not_made_anew(forgetting: KeyDestruction, store: Store) -> None:
    """A clock that is set back does not bring a year back."""
    past(store)
    forgetting.ask(LIBRARY, YEAR, AN)
    forgetting.confirm(LIBRARY, YEAR, BERT)
    store.clock.now = datetime(YEAR, 8, 1, tzinfo=UTC)
    with pytest.raises(LedgerError, match="destroyed"):
        store.ledger.append([intent("ref-3", subject=insz(7))])


@pytest.mark.parametrize("database_kind", ["sqlite"])  # a server's files are not ours to read
def test_nothing_of_the_key_is_left_in_the_files(forgetting: KeyDestruction, store: Store) -> None:
    """Neither in the database nor in its write-ahead log."""
    (sealed,) = store.scalars("SELECT key FROM log_key")
    (kept, *_) = store.scalars("SELECT data FROM evidence")
    assert isinstance(sealed, bytes)
    assert isinstance(kept, bytes)
    path = store.database.path
    assert path is not None
    assert any(sealed in file for file in files(path))
    past(store)
    forgetting.ask(LIBRARY, YEAR, AN)
    forgetting.confirm(LIBRARY, YEAR, BERT)
    for secret in (sealed, kept):
        assert not any(secret in file for file in files(path))


def files(path: Path) -> list[bytes]:
    """Return the content of the database's files."""
    return [file.read_bytes() for file in path.parent.glob(path.name + "*")]


def test_erasing_a_member_touches_no_entry(forgetting: KeyDestruction, store: Store) -> None:
    """The log keeps a pseudonym and a sealed number, and verifies as before."""
    store.take(member(7))
    before = list(store.ledger.entries(LIBRARY))
    assert store.execute("DELETE FROM member") == 1
    assert list(store.ledger.entries(LIBRARY)) == before
    assert verify_log(store.database, LIBRARY, cipher=store.seal).size == len(before)
