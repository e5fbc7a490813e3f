"""A reply as HTTP carries it, and the replies that a fault puts in its place."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Final, assert_never

from rrsync.simulator.answer import Asker, Stamp, Uitzondering, answer, exceptions, fault, refusal
from rrsync.simulator.faults import FaultKind
from rrsync.simulator.repertory import NOT_DONE, UNSUBSCRIBED
from rrsync.simulator.services import PERSON

_MIB: Final = 2**20
_UNPACKED: Final = 65 * _MIB
_PADDING: Final = 2 * _MIB + 1024
_LAUGHS: Final = 9
_XML: Final = "text/xml; charset=UTF-8"

THROTTLED: Final = fault(
    "99995 - Te veel gelijktijdige bevragingen",
    message="Throttle rate exceeded: more than 10 requests within 1000 ms",
)
"""MAGDA's SOAP Fault for who asks too fast."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP reply: status, body, content type and further headers."""

    body: bytes
    status: int = 200
    content_type: str = _XML
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Right:
    """What is needed to give the right reply, or the right reply to the wrong question."""

    asker: Asker
    stamp: Stamp
    about: Callable[[Asker], bytes]
    another: Callable[[Asker], bytes]

    @property
    def reply(self) -> Reply:
        """The right reply."""
        return Reply(self.about(self.asker))


def spoiled(kind: FaultKind, right: Right) -> Reply:
    """Give the reply of a fault; a fault of the connection leaves the right reply as it is."""
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


def _strikes(kind: FaultKind, asker: Asker) -> bool:
    """Whether a fault can happen to a question: a few are about a person, or about a subscription."""
    if kind is FaultKind.UNREGISTERED:
        return asker.offer is not PERSON
    return asker.offer is PERSON or kind is not FaultKind.UNSUBSCRIBED


def _soap_fault(kind: FaultKind) -> Reply:
    if kind is FaultKind.THROTTLE:
        return Reply(THROTTLED, status=500)
    return Reply(fault("ERR_025: Verification failure: No signature in message!"), status=500)


def _excepted(kind: FaultKind, right: Right) -> Reply:
    """Give an exception: on the message (level 2) or on the question (level 3)."""
    asker, stamp = right.asker, right.stamp
    if kind is FaultKind.BUSY:
        return Reply(refusal(asker, stamp, Uitzondering("99996", "Te veel gelijktijdige bevragingen")))
    if kind is FaultKind.SOURCE:
        return Reply(refusal(asker, stamp, Uitzondering("99994", "Onverwachte fout bij de bron")))
    if kind is FaultKind.REFUSED:
        text = "Geen machtiging voor deze afzender in deze hoedanigheid"
        return Reply(refusal(asker, stamp, Uitzondering("13001", text)))
    if kind is FaultKind.UNSUBSCRIBED:
        return Reply(exceptions(asker, stamp, UNSUBSCRIBED))
    return Reply(exceptions(asker, stamp, Uitzondering("77777", "Een code die niemand kent")))


def _no_soap(kind: FaultKind) -> Reply:
    if kind is FaultKind.UNAVAILABLE:
        return Reply(b"Service unavailable\n", 503, "text/plain; charset=UTF-8", (("Retry-After", "1"),))
    if kind is FaultKind.HTML:
        page = b"<!DOCTYPE html><html><head><title>Maintenance</title></head><body><p>Back soon<br></body></html>"
        return Reply(page, content_type="text/html; charset=UTF-8")
    if kind is FaultKind.REDIRECT:
        return Reply(b"", 307, "text/plain; charset=UTF-8", (("Location", "/moved/elsewhere"),))
    return Reply(b"")


def _hostile(kind: FaultKind, right: Right) -> Reply:
    if kind is FaultKind.BOMB:
        return Reply(_bomb(), headers=(("Content-Encoding", "gzip"),))
    if kind is FaultKind.OVERSIZE:
        return Reply(right.reply.body + b"\n" * _PADDING)
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, _LAUGHS + 1))
    doctype = f'<!DOCTYPE x [<!ENTITY l0 "ha">{laughs}]>'.encode()
    declaration, _, rest = right.reply.body.partition(b"?>")
    body = rest.replace(b"<Naam>MagdaGateway</Naam>", b"<Naam>&l9;</Naam>", 1)
    return Reply(declaration + b"?>" + doctype + body)


def _astray(kind: FaultKind, right: Right) -> Reply:
    """Give content of another person, references of another question, a refusal without a reason, or nothing at all."""
    if kind is FaultKind.UNREGISTERED:
        return Reply(answer(right.asker, right.stamp, content=NOT_DONE))
    if kind is FaultKind.MIXUP and right.asker.offer is PERSON:
        return Reply(right.another(right.asker))
    if kind is not FaultKind.EMPTY:
        other = right.stamp.reference
        return Reply(right.about(replace(right.asker, reference=other, sender_reference=other)))
    return Reply(answer(right.asker, right.stamp))


@cache
def _bomb() -> bytes:
    """Give a megabyte of blanks, sixty-five times, packed."""
    packer = zlib.compressobj(9, wbits=31)
    blanks = b" " * _MIB
    return b"".join([packer.compress(blanks) for _ in range(_UNPACKED // _MIB)]) + packer.flush()
