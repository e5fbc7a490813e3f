"""Fixtures of the tests of the store."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from rrsync.store.encryption import Keyring
from tests.support import Clock, Dice, Store, open_store


@pytest.fixture(scope="module")
def shared_store(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Yield one store on SQLite for the many examples of a property."""
    path = shutil.copy(migrated_file, tmp_path_factory.mktemp("shared") / "rrsync.db")
    opened = open_store(f"sqlite:///{path}", clock=Clock(), random=Dice(), keys=Keyring.fresh(Dice("keys")))
    yield opened
    opened.close()
