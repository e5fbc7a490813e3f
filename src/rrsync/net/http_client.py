"""The HTTP client of the whole program: the register, witnesses, webhooks and the identity provider go through it.

1. An exchange is bounded in time and bytes, from connecting to the last byte (``bounded_socket``). Each caller gives
   its own limits.
2. Redirects are not followed, and their bodies not read. Cookies are not kept. Proxies, ``.netrc`` and whatever else
   the environment says are not used. Certificates are always checked, against the caller's TLS context alone.
3. Connections are kept, and threads may share them.
4. An error says why the exchange failed and whether a byte of the request was sent. It holds no words of the other
   side, and has no cause, for a cause holds the request.
"""

from __future__ import annotations

import socket
import ssl
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from http.client import HTTPException
from typing import Final

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from rrsync.net.bounded_socket import Failure, classify, connect, current

_CHUNK: Final = 65536
#: The bytes received beside the body, and beside as much again for how it is cut in chunks: status lines and headers.
_HEAD_BYTES: Final = 1 << 17
_MAX_KEPT: Final = 100
_GZIP_OR_ZLIB: Final = zlib.MAX_WBITS | 32
_HEADERS: Final = {"Accept-Encoding": "identity", "User-Agent": "rrsync"}


class HttpError(Exception):
    """No answer came that can be used: why, and whether a byte of the request was sent."""

    def __init__(self, failure: Failure, *, was_sent: bool) -> None:
        self.failure = failure
        self.was_sent = was_sent
        super().__init__(failure.value)


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """An answer; the names of its headers have no case, and the body of a redirect is empty."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def is_redirect(self) -> bool:
        """Whether it leads elsewhere, or to what we hold already."""
        return 300 <= self.status < 400


class _Connection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return connect(self._dns_host, self.port)


class _TlsConnection(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return connect(self._dns_host, self.port)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class _Adapter(HTTPAdapter):
    """The connections of one client. A session of requests, with its redirects and cookies, is not used."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self._context = context
        super().__init__(pool_maxsize=_MAX_KEPT, max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **_: object) -> None:  # noqa: FBT001, FBT002 — urllib3's signature
        """Make the pools (called by requests)."""
        self.poolmanager = urllib3.PoolManager(
            num_pools=connections, maxsize=maxsize, block=block, ssl_context=self._context
        )
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def close(self) -> None:
        """Close the connections; urllib3 alone would leave that to the garbage collector."""
        for key in self.poolmanager.pools.keys():  # noqa: SIM118 — it cannot be iterated over
            self.poolmanager.pools[key].close()
        super().close()

    def cert_verify(self, *_: object) -> None:
        """Leave trust to the context (called by requests, which would add a bundle of public authorities to it)."""


class HttpClient:
    """Exchanges messages over HTTP, each within ``deadline_s`` seconds; threads may share it.

    ``max_bytes`` is the most that is read of a body, packed or not; with 0 none is read. Connecting and agreeing on TLS
    may take ``connect_s``, or all of the deadline. ``context`` is needed for ``https``, and says who is trusted.
    """

    def __init__(
        self,
        *,
        deadline_s: float,
        max_bytes: int,
        connect_s: float | None = None,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._deadline_s = deadline_s
        self._max_bytes = max_bytes
        self._connect_s = connect_s
        self._adapter = _Adapter(context)

    def exchange(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> HttpResponse:
        """Send a request and return the answer, whatever its status.

        Raises:
            HttpError: none came, or it is too large or not HTTP.
        """
        max_received = 2 * self._max_bytes + _HEAD_BYTES
        current.start(self._deadline_s, max_received=max_received, connect_s=self._connect_s)
        try:
            response = self._adapter.send(_prepared(method, url, headers, body), stream=True, timeout=self._deadline_s)
            try:
                return HttpResponse(response.status_code, response.headers, self._body(response))
            finally:
                response.close()
        except (requests.RequestException, urllib3.exceptions.HTTPError, HTTPException, OSError, UnicodeError) as error:
            failure = _failed(classify(error))
        raise failure  # outside of the handler: the cause holds the request, and may quote the answer

    def close(self) -> None:
        """Close the kept connections."""
        self._adapter.close()

    def _body(self, response: requests.Response) -> bytes:
        if not self._max_bytes or 300 <= response.status_code < 400:
            return b""
        body = bytearray()
        while chunk := response.raw.read(_CHUNK, decode_content=False):
            body += chunk
            if len(body) > self._max_bytes:
                raise _failed(Failure.TOO_LARGE)
        return self._unpacked(response.headers.get("Content-Encoding", ""), bytes(body))

    def _unpacked(self, coding: str, body: bytes) -> bytes:
        """Undo a packing that was not asked for, no further than the limit."""
        match coding.strip().lower():
            case "" | "identity":
                return body
            case "gzip" | "x-gzip" | "deflate":
                unpacker = zlib.decompressobj(_GZIP_OR_ZLIB)
            case _:
                raise _failed(Failure.ENCODING)
        try:
            plain = unpacker.decompress(body, self._max_bytes + 1)
        except zlib.error:
            raise _failed(Failure.MALFORMED) from None
        if len(plain) > self._max_bytes:
            raise _failed(Failure.TOO_LARGE)
        if not unpacker.eof:
            raise _failed(Failure.MALFORMED)
        return plain


def is_url(text: str) -> bool:
    """Whether a text is a URL that a request can be sent to."""
    try:
        return text.startswith(("http://", "https://")) and bool(_target("GET", text).url)
    except (requests.RequestException, UnicodeError):
        return False


def _prepared(method: str, url: str, headers: Mapping[str, str] | None, body: bytes | None) -> requests.PreparedRequest:
    request = _target(method, url).copy()
    request.headers.update(headers or {})
    if body is not None:
        request.body = body
        request.headers["Content-Length"] = str(len(body))
    return request


@lru_cache(maxsize=64)  # to read a URL takes as long as to send a request
def _target(method: str, url: str) -> requests.PreparedRequest:
    return requests.Request(method, url, headers=_HEADERS).prepare()


def _failed(failure: Failure) -> HttpError:
    return HttpError(failure, was_sent=current.was_sent)
