"""A national number, typed where nobody reads along: never in the arguments, which other users and logs can see."""

from __future__ import annotations

import sys

import typer

from rrsync.core.insz import Insz


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
