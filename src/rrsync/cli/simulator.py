"""The door for a register to talk to: a simulated MAGDA with invented people."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Final

import typer

from rrsync.app.runtime import system_runtime, until_stopped
from rrsync.cli.context import voices
from rrsync.errors import ConfigError
from rrsync.simulator.citizens import World, member_rows
from rrsync.simulator.faults import DESCRIPTIONS, Fault
from rrsync.simulator.server import Simulator

#: The people it knows, unless it is told otherwise.
SEED: Final = 1

#: The end of the simulator's help: a line for each kind of fault.
_FAULTS: Final = "\b\nExample: rrsync simulator --people 300 --members members.csv --fault busy:10\n\n\b\n" + "\n".join(
    ["The kinds of fault:", *(f"  {kind.value:14}{text}" for kind, text in DESCRIPTIONS.items())]
)
EPILOGS: Final = {"simulator": _FAULTS}


def simulator(
    port: Annotated[
        int,
        typer.Option(
            "--port", min=0, max=65_535, help="Where to listen, on 127.0.0.1; 0 takes a free one.", metavar="N"
        ),
    ] = 8080,
    people: Annotated[
        int, typer.Option("--people", min=1, help="How many invented people it knows.", metavar="N")
    ] = 1_000,
    personas: Annotated[
        Path | None, typer.Option("--personas", help="A folder of persona files, as in MAGDA-Mock.", metavar="DIR")
    ] = None,
    latency_ms: Annotated[
        int, typer.Option("--latency-ms", min=0, help="How long an answer takes, in milliseconds.", metavar="N")
    ] = 0,
    max_per_second: Annotated[
        int | None,
        typer.Option("--max-per-second", min=1, help="Throttle as MAGDA does, above so many a second.", metavar="N"),
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option("--fault", help="A fault at every so many requests; may be given again.", metavar="KIND:EVERY"),
    ] = None,
    must_subscribe: Annotated[
        bool, typer.Option("--must-subscribe", help="Tell of a person only who is subscribed to the number.")
    ] = False,
    members: Annotated[
        Path | None,
        typer.Option("--members", help="Write a library's file of these people, to import.", metavar="FILE"),
    ] = None,
) -> None:
    """Serve a MAGDA with invented people, until Ctrl-C.

    It checks every request against the schema, and counts what it was asked: see /counts. The settings that `rrsync
    init` makes look for it on port 8080. Give --members FILE for a member file that fits it.
    """
    speak = voices()
    if personas is not None and not personas.is_dir():
        raise ConfigError(f"There is no folder {personas}", todo="Name the folder that holds the persona files")
    faults = tuple(Fault.parse(spec) for spec in fault or ())
    world = World(seed=SEED, people=people)
    if members is not None:
        write_members(members, member_rows(world))
        speak.err.print(f"Wrote {members}: import it with `rrsync members import {members} --library ID`.")
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
        speak.err.print(f"A simulated MAGDA answers at {server.url} ; stop it with Ctrl-C.")
        stopped.wait()
    speak.err.print(
        ", ".join(f"{name} {count}" for name, count in sorted(server.counts.items())) or "Nothing was asked."
    )


def write_members(path: Path, rows: Iterable[Mapping[str, str]]) -> None:
    """Write a library's member file, for its owner alone.

    Raises:
        ConfigError: it cannot be written.
    """
    try:
        path.touch(mode=0o600)
        with path.open("w", encoding="utf-8", newline="") as file:
            writer: csv.DictWriter[str] | None = None
            for row in rows:
                if writer is None:
                    writer = csv.DictWriter(file, fieldnames=list(row))
                    writer.writeheader()
                writer.writerow(row)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}", todo="Name another file") from error
