"""SOAP over HTTP: the client of the register's services, and what a reply's status and headers mean.

zeep writes the envelopes from our own WSDL, and sends and reads nothing. ``Any`` may stand here, for zeep's types are
made at run time. Of each exchange the access log and the retries need to know:

1. A SOAP message counts whatever the status (MAGDA fact sheet §1.4). A web page never does.
2. A register that is too busy (429, or 503 with ``Retry-After``) says for how long (RFC 9110 §10.2.3).
3. A redirect, a status 4xx and TLS without trust refuse every question alike. Everything else may pass.
4. Every error says how the access ended (``status``): whether nothing was sent, or something may have been seen.
5. The ``Date`` of each reply is compared with our clock (RFC 9110 §6.6.1), for the access log says when we asked. Up to
   a minute is nothing, more is logged once. More than five minutes stops the library's run: its log would not match
   MAGDA's.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from threading import Lock
from typing import Any, Final, TypeVar

import structlog
from lxml import etree

from rrsync.core.log_entry import Status
from rrsync.errors import ConfigError, RegistryError, RegistryRefused, RegistryUnavailable, RegistryUnreadable
from rrsync.net.bounded_socket import Failure, tls
from rrsync.net.http_client import HttpClient, HttpError, HttpResponse, is_url
from rrsync.registry.request import RequestNode, Service

MAX_BYTES: Final = 2 * 1024 * 1024
CONNECT_S: Final = 5.0
#: However long the register asks us to stay away, we ask again after a quarter of an hour.
LONGEST_S: Final = 900.0
WARN_S: Final = 60
STOP_S: Final = 300
_HEAD: Final = 2048
_HEADERS: Final = {"Content-Type": "text/xml; charset=UTF-8", "SOAPAction": '""', "Accept": "text/xml"}
_TRUST: Final = "Check certificate, private_key and ca in the settings, and their dates"
_ADDRESS: Final = "Check the endpoint in the settings"
_LATER: Final = "Try again later; check the network if it goes on"

log = structlog.get_logger()


class EndpointUnavailable(RegistryUnavailable):
    """The way to the register failed; ``status`` says how far the question came.

    ``busy`` says that questions come too fast, ``retry_after_s`` for how long the register wants none.
    """

    status: Status = Status.NO_REPLY
    busy: bool = False
    retry_after_s: float | None = None


class EndpointRefused(RegistryRefused):
    """The register's server refuses us; ``status`` says how far the question came."""

    status: Status = Status.REFUSED


class EndpointUnreadable(RegistryUnreadable):
    """The reply is too large or oddly packed."""

    status: Status = Status.INVALID_REPLY


_Error = TypeVar("_Error", EndpointUnavailable, EndpointRefused, EndpointUnreadable)


class Endpoint:
    """Posts SOAP messages to one address, over kept connections; threads may share it.

    ``context`` says who we are and whom we trust; without one we are nobody, and trust whom the system does.
    ``check_date`` gets the ``Date`` of every reply.

    Raises:
        ConfigError: the address is no URL.
    """

    def __init__(
        self,
        url: str,
        *,
        context: ssl.SSLContext | None = None,
        deadline_s: float = 45.0,
        connect_s: float = CONNECT_S,
        max_bytes: int = MAX_BYTES,
        check_date: Callable[[str | None], None] | None = None,
    ) -> None:
        if not is_url(url):
            raise ConfigError("The register's endpoint is no URL", kept="Nothing was asked", todo=_ADDRESS)
        if context is None and url.startswith("https:"):
            context = tls()
        self._url = url
        self._deadline_s = deadline_s
        self._max_bytes = max_bytes
        self._check_date = check_date
        self._client = HttpClient(deadline_s=deadline_s, max_bytes=max_bytes, connect_s=connect_s, context=context)

    def post(self, envelope: bytes) -> bytes:
        """Send a message and return the reply's.

        Raises:
            EndpointUnavailable: no usable reply came, now.
            EndpointRefused: TLS, a redirect, a status or the clock says that no question will be answered.
            EndpointUnreadable: the reply is larger than allowed, or oddly packed.
        """
        try:
            response = self._client.exchange("POST", self._url, headers=_HEADERS, body=envelope)
        except HttpError as error:
            failure = self._failure(error)
        else:
            if response.is_redirect:
                what = "The register's address sends us elsewhere"
                raise _failed(EndpointRefused, what, Status.INVALID_REPLY, _ADDRESS)
            if self._check_date is not None:
                self._check_date(response.headers.get("Date"))
            return _message(response)
        raise failure  # outside of the handler, so that it has no cause

    def close(self) -> None:
        """Close the kept connections."""
        self._client.close()

    def _failure(self, error: HttpError) -> RegistryError:
        status = Status.NO_REPLY if error.was_sent else Status.NOT_SENT
        match error.failure:
            case Failure.UNTRUSTED | Failure.TLS:
                what = "The register and we do not trust each other's certificate (TLS)"
                return _failed(EndpointRefused, what, status, _TRUST)
            case Failure.TOO_LARGE:
                what = f"The register's reply is larger than {self._max_bytes // 1024} KiB"
                return _failed(EndpointUnreadable, what, Status.INVALID_REPLY)
            case Failure.ENCODING:
                what = "The register's reply is packed in a way we did not ask for"
                return _failed(EndpointUnreadable, what, Status.INVALID_REPLY)
            case Failure.DEADLINE:
                what = f"The register did not answer within {self._deadline_s:g} seconds"
            case _ if error.was_sent:
                what = "The connection to the register broke off"
            case _:
                what = "The register cannot be reached"
        return _failed(EndpointUnavailable, what, status)


def _failed(kind: type[_Error], what: str, status: Status, todo: str = _LATER) -> _Error:
    error = kind(what, kept="No member was changed", todo=todo)
    error.status = status
    return error


def _message(response: HttpResponse) -> bytes:
    """Return the body if it is a message; else raise what its HTTP status means."""
    status, body = response.status, response.body
    if status == 429 or (status == 503 and "Retry-After" in response.headers):
        failure = _failed(EndpointUnavailable, f"The register is too busy now (HTTP {status})", Status.TRANSIENT)
        failure.busy, failure.retry_after_s = True, retry_after_s(response.headers)
        raise failure
    head = body[:_HEAD].lstrip(b"\xef\xbb\xbf \t\r\n")
    is_xml = head.startswith(b"<") and b"<html" not in head.lower() and b"<!doctype html" not in head.lower()
    if is_xml and (status == 200 or b"Envelope" in head):
        return body
    if status in {401, 403}:
        what = f"The register refuses this machine (HTTP {status})"
        raise _failed(EndpointRefused, what, Status.REFUSED, "Check the certificate, and what MAGDA has opened for it")
    if 400 <= status < 500:
        what = f"The register does not know this address (HTTP {status})"
        raise _failed(EndpointRefused, what, Status.REFUSED, _ADDRESS)
    if status >= 500:
        what = f"The register is not available now (HTTP {status})"
        raise _failed(EndpointUnavailable, what, Status.TRANSIENT)
    content = "something that is no message" if body else "nothing"
    what = f"The register's address answers with {content} (HTTP {status})"
    raise _failed(EndpointUnavailable, what, Status.INVALID_REPLY)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return for how long not to ask: as seconds, or as a date compared with the reply's own; at most ``LONGEST_S``.

    >>> retry_after_s({"Retry-After": "30"})
    30.0
    >>> retry_after_s({"Retry-After": "Wed, 01 Jul 2026 02:01:30 GMT", "Date": "Wed, 01 Jul 2026 02:00:00 GMT"})
    90.0
    """
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text), LONGEST_S)
    try:
        left = parsedate_to_datetime(text) - parsedate_to_datetime(headers.get("Date", ""))
    except (ValueError, TypeError, OverflowError):  # no date, or one without a zone
        return None
    return min(max(left.total_seconds(), 0.0), LONGEST_S)


class ClockSkew:
    """Compares the dates of replies with our clock; ``clock`` gives aware UTC. Threads may share it."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._is_logged = False

    def check(self, date: str | None) -> None:
        """Check the ``Date`` of a reply; without one, or with one that cannot be read, nothing is known.

        Raises:
            EndpointRefused: the clocks are more than five minutes apart.
        """
        seconds = self._seconds(date)
        if seconds > STOP_S:
            error = EndpointRefused(
                "Our clock and the register's are more than five minutes apart",
                kept="The reply was dropped, and no member was changed",
                todo="Set this machine's clock right, or ask MAGDA about theirs; then run it again",
            )
            error.status = Status.INVALID_REPLY
            raise error
        if seconds > WARN_S and not self._is_logged:
            self._is_logged = True
            log.warning("registry.skew", seconds=seconds)

    def _seconds(self, date: str | None) -> int:
        """Return how many seconds the clocks are apart, 0 when nothing is known."""
        try:
            told = parsedate_to_datetime(date or "")
        except (ValueError, TypeError, OverflowError):
            return 0
        if told.tzinfo is None:  # "-0000": it names no zone
            return 0
        return abs(round((self._clock() - told).total_seconds()))


_LIBRARIES: Final = ("zeep", "urllib3", "requests", "charset_normalizer", "signxml")


def silence() -> None:
    """Silence the loggers of the libraries that see messages, whatever the root's level.

    With zeep and urllib3 at DEBUG an envelope, number included, would be in the operational log (style, C22).
    """
    for name in _LIBRARIES:
        logger = logging.getLogger(name)
        logger.propagate = False
        logger.setLevel(logging.CRITICAL + 1)
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())


class SoapClient:
    """MAGDA's services over HTTP: builds envelopes, signs them, posts them, verifies replies. Threads may share it.

    ``endpoints`` is one address for all operations, or a table: operation, as ``GeefPersoon-02.02``, to address.
    ``context`` holds our certificate and the trusted authorities; without one there is no client certificate, and the
    system's authorities are trusted. ``deadline_s`` is for a whole call. ``sign`` returns a signed envelope, ``verify``
    the part of a reply that may be read; ``dated`` checks the date of every reply (``transport.ClockSkew``).

    Raises:
        ConfigError: an endpoint cannot be used.
    """

    def __init__(
        self,
        endpoints: Mapping[str, str] | str,
        *,
        context: ssl.SSLContext | None = None,
        deadline_s: float = 45.0,
        sign: Callable[[bytes], bytes] | None = None,
        verify: Callable[[bytes], bytes] | None = None,
        dated: Callable[[str | None], None] | None = None,
    ) -> None:
        silence()
        table = {"": endpoints} if isinstance(endpoints, str) else dict(endpoints)
        opened = {
            url: Endpoint(url, context=context, deadline_s=deadline_s, check_date=dated)
            for url in sorted(set(table.values()))
        }
        self._endpoints = {operation: opened[url] for operation, url in table.items()}
        self._sign = sign
        self._verify = verify
        self._operations: dict[str, Any] = {}
        self._reading = Lock()

    def build(self, asked: Service, request: RequestNode) -> bytes:
        """Return the envelope of a Verzoek, as the exact bytes that are sent when nothing is signed.

        Raises:
            ConfigError: the operation has no endpoint, or our own WSDL cannot be used.
        """
        self._endpoint(asked)
        message = self._operation(asked).create(Verzoek=request)
        return etree.tostring(message.content, encoding="UTF-8", xml_declaration=True)

    def sign(self, envelope: bytes) -> bytes:
        """Return an envelope signed, or as it is when nothing is to be signed; these bytes are sent.

        Raises:
            ConfigError: it cannot be signed.
        """
        return envelope if self._sign is None else self._sign(envelope)

    def post(self, asked: Service, envelope: bytes) -> bytes:
        """Send an envelope and give the reply's bytes.

        Raises:
            RegistryError: as ``Endpoint.post`` says, with a ``status`` for the access log.
            ConfigError: the operation has no endpoint.
        """
        return self._endpoint(asked).post(envelope)

    def verified(self, reply: bytes) -> bytes:
        """Return the part of a reply that may be read.

        Raises:
            RegistryUnreadable: its signature is missing or invalid; ``status`` says so.
            RegistryRefused: its certificate is not trusted.
        """
        return reply if self._verify is None else self._verify(reply)

    def close(self) -> None:
        """Close the kept connections."""
        for endpoint in set(self._endpoints.values()):
            endpoint.close()

    def _endpoint(self, asked: Service) -> Endpoint:
        endpoint = self._endpoints.get(asked.operation) or self._endpoints.get("")
        if endpoint is None:
            raise ConfigError(
                f"The settings have no address for {asked.operation}",
                kept="Nothing was asked",
                todo="Add it to [registry] endpoint",
            )
        return endpoint

    def _operation(self, asked: Service) -> Any:
        """Return zeep's operation of a service; its WSDL is read on first use."""
        with self._reading:
            if asked.operation not in self._operations:
                from rrsync.registry.wsdl import read_operation  # noqa: PLC0415 — most commands need no zeep

                self._operations[asked.operation] = read_operation(asked)
            return self._operations[asked.operation]
