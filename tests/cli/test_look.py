"""``rrsync log show`` and ``rrsync log evidence``: accesses in the log, and the record of reading them."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any, Final

import pytest

from rrsync.text.catalogue import translations
from tests.cli.conftest import ABROAD, NUMBERS, RENUMBERED, SETTLED, Place, digits

SHOW: Final = ("log", "show", "--library", "demo")


def shown(place: Place, *options: str) -> Any:
    """Return the accesses as a document."""
    said = place.run(*SHOW, *options, "--json")
    assert said.code == 0, said.err
    return said.document


def last_view(place: Place) -> dict[str, Any]:
    """Return the newest entry, which records that somebody read the log."""
    line = place.log()[-1]
    assert line["kind"] == "log.view"
    return {"who": line["actor"]["id"], "about": "subj" in line, "why": line.get("why"), **line["view"]}


class TestShow:
    """Reads the log for people."""

    def test_an_access_is_an_intent_with_its_outcome(self, settled: Place) -> None:
        """The most recent ones, the newest last, with the values of both entries."""
        lines = {line["seq"]: line for line in map(json.loads, settled.raw_log())}
        document = shown(settled, "--last", "3")
        intents = [seq for seq, line in lines.items() if line["kind"] == "access.intent"]
        assert [access["seq"] for access in document] == intents[-3:]
        for access in document:
            intent, outcome = lines[access["seq"]], lines[access["outcome_seq"]]
            assert access["reference"] == intent["ref"] == outcome["ref"]
            assert (access["at"], access["ended_at"]) == (intent["ts"], outcome["ts"])
            assert access["actor"] == intent["actor"]
            assert (access["purpose"], access["basis"]) == (intent["why"]["code"], intent["why"]["basis"])
            assert (access["subject"], access["status"]) == (intent["subj"]["ref"], outcome["out"]["status"])
            assert (access["got"], access["verdict"]) == (outcome["out"]["got"], outcome["verdict"])
            assert (access["request"], access["reply"]) == (intent["req"], outcome["out"]["rsp"])
            assert (access["preview"], access["flags"]) == (False, [])
        assert len(shown(settled)) == 40

    @pytest.mark.parametrize("language", ["nl", "en"])
    def test_as_a_table(self, settled: Place, language: str) -> None:
        """In the language of the settings, with a short pseudonym and no number."""
        (access,) = shown(settled.env(LANGUAGE=language), "--last", "1")
        said = settled.run(*SHOW, "--last", "1")
        _ = translations(language).gettext
        assert (said.code, said.err.count("\n")) == (0, 1)  # there are more
        for word in (_("when"), "rrsync night", "member-administration", access["reference"], access["verdict"]):
            assert word in said.out
        assert f" {access['subject'][:8]} " in said.out
        assert access["subject"] not in said.out
        assert settled.run(*SHOW).err == ""

    def test_previews_denials_and_holds(self, settled: Place) -> None:
        """The column of the result names each."""
        settled.env(LANGUAGE="en").register()
        settled.refresh(ABROAD, "--preview")
        settled.refresh(SETTLED, purpose="curiosity")
        out = settled.run(*SHOW).out
        for result in ("hold: abroad (preview)", "the authorisation does not name this purpose", "reference_address"):
            assert result in out

    def test_an_empty_log(self, place: Place) -> None:
        """One sentence, or an empty document."""
        said = place.run(*SHOW)
        assert (said.code, said.out.count("\n"), said.err) == (0, 1, "")
        assert shown(place) == shown(place, "--raw", "--last", "1", "--member", SETTLED) == []

    def test_every_filter(self, settled: Place) -> None:
        """Member, staff, purpose, outcome and time, alone and together."""
        settled.register()
        settled.refresh(SETTLED)
        settled.refresh("M000002", purpose="curiosity")
        by_an = shown(settled, "--staff", "an.peeters")
        assert [(access["status"], access["purpose"]) for access in by_an] == [("ok", "desk"), ("denied", "curiosity")]
        assert shown(settled, "--purpose", "desk") == by_an[:1]
        assert shown(settled, "--outcome", "denied") == by_an[1:]
        about = shown(settled, "--member", SETTLED)
        assert [access["actor"]["id"] for access in about] == ["rrsync night", "an.peeters"]
        assert len({access["subject"] for access in about}) == 1
        assert shown(settled, "--member", SETTLED, "--staff", "an.peeters", "--outcome", "ok") == by_an[:1]
        since = by_an[0]["at"]
        assert shown(settled, "--since", since) == by_an
        assert shown(settled, "--until", since, "--last", "1") == shown(settled)[-3:-2]
        assert shown(settled, "--since", "2999-01-01") == shown(settled, "--until", "1999-12-31") == []

    def test_a_member_with_a_new_number(self, settled: Place) -> None:
        """The accesses under the old number too, in order, each once."""
        settled.register()
        before = shown(settled, "--member", RENUMBERED)
        assert [access["status"] for access in before] == ["replaced"]
        assert settled.run("holds", "accept", str(settled.hold(RENUMBERED)), "--actor", "an").code == 0
        assert settled.refresh(RENUMBERED).code == 0
        after = shown(settled, "--member", RENUMBERED)
        assert after[:1] == before
        assert [access["actor"]["id"] for access in after] == ["rrsync night", "an", "an", "an", "an.peeters"]
        assert len({access["subject"] for access in after}) == 2
        assert len(shown(settled, "--member", RENUMBERED, "--last", "1")) == 1

    def test_the_reader_is_in_the_log(self, settled: Place) -> None:
        """With the filters and the number of results; about the member, but without number or name."""
        settled.run(*SHOW, "--staff", "an", "--outcome", "ok", "--until", "2026-07-01", "--actor", "dpo")
        words = {"staff": "an", "outcome": "ok", "until": "2026-07-01T22:00:00.000000Z", "last": 50}
        view = {"who": "dpo", "about": False, "why": None, "what": "show", "count": 0, "filter": words}
        assert last_view(settled) == view
        settled.run(*SHOW, "--member", SETTLED, "--actor", "dpo", "--last", "7")
        assert last_view(settled) == view | {"about": True, "count": 1, "filter": {"last": 7}}
        assert SETTLED.encode() not in settled.raw_log()[-1]
        assert settled.run("log", "verify").code == 0

    def test_nothing_is_shown_unless_it_is_recorded(self, settled: Place) -> None:
        """When the log accepts no entry, no form of the command prints anything."""
        settled.sql("CREATE TRIGGER full BEFORE INSERT ON entry BEGIN SELECT RAISE(ABORT, 'no room'); END")
        for words in ((), ("--json",), ("--raw",), ("--raw", "--json"), ("--member", SETTLED)):
            said = settled.run(*SHOW, *words)
            assert (said.code, said.out) == (4, "")

    def test_unusable_filters(self, settled: Place) -> None:
        """2, the option is named, nothing is read, and no national number is printed or stored."""
        size = settled.log_size()
        options = ["--staff", "--purpose", "--outcome", "--since", "--until", "--member", "--actor"]
        for words in (
            ("--outcome", "fine"),
            ("--since", "now"),
            ("--staff", ""),
            ("--purpose", "x" * 41),
            ("--last", "0"),
            ("--last", "10001"),
            ("--raw", "--staff", "an"),
            ("--member", "M999999"),
            *((option, digits(SETTLED)) for option in options),
        ):
            said = settled.run(*SHOW, *words)
            assert (said.code, said.out) == (2, ""), words
            assert words[0].removeprefix("--") in said.err
            assert "M999999" not in said.err
        assert settled.log_size() == size
        assert not any(number.encode() in data for number in NUMBERS for data in settled.raw_log())

    def test_no_cell_is_cut_off_on_a_narrow_terminal(self, settled: Place) -> None:
        """A long cell is wrapped."""
        settled.monkeypatch.setenv("TTY_COMPATIBLE", "1")
        settled.monkeypatch.setenv("COLUMNS", "80")
        for words in ((*SHOW, "--last", "2"), ("night", "--dry-run")):
            said = settled.run(*words)
            assert said.code == 0
            assert "…" not in said.out


class TestRaw:
    """The exact bytes of every kind of entry."""

    def test_byte_for_byte(self, settled: Place) -> None:
        """One per line, or as a document; without the record of this reading."""
        before = settled.raw_log()
        said = settled.run(*SHOW, "--raw", "--last", "3")
        assert (said.code, said.err) == (0, "")
        assert said.out.encode().splitlines() == before[-3:]
        assert last_view(settled)["filter"] == {"raw": True, "last": 3}
        before = settled.raw_log()
        assert shown(settled, "--raw", "--last", "3") == [json.loads(data) for data in before[-3:]]
        assert len(shown(settled, "--raw")) == 50

    def test_about_one_member(self, settled: Place) -> None:
        """Every entry about that person, whoever asked."""
        settled.register()
        assert settled.refresh(SETTLED).code == 0
        document = shown(settled, "--raw", "--member", SETTLED)
        assert [line["kind"] for line in document] == ["access.intent", "access.outcome"] * 2
        assert [document[0]["actor"]["id"], document[2]["actor"]["id"]] == ["rrsync night", "an.peeters"]
        assert len({line["subj"]["ref"] for line in document}) == 1
        (last,) = shown(settled, "--raw", "--member", SETTLED, "--last", "1")
        assert last["kind"] == "log.view"

    def test_a_damaged_entry(self, settled: Place) -> None:
        """4, and the command that finds the cause."""
        settled.tamper("UPDATE entry SET data = ? WHERE seq = (SELECT max(seq) FROM entry)", b"{")
        said = settled.run(*SHOW, "--raw")
        assert (said.code, said.out) == (4, "")
        assert "rrsync log verify" in said.err


class TestEvidence:
    """Writes the messages of an access."""

    TAKE = ("log", "evidence", "--library", "demo", "--reason", "complaint 4", "--actor", "dpo", "--to", "messages.txt")

    def test_what_was_sent_and_received(self, place: Place) -> None:
        """The exact bytes, in a private file; the hashes are those of the log, which records the reader and reason."""
        place.register("mixup:1")
        assert place.refresh(SETTLED).code == 4
        (access,) = shown(place)
        for entry in (access["seq"], access["outcome_seq"]):
            said = place.run(*self.TAKE, str(entry))
            assert (said.code, said.err) == (0, "")
        file = place.folder / "messages.txt"
        assert file.stat().st_mode & 0o777 == 0o600
        head, rest = file.read_bytes().split(b"\n", 1)
        assert head.decode() == f"Access log of demo, entry {access['seq']}, reference {access['reference']}"
        for what, digest in (("request", access["request"]), ("reply", access["reply"])):
            title, rest = rest.split(b"\n", 1)
            size = int(title.split(b", ")[1].split()[0])
            assert title.decode() == f"{what}, {size} bytes, SHA-256 {digest}:"
            data, rest = rest[:size], rest[size + 1 :]
            assert sha256(data).hexdigest() == digest
            assert digits(SETTLED).encode() in data if what == "request" else data
        assert rest == b""
        assert last_view(place) == {
            "who": "dpo",
            "about": True,
            "why": {"note": "complaint 4"},
            "what": "evidence",
            "count": 1,
            "filter": {"of": access["seq"]},
        }
        file.unlink()
        place.tamper("DELETE FROM log_key")  # the key of the year
        assert place.run(*self.TAKE, str(access["seq"])).code == 2
        assert not file.exists()

    def test_no_messages(self, settled: Place) -> None:
        """2: of a good access, an entry that is no access, or an entry that does not exist; no file is made."""
        size = settled.log_size()
        for entry in ("0", "99999"):
            said = settled.run(*self.TAKE, entry)
            assert (said.code, said.out) == (2, "")
            assert entry in said.err
        for reason in ("", digits(SETTLED)):
            assert settled.run(*self.TAKE, "2", "--reason", reason).code == 2
        assert settled.log_size() == size
        assert settled.run(*self.TAKE, "2").code == 2
        assert not (settled.folder / "messages.txt").exists()
