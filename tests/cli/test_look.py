"""``rrsync log show`` and ``rrsync log evidence``: who looked at whom, and that this was looked at."""

from __future__ import annotations

import json
import sqlite3
from hashlib import sha256
from typing import Any

import pytest

from tests.cli.conftest import NUMBERS, WORLD, Place

SHOW = ("log", "show", "--library", "demo")
MEMBER = "M000001"


def shown(place: Place, *options: str) -> Any:
    """Return the looks that are shown, as a document."""
    said = place.run(*SHOW, *options, "--json")
    assert said.code == 0, said.err
    return said.document


def entries(place: Place) -> list[tuple[int, bytes]]:
    """Read the log past rrsync."""
    connection = sqlite3.connect(place.folder / "rrsync.db")
    found = connection.execute("SELECT seq, data FROM entry WHERE library = 'demo' ORDER BY seq").fetchall()
    connection.close()
    return found


def last_view(place: Place) -> dict[str, Any]:
    """Return what the newest entry says of a look at the log."""
    line = json.loads(entries(place)[-1][1])
    assert line["kind"] == "log.view"
    return {"who": line["actor"]["id"], "about": "subj" in line, "why": line.get("why"), **line["view"]}


class TestShow:
    """Reads the log for people."""

    def test_a_look_and_its_outcome_are_one_line(self, settled: Place) -> None:
        """The last ones, the newest last, as the two entries say."""
        lines = {json.loads(data)["seq"]: json.loads(data) for _, data in entries(settled)}
        document = shown(settled, "--last", "3")
        intents = [seq for seq, line in lines.items() if line["kind"] == "access.intent"]
        assert [look["seq"] for look in document] == intents[-3:]
        for look in document:
            intent, outcome = lines[look["seq"]], lines[look["outcome_seq"]]
            assert look["reference"] == intent["ref"] == outcome["ref"]
            assert (look["at"], look["ended_at"]) == (intent["ts"], outcome["ts"])
            assert look["actor"] == intent["actor"]
            assert (look["purpose"], look["basis"]) == (intent["why"]["code"], intent["why"]["basis"])
            assert (look["subject"], look["status"]) == (intent["subj"]["ref"], outcome["out"]["status"])
            assert (look["got"], look["verdict"]) == (outcome["out"]["got"], outcome["verdict"])
            assert (look["request"], look["reply"]) == (intent["req"], outcome["out"]["rsp"])
            assert (look["preview"], look["flags"]) == (False, [])
        assert len(shown(settled)) == 40

    def test_as_a_table(self, settled: Place) -> None:
        """In Dutch or English, by the clock in Belgium, with a short pseudonym and no number."""
        (look,) = shown(settled, "--last", "1")
        said = settled.run(*SHOW, "--last", "1")
        assert said.code == 0
        assert said.err == "Dit zijn de laatste 1; met --last toon je er meer.\n"
        assert "wanneer" in said.out
        assert f" {look['subject'][:8]} " in said.out
        assert look["subject"] not in said.out
        for words in ("rrsync night", "member-administration", look["reference"], look["verdict"]):
            assert words in said.out
        settled.env(LANGUAGE="en")
        assert "when" in settled.run(*SHOW).out
        assert settled.run(*SHOW).err == ""

    def test_what_was_previewed_denied_or_is_held_is_said_so(self, settled: Place) -> None:
        """What came of it, in a word or two."""
        settled.register()
        settled.refresh("M000007", "--preview")
        settled.refresh(MEMBER, purpose="curiosity")
        out = settled.run(*SHOW, "--staff", "an.peeters").out
        assert "hold: abroad (voorbeeld)" in out
        assert "the authorisation does not name this purpose" in out
        assert "hold: reference_address" in settled.run(*SHOW).out

    def test_nothing_found(self, place: Place) -> None:
        """Is one sentence, or an empty document."""
        said = place.run(*SHOW)
        assert (said.code, said.out, said.err) == (0, "Er is niets gevonden.\n", "")
        assert shown(place) == []

    def test_by_every_word_of_a_look(self, settled: Place) -> None:
        """Member, staff, purpose, outcome and time, alone and together."""
        settled.register()
        settled.refresh(MEMBER)
        settled.refresh("M000002", purpose="curiosity")
        by_an = shown(settled, "--staff", "an.peeters")
        assert [(look["status"], look["purpose"]) for look in by_an] == [("ok", "desk"), ("denied", "curiosity")]
        assert shown(settled, "--purpose", "desk") == by_an[:1]
        assert shown(settled, "--outcome", "denied") == by_an[1:]
        about = shown(settled, "--member", MEMBER)
        assert [look["actor"]["id"] for look in about] == ["rrsync night", "an.peeters"]
        assert len({look["subject"] for look in about}) == 1
        assert shown(settled, "--member", MEMBER, "--staff", "an.peeters", "--outcome", "ok") == by_an[:1]
        since = by_an[0]["at"]
        assert shown(settled, "--since", since) == by_an
        assert shown(settled, "--until", since, "--last", "1") == shown(settled)[-3:-2]
        assert shown(settled, "--since", "2999-01-01") == []
        assert shown(settled, "--until", "1999-12-31") == []
        assert settled.run(*SHOW, "--since", "2999-01-01").out == "Er is niets gevonden.\n"

    def test_a_member_who_got_another_number(self, settled: Place) -> None:
        """The looks under the old number too, in their order, each once."""
        settled.register()
        before = shown(settled, "--member", "M000018")
        assert [look["status"] for look in before] == ["replaced"]
        assert settled.run("holds", "accept", str(settled.hold("M000018")), "--actor", "an").code == 0
        assert settled.refresh("M000018").code == 0
        after = shown(settled, "--member", "M000018")
        assert after[:1] == before
        assert [look["actor"]["id"] for look in after] == ["rrsync night", "an", "an", "an", "an.peeters"]
        assert len({look["subject"] for look in after}) == 2
        assert len(shown(settled, "--member", "M000018", "--last", "1")) == 1

    def test_who_looks_is_in_the_log(self, settled: Place) -> None:
        """By which words, and how much came out; about the member when one was named, but not by number or name."""
        settled.run(*SHOW, "--staff", "an", "--outcome", "ok", "--until", "2026-07-01", "--actor", "dpo")
        words = {"staff": "an", "outcome": "ok", "until": "2026-07-01T22:00:00.000000Z", "last": 50}
        said = {"who": "dpo", "about": False, "why": None, "what": "show", "count": 0, "filter": words}
        assert last_view(settled) == said
        settled.run(*SHOW, "--member", MEMBER, "--actor", "dpo", "--last", "7")
        assert last_view(settled) == said | {"about": True, "count": 1, "filter": {"last": 7}}
        assert MEMBER.encode() not in entries(settled)[-1][1]
        assert settled.run("log", "verify").code == 0

    def test_what_cannot_be_noted_is_not_shown(self, settled: Place) -> None:
        """The log takes no entry any more: nothing comes out, whichever way it is asked for."""
        connection = sqlite3.connect(settled.folder / "rrsync.db")
        connection.execute("CREATE TRIGGER full BEFORE INSERT ON entry BEGIN SELECT RAISE(ABORT, 'no room'); END")
        connection.close()
        for words in ((), ("--json",), ("--raw",), ("--raw", "--json"), ("--member", MEMBER)):
            said = settled.run(*SHOW, *words)
            assert (said.code, said.out) == (4, "")
            assert "The access log could not be written" in said.err

    @pytest.mark.parametrize(
        ("options", "says"),
        [
            (("--outcome", "fine"), "--outcome is none of ok, not_found"),
            (("--since", "now"), "--since is no day and no moment"),
            (("--staff", ""), "--staff must be 1 to 40"),
            (("--purpose", "x" * 41), "--purpose must be 1 to 40"),
            (("--last", "0"), "greater than or equal to 1"),
            (("--last", "10001"), "less than or equal to 10000"),
            (("--raw", "--staff", "an"), "--raw goes with --member and --last alone"),
            (("--member", "M999999"), "no such member"),
        ],
    )
    def test_what_cannot_be_asked_for(self, settled: Place, options: tuple[str, ...], says: str) -> None:
        """2, one sentence, and nothing was looked at."""
        size = len(entries(settled))
        said = settled.run(*SHOW, *options)
        assert (said.code, said.out) == (2, "")
        assert says in said.err
        assert "M999999" not in said.err
        assert len(entries(settled)) == size

    @pytest.mark.parametrize(
        "option", ["--staff", "--purpose", "--outcome", "--since", "--until", "--member", "--actor"]
    )
    def test_a_number_typed_in_the_wrong_place(self, settled: Place, option: str) -> None:
        """Is neither shown nor kept."""
        said = settled.run(*SHOW, option, WORLD.citizen(0).insz.digits)
        assert said.code == 2
        assert not any(number.encode() in data for number in NUMBERS for _, data in entries(settled))

    def test_on_a_narrow_terminal_nothing_is_lost(self, settled: Place) -> None:
        """What does not fit goes on below, and is not cut off."""
        settled.monkeypatch.setenv("TTY_COMPATIBLE", "1")
        settled.monkeypatch.setenv("COLUMNS", "80")
        for words in ((*SHOW, "--last", "2"), ("holds", "list"), ("night", "--dry-run")):
            said = settled.run(*words)
            assert said.code == 0
            assert "…" not in said.out


class TestRaw:
    """Every kind of entry, as it stands."""

    def test_byte_for_byte(self, settled: Place) -> None:
        """One a line, so that each can be hashed; without the look itself."""
        before = entries(settled)
        said = settled.run(*SHOW, "--raw", "--last", "3")
        assert (said.code, said.err) == (0, "")
        assert said.out.encode().splitlines() == [data for _, data in before[-3:]]
        assert last_view(settled)["filter"] == {"raw": True, "last": 3}

    def test_as_one_document(self, settled: Place) -> None:
        """The same entries, in an array."""
        before = entries(settled)
        document = shown(settled, "--raw", "--last", "3")
        assert document == [json.loads(data) for _, data in before[-3:]]
        assert len(shown(settled, "--raw")) == 50

    def test_about_one_member(self, settled: Place) -> None:
        """Every entry about that person and nobody else, whoever asked."""
        settled.register()
        assert settled.refresh(MEMBER).code == 0
        document = shown(settled, "--raw", "--member", MEMBER)
        assert [line["kind"] for line in document] == ["access.intent", "access.outcome"] * 2
        assert [document[0]["actor"]["id"], document[2]["actor"]["id"]] == ["rrsync night", "an.peeters"]
        assert len({line["subj"]["ref"] for line in document}) == 1
        (last,) = shown(settled, "--raw", "--member", MEMBER, "--last", "1")
        assert last["kind"] == "log.view"

    def test_an_empty_log(self, place: Place) -> None:
        """Has no entries."""
        assert shown(place, "--raw") == []

    def test_an_entry_that_is_none_any_more(self, settled: Place) -> None:
        """4, and which command names the cause."""
        settled.tamper("UPDATE entry SET data = ? WHERE seq = (SELECT max(seq) FROM entry)", b"{")
        said = settled.run(*SHOW, "--raw")
        assert (said.code, said.out) == (4, "")
        assert "is not the one of which" in said.err
        assert "rrsync log verify" in said.err


class TestEvidence:
    """Writes the whole messages of an access."""

    TAKE = ("log", "evidence", "--library", "demo", "--reason", "complaint 4", "--actor", "dpo")

    def test_what_was_sent_and_received(self, place: Place) -> None:
        """To the byte, in a file of one's own; the hashes are those in the log; who took it and why is there too."""
        place.register("mixup:1")
        assert place.refresh(MEMBER).code == 4
        (look,) = shown(place)
        for entry in (look["seq"], look["outcome_seq"]):
            said = place.run(*self.TAKE, str(entry), "--to", "messages.txt")
            assert (said.code, said.err) == (0, "")
            assert said.out.startswith(f"De berichten van regel {look['seq']} staan in messages.txt.")
        file = place.folder / "messages.txt"
        assert file.stat().st_mode & 0o777 == 0o600
        head, rest = file.read_bytes().split(b"\n", 1)
        assert head.decode() == f"Access log of demo, entry {look['seq']}, reference {look['reference']}"
        for what, digest in (("request", look["request"]), ("reply", look["reply"])):
            title, rest = rest.split(b"\n", 1)
            size = int(title.split(b", ")[1].split()[0])
            assert title.decode() == f"{what}, {size} bytes, SHA-256 {digest}:"
            data, rest = rest[:size], rest[size + 1 :]
            assert sha256(data).hexdigest() == digest
            assert WORLD.citizen(0).insz.digits.encode() in data if what == "request" else data
        assert rest == b""
        assert last_view(place) == {
            "who": "dpo",
            "about": True,
            "why": {"note": "complaint 4"},
            "what": "evidence",
            "count": 1,
            "filter": {"of": look["seq"]},
        }

    def test_none_was_kept(self, settled: Place) -> None:
        """Of what went well nothing is kept unless the settings say so; that is said, and no file made."""
        (look,) = shown(settled, "--last", "1")
        said = settled.run(*self.TAKE, str(look["seq"]), "--to", "messages.txt")
        assert (said.code, said.out) == (2, "")
        assert f"No messages were kept of entry {look['seq']}." in said.err
        assert not (settled.folder / "messages.txt").exists()

    def test_the_key_of_the_year_was_destroyed(self, place: Place) -> None:
        """Nobody can read them any more."""
        place.register("mixup:1")
        place.refresh(MEMBER)
        (look,) = shown(place)
        place.tamper("DELETE FROM log_key")
        said = place.run(*self.TAKE, str(look["seq"]), "--to", "messages.txt")
        assert (said.code, said.out) == (2, "")
        assert f"the key of {look['year']} was destroyed" in said.err
        assert not (place.folder / "messages.txt").exists()

    @pytest.mark.parametrize("entry", ["0", "99999"])
    def test_no_access_stands_there(self, settled: Place, entry: str) -> None:
        """The entry that opens a run is none, and one that is not there is none."""
        size = len(entries(settled))
        said = settled.run(*self.TAKE, entry, "--to", "messages.txt")
        assert (said.code, said.out) == (2, "")
        assert f"No access stands at entry {entry} of the log of demo" in said.err
        assert len(entries(settled)) == size

    def test_a_reason_is_asked_for(self, settled: Place) -> None:
        """And no number may be in it."""
        for reason in ("", WORLD.citizen(0).insz.digits):
            words = ("log", "evidence", "2", "--library", "demo", "--reason", reason, "--to", "messages.txt")
            assert settled.run(*words).code == 2
