"""``rrsync log verify``, ``checkpoint``, ``anchor``, ``prove`` and ``forget``."""

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

ALTER = "UPDATE entry SET data = CAST(data || ' ' AS BLOB) WHERE seq = 7"


def states(place: Place) -> dict[str, str]:
    """Return the state of each subject of ``rrsync check``."""
    return {each["what"]: each["state"] for each in place.run("check", "--json").document}


class TestVerify:
    """Recomputes the log."""

    def test_an_intact_log(self, settled: Place) -> None:
        """Its size and root; the verification is an entry too, with the actor."""
        size = settled.log_size()
        said = settled.run("log", "verify", "--actor", "officer")
        assert (said.code, said.err) == (0, "")
        last = settled.log()[-1]
        assert (last["kind"], last["actor"]) == ("log.verify", {"t": "person", "id": "officer"})
        document = settled.run("log", "verify", "--library", "demo", "--json").document["demo"]
        assert (document["size"], document["anchored"]) == (size + 1, None)
        assert settled.run("log", "verify", "--actor", "x" * 41).code == 2
        assert settled.run("log", "verify", "--library", "nowhere").code == 2

    def test_an_empty_log(self, place: Place) -> None:
        """It is intact, and has no checkpoint."""
        assert "0 entries" in place.run("log", "verify").out
        assert place.run("log", "checkpoint").code == 2

    @pytest.mark.parametrize(
        ("statement", "at"),
        [
            (ALTER, 7),
            ("UPDATE entry SET leaf = zeroblob(32) WHERE seq = 0", 0),
            ("DELETE FROM entry WHERE seq = 5", 5),
            ("UPDATE entry SET kind = 'hold.decision' WHERE seq = 3", 3),
        ],
    )
    def test_a_damaged_log(self, settled: Place, statement: str, at: int) -> None:
        """4, with the library and the entry."""
        settled.tamper(statement)
        for words in ((), ("--json",), ("--library", "demo")):
            said = settled.run("log", "verify", *words)
            assert (said.code, said.out) == (4, "")
            assert f"of demo does not verify at entry {at}:" in said.err

    def test_a_library_that_left_the_settings(self, settled: Place) -> None:
        """Its log is still evidence: it is verified, shown and checked."""
        size = settled.log_size()
        settled.settings('id = "demo"', 'id = "newer"')
        assert set(settled.run("log", "verify", "--json").document) == {"demo", "newer"}
        document = settled.run("log", "verify", "--library", "demo", "--json").document
        assert document["demo"]["size"] == size + 1
        assert len(settled.run("log", "show", "--library", "demo", "--last", "3", "--json").document) == 3
        assert settled.run("log", "show", "--library", "demo", "--member", "M000001", "--json").document
        assert states(settled)["access log of demo"] == "ok"
        settled.tamper("DELETE FROM entry WHERE seq = 5")
        assert settled.run("log", "verify").code == 4
        assert states(settled)["access log of demo"] == "fault"


class TestCheckpoint:
    """Signs the log as it is now."""

    def test_the_note_and_its_key(self, settled: Place) -> None:
        """The note alone on standard output, the key on standard error, and both in a document."""
        said = settled.run("log", "checkpoint")
        assert said.code == 0
        document = settled.run("log", "checkpoint", "--json").document["demo"]
        assert said.out == document["note"]
        key = Key.parse(document["key"])
        assert key.text in said.err
        note = Note.parse(document["note"])
        assert note.is_signed_by(key)
        assert Checkpoint.parse(note.text).size == settled.log_size()

    def test_verifying_since_a_checkpoint(self, settled: Place) -> None:
        """Only later entries are recomputed; a log that differs from the checkpoint is detected."""
        note = settled.folder / "kept.note"
        note.write_text(settled.run("log", "checkpoint").out, encoding="utf-8")
        assert settled.run("log", "verify", "--since", str(note)).code == 0
        size = settled.log_size() - 1
        text = note.read_text(encoding="utf-8")
        assert f"\n{size}\n" in text
        for wrong in (text.replace(f"\n{size}\n", f"\n{size - 1}\n"), text[:-9], "no note\n"):
            (settled.folder / "wrong.note").write_text(wrong, encoding="utf-8")
            assert settled.run("log", "verify", "--since", "wrong.note").code in {2, 4}
        settled.tamper(ALTER)
        assert settled.run("log", "verify", "--since", str(note)).code == 4


class TestAnchor:
    """Stores the checkpoint at every anchor."""

    ANCHOR = '\n[[log.anchor]]\nkind = "file"\npath = "{}"\n\n[[library]]'

    def _add(self, place: Place, folder: str) -> None:
        if folder == "elsewhere":
            (place.folder / folder).mkdir()
        place.settings("\n[[library]]", self.ANCHOR.format(f"{folder}/anchors"))

    def test_a_file_elsewhere(self, settled: Place) -> None:
        """It contains the signed note; ``verify`` and ``check`` report it. Without an anchor: 2."""
        assert settled.run("log", "anchor").code == 2
        self._add(settled, "elsewhere")
        said = settled.run("log", "anchor", "--json")
        assert said.code == 0
        assert said.document["failures"] == []
        assert [one["size"] for one in said.document["anchored"]["demo"]] == [settled.log_size()]
        kept = (settled.folder / "elsewhere" / "anchors").read_text(encoding="utf-8")
        assert settled.run("log", "checkpoint").out in kept
        size = settled.log_size()
        assert settled.run("log", "verify", "--json").document["demo"]["anchored"]["size"] == size
        assert states(settled)["anchor of demo"] == "ok"

    def test_a_restored_database(self, settled: Place) -> None:
        """4; nothing is asked with it."""
        self._add(settled, "elsewhere")
        backup = (settled.folder / "rrsync.db").read_bytes()
        assert settled.run("log", "anchor").code == 0
        assert settled.run("log", "verify").code == 0
        register = settled.register()
        assert settled.refresh("M000001").code == 0
        asked = len(register.asked)
        (settled.folder / "rrsync.db").write_bytes(backup)
        for words in (("night",), ("log", "verify"), ("log", "anchor")):
            assert settled.run(*words).code == 4, words
        assert settled.refresh("M000002").code == 4
        assert len(register.asked) == asked
        assert states(settled)["access log of demo"] == "fault"

    def test_an_unavailable_anchor(self, settled: Place) -> None:
        """4 when all failed, 3 when one did; each failure is a sentence."""
        self._add(settled, "nowhere")
        said = settled.run("log", "anchor", "--json")
        assert (said.code, len(said.document["failures"])) == (4, 1)
        self._add(settled, "elsewhere")
        assert settled.run("log", "anchor").code == 3


class TestProve:
    """The proof of one entry, for somebody who trusts neither us nor the database."""

    def test_the_proof_stands_alone(self, settled: Place) -> None:
        """Our verifier accepts it without rrsync; the file is private, and the log records the proof."""
        said = settled.run("log", "prove", "3", "--library", "demo", "--to", "3.tlog-proof", "--actor", "officer")
        assert said.code == 0
        view = settled.log()[-1]
        assert (view["view"]["what"], view["actor"]["id"]) == ("prove", "officer")
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
        assert settled.run("log", "prove", "0", "--library", "demo").out.startswith("c2sp.org/tlog-proof@v1\n")

    def test_entries_without_proof(self, settled: Place) -> None:
        """2 for an entry that does not exist, 4 for an altered one; nothing is logged for the first."""
        size = settled.log_size()
        for entry in ("100000", "-1", "x"):
            assert settled.run("log", "prove", entry, "--library", "demo").code == 2
        assert settled.log_size() == size
        settled.tamper(ALTER)
        said = settled.run("log", "prove", "7", "--library", "demo")
        assert said.code == 4
        assert "`rrsync log verify`" in said.err


@pytest.mark.parametrize("year", [datetime.now(UTC).year, 1999], ids=["within its term", "without a key"])
def test_a_year_that_cannot_be_forgotten(settled: Place, year: int) -> None:
    """2; the message names the year or its term, and nothing is logged."""
    size = settled.log_size()
    said = settled.run("log", "forget", "--library", "demo", "--year", str(year), "--actor", "an")
    assert said.code == 2
    assert str(1999 if year == 1999 else year + 10) in said.err
    assert settled.log_size() == size
