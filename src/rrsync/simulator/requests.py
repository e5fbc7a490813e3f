"""A request as it comes in: parsed without trust, read leniently, and validated against our schemas."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from threading import Lock
from typing import Final

from lxml import etree

from rrsync.simulator.replies import OPERATIONS, PERSON, Operation, Request

_SOAP_BODY: Final = "{http://schemas.xmlsoap.org/soap/envelope/}Body"
_CONTEXT: Final = "Verzoek/Context/"
_SENDER: Final = "Verzoek/Context/Bericht/Afzender/"
_QUESTION: Final = "Verzoek/Vragen/Vraag/"
_KEYS: Final = ("INSZ", "BetrokkenSubject/Subjecten/Subject/Sleutel")
_BY_ROOT: Final = {offer.root: offer for offer in OPERATIONS}
#: Held while validating: libxml2 2.14 was once seen to crash when a schema was read beside a validation.
_ONE_AT_A_TIME: Final = Lock()


@dataclass(frozen=True, slots=True)
class ParsedRequest:
    """A request as far as it can be read, and what is wrong with it (``""``: nothing)."""

    asker: Request
    complaint: str


class RequestReader:
    """Reads requests; threads may share it, and all share the schemas."""

    __slots__ = ("_schemas",)

    def __init__(self) -> None:
        """Read our schemas from the package, once in a process."""
        self._schemas = _schemas()

    def read(self, body: bytes) -> ParsedRequest:
        """Read a SOAP message; whatever is wrong with it becomes the complaint, never an error."""
        try:
            root = etree.fromstring(body, _parser())
        except etree.XMLSyntaxError as error:
            return ParsedRequest(_asker(etree.Element("nothing")), f"10001 - {error.msg}")
        operation = root.find(f"{_SOAP_BODY}/*")
        if operation is None:
            return ParsedRequest(_asker(root), "10001 - the SOAP body is empty")
        if root.getroottree().docinfo.internalDTD is not None:
            return ParsedRequest(_asker(operation), "10001 - a document type is not allowed")
        return ParsedRequest(_asker(operation), self._complaint(operation))

    def _complaint(self, operation: etree._Element) -> str:
        """Return what is wrong by the schema, with the wrong value, as MAGDA does."""
        offer = _offer(operation)
        try:
            with _ONE_AT_A_TIME:
                self._schemas[offer].assertValid(operation)
        except etree.DocumentInvalid as error:
            return f"10001 - cvc: {error}"
        name, version = (operation.findtext(f"{_CONTEXT}{part}", "") for part in ("Naam", "Versie"))
        is_known = (name, version) == (offer.name, f"{offer.version}.0000")
        return "" if is_known else "10001 - unknown service or version"


@cache
def _schemas() -> dict[Operation, etree.XMLSchema]:
    """Return our schemas, read once in a process, so that none is read during a validation."""
    folder = files("rrsync") / "wsdl"
    with _ONE_AT_A_TIME:
        return {
            offer: etree.XMLSchema(etree.parse(str(folder / offer.operation / f"{offer.name}.xsd")))
            for offer in OPERATIONS
        }


def _parser() -> etree.XMLParser:
    return etree.XMLParser(
        resolve_entities=False, load_dtd=False, no_network=True, remove_comments=True, remove_pis=True
    )


def _offer(operation: etree._Element) -> Operation:
    """Return the operation of a request; an unknown one is read as a question about a person."""
    return _BY_ROOT.get(operation.tag, PERSON)


def _asker(operation: etree._Element) -> Request:
    offer = _offer(operation)
    inside = f"{_QUESTION}Inhoud/{offer.declares or 'Criteria'}/"
    keys = (operation.findtext(f"{inside}{path}", "") for path in _KEYS)
    return Request(
        sender=operation.findtext(f"{_SENDER}Identificatie", ""),
        sender_reference=operation.findtext(f"{_SENDER}Referte", ""),
        capacity=operation.findtext(f"{_SENDER}Hoedanigheid", ""),
        user=operation.findtext(f"{_SENDER}Gebruiker", ""),
        reference=operation.findtext(f"{_QUESTION}Referte", ""),
        digits=next(filter(None, keys), ""),
        offer=offer,
        declared=(operation.findtext(f"{inside}Identificatie", ""), operation.findtext(f"{inside}Hoedanigheid", "")),
    )
