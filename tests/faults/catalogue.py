"""The fault catalogue as rows of one table: what is injected, and what must come of it.

How to write a row. Put ``ROWS: Final = (Row(...), ...)`` in any module of this folder; ``test_faults`` finds it by that
name and runs every row, and every further ``Case`` of it, as a test of its own::

    Row(
        9,
        "reset while the question is written",
        inject=lambda trial: trial.serve(reset),
        expect=ends(outcomes={"no_reply": 8}, tries=8, exit_code=3, left=2),
        note="where FACTS and the catalogue differ, which was chosen",
    )

1. ``inject`` gets a ``Trial``: an installation whose members (two, unless ``trial.build(members=5)``) all live
   elsewhere than the register knows, so that a reply that should not be used would change somebody. It puts a fault in
   place. It may run something itself (``night``, ``refresh``, ``command``); if it does not, one night is run.
2. ``expect`` gets the same trial and asserts. ``ends`` is the usual one: outcomes in the access log, requests that
   reached the register, exit code, holds, members left, changes, what the log said; then, in the first case of a row, a
   night without the fault must bring everybody up to date. Anything else is a function of yours.
3. At the end of every case nothing personal may stand in clear anywhere: database, files, log, messages.
4. A row that is proved in another room has ``elsewhere="where and why"`` and neither of the two; it is skipped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from tests.faults.trial import STAFF, WARNINGS, Answer, Call, Trial, Wrap, moved

__all__ = [
    "STAFF",
    "WARNINGS",
    "Answer",
    "Call",
    "Case",
    "Row",
    "Trial",
    "Wrap",
    "all_rows",
    "alone",
    "ends",
    "moved",
]

_FOLDER: Final = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Case:
    """One more way in which a row's fault comes."""

    name: str
    inject: Callable[[Trial], object]
    expect: Callable[[Trial], object]


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the catalogue; ``note`` says what was chosen where it and FACTS, contract or issue differ."""

    number: int
    name: str
    inject: Callable[[Trial], object] | None = None
    expect: Callable[[Trial], object] | None = None
    note: str = ""
    elsewhere: str = ""
    also: Sequence[Case] = field(default=())

    @property
    def id(self) -> str:
        """What a test is called: ``07-expired-client-certificate``."""
        return f"{self.number:02}-{_slug(self.name)}"

    @property
    def cases(self) -> Iterator[tuple[str, Case | None]]:
        """Every way in which its fault comes, each with its id; ``None`` where it is proved elsewhere."""
        if self.inject is None or self.expect is None:
            yield self.id, None
            return
        yield self.id, Case("", self.inject, self.expect)
        for case in self.also:
            yield f"{self.id}-{_slug(case.name)}", case


def ends(
    *,
    outcomes: Mapping[str, int],
    tries: int,
    exit_code: int,
    stopped: str = "",
    holds: Mapping[str, int] | None = None,
    left: int = 0,
    changed: int = 0,
    warned: Collection[str] = (),
    says: str = "",
    heals: bool = True,
) -> Callable[[Trial], None]:
    """Return what asserts how a case ended.

    ``outcomes`` counts the statuses in the access log (one each for every intent), ``tries`` the requests that reached
    the register, ``stopped`` is the reason in the night's report, ``holds`` counts hold reasons, ``left`` the members
    without a verdict, ``changed`` the members changed; ``warned`` are exactly the ``WARNINGS`` said, and ``says``
    stands in the message for a person. With ``heals`` a night without the fault brings everybody up to date, after the
    first case of a row.
    """
    wanted = {
        "outcomes": dict(outcomes),
        "tries": tries,
        "exit_code": exit_code,
        "stopped": stopped,
        "holds": dict(holds or {}),
        "left": left,
        "changed": changed,
        "warned": set(warned),
    }

    def check(trial: Trial) -> None:
        found = {
            "outcomes": dict(trial.outcomes),
            "tries": trial.tries,
            "exit_code": trial.exit_code,
            "stopped": trial.stopped,
            "holds": dict(trial.holds),
            "left": trial.left,
            "changed": trial.changed,
            "warned": set(trial.warned),
        }
        assert found == wanted, f"{trial.said}\n{found}\ninstead of\n{wanted}"
        assert says in trial.said, trial.said
        if heals:
            trial.heal()

    return check


def alone(inject: Callable[[Trial], object], **options: Any) -> Callable[[Trial], None]:
    """Return a fault that a single member meets; the night tries four times now and, at its end, four times more.

    Two members who met a fault of the way would open the breaker between them, ten failures in a row.
    """

    def injected(trial: Trial) -> None:
        trial.build(members=1, **options)
        inject(trial)

    return injected


def all_rows() -> list[Row]:
    """Return the rows of every module of this folder, by number."""
    names = sorted(path.stem for path in _FOLDER.glob("*.py") if not path.stem.startswith("test_"))
    modules = [import_module(f"tests.faults.{name}") for name in names]
    rows = [row for module in modules for row in getattr(module, "ROWS", ())]
    return sorted(rows, key=lambda row: row.number)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
