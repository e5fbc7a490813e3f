"""Verzoek and Repliek: what is asked, what is read, what is refused, and which signals come out."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from datetime import UTC, date, datetime
from importlib.resources import files

import pytest
from lxml import etree

from rrsync.core.authorisation import Scope, Tree, limit
from rrsync.core.exchange import Notice
from rrsync.core.person import Address, PartialDate
from rrsync.errors import RegistryUnreadable
from rrsync.registry import reply, request
from rrsync.registry.fields import known_paths
from rrsync.registry.request import PERSON
from tests.registry import scene

WSDL = files("rrsync") / "wsdl" / PERSON.operation


def _tree(xml: str) -> Tree:
    tree = reply.soap_reply(scene.answer(xml)).person
    assert tree is not None
    return tree


def _signals(xml: str, today: date = scene.TODAY) -> set[str]:
    return {reason.value for reason in reply.signals(_tree(xml), today)}


class TestRequest:
    """What is asked."""

    def test_it_holds_sender_capacity_reference_number_and_source(self) -> None:
        """Sender and capacity come from the authorisation, and both references are ours."""
        asked = request.request_content(scene.QUESTION, scene.AUTHORISATION, source="RR", now=scene.NOW)
        assert asked == {
            "Context": {
                "Naam": "GeefPersoon",
                "Versie": "02.02.0000",
                "Bericht": {
                    "Type": "VRAAG",
                    "Tijdstip": {"Datum": "2026-07-01", "Tijd": "12:00:00.000"},
                    "Afzender": {
                        "Identificatie": "hasselt.be/bibliotheek-aip",
                        "Referte": "ref-0",
                        "Hoedanigheid": "1300",
                    },
                },
            },
            "Vragen": {
                "Vraag": {
                    "Referte": "ref-0",
                    "Inhoud": {"Criteria": {"INSZ": scene.DIGITS}, "Bron": "RR", "Taal": "nl"},
                }
            },
        }

    def test_the_time_is_that_of_brussels(self) -> None:
        """A winter's night in UTC is the next day in Brussels."""
        now = datetime(2026, 12, 31, 23, 30, 5, 999, tzinfo=UTC)
        asked = request.request_content(scene.QUESTION, scene.AUTHORISATION, source="KSZ", now=now)
        assert "'Datum': '2027-01-01', 'Tijd': '00:30:05.000'" in str(asked)


class TestReply:
    """What is read, at every level."""

    def test_namespaces_count_and_prefixes_do_not(self) -> None:
        """The same reply under other prefixes reads the same."""
        plain = scene.answer(scene.person(), scene.notice("30042", "INFORMATIE"))
        other = re.sub(rb"(</?|xmlns:)s\b", rb"\1soap", plain)
        default = plain.replace(b"g:Geef", b"Geef").replace(b":g=", b"=").replace(b"<Repliek>", b'<Repliek xmlns="">')
        assert reply.soap_reply(other) == reply.soap_reply(default) == reply.soap_reply(plain)
        assert other != plain != default

    def test_leaves_are_text_and_attributes_are_marked(self) -> None:
        """A leaf with attributes keeps its text under an empty name; attributes in a namespace are not data."""
        xml = (
            '<Persoon a="1" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="Evil"'
            ' xmlns:x="urn:evil" x:a="2" x:DatumEinde="2000-01-01">'
            "<B> x </B><B/><C d='2'>y<!-- c --></C><E><F>z</F></E></Persoon>"
        )
        assert _tree(xml) == {"@a": ["1"], "B": ["x", ""], "C": [{"@d": ["2"], "": ["y"]}], "E": [{"F": ["z"]}]}

    def test_exceptions_of_both_levels_and_the_references(self) -> None:
        """Level 2, level 3 and content are read together."""
        read = reply.soap_reply(
            scene.answer(
                scene.person(),
                scene.notice("30042", "INFORMATIE", "RR"),
                general=scene.notice("99984", "WAARSCHUWING"),
                ref="a",
                receiver="b",
            )
        )
        assert (read.general, read.answer) == (
            (Notice("99984", "MAGDA", "WAARSCHUWING"),),
            (Notice("30042", "RR", "INFORMATIE"),),
        )
        assert (read.reference, read.receiver, read.fault) == ("a", "b", ())
        assert read.person

    def test_a_reply_without_answer_has_no_reference(self) -> None:
        """Only level 2: nothing of an answer is there."""
        read = reply.soap_reply(scene.repliek(general=scene.notice("13001"), receiver=""))
        assert (read.reference, read.receiver, read.person) == (None, "", None)

    def test_a_notice_that_is_none_carries_nothing_through(self) -> None:
        """Text where a code, an origin or a type belongs becomes a question mark; a long origin is fine."""
        told = scene.notice(scene.DIGITS, "Jo Peeters", scene.DIGITS) + scene.notice("1", "FOUT", "Crassus")
        read = reply.soap_reply(scene.answer(notices=told))
        assert read.answer == (Notice("?", "?", "?"), Notice("1", "Crassus", "FOUT"))

    @pytest.mark.parametrize(
        ("text", "code", "expected"),
        [
            ("99995 - Te veel gelijktijdige bevragingen", "Server", ["99995"]),
            ("ERR_025: Verification failure: No signature in message!", "Server", ["ERR_025"]),
            (" 10001 cvc-pattern-valid", "soapenv:Server", ["10001"]),
            ("12345 nobody knows", "s:Server", ["12345", "Server"]),
            ("Internal error", "s:Server", ["Server"]),
            ("whatever", "", ["Server"]),
            ("No", "s:Client.Authentication", ["Client"]),
            ("No", "s:MustUnderstand", ["Client"]),
        ],
    )
    def test_faults_are_read_by_code_then_by_blame(self, text: str, code: str, expected: list[str]) -> None:
        """A code in the text counts before who is blamed."""
        assert [one.code for one in reply.soap_reply(scene.fault(text, code)).fault] == expected

    @pytest.mark.parametrize("name", ["Nieuw INSZ", "nieuw insz", "NIEUW INSZ"])
    def test_the_new_number_is_read_from_the_annotation(self, name: str) -> None:
        """Names of annotations are compared without case; only 30004's count."""
        notes = [("Oud INSZ", scene.DIGITS), (name, scene.OTHER)]
        told = scene.notice("30042", annotations=[(name, "1")]) + scene.notice("30004", annotations=notes)
        assert reply.soap_reply(scene.answer(notices=told)).new_numbers == {scene.OTHER}

    def test_every_new_number_is_read(self) -> None:
        """Of one exception and of several, at both levels, each once."""
        names = [("Nieuw INSZ", number) for number in ("1", "2", "1")]
        told = scene.notice("30004", annotations=names) + scene.notice("30004", annotations=[("Nieuw INSZ", "3")])
        general = scene.notice("30004", annotations=[("Nieuw INSZ", "4")])
        assert reply.soap_reply(scene.answer(notices=told, general=general)).new_numbers == {"1", "2", "3", "4"}

    def test_30004_without_an_annotation_gives_no_number(self) -> None:
        """No annotation, no number."""
        told = scene.notice("30004", annotations=[("Oud INSZ", scene.DIGITS)])
        assert reply.soap_reply(scene.answer(notices=told)).new_numbers == frozenset()


BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><x>&b;</x>'
FULL = scene.answer(scene.person())
HOSTILE = {
    "empty": b"",
    "text": b"hello",
    "truncated": scene.answer(scene.person())[:-40],
    "control character": scene.envelope("<a>\x01</a>"),
    "doctype": b"<!DOCTYPE x>" + scene.envelope("<a/>").partition(b"?>")[2],
    "doctype with a declaration": b'<?xml version="1.0"?><!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>',
    "billion laughs": BOMB,
    "utf-16": scene.answer(scene.person()).decode().replace("UTF-8", "UTF-16").encode("utf-16"),
    "utf-16 doctype": BOMB.decode().encode("utf-16"),
    "latin-1": scene.answer(scene.person().replace("Gent", "Liège")).decode().encode("latin-1"),
    "undefined entity": scene.envelope("<a>&secret;</a>"),
    "200 attributes": scene.envelope("<a " + " ".join(f'a{n}="1"' for n in range(200)) + "/>"),
    "300 deep": scene.answer("<Persoon>" + "<a>" * 300 + "</a>" * 300 + "</Persoon>"),
    "70 deep": scene.answer("<Persoon>" + "<a>" * 70 + "</a>" * 70 + "</Persoon>"),
    "no envelope": b"<GeefPersoonResponse><Repliek/></GeefPersoonResponse>",
    "no body": b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"/>',
    "empty body": scene.envelope(""),
    "two in the body": scene.envelope("<a/><b/>"),
    "no repliek": scene.envelope(f'<g:GeefPersoonResponse xmlns:g="{PERSON.namespace}"/>'),
    "another's envelope": FULL.replace(b"http://schemas.xmlsoap.org/soap/envelope/", b"urn:evil"),
    "no one's envelope": FULL.replace(b"s:Envelope", b"Envelope"),
    "another's body": FULL.replace(b"s:Body>", b"x:Body>").replace(b"<x:Body", b'<x:Body xmlns:x="urn:evil"'),
    "another's fault": scene.fault("99995").replace(b"s:Fault>", b"Fault>"),
    "another's operation": FULL.replace(b"soap/geefpersoon", b"soap/geefgezin"),
    "another's name": FULL.replace(b"GeefPersoonResponse", b"GeefGezinResponse"),
}


def _repeated(xml: str, name: str, second: str = "") -> str:
    """Return the text with its first element of this name followed by a second one, by default the same."""
    found = re.search(rf"<{name}\b(?:[^>]*/>|.*?</{name}>)", xml, re.DOTALL)
    assert found
    return xml[: found.end()] + (second or found[0]) + xml[found.end() :]


WHOLE = scene.person(
    "<Statussen><Status><Code>992</Code></Status></Statussen><Overlijden/><Referentiedossier/><GeannuleerdDossier/>",
    home=scene.HOME.replace(
        "</Hoofd",
        "<StraatCode>1</StraatCode><ReferentieAdres><Begindatum>2020-01-01</Begindatum><Einddatum>2020-01-01"
        "</Einddatum></ReferentieAdres><NietGestandaardiseerdeStraatnaam/><NietGestandaardiseerdeGemeentenaam/></Hoofd",
    ),
    addresses="<VerblijfplaatsBuitenland/><PostadresBuitenland/><AangifteAdresBuitenland/><NietMededeelbaarAdres>"
    "<Periode><Begindatum>2020-01-01</Begindatum></Periode></NietMededeelbaarAdres>",
).replace("<Geslacht><Code>2</Code></Geslacht>", "<Geslacht/>")
#: Every element that we read in a person and that stands there once.
SINGLE = sorted(
    {part for path in known_paths() for part in path.split("/") if not part.startswith("@")}
    - {"Achternaam", "Voornaam", "Status", "Land", "NISCodeLand"}
)
REPLY = scene.answer(
    WHOLE, scene.notice("30004", annotations=[("Nieuw INSZ", scene.OTHER)]), general=scene.notice("30042")
).decode()
LEVELS = ["s:Body", "Repliek", "Context", "Bericht", "Ontvanger", "Antwoorden", "Antwoord", "Inhoud", "Persoon"]
NOTICED = ["Uitzonderingen", "Identificatie", "Oorsprong", "Type", "Annotaties", "Waarde"]


class TestRepeated:
    """What stands once, and would leave it to us which one to believe."""

    @pytest.mark.parametrize("name", SINGLE)
    def test_in_the_person(self, name: str) -> None:
        """A number, a name, an address or a part of one that is there twice makes the reply unreadable."""
        assert reply.soap_reply(scene.answer(WHOLE)).person
        with pytest.raises(RegistryUnreadable):
            reply.soap_reply(scene.answer(_repeated(WHOLE, name)))

    @pytest.mark.parametrize("name", LEVELS)
    def test_around_the_person(self, name: str) -> None:
        """So does every level from the body to the person."""
        assert reply.soap_reply(REPLY.encode()).person
        with pytest.raises(RegistryUnreadable):
            reply.soap_reply(_repeated(REPLY, name).encode())

    @pytest.mark.parametrize("place", ["<Ontvanger>", "<Antwoord>"])
    def test_a_second_reference(self, place: str) -> None:
        """Two references, of which the second is another's, are none."""
        before, opening, after = REPLY.partition(place)
        with pytest.raises(RegistryUnreadable):
            reply.soap_reply((before + opening + _repeated(after, "Referte", "<Referte>other</Referte>")).encode())

    @pytest.mark.parametrize("name", NOTICED)
    @pytest.mark.parametrize("from_end", [False, True], ids=["answer", "whole"])
    def test_in_what_magda_says(self, name: str, from_end: bool) -> None:
        """A list of exceptions, or a part of one that we read, is there once at either level."""
        told = "<Uitzonderingen>" + scene.notice("30004", annotations=[("Nieuw INSZ", "1")]) + "</Uitzonderingen>"
        whole = scene.repliek("" if from_end else f"<Antwoorden><Antwoord>{told}</Antwoord></Antwoorden>").decode()
        whole = whole.replace("</Repliek>", f"{told}</Repliek>") if from_end else whole
        before, opening, after = whole.partition("<Uitzonderingen>")
        assert reply.soap_reply(whole.encode()).new_numbers == {"1"}
        twice = before + _repeated(opening + after, name)
        with pytest.raises(RegistryUnreadable):
            reply.soap_reply(twice.encode())

    def test_the_name_of_an_annotation(self) -> None:
        """An annotation that is the new number and the old one is neither."""
        told = scene.notice("30004", annotations=[("Nieuw INSZ", "1")])
        with pytest.raises(RegistryUnreadable):
            reply.soap_reply(scene.answer(notices=_repeated(told, "Naam", "<Naam>Oud INSZ</Naam>")))

    @pytest.mark.parametrize("name", ["faultcode", "faultstring"])
    def test_in_a_fault(self, name: str) -> None:
        """A Fault has one code and one text."""
        with pytest.raises(RegistryUnreadable):
            reply.soap_reply(_repeated(scene.fault("99995").decode(), name).encode())

    @pytest.mark.parametrize("name", ["Achternaam", "Voornaam", "Status"])
    def test_what_may_repeat(self, name: str) -> None:
        """Last names, first names and statuses are lists."""
        assert reply.soap_reply(scene.answer(_repeated(WHOLE, name))).person

    def test_what_we_do_not_read_may_repeat(self) -> None:
        """An element of which we know nothing is no reason to refuse."""
        assert reply.soap_reply(scene.answer(_repeated(WHOLE, "Geslacht"))).person


class TestForeign:
    """Elements of another namespace."""

    @pytest.mark.parametrize(
        "name",
        ["Hoofdverblijfplaats", "INSZ", "Huisnummer", "Persoon", "Antwoorden", "Ontvanger", "Repliek"],
    )
    @pytest.mark.parametrize("space", ["urn:evil", PERSON.namespace])
    def test_nothing_that_we_read_has_a_namespace(self, name: str, space: str) -> None:
        """Whose it is, and whether it stands in place of ours or not, it makes the reply unreadable."""
        other = re.sub(rf"<(/?){name}\b", rf"<\1x:{name}", REPLY).replace("<s:Body>", f'<s:Body xmlns:x="{space}">')
        assert other.count(f"<x:{name}") == 1
        with pytest.raises(RegistryUnreadable):
            reply.soap_reply(other.encode())

    def test_what_we_do_not_read_may_have_one(self) -> None:
        """A reply with anything more is read all the same, and nobody takes it for the register's."""
        more = scene.person(addresses='<x:Vreemd xmlns:x="urn:other"><x:Kind>a</x:Kind></x:Vreemd>')
        found = reply.soap_reply(scene.answer(more)).person
        assert found is not None
        assert "{urn:other}Vreemd" in str(found)

    def test_beside_ours(self) -> None:
        """A second main residence of somebody else's is not passed over."""
        evil = f'<x:Hoofdverblijfplaats xmlns:x="urn:evil">{scene.STREET}</x:Hoofdverblijfplaats>'
        with pytest.raises(RegistryUnreadable):
            reply.soap_reply(scene.answer(scene.person(addresses=evil)))

    def test_a_faults_detail_is_free(self) -> None:
        """What SOAP lets anybody put in a Fault is not looked at, and a code of theirs is not the code."""
        detail = b'<detail><x:why xmlns:x="urn:x"/></detail><x:faultcode xmlns:x="urn:x">Client</x:faultcode></s:Fault>'
        told = scene.fault("99995").replace(b"</s:Fault>", detail)
        assert [one.code for one in reply.soap_reply(told).fault] == ["99995"]


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_what_cannot_be_read_is_refused_without_its_words(data: bytes) -> None:
    """Every reply that is no proper message is refused, and the error quotes nothing of it."""
    with pytest.raises(RegistryUnreadable) as caught:
        reply.soap_reply(data)
    assert scene.DIGITS not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    "inner",
    ["<a>" * 30_000, "<a/>" * 400_000, "".join(f"<a{n}/>" for n in range(150_000)), "x" * 1_900_000],
    ids=["deep", "wide", "names", "text"],
)
def test_two_mebibytes_of_anything_are_read_or_refused_quickly(inner: str) -> None:
    """Whatever fits in the cap costs seconds at most, and never more than this reply."""
    started = time.monotonic()
    with suppress(RegistryUnreadable):
        reply.soap_reply(scene.answer(f"<Persoon>{inner}</Persoon>"))
    assert time.monotonic() - started < 5


def _status(code: str, period: str = 'DatumBegin="2020-01-01"') -> str:
    return f"<Statussen><Status {period}><Code>{code}</Code></Status></Statussen>"


def _abroad(name: str) -> str:
    return f"<{name}><Land><Naam>FRANKRIJK</Naam></Land></{name}>"


def _reference(inner: str) -> str:
    return scene.HOME.replace("</Hoofd", f"<ReferentieAdres>{inner}</ReferentieAdres></Hoofd")


def _secret(inner: str) -> str:
    return f"<NietMededeelbaarAdres>{inner}</NietMededeelbaarAdres>"


class TestSignals:
    """What makes an address not to be used."""

    @pytest.mark.parametrize(
        ("code", "reason"),
        [
            ("992", "abroad"),
            ("00992", "abroad"),
            ("99990", "deceased"),
            ("99991", "struck_off"),
            ("99992", "struck_off"),
            ("99997", "struck_off"),
            ("99996", "absent"),
            ("21099", "unknown_status"),
            ("abc", "unknown_status"),
            ("²", "unknown_status"),
            ("", "unknown_status"),
            ("9" * 5000, "unknown_status"),
        ],
    )
    def test_status(self, code: str, reason: str) -> None:
        """Codes are compared as whole numbers; what is none is an unknown status."""
        assert _signals(scene.person(_status(code))) == {reason}

    @pytest.mark.parametrize(
        ("period", "counts"),
        [
            ('DatumEinde="2026-06-30"', False),
            ('DatumEinde="2026-07-01"', True),
            ('DatumEinde="2020-00-00"', True),
            ('DatumEinde="soon"', True),
            ('DatumEinde=""', True),
            ("", True),
        ],
    )
    def test_only_a_status_not_ended_before_today_counts(self, period: str, counts: bool) -> None:
        """An end that is partial, empty or no date is no end."""
        assert _signals(scene.person(_status("99991", period))) == ({"struck_off"} if counts else set())

    def test_several_signals_come_together(self) -> None:
        """Every status counts, and a death beside it."""
        two = "<Statussen><Status><Code>992</Code></Status><Status/></Statussen><Overlijden><Datum/></Overlijden>"
        assert _signals(scene.person(two)) == {"abroad", "unknown_status", "deceased"}

    @pytest.mark.parametrize("death", ["<Overlijden/>", "<Overlijden><Datum>2020-00-00</Datum></Overlijden>"])
    def test_a_death_needs_no_status(self, death: str) -> None:
        """Any mention of a death counts."""
        assert _signals(scene.person(death)) == {"deceased"}

    def test_nothing_special_gives_nothing(self) -> None:
        """An ordinary person gives no signal, nor does an empty list of statuses."""
        assert _signals(scene.person("<Statussen/>")) == set()

    @pytest.mark.parametrize("name", ["VerblijfplaatsBuitenland", "PostadresBuitenland", "AangifteAdresBuitenland"])
    def test_only_an_address_abroad_is_abroad(self, name: str) -> None:
        """An address abroad counts when there is no main residence, or an empty one."""
        assert _signals(scene.person(home="", addresses=_abroad(name))) == {"abroad"}
        assert _signals(scene.person(home="<Hoofdverblijfplaats/>", addresses=_abroad(name))) == {"abroad"}
        assert _signals(scene.person(addresses=_abroad(name))) == set()

    @pytest.mark.parametrize(
        ("inner", "counts"),
        [
            ("", True),
            ("<Periode/>", True),
            ("<Periode><Begindatum>2026-01-01</Begindatum></Periode>", True),
            ("<Periode><Begindatum>2026-01-01</Begindatum><Einddatum>2026-07-01</Einddatum></Periode>", True),
            ("<Periode><Begindatum>2026-01-01</Begindatum><Einddatum>2026-06-30Z</Einddatum></Periode>", False),
            ("<Periode><Begindatum>2026-07-02</Begindatum></Periode>", False),
            ("<Periode><Begindatum>x</Begindatum><Einddatum>y</Einddatum></Periode>", True),
            ("<DatumBeslissingCollege>2001-01-01</DatumBeslissingCollege>", True),
        ],
    )
    def test_a_protected_address(self, inner: str, counts: bool) -> None:
        """It is protected in its period, and whenever the period is not clear."""
        assert _signals(scene.person(addresses=_secret(inner))) == ({"protected"} if counts else set())

    @pytest.mark.parametrize(
        ("inner", "counts"),
        [
            ("", True),
            ("<Begindatum>2020-01-01</Begindatum>", True),
            ("<Begindatum>2020-01-01</Begindatum><Einddatum>2026-07-01</Einddatum>", True),
            ("<Begindatum>2020-01-01</Begindatum><Einddatum>2026-06-30+02:00</Einddatum>", False),
            ("<Einddatum>?</Einddatum>", True),
        ],
    )
    def test_a_reference_address(self, inner: str, counts: bool) -> None:
        """Nobody lives at a reference address that has not ended."""
        assert _signals(scene.person(home=_reference(inner))) == ({"reference_address"} if counts else set())


def _file(name: str, number: str, attributes: str = "") -> str:
    return f"<{name} {attributes}><INSZ>{number}</INSZ></{name}>"


class TestOtherFiles:
    """Files under other numbers, and files that were cancelled."""

    @pytest.mark.parametrize(
        ("inner", "reasons"),
        [
            (_file("Referentiedossier", scene.OTHER), {"new_number"}),
            (_file("Referentiedossier", scene.OTHER, 'DatumEinde="2026-07-01"'), {"new_number"}),
            (_file("Referentiedossier", scene.OTHER, 'DatumEinde="2020-00-00"'), {"new_number"}),
            (_file("Referentiedossier", scene.OTHER, 'DatumEinde="2026-06-30"'), set()),
            (_file("Referentiedossier", scene.DIGITS), set()),
            ("<Referentiedossier/>", {"new_number"}),
            (_file("GeannuleerdDossier", scene.DIGITS), {"cancelled"}),
            (_file("GeannuleerdDossier", f" {scene.DIGITS} "), {"cancelled"}),
            (_file("GeannuleerdDossier", scene.DIGITS, 'DatumEinde="2026-06-30"'), set()),
            (_file("GeannuleerdDossier", scene.OTHER), set()),
            ("<GeannuleerdDossier/>", {"cancelled"}),
        ],
    )
    def test_a_file_that_stands(self, inner: str, reasons: set[str]) -> None:
        """One under another number is a new number; a cancelled one counts when it is the one asked about."""
        assert _signals(scene.person(inner)) == reasons

    @pytest.mark.parametrize("name", ["Referentiedossier", "GeannuleerdDossier"])
    def test_its_number_is_not_seen(self, name: str) -> None:
        """The library's scope does not name it: it is dropped, and counted."""
        kept, withheld = limit(_tree(scene.person(_file(name, scene.OTHER))), scene.SCOPE)
        assert scene.OTHER not in str(kept)
        assert any(path.startswith(name) for path in withheld)


class TestCurrent:
    """A main residence of another day."""

    @pytest.mark.parametrize(
        ("period", "stays"),
        [
            ("", True),
            ('DatumBegin="2026-07-01"', True),
            ('DatumBegin="2026-07-02"', False),
            ('DatumBegin="2027-00-00"', False),
            ('DatumBegin="2026-00-00"', True),
            ('DatumBegin="2026-08-00"', False),
            ('DatumBegin="soon"', True),
            ('DatumBegin="2004-04-04" DatumEinde="2026-07-01"', True),
            ('DatumBegin="2004-04-04" DatumEinde="2026-06-30"', False),
            ('DatumBegin="2004-04-04" DatumEinde="2020-00-00"', False),
            ('DatumBegin="2004-04-04" DatumEinde="2026-06-00"', False),
            ('DatumBegin="2004-04-04" DatumEinde="2026-07-00"', True),
            ('DatumBegin="2004-04-04" DatumEinde="2026-00-00"', True),
            ('DatumBegin="2004-04-04" DatumEinde="0000-00-00"', True),
            ('DatumBegin="2004-04-04" DatumEinde=""', True),
        ],
    )
    def test_one_that_is_over_or_to_come_is_none(self, period: str, stays: bool) -> None:
        """Only a date that is before today, or after it, whatever its unknown parts, takes the main residence away."""
        home = _reference("").replace('DatumBegin="2004-04-04"', period)
        tree = _tree(scene.person(home=home, addresses=_abroad("PostadresBuitenland")))
        current = reply.current(tree, scene.TODAY)
        found = reply.person(current)
        assert (bool(found.residence), found.name.last) == (stays, scene.LAST)
        assert list(reply.nodes(current, "Adressen", "PostadresBuitenland"))
        assert {one.value for one in reply.signals(current, scene.TODAY)} == {
            "reference_address" if stays else "abroad"
        }

    def test_nobody_needs_one(self) -> None:
        """Without a main residence, or any address, the answer is as it was."""
        for tree in (_tree(scene.person(home="")), {}):
            assert reply.current(tree, scene.TODAY) == tree


class TestPerson:
    """From the cut tree to a person."""

    def test_every_part_comes_from_its_place(self) -> None:
        """Texts are trimmed, empty is absent, partial dates stay partial."""
        kept, withheld = limit(_tree(scene.person()), scene.SCOPE)
        found = reply.person(kept)
        assert (found.name.last, found.name.first) == (scene.LAST, "Jo An")
        assert found.birth_date == PartialDate(1960, 0, 0)
        assert found.residence == Address(scene.STREET, "70", "", "9000", "Gent", "44021", "BEL")
        assert found.residence_since == PartialDate(2004, 4, 4)
        assert withheld["Geslacht"] == withheld["@Bron"] == withheld["Geboorte/Plaats"] == 1

    def test_the_other_place_for_street_and_town(self) -> None:
        """What the address register does not have stands elsewhere; an empty first place does not count."""
        home = scene.HOME.replace("Gemeentenaam>", "NietGestandaardiseerdeGemeentenaam>")
        home = home.replace("<Straatnaam>", "<NietGestandaardiseerdeStraatnaam>").replace(
            "</Straatnaam>", "</NietGestandaardiseerdeStraatnaam><Straatnaam><String> </String></Straatnaam>"
        )
        kept, _ = limit(_tree(scene.person(home=home)), scene.SCOPE)
        assert reply.person(kept).residence.street == scene.STREET
        assert reply.person(kept).residence.municipality == "Gent"

    def test_what_is_not_there_is_empty(self) -> None:
        """A bare person has nothing but is a person."""
        found = reply.person({})
        assert (bool(found.name), found.birth_date, bool(found.residence), found.residence_since) == (
            False,
            None,
            False,
            None,
        )

    def test_what_the_scope_does_not_allow_is_not_there(self) -> None:
        """A scope of names alone leaves no address and no birth date."""
        scope = Scope.parse("Naam", known=known_paths())
        found = reply.person(limit(_tree(scene.person()), scope)[0])
        assert found.name.last
        assert not found.residence
        assert (found.birth_date, found.residence_since) == (None, None)

    @pytest.mark.parametrize(
        "xml",
        [
            scene.person(home=scene.HOME.replace(scene.STREET, "a" * 301)),
            scene.person(home=scene.HOME.replace(">70<", f">{'7' * 301}<")),
            scene.person(name=scene.NAME.replace("Jo", "o" * 301)),
            scene.person(name=f"<Naam><Voornamen>{'<Voornaam>a</Voornaam>' * 31}</Voornamen></Naam>"),
        ],
    )
    def test_no_text_is_longer_than_a_real_one(self, xml: str) -> None:
        """A text of more than 300 characters, or a name of more than 30 parts, makes the reply unreadable."""
        with pytest.raises(RegistryUnreadable):
            reply.person(limit(_tree(xml), scene.SCOPE)[0])


class TestPaths:
    """What a scope file may name."""

    def test_the_scope_of_the_libraries_is_known(self) -> None:
        """Our own scope file loads, names parents' children only, and neither sex, nationality nor place of birth."""
        assert "Adressen/Hoofdverblijfplaats/@DatumBegin" in scene.SCOPE.paths
        assert not any(re.search("Geslacht|Nationaliteit|Geboorte/Plaats|Burger", path) for path in scene.SCOPE.paths)

    def test_every_name_on_a_path_is_typed_by_our_schema(self) -> None:
        """The table names nothing that our schema does not."""
        typed = {
            ("@" if etree.QName(node).localname == "attribute" else "") + str(node.get("name"))
            for name in ("Person.xsd", "Names.xsd")
            for node in etree.fromstring((WSDL / name).read_bytes()).iter("{*}element", "{*}attribute")
            if node.get("name")
        }
        assert {part for path in known_paths() for part in path.split("/")} <= typed
        assert typed - {part for path in known_paths() for part in path.split("/")} == {"Omschrijving"}
