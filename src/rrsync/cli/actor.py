"""Who stands before a door, and the short words that go into the access log for good."""

from __future__ import annotations

import getpass
from typing import Annotated, Final

import typer

from rrsync.core.entry import Actor, ActorKind
from rrsync.core.insz import holds_insz
from rrsync.errors import ConfigError

_LENGTH: Final = 40

ActorOption = Annotated[
    str, typer.Option("--actor", help="Who acts: the name your library knows them by.", metavar="NAME")
]
ViewerOption = Annotated[
    str | None,
    typer.Option(
        "--actor", help="Who looks: it goes into the log too. Else the name you are logged in by.", metavar="NAME"
    ),
]


def person(name: str) -> Actor:
    """Give the person of this name; raises what ``short`` raises."""
    return Actor(ActorKind.PERSON, short("--actor", name))


def viewer(name: str | None) -> Actor:
    """Give who looks at the log: the person named, else the user of this machine.

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
    """Give what an option says, trimmed; it is to stand in the access log for good.

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
