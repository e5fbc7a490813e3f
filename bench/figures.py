"""Figures of the source itself: modules, lines, import cycles, and how much code one query runs through.

Modules are the files of ``src/rrsync`` without ``__init__`` and migrations. Lines are those of all Python files. A
cycle is a group of modules that import one another; imports inside functions count.

A night asks the simulator about one member; a click is the button of the desk that does so. Counted are the files of
``src/rrsync`` in which a function ran, and the functions: from the beginning of the run to its end, and from the
request to its answer, where one click went before. The simulator's own code does not count.

    python -m bench.figures [--json]
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from http import HTTPStatus
from io import StringIO
from itertools import islice
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final

import requests
from lxml import html

ROOT: Final = Path(__file__).resolve().parent.parent
SOURCES: Final = ROOT / "src" / "rrsync"
#: Figure -> the most it may be; a figure without one is only told.
BOUNDS: Final = {
    "modules": 150,
    "lines in src": 34_000,
    "lines in tests": 45_000,
    "import cycles": 0,
    "files of a night": 45,
    "files of a click": 45,
    "longest module": 800,
    "modules under 40 lines": 5,
}


def shape() -> dict[str, int]:
    """Return the figures that the files show as they lie there."""
    every = sorted(path for path in SOURCES.rglob("*.py") if "wsdl" not in path.parts)
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in every}
    modules = [path for path in every if path.name != "__init__.py" and "migrations" not in path.parts]
    tests = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in (ROOT / "tests").rglob("*.py"))
    return {
        "modules": len(modules),
        "lines in src": sum(lines.values()),
        "lines in tests": tests,
        "import cycles": len(cycles(modules)),
        "longest module": max(lines[path] for path in modules),
        "modules under 40 lines": sum(lines[path] < 40 for path in modules),
    }


def cycles(modules: list[Path]) -> list[set[str]]:
    """Return each group of modules that can reach one another by imports."""
    names = {".".join(path.relative_to(SOURCES.parent).with_suffix("").parts): path for path in modules}
    reached = {name: set(_imports(path, set(names))) for name, path in names.items()}
    grew = True
    while grew:
        grew = False
        for targets in reached.values():
            before = len(targets)
            targets.update(*[reached[each] for each in targets])
            grew = grew or len(targets) > before
    rings = {
        frozenset(one for one in reached[name] if name in reached[one]) for name in reached if name in reached[name]
    }
    return [set(ring) for ring in rings]


def _imports(path: Path, known: set[str]) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (node.module for _ in [0] if node.module in known)
            yield from (one for alias in node.names if (one := f"{node.module}.{alias.name}") in known)


@dataclass(slots=True)
class Recorder:
    """The functions of rrsync that ran while it was on, in every thread."""

    is_on: bool = False
    seen: set[CodeType] = field(default_factory=set)

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        """Note a function that is called."""
        if event == "call" and self.is_on:
            self.seen.add(frame.f_code)

    def counts(self, what: str) -> dict[str, int]:
        """Return how many files and functions ran."""
        here = [(Path(code.co_filename), code) for code in self.seen if not code.co_name.startswith("<")]
        ours = {
            (path, f"{code.co_qualname}:{code.co_firstlineno}")
            for path, code in here
            if path.is_relative_to(SOURCES) and "simulator" not in path.parts
        }
        return {f"files of a {what}": len({path for path, _ in ours}), f"functions of a {what}": len(ours)}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Hear of every call in this thread and in those that are started inside."""
        threading.setprofile(self)
        sys.setprofile(self)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)


class _Night(Recorder):
    """Records from the beginning of a run to its end."""

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        if frame.f_code.co_qualname == "Night.run" and event in {"call", "return"}:
            self.is_on = event == "call"
        Recorder.__call__(self, frame, event, _)


def _command(*words: str) -> None:
    from rrsync.cli.app import run  # noqa: PLC0415 — after the profile is set, and from the folder of the installation

    with redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
        code = run(list(words))
    if code:
        raise SystemExit(f"rrsync {words[0]} ended with {code}: {out.getvalue()}{err.getvalue()}")


def touched() -> dict[str, int]:
    """Return how much code one member's night runs, and one click at the desk."""
    from rrsync.app.runtime import system_runtime  # noqa: PLC0415 — only here
    from rrsync.simulator.citizens import World, member_rows  # noqa: PLC0415 — the same
    from rrsync.simulator.server import Simulator  # noqa: PLC0415 — the same

    runtime, world = system_runtime(), World(seed=1, people=40)
    register = Simulator(now=runtime.clock, new_reference=runtime.new_reference, world=world)
    with tempfile.TemporaryDirectory() as folder, register, _inside(Path(folder)):
        port = _free_port()
        os.environ |= {"RRSYNC_REGISTRY__ENDPOINT": register.url, "RRSYNC_WEB__PORT": str(port)}
        _command("init")
        first, *others = islice(member_rows(world), 3)
        _import([first])
        night = _Night()
        with night.watching():
            _command("night")
        _import(others)
        return night.counts("night") | _click(port, [row["member_no"] for row in others]).counts("click")


def _import(rows: Sequence[Mapping[str, str]]) -> None:
    lines = [list(rows[0]), *(list(row.values()) for row in rows)]
    Path("members.csv").write_text("\n".join(map(",".join, lines)), encoding="utf-8")
    _command("members", "import", "members.csv", "--library", "demo")


def _click(port: int, members: Sequence[str]) -> Recorder:
    recorder = Recorder()
    with ThreadPoolExecutor(1) as clerk:
        with recorder.watching():
            asked = clerk.submit(_ask, recorder, port, members)
            _command("serve")
        asked.result()
    return recorder


def _ask(recorder: Recorder, port: int, members: Sequence[str]) -> None:
    """Log in as an invented clerk, open the member's page and press its button; then stop the server."""
    sys.setprofile(None)
    try:
        _press(recorder, f"http://127.0.0.1:{port}", members)
    finally:
        os.kill(os.getpid(), signal.SIGINT)


def _press(recorder: Recorder, origin: str, members: Sequence[str]) -> None:
    with requests.Session() as browser:
        browser.headers.update({"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate", "Origin": origin})
        _send(browser, origin, _patiently(browser, f"{origin}/login"), "/login/local", {})
        for member in members:
            page = browser.get(f"{origin}/members/{member}", timeout=10).text
            recorder.is_on = member == members[-1]
            answer = _send(
                browser, origin, page, f"/members/{member}/refresh", {"purpose": "desk", "case": "letter-118"}
            )
            recorder.is_on = False
            if answer.status_code != HTTPStatus.SEE_OTHER:
                raise SystemExit(f"the click ended with {answer.status_code}")


def _send(browser: requests.Session, origin: str, page: str, action: str, typed: dict[str, str]) -> requests.Response:
    """Submit the form of a page that has this action, with what is filled in and what is typed."""
    fields: Any = html.fromstring(page).xpath(f"//form[@action='{action}']//input[@type='hidden' or @checked]")
    said = {each.get("name"): each.get("value") for each in fields}
    return browser.post(origin + action, data=said | typed, timeout=30, allow_redirects=False)


def _patiently(browser: requests.Session, url: str) -> str:
    for _ in range(200):
        try:
            return browser.get(url, timeout=10).text
        except requests.ConnectionError:
            threading.Event().wait(0.05)
    raise SystemExit(f"{url} does not answer")


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def main() -> None:
    """Print the figures; exit 1 when one is out of its bound."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    found = shape() | touched()
    if parser.parse_args().json:
        print(json.dumps(found, indent=2))
    else:
        for name, value in found.items():
            bound = BOUNDS.get(name)
            said = "" if bound is None else f"at most {bound}" + ("" if value <= bound else "  BROKEN")
            print(f"{name:<26}{value:>8}  {said}")
    sys.exit(any(value > BOUNDS.get(name, value) for name, value in found.items()))


if __name__ == "__main__":
    main()
