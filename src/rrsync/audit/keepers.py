"""Who outside the database keeps checkpoints: when each gets one, what it gives back, how long all may be away."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import structlog

from rrsync.anchor.receipt import Receipt, Signed
from rrsync.anchor.witness import Conflict, Unavailable
from rrsync.core.note import Checkpoint, Key
from rrsync.errors import AnchorError, AnchorUnavailable
from rrsync.store.verify import Point

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rrsync.store.checkpoints import Checkpoints

#: An anchor that failed is tried again so much later; one that must not fall silent, before the night would stop.
_AGAIN: Final = timedelta(minutes=5)
_RENEW: Final = timedelta(hours=3)
_NEVER: Final = datetime.min.replace(tzinfo=UTC)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Anchor:
    """A place outside the database: how it takes checkpoints in and gives its last back, and how often it wants one."""

    name: str
    every: timedelta
    keep: Callable[[Sequence[Signed]], Sequence[Receipt]]
    last: Callable[[Key], Checkpoint | None]


class Keepers:
    """The anchors of one installation; ``clock`` gives aware UTC."""

    def __init__(self, anchors: Sequence[Anchor], checkpoints: Checkpoints, clock: Callable[[], datetime]) -> None:
        self._anchors = anchors
        self._checkpoints = checkpoints
        self._clock = clock
        self._failed: dict[str, datetime] = {}

    def known(self, library: str, key: Key) -> list[Point]:
        """Give the last root of a log that each anchor gives back; one that is out of reach is passed over."""
        found = []
        for anchor in self._anchors:
            try:
                last = anchor.last(key)
            except AnchorUnavailable:
                log.warning("log.unread", anchor=anchor.name, library=library)
                continue
            if last is not None:
                found.append(Point(last.size, last.root, f"the anchor {anchor.name}"))
        return found

    def keep(self, signed: Sequence[Signed], *, force: bool) -> list[AnchorUnavailable]:
        """Give checkpoints to every anchor whose turn it is, or to all; give what failed.

        Raises:
            AnchorConflict: an anchor knows another log, or a longer one.
        """
        failures: list[AnchorUnavailable] = []
        for anchor in self._anchors:
            wanted = [one for one in signed if force or self._is_turn(anchor, one)]
            if not wanted:
                continue
            try:
                self._note(anchor.keep(wanted))
                self._failed.pop(anchor.name, None)
            except Conflict as error:
                self._note(error.receipts)
                raise
            except AnchorUnavailable as error:
                self._note(error.receipts if isinstance(error, Unavailable) else ())
                log.warning("log.unanchored", anchor=anchor.name, count=len(wanted))
                self._failed[anchor.name] = self._clock()
                failures.append(error)
        return failures

    def is_late(self, library: str, limit: timedelta) -> bool:
        """Whether no anchor ever took a log in, or none for so long."""
        last = self._checkpoints.last_anchored(library)
        return last is None or self._clock() - last.at >= limit

    def vouch(self, library: str, limit: timedelta, *, began: datetime | None) -> None:
        """Let the register be asked only while checkpoints of a log, that began then, are kept elsewhere.

        Raises:
            AnchorError: no anchor took one in for longer than ``limit``.
        """
        last = self._checkpoints.last_anchored(library)
        since = last.at if last else began
        if not self._anchors or since is None or self._clock() - since <= limit:
            return
        raise AnchorError(
            f"No checkpoint of the access log of {library} could be kept elsewhere for "
            f"{int(limit.total_seconds() // 3600)} hours",
            kept="What was done is in the log; nothing more is asked",
            todo="Run `rrsync log anchor`: it says which anchor fails, and why",
        )

    def _is_turn(self, anchor: Anchor, one: Signed) -> bool:
        now = self._clock()
        if now - self._failed.get(anchor.name, _NEVER) < _AGAIN:
            return False
        last = self._checkpoints.last_anchored(one.library, anchor.name)
        if last is None or now - last.at >= max(anchor.every, _RENEW):
            return True
        is_new = last.size != one.checkpoint.size and now - last.at >= anchor.every
        return is_new or self.is_late(one.library, _RENEW)

    def _note(self, receipts: Sequence[Receipt]) -> None:
        for one in receipts:
            self._checkpoints.anchored(one.library, one.size, one.anchor, self._clock(), one.text)
