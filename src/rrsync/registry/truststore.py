"""Who may sign a reply: certificates by name, and authorities of which any certificate will do."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store, VerificationError

from rrsync.registry.certificates import certificates, is_strong

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from cryptography.x509.verification import Policy


@dataclass(frozen=True, slots=True)
class TrustStore:
    """The certificates that are trusted to sign; the ``authorities`` among them may issue others."""

    pinned: frozenset[x509.Certificate]
    authorities: tuple[x509.Certificate, ...]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a PEM file.

        Raises:
            ConfigError: it cannot be read, or holds no certificate.
        """
        found = certificates(path)
        return cls(frozenset(found), tuple(each for each in found if _is_authority(each)))

    def doubts(self, chain: Sequence[x509.Certificate], now: datetime) -> str | None:
        """Give why the first of a chain may not sign now, or ``None``; the others may lead to an authority."""
        with suppress(ValueError, UnsupportedAlgorithm):
            return self._doubts(chain, now)
        return "by a certificate that cannot be used"

    def _doubts(self, chain: Sequence[x509.Certificate], now: datetime) -> str | None:
        signer = chain[0]
        if not signer.not_valid_before_utc <= now <= signer.not_valid_after_utc:
            return "by a certificate that does not count now"
        if not is_strong(signer.public_key()):
            return "with a key that is too weak"
        if signer in self.pinned or self._leads_here(chain, now):
            return None
        return "by somebody who is not in the trust store"

    def _leads_here(self, chain: Sequence[x509.Certificate], now: datetime) -> bool:
        """Whether an authority of the store issued the first of a chain, directly or through the others (RFC 5280)."""
        if not self.authorities:
            return False
        signers = ExtensionPolicy.permit_all().may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _may_sign)
        issuers = ExtensionPolicy.webpki_defaults_ca()
        builder = PolicyBuilder().store(Store(list(self.authorities))).time(now)
        verifier = builder.extension_policies(ca_policy=issuers, ee_policy=signers).build_client_verifier()
        try:
            verifier.verify(chain[0], list(chain[1:]))
        except VerificationError:
            return False
        return True


def _may_sign(_: Policy, __: x509.Certificate, usage: x509.KeyUsage | None) -> None:
    if usage is not None and not (usage.digital_signature or usage.content_commitment):
        raise ValueError("its key may not sign")


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False
