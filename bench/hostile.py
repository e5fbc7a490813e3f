"""What a register that means harm costs: seconds of its slowest call, and the most memory it makes us take.

Each case is a process of its own with a whole installation, in which one member is refreshed at the desk: first
rightly, so that everything is loaded, and then before a register that answers as the case says. The register is in
another process, so its own bombs weigh nothing here. A call must be over in a second, or at its deadline where the
register is slow, and take no more than 100 MB.

    python -m bench.hostile [CASE]...
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import ExitStack, redirect_stdout, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeAlias

from bench.night import LIBRARY, prepare
from rrsync.app.runtime import system_runtime
from rrsync.app.services import Services, open_services
from rrsync.config.load import load
from rrsync.core.log_entry import Actor, ActorKind
from rrsync.errors import RrsyncError
from rrsync.simulator.citizens import World
from rrsync.simulator.server import Simulator
from tests.faults import markup, packing
from tests.registry import authority, forge, scene
from tests.registry.scene import door, http, reference

Answer: TypeAlias = Callable[[bytes, bytes, socket.socket], "bytes | None"]

PEOPLE: Final = 200
#: The second is settled, and lives where the library thinks.
MEMBER: Final = "M000002"
DEADLINE_S: Final = 3.0
#: What a deadline may be late on a busy machine.
GRACE_S: Final = 0.5
QUICK_S: Final = 1.0
MOST_MB: Final = 100.0
DRIP_S: Final = 0.2
_CHUNK: Final = b"a" * 2**16


@dataclass(frozen=True, slots=True)
class Figure:
    """What one case came to: how the access ended, its calls, the slowest of them, and the memory it took."""

    ended: str
    calls: int
    slowest_s: float
    growth_mb: float


def rewritten(change: Callable[[bytes], bytes]) -> Answer:
    """Answer with the right reply, changed."""
    return lambda right, _, __: http(change(right))


def packed(coding: str, wbits: int) -> Answer:
    """Answer with 300 MB, packed."""
    said = http(packing.bomb(wbits), 200, [f"Content-Encoding: {coding}"])
    return lambda *_: said


def dripping(right: bytes, _: bytes, connection: socket.socket) -> None:
    """Answer rightly, a byte each fifth of a second."""
    for position in range(len(said := http(right))):
        connection.sendall(said[position : position + 1])
        threading.Event().wait(DRIP_S)


def endless(head: bytes, more: bytes) -> Answer:
    """Answer without an end."""

    def answer(_: bytes, __: bytes, connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + head)
        while True:
            connection.sendall(more)

    return answer


def redirected(_: bytes, body: bytes, __: socket.socket) -> bytes:
    """Send the question elsewhere, body and all; it must be a signed one."""
    assert b"SignatureValue" in body, "the question was not signed"
    return http(b"", 307, [f"Location: http://127.0.0.1:{os.environ['RRSYNC_BENCH_TRAP']}/"])


def verified(more: bytes) -> Answer:
    """Answer with a reply rightly signed, with more in it."""

    def answer(right: bytes, _: bytes, __: socket.socket) -> bytes:
        found = re.search(r"<s:Body>(.*)</s:Body>", markup.inside(b"Repliek", more)(right).decode(), re.DOTALL)
        assert found
        return http(forge.reply(paper=signer(), content=found[1]))

    return answer


@cache
def signer() -> authority.Paper:
    """Return the certificate that signs replies in this process."""
    return authority.issue("magda", now=authority.today())


def noticed(_: bytes, body: bytes, __: socket.socket) -> bytes:
    """Answer with as many exceptions as there is room for."""
    return http(scene.answer("", scene.notice("30042", "INFORMATIE") * 8_000, ref=reference(body)))


CASES: Final[dict[str, Callable[[], Answer]]] = {
    "right": lambda: rewritten(bytes),
    "gzip bomb, 300 MB": lambda: packed("gzip", 31),
    "deflate bomb, 300 MB": lambda: packed("deflate", 15),
    "drip, a byte per 0.2 s": lambda: dripping,
    "body without end": lambda: endless(b"\r\n", _CHUNK),
    "header without end": lambda: endless(b"X: ", _CHUNK),
    "headers without end": lambda: endless(b"", b"X: y\r\n"),
    "billion laughs": lambda: rewritten(markup.declared(markup.laughs(b"ha", 9), b"&l9;")),
    "quadratic blow-up": lambda: rewritten(markup.declared(markup.BLOWN_UP, b"&l;" * 30_000)),
    "100 000 deep": lambda: rewritten(markup.inside(b"Geslacht", b"<a>" * 10**5 + b"</a>" * 10**5)),
    "100 000 attributes": lambda: rewritten(markup.inside(b"Repliek", markup.attributes(10**5))),
    "100 000 elements": lambda: rewritten(markup.inside(b"Repliek", b"<a/>" * 10**5)),
    "80 000 first names": lambda: rewritten(markup.inside(b"Voornamen", b"<Voornaam>a</Voornaam>" * 80_000)),
    "2 MB of text": lambda: rewritten(markup.inside(b"Repliek", b"<a>%s</a>" % (b"a" * markup.LETTERS))),
    "8 000 exceptions": lambda: noticed,
    "redirect of a signed body": lambda: redirected,
    "100 000 elements, verified": lambda: verified(b"<a/>" * 10**5),
    "50 000 ids, verified": lambda: verified(b"".join(b'<a Id="%d"/>' % number for number in range(50_000))),
}
SLOW: Final = frozenset({"drip, a byte per 0.2 s", "header without end", "headers without end", "body without end"})


def serve(name: str) -> None:
    """Be the register of a case: print its address and who signs, answer, and stop when standard input ends.

    The first question, and every right case, is answered rightly; a question that is sent elsewhere is an error.
    """
    answer = CASES[name]()
    runtime = system_runtime()
    simulator = Simulator(now=runtime.clock, new_reference=runtime.new_reference, world=World(seed=1, people=PEOPLE))

    def handler(number: int, body: bytes, connection: socket.socket) -> bytes | None:
        right, _ = simulator.answer(body)
        return http(right.body) if number == 0 else answer(right.body, body, connection)

    with door(handler) as opened, door(lambda *_: http(b"<a/>")) as trap:
        os.environ["RRSYNC_BENCH_TRAP"] = trap.url.rpartition(":")[2].rstrip("/")
        sys.stdout.write(json.dumps([opened.url, signer().pem.decode()]) + "\n")
        sys.stdout.flush()
        sys.stdin.read()
        sys.exit("the question went where the redirect sent it" if trap.connections else 0)


def ask(path: Path) -> None:
    """Be the process that is meant: refresh twice, and print the second time's figure as JSON."""
    with open_services(load(path)) as app:
        refresh(app)
        seen = len(outcomes(app))
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak counts from here
        before = memory("VmRSS")
        refresh(app)
        growth = memory("VmHWM") - before
        found = outcomes(app)[seen:]
    ended = sorted({each["status"] for each in found})
    slowest = max(each["ms"] for each in found) / 1000
    sys.stdout.write(json.dumps([", ".join(ended), len(found), slowest, growth]) + "\n")


def refresh(app: Services) -> None:
    """Refresh the member; how that ends stands in the access log."""
    staff = Actor(ActorKind.PERSON, "bench")
    with suppress(RrsyncError):
        app.desk().refresh(LIBRARY, MEMBER, actor=staff, purpose="desk", case="bench", preview=True)


def outcomes(app: Services) -> list[dict[str, Any]]:
    """Return how every access ended."""
    lines = [json.loads(data) for _, data in app.access_log.entries(LIBRARY)]
    return [line["out"] for line in lines if line["kind"] == "access.outcome"]


def memory(name: str) -> float:
    """Return a line of this process's memory, in MB."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith(name))) / 1024


def measure(name: str) -> Figure:
    """Run one case.

    Raises:
        SystemExit: it could not be run.
    """
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        command = [sys.executable, "-m", "bench.hostile"]
        register = stack.enter_context(
            subprocess.Popen([*command, "--serve", name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        )
        assert register.stdout is not None
        url, trust = json.loads(register.stdout.readline())
        with redirect_stdout(io.StringIO()):
            path = prepare(Path(folder), url, 3, PEOPLE)
        settings = {"RRSYNC_REGISTRY__DEADLINE_S": str(DEADLINE_S)}
        if "signed" in name:
            paper = authority.issue("rrsync", now=authority.today())
            certificate, key = paper.save(Path(folder), "ours")
            settings |= {
                "RRSYNC_REGISTRY__SIGN": "true",
                "RRSYNC_REGISTRY__CERTIFICATE": str(certificate),
                "RRSYNC_REGISTRY__PRIVATE_KEY": str(key),
            }
        if "verified" in name:
            (Path(folder) / "trust.pem").write_text(trust, encoding="ascii")
            settings |= {"RRSYNC_REGISTRY__VERIFY": "if_present", "RRSYNC_REGISTRY__TRUST": f"{folder}/trust.pem"}
        asker = [*command, "--ask", str(path)]
        done = subprocess.run(asker, stdout=subprocess.PIPE, check=True, env=os.environ | settings, timeout=120)
        register.communicate(timeout=30)
        if register.returncode:
            sys.exit(f"{name}: the register ended with {register.returncode}")
    return Figure(*json.loads(done.stdout))


def main() -> None:
    """Run every case, or those that are named, and hold each against the limits."""
    parser = argparse.ArgumentParser(prog="python -m bench.hostile")
    parser.add_argument("case", nargs="*", choices=[[], *CASES])
    parser.add_argument("--serve", metavar="CASE")
    parser.add_argument("--ask", type=Path, metavar="SETTINGS")
    asked = parser.parse_args()
    if asked.serve:
        serve(asked.serve)
    elif asked.ask:
        ask(asked.ask)
    else:
        report(asked.case or list(CASES))


def report(names: list[str]) -> None:
    """Print a line for each case.

    Raises:
        SystemExit: one took too long, or too much.
    """
    print(f"{'case':28} {'ended':14} {'calls':>5} {'slowest call':>14} {'limit':>6} {'memory':>9} {'limit':>7}")
    bad = []
    for name in names:
        found = measure(name)
        limit = DEADLINE_S + GRACE_S if name in SLOW else QUICK_S
        is_bad = found.slowest_s > limit or found.growth_mb > MOST_MB
        bad += [name] * is_bad
        print(
            f"{name:28} {found.ended:14} {found.calls:5} {found.slowest_s:12.3f} s {limit:4.1f} s "
            f"{found.growth_mb:6.1f} MB {MOST_MB:4.0f} MB{'  TOO MUCH' if is_bad else ''}",
            flush=True,
        )
    if bad:
        sys.exit(f"beyond its limit: {', '.join(bad)}")


if __name__ == "__main__":
    main()
