"""A new number, once a person has accepted it.

1. The decision is written: the member has the new number and is due, and the old one's subscription is to be ended.
2. Where subscriptions are ours to keep, the old number's is ended and one to the new number made.
3. The register is asked under the new number, and its answer settled like any other. Should it give yet another number,
   that is a hold again: nobody is led from number to number without a person.

What the register cannot do now is put off, and the decision stands: the next night asks under the new number, and ends
the old number's subscription (``Registrar.drain``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from rrsync.core.person import Masked
from rrsync.errors import RrsyncError
from rrsync.sync.registrar import Grounds, Registrar

if TYPE_CHECKING:
    from collections.abc import Callable

    from rrsync.core.entry import Actor
    from rrsync.core.insz import Insz
    from rrsync.store.holds import OpenHold
    from rrsync.store.members import Members
    from rrsync.store.settle import Settlement
    from rrsync.store.subscriptions import Subscriptions
    from rrsync.sync.refresh import Desk, Refreshed

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
