"""How often one may ask at the desk, where a handler is about to ask the register for somebody."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import structlog

from rrsync.core.quota import Granted, Refused
from rrsync.web.house import house
from rrsync.web.views.frame import Flash

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fastapi import Request

    from rrsync.core.entry import Actor
    from rrsync.core.quota import Window
    from rrsync.store.sessions import Visit

log = structlog.get_logger()


class TooMany(Exception):
    """Somebody asked as often as they may; ``wait_s`` seconds from now they may again."""

    def __init__(self, refused: Refused) -> None:
        self.window = refused.window
        self.wait_s = max(1, math.ceil(refused.wait.total_seconds()))
        super().__init__(refused.window.value)


def take_turn(request: Request, library: str, name: str) -> tuple[Window, ...]:
    """Count one question of somebody at a library's desk, and give the limits they come near with it.

    To be called once for every question that goes to the register, before it does; what is shown again without a
    question takes no turn.

    Raises:
        TooMany: they asked as often as they may, or their library did.
        StoreError: it cannot be counted, so nothing may be asked.
    """
    verdict = house(request).entrance.quotas.take(library, name)
    if isinstance(verdict, Granted):
        return verdict.near
    log.warning("desk.limit", library=library, reason=verdict.window.value)
    raise TooMany(verdict)


def take_turn_about(
    request: Request, library: str, number: str, *, actor: Actor, purpose: str, case: str
) -> tuple[Window, ...]:
    """Count one question about a member; that it was one too many stands in the access log.

    Raises:
        TooMany, StoreError: as ``take_turn``.
    """
    try:
        return take_turn(request, library, actor.name)
    except TooMany:
        house(request).entrance.counter.refused(library, number, actor=actor, purpose=purpose, case=case)
        raise


def nearing(request: Request, visit: Visit, near: Iterable[Window]) -> tuple[Flash, ...]:
    """Give what is said to who comes near these limits: how often they may ask still.

    Raises:
        StoreError: it cannot be counted.
    """
    windows, library = tuple(near), visit.staff.library
    if not windows or library is None:
        return ()
    left = house(request).entrance.quotas.left(library, visit.staff.name)
    return tuple(Flash("warn", f"near_{window.value}", {"left": left[window]}) for window in windows)
