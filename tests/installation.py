"""What most tests run on: an installation with its libraries, a register over HTTP, and a clock that the test sets.

An ``Installation`` is a folder with settings, keys and scope, a migrated database (SQLite or PostgreSQL), a simulator,
and the services on them. Nothing waits: a pause ends at once, and its time passes on the stopwatch.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, Final, Self
from uuid import uuid4

from rrsync.app.installation import fresh_keys, fresh_signing_key, usual_scope
from rrsync.app.runtime import Runtime
from rrsync.app.services import Services, open_services
from rrsync.config.load import load
from rrsync.config.settings import Settings
from rrsync.core.insz import Insz
from rrsync.core.person import Address, Held, Member, Name, PartialDate
from rrsync.simulator.citizens import Citizen, Situation, World, member_rows
from rrsync.simulator.server import Simulator
from rrsync.store.members import ImportResult, ImportRow
from tests.support import Clock

#: How many members are imported in one transaction.
BATCH: Final = 1_000

Row = dict[str, str]


class Stopwatch:
    """Seconds that pass as they do, and as somebody would have waited for them."""

    def __init__(self) -> None:
        self.waited = 0.0

    def __call__(self) -> float:
        """Return the seconds."""
        return time.monotonic() + self.waited


class NoWait(threading.Event):
    """A stop event that nobody waits for: a wait returns at once, and its time has passed on the stopwatch."""

    def __init__(self, stopwatch: Stopwatch) -> None:
        super().__init__()
        self._stopwatch = stopwatch

    def wait(self, timeout: float | None = None) -> bool:
        """Return whether the event is set."""
        self._stopwatch.waited += timeout or 0.0
        return self.is_set()


@dataclass(kw_only=True)
class Installation:
    """One installation; ``people`` is the simulator's population, if it has an invented one."""

    folder: Path
    settings: Settings
    clock: Clock
    simulator: Simulator
    stack: ExitStack
    people: World | None = None
    stopwatch: Stopwatch = field(default_factory=Stopwatch)
    _app: Services | None = None

    @property
    def config(self) -> Path:
        """The settings file."""
        return self.folder / "rrsync.toml"

    @property
    def libraries(self) -> list[str]:
        """The libraries of the settings."""
        return [library.id for library in self.settings.library]

    @property
    def app(self) -> Services:
        """The services, opened once for a test; anew after ``reopen``."""
        if self._app is None:
            self._app = self.stack.enter_context(self.opened())
        return self._app

    def reopen(self) -> None:
        """Open the services anew at their next use, as another process would."""
        self._app = None

    @contextmanager
    def opened(self) -> Iterator[Services]:
        """Yield services of their own, with the test's clock."""
        runtime = Runtime(self.clock, lambda: str(uuid4()), os.urandom, self.stopwatch)
        with open_services(self.settings, runtime) as app:
            yield replace(app, stop=NoWait(self.stopwatch))

    def copy(self, folder: Path, url: str, stack: ExitStack) -> Self:
        """Return a copy of the folder, on a copy of the database; the simulator and the clock are shared."""
        there = shutil.copytree(self.folder, folder / "copy")
        path = there / "rrsync.toml"
        path.write_text(path.read_text("utf-8").replace(self.settings.store.url, url), "utf-8")
        return replace(self, folder=there, settings=load(path), stack=stack, stopwatch=Stopwatch(), _app=None)

    def configure(self, text: str) -> None:
        """Change the settings by TOML that is merged into theirs."""
        settings = tomllib.loads(self.config.read_text("utf-8"))
        self.config.write_text(toml(merged(settings, tomllib.loads(text))), "utf-8")
        self.settings = load(self.config)
        self.reopen()

    def take(self, rows: Iterable[Row], *, library: str, import_id: str = "") -> list[ImportResult]:
        """Import rows of a member file."""
        incoming = [ImportRow(line, member_of(library, row)) for line, row in enumerate(rows, start=2)]
        batches = (incoming[at : at + BATCH] for at in range(0, len(incoming), BATCH))
        name, members, now = import_id or str(uuid4()), self.app.members, self.clock()
        return [taken for batch in batches for taken in members.take(batch, import_id=name, at=now)]

    def fill(self, *libraries: str, letter: str = "M") -> None:
        """Import the population into libraries, or into all; member numbers begin with a letter."""
        assert self.people is not None
        for name in libraries or self.libraries:
            rows = (row | {"member_no": letter + row["member_no"][1:]} for row in member_rows(self.people))
            self.take(rows, library=name)

    def citizen(self, number: str) -> Citizen:
        """Return the citizen who has a member number."""
        assert self.people is not None
        return self.people.citizen(int(number[1:]) - 1)

    def who(self, *situations: Situation, letter: str = "M") -> list[str]:
        """Return the member numbers of the citizens in these situations."""
        assert self.people is not None
        found = (at for at in range(len(self.people)) if self.people.citizen(at).situation in situations)
        return [f"{letter}{at + 1:06d}" for at in found]


def library_settings(name: str, place: int = 1, *, until: str = "2099-12-31", **more: object) -> dict[str, Any]:
    """Return the settings of a library; its authorisation ends on a day, and with ``""`` it has none."""
    authorisation = {
        "decision": "RR 28/2009",
        "scope": "scopes/libraries.txt",
        "purposes": ["member-administration", "desk"],
        "valid_from": date(2009, 5, 18),
        "valid_until": until and date.fromisoformat(until),
    }
    return {
        "id": name,
        "name": f"Bibliotheek {name.title()}",
        "sender": f"{name}.example/bibliotheek",
        "capacity": "1300",
        "organisation": f"OVO00000{place}",
        **more,
    } | ({"authorisation": authorisation} if until else {})


def install(folder: Path, url: str, register: str, libraries: Iterable[Mapping[str, Any]], more: str = "") -> Settings:
    """Write settings, keys and scope for a register and a database that is migrated; ``more`` is TOML."""
    settings = {
        "store": {"url": url},
        "registry": {"endpoint": register, "max_per_second": 100_000.0, "max_in_flight": 16, "deadline_s": 20},
        "library": list(libraries),
    }
    (folder / "rrsync.toml").write_text(toml(merged(settings, tomllib.loads(more))), "utf-8")
    (folder / "scopes").mkdir()
    (folder / "scopes" / "libraries.txt").write_text(usual_scope(), "utf-8")
    for name, content in (("rrsync.keys", fresh_keys()), ("rrsync.signing", fresh_signing_key())):
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(content, encoding="ascii")
    return load(folder / "rrsync.toml")


def merged(settings: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with others over them, table by table."""
    tables = {name: value for name, value in more.items() if isinstance(value, dict) and name in settings}
    return {**settings, **more} | {name: merged(settings[name], value) for name, value in tables.items()}


def toml(settings: Mapping[str, Any], at: str = "") -> str:
    """Return settings as TOML: the values, then the tables, then the arrays of tables."""
    values, tables = "", ""
    for name, value in settings.items():
        match value:
            case dict():
                tables += f"\n[{at}{name}]\n{toml(value, f'{at}{name}.')}"
            case [dict(), *_]:
                tables += "".join(f"\n[[{at}{name}]]\n{toml(each, f'{at}{name}.')}" for each in value)
            case date():
                values += f"{json.dumps(name)} = {value.isoformat()}\n"
            case _:
                values += f"{json.dumps(name)} = {json.dumps(value, ensure_ascii=False)}\n"
    return values + tables


def member_of(library: str, row: Row) -> Member:
    """Return a row of a member file as a member, as the import does."""
    address = Address(
        street=row.get("street", ""),
        house_number=row.get("house_number", ""),
        box=row.get("box", ""),
        postal_code=row.get("postal_code", ""),
        municipality=row.get("municipality", ""),
        country=row.get("country") or "BEL",
    )
    name = Name(row.get("last_name", ""), row.get("first_names", ""))
    ends = PartialDate.parse(row.get("membership_end", ""))
    return Member(
        library=library,
        number=row["member_no"],
        insz=Insz.parse(row["insz"], production=False) if row.get("insz") else None,
        held=Held(name, PartialDate.parse(row.get("birth_date", "")), address),
        membership_end=None if ends is None else date(ends.year, ends.month, ends.day),
        open_items=int(row.get("open_items") or 0),
    )
