"""The rooms, built from the settings: everything a door needs."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from rrsync.anchor.signed import LastSigned
from rrsync.audit.export import Export
from rrsync.audit.forget import Forgetting
from rrsync.audit.keepers import Keepers
from rrsync.audit.notary import Notary
from rrsync.audit.oversight import Oversight
from rrsync.audit.prove import Prover
from rrsync.audit.review import Review
from rrsync.audit.terms import Terms
from rrsync.config.load import read_keys, read_signing_key
from rrsync.core.authorisation import Authorisation
from rrsync.core.note import origin
from rrsync.registry.evidence import Keep
from rrsync.registry.gate import Gate
from rrsync.registry.pace import Pace
from rrsync.store.checkpoints import Checkpoints
from rrsync.store.corrections import Corrections
from rrsync.store.engine import Database
from rrsync.store.holds import Holds
from rrsync.store.ledger import Ledger
from rrsync.store.members import Members
from rrsync.store.offers import Offers
from rrsync.store.rows import Rows
from rrsync.store.runs import Runs
from rrsync.store.seal import Keyring, Seal
from rrsync.store.search import Search
from rrsync.store.settle import Settlement
from rrsync.store.subscriptions import Subscriptions
from rrsync.store.tiles import Tiles
from rrsync.sync.course import Limits, Watch
from rrsync.sync.night import NIGHT, PURPOSE, Night
from rrsync.sync.refresh import Desk
from rrsync.sync.registrar import Grounds, Registrar
from rrsync.sync.renumber import Renumber
from rrsync.wiring.asking import alarm, client, remind
from rrsync.wiring.chance import Chance, chance
from rrsync.wiring.grounds import authorisation
from rrsync.wiring.keeping import anchors, limits, mailbox, signer, terms
from rrsync.wiring.traffic import pace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rrsync.anchor.mail import MailAnchor
    from rrsync.config.tables import Settings
    from rrsync.core.entry import JSON, Draft

_SIMULATOR_MISMATCHES: Final = 5
_DESK_WAIT_S: Final = 8.0
_NIGHT_WAIT_S: Final = 120.0


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
    corrections: Corrections
    offers: Offers
    subscriptions: Subscriptions
    authorisations: dict[str, Authorisation]
    search: Search
    tiles: Tiles
    checkpoints: Checkpoints
    keepers: Keepers
    notary: Notary
    oversight: Oversight
    forgetting: Forgetting

    def gate(self, *, max_wait_s: float, pace: Pace) -> Gate:
        """Build the gate to the register; ``max_wait_s`` bounds the tries of one question.

        Raises:
            ConfigError: the register's settings cannot be used.
        """
        registry = self.settings.registry
        return Gate(
            client=client(self.settings, self.chance),
            append=self._append,
            authorisations=self.authorisations,
            pace=pace,
            clock=self.chance.clock,
            new_reference=self.chance.new_reference,
            source=registry.source,
            production=self.production,
            sleep=self.pause,
            max_wait_s=max_wait_s,
            keep=Keep(self.settings.log.evidence),
            interrupted=self.stop.is_set,
            repertory=registry.repertory if registry.subscribe else None,
            subscribed=self.subscriptions.subscribed,
        )

    def _append(self, drafts: Sequence[Draft]) -> None:
        self.ledger.append(self.oversight.flags.mark(drafts))

    def sign_off(self) -> None:
        """Sign what this process wrote in the logs. To anchor it too could keep somebody waiting: a timer does that.

        Raises:
            LedgerError: a log cannot be signed now, or is not the one that was signed.
        """
        for name in self.notary.grown():
            self.notary.sign(name)

    def pace(self, *, desk: bool) -> Pace:
        """Build the pace of the calls of a night, or of a desk where somebody waits."""
        return pace(self.settings, self.database, self.chance, sleep=self.pause, desk=desk)

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

    def desk(self, pace: Pace | None = None) -> Desk:
        """Build the desk, which refreshes single members, at a pace that others may share."""
        return Desk(
            gate=self.gate(max_wait_s=_DESK_WAIT_S, pace=pace or self.pace(desk=True)),
            members=self.members,
            settlement=self.settlement,
            corrections=self.corrections,
            new_reference=self.chance.new_reference,
            attend=self.notary.attend,
            alarm=alarm(self.settings, self.chance),
        )

    def renumber(self, desk: Callable[[], Desk] | None = None) -> Renumber:
        """Build who takes new numbers over, by a desk that others may share."""
        subscribe = self.settings.registry.subscribe
        return Renumber(desk or self.desk, self.members, self.settlement, self.subscriptions, subscribe=subscribe)

    def registrar(self, gate: Gate) -> Registrar:
        """Build who makes and ends subscriptions through a gate."""
        return Registrar(gate, self.subscriptions, self.chance.new_reference, alarm(self.settings, self.chance))

    def _drain(self, gate: Gate, libraries: Sequence[str], run: str) -> None:
        """End what is to be ended, where subscriptions are ours to keep."""
        if self.settings.registry.subscribe and not self.stop.is_set():
            self.registrar(gate).drain(libraries, Grounds(NIGHT, PURPOSE, run=run))

    def _tidy(self, libraries: Sequence[str]) -> None:
        """Forget what has lapsed of the desks: answers, and corrections, whose members are due."""
        self.offers.sweep()
        self.corrections.lapse(libraries)

    def prover(self) -> Prover:
        """Build who gives proofs of entries."""
        return Prover(self.notary, self.ledger, self.tiles, self.checkpoints)

    def export(self) -> Export:
        """Build who gives logs out."""
        return Export(self.ledger, self.search, self.prover())

    def review(self) -> Review:
        """Build who shows what stands in the logs."""
        return Review(self.ledger, self.search)

    def mailbox(self) -> MailAnchor:
        """Build the way to the data-protection officer's mailbox; raises what ``keeping.mailbox`` raises."""
        return mailbox(self.settings, self.chance.clock)

    def night(self) -> Night:
        """Build the night."""
        remind(self.settings, self.chance)
        night, registry, pace = self.settings.night, self.settings.registry, self.pace(desk=False)
        usual = _SIMULATOR_MISMATCHES if registry.environment == "simulator" else 1
        limits = Limits(
            in_flight=registry.max_in_flight,
            mismatches=night.max_mismatches or usual,
            unavailable=night.max_unavailable,
            change_share=night.max_change_share,
            same_address=night.max_same_address,
        )
        gate = self.gate(max_wait_s=_NIGHT_WAIT_S, pace=pace)
        return Night(
            gate=gate,
            members=self.members,
            ledger=self.ledger,
            settlement=self.settlement,
            runs=self.runs,
            limits=limits,
            clock=self.chance.clock,
            new_reference=self.chance.new_reference,
            stop=self.stop,
            pace=pace,
            drain=partial(self._drain, gate),
            tidy=self._tidy,
            watch=Watch(self.notary.begin, self.notary.beat, self.notary.close, alarm(self.settings, self.chance)),
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
    keys = Keyring.parse(read_keys(settings))
    sign = signer(read_signing_key(settings))
    seal = Seal(keys, luck.random)
    authorisations = {each.id: found for each in settings.library if (found := authorisation(each)) is not None}
    database = Database(settings.store.url)
    try:
        database.require_newest()
        rows, origins = Rows(seal), {each.id: origin(f"{each.sender}/{each.id}") for each in settings.library}
        ledger = Ledger(database, seal, origins=origins, clock=luck.clock, random=luck.random)
        search, tiles, checkpoints = Search(database), Tiles(database), Checkpoints(database, seal)
        forgetting = Forgetting(ledger, search, luck.clock, database.scrub)

        def proof(library: str, old: int, new: int) -> Sequence[bytes]:
            return notary.proof(library, old, new)

        keepers = Keepers(anchors(settings, luck.clock, proof, checkpoints), checkpoints, luck.clock)
        notary = Notary(
            database=database,
            seal=seal,
            ledger=ledger,
            tiles=tiles,
            checkpoints=checkpoints,
            signer=sign,
            origins=origins,
            signed=LastSigned(settings.log.signed),
            keepers=keepers,
            clock=luck.clock,
            note_terms=Terms(
                ledger,
                search,
                lambda name: terms(settings, name, keys, authorisations.get(name), notary.key(name)),
            ).note,
            lost_keys=forgetting.lost,
        )
        oversight = Oversight(
            database=database,
            seal=seal,
            ledger=ledger,
            search=search,
            root=tiles.root,
            limits={library.id: limits(settings, library) for library in settings.library},
            clock=luck.clock,
            random=luck.random,
        )
        members = Members(database, rows)
        members.require_ours()
        settlement = Settlement(ledger, rows, clock=luck.clock)
        yield App(
            settings=settings,
            chance=luck,
            stop=threading.Event(),
            database=database,
            members=members,
            holds=Holds(database, rows),
            ledger=ledger,
            runs=Runs(database),
            settlement=settlement,
            corrections=Corrections(database, ledger, rows, luck.clock),
            offers=Offers(database, ledger, rows, settlement, luck.clock),
            subscriptions=Subscriptions(database, ledger, rows, clock=luck.clock),
            authorisations=authorisations,
            search=search,
            tiles=tiles,
            checkpoints=checkpoints,
            keepers=keepers,
            notary=notary,
            oversight=oversight,
            forgetting=forgetting,
        )
    finally:
        database.close()
