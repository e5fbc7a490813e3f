"""``rrsync log``: who looked at whom, why, and whether the log is whole."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from rrsync.audit import verifier
from rrsync.core.signed_note import Checkpoint, Key, Note
from tests.cli.conftest import Place


class TestVerify:
    """Recomputes the log."""

    def test_a_whole_log(self, settled: Place) -> None:
        """Its size and its root, in words and as a document."""
        size = settled.log_size()
        said = settled.run("log", "verify")
        assert (said.code, said.err) == (0, "")
        assert f"The access log of demo is whole: {size} entries, root " in said.out
        document = settled.run("log", "verify", "--library", "demo", "--json").document
        assert document["demo"]["size"] == size + 1  # that it was verified is an entry too
        assert document["demo"]["anchored"] is None

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
        assert document["demo"]["size"] == size + 1
        assert len(settled.run("log", "show", "--library", "demo", "--last", "3", "--json").document) == 3
        assert settled.run("log", "show", "--library", "demo", "--member", "M000001", "--json").document
        assert "ok      access log of demo: whole" in settled.run("check").out
        settled.tamper("DELETE FROM entry WHERE seq = 5")
        assert settled.run("log", "verify").code == 4
        assert "fault   access log of demo" in settled.run("check").out

    def test_a_library_that_is_not_there(self, settled: Place) -> None:
        """Is named, with those that are."""
        assert settled.run("log", "verify", "--library", "nowhere").code == 2


class TestCheckpoint:
    """What the log is now, signed."""

    def test_the_note_and_its_key(self, settled: Place) -> None:
        """The note on standard output, letter for letter; the key beside it; both in a document."""
        said = settled.run("log", "checkpoint")
        assert said.code == 0
        document = settled.run("log", "checkpoint", "--json").document["demo"]
        assert said.out == document["note"]
        key = Key.parse(document["key"])
        assert key.text in said.err
        note = Note.parse(document["note"])
        assert note.is_signed_by(key)
        assert Checkpoint.parse(note.text).size == settled.log_size()

    def test_an_empty_log_has_none(self, place: Place) -> None:
        """With a sentence."""
        said = place.run("log", "checkpoint")
        assert said.code == 2
        assert "is empty" in said.err

    def test_verifying_since_one(self, settled: Place) -> None:
        """Only what came after is recomputed, and a log that is not the one of the checkpoint is seen."""
        note = settled.folder / "kept.note"
        note.write_text(settled.run("log", "checkpoint").out, encoding="utf-8")
        assert settled.run("log", "verify", "--since", str(note)).code == 0
        size = settled.log_size() - 1
        text = note.read_text(encoding="utf-8")
        assert f"\n{size}\n" in text
        for wrong in (text.replace(f"\n{size}\n", f"\n{size - 1}\n"), text[:-9], "no note\n"):
            (settled.folder / "wrong.note").write_text(wrong, encoding="utf-8")
            assert settled.run("log", "verify", "--since", "wrong.note").code in {2, 4}
        settled.tamper("UPDATE entry SET data = CAST(data || ' ' AS BLOB) WHERE seq = 7")
        assert settled.run("log", "verify", "--since", str(note)).code == 4

    def test_who_verified_stands_in_the_log(self, settled: Place) -> None:
        """Under the name given, or that of the user of the machine."""
        assert settled.run("log", "verify", "--actor", "officer").code == 0
        (last,) = settled.run("log", "show", "--library", "demo", "--raw", "--last", "1", "--json").document
        assert (last["kind"], last["actor"]) == ("log.verify", {"t": "person", "id": "officer"})
        assert settled.run("log", "verify", "--actor", "x" * 41).code == 2


class TestAnchor:
    """Every anchor is asked at once."""

    ANCHOR = '[[log.anchor]]\nkind = "file"\npath = "{}"\n\n[[library]]'

    def test_without_anchors_there_is_nothing_to_do(self, settled: Place) -> None:
        """With what to write in the settings."""
        said = settled.run("log", "anchor")
        assert said.code == 2
        assert "[[log.anchor]]" in said.err

    def test_a_file_elsewhere(self, settled: Place) -> None:
        """It holds the signed note; ``verify`` and ``check`` say since when."""
        (settled.folder / "elsewhere").mkdir()
        settled.settings("[[library]]", self.ANCHOR.format("elsewhere/anchors"))
        said = settled.run("log", "anchor", "--json")
        assert said.code == 0
        assert said.document["failures"] == []
        assert [one["size"] for one in said.document["anchored"]["demo"]] == [settled.log_size()]
        kept = (settled.folder / "elsewhere" / "anchors").read_text(encoding="utf-8")
        assert settled.run("log", "checkpoint").out in kept
        assert "is kept by" in settled.run("log", "verify").out
        assert "ok      anchor of demo" in settled.run("check").out

    def test_a_database_that_was_put_back(self, settled: Place) -> None:
        """Nothing is asked with it; what to do is said."""
        (settled.folder / "elsewhere").mkdir()
        settled.settings("[[library]]", self.ANCHOR.format("elsewhere/anchors"))
        backup = (settled.folder / "rrsync.db").read_bytes()
        assert settled.run("log", "anchor").code == 0
        assert settled.run("log", "verify").code == 0
        settled.register()
        assert settled.refresh("M000001").code == 0
        (settled.folder / "rrsync.db").write_bytes(backup)
        for words in (("night",), ("log", "verify"), ("log", "anchor")):
            said = settled.run(*words)
            assert said.code == 4, words
            assert "has a checkpoint of" in said.err
        assert settled.refresh("M000002").code == 4
        assert "fault   access log of demo" in settled.run("check").out

    def test_one_that_is_away(self, settled: Place) -> None:
        """4 when none took it, 3 when one did; each failure in a sentence."""
        settled.settings("[[library]]", self.ANCHOR.format("nowhere/anchors"))
        said = settled.run("log", "anchor")
        assert said.code == 4
        assert "its folder is not there" in said.err
        (settled.folder / "elsewhere").mkdir()
        settled.settings("[[library]]", self.ANCHOR.format("elsewhere/anchors"))
        assert settled.run("log", "anchor").code == 3


class TestProve:
    """One entry, for somebody who trusts neither us nor the database."""

    def test_the_proof_stands_alone(self, settled: Place) -> None:
        """Our own verifier, run as a stranger would, takes it and shows the entry; asking for it is in the log."""
        said = settled.run("log", "prove", "3", "--library", "demo", "--to", "3.tlog-proof", "--actor", "officer")
        assert said.code == 0
        key = settled.run("log", "checkpoint", "--json").document["demo"]["key"]
        shutil.copy(verifier.__file__, settled.folder / "check.py")
        done = subprocess.run(
            [sys.executable, "-E", "check.py", "proof", "3.tlog-proof", "--key", key],
            cwd=settled.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert '"seq":3' in done.stdout.replace(" ", "")
        assert stat.S_IMODE((settled.folder / "3.tlog-proof").stat().st_mode) == 0o600
        raw = settled.run("log", "show", "--library", "demo", "--raw", "--last", "3", "--json").document
        assert any(line.get("view", {}).get("what") == "prove" for line in raw)

    def test_on_standard_output(self, settled: Place) -> None:
        """The same proof, for a pipe."""
        assert settled.run("log", "prove", "0", "--library", "demo").out.startswith("c2sp.org/tlog-proof@v1\n")

    @pytest.mark.parametrize("entry", ["100000", "-1", "x"])
    def test_an_entry_that_is_not_there(self, settled: Place, entry: str) -> None:
        """With a sentence, and nothing in the log."""
        size = settled.log_size()
        assert settled.run("log", "prove", entry, "--library", "demo").code == 2
        assert settled.log_size() == size

    def test_an_entry_that_was_altered_has_no_proof(self, settled: Place) -> None:
        """It does not lead to what was signed."""
        settled.tamper("UPDATE entry SET data = CAST(data || ' ' AS BLOB) WHERE seq = 3")
        said = settled.run("log", "prove", "3", "--library", "demo")
        assert said.code == 4
        assert "`rrsync log verify`" in said.err


class TestForget:
    """Two people, after ten years."""

    def test_before_its_term(self, settled: Place) -> None:
        """The day from which it may be is said."""
        year = str(datetime.now(UTC).year)
        said = settled.run("log", "forget", "--library", "demo", "--year", year, "--actor", "an")
        assert said.code == 2
        assert f"must be kept until {int(year) + 10}" in said.err

    def test_a_year_without_a_key(self, settled: Place) -> None:
        """Nothing is destroyed."""
        said = settled.run("log", "forget", "--library", "demo", "--year", "1999", "--actor", "an")
        assert "has no key of 1999" in said.err
