"""One answer on its way to be settled: about whom, what it comes to, and how that stands in its outcome."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, TypeAlias

from rrsync.core.compare import PASSING, Change, Hold, Same, Verdict, agrees
from rrsync.core.entry import JSON, Draft
from rrsync.core.exchange import Reason
from rrsync.core.member import Held, Member
from rrsync.core.person import Masked

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from rrsync.core.exchange import Answer
    from rrsync.store.offered import CorrectionRow

Judge: TypeAlias = "Callable[[Member, Answer], Verdict]"


@dataclass(frozen=True, slots=True, repr=False)
class Item(Masked):
    """One answer to settle: for which member, with the outcome that the gate drafted.

    ``subscribed`` says that the register made a subscription to the member's number on the way.
    """

    library: str
    number: str
    answer: Answer
    outcome: Draft
    subscribed: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class Judged(Masked):
    """An item with the member as it is now, and the verdict; ``None`` when the answer is about it no longer.

    ``correction`` is what is in force of its address; a change that ``is_offered`` is not written.
    """

    item: Item
    member: Member
    verdict: Verdict | None
    refreshed_at: datetime | None = None
    correction: CorrectionRow | None = None
    is_offered: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """Library and member number."""
        return self.item.library, self.item.number

    @property
    def word(self) -> str:
        """The verdict in one word."""
        return "" if self.verdict is None else type(self.verdict).__name__.lower()

    @property
    def after(self) -> Held:
        """What the member comes to."""
        return self.verdict.after if isinstance(self.verdict, Same | Change) else self.member.held

    @property
    def is_noted(self) -> bool:
        """Whether it is noted of the member."""
        return self.verdict is not None and not self.is_offered

    @property
    def is_agreed(self) -> bool:
        """Whether the register, of somebody it may be believed about, says the same as the correction in force."""
        believed = isinstance(self.verdict, Same | Change)
        return self.correction is not None and believed and agrees(self.member.held, self.item.answer)

    @property
    def is_passing(self) -> bool:
        """Whether it says something of the answer, and nothing of the person."""
        return isinstance(self.verdict, Hold) and self.verdict.reason in PASSING

    def marks(self, now: datetime, standing: str | None) -> dict[str, object]:
        """Give what is noted on the member and its step; an unreadable answer leaves it as due as it was."""
        reason = self.verdict.reason if isinstance(self.verdict, Hold) else None
        library, number = self.key
        return {
            "at_library": library,
            "at_number": number,
            "at_run": self.item.outcome.run,
            "verdict": self.word,
            "reason": reason.value if reason else "",
            "hold_reason": standing or (reason.value if reason else None),
            "refreshed_at": self.refreshed_at if reason is Reason.UNREADABLE else now,
        }


def said(outcome: Draft, verdict: Verdict | None, held: Held, *, is_offered: bool) -> Draft:
    """Give the outcome with the verdict in it: its word, the reason of a hold, the names of what was written."""
    body: dict[str, JSON] = dict(outcome.body)
    match verdict:
        case None:
            body["verdict"] = "void"
        case Hold():
            body |= {"verdict": "hold", "hold": verdict.reason.value}
        case Change() if is_offered:
            body |= {"verdict": "change", "offered": True}
        case Change():
            body |= {"verdict": "change", "changed": changed(verdict.before, verdict.after)}
        case Same():
            body["verdict"] = "same"
            if filled := changed(held, verdict.after):
                body["changed"] = filled
    return replace(outcome, body=body)


def changed(before: Held, after: Held) -> list[JSON]:
    """Give the names of the fields that differ, never their values."""
    return [part.name for part in fields(before) if getattr(before, part.name) != getattr(after, part.name)]
