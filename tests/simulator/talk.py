"""How the simulator's tests talk to it: questions as SOAP, over plain HTTP."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import requests
from lxml import etree

from rrsync.simulator.replies import OPERATIONS, Operation
from rrsync.simulator.server import Simulator

NS = "http://magda.vlaanderen.be/persoon/soap/geefpersoon/v02_02"
NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
WSDL = Path(str(files("rrsync"))) / "wsdl" / "GeefPersoon-02.02"

SHELF = WSDL.parent
#: What makes and ends subscriptions, by the name and version of its folder.
REPERTORY = {offer.operation: offer for offer in OPERATIONS if offer.declares}

Start = Callable[..., Simulator]


def question(digits: str, reference: str = "r-1", *, name: str = "GeefPersoon", version: str = "02.02.0000") -> bytes:
    """Write a question as SOAP."""
    return (
        '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
        f'<p:GeefPersoon xmlns:p="{NS}"><Verzoek><Context><Naam>{name}</Naam><Versie>{version}</Versie><Bericht>'
        "<Type>VRAAG</Type><Tijdstip><Datum>2026-11-22</Datum><Tijd>10:30:00.000</Tijd></Tijdstip><Afzender>"
        f"<Identificatie>hasselt.be/bib-aip</Identificatie><Referte>{reference}</Referte>"
        "<Hoedanigheid>1300</Hoedanigheid><Gebruiker>00610100137</Gebruiker></Afzender></Bericht></Context>"
        f"<Vragen><Vraag><Referte>{reference}</Referte><Inhoud><Criteria><INSZ>{digits}</INSZ></Criteria>"
        "<Bron>RR</Bron><Taal>nl</Taal></Inhoud></Vraag></Vragen></Verzoek></p:GeefPersoon></s:Body></s:Envelope>"
    ).encode()


def declaration(offer: Operation, digits: str, reference: str = "r-1", *, capacity: str = "1300") -> bytes:
    """Write a wish to make or end a subscription as SOAP; ``capacity`` is that which is declared."""
    persons = f"<Type>PERS</Type><Subjecten><Subject><Type>PERS</Type><Sleutel>{digits}</Sleutel></Subject></Subjecten>"
    key = f"<INSZ>{digits}</INSZ>" if offer.version == "02.00" else f"<BetrokkenSubject>{persons}</BetrokkenSubject>"
    return (
        '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
        f'<p:{offer.name} xmlns:p="{offer.namespace}"><Verzoek><Context><Naam>{offer.name}</Naam>'
        f"<Versie>{offer.version}.0000</Versie><Bericht><Type>VRAAG</Type><Tijdstip><Datum>2026-11-22</Datum>"
        "<Tijd>10:30:00.000</Tijd></Tijdstip><Afzender><Identificatie>hasselt.be/bib-aip</Identificatie>"
        f"<Referte>{reference}</Referte><Hoedanigheid>1300</Hoedanigheid></Afzender></Bericht></Context><Vragen><Vraag>"
        f"<Referte>{reference}</Referte><Inhoud><{offer.declares}><Identificatie>hasselt.be/bib-aip</Identificatie>"
        f"<Hoedanigheid>{capacity}</Hoedanigheid>{key}<Periode><Begin>2026-11-22</Begin></Periode></{offer.declares}>"
        f"</Inhoud></Vraag></Vragen></Verzoek></p:{offer.name}></s:Body></s:Envelope>"
    ).encode()


def post(simulator: Simulator, body: bytes) -> requests.Response:
    """Post a message over HTTP."""
    return requests.post(simulator.url, data=body, allow_redirects=False, timeout=5)


def ask(simulator: Simulator, digits: str, reference: str = "r-1", **options: Any) -> requests.Response:
    """Ask about one number over HTTP."""
    options.setdefault("timeout", 5)
    return requests.post(simulator.url, data=question(digits, reference), allow_redirects=False, **options)


def message(body: bytes) -> etree._Element:
    """Return what stands in the SOAP body."""
    found = etree.fromstring(body).find("{http://schemas.xmlsoap.org/soap/envelope/}Body/*")
    assert found is not None
    return found
