"""A register that speaks TLS, with any certificate and in any version."""

from __future__ import annotations

import socket
import ssl
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from tests.faults.catalogue import Call, Trial, Wrap
from tests.registry.authority import DAY, Paper, issue, middle, root, today

SHA256_RSA: Final = bytes.fromhex("2a864886f70d01010b")
SHA1_RSA: Final = bytes.fromhex("2a864886f70d010105")
#: What lets OpenSSL show what it would not trust.
WEAK: Final = "DEFAULT:@SECLEVEL=0"


def right(call: Call) -> bytes:
    """Answer rightly."""
    return call.said()


def dated(begins: int, ends_in: int, **words: Any) -> Paper:
    """Return a server's certificate that counts from so many days from now, to so many."""
    return issue("register", middle(), now=today(), begins=begins * DAY, ends=ends_in * DAY, **words)


def old_fashioned() -> Paper:
    """Give a server's certificate signed with SHA-1: the name of the algorithm is as long, and so is the signature."""
    paper, signing = good(), middle().key
    assert isinstance(signing, RSAPrivateKey)
    tbs = paper.issued.tbs_certificate_bytes.replace(SHA256_RSA, SHA1_RSA)
    der = paper.issued.public_bytes(Encoding.DER).replace(SHA256_RSA, SHA1_RSA)
    signature = signing.sign(tbs, PKCS1v15(), hashes.SHA1())
    return Paper(x509.load_der_x509_certificate(der.replace(paper.issued.signature, signature)), paper.key, middle())


def tls(trial: Trial, paper: Paper, change: Callable[[ssl.SSLContext], object] = lambda _: None) -> Wrap:
    """Return what puts TLS on a connection, as the server of a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers(WEAK)
    context.load_cert_chain(*paper.save(trial.house.folder, "server"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of old TLS, which is what is wanted
        change(context)

    def wrap(connection: socket.socket) -> socket.socket:
        """Shake hands; when that fails, let the client read why before the connection goes."""
        plain = connection.dup()
        try:
            return context.wrap_socket(connection, server_side=True)
        except ssl.SSLError:
            with suppress(OSError):
                plain.shutdown(socket.SHUT_WR)
                while plain.recv(4096):
                    pass
            raise
        finally:
            plain.close()

    return wrap


def trusted(trial: Trial, paper: Paper | None = None) -> str:
    """Return the CA file that the settings name."""
    return str((paper or root()).save(trial.house.folder, "ca")[0])


def server(
    paper: Callable[[], Paper],
    change: Callable[[ssl.SSLContext], object] = lambda _: None,
    *,
    ca: Callable[[], Paper] = root,
    url: str = "",
) -> Callable[[Trial], object]:
    """Return what puts a server of this certificate before the register."""
    return lambda trial: trial.serve(right, tls(trial, paper(), change), url=url, REGISTRY__CA=trusted(trial, ca()))


def stranger() -> Paper:
    """Return an authority that issued nothing here."""
    return issue("else", is_ca=True)


def at_most(version: ssl.TLSVersion) -> Callable[[ssl.SSLContext], None]:
    """Return what lets a server speak no newer TLS than this."""

    def change(context: ssl.SSLContext) -> None:
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = version

    return change


def good() -> Paper:
    """Return a server's certificate with nothing wrong."""
    return dated(-1, 90)
