"""Options that several commands share, and what a run of the command line keeps between them.

This module imports nothing of rrsync but the errors, so that ``rrsync --help`` starts at once.
"""

from __future__ import annotations

from contextvars import ContextVar
from pathlib import Path
from typing import Annotated

import typer

from rrsync.errors import RrsyncError

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="Settings file; else RRSYNC_CONFIG, else ./rrsync.toml.", metavar="FILE")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
LibraryOption = Annotated[str, typer.Option("--library", help="The library's id in the settings.", metavar="ID")]
ActorOption = Annotated[
    str, typer.Option("--actor", help="Who acts: the name your library knows them by.", metavar="NAME")
]
ViewerOption = Annotated[
    str | None,
    typer.Option(
        "--actor", help="Who looks: it goes into the log too. Else the name you are logged in by.", metavar="NAME"
    ),
]
SinceOption = Annotated[
    str | None,
    typer.Option("--since", help="Only from this day or moment on (2026-11-01, or with T08:30).", metavar="TIME"),
]
UntilOption = Annotated[
    str | None,
    typer.Option("--until", help="Only up to this moment, or with this day as the last.", metavar="TIME"),
]

#: The settings file that was named before the command: ``rrsync --config FILE night``.
BEFORE: ContextVar[Path | None] = ContextVar("BEFORE", default=None)

#: What went wrong after a command was done: it is told last.
LATE: ContextVar[RrsyncError | None] = ContextVar("LATE", default=None)
