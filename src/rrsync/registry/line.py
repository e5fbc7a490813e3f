"""Connections of which every read and write ends at one deadline, and that know whether a byte of a question was sent.

A timeout on each read alone would let a server that drips a byte a second hold a thread for ever; so each read gets
what is left of the whole call. A thread makes one call at a time, so the deadline is the thread's.
"""

from __future__ import annotations

import socket
import ssl
import time
from threading import local
from typing import TYPE_CHECKING, Final

import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from rrsync.errors import ConfigError

if TYPE_CHECKING:
    from typing_extensions import Buffer


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
        self.settimeout(watch.left_s())
        watch.sent = True
        super().sendall(*args)  # type: ignore[arg-type]  # passed on as they came


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


def tls(certificate: str, private_key: str, ca: str) -> ssl.SSLContext:
    """Give the TLS settings: certificates checked against ``ca`` (or the system's), TLS 1.2 at least.

    Raises:
        ConfigError: a file cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=ca or None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.sslsocket_class = _TlsLine
        if certificate:
            context.load_cert_chain(certificate, private_key or None, password="")  # never ask on a terminal
    except (OSError, ValueError) as error:
        raise ConfigError(
            "The certificate, its private key or the CA file cannot be used",
            kept="Nothing was asked",
            todo="Check that they are PEM, belong together, are not encrypted and can be read by this user",
        ) from error
    return context
