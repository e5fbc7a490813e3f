"""What can go wrong between a library and the register, as data: ``KIND:EVERY`` makes it happen every so many requests.

>>> Fault.parse("throttle:10")
Fault(kind=<FaultKind.THROTTLE: 'throttle'>, every=10)
>>> due((Fault.parse("reset:2"), Fault.parse("hang:3")), 6)
<FaultKind.RESET: 'reset'>
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from rrsync.errors import ConfigError


class FaultKind(StrEnum):
    """A thing that goes wrong; ``SENTENCES`` says what each does."""

    THROTTLE = "throttle"
    BUSY = "busy"
    SOURCE = "source"
    UNAVAILABLE = "unavailable"
    HTML = "html"
    RESET = "reset"
    HANG = "hang"
    DRIP = "drip"
    TRUNCATE = "truncate"
    BOMB = "bomb"
    OVERSIZE = "oversize"
    DOCTYPE = "doctype"
    REDIRECT = "redirect"
    MIXUP = "mixup"
    OTHERREF = "otherref"
    EMPTY = "empty"
    UNSUBSCRIBED = "unsubscribed"
    UNREGISTERED = "unregistered"
    REFUSED = "refused"
    SIGNATURE = "signature"
    UNKNOWNCODE = "unknowncode"
    EMPTY_BODY = "empty-body"


SENTENCES: Final = {
    FaultKind.THROTTLE: "SOAP Fault 99995: too many questions within a second.",
    FaultKind.BUSY: "Exception 99996 on the message: too many questions at once.",
    FaultKind.SOURCE: "Exception 99994 on the message: an unexpected error at the source.",
    FaultKind.UNAVAILABLE: "HTTP 503 with Retry-After: 1 and a line of text.",
    FaultKind.HTML: "An HTML page with status 200.",
    FaultKind.RESET: "The connection is reset and there is no reply.",
    FaultKind.HANG: "No reply, until the client gives up or the simulator stops.",
    FaultKind.DRIP: "The right reply, at a byte per 0.2 seconds.",
    FaultKind.TRUNCATE: "The connection closes halfway through the right reply.",
    FaultKind.BOMB: "A gzip reply, small on the wire, that unpacks to more than 64 MB.",
    FaultKind.OVERSIZE: "The right reply, padded to more than 2 MiB.",
    FaultKind.DOCTYPE: "A reply with a document type that explodes when its entities are expanded.",
    FaultKind.REDIRECT: "HTTP 307 to another path.",
    FaultKind.MIXUP: "The reply about another person, under the right references.",
    FaultKind.OTHERREF: "The right person, under the references of another question.",
    FaultKind.EMPTY: "An answer with neither content nor exceptions.",
    FaultKind.UNSUBSCRIBED: "Exception 40003 on a question about a person: no subscription for this number.",
    FaultKind.UNREGISTERED: "Resultaat 0 without a reason, to a subscription that is to be made or ended.",
    FaultKind.REFUSED: "Exception 13001 on the message: no authorisation for this sender and capacity.",
    FaultKind.SIGNATURE: "SOAP Fault ERR_025: no signature in the message.",
    FaultKind.UNKNOWNCODE: "Exception 77777 on the question: a code that nobody knows.",
    FaultKind.EMPTY_BODY: "Status 200 with zero bytes.",
}
"""One sentence for each fault, for the help text."""

ON_THE_WIRE: Final = frozenset({FaultKind.RESET, FaultKind.HANG, FaultKind.DRIP, FaultKind.TRUNCATE})
"""The faults of the connection: the reply itself is right, or there is none."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault and how often: the requests whose number, counted from 1, ``every`` divides."""

    kind: FaultKind
    every: int

    @classmethod
    def parse(cls, spec: str) -> Self:
        """Read ``KIND:EVERY``.

        Raises:
            ConfigError: when the kind is unknown or EVERY is no whole number of at least 1; it lists the kinds.
        """
        kind, colon, every = spec.partition(":")
        counts = every.isascii() and every.isdigit() and len(every) <= 9 and int(every) >= 1
        if not (colon and counts and kind in set(FaultKind)):
            raise ConfigError(
                f"A fault is KIND:EVERY with a whole number of at least 1, and KIND one of {', '.join(FaultKind)}",
                todo="Write for instance throttle:10",
            )
        return cls(FaultKind(kind), int(every))


def due(faults: Iterable[Fault], number: int) -> FaultKind | None:
    """Give the fault that strikes the request with this number, the first that applies."""
    return next((fault.kind for fault in faults if number % fault.every == 0), None)
