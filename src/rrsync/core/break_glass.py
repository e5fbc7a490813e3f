"""Break-glass queries: one query about a person who is no member, with a colleague's approval.

The authorisation covers members, so this is off until the settings allow a number of such queries a month. A member of
staff requests the query, a colleague of the same library approves it within ten minutes, and the first may then ask
once within ten minutes. An expired request must be made again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from rrsync.core.insz import Insz
from rrsync.core.log_entry import is_same_name
from rrsync.core.person import Masked

#: How long each step waits for the next.
WAIT: Final = timedelta(minutes=10)
#: How far ahead of now a step may have been taken: more, and a clock was set back.
AHEAD: Final = timedelta(minutes=1)


class BreakGlassStage(StrEnum):
    """The state of a request: waiting for a colleague, approved, used, declined, or expired."""

    WAITING = "waiting"
    READY = "ready"
    ASKED = "asked"
    REFUSED = "refused"
    LAPSED = "lapsed"


@dataclass(frozen=True, slots=True, repr=False)
class BreakGlassRequest(Masked):
    """One request to ask about a non-member: requester, reason, person, and decision.

    ``insz`` is ``None`` after the person is forgotten, when the request expired. ``reference`` is the request's own;
    the decision and the query have others. ``decided_by`` and ``decided_at`` belong to the colleague's decision.
    """

    id: int
    library: str
    by: str
    at: datetime
    insz: Insz | None
    purpose: str
    case: str
    reference: str
    decided_by: str = ""
    decided_at: datetime | None = None
    is_approved: bool = False
    is_asked: bool = False

    def stage(self, now: datetime) -> BreakGlassStage:
        """Return the state at a moment."""
        if self.is_asked:
            return BreakGlassStage.ASKED
        if self.decided_at is not None and not self.is_approved:
            return BreakGlassStage.REFUSED
        if not self.until - WAIT - AHEAD <= now < self.until:
            return BreakGlassStage.LAPSED
        return BreakGlassStage.WAITING if self.decided_at is None else BreakGlassStage.READY

    @property
    def until(self) -> datetime:
        """The moment of expiry, unless the next step is taken before."""
        return (self.decided_at or self.at) + WAIT

    def is_of(self, name: str) -> bool:
        """Whether this person made the request."""
        return is_same_name(self.by, name)
