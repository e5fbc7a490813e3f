"""``rrsync log export``: a log written for other readers, and the record of it in the log."""

from __future__ import annotations

import csv
import stat
import subprocess
import sys
from typing import Final

import pytest

from rrsync.audit.export import Format
from rrsync.core.log_entry import Draft, Kind
from rrsync.core.spreadsheet import unescape
from tests.cli.conftest import NUMBERS, Place, Said

WHY: Final = "the yearly audit"
OFFICER: Final = "d.p. officer"


def exported(place: Place, target: str, form: str, *more: str) -> Said:
    """Export a log, as the data-protection officer does."""
    words = ("--library", "demo", "--format", form, "--reason", WHY, "--actor", OFFICER)
    return place.run("log", "export", target, *words, *more)


def parts(place: Place) -> list[str]:
    """Return the names of temporary files in the folder."""
    return [path.name for path in place.folder.iterdir() if path.name.startswith(".rrsync-")]


@pytest.mark.parametrize("form", [form for form in Format if form is not Format.TILES])
def test_a_file(settled: Place, form: Format) -> None:
    """It is complete and private; the log records the actor, the format and the reason."""
    before = settled.log_size()
    said = exported(settled, "out", form)
    assert (said.code, said.err) == (0, "")
    lines = (settled.folder / "out").read_text("utf-8").splitlines()
    assert stat.S_IMODE((settled.folder / "out").stat().st_mode) == 0o600
    assert said.out.startswith(f"{len(lines) - (form is Format.CSV)} ")
    assert said.out.count("\n") == 1
    (added,) = settled.log()[before:]
    assert (added["kind"], added["actor"]["id"], added["why"]["note"]) == ("log.export", OFFICER, WHY)
    assert added["export"]["format"] == form.value
    text = "\n".join(lines)
    assert any(number in text for number in NUMBERS) is (form is Format.AUDITREGISTER)


def test_a_folder_that_anybody_can_check(settled: Place) -> None:
    """With the command in its README.txt."""
    size = settled.log_size()
    said = exported(settled, "out", "tiles")
    assert (said.code, said.err) == (0, "")
    folder = settled.folder / "out"
    assert f"{size} entries" in said.out
    modes = {stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.rglob("*")]}
    assert modes == {0o700, 0o600}
    readme = (folder / "README.txt").read_text("utf-8").splitlines()
    command = next(line.split() for line in readme if "verifier.py exp" in line)
    assert command[0] == "python3"
    checked = subprocess.run([sys.executable, *command[1:]], cwd=folder, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert str(size) in checked.stdout
    assert parts(settled) == []


def test_a_log_with_unsigned_entries(settled: Place) -> None:
    """The message counts the entries that the folder does not contain, as after a crash before signing."""
    size = settled.log_size()
    with settled.services() as services:
        services.access_log.append([Draft("demo", Kind.VIEW, "", body={"n": n}) for n in range(3)])
        said = exported(settled, "out", "tiles")
    assert said.out.startswith(f"{size} entries in ")
    assert "the 3 entries after its last checkpoint" in said.out
    assert "after its last checkpoint" not in exported(settled, "again", "tiles").out


def test_cells_that_a_spreadsheet_reads_as_formulas(settled: Place) -> None:
    """They are escaped as in the members' export."""
    settled.register()
    words = ("--library", "demo", "--purpose", "desk", "--case", "=1+1", "--actor", "@an")
    assert settled.run("refresh", "M000001", *words).code == 0
    assert exported(settled, "out.csv", "csv").code == 0
    with (settled.folder / "out.csv").open(encoding="utf-8", newline="") as file:
        last = list(csv.DictReader(file))[-1]
    assert (last["case"], last["actor"]) == ("'=1+1", "'@an")
    assert (unescape(last["case"]), unescape(last["actor"])) == ("=1+1", "@an")


def test_an_existing_target(settled: Place) -> None:
    """A file replaces an older file. A folder replaces nothing, and a file does not replace a folder."""
    (settled.folder / "old.csv").write_text("old")
    (settled.folder / "old").mkdir()
    assert exported(settled, "old.csv", "csv").code == 0
    assert "old" not in (settled.folder / "old.csv").read_text("utf-8").splitlines()[:1]
    size = settled.log_size()
    for target in ("old", "old.csv"):
        assert exported(settled, target, "tiles").code == 2
    assert settled.log_size() == size
    assert exported(settled, "old", "jsonl").code == 2
    assert list((settled.folder / "old").iterdir()) == []


@pytest.mark.parametrize("form", list(Format))
def test_an_unwritable_target(settled: Place, form: Format) -> None:
    """2; nothing is written, but the attempt is in the log."""
    said = exported(settled, "nowhere/out", form)
    assert (said.code, said.out) == (2, "")
    assert settled.log()[-1]["kind"] == "log.export"


def test_a_damaged_log(settled: Place) -> None:
    """4; no folder is written, because the entries are not the signed ones."""
    assert settled.run("log", "checkpoint", "--library", "demo").code == 0
    settled.tamper("UPDATE entry SET data = CAST(data || ' ' AS BLOB) WHERE seq = 7")
    said = exported(settled, "out", "tiles")
    assert (said.code, said.out) == (4, "")
    assert not (settled.folder / "out").exists()
    assert parts(settled) == []


def test_unusable_requests(settled: Place) -> None:
    """2; nothing is written or logged."""
    size = settled.log_size()
    for more in (
        ("--since", "yesterday"),
        ("--until", "2026-13-01"),
        ("--since", "2026-02-02", "--until", "2026-02-01"),
        ("--reason", ""),
        ("--reason", "about 85.07.30-033.28"),
        ("--actor", "x" * 41),
        ("--format", "pdf"),
        ("--library", "nowhere"),
        ("--format", "tiles", "--since", "2026-02-01"),
    ):
        said = exported(settled, "out", "csv", *more)
        assert (said.code, said.out) == (2, ""), more
    assert settled.log_size() == size
    assert not (settled.folder / "out").exists()


def test_a_period(settled: Place) -> None:
    """Entries before and after a time."""
    assert exported(settled, "none.csv", "csv", "--until", "2020-01-01").out.startswith("0 ")
    assert (settled.folder / "none.csv").read_text("utf-8").count("\n") == 1
    assert exported(settled, "all.jsonl", "jsonl", "--since", "2020-01-01T00:00+02:00").code == 0
    assert len((settled.folder / "all.jsonl").read_text("utf-8").splitlines()) == settled.log_size() - 1


def test_the_default_actor(settled: Place) -> None:
    """The user of the machine."""
    settled.monkeypatch.setenv("LOGNAME", "machine.user")
    assert settled.run("log", "export", "out.csv", "--library", "demo", "--format", "csv", "--reason", WHY).code == 0
    assert settled.log()[-1]["actor"] == {"t": "person", "id": "machine.user"}
