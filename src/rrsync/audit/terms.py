"""The terms under which a library asks, as the access log knows them: who changes a setting that matters is seen.

The settings are a file, so who changed them is not known here; that they changed, when and which, is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rrsync.core.entry import JSON, Actor, ActorKind, Draft, Kind, named

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rrsync.store.ledger import Ledger
    from rrsync.store.search import Search

_ACTOR: Final = Actor(ActorKind.PROCESS, "rrsync")


@dataclass(frozen=True, slots=True)
class Terms:
    """Notes the terms of each library; ``terms`` gives them as they are now, each as a digest without any secret."""

    ledger: Ledger
    search: Search
    terms: Callable[[str], Mapping[str, str]]

    def note(self, library: str) -> None:
        """Write an entry when the terms are not those of the last such entry, or none was written yet.

        Raises:
            LedgerError: it cannot be written.
        """
        now: dict[str, JSON] = dict(self.terms(library))
        before: JSON = {}
        for _, line in self.search.deeds(library, {Kind.SETTINGS}):
            said = line.get("terms")
            before = said.get("now", {}) if isinstance(said, dict) else before  # a key that was made is no term
        if before == now:
            return
        old = before if isinstance(before, dict) else {}
        changed: list[JSON] = [name for name in sorted(now) if old.get(name) != now[name]]
        body: dict[str, JSON] = {"actor": named(_ACTOR), "terms": {"now": now, "changed": changed}}
        self.ledger.append([Draft(library, Kind.SETTINGS, "", body=body)])
