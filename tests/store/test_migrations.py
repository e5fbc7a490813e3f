"""The schema: its migrations, and the triggers that let the log only grow."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy.exc import DBAPIError
from sqlmodel import SQLModel

from rrsync.errors import ConfigError, StoreError
from rrsync.store.engine import Database
from tests.support import Store, insz, intent, member, outcome

_AT_0002 = {
    "anchor",
    "change",
    "checkpoint",
    "entry",
    "evidence",
    "hold",
    "log",
    "log_key",
    "member",
    "pending",
    "run",
    "staff",
    "step",
    "tile",
}


def test_the_migrations_make_the_tables_of_the_classes(store: Store) -> None:
    with store.database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), SQLModel.metadata) == []


def test_upgrading_twice_changes_nothing(store: Store) -> None:
    store.ledger.append([intent("ref-1")])
    before = store.ledger.heads()
    store.database.upgrade()
    assert store.ledger.heads() == before
    store.database.require_newest()


def test_an_upgrade_keeps_the_data(store: Store) -> None:
    store.take(member(1), member(2))
    store.ledger.append([intent("ref-1", subject=insz(1)), outcome("ref-1", subject=insz(1))])
    added = sorted(SQLModel.metadata.tables.keys() - _AT_0002)
    for statement in (
        *(f'DROP TABLE "{name}"' for name in added),
        "ALTER TABLE run DROP COLUMN brakes",
        "UPDATE alembic_version SET version_num = '0002'",
    ):
        store.execute(statement)
    with pytest.raises(ConfigError, match=r"at schema 0002, this rrsync works with \d+\. .*`rrsync init`"):
        store.database.require_newest()
    before = store.counts(), store.ledger.heads(), store.members.find("hasselt", "M0001")
    store.database.upgrade()
    store.database.require_newest()
    assert (store.counts(), store.ledger.heads(), store.members.find("hasselt", "M0001")) == before
    assert store.verify().size == 2
    assert "traffic" in added
    for name in added:
        assert store.scalars(f'SELECT count(*) FROM "{name}"') == [0]
    test_the_migrations_make_the_tables_of_the_classes(store)


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("DELETE FROM alembic_version", "none"),
        ("UPDATE alembic_version SET version_num = '9999'", "9999"),
        ("DROP TABLE alembic_version", "none"),
    ],
)
def test_another_schema_is_refused(store: Store, statement: str, found: str) -> None:
    store.execute(statement)
    with pytest.raises(ConfigError, match=rf"at schema {found}, this rrsync works with \d+\. .*`rrsync init`"):
        store.database.require_newest()


def test_an_empty_file_has_no_data_and_no_schema(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'empty.db'}")
    assert not database.holds_data()
    with pytest.raises(ConfigError, match="at schema none"):
        database.require_newest()
    database.close()


def test_a_database_has_data_once_there_is_an_entry(store: Store) -> None:
    assert not store.database.holds_data()
    store.ledger.append([intent("ref-1")])
    assert store.database.holds_data()


@pytest.mark.parametrize(
    "url", ["", "oracle://x", "nonsense", "mysql+pymysql://root@host/name", "postgresql+nodriver://host/name"]
)
def test_an_unsupported_url_is_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        Database(url)


ALTERING = [
    "UPDATE entry SET data = data",
    "UPDATE entry SET run = 'x' WHERE seq = 0",
    "DELETE FROM entry",
    "DELETE FROM entry WHERE seq = 1",
    "DELETE FROM log",
]


@pytest.mark.parametrize("statement", ALTERING)
def test_the_database_refuses_to_alter_the_log(store: Store, statement: str) -> None:
    store.ledger.append([intent("ref-1"), intent("ref-2")])
    before = list(store.ledger.entries("hasselt"))
    with pytest.raises(DBAPIError, match="append-only"):
        store.execute(statement)
    assert list(store.ledger.entries("hasselt")) == before


@pytest.mark.parametrize("table", ["entry", "log", "entry, log CASCADE"])
def test_the_log_cannot_be_truncated(store: Store, table: str) -> None:
    store.ledger.append([intent("ref-1")])
    with pytest.raises(DBAPIError, match="syntax error" if store.database.is_sqlite else "append-only"):
        store.execute(f"TRUNCATE {table}")
    assert store.counts()["entry"] == 1


@pytest.mark.parametrize(("seq", "reference"), [(0, "forged"), (7, "ref-1")])
def test_an_insert_cannot_replace_an_entry(store: Store, seq: int, reference: str) -> None:
    store.ledger.append([intent("ref-1"), intent("ref-2")])
    before = list(store.ledger.entries("hasselt"))
    verb = "INSERT OR REPLACE" if store.database.is_sqlite else "INSERT"
    with pytest.raises(DBAPIError):
        store.execute(
            f"{verb} INTO entry (library, seq, data, leaf, kind, reference, run, at) "
            f"SELECT library, {seq}, data, leaf, kind, '{reference}', run, at FROM entry WHERE seq = 0"
        )
    assert list(store.ledger.entries("hasselt")) == before


def test_a_refused_change_of_the_log_is_reported(store: Store) -> None:
    store.ledger.append([intent("ref-1")])
    with pytest.raises(StoreError, match="refused to change the access log"), store.database.write() as session:
        session.connection().exec_driver_sql("DELETE FROM entry")
