"""One look at a person, as the access log tells it: the intent or denial, joined with what came of it. Pure.

Read from what ``registry.evidence`` and ``store.settle`` write. What an entry does not say is ``""``, ``0`` or ``()``;
it answers who, what, whose, when, how and why (law of 8 August 1983, art. 17), by pseudonym and names of fields only.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from rrsync.core.entry import JSON, Actor, ActorKind, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

#: How an access stands that was refused before it was sent, that has no outcome yet, or that showed an answer again;
#: else a ``core.entry.Status``.
DENIED: Final = "denied"
OPEN: Final = "open"
REUSED: Final = "reused"


@dataclass(frozen=True, slots=True)
class Access:
    """One look at one person, or one that was denied: who, what, whose, when, how, why, and how it ended.

    ``subject`` is the person's pseudonym of ``year``; ``scope``, ``request`` and ``reply`` are SHA-256, all in hex.
    ``status`` is that of the outcome, else ``DENIED``, ``OPEN`` or ``REUSED``; ``ms`` is how long the register took.
    ``is_offered`` says that a change was left to a person to decide; ``of`` is the reference of the answer shown again.
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
    """Join the look that stands at ``seq`` with its outcome, if it has one; an answer shown again says its own.

    Raises:
        ValueError: an entry does not say when it was written.
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
    """Give who acts in an entry; a process without a name when it names nobody."""
    actor = _part(line, "actor")
    is_person = actor.get("t") == ActorKind.PERSON.value
    return Actor(ActorKind.PERSON if is_person else ActorKind.PROCESS, _text(actor, "id"), _text(actor, "via"))


def moment(line: Mapping[str, JSON]) -> datetime:
    """Give when an entry was written, as aware UTC.

    Raises:
        ValueError: it does not say so as the log does.
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
