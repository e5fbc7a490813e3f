"""``rrsync witness``: the program that another organisation runs."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer

from rrsync.anchor.witness import WitnessAnchor, WitnessConflict
from rrsync.cli.app import COMMANDS
from rrsync.cli.witness import witness
from rrsync.core.signed_note import Key, KeyKind, Receipt
from rrsync.errors import ConfigError
from tests.anchor.scene import Log, proofs

NAME = "example.org/witness"
LOG = Log().grow(30)
VKEY = LOG.signer.key.text

#: Runs the command in this process; gives what it printed, result and messages.
Run = Callable[..., tuple[str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Give the command, in an empty folder, with what it always needs."""
    monkeypatch.chdir(tmp_path)
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command()(witness)

    def begin(*words: str, name: str = NAME) -> tuple[str, str]:
        code = app(
            ["--name", name, "--key", "witness.key", "--state", "seen", *words],
            prog_name="rrsync witness",
            standalone_mode=False,
        )
        assert not code
        said = capsys.readouterr()
        return said.out, said.err

    return begin


def test_the_first_time_it_makes_a_key_and_says_what_to_do(run: Run, tmp_path: Path) -> None:
    """Nobody else can read the key file; what is printed is the key to hand over, and is the same every time."""
    out, err = run()
    key = Key.parse(out.rstrip("\n"))
    assert (key.name, key.kind) == (NAME, KeyKind.COSIGNATURE)
    assert "--log" in err
    file = tmp_path / "witness.key"
    assert file.stat().st_mode & 0o777 == 0o600
    comment, seed = file.read_text(encoding="ascii").splitlines()
    assert comment.startswith("# ")
    assert len(seed) == 44
    assert sorted(path.name for path in tmp_path.iterdir()) == ["seen", "witness.key"]
    assert run()[0] == out


def test_another_name_is_another_witness(run: Run) -> None:
    """The name is a part of the key that is handed over."""
    assert run()[0] != run(name="example.org/other")[0]


@pytest.mark.parametrize("name", ["a witness", "a+b", ""])
def test_a_name_that_cannot_be(run: Run, tmp_path: Path, name: str) -> None:
    """Nothing is made for it."""
    with pytest.raises(ConfigError, match="name cannot be used"):
        run(name=name)
    assert not list(tmp_path.iterdir())


def test_a_key_without_its_memory(run: Run, tmp_path: Path) -> None:
    """It does not begin anew by itself: a witness that forgot would sign anything."""
    run()
    (tmp_path / "seen").rmdir()
    with pytest.raises(ConfigError, match="no folder seen"):
        run()
    assert not (tmp_path / "seen").exists()


def test_a_new_key_keeps_an_old_memory(run: Run, tmp_path: Path) -> None:
    """Who lost the key still has what was seen."""
    run()
    (tmp_path / "seen" / "something").touch()
    (tmp_path / "witness.key").unlink()
    run()
    assert (tmp_path / "seen" / "something").exists()


def test_a_key_that_others_can_read(run: Run, tmp_path: Path) -> None:
    """It says what to type."""
    run()
    (tmp_path / "witness.key").chmod(0o640)
    with pytest.raises(ConfigError, match=r"chmod 600 witness\.key"):
        run()


@pytest.mark.parametrize(
    "text", ["", "# only a comment\n", "c2hvcnQ=\n", "***\n", "\xff\n", "QUFBQUFBQUE=\nQUFBQUFBQUE=\n"]
)
def test_a_key_file_that_holds_none(run: Run, tmp_path: Path, text: str) -> None:
    """It is not shown, nor replaced."""
    run()
    file = tmp_path / "witness.key"
    file.write_text(text, encoding="latin-1")
    with pytest.raises(ConfigError, match=r"witness\.key"):
        run()
    assert file.read_text(encoding="latin-1") == text


def test_places_that_cannot_be_used(run: Run, tmp_path: Path) -> None:
    """One sentence for each."""
    (tmp_path / "seen").touch()
    with pytest.raises(ConfigError, match="cannot be used: File exists"):
        run()
    (tmp_path / "seen").unlink()
    (tmp_path / "witness.key").mkdir(mode=0o700)
    (tmp_path / "seen").mkdir()
    with pytest.raises(ConfigError, match="cannot be used: Is a directory"):
        run()


@pytest.mark.parametrize("vkey", ["", "example.be/hasselt", VKEY[:-4], VKEY.replace("hasselt", "genk")])
def test_a_key_of_a_log_that_cannot_be(run: Run, vkey: str) -> None:
    """It says that the whole line is needed."""
    with pytest.raises(ConfigError, match="Copy the whole line"):
        run("--log", vkey)


def test_a_file_of_logs_that_is_not_there(run: Run) -> None:
    """It is named."""
    with pytest.raises(ConfigError, match=r"nowhere\.txt cannot be read"):
        run("--logs", "nowhere.txt")


def test_its_help_says_what_it_is_for(run: Run) -> None:
    """To a librarian elsewhere who was asked to run one."""
    out, _ = run("--help")
    text = " ".join(out.split())
    assert out.splitlines()[2].strip() == COMMANDS["witness"].summary
    for sentence in ("It never sees who asked, or about whom.", "Protect the state folder"):
        assert sentence in text
    assert len(out.splitlines()) < 60


class TestServing:
    """As a process of its own."""

    @pytest.fixture
    def begin(self, tmp_path: Path) -> Iterator[Callable[..., tuple[subprocess.Popen[str], Key, str]]]:
        """Start witnesses that are stopped at the end."""
        code = "import typer; from rrsync.cli.witness import witness; typer.run(witness)"
        words = ["--name", NAME, "--key", "witness.key", "--state", "seen", "--port", "0"]
        with ExitStack() as stack:

            def start(*more: str) -> tuple[subprocess.Popen[str], Key, str]:
                process = stack.enter_context(
                    subprocess.Popen(
                        [sys.executable, "-c", code, *words, *more],
                        cwd=tmp_path,
                        stdout=subprocess.PIPE,
                        stderr=subprocess.PIPE,
                        text=True,
                    )
                )
                stack.callback(process.kill)
                assert process.stdout is not None
                assert process.stderr is not None
                key = Key.parse(process.stdout.readline().rstrip("\n"))
                found = re.search(r"http://127\.0\.0\.1:\d+", process.stderr.readline())
                assert found is not None
                return process, key, found[0]

            yield start

    def test_it_cosigns_until_it_is_told_to_stop_and_remembers(
        self, tmp_path: Path, begin: Callable[..., tuple[subprocess.Popen[str], Key, str]]
    ) -> None:
        """Keys of logs from the command line and from a file; stopped in two ways, it is the same witness after."""
        genk = Log("genk").grow(4)
        (tmp_path / "logs.txt").write_text(f"# the logs of Limburg\n\n{genk.signer.key.text}\n", encoding="utf-8")
        process, key, url = begin("--log", VKEY, "--logs", "logs.txt")
        assert [one.size for one in _keep(url, key, LOG, genk)] == [30, 4]
        _stop(process, signal.SIGTERM, "Checkpoints signed: 2, refused: 0.")
        process, again, url = begin("--log", VKEY)
        assert again == key
        with pytest.raises(WitnessConflict, match="has seen 30 entries"):
            _keep(url, key, LOG.fork(12, 0))
        _stop(process, signal.SIGINT, "Checkpoints signed: 0, refused: 1.")


def _keep(url: str, key: Key, *logs: Log) -> list[Receipt]:
    anchor = WitnessAnchor(url, key, clock=lambda: datetime.now(UTC))
    return anchor.keep([log.signed() for log in logs], old=lambda _: 0, proof=proofs(*logs))


def _stop(process: subprocess.Popen[str], how: signal.Signals, said: str) -> None:
    process.send_signal(how)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, f"{said}\n")
