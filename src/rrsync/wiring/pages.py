"""What the pages need besides the rooms: who may come in, who is in, and how often they may ask."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING

from rrsync.config.load import oidc_secret, read_keys
from rrsync.core.roles import Grants
from rrsync.store.census import Census
from rrsync.store.finder import Finder
from rrsync.store.glass import Glasses
from rrsync.store.journal import Journal
from rrsync.store.quotas import Quotas
from rrsync.store.rows import Rows
from rrsync.store.seal import Keyring, Seal
from rrsync.store.sessions import Sessions
from rrsync.store.staff import mark_of
from rrsync.store.tickets import Tickets
from rrsync.store.worklist import Worklist
from rrsync.sync.counter import Counter
from rrsync.sync.outside import Outside
from rrsync.sync.refresh import Desk
from rrsync.wiring.serving import served

if TYPE_CHECKING:
    from collections.abc import Callable

    from rrsync.config.tables import Settings
    from rrsync.core.insz import Insz
    from rrsync.wiring.rooms import App
    from rrsync.wiring.serving import Served


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
    worklist: Worklist
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
        worklist=Worklist(app.database, app.holds),
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
