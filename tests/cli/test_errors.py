"""The door itself: whatever goes wrong is one paragraph and an exit code, and shows nobody's data."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.cli.conftest import RRSYNC, WORLD, Place

NUMBER = WORLD.citizen(0).insz.digits
SPACED = f"{NUMBER[:2]}.{NUMBER[2:4]}.{NUMBER[4:6]}-{NUMBER[6:9]}.{NUMBER[9:]}"


def test_the_version_is_printed(empty: Place) -> None:
    """And nothing else happens."""
    said = empty.run("--version")
    assert (said.code, said.out, said.err) == (0, f"rrsync {version('rrsync')}\n", "")


def test_the_installed_command_is_the_door() -> None:
    """Its exit code is the door's."""
    good = subprocess.run([RRSYNC, "--version"], capture_output=True, text=True, check=False)
    assert (good.returncode, good.stdout) == (0, f"rrsync {version('rrsync')}\n")
    assert subprocess.run([RRSYNC, "nonsense"], capture_output=True, check=False).returncode == 2


@pytest.mark.parametrize("words", [("nonsense",), ("night", "--nonsense"), ("holds", "nonsense"), ("log", "show")])
def test_an_error_of_usage_is_two(empty: Place, words: tuple[str, ...]) -> None:
    """With how to get help."""
    said = empty.run(*words)
    assert (said.code, said.out) == (2, "")
    assert "Try 'rrsync" in said.err


@pytest.mark.parametrize("number", [NUMBER, SPACED, SPACED.replace(".", " ")], ids=["plain", "dotted", "spaced"])
@pytest.mark.parametrize(
    "words",
    [
        ("night",),
        ("night", "--library"),
        ("night", "--channel"),
        ("night", "--config"),
        ("holds", "show"),
        ("log", "show", "--library", "demo", "--member"),
        ("refresh", "--library", "demo", "--purpose", "desk", "--case", "1", "--actor", "an"),
        ("members", "import", "--library", "demo"),
    ],
)
def test_a_number_typed_in_the_wrong_place_is_not_repeated(place: Place, words: tuple[str, ...], number: str) -> None:
    """Messages end in mails and log files."""
    said = place.run(*words, number)
    assert said.code == 2
    assert said.err
    assert NUMBER[:6] not in said.err.replace(".", "").replace(" ", "").replace("-", "")


def test_something_unexpected_shows_places_and_no_values(settled: Place) -> None:
    """1, the kind of error and where, never its message."""
    settled.tamper("UPDATE hold SET reason = 'Peeters' WHERE number = 'M000007'")
    said = settled.run("holds", "list")
    assert (said.code, said.out) == (1, "")
    assert "Something unexpected happened (ValueError)" in said.err
    assert "Please report it" in said.err
    assert "holds.py" in said.err
    assert "Peeters" not in said.err


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let Ctrl-C count, which a shell has us ignore that starts the tests beside its other work."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_is_one_sentence(place: Place) -> None:
    """130, and the log still has an outcome for what was asked."""
    main = threading.main_thread().ident or 0
    place.register(on_request=lambda _: signal.pthread_kill(main, signal.SIGINT)).latency_ms = 2_000
    said = place.refresh("M000001")
    assert (said.code, said.out) == (130, "")
    assert said.err == "rrsync: Stopped. What was committed is kept; running the command again is safe.\n"
    kinds = [line["kind"] for line in place.run("log", "show", "--library", "demo", "--raw", "--json").document]
    assert kinds[-2:] == ["access.intent", "access.outcome"]


def test_a_reader_that_goes_away_is_no_error_to_report(settled: Place) -> None:
    """``rrsync log show | head -1`` says nothing about something unexpected."""
    piped = f"'{RRSYNC}' log show --library demo --json | head -c 1"
    done = subprocess.run(["sh", "-c", piped], cwd=settled.folder, capture_output=True, text=True, check=False)
    assert done.stdout == "["
    assert "unexpected" not in done.stderr


def test_nothing_but_the_environment_and_the_file_is_read(empty: Place) -> None:
    """The command works without a home and without a terminal."""
    done = subprocess.run(
        [RRSYNC, "init"],
        cwd=empty.folder,
        env={"PATH": str(Path(sys.executable).parent)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0
