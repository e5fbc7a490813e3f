"""A trial for every row of the fault catalogue, on SQLite, and the last look for what may stand nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import FreshDatabase, StartPostgres
from tests.faults.catalogue import Trial
from tests.night.conftest import heard
from tests.night.house import Broken


@pytest.fixture
def trial(
    tmp_path: Path,
    fresh_database: FreshDatabase,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    start_postgres: StartPostgres,
) -> Iterator[Trial]:
    """Yield an installation to be; when the test ends, nothing personal may stand in clear anywhere."""
    with heard() as log, fresh_database("sqlite", tmp_path) as url, ExitStack() as stack:

        def everything() -> str:
            log.write("".join(capsys.readouterr()))
            return log.getvalue()

        trial = Trial(url, tmp_path, stack, monkeypatch, everything, start_postgres)
        yield trial
        if trial._house is not None and not trial.expected_findings and (found := trial.house.last(everything())):
            raise Broken(found)
