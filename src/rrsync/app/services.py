"""What the pages need besides the rooms: who may come in, who is in, and how often they may ask.

What library systems are served with: their keys, calls done once, the feed of changes, and whom to tell of them.

Builds who recomputes logs for somebody, at a command or at the pages.

The rooms, built from the settings: everything a door needs.
"""

from __future__ import annotations

import base64
import binascii
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from threading import Lock
from typing import Final

from rrsync.anchor.local_state import Faults, LastSigned
from rrsync.anchor.mail import MailAnchor
from rrsync.app.log_keeping import anchors, limits, mailbox, signer, terms
from rrsync.app.register import alarm, authorisation, client, pace, remind
from rrsync.app.runtime import Chance, chance
from rrsync.audit.anchoring import Keepers
from rrsync.audit.export import Export, Prover
from rrsync.audit.key_destruction import Forgetting
from rrsync.audit.notary import Notary
from rrsync.audit.oversight import Oversight, Terms
from rrsync.audit.review import Recount, Review
from rrsync.config.load import oidc_secret, read_keys, read_signing_key, webhook_secret
from rrsync.config.settings import Settings
from rrsync.core.authorisation import Authorisation
from rrsync.core.brakes import Limits
from rrsync.core.insz import Insz
from rrsync.core.log_entry import JSON, Draft
from rrsync.core.roles import Grants
from rrsync.core.signed_note import origin
from rrsync.errors import ConfigError
from rrsync.registry.evidence import Keep
from rrsync.registry.gate import Gate
from rrsync.registry.pace import Pace
from rrsync.store.access_log import Ledger
from rrsync.store.api_keys import ApiKeys, Repeats
from rrsync.store.break_glass import Glasses
from rrsync.store.change_feed import Feed, Hooks
from rrsync.store.checkpoints import Checkpoints
from rrsync.store.corrections import Corrections
from rrsync.store.desk_answers import Offers
from rrsync.store.encryption import Keyring, Seal
from rrsync.store.engine import Database
from rrsync.store.holds import Holds
from rrsync.store.limits import Quotas
from rrsync.store.log_search import Search
from rrsync.store.log_tree import Tiles
from rrsync.store.member_search import Finder
from rrsync.store.members import Members
from rrsync.store.reports import Census, Journal
from rrsync.store.rows import Rows
from rrsync.store.runs import Runs
from rrsync.store.sessions import Sessions, Tickets
from rrsync.store.settlement import Settlement
from rrsync.store.staff import mark_of
from rrsync.store.subscriptions import Subscriptions
from rrsync.sync.desk import Counter, Outside
from rrsync.sync.hold_decisions import Renumber
from rrsync.sync.night import NIGHT, PURPOSE, Night, Watch
from rrsync.sync.refresh import Desk
from rrsync.sync.subscriptions import Grounds, Registrar

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
            at_once=registry.max_in_flight,
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


def recount(app: App) -> Recount:
    """Build it; what it finds is kept in the folder of the last checkpoint signed."""
    return Recount(app.notary, app.ledger, app.search, Faults(app.settings.log.signed), app.chance.clock)


_PREFIX: Final = "whsec_"
_BYTES: Final = range(24, 65)


@dataclass(frozen=True, slots=True)
class Hook:
    """Where a library system is told of changes, and the secrets that sign it: the new one first, while one changes."""

    library: str
    url: str
    secrets: tuple[bytes, ...] = field(repr=False)
    ca: str = ""


@dataclass(frozen=True, slots=True)
class Served:
    """All that library systems are served with; ``targets`` are the hooks of the settings, by library."""

    keys: ApiKeys
    repeats: Repeats
    feed: Feed
    hooks: Hooks
    targets: Mapping[str, Hook]


def served(app: App, seal: Seal) -> Served:
    """Build it.

    Raises:
        ConfigError: a hook's secret is missing, or is none.
    """
    database, luck = app.database, app.chance
    return Served(
        keys=ApiKeys(database, seal, app.ledger, luck.clock, luck.random),
        repeats=Repeats(database, seal, luck.clock),
        feed=Feed(database, Rows(seal)),
        hooks=Hooks(database, luck.clock, luck.random),
        targets=hooks(app.settings),
    )


def hooks(settings: Settings) -> dict[str, Hook]:
    """Give the hooks that the settings name.

    Raises:
        ConfigError: one's secret is missing, or is none; it is not shown.
    """
    return {
        each.id: Hook(each.id, each.webhook, _secrets(each.id), str(each.webhook_ca or ""))
        for each in settings.library
        if each.webhook
    }


def _secrets(library: str) -> tuple[bytes, ...]:
    try:
        words = webhook_secret(library).split()
        found = tuple(base64.b64decode(word.removeprefix(_PREFIX), validate=True) for word in words)
    except (binascii.Error, ValueError):
        found = ()
    if not found or any(len(secret) not in _BYTES for secret in found):
        raise ConfigError(
            f"There is no usable secret for the webhook of {library}",
            kept="The pages were not started",
            todo=f"Give whsec_ and 24 to 64 bytes in base64 as the systemd credential rrsync.webhook.{library} or as "
            f"RRSYNC_WEBHOOK_{library.upper().replace('-', '_')}",
        )
    return found


@dataclass(frozen=True, slots=True)
class Entrance:
    """Sessions, limits, what claims are worth, the provider's secret; ``mark`` keys a library's staff's own number."""

    sessions: Sessions
    quotas: Quotas
    grants: Grants | None
    secret: str
    mark: Callable[[str, Insz], bytes]
    tickets: Tickets
    journal: Journal
    census: Census
    finder: Finder
    served: Served
    worklist: Holds
    counter: Counter
    outside: Outside


def entrance(app: App) -> Entrance:
    """Build the entrance.

    Raises:
        ConfigError: the keys or the provider's secret cannot be read.
    """
    luck = app.chance
    seal = Seal(Keyring.parse(read_keys(app.settings)), luck.random)
    rows, desk = Rows(seal), _desk(app)
    finder = Finder(app.database, rows)
    return Entrance(
        sessions=Sessions(app.database, seal, luck.clock, luck.random),
        quotas=Quotas(app.database, app.settings.web.limits.limits, luck.clock),
        grants=grants(app.settings),
        secret=oidc_secret() if app.settings.web.oidc else "",
        mark=partial(mark_of, seal),
        tickets=Tickets(seal, luck.clock, production=app.production),
        journal=Journal(app.database, luck.clock, [each.id for each in app.settings.library]),
        census=Census(app.database),
        finder=finder,
        served=served(app, seal),
        worklist=app.holds,
        counter=Counter(
            desk=desk,
            offers=app.offers,
            corrections=app.corrections,
            mark=app.oversight.flags.mark,
            clock=luck.clock,
        ),
        outside=Outside(
            desk=desk,
            glasses=Glasses(app.database, app.ledger, rows, clock=luck.clock),
            ledger=app.ledger,
            member=finder.numbered,
            clock=luck.clock,
            per_month=app.settings.web.outside_per_month,
        ),
    )


def _desk(app: App) -> Callable[[], Desk]:
    """Give what gives the one desk of the pages, at one pace, built when it is first wanted.

    Pages that ask nothing are there also while the register's settings cannot be used.
    """
    building, built = Lock(), list[Desk]()

    def desk() -> Desk:
        with building:
            if not built:
                built.append(app.desk(app.pace(desk=True)))
            return built[0]

    return desk


def grants(settings: Settings) -> Grants | None:
    """Give what the provider's claims are worth; ``None`` without a provider."""
    said = settings.web.oidc
    if said is None:
        return None
    return Grants(
        roles=said.roles,
        libraries={each.organisation: each.id for each in settings.library if each.organisation},
        role_claim=said.role_claim,
        house=settings.web.organisation,
        name_claim=said.name_claim,
        organisation_claim=said.organisation_claim,
        number_claim=said.number_claim,
    )
