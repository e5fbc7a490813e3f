"""Options that several commands share, and the state that one run of the command line keeps between its parts.

This module imports nothing of rrsync but the errors, so that ``rrsync --help`` starts fast.
"""

from __future__ import annotations

from contextvars import ContextVar
from pathlib import Path
from typing import Annotated

import typer

from rrsync.errors import RrsyncError

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="Settings file. Default: RRSYNC_CONFIG, else ./rrsync.toml.", metavar="FILE"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
LibraryOption = Annotated[str, typer.Option("--library", help="The library's id in the settings.", metavar="ID")]
LibrariesOption = Annotated[
    list[str] | None, typer.Option("--library", help="Only this library; can be repeated.", metavar="ID")
]
ActorOption = Annotated[
    str, typer.Option("--actor", help="The person who acts, by the name that the library uses.", metavar="NAME")
]
ViewerOption = Annotated[
    str | None,
    typer.Option("--actor", help="The person who reads the log. Default: the name of your login.", metavar="NAME"),
]
ReasonOption = Annotated[str, typer.Option("--reason", help="The reason, recorded in the access log.", metavar="TEXT")]
EntryArgument = Annotated[int, typer.Argument(min=0, help="The number of the entry in the log.", metavar="ENTRY")]
SinceOption = Annotated[
    str | None,
    typer.Option("--since", help="Only from this day or time on (2026-11-01, or with T08:30).", metavar="TIME"),
]
UntilOption = Annotated[
    str | None, typer.Option("--until", help="Only up to this time, or up to the end of this day.", metavar="TIME")
]

#: The settings file that was named before the command: ``rrsync --config FILE night``.
CONFIG_BEFORE_COMMAND: ContextVar[Path | None] = ContextVar("CONFIG_BEFORE_COMMAND", default=None)

#: The error that prevented signing the access log at the end of a command; it is reported last.
SIGNING_ERROR: ContextVar[RrsyncError | None] = ContextVar("SIGNING_ERROR", default=None)
