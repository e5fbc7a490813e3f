"""One answer read from a SOAP reply and from a batch file: the same answer, and the same entry in the log."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import pytest
from lxml import etree

from rrsync.core.authorisation import Authorisation
from rrsync.core.exchange import Found, Question, Reason, Refused
from rrsync.core.log_entry import JSON, Evidence, Kind
from rrsync.errors import NotAuthorised, RegistryUnreadable
from rrsync.registry import reply
from rrsync.registry.codes import Action
from rrsync.registry.outcome import FileAnswer, Keep, Outcome, SoapReply, read_answer
from rrsync.registry.request import PERSON
from rrsync.simulator.citizens import World
from rrsync.simulator.replies import Request, Stamp, person_reply
from tests.registry import scene
from tests.registry.scene import answer, notice, person, repliek, saying, standing

FILE = "file-1"
NAMESPACE = PERSON.namespace.replace("/soap/", "/file/")
VALID = "<Tijdstip><Datum>2026-07-01</Datum><Tijd>12:00:00.000</Tijd></Tijdstip>"
RENUMBERED = notice("30004", "WAARSCHUWING", "RR", [("Nieuw INSZ", scene.OTHER)])


def in_file(soap: Iterable[bytes], *, general: str = "", receiver: str = FILE) -> bytes:
    """Return a batch file with the answers of these SOAP replies."""
    answers = b"".join(found for one in soap for found in re.findall(rb"<Antwoord>.*?</Antwoord>", one, re.DOTALL))
    level_2 = f"<Uitzonderingen>{general}</Uitzonderingen>" if general else ""
    sender = "<Afzender><Identificatie>vip.vlaanderen.be</Identificatie><Referte>m</Referte></Afzender>"
    told = f"<Ontvanger><Identificatie>x</Identificatie><Referte>{receiver}</Referte></Ontvanger>"
    head = f"<Type>ANTWOORD</Type>{VALID}{sender}{told}"
    return (
        f'<g:GeefPersoonResponse xmlns:g="{NAMESPACE}"><Repliek><Context><Naam>GeefPersoon</Naam>'
        f"<Versie>02.02.0000</Versie><Bericht>{head}</Bericht></Context><Antwoorden>".encode()
        + answers
        + f"</Antwoorden>{level_2}</Repliek></g:GeefPersoonResponse>".encode()
    )


def taken_apart(file: bytes) -> list[FileAnswer]:
    """Return the answers of a batch file, each with what the file says of all of them."""
    parsed = etree.parse(BytesIO(file)).getroot()
    answers = [etree.tostring(one, with_tail=False) for one in parsed.iter("Antwoord")]
    etree.strip_elements(parsed, "Antwoorden", with_tail=False)
    whole = reply.file_reply(etree.tostring(parsed[0]))
    return [FileAnswer(one, whole, FILE) for one in answers]


def read(came: SoapReply | FileAnswer | RegistryUnreadable, question: Question = scene.QUESTION) -> Outcome:
    """Return the outcome of an answer, whose messages are kept."""
    return read_answer(question, b"<sent/>", came, replace(scene.RULES, keep=Keep.ALL))


def logged(outcome: Outcome) -> Mapping[str, JSON]:
    """Return what the entry says of an outcome, without what differs from channel to channel."""
    out = outcome.entry.body["out"]
    assert isinstance(out, dict)
    assert len(outcome.entry.body) == 1
    return {key: value for key, value in out.items() if key not in {"ms", "rsp"}}


def same(soap: bytes, question: Question = scene.QUESTION, *, general: str = "") -> Outcome:
    """Return the outcome of a SOAP reply, which is that of the same answer in a file."""
    online = read(SoapReply(soap), question)
    (one,) = taken_apart(in_file([soap], general=general))
    filed = read(one, question)
    assert (filed.answer, filed.status, filed.action) == (online.answer, online.status, online.action)
    assert logged(filed) == logged(online)
    assert replace(filed.entry, body={}, evidence=None) == replace(online.entry, body={}, evidence=None)
    assert filed.entry.evidence == Evidence(b"<sent/>", one.data)
    return online


SAME: Sequence[tuple[bytes, str, str]] = [
    (answer(person()), "ok", "accept"),
    (answer(person(), notice("30042", "INFORMATIE")), "ok", "accept"),
    (answer(person("<Overlijden/>")), "ok", "accept"),
    (answer(person(), RENUMBERED), "replaced", "accept"),
    (answer("", RENUMBERED), "replaced", "accept"),
    (answer(notices=notice("30001")), "not_found", "accept"),
    (answer(notices=notice("30002")), "cancelled", "accept"),
    (answer(notices=notice("20002")), "refused", "accept"),
    (answer(person(), notice("20002")), "refused", "accept"),
    (answer(notices=notice("40003")), "refused", "subscribe"),
    (answer(notices=notice("99994")), "transient", "retry"),
    (answer(notices=notice("60018")), "transient", "retry_once"),
    (answer(notices=notice("13001")), "refused", "stop"),
    (answer(), "invalid_reply", "retry_once"),
    (answer(person() + person()), "invalid_reply", "accept"),
    (answer(person(name="<Naam/>" * 2)), "invalid_reply", "accept"),
    (answer(person(), ref="ref-9"), "mismatch", "accept"),
    (answer(person(digits=scene.OTHER)), "mismatch", "accept"),
    (answer(person(digits=scene.OTHER), RENUMBERED), "replaced", "accept"),
]


class TestSame:
    """Both channels go through one function."""

    @pytest.mark.parametrize(("soap", "status", "action"), SAME, ids=range(len(SAME)))
    def test_an_answer_of_either_channel(self, soap: bytes, status: str, action: str) -> None:
        """Its answer, status, action and entry are the same."""
        outcome = same(soap)
        assert (outcome.status.value, outcome.action.value) == (status, action)
        assert logged(outcome)["status"] == status

    def test_what_the_scope_excludes_is_counted_in_both(self) -> None:
        """And not in the answer."""
        outcome = same(answer(person()))
        assert isinstance(outcome.answer, Found)
        assert outcome.answer.withheld["Geslacht"] == 1
        assert logged(outcome)["withheld"] == sum(outcome.answer.withheld.values())

    @pytest.mark.parametrize("code", ["13001", "99996", "60018"])
    def test_an_exception_of_the_whole_fails_every_answer(self, code: str) -> None:
        """Whatever the answers say."""
        soap = [answer(person(), general=notice(code)), answer(notices=notice("30001"), general=notice(code))]
        for one in soap:
            assert same(one, general=notice(code)).action in {Action.STOP, Action.RETRY, Action.RETRY_ONCE}

    def test_the_hash_is_that_of_the_answer_as_it_came(self) -> None:
        """Of the SOAP message, or of the one answer of the file."""
        soap = answer(person())
        (filed,) = taken_apart(in_file([soap]))
        for came in (SoapReply(soap), filed):
            out = read(came).entry.body["out"]
            assert isinstance(out, dict)
            assert out["rsp"] == sha256(came.data).hexdigest()


class TestFile:
    """Many answers in one file, each read by its own reference and number."""

    def test_each_answer_is_read_for_its_own_question(self) -> None:
        """And is a mismatch for every other."""
        numbers = {"ref-1": scene.DIGITS, "ref-2": scene.OTHER}
        file = in_file(answer(person(digits=digits), ref=ref) for ref, digits in numbers.items())
        answers = dict(zip(numbers, taken_apart(file), strict=True))
        for mine, digits in numbers.items():
            for ref, came in answers.items():
                outcome = read(came, scene.asked(digits, mine))
                assert isinstance(outcome.answer, Found) is (ref == mine)
                assert outcome.status.value == ("ok" if ref == mine else "mismatch")

    def test_an_answer_to_another_file_is_a_mismatch(self) -> None:
        """Though its reference and its number are ours."""
        (came,) = taken_apart(in_file([answer(person())], receiver="file-2"))
        assert read(came).answer == Refused("ref-0", Reason.MISMATCH)

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"<Antwoord><Referte>ref-0</Referte>",
            b"<Vraag><Referte>ref-0</Referte></Vraag>",
            b'<x:Antwoord xmlns:x="urn:x"><Referte>ref-0</Referte></x:Antwoord>',
            b'<Antwoord><Referte>ref-0</Referte><x:Inhoud xmlns:x="urn:x"/></Antwoord>',
            b"<Antwoord><Referte>ref-0</Referte><Referte>ref-0</Referte></Antwoord>",
        ],
    )
    def test_what_is_no_answer_is_unreadable(self, data: bytes) -> None:
        """It is kept as evidence, and nothing of it is used."""
        outcome = read(FileAnswer(data, reply.Reply(receiver=FILE), FILE))
        assert outcome.answer == Refused("ref-0", Reason.UNREADABLE)
        assert outcome.entry.evidence == Evidence(b"<sent/>", data)

    @pytest.mark.parametrize(
        "data",
        [
            in_file([]),
            b"<Repliek><Antwoorden><Antwoord/></Antwoorden></Repliek>",
            b'<Repliek><Context/><x:Uitzonderingen xmlns:x="urn:x"/></Repliek>',
        ],
    )
    def test_what_is_said_of_all_answers_has_none_of_them_in_it(self, data: bytes) -> None:
        """Else a new number of one person could be taken for another's."""
        with pytest.raises(RegistryUnreadable):
            reply.file_reply(data)

    def test_a_reply_without_answers_says_what_is_wrong_with_all(self) -> None:
        """Its exceptions, and the file that it answers."""
        said = re.search(rb"<Repliek>.*</Repliek>", repliek(general=notice("13001"), receiver=FILE))
        assert said
        whole = reply.file_reply(said[0])
        assert ([one.code for one in whole.general], whole.receiver, whole.reference) == (["13001"], FILE, None)


@pytest.fixture(scope="module")
def schema(magda_data: Path) -> etree.XMLSchema:
    """The government's schema of a batch file of answers."""
    path = magda_data / "xsd" / "Persoon.GeefPersoonDienst-02.02" / "Service" / "GeefPersoonResponse.xsd"
    return etree.XMLSchema(etree.parse(str(path)))


def test_the_simulators_people_in_a_valid_file(schema: etree.XMLSchema) -> None:
    """A file that the government's schema allows holds everybody, in every situation."""
    world = World(seed=3, people=200)
    questions, soap = [], []
    for position in range(len(world)):
        citizen = world.citizen(position)
        questions.append(scene.asked(citizen.insz.digits, f"ref-{position}"))
        asker = Request("x", f"ref-{position}", "1300", "", f"ref-{position}", citizen.insz.digits)
        soap.append(person_reply(citizen, asker, Stamp(scene.NOW, "m")))
    file = in_file(soap)
    schema.assertValid(etree.fromstring(file))
    for question, came, online in zip(questions, taken_apart(file), soap, strict=True):
        filed, asked = read(came, question), read(SoapReply(online), question)
        assert (filed.answer, filed.action, logged(filed)) == (asked.answer, asked.action, logged(asked))


def test_the_governments_personas_in_a_valid_file(magda_data: Path, schema: etree.XMLSchema) -> None:
    """Each is read as in its own reply."""
    questions, soap = [], []
    for path in sorted((magda_data / "personas" / "GeefPersoon-02.02").glob("[0-9]*.xml")):
        text = re.sub(r"<\?xml.*?\?>|(?<=<Referte>)[^<]*", "", path.read_text("utf-8"))
        questions.append(scene.asked(path.stem, path.stem))
        soap.append(scene.envelope(text.replace("<Referte>", f"<Referte>{path.stem}")))
    answered = [(one, data) for one, data in zip(questions, soap, strict=True) if b"<Antwoord>" in data]
    file = in_file(data for _, data in answered)
    schema.assertValid(etree.fromstring(file))
    found = 0
    for (question, online), came in zip(answered, taken_apart(file), strict=True):
        filed, asked = read(came, question), read(SoapReply(online), question)
        assert (filed.answer, filed.action, logged(filed)) == (asked.answer, asked.action, logged(asked))
        found += isinstance(filed.answer, Found)
    assert found > 100


class TestGate:
    """The gate records and reads for a channel that it does not know."""

    @staticmethod
    def write(question: Question, authorisation: Authorisation, _: object) -> bytes:
        """Write a question as a line of a file."""
        return f"{authorisation.sender} {question.reference}".encode()

    def test_it_records_sends_nothing_and_reads(self) -> None:
        """The intent has the hash of the channel's own message, and the outcome is handed over."""
        with standing(saying(b""), keep=Keep.ALL) as stand:
            questions = [scene.asked(ref="ref-1"), scene.asked(scene.OTHER, "ref-2")]
            recorded = stand.gate.record(questions, self.write)
            written = [self.write(one, scene.AUTHORISATION, None) for one in questions]
            assert [one.message for one in recorded] == written
            assert [line.body["req"] for line in stand.log] == [sha256(one).hexdigest() for one in written]
            file = in_file([answer(person(), ref="ref-1"), answer(notices=notice("77777"), ref="ref-2")])
            first, second = (stand.gate.read(*one) for one in zip(recorded, taken_apart(file), strict=True))
            assert isinstance(first.answer, Found)
            assert second.status.value == "refused"
            assert first.entry.evidence == Evidence(recorded[0].message, taken_apart(file)[0].data)
            assert [line.kind for line in stand.log] == [Kind.INTENT, Kind.INTENT]
            assert not stand.door.bodies

    def test_what_another_channel_sends_is_not_sent_online_too(self) -> None:
        """Its intent stands for one message."""
        with standing(saying(b"")) as stand:
            (recorded,) = stand.gate.record([scene.QUESTION], self.write)
            with pytest.raises(ValueError, match="recorded here"):
                stand.gate.send(recorded)
            assert not stand.door.bodies

    def test_what_is_not_covered_is_not_written(self) -> None:
        """The denial is logged, whatever the channel."""
        with standing(saying(b"")) as stand, pytest.raises(NotAuthorised):
            stand.gate.record([replace(scene.QUESTION, purpose="curiosity")], self.write)
        assert stand.kinds == ["denied"]


@pytest.mark.parametrize(("keep", "is_kept"), [(Keep.HASH, False), (Keep.ERRORS, True), (Keep.ALL, True)])
def test_a_reply_that_the_channel_could_not_deliver(keep: Keep, is_kept: bool) -> None:
    """It is unreadable; the question is kept as evidence, without a reply, and there is no hash of one."""
    rules = replace(scene.RULES, keep=keep)
    outcome = read_answer(scene.QUESTION, b"<sent/>", RegistryUnreadable("too large"), rules, ms=7)
    assert outcome.answer == Refused("ref-0", Reason.UNREADABLE)
    assert outcome.entry.body == {"out": {"status": "invalid_reply", "codes": [], "ms": 7}}
    assert outcome.entry.evidence == (Evidence(b"<sent/>", b"") if is_kept else None)
