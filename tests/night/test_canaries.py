"""What is sought wherever it must not stand is found there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.night.invariants import Canaries
from tests.support import insz

NUMBER = insz(1).digits
SOUGHT = Canaries.of(
    {NUMBER}, {"Janssens", "Janssen", "Peetermans", "d'Aubergine", "Müller-Ünal", 'van "den" Berg', "Kort"}
)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (f"x{NUMBER}x", "a number"),
        (f"{NUMBER[:2]}.{NUMBER[2:4]}.{NUMBER[4:6]}-{NUMBER[6:9]}.{NUMBER[9:]}", "a number"),
        ("\0\xffJanssen\0", "a name or a street"),
        ("JanJanssens", "a name or a street"),
        ("d'Aubergine", "a name or a street"),
        ("Müller-Ünal", "a name or a street"),
        ('{"x": "van \\"den\\" Berg"}', "a name or a street"),
        ("M\\xfcller-\\xdcnal", "a name or a street"),
    ],
)
def test_each_sings(data: str, kind: str) -> None:
    """Wherever it stands, and as JSON and Python write it."""
    assert list(SOUGHT.sung(data.encode())) == [kind]


@pytest.mark.parametrize("data", ["", "Janss", "Kort", NUMBER[:-1], "peetermans"])
def test_nothing_else_does(data: str) -> None:
    """A piece of one, or a word that is too short to be told from chance."""
    assert list(SOUGHT.sung(data.encode())) == []
    assert list(Canaries.of((), ()).sung(data.encode())) == []


@given(st.sets(st.text("abcé", min_size=6), max_size=9), st.text("abcé"), st.text("abcé"))
def test_as_if_each_were_sought_alone(words: set[str], before: str, after: str) -> None:
    """However much they have alike."""
    sought = Canaries.of((), words)
    for text in (before + after, *(before + word + after for word in words)):
        assert bool(list(sought.sung(text.encode()))) == any(word in text for word in words)
