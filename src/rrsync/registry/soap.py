"""SOAP over ``transport``: zeep writes the envelopes from our own WSDL, and sends and reads nothing.

The only module that may use ``Any``: zeep's types are made at run time.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any, Final

from lxml import etree

from rrsync.errors import ConfigError
from rrsync.registry.request import RequestNode
from rrsync.registry.services import Service
from rrsync.registry.transport import Endpoint

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


class Client:
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
