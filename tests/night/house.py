"""A whole installation for a test: settings, keys, scope, database, members, a register over HTTP, and an auditor.

The auditor is told every reference that reaches the register, before it is answered, and looks it up in the access log
on a connection of its own. After every run it holds the invariants against what is there (``invariants``).
"""

from __future__ import annotations

import os
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, Final, cast
from uuid import uuid4

from rrsync.app.installation import fresh_keys, fresh_signing_key, usual_scope
from rrsync.app.runtime import Runtime
from rrsync.app.services import Services, open_services
from rrsync.cli.setup import TEMPLATE
from rrsync.config.load import load
from rrsync.config.settings import Settings
from rrsync.core.insz import Insz
from rrsync.core.person import Address, Held, Member, Name, PartialDate
from rrsync.core.planning import tonight
from rrsync.core.report import Report
from rrsync.simulator.citizens import World, member_rows
from rrsync.simulator.faults import Fault
from rrsync.simulator.server import Simulator
from rrsync.store.members import Incoming, Taken
from rrsync.sync.night import Night, Progress
from tests.night.invariants import Base, Canaries, Scene, after_run, due, in_clear, one_outcome
from tests.night.raw import Key, Raw, State
from tests.support import Clock

LIBRARY: Final = "demo"
STALE_DAYS: Final = 30
NOT_OURS: Final = frozenset({"members.csv", "export.csv", "rrsync.keys", "rrsync.signing"})

Row = dict[str, str]


class Stopwatch:
    """Seconds that pass when somebody would wait for them, and as they do."""

    def __init__(self) -> None:
        self.waited = 0.0

    def __call__(self) -> float:
        """Give the seconds."""
        return time.monotonic() + self.waited


class Impatient(threading.Event):
    """A stop that nobody waits for: what would sleep until it comes goes on at once, and the time has passed."""

    def __init__(self, stopwatch: Stopwatch) -> None:
        super().__init__()
        self._stopwatch = stopwatch

    def wait(self, timeout: float | None = None) -> bool:
        """Give whether it has come."""
        self._stopwatch.waited += timeout or 0.0
        return self.is_set()


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


@dataclass(slots=True)
class House:
    """One installation; made by the fixture ``library_night``."""

    folder: Path
    settings: Settings
    clock: Clock
    world: World | None
    simulator: Simulator
    audit: Audit
    scene: Scene
    stack: ExitStack
    libraries: list[str]
    said: list[str] = field(default_factory=list)
    excused: bool = False
    stopwatch: Stopwatch = field(default_factory=Stopwatch)
    rows: list[Row] = field(default_factory=list)
    _app: Services | None = None

    @property
    def raw(self) -> Raw:
        """The auditor's eyes."""
        return self.audit.raw

    @property
    def app(self) -> Services:
        """The rooms, opened once for a test; anew after ``reopen``."""
        if self._app is None:
            self._app = self.stack.enter_context(self.opened())
        return self._app

    def reopen(self) -> None:
        """Let the next use of the rooms open them anew, as another process would."""
        self._app = None

    @contextmanager
    def opened(self) -> Iterator[Services]:
        """Open the rooms as wiring does, with the test's clock and a stop that nobody waits for."""
        runtime = Runtime(self.clock, lambda: str(uuid4()), os.urandom, self.stopwatch)
        with open_services(self.settings, runtime) as app:
            yield replace(app, stop=Impatient(self.stopwatch))

    def take(self, rows: Iterable[Row], *, library: str = LIBRARY, import_id: str = "") -> list[Taken]:
        """Import rows of a member file; for the auditor a member is from now on what its row says."""
        rows = list(rows)
        self.rows += rows
        incoming = [Incoming(line, member_of(library, row)) for line, row in enumerate(rows, start=2)]
        taken = self.app.members.take(incoming, import_id=import_id or str(uuid4()), at=self.clock())
        keys = {(library, row["member_no"]) for row in rows}
        state = self.raw.state()
        for key, base in _bases(state).items():
            if key in keys:
                old = self.scene.before.get(key, base)
                self.scene.before[key] = replace(base, numbers=base.numbers | old.numbers)
        return taken

    def fill(self, *, libraries: Sequence[str] | None = None) -> None:
        """Import what each library holds of the invented population."""
        assert self.world is not None
        for library in libraries or self.libraries:
            self.take(member_rows(self.world), library=library)

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
        """Give what I1 to I5 have against what is there."""
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
        """Give everything that may stand nowhere: of the members' rows and of what the register knows of them."""
        numbers = [row["insz"] for row in self.rows]
        words = [row.get(name, "") for row in self.rows for name in ("last_name", "first_names", "street")]
        for number in numbers if self.world is not None else ():
            if citizen := cast("World", self.world).find(number):
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
    log: str = "",
    kind: type[Simulator] = Simulator,
) -> House:
    """Build an installation; ``settings`` go under [night], ``log`` behind [log].

    The authorisation of the libraries ``ended`` is over, that of ``last_days`` ends today.
    """
    clock = Clock()
    world = None if personas is not None else World(seed=seed, people=people)
    keys = fresh_keys()
    audit = Audit(Raw(url, keys))
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
    text = TEMPLATE.replace("sqlite:///rrsync.db", url).replace("http://127.0.0.1:8080/", simulator.url)
    text = text.replace("max_per_second = 8.0", "max_per_second = 100000.0")
    text = text.replace("max_in_flight = 16", f"max_in_flight = {in_flight}")
    text = text.replace("deadline_s = 45", f"deadline_s = {deadline_s}").replace("[night]\n", f"[night]\n{settings}\n")
    base, block = text.split("[[library]]")
    base += log + "\n"
    for library in libraries:
        own = block.replace('"demo"', f'"{library}"').replace("demo.example", f"{library}.example")
        until = "2019-12-31" if library in ended else "2026-07-01" if library in last_days else "2099-12-31"
        base += "[[library]]" + own.replace("2099-12-31", until)
    (folder / "rrsync.toml").write_text(base, encoding="utf-8")
    (folder / "scopes").mkdir()
    (folder / "scopes" / "libraries.txt").write_text(usual_scope(), encoding="utf-8")
    for name, content in (("rrsync.keys", keys), ("rrsync.signing", fresh_signing_key())):
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(content, encoding="ascii")
    scene = Scene({}, [], audit.recorded, None if world is None else world.find, tolerated=frozenset(tolerated))
    loaded = load(folder / "rrsync.toml")
    return House(folder, loaded, clock, world, simulator, audit, scene, stack, list(libraries))


def _bases(state: State) -> dict[Key, Base]:
    return {
        key: Base(member, len(state.entries.get(key[0], [])), frozenset({member.digits}))
        for key, member in state.members.items()
    }


def member_of(library: str, row: Row) -> Member:
    """Give a row of a member file as a member, as the door does."""
    address = Address(
        street=row.get("street", ""),
        house_number=row.get("house_number", ""),
        box=row.get("box", ""),
        postal_code=row.get("postal_code", ""),
        municipality=row.get("municipality", ""),
        country=row.get("country") or "BEL",
    )
    held = Held(
        Name(row.get("last_name", ""), row.get("first_names", "")),
        PartialDate.parse(row.get("birth_date", "")),
        address,
    )
    ends = PartialDate.parse(row.get("membership_end", ""))
    return Member(
        library=library,
        number=row["member_no"],
        insz=Insz.parse(row["insz"], production=False) if row.get("insz") else None,
        held=held,
        membership_end=None if ends is None else date(ends.year, ends.month, ends.day),
        open_items=int(row.get("open_items") or 0),
    )
