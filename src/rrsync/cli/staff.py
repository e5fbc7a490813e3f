"""``rrsync log staff``: who works in a library, so that a look at oneself or at a colleague stands out."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from rrsync.cli.actor import ViewerOption, short, viewer
from rrsync.cli.context import ConfigOption, JsonOption, LibraryOption, chosen, opened, voices
from rrsync.cli.log import looked
from rrsync.cli.number import typed

NameOption = Annotated[
    str, typer.Option("--name", help="The name they act by, as they give it to --actor.", metavar="NAME")
]

staff_app = typer.Typer(
    no_args_is_help=True,
    help="The list of staff: a look at oneself or at a colleague stands out.",
    epilog="Begin with `rrsync log staff add --library ID --name NAME`; the national number is asked for, hidden.",
)

_SAY: Final = {
    "nl": {
        "ask": "Rijksregisternummer (niet getoond)",
        "added": "{} staat op de personeelslijst; van het nummer is alleen een sleutelwaarde bewaard.",
        "removed": "{} is van de personeelslijst geschrapt.",
        "empty": "De personeelslijst is leeg.",
    },
    "en": {
        "ask": "National number (not shown)",
        "added": "{} is on the list of staff; of the number only a keyed value is kept.",
        "removed": "{} was taken off the list of staff.",
        "empty": "The list of staff is empty.",
    },
}


@staff_app.command("add")
def add(library: LibraryOption, name: NameOption, actor: ViewerOption = None, config: ConfigOption = None) -> None:
    """Put a member of staff on the list.

    The national number is asked for and not shown; without a terminal one line of standard input is read. It is kept as
    a keyed value only, which nobody can read back. Who added whom stands in the access log.

    Example: rrsync log staff add --library hasselt --name an.peeters
    """
    who, called = viewer(actor), short("--name", name)
    with opened(config) as app:
        chosen(app.settings, [library])
        say = _SAY[app.settings.language]
        insz = typed(say["ask"], production=app.production)
        app.oversight.staff.add(library, called, insz, actor=who)
        voices().out.print(say["added"].format(called))


@staff_app.command("remove")
def remove(library: LibraryOption, name: NameOption, actor: ViewerOption = None, config: ConfigOption = None) -> None:
    """Take a member of staff off the list.

    Accesses that were marked before stay marked. Who removed whom stands in the access log.
    """
    who, called = viewer(actor), short("--name", name)
    with opened(config) as app:
        looked(app, [library])
        app.oversight.staff.remove(library, called, actor=who)
        voices().out.print(_SAY[app.settings.language]["removed"].format(called))


@staff_app.command("list")
def list_staff(
    library: LibraryOption, actor: ViewerOption = None, as_json: JsonOption = False, config: ConfigOption = None
) -> None:
    """Show the names on the list.

    Looking at it is an entry of the access log too.
    """
    speak, who = voices(), viewer(actor)
    with opened(config) as app:
        looked(app, [library])
        names = app.oversight.names(library, who)
        language = app.settings.language
    if as_json:
        speak.document(names)
        return
    for name in names or [_SAY[language]["empty"]]:
        speak.out.print(name)
