"""Figures of the source: modules, lines, import cycles, and how much code one query runs through.

Modules are the files of ``src`` that git knows, without ``__init__`` and migrations; lines are those of all Python
files. A cycle is a group of modules that import one another. Every import counts: inside functions, under
``TYPE_CHECKING``, and by name (``"module:function"``). A package's ``__init__`` counts for the names that it defines.

A night is ``Night.run`` in `rrsync night`, about one member. A click is the button of the member's page that asks the
register, from the request to its answer, in `rrsync serve`. One click goes before, because the first of a process also
opens the access log; at one question a second the click waits for its turn. The register is `rrsync simulator`, a
process of its own. Counted are the files in which a function ran, in any thread, and the functions. A lambda or
comprehension is one (Python 3.12 runs most comprehensions inside their function); a module's top level, a template and
what a decorator generates are none. Commit 3d9b9f4 has 73 files and 484 functions a night, 73 files a click. It was
measured before with 72 (without a file that only runs a lambda), 486 (with the simulator in the process) and 76.

    python -m bench.figures [--json] [--names] [--repo DIR]
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from types import FrameType
from typing import Any, Final

import requests
from lxml import html
from requests.adapters import HTTPAdapter
from urllib3 import Retry

#: The one name inside the source that this script relies on; the others are of commands, pages and forms.
NIGHT: Final = "Night.run"


@dataclass(frozen=True, slots=True)
class Figure:
    """A number, the most it may be (None: it has no bound), and the names that it counts."""

    name: str
    value: int
    most: int | None = None
    names: Sequence[str] = ()

    @property
    def is_kept(self) -> bool:
        """Whether it is within its bound."""
        return self.most is None or self.value <= self.most


def shape(repo: Path) -> Iterator[Figure]:
    """Yield what the files show as they lie there."""
    lines, tests = _lines(repo, "src"), _lines(repo, "tests")
    modules = [path for path in lines if path.name != "__init__.py" and "migrations" not in path.parts]
    longest, short = max(modules, key=lines.__getitem__), [str(path) for path in modules if lines[path] < 40]
    named = {".".join(path.with_suffix("").parts[1:]).removesuffix(".__init__"): path for path in lines}
    rings = cycles({name: (repo / path).read_text(encoding="utf-8") for name, path in named.items()})
    yield Figure("modules", len(modules), 150)
    yield Figure("Python files in src", len(lines))
    yield Figure("lines in src", sum(lines.values()), 34_000)
    yield Figure("lines in tests", sum(tests.values()), 45_000)
    yield Figure("import cycles", len(rings), 0, [", ".join(ring) for ring in rings])
    yield Figure("longest module", lines[longest], 800, [str(longest)])
    yield Figure("modules under 40 lines", len(short), 5, short)


def _lines(repo: Path, folder: str) -> dict[Path, int]:
    """Return the lines of each Python file of a folder that git tracks or would add."""
    words = ["git", "-C", str(repo), "ls-files", "--cached", "--others", "--exclude-standard", f"{folder}/**.py"]
    found = subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines()
    paths = [Path(name) for name in sorted(set(found)) if (repo / name).exists()]
    return {path: len((repo / path).read_bytes().splitlines()) for path in paths}


def cycles(sources: dict[str, str]) -> list[tuple[str, ...]]:
    """Return each group of modules that can reach one another by imports; ``sources`` is the text of each module."""
    reached = {name: set(_imports(name, ast.parse(text), sources)) - {name} for name, text in sources.items()}
    for through, beyond in reached.items():  # Warshall: what is reached through this module, for every module
        for targets in reached.values():
            targets.update(beyond if through in targets else ())
    rings = {tuple(sorted(one for one in reached[name] if name in reached[one])) for name in reached}
    return sorted(rings - {()})


def _imports(module: str, tree: ast.Module, sources: dict[str, str]) -> Iterator[str]:
    """Yield what a module imports: of a package, the module of that name or else the ``__init__``."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names if alias.name in sources)
            case ast.ImportFrom(module=str(origin), names=names) if origin in sources:
                named = (f"{origin}.{alias.name}" for alias in names)
                yield from (name if name in sources else origin for name in named)
            case ast.Constant(value=str(text)) if found := re.fullmatch(r"([a-z_.]+):[a-z_]+", text):
                yield from {found[1], f"{module.rpartition('.')[0]}.{found[1]}"} & sources.keys()


@dataclass(slots=True)
class Recorder:
    """The functions of the source that ran while it was on, in every thread, as file and name."""

    source: Path
    switch: str = ""
    is_on: bool = False
    seen: set[tuple[str, str]] = field(default_factory=set)

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        """Note a function that is called; the function named ``switch`` turns the recorder on, and off at its end."""
        code = frame.f_code
        if code.co_qualname == self.switch and event in {"call", "return"}:
            self.is_on = event == "call"
        if self.is_on and event == "call" and code.co_name != "<module>":
            self.seen.add((code.co_filename, code.co_qualname))

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

    def figures(self, what: str) -> Iterator[Figure]:
        """Yield how many files and functions ran."""
        ours = [name for name, _ in self.seen if name.endswith(".py") and Path(name).is_relative_to(self.source)]
        if not ours:
            raise SystemExit(f"Nothing was measured: no function of {self.source} ran in a {what}")
        files = [f"{Path(each).relative_to(self.source)}: {ours.count(each)} functions" for each in sorted(set(ours))]
        yield Figure(f"files of a {what}", len(files), 45, files)
        yield Figure(f"functions of a {what}", len(ours))


def touched(source: Path) -> Iterator[Figure]:
    """Yield how much code one member's night runs, and one click at the desk."""
    sys.path.insert(0, str(source))
    with tempfile.TemporaryDirectory() as folder, chdir(folder), _simulator(source) as endpoint:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        settings = {"REGISTRY__ENDPOINT": endpoint, "REGISTRY__MAX_PER_SECOND": "1", "WEB__PORT": str(port)}
        os.environ |= {f"RRSYNC_{name}": value for name, value in settings.items()}
        _command("init")
        header, first, *others = Path("people.csv").read_text(encoding="utf-8").splitlines()[:4]
        members = Path("members.csv")
        members.write_text(f"{header}\n{first}\n", encoding="utf-8")
        _command("members", "import", str(members), "--library=demo")
        night, click = Recorder(source, switch=NIGHT), Recorder(source)
        with night.watching():
            _command("night")
        yield from night.figures("night")
        members.write_text("\n".join([header, *others]), encoding="utf-8")
        _command("members", "import", str(members), "--library=demo")
        at = header.split(",").index("member_no")
        _serve(click, port, [line.split(",")[at] for line in others])
        yield from click.figures("click")


@contextmanager
def _simulator(source: Path) -> Iterator[str]:
    """Have a register of invented people answer, which also writes the member file of their library."""
    words = ["from rrsync.cli.app import main; main()", "simulator", "--port=0", "--people=40", "--members=people.csv"]
    called = os.environ | {"PYTHONPATH": str(source)}
    with subprocess.Popen([sys.executable, "-c", *words], env=called, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield next(found[0] for line in process.stderr or () if (found := re.search(r"http://\S+", line)))
        finally:
            process.terminate()


def _command(*words: str) -> None:
    from rrsync.cli.app import run  # noqa: PLC0415 — from the repository that is measured

    with redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
        code = run(list(words))
    if code:
        raise SystemExit(f"rrsync {words[0]} ended with {code}: {out.getvalue()}{err.getvalue()}")


def _serve(click: Recorder, port: int, members: Sequence[str]) -> None:
    """Serve the pages in this thread while a clerk uses them in another."""
    with ThreadPoolExecutor(1) as clerk, click.watching():
        asked = clerk.submit(_ask, click, f"http://127.0.0.1:{port}", members)
        try:
            _command("serve")
        finally:
            asked.result()


def _ask(click: Recorder, origin: str, members: Sequence[str]) -> None:
    """Log in, open each member's page and press its button; record the last; then stop the pages."""
    sys.setprofile(None)
    try:
        with requests.Session() as browser:
            browser.headers.update({"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate", "Origin": origin})
            browser.mount(origin, HTTPAdapter(max_retries=Retry(connect=8, backoff_factor=0.1)))
            _submit(browser, origin, browser.get(f"{origin}/login").text, "/login/local")
            for member in members:
                page = browser.get(f"{origin}/members/{member}").text
                click.is_on = member == members[-1]
                _submit(browser, origin, page, f"/members/{member}/refresh", purpose="desk", case="letter-118")
                click.is_on = False
    finally:
        os.kill(os.getpid(), signal.SIGINT)


def _submit(browser: requests.Session, origin: str, page: str, action: str, **typed: str) -> None:
    """Submit the form of a page that has this action, with what is filled in and what is typed."""
    fields: Any = html.fromstring(page).xpath(f"//form[@action='{action}']//input[@type='hidden' or @checked]")
    typed = {each.get("name"): each.get("value") for each in fields} | typed
    answer = browser.post(origin + action, data=typed, timeout=30, allow_redirects=False)
    if not answer.is_redirect or answer.headers["location"].startswith("/login"):
        raise SystemExit(f"{action} was answered with {answer.status_code}: nobody was let in, or nothing was done")


def main() -> None:
    """Print the figures; exit 1 when one is out of its bound."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--names", action="store_true", help="also print the files and cycles that are counted")
    parser.add_argument("--repo", type=Path, default=Path(__file__).parent.parent, help="another checkout of rrsync")
    asked = parser.parse_args()
    found = [*shape(repo := asked.repo.resolve()), *touched(repo / "src")]
    if asked.json:
        print(json.dumps({each.name: {"value": each.value, "bound": each.most, "ok": each.is_kept} for each in found}))
    else:
        print(f"{'figure':<24}{'value':>8}{'bound':>8}  ok?")
        for each in found:
            bound = "" if each.most is None else f"{each.most:>8}  {'yes' if each.is_kept else 'NO'}"
            print(f"{each.name:<24}{each.value:>8}{bound}", *each.names if asked.names else (), sep="\n    ")
    sys.exit(not all(each.is_kept for each in found))


if __name__ == "__main__":
    main()
