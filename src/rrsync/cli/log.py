"""The doors of the access log, for the data-protection officer.

``rrsync log export``: the access log for those who do not have rrsync.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from rrsync.app.services import Services
from rrsync.audit.export import Export, ExportOrder, Format, LoggedOrder
from rrsync.audit.export_formats import COLUMNS
from rrsync.audit.key_destruction import DAYS
from rrsync.audit.notary import newest
from rrsync.cli.context import among, opened, person, short, viewer, voices
from rrsync.cli.member_file import shown
from rrsync.cli.options import (
    ActorOption,
    ConfigOption,
    JsonOption,
    LibraryOption,
    SinceOption,
    UntilOption,
    ViewerOption,
)
from rrsync.cli.output import new_folder, progress, replacing, replacing_lines
from rrsync.core.log_entry import JSON, decode
from rrsync.core.spreadsheet import escape
from rrsync.errors import BrokenChain, ConfigError, InputError
from rrsync.store.checkpoints import AnchorReceipt
from rrsync.store.log_tree import KnownRoot
from rrsync.text import local_time

LibrariesOption = Annotated[
    list[str] | None, typer.Option("--library", help="Only this library; may be given again.", metavar="ID")
]


def verify(
    library: LibrariesOption = None,
    since: Annotated[
        Path | None,
        typer.Option(
            "--since",
            help="Only what came after this signed checkpoint, as an anchor or a mail has it.",
            metavar="FILE",
        ),
    ] = None,
    actor: ViewerOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Recompute the log and hold it against its checkpoints.

    Every entry is read as its exact bytes; their tree must lead to each checkpoint that was signed, in the database, in
    the folder of the last one signed and at the anchors that give theirs back. Who verified stands in the log too.
    Exit code 0 when every log is whole; else 4, with the library, the entry and the cause of the first fault.
    """
    speak, who = voices(), viewer(actor)
    found: dict[str, dict[str, object]] = {}
    with opened(config) as services:
        for name in logged(services, library):
            start = _start(services, name, since)
            with progress(
                speak, f"verify {name}", services.access_log.head(name).size, lines=f"entries of {name}"
            ) as done:
                head = services.recount().verify(name, who, since=start, progress=lambda at, _: done(at))
            found[name] = {"size": head.size, "root": head.root, "anchored": _anchored(services, name)}
    if as_json:
        speak.document(found)
        return
    for name, told in found.items():
        speak.out.print(f"The access log of {name} is whole: {told['size']} entries, root {told['root']}.")
        speak.out.print(_elsewhere(told["anchored"]))


def _start(services: Services, library: str, file: Path | None) -> KnownRoot | None:
    if file is None:
        return None
    try:
        found = newest(library, file.read_bytes(), services.notary.key(library), source=shown(file.name))
    except OSError as error:
        raise InputError(f"{shown(file.name)} cannot be read: {error.strerror}", kept="Nothing was verified") from error
    if found is None:
        raise InputError(
            f"{shown(file.name)} holds no checkpoint that was signed as the log of {library}",
            kept="Nothing was verified",
            todo="Name a file with its signed note: as `rrsync log checkpoint` gives it, an anchor, or a mail",
        )
    return found


def _anchored(services: Services, library: str) -> dict[str, object] | None:
    last = services.checkpoints.last_anchored(library)
    return _said(last) if last else None


def _said(one: AnchorReceipt) -> dict[str, object]:
    return {"size": one.size, "anchor": one.name, "at": one.at.isoformat()}


def _elsewhere(last: object) -> str:
    if not isinstance(last, dict):
        return (
            "No anchor keeps a checkpoint of it: an older backup of the database, with the folder [log] signed of "
            "then, would not be seen."
        )
    return f"A checkpoint of {last['size']} entries is kept by {last['anchor']}, since {str(last['at'])[:16]} UTC."


def checkpoint(library: LibrariesOption = None, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Sign what the log is now, and print the signed note.

    The note is a C2SP checkpoint: the log's name, its size, its root and who signed. Keep it where nobody who keeps the
    database can change it, with the public key that is printed beside it: `rrsync log verify --since FILE` holds the
    log against it, and so does the verifier that `rrsync log export --format tiles` hands out.
    """
    speak = voices()
    with opened(config) as services:
        prover = services.prover()
        notes = {name: (prover.newest(name), services.notary.key(name)) for name in logged(services, library)}
    if as_json:
        speak.document({name: {"note": note.to_text(), "key": key.text} for name, (note, key) in notes.items()})
        return
    for name, (note, key) in notes.items():
        speak.err.print(f"The log of {name}; its public key is {key.text}")
        speak.out.print(note.to_text(), end="")


def anchor(library: LibrariesOption = None, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Sign the log, and have every anchor keep it.

    Run it from a timer every hour or so. Exit code 0 when every anchor took it, 3 when one did not, 4 when none did or
    when one knows a longer or another log.
    """
    speak = voices()
    with opened(config) as services:
        log_settings = services.settings.log
        if not log_settings.anchor:
            raise ConfigError(
                "The settings name no anchor",
                todo="Name one or more [[log.anchor]]: a file elsewhere, a mail, or a witness",
            )
        names = logged(services, library)
        failures = services.notary.close(names)
        found = {name: {one.name: one for one in services.checkpoints.anchorings(name)} for name in names}
    if as_json:
        taken = {name: [_said(each) for each in last.values()] for name, last in found.items()}
        speak.document({"anchored": taken, "failures": [str(failure) for failure in failures]})
    else:
        for name, last in found.items():
            for each in last.values():
                speak.out.print(
                    f"{name}: {each.size} entries are kept by {each.name}, since {each.at:%Y-%m-%d %H:%M} UTC."
                )
        for failure in failures:
            speak.err.print(str(failure))
    if failures:
        raise typer.Exit(3 if len(failures) < len(log_settings.anchor) else 4)


def prove(
    entry: Annotated[int, typer.Argument(min=0, help="The entry, by its number in the log.", metavar="ENTRY")],
    library: LibraryOption,
    to: Annotated[Path | None, typer.Option("--to", help="Write it to this file.", metavar="FILE")] = None,
    actor: ViewerOption = None,
    config: ConfigOption = None,
) -> None:
    """Write the proof that one entry is in the log.

    It stands alone: the entry's own bytes, its way to the root, and the signed checkpoint (C2SP tlog-proof). Whoever
    has it needs the log's public key and nothing else of ours. It shows no other entry. Asking for it is an entry too.

    Example: rrsync log prove 118 --library hasselt --to 118.tlog-proof
    """
    speak, who = voices(), viewer(actor)
    with opened(config) as services:
        looked(services, [library])
        proof = services.prover().prove(library, entry, actor=who)
        key = services.notary.key(library)
    if to is None:
        speak.out.print(proof.to_text(), end="")
    else:
        with replacing_lines(to) as write:
            write(proof.to_text().removesuffix("\n").encode())
    speak.err.print(f"Anybody can check it with `python verifier.py proof FILE --key {key.text}`.")


def forget(
    library: LibraryOption,
    year: Annotated[int, typer.Option("--year", min=1900, max=9999, help="The calendar year.", metavar="YEAR")],
    actor: ActorOption,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="Destroy it, as the second person; the first one asked.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Destroy the key of a year past its term: two people.

    The term is ten years after the year's last entry. Without --confirm it asks; with it, another person destroys the
    key and the messages kept under it. The entries stay and every proof holds, but nobody can tell any more whom they
    were about. It cannot be undone.
    Backups made before hold the key too, sealed with the key file of their time: destroy them, or that file.
    """
    who = person(actor)
    speak = voices()
    with opened(config) as services:
        looked(services, [library])
        if not confirm:
            services.key_destruction.ask(library, year, who)
            speak.out.print(f"Asked. Now another person must run the same command with --confirm, within {DAYS} days.")
            return
        done = services.key_destruction.confirm(library, year, who)
    speak.out.print(
        f"The key of {year} of {library} is destroyed: {done.entries} entries no longer tell whom they were about, and "
        f"{done.evidence} kept messages are gone. The log still verifies."
    )
    speak.err.print(
        "Backups made before now still hold the key, sealed: destroy those of that time, or the key file they need."
    )


def looked(services: Services, ids: Sequence[str] | None = None) -> list[str]:
    """Give the libraries whose logs are to be looked at; a look is an entry, and none is added to a log that is unfit.

    Raises:
        BrokenChain: one is shorter than what was signed of it, or another; it stays as it is.
    """
    names = logged(services, ids)
    for name in names:
        services.notary.hold(name)
    return names


def logged(services: Services, ids: Sequence[str] | None = None) -> list[str]:
    """Return the libraries whose logs are meant: those named, or all of the settings and all that left a log here."""
    known = [library.id for library in services.settings.library]
    return among([*known, *(head.library for head in services.access_log.heads() if head.library not in known)], ids)


def read(library: str, seq: int, data: bytes) -> dict[str, JSON]:
    """Read an entry to show it.

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
    since: SinceOption = None,
    until: UntilOption = None,
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
    order = ExportOrder(library, form, local_time.since(since), local_time.until(until))
    who, why = viewer(actor), short("--reason", reason)
    if form is Format.TILES and target.exists():
        raise ConfigError(f"{shown(target.name)} is there already", todo="Name a folder that is not there yet")
    with opened(config) as services:
        looked(services, [library])
        source = services.export()
        filled = source.begin(order, actor=who, why=why)
        title = f"Writing the log of {library}"
        with progress(speak, title, len(filled.entries), lines="entries read") as told:
            count = _WRITERS.get(form, _write_lines)(source, filled, target, told)
        later = services.access_log.head(library).size - filled.entries.stop - 1
    what, todo = _NEXT[form]
    about = f"{count} {what}"
    if form is Format.TILES:
        about = f"{len(filled.entries)} entries in {count} files"
        todo += f" Without the {later} entries after its last checkpoint." if later else ""
    speak.out.print(f"{about} of the access log of {library} written to {shown(target)}. {todo}")


def _write_rows(source: Export, filled: LoggedOrder, target: Path, told: Callable[[int], None]) -> int:
    count = 0
    with replacing(target) as write:
        write(COLUMNS)
        for count, row in enumerate(source.rows(filled, told), start=1):  # noqa: B007 — the last one counts
            write([escape(cell) for cell in row])
    return count


def _write_lines(source: Export, filled: LoggedOrder, target: Path, told: Callable[[int], None]) -> int:
    count = 0
    with replacing_lines(target) as write:
        for count, line in enumerate(source.lines(filled, told), start=1):  # noqa: B007 — as above
            write(line)
    return count


def _write_folder(source: Export, filled: LoggedOrder, target: Path, told: Callable[[int], None]) -> int:
    count = 0
    with new_folder(target) as write:
        for count, (name, data) in enumerate(source.files(filled, told), start=1):  # noqa: B007 — as above
            write(name, data)
    return count


_WRITERS: Final = {Format.CSV: _write_rows, Format.TILES: _write_folder}
