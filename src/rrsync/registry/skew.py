"""How far our clock and the register's are apart, by the ``Date`` of its replies (RFC 9110, §6.6.1).

The access log says when we asked; a clock that is wrong makes it say what is not so. Up to a minute is nothing, more is
said once, and with more than five minutes the library's run stops: its evidence would not stand beside MAGDA's.
"""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

import structlog

from rrsync.core.entry import Status
from rrsync.registry.wire import Refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

WARN_S: Final = 60
STOP_S: Final = 300

log = structlog.get_logger()


class Skew:
    """Looks at the dates of replies; ``clock`` gives aware UTC. Threads may share it."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._is_said = False

    def look(self, date: str | None) -> None:
        """Look at the ``Date`` of a reply; without one, or with one nobody can read, nothing is known.

        Raises:
            Refused: the clocks are more than five minutes apart.
        """
        seconds = self._seconds(date)
        if seconds > STOP_S:
            error = Refused(
                "Our clock and the register's are more than five minutes apart",
                kept="The reply was dropped, and no member was changed",
                todo="Set this machine's clock right, or ask MAGDA about theirs; then run it again",
            )
            error.status = Status.INVALID_REPLY
            raise error
        if seconds > WARN_S and not self._is_said:
            self._is_said = True
            log.warning("registry.skew", seconds=seconds)

    def _seconds(self, date: str | None) -> int:
        """Give how many seconds the clocks are apart, 0 when nothing is known."""
        try:
            said = parsedate_to_datetime(date or "")
        except (ValueError, TypeError, OverflowError):
            return 0
        if said.tzinfo is None:  # "-0000": it does not say where
            return 0
        return abs(round((self._clock() - said).total_seconds()))
