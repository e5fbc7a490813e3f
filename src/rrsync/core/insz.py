"""The Belgian identification number of social security (INSZ): its check digits and its kinds.

1. Eleven ASCII digits; blanks, dots, dashes and slashes between them are allowed in input.
2. ``YYMMDD`` + serial (3) + check (2). The check is ``97 - n mod 97`` over the first nine digits, or over ``2`` and the
   first nine digits for persons born in 2000 or later. A number can satisfy only one of the two (MAGDA fact sheet §5).
3. BIS numbers (KSZ, royal decree of 8 February 1991) add 20 to the month when the sex was not known, else 40.
4. Test numbers (MAGDA-Mock) add 60. Test numbers and impossible months are accepted outside production only.

>>> Insz.parse("00.61.01-001.37", production=False)
Insz(***)
>>> Insz.parse("00610100137", production=False).is_test
True
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self

from stdnum.util import clean

from rrsync.errors import NotAnInsz

_MODULUS: Final = 97
_LENGTH: Final = 11
_TYPED: Final = re.compile(r"(?<!\d)(?=(\d\d)[ ./-]?(\d\d)[ ./-]?(\d\d)[ ./-]?(\d{3})[ ./-]?(\d\d)(?!\d))", re.ASCII)


def check_digits(nine: str, *, born_from_2000: bool) -> str:
    """Return the check digits of the first nine digits, ``01`` to ``97``."""
    prefix = "2" if born_from_2000 else ""
    return f"{_MODULUS - int(prefix + nine) % _MODULUS:02d}"


def holds_insz(text: str) -> bool:
    """Whether a text contains an INSZ, with or without separators, so that it must not be logged or shown.

    It looks for exactly eleven digits with a possible month and day, so that few barcodes match.

    >>> holds_insz("letter for 00.61.01-001.37")
    True
    """
    return any(
        _fits("".join(parts)) and int(parts[1]) % 20 <= 12 and int(parts[2]) <= 31 for parts in _TYPED.findall(text)
    )


def _fits(digits: str) -> bool:
    return digits[9:] in {check_digits(digits[:9], born_from_2000=late) for late in (False, True)}


@dataclass(frozen=True, slots=True, repr=False)
class Insz:
    """A valid INSZ. It prints masked; only ``.digits`` gives the eleven digits."""

    digits: str

    @classmethod
    def parse(cls, text: str, *, production: bool) -> Self:
        """Read a number as people type it.

        Raises:
            NotAnInsz: the message names the rule that failed, never the text.
        """
        digits = clean(text, " .-/").strip()
        if not (digits.isascii() and digits.isdigit()):
            raise _refusal("it holds characters that are no digits")
        if len(digits) != _LENGTH:
            raise _refusal("it does not have eleven digits")
        nine = digits[:9]
        if not _fits(digits):
            raise _refusal("its check digits do not fit")
        if production:
            _refuse_unissued(nine)
        return cls(digits)

    @property
    def month(self) -> int:
        """The month part as written: 0-12, or 20, 40 or 60 more."""
        return int(self.digits[2:4])

    @property
    def is_bis(self) -> bool:
        """Whether this is a BIS number, which the Crossroads Bank issues to persons outside the National Registry."""
        return 20 <= self.month <= 32 or 40 <= self.month <= 52

    @property
    def is_test(self) -> bool:
        """Whether no real person can have this number: its month is neither a month nor a BIS month."""
        return not (self.month <= 12 or self.is_bis)

    def __repr__(self) -> str:
        """Mask the number, so that no log line or traceback can hold it."""
        return "Insz(***)"


def _refuse_unissued(nine: str) -> None:
    """Refuse numbers that are never issued: test months, impossible days, serials 000 and 999."""
    month, day, serial = int(nine[2:4]), int(nine[4:6]), int(nine[6:9])
    if not (month <= 12 or 20 <= month <= 32 or 40 <= month <= 52):
        raise _refusal("its month is no month and no BIS month, as in a test number")
    if day > 31:
        raise _refusal("its day is no day")
    if not 1 <= serial <= 998:
        raise _refusal("its serial number is never given out")


def _refusal(why: str) -> NotAnInsz:
    return NotAnInsz(f"This is no national number: {why}", todo="Check it against the identity card")
