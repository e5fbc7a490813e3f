"""The door of the nightly run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Final

import typer
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bar
from rich.table import Table

from rrsync.app.runtime import stopping
from rrsync.app.services import Services
from rrsync.cli.context import Voices, chosen, opened, table, voices
from rrsync.cli.options import ConfigOption, JsonOption
from rrsync.core.planning import Plan, Why, seconds_left, tonight
from rrsync.core.report import Report
from rrsync.errors import ConfigError
from rrsync.sync.night import Progress

_EVERY_S: Final = 10
_WHY: Final = {
    Why.NEVER: "never asked, or new in the library's file",
    Why.STALE: "asked too long ago",
    Why.MUTATION: "the register told of a change",
    Why.DESK: "asked for at the desk",
    Why.NEW_NUMBER: "has a new number",
}


def night(
    library: Annotated[
        list[str] | None, typer.Option("--library", help="Only this library; may be given again.", metavar="ID")
    ] = None,
    channel: Annotated[
        str, typer.Option("--channel", help="How to ask: online, one person a call.", metavar="CHANNEL")
    ] = "online",
    full: Annotated[
        bool, typer.Option("--full", help="Ask about everybody, however recently they were asked.")
    ] = False,
    most: Annotated[
        int | None, typer.Option("--max", min=1, help="Add at most so many members to the run.", metavar="N")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List who is due and why, and ask nobody.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Bring members' addresses up to date.

    Who is due, ask, compare, settle, report. First time? `rrsync night --dry-run`, then `rrsync night --max 10`.

    Meant for a timer. It may be stopped at any moment, by SIGTERM or by a crash: the next one goes on where it was.
    Exit codes: 0 done, 3 done but steps are still open, 4 stopped on purpose, 75 another night is running.
    """
    if channel != "online":
        raise ConfigError(
            f"There is no channel {channel!r} in this version", todo="Leave --channel out: online is meant"
        )
    speak = voices()
    with opened(config) as services:
        settings = services.settings
        libraries, days = chosen(settings, library), settings.night.stale_after_days
        plan = tonight(now=services.runtime.clock(), stale_after_days=days, full=full, most=most)
        if dry_run:
            _forecast(services, speak, libraries, plan, as_json=as_json)
            return
        with stopping(services.stop), _progress(services, speak) as progress:
            report = services.night().run(libraries, plan, progress=progress)
    if as_json:
        speak.document(report.as_json())
    else:
        _print(report, speak)
    raise typer.Exit(report.exit_code)


def _forecast(services: Services, speak: Voices, libraries: list[str], plan: Plan, *, as_json: bool) -> None:
    forecast, registry = services.runs.forecast(libraries, plan), services.settings.registry
    total = sum(each.members for each in forecast)
    seconds = seconds_left(total, registry.max_per_second)
    if as_json:
        due = [{"library": each.library, "why": each.why.value, "members": each.members} for each in forecast]
        speak.document({"due": due, "total": total, "seconds": seconds})
        return
    shown = table("library", "why", "members")
    for each in forecast:
        shown.add_row(each.library, _WHY[each.why], str(each.members))
    speak.out.print(shown)
    speak.out.print(f"{total} members are due, about {_time(seconds)} at the allowed rate. Nobody was asked.")


@contextmanager
def _progress(services: Services, speak: Voices) -> Iterator[Callable[[Progress], None]]:
    """Yield what shows progress: a bar on a terminal, else a line every ten seconds."""
    if not speak.err.is_terminal:
        last: list[datetime] = [services.runtime.clock()]

        def line(at: Progress) -> None:
            now = services.runtime.clock()
            if (now - last[0]).total_seconds() >= _EVERY_S:
                last[0] = now
                speak.err.print(f"{at.tried} of {at.due} members, about {_time(at.seconds_left)} left")

        yield line
        return
    columns = BarColumn(), MofNCompleteColumn(), TextColumn("members, about {task.fields[left]} left")
    with Bar(*columns, console=speak.err, transient=True) as bar:
        task = bar.add_task("", total=None, left="?")
        yield lambda at: bar.update(task, completed=at.tried, total=at.due, left=_time(at.seconds_left))


def _print(report: Report, speak: Voices) -> None:
    counts = Table(title=f"Night {report.run}", show_header=False, title_justify="left")
    rows = [
        ("due", report.due),
        ("asked", report.asked),
        ("same", report.same),
        ("changed", report.change),
        ("on hold", sum(report.hold.values())),
        *((f"  {reason}", count) for reason, count in sorted(report.hold.items())),
        ("still open", report.open),
        ("calls a second", report.calls_per_second),
    ]
    for name, value in rows:
        counts.add_row(name, str(value))
    speak.out.print(counts)
    if report.withheld:
        paths = ", ".join(f"{path} ({count})" for path, count in report.withheld.most_common(5))
        speak.out.print(f"Withheld, as the authorisation does not name it: {paths}.")
    for name, (size, root) in sorted(report.log.items()):
        speak.out.print(f"Access log of {name}: {size} entries, root {root}.")
    if report.stopped:
        speak.err.print(f"Stopped: {report.stopped[1]}")
    elif report.exit_code:
        speak.err.print(f"{report.open} members are still open: the next `rrsync night` goes on with them.")


def _time(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
