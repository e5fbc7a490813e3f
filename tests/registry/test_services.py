"""Every message that leaves us, of each service and version: its form, and that it is valid for MAGDA and for us."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from itertools import count
from pathlib import Path

import pytest
from lxml import etree

from rrsync.core.exchange import Deed, Question
from rrsync.core.insz import Insz
from rrsync.errors import ConfigError
from rrsync.registry import request
from rrsync.registry.request import PERSON, SUBSCRIBE, UNSUBSCRIBE, Envelopes, Service, service
from rrsync.registry.signing import Signer
from rrsync.registry.soap import SoapClient
from tests.registry import authority, scene

NOWHERE = "http://127.0.0.1:9/"
VERSIONS = sorted(SUBSCRIBE)
#: Each deed with the version of the repertory that it is done in.
ALL = [(Deed.READ, "02.00"), *((deed, version) for deed in (Deed.SUBSCRIBE, Deed.UNSUBSCRIBE) for version in VERSIONS)]
BODY = "{http://schemas.xmlsoap.org/soap/envelope/}Body"

Government = Callable[[Service], etree.XMLSchema]


def named(one: object) -> str:
    """Return a deed or a version as part of a test's name."""
    return str(one)


def asked(deed: Deed, reference: str = "ref-0") -> Question:
    """Return a question of a deed."""
    return replace(scene.QUESTION, deed=deed, reference=reference)


@pytest.fixture(scope="module")
def client() -> SoapClient:
    """Return a client that sends nothing."""
    return SoapClient(NOWHERE)


@pytest.fixture(scope="module")
def government(magda_data: Path) -> Government:
    """Return the government's schema of a service's question."""

    @cache
    def schema(one: Service) -> etree.XMLSchema:
        folder = f"{one.domain.title()}.{one.name}Dienst-{one.version}"
        return etree.XMLSchema(etree.parse(str(magda_data / "xsd" / folder / "WebService" / f"{one.name}.xsd")))

    return schema


@cache
def ours(one: Service) -> etree.XMLSchema:
    """Return our own schema of a service."""
    return etree.XMLSchema(etree.parse(str(files("rrsync") / "wsdl" / one.operation / f"{one.name}.xsd")))


def build(client: SoapClient, deed: Deed, version: str, now: datetime = scene.NOW, source: str = "RR") -> bytes:
    """Return the envelope of a deed, as the gate fills it in."""
    forms = Envelopes(client.build, source=source, repertory=version)
    return forms.fill(asked(deed), scene.AUTHORISATION, now=now)


def operation(envelope: bytes) -> etree._Element:
    """Return what stands in the body, taken out as MAGDA would."""
    found = etree.fromstring(envelope).find(f"{BODY}/*")
    assert found is not None
    return etree.fromstring(etree.tostring(found))


def content(envelope: bytes) -> dict[str, str]:
    """Return every text of a question's content, by its path."""
    inhoud = operation(envelope).find("Verzoek/Vragen/Vraag/Inhoud")
    assert inhoud is not None
    tree = etree.ElementTree(inhoud)
    return {tree.getelementpath(leaf): leaf.text or "" for leaf in inhoud.iter() if not len(leaf)}


@pytest.mark.parametrize(("deed", "version"), ALL, ids=named)
@pytest.mark.parametrize("source", ["RR", "KSZ"])
def test_every_message_is_valid(
    client: SoapClient, government: Government, deed: Deed, version: str, source: str
) -> None:
    """Against the government's schema and our own."""
    envelope = build(client, deed, version, source=source)
    one = service(deed, version)
    government(one).assertValid(operation(envelope))
    ours(one).assertValid(operation(envelope))


@pytest.mark.parametrize(("deed", "version"), ALL, ids=named)
@pytest.mark.parametrize("token", ["x509v3", "pkipath"])
def test_every_message_is_valid_when_it_is_signed(
    client: SoapClient, government: Government, deed: Deed, version: str, token: str
) -> None:
    """Signing adds a header and an id, and leaves the message as it was."""
    numbers = count(1)
    signer = Signer(authority.ours().identity, token=token, new_id=lambda: f"n{next(numbers)}")  # type: ignore[arg-type]
    envelope = build(client, deed, version)
    signed = SoapClient(NOWHERE, sign=signer.sign).sign(envelope)
    assert signed != envelope
    one = service(deed, version)
    government(one).assertValid(operation(signed))
    ours(one).assertValid(operation(signed))
    assert b'xmlns=""' not in signed


@pytest.mark.parametrize(("deed", "version"), ALL, ids=named)
class TestForm:
    """The form that MAGDA asks for (fact sheet §1.1, §1.2 and §9.23)."""

    def test_only_the_root_has_a_namespace_and_it_has_a_prefix(
        self, client: SoapClient, deed: Deed, version: str
    ) -> None:
        """No ``xmlns=""`` resets it below."""
        envelope = build(client, deed, version)
        one = service(deed, version)
        root = operation(envelope)
        assert (root.tag, bool(root.prefix)) == (f"{{{one.namespace}}}{one.name}", True)
        assert all("{" not in str(below.tag) for below in root.iterdescendants())
        assert b'xmlns=""' not in envelope
        assert envelope.startswith(b"<?xml version='1.0' encoding='UTF-8'?>")
        assert not re.search(rb">\s+<", envelope.partition(b"?>\n")[2])

    def test_one_reference_stands_in_both_places(self, client: SoapClient, deed: Deed, version: str) -> None:
        """In the context, and in the question."""
        root = operation(build(client, deed, version))
        assert [one.text for one in root.iter("Referte")] == ["ref-0", "ref-0"]

    def test_the_context_names_service_and_version(self, client: SoapClient, deed: Deed, version: str) -> None:
        """And asks."""
        root, one = operation(build(client, deed, version)), service(deed, version)
        found = [root.findtext(f"Verzoek/Context/{path}") for path in ("Naam", "Versie", "Bericht/Type")]
        assert found == [one.name, f"{one.version}.0000", "VRAAG"]

    @pytest.mark.parametrize(
        ("utc", "day", "time"),
        [
            (datetime(2026, 3, 29, 0, 59, 59, 999_999, UTC), "2026-03-29", "01:59:59.000"),
            (datetime(2026, 3, 29, 1, 0, tzinfo=UTC), "2026-03-29", "03:00:00.000"),
            (datetime(2026, 10, 25, 0, 30, 1, tzinfo=UTC), "2026-10-25", "02:30:01.000"),
            (datetime(2026, 10, 25, 1, 30, 1, tzinfo=UTC), "2026-10-25", "02:30:01.000"),
            (datetime(2026, 7, 1, 22, 0, tzinfo=UTC), "2026-07-02", "00:00:00.000"),
            (datetime(2026, 12, 31, 23, 0, tzinfo=UTC), "2027-01-01", "00:00:00.000"),
        ],
        ids=["before the spring", "after it", "before the autumn", "after it too", "a summer's night", "new year"],
    )
    def test_the_time_is_that_of_brussels(
        self, client: SoapClient, deed: Deed, version: str, utc: datetime, day: str, time: str
    ) -> None:
        """With milliseconds ``.000``, on both sides of a change of the clock; a subscription has the same day."""
        envelope = build(client, deed, version, utc)
        root = operation(envelope)
        moment = [root.findtext(f"Verzoek/Context/Bericht/Tijdstip/{name}") for name in ("Datum", "Tijd")]
        assert moment == [day, time]
        days = [text for path, text in content(envelope).items() if "Periode" in path]
        assert days == ([] if deed is Deed.READ else [day])

    def test_a_form_is_what_zeep_would_write(self, client: SoapClient, deed: Deed, version: str) -> None:
        """To the byte, for several senders and questions."""
        forms = Envelopes(client.build, source="RR", repertory=version)
        for step, sender in enumerate(("hasselt.be/a", 'genk.be/<&">', "hasselt.be/a")):
            authorisation = replace(scene.AUTHORISATION, sender=sender, capacity=f"13{step % 2}0")
            question = replace(asked(deed, f"ref-<&{step}>"), insz=Insz(f"0061010013{step}"))
            node = request.request_content(question, authorisation, source="RR", now=scene.NOW, repertory=version)
            whole = client.build(service(deed, version), node)
            assert forms.fill(question, authorisation, now=scene.NOW) == whole


def test_a_question_about_a_person_asks_no_more(client: SoapClient) -> None:
    """A number, a source and a language: what only the Crossroads Bank knows of is left out."""
    assert content(build(client, Deed.READ, "02.00")) == {
        "Criteria/INSZ": scene.DIGITS,
        "Bron": "RR",
        "Taal": "nl",
    }
    assert b"OpvragingenKSZ" not in build(client, Deed.READ, "02.00", source="KSZ")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("deed", "name", "day"),
    [(Deed.SUBSCRIBE, "Inschrijving", "Begin"), (Deed.UNSUBSCRIBE, "Uitschrijving", "Einde")],
)
def test_a_subscription_says_for_whom_and_to_whom(
    client: SoapClient, deed: Deed, name: str, day: str, version: str
) -> None:
    """Sender and capacity of the context, the number as the version has it; it begins or ends today."""
    key = (
        {"INSZ": scene.DIGITS}
        if version == "02.00"
        else {
            "BetrokkenSubject/Type": "PERS",
            "BetrokkenSubject/Subjecten/Subject/Type": "PERS",
            "BetrokkenSubject/Subjecten/Subject/Sleutel": scene.DIGITS,
        }
    )
    told = {
        "Identificatie": "hasselt.be/bibliotheek-aip",
        "Hoedanigheid": "1300",
        **key,
        f"Periode/{day}": "2026-07-01",
    }
    envelope = build(client, deed, version)
    assert content(envelope) == {f"{name}/{path}": text for path, text in told.items()}
    sender = operation(envelope).find("Verzoek/Context/Bericht/Afzender")
    assert sender is not None
    assert [sender.findtext(part) for part in ("Identificatie", "Hoedanigheid")] == list(told.values())[:2]


def test_without_a_repertory_there_is_no_subscription(client: SoapClient) -> None:
    """The settings want none, so none can be written."""
    forms = Envelopes(client.build, source="RR")
    assert forms.fill(asked(Deed.READ), scene.AUTHORISATION, now=scene.NOW)
    with pytest.raises(ConfigError, match="subscribe = true"):
        forms.fill(asked(Deed.SUBSCRIBE), scene.AUTHORISATION, now=scene.NOW)


@pytest.mark.parametrize("deed", [Deed.SUBSCRIBE, Deed.UNSUBSCRIBE])
def test_a_sender_that_looks_like_a_blank_is_refused(client: SoapClient, deed: Deed) -> None:
    """Else a day would be written where the sender stands."""
    forms = Envelopes(client.build, source="RR", repertory="02.00")
    with pytest.raises(ConfigError, match="cannot be written for this sender"):
        forms.fill(asked(deed), replace(scene.AUTHORISATION, sender="a@DATE@"), now=scene.NOW)


class TestEndpoints:
    """One address for all, or one for each."""

    def test_each_operation_goes_to_its_own(self) -> None:
        """Each with an empty SOAPAction; two that share an address share a connection."""
        three = (PERSON, SUBSCRIBE["02.00"], UNSUBSCRIBE["02.00"])
        said = scene.http(scene.envelope("<a/>"))
        with scene.door(lambda *_: said) as persons, scene.door(lambda *_: said) as repertory:
            urls = dict(zip((one.operation for one in three), (persons.url, repertory.url, repertory.url), strict=True))
            client = SoapClient(urls)
            for one in three:
                client.post(one, one.operation.encode())
            client.close()
        assert persons.bodies == [b"GeefPersoon-02.02"]
        assert repertory.bodies == [b"RegistreerInschrijving-02.00", b"RegistreerUitschrijving-02.00"]
        assert repertory.connections == 1
        for head in persons.heads + repertory.heads:
            assert b'SOAPAction: ""\r\n' in head
            assert b"Content-Type: text/xml; charset=UTF-8\r\n" in head

    def test_an_operation_without_one_is_not_written(self) -> None:
        """So it is not recorded either, let alone sent."""
        client = SoapClient({PERSON.operation: NOWHERE})
        assert client.build(
            PERSON, request.request_content(asked(Deed.READ), scene.AUTHORISATION, source="RR", now=scene.NOW)
        )
        with pytest.raises(ConfigError, match=r"no address for RegistreerInschrijving-02\.01"):
            build(client, Deed.SUBSCRIBE, "02.01")

    def test_one_that_is_no_url_is_found_at_the_start(self) -> None:
        """Not at the first subscription."""
        with pytest.raises(ConfigError, match="no URL"):
            SoapClient({PERSON.operation: NOWHERE, SUBSCRIBE["02.00"].operation: "ftp://127.0.0.1/"})


def test_nothing_is_signed_or_verified_unless_it_is_wanted() -> None:
    """The bytes go and come as they are."""
    plain = SoapClient(NOWHERE)
    assert (plain.sign(b"<a/>"), plain.verified(b"<b/>")) == (b"<a/>", b"<b/>")
    strict = SoapClient(NOWHERE, sign=bytes.upper, verify=bytes.title)
    assert (strict.sign(b"<a/>"), strict.verified(b"<b/>")) == (b"<A/>", b"<B/>")
