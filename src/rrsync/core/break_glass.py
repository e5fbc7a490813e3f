"""Breaking the glass: one question about somebody who is in no file of the library, with a second person's word.

The authorisation is for members, so this is off until a library's settings say how many a month there may be. Then one
person of staff wants it, another of the same library approves it within ten minutes, and the first may ask once within
ten minutes of that. What lapsed is wanted anew.
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


class Stage(StrEnum):
    """How far a wish is: it waits for a colleague, it may be asked, it was; or a colleague said no, or it lapsed."""

    WAITING = "waiting"
    READY = "ready"
    ASKED = "asked"
    REFUSED = "refused"
    LAPSED = "lapsed"


@dataclass(frozen=True, slots=True, repr=False)
class Wish(Masked):
    """One wish to ask about somebody outside the file: whose, why, about whom, and what became of it.

    Whom it is about is ``None`` once it is forgotten: when it lapsed, whatever became of it. ``reference`` is the
    wish's own; a decision and a question have others. ``decided_by`` and ``decided_at`` are the colleague's.
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

    def stage(self, now: datetime) -> Stage:
        """Say how far it is."""
        if self.is_asked:
            return Stage.ASKED
        if self.decided_at is not None and not self.is_approved:
            return Stage.REFUSED
        if not self.until - WAIT - AHEAD <= now < self.until:
            return Stage.LAPSED
        return Stage.WAITING if self.decided_at is None else Stage.READY

    @property
    def until(self) -> datetime:
        """When it lapses, unless the next step is taken before."""
        return (self.decided_at or self.at) + WAIT

    def is_of(self, name: str) -> bool:
        """Whether it is this person's own."""
        return is_same_name(self.by, name)
