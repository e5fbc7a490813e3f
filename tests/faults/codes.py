"""Rows 41 to 52: what MAGDA and its sources say instead of, or beside, an answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tests.faults.catalogue import Case, Row, Trial, ends
from tests.faults.saying import at_first, fault, recovers, remark, served

FOUT: Final = "FOUT"
WARNING: Final = "WAARSCHUWING"
REMARK: Final = "INFORMATIE"


def held(reason: str, status: str, *codes: str) -> Callable[[Trial], None]:
    """Return what asserts that two members are on hold after one try each, and the log has the code."""
    check = ends(outcomes={status: 2}, tries=2, exit_code=0, holds={reason: 2})

    def expect(trial: Trial) -> None:
        assert {f"{code}/MAGDA" for code in codes} <= set(trial.codes)
        check(trial)

    return expect


def told(code: str, reason: str, status: str, kind: str = FOUT, *, content: bool = False) -> Case:
    """Return the case of a code that puts a member on hold at once."""
    answer = remark((code, kind), content=content)
    return Case(f"{code} {kind}", served(answer, members=2, tolerated=[reason]), held(reason, status, code))


#: A code that every member would get: the library is stopped at the first.
BARRED: Final = ends(
    outcomes={"refused": 1}, tries=1, exit_code=4, stopped="refused", left=1, warned={"night.barred"}, says="MAGDA"
)


def stops(code: str, level: int, kind: str = FOUT, *, content: bool = False) -> Case:
    """Return the case of a code that stops the library at once."""
    return Case(f"{code} level {level} {kind}", served(remark((code, kind), level=level, content=content)), BARRED)


#: A source that is away: four tries, four more at the end of the night, and the step stays open.
AWAY: Final = ends(outcomes={"transient": 8}, tries=8, exit_code=3, left=1)
BACK: Final = ends(outcomes={"transient": 1, "ok": 1}, tries=2, exit_code=0, changed=1)


def away(code: str) -> Case:
    """Return the case of a code that is tried again, and then gets its answer."""
    return Case(f"{code} once", served(at_first(1, remark((code, FOUT)))), BACK)


def ten_in_a_row(trial: Trial) -> None:
    """Every member would be refused alike: the night stops after ten, and asks not many more."""
    assert (trial.exit_code, trial.stopped, trial.changed) == (4, "breaker", 0)
    assert 10 <= trial.tries <= 10 + 2 * trial.house.settings.registry.max_in_flight
    assert trial.outcomes == {"refused": trial.tries}
    assert trial.left == 20 - trial.tries
    recovers(trial)


def taken(*codes: str) -> Callable[[Trial], None]:
    """Return what asserts that the content was used, once, and the code kept."""
    check = ends(outcomes={"ok": 1}, tries=1, exit_code=0, changed=1)

    def expect(trial: Trial) -> None:
        assert set(trial.codes) == {f"{code}/MAGDA" for code in codes}
        check(trial)

    return expect


def never_applied(trial: Trial) -> None:
    """A code nobody knows: on hold, the code in the access log, and said once in the operational log."""
    said = [line for line in trial.events if "77777" in str(line) and line["event"] != "night.close"]
    held("refused", "refused", "77777")(trial)
    assert len(said) == 1, said


def once_more(trial: Trial) -> None:
    """The source's answer is tried once more, then a person must look."""
    ends(outcomes={"transient": 2}, tries=2, exit_code=0, holds={"refused": 1})(trial)


ROWS: Final = (
    Row(
        41,
        "no data for the number",
        served(remark(("30001", FOUT)), members=2, tolerated=["unknown"]),
        held("unknown", "not_found", "30001"),
        also=[told("30101", "unknown", "not_found"), told("30001", "unknown", "not_found", WARNING)],
    ),
    Row(
        42,
        "a number cancelled or never given",
        served(remark(("30002", FOUT)), members=2, tolerated=["cancelled"]),
        held("cancelled", "cancelled", "30002"),
        also=[
            told("30003", "unknown", "not_found"),
            told("30002", "cancelled", "cancelled", WARNING, content=True),
        ],
    ),
    Row(
        44,
        "the number is found malformed",
        served(remark(("20002", FOUT)), members=2),
        held("refused", "refused", "20002"),
        also=[Case("ten in a row", served(remark(("20002", FOUT)), members=20), ten_in_a_row)],
    ),
    Row(
        46,
        "not authorised",
        served(remark(("40005", FOUT))),
        BARRED,
        also=[
            *(
                stops(code, level)
                for code in ("13001", "13101", "20005", "40001", "40006", "60011")
                for level in (2, 3)
            ),
            stops("40006", 3, WARNING, content=True),
            stops("10001", 2),
            Case(
                "ERR_025 fault",
                served(fault("ERR_025: Verification failure: No signature in message!")),
                BARRED,
            ),
        ],
        note="13001, 13101, 40001 and ERR_025 are the issue's and FACTS 9.6's",
    ),
    Row(
        47,
        "everything was filtered away",
        served(remark(("15021", FOUT)), members=2),
        held("refused", "refused", "15021"),
        note="13202 is in row 45: FACTS 9.7 subscribes and asks once more, the catalogue only sets aside",
    ),
    Row(
        48,
        "too many questions in a message",
        served(remark(("20110", FOUT), level=2)),
        BARRED,
        note="a message holds exactly one question (FACTS 1.1), so there is no batch to halve: stopped at once",
    ),
    Row(
        49,
        "the source is busy",
        served(remark(("99996", FOUT), level=2)),
        AWAY,
        also=[
            Case("99996 level 2 once", served(at_first(1, remark(("99996", FOUT), level=2))), BACK),
            *(away(code) for code in ("99994", "99996", "99997", "60009", "60010", "60013", "90000")),
            Case("99995 fault for good", served(fault("99995 - Te veel gelijktijdige bevragingen")), AWAY),
            Case("99995 fault once", served(at_first(1, fault("99995 - Te veel", status=200))), BACK),
        ],
    ),
    Row(
        50,
        "the source cannot be read",
        served(remark(("60007", FOUT))),
        once_more,
        also=[
            Case("60018", served(remark(("60018", FOUT))), once_more),
            Case("60018 once", served(at_first(1, remark(("60018", FOUT)))), BACK),
        ],
    ),
    Row(
        51,
        "a code of the source that MAGDA cannot translate",
        served(remark(("99983", FOUT)), members=2),
        held("refused", "refused", "99983"),
        also=[
            told("99982", "refused", "refused"),
            told("99986", "refused", "refused", content=True),
            Case("99983 WAARSCHUWING", served(remark(("99983", WARNING), content=True)), taken("99983")),
            Case("99984 WAARSCHUWING", served(remark(("99984", WARNING), content=True)), taken("99984")),
            Case(
                "30042 and 30030 beside each other",
                served(remark(("30042", REMARK), ("30030", WARNING), content=True)),
                taken("30042", "30030"),
            ),
        ],
    ),
    Row(
        52,
        "a code that nobody knows",
        served(remark(("77777", FOUT)), members=2),
        never_applied,
        also=[
            Case("with content", served(remark(("77777", WARNING), content=True), members=2), never_applied),
            Case("of an unknown type", served(remark(("77777", "Ramp"), content=True), members=2), never_applied),
            Case("as a remark", served(remark(("77777", REMARK), content=True)), taken("77777")),
        ],
        note="the catalogue accepts an unknown code that is no error; the issue never applies one, but for a remark",
    ),
)
