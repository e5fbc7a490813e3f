"""What a newcomer reads first: the help of every command."""

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

#: The commands of the contract that this version has.
CONTRACT = {
    "init",
    "demo",
    "check",
    "members import",
    "members export",
    "night",
    "refresh",
    "holds list",
    "holds show",
    "holds accept",
    "holds dismiss",
    "log show",
    "log who",
    "log evidence",
    "log verify",
    "log checkpoint",
    "log anchor",
    "log prove",
    "log export",
    "log sample list",
    "log sample sign",
    "log digest",
    "log staff add",
    "log staff remove",
    "log staff list",
    "log forget",
    "simulator",
    "serve",
    "witness",
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
    """Yield every command that does something, with its whole name."""
    below = getattr(command, "commands", None)
    if below is None:
        yield name, command
        return
    for word, each in below.items():
        yield from _walk(each, f"{name} {word}".strip())


COMMANDS = dict(_walk(typer.main.get_command(app)))
GROUPS = ("", "members", "holds", "log", "log sample", "log staff")


def test_every_command_of_the_contract_is_there() -> None:
    """No more and no fewer than this version promises."""
    assert set(COMMANDS) == CONTRACT


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_help_names_every_option_and_says_what_it_is_for(name: str, run: Run) -> None:
    """A command says what it does, and of each of its options what it is for."""
    said = run(*name.split(), "--help")
    assert (said.code, said.err) == (0, "")
    assert len(said.out.splitlines()) < 60
    for parameter in COMMANDS[name].params:
        assert parameter.help, f"{name}: {parameter.name} says nothing"
        shown = parameter.opts[0] if parameter.param_type_name == "option" else parameter.metavar
        assert shown in said.out
    options = {each for parameter in COMMANDS[name].params for each in parameter.opts}
    assert PROMISED.get(name, set()) <= options


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_list_of_commands_says_what_the_command_says(name: str) -> None:
    """The sentence in the table of commands is the first line of the function's docstring."""
    *group, word = name.split()
    rows: Any = COMMAND_TABLE
    for each in group:
        rows = rows[each].rows
    assert rows[word].summary == COMMANDS[name].help.splitlines()[0]


#: Modules that take long to import, and that printing a help text does not need.
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
def test_a_text_is_printed_without_what_only_work_needs(arguments: list[str], completed: str) -> None:
    """Help, version and completion import neither the database nor the register's client nor the pages."""
    assert _imported(arguments, completed) & HEAVY == set()


def _imported(arguments: list[str], completed: str = "", folder: Path | None = None) -> set[str]:
    """Return the top-level modules that a process of its own has imported after a command."""
    script = (
        "import sys\nfrom rrsync.cli.app import app, run\n"
        f"words = {completed!r}.split(' ')\n"
        "if words != ['']:\n"
        "    import typer\n"
        "    context = typer.main.get_command(app)\n"
        "    for word in words[1:-1]: context = context.commands[word]\n"
        "    with context.make_context('rrsync', [], resilient_parsing=True) as found:\n"
        "        names = [item.value for item in context.shell_complete(found, words[-1])]\n"
        "        assert names, 'nothing is completed'\n"
        f"else:\n    assert run({arguments!r}) == 0\n"
        "print('\\n' + ' '.join({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=folder)
    return set(done.stdout.splitlines()[-1].split())


def test_a_command_imports_what_it_works_with(place: Place) -> None:
    """Verifying a log needs no SOAP client; taking members over needs neither that nor the pages."""
    verified = _imported(["log", "verify"], folder=place.folder)
    assert "sqlalchemy" in verified
    assert verified & {"zeep", "fastapi"} == set()
    (place.folder / "members.csv").write_text("member_no\nM1\n", encoding="utf-8")
    imported = _imported(["members", "import", "members.csv", "--library", "demo"], folder=place.folder)
    assert imported & {"zeep", "fastapi"} == set()


@pytest.mark.parametrize("name", sorted({*COMMANDS, *GROUPS} - {""}))
def test_help_begins_with_a_whole_sentence(name: str, run: Run) -> None:
    """The list of commands shows the first sentence, and it is not cut off."""
    *group, word = name.split()
    (line,) = [line for line in run(*group, "--help").out.splitlines() if line.startswith(f"  {word} ")]
    assert line.endswith(".")
    assert not line.endswith("...")
    assert len(line.split(maxsplit=1)[1]) <= 55


@pytest.mark.parametrize("name", ["refresh", "members import", "members export", "holds accept", "simulator", "demo"])
def test_help_shows_an_example_where_a_newcomer_needs_one(name: str, run: Run) -> None:
    """What takes more than a word is shown once."""
    assert f"Example: rrsync {name}" in " ".join(run(*name.split(), "--help").out.split())


@pytest.mark.parametrize("name", GROUPS)
def test_help_of_a_group_says_where_to_begin(name: str, run: Run) -> None:
    """A group of commands names the first to type; without a command it says the same, as an error of usage."""
    said = run(*name.split(), "--help")
    assert said.code == 0
    assert "`rrsync " in " ".join(said.out.split())
    bare = run(*name.split())
    assert bare.code == 2
    assert "Commands:" in bare.err + bare.out


def test_help_of_the_simulator_lists_every_fault(run: Run) -> None:
    """Who wants something to go wrong can read what can."""
    said = run("simulator", "--help").out
    assert re.search(r"throttle +SOAP Fault 99995", said)
    assert "empty-body" in said


def test_the_readme_names_every_command() -> None:
    """What is not in the README is found by nobody."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    words = {name.split()[0] for name in COMMANDS} - {"demo"} | {"make demo"}
    missing = [word for word in sorted(words) if f"rrsync {word}" not in readme and word != "make demo"]
    assert not missing
    assert "make demo" in readme
