"""The doors of the access log, for the data-protection officer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rrsync.cli.context import ConfigOption, JsonOption, LibraryOption, among, opened, table, voices
from rrsync.core.entry import decode
from rrsync.errors import BrokenChain, ConfigError
from rrsync.store.verify import verify as verify_log

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rrsync.core.entry import JSON
    from rrsync.wiring import App

log_app = typer.Typer(
    no_args_is_help=True,
    help="The access log: who looked at whom, why; is it whole.",
    epilog="Begin with `rrsync log verify`, then `rrsync log show --library ID --last 20`.",
)


@log_app.command("verify")
def verify(
    library: Annotated[
        list[str] | None, typer.Option("--library", help="Only this library; may be given again.", metavar="ID")
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Recompute the whole log and hold it against its head.

    Every entry is read as its exact bytes, and the tree over them must be the one the log closed with.
    Exit code 0 when every log is whole; else 4, with the library, the entry and the cause of the first fault.
    """
    speak = voices()
    with opened(config) as app:
        heads = [verify_log(app.database, name) for name in logged(app, library)]
    if as_json:
        speak.document({head.library: {"size": head.size, "root": head.root} for head in heads})
        return
    for head in heads:
        speak.out.print(f"The access log of {head.library} is whole: {head.size} entries, root {head.root}.")


@log_app.command("show")
def show(
    library: LibraryOption,
    member: Annotated[str | None, typer.Option("--member", help="Only about this member.", metavar="MEMBER_NO")] = None,
    last: Annotated[int, typer.Option("--last", min=1, help="Only the last so many entries.", metavar="N")] = 50,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Show the last entries of a library's log.

    People stand in it as pseudonyms only. With --member it shows the entries about one member, whoever asked.
    Example: rrsync log show --library hasselt --member M000123
    """
    speak = voices()
    with opened(config) as app:
        logged(app, [library])
        lines = _lines(app, library, member, last)
    if as_json:
        speak.document([{"seq": seq, **line} for seq, line in lines])
        return
    shown = table("entry", "when (UTC)", "what", "who", "why", "case", "outcome", "about", "reference")
    for seq, line in lines:
        shown.add_row(str(seq), *(_cell(line, *path) for path in _CELLS))
    speak.out.print(shown)


_CELLS = (
    ("ts",),
    ("kind",),
    ("actor", "id"),
    ("why", "code"),
    ("why", "case"),
    ("out", "status"),
    ("subj", "ref"),
    ("ref",),
)


def _lines(app: App, library: str, member: str | None, last: int) -> list[tuple[int, dict[str, JSON]]]:
    if member is None:
        size = next((head.size for head in app.ledger.heads() if head.library == library), 0)
        return [(seq, read(library, seq, data)) for seq, data in app.ledger.entries(library, since=max(0, size - last))]
    numbers = app.members.numbers(library, member)
    if not numbers:
        raise ConfigError("The library has no such member with a national number", todo="Check the member number")
    found = dict(entry for number in numbers for entry in app.ledger.of_subject(library, number))
    return [(seq, read(library, seq, found[seq])) for seq in sorted(found)[-last:]]


def logged(app: App, ids: Sequence[str] | None = None) -> list[str]:
    """Give the libraries whose logs are meant: those named, or all of the settings and all that left a log here."""
    known = [library.id for library in app.settings.library]
    return among([*known, *(head.library for head in app.ledger.heads() if head.library not in known)], ids)


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


def _cell(line: dict[str, JSON], *path: str) -> str:
    value: JSON = line
    for name in path:
        value = value.get(name, "") if isinstance(value, dict) else ""
    text = str(value)
    return text[:8] if path == ("subj", "ref") else text[:19].replace("T", " ") if path == ("ts",) else text
