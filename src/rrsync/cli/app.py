"""The command ``rrsync``: its commands, and the one place where an error becomes a sentence and an exit code."""

from __future__ import annotations

import io
import re
import sys
import traceback
from importlib.metadata import version
from typing import Annotated, Final

import typer

from rrsync.cli import demo, desk, log, log_queries, log_review, night, serve, setup, simulator, witness
from rrsync.cli.context import BEFORE, LATE, ConfigOption
from rrsync.cli.log import log_app
from rrsync.cli.log_review import sample_app, staff_app
from rrsync.cli.members import members_app
from rrsync.errors import RrsyncError

_UNEXPECTED: Final = 1
_INTERRUPTED: Final = 130

#: What looks like a national number: somebody may type one where another word belongs, and messages end in log files.
_NUMBER: Final = re.compile(r"(?<!\d)\d(?:[ ./-]?\d){10}(?!\d)")

app = typer.Typer(
    name="rrsync",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Keeps library members' addresses true to the Belgian National Registry, through MAGDA.",
    epilog="First time? `rrsync demo` shows a whole night on invented people. Then `rrsync init` in a new folder, "
    "`rrsync check`, `rrsync members import FILE --library ID`, `rrsync night --dry-run`, `rrsync night`.",
)
app.command()(setup.init)
app.command()(demo.demo)
app.command()(setup.check)
app.add_typer(members_app, name="members", short_help="Take members over from a file, or write them to one.")
app.command()(night.night)
app.command()(desk.refresh)
app.add_typer(desk.holds_app, name="holds")
app.add_typer(log_app, name="log")
app.command()(serve.serve)
app.command(epilog=simulator.FAULTS)(simulator.simulator)
app.command()(witness.witness)
for command in (log_queries.show, log_queries.who, log_queries.evidence, log.export, log_review.digest):
    log_app.command()(command)
log_app.add_typer(sample_app, name="sample", short_help="The month's sample: a second pair of eyes.")
log_app.add_typer(staff_app, name="staff", short_help="The list of staff: add, remove, list.")


def _show_version(asked: bool) -> None:
    if asked:
        sys.stdout.write(f"rrsync {version('rrsync')}\n")
        raise typer.Exit


@app.callback()
def options(
    config: ConfigOption = None,
    _: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Hold the options that stand before a command."""
    BEFORE.set(config)


def main() -> None:
    """Run a command; print what went wrong as one paragraph, never a traceback that could show a person."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run a command with these arguments and give its exit code."""
    LATE.set(None)
    code = _run(arguments)
    late = LATE.get()
    if late is None or code == late.exit_code:  # then the command said the same
        return code
    _write(f"rrsync: The command is done, but the access log could not be signed: {late.what}. {late.todo}.\n")
    return code or late.exit_code


def _run(arguments: list[str]) -> int:
    try:
        code = app(arguments, prog_name="rrsync", standalone_mode=False)
    except RrsyncError as error:
        _write(f"rrsync: {error}\n")
        return error.exit_code
    except Exception as error:  # noqa: BLE001 — the door: whatever is left becomes a sentence and an exit code
        return _tell(error)
    if code == _INTERRUPTED:  # what Typer makes of Ctrl-C
        _write("rrsync: Stopped. What was committed is kept; running the command again is safe.\n")
    return code if isinstance(code, int) else 0


def _tell(error: Exception) -> int:
    if callable(show := getattr(error, "show", None)):  # a usage error of the command line
        said = io.StringIO()
        show(file=said)
        _write(said.getvalue())
        return int(getattr(error, "exit_code", 2))
    frames = "".join(traceback.format_tb(error.__traceback__)[-3:])  # places in our code, no values
    _write(
        f"rrsync: Something unexpected happened ({type(error).__name__}). What was committed is kept, and running the "
        f"command again is safe. Please report it with these lines, which hold no person's data:\n{frames}"
    )
    return _UNEXPECTED


def _write(text: str) -> None:
    sys.stderr.write(_NUMBER.sub("[number]", text))
