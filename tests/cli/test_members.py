"""``rrsync members``: rows that are imported or refused, files that are refused, and the export."""

from __future__ import annotations

import csv
import io
import os
import re
import resource
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rrsync.cli.member_file import COLUMNS, EXPORTED
from rrsync.cli.members import rejects
from rrsync.cli.output import csv_writer
from rrsync.core.compare import Change, Verdict
from rrsync.core.exchange import Answer, Found
from rrsync.core.insz import Insz, check_digits
from rrsync.core.log_entry import Draft, Kind
from rrsync.core.person import Address, Held, Member, Name, PartialDate, Person
from rrsync.core.spreadsheet import escape, unescape
from rrsync.errors import ConfigError
from rrsync.store.members import ImportResult
from rrsync.store.settlement import SettlementItem
from tests.cli.conftest import Place, Said, dotted
from tests.support import amount

HEADER: Final = (
    "member_no,insz,last_name,first_names,birth_date,street,house_number,box,postal_code,municipality,country"
)
PLAIN: Final = "member_no,last_name\n"


def insz(number: int) -> str:
    """Return the national number of an invented person: a test number, whose month is over 60."""
    nine = f"{number // 30_000:02d}61{number % 31 + 1:02d}{number // 31 % 998 + 1:03d}"
    return nine + check_digits(nine, born_from_2000=False)


@dataclass(frozen=True)
class Library:
    """A new installation, and the member file that is imported into it."""

    place: Place

    @property
    def file(self) -> Path:
        """The member file."""
        return self.place.folder / "members.csv"

    @property
    def rejects(self) -> Path:
        """The file of refused rows."""
        return self.place.folder / "members.csv.rejects.csv"

    def members(self, *arguments: str) -> Said:
        """Run a command of ``rrsync members``."""
        return self.place.run("members", *arguments)

    def take(self, content: str | bytes, *options: str) -> Said:
        """Import a file with this content."""
        self.file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return self.members("import", str(self.file), "--library", "demo", *(options or ("--json",)))

    def refused(self) -> list[tuple[int, str, str]]:
        """Return line, column and reason of each refused row."""
        with self.rejects.open(newline="", encoding="utf-8") as file:
            return [(int(row["line"]), row["column"], row["reason"]) for row in csv.DictReader(file)]

    def export(self, *arguments: str) -> list[dict[str, str]]:
        """Export the members and return the rows."""
        target = self.place.folder / "export.csv"
        said = self.members("export", str(target), "--json", *arguments)
        assert said.code == 0, said.err
        with target.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert said.document == {"rows": len(rows), "file": str(target)}
        return rows

    def numbers(self) -> set[str]:
        """Return the member numbers."""
        return {number for (number,) in self.place.query("SELECT number FROM member WHERE library = 'demo'")}

    def count(self) -> int:
        """Return the number of members."""
        return len(self.numbers())

    def settle(self, number: str, address: Address) -> None:
        """Write a member's new address, as a night does."""
        member = self.place.member(number)
        after = Held(member.held.name, member.held.birth_date, address, PartialDate(1998, 0, 0))

        def judge(one: Member, _answer: Answer) -> Verdict:
            return Change(one.held, after)

        with self.place.services() as services:
            body = {"actor": {"t": "process", "id": "night"}}
            intent = Draft("demo", Kind.INTENT, "ref-1", subject=member.insz, run="run-1", body=body)  # type: ignore[arg-type]
            services.access_log.append([intent])
            outcome = replace(intent, kind=Kind.OUTCOME)
            answer = Found("ref-1", Person(after.name, after.birth_date, address, after.address_since))
            services.settlement.settle([SettlementItem("demo", number, answer, outcome)], judge)


@pytest.fixture
def lib(installed: Place) -> Library:
    """Return a library without members."""
    return Library(installed)


class TestTaking:
    """Good rows become members."""

    def test_a_row_becomes_a_member(self, lib: Library) -> None:
        """Every column is stored, and texts are tidied."""
        header = f"{HEADER},membership_end,open_items\n"
        address = "Kerkstraat,7,b 2,3500,Hasselt,bel"
        row = f"A1,{dotted(insz(1))},  Peeters ,Jan  An,1950-00-00,{address},2027-01-31,3"
        said = lib.take(header + row + "\n")
        assert said.code == 0, said.err
        counts = {"rows": 1, "new": 1, "changed": 0, "same": 0, "refused": 0}
        assert said.document == counts | {"unknown_columns": [], "rejects": None}
        member = lib.place.member("A1")
        assert member.insz == Insz(insz(1))
        assert member.held == Held(
            Name("Peeters", "Jan An"),
            PartialDate(1950, 0, 0),
            Address("Kerkstraat", "7", "b 2", "3500", "Hasselt", country="BEL"),
        )
        assert (str(member.membership_end), member.open_items) == ("2027-01-31", 3)

    def test_delimiters_byte_order_marks_and_line_ends(self, lib: Library) -> None:
        """The forms in which spreadsheets write CSV are equal."""
        rows = [("Member_No", " LAST_name "), ("1", "Peeters, Jan; z."), ("2", "B")]
        for end, bom, delimiter in product(("\n", "\r\n", ""), (b"", b"\xef\xbb\xbf"), ",;"):
            text = io.StringIO()
            csv.writer(text, delimiter=delimiter, lineterminator=end or "\n").writerows(rows)
            said = lib.take(bom + text.getvalue().encode()[: None if end else -1])
            assert (said.code, said.document["refused"], said.document["unknown_columns"]) == (0, 0, [])
            assert [row["last_name"] for row in lib.export()] == ["Peeters, Jan; z.", "B"]

    def test_a_member_without_a_national_number(self, lib: Library) -> None:
        """It is imported, and never asked about."""
        assert lib.take(f"{HEADER}\nA1,,Peeters,,,,,,,,\n").code == 0
        member = lib.place.member("A1")
        assert member.insz is None
        assert member.held.address.country == "BEL"

    def test_blank_lines_and_rows_are_skipped(self, lib: Library) -> None:
        """Spreadsheets write them at the end. A header alone is a file without members."""
        said = lib.take("\n\nmember_no;last_name\n\n1;A\n;\n   \n2;B\n;\n\n")
        assert (said.code, said.document["rows"]) == (0, 2)
        said = lib.take(HEADER)
        assert (said.code, said.document["rows"], said.document["rejects"]) == (0, 0, None)

    def test_unknown_columns_are_named_and_ignored(self, lib: Library) -> None:
        """With a short printable name, never one that may be personal data."""
        said = lib.take(f"member_no,shoe size,\x1b[31mred,{'x' * 99},{insz(5)},\n1,a,b,c,d,e\n")
        assert said.code == 0
        assert said.document["unknown_columns"] == ["shoe size", "[31mred", "x" * 39 + "…", "column 5", "column 6"]
        assert "shoe size" in said.err

    def test_a_cell_may_contain_line_ends(self, lib: Library) -> None:
        """The number of a row is that of its first line."""
        said = lib.take(PLAIN + '1,"Van\nder\r\nAa"\n,x\n2,B\n')
        assert (said.code, said.document["new"], said.document["refused"]) == (3, 2, 1)
        assert lib.refused() == [(5, "member_no", "the member number is missing")]
        assert lib.export()[0]["last_name"] == "Van der Aa"

    def test_text_is_stored_in_nfc(self, lib: Library) -> None:
        """One form of each accent."""
        lib.take(PLAIN + "1,Rene\u0301e\n")
        assert lib.export()[0]["last_name"] == "Ren\u00e9e"

    def test_the_result_is_one_line(self, lib: Library) -> None:
        """The counts, and the file of refused rows."""
        lib.file.write_text(PLAIN + "1,A\n,B\n")
        said = lib.members("import", str(lib.file), "--library", "demo")
        assert said.code == 3
        assert said.out == f"2 rows: 1 new, 0 changed, 0 same, 1 refused (see {lib.rejects}).\n"


class TestAgain:
    """A repeated import."""

    def test_the_same_file_changes_nothing(self, lib: Library) -> None:
        """Every row is recognised."""
        content = PLAIN + "".join(f"{number},Name{number}\n" for number in range(1_500))
        assert lib.take(content).document["new"] == 1_500
        assert lib.take(content).document["same"] == 1_500

    def test_it_does_not_undo_the_registers_changes(self, lib: Library) -> None:
        """The library's old row is nothing new."""
        content = f"{HEADER}\nA1,{insz(1)},Peeters,Jan,,Kerkstraat,7,,3500,Hasselt,\n"
        lib.take(content)
        lib.settle("A1", Address("Dorpsstraat", "9", "", "3600", "Genk", "71016", "BEL"))
        said = lib.take(content)
        assert (said.code, said.document["same"]) == (0, 1)
        (row,) = lib.export()
        assert (row["street"], row["verdict"], row["nis_code"]) == ("Dorpsstraat", "change", "71016")

    def test_new_data_makes_the_member_due_again(self, lib: Library) -> None:
        """As if it was never asked about."""
        lib.take(f"{HEADER}\nA1,{insz(1)},Peeters,Jan,,Kerkstraat,7,,3500,Hasselt,\n")
        lib.settle("A1", Address("Dorpsstraat", "9", "", "3600", "Genk", "71016", "BEL"))
        said = lib.take(f"{HEADER}\nA1,{insz(1)},Peeters,Jan,,Nieuwstraat,1,,3500,Hasselt,\n")
        assert said.document["changed"] == 1
        (row,) = lib.export()
        assert (row["street"], row["verdict"], row["refreshed_at"]) == ("Nieuwstraat", "", "")

    def test_open_items_do_not_make_the_member_due(self, lib: Library) -> None:
        """They are the library's data, not the register's."""
        lib.take(f"member_no,insz,open_items\nA1,{insz(1)},0\n")
        lib.settle("A1", Address())
        assert lib.take(f"member_no,insz,open_items\nA1,{insz(1)},4\n").document["changed"] == 1
        member = lib.place.member("A1")
        assert member.open_items == 4
        assert lib.export()[0]["verdict"] == "change"

    def test_missing_columns_are_left_unchanged(self, lib: Library) -> None:
        """An empty cell clears the value; the complete file afterwards is nothing new."""
        whole = (
            f"{HEADER},membership_end,open_items\nA1,{insz(1)},Peeters,Jan,1950-01-02,Kerkstraat,7,,3500,Hasselt,NLD"
        )
        assert lib.take(f"{whole},2027-01-31,3\n").document["new"] == 1
        before = lib.place.member("A1")
        assert lib.take("member_no,open_items\nA1,5\n").document["changed"] == 1
        after = lib.place.member("A1")
        assert after == replace(before, open_items=5)
        assert lib.take("member_no\nA1\n").document["same"] == 1
        assert lib.take(f"{whole},2027-01-31,5\n").document["same"] == 1
        assert lib.place.member("A1") == after
        assert lib.take("member_no,last_name\nA1,\n").document["changed"] == 1
        emptied = lib.place.member("A1")
        assert emptied.held == replace(before.held, name=Name("", "Jan"))
        assert emptied.insz == before.insz

    def test_rejects_of_an_earlier_import_are_removed(self, lib: Library) -> None:
        """The file is private, and always that of the last import."""
        lib.take(PLAIN + ",x\n")
        assert lib.rejects.stat().st_mode & 0o777 == 0o600
        lib.take(PLAIN + "1,x\n")
        assert not lib.rejects.exists()

    def test_a_national_number_moves_to_another_member(self, lib: Library) -> None:
        """When the file has the member who loses it first."""
        lib.take(f"member_no,insz\nA,{insz(1)}\nB,{insz(2)}\n")
        said = lib.take(f"member_no,insz\nA,\nB,{insz(1)}\n")
        assert (said.code, said.document["changed"]) == (0, 2)
        member = lib.place.member("B")
        assert member.insz == Insz(insz(1))

    def test_a_national_number_that_is_still_taken(self, lib: Library) -> None:
        """No two members ever have it: the first import refuses the row, and the next accepts it."""
        lib.take(f"member_no,insz\nA,{insz(1)}\nB,{insz(2)}\n")
        content = f"member_no,insz\nB,{insz(1)}\nA,\n"
        assert lib.take(content).code == 3
        assert [line for line, *_ in lib.refused()] == [2]
        assert lib.take(content).code == 0

    def test_an_exchange_of_two_numbers(self, lib: Library) -> None:
        """Refused, because a person must decide which is right."""
        lib.take(f"member_no,insz\nA,{insz(1)}\nB,{insz(2)}\n")
        assert lib.take(f"member_no,insz\nA,{insz(2)}\nB,{insz(1)}\n").document["refused"] == 2
        assert [lib.place.member(name).insz for name in "AB"] == [Insz(insz(1)), Insz(insz(2))]


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
    ("birth_date", "31/12/1950", "not a date"),
    ("birth_date", "1950-13-01", "not a date"),
    ("birth_date", "1950-02-30", "not a date"),
    ("birth_date", "0000-00-00", "not a date"),
    ("birth_date", "1950-12-31T00:00", "not a date"),
    ("country", "België", "three letters"),
    ("country", "B3L", "three letters"),
    ("membership_end", "2026-02-30", "not a date"),
    ("membership_end", "20260228", "not a date"),
    ("membership_end", "2026-00-00", "not a date"),
    ("open_items", "-1", "whole number"),
    ("open_items", "1.5", "whole number"),
    ("open_items", "1000001", "whole number"),
    ("open_items", "\u0663", "whole number"),
    ("open_items", "9" * 5_000, "whole number"),
]


class TestRefusing:
    """A bad row is refused alone, by line, column and reason."""

    def test_bad_cells(self, lib: Library) -> None:
        """Each refuses its own row, and no message contains it."""
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, restval="")
        writer.writeheader()
        writer.writerow({"member_no": "first"})
        for number, (column, cell, _) in enumerate(BAD_CELLS):
            writer.writerow({"member_no": f"{number}-bad", "last_name": "x"} | {column: cell})
        writer.writerow({"member_no": "last"})
        said = lib.take(text.getvalue())
        assert (said.code, said.document["new"], said.document["refused"]) == (3, 2, len(BAD_CELLS))
        for line, (refused, (column, cell, reason)) in enumerate(zip(lib.refused(), BAD_CELLS, strict=True), start=3):
            assert refused[:2] == (line, column)
            assert reason in refused[2]
            assert len(cell) < 3 or cell not in said.out + said.err + lib.rejects.read_text()
        assert lib.numbers() == {"first", "last"}

    def test_a_row_of_another_width_is_refused(self, lib: Library) -> None:
        """The columns of its cells are unknown."""
        assert lib.take(PLAIN + "1\n2,B,C\n3,C\n").code == 3
        assert lib.refused() == [
            (2, "", "the row has 1 cells and the header 2"),
            (3, "", "the row has 3 cells and the header 2"),
        ]

    def test_a_member_occurs_once(self, lib: Library) -> None:
        """Within a batch, and across batches."""
        rows = [f"{number},N\n" for number in range(1_001)]
        said = lib.take(PLAIN + "1,first\n" + "".join(rows) + "7,last\n")
        assert (said.document["rows"], said.document["refused"]) == (1_003, 2)
        assert [(line, column) for line, column, _ in lib.refused()] == [(4, "member_no"), (1_004, "member_no")]
        assert {row["member_no"]: row["last_name"] for row in lib.export()}["1"] == "first"

    def test_a_national_number_belongs_to_one_member(self, lib: Library) -> None:
        """The second row is refused, however the number is written."""
        said = lib.take(f"member_no,insz\nA,{insz(1)}\nB,{dotted(insz(1))}\n")
        assert said.code == 3
        ((line, column, reason),) = lib.refused()
        assert (line, column) == (3, "insz")
        assert reason.endswith(": A")

    def test_a_national_number_in_another_column(self, lib: Library) -> None:
        """Refused, because it would be stored and exported in clear."""
        spaced = f"{insz(2)[:6]} {insz(2)[6:]}"
        said = lib.take(f"member_no,insz,last_name\n{insz(1)},{insz(1)},\nB,{insz(2)},Peeters {spaced}\n")
        assert said.document["refused"] == 2
        assert [column for _, column, _ in lib.refused()] == ["member_no", "last_name"]

    def test_a_national_number_is_no_member_number(self, lib: Library) -> None:
        """Member numbers are printed in clear; the reason does not repeat it."""
        digits = insz(1)
        forms = [digits, f"lid-{digits}", f"'{digits}", f"{digits[:6]}.{digits[6:]}"]
        said = lib.take("member_no,last_name\n" + "".join(f"{form},Peeters\n" for form in forms) + "A2,Janssens\n")
        assert (said.code, said.document["new"], said.document["refused"]) == (3, 1, 4)
        assert {column for _, column, _ in lib.refused()} == {"member_no"}
        assert digits[6:] not in said.out + said.err + lib.rejects.read_text(encoding="utf-8")
        assert lib.numbers() == {"A2"}

    def test_test_numbers_are_refused_in_production(self, lib: Library) -> None:
        """No real person has one."""
        lib.place.env(REGISTRY__ENVIRONMENT="production")
        real = "850713000" + check_digits("850713000", born_from_2000=False)
        said = lib.take(f"member_no,insz\nA,{insz(1)}\nB,{real}\nC,\n")
        assert (said.document["new"], said.document["refused"]) == (1, 2)
        assert lib.refused()[0][:2] == (2, "insz")

    def test_refusals_are_in_the_order_of_the_file(self, lib: Library) -> None:
        """Whichever check refused them."""
        lib.take(PLAIN + "1,A\n1,B\n,C\n1,D\n")
        assert [line for line, *_ in lib.refused()] == [3, 4, 5]


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
    "latin-1": (PLAIN.encode() + b"1,Ren\xe9e\n", "line 2 is not valid UTF-8"),
    "cut in a character": (PLAIN.encode() + b"1,Ren\xc3", "cut off"),
    "a zero byte": (PLAIN.encode() + b"1,A\n2,\x00\n", "line 3 contains a zero byte"),
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
    """A file that is unusable as a whole changes nothing."""

    def test_bad_files(self, lib: Library) -> None:
        """2, and one sentence without personal data."""
        for what, (content, words) in BAD_FILES.items():
            said = lib.take(content)
            assert (said.code, said.out, lib.rejects.exists()) == (2, "", False), what
            assert words in said.err, what
            assert said.err.count("\n") == 1
            assert not re.search(r"\d{11}", said.err)
        assert lib.count() == 0

    @pytest.mark.parametrize("at_line", [2, 1_500])
    def test_an_error_far_down_is_found_first(self, lib: Library, at_line: int) -> None:
        """Before the first row is imported."""
        rows = [f"{number},N\n".encode() for number in range(2_000)]
        rows.insert(at_line, b"x,\xff\n")
        assert lib.take(PLAIN.encode() + b"".join(rows)).code == 2
        assert lib.count() == 0

    def test_a_file_that_is_cut_off_in_a_row(self, lib: Library) -> None:
        """Its last row is refused, the rows before it are imported."""
        said = lib.take("member_no,last_name,box\n1,A,\n2,B")
        assert (said.code, said.document["new"], said.document["refused"]) == (3, 1, 1)
        assert "looks cut off" in said.err

    def test_unreadable_files(self, lib: Library) -> None:
        """2 and one sentence: no file, a folder, a pipe, a strange name, an unknown library."""
        os.mkfifo(lib.place.folder / "pipe")
        for name in ("none.csv", ".", "pipe", "x" * 300, "rrsync.toml/x"):
            said = lib.members("import", str(lib.place.folder / name), "--library", "demo")
            assert (said.code, said.err.count("\n")) == (2, 1)
        assert lib.members("import", str(lib.file), "--library", "elsewhere").code == 2

    def test_rejects_that_cannot_be_written(self, lib: Library) -> None:
        """2, before a row is imported."""
        lib.rejects.mkdir()
        said = lib.take(PLAIN + "1,A\n")
        assert said.code == 2
        assert lib.count() == 0

    def test_a_gigabyte_of_zeros(self, lib: Library) -> None:
        """Refused fast and in little memory, although it has no line end."""
        with lib.file.open("wb") as file:
            file.truncate(2**30)
        tracemalloc.start()
        try:
            said = lib.members("import", str(lib.file), "--library", "demo")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert said.code == 2
        assert peak < 20 * 2**20


class TestHalfWay:
    """An interrupted import reports the imported rows, and can be repeated."""

    def test_a_database_that_fails_half_way(self, lib: Library) -> None:
        """Complete batches are kept, and recognised the next time."""
        lib.place.sql(
            "CREATE TRIGGER broken BEFORE INSERT ON member WHEN NEW.number = '2500' "
            "BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
        )
        content = PLAIN + ",bad\n" + "".join(f"{number},N\n" for number in range(3_000))
        said = lib.take(content)
        assert said.code == 4
        assert "1999 of 3001 rows " in said.err
        assert lib.count() == 1_999
        assert [line for line, *_ in lib.refused()] == [2]
        lib.place.sql("DROP TRIGGER broken")
        said = lib.take(content)
        assert (said.code, said.document["same"], said.document["new"]) == (3, 1_999, 1_001)

    def test_sigterm(self, lib: Library) -> None:
        """The import ends between two batches, with 3."""
        rows = 60_000
        lib.file.write_text(PLAIN + "".join(f"{number},N\n" for number in range(rows)))
        with start(lib) as process:
            wait_for(lambda: lib.count() > 0)
            process.terminate()
            _, err = process.communicate(timeout=30)
        assert process.returncode == 3
        assert f"of {rows} rows " in err
        assert 0 < lib.count() < rows

    def test_rejects_replace_an_older_file(self, lib: Library) -> None:
        """A link is replaced, not followed."""
        lib.rejects.symlink_to("/dev/full")
        said = lib.take(PLAIN + ",x\n")
        assert (said.code, len(lib.refused())) == (3, 1)

    def test_a_full_disk(self, tmp_path: Path) -> None:
        """An error for the rejects and for the export; no partial file is left."""
        refused = [ImportResult(line, "refused", "member_no", "the member number is missing") for line in range(1_000)]
        with rejects(tmp_path / "in.csv") as noted, small_disk(), pytest.raises(ConfigError, match="File too large"):
            noted.add(refused)
        with (
            small_disk(),
            pytest.raises(ConfigError, match="File too large"),
            csv_writer(tmp_path / "out.csv") as write,
        ):
            list(map(write, [EXPORTED] * 1_000))
        assert list(tmp_path.iterdir()) == []


@contextmanager
def small_disk() -> Iterator[None]:
    """Limit files to 4 KiB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_096, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def start(lib: Library, code: str = "from rrsync.cli.app import main; main()") -> Any:
    """Run an import in another process."""
    arguments = ["members", "import", str(lib.file), "--library", "demo", "--config", str(lib.place.config)]
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", code, *arguments], **streams)


def wait_for(happens: Callable[[], bool]) -> None:
    """Wait until something happens."""
    for _ in range(4_000):
        if happens():
            return
        threading.Event().wait(0.01)
    pytest.fail("it never happened")


class TestExport:
    """The exported file."""

    def test_the_columns_are_those_of_the_contract(self, lib: Library) -> None:
        """In order, with the register's dates as they are, without the national number, in a private file."""
        lib.take(f"{HEADER}\nA1,{insz(1)},Peeters,Jan,1950-00-00,Kerkstraat,7,,3500,Hasselt,\nB1,,,,,,,,,,\n")
        lib.settle("A1", Address("Dorpsstraat", "9", "2", "3600", "Genk", "71016", "BEL"))
        asked, never = lib.export()
        assert tuple(asked) == EXPORTED
        moments = [asked.pop(name) for name in ("refreshed_at", "changed_at")]
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", moment) for moment in moments)
        assert list(asked.values()) == [
            *("demo", "A1", "Peeters", "Jan", "1950-00-00", "Dorpsstraat", "9", "2", "3600", "Genk", "71016", "BEL"),
            *("1998-00-00", "change", ""),
        ]
        assert set(never.values()) == {"demo", "B1", "BEL", ""}
        exported = lib.place.folder / "export.csv"
        assert insz(1) not in exported.read_text()
        assert exported.stat().st_mode & 0o777 == 0o600

    def test_formulas(self, lib: Library) -> None:
        """They are escaped in the export, and an import of the export restores them."""
        names = ["=1+1", "+32", "-x", "@SUM(A1)", "'=x", "''-", "O'Neill", "a;=1+1", "a; -b", "'"]
        rows = [[str(number), name] for number, name in enumerate(names)]
        text = io.StringIO()
        csv.writer(text).writerows([["member_no", "last_name"], *([number, escape(name)] for number, name in rows)])
        assert lib.take(text.getvalue()).code == 0
        for _ in range(2):
            out = [row["last_name"] for row in lib.export()]
            assert not any(re.match(r"[=+\-@\t\r]", name) for cell in out for name in cell.split(";"))
            assert [unescape(name) for name in out] == names
            again = lib.take((lib.place.folder / "export.csv").read_bytes())
            assert (again.code, again.document["refused"]) == (0, 0)

    def test_a_formula_without_escape_is_text(self, lib: Library) -> None:
        """In the import and in the export."""
        assert lib.take(PLAIN + "=A1,=cmd|' /C calc'!A0\n").code == 0
        (row,) = lib.export()
        assert (row["member_no"], row["last_name"]) == ("'=A1", "'=cmd|' /C calc'!A0")

    def test_libraries(self, lib: Library) -> None:
        """All of the settings, or the named ones."""
        lib.take(PLAIN + "1,A\n")
        lib.members("import", str(lib.file), "--library", "other")
        assert [row["library"] for row in lib.export()] == ["demo", "other"]
        assert [row["library"] for row in lib.export("--library", "other")] == ["other"]

    def test_changes_since_a_time_or_in_a_run(self, lib: Library) -> None:
        """A time without zone is UTC; a text that is neither is refused with 2, and no file is written."""
        lib.take(f"member_no,insz\nA,{insz(1)}\nB,{insz(2)}\n")
        lib.settle("A", Address("Dorpsstraat"))
        lib.place.sql("INSERT INTO run (id, opened_at, mass_change) VALUES ('run-1', '2026-07-01 02:00:00.000000', 0)")
        today = datetime.now(UTC).date()
        for text in (today.isoformat(), f"{today}T00:00", f"{today}T00:00:00Z", "run-1"):
            assert [row["member_no"] for row in lib.export("--changed-since", text)] == ["A"]
        assert lib.export("--changed-since", "9999-01-01") == []
        target = lib.place.folder / "out.csv"
        for text in ("yesterday", "2026-13-01", "0001-01-01T00:00+14:00", "", "\udcff", "run-2"):
            assert lib.members("export", str(target), "--changed-since", text).code == 2
        assert not target.exists()

    def test_a_failed_export_keeps_the_older_file(self, lib: Library) -> None:
        """And leaves nothing beside it."""
        lib.take(PLAIN + "1,A\n2,B\n")
        target = lib.place.folder / "out.csv"
        target.write_text("old")
        lib.place.sql("UPDATE member SET name = zeroblob(40) WHERE number = '2'")
        before = sorted(lib.place.folder.iterdir())
        assert lib.members("export", str(target)).code == 4
        assert target.read_text() == "old"
        assert sorted(lib.place.folder.iterdir()) == before

    def test_targets(self, lib: Library) -> None:
        """One line with the number and the file; 2 for a folder, a device, or a missing folder."""
        target = lib.place.folder / "out.csv"
        assert lib.members("export", str(target)).out == f"0 members written to {target}.\n"
        for name in (".", "/dev/null", "a/b"):
            assert lib.members("export", str(lib.place.folder / name)).code == 2


def test_a_terminal_gets_a_bar(lib: Library) -> None:
    """On standard error; the document stays alone on standard output."""
    lib.place.monkeypatch.setenv("TTY_COMPATIBLE", "1")
    said = lib.take(PLAIN + "".join(f"{number},N\n" for number in range(1_200)))
    assert said.document["new"] == 1_200
    assert "Importing" in said.err


SECRET: Final = insz(4_711)
TYPED: Final = dotted(SECRET)
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


@pytest.mark.proof
@settings(
    max_examples=amount("MEMBER_FILES", short=60, whole=500),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(content=contents)
@example(content=f"{SECRET},{TYPED}\n".encode())
@example(content=f"member_no,{TYPED}\n1,2\n".encode())
@example(content=f"member_no,insz\n{TYPED},{SECRET}\n".encode())
def test_any_bytes(lib: Library, content: bytes) -> None:
    """The file is refused, or its rows are imported or refused; no output contains a national number."""
    said = lib.take(content)
    written = lib.rejects.read_text() if lib.rejects.exists() else ""
    for number in (SECRET, TYPED):
        assert number not in said.out + said.err + written
    if said.code == 2:
        assert said.out == ""
        return
    counts = said.document
    assert said.code == (3 if counts["refused"] else 0)
    assert counts["rows"] == counts["new"] + counts["changed"] + counts["same"] + counts["refused"]
    assert counts["refused"] == len(lib.refused() if written else [])


@pytest.mark.proof
def test_memory_does_not_grow_with_the_file(lib: Library) -> None:
    """A long file needs an eighth more than a short one at most."""
    peaks = []
    for rows in (2_000, amount("MEMBER_ROWS", short=10_000, whole=60_000)):
        with lib.file.open("w") as file:
            file.writelines([f"{HEADER}\n", *(ordinary_row(number) for number in range(rows))])
        peaks.append(peak_kib(lib))
    assert peaks[1] < peaks[0] * 1.125, peaks


def ordinary_row(number: int) -> str:
    """Return an ordinary row."""
    return f"{number},{insz(number)},Peeters,Jan An,1950-01-02,Kerkstraat,{number % 300},,3500,Hasselt,BEL\n"


def peak_kib(lib: Library) -> int:
    """Import in another process and return its peak memory."""
    process = start(
        lib,
        "import sys; from rrsync.cli.app import run; code = run(sys.argv[1:]);"
        "print(next(line for line in open('/proc/self/status') if 'VmHWM' in line).split()[1]); sys.exit(code)",
    )
    out, err = process.communicate(timeout=100)
    assert process.returncode == 0, err
    return int(out.split()[-1])
