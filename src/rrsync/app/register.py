"""The way to the register, built from the settings: who we are to it, whom we believe, and how fast we ask.

Builds the pace of a process from the settings: one budget for all that share the database.

The certificates that the settings name, as who keeps rrsync running must know them: whose, what for, until when.

The grounds on which a library may ask: its authorisation, with the scope file that it names.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import structlog
from cryptography.x509 import Certificate
from cryptography.x509.oid import NameOID

from rrsync.anchor.mail import MailAnchor
from rrsync.app.log_keeping import mailbox
from rrsync.app.runtime import Chance
from rrsync.audit.alarm import Alarm
from rrsync.config.load import certificate_passphrase
from rrsync.config.settings import LibrarySettings, RegistrySettings, Settings
from rrsync.core.authorisation import Authorisation, Scope
from rrsync.core.rate_limit import Budget
from rrsync.errors import ConfigError
from rrsync.net.bounded_socket import Identity, tls
from rrsync.registry.certificates import certificates, identity, warning
from rrsync.registry.fields import known_paths
from rrsync.registry.pace import Pace
from rrsync.registry.services import PERSON, SUBSCRIBE, UNSUBSCRIBE
from rrsync.registry.signing import Signer
from rrsync.registry.soap import Client
from rrsync.registry.transport import ClockSkew
from rrsync.registry.verification import Verifier
from rrsync.store.engine import Database
from rrsync.store.limits import Shared


def authorisation(library: LibrarySettings) -> Authorisation | None:
    """Give a library's authorisation as the settings say it; ``None`` when they say none.

    Raises:
        ConfigError: its scope file cannot be read, or names what the register does not know.
    """
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


@dataclass(frozen=True, slots=True)
class Paper:
    """A certificate: ``client`` and ``signing`` are ours, ``trust`` may sign replies; ``state`` as ``rrsync check``."""

    use: str
    subject: str
    ends: datetime
    days: int
    state: str


def ours(registry: RegistrySettings, now: datetime) -> list[Paper]:
    """Give our certificate, once for each thing it is for; none, if the settings name none.

    Raises:
        ConfigError: it or its key cannot be used.
    """
    if registry.certificate is None:
        return []
    own = identity(registry.certificate, registry.private_key, certificate_passphrase()).certificate
    return [_paper(use, own, now) for use in ("client", "signing")[: 2 if registry.sign else 1]]


def trusted(registry: RegistrySettings, now: datetime) -> list[Paper]:
    """Give those that may sign replies, the one that lasts longest first: a new one may stand beside the old.

    Raises:
        ConfigError: they cannot be read.
    """
    if registry.trust is None:
        return []
    found = [_paper("trust", each, now) for each in certificates(registry.trust)]
    return sorted(found, key=lambda paper: paper.ends, reverse=True)


def _paper(use: str, of: Certificate, now: datetime) -> Paper:
    ends = of.not_valid_after_utc
    days = (ends.date() - now.date()).days if ends >= now else -1
    names = of.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    subject = str(names[0].value) if names else of.subject.rfc4514_string()
    return Paper(use, subject, ends, days, warning(days)[0])


#: There is one night at a time (the lease), so the next one takes over what a dead one claimed.
_NIGHT: Final = "night"


def pace(settings: Settings, database: Database, luck: Chance, *, sleep: Callable[[float], object], desk: bool) -> Pace:
    """Give the pace of a night, or of a ``desk`` where a person waits."""
    registry = settings.registry
    return Pace(
        Budget(registry.max_per_second, registry.max_in_flight, registry.deadline_s),
        sleep=sleep,
        clock=luck.stopwatch or time.monotonic,
        share=Shared(database, luck.stopwatch),
        who=luck.new_reference() if desk else _NIGHT,
        desk=desk,
    )


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
        dated=ClockSkew(luck.clock).check,
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
