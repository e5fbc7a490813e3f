"""What follows when a person accepts holds: the changes of a mass change, or a member's new number.

A mass change is released hold by hold. The change, the hold and the entry in the access log are one transaction, so a
kill leaves nothing half done, and the holds that are left can be released again.

A new number is taken over in three steps:

1. The decision is written: the member has the new number and is due; the old number's subscription is to be ended.
2. If subscriptions are ours to keep, the old number's is ended, and one to the new number is made.
3. The register is asked about the new number, and the answer is settled like any other. If it gives yet another number,
   the member goes on hold again: no member gets another number without a person.

If the register cannot answer now, the decision stands: the next night asks about the new number, and ends the old
number's subscription (``Registrar.drain``).
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
from rrsync.store.reports import RunHistory
from rrsync.store.settlement import Settlement
from rrsync.store.subscriptions import Subscriptions
from rrsync.sync.refresh import MemberRefresh, RefreshResult
from rrsync.sync.subscriptions import Grounds, SubscriptionService

PURPOSE: Final = "member-administration"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class MassChangeRelease:
    """Releases mass changes in one database; ``stop`` ends a release after the change that is under way."""

    holds: Holds
    settlement: Settlement
    journal: RunHistory
    stop: Event

    def run(self, run: str, libraries: Sequence[str], actor: Actor) -> int:
        """Accept the changes that a run held for these libraries, and return how many there were.

        A hold that somebody decided meanwhile is skipped. One that cannot be accepted does not stop the others.

        Raises:
            LedgerError: the access log cannot be written; what was not accepted stays on hold.
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
            return 0  # decided, or asked about again, since it was listed
        try:
            self.settlement.accept(hold, actor)
        except LedgerError:
            raise
        except StoreError:
            now = self.holds.find(number)
            if now is None or now.reference != hold.reference:
                return 0  # decided, or asked about again, between reading and writing
            raise
        return 1


@dataclass(frozen=True, slots=True, repr=False)
class AskedAgain(Masked):
    """The register was asked about a member's new number."""

    number: str
    found: RefreshResult


@dataclass(frozen=True, slots=True, repr=False)
class Postponed(Masked):
    """A member has its new number, but the register could not be asked yet."""

    number: str
    why: RrsyncError


Renumbered: TypeAlias = AskedAgain | Postponed


@dataclass(frozen=True, slots=True)
class NumberChange:
    """Takes new numbers over; ``subscribe`` says whether subscriptions are ours to keep."""

    desk: Callable[[], MemberRefresh]
    members: Members
    settlement: Settlement
    subscriptions: Subscriptions
    subscribe: bool

    def accept(self, hold: OpenHold, actor: Actor) -> Renumbered:
        """Take the new number of a hold over, and ask about it.

        Raises:
            StoreError: it cannot be taken over; nothing was changed or asked.
        """
        self.settlement.accept(hold, actor)
        try:
            return AskedAgain(hold.number, self._follow(hold, actor))
        except RrsyncError as error:  # whatever it is, the decision stands
            return Postponed(hold.number, error)

    def _follow(self, hold: OpenHold, actor: Actor) -> RefreshResult:
        desk, case = self.desk(), f"hold-{hold.id}"
        if self.subscribe:
            desk.attend(hold.library)
            new, old, *_ = self.members.numbers(hold.library, hold.number)
            self._resubscribe(desk, hold.library, old, new, Grounds(actor, PURPOSE, case))
        return desk.refresh(hold.library, hold.number, actor=actor, purpose=PURPOSE, case=case, preview=False)

    def _resubscribe(self, desk: MemberRefresh, library: str, old: Insz, new: Insz, grounds: Grounds) -> None:
        registrar = SubscriptionService(desk.gate, self.subscriptions, desk.new_reference, desk.alarm)
        registrar.unsubscribe(library, old, grounds)
        registrar.subscribe(library, new, grounds)
