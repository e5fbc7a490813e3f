"""What the pages need besides the rooms: who may come in, who is in, and how often they may ask."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from rrsync.config.load import oidc_secret, read_keys
from rrsync.core.roles import Grants
from rrsync.store.quotas import Quotas
from rrsync.store.seal import Keyring, Seal
from rrsync.store.sessions import Sessions
from rrsync.store.staff import mark_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from rrsync.config.tables import Settings
    from rrsync.core.insz import Insz
    from rrsync.wiring.rooms import App


@dataclass(frozen=True, slots=True)
class Entrance:
    """Sessions, limits, what claims are worth, the provider's secret; ``mark`` keys a library's staff's own number."""

    sessions: Sessions
    quotas: Quotas
    grants: Grants | None
    secret: str
    mark: Callable[[str, Insz], bytes]


def entrance(app: App) -> Entrance:
    """Build the entrance.

    Raises:
        ConfigError: the keys or the provider's secret cannot be read.
    """
    luck = app.chance
    seal = Seal(Keyring.parse(read_keys(app.settings)), luck.random)
    return Entrance(
        sessions=Sessions(app.database, seal, luck.clock, luck.random),
        quotas=Quotas(app.database, app.settings.web.limits.limits, luck.clock),
        grants=grants(app.settings),
        secret=oidc_secret() if app.settings.web.oidc else "",
        mark=partial(mark_of, seal),
    )


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
