"""An entry as the columns of its row: its exact bytes, their hash, copies of what is searched for, and its tag."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from rrsync.core.entry import JSON, Draft, encode, person_of
from rrsync.core.tree import Edge, leaf_hash
from rrsync.errors import LedgerError
from rrsync.store.pending import TODO

if TYPE_CHECKING:
    from datetime import datetime

    from rrsync.store.seal import Seal, SubjectKey


@dataclass(frozen=True, slots=True)
class Place:
    """Where the next entries of a log come, and when; ``moment`` is that time as their rows say it."""

    library: str
    origin: str
    edge: Edge
    at: datetime
    moment: str


class Line(NamedTuple):
    """The columns, in their order."""

    library: str
    seq: int
    data: bytes
    leaf: bytes
    kind: str
    reference: str
    run: str
    at: str
    subject: bytes | None
    actor: str
    mac: bytes


def line(seal: Seal, key: SubjectKey | None, place: Place, seq: int, draft: Draft) -> Line:
    """Give the entry that stands at ``seq``; its subject, if it has one, is sealed under ``key``.

    Raises:
        LedgerError: it is too long, or no bytes can say it.
    """
    subject: dict[str, JSON] = {}
    pseudonym = None
    if draft.subject is not None and key is not None:
        pseudonym = key.pseudonym(draft.subject.digits)
        sealed = key.encrypt(draft.subject.digits, where=f"{place.origin}|{seq}")
        subject = {"ref": pseudonym.hex(), "enc": base64.b64encode(sealed).decode(), "key": str(place.at.year)}
    try:
        data = encode(draft, log=place.origin, seq=seq, at=place.at, subject=subject)
    except ValueError as error:
        raise LedgerError(f"The access log cannot be written: {error}", todo=TODO) from error
    leaf = leaf_hash(data)
    return Line(
        place.library,
        seq,
        data,
        leaf,
        draft.kind.value,
        draft.reference,
        draft.run,
        place.moment,
        pseudonym,
        person_of(draft.body),
        tag(seal, place.library, seq, leaf),
    )


def tag(seal: Seal, library: str, seq: int, leaf: bytes) -> bytes:
    """Give the tag by which the entry at this place shows that we wrote it there."""
    return seal.tag(f"{library}|{seq}", leaf)
