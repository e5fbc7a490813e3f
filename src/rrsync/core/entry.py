"""One line of the access log, as the exact bytes that are hashed, kept and shown to an auditor.

An entry is JSON with sorted keys, UTF-8, no blanks, no floats and no nulls (RFC 8785 for the values we use). The person
is in it only as a keyed pseudonym and an encrypted number; it answers who, what, whose, when, how and why (law of 8
August 1983, art. 17).
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeAlias

import orjson

from rrsync.core.person import Masked

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rrsync.core.insz import Insz

JSON: TypeAlias = "str | int | bool | list[JSON] | dict[str, JSON]"

VERSION: Final = 2
MAX_BYTES: Final = 4096


class ActorKind(StrEnum):
    """Whether a person or an unattended process asks."""

    PERSON = "person"
    PROCESS = "process"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks: a member of staff under the name the library knows, or the name of a process.

    ``via`` is the name of the key with which a library system asks for them.
    """

    kind: ActorKind
    name: str
    via: str = ""


class Kind(StrEnum):
    """What an entry is about."""

    INTENT = "access.intent"
    OUTCOME = "access.outcome"
    DENIED = "access.denied"
    REUSE = "access.reuse"
    DECISION = "hold.decision"
    OFFER = "offer.decision"
    CORRECT = "member.correct"
    UNCORRECT = "member.uncorrect"
    OUTSIDE = "outside.decision"
    RUN_OPEN = "run.open"
    RUN_CLOSE = "run.close"
    VIEW = "log.view"
    EXPORT = "log.export"
    VERIFY = "log.verify"
    REVIEW = "sample.review"
    SETTINGS = "settings.change"
    STAFF = "staff.change"
    FORGET = "key.request"
    FORGOTTEN = "key.destroyed"


#: The kinds that are a look at a person, or one that was denied; an outcome belongs to one.
LOOKS: Final = frozenset({Kind.INTENT, Kind.DENIED, Kind.REUSE})


class Status(StrEnum):
    """How an access ended."""

    OK = "ok"
    NOT_FOUND = "not_found"
    REPLACED = "replaced"
    CANCELLED = "cancelled"
    REFUSED = "refused"
    NOT_SENT = "not_sent"
    NO_REPLY = "no_reply"
    TRANSIENT = "transient"
    INVALID_REPLY = "invalid_reply"
    MISMATCH = "mismatch"
    SIG_BAD = "sig_bad"
    INDETERMINATE = "indeterminate"


@dataclass(frozen=True, slots=True, repr=False)
class Evidence(Masked):
    """The whole messages of an access, kept apart from its entry and sealed; ``reply`` is empty when none came."""

    request: bytes
    reply: bytes


@dataclass(frozen=True, slots=True, repr=False)
class Draft(Masked):
    """An entry before its place in the log is known; ``subject`` and ``evidence`` are sealed when it is written."""

    library: str
    kind: Kind
    reference: str
    subject: Insz | None = None
    run: str = ""
    body: Mapping[str, JSON] = field(default_factory=dict)
    evidence: Evidence | None = None


def named(actor: Actor) -> dict[str, JSON]:
    """Give who acts as it stands in an entry."""
    said: dict[str, JSON] = {"t": actor.kind.value, "id": actor.name}
    return said | {"via": actor.via} if actor.via else said


def is_same_name(one: str, other: str) -> bool:
    """Whether two names are one person's: case, blanks and ways of writing a letter make no other person."""
    plain = [unicodedata.normalize("NFKC", " ".join(name.split())).casefold() for name in (one, other)]
    return plain[0] == plain[1]


def person_of(line: Mapping[str, JSON]) -> str:
    """Give the name of the person who acts in an entry or a draft's body; ``""`` for a process or nobody."""
    actor = line.get("actor")
    is_person = isinstance(actor, dict) and actor.get("t") == ActorKind.PERSON.value
    return str(actor.get("id", "")) if isinstance(actor, dict) and is_person else ""


def encode(draft: Draft, *, log: str, seq: int, at: datetime, subject: Mapping[str, JSON]) -> bytes:
    """Give the exact bytes of the entry that stands at ``seq`` of ``log``.

    Raises:
        ValueError: it would be longer than 4 KiB, or holds what JSON cannot say.
    """
    line: dict[str, JSON] = dict(draft.body)
    line |= {"v": VERSION, "log": log, "seq": seq, "kind": draft.kind.value, "ts": stamp(at)}
    if draft.reference:
        line["ref"] = draft.reference
    if draft.run:
        line["run"] = draft.run
    if subject:
        line["subj"] = dict(subject)
    try:
        data = orjson.dumps(line, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError as error:
        raise ValueError("an entry holds what cannot be written as JSON") from error
    if len(data) > MAX_BYTES:
        raise ValueError("an entry is longer than 4 KiB")
    return data


def decode(data: bytes) -> dict[str, JSON]:
    """Read an entry's bytes.

    Raises:
        ValueError: they are no JSON object.
    """
    line = orjson.loads(data)
    if not isinstance(line, dict):
        raise ValueError("an entry is a JSON object")  # noqa: TRY004 — one error for whatever is no entry
    return line


def stamp(at: datetime) -> str:
    """Give a moment as RFC 3339 in UTC, to the microsecond."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
