"""What the officer's pages share: whose logs they may see, and a look at a person as a line of a list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rrsync.audit.phrases import ANSWERED
from rrsync.core.access import REUSED
from rrsync.core.entry import ActorKind
from rrsync.web.house import house
from rrsync.web.turned import Away, TurnedAway
from rrsync.web.views.frame import Choice
from rrsync.web.views.log import Decided, LookLine

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fastapi import Request

    from rrsync.audit.sample import Decision
    from rrsync.core.access import Access
    from rrsync.core.entry import Actor
    from rrsync.store.sessions import Visit


def libraries(request: Request, visit: Visit) -> Mapping[str, str]:
    """Give the libraries whose logs are an officer's to see: id -> name, in the order of the settings."""
    return {name: title for name, title in house(request).libraries.items() if visit.staff.reaches(name)}


def choices(request: Request, visit: Visit) -> tuple[Choice, ...]:
    """Give the same to choose from."""
    return tuple(Choice(*each) for each in libraries(request, visit).items())


def chosen(request: Request, visit: Visit, library: str) -> str:
    """Give the library that a form names, or the only one there is when it names none; else ``""``.

    Raises:
        TurnedAway: it names one that is not theirs, or not there.
    """
    theirs = libraries(request, visit)
    if library and library not in theirs:
        raise TurnedAway(Away.MISSING)
    return library or (next(iter(theirs)) if len(theirs) == 1 else "")


def line(look: Access) -> LookLine:
    """Give a look as a list has it."""
    return LookLine(
        library=look.library,
        seq=look.seq,
        at=look.at,
        by=name(look.actor),
        is_process=look.actor.kind is ActorKind.PROCESS,
        purpose=look.purpose,
        case=look.case,
        outcome=outcome(look),
        flags=look.flags,
        about=look.subject,
    )


def lines(looks: Iterable[Access]) -> tuple[LookLine, ...]:
    """Give looks as a list has them, the newest first."""
    newest = sorted(looks, key=lambda look: (look.at, look.library, look.seq), reverse=True)
    return tuple(map(line, newest))


def name(actor: Actor) -> str:
    """Give who acts; an entry that names nobody says so."""
    return actor.name or "?"


def outcome(look: Access) -> str:
    """Give what came of a look, as a key of ``words.codes.OUTCOMES``; what staff decided then is another entry."""
    if look.status not in ANSWERED["nl"] or look.status == REUSED:
        return look.status
    if look.is_preview:
        return "preview"
    if look.is_offered:
        return "differed"
    if look.verdict == "same" and look.changed:
        return "filled"
    return look.verdict or look.status


def decided(decision: Decision) -> Decided:
    """Give what a reviewer decided."""
    return Decided(decision.at, decision.by, decision.finding.value)
