"""The way to the register, built from the settings: who we are to it, whom we believe, and how fast we ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from rrsync.audit.alarm import Alarm
from rrsync.config.load import certificate_passphrase
from rrsync.errors import ConfigError
from rrsync.registry.certificates import identity, warning
from rrsync.registry.line import tls
from rrsync.registry.services import PERSON, SUBSCRIBE, UNSUBSCRIBE
from rrsync.registry.signature import Signer
from rrsync.registry.skew import Skew
from rrsync.registry.soap import Client
from rrsync.registry.verify import Verifier
from rrsync.wiring.keeping import mailbox

if TYPE_CHECKING:
    from rrsync.anchor.mail import MailAnchor
    from rrsync.config.tables import Settings
    from rrsync.registry.certificates import Identity
    from rrsync.wiring.chance import Chance

_NOTHING: Final = "Nothing was sent"

log = structlog.get_logger()


def client(settings: Settings, luck: Chance) -> Client:
    """Give the client of MAGDA's services, each at its own address.

    Raises:
        ConfigError: the settings do not let the register be asked, or name what cannot be used.
    """
    registry = settings.registry
    _refuse_unready(settings)
    who = _identity(settings) if registry.certificate is not None else None
    if who is not None and not who.valid(luck.clock()):
        raise ConfigError(
            f"The client certificate counts from {who.begins:%Y-%m-%d} to {who.ends:%Y-%m-%d}, and not now",
            kept=_NOTHING,
            todo="Put the new one in place; `rrsync check` says when it ends",
        )
    signer = None
    if registry.sign and who is not None:
        signer = Signer(who, algorithm=registry.signature, token=registry.token, new_id=luck.new_reference)
    repertory = (SUBSCRIBE[registry.repertory], UNSUBSCRIBE[registry.repertory]) if registry.subscribe else ()
    services = (PERSON, *repertory)
    return Client(
        {each.operation: registry.address(each.operation, each.domain) for each in services},
        context=tls(who, str(registry.ca or ""), random=luck.random),
        deadline_s=registry.deadline_s,
        sign=None if signer is None else signer.sign,
        verify=Verifier(registry.verify, registry.trust, luck.clock).verified,
        dated=Skew(luck.clock).look,
    )


def remind(settings: Settings, luck: Chance) -> None:
    """Say in the operational log that the client certificate ends within sixty days, as ``rrsync check`` does."""
    if settings.registry.certificate is not None:
        days = (_identity(settings).ends - luck.clock()).days
        if warning(days)[0] != "ok":
            log.warning("certificate.ends", count=days)


def alarm(settings: Settings, luck: Chance) -> Alarm:
    """Give what tells the data-protection officer at once."""

    def to() -> MailAnchor | None:
        return mailbox(settings, luck.clock) if any(each.kind == "mail" for each in settings.log.anchor) else None

    return Alarm(to, settings.language)


def _identity(settings: Settings) -> Identity:
    registry = settings.registry
    assert registry.certificate is not None  # noqa: S101 — asked for only where the settings name one
    return identity(registry.certificate, registry.private_key, certificate_passphrase())


def _refuse_unready(settings: Settings) -> None:
    """Ask nobody real without an anchor of the log, nor without what MAGDA wants of every message."""
    registry = settings.registry
    if registry.environment == "simulator":
        return
    where = f"The {registry.environment} register"
    if not settings.log.anchor:
        raise ConfigError(
            f"{where} may not be asked while the access log has no anchor",
            kept=_NOTHING,
            todo="Name at least one [[log.anchor]] in the settings: a file elsewhere, a mail, or a witness",
        )
    if not registry.sign:
        raise ConfigError(
            f"{where} takes signed messages only",
            kept=_NOTHING,
            todo="Set sign = true in the settings, with MAGDA's certificate and its key",
        )
