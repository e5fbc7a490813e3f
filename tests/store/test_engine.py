"""The database connection: durability, translated errors, and no readable personal data on the disk."""

from __future__ import annotations

import socket
import sqlite3
from collections.abc import Iterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import InvalidRequestError

from rrsync.core.compare import Change, Hold, Same
from rrsync.core.exchange import Reason
from rrsync.core.planning import Plan
from rrsync.errors import LedgerError, StoreError
from rrsync.store.engine import Database
from tests.store.scene import AN, ON_POSTGRESQL, ON_SQLITE, always, ask, present, record
from tests.support import (
    FIRST,
    LAST,
    NOW,
    STREET,
    TOWN,
    Dice,
    Store,
    held,
    insz,
    intent,
    member,
    open_store,
    outcome,
)

#: The data of members, as text and as JSON may write it; years and house numbers are too short to be unique.
CANARIES = [STREET, TOWN, LAST, FIRST, "Vinkenlaan", "Anders", "1960-01-02", "71022"]
MOVED = held("99", last="Anders", street="Vinkenlaan")


def live(store: Store) -> None:
    """Do everything the store can do, to members whose data is all canaries."""
    store.take(*(member(serial) for serial in range(1, 8)), member(8, insz=None))
    run = store.runs.open(["hasselt"], Plan(NOW.date(), None, frozenset()), new_id="run-1", at=NOW).id
    record(store, "M0001", Change(held(), MOVED), run=run)
    record(store, "M0002", Same(held()), run=run)
    record(store, "M0003", Hold(Reason.NEW_NUMBER, new_insz=insz(20)), run=run)
    record(store, "M0004", Hold(Reason.NAME_DIFFERS, proposal=MOVED), run=run)
    record(store, "M0005", Hold(Reason.NAME_DIFFERS, proposal=MOVED), run=run)
    record(store, "M0006", Hold(Reason.NAME_DIFFERS, proposal=MOVED), run=run)
    for hold in list(store.holds.open()):
        if hold.number in {"M0003", "M0004"}:
            store.settlement.accept(hold, AN)
        if hold.number == "M0005":
            store.settlement.dismiss(hold, AN)
    ask(store, "M0007", subject=insz(7), run=run)
    store.take(member(1, held=held("14")), member(2, insz=insz(21)), import_id="import-2")


def canaries() -> list[bytes]:
    """Return all texts and numbers that must not be readable."""
    numbers = [insz(serial).digits for serial in (*range(1, 8), 20, 21)]
    return [canary.encode() for canary in [*CANARIES, *numbers, "600102"]]


def everything(store: Store) -> Iterator[bytes]:
    """Yield every byte of the database: SQLite's files, or all columns of PostgreSQL, as text and as bytes."""
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


def test_no_personal_data_is_readable_in_the_database(store: Store) -> None:
    live(store)
    assert present(store, "M0004").held == MOVED
    kept = b"\0".join(everything(store))
    assert b"hasselt" in kept
    assert b"M0001" in kept
    assert [canary for canary in canaries() if canary.lower() in kept.lower()] == []
    assert all(store.counts().values())


def test_the_search_for_personal_data_finds_a_canary(store: Store) -> None:
    store.ledger.append([intent(LAST)])
    assert LAST.encode() in b"\0".join(everything(store))


def _sync_setting(store: Store, *, passing: bool) -> str:
    asked = "PRAGMA synchronous" if store.database.is_sqlite else "SHOW synchronous_commit"
    with store.database.write(passing=passing) as session:
        return str(session.execute(text(asked)).scalar_one())


def test_only_passing_data_does_not_wait_for_the_disk(store: Store) -> None:
    if not store.database.is_sqlite:  # the tests' server waits for nothing
        store.execute(f'ALTER DATABASE "{store.database.engine.url.database}" SET synchronous_commit = on')
        store.database.close()
    full, none = ("2", "1") if store.database.is_sqlite else ("on", "off")
    order = [False, True, True, False, True, False]
    assert [_sync_setting(store, passing=passing) for passing in order] == [none if each else full for each in order]


@pytest.mark.parametrize("way", ["read", "write"])
def test_a_session_is_unusable_after_its_block(store: Store, way: str) -> None:
    with getattr(store.database, way)() as session:
        session.execute(text("SELECT 1"))
    with pytest.raises(InvalidRequestError, match="closed"):
        session.execute(text("SELECT 1"))


@ON_POSTGRESQL
def test_another_refusal_is_reported_without_the_data(store: Store) -> None:
    with pytest.raises(StoreError, match="The database refused") as caught:
        store.take(member(1, number="M\0"))
    assert STREET not in f"{caught.value} {caught.value.__cause__}"


def test_an_error_shows_no_personal_data(store: Store) -> None:
    store.take(member(1))
    item = record(store, "M0001", Same(held()))
    with pytest.raises(LedgerError) as caught:
        store.settlement.settle([item], always(Change(held(), held("99", street="Vinkenlaan"))))
    error: BaseException | None = caught.value
    while error is not None:
        said = f"{error!r} {error}".encode()
        assert [canary for canary in canaries() if canary in said] == []
        error = error.__cause__


def test_a_silent_server_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql+psycopg://nobody@127.0.0.1:{silent.getsockname()[1]}/nothing"
        with pytest.raises(StoreError, match="cannot be reached"):
            Database(url, timeout_s=2).require_newest()


def test_missing_tables_are_reported(store: Store) -> None:
    store.execute("DROP TABLE member")
    with pytest.raises(StoreError, match="rrsync init"):
        store.members.count("hasselt")


@ON_SQLITE
def test_a_locked_database_is_reported_on_sqlite(store: Store) -> None:
    store.ledger.append([intent("a")])
    impatient = store.again(timeout_s=0.05)
    with sqlite3.connect(store.url.removeprefix("sqlite:///"), isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerError, match="stayed locked"):
            impatient.ledger.append([outcome("a")])
        with pytest.raises(StoreError, match="stayed locked"):
            impatient.take(member(1))
        other.execute("ROLLBACK")
    other.close()
    assert (store.counts()["entry"], store.counts()["member"]) == (1, 0)


@ON_SQLITE
def test_a_full_disk_is_reported_and_changes_nothing(store: Store) -> None:
    store.take(member(1))
    store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    pages = int(str(store.scalars("PRAGMA page_count")[0]))
    with store.database.write() as session:  # the pragma is the connection's: keep to this one
        session.connection().exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    before = store.counts()
    with pytest.raises(LedgerError, match="disk of the database is full"):
        store.ledger.append([intent(f"r{number}", subject=insz(1)) for number in range(500)])
    with pytest.raises(StoreError, match="disk of the database is full"):
        store.take(*(member(serial) for serial in range(2, 500)), import_id="import-2")
    assert store.counts() == before
    assert store.ledger.pending() == []


@ON_SQLITE
def test_a_read_only_database_is_reported_on_sqlite(store: Store) -> None:
    store.take(member(1))
    url = f"{store.url.replace('sqlite:///', 'sqlite:///file:')}?mode=ro&uri=true"
    reader = open_store(url, clock=store.clock, random=Dice(), keys=store.keys)
    assert reader.members.count("hasselt") == 1
    with pytest.raises(LedgerError, match="cannot be written"):
        reader.ledger.append([intent("a")])
    reader.close()
    assert store.counts()["entry"] == 0


@ON_SQLITE
def test_a_damaged_file_is_reported(store: Store) -> None:
    store.close()
    path = store.database.path
    assert path is not None
    path.write_bytes(b"no database " * 1_000)
    with pytest.raises(StoreError, match="damaged"):
        store.members.count("hasselt")


def test_a_missing_folder_is_reported() -> None:
    database = Database("sqlite:////nowhere/rrsync.db")
    with pytest.raises(StoreError, match="cannot be opened"), database.read() as session:
        session.connection()
    database.close()


@ON_POSTGRESQL
def test_a_connection_lost_in_a_transaction_writes_nothing(store: Store) -> None:
    other = store.again()
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> "

    def write() -> None:
        with store.ledger.writing() as session:
            store.ledger.append_in(session, [intent("a")])
            other.execute(end + "pg_backend_pid()")

    with pytest.raises(LedgerError, match="cannot be reached"):
        write()
    store.ledger.append([intent("b")])
    assert [one.reference for one in store.ledger.pending()] == ["b"]
    assert store.counts()["entry"] == 1


@ON_POSTGRESQL
def test_an_idle_connection_that_was_closed_is_replaced(store: Store) -> None:
    end = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND "
    other = store.again()
    for use in (lambda: store.members.count("hasselt"), lambda: store.ledger.append([intent("a")])):
        store.members.count("hasselt")
        other.execute(end + "pid <> pg_backend_pid()")
        use()
    assert store.counts()["entry"] == 1


@ON_POSTGRESQL
def test_a_missing_server_and_a_missing_database_are_told_apart(store: Store) -> None:
    for url, sentence in (
        ("postgresql+psycopg://postgres@127.0.0.1:1/rrsync", "cannot be reached"),
        (store.url.replace("/test_", "/no_test_"), "tables are not there"),
    ):
        database = Database(url)
        with pytest.raises(StoreError, match=sentence), database.read() as session:
            session.connection()
        database.close()


@ON_POSTGRESQL
def test_a_locked_row_is_reported_on_postgresql(store: Store) -> None:
    store.ledger.append([intent("a")])
    impatient = store.again(timeout_s=0.05)
    with store.database.write() as session:
        session.connection().exec_driver_sql("SELECT * FROM log FOR UPDATE")
        with pytest.raises(LedgerError, match="stayed locked"):
            impatient.ledger.append([outcome("a")])
    assert store.counts()["entry"] == 1


@ON_POSTGRESQL
def test_a_read_only_server_is_reported(store: Store) -> None:
    store.execute(f"ALTER DATABASE {store.url.split('/')[3].split('?')[0]} SET default_transaction_read_only = on")
    later = store.again()
    with pytest.raises(LedgerError, match="cannot be written"):
        later.ledger.append([intent("a")])
    assert later.counts()["entry"] == 0
