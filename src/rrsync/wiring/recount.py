"""Builds who recomputes logs for somebody, at a command or at the pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rrsync.anchor.fault import Faults
from rrsync.audit.recount import Recount

if TYPE_CHECKING:
    from rrsync.wiring.rooms import App


def recount(app: App) -> Recount:
    """Build it; what it finds is kept in the folder of the last checkpoint signed."""
    return Recount(app.notary, app.ledger, app.search, Faults(app.settings.log.signed), app.chance.clock)
