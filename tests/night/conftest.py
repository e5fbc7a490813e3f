"""An installation for every test that runs a night, with the invariants checked when it ends."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr
from pathlib import Path

import pytest
import structlog
from sqlalchemy import make_url

from rrsync.logging import configure
from tests.conftest import StartPostgres
from tests.night import house
from tests.night.house import Broken, House

#: Builds an installation on the test's database; the words are those of ``house.build``.
LibraryNight = Callable[..., House]


@pytest.fixture
def library_night(database_url: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Iterator[LibraryNight]:
    """Yield what builds an installation; when the test ends, I1 to I6 are checked once more."""
    with building(database_url, tmp_path, lambda: "".join(capfd.readouterr())) as build:
        yield build


@contextmanager
def building(url: str, folder: Path, said: Callable[[], str] = str) -> Iterator[LibraryNight]:
    """Yield what builds an installation; at the end the invariants hold, of all that was ``said`` too."""
    built: list[House] = []
    with heard() as log, ExitStack() as stack:

        def build(**options: object) -> House:
            built.append(house.build(folder, url, stack, **options))  # type: ignore[arg-type]
            return built[-1]

        yield build
        for one in built:
            check(one, said() + log.getvalue())


@contextmanager
def copied(kept: House, folder: Path, start_postgres: StartPostgres) -> Iterator[House]:
    """Yield a copy of an installation, as it was when it was kept; no night runs on it, so I6 alone is checked."""
    now, faults, raw = kept.clock.now, kept.simulator.faults, kept.raw
    try:
        with ExitStack() as stack:
            url = f"sqlite:///{folder / 'copy' / 'rrsync.db'}"
            if raw.path is None:
                url = stack.enter_context(start_postgres().database(template=make_url(raw.url).database or ""))
            made = kept.copy(folder, url, stack)
            yield made
            check(made, "")
    finally:
        kept.clock.now, kept.simulator.faults, kept.audit.raw = now, faults, raw


def check(built: House, said: str) -> None:
    """Look one last time, unless the test made the auditor find something.

    Raises:
        Broken: an invariant does not hold.
    """
    findings = built.last(said)
    if findings and not built.excused:
        raise Broken(findings)


@contextmanager
def heard() -> Iterator[io.StringIO]:
    """Yield all that is logged, by anybody, at any level, with its traceback."""
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))
    root, level = logging.getLogger(), logging.getLogger().level
    with redirect_stderr(log):
        configure("debug")
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield log
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        structlog.reset_defaults()
