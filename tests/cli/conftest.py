"""A working directory with invented members, a register that answers over HTTP, and the door itself."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest

from rrsync.app.services import Services
from rrsync.cli import app as door
from rrsync.cli.context import opened
from rrsync.core.person import Member
from rrsync.simulator.citizens import World
from rrsync.simulator.faults import Fault
from rrsync.simulator.server import Simulator

#: Forty people, among whom M000007 went abroad, M000015 moved, M000018 has a new number, M000040 a reference address.
WORLD: Final = World(seed=1, people=40)
NUMBERS: Final = frozenset(
    number.digits for citizen in map(WORLD.citizen, range(40)) for number in (citizen.insz, citizen.new_insz)
)
#: The command as it is installed, beside the interpreter that runs the tests.
RRSYNC: Final = str(Path(sys.executable).with_name("rrsync"))


@dataclass(frozen=True)
class Said:
    """How a command ended, and all it said."""

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
    """A working directory with settings, keys, scope and a database; every command in it goes through the door."""

    folder: Path
    run: Run
    stack: ExitStack
    monkeypatch: pytest.MonkeyPatch
    registers: list[Simulator] = field(default_factory=list)

    def register(self, *faults: str, on_request: Callable[[str], None] | None = None) -> Simulator:
        """Start a register that knows the forty people, and let the settings name it."""
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
        self.registers.append(simulator)
        return simulator

    def env(self, **values: str) -> None:
        """Set variables ``RRSYNC_…`` for the rest of the test."""
        for name, value in values.items():
            self.monkeypatch.setenv(f"RRSYNC_{name}", value)

    def settings(self, old: str, new: str) -> None:
        """Change a piece of the settings file."""
        path = self.folder / "rrsync.toml"
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1
        path.write_text(text.replace(old, new), encoding="utf-8")

    @contextmanager
    def rooms(self) -> Iterator[Services]:
        """Open the rooms, as another process would."""
        with opened(self.folder / "rrsync.toml") as app:
            yield app

    def member(self, number: str) -> Member:
        """Return a member as it is held."""
        with self.rooms() as app:
            found = app.members.find("demo", number)
        assert found is not None
        return found.member

    def log_size(self) -> int:
        """Return how many entries the access log has."""
        with self.rooms() as app:
            return sum(head.size for head in app.access_log.heads())

    def hold(self, number: str) -> int:
        """Return the number of a member's open hold."""
        with self.rooms() as app:
            return next(hold.id for hold in app.holds.open() if hold.number == number)

    def refresh(self, number: str, *more: str, purpose: str = "desk") -> Said:
        """Refresh one member, as desk staff do."""
        asked = ("--library", "demo", "--purpose", purpose, "--case", "brief-118", "--actor", "an.peeters")
        return self.run("refresh", number, *asked, *more)

    def tamper(self, statement: str, *values: object) -> None:
        """Run SQL as somebody who owns the database, past the triggers that guard the log."""
        connection = sqlite3.connect(self.folder / "rrsync.db")
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        assert connection.execute(statement, values).rowcount == 1
        connection.commit()
        connection.close()

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command as a process of its own."""
        process = subprocess.Popen(
            [RRSYNC, *arguments], cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.stack.callback(_end, process)
        return process


def _end(process: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    process.communicate()


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return what runs a command through the door; nothing it prints may hold a national number."""

    def run(*arguments: str) -> Said:
        capsys.readouterr()
        code = door.run(list(arguments))
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


def _made(folder: Path, *commands: tuple[str, ...]) -> Path:
    for command in commands:
        done = subprocess.run([RRSYNC, *command], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def kept_demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that ``rrsync demo --members 40 --keep`` leaves: after a night."""
    folder = tmp_path_factory.mktemp("kept")
    return _made(folder, ("demo", "--members", "40", "--keep", "demo")) / "demo"


@pytest.fixture(scope="session")
def imported_demo(tmp_path_factory: pytest.TempPathFactory, kept_demo: Path) -> Path:
    """Return a folder with the same members, of whom none was asked about yet."""
    folder = tmp_path_factory.mktemp("imported")
    shutil.copy(kept_demo / "members.csv", folder)
    return _made(folder, ("init",), ("members", "import", "members.csv", "--library", "demo"))


@pytest.fixture
def place(empty: Place, imported_demo: Path) -> Place:
    """Return a working directory whose members were never asked about."""
    shutil.copytree(imported_demo, empty.folder, dirs_exist_ok=True)
    return empty


@pytest.fixture
def settled(empty: Place, kept_demo: Path) -> Place:
    """Return a working directory after a night: four members are on hold."""
    shutil.copytree(kept_demo, empty.folder, dirs_exist_ok=True)
    return empty
