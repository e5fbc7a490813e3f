"""An intent or denial and its outcome, read as one look at a person."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rrsync.core.log_entry import (
    DENIED,
    JSON,
    OPEN,
    REUSED,
    Access,
    Actor,
    ActorKind,
    Draft,
    Kind,
    access,
    decode,
    encode,
    moment,
    stamp,
)
from tests.support import NOW

LATER = NOW + timedelta(seconds=2)
SUBJECT: dict[str, JSON] = {"ref": "00ff", "enc": "x==", "key": "2026"}
ASKED: dict[str, JSON] = {
    "actor": {"t": "person", "id": "an.peeters"},
    "act": "R",
    "op": "GeefPersoon 02.02",
    "why": {"code": "desk", "case": "letter-118", "basis": "RR 28/2009", "hoed": "1300"},
    "scope": "5c0e",
    "req": "4e0e",
    "flags": ["many", "hours"],
}
ENDED: dict[str, JSON] = {
    "out": {"status": "ok", "codes": ["1/RR"], "ms": 41, "rsp": "4e91", "got": ["last", "street"], "withheld": 3},
    "verdict": "hold",
    "hold": "abroad",
    "changed": ["address"],
    "preview": True,
    "flags": ["own"],
}


def _line(kind: Kind, body: dict[str, JSON], *, at: datetime = NOW) -> dict[str, JSON]:
    """Return an entry as it is read back from its bytes."""
    draft = Draft("hasselt", kind, "ref-1", run="run-1", body=body)
    return decode(encode(draft, log="hasselt.be/hasselt", seq=7, at=at, subject=SUBJECT))


def test_an_access_says_all_that_its_two_entries_say() -> None:
    """Who, what, whose, when, how and why from the intent; how it ended, and what followed, from the outcome."""
    found = access("hasselt", 7, _line(Kind.INTENT, ASKED), (9, _line(Kind.OUTCOME, ENDED, at=LATER)))
    assert found == Access(
        library="hasselt",
        seq=7,
        at=NOW,
        reference="ref-1",
        run="run-1",
        actor=Actor(ActorKind.PERSON, "an.peeters"),
        purpose="desk",
        case="letter-118",
        basis="RR 28/2009",
        capacity="1300",
        operation="GeefPersoon 02.02",
        scope="5c0e",
        request="4e0e",
        subject="00ff",
        year="2026",
        denial="",
        flags=("hours", "many", "own"),
        outcome_seq=9,
        ended_at=LATER,
        status="ok",
        codes=("1/RR",),
        got=("last", "street"),
        withheld=3,
        verdict="hold",
        hold="abroad",
        ms=41,
        reply="4e91",
        changed=("address",),
        is_preview=True,
    )


def test_an_access_without_an_outcome_is_open() -> None:
    """It was asked, or was about to be; nobody knows yet how it ends."""
    found = access("hasselt", 7, _line(Kind.INTENT, ASKED))
    assert (found.status, found.outcome_seq, found.ended_at) == (OPEN, None, None)
    assert (found.got, found.verdict, found.ms, found.is_preview) == ((), "", 0, False)


def test_a_denial_has_its_clause_and_no_outcome() -> None:
    """It was never sent."""
    found = access("hasselt", 7, _line(Kind.DENIED, ASKED | {"denial": "the library has no authorisation"}))
    assert (found.status, found.denial) == (DENIED, "the library has no authorisation")


def test_an_answer_shown_again_says_its_own_outcome() -> None:
    """It was nobody's question, so it has none; what was shown stands in the entry itself."""
    body = ASKED | {"of": "ref-0", "verdict": "hold", "hold": "abroad", "out": {"got": ["last", "street"]}}
    found = access("hasselt", 7, _line(Kind.REUSE, body))
    assert (found.status, found.of, found.outcome_seq, found.ended_at) == (REUSED, "ref-0", None, None)
    assert (found.got, found.verdict, found.hold, found.ms) == (("last", "street"), "hold", "abroad", 0)
    assert found.flags == ("hours", "many")


def test_a_change_that_was_offered_is_told_from_one_that_was_made() -> None:
    """By the outcome's own word."""
    outcome = 9, _line(Kind.OUTCOME, {"out": {"status": "ok"}, "verdict": "change", "offered": True}, at=LATER)
    found = access("hasselt", 7, _line(Kind.INTENT, ASKED), outcome)
    assert (found.status, found.verdict, found.is_offered, found.changed) == ("ok", "change", True, ())


def test_what_an_entry_does_not_say_is_empty() -> None:
    """An entry of before, or one that somebody wrote over, is read as far as it goes."""
    found = access("hasselt", 7, {"ts": stamp(NOW)}, (8, {"ts": stamp(LATER)}))
    assert found.actor == Actor(ActorKind.PROCESS, "")
    assert {found.status, found.purpose, found.subject, found.year, found.denial, found.reply} == {""}
    assert (found.flags, found.codes, found.got, found.changed) == ((), (), (), ())
    assert (found.withheld, found.ms) == (0, 0)


def test_what_is_of_another_type_is_taken_for_nothing() -> None:
    """Only the log's own words are read."""
    odd: dict[str, JSON] = {"ts": stamp(NOW), "ref": 1, "why": "because", "flags": ["a", 1, True], "subj": []}
    found = access("hasselt", 7, odd, (8, {"ts": stamp(NOW), "out": {"ms": "fast", "codes": "all"}}))
    assert (found.reference, found.purpose, found.subject, found.flags) == ("", "", "", ("a",))
    assert (found.ms, found.codes) == (0, ())


@pytest.mark.parametrize("ts", ["", "yesterday", "2026-07-01T02:00:00", "2026-07-01T04:00:00+02:00", 1])
def test_a_time_that_is_not_the_log_s_is_refused(ts: JSON) -> None:
    """When it was is one of the law's six questions."""
    with pytest.raises(ValueError):  # noqa: PT011 — its words may be the standard library's
        moment({"ts": ts})
    with pytest.raises(ValueError):  # noqa: PT011 — the same
        access("hasselt", 7, {"ts": stamp(NOW)}, (8, {"ts": ts}))


def test_a_moment_is_the_one_that_was_written() -> None:
    """To the microsecond, in UTC."""
    at = datetime(2026, 7, 1, 2, 3, 4, 567, tzinfo=UTC)
    assert moment({"ts": stamp(at)}) == at
