"""``rrsync simulator``: a simulated MAGDA with invented people, for trials and tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Final

import typer

from rrsync.app.runtime import system_runtime, until_stopped
from rrsync.cli.output import csv_writer, terminal_output
from rrsync.errors import ConfigError
from rrsync.simulator.citizens import World, member_rows
from rrsync.simulator.faults import DESCRIPTIONS, Fault
from rrsync.simulator.server import Simulator

#: The seed of the invented people.
SEED: Final = 1

#: The end of the help: a line for each kind of fault.
_FAULTS: Final = "\b\nExample: rrsync simulator --people 300 --members members.csv --fault busy:10\n\n\b\n" + "\n".join(
    ["The kinds of fault:", *(f"  {kind.value:14}{text}" for kind, text in DESCRIPTIONS.items())]
)
EPILOGS: Final = {"simulator": _FAULTS}


def simulator(
    port: Annotated[
        int,
        typer.Option("--port", min=0, max=65_535, help="The port on 127.0.0.1; 0 selects a free one.", metavar="N"),
    ] = 8080,
    people: Annotated[int, typer.Option("--people", min=1, help="The number of invented people.", metavar="N")] = 1_000,
    personas: Annotated[
        Path | None, typer.Option("--personas", help="A folder of persona files, as in MAGDA-Mock.", metavar="DIR")
    ] = None,
    latency_ms: Annotated[
        int, typer.Option("--latency-ms", min=0, help="The time of each reply, in milliseconds.", metavar="N")
    ] = 0,
    max_per_second: Annotated[
        int | None,
        typer.Option(
            "--max-per-second", min=1, help="Throttle above this number per second, as MAGDA does.", metavar="N"
        ),
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option("--fault", help="A fault at every Nth request; can be repeated.", metavar="KIND:EVERY"),
    ] = None,
    must_subscribe: Annotated[
        bool, typer.Option("--must-subscribe", help="Answer only about numbers with a subscription.")
    ] = False,
    members: Annotated[
        Path | None,
        typer.Option("--members", help="Write a member file of these people, to import.", metavar="FILE"),
    ] = None,
) -> None:
    """Serve a simulated MAGDA until Ctrl-C.

    The simulator knows invented people, validates every request against the schema and counts requests (see /counts).
    The settings of `rrsync init` expect it on port 8080. --members FILE writes a member file of its people.
    """
    output = terminal_output()
    if personas is not None and not personas.is_dir():
        raise ConfigError(f"There is no folder {personas}", todo="Name the folder that holds the persona files")
    faults = tuple(Fault.parse(spec) for spec in fault or ())
    world = World(seed=SEED, people=people)
    if members is not None:
        write_members(members, member_rows(world))
        output.messages.print(f"Wrote {members}: import it with `rrsync members import {members} --library ID`.")
    runtime = system_runtime()
    server = Simulator(
        now=runtime.clock,
        new_reference=runtime.new_reference,
        world=world,
        personas=personas,
        latency_ms=latency_ms,
        max_per_second=max_per_second,
        faults=faults,
        port=port,
        keep_asked=False,
        must_subscribe=must_subscribe,
    )
    with server, until_stopped() as stopped:
        output.messages.print(f"A simulated MAGDA answers at {server.url} ; stop it with Ctrl-C.")
        stopped.wait()
    output.messages.print(
        ", ".join(f"{name} {count}" for name, count in sorted(server.counts.items())) or "No requests."
    )


def write_members(path: Path, rows: Iterable[Mapping[str, str]]) -> None:
    """Write a library's member file, readable by its owner alone; raises what ``csv_writer`` raises."""
    with csv_writer(path) as write:
        for number, row in enumerate(rows):
            if number == 0:
                write(list(row))
            write(list(row.values()))
