"""The monthly sample of each library: drawn as ``core.review_sample`` says, and reviewed by somebody who is not in it.

Only the decisions are stored, as log entries; the sample is drawn again each time. Another reviewer may decide again;
all decisions stay, and the last one counts.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from rrsync.core.belgian_time import Month, last_month
from rrsync.core.log_entry import JSON, Access, Actor, Draft, Kind, actor_json, actor_of, is_same_name, moment
from rrsync.core.review_sample import DrawnSample, Finding, draw, is_overdue, sample_size, weight
from rrsync.errors import BrokenChain, ConfigError
from rrsync.store.access_log import AccessLog
from rrsync.store.log_search import LogSearch


@dataclass(frozen=True, slots=True)
class Decision:
    """A reviewer's decision, and its log entry."""

    seq: int
    at: datetime
    by: str
    finding: Finding


@dataclass(frozen=True, slots=True)
class Pick:
    """One access of a sample, drawn by risk or at random, and its decisions; the last one counts."""

    access: Access
    by_risk: bool
    decisions: tuple[Decision, ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """The sample of a month's ``looks``, in the log's order; the seed comes from its first ``size`` entries."""

    library: str
    month: Month
    size: int
    seed: bytes
    looks: int
    picks: tuple[Pick, ...]

    @property
    def left(self) -> int:
        """The number of open decisions."""
        return sum(not pick.decisions for pick in self.picks)


@dataclass(frozen=True, slots=True)
class Overdue:
    """A month whose sample of ``of`` accesses still has ``left`` open decisions after too long."""

    month: Month
    left: int
    of: int


@dataclass(frozen=True, slots=True)
class Drawn:
    """The state of a month's sample: ``of`` drawn from ``looks``, ``left`` open, and whether it is late."""

    month: Month
    looks: int
    of: int
    left: int
    is_late: bool


@dataclass(frozen=True, slots=True)
class Samples:
    """Draws samples and records decisions; ``root`` returns the root of a log's first entries."""

    search: LogSearch
    ledger: AccessLog
    root: Callable[[str, int], bytes]
    clock: Callable[[], datetime]

    def last(self) -> Month:
        """Return the last complete month."""
        return last_month(self.clock())

    def of(self, library: str, month: Month) -> Sample:
        """Draw a month's sample, with its decisions.

        Raises:
            ConfigError: the month has not ended.
            BrokenChain: the log cannot be read.
        """
        if month > self.last():
            raise ConfigError(
                f"{month.text} has not ended, so its sample cannot be drawn yet", todo="Name an earlier month"
            )
        stretch = self._stretch(library, month)
        flags = self.search.flags(library, stretch)
        seed = sha256(self.root(library, stretch.stop)).digest()
        weights = {seq: weight(said) for seq, said in flags.items()}
        lot = draw(weights, seed=seed, size=sample_size(len(weights)))
        return Sample(library, month, stretch.stop, seed, len(weights), self._picks(library, month, lot))

    def sign(self, library: str, month: Month, places: Sequence[int], finding: Finding, actor: Actor) -> None:
        """Record one finding about entries of a sample; otherwise as ``decide``."""
        self.decide(library, month, dict.fromkeys(places, finding), actor)

    def decide(self, library: str, month: Month, findings: Mapping[int, Finding], actor: Actor) -> None:
        """Record a reviewer's decisions about entries of a sample: one log entry each, all or none.

        Raises:
            ConfigError: an entry is not in the sample or was decided by this reviewer before, the reviewer is in the
                sample, or the month has not ended.
            LedgerError: nothing was written.
        """
        picks = {pick.access.seq: pick for pick in self.of(library, month).picks}
        kept = "Nothing was signed"
        if strangers := [str(seq) for seq in findings if seq not in picks]:
            raise ConfigError(
                f"The sample of {month.text} does not have: {', '.join(strangers)}",
                kept=kept,
                todo="Sign what `rrsync log sample list` shows of that month",
            )
        if any(is_same_name(pick.access.actor.name, actor.name) for pick in picks.values()):
            raise ConfigError(
                "Who reviews a sample may not be in it, and this reviewer is",
                kept=kept,
                todo="Let somebody else review it",
            )
        if any(is_same_name(decision.by, actor.name) for seq in findings for decision in picks[seq].decisions):
            raise ConfigError(
                "This reviewer decided about one of them before",
                kept=kept,
                todo="Let another reviewer decide again; the last decision counts, and both stay",
            )
        self.ledger.append([_review(library, month, seq, finding, actor) for seq, finding in findings.items()])

    def overdue(self, library: str) -> list[Overdue]:
        """Return the months whose sample is overdue, the oldest first.

        Raises:
            BrokenChain: the log cannot be read.
        """
        return [Overdue(each.month, each.left, each.of) for each in self.months(library) if each.is_late]

    def months(self, library: str) -> list[Drawn]:
        """Return the state of the samples of all complete months of a log, the oldest first.

        Raises:
            BrokenChain: the log cannot be read.
        """
        began = self.ledger.began(library)
        if began is None:
            return []
        months = list(Month.of(began).until(self.last()))
        ends = [self.search.first(library, month.end) for month in months]
        looks = sorted(self.search.flags(library, range(max(ends, default=0))))
        decided = self._decisions(library)
        found = []
        for month, start, end in zip(months, [0, *ends], ends, strict=False):
            count = bisect_left(looks, end) - bisect_left(looks, start)
            of = sample_size(count)
            left = of - len(decided[month.text])
            is_late = left > 0 and is_overdue(month, self.clock())
            found.append(Drawn(month, count, of, left, is_late))
        return found

    def decided(self, found: Access) -> tuple[Decision, ...]:
        """Return the reviewers' decisions about an access; the last one counts.

        Raises:
            BrokenChain: a decision cannot be read.
        """
        months = self._decisions(found.library).values()
        return tuple(decision for month in months for decision in month.get(found.seq, ()))

    def _stretch(self, library: str, month: Month) -> range:
        return range(self.search.first(library, month.start), self.search.first(library, month.end))

    def _picks(self, library: str, month: Month, lot: DrawnSample) -> tuple[Pick, ...]:
        decisions = self._decisions(library)[month.text]
        return tuple(
            Pick(self._access(library, seq), seq in lot.risk, tuple(decisions.get(seq, ())))
            for seq in sorted((*lot.random, *lot.risk))
        )

    def _access(self, library: str, seq: int) -> Access:
        found = self.search.find(library, seq)
        if found is None:
            raise _unreadable(library, seq)
        return found

    def _decisions(self, library: str) -> defaultdict[str, dict[int, list[Decision]]]:
        """Return the decisions, by month and by entry."""
        found: defaultdict[str, dict[int, list[Decision]]] = defaultdict(dict)
        for seq, line in self.search.deeds(library, {Kind.REVIEW}):
            review = line.get("review")
            if not isinstance(review, dict) or not isinstance(of := review.get("of"), int):
                raise _unreadable(library, seq)
            try:
                decision = Decision(seq, moment(line), actor_of(line).name, Finding(str(review.get("decision"))))
            except ValueError as error:
                raise _unreadable(library, seq) from error
            found[str(review.get("month"))].setdefault(of, []).append(decision)
        return found


def _unreadable(library: str, seq: int) -> BrokenChain:
    return BrokenChain(
        f"Entry {seq} of the access log of {library} cannot be read",
        todo="Run `rrsync log verify`: it names the cause",
    )


def _review(library: str, month: Month, seq: int, finding: Finding, actor: Actor) -> Draft:
    review: dict[str, JSON] = {"month": month.text, "of": seq, "decision": finding.value}
    return Draft(library, Kind.REVIEW, "", body={"actor": actor_json(actor), "review": review})
