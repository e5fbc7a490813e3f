"""Names, dates and addresses as values, and that none of them ever shows."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from datetime import date
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrsync.core import compare, exchange, log_entry, person
from rrsync.core.exchange import Found, Reason, Refused, Unknown
from rrsync.core.insz import Insz
from rrsync.core.log_entry import Draft, Kind
from rrsync.core.person import Address, Masked, Name, PartialDate, Person, tidy


class TestPartialDate:
    """A date of which a part may be unknown."""

    @given(st.dates(date(1, 1, 1)))
    def test_a_whole_date_comes_back(self, day: date) -> None:
        """What is written is read, and is complete."""
        one = PartialDate.of(day)
        assert PartialDate.parse(one.text) == one
        assert one.text == day.isoformat()
        assert one.is_complete

    @pytest.mark.parametrize(
        ("text", "read"),
        [
            ("1998-00-00", "1998-00-00"),
            ("1998-05-00", "1998-05-00"),
            ("1998-00-07", "1998-00-00"),
            ("1998-99-99", "1998-00-00"),
            ("1998-13-01", "1998-00-00"),
            ("1998-02-29", "1998-02-00"),
            ("1998-02-31", "1998-02-00"),
            ("1998-05-99", "1998-05-00"),
            ("1998-05-07+02:00", "1998-05-07"),
            (" 1998-05-07 ", "1998-05-07"),
        ],
    )
    def test_what_is_unknown_is_zero(self, text: str, read: str) -> None:
        """Months and days that are no date are unknown; a zone behind it is no part of it."""
        one = PartialDate.parse(text)
        assert one is not None
        assert one.text == read
        assert one.is_complete == ("-00" not in read)

    @pytest.mark.parametrize("text", ["", "0000-00-00", "0000-05-07", "1998", "07/05/1998", "1998-5-7", "٠١٢٣-01-01"])
    def test_what_is_no_date_is_none(self, text: str) -> None:
        """Nothing is guessed."""
        assert PartialDate.parse(text) is None

    @given(st.text(max_size=14))
    def test_any_text_is_read_or_refused(self, text: str) -> None:
        """Whatever comes, it gives a date that reads back the same, or none."""
        one = PartialDate.parse(text)
        assert one is None or PartialDate.parse(one.text) == one


@given(st.text())
def test_tidy_text_stays_as_it_is(text: str) -> None:
    """Trimmed, single blanks, NFC; doing it twice is doing it once."""
    assert tidy(tidy(text)) == tidy(text)
    assert "  " not in tidy(text)


def test_absent_and_empty_are_one() -> None:
    """There is one way of not being there."""
    assert tidy(None) == tidy("") == tidy(" \n") == ""
    assert tidy("  Cafe\u0301   Rue ") == "Café Rue"


def test_what_is_empty_is_false() -> None:
    """A name or address of nothing is none; a country alone is no address."""
    assert not Name()
    assert Name("Peeters")
    assert Name("", "An")
    assert not Address()
    assert not Address(country="BEL")
    for part in fields(Address):
        assert bool(Address(**{part.name: "x"})) == (part.name != "country")


SECRET = "Kanarievogelstraat"
ADDRESS = Address(street=SECRET)
PERSON = Person(Name(SECRET, SECRET), PartialDate(1960, 1, 2), ADDRESS, None)
HELD = person.Held(Name(SECRET), None, ADDRESS)
VALUES = [
    ADDRESS,
    PERSON,
    PERSON.name,
    PERSON.birth_date,
    HELD,
    person.Member("hasselt", SECRET, Insz("85073003328"), HELD),
    Found("ref-1", PERSON, frozenset({Reason.DECEASED}), Insz("85073003328")),
    Unknown("ref-1", Reason.NEW_NUMBER, Insz("85073003328")),
    Refused("ref-1", Reason.MISMATCH),
    compare.Same(HELD),
    compare.Change(HELD, HELD),
    compare.Hold(Reason.DECEASED, HELD),
    Draft("hasselt", Kind.INTENT, "ref-1", Insz("85073003328"), body={"x": SECRET}),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_values_print_as_their_type_alone(value: object) -> None:
    """Neither a log line nor a traceback shows a person, or what is so of them."""
    assert f"{value}|{value!r}|{[value]}" == f"{type(value).__name__}(***)|{value!r}|[{value!r}]"


@pytest.mark.parametrize("room", [person, exchange, log_entry, compare], ids=lambda room: room.__name__)
def test_whatever_is_masked_is_masked(room: ModuleType) -> None:
    """A dataclass makes its own repr unless told not to: none that is meant to be masked has done so."""
    masked = [
        kind
        for kind in vars(room).values()
        if isinstance(kind, type) and is_dataclass(kind) and issubclass(kind, Masked)
    ]
    assert [kind.__name__ for kind in masked if kind.__repr__ is not Masked.__repr__] == []
