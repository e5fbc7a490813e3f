"""Texts for people in their language: English in the code and the templates, Dutch in ``locale/nl``.

1. A text is written in English where it is used: ``_("Find a member")``; in a table it is marked: ``N_("confirmed")``.
2. Its places to fill in have names: ``%(number)s``. One thing and several are two texts, of which ``ngettext`` chooses.
3. ``make texts`` collects the texts into ``rrsync.po`` and compiles it into ``rrsync.mo``, which is what is read here.
4. A code that has no text is shown as it is: a log may hold codes of a later version.

>>> translated({"same": "confirmed"}, "same", "nl"), translated({"same": "confirmed"}, "eclipse", "nl")
('bevestigd', 'eclipse')
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files
from typing import Final

#: The language of the texts in the code.
SOURCE: Final = "en"


def N_(text: str) -> str:  # noqa: N802 — the name that gettext's tools look for
    """Mark a text of a table for translation; it is translated when it is shown."""
    return text


@cache
def translations(language: str) -> NullTranslations:
    """Return the translations into a language; those of the source language give each text as it is."""
    if language == SOURCE:
        return NullTranslations()
    with (files("rrsync.text") / "locale" / language / "LC_MESSAGES" / "rrsync.mo").open("rb") as compiled:
        return GNUTranslations(compiled)


def translated(table: Mapping[str, str], code: str, language: str) -> str:
    """Return the text that a table has for a code; of a code that is not in it, the code."""
    return translations(language).gettext(table[code]) if code in table else code
