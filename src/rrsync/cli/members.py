"""``rrsync members``: taking a library's own member file over, and giving the members back with their addresses.

An import that ends half-way says how many rows were taken over; running it again is safe, since a row that repeats what
it said before changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time
from itertools import islice
from pathlib import Path
from typing import Annotated, Final

import typer

from rrsync.app.runtime import stopping
from rrsync.app.services import Services
from rrsync.cli.context import Voices, chosen, opened, voices
from rrsync.cli.member_file import EXPORTED, Look, Reader, RowFile, row_of, shown
from rrsync.cli.member_file import opened as opened_file
from rrsync.cli.options import ConfigOption, JsonOption, LibraryOption
from rrsync.cli.output import Rejects, progress, rejects, replacing
from rrsync.errors import ConfigError, Interrupted, StoreError
from rrsync.store.members import ImportResult, ImportRow
from rrsync.store.rows import MemberStatus

_BATCH: Final = 1_000
EPILOGS: Final = {
    "import_members": "Example: rrsync members import members.csv --library hasselt. "
    "A spreadsheet saves such a file as 'CSV UTF-8'. Exit code 0, or 3 when rows were refused.",
    "export_members": "Example: rrsync members export changed.csv --library hasselt --changed-since 2026-11-01. "
    "The file never holds national numbers; it does hold names and addresses: keep it as you keep those.",
}
_AGAIN: Final = "Running the import again is safe: rows that were taken over are recognised"


@dataclass(slots=True)
class Tally:
    """What became of the rows of an import, so far."""

    rows: int = 0
    new: int = 0
    changed: int = 0
    same: int = 0
    refused: int = 0

    @property
    def taken(self) -> int:
        """How many rows were taken over."""
        return self.new + self.changed + self.same

    def add(self, taken: Sequence[ImportResult]) -> None:
        """Count a batch."""
        for one in taken:
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
    """Take a library's members over from its own file.

    One row per member, matched on member_no. The first row names the columns, in any order, with commas or semicolons
    between them: member_no (required), insz, last_name, first_names, birth_date (1950-12-31), street, house_number,
    box, postal_code, municipality, country (BEL), membership_end (empty while a member), open_items (loans and debts
    still open). Other columns are ignored. A column that is not there says nothing: what is held stays. An empty cell
    in one that is there is empty.

    A row that cannot be used is refused on its own and noted in FILE.rejects.csv; the others go on. A file that cannot
    be used as a whole changes nothing. Importing the same file again changes nothing, and undoes nothing the register
    corrected; a row that says something new makes the member due in the next night.
    """
    speak = voices()
    with opened(config) as services, opened_file(file) as source:
        chosen(services.settings, [library])
        with progress(speak, "Looking at the file", source.size) as told:
            look = source.look(told)
        _warn(look, speak)
        with rejects(file) as refused:
            tally = _take_over(services, source, look, refused, library=library, speak=speak)
            where = shown(refused.path) if refused.rows else None
    if as_json:
        speak.document(asdict(tally) | {"unknown_columns": look.header.unknown, "rejects": where})
    else:
        noted = f" (see {where})" if where else ""
        speak.out.print(
            f"{tally.rows} rows: {tally.new} new, {tally.changed} changed, {tally.same} same, "
            f"{tally.refused} refused{noted}.",
            markup=False,
        )
    if tally.refused:
        raise typer.Exit(3)


def export_members(
    file: Annotated[Path, typer.Argument(help="The CSV file to write.", metavar="FILE")],
    library: Annotated[
        list[str] | None, typer.Option("--library", help="Only this library; may be repeated.", metavar="ID")
    ] = None,
    changed_since: Annotated[
        str | None,
        typer.Option(
            "--changed-since",
            help="Only members the register changed since a time (2026-11-01, 2026-11-01T06:00Z; UTC unless it says "
            "otherwise), or in a run (its id, as `night` prints it).",
            metavar="TIME|RUN",
        ),
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Write the members with their addresses, as CSV.

    In UTF-8, with what was last found out about each.
    Columns: library, member_no, last_name, first_names, birth_date, street, house_number, box, postal_code,
    municipality, nis_code, country, address_since (1998-00-00 where a part is not known), verdict (same, change, hold,
    or empty if never asked), hold_reason, refreshed_at, changed_at (UTC).

    A member on hold keeps the address it had. The file is only readable by you, and takes the place of an older one at
    the end, so an export that is broken off leaves the older one whole.
    """
    speak = voices()
    with opened(config) as services:
        libraries = chosen(services.settings, library)
        since, run = _since(services, changed_since)
        total = sum(services.members.count(each) for each in libraries)
        rows = 0
        with replacing(file) as write, progress(speak, "Writing the members", total, lines="members written") as told:
            write(EXPORTED)
            for rows, standing in enumerate(_standings(services, libraries, since, run), start=1):
                write(row_of(standing))
                if rows % _BATCH == 0:
                    told(rows)
    if as_json:
        speak.document({"rows": rows, "file": shown(file)})
    else:
        speak.out.print(f"{rows} members written to {shown(file)}.", markup=False)


def _take_over(
    services: Services, source: RowFile, look: Look, refused: Rejects, *, library: str, speak: Voices
) -> Tally:
    """Take the rows over in batches, each one transaction.

    Raises:
        StoreError, ConfigError, InputError, Interrupted: saying how many rows were taken over before.
    """
    tally = Tally()
    reader = Reader(library, look.header.columns, services.production)
    import_id, at = services.runtime.new_reference(), services.runtime.clock()
    rows = source.rows()
    try:
        with stopping(services.stop), progress(speak, "Importing", look.rows, lines="rows imported") as told:
            while batch := [reader.read(line, cells) for line, cells in islice(rows, _BATCH)]:
                _refuse_if(stopped=services.stop.is_set())
                incoming = [item for item in batch if isinstance(item, ImportRow)]
                taken = [item for item in batch if isinstance(item, ImportResult)]
                taken += services.members.take(incoming, import_id=import_id, at=at)
                tally.add(taken)
                refused.add(sorted((one for one in taken if one.result == "refused"), key=lambda one: one.line))
                told(tally.rows)
    except (StoreError, ConfigError, Interrupted) as error:
        kept = f"{tally.taken} of {look.rows} rows were taken over and stay, the rest was not"
        todo = f"{error.todo}. {_AGAIN}" if error.todo else _AGAIN
        raise type(error)(error.what, kept=kept, todo=todo) from error
    return tally


def _refuse_if(*, stopped: bool) -> None:
    if stopped:
        raise Interrupted("The import was stopped")


def _warn(look: Look, speak: Voices) -> None:
    if look.header.unknown:
        speak.err.print(f"Columns that are ignored: {', '.join(look.header.unknown)}.", markup=False)
    if look.cut_off:
        speak.err.print(
            "The last row of the file is not whole: the file looks cut off. The rows before it are imported."
        )


def _standings(
    services: Services, libraries: Sequence[str], since: datetime | None, run: str | None
) -> Iterator[MemberStatus]:
    for library in libraries:
        yield from services.members.export(library, since=since, run=run)


def _since(services: Services, text: str | None) -> tuple[datetime | None, str | None]:
    """Read ``--changed-since``: a time, or a run.

    Raises:
        ConfigError: it is neither.
    """
    if text is None:
        return None, None
    if (moment := _moment(text)) is not None:
        return moment, None
    if text.isascii() and text.isprintable() and services.runs.exists(text):
        return None, text
    raise ConfigError(
        "--changed-since is no time and no run of this database",
        todo="Write a day (2026-11-01), a time (2026-11-01T06:00Z), or the id that `rrsync night` printed",
    )


def _moment(text: str) -> datetime | None:
    try:
        if len(text) == len("2026-11-01"):
            return datetime.combine(date.fromisoformat(text), time(), UTC)
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
