"""Whether nights and persons together use a register's budget, and no more: in real time, on both databases.

The register is the simulator in a process of its own, that answers ten questions in any second and refuses the rest, as
MAGDA does. Two processes ask as nights do, with fourteen threads each, a third as a person at a desk, who waits for an
answer and asks again a little later. Every question goes the whole way: its turn, the wire, its reply.

    python -m bench.traffic [--seconds 20]
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Event, Thread
from uuid import uuid4

from rrsync.app.installation import usual_scope
from rrsync.core.authorisation import Authorisation, Scope
from rrsync.core.exchange import Question
from rrsync.core.log_entry import Actor, ActorKind
from rrsync.core.rate_limit import Budget, CallResult
from rrsync.errors import RegistryError
from rrsync.registry.fields import known_paths
from rrsync.registry.pace import RateLimiter
from rrsync.registry.request import PERSON, Envelopes
from rrsync.registry.soap import SoapClient
from rrsync.simulator.citizens import World
from rrsync.simulator.server import Simulator
from rrsync.store.engine import Database
from rrsync.store.limits import SharedRateLimit
from tests.support import Postgres, postgres_folder

RATE = 10
IN_FLIGHT = 16
THREADS = 14
LATENCY_MS = 300
DEADLINE_S = 20.0
WANTED_SHARE = 0.95
WANTED_THROTTLED = 0.01
WANTED_WAIT_S = 2.0


def _serve(pipe: Connection) -> None:
    world = World(seed=1, people=200)
    with Simulator(
        now=lambda: datetime.now(UTC),
        new_reference=lambda: str(uuid4()),
        world=world,
        latency_ms=LATENCY_MS,
        max_per_second=RATE,
        keep_asked=False,
    ) as simulator:
        pipe.send(simulator.url)
        pipe.recv()
        pipe.send(dict(simulator.counts))


class Asking:
    """A process that asks: its pace on the shared database, and the way to the register."""

    def __init__(self, database: str, url: str, who: str) -> None:
        self.is_desk = who.startswith("desk")
        self._database = Database(database)
        share, budget = SharedRateLimit(self._database), Budget(RATE, IN_FLIGHT, DEADLINE_S)
        self._pace = RateLimiter(budget, sleep=Event().wait, share=share, who=who, desk=self.is_desk)
        self._client = SoapClient(url, deadline_s=DEADLINE_S)
        self._forms = Envelopes(self._client.build, source="RR")
        self._world = World(seed=1, people=200)
        self._authorisation = Authorisation(
            library="demo",
            decision="RR 28/2009",
            sender="demo.example/bibliotheek",
            capacity="1300",
            purposes=frozenset({"bench"}),
            valid_from=date(2009, 5, 18),
            valid_until=date(2099, 12, 31),
            scope=Scope.parse(usual_scope(), known=known_paths()),
        )

    def ask(self, person: int, waits: list[float]) -> None:
        """Ask once, and note how long the answer took."""
        insz = self._world.citizen(person % len(self._world)).insz
        actor = Actor(ActorKind.PROCESS, "bench")
        question = Question("demo", insz, actor, "bench", str(uuid4()))
        envelope = self._forms.fill(question, self._authorisation, now=datetime.now(UTC))
        started = time.monotonic()
        self._pace.take()
        went = CallResult.AWAY
        try:
            reply = self._client.post(PERSON, envelope)
            went = CallResult.BUSY if b"99995" in reply else CallResult.FINE
        except RegistryError as error:
            print(error, file=sys.stderr)
        finally:
            self._pace.give(went)
        waits.append(time.monotonic() - started)

    def all_the_time(self, seconds: float) -> list[float]:
        """Ask for so long, and give how long each answer took."""
        until, waits = time.monotonic() + seconds, list[float]()

        def thread(number: int) -> None:
            while time.monotonic() < until:
                self.ask(number, waits)
                if self.is_desk:
                    Event().wait(0.4)

        threads = [Thread(target=thread, args=(number,)) for number in range(1 if self.is_desk else THREADS)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        self._pace.leave()
        self._database.close()
        return waits


def _ask(database: str, url: str, who: str, seconds: float, pipe: Connection) -> None:
    asking = Asking(database, url, who)
    pipe.send("ready")
    pipe.recv()
    pipe.send(asking.all_the_time(seconds))


def measure(database: str, seconds: float) -> bool:
    """Let them all ask, print what came of it, and say whether it is what is wanted."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = multiprocessing.Pipe()
    register = context.Process(target=_serve, args=(theirs,))
    register.start()
    url = ours.recv()
    pipes = []
    for who in ("night-1", "night-2", "desk"):
        pipe, other = multiprocessing.Pipe()
        context.Process(target=_ask, args=(database, url, who, seconds, other)).start()
        pipes.append(pipe)
    for pipe in pipes:
        pipe.recv()
    for pipe in pipes:
        pipe.send("go")
    started = time.monotonic()
    waits = [pipe.recv() for pipe in pipes]
    took = time.monotonic() - started
    ours.send("stop")
    counts = ours.recv()
    register.join()
    took -= LATENCY_MS / 1000  # the last answers are waited for
    requests, throttled = counts["requests"], counts.get("throttled", 0)
    reached, refused, desk = (requests - throttled) / took / RATE, throttled / requests, waits[-1]
    nights = " and ".join(str(len(each)) for each in waits[:-1])
    print(f"  answered             {requests - throttled:6} in {took:.1f} s, {nights} of them by night")
    print(f"  of the allowed rate  {reached:6.1%} (wanted: at least {WANTED_SHARE:.0%})")
    print(f"  throttled            {refused:6.2%} (wanted: less than {WANTED_THROTTLED:.0%})")
    print(f"  a person waits       {statistics.median(desk):6.2f} s, at most {max(desk):.2f} s, {len(desk)} times")
    print(f"                       (wanted: {WANTED_WAIT_S:g} s; {LATENCY_MS} ms of it are the register's)")
    return bool(reached >= WANTED_SHARE and refused < WANTED_THROTTLED and max(desk) < WANTED_WAIT_S)


@contextmanager
def databases() -> Iterator[dict[str, str]]:
    """Yield a fresh database of each kind."""
    with tempfile.TemporaryDirectory() as folder, postgres_folder() as home:
        file = f"sqlite:///{Path(folder) / 'bench.db'}"
        database = Database(file)
        database.upgrade()
        database.close()
        server = Postgres(home)
        try:
            with server.database() as url:
                yield {"SQLite": file, "PostgreSQL": url}
        finally:
            server.stop()


def main() -> None:
    """Measure on both, and say whether the figures are met."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--seconds", type=float, default=20.0)
    said = words.parse_args()
    is_met = True
    with databases() as urls:
        for name, url in urls.items():
            print(name)
            is_met &= measure(url, said.seconds)
    if not is_met:
        sys.exit("a figure is not met")


if __name__ == "__main__":
    main()
