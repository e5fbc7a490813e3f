"""The command ``rrsync``: its commands, and the one place where an error becomes a sentence and an exit code."""

from __future__ import annotations

import io
import re
import sys
import traceback
from importlib.metadata import version
from typing import Annotated, Final

import typer

from rrsync.cli.lazy_group import LazyCommand, LazyGroup, LazySubgroup
from rrsync.cli.options import BEFORE, LATE, ConfigOption
from rrsync.errors import RrsyncError

_UNEXPECTED: Final = 1
_INTERRUPTED: Final = 130

#: What looks like a national number: somebody may type one where another word belongs, and messages end in log files.
_NUMBER: Final = re.compile(r"(?<!\d)\d(?:[ ./-]?\d){10}(?!\d)")

_LOG: Final[dict[str, LazyCommand | LazySubgroup]] = {
    "verify": LazyCommand("log:verify", "Recompute the log and hold it against its checkpoints."),
    "checkpoint": LazyCommand("log:checkpoint", "Sign what the log is now, and print the signed note."),
    "anchor": LazyCommand("log:anchor", "Sign the log, and have every anchor keep it."),
    "prove": LazyCommand("log:prove", "Write the proof that one entry is in the log."),
    "forget": LazyCommand("log:forget", "Destroy the key of a year past its term: two people."),
    "show": LazyCommand("log_queries:show", "Show who looked at whom, why, and what came of it."),
    "who": LazyCommand("log_queries:who", "Answer a citizen who asks who looked them up."),
    "evidence": LazyCommand("log_queries:evidence", "Write the whole request and reply of one access."),
    "export": LazyCommand("log:export", "Write the access log to a file, for others."),
    "digest": LazyCommand("log_review:digest", "Say what stood out on a day, and what is overdue."),
    "sample": LazySubgroup(
        {
            "list": LazyCommand("log_review:list_sample", "Show a month's sample, and what is still to decide."),
            "sign": LazyCommand("log_review:sign", "Decide about entries of a month's sample."),
        },
        summary="The month's sample: a second pair of eyes.",
        help="The month's sample: accesses drawn by lot for a second person to look at.",
        epilog="Begin with `rrsync log sample list --library ID`; the last month that has ended is shown.",
    ),
    "staff": LazySubgroup(
        {
            "add": LazyCommand("log_review:add", "Put a member of staff on the list."),
            "remove": LazyCommand("log_review:remove", "Take a member of staff off the list."),
            "list": LazyCommand("log_review:list_staff", "Show the names on the list."),
        },
        summary="The list of staff: add, remove, list.",
        help="The list of staff: a look at oneself or at a colleague stands out.",
        epilog="Begin with `rrsync log staff add --library ID --name NAME`; the national number is asked for, hidden.",
    ),
}
_MEMBERS: Final = {
    "import": LazyCommand("members:import_members", "Take a library's members over from its own file."),
    "export": LazyCommand("members:export_members", "Write the members with their addresses, as CSV."),
}
_HOLDS: Final = {
    "list": LazyCommand("desk:list_holds", "List what a person must look at, the oldest first."),
    "show": LazyCommand("desk:show", "Show one hold: why, what to do, what it proposes."),
    "accept": LazyCommand("desk:accept", "Take over what the register says."),
    "dismiss": LazyCommand("desk:dismiss", "Keep what the library holds."),
}
COMMANDS: Final[dict[str, LazyCommand | LazySubgroup]] = {
    "init": LazyCommand("setup:init", "Make what is missing here; leave what is there."),
    "demo": LazyCommand("demo:demo", "Show a whole night on invented people, and the pages."),
    "check": LazyCommand("setup:check", "Check the whole installation; ask nobody."),
    "members": LazySubgroup(
        _MEMBERS,
        summary="Take members over from a file, or write them to one.",
        help="The members: take a library's own file over, and give them back with their addresses.",
        epilog="Begin with `rrsync members import members.csv --library ID`; `rrsync night` then asks about them.",
    ),
    "night": LazyCommand("night:night", "Bring members' addresses up to date."),
    "refresh": LazyCommand("desk:refresh", "Ask the register about one member, now, for a reason."),
    "holds": LazySubgroup(
        _HOLDS,
        summary="What a person must look at: list, show, decide.",
        help="What a person must look at: list, show, decide.",
        epilog="Begin with `rrsync holds list`, then `rrsync holds show HOLD`: it says what is wrong and what to do.",
    ),
    "log": LazySubgroup(
        _LOG,
        summary="The access log: who looked at whom, why; is it whole.",
        help="The access log: who looked at whom, why; is it whole.",
        epilog="Begin with `rrsync log verify`, then `rrsync log show --library ID --last 20`.",
    ),
    "serve": LazyCommand("serve:serve", "Serve the pages, until Ctrl-C."),
    "simulator": LazyCommand("simulator:simulator", "Serve a MAGDA with invented people, until Ctrl-C."),
    "witness": LazyCommand("witness:witness", "Witness the access logs of others, until Ctrl-C."),
}


class _Commands(LazyGroup):
    """The command ``rrsync`` itself."""

    rows = COMMANDS


app = typer.Typer(
    name="rrsync",
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Keeps library members' addresses in sync with the Belgian National Registry, through MAGDA.",
    epilog="First time? `rrsync demo` shows a whole night on invented people. Then `rrsync init` in a new folder, "
    "`rrsync check`, `rrsync members import FILE --library ID`, `rrsync night --dry-run`, `rrsync night`.",
)


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
