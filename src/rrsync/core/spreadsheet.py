"""Cells that a spreadsheet would take for a formula: written with a leading apostrophe, and read without it.

>>> escape("=1+1"), unescape("'=1+1"), escape("O'Neill")
("'=1+1", '=1+1', "O'Neill")
"""

from __future__ import annotations

import re
from typing import Final

# A Belgian spreadsheet also splits at semicolons inside a cell, so a formula may begin behind one.
_FORMULA: Final = re.compile(r"(^|; ?)('*)(?=[=+\-@\t\r])")
_ESCAPED: Final = re.compile(r"(^|; ?)'('*)(?=[=+\-@\t\r])")


def escape(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    if cell[:1].isalnum() and ";" not in cell:  # most are so, and a whole log has millions
        return cell
    return _FORMULA.sub(r"\1'\2", cell)


def unescape(cell: str) -> str:
    """Return the text that ``escape`` was given."""
    return _ESCAPED.sub(r"\1\2", cell) if "'" in cell else cell
