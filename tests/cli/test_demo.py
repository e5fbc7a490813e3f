"""``rrsync demo`` and ``rrsync simulator``: a trial, and a register to talk to."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import socket
import subprocess
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cli.conftest import RRSYNC, Place


class TestDemo:
    """A whole night on invented people."""

    def test_shows_everything_and_leaves_nothing(self, empty: Place) -> None:
        """Import, night, report, verified log, and what to do next."""
        said = empty.run("demo", "--members", "20")
        assert (said.code, said.err) == (0, "")
        for sign in ("20 new", "asked", "The access log of demo is whole", "What to do next", "demo --keep demo"):
            assert sign in said.out
        assert not list(empty.folder.iterdir())

    def test_what_is_kept_can_be_used(self, empty: Place) -> None:
        """Every command it proposes works in the folder it leaves."""
        said = empty.run("demo", "--members", "40", "--keep", "deep/demo")
        assert said.code == 0
        folder = empty.folder / "deep" / "demo"
        assert {path.name for path in folder.iterdir()} >= {"rrsync.toml", "rrsync.keys", "rrsync.db", "members.csv"}
        assert (folder / "members.csv").stat().st_mode & 0o077 == 0
        assert "  cd deep/demo\n" in said.out
        proposed = re.findall(r"rrsync (.*?) +# ", said.out)
        assert len(proposed) == 7
        empty.register()
        empty.monkeypatch.chdir(folder)
        for words in proposed:
            if not words.startswith(("simulator", "serve")):
                assert empty.run(*words.split()).code == 0, words
        assert (folder / "now.csv").exists()

    @pytest.mark.parametrize("what", ["full", "file", "file/below"])
    def test_a_folder_that_is_in_use_is_left_alone(self, empty: Place, what: str) -> None:
        """One sentence, and nothing is written."""
        (empty.folder / "full").mkdir()
        (empty.folder / "full" / "mine").touch()
        (empty.folder / "file").touch()
        said = empty.run("demo", "--keep", what)
        assert said.code == 2
        assert said.err.count("\n") == 1
        assert [path.name for path in (empty.folder / "full").iterdir()] == ["mine"]

    @pytest.mark.parametrize(
        ("name", "value"), [("STORE__URL", "sqlite:////nowhere/real.db"), ("REGISTRY__ENDPOINT", "http://127.0.0.1:9/")]
    )
    def test_settings_of_the_environment_are_kept_out_of_it(self, empty: Place, name: str, value: str) -> None:
        """Invented people never come into a real database, nor their numbers to a real register."""
        empty.env(**{name: value})
        said = empty.run("demo", "--members", "20")
        assert said.code == 2
        assert "RRSYNC_STORE__URL and RRSYNC_REGISTRY__ENDPOINT" in said.err

    @pytest.mark.parametrize("members", ["0", "100001", "many"])
    def test_a_number_of_members_it_cannot_have(self, empty: Place, members: str) -> None:
        """An error of usage."""
        assert empty.run("demo", "--members", members).code == 2

    @pytest.mark.parametrize("kept", [False, True])
    def test_the_pages_on_what_the_night_left(self, empty: Place, kept: bool) -> None:
        """Until Ctrl-C, on a port that is free, with the register; it names a member who has something to find out."""
        with socket.socket() as taken:
            with suppress(OSError):  # then somebody else has it
                taken.bind(("127.0.0.1", 8000))
                taken.listen()
            process = empty.start("demo", "--members", "20", "--serve", *(("--keep", "demo") if kept else ()))
            assert process.stderr is not None
            found = re.search(r"The pages are at (http://127\.0\.0\.1:(\d+)) ;", process.stderr.readline())
            assert found is not None
            assert found[2] != "8000"
            with urllib.request.urlopen(f"{found[1]}/login", timeout=5) as answer:
                assert "an.peeters@demo" in answer.read().decode()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, err) == (0, "The pages are closed.\n")
        assert "1 rows: 0 new, 1 changed" in out
        assert f"open {found[1]}/ in a browser" in out
        assert re.search(r"as an\.peeters, who works at the desk, and search for M0000\d\d\.", out)
        assert out.index("What to do next") > out.index("an.peeters")
        assert bool(list(empty.folder.iterdir())) is kept
        if kept:
            assert "http://127.0.0.1:8080/" in (empty.folder / "demo" / "rrsync.toml").read_text(encoding="utf-8")

    @pytest.mark.usefixtures("empty")
    def test_a_terminal_is_what_opens_the_pages(self) -> None:
        """And ``--no-serve`` keeps them shut there too."""
        ours, theirs = os.openpty()
        for more, sign in ((("--no-serve",), b"What to do next"), ((), b"The pages are at")):
            process = subprocess.Popen(
                [RRSYNC, "demo", "--members", "5", *more], stdin=theirs, stdout=theirs, stderr=theirs
            )
            try:
                said = b""
                while sign not in said:
                    said += os.read(ours, 10_000)
                assert more or b"What to do next" not in said
            finally:
                process.send_signal(signal.SIGINT)
                while process.poll() is None:
                    if select.select([ours], [], [], 0.05)[0]:
                        os.read(ours, 10_000)
        os.close(ours)
        os.close(theirs)


class TestSimulator:
    """A register of its own."""

    def test_serves_until_it_is_stopped(self, place: Place) -> None:
        """A real process: it writes a member file that fits, answers, counts, and stops on SIGTERM."""
        process = place.start("simulator", "--port", "0", "--people", "40", "--members", "people.csv")
        assert process.stderr is not None
        assert "Wrote people.csv: import it with" in process.stderr.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+/", process.stderr.readline())
        assert found is not None
        place.env(REGISTRY__ENDPOINT=found[0])
        assert place.run("members", "import", "people.csv", "--library", "demo", "--json").document["same"] == 40
        assert place.refresh("M000001").code == 0
        with urllib.request.urlopen(found[0] + "counts", timeout=5) as reply:
            assert json.load(reply) == {"GeefPersoon-02.02": 1, "answered": 1, "requests": 1}
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=10)
        assert (process.returncode, out) == (0, "")
        assert err == "GeefPersoon-02.02 1, answered 1, requests 1\n"

    def test_says_so_when_nothing_was_asked(self, place: Place) -> None:
        """Ctrl-C ends it as SIGTERM does."""
        process = place.start("simulator", "--port", "0", "--people", "1", "--latency-ms", "1", "--max-per-second", "9")
        assert process.stderr is not None
        process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=10)[1] == "Nothing was asked.\n"
        assert process.returncode == 0

    @pytest.mark.parametrize("spec", ["nonsense:3", "throttle", "throttle:0", "throttle:-1", ":", ""])
    def test_a_fault_it_does_not_know(self, empty: Place, spec: str) -> None:
        """One sentence that lists those it knows, with an example."""
        said = empty.run("simulator", "--fault", spec)
        assert said.code == 2
        assert "throttle, busy, source" in said.err
        assert "Write for instance throttle:10" in said.err
        assert said.err.count("\n") == 1

    @pytest.mark.parametrize(
        ("words", "sign"),
        [
            (("--port", "70000"), "--port"),
            (("--port", "-1"), "--port"),
            (("--people", "0"), "--people"),
            (("--people", "99999999"), "A population holds"),
            (("--latency-ms", "-1"), "--latency-ms"),
            (("--max-per-second", "0"), "--max-per-second"),
            (("--personas", "nowhere"), "There is no folder nowhere"),
            (("--members", "nowhere/members.csv"), "nowhere/members.csv cannot be written"),
        ],
    )
    def test_what_it_cannot_do(self, empty: Place, words: tuple[str, ...], sign: str) -> None:
        """Is refused before it listens."""
        said = empty.run("simulator", *words)
        assert said.code == 2
        assert sign in said.err

    def test_a_port_that_is_taken(self, empty: Place) -> None:
        """One sentence."""
        port = empty.register().url.rstrip("/").rpartition(":")[2]
        said = empty.run("simulator", "--port", port)
        assert said.code == 2
        assert f"cannot listen on port {port}" in said.err

    def test_a_folder_without_personas(self, empty: Place, tmp_path: Path) -> None:
        """One sentence, as for any folder that is not what was meant."""
        said = empty.run("simulator", "--personas", str(tmp_path))
        assert said.code == 2
        assert said.err.count("\n") == 1
