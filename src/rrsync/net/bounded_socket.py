"""Client sockets that keep to the deadline and the size of one exchange, and the TLS settings of every client.

1. A thread makes one exchange at a time. Its limits are those of the thread (``current``), so that a kept connection
   and a shared TLS context serve any thread.
2. Every connect, handshake, read and write gets what is left of the whole exchange. A timeout for each read alone lets
   a server that drips a byte a second hold a thread for ever. Only a name lookup is left to the system.
3. The bytes received are counted, so that a server cannot send lines or chunks without end.
4. TLS is 1.2 at least. The server's certificate is checked against one CA file, or else the system's authorities.
"""

from __future__ import annotations

import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from http.client import HTTPException
from ipaddress import ip_address
from pathlib import Path
from threading import local
from typing import Final, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from typing_extensions import Buffer

from rrsync.core.person import Masked
from rrsync.errors import ConfigError

Key: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class CurrentExchange(local):
    """The limits of this thread's exchange, and how far it came; times are monotonic seconds."""

    deadline_s: float = float("inf")
    #: Whether a byte of the request was sent.
    was_sent: bool = False
    #: Whether more bytes came than allowed.
    is_too_large: bool = False
    #: Whether TLS could not be agreed upon.
    handshake_failed: bool = False
    _until: float = float("inf")
    _connect_until: float = float("inf")
    _room: float = float("inf")

    def start(self, deadline_s: float, *, max_received: int, connect_s: float | None = None) -> None:
        """Begin an exchange that ends within so many seconds, with so many bytes received; connecting may have less."""
        now = time.monotonic()
        self.deadline_s, self._room = deadline_s, max_received
        self._until = now + deadline_s
        self._connect_until = now + min(deadline_s, deadline_s if connect_s is None else connect_s)
        self.was_sent = self.is_too_large = self.handshake_failed = False

    def is_over(self) -> bool:
        """Whether the deadline has passed."""
        return time.monotonic() >= self._until

    def left_s(self) -> float:
        """Return the seconds left.

        Raises:
            TimeoutError: there are none.
        """
        return _left_s(self._until)

    def connect_left_s(self) -> float:
        """Return the seconds left to connect and to agree on TLS.

        Raises:
            TimeoutError: there are none.
        """
        return _left_s(self._connect_until)

    def receive(self, count: int) -> int:
        """Count bytes that came in, and return their count.

        Raises:
            OSError: they are more than allowed.
        """
        self._room -= count
        if self._room < 0:
            self.is_too_large = True
            raise OSError("the other side sends too much")
        return count


def _left_s(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError("the exchange took too long")
    return left


current: Final = CurrentExchange()


class BoundedSocket(socket.socket):
    """A socket that keeps to the limits of the current exchange."""

    def recv_into(self, buffer: Buffer, nbytes: int = 0, flags: int = 0) -> int:
        """Read within the limits."""
        self.settimeout(current.left_s())
        return current.receive(super().recv_into(buffer, nbytes, flags))

    def sendall(self, data: Buffer, flags: int = 0) -> None:
        """Write within the limits."""
        self.settimeout(current.left_s())
        current.was_sent = True
        super().sendall(data, flags)


class _BoundedTlsSocket(ssl.SSLSocket):
    """The same, over TLS."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 — ssl's signature
        self.settimeout(current.connect_left_s())
        try:
            super().do_handshake(block)
        except ssl.SSLError:
            current.handshake_failed = True
            raise

    def recv_into(self, buffer: Buffer, nbytes: int | None = None, flags: int = 0) -> int:
        self.settimeout(current.left_s())
        return current.receive(super().recv_into(buffer, nbytes, flags))

    def send(self, data: Buffer, flags: int = 0) -> int:
        self.settimeout(current.left_s())
        return super().send(data, flags)

    def sendall(self, data: Buffer, flags: int = 0) -> None:
        """Send; if the other side has hung up, read first why.

        In TLS 1.3 a server refuses our certificate after its own handshake, when we may be sending already. Its alert
        then waits to be read behind a broken pipe, and tells a refusal from a broken connection.
        """
        current.was_sent = True
        try:
            super().sendall(data, flags)
        except (ssl.SSLEOFError, ConnectionError):
            self.recv_into(bytearray(1))
            raise


def connect(host: str, port: int, context: ssl.SSLContext | None = None) -> socket.socket:
    """Return a connection to the first address of a host that answers, over TLS if there is a context for it.

    Raises:
        OSError: none answers in time, or TLS cannot be agreed upon.
    """
    failure = OSError("the host has no address")
    for family, kind, proto, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        plain = BoundedSocket(family, kind, proto)
        try:
            plain.settimeout(current.connect_left_s())
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            plain.connect(address)
            return plain if context is None else context.wrap_socket(plain, server_hostname=host)
        except OSError as error:
            plain.close()
            failure = error
    raise failure


def is_here(host: str) -> bool:
    """Whether a host is this machine itself, to which data may go in clear."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


@dataclass(frozen=True, slots=True, repr=False)
class Identity(Masked):
    """Our key, and its certificate with those of its issuers, ours first."""

    key: Key
    chain: tuple[x509.Certificate, ...]

    @property
    def certificate(self) -> x509.Certificate:
        """The certificate of the key."""
        return self.chain[0]

    @property
    def begins(self) -> datetime:
        """From when the certificate counts."""
        return self.certificate.not_valid_before_utc

    @property
    def ends(self) -> datetime:
        """Until when the certificate counts."""
        return self.certificate.not_valid_after_utc

    def valid(self, now: datetime) -> bool:
        """Whether the certificate counts at a moment."""
        return self.begins <= now <= self.ends


def tls(
    identity: Identity | None = None, ca: Path | str = "", *, random: Callable[[int], bytes] = ssl.RAND_bytes
) -> ssl.SSLContext:
    """Return the TLS settings of a client: 1.2 at least, the server checked against ``ca`` alone or else the system's.

    OpenSSL takes a key from a file only: ours goes through one in memory, sealed under a passphrase of that moment. No
    session keys are written, whatever ``SSLKEYLOGFILE`` says.

    Raises:
        ConfigError: the CA file or the key cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = _BoundedTlsSocket
    try:
        if str(ca):
            context.load_verify_locations(cafile=str(ca))
        else:
            context.load_default_certs()
    except (OSError, ValueError) as error:
        raise ConfigError(
            "The CA file cannot be used",
            kept="Nothing was sent",
            todo="Check that ca in the settings is PEM, and can be read by this user",
        ) from error
    if identity is not None:
        _load_identity(context, identity, random(24).hex())
    return context


def _load_identity(context: ssl.SSLContext, identity: Identity, passphrase: str) -> None:
    sealing = BestAvailableEncryption(passphrase.encode())
    sealed = identity.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, sealing)
    chain = b"".join(each.public_bytes(Encoding.PEM) for each in identity.chain)
    with os.fdopen(os.memfd_create("rrsync"), "wb") as file:
        file.write(sealed + chain)
        file.flush()
        try:
            context.load_cert_chain(f"/proc/self/fd/{file.fileno()}", password=passphrase)
        except (OSError, ValueError) as error:
            raise ConfigError(
                "The certificate and its private key cannot be used for TLS",
                kept="Nothing was sent",
                todo="Check the certificate with `rrsync check`",
            ) from error


class Failure(StrEnum):
    """Why an exchange failed; the value is what the other side did, as a part of a sentence without its words."""

    DEADLINE = "took too long"
    ENCODING = "answers in an encoding that was not asked for"
    MALFORMED = "broke off, or its answer makes no sense"
    NETWORK = "cannot be reached, or broke off"
    TLS = "and this machine cannot agree on TLS"
    TOO_LARGE = "broke off, or sends too much"
    UNTRUSTED = "has a certificate that is not to be trusted"

    def text(self, deadline_s: float) -> str:
        """Return the value, with the seconds if the deadline passed."""
        return f"took longer than {deadline_s:g} seconds" if self is Failure.DEADLINE else self.value


#: TLS that ended early is a broken connection, not a question of trust.
_LOST: Final = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLWantReadError, ssl.SSLSyscallError)
#: OpenSSL's names of the alerts with which a server refuses our certificate.
_ABOUT_US: Final = ("CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED", "HANDSHAKE_FAILURE")


def classify(error: BaseException) -> Failure:
    """Return why the current exchange failed, from the error that ended it."""
    causes = list(_causes(error))
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return Failure.UNTRUSTED
    if any(_is_about_tls(cause) for cause in causes):
        return Failure.TLS
    if current.is_too_large:
        return Failure.TOO_LARGE
    if current.is_over():
        return Failure.DEADLINE
    is_malformed = any(isinstance(cause, HTTPException) for cause in causes)
    return Failure.MALFORMED if is_malformed else Failure.NETWORK


def _is_about_tls(cause: BaseException) -> bool:
    """Whether TLS was not agreed upon: in the handshake, or later about our certificate.

    In TLS 1.3 a server looks at our certificate after the handshake.
    """
    if not isinstance(cause, ssl.SSLError) or isinstance(cause, _LOST):
        return False
    return current.handshake_failed or any(word in (cause.reason or "") for word in _ABOUT_US)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and its causes; urllib3 wraps an error of TLS in another without naming it as the cause."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        wrapped = next((each for each in cause.args if isinstance(each, BaseException)), None)
        cause = cause.__cause__ or cause.__context__ or wrapped
