"""Two libraries whose systems call: the pages on a port of this machine, the register, and members nobody asked about.

Both libraries hold the same forty people under other numbers, so that a mix-up between them would be seen.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx2 as httpx

from rrsync.app.runtime import Runtime
from rrsync.app.services import open_services
from rrsync.app.web_services import WebServices, web_services
from rrsync.cli.setup import install
from rrsync.config.load import load
from rrsync.core.api_key import Scope
from rrsync.core.log_entry import Actor, ActorKind
from rrsync.core.person import Member
from rrsync.simulator.citizens import Situation, World, member_rows
from rrsync.simulator.faults import Fault
from rrsync.simulator.server import Simulator
from rrsync.store.api_keys import ApiKey, ApiKeyRequest
from rrsync.store.members import ImportRow
from rrsync.web.app import create_app
from rrsync.web.server import PageServer
from tests.installation import NoWait, Stopwatch, member_of
from tests.support import Clock

LETTERS: Final = {"hasselt": "M", "genk": "G"}
ADMIN: Final = Actor(ActorKind.PERSON, "dora.wouters")
EVERY: Final = frozenset(Scope)

_SETTINGS: Final = """\
[registry]
endpoint = "{endpoint}"
max_per_second = 5000.0
max_in_flight = 64

[web]
port = {port}

[web.limits]
{limits}
"""
_LIBRARY: Final = """\
[[library]]
id = "{id}"
name = "Bibliotheek {id}"
sender = "{id}.example/bibliotheek"
capacity = "1300"
{hook}
[library.authorisation]
decision = "RR 28/2009"
scope = "scopes/libraries.txt"
purposes = ["member-administration", "desk"]
valid_from = 2009-05-18
valid_until = 2099-12-31

"""


@dataclass
class Serving:
    """The rooms, the pages, the register, and a client as a library system has one."""

    app: WebServices
    server: PageServer
    register: Simulator
    world: World
    clock: Clock
    client: httpx.Client
    made: list[ApiKey] = field(default_factory=list)

    def key(self, library: str = "hasselt", scopes: frozenset[Scope] = EVERY, networks: tuple[str, ...] = ()) -> str:
        """Make a key, and give its text."""
        order = ApiKeyRequest(library, f"system-{len(self.made)}", scopes, networks, self.clock() + timedelta(days=90))
        key, text = self.app.api_keys.make(order, actor=ADMIN)
        self.made.append(key)
        return text

    def get(self, path: str, key: str = "", **headers: str) -> httpx.Response:
        """Ask for something."""
        return self.client.get(f"/api{path}", headers=_shown(key) | headers)

    def refresh(self, member: str, key: str, call: str, library: str = "hasselt", **said: Any) -> httpx.Response:
        """Have a member refreshed; ``call`` names the call."""
        body = {"purpose": "desk", "case": "letter-118", "staff": "an.peeters", "apply": True} | said
        body = {name: value for name, value in body.items() if value is not None}
        headers = _shown(key) | ({"Idempotency-Key": call} if call else {})
        return self.client.post(f"/api/libraries/{library}/members/{member}/refresh", json=body, headers=headers)

    def who(self, situation: Situation, library: str = "hasselt") -> str:
        """Give the number of a member in a situation."""
        at = next(at for at in range(len(self.world)) if self.world.citizen(at).situation is situation)
        return f"{LETTERS[library]}{at + 1:06d}"

    def member(self, number: str, library: str = "hasselt") -> Member:
        """Give a member as it is held."""
        found = self.app.members.find(library, number)
        assert found is not None
        return found.member

    def lines(self, library: str = "hasselt") -> list[dict[str, Any]]:
        """Give the entries of a library's log."""
        from rrsync.core.log_entry import decode  # noqa: PLC0415 — used here alone

        return [decode(data) for _, data in self.app.access_log.entries(library)]


def free_port() -> int:
    """Give a port of this machine that nobody listens on."""
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return int(tried.getsockname()[1])


@contextmanager
def serving(
    folder: Path,
    *,
    clock: Clock,
    hooks: Mapping[str, str] | None = None,
    most: int = 10_000,
    faults: tuple[str, ...] = (),
    on_request: Callable[[str], None] | None = None,
    people: int = 40,
) -> Iterator[Serving]:
    """Give the libraries; ``hooks`` are the lines of a library's webhook, ``most`` all limits at once.

    A database at the newest schema lies in the folder.
    """
    world, port = World(seed=1, people=people), free_port()
    with ExitStack() as stack:
        register = stack.enter_context(
            Simulator(
                now=clock,
                new_reference=lambda: str(uuid4()),
                world=world,
                faults=[Fault.parse(fault) for fault in faults],
                on_request=on_request,
            )
        )
        limits = "\n".join(f"{name} = {most}" for name in ("per_minute", "per_hour", "per_day", "library_per_day"))
        text = _SETTINGS.format(endpoint=register.url, port=port, limits=limits)
        text += "".join(_LIBRARY.format(id=each, hook=(hooks or {}).get(each, "")) for each in LETTERS)
        (folder / "rrsync.toml").write_text(text, encoding="utf-8")
        install(folder / "rrsync.toml")
        settings = load(folder / "rrsync.toml")
        stopwatch = Stopwatch()
        rooms = stack.enter_context(
            open_services(settings, Runtime(clock, lambda: str(uuid4()), os.urandom, stopwatch))
        )
        app = web_services(replace(rooms, stop=NoWait(stopwatch)))
        for library, letter in LETTERS.items():
            rows = (row | {"member_no": letter + row["member_no"][1:]} for row in member_rows(world))
            batch = [ImportRow(line, member_of(library, row)) for line, row in enumerate(rows, start=2)]
            app.members.take(batch, import_id=f"import-{library}", at=clock())
        server = stack.enter_context(PageServer(create_app(app), "127.0.0.1", port))
        client = stack.enter_context(httpx.Client(base_url=settings.web.origin, trust_env=False, timeout=30))
        yield Serving(app, server, register, world, clock, client)


def _shown(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} if key else {}
