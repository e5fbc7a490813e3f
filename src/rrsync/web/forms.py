"""What people type into forms: tidied, checked, and given back without any national number."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from rrsync.core.insz import holds_insz
from rrsync.core.person import tidy

#: The status of a page that shows what is wrong with a form.
UNUSABLE: Final = HTTPStatus.UNPROCESSABLE_ENTITY
#: What a case reference may be (trust reference, §4): nothing that could name a person.
CASE: Final = re.compile(r"[A-Za-z0-9/-]{3,40}")
_LONGEST_REASON: Final = 200


def is_number(text: str) -> bool:
    """Whether a text holds a national number, however it is spaced."""
    return holds_insz(text) or holds_insz("".join(char for char in text if char.isalnum()))


def without_numbers(values: Mapping[str, str]) -> dict[str, str]:
    """Return the fields of a form that may be shown again: those that hold no national number."""
    return {name: text for name, text in values.items() if not is_number(text)}


def printable(text: str) -> str:
    """Return a text on one line, tidied, without characters that cannot be printed."""
    return tidy("".join(char if char.isprintable() else " " for char in text))


def reason_errors(reason: str) -> dict[str, str]:
    """Return what is wrong with a reason that is to stand in the access log for good, by the field's name."""
    if not reason:
        return {"reason": "reason_missing"}
    is_usable = len(reason) <= _LONGEST_REASON and reason.isprintable() and not is_number(reason)
    return {} if is_usable else {"reason": "reason_wrong"}
