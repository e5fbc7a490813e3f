"""Builds the rooms from the settings; the only clock, the only dice and the only way a process is told to stop."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.resources import files
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from rrsync.config.load import read_keys
from rrsync.core.authorisation import Authorisation, Scope
from rrsync.errors import ConfigError
from rrsync.registry.fields import known_paths
from rrsync.registry.gate import Gate
from rrsync.registry.messages import SERVICE
from rrsync.registry.pace import Pace
from rrsync.registry.soap import Client
from rrsync.store.engine import Database
from rrsync.store.holds import Holds
from rrsync.store.ledger import Ledger
from rrsync.store.members import Members
from rrsync.store.rows import Rows
from rrsync.store.runs import Runs
from rrsync.store.seal import Keyring, Seal
from rrsync.store.settle import Settlement
from rrsync.sync.course import Limits
from rrsync.sync.night import Night
from rrsync.sync.refresh import Desk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rrsync.config.tables import LibrarySettings, Settings
    from rrsync.core.entry import JSON

_SIMULATOR_MISMATCHES: Final = 5
_DESK_WAIT_S: Final = 8.0
_NIGHT_WAIT_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Chance:
    """The clock and the dice: aware UTC, fresh references, random bytes."""

    clock: Callable[[], datetime]
    new_reference: Callable[[], str]
    random: Callable[[int], bytes]


def chance() -> Chance:
    """Give the machine's own clock and dice."""
    return Chance(lambda: datetime.now(UTC), lambda: str(uuid4()), os.urandom)


@dataclass(frozen=True, slots=True)
class App:
    """The rooms, built: everything a door needs."""

    settings: Settings
    chance: Chance
    stop: threading.Event
    database: Database
    members: Members
    holds: Holds
    ledger: Ledger
    runs: Runs
    settlement: Settlement
    authorisations: dict[str, Authorisation]

    def gate(self, *, max_wait_s: float) -> Gate:
        """Build the gate to the register; ``max_wait_s`` bounds the tries of one question.

        Raises:
            ConfigError: the register's settings cannot be used.
        """
        registry = self.settings.registry
        if registry.sign:
            raise ConfigError(
                "[registry] sign = true asks for WS-Security, which this version does not have yet",
                kept="Nothing was sent",
                todo="Set sign = false for the simulator; the real register needs a later version",
            )
        if registry.environment != "simulator":
            raise ConfigError(
                f"The {registry.environment} register only takes signed messages, which this version does not have yet",
                kept="Nothing was sent",
                todo='Set environment = "simulator", or use a later version',
            )
        client = Client(
            self.settings.endpoint(SERVICE),
            certificate=str(registry.certificate or ""),
            private_key=str(registry.private_key or ""),
            ca=str(registry.ca or ""),
            deadline_s=registry.deadline_s,
        )
        return Gate(
            client=client,
            append=self.ledger.append,
            authorisations=self.authorisations,
            pace=Pace(registry.max_per_second, sleep=self.pause),
            clock=self.chance.clock,
            new_reference=self.chance.new_reference,
            source=registry.source,
            production=self.production,
            sleep=self.pause,
            max_wait_s=max_wait_s,
            interrupted=self.stop.is_set,
        )

    def pause(self, seconds: float) -> None:
        """Wait, but no longer than until the process is told to stop."""
        self.stop.wait(seconds)

    @property
    def production(self) -> bool:
        """Whether real people are asked about, so that test numbers are refused."""
        return self.settings.registry.environment == "production"

    @property
    def about(self) -> dict[str, JSON]:
        """What opens a run in the access log: the version and the hash of the settings."""
        return {"app": f"rrsync {version('rrsync')}", "settings": self.settings.digest}

    def desk(self) -> Desk:
        """Build the desk, which refreshes single members."""
        return Desk(
            self.gate(max_wait_s=_DESK_WAIT_S), self.members, self.ledger, self.settlement, self.chance.new_reference
        )

    def night(self) -> Night:
        """Build the night."""
        night, registry = self.settings.night, self.settings.registry
        usual = _SIMULATOR_MISMATCHES if registry.environment == "simulator" else 1
        limits = Limits(
            in_flight=registry.max_in_flight,
            mismatches=night.max_mismatches or usual,
            unavailable=night.max_unavailable,
            change_share=night.max_change_share,
            same_address=night.max_same_address,
        )
        return Night(
            gate=self.gate(max_wait_s=_NIGHT_WAIT_S),
            members=self.members,
            ledger=self.ledger,
            settlement=self.settlement,
            runs=self.runs,
            limits=limits,
            clock=self.chance.clock,
            new_reference=self.chance.new_reference,
            stop=self.stop,
            about=self.about,
        )


@contextmanager
def open_app(settings: Settings, luck: Chance | None = None) -> Iterator[App]:
    """Build the rooms on a database that is at the newest schema, and close them at the end.

    Raises:
        ConfigError: settings, keys, scope or schema cannot be used.
        StoreError: the database cannot be reached.
    """
    luck = luck or chance()
    seal = Seal(Keyring.parse(read_keys(settings)), luck.random)
    authorisations = {each.id: found for each in settings.library if (found := _authorisation(each)) is not None}
    database = Database(settings.store.url)
    try:
        database.require_newest()
        rows = Rows(seal)
        origins = {library.id: f"{library.sender}/{library.id}" for library in settings.library}
        ledger = Ledger(database, seal, origins=origins, clock=luck.clock, random=luck.random)
        yield App(
            settings=settings,
            chance=luck,
            stop=threading.Event(),
            database=database,
            members=Members(database, rows),
            holds=Holds(database, rows),
            ledger=ledger,
            runs=Runs(database),
            settlement=Settlement(ledger, rows, clock=luck.clock),
            authorisations=authorisations,
        )
    finally:
        database.close()


def fresh_keys() -> str:
    """Give the text of a new key file."""
    return Keyring.fresh(os.urandom).to_text()


def usual_scope() -> str:
    """Give the scope file that Flemish libraries may have."""
    return (files("rrsync") / "scopes" / "libraries.txt").read_text(encoding="utf-8")


def prepare_database(settings: Settings) -> None:
    """Bring the database that the settings name to the newest schema, making it if it is a file."""
    database = Database(settings.store.url)
    try:
        database.upgrade()
    finally:
        database.close()


def holds_data(settings: Settings) -> bool:
    """Whether the database that the settings name has members or an access log."""
    database = Database(settings.store.url)
    try:
        return database.holds_data()
    finally:
        database.close()


@contextmanager
def until_stopped() -> Iterator[threading.Event]:
    """Give an event that SIGTERM and Ctrl-C set; a second Ctrl-C ends the process as usual."""
    stopped = threading.Event()
    with stopping(stopped):
        yield stopped


@contextmanager
def stopping(event: threading.Event) -> Iterator[None]:
    """Let SIGTERM and the first Ctrl-C set an event, so that what is under way can end cleanly."""

    def stop(_number: int, _frame: object) -> None:
        event.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _authorisation(library: LibrarySettings) -> Authorisation | None:
    said = library.authorisation
    if said is None:
        return None
    return Authorisation(
        library=library.id,
        decision=said.decision,
        sender=library.sender,
        capacity=library.capacity,
        purposes=frozenset(said.purposes),
        valid_from=said.valid_from,
        valid_until=said.valid_until,
        scope=_scope(said.scope),
    )


def _scope(path: Path) -> Scope:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"The scope file {path.name} cannot be read", todo="Run `rrsync init`, or correct the authorisation's scope"
        ) from error
    return Scope.parse(text, known=known_paths())
