"""``rrsync demo``: a whole night on invented people, then the web pages."""

from __future__ import annotations

import shutil
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from rrsync.app.runtime import system_runtime
from rrsync.cli.context import command_services
from rrsync.cli.log import verify
from rrsync.cli.members import import_members
from rrsync.cli.night import night
from rrsync.cli.output import Output, terminal_output
from rrsync.cli.serve import free_port, serve_pages
from rrsync.cli.setup import install
from rrsync.cli.simulator import SEED, write_members
from rrsync.config.load import FILE_NAME, load, settings_template
from rrsync.errors import ConfigError
from rrsync.simulator.citizens import Situation, World, member_rows
from rrsync.simulator.server import Simulator

_LIBRARY: Final = "demo"
_ENDPOINT: Final = "http://127.0.0.1:8080/"
_PORT: Final = 8000
_PAGES: Final = "# [web]                                # the pages: `rrsync serve`\n"


EPILOGS: Final = {"demo": "Example: rrsync demo --members 50 --keep demo"}


@dataclass(frozen=True, slots=True)
class DemoInstallation:
    """A trial installation: its people, its folder, its settings file, and the text of that file."""

    world: World
    folder: Path
    config: Path
    text: str


def demo(
    members: Annotated[
        int, typer.Option("--members", min=1, max=100_000, help="The number of invented members.", metavar="N")
    ] = 300,
    keep: Annotated[
        Path | None,
        typer.Option("--keep", help="Keep the settings, database and files in this new folder.", metavar="DIR"),
    ] = None,
    pages: Annotated[
        bool | None,
        typer.Option(
            "--serve/--no-serve", help="Serve the pages afterwards until Ctrl-C, or not. Default: on a terminal."
        ),
    ] = None,
) -> None:
    """Run a night on invented people, then serve the pages.

    The demo creates settings, imports members, queries a simulated register over real HTTP and SOAP, prints the report
    and verifies the access log. It then serves the pages for desk staff, operators and the data-protection officer,
    where you log in as an invented person. --keep keeps the folder for further commands.
    """
    output = terminal_output()
    with ExitStack() as stack:
        if keep is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rrsync-demo-")))
        else:
            folder = keep
            _create_folder(folder)
        runtime = system_runtime()
        world = World(seed=SEED, people=members)
        server = stack.enter_context(
            Simulator(now=runtime.clock, new_reference=runtime.new_reference, world=world, keep_asked=False)
        )
        trial = _prepare(output, folder, server.url, world)
        if keep is not None:  # the address of `rrsync simulator`
            stack.callback(trial.config.write_text, settings_template(), encoding="utf-8")
        _title(output, "The night: choose the due members, ask over HTTP and SOAP, compare, apply, report")
        code = _night(trial.config)
        _title(output, "The access log: every question is logged before it is sent")
        verify(config=trial.config)
        with command_services(trial.config) as services:
            holds = sum(1 for _ in services.holds.open())
        if pages or (pages is None and sys.stdin.isatty() and sys.stdout.isatty()):
            _serve(output, trial)
    _print_next_steps(output, keep, holds, members)
    raise typer.Exit(code)


def _prepare(output: Output, folder: Path, url: str, world: World) -> DemoInstallation:
    config, file = folder / FILE_NAME, folder / "members.csv"
    text = settings_template().replace(_ENDPOINT, url).replace("max_per_second = 8.0 ", "max_per_second = 50.0")
    config.write_text(text, encoding="utf-8")
    settings = load(config)
    if (settings.registry.endpoint, settings.store.url) != (url, f"sqlite:///{folder.resolve() / 'rrsync.db'}"):
        raise ConfigError(
            "The environment names a database or a register, and the demo must not use them",
            todo="Unset RRSYNC_STORE__URL and RRSYNC_REGISTRY__ENDPOINT for the demo",
        )
    _title(output, f"A library with {len(world)} invented members, and a simulated MAGDA at {url}")
    install(config)
    write_members(file, member_rows(world))
    import_members(file, library=_LIBRARY, config=config)
    return DemoInstallation(world, folder, config, text)


def _night(config: Path) -> int:
    try:
        night(config=config)
    except typer.Exit as done:
        return done.exit_code
    return 0


def _serve(output: Output, trial: DemoInstallation) -> None:
    """Serve the pages until Ctrl-C, with instructions to find a member whose address differs."""
    number = _change_address(output, trial)
    pages = f"[web]\nport = {free_port(_PORT)}\n"
    trial.config.write_text(trial.text.replace(_PAGES, pages), encoding="utf-8")
    with command_services(trial.config) as services:
        web = services.settings.web
        _title(output, f"The pages: open {web.origin}/ in a browser on this machine")
        output.result.print(f"  1. Log in as an.peeters, who works at the desk, and search for {number}.")
        output.result.print("  2. Open the member, enter a reason and a case reference such as trial-1, and ask.")
        output.result.print("  3. The register has another house number: accept it, or keep the library's.")
        output.result.print("  Then log out, and log in as cis.maes, the data-protection officer, to see the access.")
        serve_pages(output, services)


def _change_address(output: Output, trial: DemoInstallation) -> str:
    """Import a file with another house number for one member, and return the member's number."""
    numbers = range(len(trial.world))
    settled = (each for each in numbers if trial.world.citizen(each).situation is Situation.SETTLED)
    one = next(settled, 0)
    row = next(each for position, each in enumerate(member_rows(trial.world)) if position == one)
    file = trial.folder / "morning.csv"
    _title(output, f"The morning: the library's own file has another house number for {row['member_no']}")
    write_members(file, [row | {"house_number": f"{row['house_number']}9", "box": ""}])
    import_members(file, library=_LIBRARY, config=trial.config)
    return row["member_no"]


def _title(output: Output, text: str) -> None:
    output.result.print(f"\n{text}", style="bold")


def _print_next_steps(output: Output, keep: Path | None, holds: int, members: int) -> None:
    _title(output, "What to do next")
    if keep is None:
        output.result.print(f"{holds} members are on hold: a person must decide. To see them, in a browser:")
        output.result.print(f"  {_program()} demo --serve")
        output.result.print("or with commands, in a folder that the demo keeps:")
        output.result.print(f"  {_program()} demo --keep demo")
        return
    lines = (
        ("holds list", f"the {holds} members on hold"),
        ("members export now.csv", "the addresses as they are now"),
        (f"log show --library {_LIBRARY}", "who was queried, why, and with what result"),
        (f"simulator --people {members} &", "the register again"),
        (
            f"refresh M000001 --library {_LIBRARY} --purpose desk --case trial-1 --actor you --preview",
            "one member, now",
        ),
        ("night --dry-run", "the members that are due tonight"),
        ("serve", f"the pages, on http://127.0.0.1:{_PORT}/, with the register beside them"),
    )
    output.result.print(f"  cd {keep}")
    for words, what in lines:
        output.result.print(f"  {_program()} {words:40} # {what}")


def _program() -> str:
    """Return the command to type for rrsync, from any folder."""
    return "rrsync" if shutil.which("rrsync") else str(Path(sys.executable).with_name("rrsync"))


def _create_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise ConfigError(f"The folder {folder} is not empty", todo="Name a new one")
    except OSError as error:
        raise ConfigError(f"The folder {folder} cannot be created: {error.strerror}", todo="Name another") from error
