"""The services that only the pages and the API need, beside those of ``rrsync.app.services``."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Final

from rrsync.app.services import Services, shared_desk
from rrsync.config.load import oidc_secret, read_keys, webhook_secret
from rrsync.config.settings import Settings
from rrsync.core.insz import Insz
from rrsync.core.roles import Grants
from rrsync.errors import ConfigError
from rrsync.store.api_keys import ApiKeys, IdempotentCalls
from rrsync.store.break_glass import BreakGlassRequests
from rrsync.store.change_feed import ChangeFeed, WebhookDeliveries
from rrsync.store.encryption import FieldCipher, Keyring
from rrsync.store.limits import DeskQuotas
from rrsync.store.member_search import MemberSearch
from rrsync.store.reports import OperatingCounts, RunHistory
from rrsync.store.rows import RowCipher
from rrsync.store.sessions import SearchTokens, Sessions
from rrsync.store.staff import staff_mark
from rrsync.sync.desk import DeskService, OutsideQueries

_PREFIX: Final = "whsec_"
_SECRET_BYTES: Final = range(24, 65)


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """The webhook of a library system, and the secrets that sign it: the new one first, while one is replaced."""

    library: str
    url: str
    secrets: tuple[bytes, ...] = field(repr=False)
    ca: str = ""


@dataclass(frozen=True, slots=True)
class WebServices(Services):
    """All services of the pages and the API.

    ``grants`` maps the claims of the identity provider to roles; it is ``None`` without a provider. ``staff_mark``
    returns the keyed value of a staff member's own national number. ``webhooks`` are by library.
    """

    sessions: Sessions
    search_tokens: SearchTokens
    quotas: DeskQuotas
    grants: Grants | None
    oidc_secret: str
    staff_mark: Callable[[str, Insz], bytes]
    run_history: RunHistory
    operating_counts: OperatingCounts
    member_search: MemberSearch
    desk_service: DeskService
    break_glass: BreakGlassRequests
    outside_queries: OutsideQueries
    api_keys: ApiKeys
    idempotency: IdempotentCalls
    change_feed: ChangeFeed
    webhook_deliveries: WebhookDeliveries
    webhooks: Mapping[str, WebhookTarget]


def web_services(services: Services) -> WebServices:
    """Build the services of the pages on services that are open.

    Raises:
        ConfigError: the keys cannot be read, or the secret of the provider or of a webhook is missing or unusable.
    """
    settings, database, runtime = services.settings, services.database, services.runtime
    clock, random, ledger = runtime.clock, runtime.random, services.access_log
    seal = FieldCipher(Keyring.parse(read_keys(settings)), random)
    rows, desk = RowCipher(seal), shared_desk(services)
    finder, glasses = MemberSearch(database, rows), BreakGlassRequests(database, ledger, rows, clock=clock)
    return WebServices(
        **{each.name: getattr(services, each.name) for each in fields(Services)},
        sessions=Sessions(database, seal, clock, random),
        search_tokens=SearchTokens(seal, clock, production=services.production),
        quotas=DeskQuotas(database, settings.web.limits.limits, clock),
        grants=grants(settings),
        oidc_secret=oidc_secret() if settings.web.oidc else "",
        staff_mark=partial(staff_mark, seal),
        run_history=RunHistory(database, clock, [each.id for each in settings.library]),
        operating_counts=OperatingCounts(database),
        member_search=finder,
        desk_service=DeskService(
            desk=desk,
            offers=services.desk_answers,
            corrections=services.corrections,
            mark=services.oversight.flags.mark,
            clock=clock,
        ),
        break_glass=glasses,
        outside_queries=OutsideQueries(
            desk=desk,
            glasses=glasses,
            ledger=ledger,
            member=finder.numbered,
            clock=clock,
            per_month=settings.web.outside_per_month,
        ),
        api_keys=ApiKeys(database, seal, ledger, clock, random),
        idempotency=IdempotentCalls(database, seal, clock),
        change_feed=ChangeFeed(database, rows),
        webhook_deliveries=WebhookDeliveries(database, clock, random),
        webhooks=_webhooks(settings),
    )


def grants(settings: Settings) -> Grants | None:
    """Return the roles that the claims of the provider grant; ``None`` without a provider."""
    oidc = settings.web.oidc
    if oidc is None:
        return None
    return Grants(
        roles=oidc.roles,
        libraries={each.organisation: each.id for each in settings.library if each.organisation},
        role_claim=oidc.role_claim,
        house=settings.web.organisation,
        name_claim=oidc.name_claim,
        organisation_claim=oidc.organisation_claim,
        number_claim=oidc.number_claim,
    )


def _webhooks(settings: Settings) -> dict[str, WebhookTarget]:
    return {
        each.id: WebhookTarget(each.id, each.webhook, _secrets(each.id), str(each.webhook_ca or ""))
        for each in settings.library
        if each.webhook
    }


def _secrets(library: str) -> tuple[bytes, ...]:
    """Return the secrets of a library's webhook.

    Raises:
        ConfigError: one is missing, or unusable; it is not shown.
    """
    try:
        texts = webhook_secret(library).split()
        found = tuple(base64.b64decode(text.removeprefix(_PREFIX), validate=True) for text in texts)
    except (binascii.Error, ValueError):
        found = ()
    if not found or any(len(secret) not in _SECRET_BYTES for secret in found):
        raise ConfigError(
            f"There is no usable secret for the webhook of {library}",
            kept="The pages were not started",
            todo=f"Give whsec_ and 24 to 64 bytes in base64 as the systemd credential rrsync.webhook.{library} or as "
            f"RRSYNC_WEBHOOK_{library.upper().replace('-', '_')}",
        )
    return found
