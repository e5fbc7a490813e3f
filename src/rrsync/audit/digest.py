"""What stood out on one day, in one library: flagged looks, refused attempts, mix-ups, what is overdue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from rrsync.core.access import DENIED
from rrsync.core.entry import ActorKind, Status
from rrsync.core.month import midnight
from rrsync.core.plan import belgian_day
from rrsync.errors import ConfigError
from rrsync.store.search import Wanted

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from rrsync.audit.sample import Overdue, Samples
    from rrsync.core.access import Access
    from rrsync.store.search import Search

_REFUSED: Final = frozenset({DENIED, Status.REFUSED.value})
_MIX_UP: Final = frozenset({Status.MISMATCH.value, Status.SIG_BAD.value})


@dataclass(frozen=True, slots=True)
class Digest:
    """One day in Belgium: how many ``looks`` by how many ``people``, and what somebody should look into."""

    library: str
    day: date
    looks: int
    people: int
    flagged: tuple[Access, ...]
    refused: tuple[Access, ...]
    mixups: tuple[Access, ...]
    overdue: tuple[Overdue, ...]


@dataclass(frozen=True, slots=True)
class Digests:
    """Makes digests; what processes did is not in them, but for what the register got wrong."""

    search: Search
    samples: Samples
    clock: Callable[[], datetime]

    def yesterday(self) -> date:
        """Give the last day that has ended in Belgium."""
        return belgian_day(self.clock()) - timedelta(days=1)

    def of(self, library: str, day: date) -> Digest:
        """Give what stood out on a day.

        Raises:
            ConfigError: the day has not begun.
            BrokenChain: the log cannot be read.
        """
        if day > belgian_day(self.clock()):
            raise ConfigError(f"{day.isoformat()} is still to come", todo="Name an earlier day")
        since, until = midnight(day), midnight(day + timedelta(days=1))
        looks, mixups = [], []
        for access in self.search.accesses(Wanted(library, since=since, until=until)):
            if access.actor.kind is ActorKind.PERSON:
                looks.append(access)
            if access.status in _MIX_UP:
                mixups.append(access)
        return Digest(
            library=library,
            day=day,
            looks=len(looks),
            people=len({look.actor.name for look in looks}),
            flagged=tuple(look for look in looks if look.flags),
            refused=tuple(look for look in looks if look.status in _REFUSED),
            mixups=tuple(mixups),
            overdue=tuple(self.samples.overdue(library)),
        )
