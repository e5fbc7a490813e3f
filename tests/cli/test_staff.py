"""``rrsync log staff``: the list of staff, with numbers that are typed and never shown."""

from __future__ import annotations

import os
import pty
from contextlib import suppress

import pytest

from tests.cli.conftest import Place, digits, dotted

NUMBER = digits("M000001")


def names(place: Place) -> list[str]:
    """Return the names on the list."""
    document = place.run("log", "staff", "list", "--library", "demo", "--actor", "dpo", "--json").document
    assert isinstance(document, list)
    return document


def remove(place: Place, name: str) -> int:
    """Remove a member of staff and return the exit code."""
    return place.run("log", "staff", "remove", "--library", "demo", "--name", name, "--actor", "dpo").code


class TestList:
    """Additions, removals and the list."""

    def test_an_empty_list(self, place: Place) -> None:
        """One sentence, in the language of the settings."""
        said = [place.env(LANGUAGE=each).run("log", "staff", "list", "--library", "demo").out for each in ("nl", "en")]
        assert [len(text.splitlines()) for text in said] == [1, 1]
        assert said[0] != said[1]
        assert names(place) == []

    def test_additions_and_removals(self, place: Place) -> None:
        """The names in their order, printed as they are."""
        for number, name in (("M000002", "bo"), ("M000001", "an.peeters"), ("M000003", "[red]cis[/red]")):
            assert place.add_staff(name, digits(number)).code == 0
        assert place.run("log", "staff", "list", "--library", "demo").out == "[red]cis[/red]\nan.peeters\nbo\n"
        assert remove(place, "bo") == 0
        assert names(place) == ["[red]cis[/red]", "an.peeters"]

    def test_changes_and_readings_are_in_the_log(self, place: Place) -> None:
        """With the actor; the member of staff as a pseudonym."""
        place.add_staff("an.peeters", NUMBER)
        names(place)
        remove(place, "an.peeters")
        added, read, removed = (line for line in place.log() if line["kind"] != "settings.change")
        assert [line["kind"] for line in (added, read, removed)] == ["staff.change", "log.view", "staff.change"]
        assert {line["actor"]["id"] for line in (added, read, removed)} == {"dpo"}
        assert read["view"] == {"what": "staff", "count": 1}
        assert added["staff"] == {"name": "an.peeters", "deed": "add"}
        assert ("subj" in added, "subj" in removed) == (True, False)


class TestNumber:
    """The national number is typed, and shown nowhere."""

    def test_from_standard_input(self, place: Place) -> None:
        """One line, without a terminal; separators are allowed; no file contains it."""
        said = place.add_staff("an.peeters", f"{dotted(NUMBER)}\nmore")
        assert (said.code, said.err) == (0, "")
        assert "an.peeters" in said.out
        for file in place.folder.rglob("*"):
            assert not file.is_file() or file.name == "members.csv" or NUMBER.encode() not in file.read_bytes()

    def test_at_a_hidden_prompt(self, place: Place) -> None:
        """A terminal does not show the typed number."""
        ours, theirs = pty.openpty()
        process = place.start(
            *("log", "staff", "add", "--library", "demo", "--name", "an.peeters", "--actor", "dpo"),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # the terminal closes when the command ends
            while data := os.read(ours, 1_000):
                shown += data
                if shown.endswith(b"): "):
                    os.write(ours, f"{NUMBER}\n".encode())
        os.close(ours)
        assert process.wait() == 0
        assert b"): " in shown
        assert NUMBER.encode() not in shown
        assert names(place) == ["an.peeters"]

    @pytest.mark.parametrize("typed", ["", "123", f"{NUMBER[:-2]}00", "an.peeters"])
    def test_a_text_that_is_no_number(self, place: Place, typed: str) -> None:
        """2; the text is not repeated and nothing is stored."""
        said = place.add_staff("x.y", typed)
        assert (said.code, said.out) == (2, "")
        assert not typed or typed not in said.err
        assert place.log_size() == 0


class TestRefusals:
    """2, and nothing changes."""

    def test_a_second_person_of_the_same_name(self, place: Place) -> None:
        """The first stays."""
        assert place.add_staff("an.peeters", NUMBER).code == 0
        assert place.add_staff("an.peeters", digits("M000002")).code == 2
        assert names(place) == ["an.peeters"]

    def test_unusable_names_and_libraries(self, place: Place) -> None:
        """A name that is not on the list, one that the log cannot store, and an unknown library."""
        assert remove(place, "nobody") == 2
        for name in ("", "x" * 41, "a\nb", NUMBER):
            said = place.add_staff(name, NUMBER)
            assert said.code == remove(place, name) == 2
            assert "--name" in said.err
        for deed in (("add", "--name", "an"), ("remove", "--name", "an"), ("list",)):
            assert place.run("log", "staff", *deed, "--library", "nowhere").code == 2
        assert [line["kind"] for line in place.log() if line["kind"] != "settings.change"] == []
