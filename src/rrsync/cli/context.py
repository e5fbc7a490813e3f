"""The context of a command: the services that the settings describe, the chosen libraries, and the acting person."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import typer

from rrsync import logging
from rrsync.app.services import Services, open_services
from rrsync.cli.options import CONFIG_BEFORE_COMMAND, SIGNING_ERROR
from rrsync.config.load import load
from rrsync.config.settings import Settings
from rrsync.core.insz import Insz, holds_insz
from rrsync.core.log_entry import Actor, ActorKind
from rrsync.errors import ConfigError, RrsyncError

_MAX_TEXT: Final = 40


@contextmanager
def command_services(config: Path | None) -> Iterator[Services]:
    """Yield the services that the settings describe; operational log lines go to standard error.

    Entries that the command wrote in an access log are signed at its end, even when it fails. An error of the signing
    is kept in ``SIGNING_ERROR`` and reported after the command's own output.
    """
    logging.configure("warning")
    with open_services(load(config or CONFIG_BEFORE_COMMAND.get())) as services:
        try:
            yield services
        finally:
            try:
                services.sign_off()
            except RrsyncError as error:
                SIGNING_ERROR.set(error)


def select_libraries(settings: Settings, ids: Sequence[str] | None) -> list[str]:
    """Return the ids of the libraries that are named, or of all libraries; raises what ``select`` raises."""
    return select([library.id for library in settings.library], ids)


def select(known: Sequence[str], ids: Sequence[str] | None) -> list[str]:
    """Return the ids that are named, each once, or all known ids.

    Raises:
        ConfigError: no id is known, or a named one is not.
    """
    if not known:
        raise ConfigError("The settings name no library", todo="Add a [[library]] to the settings file")
    for name in ids or ():
        if name not in known:
            raise ConfigError(f"There is no library {name!r}, only {', '.join(known)}")
    return list(dict.fromkeys(ids or known))


def acting_person(name: str) -> Actor:
    """Return the person of this name as an actor; raises what ``log_text`` raises."""
    return Actor(ActorKind.PERSON, log_text("--actor", name))


def viewing_person(name: str | None) -> Actor:
    """Return the person who reads the log: the one named, else the user of this machine.

    Raises:
        ConfigError: the name cannot be used, or the user has none.
    """
    if name is None:
        try:
            name = getpass.getuser()
        except (KeyError, OSError) as error:  # a numeric user in a container: an OSError from Python 3.13 on
            raise ConfigError("The user of this machine has no name", todo="Name yourself with --actor") from error
    return acting_person(name)


def log_text(option: str, text: str) -> str:
    """Return the trimmed text of an option that is stored in the access log for good.

    Raises:
        ConfigError: the text is empty, longer than 40 characters, not printable, or contains a national number.
    """
    text, kept = text.strip(), "Nothing was asked or changed"
    if not text or len(text) > _MAX_TEXT or not text.isprintable():
        raise ConfigError(f"{option} must be 1 to {_MAX_TEXT} printable characters", kept=kept)
    if holds_insz(text):
        todo = "Use a name or reference without a national number: the access log stores it in clear"
        raise ConfigError(f"{option} contains a national number", kept=kept, todo=todo)
    return text


def prompt_insz(question: str, *, production: bool) -> Insz:
    """Ask for a national number at a hidden prompt; without a terminal, read one line from standard input.

    A national number is never an argument, because other users of the machine and shell histories show arguments.

    Raises:
        NotAnInsz: the text is no national number; it is not shown.
        KeyboardInterrupt: Ctrl-C or Ctrl-D ended the prompt.
    """
    try:
        text = typer.prompt(question, hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
    except typer.Abort:
        raise KeyboardInterrupt from None
    except UnicodeDecodeError:
        text = ""  # no text at all, so no number either
    return Insz.parse(str(text), production=production)
