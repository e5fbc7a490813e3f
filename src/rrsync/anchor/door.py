"""The way to a witness: HTTP over one connection, bounded in time and size.

Redirects are not followed, proxies not used, and words go in clear to this machine only.
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Final
from urllib.parse import urlsplit

from rrsync.anchor.line import Allowance, connect, is_here, tls, why
from rrsync.anchor.submission import PATH, SIZE_TYPE
from rrsync.core.strict import from_decimal
from rrsync.errors import ConfigError

_MOST: Final = 1 << 16
_PORTS: Final = {"http": 80, "https": 443}
_URL: Final = re.compile(r"https?://[\[\]\w.:-]+(/[!-\"$->@-~]*)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the witness said; ``size`` is what it last cosigned, if that is what it says."""

    status: int
    body: bytes
    size: int | None


class _Connection(HTTPConnection):
    """HTTP over a connection that keeps to an allowance."""

    def __init__(self, host: str, port: int, allowance: Allowance, context: ssl.SSLContext | None) -> None:
        super().__init__(host, port)
        self.default_port = _PORTS["https" if context else "http"]
        self._allowance = allowance
        self._context = context

    def connect(self) -> None:
        """Connect (called by http.client)."""
        self.sock = connect(self.host, self.port, self._allowance, self._context)


class Door:
    """The witness' address, over one kept connection.

    Raises:
        ConfigError: the address is none or not a safe one, or the CA file cannot be used.
    """

    def __init__(self, url: str, ca: str, deadline_s: float) -> None:
        host, port, self._path = _parts(url)
        self._allowance = Allowance(deadline_s, 2 * _MOST)
        context = tls(ca, self._allowance) if url.startswith("https:") else None
        self._connection = _Connection(host, port, self._allowance, context)

    def post(self, body: bytes) -> Answer:
        """Post a submission and give the answer.

        Raises:
            OSError: none came, in time.
            HTTPException: it makes no sense, or is too large.
        """
        self._allowance.start()
        headers = {"Content-Type": "text/plain; charset=utf-8", "User-Agent": "rrsync"}
        self._connection.request("POST", self._path, body, headers)
        response = self._connection.getresponse()
        said = response.read(_MOST)
        if response.read(1):
            raise HTTPException
        kind = response.headers.get_content_type()
        return Answer(response.status, said, _size(said) if kind == SIZE_TYPE else None)

    def reason(self, error: OSError | HTTPException) -> str:
        """Say what the other side did that is no answer, without its words."""
        if isinstance(error, HTTPException) and not self._allowance.is_over():
            return "broke off, or its answer makes no sense"
        return why(error, self._allowance)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _size(body: bytes) -> int | None:
    """Read the size that a witness last cosigned."""
    try:
        return from_decimal(body.decode().removesuffix("\n"))
    except ValueError:
        return None


def _parts(url: str) -> tuple[str, int, str]:
    """Give host, port and path of a witness' address.

    Raises:
        ConfigError: it is none, or neither https nor on this machine.
    """
    match = _URL.fullmatch(url)
    try:
        parts = urlsplit(url if match else "")
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        host.encode("idna")
    except (ValueError, KeyError) as error:
        raise ConfigError("The address of a witness is no URL", todo="Write it as https://example.org/path") from error
    if parts.scheme == "http" and not is_here(host):
        raise ConfigError("The address of a witness must be https://, unless it is on this machine")
    return host, port, parts.path.rstrip("/") + PATH
