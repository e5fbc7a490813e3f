"""MAGDA's codes: what each asks of us, and which wins."""

from __future__ import annotations

import pytest

from rrsync.core.exchange import Notice, Reason
from rrsync.registry.codes import TABLE, Action, action, decide, explain, gravest

EXPECTED = {
    Action.STOP: "10001 13001 13101 20005 20110 40001 40005 40006 60011 ERR_025",
    Action.RETRY: "40088 60000 60001 60002 60004 60005 60006 60008 60009 60010 60013 90000 99994 99995 99996 99997 "
    "Server",
    Action.RETRY_ONCE: "60007 60018 70002",
    Action.SUBSCRIBE: "13202 13303 40003",
    Action.REFUSED: "15021 20002 20003 20007 25001 30034 40035 40098 40099 40101 40200 50000 60003 Client",
    Action.NEW_NUMBER: "30004",
    Action.CANCELLED: "30002",
    Action.UNKNOWN: "30001 30101 30003",
    Action.ACCEPT: "30030 30042 40143 99984",
}
BY_TYPE = {"99982", "99983", "99986"}
SEVERITIES = ("FOUT", "WAARSCHUWING", "INFORMATIE", "?")


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize(("expected", "codes"), EXPECTED.items())
def test_the_code_decides_whatever_its_type(expected: Action, codes: str, severity: str) -> None:
    """A known code asks the same of us as error, warning or information."""
    assert {action(Notice(code, "MAGDA", severity)) for code in codes.split()} == {expected}


def test_every_code_of_the_table_is_expected_here() -> None:
    """No code slips into the table without its line in this test."""
    assert set(TABLE) == {code for codes in EXPECTED.values() for code in codes.split()} | BY_TYPE


@pytest.mark.parametrize("code", sorted(BY_TYPE))
def test_a_code_that_could_not_be_translated_goes_by_its_type(code: str) -> None:
    """99982, 99983 and 99986 are refused as errors and accepted as remarks."""
    assert [action(Notice(code, "MAGDA", one)).value for one in SEVERITIES[:3]] == ["refused", "accept", "accept"]


def test_an_unlisted_code_is_never_applied_unless_it_is_information() -> None:
    """An unlisted error, warning or odd type is refused."""
    found = [action(Notice("12345", "RR", one)).value for one in SEVERITIES]
    assert found == ["refused", "refused", "accept", "refused"]


def test_the_most_severe_of_several_wins() -> None:
    """Stop, retry, subscribe, refused, then what the register says of the number, in the contract's order."""
    codes = ["13001", "99996", "60007", "40003", "20002", "30004", "30002", "30003", "30042"]
    told = [Notice(code, "MAGDA", "FOUT") for code in codes]
    assert [decide(reversed(told[at:])).value for at in range(len(told))] == [one.value for one in Action]
    assert gravest(reversed(told)) == explain(told[0])


def test_the_order_is_that_of_the_hold_reasons() -> None:
    """Refused comes before new number, cancelled and unknown, as in the contract."""
    shared = [one.value for one in Action if one.value in set(Reason)]
    assert shared == [reason.value for reason in Reason if reason.value in shared]


def test_nothing_said_is_accepted_and_has_words() -> None:
    """No notice at all asks nothing, and can still be explained."""
    assert decide([]) is Action.ACCEPT
    assert "neither" in gravest([]).meaning


def test_every_code_that_troubles_anybody_says_what_to_do() -> None:
    """Whatever does not simply go on tells a person what to do."""
    assert all(code.todo for code in TABLE.values() if code.action is not Action.ACCEPT)
