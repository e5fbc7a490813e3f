"""Member files in and out: what is taken, what is refused, and what is never half done or shown."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import resource
import shutil
import sqlite3
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from rrsync.app.installation import fresh_keys, fresh_signing_key, prepare_database, usual_scope
from rrsync.cli.app import app
from rrsync.cli.context import opened
from rrsync.cli.member_file import COLUMNS, EXPORTED
from rrsync.cli.output import rejects, replacing
from rrsync.cli.setup import TEMPLATE
from rrsync.config.load import load
from rrsync.core.compare import Change, Verdict
from rrsync.core.exchange import Answer, Found
from rrsync.core.insz import Insz, check_digits
from rrsync.core.log_entry import Draft, Kind
from rrsync.core.person import Address, Held, Member, Name, PartialDate, Person
from rrsync.core.spreadsheet import escape, unescape
from rrsync.errors import ConfigError, RrsyncError
from rrsync.store.members import ImportResult
from rrsync.store.settlement import SettlementItem

HEADER: Final = (
    "member_no,insz,last_name,first_names,birth_date,street,house_number,box,postal_code,municipality,country"
)
PLAIN: Final = "member_no,last_name\n"
SECOND: Final = """
[[library]]
id = "other"
name = "Bibliotheek Anders"
sender = "other.example/bibliotheek"
capacity = "1300"
"""


def insz(number: int) -> str:
    """Return the national number of an invented person: a test number, as its month is over 60."""
    nine = f"{number // 30_000:02d}61{number % 31 + 1:02d}{number // 31 % 998 + 1:03d}"
    return nine + check_digits(nine, born_from_2000=False)


@dataclass(frozen=True)
class Done:
    """How a command ended, and all it said."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> dict[str, Any]:
        """The document on standard output."""
        found: dict[str, Any] = json.loads(self.out)
        return found


@dataclass(frozen=True)
class Place:
    """A working directory as ``rrsync init`` leaves it."""

    folder: Path

    @property
    def settings(self) -> Path:
        """The settings file."""
        return self.folder / "rrsync.toml"

    @property
    def file(self) -> Path:
        """The member file that is imported."""
        return self.folder / "members.csv"

    @property
    def rejects(self) -> Path:
        """Where its refused rows are noted."""
        return self.folder / "members.csv.rejects.csv"

    def run(self, *arguments: str, env: dict[str, str] | None = None) -> Done:
        """Run a command as the door does: an error is a sentence and an exit code, anything else a bug."""
        done = CliRunner().invoke(app, ["members", *arguments, "--config", str(self.settings)], env=env)
        match done.exception:
            case None | SystemExit():
                return Done(done.exit_code, done.stdout, done.stderr)
            case RrsyncError() as error:
                return Done(error.exit_code, done.stdout, f"{done.stderr}{error}")
            case bug:
                raise bug

    def take(self, content: str | bytes, *, env: dict[str, str] | None = None) -> Done:
        """Import a file of this content, as JSON."""
        self.file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return self.run("import", str(self.file), "--library", "demo", "--json", env=env)

    def refused(self) -> list[tuple[int, str, str]]:
        """Return line, column and reason of each refused row."""
        with self.rejects.open(newline="", encoding="utf-8") as file:
            return [(int(row["line"]), row["column"], row["reason"]) for row in csv.DictReader(file)]

    def export(self, *arguments: str) -> list[dict[str, str]]:
        """Export and give the rows."""
        target = self.folder / "export.csv"
        done = self.run("export", str(target), "--json", *arguments)
        assert done.code == 0, done.err
        with target.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert done.said == {"rows": len(rows), "file": str(target)}
        return rows

    def member(self, number: str) -> Member | None:
        """Return a member as it is held."""
        with opened(self.settings) as app:
            found = app.members.find("demo", number)
            return None if found is None else found.member

    def numbers(self) -> set[str]:
        """Return the member numbers there are."""
        return {row["member_no"] for row in self.export()}

    def count(self) -> int:
        """Return how many members there are."""
        with opened(self.settings) as app:
            return app.members.count("demo")


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a furnished folder to copy."""
    folder = tmp_path_factory.mktemp("furnished")
    return furnish(folder)


def furnish(folder: Path) -> Path:
    """Put settings, keys, scope and database in a folder."""
    (folder / "rrsync.toml").write_text(TEMPLATE + SECOND, encoding="utf-8")
    (folder / "scopes").mkdir()
    (folder / "scopes" / "libraries.txt").write_text(usual_scope(), encoding="utf-8")
    for name, text in (("rrsync.keys", fresh_keys()), ("rrsync.signing", fresh_signing_key())):
        (folder / name).write_text(text, encoding="utf-8")
        (folder / name).chmod(0o600)
    prepare_database(load(folder / "rrsync.toml"))
    return folder


@pytest.fixture
def place(furnished: Path, tmp_path: Path) -> Place:
    """Return a furnished working directory."""
    return Place(Path(shutil.copytree(furnished, tmp_path / "place")))


@pytest.fixture(scope="session")
def shared_place(furnished: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Return one working directory for the many tries of a property."""
    return Place(Path(shutil.copytree(furnished, tmp_path_factory.mktemp("shared") / "place")))


class TestTaking:
    """Rows that are good are members afterwards."""

    def test_a_row_becomes_a_member(self, place: Place) -> None:
        """Every column finds its place, texts are tidied."""
        header = f"{HEADER},membership_end,open_items\n"
        digits = insz(1)
        typed = f"{digits[:2]}.{digits[2:4]}.{digits[4:6]}-{digits[6:9]}.{digits[9:]}"
        address = "Kerkstraat,7,b 2,3500,Hasselt,bel"
        row = f"A1,{typed},  Peeters ,Jan  An,1950-00-00,{address},2027-01-31,3"
        done = place.take(header + row + "\n")
        assert done.code == 0, done.err
        counts = {"rows": 1, "new": 1, "changed": 0, "same": 0, "refused": 0}
        assert done.said == counts | {"unknown_columns": [], "rejects": None}
        member = place.member("A1")
        assert member is not None
        assert member.insz == Insz(digits)
        assert member.held == Held(
            Name("Peeters", "Jan An"),
            PartialDate(1950, 0, 0),
            Address("Kerkstraat", "7", "b 2", "3500", "Hasselt", country="BEL"),
        )
        assert (str(member.membership_end), member.open_items) == ("2027-01-31", 3)

    @pytest.mark.parametrize("end", ["\n", "\r\n", ""])
    @pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
    @pytest.mark.parametrize("delimiter", [",", ";"])
    def test_comma_or_semicolon_bom_or_not_any_line_end(
        self, place: Place, end: str, bom: bytes, delimiter: str
    ) -> None:
        """How a spreadsheet writes the file does not matter."""
        lines = [("Member_No", " LAST_name "), ("1", "Peeters, Jan; z."), ("2", "B")]
        text = io.StringIO()
        csv.writer(text, delimiter=delimiter, lineterminator=end or "\n").writerows(lines)
        done = place.take(bom + text.getvalue().encode()[: None if end else -1])
        assert (done.code, done.said["new"]) == (0, 2)
        assert [row["last_name"] for row in place.export()] == ["Peeters, Jan; z.", "B"]

    def test_an_empty_number_is_fine(self, place: Place) -> None:
        """Such a member is kept, and never asked about."""
        assert place.take(f"{HEADER}\nA1,,Peeters,,,,,,,,\n").code == 0
        member = place.member("A1")
        assert member is not None
        assert member.insz is None
        assert member.held.address.country == "BEL"

    def test_blank_lines_and_blank_rows_are_passed_over(self, place: Place) -> None:
        """Spreadsheets leave them at the end."""
        done = place.take("\n\nmember_no;last_name\n\n1;A\n;\n   \n2;B\n;\n\n")
        assert (done.code, done.said["rows"]) == (0, 2)

    def test_a_header_alone_is_no_members(self, place: Place) -> None:
        """It is taken for what it is."""
        done = place.take(HEADER)
        assert (done.code, done.said["rows"], done.said["rejects"]) == (0, 0, None)

    def test_unknown_columns_are_named_and_ignored(self, place: Place) -> None:
        """By a short name that can be printed, and never one that may be a person's."""
        done = place.take(f"member_no,shoe size,\x1b[31mred,{'x' * 99},{insz(5)},\n1,a,b,c,d,e\n")
        assert done.code == 0
        assert done.said["unknown_columns"] == ["shoe size", "[31mred", "x" * 39 + "…", "column 5", "column 6"]
        assert "shoe size" in done.err

    def test_a_cell_may_hold_line_ends_and_the_lines_still_count(self, place: Place) -> None:
        """A row is known by the line it begins on."""
        done = place.take(PLAIN + '1,"Van\nder\r\nAa"\n,x\n2,B\n')
        assert (done.code, done.said["new"], done.said["refused"]) == (3, 2, 1)
        assert place.refused() == [(5, "member_no", "the member number is missing")]
        assert place.export()[0]["last_name"] == "Van der Aa"

    def test_text_is_kept_in_nfc(self, place: Place) -> None:
        """One way of writing an accent."""
        place.take(PLAIN + "1,Rene\u0301e\n")
        assert place.export()[0]["last_name"] == "Ren\u00e9e"

    def test_the_result_is_one_line_for_a_person(self, place: Place) -> None:
        """Rows, new, changed, same, refused, and where."""
        place.file.write_text(PLAIN + "1,A\n,B\n")
        done = place.run("import", str(place.file), "--library", "demo")
        assert done.code == 3
        assert done.out == f"2 rows: 1 new, 0 changed, 0 same, 1 refused (see {place.rejects}).\n"


def insz_check(nine: str) -> str:
    """Return the check digits of somebody born before 2000."""
    return check_digits(nine, born_from_2000=False)


class TestAgain:
    """An import that is run again."""

    def test_the_same_file_changes_nothing(self, place: Place) -> None:
        """Every row is recognised."""
        content = PLAIN + "".join(f"{number},Name{number}\n" for number in range(1_500))
        assert place.take(content).said["new"] == 1_500
        assert place.take(content).said["same"] == 1_500

    def test_it_does_not_undo_what_the_register_said(self, place: Place) -> None:
        """The library's own old row is no news."""
        content = f"{HEADER}\nA1,{insz(1)},Peeters,Jan,,Kerkstraat,7,,3500,Hasselt,\n"
        place.take(content)
        settle(place, "A1", Address("Dorpsstraat", "9", "", "3600", "Genk", "71016", "BEL"))
        done = place.take(content)
        assert (done.code, done.said["same"]) == (0, 1)
        (row,) = place.export()
        assert (row["street"], row["verdict"], row["nis_code"]) == ("Dorpsstraat", "change", "71016")

    def test_a_row_that_says_something_new_makes_the_member_due_again(self, place: Place) -> None:
        """It is as if never asked about."""
        place.take(f"{HEADER}\nA1,{insz(1)},Peeters,Jan,,Kerkstraat,7,,3500,Hasselt,\n")
        settle(place, "A1", Address("Dorpsstraat", "9", "", "3600", "Genk", "71016", "BEL"))
        done = place.take(f"{HEADER}\nA1,{insz(1)},Peeters,Jan,,Nieuwstraat,1,,3500,Hasselt,\n")
        assert done.said["changed"] == 1
        (row,) = place.export()
        assert (row["street"], row["verdict"], row["refreshed_at"]) == ("Nieuwstraat", "", "")

    def test_open_items_are_taken_over_without_making_the_member_due(self, place: Place) -> None:
        """They are the library's own, not the register's."""
        place.take(f"member_no,insz,open_items\nA1,{insz(1)},0\n")
        settle(place, "A1", Address())
        assert place.take(f"member_no,insz,open_items\nA1,{insz(1)},4\n").said["changed"] == 1
        member = place.member("A1")
        assert member is not None
        assert member.open_items == 4
        assert place.export()[0]["verdict"] == "change"

    def test_a_column_that_is_not_there_is_not_said(self, place: Place) -> None:
        """Names, addresses and numbers stay; the whole file after it is still no news."""
        whole = (
            f"{HEADER},membership_end,open_items\nA1,{insz(1)},Peeters,Jan,1950-01-02,Kerkstraat,7,,3500,Hasselt,NLD"
        )
        assert place.take(f"{whole},2027-01-31,3\n").said["new"] == 1
        before = place.member("A1")
        assert before is not None
        assert place.take("member_no,open_items\nA1,5\n").said["changed"] == 1
        after = place.member("A1")
        assert after == replace(before, open_items=5)
        assert place.take("member_no\nA1\n").said["same"] == 1
        assert place.take(f"{whole},2027-01-31,5\n").said["same"] == 1
        assert place.member("A1") == after
        assert place.take("member_no,last_name\nA1,\n").said["changed"] == 1
        emptied = place.member("A1")
        assert emptied is not None
        assert emptied.held == replace(before.held, name=Name("", "Jan"))
        assert emptied.insz == before.insz

    def test_rejects_of_an_earlier_import_go(self, place: Place) -> None:
        """A file of rejects is always of the last import."""
        place.take(PLAIN + ",x\n")
        assert place.rejects.stat().st_mode & 0o777 == 0o600
        place.take(PLAIN + "1,x\n")
        assert not place.rejects.exists()

    def test_a_number_may_go_from_one_member_to_another(self, place: Place) -> None:
        """Who gives it up stands before who takes it."""
        place.take(f"member_no,insz\nA,{insz(1)}\nB,{insz(2)}\n")
        done = place.take(f"member_no,insz\nA,\nB,{insz(1)}\n")
        assert (done.code, done.said["changed"]) == (0, 2)
        member = place.member("B")
        assert member is not None
        assert member.insz == Insz(insz(1))

    def test_a_number_taken_before_it_is_given_up_is_refused_and_taken_the_next_time(self, place: Place) -> None:
        """No number is ever two members' at once."""
        place.take(f"member_no,insz\nA,{insz(1)}\nB,{insz(2)}\n")
        content = f"member_no,insz\nB,{insz(1)}\nA,\n"
        assert place.take(content).code == 3
        assert [line for line, *_ in place.refused()] == [2]
        assert place.take(content).code == 0

    def test_an_exchange_of_two_numbers_is_refused_and_changes_neither(self, place: Place) -> None:
        """A person must say which is right."""
        place.take(f"member_no,insz\nA,{insz(1)}\nB,{insz(2)}\n")
        assert place.take(f"member_no,insz\nA,{insz(2)}\nB,{insz(1)}\n").said["refused"] == 2
        assert [held(place, name) for name in "AB"] == [insz(1), insz(2)]


def held(place: Place, number: str) -> str:
    """Return the digits a member has."""
    member = place.member(number)
    assert member is not None
    return member.insz.digits if member.insz else ""


def settle(place: Place, number: str, address: Address) -> None:
    """Write a member's new address as a night does."""
    member = place.member(number)
    assert member is not None
    after = Held(member.held.name, member.held.birth_date, address, PartialDate(1998, 0, 0))

    def judge(one: Member, _answer: Answer) -> Verdict:
        return Change(one.held, after)

    with opened(place.settings) as app:
        body = {"actor": {"t": "process", "id": "night"}}
        intent = Draft("demo", Kind.INTENT, "ref-1", subject=member.insz, run="run-1", body=body)  # type: ignore[arg-type]
        app.access_log.append([intent])
        outcome = Draft("demo", Kind.OUTCOME, "ref-1", subject=member.insz, run="run-1", body=body)  # type: ignore[arg-type]
        answer = Found("ref-1", Person(after.name, after.birth_date, address, after.address_since))
        app.settlement.settle([SettlementItem("demo", number, answer, outcome)], judge)


BAD_CELLS: Final = [
    ("member_no", "", "missing"),
    ("member_no", "9" * 65, "longer than 64"),
    ("member_no", "a\tb", "control"),
    ("member_no", "a\x07b", "control"),
    ("member_no", "a\u2028b", "control"),
    ("insz", insz(1)[:-2] + "00", "check digits do not fit"),
    ("insz", "8561010O2xx", "no digits"),
    ("insz", "123", "eleven"),
    ("insz", "8" * 10_000, "eleven"),
    ("insz", "\u0661" * 11, "no digits"),
    ("last_name", "N" * 10_000, "longer than 300"),
    ("municipality", "N" * 301, "longer than 300"),
    ("street", "Kerk\x1b[31mstraat", "control"),
    ("birth_date", "31/12/1950", "no date"),
    ("birth_date", "1950-13-01", "no date"),
    ("birth_date", "1950-02-30", "no date"),
    ("birth_date", "0000-00-00", "no date"),
    ("birth_date", "1950-12-31T00:00", "no date"),
    ("country", "België", "three letters"),
    ("country", "B3L", "three letters"),
    ("membership_end", "2026-02-30", "no date"),
    ("membership_end", "20260228", "no date"),
    ("membership_end", "2026-00-00", "no date"),
    ("open_items", "-1", "whole number"),
    ("open_items", "1.5", "whole number"),
    ("open_items", "1000001", "whole number"),
    ("open_items", "\u0663", "whole number"),
    ("open_items", "9" * 5_000, "whole number"),
]


class TestRefusing:
    """A bad row is refused on its own, by line, column and reason."""

    @pytest.mark.parametrize(("column", "cell", "reason"), BAD_CELLS)
    def test_a_bad_cell_refuses_its_row_and_is_shown_nowhere(
        self, place: Place, column: str, cell: str, reason: str
    ) -> None:
        """The rows around it are taken."""
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows([{"member_no": "1"}, {"member_no": "2", "last_name": "x", column: cell}, {"member_no": "3"}])
        done = place.take(text.getvalue())
        assert (done.code, done.said["new"], done.said["refused"]) == (3, 2, 1)
        ((line, where, why),) = place.refused()
        assert (line, where) == (3, column)
        assert reason in why
        assert len(cell) < 3 or cell not in done.out + done.err + place.rejects.read_text()
        assert place.numbers() == {"1", "3"}

    def test_a_row_of_another_width_is_refused(self, place: Place) -> None:
        """Nobody knows what its cells are."""
        assert place.take(PLAIN + "1\n2,B,C\n3,C\n").code == 3
        assert place.refused() == [
            (2, "", "the row has 1 cells and the header 2"),
            (3, "", "the row has 3 cells and the header 2"),
        ]

    def test_a_member_stands_in_a_file_once(self, place: Place) -> None:
        """In one batch, and from one to the next."""
        rows = [f"{number},N\n" for number in range(1_001)]
        done = place.take(PLAIN + "1,first\n" + "".join(rows) + "7,last\n")
        assert (done.said["rows"], done.said["refused"]) == (1_003, 2)
        assert [(line, column) for line, column, _ in place.refused()] == [(4, "member_no"), (1_004, "member_no")]
        assert {row["member_no"]: row["last_name"] for row in place.export()}["1"] == "first"

    def test_a_number_is_one_members(self, place: Place) -> None:
        """The second one is refused, whichever way it is written."""
        first = insz(1)
        typed = f"{first[:2]}.{first[2:4]}.{first[4:6]}-{first[6:9]}.{first[9:]}"
        done = place.take(f"member_no,insz\nA,{first}\nB,{typed}\n")
        assert done.code == 3
        ((line, column, reason),) = place.refused()
        assert (line, column) == (3, "insz")
        assert reason.endswith("another member of this library: A")

    def test_a_number_that_stands_in_another_column_too_is_refused(self, place: Place) -> None:
        """It would be kept and exported in clear."""
        spaced = f"{insz(2)[:6]} {insz(2)[6:]}"
        done = place.take(f"member_no,insz,last_name\n{insz(1)},{insz(1)},\nB,{insz(2)},Peeters {spaced}\n")
        assert done.said["refused"] == 2
        assert [column for _, column, _ in place.refused()] == ["member_no", "last_name"]

    @pytest.mark.parametrize("form", ["{0}", "lid-{0}", "'{0}", "{1}.{2}"])
    def test_a_national_number_is_no_member_number(self, place: Place, form: str) -> None:
        """A member number stands in clear everywhere; the reason does not repeat it."""
        digits = insz(1)
        done = place.take(f"member_no,last_name\n{form.format(digits, digits[:6], digits[6:])},Peeters\nA2,Janssens\n")
        assert (done.code, done.said["new"], done.said["refused"]) == (3, 1, 1)
        ((line, column, reason),) = place.refused()
        assert (line, column) == (2, "member_no")
        assert "national number" in reason
        assert digits[6:] not in done.out + done.err + place.rejects.read_text(encoding="utf-8")
        assert place.numbers() == {"A2"}

    def test_test_numbers_are_refused_in_production(self, place: Place) -> None:
        """No real person has one."""
        env = {"RRSYNC_REGISTRY__ENVIRONMENT": "production"}
        done = place.take(f"member_no,insz\nA,{insz(1)}\nB,850713000{insz_check('850713000')}\nC,\n", env=env)
        assert (done.said["new"], done.said["refused"]) == (1, 2)
        assert "as in a test number" in place.refused()[0][2]

    def test_refusals_stand_in_the_order_of_the_file(self, place: Place) -> None:
        """Whoever refused them."""
        place.take(PLAIN + "1,A\n1,B\n,C\n1,D\n")
        assert [line for line, *_ in place.refused()] == [3, 4, 5]


XLSX: Final = b"PK\x03\x04\x14\x00\x06\x00\x08\x00\x00\x00!\x00[Content_Types].xml"
GOOD: Final = HEADER + "\n1,,Peeters,Jan,,Kerkstraat,7,,3500,Hasselt,\n"
BAD_FILES: Final = {
    "empty": (b"", "empty"),
    "blank": (b"\n \n\n", "empty"),
    "a byte order mark alone": (b"\xef\xbb\xbf", "empty"),
    "UTF-16 with BOM": (GOOD.encode("utf-16"), "UTF-16"),
    "UTF-16 LE": (GOOD.encode("utf-16-le"), "UTF-16"),
    "UTF-16 BE": (GOOD.encode("utf-16-be"), "UTF-16"),
    "UTF-16 BE with BOM": (b"\xfe\xff" + GOOD.encode("utf-16-be"), "UTF-16"),
    "UTF-32": (GOOD.encode("utf-32"), "UTF-32"),
    "UTF-32 LE": (GOOD.encode("utf-32-le"), "UTF-32"),
    "UTF-32 BE with BOM": (b"\x00\x00\xfe\xff" + GOOD.encode("utf-32-be"), "UTF-32"),
    "xlsx": (XLSX, "Excel workbook"),
    "xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Excel workbook"),
    "gzip": (b"\x1f\x8b\x08\x00", "gzip"),
    "PDF": (b"%PDF-1.7", "PDF"),
    "latin-1": (PLAIN.encode() + b"1,Ren\xe9e\n", "line 2 is no valid UTF-8"),
    "cut in a character": (PLAIN.encode() + b"1,Ren\xc3", "cut off"),
    "a zero byte": (PLAIN.encode() + b"1,A\n2,\x00\n", "line 3 holds a zero byte"),
    "no member_no": (b"insz,shoe size\n1,2\n", "no column member_no, only insz, shoe size"),
    "tabs": (b"member_no\tlast_name\n1\tA\n", "no column member_no"),
    "no header": (f"A1,{insz(1)},Peeters\n".encode(), "looks like a member"),
    "a column twice": (b"member_no,box,Box \n1,2,3\n", "the column box twice"),
    "a header with an open quote": (b'member_no,"box\n1,2\n', "quotation marks do not close"),
    "cut in a quote": (PLAIN.encode() + b'1,A\n2,"B', "line 3 has a quotation mark that is never closed"),
    "a quote that closes too late": (PLAIN.encode() + b'1,"A\n2,"B"\n', "quotation mark in a wrong place"),
    "one endless line": (PLAIN.encode() + b"1," + b"A" * 200_000 + b"\n", "line 2 is longer than 128 KiB"),
    "one endless row": (PLAIN.encode() + b'1,"' + b"A\n" * 90_000 + b'"\n', "line 2 is longer than 128 KiB"),
    "an endless header": (b"member_no," * 20_000, "longer than 128 KiB"),
    "CR alone": (b"member_no,box\r1,2\r", "no column member_no"),
    "CR in the middle": (PLAIN.encode() + b"1,A\r2,B\n", "CR alone"),
}


class TestRefusingAll:
    """A file that is bad as a whole is refused as a whole, and nothing is imported."""

    @pytest.mark.parametrize("what", BAD_FILES)
    def test_a_bad_file_changes_nothing(self, place: Place, what: str) -> None:
        """One sentence says what is wrong and what to do."""
        content, words = BAD_FILES[what]
        done = place.take(content)
        assert done.code == 2
        assert words in done.err
        assert "Nothing was imported" in done.err
        assert not re.search(r"\d{11}", done.err)
        assert (done.out, place.count(), place.rejects.exists()) == ("", 0, False)

    @pytest.mark.parametrize("at_line", [2, 1_500])
    def test_what_is_wrong_far_down_is_seen_before_the_first_row_is_taken(self, place: Place, at_line: int) -> None:
        """The whole file is looked at first."""
        rows = [f"{number},N\n".encode() for number in range(2_000)]
        rows.insert(at_line, b"x,\xff\n")
        assert place.take(PLAIN.encode() + b"".join(rows)).code == 2
        assert place.count() == 0

    def test_a_file_cut_off_in_a_row_says_so(self, place: Place) -> None:
        """The row is refused, the rows before it are taken."""
        done = place.take("member_no,last_name,box\n1,A,\n2,B")
        assert (done.code, done.said["new"], done.said["refused"]) == (3, 1, 1)
        assert "looks cut off" in done.err

    def test_no_file_a_folder_a_pipe_and_a_strange_name(self, place: Place) -> None:
        """Each is a sentence."""
        os.mkfifo(place.folder / "pipe")
        cases = {"none.csv": "There is no file none.csv", ".": "is a folder", "pipe": "no ordinary file"}
        cases |= {"x" * 300: "cannot be read", "rrsync.toml/x": "cannot be read"}
        for name, words in cases.items():
            done = place.run("import", str(place.folder / name), "--library", "demo")
            assert done.code == 2
            assert words in done.err

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_a_file_that_may_not_be_read(self, place: Place) -> None:
        """Its rights are named."""
        place.file.write_text(PLAIN)
        place.file.chmod(0)
        assert "cannot be read" in place.run("import", str(place.file), "--library", "demo").err

    def test_rejects_that_cannot_be_written_are_seen_first(self, place: Place) -> None:
        """Before a row is taken."""
        place.rejects.mkdir()
        done = place.take(PLAIN + "1,A\n")
        assert done.code == 2
        assert "Nothing was imported" in done.err
        assert place.count() == 0

    def test_an_unknown_library_is_refused(self, place: Place) -> None:
        """Before the file is read."""
        done = place.run("import", str(place.file), "--library", "elsewhere")
        assert done.code == 2

    def test_a_sparse_gigabyte_of_zeros_is_refused_at_once_and_in_little_memory(self, place: Place) -> None:
        """It has no line end at all."""
        with place.file.open("wb") as file:
            file.truncate(2**30)
        begun = time.monotonic()
        tracemalloc.start()
        try:
            done = place.run("import", str(place.file), "--library", "demo")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert done.code == 2
        assert "zero byte" in done.err
        assert time.monotonic() - begun < 5
        assert peak < 20 * 2**20


def break_at(place: Place, number: str, sentence: str) -> None:
    """Let the database fail when a member of this number comes."""
    with sqlite3.connect(place.folder / "rrsync.db") as database:
        database.execute(
            f"CREATE TRIGGER broken BEFORE INSERT ON member WHEN NEW.number = '{number}' "
            f"BEGIN SELECT RAISE(ABORT, '{sentence}'); END"
        )
    database.close()


class TestHalfWay:
    """An import that cannot go on says what was taken, and can be run again."""

    def test_a_database_that_fails_half_way(self, place: Place) -> None:
        """Whole batches are kept, and recognised the next time."""
        break_at(place, "2500", "database or disk is full")
        content = PLAIN + ",bad\n" + "".join(f"{number},N\n" for number in range(3_000))
        done = place.take(content)
        assert done.code == 4
        assert "1999 of 3001 rows were taken over" in done.err
        assert "running the import again is safe" in done.err.lower()
        assert place.count() == 1_999
        assert [line for line, *_ in place.refused()] == [2]
        with sqlite3.connect(place.folder / "rrsync.db") as database:
            database.execute("DROP TRIGGER broken")
        database.close()
        done = place.take(content)
        assert (done.code, done.said["same"], done.said["new"]) == (3, 1_999, 1_001)

    def test_an_import_that_is_told_to_stop(self, place: Place) -> None:
        """It ends between two batches, and says so."""
        rows = 60_000
        place.file.write_text(PLAIN + "".join(f"{number},N\n" for number in range(rows)))
        with start(place) as process:
            wait_for(lambda: place.count() > 0)
            process.terminate()
            _, err = process.communicate(timeout=30)
        assert process.returncode == 3
        assert f"of {rows} rows were taken over and stay" in err
        assert 0 < place.count() < rows

    def test_rejects_are_written_to_a_new_file(self, place: Place) -> None:
        """What stood there is replaced, never followed."""
        place.rejects.symlink_to("/dev/full")
        done = place.take(PLAIN + ",x\n")
        assert (done.code, len(place.refused())) == (3, 1)

    def test_a_disk_too_full(self, tmp_path: Path) -> None:
        """It is a sentence, for the rejects as for the export; no half file stays."""
        refused = [ImportResult(line, "refused", "member_no", "the member number is missing") for line in range(1_000)]
        with rejects(tmp_path / "in.csv") as noted, small_disk(), pytest.raises(ConfigError, match="File too large"):
            noted.add(refused)
        with small_disk(), pytest.raises(ConfigError, match="File too large"), replacing(tmp_path / "out.csv") as write:
            list(map(write, [EXPORTED] * 1_000))
        assert list(tmp_path.iterdir()) == []


@contextmanager
def small_disk() -> Iterator[None]:
    """Let no file grow beyond 4 KiB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_096, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def start(place: Place) -> subprocess.Popen[str]:
    """Run an import in another process, through the real door."""
    code = "import sys; from rrsync.cli.app import run; sys.exit(run(sys.argv[1:]))"
    arguments = ["members", "import", str(place.file), "--library", "demo", "--config", str(place.settings)]
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for(happens: Callable[[], bool]) -> None:
    """Wait until something is so."""
    for _ in range(2_000):
        if happens():
            return
        time.sleep(0.01)
    pytest.fail("it never happened")


class TestExport:
    """What comes out, and what never does."""

    def test_the_columns_are_those_of_the_contract(self, place: Place) -> None:
        """In that order, with the register's dates as it gives them."""
        place.take(f"{HEADER}\nA1,{insz(1)},Peeters,Jan,1950-00-00,Kerkstraat,7,,3500,Hasselt,\nB1,,,,,,,,,,\n")
        settle(place, "A1", Address("Dorpsstraat", "9", "2", "3600", "Genk", "71016", "BEL"))
        asked, never = place.export()
        assert tuple(asked) == EXPORTED
        moments = [asked.pop(name) for name in ("refreshed_at", "changed_at")]
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", moment) for moment in moments)
        assert list(asked.values()) == [
            *("demo", "A1", "Peeters", "Jan", "1950-00-00", "Dorpsstraat", "9", "2", "3600", "Genk", "71016", "BEL"),
            *("1998-00-00", "change", ""),
        ]
        assert set(never.values()) == {"demo", "B1", "BEL", ""}
        text = (place.folder / "export.csv").read_text()
        assert insz(1) not in text
        assert (place.folder / "export.csv").stat().st_mode & 0o777 == 0o600

    def test_formulas_are_taken_escaped_and_come_back(self, place: Place) -> None:
        """As often as the file goes round."""
        names = ["=1+1", "+32", "-x", "@SUM(A1)", "'=x", "''-", "O'Neill", "a;=1+1", "a; -b", "'"]
        rows = [[str(number), name] for number, name in enumerate(names)]
        text = io.StringIO()
        csv.writer(text).writerows([["member_no", "last_name"], *([number, escape(name)] for number, name in rows)])
        assert place.take(text.getvalue()).code == 0
        for _ in range(2):
            out = [row["last_name"] for row in place.export()]
            assert not any(re.match(r"[=+\-@\t\r]", name) for cell in out for name in cell.split(";"))
            assert [unescape(name) for name in out] == names
            again = place.take((place.folder / "export.csv").read_bytes())
            assert (again.code, again.said["refused"]) == (0, 0)

    def test_a_formula_is_taken_as_it_stands(self, place: Place) -> None:
        """It is text here, and text when it leaves."""
        assert place.take(PLAIN + "=A1,=cmd|' /C calc'!A0\n").code == 0
        (row,) = place.export()
        assert (row["member_no"], row["last_name"]) == ("'=A1", "'=cmd|' /C calc'!A0")

    @given(st.text(alphabet="'=+-@;, a\t\r"))
    def test_escape_can_be_undone(self, cell: str) -> None:
        """For any cell at all."""
        assert unescape(escape(cell)) == cell

    def test_all_libraries_or_those_named(self, place: Place) -> None:
        """All of the settings by default."""
        place.take(PLAIN + "1,A\n")
        place.run("import", str(place.file), "--library", "other")
        assert [row["library"] for row in place.export()] == ["demo", "other"]
        assert [row["library"] for row in place.export("--library", "other")] == ["other"]

    def test_only_what_changed_since_a_time_or_by_a_run(self, place: Place) -> None:
        """A naive time is UTC."""
        place.take(f"member_no,insz\nA,{insz(1)}\nB,{insz(2)}\n")
        settle(place, "A", Address("Dorpsstraat"))
        with opened(place.settings) as app:
            now = app.runtime.clock()
        with sqlite3.connect(place.folder / "rrsync.db") as database:
            database.execute(
                "INSERT INTO run (id, opened_at, mass_change) VALUES ('run-1', '2026-07-01 02:00:00.000000', 0)"
            )
        database.close()
        for text in (now.date().isoformat(), f"{now.date()}T00:00", f"{now.date()}T00:00:00Z", "run-1"):
            assert [row["member_no"] for row in place.export("--changed-since", text)] == ["A"]
        assert place.export("--changed-since", "9999-01-01") == []

    @pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "0001-01-01T00:00+14:00", "", "\udcff", "run-2"])
    def test_neither_time_nor_run_is_a_sentence(self, place: Place, text: str) -> None:
        """Exit 2, and no file."""
        done = place.run("export", str(place.file), "--changed-since", text)
        assert done.code == 2
        assert "no time and no run" in done.err
        assert not place.file.exists()

    def test_a_broken_off_export_leaves_the_old_file_whole(self, place: Place) -> None:
        """And nothing beside it."""
        place.take(PLAIN + "1,A\n2,B\n")
        target = place.folder / "out.csv"
        target.write_text("old")
        with sqlite3.connect(place.folder / "rrsync.db") as database:
            database.execute("UPDATE member SET name = zeroblob(40) WHERE number = '2'")
        database.close()
        before = sorted(place.folder.iterdir())
        assert place.run("export", str(target)).code == 4
        assert target.read_text() == "old"
        assert sorted(place.folder.iterdir()) == before

    def test_where_no_file_can_be(self, place: Place) -> None:
        """A folder, a device, a folder that is not there: a sentence each."""
        for name, words in {
            ".": "no ordinary file",
            "/dev/null": "no ordinary file",
            "a/b": "cannot be written",
        }.items():
            done = place.run("export", str(place.folder / name))
            assert done.code == 2
            assert words in done.err

    def test_the_result_is_one_line_for_a_person(self, place: Place) -> None:
        """How many, and where."""
        done = place.run("export", str(place.folder / "out.csv"))
        assert done.out == f"0 members written to {place.folder / 'out.csv'}.\n"


class TestShowing:
    """Progress and help."""

    def test_progress_on_a_terminal_leaves_standard_output_alone(self, place: Place) -> None:
        """A bar while it lasts."""
        content = PLAIN + "".join(f"{number},N\n" for number in range(1_200))
        done = place.take(content, env={"FORCE_COLOR": "1"})
        assert done.said["new"] == 1_200
        assert "Importing" in done.err

    @pytest.mark.parametrize("command", ["import", "export"])
    def test_help_shows_an_example(self, command: str) -> None:
        """A newcomer can copy it."""
        done = CliRunner().invoke(app, ["members", command, "--help"])
        assert f"rrsync members {command}" in done.stdout


SECRET: Final = insz(4_711)
TYPED: Final = f"{SECRET[:2]}.{SECRET[2:4]}.{SECRET[4:6]}-{SECRET[6:9]}.{SECRET[9:]}"
ODD: Final = ["", '"', '""', ",", ";", "\n", "\r\n", "\r", "=1", "'", "\ufeff", "é", " ", "\t", "\0", "x" * 301]
CELLS: Final = ["A1", "A2", "1950-00-00", "BEL", "7", f"\nA3,{SECRET}x,", f'\n"A4",{SECRET},{SECRET}\n']
pieces = st.sampled_from([*COLUMNS, SECRET, TYPED, *ODD, *CELLS])
texts = st.lists(pieces, max_size=40).map("".join)
contents = st.one_of(
    st.binary(max_size=300),
    texts.map(str.encode),
    texts.map(lambda text: f"member_no,insz,last_name\n{text}".encode()),
    st.builds(lambda text, more: f"member_no;insz\n{text}".encode() + more, texts, st.binary(max_size=20)),
    texts.map(lambda text: text.encode("utf-16")),
)


class TestAnything:
    """Any bytes at all are a file that is refused in a sentence, or rows that are taken or refused."""

    @settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(content=contents)
    @example(content=f"{SECRET},{TYPED}\n".encode())
    @example(content=f"member_no,{TYPED}\n1,2\n".encode())
    @example(content=f"member_no,insz\n{TYPED},{SECRET}\n".encode())
    def test_never_another_error_and_never_the_number(self, shared_place: Place, content: bytes) -> None:
        """What is said and what is written hold no national number."""
        done = shared_place.take(content)
        written = shared_place.rejects.read_text() if shared_place.rejects.exists() else ""
        for number in (SECRET, TYPED):
            assert number not in done.out + done.err + written
        if done.code == 2:
            assert done.out == ""
            assert "Nothing was imported" in done.err
            return
        said = done.said
        assert done.code == (3 if said["refused"] else 0)
        assert said["rows"] == said["new"] + said["changed"] + said["same"] + said["refused"]
        assert said["refused"] == len(shared_place.refused() if written else [])


class TestMemory:
    """What an import needs does not grow with the file."""

    def test_sixty_thousand_rows_need_what_two_thousand_need(self, furnished: Path, tmp_path: Path) -> None:
        """Within an eighth."""
        peaks = []
        for rows in (2_000, 60_000):
            place = Place(Path(shutil.copytree(furnished, tmp_path / str(rows))))
            with place.file.open("w") as file:
                file.writelines([f"{HEADER}\n", *(row(number) for number in range(rows))])
            peaks.append(peak_kib(place, rows))
        assert peaks[1] < peaks[0] * 1.125, peaks


def row(number: int) -> str:
    """Return an ordinary row."""
    return f"{number},{insz(number)},Peeters,Jan An,1950-01-02,Kerkstraat,{number % 300},,3500,Hasselt,BEL\n"


def peak_kib(place: Place, rows: int) -> int:
    """Import in a process of its own; give the most memory it held."""
    code = (
        "import sys; from rrsync.cli.app import run; code = run(sys.argv[1:]);"
        "print(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')).split()[1]); sys.exit(code)"
    )
    arguments = ["members", "import", str(place.file), "--library", "demo", "--config", str(place.settings)]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"{rows} new" in done.stdout
    return int(done.stdout.split()[-1])
