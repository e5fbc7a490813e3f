"""What every command shares: its options, the rooms, and where words go.

A command's result goes to standard output; progress and messages go to standard error. With ``--json`` standard output
is one JSON document and nothing else.

Who stands before a door, and the short words that go into the access log for good.

A national number, typed where nobody reads along: never in the arguments, which other users and logs can see.
"""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson
import typer
from rich.console import Console
from rich.table import Column, Table

from rrsync import logging
from rrsync.app.services import Services, open_services
from rrsync.cli.options import BEFORE, LATE
from rrsync.config.load import load
from rrsync.config.settings import Settings
from rrsync.core.insz import Insz, holds_insz
from rrsync.core.log_entry import Actor, ActorKind
from rrsync.errors import ConfigError, RrsyncError


def typed(question: str, *, production: bool) -> Insz:
    """Ask for a number at a hidden prompt; without a terminal, read one line from standard input.

    Raises:
        NotAnInsz: what was typed is no number; it is not shown.
        KeyboardInterrupt: the prompt was left by Ctrl-C or Ctrl-D.
    """
    try:
        text = typer.prompt(question, hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
    except typer.Abort:
        raise KeyboardInterrupt from None
    except UnicodeDecodeError:
        text = ""  # not even a text
    return Insz.parse(str(text), production=production)


_LENGTH: Final = 40


def person(name: str) -> Actor:
    """Return the person of this name; raises what ``short`` raises."""
    return Actor(ActorKind.PERSON, short("--actor", name))


def viewer(name: str | None) -> Actor:
    """Return who looks at the log: the person named, else the user of this machine.

    Raises:
        ConfigError: the name cannot be used, or the user has none.
    """
    if name is None:
        try:
            name = getpass.getuser()
        except (KeyError, OSError) as error:  # a container's bare number: an OSError from Python 3.13 on
            raise ConfigError("The user of this machine has no name", todo="Say who you are with --actor") from error
    return person(name)


def short(option: str, text: str) -> str:
    """Return what an option says, trimmed; it is to stand in the access log for good.

    Raises:
        ConfigError: it is empty, longer than 40 characters, not printable, or holds a national number.
    """
    text, kept = text.strip(), "Nothing was asked or changed"
    if not text or len(text) > _LENGTH or not text.isprintable():
        raise ConfigError(f"{option} must be 1 to {_LENGTH} printable characters", kept=kept)
    if holds_insz(text):
        todo = "Use a reference or name that names no person by number: the access log keeps it in clear"
        raise ConfigError(f"{option} holds a national number", kept=kept, todo=todo)
    return text


#: How wide a table may be that goes to a file or another program.
_FILE_WIDTH: Final = 240


@dataclass(frozen=True, slots=True)
class Voices:
    """Where a command speaks: ``out`` for its result, ``err`` for progress and messages."""

    out: Console
    err: Console

    def document(self, content: object) -> None:
        """Print one JSON document."""
        self.out.file.write(orjson.dumps(content, option=orjson.OPT_INDENT_2, default=str).decode() + "\n")


def voices() -> Voices:
    """Return the terminal's two voices, which print a name or street as it is, brackets and colons too."""
    out, err = (
        Console(stderr=stderr, highlight=False, soft_wrap=True, markup=False, emoji=False) for stderr in (False, True)
    )
    if not out.is_terminal:
        out.width = _FILE_WIDTH
    return Voices(out, err)


def table(*heads: str) -> Table:
    """Return an empty table; what does not fit beside goes on below, and is never cut off."""
    return Table(*(Column(head, overflow="fold") for head in heads))


@contextmanager
def opened(config: Path | None) -> Iterator[Services]:
    """Yield the rooms that the settings describe; what they log goes to standard error.

    What a command wrote in an access log is signed at its end, however it ends; what goes wrong then is told after the
    command has said what it has to say.
    """
    logging.configure("warning")
    with open_services(load(config or BEFORE.get())) as services:
        try:
            yield services
        finally:
            try:
                services.sign_off()
            except RrsyncError as error:
                LATE.set(error)


def chosen(settings: Settings, ids: Sequence[str] | None) -> list[str]:
    """Return the ids of the libraries meant: those named, or all.

    Raises:
        ConfigError: the settings have no such library, or none at all.
    """
    return among([library.id for library in settings.library], ids)


def among(known: Sequence[str], ids: Sequence[str] | None) -> list[str]:
    """Return the ids that are named, each once, or all that are known.

    Raises:
        ConfigError: none is known, or not this one.
    """
    if not known:
        raise ConfigError("The settings name no library", todo="Add a [[library]] to the settings file")
    for name in ids or ():
        if name not in known:
            raise ConfigError(f"There is no library {name!r}, only {', '.join(known)}")
    return list(dict.fromkeys(ids or known))
