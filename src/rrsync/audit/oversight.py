"""Oversight of the accesses: flags, the daily digest, the monthly sample, statistics, the list of staff, the terms.

Every look at them is logged before anything is shown; if it cannot be logged, nothing is shown.

Flags are written on the entry itself before it is committed; the rules are in ``core.anomaly``. If the facts cannot be
read, the access fails. Accesses by processes are not judged. Two accesses logged at the same moment may miss each
other; the next one sees both.

The terms are the settings under which a library asks. They live in a file, so the log shows that they changed, when
and which, but not who changed them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final

from rrsync.audit.sample import Overdue, Sample, Samples
from rrsync.core.anomaly import Attempt, Limits, Traces, flags
from rrsync.core.belgian_time import Month, midnight
from rrsync.core.log_entry import (
    DENIED,
    JSON,
    LOOKS,
    Access,
    Actor,
    ActorKind,
    Draft,
    Kind,
    Status,
    actor_json,
    actor_of,
)
from rrsync.core.planning import belgian_day
from rrsync.errors import ConfigError
from rrsync.store.access_log import AccessLog
from rrsync.store.encryption import FieldCipher, SubjectKeys
from rrsync.store.engine import Database
from rrsync.store.log_search import AccessFilter, LogSearch
from rrsync.store.reports import AccessCounts, AccessGroup
from rrsync.store.rows import RowCipher
from rrsync.store.staff import AnomalyFacts, StaffList

_ACTOR: Final = Actor(ActorKind.PROCESS, "rrsync")


@dataclass(frozen=True, slots=True)
class SettingsTerms:
    """Logs changed terms of each library; ``terms`` returns the present ones, each as a digest without secrets."""

    ledger: AccessLog
    search: LogSearch
    terms: Callable[[str], Mapping[str, str]]

    def note(self, library: str) -> None:
        """Append an entry when the terms differ from the last logged ones.

        Raises:
            LedgerError: the entry cannot be written.
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
        body: dict[str, JSON] = {"actor": actor_json(_ACTOR), "terms": {"now": now, "changed": changed}}
        self.ledger.append([Draft(library, Kind.SETTINGS, "", body=body)])


class Flags:
    """Flags entries before they are logged; ``limits`` are each library's own, else the defaults."""

    def __init__(self, facts: AnomalyFacts, limits: Mapping[str, Limits], clock: Callable[[], datetime]) -> None:
        self._facts = facts
        self._limits = limits
        self._clock = clock

    def mark(self, drafts: Sequence[Draft]) -> list[Draft]:
        """Return the drafts, with ``flags`` on flagged accesses by persons.

        Raises:
            LedgerError: an access cannot be judged; none of the drafts may be logged.
        """
        marked: list[Draft] = []
        before: list[Attempt] = []
        for draft in drafts:
            found = self._look(draft)
            if found is None:
                marked.append(draft)
                continue
            attempt, traces = found
            said = flags(attempt, _joined(traces, attempt, before), self._limits.get(draft.library, Limits()))
            words: list[JSON] = [*said]
            marked.append(replace(draft, body={**draft.body, "flags": words}) if words else draft)
            before.append(attempt)
        return marked

    def _look(self, draft: Draft) -> tuple[Attempt, Traces] | None:
        """Return a person's attempt and its context; ``None`` for anything else."""
        if draft.kind not in LOOKS or draft.subject is None:
            return None
        actor = actor_of(draft.body)
        if actor.kind is not ActorKind.PERSON:
            return None
        why = draft.body.get("why")
        case = str(why.get("case", "")) if isinstance(why, dict) else ""
        attempt, traces = self._facts.around(
            draft.library,
            draft.subject,
            name=actor.name,
            at=self._clock(),
            case=case,
            is_denied=draft.kind is Kind.DENIED,
        )
        return replace(attempt, is_again=draft.kind is Kind.REUSE), traces


def _joined(traces: Traces, attempt: Attempt, before: Sequence[Attempt]) -> Traces:
    """Return the context of an attempt, including attempts logged together with it."""
    looks = tuple(each for each in before if each.name == attempt.name)
    staff = {each.name for each in before if each.subject == attempt.subject}
    return replace(traces, looks=(*traces.looks, *looks), staff=traces.staff | staff)


_REFUSED: Final = frozenset({DENIED, Status.REFUSED.value})
_MIX_UP: Final = frozenset({Status.MISMATCH.value, Status.SIG_BAD.value})


@dataclass(frozen=True, slots=True)
class Digest:
    """One day in Belgium: ``looks`` accesses by ``people`` persons, and what needs attention."""

    library: str
    day: date
    looks: int
    people: int
    flagged: tuple[Access, ...]
    refused: tuple[Access, ...]
    mixups: tuple[Access, ...]
    overdue: tuple[Overdue, ...]


@dataclass(frozen=True, slots=True)
class Digests:
    """Builds digests; accesses by processes are left out, except for mistakes of the register."""

    search: LogSearch
    samples: Samples
    clock: Callable[[], datetime]

    def yesterday(self) -> date:
        """Return the last complete day in Belgium."""
        return belgian_day(self.clock()) - timedelta(days=1)

    def of(self, library: str, day: date) -> Digest:
        """Return the digest of a day.

        Raises:
            ConfigError: the day has not begun.
            BrokenChain: the log cannot be read.
        """
        if day > belgian_day(self.clock()):
            raise ConfigError(f"{day.isoformat()} is still to come", todo="Name an earlier day")
        since, until = midnight(day), midnight(day + timedelta(days=1))
        looks, mixups = [], []
        for access in self.search.accesses(AccessFilter(library, since=since, until=until)):
            if access.actor.kind is ActorKind.PERSON:
                looks.append(access)
            if access.status in _MIX_UP:
                mixups.append(access)
        return Digest(
            library=library,
            day=day,
            looks=len(looks),
            people=len({look.actor.name for look in looks}),
            flagged=tuple(look for look in looks if look.flags),
            refused=tuple(look for look in looks if look.status in _REFUSED),
            mixups=tuple(mixups),
            overdue=tuple(self.samples.overdue(library)),
        )


class Oversight:
    """Oversees the logs of one database; ``limits`` are each library's, ``root`` gives the root of first entries."""

    def __init__(
        self,
        *,
        database: Database,
        seal: FieldCipher,
        ledger: AccessLog,
        search: LogSearch,
        root: Callable[[str, int], bytes],
        limits: Mapping[str, Limits],
        clock: Callable[[], datetime],
        random: Callable[[int], bytes],
    ) -> None:
        self._ledger = ledger
        self.flags = Flags(AnomalyFacts(database, seal, RowCipher(seal), SubjectKeys(seal, random)), limits, clock)
        self.staff = StaffList(database, seal, ledger)
        self.samples = Samples(search, ledger, root, clock)
        self.digests = Digests(search, self.samples, clock)
        self._tally = AccessCounts(database)

    def sample(self, library: str, month: Month, viewer: Actor) -> Sample:
        """Return a month's sample.

        Raises:
            ConfigError: the month has not ended.
            LedgerError: the log cannot be written or read, so nothing is shown.
        """
        found = self.samples.of(library, month)
        self._note("sample", library, viewer, {"month": month.text}, count=len(found.picks))
        return found

    def digest(self, libraries: Sequence[str], day: date, viewer: Actor) -> list[Digest]:
        """Return a day's digests of these libraries.

        Raises:
            ConfigError: the day has not begun.
            LedgerError: a log cannot be written or read, so nothing is shown.
        """
        found = [self.digests.of(library, day) for library in libraries]
        for digest in found:
            self._note("digest", digest.library, viewer, {"day": day.isoformat()}, count=len(digest.flagged))
        return found

    def figures(self, libraries: Sequence[str], first: date, viewer: Actor) -> dict[str, Counter[AccessGroup]]:
        """Return the number of accesses since a day in Belgium, per library.

        Raises:
            LedgerError: a log cannot be written or read, so nothing is shown.
        """
        found = {library: self._tally.since(library, midnight(first)) for library in libraries}
        for library, sums in found.items():
            self._note("figures", library, viewer, {"since": first.isoformat()}, count=sums.total())
        return found

    def names(self, library: str, viewer: Actor) -> list[str]:
        """Return the names on a library's list of staff.

        Raises:
            LedgerError: the log cannot be written, so nothing is shown.
        """
        found = self.staff.names(library)
        self._note("staff", library, viewer, {}, count=len(found))
        return found

    def _note(self, what: str, library: str, viewer: Actor, words: dict[str, JSON], *, count: int) -> None:
        view: dict[str, JSON] = {"what": what, "count": count}
        if words:
            view["filter"] = words
        self._ledger.append([Draft(library, Kind.VIEW, "", body={"actor": actor_json(viewer), "view": view})])
