"""SOAP over ``wire``: zeep writes the envelope from our own WSDL, and sends and reads nothing.

The only module in which ``Any`` may stand: zeep's types are made at run time.
"""

from __future__ import annotations

import logging
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lxml import etree
from zeep import Client as Zeep
from zeep import Settings, Transport

from rrsync.errors import ConfigError
from rrsync.registry import messages
from rrsync.registry.wire import Wire

if TYPE_CHECKING:
    from rrsync.registry.messages import Node

_SPOKEN: Final = ("zeep", "urllib3", "requests", "charset_normalizer")


def silence() -> None:
    """Close the loggers of the libraries that see messages: whatever the root's level, they print nothing.

    With zeep and urllib3 at DEBUG an envelope, number included, would stand in the log (style, C22).
    """
    for name in _SPOKEN:
        logger = logging.getLogger(name)
        logger.propagate = False
        logger.setLevel(logging.CRITICAL + 1)
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())


class _Shelf(Transport):
    """Gives zeep the files of one folder, and nothing else in the world."""

    def __init__(self, folder: Path) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # zeep leaves it untyped
        self._folder = folder.resolve()

    def load(self, url: str) -> bytes:
        path = Path(url).resolve()
        if not path.is_relative_to(self._folder):
            raise ConfigError("The register's interface names a file outside its own folder")
        return path.read_bytes()

    def post(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("zeep sends nothing")  # pragma: no cover


class Client:
    """GeefPersoon over HTTP: builds envelopes and posts them. Threads may share it.

    ``deadline_s`` is for a whole call. The files are PEM; ``ca`` must have signed the server's certificate.

    Raises:
        ConfigError: the endpoint, a certificate, a key or our own WSDL cannot be used.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        certificate: str = "",
        private_key: str = "",
        ca: str = "",
        deadline_s: float = 45.0,
    ) -> None:
        silence()
        self._wire = Wire(endpoint, certificate=certificate, private_key=private_key, ca=ca, deadline_s=deadline_s)
        with as_file(files("rrsync") / "wsdl" / messages.OPERATION) as folder:
            zeep = Zeep(  # type: ignore[no-untyped-call]  # zeep leaves it untyped
                str(folder / f"{messages.SERVICE}.wsdl"),
                transport=_Shelf(folder),
                settings=Settings(strict=True, xml_huge_tree=False, forbid_external=True),
            )
        binding: Any = zeep.service._binding  # noqa: SLF001 — zeep's own way from a service to a message
        self._operation: Any = binding.get(messages.SERVICE)

    def build(self, request: Node) -> bytes:
        """Give the envelope of a Verzoek, as the exact bytes that are sent."""
        message = self._operation.create(Verzoek=request)
        return etree.tostring(message.content, encoding="UTF-8", xml_declaration=True)

    def post(self, envelope: bytes) -> bytes:
        """Send an envelope and give the reply's bytes.

        Raises:
            RegistryError: as ``Wire.post`` says, with a ``status`` for the access log.
        """
        return self._wire.post(envelope)

    def close(self) -> None:
        """Close the kept connections."""
        self._wire.close()
