"""``rrsync night``: the nightly refresh, its forecast, its progress and its report."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Final

import typer
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as ProgressBar
from rich.table import Table

from rrsync.app.runtime import stopping
from rrsync.app.services import Services
from rrsync.cli.context import command_services, select_libraries
from rrsync.cli.options import ConfigOption, JsonOption, LibrariesOption
from rrsync.cli.output import Output, make_table, terminal_output
from rrsync.core.planning import Plan, Why, seconds_left, tonight
from rrsync.core.report import Report
from rrsync.errors import ConfigError
from rrsync.sync.night import Progress

_LINE_EVERY_S: Final = 10
_WHY: Final = {
    Why.NEVER: "never asked, or changed in the library's file",
    Why.STALE: "last asked too long ago",
    Why.MUTATION: "changed in the register",
    Why.DESK: "requested at the desk",
    Why.NEW_NUMBER: "has a new number",
}
EPILOGS: Final = {"night": "Start with `rrsync night --dry-run`, then `rrsync night --max 10`."}


def night(
    library: LibrariesOption = None,
    channel: Annotated[
        str, typer.Option("--channel", help="The channel to MAGDA: online, one person per call.", metavar="CHANNEL")
    ] = "online",
    full: Annotated[bool, typer.Option("--full", help="Ask about every member, even if asked recently.")] = False,
    most: Annotated[
        int | None, typer.Option("--max", min=1, help="Add at most this number of members to the run.", metavar="N")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List who is due and why; ask about nobody.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Bring members' addresses up to date.

    The run chooses the members that are due, asks the register about each, compares the replies with the library's
    data, applies the changes and prints a report.

    Run it from a timer. SIGTERM, Ctrl-C or a crash can stop it at any moment; the next run continues where it stopped.
    Exit codes: 0 done, 3 done but some members are still open, 4 stopped on purpose, 75 another night is running.
    """
    if channel != "online":
        raise ConfigError(
            f"There is no channel {channel!r} in this version", todo="Leave --channel out: the channel is then online"
        )
    output = terminal_output()
    with command_services(config) as services:
        settings = services.settings
        libraries, days = select_libraries(settings, library), settings.night.stale_after_days
        plan = tonight(now=services.runtime.clock(), stale_after_days=days, full=full, most=most)
        if dry_run:
            _print_forecast(services, output, libraries, plan, as_json=as_json)
            return
        with stopping(services.stop), _progress(services, output) as progress:
            report = services.night().run(libraries, plan, progress=progress)
    if as_json:
        output.print_json(report.as_json())
    else:
        _print_report(output, report)
    raise typer.Exit(report.exit_code)


def _print_forecast(services: Services, output: Output, libraries: list[str], plan: Plan, *, as_json: bool) -> None:
    forecast, registry = services.runs.forecast(libraries, plan), services.settings.registry
    total = sum(each.members for each in forecast)
    seconds = seconds_left(total, registry.max_per_second)
    if as_json:
        due = [{"library": each.library, "why": each.why.value, "members": each.members} for each in forecast]
        output.print_json({"due": due, "total": total, "seconds": seconds})
        return
    table = make_table("library", "why", "members")
    for each in forecast:
        table.add_row(each.library, _WHY[each.why], str(each.members))
    output.result.print(table)
    output.result.print(f"{total} members are due: about {_duration(seconds)} at the allowed rate. Nobody was asked.")


@contextmanager
def _progress(services: Services, output: Output) -> Iterator[Callable[[Progress], None]]:
    """Yield a function that shows progress: a bar on a terminal, else a line every ten seconds."""
    if not output.messages.is_terminal:
        last: list[datetime] = [services.runtime.clock()]

        def line(at: Progress) -> None:
            now = services.runtime.clock()
            if (now - last[0]).total_seconds() >= _LINE_EVERY_S:
                last[0] = now
                output.messages.print(f"{at.tried} of {at.due} members, about {_duration(at.seconds_left)} left")

        yield line
        return
    columns = BarColumn(), MofNCompleteColumn(), TextColumn("members, about {task.fields[left]} left")
    with ProgressBar(*columns, console=output.messages, transient=True) as bar:
        task = bar.add_task("", total=None, left="?")
        yield lambda at: bar.update(task, completed=at.tried, total=at.due, left=_duration(at.seconds_left))


def _print_report(output: Output, report: Report) -> None:
    counts = Table(title=f"Night {report.run}", show_header=False, title_justify="left")
    rows = [
        ("due", report.due),
        ("asked", report.asked),
        ("same", report.same),
        ("changed", report.change),
        ("on hold", sum(report.hold.values())),
        *((f"  {reason}", count) for reason, count in sorted(report.hold.items())),
        ("still open", report.open),
        ("calls per second", report.calls_per_second),
    ]
    for name, value in rows:
        counts.add_row(name, str(value))
    output.result.print(counts)
    if report.withheld:
        paths = ", ".join(f"{path} ({count})" for path, count in report.withheld.most_common(5))
        output.result.print(f"Withheld, because the authorisation does not cover it: {paths}.")
    for name, (size, root) in sorted(report.log.items()):
        output.result.print(f"Access log of {name}: {size} entries, root {root}.")
    if report.stopped:
        output.messages.print(f"Stopped: {report.stopped[1]}")
    elif report.exit_code:
        output.messages.print(f"{report.open} members are still open: the next `rrsync night` continues with them.")


def _duration(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
