"""One case of the fault catalogue: an installation, a door of its register, and what can be asked of both."""

from __future__ import annotations

import json
import os
import re
import socket
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest

from rrsync.cli.app import run
from rrsync.config.load import load
from rrsync.core.log_entry import Actor, ActorKind
from rrsync.core.report import Report
from rrsync.errors import RrsyncError
from rrsync.simulator.citizens import Situation, World, member_rows
from rrsync.simulator.faults import HttpReply
from rrsync.sync.refresh import RefreshResult
from tests.night import house
from tests.night.house import LIBRARY, House
from tests.night.raw import Entry, State
from tests.registry.scene import Door, door, http, reference

STAFF: Final = Actor(ActorKind.PERSON, "an.peeters")
#: Everything that a row may see said by a night, besides its opening and its end.
WARNINGS: Final = frozenset({"night.barred", "night.recovered", "night.damaged", "alarm"})
#: Hold reasons that a fault may give to anybody, whatever the register knows of them.
TOLERATED: Final = ("mismatch", "unreadable", "refused", "new_number", "unknown", "cancelled", "no_address")

Wrap: TypeAlias = Callable[[socket.socket], socket.socket]


@dataclass(frozen=True, slots=True)
class Call:
    """One request at the register's door: its number from 0, its bytes, its connection, and the right reply to it."""

    number: int
    body: bytes
    connection: socket.socket
    right: HttpReply

    @property
    def reference(self) -> str:
        """The reference it was asked under."""
        return reference(self.body)

    @property
    def digits(self) -> str:
        """The number it asks about."""
        found = re.search(rb"<INSZ>(.*?)</INSZ>", self.body)
        assert found
        return found[1].decode()

    def said(self) -> bytes:
        """Return the right reply as HTTP carries it."""
        return http(self.right.body, self.right.status)


#: Gives the bytes to answer a call with, or closes its connection; it may also write to the connection itself.
Answer: TypeAlias = Callable[[Call], bytes | None]


@dataclass
class Trial:
    """One case: an installation, a door of its register that a fault stands in, and what came of a run."""

    url: str
    folder: Path
    stack: ExitStack
    monkeypatch: pytest.MonkeyPatch
    heard: Callable[[], str]
    start_postgres: Callable[[], Any]
    door: Door | None = None
    report: Report | None = None
    refreshed: RefreshResult | None = None
    error: RrsyncError | None = None
    exit_code: int | None = None
    said: str = ""
    before: State | None = None
    expected_findings: bool = False
    is_first: bool = True
    _house: House | None = None

    def build(self, *, members: int = 2, people: int = 200, **options: Any) -> House:
        """Build the installation; ``options`` are those of ``tests.night.house.build``."""
        assert self._house is None, "it is built already"
        words: dict[str, Any] = {"in_flight": 4, "tolerated": TOLERATED} | options
        self._house = house.build(self.folder, self.url, self.stack, people=people, **words)
        self._house.scene.barred = {LIBRARY}
        self._house.take(moved(members, people=people))
        self.before = self._house.raw.state()
        return self._house

    @property
    def house(self) -> House:
        """The installation."""
        return self._house if self._house is not None else self.build()

    @property
    def config(self) -> Path:
        """The settings file."""
        return self.house.folder / "rrsync.toml"

    def serve(self, answer: Answer, wrap: Wrap | None = None, *, url: str = "", **settings: str) -> Door:
        """Put a door before the register, which ``answer`` answers at; ``settings`` go in by the environment.

        ``wrap`` may put TLS on a connection, or end it. ``url`` is how the settings name the door, if not as it is:
        ``{port}`` in it is its port.
        """
        built = self.house

        def handler(number: int, body: bytes, connection: socket.socket) -> bytes | None:
            right, _ = built.simulator.answer(body)  # noted, and looked up by the auditor, before anything is said
            return answer(Call(number, body, connection, right))

        self.door = self.stack.enter_context(door(handler, wrap))
        port = self.door.url.rpartition(":")[2].rstrip("/")
        self.env(REGISTRY__ENDPOINT=url.format(port=port) or self.door.url, **settings)
        return self.door

    def env(self, **values: str) -> None:
        """Set variables ``RRSYNC_…`` and read the settings again."""
        for name, value in values.items():
            self.monkeypatch.setenv(f"RRSYNC_{name}", value)
        self.house.settings = load(self.config)
        self.house.reopen()

    def bypass(self, **registry: Any) -> None:
        """Change settings of the register that no file could: an address elsewhere, in the simulator's environment."""
        old = self.house.settings
        self.house.settings = old.model_copy(update={"registry": old.registry.model_copy(update=registry)})
        self.house.reopen()

    def night(self, **options: Any) -> None:
        """Run a night; ``options`` are those of ``House.night``."""
        try:
            self.report = self.house.night(**options)
        except RrsyncError as error:
            self._failed(error)
        else:
            self.exit_code = self.report.exit_code
            self.said = "" if self.report.stopped is None else self.report.stopped[1]

    def refresh(self, number: str = "", *, preview: bool = False) -> None:
        """Refresh one member at the desk, by default the first."""
        number = number or self.house.rows[0]["member_no"]
        self.house.prepare(libraries=[LIBRARY], full=False)
        words: dict[str, Any] = {"actor": STAFF, "purpose": "desk", "case": "c-1", "preview": preview}
        try:
            self.refreshed = self.house.told(lambda: self.house.app.desk().refresh(LIBRARY, number, **words))
        except RrsyncError as error:
            self._failed(error)
        else:
            self.exit_code = 0

    def command(self, *arguments: str) -> None:
        """Run a command through the door, with the machine's own clock and waits."""
        self.house.prepare(libraries=[LIBRARY], full=False)
        self.house.reopen()
        start = len(self.heard())
        self.exit_code = run([*arguments, "--config", str(self.config)])
        self.said = self.heard()[start:]

    def _failed(self, error: RrsyncError) -> None:
        self.error, self.exit_code, self.said = error, error.exit_code, str(error)

    @property
    def has_run(self) -> bool:
        """Whether anything was run."""
        return self.exit_code is not None

    @property
    def tries(self) -> int:
        """How many requests reached the register, all the same if they were answered."""
        return len(self.door.bodies) if self.door is not None else self.house.simulator.counts["requests"]

    @property
    def entries(self) -> list[Entry]:
        """The access log."""
        return self.house.raw.state().entries.get(LIBRARY, [])

    @property
    def outcomes(self) -> Counter[str]:
        """How the accesses ended, counted; an intent without outcome counts under ``""``."""
        kinds = Counter(entry.kind for entry in self.entries)
        found = Counter(e.line["out"]["status"] for e in self.entries if e.kind == "access.outcome")
        return found + Counter({"": kinds["access.intent"] - found.total()})

    @property
    def codes(self) -> Counter[str]:
        """MAGDA's codes in the access log, counted."""
        outs = [entry.line["out"] for entry in self.entries if entry.kind == "access.outcome"]
        return Counter(code for out in outs for code in out.get("codes", ()))

    @property
    def holds(self) -> Counter[str]:
        """Why members are on hold, counted."""
        members = self.house.raw.state().members.values()
        return Counter(member.hold_reason for member in members if member.hold_reason)

    @property
    def stopped(self) -> str:
        """The reason for which the night stopped, ``""`` when it did not."""
        return "" if self.report is None or self.report.stopped is None else self.report.stopped[0]

    @property
    def left(self) -> int:
        """How many members of the last run have no verdict: their steps are open, or were left when it ended."""
        run = self.report.run if self.report is not None else ""
        return sum(step.state != "done" for step in self.house.raw.state().steps if step.run == run)

    @property
    def changed(self) -> int:
        """How many members are not what they were."""
        assert self.before is not None
        now = self.house.raw.state().members
        return sum(now[key].held != member.held for key, member in self.before.members.items())

    @property
    def events(self) -> list[dict[str, Any]]:
        """The lines of the operational log."""
        return [json.loads(line) for line in self.heard().splitlines() if line.startswith('{"')]

    @property
    def warned(self) -> frozenset[str]:
        """Which of ``WARNINGS`` were said."""
        return frozenset(line["event"] for line in self.events) & WARNINGS

    def heal(self) -> None:
        """Take the fault away and run a night: everybody is brought up to date, as if nothing had been.

        For the first case of a row only: what else a row does ends in the same states.
        """
        if not self.is_first:
            return
        for name in [name for name in os.environ if name.startswith("RRSYNC_REGISTRY__")]:
            self.monkeypatch.delenv(name)
        built = self.house
        built.simulator.faults = ()
        built.audit.also = None
        built.settings = load(self.config)
        built.reopen()
        for _ in range(2):  # the first may be the rest of the run that was stopped
            built.clock.pass_by(days=1)
            report = built.night(full=True)
            assert (report.exit_code, report.open) == (0, 0), report
            if self.changed == len(built.rows) and not self.holds:
                break
        else:
            raise AssertionError(f"not everybody was brought up to date: {self.changed}, {self.holds}")


def moved(count: int, *, people: int = 200) -> list[dict[str, str]]:
    """Return the rows of members who live, by the register, elsewhere than they are held to live."""
    world = World(seed=1, people=people)
    settled = (
        row | {"street": "Oude Kanariestraat", "house_number": "1", "membership_end": ""}
        for position, row in enumerate(member_rows(world))
        if (citizen := world.citizen(position)).situation is Situation.SETTLED and citizen.birth.is_complete
    )
    return list(islice(settled, count))
