"""An installation for every test that runs a night, with the invariants checked when it ends."""

from __future__ import annotations

import functools
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
    """Give what builds an installation; when the test ends, I1 to I6 are checked once more."""
    built: list[House] = []
    with _heard() as heard, ExitStack() as stack:

        @functools.wraps(house.build)
        def build(**options: object) -> House:
            built.append(house.build(tmp_path, database_url, stack, **options))  # type: ignore[arg-type]
            return built[-1]

        yield build
        out, err = capfd.readouterr()
        for one in built:
            findings = one.last(out + err + heard.getvalue())
            if findings and not one.excused:
                raise Broken(findings)


@contextmanager
def _heard() -> Iterator[io.StringIO]:
    """Give all that is logged, by anybody, at any level."""
    heard = io.StringIO()
    handler = logging.StreamHandler(heard)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))
    root, level = logging.getLogger(), logging.getLogger().level
    with redirect_stderr(heard):
        configure("debug")
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield heard
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        structlog.reset_defaults()
