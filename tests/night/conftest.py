"""An installation for every test that runs a night, with the invariants checked when it ends."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr
from pathlib import Path

import pytest
import structlog

from rrsync.logging import configure
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
