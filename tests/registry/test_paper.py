"""The paper about the register says of every code and signal what the tables do."""

from __future__ import annotations

import re
from typing import Final

import pytest

from rrsync.core.exchange import Reason
from rrsync.registry.codes import TABLE, Action
from rrsync.registry.reply import _STATUS
from tests.support import ROOT

PAPER: Final = (ROOT / "docs" / "register.md").read_text(encoding="utf-8")


def rows(title: str) -> list[list[str]]:
    """Return the rows of a section's table."""
    section = PAPER.split(f"\n## {title}\n")[1].split("\n## ")[0]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in section.splitlines() if "|" in line][
        2:
    ]


def test_every_code_stands_in_it() -> None:
    """With what it means and what is done."""
    told = {code.strip("`"): (means, then.strip("`")) for code, means, then in rows("Codes")}
    assert told == {code: (said.meaning, said.action or "by type") for code, said in TABLE.items()}


def test_so_does_the_order_of_what_is_done() -> None:
    """The most severe first."""
    section = PAPER.split("\n## Codes\n")[1]
    places = [section.index(f"`{action}`") for action in Action]
    assert places == sorted(places)


@pytest.mark.parametrize(("status", "reason"), [*_STATUS.items()])
def test_every_status_stands_in_it(status: int, reason: Reason) -> None:
    """With its hold."""
    held = [hold for says, hold in rows("Signals") if re.search(rf"\b{status}\b", says)]
    assert held == [f"`{reason}`"]


def test_every_hold_that_the_register_brings_stands_in_it() -> None:
    """In the order of the contract; what we find ourselves does not."""
    ours = {"mismatch", "unreadable", "refused", "birth_date_differs", "name_differs", "mass_change", "restricted"}
    assert [hold.strip("`") for _, hold in rows("Signals")] == [one for one in Reason if one not in ours]
