"""The doors for a trial: the whole night on invented people, and a register to talk to."""

from __future__ import annotations

import csv
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from rrsync.cli.context import opened, voices
from rrsync.cli.log import verify
from rrsync.cli.members import import_members
from rrsync.cli.night import night
from rrsync.cli.setup import install
from rrsync.cli.template import TEMPLATE
from rrsync.config.load import FILE_NAME, load
from rrsync.errors import ConfigError
from rrsync.simulator.faults import SENTENCES, Fault
from rrsync.simulator.serve import Simulator
from rrsync.simulator.world import World, member_rows
from rrsync.wiring.chance import chance, until_stopped

if TYPE_CHECKING:
    from rrsync.cli.context import Voices

_SEED: Final = 1
_LIBRARY: Final = "demo"
_ENDPOINT: Final = "http://127.0.0.1:8080/"

#: The end of the simulator's help: a line for each kind of fault.
FAULTS: Final = "\b\nExample: rrsync simulator --people 300 --members members.csv --fault busy:10\n\n\b\n" + "\n".join(
    ["The kinds of fault:", *(f"  {kind.value:14}{text}" for kind, text in SENTENCES.items())]
)


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
    world = World(seed=_SEED, people=people)
    if members is not None:
        _write_members(world, members)
        speak.err.print(f"Wrote {members}: import it with `rrsync members import {members} --library ID`.")
    luck = chance()
    server = Simulator(
        now=luck.clock,
        new_reference=luck.new_reference,
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


def demo(
    members: Annotated[
        int, typer.Option("--members", min=1, max=100_000, help="How many invented members.", metavar="N")
    ] = 300,
    keep: Annotated[
        Path | None,
        typer.Option("--keep", help="Leave settings, database and files in this new folder.", metavar="DIR"),
    ] = None,
) -> None:
    """Run a whole night on invented people.

    Settings, import, a register over real HTTP and SOAP, the report, the verified access log, and what to type next.
    With --keep the folder stays, to play with.

    Example: rrsync demo --members 50 --keep demo
    """
    speak = voices()
    with ExitStack() as stack:
        if keep is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rrsync-demo-")))
        else:
            folder = keep
            _make_folder(folder)
        luck = chance()
        world = World(seed=_SEED, people=members)
        server = stack.enter_context(
            Simulator(now=luck.clock, new_reference=luck.new_reference, world=world, keep_asked=False)
        )
        config = _prepare(speak, folder, server.url, world)
        _title(speak, "The night: who is due, ask over HTTP and SOAP, compare, settle, report")
        code = _night(config)
        _title(speak, "The access log: every question is in it, written before it was sent")
        verify(config=config)
        with opened(config) as app:
            waiting = sum(1 for _ in app.holds.open())
    if keep is not None:
        config.write_text(TEMPLATE, encoding="utf-8")  # from now on as `rrsync simulator` is found
    _farewell(speak, keep, waiting, members)
    raise typer.Exit(code)


def _prepare(speak: Voices, folder: Path, url: str, world: World) -> Path:
    config, file = folder / FILE_NAME, folder / "members.csv"
    text = TEMPLATE.replace(_ENDPOINT, url).replace("max_per_second = 8.0 ", "max_per_second = 50.0")
    config.write_text(text, encoding="utf-8")
    settings = load(config)
    if (settings.registry.endpoint, settings.store.url) != (url, f"sqlite:///{folder.resolve() / 'rrsync.db'}"):
        raise ConfigError(
            "The environment names a database or a register, which invented people must stay out of",
            todo="Unset RRSYNC_STORE__URL and RRSYNC_REGISTRY__ENDPOINT for the demo",
        )
    _title(speak, f"A library with {len(world)} invented members, and a simulated MAGDA at {url}")
    install(config)
    _write_members(world, file)
    import_members(file, library=_LIBRARY, config=config)
    return config


def _night(config: Path) -> int:
    try:
        night(config=config)
    except typer.Exit as done:
        return done.exit_code
    return 0


def _title(speak: Voices, text: str) -> None:
    speak.out.print(f"\n{text}", style="bold")


def _farewell(speak: Voices, keep: Path | None, waiting: int, members: int) -> None:
    _title(speak, "What to do next")
    if keep is None:
        speak.out.print(f"{waiting} members are on hold for a person to look at. To see them, keep the demo's folder:")
        speak.out.print(f"  {_program()} demo --keep demo")
        return
    lines = (
        ("holds list", f"the {waiting} members that a person must look at"),
        ("members export now.csv", "the addresses as they are now"),
        (f"log show --library {_LIBRARY}", "who was asked about, why, and how it ended"),
        (f"simulator --people {members} &", "the register again"),
        (
            f"refresh M000001 --library {_LIBRARY} --purpose desk --case trial-1 --actor you --preview",
            "one member, now",
        ),
        ("night --dry-run", "who is due tonight"),
    )
    speak.out.print(f"  cd {keep}")
    for words, what in lines:
        speak.out.print(f"  {_program()} {words:40} # {what}")


def _program() -> str:
    """Give what to type for rrsync, from any folder."""
    return "rrsync" if shutil.which("rrsync") else str(Path(sys.executable).with_name("rrsync"))


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise ConfigError(f"The folder {folder} is not empty", todo="Name a new one")
    except OSError as error:
        raise ConfigError(f"The folder {folder} cannot be made: {error.strerror}", todo="Name another") from error


def _write_members(world: World, path: Path) -> None:
    rows = member_rows(world)
    try:
        path.touch(mode=0o600)
        with path.open("w", encoding="utf-8", newline="") as file:
            first = next(rows)
            writer = csv.DictWriter(file, fieldnames=list(first))
            writer.writeheader()
            writer.writerow(first)
            writer.writerows(rows)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}", todo="Name another file") from error
