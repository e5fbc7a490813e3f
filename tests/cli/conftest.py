"""An installation in a folder of its own, a register that answers over HTTP, and the commands."""

from __future__ import annotations

import io
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, chdir, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest

from rrsync.app.runtime import system_runtime
from rrsync.app.services import Services, open_services
from rrsync.cli import app as command_line
from rrsync.cli.context import command_services
from rrsync.config.load import load
from rrsync.core.log_entry import Actor, ActorKind
from rrsync.core.person import Member
from rrsync.simulator.citizens import World
from rrsync.simulator.faults import Fault
from rrsync.simulator.server import Simulator

#: Forty people: M000007 lives abroad, M000015 moved, M000018 has a new number, M000040 has a reference address.
WORLD: Final = World(seed=1, people=40)
ABROAD, MOVED, RENUMBERED, REFERENCE, SETTLED = "M000007", "M000015", "M000018", "M000040", "M000001"
NUMBERS: Final = frozenset(
    number.digits for citizen in map(WORLD.citizen, range(40)) for number in (citizen.insz, citizen.new_insz)
)
#: The installed command, beside the interpreter that runs the tests.
RRSYNC: Final = str(Path(sys.executable).with_name("rrsync"))
SECOND_LIBRARY: Final = """
[[library]]
id = "other"
name = "Bibliotheek Anders"
sender = "other.example/bibliotheek"
capacity = "1300"
"""


def digits(member_no: str) -> str:
    """Return the national number of one of the forty people."""
    return WORLD.citizen(int(member_no[1:]) - 1).insz.digits


def dotted(number: str) -> str:
    """Return a national number as people write it."""
    return f"{number[:2]}.{number[2:4]}.{number[4:6]}-{number[6:9]}.{number[9:]}"


@dataclass(frozen=True)
class Said:
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)


Run = Callable[..., Said]


@dataclass
class Place:
    """A working directory with settings, keys, scope and database; ``run`` runs a command in it."""

    folder: Path
    run: Run
    stack: ExitStack
    monkeypatch: pytest.MonkeyPatch

    @property
    def config(self) -> Path:
        """The settings file."""
        return self.folder / "rrsync.toml"

    def register(self, *faults: str, on_request: Callable[[str], None] | None = None) -> Simulator:
        """Start a register that knows the forty people, and set its address."""
        simulator = self.stack.enter_context(
            Simulator(
                now=lambda: datetime.now(UTC),
                new_reference=lambda: str(uuid4()),
                world=WORLD,
                faults=[Fault.parse(fault) for fault in faults],
                on_request=on_request,
            )
        )
        self.env(REGISTRY__ENDPOINT=simulator.url)
        return simulator

    def env(self, **values: str) -> Place:
        """Set variables ``RRSYNC_…`` for the rest of the test."""
        for name, value in values.items():
            self.monkeypatch.setenv(f"RRSYNC_{name}", value)
        return self

    def type(self, text: str) -> None:
        """Put a text on standard input."""
        self.monkeypatch.setattr("sys.stdin", io.StringIO(text))

    def settings(self, old: str, new: str) -> None:
        """Replace a piece of the settings file."""
        text = self.config.read_text(encoding="utf-8")
        assert text.count(old) == 1
        self.config.write_text(text.replace(old, new), encoding="utf-8")

    @contextmanager
    def services(self) -> Iterator[Services]:
        """Open the services, as another process does."""
        with command_services(self.config) as services:
            yield services

    def member(self, number: str) -> Member:
        """Return a member as it is stored."""
        with self.services() as services:
            found = services.members.find("demo", number)
        assert found is not None
        return found.member

    def add_members(self, text: str) -> None:
        """Import a member file with this content."""
        (self.folder / "more.csv").write_text(text, encoding="utf-8")
        assert self.run("members", "import", "more.csv", "--library", "demo").code == 0

    def query(self, statement: str, *values: object) -> list[Any]:
        """Read from the database without rrsync."""
        with closing(sqlite3.connect(self.folder / "rrsync.db")) as connection:
            return connection.execute(statement, values).fetchall()

    def sql(self, *statements: str) -> None:
        """Change the database without rrsync."""
        with closing(sqlite3.connect(self.folder / "rrsync.db")) as connection, connection:
            for statement in statements:
                connection.execute(statement)

    def tamper(self, statement: str, *values: object) -> None:
        """Change one row as an administrator of the database, without the triggers that protect the log."""
        with closing(sqlite3.connect(self.folder / "rrsync.db")) as connection, connection:
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                connection.execute(f"DROP TRIGGER {name}")
            assert connection.execute(statement, values).rowcount == 1

    def raw_log(self) -> list[bytes]:
        """Return the bytes of all entries of the access log."""
        return [data for (data,) in self.query("SELECT data FROM entry WHERE library = 'demo' ORDER BY seq")]

    def log(self, *, views: bool = True) -> list[dict[str, Any]]:
        """Return all entries of the access log, or all but the records of reading it."""
        found = [json.loads(data) for data in self.raw_log()]
        return [line for line in found if views or line["kind"] != "log.view"]

    def log_size(self) -> int:
        """Return the number of entries of the access log."""
        return len(self.raw_log())

    def hold(self, number: str) -> int:
        """Return the number of a member's open hold."""
        ((found,),) = self.query("SELECT id FROM hold WHERE number = ? AND closed_at IS NULL", number)
        return int(found)

    def holds(self) -> set[str]:
        """Return the members with an open hold."""
        return {number for (number,) in self.query("SELECT number FROM hold WHERE closed_at IS NULL")}

    def refresh(self, number: str, *more: str, purpose: str = "desk") -> Said:
        """Refresh one member, as desk staff do."""
        asked = ("--library", "demo", "--purpose", purpose, "--case", "brief-118", "--actor", "an.peeters")
        return self.run("refresh", number, *asked, *more)

    def refresh_at(self, at: datetime | None, number: str, *, by: str = "an.peeters") -> None:
        """Refresh one member at another time, or as another person."""
        machine = system_runtime()
        runtime = machine if at is None else replace(machine, clock=lambda: at)
        with open_services(load(self.config), runtime) as services:
            who = Actor(ActorKind.PERSON, by)
            services.desk().refresh("demo", number, actor=who, purpose="desk", case="brief-118", preview=False)

    def add_staff(self, name: str, number: str) -> Said:
        """Add a member of staff with this national number to the list."""
        self.type(f"{number}\n")
        return self.run("log", "staff", "add", "--library", "demo", "--name", name, "--actor", "dpo")

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[Any]:
        """Start a command as a process of its own."""
        streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
        process = subprocess.Popen([RRSYNC, *arguments], cwd=self.folder, **streams)
        self.stack.callback(_end, process)
        return process


def _end(process: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    process.communicate()


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs a command; nothing that a command prints may contain a national number."""

    def run(*arguments: str) -> Said:
        capsys.readouterr()
        code = command_line.run(list(arguments))
        said = Said(code, *capsys.readouterr())
        assert not [number for number in NUMBERS if number in said.out + said.err]
        assert "Traceback" not in said.err
        return said

    return run


@pytest.fixture
def empty(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Yield an empty working directory."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name in ("RRSYNC_CONFIG", "RRSYNC_KEYRING"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RRSYNC_REGISTRY__MAX_PER_SECOND", "5000")
    with ExitStack() as stack:
        yield Place(folder, run, stack, monkeypatch)


def _made(folder: Path, *commands: str) -> Path:
    """Run commands in a folder."""
    with chdir(folder), pytest.MonkeyPatch.context() as patch:
        patch.setenv("RRSYNC_REGISTRY__MAX_PER_SECOND", "5000")
        for command in commands:
            assert command_line.run(command.split()) == 0
    return folder


@pytest.fixture(scope="session")
def new_installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that ``rrsync init`` leaves, with a second library in the settings."""
    folder = _made(tmp_path_factory.mktemp("new"), "init")
    with (folder / "rrsync.toml").open("a", encoding="utf-8") as file:
        file.write(SECOND_LIBRARY)
    return folder


@pytest.fixture(scope="session")
def kept_demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that ``rrsync demo --members 40 --keep`` leaves: after a night."""
    return _made(tmp_path_factory.mktemp("kept"), "demo --members 40 --keep demo --no-serve") / "demo"


@pytest.fixture(scope="session")
def imported_demo(tmp_path_factory: pytest.TempPathFactory, kept_demo: Path) -> Path:
    """Return a folder with the same members, about whom nobody was asked yet."""
    folder = tmp_path_factory.mktemp("imported")
    shutil.copy(kept_demo / "members.csv", folder)
    return _made(folder, "init", "members import members.csv --library demo")


@pytest.fixture
def installed(empty: Place, new_installation: Path) -> Place:
    """Return a new installation without members."""
    shutil.copytree(new_installation, empty.folder, dirs_exist_ok=True)
    return empty


@pytest.fixture
def place(empty: Place, imported_demo: Path) -> Place:
    """Return an installation whose members were never asked about."""
    shutil.copytree(imported_demo, empty.folder, dirs_exist_ok=True)
    return empty


@pytest.fixture
def settled(empty: Place, kept_demo: Path) -> Place:
    """Return an installation after a night: three members are on hold."""
    shutil.copytree(kept_demo, empty.folder, dirs_exist_ok=True)
    return empty
