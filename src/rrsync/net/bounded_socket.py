"""Connections of which every read and write ends with what one exchange may take, in seconds and in bytes.

A timeout on each read alone would let the other side drip a byte a second and hold a thread for ever; a limit on each
line alone would let it send lines without end. Only a name lookup is left to the system.
"""

from __future__ import annotations

import socket
import ssl
import time
from ipaddress import ip_address

from typing_extensions import Buffer

from rrsync.errors import ConfigError


class Allowance:
    """What an exchange may take from ``start`` on: so many seconds, and so many bytes received."""

    def __init__(self, seconds: float, most: int) -> None:
        self.seconds = seconds
        self._most = most
        self.start()

    def start(self) -> None:
        """Begin an exchange."""
        self._until = time.monotonic() + self.seconds
        self._room = self._most

    def is_over(self) -> bool:
        """Whether its time has passed."""
        return time.monotonic() >= self._until

    def left_s(self) -> float:
        """Give the seconds left.

        Raises:
            TimeoutError: there are none.
        """
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the exchange took too long")
        return left

    def took(self, count: int) -> int:
        """Count bytes that came in, and give them back.

        Raises:
            OSError: they are more than may come.
        """
        self._room -= count
        if self._room < 0:
            raise OSError("the other side sends too much")
        return count


class Line(socket.socket):
    """A socket that keeps to an allowance; ``fileno`` takes an open one over."""

    def __init__(
        self,
        allowance: Allowance,
        family: int = -1,
        kind: int = -1,
        proto: int = -1,
        fileno: int | None = None,
    ) -> None:
        super().__init__(family, kind, proto, fileno)
        self.allowance = allowance

    def recv_into(self, buffer: Buffer, nbytes: int = 0, flags: int = 0) -> int:
        """Read, while it lasts."""
        self.settimeout(self.allowance.left_s())
        return self.allowance.took(super().recv_into(buffer, nbytes, flags))

    def sendall(self, data: Buffer, flags: int = 0) -> None:
        """Write, while it lasts."""
        self.settimeout(self.allowance.left_s())
        super().sendall(data, flags)


def connect(host: str, port: int, allowance: Allowance, context: ssl.SSLContext | None) -> socket.socket:
    """Give a connection to the first address of a host that answers, over TLS if there is a context for it.

    Raises:
        OSError: none answers in time, or the certificate is not to be trusted.
    """
    failure = OSError("the host has no address")
    for family, kind, proto, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        line = Line(allowance, family, kind, proto)
        try:
            line.settimeout(allowance.left_s())
            line.connect(address)
            return line if context is None else context.wrap_socket(line, server_hostname=host)
        except OSError as error:
            line.close()
            failure = error
    raise failure


def tls(ca: str, allowance: Allowance) -> ssl.SSLContext:
    """Give TLS to keep to an allowance with: 1.2 at least, certificates checked against ``ca`` or the system's.

    Raises:
        ConfigError: the file cannot be used.
    """

    class TlsLine(ssl.SSLSocket):
        def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 — ssl's signature
            self.settimeout(allowance.left_s())
            super().do_handshake(block)

        def recv_into(self, buffer: Buffer, nbytes: int | None = None, flags: int = 0) -> int:
            self.settimeout(allowance.left_s())
            return allowance.took(super().recv_into(buffer, nbytes, flags))

        def send(self, data: Buffer, flags: int = 0) -> int:
            self.settimeout(allowance.left_s())
            return super().send(data, flags)

    try:
        context = ssl.create_default_context(cafile=ca or None)
    except OSError as error:
        raise ConfigError(
            "The CA file of an anchor cannot be used", todo="Check that it is PEM and can be read by this user"
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = TlsLine
    return context


def why(error: Exception, allowance: Allowance) -> str:
    """Say what the other side did when a connection failed, without its words."""
    if allowance.is_over():
        return f"took longer than {allowance.seconds:g} seconds"
    if isinstance(error, ssl.SSLCertVerificationError):
        return "has a certificate that is not to be trusted"
    if isinstance(error, ssl.SSLError):
        return "and this machine cannot agree on TLS"
    return "cannot be reached, or broke off"


def is_here(host: str) -> bool:
    """Say whether a host is this machine itself, to which words may go in clear."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
