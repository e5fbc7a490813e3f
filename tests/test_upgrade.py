"""An installation that commit 3d9b9f4 made opens, verifies and goes on (tests/fixtures/make_3d9b9f4.md)."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from tests.conftest import StartPostgres

MADE: Final = Path(__file__).resolve().parent / "fixtures" / "3d9b9f4"
#: The people of the fixtures are among these.
PEOPLE: Final = 200
LIBRARIES: Final = ("hasselt", "genk")
OFFICER: Final = ("--actor", "cis.maes")
EXPORTS: Final = {
    "csv": "export.csv",
    "jsonl": "export.jsonl",
    "auditregister": "export-auditregister.jsonl",
    "ldv": "export-ldv.jsonl",
}
#: What a night counts; the rest of its report says when it was, and how fast.
COUNTS: Final = ("run", "due", "asked", "found", "unknown", "refused", "same", "change", "hold", "open", "withheld")


@dataclass(frozen=True, slots=True)
class Installation:
    """A copy of a fixture, in the working directory; ``made`` is the fixture, ``said`` its ``said.json``."""

    made: Path
    folder: Path
    said: dict[str, Any]
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    def run(self, *arguments: object, code: int = 0) -> str:
        """Run a command through the installed entry point and return its standard output."""
        (command,) = entry_points(group="console_scripts", name="rrsync")
        self.monkeypatch.setattr(sys, "argv", ["rrsync", *map(str, arguments)])
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            command.load()()
        said = self.capsys.readouterr()
        assert ended.value.code == code, f"{arguments}: {said.err}{said.out}"
        return said.out

    def document(self, *arguments: object) -> Any:
        """Run a command with ``--json`` and return its document."""
        return json.loads(self.run(*arguments, "--json"))

    def files(self) -> dict[str, bytes]:
        """Return every file of the installation except the database and its locks."""
        files = (path for path in self.folder.rglob("*") if path.is_file() and not path.name.startswith("rrsync.db"))
        return {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in files}

    def terms(self, library: str) -> list[list[str]]:
        """Return the settings that each entry about changed settings names, in the order of the log."""
        entries = self.document("log", "show", "--library", library, "--raw", "--last", 1000, *OFFICER)
        return [entry["terms"]["changed"] for entry in entries if "terms" in entry]

    def key(self, library: str = "hasselt") -> str:
        """Return the public key of a log."""
        return str(self.document("log", "checkpoint")[library]["key"])


@pytest.fixture(params=["sqlite", "postgresql"])
def installation(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    start_postgres: StartPostgres,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Installation]:
    """Yield a copy of a fixture, once with SQLite and once with PostgreSQL."""
    made = MADE / request.param
    folder = shutil.copytree(made / "installation", tmp_path / "installation")
    for secret in (folder / "rrsync.keys", folder / "rrsync.signing"):
        secret.chmod(0o600)
    for name in ("RRSYNC_CONFIG", "RRSYNC_KEYRING", "RRSYNC_SIGNING", "CREDENTIALS_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(folder)
    said = json.loads(_unpacked(made / "said.json.gz"))
    copy = Installation(made, folder, said, capsys, monkeypatch)
    if request.param == "sqlite":
        (folder / "rrsync.db").write_bytes(_unpacked(folder / "rrsync.db.gz"))
        yield copy
        return
    with start_postgres().database(template="template1") as url:
        with psycopg.connect(url.replace("+psycopg", "")) as connection:
            connection.execute(_unpacked(folder / "rrsync.sql.gz"))
        monkeypatch.setenv("RRSYNC_STORE__URL", url)
        yield copy


@pytest.fixture(scope="module")
def register() -> Iterator[str]:
    """Yield the address of a simulator that knows the people of the fixtures."""
    rrsync = Path(sys.executable).with_name("rrsync")
    asked = [str(rrsync), "simulator", "--port", "0", "--people", str(PEOPLE)]
    with subprocess.Popen(asked, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            yield re.findall(r"http://127\.0\.0\.1:\d+/", process.stderr.readline())[0]
        finally:
            process.terminate()


def _unpacked(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes())


def _has_all(now: object, then: object) -> bool:
    """Whether a document still says what it said; it may say more."""
    if isinstance(now, dict) and isinstance(then, dict):
        return all(name in now and _has_all(now[name], value) for name, value in then.items())
    if isinstance(now, list) and isinstance(then, list):
        return len(now) == len(then) and all(map(_has_all, now, then))
    return now == then


def _check(verifier: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a verifier that an export of tiles came with."""
    return subprocess.run([sys.executable, verifier, *map(str, arguments)], capture_output=True, text=True, check=False)


class TestOpens:
    """Today's code opens what 3d9b9f4 left, and reads in it what 3d9b9f4 read."""

    def test_init_changes_no_file(self, installation: Installation) -> None:
        """Upgrading brings the database to the newest schema, and touches neither settings, keys, logs nor anchors."""
        before = installation.files()
        for _ in range(2):
            installation.run("init")
        assert installation.files() == before

    def test_commands_say_the_same(self, installation: Installation) -> None:
        """Roots and signed checkpoints, holds, accesses, samples, staff and who is due are what they were."""
        installation.run("init")
        for said in installation.said["says"]:
            now = json.loads(installation.run(*said["arguments"]))
            assert _has_all(now, said["document"]), said["arguments"]

    def test_members_are_exported_the_same(self, installation: Installation, tmp_path: Path) -> None:
        """Byte for byte."""
        installation.run("init")
        installation.run("members", "export", tmp_path / "members.csv")
        assert (tmp_path / "members.csv").read_bytes() == (installation.made / "members-export.csv").read_bytes()

    def test_evidence_opens(self, installation: Installation, tmp_path: Path) -> None:
        """The messages that were kept of an access are read as they were sealed."""
        installation.run("init")
        asked = ("--library", "hasselt", "--to", tmp_path / "evidence.txt", "--reason", "audit-2026", *OFFICER)
        installation.run("log", "evidence", installation.said["evidence"], *asked)
        assert (tmp_path / "evidence.txt").read_bytes() == (installation.made / "evidence.txt").read_bytes()


class TestLog:
    """The log is exported the same, and each version's verifier accepts what the other exported."""

    def test_exports_are_the_same(self, installation: Installation, tmp_path: Path) -> None:
        """Byte for byte, in every format of one file."""
        installation.run("init")
        for form, name in EXPORTS.items():
            asked = ("--library", "hasselt", "--until", "2026-04-09", "--reason", "audit-2026", *OFFICER)
            installation.run("log", "export", tmp_path / name, "--format", form, *asked)
            assert (tmp_path / name).read_bytes() == _unpacked(installation.made / f"{name}.gz"), form

    def test_verifiers_accept_each_other(self, installation: Installation, tmp_path: Path) -> None:
        """The exported log and the proof are accepted by both; the log of now goes on from the one of then."""
        installation.run("init")
        then, now = tmp_path / "then", tmp_path / "now"
        shutil.unpack_archive(installation.made / "export-tiles.zip", then)
        asked = ("--library", "hasselt", "--format", "tiles", "--reason", "audit-2027", *OFFICER)
        installation.run("log", "export", now, *asked)
        key = ("--key", installation.said["says"][1]["document"]["hasselt"]["key"])
        assert key[1] == installation.key()
        for verifier in (then / "verifier.py", now / "verifier.py"):
            for arguments in (
                ("export", then),
                ("export", now, "--earlier", installation.made / "installation" / "rrsync.signed" / "hasselt.note"),
                ("proof", installation.made / "40.tlog-proof"),
            ):
                done = _check(verifier, *arguments, *key)
                assert done.returncode == 0, done.stderr

    def test_an_altered_export_is_refused(self, installation: Installation, tmp_path: Path) -> None:
        """By today's verifier, which names the entry."""
        installation.run("init")
        then, now = tmp_path / "then", tmp_path / "now"
        shutil.unpack_archive(installation.made / "export-tiles.zip", then)
        installation.run("log", "export", now, "--library", "genk", "--format", "tiles", "--reason", "x", *OFFICER)
        (entries,) = (then / "tile" / "entries").rglob("*.p/*")
        data = entries.read_bytes()
        assert data.count(b"brief-121") == 1
        entries.write_bytes(data.replace(b"brief-121", b"brief-129"))
        done = _check(now / "verifier.py", "export", then, "--key", installation.key())
        assert done.returncode == 1
        assert str(installation.said["evidence"]) in done.stderr


class TestGoesOn:
    """The installation is used further."""

    def test_settings_have_not_changed(self, installation: Installation) -> None:
        """A night that asks nobody, under the settings of then, adds no entry about changed settings."""
        installation.run("init")
        before = installation.terms("genk")
        assert len(before) == 1
        assert installation.document("night", "--library", "genk")["due"] == 0
        assert installation.terms("genk") == before

    def test_the_open_run_is_finished(self, installation: Installation, register: str) -> None:
        """A night takes the killed run over and comes to what 3d9b9f4 came to; then nothing is due and all is whole."""
        installation.run("init")
        before = {library: installation.terms(library) for library in LIBRARIES}
        installation.monkeypatch.setenv("RRSYNC_REGISTRY__ENDPOINT", register)
        night = installation.document("night")
        then = installation.said["night"]
        assert night["stopped"] is None
        assert {name: night[name] for name in COUNTS} == {name: then[name] for name in COUNTS}
        assert night["open"] == 0 < night["due"]
        assert installation.document("night", "--dry-run")["total"] == 0
        assert {library: installation.terms(library) for library in LIBRARIES} == {
            library: [*entries, ["endpoint"]] for library, entries in before.items()
        }
        accesses = installation.document("log", "show", "--library", "hasselt", "--last", 1000, *OFFICER)
        assert "open" not in {access["status"] for access in accesses}
        self._is_whole(installation)

    def test_the_desk_goes_on(self, installation: Installation, register: str) -> None:
        """A hold of then is accepted, a member is refreshed, and the library's own file is imported again."""
        installation.run("init")
        installation.monkeypatch.setenv("RRSYNC_REGISTRY__ENDPOINT", register)
        hold = installation.said["proposal"]
        shown = installation.document("holds", "show", hold)
        installation.run("holds", "accept", hold, "--actor", "an.peeters")
        assert str(hold) not in {str(each["hold"]) for each in installation.document("holds", "list")}
        asked = ("--library", "hasselt", "--purpose", "desk", "--case", "brief-200", "--actor", "an.peeters")
        assert installation.document("refresh", shown["member_no"], *asked)["member_no"] == shown["member_no"]
        installation.run("members", "import", "members-genk-2026-04-11.csv", "--library", "genk")
        self._is_whole(installation)

    def _is_whole(self, installation: Installation) -> None:
        """Hold the logs whole, none shorter than it was, kept by their anchor, and the installation without a fault."""
        found = installation.document("log", "verify", *OFFICER)
        (then,) = (said for said in installation.said["says"] if said["arguments"][:2] == ["log", "verify"])
        assert all(found[library]["size"] >= then["document"][library]["size"] for library in LIBRARIES)
        assert found["hasselt"]["size"] > then["document"]["hasselt"]["size"]
        assert installation.document("log", "anchor")["failures"] == []
        assert installation.document("check")
