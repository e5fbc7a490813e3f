"""``rrsync log staff``: who works in a library, by a number that is typed where nobody reads along."""

from __future__ import annotations

import io
import os
import pty
import subprocess
from contextlib import suppress

import pytest

from tests.cli.conftest import RRSYNC, WORLD, Place
from tests.cli.test_flags import add, entries

NUMBER = WORLD.citizen(0).insz.digits


def _list(place: Place, *more: str, code: int = 0) -> str:
    said = place.run("log", "staff", "list", "--library", "demo", "--actor", "dpo", *more)
    assert said.code == code
    return said.out


class TestList:
    """The names that are on it."""

    def test_an_empty_list(self, place: Place) -> None:
        """Says so, in the language of the settings."""
        assert _list(place) == "De personeelslijst is leeg.\n"
        place.env(LANGUAGE="en")
        assert _list(place) == "The list of staff is empty.\n"
        assert place.run("log", "staff", "list", "--library", "demo", "--json").document == []

    def test_who_was_added_and_removed(self, place: Place) -> None:
        """By name, in their order."""
        for of, name in ((2, "bo"), (1, "an.peeters"), (3, "[red]cis[/red]")):
            add(place, name, of)
        assert _list(place) == "[red]cis[/red]\nan.peeters\nbo\n"
        removed = place.run("log", "staff", "remove", "--library", "demo", "--name", "bo", "--actor", "dpo")
        assert (removed.code, removed.out) == (0, "bo is van de personeelslijst geschrapt.\n")
        assert place.run("log", "staff", "list", "--library", "demo", "--json").document == [
            "[red]cis[/red]",
            "an.peeters",
        ]

    def test_every_change_and_every_look_is_in_the_log(self, place: Place) -> None:
        """Who did it; of whom by pseudonym."""
        add(place, "an.peeters", 1)
        _list(place)
        place.run("log", "staff", "remove", "--library", "demo", "--name", "an.peeters", "--actor", "dpo")
        deeds = [line for line in entries(place, views=True) if line["kind"] != "settings.change"]
        assert [(line["kind"], line["actor"]["id"]) for line in deeds] == [
            ("staff.change", "dpo"),
            ("log.view", "dpo"),
            ("staff.change", "dpo"),
        ]
        assert deeds[1]["view"] == {"what": "staff", "count": 1}
        added, removed = deeds[0], deeds[2]
        assert added["staff"] == {"name": "an.peeters", "deed": "add"}
        assert ("subj" in added, "subj" in removed) == (True, False)


class TestNumber:
    """It is typed, and shown nowhere."""

    def test_from_standard_input(self, place: Place) -> None:
        """One line of it, when there is no terminal; separators are allowed."""
        typed = f"{NUMBER[:2]}.{NUMBER[2:4]}.{NUMBER[4:6]}-{NUMBER[6:9]}.{NUMBER[9:]}\nmore\n"
        place.monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        said = place.run("log", "staff", "add", "--library", "demo", "--name", "an.peeters", "--actor", "dpo")
        assert (said.code, said.err) == (0, "")
        assert said.out.startswith("an.peeters staat op de personeelslijst")
        for file in place.folder.rglob("*"):
            assert not file.is_file() or file.name == "members.csv" or NUMBER.encode() not in file.read_bytes()

    def test_at_a_hidden_prompt(self, place: Place) -> None:
        """On a terminal it is asked for, and what is typed does not appear."""
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [RRSYNC, "log", "staff", "add", "--library", "demo", "--name", "an.peeters", "--actor", "dpo"],
            cwd=place.folder,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # the terminal is closed when the command ends
            while data := os.read(ours, 1_000):
                shown += data
                if shown.endswith(b"): "):
                    os.write(ours, f"{NUMBER}\n".encode())
        os.close(ours)
        assert process.wait() == 0
        assert b"Rijksregisternummer (niet getoond): " in shown
        assert b"staat op de personeelslijst" in shown
        assert NUMBER.encode() not in shown
        assert _list(place) == "an.peeters\n"

    @pytest.mark.parametrize("typed", ["", "123", f"{NUMBER[:-2]}00", "an.peeters"])
    def test_what_is_no_number(self, place: Place, typed: str) -> None:
        """2, and it is not repeated; the list and the log are as they were."""
        place.monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        said = place.run("log", "staff", "add", "--library", "demo", "--name", "x.y", "--actor", "dpo")
        assert (said.code, said.out) == (2, "")
        assert "This is no national number" in said.err
        assert not typed or typed not in said.err
        assert _list(place) == "De personeelslijst is leeg.\n"


class TestRefusals:
    """What cannot be done, in a sentence."""

    def test_a_name_twice(self, place: Place) -> None:
        """2; the first stays."""
        add(place, "an.peeters", 1)
        place.monkeypatch.setattr("sys.stdin", io.StringIO(WORLD.citizen(1).insz.digits))
        said = place.run("log", "staff", "add", "--library", "demo", "--name", "an.peeters", "--actor", "dpo")
        assert said.code == 2
        assert "somebody of that name already" in said.err

    def test_a_name_that_is_not_there(self, place: Place) -> None:
        """2, and where the names are."""
        said = place.run("log", "staff", "remove", "--library", "demo", "--name", "nobody", "--actor", "dpo")
        assert said.code == 2
        assert "rrsync log staff list" in said.err

    @pytest.mark.parametrize("name", ["", "x" * 41, "a\nb", NUMBER])
    @pytest.mark.parametrize("deed", ["add", "remove"])
    def test_a_name_that_cannot_be_one(self, place: Place, deed: str, name: str) -> None:
        """It would stand in the log for good."""
        said = place.run("log", "staff", deed, "--library", "demo", "--name", name, "--actor", "dpo")
        assert said.code == 2
        assert "--name" in said.err

    @pytest.mark.parametrize("deed", ["add", "remove", "list"])
    def test_a_library_that_is_not_there(self, place: Place, deed: str) -> None:
        """2, before a number is asked for."""
        name = () if deed == "list" else ("--name", "an")
        assert place.run("log", "staff", deed, "--library", "nowhere", *name).code == 2
