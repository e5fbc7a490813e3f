"""Text that can be written in one way only, as C2SP's formats want it: base64, whole numbers, and clean UTF-8."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from typing import Final

MAX_NUMBER: Final = (1 << 63) - 1

_DECIMAL: Final = re.compile("0|[1-9][0-9]{0,18}")
_UNCLEAN: Final = re.compile("[\x00-\x09\x0b-\x1f\ud800-\udfff]")


def to_base64(data: bytes) -> str:
    """Give bytes in base64."""
    return b64encode(data).decode()


def from_base64(text: str) -> bytes:
    """Read base64 that is written as ``to_base64`` writes it, and in no other way.

    Raises:
        ValueError: it is not.
    """
    data = b64decode(text, validate=True)
    if to_base64(data) != text:
        raise ValueError("base64 is written in one way only")
    return data


def from_decimal(text: str) -> int:
    """Read a number below 2^63 that has no sign and no leading zero.

    Raises:
        ValueError: it is none.
    """
    if not _DECIMAL.fullmatch(text) or int(text) > MAX_NUMBER:
        raise ValueError("a number has no sign and no leading zero, and is below 2^63")
    return int(text)


def is_clean(text: str) -> bool:
    """Say whether this is UTF-8 without control characters other than newlines."""
    return not _UNCLEAN.search(text)
