"""A person as the register describes one, and a member as a library holds one: names, addresses, dates.

Every value prints masked, so that no log line, traceback or test failure shows a person.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, fields
from datetime import date
from typing import Final, Self

from rrsync.core.insz import Insz

_PARTIAL: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")


class Masked:
    """A value that prints as its type's name alone."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Name the type, never the content."""
        return f"{type(self).__name__}(***)"


def tidy(text: str | None) -> str:
    """Return text trimmed, with single blanks, in NFC; absent and empty are both ``""``."""
    return " ".join(unicodedata.normalize("NFC", text or "").split())


@dataclass(frozen=True, slots=True, repr=False)
class PartialDate(Masked):
    """A date whose month and day may be unknown (``00``), as the National Registry writes it."""

    year: int
    month: int
    day: int

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read ``yyyy-mm-dd``; an impossible month or day (``00``, ``99``) is unknown.

        Return ``None`` for text that is no date, or without a year.

        >>> PartialDate.parse("1998-00-00").text
        '1998-00-00'
        """
        match = _PARTIAL.fullmatch(text.strip()[:10])
        if match is None:
            return None
        year, month, day = (int(part) for part in match.groups())
        if year == 0:
            return None
        if not 1 <= month <= 12:
            return cls(year, 0, 0)
        try:
            date(year, month, day or 1)
        except ValueError:
            return cls(year, month, 0)
        return cls(year, month, day)

    @classmethod
    def of(cls, day: date) -> Self:
        """Return a whole date."""
        return cls(day.year, day.month, day.day)

    @property
    def text(self) -> str:
        """The date as ``yyyy-mm-dd``, with ``00`` for what is unknown."""
        return f"{self.year:04d}-{self.month:02d}-{self.day:02d}"

    @property
    def is_complete(self) -> bool:
        """Whether year, month and day are all known."""
        return bool(self.month and self.day)


@dataclass(frozen=True, slots=True, repr=False)
class Name(Masked):
    """Last name and first names, each one text; empty means absent."""

    last: str = ""
    first: str = ""

    def __bool__(self) -> bool:
        """Whether there is any name at all."""
        return bool(self.last or self.first)


@dataclass(frozen=True, slots=True, repr=False)
class Address(Masked):
    """A postal address; every part is text as given, trimmed and NFC, empty means absent."""

    street: str = ""
    house_number: str = ""
    box: str = ""
    postal_code: str = ""
    municipality: str = ""
    nis_code: str = ""
    country: str = ""

    def __bool__(self) -> bool:
        """Whether there is anything to address a letter to; a country alone does not count."""
        return any(getattr(self, part.name) for part in fields(self) if part.name != "country")


@dataclass(frozen=True, slots=True, repr=False)
class Person(Masked):
    """The authorised data of one person (RR 28/2009: name, birth date, main residence)."""

    name: Name
    birth_date: PartialDate | None
    residence: Address
    residence_since: PartialDate | None


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

    ``pinned`` says that staff corrected the address and the correction is in force (``core.compare``).
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
