"""``rrsync demo`` and ``rrsync simulator``: a trial, and a simulated register."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import socket
import urllib.request
from contextlib import suppress

import pytest

from tests.cli.conftest import Place


class TestDemo:
    """A whole night on invented people."""

    def test_the_demo_leaves_nothing(self, empty: Place) -> None:
        """Import, night, verified log, and the next steps."""
        said = empty.run("demo", "--members", "20")
        assert (said.code, said.err) == (0, "")
        for sign in ("20 new", "asked", "The access log of demo", "demo --keep demo"):
            assert sign in said.out
        assert not list(empty.folder.iterdir())

    def test_a_kept_folder_can_be_used(self, empty: Place) -> None:
        """Every proposed command works in it."""
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
    def test_an_existing_folder(self, empty: Place, what: str) -> None:
        """2 and one sentence; nothing is written."""
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
    def test_settings_of_the_environment(self, empty: Place, name: str, value: str) -> None:
        """2: invented people never get into a real database, nor their numbers to a real register."""
        said = empty.env(**{name: value}).run("demo", "--members", "20")
        assert said.code == 2
        assert f"RRSYNC_{name}" in said.err

    @pytest.mark.parametrize("kept", [False, True])
    def test_the_pages_after_the_night(self, empty: Place, kept: bool) -> None:
        """Until Ctrl-C, on a free port; the text names a member with a difference."""
        with socket.socket() as taken:
            with suppress(OSError):  # another process has it
                taken.bind(("127.0.0.1", 8000))
                taken.listen()
            process = empty.start("demo", "--members", "20", "--serve", *(("--keep", "demo") if kept else ()))
            assert process.stderr is not None
            found = re.search(r"(http://127\.0\.0\.1:(\d+)) ", process.stderr.readline())
            assert found is not None
            assert found[2] != "8000"
            with urllib.request.urlopen(f"{found[1]}/login", timeout=5) as answer:
                assert "an.peeters@demo" in answer.read().decode()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, err.count("\n")) == (0, 1)
        assert "1 rows: 0 new, 1 changed" in out
        assert f"{found[1]}/" in out
        assert re.search(r"an\.peeters, .* M0000\d\d\.", out)
        assert bool(list(empty.folder.iterdir())) is kept
        if kept:
            assert "http://127.0.0.1:8080/" in (empty.folder / "demo" / "rrsync.toml").read_text(encoding="utf-8")

    def test_a_terminal_opens_the_pages(self, empty: Place) -> None:
        """Unless ``--no-serve`` is given."""
        ours, theirs = os.openpty()
        for more, sign in ((("--no-serve",), b"demo --serve"), ((), b"The pages are at")):
            process = empty.start("demo", "--members", "5", *more, stdin=theirs, stdout=theirs, stderr=theirs)
            try:
                shown = b""
                while sign not in shown:
                    shown += os.read(ours, 10_000)
                assert more or b"demo --serve" not in shown
            finally:
                process.send_signal(signal.SIGINT)
                while process.poll() is None:
                    if select.select([ours], [], [], 0.05)[0]:
                        os.read(ours, 10_000)
        os.close(ours)
        os.close(theirs)


class TestSimulator:
    """A register of its own."""

    def test_a_process_until_sigterm(self, place: Place) -> None:
        """It writes a fitting member file, answers, counts and stops."""
        process = place.start("simulator", "--port", "0", "--people", "40", "--members", "people.csv")
        assert process.stderr is not None
        assert "people.csv" in process.stderr.readline()
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

    def test_ctrl_c(self, place: Place) -> None:
        """It ends the simulator as SIGTERM does."""
        process = place.start("simulator", "--port", "0", "--people", "1", "--latency-ms", "1", "--max-per-second", "9")
        assert process.stderr is not None
        process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=10)[1].count("\n") == 1
        assert process.returncode == 0

    @pytest.mark.parametrize("spec", ["nonsense:3", "throttle", "throttle:0", "throttle:-1", ":", ""])
    def test_an_unknown_fault(self, empty: Place, spec: str) -> None:
        """2 and one sentence with the known faults and an example."""
        said = empty.run("simulator", "--fault", spec)
        assert said.code == 2
        assert "throttle, busy, source" in said.err
        assert "throttle:10" in said.err
        assert said.err.count("\n") == 1

    def test_unusable_options(self, empty: Place) -> None:
        """2, before it listens; the option or the file is named."""
        port = empty.register().url.rstrip("/").rpartition(":")[2]
        for words, sign in (
            (("--port", "70000"), "--port"),
            (("--port", "-1"), "--port"),
            (("--port", port), port),
            (("--people", "0"), "--people"),
            (("--people", "99999999"), "population"),
            (("--latency-ms", "-1"), "--latency-ms"),
            (("--max-per-second", "0"), "--max-per-second"),
            (("--personas", "nowhere"), "nowhere"),
            (("--personas", "."), "persona"),
            (("--members", "nowhere/members.csv"), "members.csv"),
        ):
            said = empty.run("simulator", *words)
            assert said.code == 2, words
            assert sign in said.err
        for members in ("0", "100001", "many"):
            assert empty.run("demo", "--members", members).code == 2
