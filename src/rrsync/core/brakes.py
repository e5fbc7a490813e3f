"""Tells when too many addresses change at once to be believed: a faulty source or a faulty reader, not people moving.

Two signs: more than a share of the last 1 000 compared addresses changed (from 500 on), or too many members move to one
and the same address. Only members of whom an address was held count: filling an empty one is no move.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import Final

from rrsync.core.compare import Change, Verdict, address_differs, plain
from rrsync.core.person import Address, Member

WINDOW: Final = 1_000
ENOUGH: Final = 500


class Surge:
    """Counts verdicts of one run; ``share`` of the window and ``same_address`` members are still believed."""

    def __init__(self, *, share: float, same_address: int) -> None:
        self._share = share
        self._same_address = same_address
        self._window: deque[bool] = deque(maxlen=WINDOW)
        self._arrivals: Counter[int] = Counter()

    def trips(self, member: Member, verdict: Verdict) -> bool:
        """Count one verdict; say whether it is one too many."""
        if not member.held.address:
            return False
        moved = isinstance(verdict, Change) and address_differs(member.held.address, verdict.after.address)
        self._window.append(moved)
        if not (moved and isinstance(verdict, Change)):
            return False
        place = hash(_place(verdict.after.address))
        self._arrivals[place] += 1
        enough = len(self._window) >= ENOUGH
        return (enough and sum(self._window) > self._share * len(self._window)) or (
            self._arrivals[place] > self._same_address
        )


def _place(address: Address) -> tuple[str, ...]:
    return plain(address.street), plain(address.house_number), plain(address.box), plain(address.postal_code)
