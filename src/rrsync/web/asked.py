"""What was asked about one member of late, by whom, why, and what came of it, as the access log tells the desk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rrsync.core.access import Access
from rrsync.core.entry import ActorKind, Kind
from rrsync.store.search import Wanted
from rrsync.web.views.desk import Asked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rrsync.core.member import Member
    from rrsync.wiring.rooms import App

#: How many of the last times are shown.
MOST: Final = 10
#: What was decided about a change that was offered -> what came of the question; without a decision, nothing yet.
_DECIDED: Final = {"accepted": "change", "declined": "declined"}


def asked(app: App, member: Member) -> tuple[Asked, ...]:
    """Give the last times a member was asked about or an answer shown again, under any number they have or had.

    Raises:
        StoreError, BrokenChain: the log cannot be read.
    """
    library = member.library
    numbers = app.members.numbers(library, member.number)
    subjects = tuple(ref for insz in numbers for ref in app.ledger.pseudonyms(library, insz))
    if not subjects:
        return ()
    found = list(app.search.accesses(Wanted(library, subjects=subjects, last=MOST)))
    decided = _decided(app, library, subjects) if any(each.is_offered for each in found) else {}
    return tuple(_asked(each, _outcome(each, decided)) for each in reversed(found))


def _decided(app: App, library: str, subjects: Sequence[bytes]) -> dict[str, str]:
    """Give what was decided about the changes that were offered, by the reference of the question."""
    return {
        str(line.get("ref")): _DECIDED.get(str(line.get("decision")), "")
        for _, line in app.search.deeds(library, {Kind.OFFER}, subjects=subjects)
    }


def _asked(found: Access, outcome: str) -> Asked:
    by = found.actor.name if found.actor.kind is ActorKind.PERSON else ""
    return Asked(found.at, by, found.purpose, found.case, outcome)


def _outcome(found: Access, decided: Mapping[str, str]) -> str:
    """Give what an access came to, as ``words.codes.OUTCOMES`` has it; a change that was offered was not written."""
    match found:
        case Access(status="reused"):
            return found.status
        case Access(is_preview=True):
            return "preview"
        case Access(is_offered=True):
            return decided.get(found.reference) or "offered"
        case Access(verdict="same") if found.changed:
            return "filled"
        case _:
            return found.verdict or found.status
