"""Subscriptions: who is told of a person, and what the four operations that make and end one answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from lxml import etree

from rrsync.simulator.citizens import World
from rrsync.simulator.faults import Fault, FaultKind
from rrsync.simulator.replies import OPERATIONS
from tests.simulator.talk import REPERTORY, SHELF, Start, ask, declaration, message, post

MAKING = {operation: offer for operation, offer in REPERTORY.items() if offer.declares == "Inschrijving"}
WHO = ("hasselt.be/bib-aip", "1300")
OTHER = "00000000097"

Government = Callable[[str, str], etree.XMLSchema]


def ours(operation: str) -> etree.XMLSchema:
    """Return our own schema of an operation."""
    return etree.XMLSchema(etree.parse(str(SHELF / operation / f"{operation.partition('-')[0]}.xsd")))


def told(reply: etree._Element) -> tuple[str, str, str]:
    """Return the result, and the first exception's code and type."""
    return (
        reply.findtext(".//Resultaat", ""),
        reply.findtext(".//Antwoord//Uitzondering/Identificatie", ""),
        reply.findtext(".//Antwoord//Uitzondering/Type", ""),
    )


@pytest.mark.parametrize("operation", sorted(REPERTORY))
def test_a_subscription_is_made_and_ended(start: Start, operation: str, government: Government) -> None:
    """Result 1, under the asker's references, valid for the government and for us; so is the question."""
    simulator, offer = start(), REPERTORY[operation]
    body = declaration(offer, OTHER, "r-7")
    for schema in (government(operation, ""), ours(operation)):
        schema.assertValid(message(body))
    reply = message(post(simulator, body).content)
    for schema in (government(operation, "Response"), ours(operation)):
        schema.assertValid(reply)
    assert told(reply) == ("1", "", "")
    assert reply.findtext(".//Antwoord/Referte") == reply.findtext(".//Ontvanger/Referte") == "r-7"
    assert reply.findtext(".//Context/Naam") == offer.name
    assert simulator.subscribes(*WHO, OTHER) is (offer.declares == "Inschrijving")
    assert [(one.operation, one.digits) for one in simulator.asked] == [(operation, OTHER)]
    assert simulator.counts[operation] == 1


@pytest.mark.parametrize("operation", sorted(MAKING))
def test_one_that_is_there_already_is_a_warning(start: Start, operation: str, government: Government) -> None:
    """Exception 40143 and no content; and there is still one subscription to end."""
    simulator, body = start(), declaration(MAKING[operation], OTHER)
    post(simulator, body)
    reply = message(post(simulator, body).content)
    government(operation, "Response").assertValid(reply)
    assert told(reply) == ("", "40143", "WAARSCHUWING")
    ending = REPERTORY[operation.replace("Inschrijving", "Uitschrijving")]
    assert told(message(post(simulator, declaration(ending, OTHER)).content)) == ("1", "", "")
    assert not simulator.subscribes(*WHO, OTHER)


@pytest.mark.parametrize("operation", sorted(REPERTORY))
def test_another_capacity_than_the_contexts_is_refused(start: Start, operation: str) -> None:
    """Exception 20005, and nothing is subscribed."""
    simulator = start()
    reply = message(post(simulator, declaration(REPERTORY[operation], OTHER, capacity="801")).content)
    assert told(reply) == ("", "20005", "FOUT")
    assert not simulator.subscribes("hasselt.be/bib-aip", "801", OTHER)


@pytest.mark.parametrize("operation", sorted(MAKING))
def test_only_a_subscriber_is_told_of_a_person(start: Start, world: World, operation: str) -> None:
    """Exception 40003 before the subscription, the person after it, 40003 again when it is ended."""
    simulator, digits = start(must_subscribe=True), world.citizen(0).insz.digits
    ending = REPERTORY[operation.replace("Inschrijving", "Uitschrijving")]
    found = []
    for body in (None, declaration(MAKING[operation], digits), declaration(ending, digits)):
        if body is not None:
            post(simulator, body)
        reply = message(ask(simulator, digits).content)
        found.append((told(reply)[1], reply.find(".//Persoon") is not None))
    assert found == [("40003", False), ("", True), ("40003", False)]


@pytest.mark.parametrize("operation", sorted(REPERTORY))
def test_what_the_schema_refuses_gets_a_soap_fault(start: Start, operation: str) -> None:
    """A broken declaration, or one of another version, gets SOAP Fault 10001."""
    simulator, body = start(), declaration(REPERTORY[operation], OTHER)
    for bad in (body.replace(b"<Hoedanigheid>1300</Hoedanigheid><", b"<"), body.replace(b".0000<", b".0009<")):
        assert message(post(simulator, bad).content).findtext("faultstring", "").startswith("10001")
    assert simulator.counts == {"requests": 2, "invalid": 2}


def test_a_fault_strikes_what_it_is_about(start: Start, world: World) -> None:
    """Unregistered is a result 0 to a subscription alone, unsubscribed an exception about a person alone."""
    body, digits = declaration(REPERTORY["RegistreerInschrijving-02.00"], OTHER), world.citizen(0).insz.digits
    refusing = start(faults=[Fault(FaultKind.UNREGISTERED, 1)])
    assert told(message(post(refusing, body).content)) == ("0", "", "")
    assert message(ask(refusing, digits).content).find(".//Persoon") is not None
    forgetting = start(faults=[Fault(FaultKind.UNSUBSCRIBED, 1)])
    assert told(message(post(forgetting, body).content))[0] == "1"
    assert told(message(ask(forgetting, digits).content))[1] == "40003"


@pytest.mark.parametrize("kind", [FaultKind.MIXUP, FaultKind.OTHERREF])
def test_a_subscriptions_mix_up_is_anothers_reference(start: Start, kind: FaultKind) -> None:
    """There is nobody in its reply who could be another."""
    simulator = start(faults=[Fault(kind, 1)])
    reply = message(post(simulator, declaration(REPERTORY["RegistreerUitschrijving-02.01"], OTHER, "mine")).content)
    assert told(reply)[0] == "1"
    assert "mine" not in {reply.findtext(".//Antwoord/Referte"), reply.findtext(".//Ontvanger/Referte")}


@pytest.mark.parametrize("layout", ["{}-{}", "Repertorium/{}/{}.0000"])
def test_a_persona_of_the_repertory_is_served(start: Start, tmp_path: Path, layout: str) -> None:
    """A file answers for its number, everybody else is subscribed; a key that is no number is no file's name."""
    offer = REPERTORY["RegistreerInschrijving-02.01"]
    folder = tmp_path / layout.format(offer.name, offer.version)
    folder.mkdir(parents=True)
    own = f'<p:{offer.name}Response xmlns:p="{offer.namespace}"><Repliek><Own/></Repliek></p:{offer.name}Response>'
    (folder / f"{OTHER}.xml").write_text(own, encoding="utf-8")
    simulator = start(personas=tmp_path)
    assert message(post(simulator, declaration(offer, OTHER)).content).find("Repliek/Own") is not None
    for digits in ("00000000098", f"../{folder.name}/{OTHER}"):
        assert told(message(post(simulator, declaration(offer, digits)).content))[0] == "1"


@pytest.mark.parametrize("operation", sorted(REPERTORY))
def test_the_governments_personas_are_served_valid(
    start: Start, magda_data: Path, government: Government, operation: str
) -> None:
    """Every one of them is valid for us too, and stays valid for the government when it is served."""
    files = sorted((magda_data / "personas" / operation).glob("*.xml"))
    if not files:
        pytest.skip(f"the government has no personas of {operation}")
    simulator = start(personas=magda_data / "personas")
    for path in files:
        ours(operation).assertValid(etree.parse(str(path)))
        if path.stem.isdigit():
            reply = message(post(simulator, declaration(REPERTORY[operation], path.stem)).content)
            government(operation, "Response").assertValid(reply)
            assert told(reply) == told(etree.parse(str(path)).getroot())


@pytest.mark.parametrize("operation", sorted(REPERTORY))
def test_the_governments_question_is_valid_for_us(magda_data: Path, operation: str) -> None:
    """The government's example of a question is valid against our schema."""
    path = magda_data / "requests" / f"{operation}.xml"
    if not path.is_file():
        pytest.skip(f"the government has no example of {operation}")
    ours(operation).assertValid(message(path.read_bytes()))


def test_every_operation_has_a_folder_that_points_nowhere_else() -> None:
    """Every schema location is a file of its own folder, and no folder is without its operation."""
    assert {path.name for path in SHELF.iterdir()} == {offer.operation for offer in OPERATIONS}
    for path in SHELF.glob("*/*"):
        for element in etree.parse(str(path)).iter("{http://www.w3.org/2001/XMLSchema}*"):
            location = element.get("schemaLocation")
            assert location is None or ("/" not in location and (path.parent / location).is_file())


@pytest.mark.parametrize("operation", sorted(REPERTORY))
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"<Identificatie>hasselt.be/bib-aip</Identificatie><Hoedanigheid>", b"<Hoedanigheid>"),
        (b"<Begin>2026-11-22</Begin>", b"<Begin>soon</Begin>"),
        (b"<Begin>2026-11-22</Begin>", b"<Einde>2026-11-22</Einde><Begin>2026-11-22</Begin>"),
        (b"00000000097</", b"</"),
        (b"<Periode>", b"<Bron>RR</Bron><Periode>"),
    ],
    ids=["no sender", "no day", "order", "no number", "more"],
)
def test_a_broken_declaration_is_valid_for_nobody(
    operation: str, government: Government, old: bytes, new: bytes
) -> None:
    """What the government's schema refuses, ours refuses."""
    body = declaration(REPERTORY[operation], OTHER)
    assert old in body
    broken = message(body.replace(old, new))
    assert not ours(operation).validate(broken)
    assert not government(operation, "").validate(broken)


@pytest.mark.parametrize("operation", sorted(REPERTORY))
@pytest.mark.parametrize(
    "inside",
    ["<Resultaat>2</Resultaat>", "<Resultaat/>", "<Anders/>", "<Resultaat>1</Resultaat><Resultaat>1</Resultaat>"],
)
def test_a_broken_result_is_valid_for_nobody(start: Start, operation: str, government: Government, inside: str) -> None:
    """A result is 1 or 0, once."""
    reply = post(start(), declaration(REPERTORY[operation], OTHER)).content.decode()
    opening, _, rest = reply.partition("<Inhoud>")
    broken = message((opening + "<Inhoud>" + inside + "</Inhoud>" + rest.partition("</Inhoud>")[2]).encode())
    assert not ours(operation).validate(broken)
    assert not government(operation, "Response").validate(broken)
