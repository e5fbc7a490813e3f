"""A group of commands that imports a command's module only when the command is called.

Help, completion and a mistyped name need only names and summaries, so ``rrsync --help`` imports neither the database
nor the register's client. The table of commands is in ``cli.app``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module

import typer
from typer._click import Command, Context, HelpFormatter
from typer._click.shell_completion import CompletionItem
from typer.core import TyperGroup


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """A command: its function as ``module:function`` of this package, and its summary in the list of commands.

    A dictionary ``EPILOGS`` of the module holds, by function, the text at the end of the help.
    """

    function: str
    summary: str

    def load(self, name: str) -> Command:
        """Import the function and return it as a command."""
        path, _, function = self.function.partition(":")
        module = import_module(f"rrsync.cli.{path}")
        epilog: str | None = getattr(module, "EPILOGS", {}).get(function)
        single = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
        single.command(name, epilog=epilog)(getattr(module, function))
        return typer.main.get_command(single)


@dataclass(frozen=True, slots=True)
class LazySubgroup:
    """A group inside a group: its help text, and its summary in the list of commands."""

    rows: Mapping[str, LazyCommand | LazySubgroup]
    summary: str
    help: str
    epilog: str

    def load(self, name: str) -> Command:
        """Return the group without importing any of its commands."""
        return LazyGroup(
            name=name, rows=self.rows, help=self.help, epilog=self.epilog, no_args_is_help=True, rich_markup_mode=None
        )


class LazyGroup(TyperGroup):
    """A group whose commands are the rows of a table, given as an argument or by a subclass."""

    rows: Mapping[str, LazyCommand | LazySubgroup] = {}

    def __init__(self, *, rows: Mapping[str, LazyCommand | LazySubgroup] | None = None, **attributes: object) -> None:
        super().__init__(**attributes)  # type: ignore[arg-type]  # Typer passes its own keywords through
        self.rows = self.rows if rows is None else rows
        self.commands = _Commands(self.rows)  # type: ignore[assignment]  # read-only: no command is added later

    def list_commands(self, ctx: Context) -> list[str]:  # noqa: ARG002 — Typer passes it
        """Return the names in the order of the table."""
        return list(self.rows)

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:  # noqa: ARG002 — the same
        """Write each name with its summary."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, row.summary) for name, row in self.rows.items()])

    def shell_complete(self, ctx: Context, incomplete: str) -> list[CompletionItem]:
        """Return the names and options that begin with the typed text."""
        names = [
            CompletionItem(name, help=row.summary) for name, row in self.rows.items() if name.startswith(incomplete)
        ]
        return names + Command.shell_complete(self, ctx, incomplete)


class _Commands(Mapping[str, Command]):
    """The commands by name, each imported when it is first used."""

    def __init__(self, rows: Mapping[str, LazyCommand | LazySubgroup]) -> None:
        self._rows = rows
        self._loaded: dict[str, Command] = {}

    def __getitem__(self, name: str) -> Command:
        if name not in self._loaded:
            self._loaded[name] = self._rows[name].load(name)
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)
