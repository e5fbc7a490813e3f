"""What all tests share: known clock and dice, a store on each kind of database, the government's own files."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest
import structlog

from rrsync.store.encryption import Keyring
from rrsync.store.engine import Database
from tests.support import WHOLE, Clock, Dice, Postgres, References, Store, magda_folder, open_store, postgres_folder

#: A PostgreSQL server that is started when it is first asked for.
StartPostgres = Callable[[], Postgres]
#: Yields the URL of a fresh database of a kind; the folder is for a file.
FreshDatabase = Callable[[str, Path], AbstractContextManager[str]]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what only the whole proofs run."""
    if WHOLE:
        return
    left_out = [item for item in items if item.get_closest_marker("whole")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if not item.get_closest_marker("whole")]


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    """Let what one test set up for the operational log, and captured, be no other test's."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def clock() -> Clock:
    """Return a clock that stands still until the test sets it."""
    return Clock()


@pytest.fixture
def random() -> Dice:
    """Return bytes that are the same in every run of the test."""
    return Dice()


@pytest.fixture
def new_reference() -> References:
    """Return references that count."""
    return References()


@pytest.fixture(scope="session")
def start_postgres() -> Iterator[StartPostgres]:
    """Yield this process's PostgreSQL server, started the first time it is called for."""
    started: list[Postgres] = []
    with ExitStack() as stack:

        def start() -> Postgres:
            if not started:
                started.append(Postgres(stack.enter_context(postgres_folder())))
                stack.callback(started[0].stop)
            return started[0]

        yield start


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a SQLite database at the newest schema, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "rrsync.db"
    database = Database(f"sqlite:///{path}")
    database.upgrade()
    database.close()
    return path


@pytest.fixture(scope="session")
def fresh_database(migrated_file: Path, start_postgres: StartPostgres) -> FreshDatabase:
    """Return what yields the URL of a fresh database at the newest schema: its kind, and the folder of a file."""

    @contextmanager
    def fresh(kind: str, folder: Path) -> Iterator[str]:
        if kind == "sqlite":
            yield f"sqlite:///{shutil.copy(migrated_file, folder / 'rrsync.db')}"
            return
        with start_postgres().database() as url:
            yield url

    return fresh


@pytest.fixture(params=["sqlite", "postgresql"])
def database_kind(request: pytest.FixtureRequest) -> str:
    """Return each kind of database; a folder or a module may say ``sqlite_first`` instead."""
    return str(request.param)


@pytest.fixture
def database_url(database_kind: str, tmp_path: Path, fresh_database: FreshDatabase) -> Iterator[str]:
    """Yield the URL of a fresh database at the newest schema."""
    with fresh_database(database_kind, tmp_path) as url:
        yield url


@pytest.fixture
def keys() -> Keyring:
    """Return the keys of one installation."""
    return Keyring.fresh(Dice("keys"))


@pytest.fixture
def store(database_url: str, clock: Clock, random: Dice, keys: Keyring) -> Iterator[Store]:
    """Yield the store's rooms on a fresh database."""
    opened = open_store(database_url, clock=clock, random=random, keys=keys)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def magda_data() -> Path:
    """Return the government's own schemas, requests and personas, which are not part of this repository."""
    place = magda_folder()
    for part in ("xsd", "personas/GeefPersoon-02.02", "requests/GeefPersoon-02.02.xml"):
        if not (place / part).exists():
            pytest.skip(f"the government's files are not here: {part} is missing (set RRSYNC_MAGDA_DATA)")
    return place
