"""The anchors: when each receives a checkpoint, what it returns, and how long all of them may fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from rrsync.anchor.witness import WitnessConflict, WitnessUnavailable
from rrsync.core.signed_note import Checkpoint, Key, Receipt, Signed
from rrsync.errors import AnchorError, AnchorUnavailable
from rrsync.store.checkpoints import AnchorReceipt, Checkpoints
from rrsync.store.log_tree import KnownRoot

#: An anchor that failed is tried again so much later; one that must not fall silent, before the night would stop.
_AGAIN: Final = timedelta(minutes=5)
_RENEW: Final = timedelta(hours=3)
#: How often a timer comes by at the least; an anchor whose turn has come may wait so long.
_TIMER: Final = timedelta(hours=1)
#: What wants a checkpoint so seldom does not get one at every night's beginning and end too.
_SELDOM: Final = timedelta(hours=12)
#: A time further ahead than that was noted by a clock that was wrong, and counts for nothing.
_SLACK: Final = timedelta(minutes=5)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Anchor:
    """A place outside the database that accepts checkpoints at an interval.

    ``last`` returns the last accepted checkpoint, where possible; an anchor that ``sees`` refuses an inconsistent one
    itself.
    """

    name: str
    every: timedelta
    keep: Callable[[Sequence[Signed]], Sequence[Receipt]]
    last: Callable[[Key], Checkpoint | None] | None = None
    sees: bool = False


@dataclass(frozen=True, slots=True)
class AnchorStatus:
    """The state of an anchor for a log: the last accepted checkpoint, the last failure, and whether it is overdue."""

    name: str
    last: AnchorReceipt | None
    failed_at: datetime | None
    is_late: bool


class Anchors:
    """The anchors of one installation; ``clock`` returns aware UTC."""

    def __init__(self, anchors: Sequence[Anchor], checkpoints: Checkpoints, clock: Callable[[], datetime]) -> None:
        self._anchors = anchors
        self._checkpoints = checkpoints
        self._clock = clock

    def known(self, library: str, key: Key) -> list[KnownRoot]:
        """Return the last root that each anchor returns for a log; unreachable anchors are skipped."""
        found = []
        for anchor in self._anchors:
            try:
                last = self._given_back(anchor, library, key)
            except AnchorUnavailable as error:
                log.warning("log.unread", anchor=anchor.name, library=library, reason=error.what)
                continue
            if last is not None:
                found.append(KnownRoot(last.size, last.root, f"the anchor {anchor.name}"))
        return found

    def keep(
        self, signed: Sequence[tuple[Signed, Key]], *, force: bool = False, seeing: bool = False
    ) -> list[AnchorUnavailable]:
        """Send checkpoints to every anchor that is due, and return the failures.

        With ``force``, anchors that did not accept exactly these are due too; with ``seeing``, only anchors that check
        consistency themselves are used.

        Raises:
            AnchorConflict: an anchor knows another log, or a longer one.
        """
        failures: list[AnchorUnavailable] = []
        for anchor in self._anchors:
            wanted = [(one, key) for one, key in signed if self._is_turn(anchor, one, force=force)]
            if not wanted or (seeing and not anchor.sees):
                continue
            try:
                for one, key in wanted:
                    self._given_back(anchor, one.library, key)
                self._note(anchor.keep([one for one, _ in wanted]))
            except WitnessConflict as error:
                self._note(error.receipts)
                raise
            except AnchorUnavailable as error:
                self._note(error.receipts if isinstance(error, WitnessUnavailable) else ())
                log.warning("log.unanchored", anchor=anchor.name, count=len(wanted))
                self._checkpoints.failed(anchor.name, self._clock())
                failures.append(error)
        return failures

    def states(self, library: str) -> tuple[AnchorStatus, ...]:
        """Return the state of each anchor for a log, in the order of the settings."""
        return tuple(self._state(library, anchor) for anchor in self._anchors)

    def _state(self, library: str, anchor: Anchor) -> AnchorStatus:
        now, last = self._clock(), self._last(library, anchor.name)
        failed = self._checkpoints.last_failure(anchor.name, until=now + _SLACK)
        if failed is not None and last is not None and failed <= last.at:
            failed = None
        is_late = last is not None and now - last.at > max(anchor.every, _RENEW) + _TIMER
        return AnchorStatus(anchor.name, last, failed, is_late)

    def is_late(self, library: str, limit: timedelta) -> bool:
        """Whether no anchor accepted a log within this time."""
        last = self._last(library)
        return last is None or self._clock() - last.at >= limit

    def vouch(self, library: str, limit: timedelta, *, began: datetime | None) -> None:
        """Allow queries only while anchors keep checkpoints of a log that began at this time.

        Raises:
            AnchorError: no anchor accepted one for longer than ``limit``.
        """
        last = self._last(library)
        since = last.at if last else began
        if not self._anchors or since is None or self._clock() - since <= limit:
            return
        raise AnchorError(
            f"No checkpoint of the access log of {library} could be kept elsewhere for "
            f"{int(limit.total_seconds() // 3600)} hours",
            kept="What was done is in the log; nothing more is asked",
            todo="Run `rrsync log anchor`: it says which anchor fails, and why",
        )

    def _given_back(self, anchor: Anchor, library: str, key: Key) -> Checkpoint | None:
        """Return the last checkpoint that an anchor accepted, if it can return one.

        Raises:
            AnchorUnavailable: the anchor is unreachable, or has lost what it accepted.
        """
        if anchor.last is None:
            return None
        last, taken = anchor.last(key), self._last(library, anchor.name)
        if taken is not None and (last is None or last.size < taken.size):
            raise AnchorUnavailable(
                f"The anchor {anchor.name} no longer has the checkpoint of {taken.size} of {library} that it took in",
                kept="The access log itself is whole",
                todo="See that its place is mounted, and that nobody emptied it",
            )
        return last

    def _is_turn(self, anchor: Anchor, one: Signed, *, force: bool) -> bool:
        now = self._clock()
        failed = self._checkpoints.last_failure(anchor.name, until=now + _SLACK)
        if not force and failed is not None and now - failed < _AGAIN:
            return False
        last = self._last(one.library, anchor.name)
        if last is None or now - last.at >= max(anchor.every, _RENEW):
            return True
        is_new, is_time = last.size != one.checkpoint.size, now - last.at >= anchor.every
        return (is_new and (is_time or (force and anchor.every < _SELDOM))) or self.is_late(one.library, _RENEW)

    def _last(self, library: str, name: str | None = None) -> AnchorReceipt | None:
        return self._checkpoints.last_anchored(library, name, until=self._clock() + _SLACK)

    def _note(self, receipts: Sequence[Receipt]) -> None:
        for one in receipts:
            self._checkpoints.anchored(one.library, one.size, one.anchor, self._clock(), one.text)
