"""The forms of the pages: what people type is tidied, checked, and given back without any national number.

A form that is sent twice is handled once: the second of a double click waits for the first, and ends as it did.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from datetime import datetime, timedelta
from http import HTTPStatus
from threading import Lock
from typing import Final, TypeAlias

from rrsync.core.insz import holds_insz
from rrsync.core.person import tidy

#: The status of a page that shows what is wrong with a form.
UNUSABLE: Final = HTTPStatus.UNPROCESSABLE_ENTITY
#: What a case reference may be (trust reference, §4): nothing that could name a person.
CASE: Final = re.compile(r"[A-Za-z0-9/-]{3,40}")
_LONGEST_REASON: Final = 200
#: How long the same form counts as the same submission.
_SAME: Final = timedelta(seconds=10)

_Key: TypeAlias = "tuple[object, ...]"


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


class FormSubmissions:
    """The forms that one process handles, or handled a moment ago."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._handled: dict[_Key, tuple[datetime, Future[str]]] = {}

    def run_once(self, key: _Key, now: datetime, work: Callable[[], str]) -> str:
        """Return what the work returns; the same key within ten seconds is the same work, in progress or done.

        Work that fails may be tried again at once.
        """
        with self._lock:
            self._handled = {each: found for each, found in self._handled.items() if _counts(*found, now)}
            begun = self._handled.get(key)
            at, result = begun or (now, Future())
            self._handled[key] = at, result
        if begun is not None:
            return result.result()
        try:
            result.set_result(work())
        except BaseException as error:
            with self._lock:
                del self._handled[key]
            result.set_exception(error)
            raise
        return result.result()


def _counts(at: datetime, result: Future[str], now: datetime) -> bool:
    return not result.done() or now - at < _SAME
