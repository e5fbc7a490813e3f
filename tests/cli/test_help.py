"""The help of every command, and the modules that a command imports."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from rrsync.cli.app import COMMANDS as COMMAND_TABLE
from rrsync.cli.app import app
from tests.cli.conftest import Place, Run
from tests.support import ROOT

#: The commands of the contract in this version.
CONTRACT = {
    *("init", "demo", "check", "members import", "members export", "night", "refresh", "simulator", "serve", "witness"),
    *("holds list", "holds show", "holds accept", "holds dismiss"),
    *("log show", "log who", "log evidence", "log verify", "log checkpoint", "log anchor", "log prove", "log export"),
    *("log sample list", "log sample sign", "log digest", "log staff add", "log staff remove", "log staff list"),
    "log forget",
}
#: The options that the contract promises.
PROMISED = {
    "demo": {"--members", "--keep", "--serve"},
    "night": {"--library", "--channel", "--full", "--max", "--dry-run", "--json"},
    "refresh": {"--library", "--purpose", "--case", "--actor", "--preview", "--json"},
    "members import": {"--library"},
    "members export": {"--library", "--changed-since"},
    "simulator": {"--port", "--people", "--personas", "--latency-ms", "--max-per-second", "--fault"},
}


def _walk(command: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every command that is no group, with its full name."""
    below = getattr(command, "commands", None)
    if below is None:
        yield name, command
        return
    for word, each in below.items():
        yield from _walk(each, f"{name} {word}".strip())


COMMANDS = dict(_walk(typer.main.get_command(app)))
GROUPS = ("", "members", "holds", "log", "log sample", "log staff")


def test_the_commands_are_those_of_the_contract() -> None:
    """No more and no fewer, and the README names each."""
    assert set(COMMANDS) == CONTRACT
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    words = {name.split()[0] for name in COMMANDS} - {"demo"}
    assert [word for word in sorted(words) if f"rrsync {word}" not in readme] == []
    assert "make demo" in readme


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_help_explains_the_command_and_every_option(name: str, run: Run) -> None:
    """The first line of the help is the summary in the list of commands, and a whole sentence in plain English."""
    said = run(*name.split(), "--help")
    assert (said.code, said.err) == (0, "")
    assert len(said.out.splitlines()) < 60
    for parameter in COMMANDS[name].params:
        assert parameter.help.endswith((".", "'")) or parameter.name == "help", f"{name}: {parameter.name}"
        shown = parameter.opts[0] if parameter.param_type_name == "option" else parameter.metavar
        assert shown in said.out
    options = {each for parameter in COMMANDS[name].params for each in parameter.opts}
    assert PROMISED.get(name, set()) <= options
    *group, word = name.split()
    rows: Any = COMMAND_TABLE
    for each in group:
        rows = rows[each].rows
    summary = rows[word].summary
    assert summary == COMMANDS[name].help.splitlines()[0]
    assert re.fullmatch(r"(?!Give )[A-Z][^.]*\.", summary)
    assert any(f"  {word} " in line and line.endswith(summary) for line in run(*group, "--help").out.splitlines())


#: Modules that are slow to import and not needed to print a help text.
HEAVY = {"alembic", "fastapi", "fpdf", "lxml", "requests", "sqlalchemy", "sqlmodel", "zeep"}


@pytest.mark.parametrize(
    ("arguments", "completed"),
    [
        (["--help"], ""),
        (["--version"], ""),
        (["log", "--help"], ""),
        ([], "rrsync "),
        ([], "rrsync log sam"),
    ],
    ids=["help", "version", "help of a group", "completion", "completion in a group"],
)
def test_help_and_completion_are_light(arguments: list[str], completed: str) -> None:
    """Help, version and completion import neither the database nor the register's client nor the pages."""
    assert _imported(arguments, completed) & HEAVY == set()


def _imported(arguments: list[str], completed: str = "", folder: Path | None = None) -> set[str]:
    """Return the top-level modules that a new process has imported after a command."""
    script = (
        "import sys\nfrom rrsync.cli.app import app, run\n"
        f"words = {completed!r}.split(' ')\n"
        "if words != ['']:\n"
        "    import typer\n"
        "    context = typer.main.get_command(app)\n"
        "    for word in words[1:-1]: context = context.commands[word]\n"
        "    with context.make_context('rrsync', [], resilient_parsing=True) as found:\n"
        "        names = [item.value for item in context.shell_complete(found, words[-1])]\n"
        "        assert names\n"
        f"else:\n    assert run({arguments!r}) == 0\n"
        "print('\\n' + ' '.join({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=folder)
    return set(done.stdout.splitlines()[-1].split())


def test_a_command_imports_what_it_works_with(place: Place) -> None:
    """Verifying and showing a log need no SOAP client, importing members neither that nor the pages."""
    verified = _imported(["log", "verify"], folder=place.folder)
    assert "sqlalchemy" in verified
    assert verified & {"zeep", "fastapi"} == set()
    shown = _imported(["log", "show", "--library", "demo"], folder=place.folder)
    assert shown & {"zeep", "fastapi", "fpdf"} == set()
    (place.folder / "members.csv").write_text("member_no\nM1\n", encoding="utf-8")
    imported = _imported(["members", "import", "members.csv", "--library", "demo"], folder=place.folder)
    assert imported & {"zeep", "fastapi"} == set()


@pytest.mark.parametrize("name", ["refresh", "members import", "members export", "holds accept", "simulator", "demo"])
def test_help_has_an_example(name: str, run: Run) -> None:
    """For commands that need more than one word."""
    assert f"Example: rrsync {name}" in " ".join(run(*name.split(), "--help").out.split())


@pytest.mark.parametrize("name", GROUPS)
def test_help_of_a_group_names_the_first_command(name: str, run: Run) -> None:
    """Its commands have untruncated summaries; without a command the help is a usage error."""
    said = run(*name.split(), "--help")
    assert said.code == 0
    assert "`rrsync " in " ".join(said.out.split())
    assert max(map(len, said.out.splitlines())) <= 80
    bare = run(*name.split())
    assert bare.code == 2
    assert "Commands:" in bare.err + bare.out


def test_help_of_the_simulator_lists_every_fault(run: Run) -> None:
    """With a description of each."""
    said = run("simulator", "--help").out
    assert re.search(r"throttle +SOAP Fault 99995", said)
    assert "empty-body" in said
