"""``rrsync log export``: a log written for others, and that in the log."""

from __future__ import annotations

import csv
import json
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from rrsync.app.services import open_services
from rrsync.audit.export import Format
from rrsync.config.load import load
from rrsync.core.log_entry import Draft, Kind
from rrsync.core.spreadsheet import unescape
from tests.cli.conftest import NUMBERS, Place, Said

WHY: Final = "the yearly audit"
FILES: Final = [form for form in Format if form is not Format.TILES]


def exported(place: Place, target: str, form: str, *more: str, library: str = "demo") -> Said:
    """Export a log, as its officer does."""
    words = ("--library", library, "--format", form, "--reason", WHY, "--actor", "d.p. officer")
    return place.run("log", "export", target, *words, *more)


def log_of(place: Place) -> list[dict[str, Any]]:
    """Return the whole log."""
    with place.rooms() as app:
        return [json.loads(data) for _, data in app.access_log.entries("demo")]


@pytest.mark.parametrize("form", FILES)
def test_a_file(settled: Place, form: Format) -> None:
    """It is there whole, for its owner alone; the log says who took it, and one sentence what to do with it."""
    before = log_of(settled)
    said = exported(settled, "out", form)
    assert (said.code, said.err) == (0, "")
    lines = (settled.folder / "out").read_text("utf-8").splitlines()
    assert stat.S_IMODE((settled.folder / "out").stat().st_mode) == 0o600
    assert said.out.startswith(f"{len(lines) - (form is Format.CSV)} ")
    assert said.out.count("\n") == 1
    added = log_of(settled)[len(before) :]
    assert [(line["kind"], line["actor"]["id"], line["export"]["format"], line["why"]["note"]) for line in added] == [
        ("log.export", "d.p. officer", form.value, WHY)
    ]
    text = "\n".join(lines)
    assert any(number in text for number in NUMBERS) is (form is Format.AUDITREGISTER)


def test_a_folder_that_anybody_can_check(settled: Place) -> None:
    """With the words that its README.txt has."""
    size = settled.log_size()
    said = exported(settled, "out", "tiles")
    assert (said.code, said.err) == (0, "")
    folder = settled.folder / "out"
    assert f"{size} entries" in said.out
    assert "README.txt" in said.out
    modes = {stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.rglob("*")]}
    assert modes == {0o700, 0o600}
    command = next(
        line.split() for line in (folder / "README.txt").read_text("utf-8").splitlines() if "verifier.py exp" in line
    )
    assert command[0] == "python3"
    checked = subprocess.run([sys.executable, *command[1:]], cwd=folder, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "whole" in checked.stdout
    assert str(size) in checked.stdout
    assert [path.name for path in settled.folder.iterdir() if path.name.startswith(".rrsync-")] == []


def test_an_export_of_a_log_that_grew_since(settled: Place) -> None:
    """Says how much of it is not in the folder: what a process wrote that died before it signed."""
    size = settled.log_size()
    with open_services(load(settled.folder / "rrsync.toml")) as app:
        app.access_log.append([Draft("demo", Kind.VIEW, "", body={"n": n}) for n in range(3)])
    said = exported(settled, "out", "tiles")
    assert said.out.startswith(f"{size} entries in ")
    assert "Without the 3 entries after its last checkpoint" in said.out
    assert "Without" not in exported(settled, "again", "tiles").out


def test_cells_that_a_spreadsheet_would_take_for_a_formula(settled: Place) -> None:
    """Are escaped as in the members' file, and read back as they were."""
    settled.register()
    asked = ("--library", "demo", "--purpose", "desk", "--case", "=1+1", "--actor", "@an")
    assert settled.run("refresh", "M000001", *asked).code == 0
    assert exported(settled, "out.csv", "csv").code == 0
    with (settled.folder / "out.csv").open(encoding="utf-8", newline="") as file:
        last = list(csv.DictReader(file))[-1]
    assert (last["case"], last["actor"]) == ("'=1+1", "'@an")
    assert (unescape(last["case"]), unescape(last["actor"])) == ("=1+1", "@an")


def test_a_file_takes_the_place_of_an_older_one(settled: Place) -> None:
    """A folder does not, nor does a file take a folder's place."""
    for name in ("old.csv", "old"):
        (settled.folder / name).mkdir() if name == "old" else (settled.folder / name).write_text("old")
    assert exported(settled, "old.csv", "csv").code == 0
    assert "old" not in (settled.folder / "old.csv").read_text("utf-8").splitlines()[:1]
    size = settled.log_size()
    for target in ("old", "old.csv"):
        said = exported(settled, target, "tiles")
        assert (said.code, said.out) == (2, "")
        assert "is there already" in said.err
    assert settled.log_size() == size
    assert exported(settled, "old", "jsonl").code == 2
    assert list((settled.folder / "old").iterdir()) == []


@pytest.mark.parametrize("form", list(Format))
def test_a_place_where_nothing_can_be_written(settled: Place, form: Format) -> None:
    """Leaves nothing there; that somebody wanted it stays in the log."""
    said = exported(settled, "nowhere/out", form)
    assert (said.code, said.out) == (2, "")
    assert "cannot be written" in said.err
    assert log_of(settled)[-1]["kind"] == "log.export"


def test_a_log_that_was_tampered_with_is_given_to_nobody(settled: Place) -> None:
    """4 for the folder, which is not made: its entries are not those that were signed."""
    assert settled.run("log", "checkpoint", "--library", "demo").code == 0
    settled.tamper("UPDATE entry SET data = CAST(data || ' ' AS BLOB) WHERE seq = 7")
    said = exported(settled, "out", "tiles")
    assert (said.code, said.out) == (4, "")
    assert not (settled.folder / "out").exists()
    assert [path.name for path in settled.folder.iterdir() if path.name.startswith(".rrsync-")] == []


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--since", "yesterday"), "--since is no day"),
        (("--until", "2026-13-01"), "--until is no day"),
        (("--since", "2026-02-02", "--until", "2026-02-01"), "nothing lies between"),
        (("--reason", ""), "--reason must be"),
        (("--reason", "about 85.07.30-033.28"), "--reason holds a national number"),
        (("--actor", "x" * 41), "--actor must be"),
        (("--format", "pdf"), "pdf"),
        (("--library", "nowhere"), "nowhere"),
        (("--format", "tiles", "--since", "2026-02-01"), "whole"),
    ],
)
def test_what_cannot_be_asked_for(settled: Place, more: tuple[str, ...], words: str) -> None:
    """2, nothing written, and nothing in the log."""
    size = settled.log_size()
    said = exported(settled, "out", "csv", *more)
    assert (said.code, said.out) == (2, "")
    assert words in said.err
    assert settled.log_size() == size
    assert not (settled.folder / "out").exists()


def test_a_stretch_of_time(settled: Place) -> None:
    """Nobody looked before there was a log."""
    assert exported(settled, "none.csv", "csv", "--until", "2020-01-01").out.startswith("0 accesses")
    assert exported(settled, "all.jsonl", "jsonl", "--since", "2020-01-01T00:00+02:00").code == 0
    assert len((settled.folder / "all.jsonl").read_text("utf-8").splitlines()) == settled.log_size() - 1


def test_the_user_of_the_machine_takes_it(settled: Place) -> None:
    """When no name is given."""
    settled.monkeypatch.setenv("LOGNAME", "machine.user")
    asked = ("--library", "demo", "--format", "csv", "--reason", WHY)
    assert settled.run("log", "export", "out.csv", *asked).code == 0
    assert log_of(settled)[-1]["actor"] == {"t": "person", "id": "machine.user"}


def test_an_empty_log(place: Place) -> None:
    """Has no accesses to give, and no tree."""
    assert exported(place, "out.csv", "csv").out.startswith("0 accesses")
    assert Path(place.folder / "out.csv").read_text("utf-8").count("\n") == 1
