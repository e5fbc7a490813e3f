"""Takes over, after a person looked, the changes that a run did not believe: far more than people move.

Each is a decision of its own: its change, its hold and its entry in the access log stand in one transaction. So a kill
leaves nothing half done, and what is still on hold can be released again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from rrsync.errors import LedgerError, StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from threading import Event

    from rrsync.core.entry import Actor
    from rrsync.store.holds import Holds
    from rrsync.store.journal import Journal
    from rrsync.store.settle import Settlement

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Release:
    """Releases mass changes in one database; setting ``stop`` ends one after the change that is under way."""

    holds: Holds
    settlement: Settlement
    journal: Journal
    stop: Event

    def run(self, run: str, libraries: Sequence[str], actor: Actor) -> int:
        """Accept what a run held back for these libraries, and give how many there were.

        What somebody decided meanwhile is passed over; so is what cannot be written, until all others are.

        Raises:
            LedgerError: the access log cannot be written; what is not accepted yet stays on hold.
            StoreError: one could not be accepted, and all others were.
        """
        done, failed = 0, None
        for number in self.journal.held(run, libraries):
            if self.stop.is_set():
                break
            try:
                done += self._accept(run, number, actor)
            except LedgerError:
                raise
            except StoreError as error:
                failed = failed or error
        log.info("night.released", run=run, count=done)
        if failed is not None:
            raise failed
        return done

    def _accept(self, run: str, number: int, actor: Actor) -> int:
        hold = self.holds.find(number)
        if hold is None or not self.journal.is_held(run, hold):
            return 0  # somebody decided it, or a night asked anew, since it was counted
        try:
            self.settlement.accept(hold, actor)
        except LedgerError:
            raise
        except StoreError:
            now = self.holds.find(number)
            if now is None or now.reference != hold.reference:
                return 0  # somebody decided it, or a night asked anew, between looking and writing
            raise
        return 1
