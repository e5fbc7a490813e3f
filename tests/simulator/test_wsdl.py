"""Our own WSDL and schema, against the government's."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import requests
import zeep
from lxml import etree

from rrsync.simulator.citizens import World
from rrsync.simulator.replies import Request, Stamp, person_reply
from tests.simulator.talk import NOW, NS, WSDL, message, question

ASKER = Request("hasselt.be/bib-aip", "r-1", "1300", "", "r-1", "00610100137")


class Offline(requests.Session):
    """A session that goes nowhere."""

    def send(self, *_: object, **__: object) -> requests.Response:
        """Refuse to send."""
        raise AssertionError("nothing may be fetched")


@pytest.fixture(scope="module")
def client() -> Any:
    """Return a zeep client on our WSDL that can fetch nothing."""
    library: Any = zeep  # it has no types
    return library.Client(str(WSDL / "GeefPersoon.wsdl"), transport=library.Transport(session=Offline()))


def verzoek(**criteria: object) -> dict[str, object]:
    """Return a question as zeep takes it."""
    return {
        "Context": {
            "Naam": "GeefPersoon",
            "Versie": "02.02.0000",
            "Bericht": {
                "Type": "VRAAG",
                "Tijdstip": {"Datum": "2026-11-22", "Tijd": "10:30:00.000"},
                "Afzender": {"Identificatie": "hasselt.be/bib-aip", "Referte": "r-1", "Hoedanigheid": "1300"},
            },
        },
        "Vragen": {"Vraag": {"Referte": "r-1", "Inhoud": {"Criteria": criteria, "Bron": "RR", "Taal": "nl"}}},
    }


@pytest.mark.parametrize("extra", [{}, {"OpvragingenKSZ": {"BasisPersoonsgegevens": "1"}}])
def test_our_question_is_valid_for_the_government(
    client: Any, government_request: etree.XMLSchema, extra: dict[str, object]
) -> None:
    """A question that zeep builds from our WSDL is valid against the government's schema, with a prefixed root."""
    service = client.create_service(f"{{{NS}}}GeefPersoonBinding", "http://127.0.0.1:1/")
    built = client.create_message(service, "GeefPersoon", Verzoek=verzoek(INSZ="00610100137", **extra))
    text = etree.tostring(built).decode()
    government_request.assertValid(message(text.encode()))
    assert 'xmlns=""' not in text
    assert f'GeefPersoon xmlns:ns0="{NS}"' in text


def test_the_governments_question_is_valid_for_us(magda_data: Path, ours: etree.XMLSchema) -> None:
    """The government's example question is valid against our schema."""
    ours.assertValid(message((magda_data / "requests" / "GeefPersoon-02.02.xml").read_bytes()))


def test_every_persona_is_valid_for_us(magda_data: Path, ours: etree.XMLSchema) -> None:
    """Every reply among the government's test personas is valid against our schema, whatever is in it."""
    personas = sorted((magda_data / "personas" / "GeefPersoon-02.02").glob("*.xml"))
    assert len(personas) > 200
    assert [path.name for path in personas if not ours.validate(etree.parse(str(path)))] == []


def test_a_persona_can_be_read_by_zeep(client: Any, world: World) -> None:
    """Zeep reads a reply by our WSDL and gives the exceptions typed."""
    service = client.create_service(f"{{{NS}}}GeefPersoonBinding", "http://127.0.0.1:1/")
    reply = etree.fromstring(person_reply(None, ASKER, Stamp(NOW, "m-1")))
    read = service._binding.get("GeefPersoon").process_reply(reply)
    assert read.Antwoorden.Antwoord.Uitzonderingen.Uitzondering[0].Identificatie == "30001"


def test_what_we_do_not_know_is_let_through(world: World, ours: etree.XMLSchema) -> None:
    """A block, a child and an attribute that nobody ever saw leave a reply valid."""
    reply = message(person_reply(world.citizen(0), ASKER, Stamp(NOW, "m-1")))
    person = found(reply, ".//Persoon")
    etree.SubElement(etree.SubElement(person, "Nieuw", Soort="x"), "Naam").text = "text where a name has children"
    etree.SubElement(found(reply, ".//Hoofdverblijfplaats"), "Verdieping").text = "3"
    found(reply, ".//Hoofdverblijfplaats").set("Bron", "RR")
    found(reply, ".//Geboorte").set("Herkomst", "x")
    ours.assertValid(reply)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("Repliek/Antwoorden/Antwoord/Inhoud/Persoon/INSZ", "0061010013"),
        (".//Geboorte/Datum", "yesterday"),
        (".//Hoofdverblijfplaats/NISCodeGemeente", "Hasselt"),
        (".//Hoofdverblijfplaats/ISOCodeLand", "BE"),
        (".//Hoofdverblijfplaats/Straatnaam/String", None),
        (".//Persoon/Naam/Achternamen/Achternaam", None),
        (".//Status/Code", None),
        (".//Antwoord/Referte", None),
        (".//Ontvanger/Gebruiker", "0061010013x"),
        (".//Uitzondering/Identificatie", "E30001"),
        (".//Uitzondering/Type", "ERROR"),
        (".//Uitzondering/Diagnose", None),
    ],
)
def test_a_broken_field_is_not_valid(ours: etree.XMLSchema, path: str, text: str | None) -> None:
    """A field that we do know and that is broken, or gone where it must be, makes the reply invalid."""
    reply = example()
    ours.assertValid(reply)
    element = found(reply, path)
    if text is None:
        parent = element.getparent()
        assert parent is not None
        parent.remove(element)
    else:
        element.text = text
    assert not ours.validate(reply)


@pytest.mark.parametrize("path", [".//Hoofdverblijfplaats", ".//Status"])
def test_a_broken_begin_date_is_not_valid(ours: etree.XMLSchema, path: str) -> None:
    """A begin date may be partial, never a word."""
    reply = example()
    found(reply, path).set("DatumBegin", "1998-00-00")
    ours.assertValid(reply)
    found(reply, path).set("DatumBegin", "long ago")
    assert not ours.validate(reply)


@pytest.mark.parametrize("digits", ["0061010013", "006101001370", "0061010013\u0667", ""])
def test_a_broken_question_is_not_valid(ours: etree.XMLSchema, digits: str) -> None:
    """A number in a question is eleven ASCII digits."""
    assert not ours.validate(message(question(digits)))


def test_no_schema_points_outside_its_folder() -> None:
    """Every schema location is a file of this folder."""
    for path in WSDL.iterdir():
        for element in etree.parse(str(path)).iter("{http://www.w3.org/2001/XMLSchema}*"):
            location = element.get("schemaLocation")
            assert location is None or (WSDL / location).is_file()
            assert location is None or "/" not in location


def found(element: etree._Element, path: str) -> etree._Element:
    """Return the element at a path."""
    inside = element.find(path)
    assert inside is not None
    return inside


def example() -> etree._Element:
    """Return a reply with content, a status and exceptions at both levels."""
    world = World(seed=7, people=300)
    people = [world.citizen(position) for position in range(300)]
    dead = next(one for one in people if one.situation == "deceased" and one.variant % 2 == 0)
    reply = message(person_reply(dead, Request("a", "r", "", "00610100137", "r", dead.insz.digits), Stamp(NOW, "m-1")))
    listed = found(message(person_reply(None, ASKER, Stamp(NOW, "m-1"))), ".//Uitzonderingen")
    found(reply, ".//Antwoord").append(deepcopy(listed))
    found(reply, "Repliek").append(listed)
    return reply
