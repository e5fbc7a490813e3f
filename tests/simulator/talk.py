"""How the simulator's tests talk to it: questions as SOAP, over plain HTTP."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import requests
from lxml import etree

from rrsync.simulator.serve import Simulator

NS = "http://magda.vlaanderen.be/persoon/soap/geefpersoon/v02_02"
NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
WSDL = Path(str(files("rrsync"))) / "wsdl" / "GeefPersoon-02.02"

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


def ask(simulator: Simulator, digits: str, reference: str = "r-1", **options: Any) -> requests.Response:
    """Ask about one number over HTTP."""
    options.setdefault("timeout", 5)
    return requests.post(simulator.url, data=question(digits, reference), allow_redirects=False, **options)


def message(body: bytes) -> etree._Element:
    """Give what stands in the SOAP body."""
    found = etree.fromstring(body).find("{http://schemas.xmlsoap.org/soap/envelope/}Body/*")
    assert found is not None
    return found
