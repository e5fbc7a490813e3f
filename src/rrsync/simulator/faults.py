"""What can go wrong between a library and the register, and the replies of each fault.

``KIND:EVERY`` makes a fault strike each request whose number is a multiple of EVERY.

>>> Fault.parse("throttle:10")
Fault(kind=<FaultKind.THROTTLE: 'throttle'>, every=10)
>>> due((Fault.parse("reset:2"), Fault.parse("hang:3")), 6)
<FaultKind.RESET: 'reset'>
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from typing import Final, Self, assert_never

from rrsync.errors import ConfigError
from rrsync.simulator.replies import (
    NOT_DONE,
    PERSON,
    UNSUBSCRIBED,
    Request,
    Stamp,
    Uitzondering,
    answer,
    exceptions,
    fault,
    refusal,
)


class FaultKind(StrEnum):
    """A kind of fault; ``DESCRIPTIONS`` describes each."""

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


#: One sentence for each fault, for the help text.
DESCRIPTIONS: Final = {
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

#: The faults of the connection: the reply itself is right, or there is none.
ON_THE_WIRE: Final = frozenset({FaultKind.RESET, FaultKind.HANG, FaultKind.DRIP, FaultKind.TRUNCATE})

#: MAGDA's SOAP Fault for too many questions.
THROTTLED: Final = fault(
    "99995 - Te veel gelijktijdige bevragingen",
    message="Throttle rate exceeded: more than 10 requests within 1000 ms",
)

_MIB: Final = 2**20
_UNPACKED: Final = 65 * _MIB
_PADDING: Final = 2 * _MIB + 1024
_LAUGHS: Final = 9
_XML: Final = "text/xml; charset=UTF-8"


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault and its interval: it strikes the requests whose number, counted from 1, is a multiple of ``every``."""

    kind: FaultKind
    every: int

    @classmethod
    def parse(cls, spec: str) -> Self:
        """Read ``KIND:EVERY``.

        Raises:
            ConfigError: the kind is unknown or EVERY is no whole number of at least 1; the message lists the kinds.
        """
        kind, colon, every = spec.partition(":")
        counts = every.isascii() and every.isdigit() and len(every) <= 9 and int(every) >= 1
        if not (colon and counts and kind in set(FaultKind)):
            raise ConfigError(
                f"A fault is KIND:EVERY with a whole number of at least 1, and KIND one of {', '.join(FaultKind)}",
                todo="Write for instance throttle:10",
            )
        return cls(FaultKind(kind), int(every))


def due_fault(faults: Iterable[Fault], number: int) -> FaultKind | None:
    """Return the first fault that strikes the request with this number."""
    return next((fault.kind for fault in faults if number % fault.every == 0), None)


@dataclass(frozen=True, slots=True)
class HttpReply:
    """An HTTP reply: status, body, content type and further headers."""

    body: bytes
    status: int = 200
    content_type: str = _XML
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class CorrectReply:
    """The right reply to a request, and the means to make the right reply to another."""

    asker: Request
    stamp: Stamp
    about: Callable[[Request], bytes]
    another: Callable[[Request], bytes]

    @property
    def reply(self) -> HttpReply:
        """The right reply."""
        return HttpReply(self.about(self.asker))


def faulty_reply(kind: FaultKind, right: CorrectReply) -> HttpReply:
    """Return the reply of a fault; that of a connection fault is the right reply."""
    if not _strikes(kind, right.asker):
        return right.reply
    match kind:
        case FaultKind.THROTTLE | FaultKind.SIGNATURE:
            return _soap_fault(kind)
        case FaultKind.BUSY | FaultKind.SOURCE | FaultKind.REFUSED | FaultKind.UNSUBSCRIBED | FaultKind.UNKNOWNCODE:
            return _excepted(kind, right)
        case FaultKind.UNAVAILABLE | FaultKind.HTML | FaultKind.REDIRECT | FaultKind.EMPTY_BODY:
            return _no_soap(kind)
        case FaultKind.BOMB | FaultKind.OVERSIZE | FaultKind.DOCTYPE:
            return _hostile(kind, right)
        case FaultKind.MIXUP | FaultKind.OTHERREF | FaultKind.EMPTY | FaultKind.UNREGISTERED:
            return _astray(kind, right)
        case FaultKind.RESET | FaultKind.HANG | FaultKind.DRIP | FaultKind.TRUNCATE:
            return right.reply
        case _:
            assert_never(kind)


def _strikes(kind: FaultKind, asker: Request) -> bool:
    """Whether a fault applies to a request: a few are about a person, or about a subscription."""
    if kind is FaultKind.UNREGISTERED:
        return asker.offer is not PERSON
    return asker.offer is PERSON or kind is not FaultKind.UNSUBSCRIBED


def _soap_fault(kind: FaultKind) -> HttpReply:
    if kind is FaultKind.THROTTLE:
        return HttpReply(THROTTLED, status=500)
    return HttpReply(fault("ERR_025: Verification failure: No signature in message!"), status=500)


def _excepted(kind: FaultKind, right: CorrectReply) -> HttpReply:
    """Return an exception: on the message (level 2) or on the question (level 3)."""
    asker, stamp = right.asker, right.stamp
    if kind is FaultKind.BUSY:
        return HttpReply(refusal(asker, stamp, Uitzondering("99996", "Te veel gelijktijdige bevragingen")))
    if kind is FaultKind.SOURCE:
        return HttpReply(refusal(asker, stamp, Uitzondering("99994", "Onverwachte fout bij de bron")))
    if kind is FaultKind.REFUSED:
        text = "Geen machtiging voor deze afzender in deze hoedanigheid"
        return HttpReply(refusal(asker, stamp, Uitzondering("13001", text)))
    if kind is FaultKind.UNSUBSCRIBED:
        return HttpReply(exceptions(asker, stamp, UNSUBSCRIBED))
    return HttpReply(exceptions(asker, stamp, Uitzondering("77777", "Een code die niemand kent")))


def _no_soap(kind: FaultKind) -> HttpReply:
    if kind is FaultKind.UNAVAILABLE:
        return HttpReply(b"Service unavailable\n", 503, "text/plain; charset=UTF-8", (("Retry-After", "1"),))
    if kind is FaultKind.HTML:
        page = b"<!DOCTYPE html><html><head><title>Maintenance</title></head><body><p>Back soon<br></body></html>"
        return HttpReply(page, content_type="text/html; charset=UTF-8")
    if kind is FaultKind.REDIRECT:
        return HttpReply(b"", 307, "text/plain; charset=UTF-8", (("Location", "/moved/elsewhere"),))
    return HttpReply(b"")


def _hostile(kind: FaultKind, right: CorrectReply) -> HttpReply:
    if kind is FaultKind.BOMB:
        return HttpReply(_bomb(), headers=(("Content-Encoding", "gzip"),))
    if kind is FaultKind.OVERSIZE:
        return HttpReply(right.reply.body + b"\n" * _PADDING)
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, _LAUGHS + 1))
    doctype = f'<!DOCTYPE x [<!ENTITY l0 "ha">{laughs}]>'.encode()
    declaration, _, rest = right.reply.body.partition(b"?>")
    body = rest.replace(b"<Naam>MagdaGateway</Naam>", b"<Naam>&l9;</Naam>", 1)
    return HttpReply(declaration + b"?>" + doctype + body)


def _astray(kind: FaultKind, right: CorrectReply) -> HttpReply:
    """Return another person, the references of another question, a refusal without a reason, or no content."""
    if kind is FaultKind.UNREGISTERED:
        return HttpReply(answer(right.asker, right.stamp, content=NOT_DONE))
    if kind is FaultKind.MIXUP and right.asker.offer is PERSON:
        return HttpReply(right.another(right.asker))
    if kind is not FaultKind.EMPTY:
        other = right.stamp.reference
        return HttpReply(right.about(replace(right.asker, reference=other, sender_reference=other)))
    return HttpReply(answer(right.asker, right.stamp))


@cache
def _bomb() -> bytes:
    """Return 65 MiB of blanks as gzip."""
    packer = zlib.compressobj(9, wbits=31)
    blanks = b" " * _MIB
    return b"".join([packer.compress(blanks) for _ in range(_UNPACKED // _MIB)]) + packer.flush()
