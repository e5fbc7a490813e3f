"""What the tests of a log that is shown and proven start from: an installation that is built once, and copied."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import FreshDatabase, StartPostgres
from tests.night.conftest import building, copied
from tests.night.house import House
from tests.support import SQLITE_FIRST
from tests.support import sqlite_first as database_kind  # noqa: F401  # a fixture, for all tests of this folder


@pytest.fixture(scope="module", params=SQLITE_FIRST)
def kept(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, fresh_database: FreshDatabase
) -> Iterator[House]:
    """Yield what the module's function ``work`` builds, to be copied."""
    folder = tmp_path_factory.mktemp("kept")
    with fresh_database(request.param, folder) as url, building(url, folder) as build:
        house = request.module.work(build)
        house.app.database.close()
        house.raw.close()
        yield house


@pytest.fixture
def house(kept: House, tmp_path: Path, start_postgres: StartPostgres) -> Iterator[House]:
    """Yield a copy of what is kept, as it was; when the test ends, no personal data stands in clear anywhere."""
    with copied(kept, tmp_path, start_postgres) as made:
        yield made
