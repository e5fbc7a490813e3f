"""One HTTP exchange, bounded in time and size and judged by what came back. It knows nothing of what it carries.

1. The deadline is for the whole call, from connecting to the last byte (``line``): a server that drips bytes, in
   headers or body, is cut off; a TLS handshake has the time to connect. Only a name lookup is left to the system.
2. Redirects are not followed, cookies not kept, proxies and ``.netrc`` not read, certificates always checked.
3. A SOAP message counts whatever the status (MAGDA fact sheet §1.4); a web page never does.
4. Every error says how the access ended (``status``): whether nothing left us, or something may have been seen.

How far our clock and the register's are apart, by the ``Date`` of its replies (RFC 9110, §6.6.1).

The access log says when we asked; a clock that is wrong makes it say what is not so. Up to a minute is nothing, more is
said once, and with more than five minutes the library's run stops: its evidence would not stand beside MAGDA's.

Connections of which every read and write ends at one deadline, and that know whether a byte of a question was sent.

A timeout on each read alone would let a server that drips a byte a second hold a thread for ever; so each read gets
what is left of the whole call. A thread makes one call at a time, so the deadline is the thread's.
"""

from __future__ import annotations

import os
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from threading import local
from typing import Final, TypeAlias, TypeVar
from weakref import WeakSet

import requests
import structlog
import urllib3
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from requests.adapters import HTTPAdapter
from typing_extensions import Buffer
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from rrsync.core.log_entry import Status
from rrsync.core.person import Masked
from rrsync.errors import ConfigError, RegistryError, RegistryRefused, RegistryUnavailable, RegistryUnreadable

Key: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


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


WARN_S: Final = 60
STOP_S: Final = 300

log = structlog.get_logger()


class Skew:
    """Looks at the dates of replies; ``clock`` gives aware UTC. Threads may share it."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._is_said = False

    def look(self, date: str | None) -> None:
        """Look at the ``Date`` of a reply; without one, or with one nobody can read, nothing is known.

        Raises:
            Refused: the clocks are more than five minutes apart.
        """
        seconds = self._seconds(date)
        if seconds > STOP_S:
            error = Refused(
                "Our clock and the register's are more than five minutes apart",
                kept="The reply was dropped, and no member was changed",
                todo="Set this machine's clock right, or ask MAGDA about theirs; then run it again",
            )
            error.status = Status.INVALID_REPLY
            raise error
        if seconds > WARN_S and not self._is_said:
            self._is_said = True
            log.warning("registry.skew", seconds=seconds)

    def _seconds(self, date: str | None) -> int:
        """Give how many seconds the clocks are apart, 0 when nothing is known."""
        try:
            said = parsedate_to_datetime(date or "")
        except (ValueError, TypeError, OverflowError):
            return 0
        if said.tzinfo is None:  # "-0000": it does not say where
            return 0
        return abs(round((self._clock() - said).total_seconds()))


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
