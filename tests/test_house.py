"""The house itself: its floors, its modules and its papers."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parent.parent
SOURCES: Final = ROOT / "src" / "rrsync"
LONGEST: Final = 800
ADRS: Final = sorted((ROOT / "docs" / "adr").glob("*.md"))
MODULES: Final = sorted(SOURCES.rglob("*.py"))
#: The packages whose functions get the services.
HANDLERS: Final = frozenset({"audit", "cli", "sync", "web"})

sources = pytest.mark.skipif(not SOURCES.is_dir(), reason="src/ is away: the suite runs on the wheel")


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _is_services(annotation: ast.expr | None) -> bool:
    """Return whether an annotation is one of the classes that hold all services."""
    return isinstance(annotation, ast.Name) and annotation.id in {"Context", "Services", "WebContext", "WebServices"}


def _chain(node: ast.expr) -> list[str]:
    """Return the names of ``a.b.c``; nothing when it begins with anything but a name."""
    match node:
        case ast.Name():
            return [node.id]
        case ast.Attribute():
            begin = _chain(node.value)
            return [*begin, node.attr] if begin else []
        case _:
            return []


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """Return a copy of the sources and of the contracts that hold them."""
    shutil.copytree(SOURCES, tmp_path / "src" / "rrsync", ignore=shutil.ignore_patterns("__pycache__", "wsdl"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def _lint_imports(house: Path) -> subprocess.CompletedProcess[str]:
    """Hold the contracts against a house, and not against the one that is installed."""
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--config", house / "pyproject.toml"],
        cwd=house,
        env=os.environ | {"PYTHONPATH": str(house / "src"), "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@sources
class TestFloors:
    """import-linter holds the floors, and lets nothing in that has none."""

    def test_the_house_keeps_its_contracts(self, house: Path) -> None:
        """The sources as they are break no contract."""
        done = _lint_imports(house)
        assert done.returncode == 0, done.stdout

    def test_a_module_without_a_floor_is_refused(self, house: Path) -> None:
        """A new top-level module must be given its place first."""
        (house / "src" / "rrsync" / "attic.py").write_text('"""Nobody placed this."""\n', encoding="utf-8")
        done = _lint_imports(house)
        assert done.returncode == 1
        assert "rrsync.attic" in done.stdout

    @pytest.mark.parametrize(
        ("room", "line"),
        [
            ("core", "import requests"),
            ("core", "import sqlalchemy"),
            ("core", "import lxml.etree"),
            ("sync", "import zeep"),
            ("sync", "import sqlmodel"),
            ("sync", "import rich"),
            ("store", "import tenacity"),
            ("store", "from rrsync import registry"),
            ("registry", "import alembic"),
            ("registry", "from rrsync import simulator"),
            ("simulator", "import urllib3"),
            ("core", "from rrsync import store"),
            ("cli", "import fastapi"),
            ("cli", "import authlib"),
            ("cli", "from rrsync.web import app"),
            ("sync", "import jinja2"),
            ("store", "import joserfc"),
            ("web", "import requests"),
            ("web", "import uvicorn"),
            ("registry", "import requests"),
            ("anchor", "import urllib3"),
            ("web", "import sqlalchemy"),
            ("web", "from rrsync import cli"),
            ("cli", "import psycopg"),
            ("web", "import fpdf"),
            ("audit", "import fpdf"),
        ],
    )
    def test_an_import_that_crosses_a_wall_is_refused(self, house: Path, room: str, line: str) -> None:
        """Neither a floor above, nor a room beside, nor another room's library."""
        folder = house / "src" / "rrsync" / room
        folder.mkdir(exist_ok=True)
        (folder / "__init__.py").touch()
        (folder / "smuggler.py").write_text(f'"""Brings in what does not belong here."""\n\n{line}\n', encoding="utf-8")
        done = _lint_imports(house)
        assert done.returncode == 1
        assert f"rrsync.{room}.smuggler" in done.stdout

    @pytest.mark.parametrize(
        ("module", "line"),
        [
            ("web/holds", "from rrsync.web import member"),
            ("web/log_pages", "from rrsync.web import log"),
            ("web/guard", "from rrsync.web import responses"),
            ("web/render", "from rrsync.web import context"),
            ("store/rows", "from rrsync.store import members"),
            ("store/holds", "from rrsync.store import corrections"),
            ("store/members", "from rrsync.store import settlement"),
        ],
    )
    def test_an_import_against_the_order_of_a_package_is_refused(self, house: Path, module: str, line: str) -> None:
        """Neither a subject of the pages another, nor what is below what is above."""
        file = house / "src" / "rrsync" / f"{module}.py"
        file.write_text(f"{file.read_text(encoding='utf-8')}\n{line}\n", encoding="utf-8")
        done = _lint_imports(house)
        assert done.returncode == 1
        assert f"rrsync.{module.replace('/', '.')}" in done.stdout

    def test_every_module_of_the_pages_has_a_place(self) -> None:
        """A new one is put in the order first."""
        linter = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
        (layers,) = (each["layers"] for each in linter["contracts"] if each["id"] == "web-order")
        placed = [name.strip("() ") for layer in layers for name in layer.split("|")]
        modules = {path.stem for path in (SOURCES / "web").glob("*.py")} - {"__init__"}
        assert modules <= set(placed)


@sources
class TestModules:
    """Modules are as long as their subject, have names of the field, and form no import cycle."""

    @pytest.mark.parametrize("module", MODULES, ids=_name)
    def test_a_module_is_not_too_long(self, module: Path) -> None:
        """A longer module has two subjects."""
        assert len(module.read_text(encoding="utf-8").splitlines()) <= LONGEST

    @pytest.mark.parametrize("module", [path for path in MODULES if "migrations" not in path.parts], ids=_name)
    def test_a_module_has_a_plain_name(self, module: Path) -> None:
        """One to three words in snake case."""
        assert re.fullmatch(r"[a-z]+(_[a-z]+){0,2}|__(init|main)__", module.stem)

    @pytest.mark.parametrize("module", [path for path in MODULES if path.name == "__init__.py"], ids=_name)
    def test_a_package_holds_no_code_of_its_own(self, module: Path) -> None:
        """A docstring, and at most the one public name."""
        assert not re.search(r"^\s*(def|class|async) ", module.read_text(encoding="utf-8"), re.MULTILINE)

    @pytest.mark.parametrize("module", [path for path in MODULES if path.parent.name in HANDLERS], ids=_name)
    def test_a_handler_reaches_a_service_by_two_dots(self, module: Path) -> None:
        """``ctx.members.find`` is as deep as anything reaches into the services or the context."""
        tree = ast.parse(module.read_text(encoding="utf-8"))
        found = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg) and _is_services(node.annotation)}
        chains = [_chain(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
        assert [chain for chain in chains if len(chain) > 3 and chain[0] in found | {"ctx", "services"}] == []

    def test_every_import_is_real(self) -> None:
        """A type is imported as everything else is."""
        assert [_name(path) for path in MODULES if "TYPE_CHECKING" in path.read_text(encoding="utf-8")] == []


class TestPapers:
    """The papers say what the house is, and say it of this version."""

    def test_the_changelog_knows_this_version(self) -> None:
        """The newest numbered heading is the version that is built."""
        version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
        changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
        headings = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", changelog, re.MULTILINE)
        assert headings[0] == version

    def test_decisions_are_numbered_without_a_gap(self) -> None:
        """Each has a number of its own, from 0001 on."""
        assert [path.name[:4] for path in ADRS] == [f"{number:04d}" for number in range(1, len(ADRS) + 1)]

    @pytest.mark.parametrize("adr", ADRS, ids=_name)
    def test_a_decision_names_its_price(self, adr: Path) -> None:
        """Context, options, choice and price, in that order, each with something under it."""
        text = adr.read_text(encoding="utf-8")
        assert text.startswith(f"# {int(adr.name[:4])}. ")
        assert re.findall(r"^## (.+)\n\n\S", text, re.MULTILINE) == ["Context", "Options", "Choice", "Price"]


#: OWASP ASVS 5.0.0: chapter -> section -> how many requirements of levels 1 and 2 it has, which are its first.
ASVS: Final = {
    1: {1: 2, 2: 9, 3: 11, 4: 3, 5: 2},
    2: {1: 3, 2: 3, 3: 4, 4: 1},
    3: {2: 2, 3: 4, 4: 6, 5: 5, 7: 2},
    4: {1: 3, 2: 1, 3: 2, 4: 4},
    5: {1: 1, 2: 3, 3: 2, 4: 3},
    6: {1: 3, 2: 12, 3: 4, 4: 4, 5: 5, 6: 3, 8: 4},
    7: {1: 3, 2: 4, 3: 2, 4: 5, 5: 2, 6: 2},
    8: {1: 2, 2: 3, 3: 1, 4: 1},
    9: {1: 3, 2: 4},
    10: {1: 2, 2: 2, 3: 4, 4: 11, 5: 5, 6: 2, 7: 3},
    11: {1: 2, 2: 3, 3: 3, 4: 4, 5: 1, 6: 1},
    12: {1: 3, 2: 2, 3: 4},
    13: {1: 1, 2: 5, 3: 2, 4: 5},
    14: {1: 2, 2: 4, 3: 3},
    15: {1: 3, 2: 3, 3: 7},
    16: {1: 1, 2: 5, 3: 4, 4: 3, 5: 3},
    17: {1: 1, 2: 4, 3: 2},
}
ROWS: Final = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs" / "asvs.md").read_text(encoding="utf-8").splitlines()
    if re.match(r"\| \d", line)
]


class TestChecklist:
    """The pages are held against a standard, and what is said of them can be looked up."""

    def test_every_requirement_is_there_once(self) -> None:
        """All 253 of levels 1 and 2, alone, in a list, or in a range of one section."""
        found: list[str] = []
        for part in (part for row in ROWS for part in row[0].split(", ")):
            first, _, last = part.partition(" to ")
            section, _, begin = first.rpartition(".")
            end = last.removeprefix(f"{section}.") or begin
            found += [f"{section}.{number}" for number in range(int(begin), int(end) + 1)]
        wanted = [
            f"{chapter}.{section}.{number}"
            for chapter, sections in ASVS.items()
            for section, most in sections.items()
            for number in range(1, most + 1)
        ]
        assert len(wanted) == 253
        assert sorted(found) == sorted(wanted)

    @pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
    def test_what_it_says_is_so(self, row: list[str]) -> None:
        """Each is met, left to whoever installs it, or does not apply; tests and papers named are there."""
        _, _, state, reason = row
        assert state in {"yes", "yours", "n/a"}
        assert reason
        for name in re.findall(r"`([\w/]+\.py)(?=[:`])", reason):
            assert (ROOT / "tests" / name).is_file() or (ROOT / name).is_file(), name
        for name, rest in re.findall(r"`([\w/]+\.py)::([\w:]+)`", reason):
            text = (ROOT / "tests" / name).read_text(encoding="utf-8")
            *classes, test = rest.split("::")
            for each in classes:
                text = text.partition(f"\nclass {each}")[2].partition("\nclass ")[0]
            assert re.search(rf"^{'    ' * len(classes)}def {test}\(", text, re.MULTILINE), rest
