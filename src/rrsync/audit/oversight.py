"""Who watches the watchers: flags as accesses are logged, the day's digest, the month's sample, figures, who is staff.

Whoever looks at one of them is put in the log before anything is shown; if that cannot be written, nothing is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rrsync.audit.digest import Digests
from rrsync.audit.flags import Flags
from rrsync.audit.sample import Samples
from rrsync.core.entry import JSON, Actor, Draft, Kind, named
from rrsync.core.month import midnight
from rrsync.store.facts import Facts
from rrsync.store.keys import SubjectKeys
from rrsync.store.looks import Looks
from rrsync.store.rows import Rows
from rrsync.store.staff import Staff
from rrsync.store.tally import Tally

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date, datetime

    from rrsync.audit.digest import Digest
    from rrsync.audit.sample import Sample
    from rrsync.core.anomaly import Limits
    from rrsync.core.month import Month
    from rrsync.store.engine import Database
    from rrsync.store.ledger import Ledger
    from rrsync.store.seal import Seal
    from rrsync.store.search import Search
    from rrsync.store.tally import Group


class Oversight:
    """Watches the logs of one database; ``limits`` are each library's, ``root`` is of a log's first entries."""

    def __init__(
        self,
        *,
        database: Database,
        seal: Seal,
        ledger: Ledger,
        search: Search,
        root: Callable[[str, int], bytes],
        limits: Mapping[str, Limits],
        clock: Callable[[], datetime],
        random: Callable[[int], bytes],
    ) -> None:
        self._ledger = ledger
        self.flags = Flags(Facts(database, seal, Rows(seal), SubjectKeys(seal, random)), limits, clock)
        self.staff = Staff(database, seal, ledger)
        self.samples = Samples(search, Looks(database), ledger, root, clock)
        self.digests = Digests(search, self.samples, clock)
        self._tally = Tally(database)

    def sample(self, library: str, month: Month, viewer: Actor) -> Sample:
        """Show a month's sample.

        Raises:
            ConfigError: the month has not ended.
            LedgerError: the log cannot be written or read, so nothing is shown.
        """
        found = self.samples.of(library, month)
        self._note("sample", library, viewer, {"month": month.text}, count=len(found.picks))
        return found

    def digest(self, libraries: Sequence[str], day: date, viewer: Actor) -> list[Digest]:
        """Show what stood out on a day, library by library.

        Raises:
            ConfigError: the day has not begun.
            LedgerError: a log cannot be written or read, so nothing is shown.
        """
        found = [self.digests.of(library, day) for library in libraries]
        for digest in found:
            self._note("digest", digest.library, viewer, {"day": day.isoformat()}, count=len(digest.flagged))
        return found

    def figures(self, libraries: Sequence[str], first: date, viewer: Actor) -> dict[str, Counter[Group]]:
        """Show how many looks there were from a day in Belgium on, library by library.

        Raises:
            LedgerError: a log cannot be written or read, so nothing is shown.
        """
        found = {library: self._tally.since(library, midnight(first)) for library in libraries}
        for library, sums in found.items():
            self._note("figures", library, viewer, {"since": first.isoformat()}, count=sums.total())
        return found

    def names(self, library: str, viewer: Actor) -> list[str]:
        """Show the names on a library's list of staff.

        Raises:
            LedgerError: the log cannot be written, so nothing is shown.
        """
        found = self.staff.names(library)
        self._note("staff", library, viewer, {}, count=len(found))
        return found

    def _note(self, what: str, library: str, viewer: Actor, words: dict[str, JSON], *, count: int) -> None:
        view: dict[str, JSON] = {"what": what, "count": count}
        if words:
            view["filter"] = words
        self._ledger.append([Draft(library, Kind.VIEW, "", body={"actor": named(viewer), "view": view})])
