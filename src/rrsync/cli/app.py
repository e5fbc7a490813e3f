"""The command ``rrsync``: the table of its commands, and the handling of errors as messages and exit codes."""

from __future__ import annotations

import io
import re
import sys
import traceback
from importlib.metadata import version
from typing import Annotated, Final

import typer

from rrsync.cli.lazy_group import LazyCommand, LazyGroup, LazySubgroup
from rrsync.cli.options import CONFIG_BEFORE_COMMAND, SIGNING_ERROR, ConfigOption
from rrsync.errors import RrsyncError

_UNEXPECTED: Final = 1
_INTERRUPTED: Final = 130

#: A text that looks like a national number. Users may type one in the wrong place, and messages end up in log files.
_NUMBER: Final = re.compile(r"(?<!\d)\d(?:[ ./-]?\d){10}(?!\d)")

_LOG: Final[dict[str, LazyCommand | LazySubgroup]] = {
    "verify": LazyCommand("log:verify", "Recompute the log and compare it with checkpoints."),
    "checkpoint": LazyCommand("log:checkpoint", "Sign the log as it is now and print the note."),
    "anchor": LazyCommand("log:anchor", "Sign the log and store the checkpoint at every anchor."),
    "prove": LazyCommand("log:prove", "Write the proof that one entry is in the log."),
    "forget": LazyCommand("log:forget", "Destroy the key of an expired year (two people)."),
    "show": LazyCommand("log_queries:show", "Show who queried whom, why, and with what result."),
    "who": LazyCommand("log_queries:who", "Tell a citizen who queried their data."),
    "evidence": LazyCommand("log_queries:evidence", "Write the full request and reply of one access."),
    "export": LazyCommand("log:export", "Export the access log to a file or folder."),
    "digest": LazyCommand("log_review:digest", "Summarise a day's notable accesses and overdue reviews."),
    "sample": LazySubgroup(
        {
            "list": LazyCommand("log_review:list_sample", "Show a month's sample and its decisions."),
            "sign": LazyCommand("log_review:sign", "Record a decision on entries of a month's sample."),
        },
        summary="Review the monthly sample: list, sign.",
        help="Review the monthly sample: accesses drawn at random, for a second person to check.",
        epilog="Start with `rrsync log sample list --library ID`. It shows the last complete month.",
    ),
    "staff": LazySubgroup(
        {
            "add": LazyCommand("log_review:add", "Add a member of staff to the list."),
            "remove": LazyCommand("log_review:remove", "Remove a member of staff from the list."),
            "list": LazyCommand("log_review:list_staff", "Show the names on the list."),
        },
        summary="Maintain the list of staff: add, remove, list.",
        help="Maintain the list of staff: it flags accesses to one's own data or to a colleague's.",
        epilog="Start with `rrsync log staff add --library ID --name NAME`. It asks for the national number, hidden.",
    ),
}
_MEMBERS: Final = {
    "import": LazyCommand("members:import_members", "Import a library's members from its own file."),
    "export": LazyCommand("members:export_members", "Export the members with their addresses as CSV."),
}
_HOLDS: Final = {
    "list": LazyCommand("desk:list_holds", "List the open holds, the oldest first."),
    "show": LazyCommand("desk:show", "Show one hold: its reason, advice and proposal."),
    "accept": LazyCommand("desk:accept", "Accept the register's data for one or more holds."),
    "dismiss": LazyCommand("desk:dismiss", "Keep the library's data for one or more holds."),
}
COMMANDS: Final[dict[str, LazyCommand | LazySubgroup]] = {
    "init": LazyCommand("setup:init", "Create the missing files and the database."),
    "demo": LazyCommand("demo:demo", "Run a night on invented people, then serve the pages."),
    "check": LazyCommand("setup:check", "Check the installation; ask about nobody."),
    "members": LazySubgroup(
        _MEMBERS,
        summary="Import members from a file, or export them to one.",
        help="Import members from the library's own file, and export them with their addresses.",
        epilog="Start with `rrsync members import members.csv --library ID`. Then `rrsync night` asks about them.",
    ),
    "night": LazyCommand("night:night", "Bring members' addresses up to date."),
    "refresh": LazyCommand("desk:refresh", "Ask the register about one member now."),
    "holds": LazySubgroup(
        _HOLDS,
        summary="Review the holds: list, show, accept, dismiss.",
        help="Review the holds: replies of the register that a person must accept or dismiss.",
        epilog="Start with `rrsync holds list`, then `rrsync holds show HOLD`. It explains the hold and what to do.",
    ),
    "log": LazySubgroup(
        _LOG,
        summary="Read, verify, anchor and export the access log.",
        help="Read, verify, anchor and export the access log: who queried whom, when and why.",
        epilog="Start with `rrsync log verify`, then `rrsync log show --library ID --last 20`.",
    ),
    "serve": LazyCommand("serve:serve", "Serve the web pages until Ctrl-C."),
    "simulator": LazyCommand("simulator:simulator", "Serve a simulated MAGDA until Ctrl-C."),
    "witness": LazyCommand("witness:witness", "Witness other organisations' access logs until Ctrl-C."),
}


class _AllCommands(LazyGroup):
    """The group of all commands."""

    rows = COMMANDS


app = typer.Typer(
    name="rrsync",
    cls=_AllCommands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Keeps library members' addresses in sync with the Belgian National Registry, through MAGDA.",
    epilog="New here? `rrsync demo` runs a whole night on invented people. Then, in a new folder: `rrsync init`, "
    "`rrsync check`, `rrsync members import FILE --library ID`, `rrsync night --dry-run`, `rrsync night`.",
)


def main() -> None:
    """Run the command line of this process."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run a command with these arguments and return its exit code.

    An error is printed as one paragraph, never as a traceback, because a traceback could show a person's data.
    """
    SIGNING_ERROR.set(None)
    code = _run(arguments)
    error = SIGNING_ERROR.get()
    if error is None or code == error.exit_code:  # the command failed for the same reason and printed it
        return code
    _write(f"rrsync: The command is done, but the access log could not be signed: {error.what}. {error.todo}.\n")
    return code or error.exit_code


def _run(arguments: list[str]) -> int:
    try:
        code = app(arguments, prog_name="rrsync", standalone_mode=False)
    except RrsyncError as error:
        _write(f"rrsync: {error}\n")
        return error.exit_code
    except Exception as error:  # noqa: BLE001 — any other error becomes a message and an exit code here
        return _report(error)
    if code == _INTERRUPTED:  # Typer's code for Ctrl-C
        _write("rrsync: Stopped. Committed data is kept. It is safe to run the command again.\n")
    return code if isinstance(code, int) else 0


def _report(error: Exception) -> int:
    if callable(show := getattr(error, "show", None)):  # a usage error of Typer
        text = io.StringIO()
        show(file=text)
        _write(text.getvalue())
        return int(getattr(error, "exit_code", 2))
    frames = "".join(traceback.format_tb(error.__traceback__)[-3:])  # places in our code, no values
    _write(
        f"rrsync: An unexpected error occurred ({type(error).__name__}). Committed data is kept. It is safe to run the "
        f"command again. Please report it with these lines, which contain no personal data:\n{frames}"
    )
    return _UNEXPECTED


def _write(text: str) -> None:
    sys.stderr.write(_NUMBER.sub("[number]", text))


def _show_version(asked: bool) -> None:
    if asked:
        sys.stdout.write(f"rrsync {version('rrsync')}\n")
        raise typer.Exit


@app.callback()
def options(
    config: ConfigOption = None,
    _: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Keep the options that stand before the command."""
    CONFIG_BEFORE_COMMAND.set(config)
