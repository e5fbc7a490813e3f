"""Recomputes logs for somebody: who did stands in the log, and a fault stays known until the log was found whole again.

Nothing is added to a log that is broken, so that what was found of it is kept beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rrsync.anchor.fault import Fault
from rrsync.core.access import actor_of, moment
from rrsync.core.entry import JSON, Actor, Draft, Kind, named
from rrsync.errors import BrokenChain

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from rrsync.anchor.fault import Faults
    from rrsync.audit.notary import Notary
    from rrsync.store.ledger import Head, Ledger
    from rrsync.store.search import Search
    from rrsync.store.verify import Point


@dataclass(frozen=True, slots=True)
class Recounted:
    """That a log was found whole: when, by whom, how many entries; ``since`` is from which one on, 0 for all."""

    at: datetime
    by: Actor
    size: int
    since: int


@dataclass(frozen=True, slots=True)
class Recount:
    """Recomputes the logs of one database."""

    notary: Notary
    ledger: Ledger
    search: Search
    faults: Faults
    clock: Callable[[], datetime]

    def verify(
        self,
        library: str,
        viewer: Actor,
        *,
        since: Point | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Head:
        """Recompute a log, whole or since a root that is known; only the whole log makes a fault forgotten.

        Raises:
            BrokenChain: naming the library, the sequence and the cause of the first fault.
            LedgerError: it cannot be read, or what was found cannot be kept.
        """
        try:
            head = self.notary.verify(library, since=since, progress=progress)
        except BrokenChain as error:
            self.faults.keep(library, Fault(self.clock(), viewer.name, error.what, error.kept, error.todo))
            raise
        said: dict[str, JSON] = {"size": head.size, "root": head.root, "since": since.size if since else 0}
        if head.size:
            self.ledger.append([Draft(library, Kind.VERIFY, "", body={"actor": named(viewer), "verify": said})])
        if since is None:
            self.faults.forget(library)
        return head

    def fault(self, library: str) -> Fault | None:
        """Give what was found last of a log that nobody found whole since; raises what ``Faults.read`` raises."""
        return self.faults.read(library)

    def last(self, library: str) -> Recounted | None:
        """Give when a log was last found whole.

        Raises:
            BrokenChain: the entry that says so cannot be read.
        """
        found = self.search.last_deed(library, Kind.VERIFY)
        if found is None:
            return None
        seq, line = found
        said = line.get("verify")
        size, since = (said.get("size"), said.get("since")) if isinstance(said, dict) else (None, None)
        try:
            at = moment(line)
        except ValueError as error:
            raise _unreadable(library, seq) from error
        if not isinstance(size, int) or not isinstance(since, int):
            raise _unreadable(library, seq)
        return Recounted(at, actor_of(line), size, since)


def _unreadable(library: str, seq: int) -> BrokenChain:
    return BrokenChain(
        f"Entry {seq} of the access log of {library} cannot be read",
        todo="Run `rrsync log verify`: it names the cause",
    )
