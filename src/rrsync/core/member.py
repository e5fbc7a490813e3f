"""What a library holds of one member."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rrsync.core.person import Address, Masked, Name, PartialDate

if TYPE_CHECKING:
    from datetime import date

    from rrsync.core.insz import Insz


@dataclass(frozen=True, slots=True, repr=False)
class Held(Masked):
    """The part of a member that the register can confirm or correct."""

    name: Name = Name()
    birth_date: PartialDate | None = None
    address: Address = Address()
    address_since: PartialDate | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Member(Masked):
    """One member of one library, under the library's own member number; ``version`` counts the writes to it.

    ``pinned`` says that staff put the address there, for as long as their correction is in force: see ``core.compare``.
    """

    library: str
    number: str
    insz: Insz | None
    held: Held
    membership_end: date | None = None
    open_items: int = 0
    restricted: bool = False
    version: int = 0
    pinned: bool = False
