"""A question as it comes in: parsed without trust, read leniently for the record, checked against our schema."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from threading import Lock
from typing import Final

from lxml import etree

from rrsync.simulator.answer import Asker

_SOAP_BODY: Final = "{http://schemas.xmlsoap.org/soap/envelope/}Body"
_CONTEXT: Final = "Verzoek/Context/"
_SENDER: Final = "Verzoek/Context/Bericht/Afzender/"
_QUESTION: Final = "Verzoek/Vragen/Vraag/"
_SERVICE: Final = ("GeefPersoon", "02.02.0000")
#: Held while validating: libxml2 2.14 was once seen to crash when a schema was read beside a validation.
_ONE_AT_A_TIME: Final = Lock()


@dataclass(frozen=True, slots=True)
class Question:
    """What came in: who asks what, as far as it can be read, and what is wrong with it (empty: nothing)."""

    asker: Asker
    complaint: str


class Intake:
    """Reads what comes in; threads may share it, and all share one schema."""

    __slots__ = ("_schema",)

    def __init__(self) -> None:
        """Take our schema from the package."""
        self._schema = _schema()

    def read(self, body: bytes) -> Question:
        """Read a SOAP message; whatever is wrong with it becomes the complaint, never an error."""
        try:
            root = etree.fromstring(body, _parser())
        except etree.XMLSyntaxError as error:
            return Question(_asker(etree.Element("nothing")), f"10001 - {error.msg}")
        operation = root.find(f"{_SOAP_BODY}/*")
        if operation is None:
            return Question(_asker(root), "10001 - the SOAP body is empty")
        if root.getroottree().docinfo.internalDTD is not None:
            return Question(_asker(operation), "10001 - a document type is not allowed")
        return Question(_asker(operation), self._complaint(operation))

    def _complaint(self, operation: etree._Element) -> str:
        """Say what the schema has against the question, as MAGDA does: with the value that is wrong."""
        try:
            with _ONE_AT_A_TIME:
                self._schema.assertValid(operation)
        except etree.DocumentInvalid as error:
            return f"10001 - cvc: {error}"
        name, version = (operation.findtext(f"{_CONTEXT}{part}", "") for part in ("Naam", "Versie"))
        return "" if (name, version) == _SERVICE else "10001 - unknown service or version"


@cache
def _schema() -> etree.XMLSchema:
    """Give our schema, read once in a process: where schemas never come and go, none is read beside a validation."""
    with _ONE_AT_A_TIME:
        return etree.XMLSchema(etree.parse(str(files("rrsync") / "wsdl" / "GeefPersoon-02.02" / "GeefPersoon.xsd")))


def _parser() -> etree.XMLParser:
    return etree.XMLParser(
        resolve_entities=False, load_dtd=False, no_network=True, remove_comments=True, remove_pis=True
    )


def _asker(operation: etree._Element) -> Asker:
    return Asker(
        sender=operation.findtext(f"{_SENDER}Identificatie", ""),
        sender_reference=operation.findtext(f"{_SENDER}Referte", ""),
        capacity=operation.findtext(f"{_SENDER}Hoedanigheid", ""),
        user=operation.findtext(f"{_SENDER}Gebruiker", ""),
        reference=operation.findtext(f"{_QUESTION}Referte", ""),
        digits=operation.findtext(f"{_QUESTION}Inhoud/Criteria/INSZ", ""),
    )
