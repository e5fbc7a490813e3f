"""Builds the pace of a process from the settings: one budget for all that share the database."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from rrsync.core.traffic import Budget
from rrsync.registry.pace import Pace
from rrsync.store.traffic import Shared

if TYPE_CHECKING:
    from collections.abc import Callable

    from rrsync.config.tables import Settings
    from rrsync.store.engine import Database
    from rrsync.wiring.chance import Chance

#: There is one night at a time (the lease), so the next one takes over what a dead one claimed.
_NIGHT: Final = "night"


def pace(settings: Settings, database: Database, luck: Chance, *, sleep: Callable[[float], object], desk: bool) -> Pace:
    """Give the pace of a night, or of a ``desk`` where a person waits."""
    registry = settings.registry
    return Pace(
        Budget(registry.max_per_second, registry.max_in_flight, registry.deadline_s),
        sleep=sleep,
        clock=luck.stopwatch or time.monotonic,
        share=Shared(database, luck.stopwatch),
        who=luck.new_reference() if desk else _NIGHT,
        desk=desk,
    )
