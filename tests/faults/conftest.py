"""A trial for every row of the fault catalogue, on SQLite, and the last look for what may stand nowhere."""

from __future__ import annotations

import io
import logging
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, redirect_stderr
from pathlib import Path

import pytest
import structlog

from rrsync.logging import configure
from tests.conftest import StartPostgres
from tests.faults.catalogue import Trial
from tests.night.house import Broken


class _Heard(logging.Handler):
    """Writes down what any library logs, at any level, with its traceback."""

    def __init__(self, into: io.StringIO) -> None:
        super().__init__(logging.DEBUG)
        self._into = into

    def emit(self, record: logging.LogRecord) -> None:
        self._into.write(f"{record.levelname} {record.name} {self.format(record)}\n")


@pytest.fixture
def trial(
    tmp_path: Path,
    migrated_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    start_postgres: StartPostgres,
) -> Iterator[Trial]:
    """Yield an installation to be; when the test ends, nothing personal may stand in clear anywhere."""
    url = f"sqlite:///{shutil.copy(migrated_file, tmp_path / 'rrsync.db')}"
    heard = io.StringIO()

    def everything() -> str:
        heard.write("".join(capsys.readouterr()))
        return heard.getvalue()

    with redirect_stderr(heard):
        configure("debug")
    root, level, handler = logging.getLogger(), logging.getLogger().level, _Heard(heard)
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        with ExitStack() as stack:
            trial = Trial(url, tmp_path, stack, monkeypatch, everything, start_postgres)
            yield trial
            if trial._house is not None and not trial.expected_findings and (found := trial.house.last(everything())):
                raise Broken(found)
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        structlog.reset_defaults()
