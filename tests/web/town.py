"""Two libraries at work: invented people, a register that knows them, a month of nights and of looks behind them.

The register is the simulator over real HTTP, the nights and the looks went the whole way, and the database is whichever
is asked for. The month before, staff of Hasselt asked about members, so that there is a sample to review.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Final
from uuid import uuid4

from rrsync.app.runtime import Runtime
from rrsync.app.services import Services, open_services
from rrsync.cli.setup import install
from rrsync.config.load import load
from rrsync.config.settings import Settings
from rrsync.core.log_entry import Actor, ActorKind
from rrsync.core.planning import tonight
from rrsync.simulator.citizens import Situation, World, member_rows
from rrsync.simulator.server import Simulator
from rrsync.store.members import ImportRow
from tests.installation import member_of
from tests.support import Clock

#: A quarter to ten on a working day in Belgium; the looks before it are of the month before.
MORNING: Final = datetime(2026, 7, 1, 7, 45, tzinfo=UTC)
BEFORE: Final = timedelta(days=20)
LIBRARIES: Final = ("hasselt", "genk")
#: The first letter of a library's member numbers.
LETTERS: Final = {"hasselt": "M", "genk": "G"}

_SETTINGS: Final = """\
language = "nl"

[registry]
environment = "simulator"
endpoint = "{endpoint}"
max_per_second = 5000.0
max_in_flight = 64

[web]
public_url = "{public}"
organisation = "OVO000009"

[web.limits]
per_minute = {most}
per_hour = {most}
per_day = {most}
library_per_day = {most}
"""
_OIDC: Final = """\
[web.oidc]
issuer = "{issuer}"
client_id = "rrsync"
scopes = ["openid", "vo", "profile", "rrn"]
role_claim = "rrsync_rol_3d"

[web.oidc.roles]
RRSync-Balie = "desk"
RRSync-Beheer = "operator"
RRSync-DPO = "dpo"
RRSync-Admin = "admin"
"""
_LIBRARY: Final = """\
[[library]]
id = "{id}"
name = "Bibliotheek {name}"
sender = "{id}.example/bibliotheek"
capacity = "1300"
organisation = "{organisation}"

[library.authorisation]
decision = "RR 28/2009"
scope = "scopes/libraries.txt"
purposes = ["member-administration", "desk"]
valid_from = 2009-05-18
valid_until = 2099-12-31
"""


@dataclass
class Town:
    """The settings of what was made, who lives there, the clock, the register, and each library's night."""

    settings: Settings
    world: World
    clock: Clock
    register: Simulator
    nights: dict[str, str]

    def runtime(self) -> Runtime:
        """Give this town's clock, and dice that no two processes share."""
        return Runtime(self.clock, lambda: str(uuid4()), os.urandom)

    def who(self, *situations: Situation) -> list[str]:
        """Give the numbers, in Hasselt, of the members in these situations."""
        found = (at for at in range(len(self.world)) if self.world.citizen(at).situation in situations)
        return [f"M{at + 1:06d}" for at in found]


@contextmanager
def town(
    folder: Path,
    *,
    clock: Clock | None = None,
    public: str = "https://rrsync.example",
    issuer: str = "",
    prepare: Callable[[Path], str] = lambda _: "",
    people: int = 40,
    most: int = 10_000,
) -> Iterator[Town]:
    """Give the town; ``prepare`` puts a database at the newest schema in its folder and gives its URL, if it has one.

    Without an ``issuer`` one comes in on trial.
    """
    clock, world = clock or Clock(MORNING), World(seed=1, people=people)
    now = clock.now
    with ExitStack() as stack:
        register = stack.enter_context(Simulator(now=clock, new_reference=lambda: str(uuid4()), world=world))
        path = folder / "rrsync.toml"
        text = _SETTINGS.format(endpoint=register.url, public=public, most=most)
        text += _OIDC.format(issuer=issuer) if issuer else ""
        text += "".join(
            _LIBRARY.format(id=each, name=each.title(), organisation=f"OVO00000{place}")
            for place, each in enumerate(LIBRARIES, start=1)
        )
        url = prepare(folder)
        text += f'[store]\nurl = "{url}"\n' if url else ""
        path.write_text(text, encoding="utf-8")
        install(path)
        made = Town(load(path), world, clock, register, {})
        clock.now = now - BEFORE
        with open_services(made.settings, made.runtime()) as app:
            for library in LIBRARIES:
                made.nights[library] = _live(app, world, library)
            _look(app, made)
        clock.now = now
        yield made


def _live(app: Services, world: World, library: str) -> str:
    """Import a library's members, ask about them all by night, and give the name of that."""
    rows = (row | {"member_no": LETTERS[library] + row["member_no"][1:]} for row in member_rows(world))
    at = app.runtime.clock()
    lines = enumerate((member_of(library, row) for row in rows), start=2)
    while batch := [ImportRow(line, member) for line, member in islice(lines, 1_000)]:
        app.members.take(batch, import_id=f"import-{library}", at=at)
    plan = tonight(now=at, stale_after_days=30, full=False, most=None)
    report = app.night().run([library], plan, progress=lambda _: None)
    assert report.stopped is None
    return report.run


def _look(app: Services, made: Town) -> None:
    """Let staff ask about some of Hasselt's members, on other days of the same month."""
    desk, settled = app.desk(), made.who(Situation.SETTLED)
    looks: Sequence[tuple[str, str]] = [(name, number) for name in ("an.peeters", "jan.baert") for number in settled]
    for name, number in looks[:24]:
        made.clock.pass_by(hours=1)
        desk.refresh(
            "hasselt",
            number,
            actor=Actor(ActorKind.PERSON, name),
            purpose="desk",
            case=f"brief-{number[-3:]}",
            preview=False,
        )
    app.sign_off()
