"""The replies, one by one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lxml import etree

from rrsync.errors import ConfigError
from rrsync.simulator import replies
from rrsync.simulator.citizens import Citizen, Situation, World
from rrsync.simulator.faults import DESCRIPTIONS, ON_THE_WIRE, CorrectReply, Fault, FaultKind, due_fault, faulty_reply
from rrsync.simulator.replies import Request, Stamp, person_reply
from tests.simulator.talk import NOW, message

STAMP = Stamp(NOW, "m-1")
MESSAGES = {FaultKind.BUSY, FaultKind.SOURCE, FaultKind.REFUSED, FaultKind.UNSUBSCRIBED, FaultKind.UNKNOWNCODE}
MESSAGES |= {FaultKind.MIXUP, FaultKind.OTHERREF, FaultKind.EMPTY, FaultKind.OVERSIZE}


def asker(digits: str = "00610100137") -> Request:
    """Return somebody who asks, with signs that XML must escape."""
    return Request("a.be/<&>", "r-1", "1300", "00610100137", "q-1", digits)


def reply(citizen: Citizen | None) -> etree._Element:
    """Return the reply about a citizen."""
    return message(person_reply(citizen, asker(), STAMP))


def people(situation: Situation, *, among: int = 1200) -> Iterator[Citizen]:
    """Return everybody in a situation."""
    world = World(seed=7, people=among)
    return (one for one in map(world.citizen, range(among)) if one.situation is situation)


def test_every_reply_is_valid_for_the_government(government_reply: etree.XMLSchema, ours: etree.XMLSchema) -> None:
    """The reply about everybody, in every situation and shape, is valid against the government's schema and ours."""
    world = World(seed=11, people=1300)
    for position in range(len(world)):
        told = reply(world.citizen(position))
        government_reply.assertValid(told)
        ours.assertValid(told)
    government_reply.assertValid(reply(None))


@pytest.mark.parametrize("kind", sorted(MESSAGES))
def test_every_wellformed_fault_is_valid_for_the_government(kind: FaultKind, government_reply: etree.XMLSchema) -> None:
    """A fault that is a message at all is one the government's schema accepts."""
    citizen = World(seed=7).citizen(0)
    right = CorrectReply(
        asker(), STAMP, lambda who: person_reply(citizen, who, STAMP), lambda who: person_reply(citizen, who, STAMP)
    )
    government_reply.assertValid(message(faulty_reply(kind, right).body))


def test_exceptions_at_both_levels_are_valid_for_the_government(government_reply: etree.XMLSchema) -> None:
    """An exception with everything in it is valid on the message and on the question."""
    full = replies.Uitzondering("30004", "<&>", "INFORMATIE", "KSZ", "PERSON_MODIFIED", (("Oud INSZ", "1"), ("n", "<")))
    government_reply.assertValid(message(replies.exceptions(asker(), STAMP, full, replies.NOT_FOUND)))
    government_reply.assertValid(message(replies.refusal(asker(), STAMP, full)))


def test_the_roles_swap() -> None:
    """MAGDA is the sender with its own reference; the asker's identity and references come back."""
    told = reply(None)
    assert told.findtext(".//Afzender/Identificatie") == "vip.vlaanderen.be"
    assert told.findtext(".//Afzender/Naam") == "MagdaGateway"
    assert told.findtext(".//Afzender/Referte") == "m-1"
    receiver = told.find(".//Ontvanger")
    assert receiver is not None
    assert [child.text for child in receiver] == ["a.be/<&>", "r-1", "1300", "00610100137"]
    assert told.findtext(".//Antwoord/Referte") == "q-1"
    assert told.findtext(".//Tijdstip/Tijd") == "10:30:00.000"


def test_a_reply_tells_more_than_a_library_may_see() -> None:
    """Sex, nationality, household and civil status are there to be dropped."""
    told = [reply(one) for one in people(Situation.SETTLED)]
    for path in ("Geslacht", "Nationaliteiten", "Beheerder", "Register", "BurgerlijkeStaten", "Referentiepersoon"):
        assert any(one.find(f".//Persoon/{path}") is not None for one in told), path


@pytest.mark.parametrize(
    ("situation", "codes"),
    [
        (Situation.DECEASED, {"99990", None}),
        (Situation.ABROAD, {"992", "00992", None}),
        (Situation.STRUCK_OFF, {"99991", "99992", "99997"}),
        (Situation.ABSENT, {"99996"}),
        (Situation.UNKNOWN_STATUS, {"21099"}),
        (Situation.SETTLED, {None}),
        (Situation.MOVED, {None}),
    ],
)
def test_statuses_are_those_of_the_situation(situation: Situation, codes: set[str | None]) -> None:
    """Every shape of a situation turns up, with the status code that belongs to it."""
    assert {reply(one).findtext(".//Status/Code") for one in people(situation)} == codes


def test_the_dead_are_recognisable_with_and_without_status() -> None:
    """Whoever died has a date of death, and half of them no status."""
    assert all(reply(one).find(".//Persoon/Overlijden/Datum") is not None for one in people(Situation.DECEASED))


def test_a_protected_address_is_in_force_today() -> None:
    """The protection has begun and not ended on the day of the reply, or tells no period."""
    periods = [reply(one).find(".//NietMededeelbaarAdres/Periode") for one in people(Situation.PROTECTED)]
    told = [(one.findtext("Begindatum", ""), one.findtext("Einddatum", "")) for one in periods if one is not None]
    assert told
    assert len(told) < len(periods)
    assert all(begin < "2026-11-22" < end for begin, end in told)


def test_who_is_abroad_may_still_show_an_old_belgian_address() -> None:
    """A status abroad goes with a Belgian address; without a status there is an address abroad alone."""
    for one in people(Situation.ABROAD):
        told = reply(one)
        has_home = told.find(".//Hoofdverblijfplaats") is not None
        assert has_home == (told.find(".//Status") is not None)
        assert has_home or told.find(".//VerblijfplaatsBuitenland") is not None


def test_a_new_number_is_told_with_and_without_content() -> None:
    """Exception 30004 names the old and the new number, as a warning with content or as an error without."""
    kinds = set()
    for one in people(Situation.RENUMBERED):
        told = reply(one)
        notes = {note.findtext("Naam"): note.findtext("Waarde") for note in told.iterfind(".//Annotatie")}
        assert notes == {"Oud INSZ": one.insz.digits, "Nieuw INSZ": one.new_insz.digits}
        kinds.add((told.findtext(".//Uitzondering/Type"), told.find(".//Inhoud") is not None))
    assert kinds == {("WAARSCHUWING", True), ("FOUT", False)}


@pytest.mark.parametrize(
    ("situation", "codes"),
    [(Situation.CANCELLED, {("30002", "")}), (Situation.UNKNOWN, {("30001", "140"), ("30003", "")})],
)
def test_who_cannot_be_told_about_has_no_content(situation: Situation, codes: set[tuple[str, str]]) -> None:
    """A cancelled or unknown number gives an exception and nothing else."""
    told = [reply(one) for one in people(situation)]
    assert all(one.find(".//Inhoud") is None for one in told)
    assert {(code(one), one.findtext(".//Uitzondering/Omstandigheid", "")) for one in told} == codes


def test_addresses_come_in_every_shape() -> None:
    """A loose street has a code and no standard name, an empty box is there, a reference address is open."""
    loose = reply(next(people(Situation.NONSTANDARD_STREET)))
    assert loose.find(".//Straatnaam") is None
    assert loose.findtext(".//StraatCode", "").startswith("0")
    assert reply(next(people(Situation.EMPTY_BOX))).findtext(".//Busnummer") == ""
    open_one = reply(next(people(Situation.REFERENCE_ADDRESS))).find(".//ReferentieAdres")
    assert open_one is not None
    assert open_one.find("Einddatum") is None
    assert {reply(one).find(".//Adressen") is None for one in people(Situation.NO_ADDRESS)} == {True, False}
    assert all(reply(one).find(".//Hoofdverblijfplaats") is None for one in people(Situation.CONTACT_ONLY))
    assert any(reply(one).find(".//Voornamen") is None for one in people(Situation.FOREIGNER))


def test_what_does_not_matter_is_there_too() -> None:
    """Settled people may have an ended reference address, a declared move and a warning without weight."""
    told = [reply(one) for one in people(Situation.SETTLED)]
    assert any(one.find(".//ReferentieAdres/Einddatum") is not None for one in told)
    assert all(one.find("Einddatum") is not None for told_one in told for one in told_one.iter("ReferentieAdres"))
    assert any(one.find(".//AangifteAdreswijziging") is not None for one in told)
    assert any(code(one) == "99984" for one in told)


def test_a_partial_birth_date_is_told_as_it_is() -> None:
    """The register's own zeros come through."""
    told = {reply(one).findtext(".//Geboorte/Datum", "")[-3:] for one in people(Situation.PARTIAL_BIRTH)}
    assert told == {"-00"}


def test_every_fault_has_a_sentence() -> None:
    """The help text has one sentence for each kind."""
    assert set(DESCRIPTIONS) == set(FaultKind)
    assert all(sentence.endswith(".") for sentence in DESCRIPTIONS.values())
    assert len(ON_THE_WIRE) == 4


def test_a_fault_strikes_every_so_many_requests() -> None:
    """A fault strikes the requests its number divides, the first of two wins."""
    faults = (Fault.parse("hang:3"), Fault.parse("empty-body:2"))
    assert [due_fault(faults, number) for number in range(1, 7)] == [
        None,
        FaultKind.EMPTY_BODY,
        FaultKind.HANG,
        FaultKind.EMPTY_BODY,
        None,
        FaultKind.HANG,
    ]


@pytest.mark.parametrize("spec", ["", "hang", "hang:", "hang:0", "hang:-1", "hang:1.5", "hang:²", "nope:1", "HANG:1"])
def test_a_bad_fault_is_a_sentence_with_the_kinds(spec: str) -> None:
    """A fault nobody knows, or without a good number, is refused with the list of kinds."""
    with pytest.raises(ConfigError, match="throttle, busy, source"):
        Fault.parse(spec)


def code(told: etree._Element) -> str:
    """Return the code of the first exception."""
    return told.findtext(".//Uitzondering/Identificatie", "")
