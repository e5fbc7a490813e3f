"""Holds what we make of a reply against the second opinion, and counts."""

from __future__ import annotations

import resource
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rrsync.core.compare import Change, Hold, Same, Verdict, compare
from rrsync.core.exchange import Answer, Done, Found
from rrsync.core.person import PartialDate
from rrsync.registry.outcome import Outcome
from tests.fuzz.corpus import NOW, REFERENCE, Base
from tests.fuzz.oracle import PARTS, NotWhole, Said, opinion

#: The limits of the issue, for one reply: a second of a processor, and a hundred megabytes more than before.
MAX_S: Final = 1.0
MAX_MB: Final = 100
#: From how many bytes on the memory for a reply is measured.
LARGE: Final = 50_000

#: Reads a reply to a question.
Read = Callable[[Base, bytes], Outcome]


def read(base: Base, data: bytes) -> Outcome:
    """Read a reply as the gate does."""
    return base.read(data)


class Fooled(AssertionError):
    """Something of a reply was believed, or would have been written, that the second opinion has otherwise."""


@dataclass(slots=True)
class Tally:
    """What became of many replies; of large ones it is measured how much memory each took."""

    name: str
    came: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    largest_mb: float = 0.0

    def line(self) -> str:
        """Return it as a line of figures."""
        parts = ", ".join(f"{count} {word}" for word, count in self.came.most_common())
        slowest = f"slowest {self.slowest_s * 1000:.0f} ms, at most {self.largest_mb:.0f} MB for one"
        return f"{self.name}: {self.came.total()} replies; {self.written} written, {slowest}; {parts}"

    @property
    def written(self) -> int:
        """How many replies would have changed or confirmed the member."""
        return self.came["change"] + self.came["same"]


def judged(base: Base, data: bytes, tally: Tally, *, reading: Read = read) -> Verdict:
    """Read a reply, give the verdict on the member, and hold both against the second opinion.

    Raises:
        Fooled: they do not agree; or it took too long, or too much memory.
    """
    is_large = len(data) > LARGE
    before_mb = resident_mb() if is_large else 0.0
    started = time.thread_time()
    came = reading(base, data)
    verdict = compare(base.member, answered(came))
    took_s = time.thread_time() - started
    took_mb = peak_mb() - before_mb if is_large else 0.0
    tally.slowest_s, tally.largest_mb = max(tally.slowest_s, took_s), max(tally.largest_mb, took_mb)
    if took_s > MAX_S or took_mb > MAX_MB:
        raise Fooled(f"it took {took_s:.2f} s and {took_mb:.0f} MB")
    tally.came[_word(verdict)] += 1
    hold_against(base, data, came, verdict)
    return verdict


def answered(came: Outcome) -> Answer:
    """Return the answer of a reading.

    Raises:
        Fooled: it is that of a subscription, which nobody asked for.
    """
    if isinstance(came.answer, Done):
        raise Fooled("it is no answer about a person")
    return came.answer


def hold_against(base: Base, data: bytes, came: Outcome, verdict: Verdict) -> None:
    """Hold an answer and a verdict against the second opinion.

    Raises:
        Fooled: they do not agree.
    """
    if not isinstance(came.answer, Found):
        if isinstance(verdict, Same | Change):
            raise Fooled("a write without an answer")
        return
    try:
        said = opinion(data, reference=REFERENCE, digits=base.question.insz.digits, today=NOW.date().isoformat())
    except NotWhole as error:
        raise Fooled(f"believed, though not whole: {error}") from None
    _same_words(came.answer, said)
    if not isinstance(verdict, Hold):
        if not said.is_quiet:
            raise Fooled("written, though a person must look")
        _same_write(base, verdict, said)


def _same_words(answer: Found, said: Said) -> None:
    person = answer.person
    pairs = [(getattr(person.residence, part), said.address[part], part) for part in PARTS]
    pairs += [(person.name.last, said.last, "last"), (person.name.first, said.first, "first")]
    for day, text in ((person.birth_date, said.born), (person.residence_since, said.since)):
        pairs.append(("" if day is None else day.text, _day(text), "day"))
    for ours, theirs, part in pairs:
        if ours != theirs:
            raise Fooled(f"another {part} than the reply's")


def _same_write(base: Base, verdict: Same | Change, said: Said) -> None:
    """See that each part that is written is the reply's where it speaks, and ours or nothing where it is silent."""
    held, after = base.member.held, verdict.after
    for part in PARTS:
        new, old, theirs = getattr(after.address, part), getattr(held.address, part), said.address[part]
        may_be = {old, theirs} if isinstance(verdict, Same) else {theirs} if theirs else {old, ""}
        if new not in may_be:
            raise Fooled(f"written: another {part} than the reply's")
    if isinstance(verdict, Change) and after.name.last != (said.last or held.name.last):
        raise Fooled("written: another name than the reply's")


def _day(text: str) -> str:
    day = PartialDate.parse(text)
    return "" if day is None else day.text


def _word(verdict: Verdict) -> str:
    return f"hold ({verdict.reason.value})" if isinstance(verdict, Hold) else type(verdict).__name__.lower()


def resident_mb() -> float:
    """Return how large the process is now, and let its peak begin anew where the system can."""
    status = Path("/proc/self/status")
    if not status.exists():
        return peak_mb()
    with suppress(OSError):  # else the peak is that of the whole life, and no growth looks smaller than it is
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _kib("VmRSS") / 1024


def peak_mb() -> float:
    """Return how large the process was at most."""
    found = _kib("VmHWM")
    return (found or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / 1024


def _kib(name: str) -> int:
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="ascii").splitlines() if status.exists() else []
    return next((int(line.split()[1]) for line in lines if line.startswith(name + ":")), 0)
