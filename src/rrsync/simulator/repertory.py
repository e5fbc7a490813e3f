"""The repertory of subscriptions: who declared to have a file on whom, in memory, and the replies about that.

1. Sender and capacity of a declaration are those of its context, else exception 20005.
2. A subscription that is there already gets exception 40143, a warning without content.
3. Anything else is done: ``Resultaat`` 1.
"""

from __future__ import annotations

from threading import Lock
from typing import Final

from rrsync.simulator.answer import Asker, Stamp, Uitzondering, answer, exceptions

NOT_DONE: Final = '<Resultaat Beschrijving="Niet geslaagd">0</Resultaat>'
UNSUBSCRIBED: Final = Uitzondering("40003", "Geen inschrijving voor het INSZ in de vraag")
"""The exception for a question about a number that the asker is not subscribed to."""

_DONE: Final = '<Resultaat Beschrijving="Wel geslaagd">1</Resultaat>'
_THERE: Final = Uitzondering("40143", "De inschrijving bestaat reeds", kind="WAARSCHUWING")
_ANOTHER: Final = Uitzondering("20005", "Identificatie of Hoedanigheid verschilt van die in de Context")


class Repertory:
    """Who is subscribed to which number, by sender and capacity; threads may share it."""

    __slots__ = ("_lock", "_open")

    def __init__(self) -> None:
        """Know nobody."""
        self._open: set[tuple[str, str, str]] = set()
        self._lock = Lock()

    def holds(self, sender: str, capacity: str, digits: str) -> bool:
        """Whether a sender is subscribed to a number in a capacity."""
        with self._lock:
            return (sender, capacity, digits) in self._open

    def answer(self, asker: Asker, stamp: Stamp) -> bytes:
        """Do what is declared, and say so."""
        if asker.declared != (asker.sender, asker.capacity):
            return exceptions(asker, stamp, _ANOTHER)
        key = (*asker.declared, asker.digits)
        with self._lock:
            was_there = key in self._open
            if asker.offer.declares == "Uitschrijving":
                self._open.discard(key)
                return answer(asker, stamp, content=_DONE)
            self._open.add(key)
        return exceptions(asker, stamp, _THERE) if was_there else answer(asker, stamp, content=_DONE)
