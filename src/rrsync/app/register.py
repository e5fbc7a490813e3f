"""Builds from the settings what calls to the register need.

These are the authorisation of a library with its scope file, the pace of the calls, the SOAP client with our
certificate and those that we trust, and the alarm to the data-protection officer.
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
from rrsync.app.runtime import Runtime
from rrsync.audit.alarm import Alarm
from rrsync.config.load import certificate_passphrase
from rrsync.config.settings import LibrarySettings, RegistrySettings, Settings
from rrsync.core.authorisation import Authorisation, Scope
from rrsync.core.rate_limit import Budget
from rrsync.errors import ConfigError
from rrsync.net.bounded_socket import Identity, tls
from rrsync.registry.certificates import certificates, identity, warning
from rrsync.registry.fields import known_paths
from rrsync.registry.pace import RateLimiter
from rrsync.registry.request import PERSON, SUBSCRIBE, UNSUBSCRIBE
from rrsync.registry.signing import Signer
from rrsync.registry.soap import ClockSkew, SoapClient
from rrsync.registry.verification import Verifier
from rrsync.store.engine import Database
from rrsync.store.limits import SharedRateLimit

_NOTHING: Final = "Nothing was sent"
#: The name under which nightly runs share the rate limit. Only one runs at a time, so it takes over a dead one's calls.
_NIGHT: Final = "night"

log = structlog.get_logger()


def authorisation(library: LibrarySettings) -> Authorisation | None:
    """Return the authorisation of a library; ``None`` when the settings name none.

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
class CertificateState:
    """A certificate: its ``use`` (``client``, ``signing``, ``trust``), and its ``state`` as in ``rrsync check``."""

    use: str
    subject: str
    ends: datetime
    days: int
    state: str


def own_certificates(registry: RegistrySettings, now: datetime) -> list[CertificateState]:
    """Return our certificate, once for each use; nothing when the settings name none.

    Raises:
        ConfigError: it or its key cannot be used.
    """
    if registry.certificate is None:
        return []
    own = identity(registry.certificate, registry.private_key, certificate_passphrase()).certificate
    return [_state(use, own, now) for use in ("client", "signing")[: 2 if registry.sign else 1]]


def trusted_certificates(registry: RegistrySettings, now: datetime) -> list[CertificateState]:
    """Return the certificates that may sign replies, the last to expire first: a new one may stand beside the old.

    Raises:
        ConfigError: they cannot be read.
    """
    if registry.trust is None:
        return []
    found = [_state("trust", each, now) for each in certificates(registry.trust)]
    return sorted(found, key=lambda each: each.ends, reverse=True)


def _state(use: str, certificate: Certificate, now: datetime) -> CertificateState:
    ends = certificate.not_valid_after_utc
    days = (ends.date() - now.date()).days if ends >= now else -1
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    subject = str(names[0].value) if names else certificate.subject.rfc4514_string()
    return CertificateState(use, subject, ends, days, warning(days)[0])


def pace(
    settings: Settings, database: Database, runtime: Runtime, *, sleep: Callable[[float], object], desk: bool
) -> RateLimiter:
    """Build the pace of a nightly run, or of a ``desk``; all processes on a database share one rate limit."""
    registry = settings.registry
    return RateLimiter(
        Budget(registry.max_per_second, registry.max_in_flight, registry.deadline_s),
        sleep=sleep,
        clock=runtime.stopwatch or time.monotonic,
        share=SharedRateLimit(database, runtime.stopwatch),
        who=runtime.new_reference() if desk else _NIGHT,
        desk=desk,
    )


def client(settings: Settings, runtime: Runtime) -> SoapClient:
    """Build the client of MAGDA's services, each at its own address.

    Raises:
        ConfigError: the settings do not allow calls to the register, or something that they name cannot be used.
    """
    registry = settings.registry
    _require_ready(settings)
    who = _identity(settings) if registry.certificate is not None else None
    if who is not None and not who.valid(runtime.clock()):
        raise ConfigError(
            f"The client certificate counts from {who.begins:%Y-%m-%d} to {who.ends:%Y-%m-%d}, and not now",
            kept=_NOTHING,
            todo="Put the new one in place; `rrsync check` says when it ends",
        )
    signer = None
    if registry.sign and who is not None:
        signer = Signer(who, algorithm=registry.signature, token=registry.token, new_id=runtime.new_reference)
    repertory = (SUBSCRIBE[registry.repertory], UNSUBSCRIBE[registry.repertory]) if registry.subscribe else ()
    services = (PERSON, *repertory)
    verifier = Verifier(registry.verify, registry.trust, runtime.clock)
    return SoapClient(
        {each.operation: registry.address(each.operation, each.domain) for each in services},
        context=tls(who, str(registry.ca or ""), random=runtime.random),
        deadline_s=registry.deadline_s,
        sign=None if signer is None else signer.sign,
        verify=verifier.verified if registry.verify != "never" else None,
        dated=ClockSkew(runtime.clock).check,
    )


def warn_of_expiry(settings: Settings, runtime: Runtime) -> None:
    """Warn in the operational log when the client certificate expires soon, by the days of ``rrsync check``."""
    if settings.registry.certificate is not None:
        days = (_identity(settings).ends - runtime.clock()).days
        if warning(days)[0] != "ok":
            log.warning("certificate.ends", count=days)


def alarm(settings: Settings, runtime: Runtime) -> Alarm:
    """Build the alarm, which mails the data-protection officer at once."""

    def officer() -> MailAnchor | None:
        return mailbox(settings, runtime.clock) if any(each.kind == "mail" for each in settings.log.anchor) else None

    return Alarm(officer, settings.language)


def _identity(settings: Settings) -> Identity:
    registry = settings.registry
    assert registry.certificate is not None  # noqa: S101 — asked for only where the settings name one
    return identity(registry.certificate, registry.private_key, certificate_passphrase())


def _require_ready(settings: Settings) -> None:
    """Refuse calls to a real register without an anchor of the log, or without signed messages."""
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
