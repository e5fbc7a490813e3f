"""Our certificate and its private key, read from PEM or PKCS#12, and when the certificate expires.

1. The key must belong to the certificate and be strong: RSA of at least 2048 bits, or a curve of at least 256.
2. The content decides whether a file is PEM or PKCS#12, not its name. Of a chain only our certificate and its issuers
   are kept, ours first.
3. An error names the file alone, never a passphrase or a part of a key.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key, pkcs12

from rrsync.errors import ConfigError
from rrsync.net.bounded_socket import Identity

MIN_RSA_BITS: Final = 2048
MIN_CURVE_BITS: Final = 256

_PEM: Final = b"-----BEGIN "
_NONE: Final = "Nothing was asked"
_WRONG: Final = "The passphrase does not open {name}, or the file is damaged"
_UNLOCK: Final = "Give the passphrase as the credential rrsync.certificate, or in RRSYNC_CERTIFICATE_PASSPHRASE"


def identity(certificate: Path, private_key: Path | None, passphrase: str) -> Identity:
    """Read our certificate and its key, from PEM (the key in the same file or another) or PKCS#12.

    Raises:
        ConfigError: a file cannot be read or is neither, the passphrase is wrong or missing, or the key is weak, absent
            or of another certificate.
    """
    data = _read(certificate)
    if _PEM not in data:
        key, found = _packed(data, passphrase, certificate.name)
    else:
        key_file = private_key or certificate
        key = _key(data if private_key is None else _read(private_key), passphrase, key_file.name)
        found = _certificates(data, certificate.name)
    if not is_strong(key.public_key()) or not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        what = f"The key of {certificate.name} is too weak, or of a kind that MAGDA does not take"
        raise _error(what, f"Ask for a certificate with an RSA key of {MIN_RSA_BITS} bits at least")
    own = [each for each in found if spki(each.public_key()) == spki(key.public_key())]
    if not own:
        what = f"The private key is not that of a certificate in {certificate.name}"
        raise _error(what, "Put the key beside the certificate that was issued for it")
    return Identity(key, _chain(max(own, key=lambda each: each.not_valid_after_utc), found))


def certificates(path: Path) -> tuple[x509.Certificate, ...]:
    """Read the certificates of a PEM file, in their order.

    Raises:
        ConfigError: the file cannot be read, or holds no certificate.
    """
    return _certificates(_read(path), path.name)


def is_strong(key: PublicKeyTypes) -> bool:
    """Whether a key is RSA of 2048 bits at least, or on a curve of 256 at least."""
    if isinstance(key, rsa.RSAPublicKey):
        return key.key_size >= MIN_RSA_BITS
    return isinstance(key, ec.EllipticCurvePublicKey) and key.key_size >= MIN_CURVE_BITS


def spki(key: PublicKeyTypes) -> bytes:
    """Return a public key as bytes that are equal for equal keys."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def warning(days_left: int) -> tuple[str, str]:
    """Return the severity of a certificate's expiry (``ok``, ``warning`` or ``fault``) and what to do.

    It changes 60, 30, 14 and 7 days before the expiry, and after it. A certificate is replaced, never extended (MAGDA
    fact sheet §6).

    >>> warning(30)
    ('warning', 'ask for a new one now')
    """
    if days_left < 0:
        return "fault", "ask for a new one; nothing works until it is there"
    for days, todo in _TODO:
        if days_left <= days:
            return "warning", todo
    return "ok", ""


_TODO: Final = (
    (7, "URGENT: in a week nothing works any more; put the new one in place today"),
    (14, "put the new one in place this week"),
    (30, "ask for a new one now"),
    (60, "plan to ask for a new one"),
)


def _error(what: str, todo: str) -> ConfigError:
    return ConfigError(what, kept=_NONE, todo=todo)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _error(f"The certificate or key {path.name} cannot be read", "Check the file and its rights") from error


def _certificates(data: bytes, name: str) -> tuple[x509.Certificate, ...]:
    try:
        return tuple(x509.load_pem_x509_certificates(data))
    except ValueError as error:
        raise _error(f"{name} holds no PEM certificate", "Put the certificate in it, as PEM") from error


def _key(data: bytes, passphrase: str, name: str) -> PrivateKeyTypes:
    if b"PRIVATE KEY-----" not in data:
        raise _error(f"{name} holds no private key", "Name the key's file as private_key in the settings, as PEM")
    is_locked = b"ENCRYPTED" in data
    if is_locked and not passphrase:
        raise _error(f"The private key in {name} has a passphrase, and none was given", _UNLOCK)
    with suppress(ValueError, TypeError, UnsupportedAlgorithm):
        return load_pem_private_key(data, passphrase.encode() if is_locked else None)
    raise _error(_WRONG.format(name=name), _UNLOCK if is_locked else "Restore it, as PEM")


def _packed(data: bytes, passphrase: str, name: str) -> tuple[PrivateKeyTypes, tuple[x509.Certificate, ...]]:
    """Read PKCS#12."""
    found = None
    for word in (passphrase,) if passphrase else (None, ""):  # without one, both ways are in use
        with suppress(ValueError, UnsupportedAlgorithm):
            found = pkcs12.load_pkcs12(data, None if word is None else word.encode())
            break
    if found is None and not data.startswith(b"\x30"):
        raise _error(f"{name} holds neither PEM nor PKCS#12", "Put the certificate in it, as one of the two")
    if found is None:
        raise _error(_WRONG.format(name=name), _UNLOCK)
    if found.key is None or found.cert is None:
        raise _error(f"{name} holds no private key with its certificate", "Export it again, with the key")
    return found.key, (found.cert.certificate, *(each.certificate for each in found.additional_certs))


def _chain(own: x509.Certificate, found: Sequence[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    """Return a certificate followed by those of its issuers that were found."""
    chain = [own]
    while issuer := next((each for each in found if each not in chain and _issued(each, chain[-1])), None):
        chain.append(issuer)
    return tuple(chain)


def _issued(issuer: x509.Certificate, issued: x509.Certificate) -> bool:
    try:
        issued.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True
