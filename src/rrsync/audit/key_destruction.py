"""Destruction of year keys: ten years after its last entry, two people destroy the key of a library and year.

The key and the messages encrypted with it are destroyed. The entries and every proof stay, but nobody can tell any more
whom they concern. One person requests it, another confirms within thirty days; both are logged. The term is that of
the law of 8 August 1983, art. 17.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from rrsync.core.log_entry import JSON, Actor, Draft, Kind, actor_json, is_same_name
from rrsync.errors import ConfigError, StoreError
from rrsync.store.access_log import AccessLog
from rrsync.store.log_search import LogSearch

YEARS: Final = 10
DAYS: Final = 30
_OPEN: Final = timedelta(days=DAYS)


@dataclass(frozen=True, slots=True)
class DestroyedKey:
    """The result: how many entries named a person under the key, and how many kept messages it had."""

    library: str
    year: int
    entries: int
    evidence: int


@dataclass(frozen=True, slots=True)
class KeyDestruction:
    """Destroys the keys of years past their term; ``scrub`` removes their remains from the database's files."""

    ledger: AccessLog
    search: LogSearch
    clock: Callable[[], datetime]
    scrub: Callable[[], None]

    def terms(self, library: str) -> dict[int, datetime]:
        """Return, for each year of a log whose key exists, when it may be destroyed."""
        return {year: _later(end) for year, end in sorted(self.ledger.year_ends(library).items())}

    def lost(self, library: str) -> list[int]:
        """Return the years whose key is gone although no entry says that it was destroyed."""
        return [year for year in self.search.forgotten(library) if not self._was_destroyed(library, year)]

    def ask(self, library: str, year: int, actor: Actor) -> None:
        """Request the destruction of a year's key; another person must confirm it.

        Raises:
            ConfigError: there is no such key, or its term is not over.
            LedgerError: the request cannot be written.
        """
        self._check(library, year)
        self.ledger.append([self._draft(Kind.FORGET, library, actor, {"year": year})])

    def confirm(self, library: str, year: int, actor: Actor) -> DestroyedKey:
        """Destroy the key of a year on another person's request.

        Raises:
            ConfigError: the term is not over, nobody else requested it in the last thirty days, or there is no such
            key. LedgerError: nothing was destroyed.
        """
        if year not in self.terms(library) and self._was_destroyed(library, year):
            self.scrub()  # what was left undone when the database's files could not be cleaned
            return DestroyedKey(library, year, 0, 0)
        self._check(library, year)
        asked = self._asked_by(library, year)
        if not asked or is_same_name(asked, actor.name):
            raise ConfigError(
                f"Nobody else asked in the last {DAYS} days that {year} of {library} be forgotten",
                kept="Nothing was destroyed",
                todo="Two people must: let one run `rrsync log forget`, and another the same with --confirm",
            )
        with self.ledger.writing() as session:
            entries, evidence = self.ledger.destroy_in(session, library, year)
            said: dict[str, JSON] = {"year": year, "entries": entries, "evidence": evidence, "asked_by": asked}
            self.ledger.append_in(session, [self._draft(Kind.FORGOTTEN, library, actor, said)])
        try:
            self.scrub()
        except StoreError as error:
            raise StoreError(
                f"The key of {year} of {library} is destroyed, but files may still hold it: {error.what}",
                kept="The log says that it was destroyed",
                todo="Close what else uses the database and run the same command again: it cleans the files",
            ) from error
        return DestroyedKey(library, year, entries, evidence)

    def _check(self, library: str, year: int) -> None:
        terms = self.terms(library)
        if year not in terms:
            raise ConfigError(f"The access log of {library} has no key of {year}", kept="Nothing was destroyed")
        if self.clock() < terms[year]:
            raise ConfigError(
                f"{year} of {library} must be kept until {terms[year]:%Y-%m-%d}: {YEARS} years after its last entry",
                kept="Nothing was destroyed",
            )

    def _asked_by(self, library: str, year: int) -> str:
        """Return who last requested the destruction, within the time for confirming."""
        asked = ""
        for _, line in self.search.deeds(library, {Kind.FORGET}, since=self.clock() - _OPEN):
            key, actor = line.get("key"), line.get("actor")
            if isinstance(key, dict) and isinstance(actor, dict) and key.get("year") == year:
                asked = str(actor.get("id", ""))
        return asked

    def _was_destroyed(self, library: str, year: int) -> bool:
        deeds = self.search.deeds(library, {Kind.FORGOTTEN})
        return any(isinstance(key := line.get("key"), dict) and key.get("year") == year for _, line in deeds)

    def _draft(self, kind: Kind, library: str, actor: Actor, said: dict[str, JSON]) -> Draft:
        return Draft(library, kind, "", body={"actor": actor_json(actor), "key": said})


def _later(end: datetime) -> datetime:
    try:
        return end.replace(year=end.year + YEARS)
    except ValueError:  # the 29th of February
        return end.replace(year=end.year + YEARS, month=3, day=1)
