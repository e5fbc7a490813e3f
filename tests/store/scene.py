"""Answers and verdicts to settle, in few words."""

from __future__ import annotations

from itertools import count
from typing import Final

from rrsync.core.compare import Verdict
from rrsync.core.exchange import Answer, Reason, Refused
from rrsync.core.insz import Insz
from rrsync.core.log_entry import Actor, ActorKind
from rrsync.core.person import Member
from rrsync.store.settlement import Item, Judge
from tests.support import Store, intent, outcome

AN: Final = Actor(ActorKind.PERSON, "an")
_NUMBERS: Final = count(1)


def always(verdict: Verdict) -> Judge:
    """Return a judge of one mind."""
    return lambda member, answer: verdict  # noqa: ARG005 — a judge is asked about both


def ask(store: Store, number: str, *, subject: Insz | None, run: str = "", library: str = "hasselt") -> Item:
    """Record a question about a member, and give its answer to be settled."""
    reference = f"scene-{next(_NUMBERS)}"
    store.ledger.append([intent(reference, library=library, subject=subject, run=run)])
    answer: Answer = Refused(reference, Reason.REFUSED)
    return Item(library, number, answer, outcome(reference, library=library, subject=subject, run=run))


def present(store: Store, number: str, library: str = "hasselt") -> Member:
    """Return a member that is there."""
    standing = store.members.find(library, number)
    assert standing is not None
    return standing.member


def record(store: Store, number: str, verdict: Verdict, *, run: str = "", library: str = "hasselt") -> Item:
    """Ask about a member and settle on this verdict."""
    item = ask(store, number, subject=present(store, number, library).insz, run=run, library=library)
    assert store.settlement.settle([item], always(verdict)) == [verdict]
    return item
