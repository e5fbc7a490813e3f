"""Tables of texts as they are read in a language."""

from __future__ import annotations

from collections.abc import Mapping

from rrsync.text.catalogue import translated


def spoken(table: Mapping[str, str], language: str) -> dict[str, str]:
    """Return a table of texts in a language."""
    return {code: translated(table, code, language) for code in table}
