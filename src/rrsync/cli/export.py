"""``rrsync log export``: the access log for those who do not have rrsync."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from rrsync.audit.export import Format, Order
from rrsync.audit.formats import COLUMNS
from rrsync.cli import brussels
from rrsync.cli.actor import ViewerOption, short, viewer
from rrsync.cli.context import ConfigOption, LibraryOption, opened, voices
from rrsync.cli.log import looked
from rrsync.cli.output import new_folder, replacing, replacing_lines
from rrsync.cli.progress import progress
from rrsync.cli.rowfile import shown
from rrsync.core.formula import escape
from rrsync.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rrsync.audit.export import Export, Filled

#: What was given out, and what to do with it.
_NEXT: Final = {
    Format.CSV: ("accesses", "It says who looked at whom: keep it as you keep the log."),
    Format.JSONL: ("entries", "The SHA-256 of a zero byte and a line is that entry's leaf in the tree of the log."),
    Format.TILES: ("files", "Hand the folder over: its README.txt says how to check it without rrsync."),
    Format.AUDITREGISTER: (
        "registrations",
        "It holds national numbers: destroy it once it is sent. docs/access-log.md says what is still to be filled in.",
    ),
    Format.LDV: ("records", "Post each line to the OTLP endpoint of the logbook."),
}


def export(
    target: Annotated[Path, typer.Argument(help="The file to write; for tiles a new folder.", metavar="TARGET")],
    library: LibraryOption,
    form: Annotated[Format, typer.Option("--format", help="What to write.", metavar="|".join(Format))],
    reason: Annotated[str, typer.Option("--reason", help="Why: it goes into the log.", metavar="TEXT")],
    actor: ViewerOption = None,
    since: brussels.SinceOption = None,
    until: brussels.UntilOption = None,
    config: ConfigOption = None,
) -> None:
    """Write the access log to a file, for others.

    csv: one row per access with what came of it, for a spreadsheet. jsonl: every entry exactly as its bytes stand, one
    a line. tiles: the whole log with its tree and its last signed checkpoint in a new folder (C2SP tlog-tiles), with a
    program that checks it without rrsync. auditregister: calls for MAGDA's Auditregister, one a line. ldv: records of
    Logboek Dataverwerkingen as OTLP in JSON, one a line, without users.

    People are in it as pseudonyms; only auditregister holds national numbers. Files are readable by you alone, and
    whole or not there at all. --since and --until are about when somebody looked, in Belgian time. Should a witness's
    signature be in tiles, run `rrsync log anchor` just before.

    Example: rrsync log export hasselt-log --library hasselt --format tiles --reason "audit 2026"
    """
    speak = voices()
    order = Order(library, form, brussels.since(since), brussels.until(until))
    who, why = viewer(actor), short("--reason", reason)
    if form is Format.TILES and target.exists():
        raise ConfigError(f"{shown(target.name)} is there already", todo="Name a folder that is not there yet")
    with opened(config) as app:
        looked(app, [library])
        source = app.export()
        filled = source.begin(order, actor=who, why=why)
        title = f"Writing the log of {library}"
        with progress(speak, title, len(filled.entries), lines="entries read") as told:
            count = _WRITERS.get(form, _write_lines)(source, filled, target, told)
        later = app.ledger.head(library).size - filled.entries.stop - 1
    what, todo = _NEXT[form]
    about = f"{count} {what}"
    if form is Format.TILES:
        about = f"{len(filled.entries)} entries in {count} files"
        todo += f" Without the {later} entries after its last checkpoint." if later else ""
    speak.out.print(f"{about} of the access log of {library} written to {shown(target)}. {todo}")


def _write_rows(source: Export, filled: Filled, target: Path, told: Callable[[int], None]) -> int:
    count = 0
    with replacing(target) as write:
        write(COLUMNS)
        for count, row in enumerate(source.rows(filled, told), start=1):  # noqa: B007 — the last one counts
            write([escape(cell) for cell in row])
    return count


def _write_lines(source: Export, filled: Filled, target: Path, told: Callable[[int], None]) -> int:
    count = 0
    with replacing_lines(target) as write:
        for count, line in enumerate(source.lines(filled, told), start=1):  # noqa: B007 — as above
            write(line)
    return count


def _write_folder(source: Export, filled: Filled, target: Path, told: Callable[[int], None]) -> int:
    count = 0
    with new_folder(target) as write:
        for count, (name, data) in enumerate(source.files(filled, told), start=1):  # noqa: B007 — as above
            write(name, data)
    return count


_WRITERS: Final = {Format.CSV: _write_rows, Format.TILES: _write_folder}
