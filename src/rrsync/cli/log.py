"""``rrsync log``: verify, sign, anchor, prove and export the access logs, and destroy the key of an expired year.

Every command that reads entries checks first that the log is not shorter than, or different from, its last checkpoint,
and then records the reading as an entry of the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Final, TypeVar

import typer

from rrsync.app.services import Services
from rrsync.audit.export import Export, ExportOrder, Format, LoggedOrder
from rrsync.audit.export_formats import COLUMNS
from rrsync.audit.key_destruction import DAYS
from rrsync.audit.notary import newest
from rrsync.cli.context import acting_person, command_services, log_text, select, viewing_person
from rrsync.cli.options import (
    ActorOption,
    ConfigOption,
    EntryArgument,
    JsonOption,
    LibrariesOption,
    LibraryOption,
    ReasonOption,
    SinceOption,
    UntilOption,
    ViewerOption,
)
from rrsync.cli.output import (
    csv_writer,
    exists_already,
    folder_writer,
    line_writer,
    printable,
    progress,
    terminal_output,
)
from rrsync.core.log_entry import JSON, decode
from rrsync.core.spreadsheet import escape
from rrsync.errors import BrokenChain, ConfigError, InputError
from rrsync.store.checkpoints import AnchorReceipt
from rrsync.store.log_tree import KnownRoot
from rrsync.text import local_time

_T = TypeVar("_T")
EPILOGS: Final = {
    "prove": "Example: rrsync log prove 118 --library hasselt --to 118.tlog-proof",
    "export": 'Example: rrsync log export hasselt-log --library hasselt --format tiles --reason "audit 2026"',
}


def libraries_with_log(services: Services, ids: Sequence[str] | None = None) -> list[str]:
    """Return the named libraries, or all: those of the settings, and those that left an access log in the database."""
    known = [library.id for library in services.settings.library]
    left = [head.library for head in services.access_log.heads() if head.library not in known]
    return select([*known, *left], ids)


def readable_logs(services: Services, ids: Sequence[str] | None = None) -> list[str]:
    """Return the libraries whose logs may be read: reading adds an entry, and no entry is added to a damaged log.

    Raises:
        BrokenChain: a log is shorter than, or different from, its last checkpoint; it stays as it is.
    """
    names = libraries_with_log(services, ids)
    for name in names:
        services.notary.hold(name)
    return names


def read_entry(library: str, seq: int, data: bytes) -> dict[str, JSON]:
    """Read the bytes of an entry.

    Raises:
        BrokenChain: the bytes are no entry.
    """
    try:
        return decode(data)
    except ValueError as error:
        raise BrokenChain(
            f"Entry {seq} of the access log of {library} cannot be read",
            todo="Run `rrsync log verify`: it names the cause",
        ) from error


def verify(
    library: LibrariesOption = None,
    since: Annotated[
        Path | None,
        typer.Option(
            "--since", help="Only the entries after this signed checkpoint, from an anchor or a mail.", metavar="FILE"
        ),
    ] = None,
    actor: ViewerOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Recompute the log and compare it with checkpoints.

    The command hashes the exact bytes of every entry. The resulting tree must agree with every signed checkpoint: those
    in the database, in the folder [log] signed, and at the anchors that return theirs. The log records who verified it.

    Exit codes: 0 every log is intact, 4 a log is not; the message names the library, the entry and the cause.
    """
    output, who = terminal_output(), viewing_person(actor)
    found: dict[str, dict[str, object]] = {}
    with command_services(config) as services:
        for name in libraries_with_log(services, library):
            start = _known_point(services, name, since)
            size = services.access_log.head(name).size
            with progress(output, f"verify {name}", size, unit=f"entries of {name}") as show:
                head = services.recount().verify(name, who, since=start, progress=lambda at, _: show(at))
            last = services.checkpoints.last_anchored(name)
            anchored = _anchoring_document(last) if last else None
            found[name] = {"size": head.size, "root": head.root, "anchored": anchored}
    if as_json:
        output.print_json(found)
        return
    for name, log in found.items():
        output.result.print(f"The access log of {name} is intact: {log['size']} entries, root {log['root']}.")
        output.result.print(_anchored_text(log["anchored"]))


def _known_point(services: Services, library: str, file: Path | None) -> KnownRoot | None:
    """Return the newest checkpoint of a library in a file."""
    if file is None:
        return None
    name = printable(file.name)
    try:
        found = newest(library, file.read_bytes(), services.notary.key(library), source=name)
    except OSError as error:
        raise InputError(f"{name} cannot be read: {error.strerror}", kept="Nothing was verified") from error
    if found is None:
        raise InputError(
            f"{name} has no checkpoint that is signed as the log of {library}",
            kept="Nothing was verified",
            todo="Name a file with the signed note: from `rrsync log checkpoint`, an anchor, or a mail",
        )
    return found


def _anchoring_document(one: AnchorReceipt) -> dict[str, object]:
    return {"size": one.size, "anchor": one.name, "at": one.at.isoformat()}


def _anchored_text(last: object) -> str:
    if not isinstance(last, dict):
        return (
            "No anchor stores a checkpoint of it: an older backup of the database, restored together with the folder "
            "[log] signed, would not be detected."
        )
    return f"{last['anchor']} stores a checkpoint of {last['size']} entries since {str(last['at'])[:16]} UTC."


def checkpoint(library: LibrariesOption = None, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Sign the log as it is now and print the note.

    The note is a C2SP checkpoint: the log's name, its size, its root hash and the signature. Store it, with the public
    key that is printed beside it, where database administrators cannot write. `rrsync log verify --since FILE` compares
    the log with it; so does the verifier in `rrsync log export --format tiles`.
    """
    output = terminal_output()
    with command_services(config) as services:
        prover, names = services.prover(), libraries_with_log(services, library)
        notes = {name: (prover.newest(name), services.notary.key(name)) for name in names}
    if as_json:
        output.print_json({name: {"note": note.to_text(), "key": key.text} for name, (note, key) in notes.items()})
        return
    for name, (note, key) in notes.items():
        output.messages.print(f"The log of {name}; its public key is {key.text}")
        output.result.print(note.to_text(), end="")


def anchor(library: LibrariesOption = None, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Sign the log and store the checkpoint at every anchor.

    Run it from a timer, about every hour. Exit codes: 0 every anchor stored it, 3 one failed, 4 all failed or one knows
    a longer or different log.
    """
    output = terminal_output()
    with command_services(config) as services:
        log_settings = services.settings.log
        if not log_settings.anchor:
            raise ConfigError(
                "The settings name no anchor",
                todo="Add one or more [[log.anchor]]: a file on another machine, a mailbox, or a witness",
            )
        names = libraries_with_log(services, library)
        failures = services.notary.close(names)
        found = {name: {one.name: one for one in services.checkpoints.anchorings(name)} for name in names}
    if as_json:
        anchored = {name: [_anchoring_document(each) for each in last.values()] for name, last in found.items()}
        output.print_json({"anchored": anchored, "failures": [str(failure) for failure in failures]})
    else:
        for name, last in found.items():
            for each in last.values():
                output.result.print(
                    f"{name}: {each.name} stores {each.size} entries since {each.at:%Y-%m-%d %H:%M} UTC."
                )
        for failure in failures:
            output.messages.print(str(failure))
    if failures:
        raise typer.Exit(3 if len(failures) < len(log_settings.anchor) else 4)


def prove(
    entry: EntryArgument,
    library: LibraryOption,
    to: Annotated[Path | None, typer.Option("--to", help="Write the proof to this file.", metavar="FILE")] = None,
    actor: ViewerOption = None,
    config: ConfigOption = None,
) -> None:
    """Write the proof that one entry is in the log.

    The proof is a C2SP tlog-proof: the entry's exact bytes, its inclusion path to the root, and the signed checkpoint.
    It can be checked with the log's public key alone, and shows no other entry. The log records who made it.
    """
    output, who = terminal_output(), viewing_person(actor)
    with command_services(config) as services:
        readable_logs(services, [library])
        proof = services.prover().prove(library, entry, actor=who)
        key = services.notary.key(library)
    if to is None:
        output.result.print(proof.to_text(), end="")
    else:
        with line_writer(to) as write:
            write(proof.to_text().removesuffix("\n").encode())
    output.messages.print(f"Check it with `python verifier.py proof FILE --key {key.text}`.")


def forget(
    library: LibraryOption,
    year: Annotated[int, typer.Option("--year", min=1900, max=9999, help="The calendar year.", metavar="YEAR")],
    actor: ActorOption,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="Destroy the key, as the second person; another person asked first.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Destroy the key of an expired year (two people).

    A year expires ten years after its last entry. Without --confirm the command records the request; with it, another
    person destroys the key and the messages encrypted under it. The entries stay and every proof remains valid, but the
    people in them can no longer be identified. This cannot be undone.

    Earlier backups contain the key too, encrypted with the key file of their time: destroy them, or that key file.
    """
    who, output = acting_person(actor), terminal_output()
    with command_services(config) as services:
        readable_logs(services, [library])
        if not confirm:
            services.key_destruction.ask(library, year, who)
            output.result.print(
                f"Recorded. Another person must run the same command with --confirm within {DAYS} days."
            )
            return
        done = services.key_destruction.confirm(library, year, who)
    output.result.print(
        f"The key of {year} of {library} is destroyed: {done.entries} entries no longer identify anybody, and "
        f"{done.evidence} stored messages are deleted. The log still verifies."
    )
    output.messages.print(
        "Earlier backups still contain the encrypted key: destroy them, or the key file of their time."
    )


#: What each format contains, and a sentence on how to use it.
_AFTERWARDS: Final = {
    Format.CSV: ("accesses", "It shows who queried whom: protect it like the log."),
    Format.JSONL: ("entries", "The SHA-256 of a zero byte and a line is that entry's leaf in the tree of the log."),
    Format.TILES: ("files", "Hand over the folder: its README.txt explains how to check it without rrsync."),
    Format.AUDITREGISTER: (
        "registrations",
        "It contains national numbers: destroy it after sending. docs/access-log.md lists the fields to complete.",
    ),
    Format.LDV: ("records", "Post each line to the OTLP endpoint of the logbook."),
}


def export(
    target: Annotated[Path, typer.Argument(help="The file to write; for tiles a new folder.", metavar="TARGET")],
    library: LibraryOption,
    form: Annotated[Format, typer.Option("--format", help="The format.", metavar="|".join(Format))],
    reason: ReasonOption,
    actor: ViewerOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    config: ConfigOption = None,
) -> None:
    """Export the access log to a file or folder.

    csv: one row per access with its outcome, for a spreadsheet. jsonl: the exact bytes of every entry, one per line.
    tiles: the whole log with its tree and its last signed checkpoint in a new folder (C2SP tlog-tiles), with a program
    that verifies it without rrsync. auditregister: calls for MAGDA's Auditregister, one per line. ldv: records of
    Logboek Dataverwerkingen as OTLP in JSON, one per line, without users.

    People appear as pseudonyms; only auditregister contains national numbers. Files are readable by you alone, and are
    written completely or not at all. --since and --until select accesses by their time, in Belgian time. To include a
    witness's signature in tiles, run `rrsync log anchor` just before.
    """
    output = terminal_output()
    order = ExportOrder(library, form, local_time.since(since), local_time.until(until))
    who, why = viewing_person(actor), log_text("--reason", reason)
    if form is Format.TILES and target.exists():
        raise exists_already(target)
    with command_services(config) as services:
        readable_logs(services, [library])
        source = services.export()
        filled = source.begin(order, actor=who, why=why)
        with progress(output, f"Writing the log of {library}", len(filled.entries), unit="entries read") as show:
            count = _write_export(source, filled, target, show)
        later = services.access_log.head(library).size - filled.entries.stop - 1
    what, todo = _AFTERWARDS[form]
    about = f"{count} {what}"
    if form is Format.TILES:
        about = f"{len(filled.entries)} entries in {count} files"
        todo += f" It does not contain the {later} entries after its last checkpoint." if later else ""
    output.result.print(f"{about} of the access log of {library} written to {printable(target)}. {todo}")


def _write_export(source: Export, filled: LoggedOrder, target: Path, show: Callable[[int], None]) -> int:
    """Write the log to a file or folder in the ordered format; return the number of rows, lines or files."""
    match filled.order.format:
        case Format.TILES:
            with folder_writer(target) as write_file:
                return _write_each(lambda file: write_file(*file), source.files(filled, show))
        case Format.CSV:
            with csv_writer(target) as write_row:
                write_row(COLUMNS)
                return _write_each(write_row, ([escape(cell) for cell in row] for row in source.rows(filled, show)))
        case _:
            with line_writer(target) as write_line:
                return _write_each(write_line, source.lines(filled, show))


def _write_each(write: Callable[[_T], object], items: Iterable[_T]) -> int:
    count = 0
    for count, item in enumerate(items, start=1):  # noqa: B007 — the last count is returned
        write(item)
    return count
