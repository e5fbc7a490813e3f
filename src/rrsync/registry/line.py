"""Connections of which every read and write ends at one deadline, and that know whether a byte of a question was sent.

A timeout on each read alone would let a server that drips a byte a second hold a thread for ever; so each read gets
what is left of the whole call. A thread makes one call at a time, so the deadline is the thread's.
"""

from __future__ import annotations

import os
import socket
import ssl
import time
from threading import local
from typing import TYPE_CHECKING, Final

import urllib3
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from rrsync.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typing_extensions import Buffer

    from rrsync.registry.certificates import Identity


class Watch(local):
    """Of this thread's call: when it must be over (monotonic seconds) and whether a byte of the question was sent."""

    until: float = float("inf")
    sent: bool = False

    def start(self, seconds: float) -> None:
        """Begin a call that must be over in so many seconds."""
        self.until, self.sent = time.monotonic() + seconds, False

    def is_over(self) -> bool:
        """Whether the deadline has passed."""
        return time.monotonic() >= self.until

    def left_s(self) -> float:
        """Give the seconds left.

        Raises:
            TimeoutError: there are none.
        """
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


watch: Final = Watch()


class _Line(socket.socket):
    """A socket of which every read and write ends at the deadline."""

    def recv_into(self, *args: Buffer | int) -> int:
        self.settimeout(watch.left_s())
        return super().recv_into(*args)  # type: ignore[arg-type]  # passed on as they came

    def sendall(self, *args: Buffer | int) -> None:
        self.settimeout(watch.left_s())
        watch.sent = True
        super().sendall(*args)  # type: ignore[arg-type]  # passed on as they came


class _TlsLine(ssl.SSLSocket):
    """The same, over TLS."""

    def recv_into(self, *args: Buffer | int | None) -> int:
        self.settimeout(watch.left_s())
        return super().recv_into(*args)  # type: ignore[arg-type]  # passed on as they came

    def sendall(self, *args: Buffer | int) -> None:
        """Send; if the other side has hung up, hear first why.

        In TLS 1.3 a server refuses our certificate after its own handshake, when we may be sending already: its alert
        waits to be read behind a broken pipe, and makes the difference between a line that broke and a door that is
        closed.
        """
        self.settimeout(watch.left_s())
        watch.sent = True
        try:
            super().sendall(*args)  # type: ignore[arg-type]  # passed on as they came
        except (ssl.SSLEOFError, ConnectionError):
            super().recv_into(bytearray(1))
            raise


class _Connection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        plain = super()._new_conn()
        timeout = plain.gettimeout()
        line = _Line(plain.family, plain.type, plain.proto, fileno=plain.detach())
        line.settimeout(timeout)
        return line


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class Adapter(HTTPAdapter):
    """Gives a session one kept connection, with the deadline on it."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self._context = context
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **_: object) -> None:  # noqa: FBT001, FBT002 — urllib3's signature
        """Make the pool (called by requests)."""
        self.poolmanager = urllib3.PoolManager(
            num_pools=connections, maxsize=maxsize, block=block, ssl_context=self._context
        )
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": HTTPSConnectionPool}

    def cert_verify(self, *_: object) -> None:
        """Leave trust to the context (called by requests, which would add a bundle of public authorities to it)."""


def tls(
    identity: Identity | None, ca: Path | str = "", *, random: Callable[[int], bytes] = ssl.RAND_bytes
) -> ssl.SSLContext:
    """Give the TLS settings: TLS 1.2 at least, the server checked against ``ca`` alone (or, without, the system's).

    OpenSSL takes a key from a file only: ours goes through one in memory, sealed under a passphrase of that moment. No
    session keys are written, whatever ``SSLKEYLOGFILE`` says.

    Raises:
        ConfigError: the CA file or the key cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = _TlsLine
    try:
        if str(ca):
            context.load_verify_locations(cafile=str(ca))
        else:
            context.load_default_certs()
    except (OSError, ValueError) as error:
        raise ConfigError(
            "The CA file cannot be used",
            kept="Nothing was asked",
            todo="Check that [registry] ca is PEM, and can be read by this user",
        ) from error
    if identity is not None:
        _show(context, identity, random(24).hex())
    return context


def _show(context: ssl.SSLContext, identity: Identity, once: str) -> None:
    """Let a context show who we are."""
    locked = identity.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(once.encode()))
    chain = b"".join(each.public_bytes(Encoding.PEM) for each in identity.chain)
    with os.fdopen(os.memfd_create("rrsync"), "wb") as file:
        file.write(locked + chain)
        file.flush()
        try:
            context.load_cert_chain(f"/proc/self/fd/{file.fileno()}", password=once)
        except (OSError, ValueError) as error:
            raise ConfigError(
                "The certificate and its private key cannot be used for TLS",
                kept="Nothing was asked",
                todo="Check the certificate with `rrsync check`",
            ) from error
