"""A new number, once a person has accepted it.

1. The decision is written: the member has the new number and is due, and the old one's subscription is to be ended.
2. Where subscriptions are ours to keep, the old number's is ended and one to the new number made.
3. The register is asked under the new number, and its answer settled like any other. Should it give yet another number,
   that is a hold again: nobody is led from number to number without a person.

What the register cannot do now is put off, and the decision stands: the next night asks under the new number, and ends
the old number's subscription (``Registrar.drain``).

Takes over, after a person looked, the changes that a run did not believe: far more than people move.

Each is a decision of its own: its change, its hold and its entry in the access log stand in one transaction. So a kill
leaves nothing half done, and what is still on hold can be released again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Final, TypeAlias

import structlog

from rrsync.core.insz import Insz
from rrsync.core.log_entry import Actor
from rrsync.core.person import Masked
from rrsync.errors import LedgerError, RrsyncError, StoreError
from rrsync.store.holds import Holds, OpenHold
from rrsync.store.members import Members
from rrsync.store.reports import Journal
from rrsync.store.settlement import Settlement
from rrsync.store.subscriptions import Subscriptions
from rrsync.sync.refresh import Desk, Refreshed
from rrsync.sync.subscriptions import Grounds, Registrar

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


PURPOSE: Final = "member-administration"


@dataclass(frozen=True, slots=True, repr=False)
class Asked(Masked):
    """The register was asked under a member's new number, and this was found."""

    number: str
    found: Refreshed


@dataclass(frozen=True, slots=True, repr=False)
class PutOff(Masked):
    """A member has its new number, and what the register has to do for it waits, for this reason."""

    number: str
    why: RrsyncError


Renumbered: TypeAlias = Asked | PutOff


@dataclass(frozen=True, slots=True)
class Renumber:
    """Takes new numbers over; ``desk`` gives who asks, ``subscribe`` says whether subscriptions are ours to keep."""

    desk: Callable[[], Desk]
    members: Members
    settlement: Settlement
    subscriptions: Subscriptions
    subscribe: bool

    def accept(self, hold: OpenHold, actor: Actor) -> Renumbered:
        """Take the new number of a hold over, and ask under it.

        Raises:
            StoreError: it cannot be taken over; nothing was changed, and nobody asked.
        """
        self.settlement.accept(hold, actor)
        try:
            return Asked(hold.number, self._follow(hold, actor))
        except RrsyncError as error:  # whatever it is, the decision stands
            return PutOff(hold.number, error)

    def _follow(self, hold: OpenHold, actor: Actor) -> Refreshed:
        desk, case = self.desk(), f"hold-{hold.id}"
        if self.subscribe:
            desk.attend(hold.library)
            new, old, *_ = self.members.numbers(hold.library, hold.number)
            self._resubscribe(desk, hold.library, old, new, Grounds(actor, PURPOSE, case))
        return desk.refresh(hold.library, hold.number, actor=actor, purpose=PURPOSE, case=case, preview=False)

    def _resubscribe(self, desk: Desk, library: str, old: Insz, new: Insz, grounds: Grounds) -> None:
        registrar = Registrar(desk.gate, self.subscriptions, desk.new_reference, desk.alarm)
        registrar.unsubscribe(library, old, grounds)
        registrar.subscribe(library, new, grounds)
