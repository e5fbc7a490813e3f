"""``rrsync log``: who looked at whom, why, and whether the log is whole."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Place


class TestVerify:
    """Recomputes the log."""

    def test_a_whole_log(self, settled: Place) -> None:
        """Its size and its root, in words and as a document."""
        size = settled.log_size()
        said = settled.run("log", "verify")
        assert (said.code, said.err) == (0, "")
        document = settled.run("log", "verify", "--library", "demo", "--json").document
        assert document["demo"]["size"] == size
        assert said.out == f"The access log of demo is whole: {size} entries, root {document['demo']['root']}.\n"

    def test_an_empty_log_is_whole(self, place: Place) -> None:
        """Nobody was asked about yet."""
        assert "0 entries" in place.run("log", "verify").out

    @pytest.mark.parametrize(
        ("statement", "at", "cause"),
        [
            ("UPDATE entry SET data = CAST(data || ' ' AS BLOB) WHERE seq = 7", 7, "the bytes were altered"),
            ("UPDATE entry SET leaf = zeroblob(32) WHERE seq = 0", 0, "the bytes were altered"),
            ("DELETE FROM entry WHERE seq = 5", 5, "the entry is missing"),
            ("UPDATE entry SET kind = 'hold.decision' WHERE seq = 3", 3, "the column beside the bytes says otherwise"),
        ],
    )
    def test_a_log_that_was_tampered_with(self, settled: Place, statement: str, at: int, cause: str) -> None:
        """4, with the library, the entry and the cause, and what to do."""
        settled.tamper(statement)
        for words in ((), ("--json",), ("--library", "demo")):
            said = settled.run("log", "verify", *words)
            assert (said.code, said.out) == (4, "")
            assert f"The access log of demo does not verify at entry {at}: {cause}" in said.err
            assert "data-protection officer" in said.err

    def test_the_log_of_a_library_that_left_the_settings(self, settled: Place) -> None:
        """It is evidence still: verified with the others, shown, and looked at by ``check``."""
        size = settled.log_size()
        settled.settings('id = "demo"', 'id = "newer"')
        assert set(settled.run("log", "verify", "--json").document) == {"demo", "newer"}
        document = settled.run("log", "verify", "--library", "demo", "--json").document
        assert document["demo"]["size"] == size
        assert len(settled.run("log", "show", "--library", "demo", "--last", "3", "--json").document) == 3
        assert settled.run("log", "show", "--library", "demo", "--member", "M000001", "--json").document
        assert f"ok      access log of demo: whole, {size} entries" in settled.run("check").out
        settled.tamper("DELETE FROM entry WHERE seq = 5")
        assert settled.run("log", "verify").code == 4
        assert "fault   access log of demo" in settled.run("check").out

    def test_a_library_that_is_not_there(self, settled: Place) -> None:
        """Is named, with those that are."""
        assert settled.run("log", "verify", "--library", "nowhere").code == 2


class TestShow:
    """Reads the log."""

    def test_the_last_entries(self, settled: Place) -> None:
        """As many as asked for, the newest last."""
        size = settled.log_size()
        document = settled.run("log", "show", "--library", "demo", "--last", "3", "--json").document
        assert [line["seq"] for line in document] == [size - 3, size - 2, size - 1]
        assert document[-1]["kind"] == "run.close"
        said = settled.run("log", "show", "--library", "demo", "--last", "3")
        assert (said.code, said.err) == (0, "")
        assert "run.close" in said.out
        assert len(settled.run("log", "show", "--library", "demo", "--json").document) == 50

    def test_the_entries_about_one_member(self, settled: Place) -> None:
        """Every look at that person and nobody else, whoever asked."""
        settled.register()
        assert settled.refresh("M000001").code == 0
        shown = ("log", "show", "--library", "demo", "--member", "M000001")
        document = settled.run(*shown, "--json").document
        assert [line["kind"] for line in document] == ["access.intent", "access.outcome"] * 2
        assert [document[0]["actor"]["id"], document[2]["actor"]["id"]] == ["rrsync night", "an.peeters"]
        assert len({line["subj"]["ref"] for line in document}) == 1
        (last,) = settled.run(*shown, "--last", "1", "--json").document
        assert last == document[-1]
        text = settled.run(*shown).out
        assert "an.peeters" in text
        assert "brief-118" in text
        assert document[0]["subj"]["ref"] not in text

    def test_the_entries_about_a_member_who_got_another_number(self, settled: Place) -> None:
        """Those under the old number too, in their order, each once."""
        settled.register()
        shown = ("log", "show", "--library", "demo", "--member", "M000018", "--json")
        before = settled.run(*shown).document
        assert [line["kind"] for line in before] == ["access.intent", "access.outcome"]
        assert settled.run("holds", "accept", str(settled.hold("M000018")), "--actor", "an").code == 0
        assert settled.refresh("M000018").code == 0
        after = settled.run(*shown).document
        assert after[:2] == before
        assert [line["seq"] for line in after] == sorted({line["seq"] for line in after})
        assert [line["kind"] for line in after[-2:]] == ["access.intent", "access.outcome"]
        assert len({line["subj"]["ref"] for line in after}) == 2
        assert len(settled.run(*shown, "--last", "1").document) == 1

    def test_on_a_narrow_terminal_nothing_is_lost(self, settled: Place) -> None:
        """What does not fit goes on below, and is not cut off."""
        settled.monkeypatch.setenv("TTY_COMPATIBLE", "1")
        settled.monkeypatch.setenv("COLUMNS", "80")
        for words in (("log", "show", "--library", "demo", "--last", "2"), ("holds", "list"), ("night", "--dry-run")):
            said = settled.run(*words)
            assert said.code == 0
            assert "…" not in said.out

    def test_an_empty_log(self, place: Place) -> None:
        """Has no entries."""
        assert place.run("log", "show", "--library", "demo", "--json").document == []

    def test_a_member_that_is_not_there(self, settled: Place) -> None:
        """2, and what was typed is not repeated."""
        said = settled.run("log", "show", "--library", "demo", "--member", "M999999")
        assert said.code == 2
        assert "M999999" not in said.err

    def test_an_entry_that_is_none_any_more(self, settled: Place) -> None:
        """4, and which command names the cause."""
        settled.tamper("UPDATE entry SET data = ? WHERE seq = (SELECT max(seq) FROM entry)", b"{")
        said = settled.run("log", "show", "--library", "demo")
        assert said.code == 4
        assert "cannot be read" in said.err
        assert "rrsync log verify" in said.err
