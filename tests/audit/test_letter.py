"""The words of the letter to who asks who looked them up."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from string import Formatter
from typing import Any

import pytest

from rrsync.audit import phrases
from rrsync.audit.letter import Letter
from rrsync.audit.paragraphs import LABELS, PART, TEXT
from rrsync.audit.phrases import DEEDS, deed
from rrsync.audit.review import Told
from rrsync.core.authorisation import Authorisation, Scope
from rrsync.core.exchange import Question
from rrsync.core.log_entry import DENIED, OPEN, REUSED, Access, Actor, ActorKind, Kind, Status, access, stamp
from tests.support import NOW, insz

LOOK = access("hasselt", 3, {"ts": stamp(NOW), "kind": "access.intent"})


def letter(*looks: Access, deeds: tuple[dict[str, Any], ...] = (), language: str = "en", **told: Any) -> str:
    """Write a letter about what one log says, and give it with its lines joined."""
    lines = tuple((9, {"ts": stamp(NOW)} | line) for line in deeds)
    facts: dict[str, Any] = {"forgotten": (), "seq": 12} | told
    said = Told("hasselt", looks, lines, **facts)
    return " ".join(Letter({}, language).write([said], NOW).split())


class TestTables:
    """Every word of the log has its words in both languages."""

    @pytest.mark.parametrize(
        "table",
        [TEXT, LABELS, PART, phrases.PURPOSES, phrases.FAILED, phrases.ANSWERED, phrases.DONE, phrases.VERDICTS],
    )
    def test_both_languages_say_the_same(self, table: dict[str, dict[str, str]]) -> None:
        """The same keys, with the same places to fill in."""
        assert set(table) == {"nl", "en"}
        assert set(table["nl"]) == set(table["en"])
        for key, text in table["nl"].items():
            assert _places(text) == _places(table["en"][key])

    def test_every_end_of_a_look_has_words(self) -> None:
        """It was answered, or it failed; never both."""
        answered, failed = set(phrases.ANSWERED["nl"]), set(phrases.FAILED["nl"])
        assert answered | failed == {*(status.value for status in Status), DENIED, OPEN, REUSED}
        assert not answered & failed

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
        dutch = [phrases.clause(clause, "nl") for clause in clauses]
        assert not set(clauses) & set(dutch)
        assert dutch[1] == "de machtiging geldt pas vanaf 2020-01-01"
        assert dutch[3] == "de machtiging noemt dit doel niet, enkel desk, night"
        assert [phrases.clause(clause, "en") for clause in clauses] == clauses

    def test_what_the_tables_do_not_have_is_told_as_it_stands(self) -> None:
        """Nothing is left out because nobody thought of it."""
        assert phrases.purpose("inventory", "nl") == "inventory"
        assert phrases.fields(("last", "shoe_size"), "en") == "last name, shoe_size"
        assert phrases.hold("new_reason", "nl") == "new_reason"
        assert phrases.clause("because", "nl") == "because"

    def test_a_moment_is_told_as_a_person_does(self) -> None:
        """By the clock on the wall in Belgium, summer and winter."""
        at = datetime(2026, 10, 31, 23, 30, 5, tzinfo=UTC)
        assert phrases.spoken(at, "nl") == "1 november 2026, 00:30:05"
        assert phrases.spoken_day(at, "en") == "1 November 2026"
        assert phrases.spoken_day(datetime(2026, 3, 9, 12, tzinfo=UTC), "nl") == "9 maart 2026"


class TestLooks:
    """One look as a citizen reads it."""

    def test_one_that_says_nothing(self) -> None:
        """An entry of before, or one that somebody wrote over: it is there, with what it does say."""
        said = letter(LOOK)
        assert "Looks: 0. Attempts that failed or were refused: 1." in said
        assert "Library: hasselt Who: the automatic program ?, without a member of staff Why: - Ground: none" in said
        assert "Data: none Result: no outcome yet Log: line 3 of hasselt" in said

    @pytest.mark.parametrize(
        ("facts", "result"),
        [
            ({"status": "ok"}, "the register gave the data"),
            ({"status": "ok", "operation": "GeefPersoon-02.02"}, "the register gave the data"),
            (
                {"status": "ok", "operation": "RegistreerInschrijving-02.01"},
                "the library told the register that it has a file on you",
            ),
            ({"status": "refused", "operation": "RegistreerInschrijving-02.01"}, "refused by the register"),
            ({"status": "ok", "verdict": "same"}, "the register confirmed what the library held Log"),
            (
                {"status": "ok", "verdict": "same", "changed": ("address",)},
                "the register confirmed what the library held, and added to it (address)",
            ),
            (
                {"status": "ok", "verdict": "change", "changed": ("name", "address")},
                "the register said otherwise, and the library took it over (name, address)",
            ),
            (
                {"status": "not_found", "verdict": "hold", "hold": "unknown"},
                "nothing was changed; a member of staff had to look at it (the register does not know this number)",
            ),
            ({"status": "ok", "verdict": "change", "is_preview": True}, "only shown; nothing was changed Log"),
            (
                {"status": "ok", "verdict": "change", "is_offered": True},
                "the register said otherwise; a member of staff had to decide Log",
            ),
            (
                {"status": "reused", "verdict": "same"},
                "an answer of less than a quarter of an hour old shown again; not asked again Log",
            ),
            ({"status": "ok", "verdict": "void"}, "nothing was changed; the number was no longer a member's"),
            ({"status": "indeterminate"}, "unknown: the program was cut off; perhaps no question was sent"),
            ({"status": "denied", "denial": "no"}, "refused by the program itself, and not asked: no"),
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
        told = [Told("hasselt", (late,), (), (), 12), Told("genk", (replace(early, library="genk"),), (), (2014,), 3)]
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
                "took over what the register had told (this person lives abroad): name, national number",
            ),
            (
                {"kind": Kind.DECISION, "decision": "dismissed", "hold": "abroad", "changed": []},
                "dismissed what the register had told (this person lives abroad)",
            ),
            ({"kind": Kind.DECISION, "decision": "postponed"}, "another line (hold.decision)"),
            (
                {"kind": Kind.STAFF, "staff": {"name": "an", "deed": "add"}},
                "put you on the list of staff, under the name an",
            ),
            (
                {"kind": Kind.STAFF, "staff": {"name": "an", "deed": "remove"}},
                "took you off the list of staff, under the name an",
            ),
            ({"kind": Kind.STAFF}, "another line (staff.change)"),
            (
                {"kind": Kind.OFFER, "decision": "accepted", "changed": ["address"]},
                "took over what the register said: address",
            ),
            ({"kind": Kind.OFFER, "decision": "declined", "changed": []}, "left what the library held"),
            ({"kind": Kind.OFFER, "decision": "postponed"}, "another line (offer.decision)"),
            (
                {"kind": Kind.CORRECT, "changed": ["address"], "until": "2026-12-31"},
                "corrected your address with the library, until 2026-12-31",
            ),
            (
                {"kind": Kind.UNCORRECT, "ended": "agreed", "until": "2026-12-31"},
                "a correction of your address with the library ended: the register says the same",
            ),
            ({"kind": Kind.VIEW, "view": {"what": "who"}}, "looked up what the log says about you, to answer you"),
            (
                {"kind": Kind.VIEW, "view": {"what": "evidence", "filter": {"of": 4}}, "why": {"note": "complaint"}},
                "asked for the whole messages of line 4, for this reason: complaint",
            ),
            (
                {"kind": Kind.VIEW, "view": {"what": "sample", "filter": {"month": "2026-07"}}},
                "looked at the log (sample)",
            ),
            ({"kind": Kind.SETTINGS}, "another line (settings.change)"),
        ],
    )
    def test_what_was_done(self, line: dict[str, Any], says: str) -> None:
        """In plain words, by whom and where it stands."""
        said = letter(deeds=({"actor": {"t": "person", "id": "bo"}} | line,))
        assert deed(line, "en")[0] in DEEDS
        assert f"Who: a member of staff, under the name bo What: {says} Log: line 9 of hasselt" in said
        assert "Other lines about you: 1." in said


def _places(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}
