"""Codes that are not in our table (``notices``): each is said the first time it is seen, and never applied."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

import structlog

from rrsync.registry.notices import is_known

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rrsync.core.exchange import Notice

log = structlog.get_logger()


def warn(notice: Notice) -> None:
    """Say in the operational log that MAGDA gave a code we do not know."""
    log.warning("register.unknown_code", code=notice.code, origin=notice.origin)


class Strange:
    """Tells of each unknown code, by code and origin, once. Threads may share it."""

    def __init__(self, tell: Callable[[Notice], None]) -> None:
        self._tell = tell
        self._seen: set[tuple[str, str]] = set()
        self._lock = Lock()

    def look(self, notices: Iterable[Notice]) -> None:
        """Tell of those among these that nobody has seen before."""
        for notice in notices:
            if not is_known(notice) and self._is_new((notice.code, notice.origin)):
                self._tell(notice)

    def _is_new(self, name: tuple[str, str]) -> bool:
        with self._lock:
            is_new = name not in self._seen
            self._seen.add(name)
        return is_new
