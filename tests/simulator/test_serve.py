"""The server, over real HTTP."""

from __future__ import annotations

import json
import shutil
import socket
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from lxml import etree

from rrsync.errors import ConfigError
from rrsync.simulator.citizens import World
from rrsync.simulator.faults import Fault
from rrsync.simulator.server import Simulator, Throttle
from tests.simulator.talk import NOW, Start, ask, message, question

LAYOUTS = (".", "GeefPersoon-02.02", "Persoon/GeefPersoon/02.02.0000")
PERSONA = "00630299891"
XML = {"Content-Type": "text/xml; charset=UTF-8"}


def test_a_citizen_is_told_about(start: Start, world: World) -> None:
    """A question about a citizen is answered with that citizen, under the asker's reference, on any path."""
    simulator = start()
    citizen = world.citizen(0)
    for path in ("", "GeefPersoonDienst-02.02/soap/WebService"):
        reply = requests.post(simulator.url + path, data=question(citizen.insz.digits, "r-7"), timeout=5)
        assert (reply.status_code, reply.headers["Content-Type"]) == (200, "text/xml; charset=UTF-8")
        told = message(reply.content)
        assert told.findtext(".//Persoon/INSZ") == citizen.insz.digits
        assert told.findtext(".//Antwoord/Referte") == told.findtext(".//Ontvanger/Referte") == "r-7"
    assert simulator.counts == {"requests": 2, "GeefPersoon-02.02": 2, "answered": 2}


def test_a_stranger_is_not_found(start: Start) -> None:
    """A number nobody has gets exception 30001, with a world and without."""
    for simulator in (start(), start(world=None)):
        told = message(ask(simulator, "00000000097").content)
        assert told.findtext(".//Uitzondering/Identificatie") == "30001"


def test_what_was_asked_is_known_but_not_shown(start: Start, world: World) -> None:
    """References can be looked at; the number is kept for tests and shows nowhere."""
    simulator = start()
    digits = world.citizen(5).insz.digits
    ask(simulator, digits, "r-5")
    (asked,) = simulator.asked
    assert (asked.reference, asked.digits, asked.sender, asked.capacity) == (
        "r-5",
        digits,
        "hasselt.be/bib-aip",
        "1300",
    )
    assert asked.at == NOW
    counts = requests.get(f"{simulator.url}counts", timeout=5)
    references = requests.get(f"{simulator.url}references", timeout=5)
    assert json.loads(counts.text) == {"GeefPersoon-02.02": 1, "answered": 1, "requests": 1}
    assert references.text == "r-5\n"
    assert digits not in repr(asked) + counts.text + references.text
    assert requests.get(f"{simulator.url}else", timeout=5).status_code == 404


def test_a_long_run_keeps_nothing(start: Start) -> None:
    """Without keep_asked only counts remain."""
    simulator = start(keep_asked=False)
    ask(simulator, "00000000097")
    assert simulator.asked == ()
    assert simulator.counts["requests"] == 1


def test_a_question_is_announced_before_it_is_answered(start: Start) -> None:
    """The reference is announced while nothing has been answered, also when the question is refused or faulty."""
    seen: list[tuple[str, int]] = []
    simulators: list[Simulator] = []
    simulator = start(
        on_request=lambda reference: seen.append((reference, simulators[0].counts["answered"])),
        faults=[Fault.parse("empty-body:3")],
    )
    simulators.append(simulator)
    ask(simulator, "00000000097", "one")
    ask(simulator, "not-a-number", "two")
    ask(simulator, "00000000097", "three")
    assert seen == [("one", 0), ("two", 1), ("three", 1)]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no xml",
        b"<a/>",
        question("0061010013"),
        question("00000000097", ""),
        question("00000000097", name="GeefHistoriekPersoon"),
        question("00000000097", version="02.00.0000"),
        question("00000000097").replace(b"<Taal>nl</Taal>", b""),
        b'<!DOCTYPE x [<!ENTITY a "b">]>' + question("00000000097"),
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd">' + question("00000000097"),
    ],
)
def test_a_bad_question_gets_a_soap_fault(start: Start, body: bytes) -> None:
    """Whatever our schema refuses gets SOAP Fault 10001 and is counted as invalid."""
    simulator = start()
    reply = requests.post(simulator.url, data=body, headers=XML, timeout=5)
    assert reply.status_code == 500
    assert message(reply.content).findtext("faultstring", "").startswith("10001")
    assert simulator.counts == {"requests": 1, "invalid": 1}


def test_a_huge_question_is_not_read(start: Start) -> None:
    """More than a mebibyte is refused from its announced length alone."""
    simulator = start()
    with connected(simulator) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 413 ")
    with connected(simulator) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 411 ")
    assert simulator.counts["invalid"] == 2


# Faults ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "status", "start_of_fault"),
    [("throttle", 500, "99995 - Te veel gelijktijdige bevragingen"), ("signature", 500, "ERR_025: ")],
)
def test_soap_faults(start: Start, kind: str, status: int, start_of_fault: str) -> None:
    """A SOAP Fault comes with HTTP 500 and the text MAGDA gives."""
    simulator = start(faults=[Fault.parse(f"{kind}:2")])
    assert ask(simulator, "00000000097").status_code == 200
    reply = ask(simulator, "00000000097")
    assert reply.status_code == status
    assert message(reply.content).findtext("faultstring", "").startswith(start_of_fault)
    assert simulator.counts == {"requests": 2, "GeefPersoon-02.02": 2, "answered": 1, kind: 1}


def test_the_throttle_fault_says_how_many(start: Start) -> None:
    """The detail of SOAP Fault 99995 names ten requests in a thousand milliseconds."""
    told = message(ask(start(faults=[Fault.parse("throttle:1")]), "00000000097").content)
    assert "10 requests within 1000 ms" in told.findtext("detail/message", "")


@pytest.mark.parametrize(
    ("kind", "path", "code"),
    [
        ("busy", "Repliek/Uitzonderingen", "99996"),
        ("source", "Repliek/Uitzonderingen", "99994"),
        ("refused", "Repliek/Uitzonderingen", "13001"),
        ("unsubscribed", "Repliek/Antwoorden/Antwoord/Uitzonderingen", "40003"),
        ("unknowncode", "Repliek/Antwoorden/Antwoord/Uitzonderingen", "77777"),
    ],
)
def test_exceptions_come_at_their_level(start: Start, world: World, kind: str, path: str, code: str) -> None:
    """An exception stands on the message or on the question, without content."""
    told = message(ask(start(faults=[Fault.parse(f"{kind}:1")]), world.citizen(0).insz.digits).content)
    assert told.findtext(f"{path}/Uitzondering/Identificatie") == code
    assert told.find(".//Inhoud") is None


def test_http_faults(start: Start) -> None:
    """Unavailable, HTML, a redirect and nothing at all come with the status and headers they should."""
    kinds = ("unavailable", "html", "redirect", "empty-body")
    replies = {kind: ask(start(faults=[Fault.parse(f"{kind}:1")]), "00000000097") for kind in kinds}
    assert {kind: reply.status_code for kind, reply in replies.items()} == {
        "unavailable": 503,
        "html": 200,
        "redirect": 307,
        "empty-body": 200,
    }
    assert replies["unavailable"].headers["Retry-After"] == "1"
    assert replies["html"].headers["Content-Type"].startswith("text/html")
    assert replies["redirect"].headers["Location"] != "/"
    assert replies["empty-body"].content == b""


def test_mixup_and_other_references(start: Start, world: World) -> None:
    """A mix-up is another person under our reference, the other way round is our person under another."""
    digits = world.citizen(0).insz.digits
    mixed = message(ask(start(faults=[Fault.parse("mixup:1")]), digits, "mine").content)
    assert mixed.findtext(".//Antwoord/Referte") == "mine"
    assert mixed.findtext(".//Persoon/INSZ") not in {None, digits}
    other = message(ask(start(faults=[Fault.parse("otherref:1")]), digits, "mine").content)
    assert other.findtext(".//Persoon/INSZ") == digits
    assert "mine" not in {other.findtext(".//Antwoord/Referte"), other.findtext(".//Ontvanger/Referte")}
    alone = start(faults=[Fault.parse("mixup:1")], world=None)
    assert message(ask(alone, digits).content).findtext(".//Persoon/INSZ") not in {None, digits}


def test_an_empty_answer(start: Start, world: World) -> None:
    """An empty answer has our reference and nothing else."""
    told = message(ask(start(faults=[Fault.parse("empty:1")]), world.citizen(0).insz.digits).content)
    answer = told.find(".//Antwoord")
    assert answer is not None
    assert [child.tag for child in answer] == ["Referte"]


def test_a_bomb_is_small_on_the_wire_and_large_unpacked(start: Start) -> None:
    """A gzip reply of less than 128 KiB holds more than 64 MB."""
    reply = ask(start(faults=[Fault.parse("bomb:1")]), "00000000097", stream=True)
    packed = reply.raw.read(decode_content=False)
    assert reply.headers["Content-Encoding"] == "gzip"
    assert len(packed) < 128 * 1024
    assert len(zlib.decompress(packed, wbits=31)) > 64_000_000


def test_an_oversize_reply_is_well_formed(start: Start, world: World) -> None:
    """More than two mebibytes come, and are still a reply."""
    reply = ask(start(faults=[Fault.parse("oversize:1")]), world.citizen(0).insz.digits)
    assert len(reply.content) > 2 * 2**20
    assert message(reply.content).find(".//Persoon") is not None


def test_a_document_type_that_would_explode(start: Start, world: World) -> None:
    """The reply declares entities that a careless parser expands a thousand million times."""
    reply = ask(start(faults=[Fault.parse("doctype:1")]), world.citizen(0).insz.digits)
    assert reply.content.count(b"<!DOCTYPE ") == 1
    assert reply.content.count(b"<!ENTITY ") == 10
    assert reply.content.count(b"&l9;") == 1
    assert len(reply.content) < 10_000


def test_a_reset_connection(start: Start) -> None:
    """A reset is a reset: no byte of a reply."""
    simulator = start(faults=[Fault.parse("reset:1")])
    with connected(simulator) as client:
        client.sendall(post(question("00000000097")))
        with pytest.raises(ConnectionResetError):
            client.recv(1)


def test_a_truncated_reply(start: Start, world: World) -> None:
    """The announced length is right and half of the body comes."""
    simulator = start(faults=[Fault.parse("truncate:1")])
    with connected(simulator) as client:
        client.sendall(post(question(world.citizen(0).insz.digits)))
        head, _, body = drain(client).partition(b"\r\n\r\n")
    announced = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    assert 0 < len(body) < announced


def test_a_hanging_request_ends_with_the_simulator(world: World) -> None:
    """Nothing comes while the simulator runs, and closing it does not wait for the client."""
    begun = time.monotonic()
    with Simulator(
        now=lambda: NOW, new_reference=lambda: "m", world=world, faults=[Fault.parse("hang:1")]
    ) as simulator:
        client = connected(simulator)
        client.sendall(post(question("00000000097")))
        client.settimeout(0.1)
        with pytest.raises(TimeoutError):
            client.recv(1)
        client.settimeout(5)
    assert client.recv(1) == b""
    client.close()
    assert time.monotonic() - begun < 3
    assert not [one for one in threading.enumerate() if "process_request" in one.name]


def test_a_dripping_reply_comes_byte_by_byte(world: World) -> None:
    """The headers come at once and the body far too slowly; closing the simulator ends it."""
    with Simulator(
        now=lambda: NOW, new_reference=lambda: "m", world=world, faults=[Fault.parse("drip:1")]
    ) as simulator:
        client = connected(simulator)
        client.sendall(post(question("00000000097")))
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(1000)
        assert len(client.recv(1000)) <= 2
    client.close()


# Pace -----------------------------------------------------------------------------------------------------------------


def test_more_than_n_within_a_second_is_refused() -> None:
    """N may come within any second, then nobody until the first is a second old; a refusal does not count."""
    moment = [0.0]
    throttle = Throttle(2, lambda: moment[0])
    admitted = []
    for moment[0] in (0.0, 0.5, 0.9, 0.99, 1.0, 1.1, 1.5, 1.6):
        admitted.append(throttle.admits())
    assert admitted == [True, True, False, False, True, False, True, False]


def test_who_asks_too_fast_is_throttled(start: Start) -> None:
    """Over the limit a SOAP Fault 99995 comes, over HTTP."""
    simulator = start(max_per_second=3, clock=lambda: 0.0)
    replies = [ask(simulator, "00000000097") for _ in range(5)]
    assert [reply.status_code for reply in replies] == [200, 200, 200, 500, 500]
    assert message(replies[-1].content).findtext("faultstring", "").startswith("99995")
    assert simulator.counts == {"requests": 5, "GeefPersoon-02.02": 5, "answered": 3, "throttled": 2}


def test_latency_is_kept(start: Start) -> None:
    """A reply takes at least the latency that was asked for."""
    simulator = start(latency_ms=60)
    begun = time.monotonic()
    ask(simulator, "00000000097")
    assert time.monotonic() - begun >= 0.06


def test_sixteen_clients_keep_their_connections(start: Start, world: World) -> None:
    """Sixteen threads ask on kept-alive connections; everybody gets their own answer, none is lost."""
    simulator = start()

    def work(worker: int) -> int:
        with requests.Session() as session:
            for turn in range(20):
                citizen, reference = world.citizen(worker * 3 + turn), f"{worker}-{turn}"
                reply = session.post(simulator.url, data=question(citizen.insz.digits, reference), timeout=5)
                assert message(reply.content).findtext(".//Antwoord/Referte") == reference
            pools = session.get_adapter(simulator.url).poolmanager.pools  # type: ignore[attr-defined]  # of requests
            return int(pools[next(iter(pools.keys()))].num_connections)

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(work, range(16))) == [1] * 16
    assert simulator.counts == {"requests": 320, "GeefPersoon-02.02": 320, "answered": 320}
    assert len({one.reference for one in simulator.asked}) == 320


def test_a_taken_port_is_a_sentence(start: Start) -> None:
    """A second simulator on the same port says so."""
    port = urlsplit(start().url).port
    with pytest.raises(ConfigError, match="cannot listen"):
        start(port=port)


# Personas -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
def test_persona_files_are_served_in_every_layout(
    start: Start, magda_data: Path, tmp_path: Path, layout: str, government_reply: etree.XMLSchema
) -> None:
    """A persona comes as its file has it, but for the references and the receiver; others get notfound.xml."""
    source = magda_data / "personas" / "GeefPersoon-02.02"
    (tmp_path / layout).mkdir(parents=True, exist_ok=True)
    for name in (PERSONA, "notfound"):
        shutil.copy(source / f"{name}.xml", tmp_path / layout)
    simulator = start(personas=tmp_path, world=None)
    told, original = message(ask(simulator, PERSONA, "r-9").content), etree.parse(str(source / f"{PERSONA}.xml"))
    government_reply.assertValid(told)
    assert told.findtext(".//Antwoord/Referte") == "r-9"
    receiver = told.find(".//Ontvanger")
    assert receiver is not None
    assert [child.text for child in receiver] == ["hasselt.be/bib-aip", "r-9", "1300", "00610100137"]
    assert person(told) == person(original.getroot())
    assert told.findtext(".//Afzender/Referte") == original.findtext(".//Afzender/Referte")
    stranger = message(ask(simulator, "00000000097", "r-10").content)
    assert stranger.findtext(".//Uitzondering/Identificatie") == "30001"
    assert stranger.findtext(".//Antwoord/Referte") == "r-10"


def test_every_persona_is_served_valid(start: Start, magda_data: Path, government_reply: etree.XMLSchema) -> None:
    """All the government's personas are served, and stay valid against its schema."""
    simulator = start(personas=magda_data / "personas", world=None)
    with requests.Session() as session:
        for path in sorted((magda_data / "personas" / "GeefPersoon-02.02").glob("[0-9]*.xml")):
            reply = session.post(simulator.url, data=question(path.stem), timeout=5)
            government_reply.assertValid(message(reply.content))
    assert simulator.counts["answered"] > 200


def test_personas_win_over_the_world(start: Start, world: World, tmp_path: Path) -> None:
    """A persona file answers for its number, the world for everybody else, and nobody when there is no notfound.xml."""
    mine, other = world.citizen(0), world.citizen(1)
    root = '<p:GeefPersoonResponse xmlns:p="urn:x"><Repliek><Own/></Repliek></p:GeefPersoonResponse>'
    (tmp_path / f"{mine.insz.digits}.xml").write_text(root, encoding="utf-8")
    simulator = start(personas=tmp_path)
    assert message(ask(simulator, mine.insz.digits).content).find("Repliek/Own") is not None
    assert message(ask(simulator, other.insz.digits).content).findtext(".//Persoon/INSZ") == other.insz.digits
    assert message(ask(simulator, "00000000097").content).findtext(".//Identificatie[.='30001']") == "30001"


@pytest.mark.parametrize(
    "text", ["no xml", "<a/>", '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a><Repliek>&x;</Repliek></a>']
)
def test_a_bad_persona_file_is_a_soap_fault(start: Start, tmp_path: Path, text: str) -> None:
    """A file that is no plain reply is not served, and nothing of it comes out."""
    (tmp_path / "00000000097.xml").write_text(text, encoding="utf-8")
    reply = ask(start(personas=tmp_path), "00000000097")
    assert reply.status_code == 500
    assert "persona file" in message(reply.content).findtext("faultstring", "")
    assert b"root:" not in reply.content


def test_a_folder_without_personas_is_a_sentence(tmp_path: Path) -> None:
    """A folder in none of the three layouts is refused before anything listens."""
    with pytest.raises(ConfigError, match="no persona file"):
        Simulator(now=lambda: NOW, new_reference=lambda: "m", personas=tmp_path)


def person(told: etree._Element) -> bytes:
    """Return the person in a reply in one spelling, whatever namespaces stand around it."""
    inside = told.find(".//Persoon")
    assert inside is not None
    return etree.tostring(inside, method="c14n", exclusive=True, with_tail=False)


def connected(simulator: Simulator) -> socket.socket:
    """Open a connection."""
    address = urlsplit(simulator.url)
    return socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=5)


def post(body: bytes) -> bytes:
    """Write a request."""
    return b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def drain(client: socket.socket) -> bytes:
    """Read until the other side closes."""
    parts = []
    while part := client.recv(65536):
        parts.append(part)
    return b"".join(parts)
