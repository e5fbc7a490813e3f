"""The door for a trial: the whole night on invented people, and the pages to go on with."""

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
from rrsync.cli.context import Voices, opened, voices
from rrsync.cli.log import verify
from rrsync.cli.members import import_members
from rrsync.cli.night import night
from rrsync.cli.serve import attend, free_port
from rrsync.cli.setup import TEMPLATE, install
from rrsync.cli.simulator import SEED, write_members
from rrsync.config.load import FILE_NAME, load
from rrsync.errors import ConfigError
from rrsync.simulator.citizens import Situation, World, member_rows
from rrsync.simulator.server import Simulator

_LIBRARY: Final = "demo"
_ENDPOINT: Final = "http://127.0.0.1:8080/"
_PORT: Final = 8000
_PAGES: Final = "# [web]                                # the pages: `rrsync serve`\n"


@dataclass(frozen=True, slots=True)
class Trial:
    """What the demo runs on: its people, its folder, and the settings there."""

    world: World
    folder: Path
    config: Path
    text: str


def demo(
    members: Annotated[
        int, typer.Option("--members", min=1, max=100_000, help="How many invented members.", metavar="N")
    ] = 300,
    keep: Annotated[
        Path | None,
        typer.Option("--keep", help="Leave settings, database and files in this new folder.", metavar="DIR"),
    ] = None,
    pages: Annotated[
        bool | None,
        typer.Option("--serve/--no-serve", help="Go on with the pages, until Ctrl-C; on a terminal it does by itself."),
    ] = None,
) -> None:
    """Show a whole night on invented people, and the pages.

    Settings, import, a register over real HTTP and SOAP, the report, the verified access log; then the pages for desk
    staff, operators and the data-protection officer, where one is let in as an invented person. With --keep the folder
    stays, to play with.

    Example: rrsync demo --members 50 --keep demo
    """
    speak = voices()
    with ExitStack() as stack:
        if keep is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rrsync-demo-")))
        else:
            folder = keep
            _make_folder(folder)
        runtime = system_runtime()
        world = World(seed=SEED, people=members)
        server = stack.enter_context(
            Simulator(now=runtime.clock, new_reference=runtime.new_reference, world=world, keep_asked=False)
        )
        trial = _prepare(speak, folder, server.url, world)
        if keep is not None:  # from now on as `rrsync simulator` is found
            stack.callback(trial.config.write_text, TEMPLATE, encoding="utf-8")
        _title(speak, "The night: who is due, ask over HTTP and SOAP, compare, settle, report")
        code = _night(trial.config)
        _title(speak, "The access log: every question is in it, written before it was sent")
        verify(config=trial.config)
        with opened(trial.config) as services:
            waiting = sum(1 for _ in services.holds.open())
        if pages or (pages is None and sys.stdin.isatty() and sys.stdout.isatty()):
            _serve(speak, trial)
    _farewell(speak, keep, waiting, members)
    raise typer.Exit(code)


def _prepare(speak: Voices, folder: Path, url: str, world: World) -> Trial:
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
    write_members(file, member_rows(world))
    import_members(file, library=_LIBRARY, config=config)
    return Trial(world, folder, config, text)


def _night(config: Path) -> int:
    try:
        night(config=config)
    except typer.Exit as done:
        return done.exit_code
    return 0


def _serve(speak: Voices, trial: Trial) -> None:
    """Serve the pages until Ctrl-C, and say what to click; one member has a new address to find out about."""
    number = _move(speak, trial)
    pages = f"[web]\nport = {free_port(_PORT)}\n"
    trial.config.write_text(trial.text.replace(_PAGES, pages), encoding="utf-8")
    with opened(trial.config) as services:
        web = services.settings.web
        _title(speak, f"The pages: open {web.origin}/ in a browser on this machine")
        speak.out.print(f"  1. Let yourself in as an.peeters, who works at the desk, and search for {number}.")
        speak.out.print("  2. Open the member, say why you ask, with a case reference such as trial-1, and ask.")
        speak.out.print("  3. The register says another house number: take it over, or do not.")
        speak.out.print("  Then log out, and see what cis.maes, the data-protection officer, sees of it.")
        attend(speak, services)


def _move(speak: Voices, trial: Trial) -> str:
    """Let the library's own file of the morning give somebody another house number, and give who that is."""
    numbers = range(len(trial.world))
    settled = (each for each in numbers if trial.world.citizen(each).situation is Situation.SETTLED)
    one = next(settled, 0)
    row = next(each for position, each in enumerate(member_rows(trial.world)) if position == one)
    file = trial.folder / "morning.csv"
    _title(speak, f"The morning: the library's own file has another house number for {row['member_no']}")
    write_members(file, [row | {"house_number": f"{row['house_number']}9", "box": ""}])
    import_members(file, library=_LIBRARY, config=trial.config)
    return row["member_no"]


def _title(speak: Voices, text: str) -> None:
    speak.out.print(f"\n{text}", style="bold")


def _farewell(speak: Voices, keep: Path | None, waiting: int, members: int) -> None:
    _title(speak, "What to do next")
    if keep is None:
        speak.out.print(f"{waiting} members are on hold for a person to look at. To see them, in a browser:")
        speak.out.print(f"  {_program()} demo --serve")
        speak.out.print("or with commands, in the demo's folder, which is then kept:")
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
        ("serve", f"the pages, on http://127.0.0.1:{_PORT}/, with the register beside them"),
    )
    speak.out.print(f"  cd {keep}")
    for words, what in lines:
        speak.out.print(f"  {_program()} {words:40} # {what}")


def _program() -> str:
    """Return what to type for rrsync, from any folder."""
    return "rrsync" if shutil.which("rrsync") else str(Path(sys.executable).with_name("rrsync"))


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise ConfigError(f"The folder {folder} is not empty", todo="Name a new one")
    except OSError as error:
        raise ConfigError(f"The folder {folder} cannot be made: {error.strerror}", todo="Name another") from error
