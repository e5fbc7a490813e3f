"""``rrsync members``: import a library's own member file, and export the members with their addresses.

An import writes batches, each in one transaction. An import that fails halfway reports how many rows it wrote. It is
safe to run it again, because a row that repeats what is stored changes nothing.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time
from itertools import islice
from pathlib import Path
from typing import Annotated, Final, TextIO

import typer

from rrsync.app.runtime import stopping
from rrsync.app.services import Services
from rrsync.cli.context import command_services, select_libraries
from rrsync.cli.member_file import EXPORTED, FileSummary, MemberFile, RowReader, exported_row, open_member_file
from rrsync.cli.options import ConfigOption, JsonOption, LibrariesOption, LibraryOption
from rrsync.cli.output import PRIVATE, Output, csv_writer, printable, progress, terminal_output, unwritable
from rrsync.core.spreadsheet import escape
from rrsync.errors import ConfigError, InputError, Interrupted, StoreError
from rrsync.store.members import ImportResult, ImportRow
from rrsync.store.rows import MemberStatus

_BATCH: Final = 1_000
EPILOGS: Final = {
    "import_members": "Example: rrsync members import members.csv --library hasselt. "
    "A spreadsheet saves such a file as 'CSV UTF-8'. Exit codes: 0 done, 3 some rows were refused.",
    "export_members": "Example: rrsync members export changed.csv --library hasselt --changed-since 2026-11-01. "
    "The file never contains national numbers. It contains names and addresses: protect it.",
}
_AGAIN: Final = "It is safe to run the import again: it recognises the rows that are already imported"


@dataclass(slots=True)
class ImportCounts:
    """The number of rows of an import by result, so far."""

    rows: int = 0
    new: int = 0
    changed: int = 0
    same: int = 0
    refused: int = 0

    @property
    def taken(self) -> int:
        """The number of rows that were imported."""
        return self.new + self.changed + self.same

    def add(self, results: Sequence[ImportResult]) -> None:
        """Count a batch."""
        for one in results:
            self.rows += 1
            match one.result:
                case "new":
                    self.new += 1
                case "changed":
                    self.changed += 1
                case "same":
                    self.same += 1
                case _:
                    self.refused += 1


def import_members(
    file: Annotated[Path, typer.Argument(help="The member file: CSV in UTF-8.", metavar="FILE")],
    library: LibraryOption,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Import a library's members from its own file.

    The file has one row per member, matched on member_no. The first row names the columns, in any order, separated by
    commas or semicolons: member_no (required), insz, last_name, first_names, birth_date (1950-12-31), street,
    house_number, box, postal_code, municipality, country (BEL), membership_end (empty while a member), open_items
    (loans and debts). Other columns are ignored. Columns missing from the file are left unchanged; an empty cell clears
    the value.

    A row that cannot be used is refused and listed in FILE.rejects.csv; the other rows are imported. A file that cannot
    be used as a whole changes nothing. Importing the same file again changes nothing, and does not undo the register's
    changes. A row with new data makes the member due in the next night.
    """
    output = terminal_output()
    with command_services(config) as services, open_member_file(file) as source:
        select_libraries(services.settings, [library])
        with progress(output, "Checking the file", source.size) as show:
            summary = source.inspect(show)
        _warn(output, summary)
        with rejects(file) as refused:
            counts = _import_rows(services, source, summary, refused, library=library, output=output)
            where = printable(refused.path) if refused.rows else None
    if as_json:
        output.print_json(asdict(counts) | {"unknown_columns": summary.header.unknown, "rejects": where})
    else:
        noted = f" (see {where})" if where else ""
        output.result.print(
            f"{counts.rows} rows: {counts.new} new, {counts.changed} changed, {counts.same} same, "
            f"{counts.refused} refused{noted}."
        )
    if counts.refused:
        raise typer.Exit(3)


def _warn(output: Output, summary: FileSummary) -> None:
    if summary.header.unknown:
        output.messages.print(f"Ignored columns: {', '.join(summary.header.unknown)}.")
    if summary.is_cut_off:
        output.messages.print("The file looks cut off: its last row is incomplete. The rows before it are imported.")


def _import_rows(
    services: Services, source: MemberFile, summary: FileSummary, refused: Rejects, *, library: str, output: Output
) -> ImportCounts:
    """Import the rows in batches, each in one transaction.

    Raises:
        StoreError, ConfigError, InputError, Interrupted: with the number of rows that were imported before.
    """
    counts = ImportCounts()
    reader = RowReader(library, summary.header.columns, services.production)
    import_id, at = services.runtime.new_reference(), services.runtime.clock()
    rows = source.rows()
    try:
        with (
            stopping(services.stop),
            progress(output, "Importing", summary.rows, unit="rows imported") as show,
        ):
            while batch := [reader.read(line, cells) for line, cells in islice(rows, _BATCH)]:
                if services.stop.is_set():
                    raise Interrupted("The import was stopped")  # noqa: TRY301 — reported like any other end
                incoming = [item for item in batch if isinstance(item, ImportRow)]
                results = [item for item in batch if isinstance(item, ImportResult)]
                results += services.members.take(incoming, import_id=import_id, at=at)
                counts.add(results)
                refused.add(sorted((one for one in results if one.result == "refused"), key=lambda one: one.line))
                show(counts.rows)
    except (StoreError, ConfigError, Interrupted) as error:
        kept = f"{counts.taken} of {summary.rows} rows are imported, the others are not"
        todo = f"{error.todo}. {_AGAIN}" if error.todo else _AGAIN
        raise type(error)(error.what, kept=kept, todo=todo) from error
    return counts


class Rejects:
    """``FILE.rejects.csv``: line, column and reason of each refused row, never its content."""

    def __init__(self, file: TextIO, path: Path) -> None:
        self._file = file
        self._writer = csv.writer(file, lineterminator="\n")
        self._writer.writerow(("line", "column", "reason"))
        self.path = path
        self.rows = 0

    def add(self, refused: Sequence[ImportResult]) -> None:
        """Write refused rows to disk.

        Raises:
            ConfigError: the file cannot be written.
        """
        try:
            self._writer.writerows((one.line, one.column, escape(one.reason)) for one in refused)
            self._file.flush()
        except OSError as error:
            raise unwritable(self.path, error) from error
        self.rows += len(refused)


@contextmanager
def rejects(source: Path) -> Iterator[Rejects]:
    """Yield a new file of rejects beside a member file; it is removed at the end if it is empty.

    Raises:
        InputError: the file cannot be written.
    """
    path = source.with_name(f"{source.name}.rejects.csv")
    try:
        path.unlink(missing_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
    except OSError as error:
        raise InputError(
            f"{printable(path.name)} cannot be written: {error.strerror}",
            kept="Nothing was imported",
            todo="Put the member file in a folder you can write to: the refused rows are listed beside it",
        ) from error
    file = os.fdopen(handle, "w", encoding="utf-8", newline="")
    noted = Rejects(file, path)
    try:
        yield noted
    finally:
        with suppress(OSError):  # ``add`` has reported it
            file.close()
        if not noted.rows:
            path.unlink(missing_ok=True)


def export_members(
    file: Annotated[Path, typer.Argument(help="The CSV file to write.", metavar="FILE")],
    library: LibrariesOption = None,
    changed_since: Annotated[
        str | None,
        typer.Option(
            "--changed-since",
            help="Only members that the register changed since a time (2026-11-01, 2026-11-01T06:00Z; UTC by default), "
            "or in a run (its id, as `rrsync night` prints it).",
            metavar="TIME|RUN",
        ),
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Export the members with their addresses as CSV.

    The columns are library, member_no, last_name, first_names, birth_date, street, house_number, box, postal_code,
    municipality, nis_code, country, address_since (1998-00-00 if a part is unknown), verdict (same, change, hold; empty
    if never asked), hold_reason, refreshed_at, changed_at (UTC).

    A member on hold keeps the address as it was. The file is in UTF-8 and readable by you alone. It replaces an older
    file at the end; a failed export leaves the older file unchanged.
    """
    output = terminal_output()
    with command_services(config) as services:
        libraries = select_libraries(services.settings, library)
        since, run = _changed_since(services, changed_since)
        total, rows = sum(services.members.count(each) for each in libraries), 0
        with (
            csv_writer(file) as write,
            progress(output, "Writing the members", total, unit="members written") as show,
        ):
            write(EXPORTED)
            for rows, standing in enumerate(_standings(services, libraries, since, run), start=1):
                write(exported_row(standing))
                if rows % _BATCH == 0:
                    show(rows)
    if as_json:
        output.print_json({"rows": rows, "file": printable(file)})
    else:
        output.result.print(f"{rows} members written to {printable(file)}.")


def _standings(
    services: Services, libraries: Sequence[str], since: datetime | None, run: str | None
) -> Iterator[MemberStatus]:
    for library in libraries:
        yield from services.members.export(library, since=since, run=run)


def _changed_since(services: Services, text: str | None) -> tuple[datetime | None, str | None]:
    """Read ``--changed-since``: a time, or a run.

    Raises:
        ConfigError: the text is neither.
    """
    if text is None:
        return None, None
    if (at := _time(text)) is not None:
        return at, None
    if text.isascii() and text.isprintable() and services.runs.exists(text):
        return None, text
    raise ConfigError(
        "--changed-since is neither a time nor a run of this database",
        todo="Write a day (2026-11-01), a time (2026-11-01T06:00Z), or the id that `rrsync night` printed",
    )


def _time(text: str) -> datetime | None:
    try:
        if len(text) == len("2026-11-01"):
            return datetime.combine(date.fromisoformat(text), time(), UTC)
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
