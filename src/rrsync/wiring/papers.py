"""The certificates that the settings name, as who keeps rrsync running must know them: whose, what for, until when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.x509.oid import NameOID

from rrsync.config.load import certificate_passphrase
from rrsync.registry.certificates import certificates, identity, warning

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography.x509 import Certificate

    from rrsync.config.registry import RegistrySettings


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
