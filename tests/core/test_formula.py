"""Cells that a spreadsheet would take for a formula."""

from __future__ import annotations

import re

from hypothesis import example, given
from hypothesis import strategies as st

from rrsync.core.spreadsheet import escape, unescape

CELLS = st.text() | st.text("=+-@\t\r;' a1é")


@given(CELLS)
@example("a;=1")
@example("a; '=1")
@example("'")
def test_no_cell_is_a_formula_and_each_comes_back(cell: str) -> None:
    """Nor what stands behind a semicolon in it; what needs no apostrophe gets none."""
    written = escape(cell)
    assert not re.search(r"(?:^|; ?)[=+\-@\t\r]", written)
    assert unescape(written) == cell
    assert (written == cell) or re.search(r"(?:^|; ?)'*[=+\-@\t\r]", cell)
