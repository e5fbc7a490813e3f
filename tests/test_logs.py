"""The operational log: the keys of a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from rrsync import logging


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def _line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    out, err = capsys.readouterr()
    assert out == ""
    line: dict[str, Any] = json.loads(err)
    return line


def test_a_line_has_the_allowed_keys(capsys: pytest.CaptureFixture[str]) -> None:
    """Event, level, time and the allowed keys, as one line of JSON on standard error."""
    logging.configure("info")
    structlog.get_logger().info("night.open", run="r1", count=3)
    line = _line(capsys)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "night.open", "level": "info", "run": "r1", "count": 3}


def test_other_keys_are_dropped_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """So that no personal data gets into the log."""
    logging.configure("debug")
    structlog.get_logger().bind(name="Peeters").debug("night.open", insz="85073003328", run="r1", exc_info=True)
    line = _line(capsys)
    assert set(line) == {"event", "level", "run", "timestamp", "count_dropped"}
    assert line["count_dropped"] == 3


def test_no_allowed_key_names_a_person() -> None:
    """Neither a number, a name nor a free text."""
    assert not logging.ALLOWED & {"insz", "number", "member", "name", "street", "subject", "text", "message", "error"}


@pytest.mark.parametrize(("level", "lines"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_the_level(capsys: pytest.CaptureFixture[str], level: str, lines: int) -> None:
    """Lower levels are not written."""
    logging.configure(level)
    log = structlog.get_logger()
    for say in (log.debug, log.info, log.warning, log.error):
        say("night.open")
    assert len(capsys.readouterr().err.splitlines()) == lines
