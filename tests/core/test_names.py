"""What is typed finds a name: words in any order, beginnings, spelling and particles apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrsync.core.name_search import beginnings, fits, held, telling, typed
from rrsync.core.person import Name

#: Latin, Greek, Cyrillic, Hebrew and Arabic, with their accents.
LETTERS = st.characters(max_codepoint=0x6FF, categories=("L", "Mn"))
NAMES = st.lists(st.text(LETTERS, min_size=1, max_size=9), min_size=1, max_size=5)
#: Words of a few letters, so that one is often the beginning of another.
ALIKE = st.lists(st.text("ab", min_size=1, max_size=4), max_size=5)


def finds(text: str, last: str, first: str = "") -> bool:
    """Whether what is typed finds a name; it may do so only by beginnings that the name has."""
    name = held(Name(last, first))
    found = fits(typed(text), name)
    if found:
        there = beginnings(word for words in name for word in words)
        here = [beginnings(telling(words)) for words in typed(text)]
        assert any(all(map(frozenset.issubset, starts, there)) for starts in here)
    return found


@pytest.mark.parametrize(
    ("text", "last", "first"),
    [
        ("janssens", "Janssens", "Jan"),
        ("JAN janss", "Janssens", "Jan"),
        ("pet  JAN", "De Pétter", "Jan Maria"),
        ("celik", "Çelik", "Zeynep"),
        ("ÇELİK", "celik", ""),
        ("yildiz", "Y\u0131ld\u0131z", ""),
        ("lukasz", "Kowalczyk", "Łukasz"),
        ("soren", "Ångström", "Søren"),
        ("STRASSER", "Straßer", ""),
        ("d'hondt", "D'Hondt", ""),
        ("dhondt", "D'Hondt", ""),
        ("d hondt", "Dhondt", ""),
        ("van den", "Van den Broeck", "An"),
        ("an van den broeck", "Vandenbroeck", "An"),
        ("vandenbroeck an", "Van den Broeck", "An"),
        ("vandenb", "Van den Broeck", "An"),
        ("broeck", "Van den Broeck", "An"),
        ("den an broeck", "Van den Broeck", "An"),
        ("desmedt vandamme", "De Smedt-Van Damme", ""),
        ("smedt-van", "De Smedt-Van Damme", ""),
        ("li", "Li", "Wei"),
        ("we li", "Li", "We"),
        ("wei l", "Li", "Wei"),
        ("peeters j", "Peeters", "Jan"),
        ("marie thér", "Claes", "Marie-Thérèse"),
        ("王", "王", ""),
    ],
)
def test_it_finds(text: str, last: str, first: str) -> None:
    """Case, accents, order, punctuation, particles and the ends of words do not matter."""
    assert finds(text, last, first)


@pytest.mark.parametrize(
    ("text", "last", "first"),
    [
        ("", "Janssens", "Jan"),
        (" -' ", "Janssens", "Jan"),
        ("jansens", "Janssens", "Jan"),
        ("anssens", "Janssens", "Jan"),
        ("jan piet", "Janssens", "Jan"),
        ("jan janssens", "Janssens", "Piet"),  # one word is not two
        ("ja", "Janssens", "Jan"),
        ("j a", "Janssens", "Jan"),
        ("li wei", "Li", "Wen"),
        ("peeters k", "Peeters", "Jan"),
        ("peeters", "", ""),
        ("van den broeck", "Van Damme", "Den"),
    ],
)
def test_it_does_not_find(text: str, last: str, first: str) -> None:
    """Nothing typed finds nobody; a word that is nowhere, or only inside a word, or is needed twice, finds not."""
    assert not finds(text, last, first)


@given(last=NAMES, first=NAMES, data=st.data())
def test_every_beginning_of_every_word_finds(last: list[str], first: list[str], data: st.DataObject) -> None:
    """Whatever the name: words cut off after three letters or more, some left out, in any order, in capitals or not."""
    kept = [word for word in data.draw(st.permutations([*last, *first])) if data.draw(st.booleans())]
    cut = [word[: data.draw(st.integers(1, len(word)))] for word in kept]
    used = [
        part if all(len(each) >= 3 for words in typed(part) for each in words) else word
        for part, word in zip(cut, kept, strict=True)
    ]
    text = " ".join(used)
    if not typed(text):
        return
    name = held(Name(" ".join(last), "-".join(first)))
    for said in (text, text.upper(), text.casefold()):
        if typed(said) == typed(text):  # a few letters have capitals that are others
            assert finds(said, " ".join(last), "-".join(first)), (said, name)


@given(text=ALIKE, name=ALIKE)
def test_each_word_takes_a_word_of_its_own(text: list[str], name: list[str]) -> None:
    """What is found is what some way of giving each word another word of the name finds."""

    def can(words: list[str], left: list[str]) -> bool:
        if not words:
            return True
        begins = str.startswith if any(len(word) >= 3 for word in text) else str.__eq__
        return any(begins(one, words[0]) and can(words[1:], left[:at] + left[at + 1 :]) for at, one in enumerate(left))

    assert finds(" ".join(text), " ".join(name)) == (bool(text) and can(text, name))
