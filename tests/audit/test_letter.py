"""The words of the letter to who asks who looked them up."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from rrsync.audit.letter import Letter
from rrsync.audit.letter_texts import ANSWERED, DONE, FAILED, LABELS, LETTER_DEEDS, PART, TEXT, VERDICTS, denial
from rrsync.audit.review import PersonAccesses
from rrsync.core.authorisation import Authorisation, Scope
from rrsync.core.exchange import Question
from rrsync.core.log_entry import DENIED, OPEN, REUSED, Access, Actor, ActorKind, Kind, Status, access, stamp
from rrsync.text.log_terms import ENDS, deed
from tests.support import NOW, insz

LOOK = access("hasselt", 3, {"ts": stamp(NOW), "kind": "access.intent"})


def letter(*looks: Access, deeds: tuple[dict[str, Any], ...] = (), language: str = "en", **told: Any) -> str:
    """Write a letter about what one log says, and give it with its lines joined."""
    lines = tuple((9, {"ts": stamp(NOW)} | line) for line in deeds)
    facts: dict[str, Any] = {"forgotten": (), "seq": 12} | told
    said = PersonAccesses("hasselt", looks, lines, **facts)
    return " ".join(Letter({}, language).write([said], NOW).split())


class TestTerms:
    """The terms of the log in a letter."""

    def test_every_clause_of_a_denial_has_its_dutch(self) -> None:
        """As the authorisation itself says them."""
        held = Authorisation(
            library="hasselt",
            decision="RR 28/2009",
            sender="s",
            capacity="1300",
            purposes=frozenset({"desk", "night"}),
            valid_from=date(2020, 1, 1),
            valid_until=date(2029, 1, 1),
            scope=Scope.parse("Naam", known={"Naam"}),
        )
        asked = Question("hasselt", insz(1), Actor(ActorKind.PERSON, "an"), "curiosity", "ref-1")
        clauses = [
            held.denial(replace(asked, library="genk"), date(2025, 1, 1)),
            held.denial(asked, date(2019, 1, 1)),
            held.denial(asked, date(2030, 1, 1)),
            held.denial(asked, date(2025, 1, 1)),
            "the library has no authorisation",
        ]
        dutch = [denial(clause, "nl") for clause in clauses]
        assert not set(clauses) & set(dutch)
        assert dutch[1] == "de machtiging geldt pas vanaf 2020-01-01"
        assert dutch[3] == "de machtiging noemt dit doel niet, enkel desk, night"
        assert [denial(clause, "en") for clause in clauses] == clauses

    def test_what_the_tables_do_not_have_is_told_as_it_stands(self) -> None:
        """Nothing is left out because nobody thought of it."""
        look = replace(
            LOOK, purpose="inventory", got=("last", "shoe_size"), status="ok", verdict="hold", hold="new_reason"
        )
        said = letter(look)
        assert "Why: inventory " in said
        assert "Data: last name, shoe_size " in said
        assert "(new_reason)" in said
        assert denial("because", "nl") == "because"

    def test_a_moment_is_told_as_a_person_does(self) -> None:
        """By the clock in Belgium, summer and winter."""
        at = datetime(2026, 10, 31, 23, 30, 5, tzinfo=UTC)
        assert "Wanneer: 1 november 2026, 00:30:05 " in letter(replace(LOOK, at=at), language="nl")


class TestLooks:
    """One look as a citizen reads it."""

    def test_one_that_says_nothing(self) -> None:
        """An entry of before, or one that somebody wrote over: it is there, with what it does say."""
        said = letter(LOOK)
        assert TEXT["counts"] % {"answered": 0, "failed": 1, "others": 0} in said
        assert f"Library: hasselt Who: {PART['process'] % {'name': '?'}} Why: - {LABELS['ground']}: none" in said
        assert f"Data: none Result: {FAILED[OPEN]} Log: entry 3 of hasselt" in said

    @pytest.mark.parametrize(
        ("facts", "result"),
        [
            ({"status": "ok"}, ANSWERED[Status.OK]),
            ({"status": "ok", "operation": "GeefPersoon-02.02"}, ANSWERED[Status.OK]),
            (
                {"status": "ok", "operation": "RegistreerInschrijving-02.01"},
                DONE["RegistreerInschrijving"],
            ),
            ({"status": "refused", "operation": "RegistreerInschrijving-02.01"}, FAILED[Status.REFUSED]),
            ({"status": "ok", "verdict": "same"}, f"{VERDICTS['same']} Log"),
            (
                {"status": "ok", "verdict": "same", "changed": ("address",)},
                f"{VERDICTS['filled']} (address)",
            ),
            (
                {"status": "ok", "verdict": "change", "changed": ("name", "address")},
                f"{VERDICTS['change']} (name, address)",
            ),
            (
                {"status": "not_found", "verdict": "hold", "hold": "unknown"},
                f"{VERDICTS['hold']} (number unknown)",
            ),
            ({"status": "ok", "verdict": "change", "is_preview": True}, f"{VERDICTS['preview']} Log"),
            (
                {"status": "ok", "verdict": "change", "is_offered": True},
                f"{VERDICTS['offered']} Log",
            ),
            (
                {"status": "reused", "verdict": "same"},
                f"{ANSWERED[REUSED]} Log",
            ),
            ({"status": "ok", "verdict": "void"}, VERDICTS["void"]),
            ({"status": "indeterminate"}, FAILED[Status.INDETERMINATE]),
            ({"status": "denied", "denial": "no"}, f"{FAILED[DENIED]}: no"),
            ({"status": "lost"}, "lost"),
        ],
    )
    def test_what_came_of_it(self, facts: dict[str, Any], result: str) -> None:
        """What was made of the answer, or why there was none."""
        assert f"Result: {result}" in letter(replace(LOOK, **facts))

    def test_a_name_that_moves_the_cursor(self) -> None:
        """Cannot hide a line on the terminal of who reads it."""
        said = letter(replace(LOOK, actor=Actor(ActorKind.PERSON, "an\x1b[2K\r\nbo")))
        assert "under the name an\N{REPLACEMENT CHARACTER}[2K\N{REPLACEMENT CHARACTER}" in said
        assert "\x1b" not in said

    def test_they_stand_in_the_order_of_time(self) -> None:
        """Over all libraries, each numbered."""
        early, late = replace(LOOK, seq=7), replace(LOOK, seq=5, at=NOW.replace(hour=9))
        told = [
            PersonAccesses("hasselt", (late,), (), (), 12),
            PersonAccesses("genk", (replace(early, library="genk"),), (), (2014,), 3),
        ]
        said = " ".join(Letter({"genk": "Genk"}, "nl").write(told, NOW).split())
        assert said.index("1. Wanneer: 1 juli 2026, 04:00:00 Bibliotheek: Genk (genk)") < said.index(
            "2. Wanneer: 1 juli 2026, 11:00:00 Bibliotheek: hasselt"
        )
        assert "Over 2014 kan het logboek van Genk (genk) niets meer zeggen" in said
        assert "regel 12 van hasselt, regel 3 van genk" in said


class TestOthers:
    """The other lines about a person."""

    @pytest.mark.parametrize(
        ("line", "says"),
        [
            (
                {"kind": Kind.DECISION, "decision": "accepted", "hold": "abroad", "changed": ["name", "insz"]},
                LETTER_DEEDS["accepted"] % {"hold": "lives abroad", "changed": "name, national number"},
            ),
            (
                {"kind": Kind.DECISION, "decision": "dismissed", "hold": "abroad", "changed": []},
                LETTER_DEEDS["dismissed"] % {"hold": "lives abroad"},
            ),
            ({"kind": Kind.DECISION, "decision": "postponed"}, LETTER_DEEDS["other"] % {"kind": "hold.decision"}),
            (
                {"kind": Kind.STAFF, "staff": {"name": "an", "deed": "add"}},
                LETTER_DEEDS["add"] % {"name": "an"},
            ),
            (
                {"kind": Kind.STAFF, "staff": {"name": "an", "deed": "remove"}},
                LETTER_DEEDS["remove"] % {"name": "an"},
            ),
            ({"kind": Kind.STAFF}, LETTER_DEEDS["other"] % {"kind": "staff.change"}),
            (
                {"kind": Kind.OFFER, "decision": "accepted", "changed": ["address"]},
                LETTER_DEEDS["taken"] % {"changed": "address"},
            ),
            ({"kind": Kind.OFFER, "decision": "declined", "changed": []}, LETTER_DEEDS["declined"]),
            ({"kind": Kind.OFFER, "decision": "postponed"}, LETTER_DEEDS["other"] % {"kind": "offer.decision"}),
            (
                {"kind": Kind.CORRECT, "changed": ["address"], "until": "2026-12-31"},
                LETTER_DEEDS["correct"] % {"until": "2026-12-31"},
            ),
            (
                {"kind": Kind.UNCORRECT, "ended": "agreed", "until": "2026-12-31"},
                LETTER_DEEDS["uncorrect"] % {"ended": ENDS["agreed"]},
            ),
            ({"kind": Kind.VIEW, "view": {"what": "who"}}, LETTER_DEEDS["answer"]),
            (
                {"kind": Kind.VIEW, "view": {"what": "evidence", "filter": {"of": 4}}, "why": {"note": "complaint"}},
                LETTER_DEEDS["evidence"] % {"of": 4, "note": "complaint"},
            ),
            (
                {"kind": Kind.VIEW, "view": {"what": "sample", "filter": {"month": "2026-07"}}},
                LETTER_DEEDS["view"] % {"what": "sample"},
            ),
            ({"kind": Kind.SETTINGS}, LETTER_DEEDS["other"] % {"kind": "settings.change"}),
        ],
    )
    def test_what_was_done(self, line: dict[str, Any], says: str) -> None:
        """In plain words, by whom and where it stands."""
        said = letter(deeds=({"actor": {"t": "person", "id": "bo"}} | line,))
        assert deed(line, "en")[0] in LETTER_DEEDS
        assert f"Who: {PART['person'] % {'name': 'bo'}} What: {says} Log: entry 9 of hasselt" in said
        assert TEXT["counts"] % {"answered": 0, "failed": 0, "others": 1} in said
