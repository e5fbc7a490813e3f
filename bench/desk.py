"""Two hundred people at the pages at once: whether anything is lost, doubled or slow, on both databases.

`rrsync serve` and `rrsync simulator` each run in a process of their own, as they do in a library; the crowd is a third.
What a refresh takes longer than a bare question to the register, asked before anybody comes, is the desk's own time.

    python -m bench.desk [--people 200] [--requests 20000] [--pause 20.0] [--profile FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import Event
from typing import Any, Final

from bench.crowd import Crowd, Person, Record
from bench.night import bare, envelopes
from bench.traffic import databases
from rrsync.app.services import Services, open_services
from rrsync.app.web_services import web_services
from rrsync.cli.serve import free_port
from rrsync.cli.setup import install
from rrsync.config.load import load, settings_template
from rrsync.core.log_entry import Kind
from rrsync.core.roles import Role, Staff
from rrsync.simulator.citizens import World, member_rows
from rrsync.store.log_search import AccessFilter
from rrsync.store.members import ImportRow
from tests.installation import member_of
from tests.support import ROOT

LIBRARY: Final = "demo"
LATENCY_MS: Final = 100
WANTED_P99_S: Final = 2.0
WANTED_OWN_S: Final = 0.05
_OFFICERS: Final = 0.1
_SHARED: Final = 20
_BARE: Final = 21
_RRSYNC: Final = str(Path(sys.executable).with_name("rrsync"))


@dataclass
class Found:
    """What came of it: what the crowd saw, what the log and the register counted, and the desk's own time."""

    record: Record
    took_s: float
    intents: int
    open: int
    reused: int
    requests: int
    register_s: float
    own_s: list[float]

    @property
    def faults(self) -> list[str]:
        """What is not as it must be, whatever the time it took."""
        faults = list(dict.fromkeys(self.record.wrong))[:10]
        if self.intents != self.requests:
            faults.append(f"{self.intents} intents in the log, {self.requests} questions at the register")
        if self.open:
            faults.append(f"{self.open} intents have no outcome")
        if self.intents + self.reused != len(self.record.asked):
            faults.append(f"{self.intents} asked and {self.reused} shown again, {len(self.record.asked)} answered")
        return faults


@contextmanager
def _process(*words: str, env: dict[str, str], cwd: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command until the end of the block, and then tell it to stop."""
    with (cwd / f"{words[-1].rpartition('/')[2]}.err").open("wb") as said:
        process = subprocess.Popen(words, cwd=cwd, env=env, stdout=said, stderr=said)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def _answers(url: str) -> bytes:
    """Return what a server says that is about to be there."""
    for _ in range(600):
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return bytes(answer.read())
        except OSError:
            Event().wait(0.05)
    raise TimeoutError(f"nobody answers at {url}")


def _prepare(folder: Path, url: str, people: int, register: int, pages: int) -> Path:
    """Make an installation with invented members, of whom nobody was asked about."""
    config = folder / "rrsync.toml"
    most = "\n".join(f"{name} = 100000" for name in ("per_minute", "per_hour", "per_day", "library_per_day"))
    text = settings_template().replace("sqlite:///rrsync.db", url).replace("127.0.0.1:8080", f"127.0.0.1:{register}")
    text = text.replace("max_per_second = 8.0 ", "max_per_second = 200.0").replace(
        "max_in_flight = 16", "max_in_flight = 64"
    )
    config.write_text(f"{text}\n[web]\nport = {pages}\n[web.limits]\n{most}\n", encoding="utf-8")
    install(config)
    with open_services(load(config)) as app:
        lines = enumerate((member_of(LIBRARY, row) for row in member_rows(World(seed=1, people=people))), start=2)
        while batch := [ImportRow(line, member) for line, member in islice(lines, 1_000)]:
            app.members.take(batch, import_id="bench", at=app.runtime.clock())
    return config


def _log_in(app: Services, people: int, pause_s: float) -> tuple[list[Person], list[Person]]:
    """Return everybody a session of their own: who is at the desk, and who reads the log."""
    sessions, officers = web_services(app).sessions, max(1, round(people * _OFFICERS))
    made: list[Person] = []
    for place in range(people):
        role = Role.DPO if place < officers else Role.DESK
        staff = Staff(f"{role}.{place:03d}", LIBRARY, frozenset({role}))
        cookie = sessions.start(staff, person=staff.name, proved_at=app.runtime.clock())
        visit = sessions.find(cookie)
        assert visit is not None
        made.append(Person(staff.name, cookie, visit.token, random.Random(place), pause_s))
    return made[officers:], made[:officers]


def measure(
    folder: Path,
    url: str,
    *,
    people: int,
    requests: int,
    pause_s: float,
    latency_ms: int = LATENCY_MS,
    profile: str = "",
) -> Found:
    """Let them all work, and give what came of it."""
    members = requests // 4 + people
    register, pages = free_port(0), free_port(0)
    env = {name: value for name, value in os.environ.items() if not name.startswith("RRSYNC_")}
    config = _prepare(folder, url, members, register, pages)
    simulator = (
        _RRSYNC,
        "simulator",
        "--people",
        str(members),
        "--latency-ms",
        str(latency_ms),
        "--port",
        str(register),
    )
    serve: tuple[str, ...] = (_RRSYNC, "serve", "--config", str(config))
    if profile:
        serve, env["PYTHONPATH"] = (sys.executable, "-m", "bench.profiled", profile, *serve[1:]), str(ROOT)
    endpoint = f"http://127.0.0.1:{register}/"
    with _process(*simulator, env=env, cwd=folder), open_services(load(config)) as app:
        _answers(f"{endpoint}counts")
        desk, officers = _log_in(app, people, pause_s)
        numbers = [f"M{place + 1:06d}" for place in range(members)]
        alone = statistics.median(bare(endpoint, [post]) for post in envelopes(app, endpoint, _BARE, members))
        with _process(*serve, env=env, cwd=folder):
            origin = f"http://127.0.0.1:{pages}"
            _answers(f"{origin}/login")
            crowd = Crowd(origin, desk, officers, iter(numbers[_SHARED:]), numbers[:_SHARED], LIBRARY)
            started = time.monotonic()
            record = crowd.run(requests)
            took = time.monotonic() - started
        counts = json.loads(_answers(f"{endpoint}counts"))
        return _judge(app, record, took, counts["GeefPersoon-02.02"] - _BARE, alone)


def _judge(app: Services, record: Record, took_s: float, requests: int, register_s: float) -> Found:
    """Hold what the crowd saw against the log, which is verified, and against what the register counted."""
    app.notary.verify(LIBRARY)
    kinds = [json.loads(data)["kind"] for _, data in app.access_log.entries(LIBRARY)]
    looks = app.log_search.accesses(AccessFilter(LIBRARY, persons_only=True))
    asked = {look.case for look in looks if look.request}  # what is shown again sent nothing
    own = [took - register_s for case, took in record.asked.items() if case in asked]
    return Found(
        record,
        took_s,
        intents=kinds.count(Kind.INTENT),
        open=len(app.access_log.pending()),
        reused=kinds.count(Kind.REUSE),
        requests=requests,
        register_s=register_s,
        own_s=own,
    )


def _share(sorted_s: list[float], share: float) -> float:
    return sorted_s[min(len(sorted_s) - 1, int(len(sorted_s) * share))]


def told(found: Found) -> bool:
    """Print it, and say whether it is what is wanted."""
    every = sorted(each for times in found.record.took.values() for each in times)
    own, p99 = statistics.median(found.own_s), _share(every, 0.99)
    print(f"  requests    {len(every):6} in {found.took_s:.0f} s, {len(every) / found.took_s:.0f} a second")
    print(f"  p99         {p99:6.2f} s (wanted: less than {WANTED_P99_S:g} s)")
    for kind, times in sorted(found.record.took.items()):
        times.sort()
        half, most = _share(times, 0.5) * 1000, _share(times, 0.99) * 1000
        print(f"    {kind:10}{len(times):6}, median {half:5.0f} ms, p99 {most:5.0f} ms")
    print(f"  asked       {found.intents:6} in the log, {found.requests} at the register; {found.reused} shown again")
    print(f"  accepted    {found.record.accepted:6}")
    print(f"  register    {found.register_s * 1000:6.0f} ms for a bare question")
    print(f"  desk's own  {own * 1000:6.0f} ms at the median, on top of the register's")
    print(f"              (wanted: less than {WANTED_OWN_S * 1000:g} ms)")
    for fault in found.faults:
        print(f"  WRONG: {fault}")
    return not found.faults and p99 < WANTED_P99_S and own < WANTED_OWN_S


def main() -> None:
    """Measure on both, and say whether the figures are met."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--people", type=int, default=200)
    words.add_argument("--requests", type=int, default=20_000)
    words.add_argument("--pause", type=float, default=20.0, help="seconds that somebody thinks, on average")
    words.add_argument("--latency-ms", type=int, default=LATENCY_MS)
    words.add_argument("--only", choices=["SQLite", "PostgreSQL"])
    words.add_argument("--profile", default="", help="a file for the profile of the pages' threads")
    said: Any = words.parse_args()
    is_met = True
    with databases() as urls:
        for name, url in urls.items():
            if said.only in {None, name}:
                print(f"{name}: {said.people} people, {said.pause:g} s of thought, register {said.latency_ms} ms")
                with tempfile.TemporaryDirectory() as folder:
                    found = measure(
                        Path(folder),
                        url,
                        people=said.people,
                        requests=said.requests,
                        pause_s=said.pause,
                        latency_ms=said.latency_ms,
                        profile=said.profile,
                    )
                    is_met &= told(found)
    if not is_met:
        sys.exit("a figure is not met")


if __name__ == "__main__":
    main()
