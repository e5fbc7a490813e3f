"""The database connection: durable transactions, translated errors, schema upgrades.

SQLite runs in WAL mode with ``synchronous=FULL``: a committed transaction survives a power cut, unless it is
``passing``. A write transaction takes its lock at once (``BEGIN IMMEDIATE``), so no other writer can make it fail
half-way.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from select import POLLIN, poll
from sqlite3 import Connection as DBAPIConnection
from threading import Lock
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg import Connection as PostgresConnection
from sqlalchemy import Connection, Engine, event, inspect, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError, NoSuchModuleError, SQLAlchemyError
from sqlmodel import Session, SQLModel, create_engine

from rrsync.errors import ConfigError, StoreError
from rrsync.store.tables import CheckpointRow, EvidenceRow, LogKeyRow, LogRow, MemberRow, table

_POOL: Final = 24
PRAGMAS: Final = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "wal_autocheckpoint=8000",  # 32 MB, so that a page that many entries touch is written to the file once
    "foreign_keys=ON",
    "secure_delete=ON",
    "temp_store=MEMORY",
)
_CAUSES: Final = (
    ("locked", "The database stayed locked by another program", "Close what holds it and run the command again"),
    ("lock timeout", "The database stayed locked by another program", "Close what holds it and run the command again"),
    ("no space left", "The disk of the database is full", "Make room and run the command again"),
    ("full", "The disk of the database is full", "Make room and run the command again"),
    ("disk i/o error", "The disk of the database fails, or is full", "Make room, or look at the disk's health"),
    ("readonly", "The database cannot be written", "Give this user the right to write to it"),
    ("read-only", "The database cannot be written", "Give this user the right to write to it"),
    ("unable to open", "The database cannot be opened", "Check [store] url and the rights on its folder"),
    ("no such table", "The database has no rrsync tables", "Run `rrsync init`"),
    ("does not exist", "The database or its tables are not there", "Check [store] url, then run `rrsync init`"),
    ("malformed", "The database file is damaged", "Restore it from your backup"),
    ("not a database", "The file is no database, or is damaged", "Check [store] url, or restore your backup"),
    ("unique", "The row to write exists already", "Run the command again; if it stays, report it"),
    (
        "append-only",
        "The database refused to change the access log",
        "Only an attack or a bug tries that: report it",
    ),
    ("connect", "The database cannot be reached", "Check that the server runs and [store] url is right"),
)


class Database:
    """A database with rrsync's tables; ``read`` and ``write`` yield sessions, unusable after their block."""

    def __init__(self, url: str, *, timeout_s: float = 10.0) -> None:
        self.engine = _create(url, timeout_s)
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        # On a server each statement sees what is committed, so a read needs no transaction around it.
        self._reading = self.engine if self.is_sqlite else self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._timeout_s = timeout_s
        self._write_lock = Lock()

    @property
    def path(self) -> Path | None:
        """The file of a SQLite database."""
        name = self.engine.url.database
        return Path(name) if self.is_sqlite and name else None

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Yield a session that writes nothing; on SQLite one snapshot, on a server what is committed at each statement.

        Raises:
            StoreError: the database cannot be read.
        """
        with _translated(), Session(self._reading, close_resets_only=False) as session:
            yield session
            session.rollback()

    @contextmanager
    def write(self, *, passing: bool = False) -> Iterator[Session]:
        """Yield a session that is committed at the end, or rolled back on any error.

        ``passing`` data, which is soon deleted anyway, does not wait for the disk: a power cut may lose the last of it.

        Raises:
            StoreError: nothing was written.
        """
        with self._one_writer(), _translated(), Session(self.engine, close_resets_only=False) as session:
            connection = session.connection(execution_options={"rrsync_write": True, "rrsync_passing": passing})
            if passing and not self.is_sqlite:
                connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
            yield session
            session.commit()

    @contextmanager
    def _one_writer(self) -> Iterator[None]:
        """Let the threads of this process write to SQLite one after another.

        SQLite itself polls for its lock, so that an unlucky thread may never get it.
        """
        has_lock = self.is_sqlite and self._write_lock.acquire(timeout=self._timeout_s)
        try:
            yield
        finally:
            if has_lock:
                self._write_lock.release()

    def upgrade(self) -> None:
        """Upgrade the schema to the newest version; the data is kept."""
        with _translated(), self.engine.connect() as connection:
            config = _alembic()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()

    def require_newest(self) -> None:
        """Check that the schema is the one this version works with.

        Raises:
            ConfigError: it is older, newer, or missing.
        """
        newest = ScriptDirectory.from_config(_alembic()).get_current_head()
        with _translated(), self.engine.connect() as connection:
            found = MigrationContext.configure(connection).get_current_revision()
        if found != newest:
            raise ConfigError(
                f"The database is at schema {found or 'none'}, this rrsync works with {newest}",
                todo="Run `rrsync init`: it brings the database to the newest schema",
            )

    def holds_data(self) -> bool:
        """Return whether it has members or an access log; a database without our tables has none."""
        return self._has_rows(MemberRow, LogRow)

    def has_signed(self) -> bool:
        """Return whether it has a signed checkpoint; a database without our tables has none."""
        return self._has_rows(CheckpointRow)

    def _has_rows(self, *rows: type[SQLModel]) -> bool:
        with _translated(), self.engine.connect() as connection:
            existing = inspect(connection).get_table_names()
            tables = [table(row) for row in rows if row.__tablename__ in existing]
            return any(connection.execute(select(1).select_from(each).limit(1)).first() for each in tables)

    def scrub(self) -> None:
        """Remove deleted data from the files of the database: from the write-ahead log, or from dead rows.

        Raises:
            StoreError: it cannot be cleaned now.
        """
        options = {"rrsync_alone": True} if self.is_sqlite else {"isolation_level": "AUTOCOMMIT"}
        with _translated(), self.engine.connect() as connection:
            alone = connection.execution_options(**options)  # neither statement works in a transaction
            if self.is_sqlite:
                (is_busy, *_) = alone.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
                if is_busy:
                    raise StoreError("Another program is reading the database", todo="Close it and try again")
                return
            for each in (LogKeyRow, EvidenceRow):
                alone.exec_driver_sql(f"VACUUM FULL {table(each).name}")

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        message = str(getattr(error, "orig", error)).lower()
        for pattern, what, todo in _CAUSES:
            if pattern in message:
                raise StoreError(what, todo=todo) from error
        raise StoreError("The database refused", todo="See its own log for the cause") from error


def _alembic() -> Config:
    config = Config()
    config.set_main_option("script_location", "rrsync:store/migrations")
    config.set_main_option("path_separator", "os")
    return config


def _create(url: str, timeout_s: float) -> Engine:
    try:
        dialect = make_url(url).get_backend_name()
        if dialect == "sqlite":
            engine = create_engine(url, hide_parameters=True, pool_size=_POOL, connect_args={"timeout": timeout_s})
            event.listen(engine, "connect", _tune_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
            return engine
        if dialect == "postgresql":
            engine = create_engine(
                url,
                hide_parameters=True,
                pool_size=_POOL,
                pool_use_lifo=True,  # reuses the prepared statements of a connection
                connect_args={
                    "options": f"-c lock_timeout={int(timeout_s * 1000)}",
                    "connect_timeout": max(2, int(timeout_s)),
                    "keepalives_idle": 30,
                    "keepalives_interval": 10,
                    "keepalives_count": 3,
                    "tcp_user_timeout": 30_000,
                },
            )
            event.listen(engine, "checkout", _check_connection)
            return engine
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise _bad_url() from error
    raise _bad_url()


def _bad_url() -> ConfigError:
    return ConfigError(
        "[store] url is no database rrsync knows",
        todo="Write sqlite:///FILE or postgresql+psycopg://USER@HOST/NAME",
    )


def _tune_sqlite(connection: DBAPIConnection, _record: object) -> None:
    connection.isolation_level = None  # _begin_sqlite begins transactions
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get("rrsync_write", False):
        connection.exec_driver_sql(f"PRAGMA synchronous = {'NORMAL' if options['rrsync_passing'] else 'FULL'}")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    elif not options.get("rrsync_alone", False):
        connection.exec_driver_sql("BEGIN")


def _check_connection(connection: PostgresConnection, _record: object, _proxy: object) -> None:
    """Check without a query that a connection is alive: a server that closes one leaves an unread message.

    The pool then takes another connection. TCP detects a silent server (``tcp_user_timeout``).
    """
    unread = poll()
    if not connection.closed:
        unread.register(connection.fileno(), POLLIN)
    if connection.closed or unread.poll(0):
        raise DisconnectionError
