"""Same, change or hold: the order of the contract, what is spelling only, and what is never written."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import combinations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rrsync.core.compare import (
    PROPOSES,
    Change,
    Hold,
    Same,
    address_differs,
    agrees,
    compare,
    corrected,
    differs,
    merge,
    name_differs,
    plain,
)
from rrsync.core.exchange import Found, Reason, Refused, Unknown
from rrsync.core.person import Address, Held, Member, Name, PartialDate, Person
from tests.support import address, held, insz, member

ORDER = tuple(Reason)
PERSON = Person(held().name, held().birth_date, held().address, held().address_since)
#: Those that come from the reply; the others from comparing, or from the member.
SIGNALS = ORDER[ORDER.index(Reason.NEW_NUMBER) : ORDER.index(Reason.NO_ADDRESS)]


def found(person: Person = PERSON, *signals: Reason) -> Found:
    """Return an answer about a person."""
    return Found("ref-1", person, frozenset(signals))


def lives(there: Address) -> Found:
    """Return an answer where only the address may differ."""
    return found(replace(PERSON, residence=there))


def verdict(ours: str, theirs: str, part: str = "house_number", **both: str) -> str:
    """Return the verdict's name when one part of the address is so with us and so with them."""
    here, there = (replace(address(), **both, **{part: text}) for text in (ours, theirs))
    one = member(held=replace(held(), address=here))
    return type(compare(one, lives(there))).__name__.lower()


class TestHolds:
    """Everything a person must look at, the first reason that applies."""

    @pytest.mark.parametrize("why", [Reason.MISMATCH, Reason.UNREADABLE, Reason.REFUSED])
    def test_an_answer_that_cannot_be_used_is_a_hold(self, why: Reason) -> None:
        """Nothing of it is proposed."""
        assert compare(member(), Refused("ref-1", why)) == Hold(why)

    @pytest.mark.parametrize("why", [Reason.UNKNOWN, Reason.CANCELLED, Reason.NEW_NUMBER])
    def test_nobody_under_this_number_is_a_hold(self, why: Reason) -> None:
        """A new number, when one is given, is what accepting would write."""
        assert compare(member(), Unknown("ref-1", why, insz(9))) == Hold(why, new_insz=insz(9))

    @pytest.mark.parametrize("signal", SIGNALS)
    def test_a_signal_is_a_hold_even_when_nothing_differs(self, signal: Reason) -> None:
        """Whatever the address says, a signal comes first; only what may be believed is proposed."""
        for answer in (found(PERSON, signal), lives(address("99"))):
            one = compare(member(), replace(answer, signals=frozenset({signal}), new_insz=insz(9)))
            assert isinstance(one, Hold)
            assert (one.reason, one.new_insz) == (signal, insz(9))
            assert (one.proposal is None) == (signal not in PROPOSES)

    def test_no_address_is_a_hold(self) -> None:
        """A person without a main residence, or one without a street where we hold one, is for a person to look at."""
        assert compare(member(), lives(Address())) == Hold(Reason.NO_ADDRESS)
        assert compare(member(), lives(Address(country="BEL"))) == Hold(Reason.NO_ADDRESS)
        streetless = Address(postal_code="9000", municipality="Gent", country="BEL")
        assert compare(member(), lives(streetless)) == Hold(Reason.NO_ADDRESS)
        one = member(held=replace(held(), address=streetless))
        assert isinstance(compare(one, lives(replace(streetless, house_number="3"))), Change)

    @pytest.mark.parametrize(
        ("parts", "is_hold"),
        [
            ({"house_number": "99"}, True),
            ({"box": "7"}, True),
            ({"house_number": "12"}, False),
            ({}, False),
        ],
    )
    def test_a_number_without_its_street_is_no_address(self, parts: dict[str, str], is_hold: bool) -> None:
        """Another number or box may stand in another street too, so it is not written beside ours."""
        there = address(**({"house_number": ""} | parts), street="")
        assert (compare(member(), lives(there)) == Hold(Reason.NO_ADDRESS)) == is_hold

    @pytest.mark.parametrize(
        ("ours", "theirs", "is_hold"),
        [
            (PartialDate(1960, 1, 2), PartialDate(1960, 1, 3), True),
            (PartialDate(1960, 1, 2), PartialDate(1961, 0, 0), False),
            (PartialDate(1960, 0, 0), PartialDate(1961, 1, 2), False),
            (PartialDate(1960, 1, 2), PartialDate(1960, 1, 2), False),
            (None, PartialDate(1960, 1, 2), False),
            (PartialDate(1960, 1, 2), None, False),
        ],
    )
    def test_another_birth_date_is_a_hold(
        self, ours: PartialDate | None, theirs: PartialDate | None, is_hold: bool
    ) -> None:
        """Only when both are whole and differ; the number may be somebody else's."""
        one = compare(member(held=replace(held(), birth_date=ours)), found(replace(PERSON, birth_date=theirs)))
        assert (isinstance(one, Hold) and one.reason is Reason.BIRTH_DATE_DIFFERS) == is_hold
        assert is_hold or isinstance(one, Same)

    @pytest.mark.parametrize(
        ("last", "first", "expected"),
        [
            ("Anders", "Piet", Hold),
            ("Anders", "Jozefien", Change),
            ("Kanariepiet", "Piet", Change),
            ("KANARIEPIET", "Piet", Change),
            ("Anders", "", Change),
            ("", "Piet", Change),
            ("", "", Same),
        ],
    )
    def test_another_name_is_a_hold_when_all_of_it_differs(self, last: str, first: str, expected: type) -> None:
        """A last name or a first name may change; both at once is somebody else."""
        one = compare(member(), found(replace(PERSON, name=Name(last, first))))
        assert isinstance(one, expected)
        if isinstance(one, Hold):
            assert one.reason is Reason.NAME_DIFFERS
            assert one.proposal == replace(held(), name=Name(last, first))

    def test_a_mass_change_and_a_restriction_hold_changes_alone(self) -> None:
        """When nothing would be written nobody is bothered."""
        restricted = member(restricted=True)
        assert isinstance(compare(restricted, found(), mass_change=True), Same)
        assert compare(restricted, lives(address("99"))) == Hold(Reason.RESTRICTED, proposal=held("99"))
        assert compare(member(), lives(address("99")), mass_change=True) == Hold(
            Reason.MASS_CHANGE, proposal=held("99")
        )


def answer_for(reasons: tuple[Reason, ...]) -> tuple[Member, Found, bool]:
    """Return a member and an answer to which all of these reasons apply."""
    person, one, mass = PERSON, member(), Reason.MASS_CHANGE in reasons
    if Reason.NO_ADDRESS in reasons:
        person = replace(person, residence=Address())
    elif {Reason.MASS_CHANGE, Reason.RESTRICTED} & set(reasons):
        person = replace(person, residence=address("99"))
    if Reason.BIRTH_DATE_DIFFERS in reasons:
        person = replace(person, birth_date=PartialDate(1959, 1, 2))
    if Reason.NAME_DIFFERS in reasons:
        person = replace(person, name=Name("Anders", "Piet"))
    if Reason.NO_ADDRESS in reasons and {Reason.MASS_CHANGE, Reason.RESTRICTED} & set(reasons):
        person = replace(person, name=Name(person.name.last, "Fien"))
    if Reason.RESTRICTED in reasons:
        one = replace(one, restricted=True)
    return one, found(person, *(set(reasons) & set(SIGNALS))), mass


@pytest.mark.parametrize("pair", list(combinations(ORDER[ORDER.index(Reason.NEW_NUMBER) :], 2)), ids="-".join)
def test_of_two_reasons_the_first_of_the_contract_counts(pair: tuple[Reason, Reason]) -> None:
    """Whichever two apply at once, the one that stands first is the hold's."""
    one, answer, mass = answer_for(pair)
    given_verdict = compare(one, answer, mass_change=mass)
    assert isinstance(given_verdict, Hold)
    assert given_verdict.reason is pair[0]


@given(st.sets(st.sampled_from(ORDER[ORDER.index(Reason.NEW_NUMBER) :]), min_size=1))
def test_of_many_reasons_the_first_counts(reasons: set[Reason]) -> None:
    """Of any number of reasons, too."""
    first, *rest = sorted(reasons, key=ORDER.index)
    one, answer, mass = answer_for((first, *rest))
    given_verdict = compare(one, answer, mass_change=mass)
    assert isinstance(given_verdict, Hold)
    assert given_verdict.reason is first


def test_the_order_is_the_contracts() -> None:
    """The contract lists the reasons; their order here is that one."""
    listed = (
        "mismatch unreadable refused new_number cancelled unknown deceased protected abroad struck_off absent "
        "unknown_status reference_address no_address birth_date_differs name_differs mass_change restricted"
    )
    assert " ".join(ORDER) == listed


class TestSpelling:
    """What is spelled otherwise is the same; what is another place is not."""

    @pytest.mark.parametrize(
        ("part", "ours", "theirs"),
        [
            ("street", "Sint-Jorisstraat", "SINT JORISSTRAAT"),
            ("street", "Rue de l'Église", "rue de l\u2019eglise"),
            ("street", "Straße", "STRASSE"),
            ("street", "  Lange   Straat ", "Lange Straat"),
            ("street", "Cafe\u0301straat", "Caféstraat"),
            ("municipality", "Sint-Niklaas", "SINT NIKLAAS"),
            ("municipality", "Liège", "LIEGE"),
            ("house_number", "12A", "12 a"),
            ("house_number", "12-14", "12 / 14"),
            ("house_number", "12 bis", "12BIS"),
            ("box", "bus 3", "3"),
            ("box", "Bus 003", "box 3"),
            ("box", "003", "3"),
            ("box", "bte 4", "Boîte 4"),
            ("box", "b5", "5"),
            ("box", "bus A", "a"),
            ("box", "000", "0"),
            ("box", "bus 0", "0"),
            ("box", "2.02", "2/02"),
            ("country", "bel", "BEL"),
        ],
    )
    def test_spelling_is_no_difference(self, part: str, ours: str, theirs: str) -> None:
        """Case, accents, punctuation, blanks, the word before a box and its leading zeros; read either way round."""
        assert verdict(ours, theirs, part) == verdict(theirs, ours, part) == "same"

    @pytest.mark.parametrize(
        ("part", "ours", "theirs"),
        [
            ("street", "Lange Straat", "Korte Straat"),
            ("house_number", "12", "12A"),
            ("house_number", "12", "1/2"),
            ("house_number", "12-14", "1214"),
            ("house_number", "1", "12"),
            ("box", "3", "30"),
            ("box", "2.02", "202"),
            ("box", "0", "10"),
            ("box", "A", "B"),
            ("box", "", "0"),
            ("box", "bus", "S"),
            ("postal_code", "3500", "3501"),
            ("country", "BEL", "NLD"),
            ("municipality", "Hasselt", "Genk"),
        ],
    )
    def test_another_place_is_a_difference(self, part: str, ours: str, theirs: str) -> None:
        """What tells two places apart is never taken for spelling."""
        assert verdict(ours, theirs, part) == "change"

    @pytest.mark.parametrize(
        "typed", ["12 bus 3", "12bus 3", "12 bus3", "12bus3", "12 BUS 003", "12, box 3", "12 bte. 3", "12 boîte 3"]
    )
    def test_a_box_typed_into_the_house_number_is_a_box(self, typed: str) -> None:
        """Members type it there; the register gives both apart."""
        assert compare(member(held=replace(held(), address=address(typed))), lives(address("12", box="3"))) == Same(
            replace(held(), address=address(typed))
        )
        moved = compare(member(held=replace(held(), address=address(typed))), lives(address("12", box="4")))
        assert isinstance(moved, Change)
        assert moved.after.address == address("12", box="4")

    @pytest.mark.parametrize("typed", ["12", "12 bis", "12 busstraat", "bus 3"])
    def test_what_is_no_box_stays_in_the_house_number(self, typed: str) -> None:
        """Only a word for a box behind a number splits it."""
        assert address_differs(address(typed), address("12", box="3"))

    def test_a_nis_code_is_not_on_the_envelope(self) -> None:
        """When towns merge the code changes and nobody moves: it is filled in, and is no change."""
        one = compare(member(), lives(address(nis_code="99999")))
        assert one == Same(replace(held(), address=address(nis_code="99999")))

    def test_our_spelling_stays(self) -> None:
        """What is the same is left as the library wrote it."""
        ours = address("12 A", street="KANARIEVOGELSTRAAT")
        one = compare(member(held=replace(held(), address=ours)), lives(address("12a")))
        assert one == Same(replace(held(), address=ours))

    def test_a_difference_needs_two_sides(self) -> None:
        """What is not given does not differ."""
        assert differs("a", "b")
        assert not differs("", "b")
        assert not differs("a", "")
        assert not differs("a", "A")


WORDS = st.sampled_from(
    ["", "Hasselt", "HASSELT", "Genk", "3500", "9000", "Lange straat", "lange-straat", "Plein", "é", "e"]
)
NUMBERS = st.sampled_from(["", "12", "12 bus 3", "12bus3", "1", "1/2", "7a", "7 A", "12 bus 004"])
BOXES = st.sampled_from(["", "3", "003", "bus 3", "A", "0", "b4", "bus"])
ADDRESSES = st.builds(
    Address,
    street=WORDS,
    house_number=NUMBERS,
    box=BOXES,
    postal_code=WORDS,
    municipality=WORDS,
    nis_code=st.sampled_from(["", "71022", "44021"]),
    country=st.sampled_from(["", "BEL", "bel", "NLD"]),
)
NAMES = st.builds(Name, WORDS, WORDS)
DATES = st.sampled_from([None, PartialDate(1960, 1, 2), PartialDate(1960, 0, 0), PartialDate(1961, 1, 2)])
HELDS = st.builds(Held, NAMES, DATES, ADDRESSES, DATES)
PERSONS = st.builds(Person, NAMES, DATES, ADDRESSES, DATES)


def as_held(one: Held) -> Member:
    """Return a member of whom this is held."""
    return member(held=one)


class TestProperties:
    """What is so of any member and any answer."""

    @given(HELDS, PERSONS)
    def test_what_was_believed_is_the_same_the_next_time(self, ours: Held, theirs: Person) -> None:
        """After a change is written, the same answer confirms it; and after a same, too."""
        first = compare(as_held(ours), found(theirs))
        assume(not isinstance(first, Hold))
        assert not isinstance(first, Hold)
        second = compare(as_held(first.after), found(theirs))
        assert second == Same(first.after)

    @given(HELDS, PERSONS)
    def test_what_the_register_does_not_say_blanks_nothing(self, ours: Held, theirs: Person) -> None:
        """An absent name, date or town keeps ours; only a place that moved leaves its smaller parts behind."""
        after = merge(ours, theirs)
        for part in ("last", "first"):
            assert getattr(after.name, part) == (getattr(theirs.name, part) or getattr(ours.name, part))
        assert (after.birth_date is None) == (ours.birth_date is None and theirs.birth_date is None)
        assert after.address_since == (theirs.residence_since or ours.address_since)
        silent = replace(theirs, residence=Address())
        assert not address_differs(merge(ours, silent).address, ours.address)
        assert merge(ours, silent).address.nis_code == ours.address.nis_code

    @given(HELDS, PERSONS)
    def test_an_address_is_never_made_of_two_places(self, ours: Held, theirs: Person) -> None:
        """Under a part that changed nothing of ours survives: no street of the old town, no box of the old house."""
        after, said, moved = merge(ours, theirs).address, theirs.residence, False
        levels = [("country",), ("postal_code", "municipality"), ("street",), ("house_number",), ("box",)]
        for names in levels:
            moved = moved or any(getattr(said, name) and verdict_of(name, ours.address, said) for name in names)
            if moved:
                assert [getattr(after, name) for name in names] == [getattr(said, name) for name in names]

    @given(HELDS, PERSONS)
    def test_a_nis_code_is_of_the_town_beside_it(self, ours: Held, theirs: Person) -> None:
        """Ours stays only where the town did: by its name, or when neither has one, by all that is known of it."""
        after = merge(ours, theirs).address
        if not theirs.residence.nis_code and after.nis_code:
            assert plain(after.municipality) == plain(ours.address.municipality)
            assert after.municipality or plain(after.postal_code) == plain(ours.address.postal_code)

    def test_a_nis_code_does_not_move_along(self) -> None:
        """Where neither names the town, another postal code is another town, and its code is not known yet."""
        ours = replace(held(), address=address(municipality="", nis_code="71022"))
        moved = address(municipality="", postal_code="9000", nis_code="")
        assert merge(ours, replace(PERSON, residence=moved)).address == moved

    def test_a_country_that_is_not_said_stays(self) -> None:
        """Replies often leave the country out: a move within it does not blank it."""
        moved = address("1", street="Plein", postal_code="9000", municipality="Gent", nis_code="44021", country="")
        assert merge(held(), replace(PERSON, residence=moved)).address == replace(moved, country="BEL")

    @given(ADDRESSES, ADDRESSES)
    def test_differing_has_no_direction(self, one: Address, other: Address) -> None:
        """If ours differs from theirs, theirs differs from ours; and nothing differs from itself."""
        assert address_differs(one, other) == address_differs(other, one)
        assert not address_differs(one, one)

    @given(NAMES, NAMES)
    def test_names_differ_both_ways(self, one: Name, other: Name) -> None:
        """The same of names."""
        assert name_differs(one, other) == name_differs(other, one)
        assert not name_differs(one, one)

    @given(ADDRESSES, ADDRESSES, ADDRESSES)
    def test_not_differing_carries_over(self, one: Address, other: Address, third: Address) -> None:
        """Two addresses that are both a third are one another."""
        if not address_differs(one, other) and not address_differs(other, third):
            assert not address_differs(one, third)

    @given(st.text())
    def test_plain_text_stays_plain(self, text: str) -> None:
        """Doing it twice is doing it once, and case never matters."""
        assert plain(plain(text)) == plain(text)
        assert plain(text.upper().lower()) == plain(text.upper().lower().upper().lower())

    @given(HELDS, PERSONS, st.booleans(), st.booleans())
    def test_there_are_three_verdicts(self, ours: Held, theirs: Person, mass: bool, restricted: bool) -> None:
        """Whatever comes: a change differs, the same does not, and a restricted member's data never change."""
        one = member(held=ours, restricted=restricted)
        given_verdict = compare(one, found(theirs), mass_change=mass)
        match given_verdict:
            case Change(before, after):
                assert before == ours
                assert not mass
                assert not restricted
                assert name_differs(before.name, after.name) or address_differs(before.address, after.address)
            case Same(after):
                assert (after.name, replace(after.address, nis_code="")) == (
                    ours.name,
                    replace(ours.address, nis_code=""),
                )
            case Hold(reason, proposal):
                assert proposal is None or reason in PROPOSES


class TestPinned:
    """An address that staff put there: the register's is held to repeat it, all the rest counts as ever."""

    @given(HELDS, PERSONS, st.sets(st.sampled_from(SIGNALS)), st.booleans(), st.booleans())
    def test_the_address_is_never_touched(
        self, ours: Held, theirs: Person, signals: set[Reason], mass: bool, restricted: bool
    ) -> None:
        """Unless the register names that very address; then it is a comparison like any other."""
        one, answer = member(held=ours, restricted=restricted, pinned=True), found(theirs, *signals)
        verdict = compare(one, answer, mass_change=mass)
        if agrees(ours, answer):
            assert verdict == compare(replace(one, pinned=False), answer, mass_change=mass)
            return
        match verdict:
            case Change(_, after) | Same(after):
                assert after.address == ours.address
                assert after.address_since == ours.address_since
            case Hold(_, proposal):
                assert proposal is None or (proposal.address, proposal != ours) == (ours.address, True)

    @given(HELDS, PERSONS, st.sets(st.sampled_from(SIGNALS)), st.booleans())
    def test_all_the_rest_counts_as_if_it_repeated_our_address(
        self, ours: Held, theirs: Person, signals: set[Reason], mass: bool
    ) -> None:
        """The same verdict and reason, the same name and birth date."""
        pinned = compare(member(held=ours, pinned=True), found(theirs, *signals), mass_change=mass)
        repeats = found(replace(theirs, residence=ours.address, residence_since=None), *signals)
        plainly = compare(member(held=ours), repeats, mass_change=mass)
        if agrees(ours, found(theirs)):
            return
        match pinned, plainly:
            case Hold(), Hold():
                assert (pinned.reason, pinned.new_insz) == (plainly.reason, plainly.new_insz)
            case (Same(now), Same(then)) | (Change(_, now), Change(_, then)):
                assert (now.name, now.birth_date) == (then.name, then.birth_date)
            case _:
                raise AssertionError(pinned, plainly)

    @given(HELDS, ADDRESSES)
    def test_a_register_that_agrees_leaves_the_address(self, ours: Held, theirs: Address) -> None:
        """Spelling apart; whether it agrees or not, no letter goes elsewhere."""
        verdict = compare(member(held=ours, pinned=True), found(replace(PERSON, residence=theirs, name=ours.name)))
        after = verdict.after if isinstance(verdict, Same | Change) else ours
        assert not address_differs(ours.address, after.address)

    def test_what_is_no_answer_is_no_agreement(self) -> None:
        """Nor an address that is not said, nor one with less in it; a country need not be named."""
        assert not agrees(held(), Refused("ref-1", Reason.UNREADABLE))
        assert not agrees(Held(), lives(Address()))
        assert not agrees(held(), lives(Address(municipality=held().address.municipality)))
        assert not agrees(held(box="3"), lives(address()))
        assert agrees(held(), lives(address(country="", nis_code="")))
        assert agrees(held(box="3"), lives(address("12 bus 003")))

    def test_another_first_name_is_a_change_that_leaves_the_address_to_the_letter(self) -> None:
        """Also a box that staff wrote in the house number; a hold for a name proposes the name alone."""
        ours = held("12 bus 3")
        moved = replace(PERSON, residence=address("99"), name=replace(ours.name, first="Piet"))
        after = replace(ours, name=moved.name)
        assert compare(member(held=ours, pinned=True), found(moved)) == Change(ours, after)
        signalled = compare(member(held=ours, pinned=True), found(moved, Reason.REFERENCE_ADDRESS))
        assert signalled == Hold(Reason.REFERENCE_ADDRESS, proposal=after)
        alone = replace(moved, name=ours.name)
        signalled = compare(member(held=ours, pinned=True), found(alone, Reason.REFERENCE_ADDRESS))
        assert signalled == Hold(Reason.REFERENCE_ADDRESS)

    def test_a_new_number_is_a_hold_as_ever(self) -> None:
        """What is no answer about a person is not looked into."""
        one = member(pinned=True)
        assert compare(one, Unknown("ref-1", Reason.NEW_NUMBER, insz(9))) == Hold(Reason.NEW_NUMBER, new_insz=insz(9))

    @given(HELDS, ADDRESSES)
    def test_a_correction_keeps_what_belongs_to_the_place(self, ours: Held, there: Address) -> None:
        """NIS code with the town, begin date with the address; a spelling is no other place."""
        after = corrected(ours, there)
        assert not address_differs(after.address, there)
        assert (after.name, after.birth_date) == (ours.name, ours.birth_date)
        if not address_differs(ours.address, there):
            assert after == ours
        else:
            assert after.address_since is None
            same_town = plain(after.address.municipality) == plain(ours.address.municipality)
            assert after.address.nis_code == (ours.address.nis_code if same_town else "")


def verdict_of(name: str, ours: Address, theirs: Address) -> bool:
    """Whether one part differs, with a box in our house number in its own place, and theirs as it is given."""
    from rrsync.core.compare import _part, _split_box  # noqa: PLC0415 — a proof may look inside

    return _part(name, getattr(theirs, name)) != _part(name, getattr(_split_box(ours), name))


def test_every_part_of_an_address_is_compared() -> None:
    """A part that is added to an address is compared, or named here as not."""
    for part in fields(Address):
        here, there = address(), replace(address(), **{part.name: "777"})
        assert address_differs(here, there) == (part.name != "nis_code")
