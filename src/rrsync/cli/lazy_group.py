"""A group of commands that imports a command's module when the command is called.

Help, completion and a mistyped name need only the names and one sentence each, so ``rrsync --help`` loads neither the
database nor the register's client. Each command's function and its sentence stand in one table (``cli.app``).
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
    """A command: the function as ``module:function`` of this package, and its sentence in the list of commands.

    The module may have ``EPILOGS``: by function, the text that ends its help.
    """

    function: str
    summary: str

    def load(self, name: str) -> Command:
        """Import the function and return the command that it makes."""
        path, _, function = self.function.partition(":")
        module = import_module(f"rrsync.cli.{path}")
        epilog: str | None = getattr(module, "EPILOGS", {}).get(function)
        single = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
        single.command(name, epilog=epilog)(getattr(module, function))
        return typer.main.get_command(single)


@dataclass(frozen=True, slots=True)
class LazySubgroup:
    """A group inside a group: its own help text, and its sentence in the list of commands."""

    rows: Mapping[str, LazyCommand | LazySubgroup]
    summary: str
    help: str
    epilog: str

    def load(self, name: str) -> Command:
        """Return the group; none of its commands is imported."""
        return LazyGroup(
            name=name, rows=self.rows, help=self.help, epilog=self.epilog, no_args_is_help=True, rich_markup_mode=None
        )


class LazyGroup(TyperGroup):
    """A group whose commands are the rows of a table; ``rows`` may be set by a subclass."""

    rows: Mapping[str, LazyCommand | LazySubgroup] = {}

    def __init__(self, *, rows: Mapping[str, LazyCommand | LazySubgroup] | None = None, **attributes: object) -> None:
        super().__init__(**attributes)  # type: ignore[arg-type]  # Typer passes its own keywords through
        self.rows = self.rows if rows is None else rows
        self.commands = _Commands(self.rows)  # type: ignore[assignment]  # read-only: nothing adds a command later

    def list_commands(self, ctx: Context) -> list[str]:  # noqa: ARG002 — Typer passes it
        """Return the names in the order of the table."""
        return list(self.rows)

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:  # noqa: ARG002 — the same
        """Write each name with its sentence."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, row.summary) for name, row in self.rows.items()])

    def shell_complete(self, ctx: Context, incomplete: str) -> list[CompletionItem]:
        """Return the names and options that begin with what is typed."""
        names = [
            CompletionItem(name, help=row.summary) for name, row in self.rows.items() if name.startswith(incomplete)
        ]
        return names + Command.shell_complete(self, ctx, incomplete)


class _Commands(Mapping[str, Command]):
    """The commands by name, each imported when it is asked for."""

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
