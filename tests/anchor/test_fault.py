"""What was found of a log, kept outside the database."""

from __future__ import annotations

from pathlib import Path

import pytest

from rrsync.anchor.local_state import Fault, Faults
from rrsync.errors import AnchorError
from tests.support import NOW

FOUND = Fault(NOW, "els.smets", "The log does not verify at entry 7", "Nothing was asked", "Keep it as it is")


class TestFaults:
    """One a library, until it is forgotten."""

    def test_it_is_kept_until_it_is_forgotten(self, tmp_path: Path) -> None:
        """As it was found, and the last one only; another library's is its own."""
        faults = Faults(tmp_path / "signed")
        assert faults.read("hasselt") is None
        faults.forget("hasselt")
        faults.keep("hasselt", Fault(NOW, "", "first", "", ""))
        faults.keep("hasselt", FOUND)
        assert Faults(tmp_path / "signed").read("hasselt") == FOUND
        assert faults.read("genk") is None
        faults.forget("hasselt")
        assert faults.read("hasselt") is None

    @pytest.mark.parametrize("text", ["", "{}", "[]", '{"at":"yesterday"}', '{"at":"2026-07-01T02:00:00Z","more":"x"}'])
    def test_what_cannot_be_read_is_no_all_clear(self, tmp_path: Path, text: str) -> None:
        """It is said that it cannot be read."""
        (tmp_path / "hasselt.fault").write_text(text, encoding="utf-8")
        with pytest.raises(AnchorError, match="cannot be read"):
            Faults(tmp_path).read("hasselt")

    def test_a_folder_that_cannot_be_used(self, tmp_path: Path) -> None:
        """Nothing is kept or forgotten silently."""
        (tmp_path / "file").write_text("", encoding="utf-8")
        faults = Faults(tmp_path / "file")
        with pytest.raises(AnchorError):
            faults.keep("hasselt", FOUND)
        with pytest.raises(AnchorError):
            faults.forget("hasselt")
