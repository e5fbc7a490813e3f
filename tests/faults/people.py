"""Rows 75 to 77: member files that are not what they should be."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from tests.faults.catalogue import Case, Row, Trial, moved
from tests.night.house import LIBRARY

NUMBERS: Final = {
    "check digits": "60612221636",
    "born in the other century": "00610100101",
    "letters": "6061222163x",
    "ten digits": "6061222163",
    "twelve digits": "606122216350",
    "all zeros": "00000000000",
    "other digits": "٦٠٦١٢٢٢١٦٣٥",
}


def written(trial: Trial, rows: Sequence[dict[str, str]]) -> bytes:
    """Return a member file; whatever stands in it stands nowhere else."""
    trial.house.rows += [row for row in rows if row["insz"].isdigit() and row["insz"].isascii()]
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def imported(trial: Trial, data: bytes, *, library: str = LIBRARY) -> Path:
    """Import a file through the door; it is taken away again, for what it holds is in clear."""
    path = trial.house.folder / "members.csv"
    path.write_bytes(data)
    trial.command("members", "import", str(path), "--library", library)
    path.unlink()
    return path.with_name(path.name + ".rejects.csv")


def bad_numbers(trial: Trial) -> None:
    """Import members of whom each has a number that is none, and one who has a right one."""
    built = trial.build(members=0)
    good, *others = moved(1 + len(NUMBERS))
    bad = [row | {"insz": number} for row, number in zip(others, NUMBERS.values(), strict=True)]
    noted = imported(trial, written(trial, [good, *bad]))
    assert trial.exit_code == 3
    rejects = noted.read_text(encoding="utf-8-sig")
    with_line = list(csv.DictReader(io.StringIO(rejects)))
    assert [row["line"] for row in with_line] == [str(line) for line in range(3, 3 + len(NUMBERS))]
    assert {row["column"] for row in with_line} == {"insz"}
    assert not [number for number in NUMBERS.values() if number in rejects or number in trial.said]
    built.reopen()
    trial.before = built.raw.state()
    built.excused = True
    trial.night()


def one_asked(trial: Trial) -> None:
    """Only who has a right number was asked about."""
    assert [len(one.digits) for one in trial.house.simulator.asked] == [11]
    assert (trial.exit_code, trial.tries, dict(trial.outcomes), trial.changed) == (0, 1, {"ok": 1}, 1)


def same_number_twice(trial: Trial) -> None:
    """Import two members with one number, in a file and in the next."""
    built = trial.build(members=0)
    one, other = moved(2)
    third = one | {"member_no": "M999999"}
    imported(trial, written(trial, [one, other, one | {"member_no": "M999998"}]))
    assert (trial.exit_code, trial.said.count("1 refused")) == (3, 1), trial.said
    imported(trial, written(trial, [third]))
    assert trial.exit_code == 3
    built.reopen()
    trial.before = built.raw.state()
    built.excused = True
    trial.night()


def each_asked_once(trial: Trial) -> None:
    """Each number was asked about once."""
    asked = [one.digits for one in trial.house.simulator.asked]
    assert len(asked) == len(set(asked)) == 2
    assert (trial.exit_code, dict(trial.outcomes), trial.changed) == (0, {"ok": 2}, 2)


def two_libraries(trial: Trial) -> None:
    """Let two libraries have one member."""
    built = trial.build(members=1, libraries=(LIBRARY, "genk"))
    built.take(built.rows[:1], library="genk")
    trial.before = built.raw.state()
    trial.night()


def each_library_asked(trial: Trial) -> None:
    """Each library asks for itself, under its own authorisation, in its own log; both are brought up to date."""
    logs = trial.house.raw.state().entries
    outcomes = [entry.line["out"]["status"] for name in logs for entry in logs[name] if entry.kind == "access.outcome"]
    assert (outcomes, trial.tries, trial.changed, trial.exit_code) == (["ok", "ok"], 2, 2, 0)


def unusable(spoil: Callable[[bytes], bytes]) -> Callable[[Trial], None]:
    """Return what imports a file to which this was done."""

    def inject(trial: Trial) -> None:
        trial.build(members=0)
        imported(trial, spoil(written(trial, moved(3))))

    return inject


def zipped(data: bytes) -> bytes:
    """Return a zip file of it."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("members.csv", data)
    return packed.getvalue()


def refused_whole(trial: Trial) -> None:
    """Nobody was taken in, and it is said in a sentence with no cell in it."""
    assert trial.exit_code == 2, trial.said
    assert trial.tries == 0
    assert not trial.house.raw.state().members
    assert not list(trial.house.folder.glob("*.rejects.csv"))
    assert "Nothing was" in trial.said


def a_formula(trial: Trial) -> None:
    """Import and export a name that a spreadsheet would calculate."""
    trial.build(members=0)
    imported(trial, written(trial, [moved(1)[0] | {"last_name": "=1+1", "street": "@SUM(A1)"}]))
    assert trial.exit_code == 0
    trial.command("members", "export", str(trial.house.folder / "export.csv"))


def text_it_stays(trial: Trial) -> None:
    """What was taken in as text goes out as text."""
    with (trial.house.folder / "export.csv").open(encoding="utf-8-sig", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["last_name"], row["street"]) == ("'=1+1", "'@SUM(A1)")


ROWS: Final = (
    Row(
        75,
        "one number twice",
        same_number_twice,
        each_asked_once,
        also=[Case("in two libraries", two_libraries, each_library_asked)],
        note="within a library a number has one member: a second row is refused and noted, not updated along with it",
    ),
    Row(76, "numbers that are none", bad_numbers, one_asked),
    Row(
        77,
        "a file that is no member file",
        unusable(zipped),
        refused_whole,
        also=[
            Case("cut off", unusable(lambda data: data.rstrip()[:-1] + b',"'), refused_whole),
            Case("another encoding", unusable(lambda data: data.decode().encode("utf-16")), refused_whole),
            Case("bytes that are no text", unusable(lambda data: data + b"\xff\xfe\xff\n"), refused_whole),
            Case("no member numbers", unusable(lambda data: data.replace(b"member_no", b"lid", 1)), refused_whole),
            Case("a row without end", unusable(lambda data: data + b"x" * 200_000), refused_whole),
            Case("a formula", a_formula, text_it_stays),
        ],
        note="a whole-file checksum is not in the contract; ten gigabytes are streamed: tests/cli/test_members",
    ),
)
