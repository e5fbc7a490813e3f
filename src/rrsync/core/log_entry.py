"""Entries of the access log: their exact bytes, and one access read back from its entries.

An entry is JSON with sorted keys, UTF-8, without blanks, floats and nulls (RFC 8785 for the values in use). These bytes
are hashed, stored and shown to an auditor. The person is in it only as a keyed pseudonym and an encrypted number. It
answers who, what, about whom, when, how and why (law of 8 August 1983, art. 17).

``access`` joins the intent or denial of an access with its outcome, as ``registry.outcome`` and ``store.settlement``
write them. A value missing from an entry is ``""``, ``0`` or ``()``.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, TypeAlias

import orjson

from rrsync.core.insz import Insz
from rrsync.core.person import Masked

JSON: TypeAlias = "str | int | bool | list[JSON] | dict[str, JSON]"

VERSION: Final = 2
MAX_BYTES: Final = 4096


class ActorKind(StrEnum):
    """A person, or an unattended process."""

    PERSON = "person"
    PROCESS = "process"


@dataclass(frozen=True, slots=True)
class Actor:
    """The actor of an entry: a member of staff by the name the library knows, or the name of a process.

    ``via`` is the name of the API key with which a library system acts for a person.
    """

    kind: ActorKind
    name: str
    via: str = ""


class Kind(StrEnum):
    """The kinds of entries."""

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
    """The whole messages of an access, encrypted and stored apart from its entry; ``reply`` is empty when none came."""

    request: bytes
    reply: bytes


@dataclass(frozen=True, slots=True, repr=False)
class Draft(Masked):
    """An entry without its place in the log; ``subject`` and ``evidence`` are encrypted when it is appended."""

    library: str
    kind: Kind
    reference: str
    subject: Insz | None = None
    run: str = ""
    body: Mapping[str, JSON] = field(default_factory=dict)
    evidence: Evidence | None = None


def actor_json(actor: Actor) -> dict[str, JSON]:
    """Return an actor in the form of an entry."""
    said: dict[str, JSON] = {"t": actor.kind.value, "id": actor.name}
    return said | {"via": actor.via} if actor.via else said


def is_same_name(one: str, other: str) -> bool:
    """Whether two names are the same, apart from case, blanks and Unicode form."""
    plain = [unicodedata.normalize("NFKC", " ".join(name.split())).casefold() for name in (one, other)]
    return plain[0] == plain[1]


def person_of(line: Mapping[str, JSON]) -> str:
    """Return the name of the acting person in an entry or a draft's body; ``""`` for a process or without an actor."""
    actor = line.get("actor")
    is_person = isinstance(actor, dict) and actor.get("t") == ActorKind.PERSON.value
    return str(actor.get("id", "")) if isinstance(actor, dict) and is_person else ""


def encode(draft: Draft, *, log: str, seq: int, at: datetime, subject: Mapping[str, JSON]) -> bytes:
    """Return the exact bytes of the entry at ``seq`` of ``log``.

    Raises:
        ValueError: the entry is longer than 4 KiB, or holds a value that JSON cannot represent.
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
    """Return a moment as RFC 3339 in UTC, to the microsecond."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


#: How an access stands that was refused before it was sent, that has no outcome yet, or that showed an answer again;
#: else a ``core.entry.Status``.
DENIED: Final = "denied"
OPEN: Final = "open"
REUSED: Final = "reused"


@dataclass(frozen=True, slots=True)
class Access:
    """One access to one person's data, or a denied one: who, what, about whom, when, how, why, and the outcome.

    ``subject`` is the person's pseudonym of ``year``; ``scope``, ``request`` and ``reply`` are SHA-256 in hex.
    ``status`` is the outcome's, else ``DENIED``, ``OPEN`` or ``REUSED``; ``ms`` is the register's response time.
    ``is_offered`` says that a person decides about the change; ``of`` is the reference of the answer shown again.
    """

    library: str
    seq: int
    at: datetime
    reference: str
    run: str
    actor: Actor
    purpose: str
    case: str
    basis: str
    capacity: str
    operation: str
    scope: str
    request: str
    subject: str
    year: str
    denial: str
    flags: tuple[str, ...]
    outcome_seq: int | None
    ended_at: datetime | None
    status: str
    codes: tuple[str, ...]
    got: tuple[str, ...]
    withheld: int
    verdict: str
    hold: str
    ms: int
    reply: str
    changed: tuple[str, ...] = ()
    is_preview: bool = False
    is_offered: bool = False
    of: str = ""


def access(
    library: str, seq: int, line: Mapping[str, JSON], outcome: tuple[int, Mapping[str, JSON]] | None = None
) -> Access:
    """Join the access at ``seq`` with its outcome, if there is one; a reused answer carries its own.

    Raises:
        ValueError: an entry has no valid time.
    """
    why, subject = _part(line, "why"), _part(line, "subj")
    ended_seq, ended = (None, line if _is_again(line) else {}) if outcome is None else outcome
    out = _part(ended, "out")
    return Access(
        library=library,
        seq=seq,
        at=moment(line),
        reference=_text(line, "ref"),
        run=_text(line, "run"),
        actor=actor_of(line),
        purpose=_text(why, "code"),
        case=_text(why, "case"),
        basis=_text(why, "basis"),
        capacity=_text(why, "hoed"),
        operation=_text(line, "op"),
        scope=_text(line, "scope"),
        request=_text(line, "req"),
        subject=_text(subject, "ref"),
        year=_text(subject, "key"),
        denial=_text(line, "denial"),
        flags=tuple(sorted({*_texts(line, "flags"), *_texts(ended, "flags")})),
        outcome_seq=ended_seq,
        ended_at=None if outcome is None else moment(ended),
        status=_status(line, ended, out),
        codes=_texts(out, "codes"),
        got=_texts(out, "got"),
        withheld=_count(out, "withheld"),
        verdict=_text(ended, "verdict"),
        hold=_text(ended, "hold"),
        ms=_count(out, "ms"),
        reply=_text(out, "rsp"),
        changed=_texts(ended, "changed"),
        is_preview=ended.get("preview") is True,
        is_offered=ended.get("offered") is True,
        of=_text(line, "of"),
    )


def actor_of(line: Mapping[str, JSON]) -> Actor:
    """Return the actor of an entry; a process without a name when the entry names none."""
    actor = _part(line, "actor")
    is_person = actor.get("t") == ActorKind.PERSON.value
    return Actor(ActorKind.PERSON if is_person else ActorKind.PROCESS, _text(actor, "id"), _text(actor, "via"))


def moment(line: Mapping[str, JSON]) -> datetime:
    """Return the time of an entry, as aware UTC.

    Raises:
        ValueError: the entry has no time in the log's form.
    """
    at = datetime.fromisoformat(_text(line, "ts"))
    if at.utcoffset() != timedelta(0):
        raise ValueError("an entry's time is not in UTC")
    return at


def _status(line: Mapping[str, JSON], ended: Mapping[str, JSON], out: Mapping[str, JSON]) -> str:
    if line.get("kind") == Kind.DENIED.value:
        return DENIED
    if _is_again(line):
        return REUSED
    return _text(out, "status") if ended else OPEN


def _is_again(line: Mapping[str, JSON]) -> bool:
    return line.get("kind") == Kind.REUSE.value


def _part(line: Mapping[str, JSON], name: str) -> Mapping[str, JSON]:
    value = line.get(name)
    return value if isinstance(value, dict) else {}


def _text(line: Mapping[str, JSON], name: str) -> str:
    value = line.get(name)
    return value if isinstance(value, str) else ""


def _texts(line: Mapping[str, JSON], name: str) -> tuple[str, ...]:
    value = line.get(name)
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def _count(line: Mapping[str, JSON], name: str) -> int:
    value = line.get(name)
    return value if isinstance(value, int) else 0
