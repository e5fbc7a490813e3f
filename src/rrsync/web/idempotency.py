"""A form that is sent twice is handled once: the second of a double click waits for the first, and ends as it did."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime, timedelta
from threading import Lock
from typing import Final, TypeAlias

#: How long the same form counts as the same submission.
_SAME: Final = timedelta(seconds=10)

_Key: TypeAlias = "tuple[object, ...]"


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
