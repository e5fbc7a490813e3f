"""One HTTP exchange, bounded in time and size and judged by what came back. It knows nothing of what it carries.

1. The deadline is for the whole call, from connecting to the last byte (``line``): a server that drips bytes, in
   headers or body, is cut off; a TLS handshake has the time to connect. Only a name lookup is left to the system.
2. Redirects are not followed, cookies not kept, proxies and ``.netrc`` not read, certificates always checked.
3. A SOAP message counts whatever the status (MAGDA fact sheet §1.4); a web page never does.
4. Every error says how the access ended (``status``): whether nothing left us, or something may have been seen.
"""

from __future__ import annotations

import ssl
import zlib
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from threading import local
from typing import TYPE_CHECKING, Final, TypeVar
from weakref import WeakSet

import requests
import urllib3

from rrsync.core.entry import Status
from rrsync.errors import (
    ConfigError,
    RegistryError,
    RegistryRefused,
    RegistryUnavailable,
    RegistryUnreadable,
)
from rrsync.registry.line import Adapter, tls, watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


MAX_BYTES: Final = 2 * 1024 * 1024
CONNECT_S: Final = 5.0
#: However long the register asks us to stay away, we look again after a quarter of an hour.
LONGEST_S: Final = 900.0
_CHUNK: Final = 65536
_HEAD: Final = 2048
_GZIP_OR_ZLIB: Final = zlib.MAX_WBITS | 32


class Unavailable(RegistryUnavailable):
    """The way to the register failed; ``status`` says how far the question came.

    ``busy`` says that it came too fast, ``retry_after_s`` how long the register wants nobody to ask.
    """

    status: Status = Status.NO_REPLY
    busy: bool = False
    retry_after_s: float | None = None


class Refused(RegistryRefused):
    """The register's door refuses us; ``status`` says how far the question came."""

    status: Status = Status.REFUSED


class Unreadable(RegistryUnreadable):
    """The reply is too large or oddly packed."""

    status: Status = Status.INVALID_REPLY


def undated(_: str | None) -> None:
    """Nobody looks at the date."""


class _Session(requests.Session):
    """A session that does not look where a redirect leads: requests would read it, body and all, before we can."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002 — requests' signature
        """Give nowhere (called by requests)."""
        return None


class Wire:
    """Posts bytes to one endpoint, over one kept connection per thread.

    ``context`` says who we are and whom we trust (``line.tls``); without one we are nobody, and trust whom the
    system does.
    ``dated`` looks at the ``Date`` of every reply (``skew``).

    Raises:
        ConfigError: the endpoint is no URL.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        context: ssl.SSLContext | None = None,
        deadline_s: float = 45.0,
        connect_s: float = CONNECT_S,
        max_bytes: int = MAX_BYTES,
        dated: Callable[[str | None], None] = undated,
    ) -> None:
        self._context = context or (tls(None) if endpoint.startswith("https:") else None)
        self._request = _prepared(endpoint)
        self._deadline_s = deadline_s
        self._connect_s = connect_s
        self._max_bytes = max_bytes
        self._dated = dated
        self._own = local()
        self._sessions: WeakSet[requests.Session] = WeakSet()

    def post(self, envelope: bytes) -> bytes:
        """Send a message and give the reply's.

        Raises:
            Unavailable: no usable reply came, now.
            Refused: TLS, a redirect or a status says that no call will be answered.
            Unreadable: the reply is larger than allowed.
        """
        request = self._request.copy()
        request.body = envelope
        request.headers["Content-Length"] = str(len(envelope))
        watch.start(self._deadline_s)
        try:
            return self._exchange(request)
        except RegistryError:
            raise
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            failure = self._failure(error)
        raise failure  # outside of the handler: the cause holds the question, and may quote the reply

    def close(self) -> None:
        """Close the kept connections."""
        for session in list(self._sessions):
            session.close()

    def _exchange(self, request: requests.PreparedRequest) -> bytes:
        response = self._session().send(
            request,
            stream=True,
            allow_redirects=False,
            verify=True,
            timeout=(min(self._connect_s, self._deadline_s), self._deadline_s),
            proxies={},
        )
        try:
            if 300 <= response.status_code < 400:
                raise _failed(Refused, "The register's address sends us elsewhere", Status.INVALID_REPLY, _ADDRESS)
            self._dated(response.headers.get("Date"))
            body = self._unpacked(response.headers, self._read(response))
        finally:
            response.close()
        return _judge(response.status_code, response.headers, body)

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._own, "session", None)
        if session is None:
            session = _Session()
            session.trust_env = False
            session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
            session.mount("http://", Adapter(None))
            session.mount("https://", Adapter(self._context))
            self._sessions.add(session)
            self._own.session = session
        return session

    def _read(self, response: requests.Response) -> bytes:
        body = bytearray()
        while chunk := response.raw.read(_CHUNK, decode_content=False):
            body += chunk
            if len(body) > self._max_bytes:
                raise self._too_large()
        return bytes(body)

    def _unpacked(self, headers: Mapping[str, str], body: bytes) -> bytes:
        """Undo a packing we did not ask for, no further than the cap."""
        coding = headers.get("Content-Encoding", "identity").strip().lower()
        if coding in {"", "identity"}:
            return body
        if coding not in {"gzip", "x-gzip", "deflate"}:
            what = "The register's reply is packed in a way we did not ask for"
            raise _failed(Unreadable, what, Status.INVALID_REPLY, _LATER)
        unpacker = zlib.decompressobj(_GZIP_OR_ZLIB)
        try:
            plain = unpacker.decompress(body, self._max_bytes + 1)
        except zlib.error:
            plain, unpacker = b"", zlib.decompressobj()
        if len(plain) > self._max_bytes:
            raise self._too_large()
        if not unpacker.eof:
            raise _failed(Unavailable, "The register's reply broke off", Status.NO_REPLY)
        return plain

    def _too_large(self) -> Unreadable:
        return _failed(
            Unreadable, f"The register's reply is larger than {self._max_bytes // 1024} KiB", Status.INVALID_REPLY
        )

    def _failure(self, error: BaseException) -> RegistryError:
        """Give our error for one of the network's, without its words."""
        status = Status.NO_REPLY if watch.sent else Status.NOT_SENT
        if any(_is_distrust(cause) for cause in _causes(error)):
            what = "The register and we do not trust each other's certificate (TLS)"
            return _failed(Refused, what, status, _TRUST)
        if watch.is_over():
            what = f"The register did not answer within {self._deadline_s:g} seconds"
        elif watch.sent:
            what = "The connection to the register broke off"
        else:
            what = "The register cannot be reached"
        return _failed(Unavailable, what, status)


#: TLS that ended early is a broken connection, not a question of trust.
_LOST: Final = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLWantReadError, ssl.SSLSyscallError)
#: In OpenSSL's names of the alerts with which a server refuses our certificate.
_ABOUT_US: Final = ("CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED", "HANDSHAKE_FAILURE")
_TRUST: Final = "Check certificate, private_key and ca in the settings, and their dates"
_ADDRESS: Final = "Check the endpoint in the settings"
_LATER: Final = "Try again later; check the network if it goes on"

_Error = TypeVar("_Error", Unavailable, Refused, Unreadable)


def _failed(kind: type[_Error], what: str, status: Status, todo: str = _LATER) -> _Error:
    error = kind(what, kept="No member was changed", todo=todo)
    error.status = status
    return error


def _is_distrust(cause: BaseException) -> bool:
    """Whether an error says that TLS found no trust: any in a handshake, and later one about our certificate.

    In TLS 1.3 a server looks at our certificate after the handshake.
    """
    if not isinstance(cause, ssl.SSLError) or isinstance(cause, _LOST):
        return False
    return not watch.sent or any(word in (cause.reason or "") for word in _ABOUT_US)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Give an error and what it came of; urllib3 wraps TLS's in another without saying so."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        wrapped = next((each for each in cause.args if isinstance(each, BaseException)), None)
        cause = cause.__cause__ or cause.__context__ or wrapped


def _judge(status: int, headers: Mapping[str, str], body: bytes) -> bytes:
    """Give the body if it is a message, else say what its HTTP status means."""
    if status == 429 or (status == 503 and "Retry-After" in headers):
        failure = _failed(Unavailable, f"The register is too busy now (HTTP {status})", Status.TRANSIENT)
        failure.busy, failure.retry_after_s = True, _retry_after(headers)
        raise failure
    head = body[:_HEAD].lstrip(b"\xef\xbb\xbf \t\r\n")
    is_xml = head.startswith(b"<") and b"<html" not in head.lower() and b"<!doctype html" not in head.lower()
    if is_xml and (status == 200 or b"Envelope" in head):
        return body
    if status in {401, 403}:
        what = f"The register refuses this machine (HTTP {status})"
        raise _failed(Refused, what, Status.REFUSED, "Check the certificate, and what MAGDA has opened for it")
    if 400 <= status < 500:
        raise _failed(Refused, f"The register does not know this address (HTTP {status})", Status.REFUSED, _ADDRESS)
    if status >= 500:
        raise _failed(Unavailable, f"The register is not available now (HTTP {status})", Status.TRANSIENT)
    what = "something that is no message" if body else "nothing"
    raise _failed(Unavailable, f"The register's address answers with {what} (HTTP {status})", Status.INVALID_REPLY)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Give for how long not to ask: as seconds, or as a date held against the reply's own (RFC 9110 §10.2.3)."""
    said = headers.get("Retry-After", "").strip()
    if said.isascii() and said.isdigit():
        return min(float(said), LONGEST_S)
    try:
        left = parsedate_to_datetime(said) - parsedate_to_datetime(headers.get("Date", ""))
    except (ValueError, TypeError, OverflowError):  # no date, or one without a zone
        return None
    return min(max(left.total_seconds(), 0.0), LONGEST_S)


def _prepared(endpoint: str) -> requests.PreparedRequest:
    headers = {
        "Content-Type": "text/xml; charset=UTF-8",
        "SOAPAction": '""',
        "Accept": "text/xml",
        "Accept-Encoding": "identity",
        "User-Agent": "rrsync",
    }
    try:
        if not endpoint.startswith(("http://", "https://")):
            raise requests.exceptions.InvalidSchema
        return requests.Request("POST", endpoint, headers=headers, data=b" ").prepare()
    except requests.RequestException as error:
        raise ConfigError("The register's endpoint is no URL", kept="Nothing was asked", todo=_ADDRESS) from error
