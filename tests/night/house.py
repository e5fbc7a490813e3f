"""A whole installation for a test: settings, keys, scope, database, members, a register over HTTP, and an auditor.

The auditor is told every reference that reaches the register, before it is answered, and looks it up in the access log
on a connection of its own. After every run it holds the invariants against what is there (``invariants``).
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from rrsync.core.planning import tonight
from rrsync.core.report import Report
from rrsync.simulator.citizens import World
from rrsync.simulator.faults import Fault
from rrsync.simulator.server import Simulator
from rrsync.store.members import ImportResult
from rrsync.sync.night import Night, Progress
from tests.installation import Installation, Row, install, library_settings
from tests.night.invariants import Base, Canaries, Scene, after_run, due, in_clear, one_outcome
from tests.night.raw import Key, Raw, State
from tests.support import Clock

LIBRARY: Final = "demo"
STALE_DAYS: Final = 30
NOT_OURS: Final = frozenset({"members.csv", "export.csv", "rrsync.keys", "rrsync.signing"})


class Broken(AssertionError):
    """What the auditor found."""

    def __init__(self, findings: Sequence[str]) -> None:
        super().__init__("\n".join(findings[:12]))
        self.names = {finding[:2] for finding in findings}


@dataclass(slots=True)
class Audit:
    """Looks every reference up when it reaches the register; ``also`` is told it then."""

    raw: Raw
    recorded: dict[str, bool] = field(default_factory=dict)
    also: Callable[[str], None] | None = None

    def __call__(self, reference: str) -> None:
        """Look one up."""
        self.recorded[reference] = self.recorded.get(reference, True) and self.raw.was_recorded(reference)
        if self.also is not None:
            self.also(reference)


@dataclass(kw_only=True)
class House(Installation):
    """An installation with an auditor; made by the fixture ``library_night``."""

    audit: Audit
    scene: Scene
    said: list[str] = field(default_factory=list)
    excused: bool = False
    rows: list[Row] = field(default_factory=list)

    @property
    def raw(self) -> Raw:
        """The auditor's eyes."""
        return self.audit.raw

    def copy(self, folder: Path, url: str, stack: ExitStack) -> House:
        """Return a copy, whose auditor reads the copied database."""
        made = super().copy(folder, url, stack)
        made.audit.raw = Raw(url, self.raw.keys)
        stack.callback(made.raw.close)
        made.said, made.rows = [], list(self.rows)
        made.scene = replace(self.scene, before=dict(self.scene.before), done=set(self.scene.done), told={})
        return made

    def take(self, rows: Iterable[Row], *, library: str = LIBRARY, import_id: str = "") -> list[ImportResult]:
        """Import rows of a member file; for the auditor a member is from now on what its row says."""
        rows = list(rows)
        self.rows += rows
        taken = super().take(rows, library=library, import_id=import_id)
        keys = {(library, row["member_no"]) for row in rows}
        state = self.raw.state()
        for key, base in _bases(state).items():
            if key in keys:
                old = self.scene.before.get(key, base)
                self.scene.before[key] = replace(base, numbers=base.numbers | old.numbers)
        return taken

    def night(
        self,
        *,
        libraries: Sequence[str] | None = None,
        full: bool = False,
        most: int | None = None,
        change: Callable[[Night], Night] | None = None,
        progress: Callable[[Progress], None] = lambda _: None,
    ) -> Report:
        """Run a night, and let the auditor look; ``change`` may put other parts in it first."""
        chosen = list(libraries or self.libraries)
        self.prepare(libraries=chosen, full=full)
        plan = tonight(now=self.clock(), stale_after_days=STALE_DAYS, full=full, most=most)
        night = self.app.night()
        report: Report = self.told(lambda: (change(night) if change else night).run(chosen, plan, progress=progress))
        if most is not None:
            self.scene.due &= {step.key for step in self.raw.state().steps if step.run == report.run}
        if not self.excused:
            self.look(report.run)
            self._hold_against(report)
        return report

    def prepare(self, *, libraries: Sequence[str], full: bool) -> State:
        """Note who is due, and what everybody is, before a run."""
        state = self.raw.state()
        self.scene.before = _bases(state)
        self.scene.asked = []
        wanted = due(state, libraries=libraries, now=self.clock(), stale_after_days=STALE_DAYS, full=full)
        going = {run for run, ended in state.ended.items() if not ended}
        taken_over = {step.run for step in state.steps if step.state == "open" and step.key[0] in libraries}
        self.scene.due = wanted | {step.key for step in state.steps if step.run in going & taken_over}
        return state

    def told(self, work: Callable[[], Any]) -> Any:
        """Do something and keep the whole text of what it raises, for the auditor to search."""
        try:
            return work()
        except BaseException as error:
            self.said.append("".join(traceback.format_exception(error)))
            raise

    def findings(self, run: str, *, dead: bool = False) -> list[str]:
        """Return what I1 to I5 have against what is there."""
        self.scene.asked = [(one.reference, one.digits) for one in self.simulator.asked]
        return after_run(self.scene, self.raw.state(), run=run, dead=dead)

    def look(self, run: str, *, dead: bool = False) -> None:
        """Let the auditor look.

        Raises:
            Broken: an invariant does not hold.
        """
        if findings := self.findings(run, dead=dead):
            raise Broken(findings)

    def expect(self, invariant: str, *, run: str = "") -> None:
        """Let the auditor find one invariant broken, and none at the end of the test."""
        run = run or str(self.raw.rows("SELECT id FROM run ORDER BY opened_at DESC LIMIT 1")[0][0])
        names = {finding[:2] for finding in self.findings(run)}
        assert invariant in names, f"the auditor did not see it: {sorted(names)}"
        self.excused = True

    def _hold_against(self, report: Report) -> None:
        """Hold the report's counts against each other and its log's head against the log."""
        assert report.asked == report.same + report.change + sum(report.hold.values())
        assert report.asked == report.found + report.unknown + report.refused
        state = self.raw.state()
        for library, (size, root) in report.log.items():
            assert size == len(state.entries[library])
            assert self.app.notary.verify(library).root == root
        if report.stopped is None and not report.interrupted:
            assert not self.app.access_log.pending()

    def last(self, everything: str) -> list[str]:
        """Look one last time: the log is whole, and nothing anywhere is in clear; ``everything`` is what was said."""
        state = self.raw.state()
        findings = list(one_outcome(state, dead=True))
        places = [("what was said", everything.encode()), *(("an exception", text.encode()) for text in self.said)]
        places += self.raw.bytes()
        for path in sorted(self.folder.rglob("*")):
            places.append(("a file name", path.name.encode()))
            if path.is_file() and path.name not in NOT_OURS:
                places.append((path.name, path.read_bytes()))
        address = self.settings.registry.address("GeefPersoon-02.02", "persoon")
        places.append(("the address of the register", address.encode()))
        return findings + list(in_clear(self.canaries(), places))

    def canaries(self) -> Canaries:
        """Return everything that may stand nowhere: of the members' rows and of what the register knows of them."""
        numbers = [row["insz"] for row in self.rows]
        words = [row.get(name, "") for row in self.rows for name in ("last_name", "first_names", "street")]
        for number in numbers:
            if self.people is not None and (citizen := self.people.find(number)):
                numbers.append(citizen.new_insz.digits) if citizen.situation.value == "renumbered" else None
                numbers.append(citizen.relative.digits)
                words += [*citizen.last_names, *citizen.first_names, citizen.residence.street]
        return Canaries.of(set(numbers), set(words))


def build(
    folder: Path,
    url: str,
    stack: ExitStack,
    *,
    people: int = 200,
    seed: int = 1,
    libraries: Sequence[str] = (LIBRARY,),
    ended: Sequence[str] = (),
    last_days: Sequence[str] = (),
    faults: Sequence[str] = (),
    tolerated: Iterable[str] = (),
    personas: Path | None = None,
    in_flight: int = 8,
    deadline_s: float = 20,
    settings: str = "",
    kind: type[Simulator] = Simulator,
) -> House:
    """Build an installation; ``settings`` are TOML, merged into the usual ones.

    The authorisation of the libraries ``ended`` is over, that of ``last_days`` ends today.
    """
    clock = Clock()
    world = None if personas is not None else World(seed=seed, people=people)
    audit = Audit(Raw(url, ""))
    stack.callback(audit.raw.close)
    simulator = stack.enter_context(
        kind(
            now=clock,
            new_reference=lambda: str(uuid4()),
            world=world,
            personas=personas,
            faults=[Fault.parse(fault) for fault in faults],
            on_request=audit,
        )
    )
    until = dict.fromkeys(ended, "2019-12-31") | dict.fromkeys(last_days, "2026-07-01")
    own = [
        library_settings(name, place, until=until.get(name, "2099-12-31"))
        for place, name in enumerate(libraries, start=1)
    ]
    more = f"[registry]\nmax_in_flight = {in_flight}\ndeadline_s = {deadline_s}\n{settings}"
    loaded = install(folder, url, simulator.url, own, more)
    audit.raw.keys = loaded.keys.file.read_text("ascii")
    return House(
        folder=folder,
        settings=loaded,
        clock=clock,
        people=world,
        simulator=simulator,
        stack=stack,
        audit=audit,
        scene=Scene({}, [], audit.recorded, None if world is None else world.find, tolerated=frozenset(tolerated)),
    )


def _bases(state: State) -> dict[Key, Base]:
    return {
        key: Base(member, len(state.entries.get(key[0], [])), frozenset({member.digits}))
        for key, member in state.members.items()
    }
