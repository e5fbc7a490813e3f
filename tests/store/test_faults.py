"""When the database cannot: a sentence, nothing written; and nobody is readable in what lies on the disk."""

from __future__ import annotations

import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from rrsync.core.compare import Change, Hold, Same
from rrsync.core.exchange import Reason
from rrsync.core.person import PartialDate
from rrsync.core.planning import Plan
from rrsync.errors import LedgerError, StoreError
from rrsync.store.encryption import Keyring
from rrsync.store.engine import Database
from tests.store.scene import AN, always, ask, record
from tests.support import (
    FIRST,
    LAST,
    NOW,
    STREET,
    TOWN,
    Clock,
    Dice,
    Store,
    address,
    held,
    insz,
    intent,
    member,
    open_store,
    outcome,
)

#: What is said about members, as text and as JSON may write it; years and house numbers are too short to be told apart.
CANARIES = [STREET, TOWN, LAST, FIRST, "Vinkenlaan", "Anders", "1960-01-02", "71022"]


def live(store: Store) -> None:
    """Do everything the store can do, to members that are all canaries."""
    store.take(*(member(serial) for serial in range(1, 8)), member(8, insz=None))
    run = store.runs.open(["hasselt"], Plan(NOW.date(), None, frozenset()), new_id="run-1", at=NOW).id
    moved = held("99", last="Anders", street="Vinkenlaan")
    record(store, "M0001", Change(held(), moved), run=run)
    record(store, "M0002", Same(held()), run=run)
    record(store, "M0003", Hold(Reason.NEW_NUMBER, new_insz=insz(20)), run=run)
    record(store, "M0004", Hold(Reason.NAME_DIFFERS, proposal=moved), run=run)
    record(store, "M0005", Hold(Reason.NAME_DIFFERS, proposal=moved), run=run)
    record(store, "M0006", Hold(Reason.NAME_DIFFERS, proposal=moved), run=run)
    for hold in list(store.holds.open()):
        if hold.number in {"M0003", "M0004"}:
            store.settlement.accept(hold, AN)
        if hold.number == "M0005":
            store.settlement.dismiss(hold, AN)
    ask(store, "M0007", subject=insz(7), run=run)
    store.take(member(1, held=held("14")), member(2, insz=insz(21)), import_id="import-2")


def canaries() -> list[bytes]:
    """Return every text and number that must not be readable."""
    numbers = [insz(serial).digits for serial in (*range(1, 8), 20, 21)]
    return [canary.encode() for canary in [*CANARIES, *numbers, "600102"]]


def everything(store: Store) -> Iterator[bytes]:
    """Yield every byte that the database keeps: SQLite's files, or all columns of PostgreSQL, as text and as bytes."""
    path = store.database.path
    if path is not None:
        for file in sorted(path.parent.glob(path.name + "*")):
            yield file.read_bytes()
        return
    with store.database.engine.connect() as connection:
        for table in connection.exec_driver_sql(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        ).scalars():
            for row in connection.exec_driver_sql(f'SELECT * FROM "{table}"'):
                yield b"\0".join(value if isinstance(value, bytes) else str(value).encode() for value in row)


def test_nobody_is_readable_in_the_database(store: Store) -> None:
    """After a whole life of members, no number, name, date or street stands in any byte that the database keeps."""
    live(store)
    kept = b"\0".join(everything(store))
    assert b"hasselt" in kept
    assert b"M0001" in kept
    assert [canary for canary in canaries() if canary.lower() in kept.lower()] == []
    assert all(store.counts().values())


def test_the_search_for_people_finds_them(store: Store) -> None:
    """The search itself is no sham: a person written in clear is found."""
    store.ledger.append([intent(LAST)])
    assert LAST.encode() in b"\0".join(everything(store))


class TestSqlite:
    """A file: locked, full, read-only, damaged, not there."""

    @pytest.fixture(params=["sqlite"])
    def database_url(self, tmp_path: Path, migrated_file: Path) -> str:
        """Return a file at the newest schema."""
        (tmp_path / "rrsync.db").write_bytes(migrated_file.read_bytes())
        return f"sqlite:///{tmp_path / 'rrsync.db'}"

    def test_locked(self, store: Store) -> None:
        """Another program holds the file: after a while it is told, and nothing was written."""
        store.ledger.append([intent("a")])
        impatient = open_store(store.url, clock=store.clock, random=Dice("x"), keys=store.keys, timeout_s=0.05)
        with sqlite3.connect(store.url.removeprefix("sqlite:///"), isolation_level=None) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(LedgerError, match="stayed locked by another program"):
                impatient.ledger.append([outcome("a")])
            with pytest.raises(StoreError, match="stayed locked by another program"):
                impatient.take(member(1))
            other.execute("ROLLBACK")
        other.close()
        impatient.close()
        assert (store.counts()["entry"], store.counts()["member"]) == (1, 0)

    def test_full(self, store: Store) -> None:
        """No more room: what was under way is undone whole, and what stood there verifies."""
        store.take(member(1))
        store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        pages = int(str(store.scalars("PRAGMA page_count")[0]))
        with store.database.write() as session:  # the pragma is the connection's: keep to this one
            session.connection().exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        before = store.counts()
        with pytest.raises(LedgerError, match=r"The disk of the database is full\. Nothing was changed"):
            store.ledger.append([intent(f"r{number}", subject=insz(1)) for number in range(500)])
        with pytest.raises(StoreError, match="The disk of the database is full"):
            store.take(*(member(serial) for serial in range(2, 500)), import_id="import-2")
        assert store.counts() == before
        assert store.ledger.pending() == []

    def test_read_only(self, store: Store) -> None:
        """A file that may be read only says so when it is written to."""
        store.take(member(1))
        reader = open_store(
            f"{store.url.replace('sqlite:///', 'sqlite:///file:')}?mode=ro&uri=true",
            clock=store.clock,
            random=Dice(),
            keys=store.keys,
        )
        assert reader.members.count("hasselt") == 1
        with pytest.raises(LedgerError, match="cannot be written"):
            reader.ledger.append([intent("a")])
        reader.close()
        assert store.counts()["entry"] == 0

    def test_damaged(self, store: Store) -> None:
        """A file that is no database any more is told as such."""
        store.close()
        path = store.database.path
        assert path is not None
        path.write_bytes(b"no database " * 1_000)
        with pytest.raises(StoreError, match="no database, or is damaged"):
            store.members.count("hasselt")

    def test_not_there(self) -> None:
        """A folder that is not there, or a file without our tables, says what to do."""
        database = Database("sqlite:////nowhere/rrsync.db")
        with pytest.raises(StoreError, match=r"cannot be opened\. .*\[store\] url"), database.read() as session:
            session.connection()
        database.close()

    def test_without_tables(self, tmp_path: Path, clock: Clock, keys: Keyring) -> None:
        """A new file is told to be begun with `rrsync init`."""
        store = open_store(f"sqlite:///{tmp_path / 'new.db'}", clock=clock, random=Dice(), keys=keys)
        with pytest.raises(StoreError, match=r"has no rrsync tables\. .*`rrsync init`"):
            store.members.count("hasselt")
        store.close()


class TestPostgres:
    """A server: gone, locked, read-only, without the database."""

    @pytest.fixture(autouse=True)
    def _postgres(self, store: Store) -> None:
        if store.database.is_sqlite:
            pytest.skip("a file has no server")

    def test_gone_while_writing(self, store: Store) -> None:
        """The connection ends in the middle of a transaction: nothing of it was written, the next one works."""
        other = store.again()
        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> "

        def write() -> None:
            with store.ledger.writing() as session:
                store.ledger.append_in(session, [intent("a")])
                other.execute(end + "pg_backend_pid()")

        with pytest.raises(LedgerError, match="The database cannot be reached"):
            write()
        store.ledger.append([intent("b")])
        assert [one.reference for one in store.ledger.pending()] == ["b"]
        assert store.counts()["entry"] == 1

    def test_ended_while_nobody_used_it(self, store: Store) -> None:
        """Who reads or writes next gets another connection, and hears nothing of it."""
        end = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND "
        other = store.again()
        for use in (lambda: store.members.count("hasselt"), lambda: store.ledger.append([intent("a")])):
            store.members.count("hasselt")
            other.execute(end + "pid <> pg_backend_pid()")
            use()
        assert store.counts()["entry"] == 1

    def test_not_there(self, store: Store) -> None:
        """A server that does not answer, and a database that is not there, are told apart."""
        for url, sentence in (
            ("postgresql+psycopg://postgres@127.0.0.1:1/rrsync", "The database cannot be reached"),
            (store.url.replace("/test_", "/no_test_"), "The database or its tables are not there"),
        ):
            database = Database(url)
            with pytest.raises(StoreError, match=sentence), database.read() as session:
                session.connection()
            database.close()

    def test_without_tables(self, store: Store) -> None:
        """Tables that are not there are told with what to do."""
        store.execute("DROP TABLE member")
        with pytest.raises(StoreError, match="`rrsync init`"):
            store.members.count("hasselt")

    def test_locked(self, store: Store) -> None:
        """Another program holds a row for too long: it is told, and nothing was written."""
        store.ledger.append([intent("a")])
        impatient = open_store(store.url, clock=store.clock, random=Dice("x"), keys=store.keys, timeout_s=0.05)
        with store.database.write() as session:
            session.connection().exec_driver_sql("SELECT * FROM log FOR UPDATE")
            with pytest.raises(LedgerError, match="stayed locked by another program"):
                impatient.ledger.append([outcome("a")])
        impatient.close()
        assert store.counts()["entry"] == 1

    def test_read_only(self, store: Store) -> None:
        """A server that takes no writes, as a standby does, says so."""
        store.execute(f"ALTER DATABASE {store.url.split('/')[3].split('?')[0]} SET default_transaction_read_only = on")
        later = store.again()
        with pytest.raises(LedgerError, match="cannot be written"):
            later.ledger.append([intent("a")])
        assert later.counts()["entry"] == 0

    def test_what_it_does_not_take(self, store: Store) -> None:
        """Any other refusal is a sentence too, without what was to be written."""
        with pytest.raises(StoreError, match=r"^The database refused\. Nothing was changed") as caught:
            store.take(member(1, number="M\0"))
        assert STREET not in f"{caught.value} {caught.value.__cause__}"


def test_an_error_shows_nobody(store: Store) -> None:
    """What the driver says of a failed statement holds no value of it."""
    store.take(member(1))
    item = record(store, "M0001", Same(held()))
    with pytest.raises(LedgerError) as caught:
        store.settlement.settle([item], always(Change(held(), held("99", street="Vinkenlaan"))))
    error: BaseException | None = caught.value
    while error is not None:
        said = f"{error!r} {error}".encode()
        assert [canary for canary in canaries() if canary in said] == []
        error = error.__cause__


def test_what_is_held_is_really_there(store: Store) -> None:
    """The canaries are no dead letters: the same store gives them back in clear to who has the keys."""
    live(store)
    found = store.members.find("hasselt", "M0004")
    assert found is not None
    assert found.member.held.address == address("99", street="Vinkenlaan")
    assert found.member.held.birth_date == PartialDate(1960, 1, 2)


def test_a_server_that_accepts_and_never_answers_is_given_up() -> None:
    """A command ends with a sentence, also when the database is a hole."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql+psycopg://nobody@127.0.0.1:{silent.getsockname()[1]}/nothing"
        with pytest.raises(StoreError, match=r"^The database cannot be reached\."):
            Database(url, timeout_s=2).require_newest()
