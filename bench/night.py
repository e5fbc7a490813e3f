"""What a night costs: members a second as a ratio to a bare `requests` loop, and peak memory at two sizes.

The register is the simulator in a process of its own, with no latency, and signing is off. The bare loop posts the very
envelopes of a night, one after another on one connection, and throws the replies away; it runs before and after the
night, in the same run, so that a noisy machine weighs on both. Each night is a process of its own on a fresh SQLite
database.

    python -m bench.night [--members 20000] [--small 2000]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path

import requests

from rrsync.app.runtime import system_runtime
from rrsync.app.services import Services, open_services
from rrsync.cli.setup import init
from rrsync.config.load import FILE_NAME, load, settings_template
from rrsync.core.exchange import Question
from rrsync.core.insz import Insz
from rrsync.core.person import Address, Held, Member, Name, PartialDate
from rrsync.core.planning import tonight
from rrsync.registry import request as registry_request
from rrsync.registry.request import PERSON
from rrsync.registry.soap import SoapClient
from rrsync.simulator.citizens import World, member_rows
from rrsync.simulator.server import Simulator
from rrsync.store.members import ImportRow
from rrsync.sync.night import NIGHT, PURPOSE

LIBRARY = "demo"
WANTED_RATIO = 0.45
WANTED_GROWTH = 1.10
_BATCH = 1_000
_HEADERS = {"Content-Type": "text/xml; charset=UTF-8", "SOAPAction": '""'}


def _serve(people: int, pipe: Connection) -> None:
    runtime = system_runtime()
    world = World(seed=1, people=people)
    server = Simulator(now=runtime.clock, new_reference=runtime.new_reference, world=world, keep_asked=False)
    with server:
        pipe.send(server.url)
        pipe.recv()


@contextmanager
def register(people: int) -> Iterator[str]:
    """Run the simulator in a process of its own; give its address."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(people, theirs))
    process.start()
    try:
        yield ours.recv()
    finally:
        ours.send("stop")
        process.join()


def prepare(folder: Path, url: str, members: int, people: int) -> Path:
    """Make settings, keys and a database with so many members of the world."""
    path = folder / FILE_NAME
    text = settings_template().replace("http://127.0.0.1:8080/", url)
    path.write_text(text.replace("max_per_second = 8.0", "max_per_second = 1000000.0"), encoding="utf-8")
    init(config=path)
    with open_services(load(path)) as app:
        batch = incoming(people, members)
        while rows := list(islice(batch, _BATCH)):
            app.members.take(rows, import_id="bench", at=app.runtime.clock())
    return path


def incoming(people: int, members: int) -> Iterator[ImportRow]:
    """Yield a library's members of the world, as an import would."""
    for line, row in enumerate(member_rows(World(seed=1, people=people), members), start=2):
        address = Address(
            row["street"], row["house_number"], row["box"], row["postal_code"], row["municipality"], "", row["country"]
        )
        name = Name(row["last_name"], row["first_names"])
        held = Held(name, PartialDate.parse(row["birth_date"]), address)
        yield ImportRow(line, Member(LIBRARY, row["member_no"], Insz.parse(row["insz"], production=False), held))


def envelopes(app: Services, url: str, members: int, people: int) -> Iterator[bytes]:
    """Yield the envelopes that a night over these members sends."""
    client = SoapClient(url)
    for each in incoming(people, members):
        if each.member.insz is not None:
            question = Question(LIBRARY, each.member.insz, NIGHT, PURPOSE, app.runtime.new_reference())
            request = registry_request.request_content(
                question, app.authorisations[LIBRARY], source="RR", now=datetime.now(UTC)
            )
            yield client.build(PERSON, request)


def bare(url: str, posts: list[bytes]) -> float:
    """Post envelopes in a bare loop, throw the replies away, and give the seconds it took."""
    session = requests.Session()
    started = time.perf_counter()
    for envelope in posts:
        session.post(url, data=envelope, headers=_HEADERS, timeout=60)
    return time.perf_counter() - started


def run_night(path: str) -> None:
    """Be the process of one night; print its seconds, members and peak memory as JSON."""
    with open_services(load(Path(path))) as app:
        plan = tonight(now=app.runtime.clock(), stale_after_days=30, full=False, most=None)
        started = time.perf_counter()
        report = app.night().run([LIBRARY], plan, progress=lambda _: None)
        seconds = time.perf_counter() - started
    if report.exit_code:
        sys.exit(f"the night ended with exit code {report.exit_code}: {report.stopped}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sys.stdout.write(json.dumps({"seconds": seconds, "asked": report.asked, "peak_kib": peak}) + "\n")


def measure(path: Path) -> dict[str, float]:
    """Run one night in a process of its own."""
    command = [sys.executable, "-m", "bench.night", "--night", str(path)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Measure, print, and say whether both figures are met."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--members", type=int, default=20_000)
    words.add_argument("--small", type=int, default=2_000)
    words.add_argument("--night", help=argparse.SUPPRESS)
    said = words.parse_args()
    if said.night:
        run_night(said.night)
        return
    with register(said.members) as url, tempfile.TemporaryDirectory() as folder:
        paths = {}
        for size in (said.small, said.members):
            (Path(folder) / str(size)).mkdir()
            paths[size] = prepare(Path(folder) / str(size), url, size, said.members)
        with open_services(load(paths[said.members])) as app:
            posts = list(envelopes(app, url, said.members, said.members))
        half = len(posts) // 2
        seconds = bare(url, posts[:half])
        small, large = measure(paths[said.small]), measure(paths[said.members])
        seconds += bare(url, posts[half:])
    loop, night = len(posts) / seconds, large["asked"] / large["seconds"]
    growth = large["peak_kib"] / small["peak_kib"]
    print(f"bare requests loop   {loop:8.0f} calls a second")
    print(f"night                {night:8.0f} members a second, signing off, 0 ms latency, {said.members} members")
    print(f"ratio                {night / loop:8.2f} (wanted: at least {WANTED_RATIO})")
    print(f"peak memory          {small['peak_kib'] / 1024:8.1f} MiB at {said.small} members")
    print(f"                     {large['peak_kib'] / 1024:8.1f} MiB at {said.members} members")
    print(f"growth               {growth:8.2f} (wanted: at most {WANTED_GROWTH})")
    if night / loop < WANTED_RATIO or growth > WANTED_GROWTH:
        sys.exit("a figure is not met")


if __name__ == "__main__":
    main()
