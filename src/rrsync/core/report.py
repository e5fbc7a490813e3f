"""The counts of a run, and its exit code."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, assert_never

from rrsync.core.compare import Change, Hold, Same, Verdict
from rrsync.core.exchange import Answer, Found, Refused, Unknown
from rrsync.errors import Stopped

#: Reasons to stop a run and to alarm the data-protection officer: answers about somebody else, bad signatures.
MIX_UP: Final = "mix_up"
SIGNATURE: Final = "signature"
#: Reason to alarm the officer though nothing stops: a person outside the library's file is to be asked about.
OUTSIDE: Final = "outside"

EXIT_DONE = 0
EXIT_LEFT = 3
EXIT_STOPPED = 4


@dataclass(slots=True)
class Report:
    """The counts of one run; ``asked`` counts the members with a verdict, ``open`` those still without.

    ``calls`` counts the calls that brought an answer, and the tries before each of them.
    """

    run: str
    started: datetime
    finished: datetime | None = None
    due: int = 0
    asked: int = 0
    found: int = 0
    unknown: int = 0
    refused: int = 0
    same: int = 0
    change: int = 0
    hold: Counter[str] = field(default_factory=Counter)
    open: int = 0
    withheld: Counter[str] = field(default_factory=Counter)
    stopped: tuple[str, str] | None = None
    interrupted: bool = False
    calls: int = 0
    seconds: float = 0.0
    log: dict[str, tuple[int, str]] = field(default_factory=dict)

    def count(self, answer: Answer, verdict: Verdict) -> None:
        """Count one member's answer and verdict."""
        self.asked += 1
        match answer:
            case Found():
                self.found += 1
                self.withheld.update(dict(answer.withheld))
            case Unknown():
                self.unknown += 1
            case Refused():
                self.refused += 1
            case _:  # pragma: no cover
                assert_never(answer)
        match verdict:
            case Same():
                self.same += 1
            case Change():
                self.change += 1
            case Hold():
                self.hold[verdict.reason.value] += 1
            case _:  # pragma: no cover
                assert_never(verdict)

    def stop(self, error: Stopped) -> None:
        """Note why the run stopped; the first reason stays."""
        self.stopped = self.stopped or (error.reason, str(error))

    @property
    def calls_per_second(self) -> float:
        """The calls per second over the whole run."""
        return round(self.calls / self.seconds, 2) if self.seconds else 0.0

    @property
    def exit_code(self) -> int:
        """The exit code: 4 when the run stopped on purpose, 3 when steps are still open, else 0."""
        if self.stopped is not None:
            return EXIT_STOPPED
        return EXIT_LEFT if self.open or self.interrupted else EXIT_DONE

    def as_json(self) -> dict[str, object]:
        """Return the document of ``night --json`` (contract)."""
        return {
            "run": self.run,
            "started": self.started.isoformat(),
            "finished": self.finished.isoformat() if self.finished else None,
            "due": self.due,
            "asked": self.asked,
            "found": self.found,
            "unknown": self.unknown,
            "refused": self.refused,
            "same": self.same,
            "change": self.change,
            "hold": dict(sorted(self.hold.items())),
            "open": self.open,
            "withheld": dict(sorted(self.withheld.items())),
            "stopped": None if self.stopped is None else dict(zip(("reason", "hint"), self.stopped, strict=True)),
            "calls_per_second": self.calls_per_second,
            "log": {name: {"size": size, "root": root} for name, (size, root) in sorted(self.log.items())},
        }
