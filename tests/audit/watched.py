"""A library whose accesses are watched: looks by persons at any time, marked as the gate has them marked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final
from zoneinfo import ZoneInfo

from rrsync.audit.oversight import Oversight
from rrsync.core.anomaly import Limits
from rrsync.core.log_entry import Actor, ActorKind, Draft, Kind
from rrsync.store.log_search import LogSearch
from rrsync.store.log_tree import LogTree
from tests.support import Dice, Store, insz

DPO: Final = Actor(ActorKind.PERSON, "dpo")
_BRUSSELS: Final = ZoneInfo("Europe/Brussels")


def there(text: str) -> datetime:
    """Return a moment by the clock on the wall in Belgium, in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=_BRUSSELS).astimezone(UTC)


@dataclass
class Watched:
    """Logs looks as the gate does, and watches over them."""

    store: Store
    oversight: Oversight
    numbers: Iterator[int] = field(default_factory=count)

    def draft(
        self,
        serial: int = 1,
        *,
        by: str = "an",
        actor: str = "person",
        library: str = "hasselt",
        case: str = "letter-1",
        is_denied: bool = False,
        flags: tuple[str, ...] = (),
    ) -> Draft:
        """Return a look that is about to be logged."""
        body: dict[str, Any] = {"actor": {"t": actor, "id": by}, "why": {"code": "desk", "case": case}}
        body |= {"denial": "no purpose"} if is_denied else {}
        body |= {"flags": list(flags)} if flags else {}
        kind = Kind.DENIED if is_denied else Kind.INTENT
        return Draft(library, kind, f"watched-{next(self.numbers)}", insz(serial), body=body)

    def look(self, serial: int = 1, *, status: str = "ok", **said: Any) -> int:
        """Log a look that has its flags already, with its outcome; give its place."""
        draft = self.draft(serial, **said)
        drafts = [draft]
        if draft.kind is Kind.INTENT:
            out: dict[str, Any] = {"status": status, "codes": [], "ms": 1}
            drafts.append(
                Draft(draft.library, Kind.OUTCOME, draft.reference, draft.subject, body={"out": out, "verdict": "same"})
            )
        with self.store.ledger.writing() as session:
            return self.store.ledger.append_in(session, drafts)[0]

    def marked(self, *drafts: Draft) -> list[list[str]]:
        """Log looks as the gate does; give the flags that each got."""
        marked = self.oversight.flags.mark(drafts)
        self.store.ledger.append(marked)
        return [flags_of(draft) for draft in marked]


def flags_of(draft: Draft) -> list[str]:
    """Return the flags on a look."""
    said: Any = draft.body.get("flags", [])
    return list(said)


def watch(store: Store, limits: Limits | None = None) -> Watched:
    """Watch over a store; ``limits`` are those of Hasselt."""
    oversight = Oversight(
        database=store.database,
        seal=store.seal,
        ledger=store.ledger,
        search=LogSearch(store.database),
        root=LogTree(store.database).root,
        limits={"hasselt": limits} if limits else {},
        clock=store.clock,
        random=Dice("oversight"),
    )
    return Watched(store, oversight)
