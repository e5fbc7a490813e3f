"""The services of one installation, built from its settings.

``open_services`` builds everything that a command needs on one database; ``rrsync.app.web_services`` adds what only
the pages and the API need. Nothing else builds a service: every other module gets what it needs as an argument.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Final

from rrsync.anchor.local_state import Faults, LastSigned
from rrsync.anchor.mail import MailAnchor
from rrsync.app.log_keeping import anchors, limits, mailbox, signer, terms
from rrsync.app.register import alarm, authorisation, client, pace, warn_of_expiry
from rrsync.app.runtime import Runtime, system_runtime
from rrsync.audit.anchoring import Anchors
from rrsync.audit.export import Export, Prover
from rrsync.audit.key_destruction import KeyDestruction
from rrsync.audit.notary import Notary
from rrsync.audit.oversight import Digests, Oversight, SettingsTerms
from rrsync.audit.review import LogVerification, Review
from rrsync.audit.sample import Samples
from rrsync.config.load import read_keys, read_signing_key
from rrsync.config.settings import Settings
from rrsync.core.authorisation import Authorisation
from rrsync.core.brakes import Limits
from rrsync.core.log_entry import JSON, Draft
from rrsync.core.signed_note import origin
from rrsync.registry.gate import Gate
from rrsync.registry.outcome import Keep
from rrsync.registry.pace import RateLimiter
from rrsync.store.access_log import AccessLog
from rrsync.store.checkpoints import Checkpoints
from rrsync.store.corrections import Corrections
from rrsync.store.desk_answers import DeskAnswers
from rrsync.store.encryption import FieldCipher, Keyring
from rrsync.store.engine import Database
from rrsync.store.holds import Holds
from rrsync.store.log_search import LogSearch
from rrsync.store.log_tree import LogTree
from rrsync.store.members import Members
from rrsync.store.rows import RowCipher
from rrsync.store.runs import Runs
from rrsync.store.settlement import Settlement
from rrsync.store.staff import StaffList
from rrsync.store.subscriptions import Subscriptions
from rrsync.sync.hold_decisions import NumberChange
from rrsync.sync.night import NIGHT, PURPOSE, LogWatch, Night
from rrsync.sync.refresh import MemberRefresh
from rrsync.sync.subscriptions import Grounds, SubscriptionService

_SIMULATOR_MISMATCHES: Final = 5
_DESK_WAIT_S: Final = 8.0
_NIGHT_WAIT_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Services:
    """The services of one installation, on one open database.

    ``stop`` is set when the process is told to stop. ``authorisations`` are by library.
    """

    settings: Settings
    runtime: Runtime
    stop: threading.Event
    database: Database
    members: Members
    holds: Holds
    access_log: AccessLog
    runs: Runs
    settlement: Settlement
    corrections: Corrections
    desk_answers: DeskAnswers
    subscriptions: Subscriptions
    authorisations: dict[str, Authorisation]
    log_search: LogSearch
    log_tree: LogTree
    checkpoints: Checkpoints
    anchors: Anchors
    notary: Notary
    oversight: Oversight
    samples: Samples
    digests: Digests
    staff: StaffList
    key_destruction: KeyDestruction

    @property
    def production(self) -> bool:
        """Whether real people are asked about, so that test numbers are refused."""
        return self.settings.registry.environment == "production"

    @property
    def about(self) -> dict[str, JSON]:
        """The body of the entry that opens a run in the access log: the version and the digest of the settings."""
        return {"app": f"rrsync {version('rrsync')}", "settings": self.settings.digest}

    def gate(self, *, max_wait_s: float, pace: RateLimiter) -> Gate:
        """Build the gate to the register; ``max_wait_s`` bounds the retries of one question.

        Raises:
            ConfigError: the register's settings cannot be used.
        """
        registry = self.settings.registry
        return Gate(
            client=client(self.settings, self.runtime),
            append=self._append,
            authorisations=self.authorisations,
            pace=pace,
            clock=self.runtime.clock,
            new_reference=self.runtime.new_reference,
            source=registry.source,
            production=self.production,
            sleep=self.pause,
            max_wait_s=max_wait_s,
            keep=Keep(self.settings.log.evidence),
            interrupted=self.stop.is_set,
            repertory=registry.repertory if registry.subscribe else None,
            subscribed=self.subscriptions.subscribed,
        )

    def pace(self, *, desk: bool) -> RateLimiter:
        """Build the pace of the calls of a night, or of a ``desk`` where somebody waits."""
        return pace(self.settings, self.database, self.runtime, sleep=self.pause, desk=desk)

    def pause(self, seconds: float) -> None:
        """Wait, but no longer than until the process is told to stop."""
        self.stop.wait(seconds)

    def desk(self, pace: RateLimiter | None = None) -> MemberRefresh:
        """Build the service that refreshes single members; several may share one ``pace``."""
        return MemberRefresh(
            gate=self.gate(max_wait_s=_DESK_WAIT_S, pace=pace or self.pace(desk=True)),
            members=self.members,
            settlement=self.settlement,
            corrections=self.corrections,
            new_reference=self.runtime.new_reference,
            attend=self.notary.attend,
            alarm=alarm(self.settings, self.runtime),
        )

    def renumber(self, desk: Callable[[], MemberRefresh] | None = None) -> NumberChange:
        """Build the service that writes new national numbers; ``desk`` returns the one that refreshes then."""
        subscribe = self.settings.registry.subscribe
        return NumberChange(desk or self.desk, self.members, self.settlement, self.subscriptions, subscribe=subscribe)

    def registrar(self, gate: Gate) -> SubscriptionService:
        """Build the service that begins and ends subscriptions through a gate."""
        return SubscriptionService(
            gate, self.subscriptions, self.runtime.new_reference, alarm(self.settings, self.runtime)
        )

    def night(self) -> Night:
        """Build the nightly run, and warn in the operational log when the client certificate ends soon."""
        warn_of_expiry(self.settings, self.runtime)
        night, registry, pace = self.settings.night, self.settings.registry, self.pace(desk=False)
        usual = _SIMULATOR_MISMATCHES if registry.environment == "simulator" else 1
        limits = Limits(
            mismatches=night.max_mismatches or usual,
            unavailable=night.max_unavailable,
            change_share=night.max_change_share,
            same_address=night.max_same_address,
        )
        gate = self.gate(max_wait_s=_NIGHT_WAIT_S, pace=pace)
        return Night(
            gate=gate,
            members=self.members,
            ledger=self.access_log,
            settlement=self.settlement,
            runs=self.runs,
            limits=limits,
            at_once=registry.max_in_flight,
            clock=self.runtime.clock,
            new_reference=self.runtime.new_reference,
            stop=self.stop,
            pace=pace,
            drain=partial(self._end_subscriptions, gate),
            tidy=self._remove_lapsed,
            watch=LogWatch(self.notary.begin, self.notary.beat, self.notary.close, alarm(self.settings, self.runtime)),
            about=self.about,
        )

    def sign_off(self) -> None:
        """Sign what this process appended to the logs. A timer anchors them: that may take longer than anybody waits.

        Raises:
            LedgerError: a log cannot be signed now, or is not the one that was signed.
        """
        for name in self.notary.grown():
            self.notary.sign(name)

    def prover(self) -> Prover:
        """Build the service that proves entries."""
        return Prover(self.notary, self.access_log, self.log_tree, self.checkpoints)

    def export(self) -> Export:
        """Build the service that exports logs."""
        return Export(self.access_log, self.log_search, self.prover())

    def review(self) -> Review:
        """Build the service that shows entries of the logs."""
        return Review(self.access_log, self.log_search)

    def recount(self) -> LogVerification:
        """Build the service that recomputes whole logs; it keeps faults in the folder of the signed checkpoints."""
        faults = Faults(self.settings.log.signed)
        return LogVerification(self.notary, self.access_log, self.log_search, faults, self.runtime.clock)

    def mailbox(self) -> MailAnchor:
        """Build the mailbox of the data-protection officer; raises what ``log_keeping.mailbox`` raises."""
        return mailbox(self.settings, self.runtime.clock)

    def _append(self, drafts: Sequence[Draft]) -> None:
        self.access_log.append(self.oversight.flags.mark(drafts))

    def _end_subscriptions(self, gate: Gate, libraries: Sequence[str], run: str) -> None:
        """End the subscriptions without a ground, if the settings let rrsync keep subscriptions."""
        if self.settings.registry.subscribe and not self.stop.is_set():
            self.registrar(gate).drain(libraries, Grounds(NIGHT, PURPOSE, run=run))

    def _remove_lapsed(self, libraries: Sequence[str]) -> None:
        """Remove lapsed desk answers and corrections; the members of the corrections become due."""
        self.desk_answers.sweep()
        self.corrections.lapse(libraries)


@contextmanager
def open_services(settings: Settings, runtime: Runtime | None = None) -> Iterator[Services]:
    """Yield the services on a database at the newest schema; close the database at the end.

    Raises:
        ConfigError: settings, keys, scope or schema cannot be used.
        StoreError: the database cannot be reached.
    """
    runtime = runtime or system_runtime()
    keys = Keyring.parse(read_keys(settings))
    sign = signer(read_signing_key(settings))
    seal = FieldCipher(keys, runtime.random)
    authorisations = {each.id: found for each in settings.library if (found := authorisation(each)) is not None}
    database = Database(settings.store.url)
    try:
        database.require_newest()
        rows, origins = RowCipher(seal), {each.id: origin(f"{each.sender}/{each.id}") for each in settings.library}
        ledger = AccessLog(database, seal, origins=origins, clock=runtime.clock, random=runtime.random)
        search, tiles, checkpoints = LogSearch(database), LogTree(database), Checkpoints(database, seal)
        forgetting = KeyDestruction(ledger, search, runtime.clock, database.scrub)

        def proof(library: str, old: int, new: int) -> Sequence[bytes]:
            return notary.proof(library, old, new)

        keepers = Anchors(anchors(settings, runtime.clock, proof, checkpoints), checkpoints, runtime.clock)
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
            clock=runtime.clock,
            note_terms=SettingsTerms(
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
            clock=runtime.clock,
            random=runtime.random,
        )
        members = Members(database, rows)
        members.require_ours()
        settlement = Settlement(ledger, rows, clock=runtime.clock)
        yield Services(
            settings=settings,
            runtime=runtime,
            stop=threading.Event(),
            database=database,
            members=members,
            holds=Holds(database, rows),
            access_log=ledger,
            runs=Runs(database),
            settlement=settlement,
            corrections=Corrections(database, ledger, rows, runtime.clock),
            desk_answers=DeskAnswers(database, ledger, rows, settlement, runtime.clock),
            subscriptions=Subscriptions(database, ledger, rows, clock=runtime.clock),
            authorisations=authorisations,
            log_search=search,
            log_tree=tiles,
            checkpoints=checkpoints,
            anchors=keepers,
            notary=notary,
            oversight=oversight,
            samples=oversight.samples,
            digests=oversight.digests,
            staff=oversight.staff,
            key_destruction=forgetting,
        )
    finally:
        database.close()


def shared_desk(services: Services) -> Callable[[], MemberRefresh]:
    """Return a function that builds the desk at its first call, and returns the same one after that.

    So pages that ask the register nothing work while its settings cannot be used.
    """
    building, built = threading.Lock(), list[MemberRefresh]()

    def desk() -> MemberRefresh:
        with building:
            if not built:
                built.append(services.desk())
            return built[0]

    return desk
