"""What stood out on one day, in one library: the looks with a flag, the attempts that were refused, what is overdue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from rrsync.core.access import DENIED
from rrsync.core.entry import Status
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


@dataclass(frozen=True, slots=True)
class Digest:
    """One day in Belgium: how many ``looks`` by how many ``people``, and what somebody should look into."""

    library: str
    day: date
    looks: int
    people: int
    flagged: tuple[Access, ...]
    refused: tuple[Access, ...]
    overdue: tuple[Overdue, ...]


@dataclass(frozen=True, slots=True)
class Digests:
    """Makes digests; what processes did is not in them."""

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
        looks = list(self.search.accesses(Wanted(library, since=since, until=until, persons_only=True)))
        return Digest(
            library=library,
            day=day,
            looks=len(looks),
            people=len({look.actor.name for look in looks}),
            flagged=tuple(look for look in looks if look.flags),
            refused=tuple(look for look in looks if look.status in _REFUSED),
            overdue=tuple(self.samples.overdue(library)),
        )
