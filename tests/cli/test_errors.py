"""Errors of the command line: one paragraph and an exit code, without personal data."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.cli.conftest import RRSYNC, SETTLED, Place, digits, dotted

NUMBER = digits(SETTLED)


def test_the_version(empty: Place) -> None:
    """Printed by the function and by the installed command, whose exit code is the function's."""
    said = empty.run("--version")
    assert (said.code, said.out, said.err) == (0, f"rrsync {version('rrsync')}\n", "")
    good = subprocess.run([RRSYNC, "--version"], capture_output=True, text=True, check=False)
    assert (good.returncode, good.stdout) == (0, said.out)
    assert subprocess.run([RRSYNC, "nonsense"], capture_output=True, check=False).returncode == 2


@pytest.mark.parametrize("words", [("nonsense",), ("night", "--nonsense"), ("holds", "nonsense"), ("log", "show")])
def test_a_usage_error_is_two(empty: Place, words: tuple[str, ...]) -> None:
    """With the command that prints help."""
    said = empty.run(*words)
    assert (said.code, said.out) == (2, "")
    assert "Try 'rrsync" in said.err


def test_a_number_typed_in_the_wrong_place_is_not_repeated(place: Place) -> None:
    """Messages end up in mails and log files."""
    for words in (
        ("night",),
        ("night", "--library"),
        ("night", "--channel"),
        ("night", "--config"),
        ("holds", "show"),
        ("log", "show", "--library", "demo", "--member"),
        ("refresh", "--library", "demo", "--purpose", "desk", "--case", "1", "--actor", "an"),
        ("members", "import", "--library", "demo"),
    ):
        for number in (NUMBER, dotted(NUMBER), dotted(NUMBER).replace(".", " ")):
            said = place.run(*words, number)
            assert said.code == 2
            assert said.err
            assert NUMBER[:6] not in said.err.replace(".", "").replace(" ", "").replace("-", "")


def test_an_unexpected_error_shows_places_and_no_values(settled: Place) -> None:
    """1, with the type of the error and the lines of code, without its message."""
    settled.tamper("UPDATE hold SET reason = 'Peeters' WHERE number = 'M000007'")
    said = settled.run("holds", "list")
    assert (said.code, said.out) == (1, "")
    assert "(ValueError)" in said.err
    assert "holds.py" in said.err
    assert "Peeters" not in said.err


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Handle Ctrl-C, which a shell ignores for a command in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_is_one_sentence(place: Place) -> None:
    """130; the log has an outcome for the question."""
    main = threading.main_thread().ident or 0
    place.register(on_request=lambda _: signal.pthread_kill(main, signal.SIGINT)).latency_ms = 2_000
    said = place.refresh(SETTLED)
    assert (said.code, said.out) == (130, "")
    assert said.err.startswith("rrsync: Stopped.")
    assert said.err.count("\n") == 1
    assert [line["kind"] for line in place.log()][-2:] == ["access.intent", "access.outcome"]


def test_a_closed_pipe_is_no_unexpected_error(settled: Place) -> None:
    """As in ``rrsync log show | head -1``."""
    piped = f"'{RRSYNC}' log show --library demo --json | head -c 1"
    done = subprocess.run(["sh", "-c", piped], cwd=settled.folder, capture_output=True, text=True, check=False)
    assert done.stdout == "["
    assert "unexpected" not in done.stderr


def test_no_home_and_no_terminal(empty: Place) -> None:
    """The command needs neither."""
    path = {"PATH": str(Path(sys.executable).parent)}
    done = subprocess.run([RRSYNC, "init"], cwd=empty.folder, env=path, capture_output=True, check=False)
    assert done.returncode == 0
