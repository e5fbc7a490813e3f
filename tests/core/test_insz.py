"""The INSZ: which numbers are one, held against python-stdnum; and that it never shows."""

from __future__ import annotations

import logging
import pickle
import traceback
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.be import bis, nn, ssn

from rrsync.core.insz import Insz, check_digits, holds_insz
from rrsync.errors import NotAnInsz

NINE = st.from_regex(r"\A[0-9]{9}\Z")
DAY = st.dates(date(1900, 1, 1), date(2024, 12, 31))


def number(day: date, serial: int, month_more: int = 0) -> str:
    """Return the number of who was born on a day."""
    nine = f"{day.year % 100:02d}{day.month + month_more:02d}{day.day:02d}{serial:03d}"
    return nine + check_digits(nine, born_from_2000=day.year >= 2000)


def is_insz(text: str, *, production: bool = True) -> bool:
    """Whether a text is taken."""
    try:
        Insz.parse(text, production=production)
    except NotAnInsz:
        return False
    return True


@given(DAY, st.integers(1, 998), st.sampled_from([0, 20, 40]))
def test_a_number_that_was_given_out_is_taken(day: date, serial: int, month_more: int) -> None:
    """Every number of every day since 1900 is one here and in python-stdnum, of the National Registry or BIS."""
    digits = number(day, serial, month_more)
    one = Insz.parse(digits, production=True)
    assert one.digits == digits
    assert ssn.is_valid(digits)
    assert one.is_bis == bis.is_valid(digits) == bool(month_more)
    assert nn.is_valid(digits) == (not month_more)
    assert one.month == day.month + month_more
    assert not one.is_test
    assert nn.get_birth_year(digits) == day.year


@given(NINE, st.integers(0, 99))
def test_any_eleven_digits_are_judged_as_stdnum_does(nine: str, check: int) -> None:
    """Whatever python-stdnum takes is taken, and what is taken beyond that differs by a rule we name."""
    digits = f"{nine}{check:02d}"
    ours, theirs = is_insz(digits), ssn.is_valid(digits)
    day, serial = int(nine[4:6]), int(nine[6:])
    if 1 <= serial <= 998 and day <= 31 and int(nine[:2]) <= 24:
        assert ours == theirs
    elif ours:  # stdnum asks a year of 2000 or later not to be to come; the register's check digits alone decide here
        assert theirs or check_digits(nine, born_from_2000=True) == digits[9:]


@given(DAY, st.integers(1, 998), st.integers(0, 10), st.integers(1, 9))
def test_every_single_digit_typed_wrong_is_found(day: date, serial: int, at: int, by: int) -> None:
    """Under the century's own rule no single wrong digit gives another number."""
    digits = number(day, serial)
    wrong = digits[:at] + str((int(digits[at]) + by) % 10) + digits[at + 1 :]
    assert wrong[9:] != check_digits(wrong[:9], born_from_2000=day.year >= 2000)
    assert not is_insz(wrong) or wrong[9:] == check_digits(wrong[:9], born_from_2000=day.year < 2000)


@given(NINE)
def test_a_number_is_of_one_century_only(nine: str) -> None:
    """The two rules never give the same check digits, and ``00`` is never one."""
    before, after = (check_digits(nine, born_from_2000=late) for late in (False, True))
    assert before != after
    assert {before, after} & {f"{97 - int(nine) % 97:02d}"}
    assert "00" not in {before, after}
    assert not is_insz(nine + "00", production=False)


@pytest.mark.parametrize(
    "text", ["85.07.30-033 28", " 85 07 30 033 28 ", "85/07/30-033.28", "85073003328", "85-07-30.033/28"]
)
def test_a_number_may_be_typed_with_separators(text: str) -> None:
    """Blanks, dots, dashes and slashes are no part of it."""
    assert Insz.parse(text, production=True).digits == "85073003328"


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "no digits"),
        ("8507300332", "eleven digits"),
        ("850730033280", "eleven digits"),
        ("8507300332a", "no digits"),
        ("85073003329", "check digits"),
        ("12345678901", "check digits"),
        ("٨٥٠٧٣٠٠٣٣٢٨", "no digits"),
        ("85_07_30_033_28", "no digits"),
        ("85073003328\n85073003328", "no digits"),
    ],
)
def test_what_is_no_number_is_refused_by_its_rule(text: str, rule: str) -> None:
    """The message names the rule that failed, and never the text."""
    with pytest.raises(NotAnInsz, match=rule) as caught:
        Insz.parse(text, production=True)
    told = "".join(traceback.format_exception(caught.value))
    assert not text or text not in told


def made(nine: str) -> str:
    """Return nine digits with their check."""
    return nine + check_digits(nine, born_from_2000=False)


@pytest.mark.parametrize(
    ("nine", "rule"),
    [
        *[(f"85{month:02d}01001", "month") for month in (13, 19, 33, 39, 53, 60, 61, 72, 73, 99)],
        ("850732001", "day"),
        ("850799001", "day"),
        ("850730000", "serial"),
        ("850730999", "serial"),
    ],
)
def test_what_is_never_given_out_is_refused_in_production(nine: str, rule: str) -> None:
    """Test numbers and impossible ones are numbers outside production only."""
    with pytest.raises(NotAnInsz, match=rule):
        Insz.parse(made(nine), production=True)
    assert Insz.parse(made(nine), production=False).is_test == (rule == "month")


@pytest.mark.parametrize(
    "nine", ["850000001", "000001001", "850712001", "850731998", "852001001", "853231001", "855200001"]
)
def test_unknown_days_and_all_families_are_taken_in_production(nine: str) -> None:
    """A month or day of ``00`` is a day that was not known, or a day that ran out of serials."""
    assert is_insz(made(nine))


def test_it_never_shows() -> None:
    """Printed, formatted, logged or in a traceback it is masked; it comes out by ``.digits`` alone."""
    one = Insz.parse("85073003328", production=True)
    record = logging.LogRecord("x", logging.INFO, "", 0, "asked about %s, %r", (one, one), None)
    said = f"{one} {one!r} {one!s} {[one]} { ({one: one}) } {record.getMessage()}"
    assert "85073003328" not in said
    assert said.count("Insz(***)") == 8
    assert str(one) == repr(one) == "Insz(***)"


def test_equal_numbers_are_one_key() -> None:
    """It may stand in a set or a dictionary, and cannot be altered."""
    one = Insz.parse("85073003328", production=True)
    assert {one, Insz("85073003328")} == {one}
    with pytest.raises(AttributeError):
        one.digits = "0"  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(one)) == one


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("00610100137", True),
        ("00.61.01-001.37", True),
        ("letter 12 00 61 01 001 37", True),
        ("an.peeters/00610100137/desk", True),
        ("00610100138", False),
        ("0061010013", False),
        ("2900610100137", False),
        ("00991000156", False),
        ("letter-2026-118", False),
    ],
)
def test_a_number_in_a_text_is_seen(text: str, holds: bool) -> None:
    """With its usual separators or without; a longer run of digits, as on a barcode, is none."""
    assert holds_insz(text) is holds
