"""A national number as something to hold on to for a while: a ticket that says nothing, and is good in one session.

Nothing of it is kept: the number and the moment are sealed with our keys to the session that it was given in. Who has
a ticket without that session, or without the keys, has nothing; after a quarter of an hour nobody has.
"""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from rrsync.core.insz import Insz
from rrsync.errors import NotAnInsz, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rrsync.store.seal import Seal
    from rrsync.store.sessions import Visit

#: How long a ticket is good.
GOOD: Final = timedelta(minutes=15)
_LONGEST: Final = 200


class Tickets:
    """Gives tickets out, and takes them back."""

    def __init__(self, seal: Seal, clock: Callable[[], datetime], *, production: bool) -> None:
        self._seal = seal
        self._clock = clock
        self._production = production

    def give(self, visit: Visit, insz: Insz) -> str:
        """Give a ticket for a number."""
        said = f"{int(self._clock().timestamp())} {insz.digits}"
        return base64.urlsafe_b64encode(self._seal.seal(said.encode(), where=_where(visit))).decode().rstrip("=")

    def take(self, visit: Visit, ticket: str) -> Insz | None:
        """Give the number that a ticket stands for; ``None`` when it is none, another session's, or too old."""
        if not ticket.isascii() or len(ticket) > _LONGEST:
            return None
        try:
            sealed = base64.urlsafe_b64decode(ticket + "=" * (-len(ticket) % 4))
            moment, digits = self._seal.open(sealed, where=_where(visit)).decode().split()
            age = self._clock() - datetime.fromtimestamp(int(moment), UTC)
            return Insz.parse(digits, production=self._production) if timedelta(0) <= age < GOOD else None
        except (StoreError, NotAnInsz, ValueError, binascii.Error):
            return None


def _where(visit: Visit) -> str:
    return f"ticket|{visit.id.hex()}"
