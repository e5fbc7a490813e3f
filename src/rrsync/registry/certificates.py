"""The dates of a client certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509

from rrsync.errors import ConfigError

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path


def expiry(path: Path) -> date:
    """Give the last day of the first certificate in a PEM file.

    Raises:
        ConfigError: the file cannot be read, or holds no certificate.
    """
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as error:
        raise ConfigError(
            f"The certificate {path.name} cannot be read", todo="Check the file and its rights"
        ) from error
    except ValueError as error:
        raise ConfigError(f"{path.name} holds no PEM certificate", todo="Put the certificate in it, as PEM") from error
    return certificate.not_valid_after_utc.date()
