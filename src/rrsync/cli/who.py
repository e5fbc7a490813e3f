"""``rrsync log who``: the answer to a citizen who asks who looked them up (GDPR, art. 15)."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from rrsync.audit.letter import Letter
from rrsync.cli.actor import ViewerOption, viewer
from rrsync.cli.context import ConfigOption, JsonOption, opened, voices
from rrsync.cli.log import LibrariesOption, looked
from rrsync.cli.look import document
from rrsync.cli.number import typed
from rrsync.cli.output import replacing_lines
from rrsync.cli.rowfile import shown
from rrsync.core.entry import stamp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rrsync.audit.review import Told

_SAY: Final = {
    "nl": {
        "ask": "Rijksregisternummer van wie het vraagt (niet getoond)",
        "written": "De brief staat in {}.",
    },
    "en": {
        "ask": "National number of who asks (not shown)",
        "written": "The letter is in {}.",
    },
}


class Language(StrEnum):
    """The languages that a letter can be in."""

    NL = "nl"
    EN = "en"


def who(
    library: LibrariesOption = None,
    language: Annotated[
        Language | None, typer.Option("--language", help="The letter's: nl or en; else that of the settings.")
    ] = None,
    to: Annotated[Path | None, typer.Option("--to", help="Write the letter to this file.", metavar="FILE")] = None,
    actor: ViewerOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Answer a citizen who asks who looked them up.

    Their national number is asked for and not shown; without a terminal one line of standard input is read. The answer
    is a plain letter: when, for which library, who, why, on what ground, which fields, what came of it, also of what
    failed or was refused, and who looked in the log. The number is not in it. That it was asked is in the log too.

    Example: rrsync log who --language nl --to letter.txt
    """
    speak, by = voices(), viewer(actor)
    with opened(config) as app:
        libraries = looked(app, library)
        insz = typed(_SAY[app.settings.language]["ask"], production=app.production)
        names = {each.id: each.name for each in app.settings.library}
        told = app.review().who(libraries, by, insz)
        now, tongue = app.chance.clock(), (language or Language(app.settings.language)).value
        say = _SAY[app.settings.language]
    text = Letter(names, tongue).write(told, now)
    if to is not None:
        with replacing_lines(to) as write:
            write(text.removesuffix("\n").encode())
    if as_json:
        speak.document({"on": stamp(now), "libraries": [_document(each, names) for each in told]})
    elif to is None:
        speak.out.file.write(text)
    else:
        speak.out.print(say["written"].format(shown(to)))


def _document(told: Told, names: Mapping[str, str]) -> dict[str, object]:
    """Give what a log says for a JSON document; the sealed numbers are left out."""
    return {
        "library": told.library,
        "name": names.get(told.library, ""),
        "entry": told.seq,
        "forgotten": told.forgotten,
        "accesses": [document(look) for look in told.accesses],
        "others": [
            {name: value for name, value in line.items() if name != "subj"} | {"seq": seq} for seq, line in told.deeds
        ],
    }
