"""An operator's pages before a register that can be told to wait: nights run in this process, and in another."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from threading import Event, Lock
from typing import Final
from uuid import uuid4

import pytest
from sqlmodel import func, select

from rrsync.app.runtime import Runtime
from rrsync.app.services import Services, open_services
from rrsync.app.web_services import WebServices
from rrsync.cli.setup import install
from rrsync.config.load import load
from rrsync.core.person import Address
from rrsync.core.planning import tonight
from rrsync.core.report import Report
from rrsync.simulator.citizens import Citizen, Situation, World, member_rows
from rrsync.simulator.server import Simulator
from rrsync.store.members import ImportRow
from rrsync.store.rows import MemberStatus
from rrsync.store.tables import ChangeRow
from rrsync.web.context import WebContext
from tests.installation import member_of
from tests.registry.authority import issue
from tests.support import Clock
from tests.web.provider import SECRET, Op, person
from tests.web.scene import PUBLIC, Browser, Scene, opened

LETTERS: Final = {"hasselt": "M", "genk": "G"}
STREET: Final = "Kanarievogelplein"

_SETTINGS: Final = """\
[registry]
environment = "simulator"
endpoint = "{endpoint}"
max_per_second = 5000.0
max_in_flight = {in_flight}
{registry}

[night]
max_same_address = {same}

[web]
public_url = "{public}"
organisation = "OVO000009"

[web.oidc]
issuer = "{issuer}"
client_id = "rrsync"
scopes = ["openid", "vo", "profile"]
role_claim = "rrsync_rol_3d"

[web.oidc.roles]
RRSync-Balie = "desk"
RRSync-Beheer = "operator"
RRSync-DPO = "dpo"
"""
_LIBRARY: Final = """
[[library]]
id = "{id}"
name = "Bibliotheek {name}"
sender = "{id}.example/bibliotheek"
capacity = "1300"
organisation = "OVO00000{place}"
"""
_RIGHT: Final = """
[library.authorisation]
decision = "RR 28/2009"
scope = "scopes/libraries.txt"
purposes = ["member-administration", "desk"]
valid_from = 2009-05-18
valid_until = {until}
"""


class OneHouse(World):
    """A population that all moved to one house, by a register that has it wrong."""

    def citizen(self, position: int) -> Citizen:
        """Give the person at a position."""
        there = Address(STREET, "1", "", "3500", "Hasselt", "71022", "BEL")
        return replace(World.citizen(self, position), situation=Situation.SETTLED, residence=there)


@dataclass
class Waiting:
    """Lets a register answer the first ``after`` requests, and the others when it is told to."""

    after: int | None = None
    reached: Event = field(default_factory=Event)
    go: Event = field(default_factory=Event)
    _seen: int = 0
    _turn: Lock = field(default_factory=Lock)

    def __call__(self, _reference: str) -> None:
        """Hear of a request."""
        with self._turn:
            self._seen += 1
            waits = self.after is not None and self._seen > self.after
        if waits:
            self.reached.set()
            assert self.go.wait(30)


@dataclass
class Nights:
    """The pages, the register and its patience, and who else may run a night on the same database."""

    scene: Scene
    register: Simulator
    waiting: Waiting
    world: World

    @property
    def app(self) -> WebServices:
        """The rooms of the pages."""
        return self.scene.app

    @property
    def context(self) -> WebContext:
        """What the handlers get."""
        found = self.scene.made.state.context
        assert isinstance(found, WebContext)
        return found

    @property
    def due(self) -> int:
        """How many members a first night asks about."""
        return sum(1 for row in member_rows(self.world) if not row["membership_end"] or int(row["open_items"]))

    def asked(self) -> list[MemberStatus]:
        """Give the members of Hasselt who were asked about, as they stand now."""
        numbers = [row["member_no"] for row in member_rows(self.world)]
        found = (self.app.members.find("hasselt", number) for number in numbers)
        return [standing for standing in found if standing and standing.refreshed_at]

    def changed(self, run: str) -> int:
        """Give how many members a run changed."""
        with self.app.database.read() as session:
            wanted = select(func.count()).where(ChangeRow.run == run, ChangeRow.verdict == "change")
            return session.exec(wanted).one()

    def operator(self) -> Browser:
        """Give a browser of an operator of all libraries."""
        return self.scene.inside("house.op")

    def fill(self, library: str = "hasselt", most: int | None = None) -> None:
        """Import what a library holds of the population."""
        rows = (row | {"member_no": LETTERS[library] + row["member_no"][1:]} for row in member_rows(self.world, most))
        incoming = [ImportRow(line, member_of(library, row)) for line, row in enumerate(rows, start=2)]
        self.app.members.take(incoming, import_id=str(uuid4()), at=self.app.runtime.clock())

    @contextmanager
    def elsewhere(self) -> Iterator[Services]:
        """Give the rooms of another process, as of a timer."""
        with open_services(self.app.settings, Runtime(self.scene.clock, lambda: str(uuid4()), os.urandom)) as app:
            yield app

    def night(self, libraries: Sequence[str] = ("hasselt",), *, after: int = 0, full: bool = False) -> Report:
        """Run a night as the timer does, in rooms of its own; one that is told to stop ``after`` so many questions."""
        with self.elsewhere() as app:
            plan = tonight(now=app.runtime.clock(), stale_after_days=30, full=full, most=None)
            night, asked = app.night(), count(1)

            def reference() -> str:
                if next(asked) == after + 1:
                    app.stop.set()
                return str(uuid4())

            night = replace(night, new_reference=reference) if after else night
            return night.run(list(libraries), plan, progress=lambda _: None)

    def done(self, run: str, kind: str = "night") -> None:
        """Wait until what goes on behind the pages is done."""
        assert self.context.jobs.wait(f"{kind} {run}", 60)


#: Gives nights; the words are those of ``at_night``.
AtNight = Callable[..., Nights]


def own_certificate(folder: Path, now: datetime, *, days: int = 365, name: str = "own.pem") -> Path:
    """Make a certificate of a library's with its key, and give the file."""
    issued = issue("library.example", now=now, begins=timedelta(days=-400), ends=timedelta(days=days))
    file = folder / name
    file.write_bytes(issued.pem + issued.secret())
    return file


@contextmanager
def at_night(
    folder: Path,
    clock: Clock,
    op: Op,
    *,
    url: str = "",
    world: World | None = None,
    in_flight: int = 4,
    same: int = 1_000,
    until: Sequence[str] = ("2099-12-31", "2099-12-31"),
    after: int | None = None,
    registry: str = "",
) -> Iterator[Nights]:
    """Give the pages of two libraries; ``until`` are the days of their authorisations, none when it is empty."""
    world, waiting = world or World(seed=1, people=40), Waiting(after)
    op.people |= {"house.op": person("house.op", "RRSync-Beheer:OVO000009")}
    op.people |= {"genk.op": person("genk.op", "RRSync-Beheer:OVO000002")}
    with ExitStack() as stack:
        around = stack.enter_context(pytest.MonkeyPatch.context())
        around.setenv("RRSYNC_OIDC_SECRET", SECRET)
        register = stack.enter_context(
            Simulator(now=clock, new_reference=lambda: str(uuid4()), world=world, on_request=waiting)
        )
        stack.callback(waiting.go.set)
        text = _SETTINGS.format(
            endpoint=register.url, in_flight=in_flight, same=same, public=PUBLIC, issuer=op.url, registry=registry
        )
        for place, (library, day) in enumerate(zip(LETTERS, until, strict=True), start=1):
            text += _LIBRARY.format(id=library, name=library.title(), place=place)
            text += _RIGHT.format(until=day) if day else ""
        text += f'[store]\nurl = "{url}"\n' if url else ""
        path = folder / "rrsync.toml"
        path.write_text(text, encoding="utf-8")
        install(path)
        with opened(load(path), clock, op) as scene:
            nights = Nights(scene, register, waiting, world)
            try:
                yield nights
            finally:
                waiting.go.set()
                nights.context.jobs.end()
