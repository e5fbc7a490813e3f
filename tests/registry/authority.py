"""A small authority: certificates of every kind, good and bad, and their keys, made once for all tests."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Final, Literal, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import NameOID

from rrsync.net.bounded_socket import Identity
from tests.registry.scene import NOW

Kind: TypeAlias = Literal["rsa", "weak", "ec", "small"]
Key: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

DAY: Final = timedelta(days=1)


@cache
def key(name: str, kind: Kind = "rsa") -> Key:
    """Return the key of this name, the same in every test of a process."""
    if kind == "ec":
        return ec.generate_private_key(ec.SECP256R1())
    if kind == "small":
        return ec.generate_private_key(ec.SECP224R1())
    return rsa.generate_private_key(65537, 2048 if kind == "rsa" else 1024)


@dataclass(frozen=True)
class Paper:
    """A certificate, its key, and who issued it."""

    issued: x509.Certificate
    key: Key
    issuer: Paper | None = field(default=None, repr=False)

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """The certificate and those of its issuers."""
        return (self.issued, *(self.issuer.chain if self.issuer else ()))

    @property
    def identity(self) -> Identity:
        """The paper as we hold our own."""
        return Identity(self.key, self.chain)

    @property
    def pem(self) -> bytes:
        """The certificate."""
        return self.issued.public_bytes(Encoding.PEM)

    def secret(self, passphrase: str = "") -> bytes:
        """Return the key."""
        locked = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked)

    def packed(self, passphrase: str = "") -> bytes:
        """Return all of it as PKCS#12."""
        locked = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
        return pkcs12.serialize_key_and_certificates(b"rrsync", self.key, self.issued, self.chain[1:], locked)

    def save(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Write the chain and the key."""
        certificate, secret = folder / f"{name}.pem", folder / f"{name}.key"
        certificate.write_bytes(b"".join(each.public_bytes(Encoding.PEM) for each in self.chain))
        secret.write_bytes(self.secret())
        return certificate, secret


def issue(
    name: str,
    issuer: Paper | None = None,
    *,
    now: datetime = NOW,
    begins: timedelta = -DAY,
    ends: timedelta = 365 * DAY,
    is_ca: bool = False,
    kind: Kind = "rsa",
    host: str = "127.0.0.1",
    secret: Key | None = None,
    may_sign: bool = True,
) -> Paper:
    """Issue a certificate, by nobody else if there is no issuer; its dates are counted from ``now``."""
    own = secret or key(name, kind)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signing = issuer.key if issuer else own
    usage = dict.fromkeys(
        ("content_commitment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only"), False
    ) | {
        "digital_signature": may_sign and not is_ca,
        "key_encipherment": not is_ca,
        "key_cert_sign": is_ca,
        "crl_sign": is_ca,
    }
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.issued.subject if issuer else subject)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begins)
        .not_valid_after(now + ends)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]), critical=False)
        .sign(signing, hashes.SHA256())
    )
    return Paper(built, own, issuer)


@cache
def root(name: str = "root") -> Paper:
    """Return an authority that issued itself."""
    return issue(name, is_ca=True, begins=-3650 * DAY, ends=3650 * DAY)


@cache
def middle() -> Paper:
    """Return the authority below ``root`` that issues."""
    return issue("middle", root(), is_ca=True, begins=-1000 * DAY, ends=1000 * DAY)


@cache
def ours() -> Paper:
    """Return our own certificate."""
    return issue("rrsync", middle())


@cache
def magda() -> Paper:
    """Return the certificate that signs replies."""
    return issue("magda", middle())


@cache
def plain() -> Paper:
    """Return a certificate without extensions, as old tools make them."""
    own, name = key("plain"), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "plain")])
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(own.public_key())
    built = built.serial_number(1).not_valid_before(NOW - DAY).not_valid_after(NOW + DAY)
    return Paper(built.sign(own, hashes.SHA256()), own)


@cache
def odd() -> bytes:
    """Return a certificate as DER, of which the key is of a kind that does not exist."""
    own, name = ed25519.Ed25519PrivateKey.generate(), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "odd")])
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(own.public_key())
    built = built.serial_number(1).not_valid_before(NOW - DAY).not_valid_after(NOW + DAY)
    return built.sign(own, None).public_bytes(Encoding.DER).replace(b"\x06\x03\x2b\x65\x70", b"\x06\x03\x2b\x65\x63")


def today() -> datetime:
    """Return the real moment, for what OpenSSL looks at."""
    return datetime.now(UTC)
