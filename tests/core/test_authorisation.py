"""Who may ask, and the cut of a reply: nothing outside the scope survives, and nothing withheld is kept."""

from __future__ import annotations

from datetime import date, timedelta
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrsync.core.authorisation import SIGNALS, Authorisation, Scope, Tree, limit
from rrsync.core.exchange import Question
from rrsync.core.log_entry import Actor, ActorKind
from rrsync.errors import ConfigError
from tests.support import insz

KNOWN = {
    "Naam",
    "Naam/Achternamen",
    "Naam/Achternamen/Achternaam",
    "Geslacht",
    "Geboorte/Datum",
    "A",
    "A/B",
    "A/B/C",
    "D",
}
FROM, UNTIL = date(2009, 5, 18), date(2029, 12, 31)
AUTHORISATION = Authorisation(
    "hasselt", "RR 28/2009", "sender", "1300", frozenset({"desk", "b"}), FROM, UNTIL, Scope.parse("Naam", known=KNOWN)
)


def question(library: str = "hasselt", purpose: str = "desk") -> Question:
    """Return a question about somebody."""
    return Question(library, insz(1), Actor(ActorKind.PROCESS, "night"), purpose, "ref-1")


class TestCovering:
    """No authorisation, no question."""

    @given(st.dates(date(2000, 1, 1), date(2040, 1, 1)))
    def test_it_is_in_force_from_its_first_day_to_its_last(self, today: date) -> None:
        """Both days included."""
        assert AUTHORISATION.covers(question(), today) == (FROM <= today <= UNTIL)

    @pytest.mark.parametrize(
        ("asked", "today", "why"),
        [
            (question("genk"), FROM, "the authorisation is another library's"),
            (question(), FROM - timedelta(days=1), "the authorisation is in force from 2009-05-18 only"),
            (question(), UNTIL + timedelta(days=1), "the authorisation ended on 2029-12-31"),
            (question(purpose="curiosity"), FROM, "the authorisation does not name this purpose, only b, desk"),
            (question(), FROM, ""),
            (question(), UNTIL, ""),
        ],
    )
    def test_a_denial_says_why(self, asked: Question, today: date, why: str) -> None:
        """In one clause, which goes into the access log."""
        assert AUTHORISATION.denial(asked, today) == why
        assert AUTHORISATION.covers(asked, today) == (not why)


class TestParsing:
    """A scope is a file of paths, one a line, that a lawyer can read."""

    def test_comments_and_blanks_are_free(self) -> None:
        """A path is what stands before the comment; the digest is of the file as it is."""
        text = "# law\n\n  Naam/Achternamen   # art. 3\n Geslacht\nGeslacht\n"
        scope = Scope.parse(text, known=KNOWN)
        assert scope.paths == {"Naam/Achternamen", "Geslacht"}
        assert scope.above == {"", "Naam"}
        assert scope.digest == sha256(text.encode()).hexdigest()

    def test_an_unknown_path_is_refused_by_name(self) -> None:
        """All that the register does not know are named at once."""
        with pytest.raises(ConfigError, match="what the register does not know: Leeftijd, naam"):
            Scope.parse("naam\nLeeftijd\nNaam", known=KNOWN)

    @pytest.mark.parametrize("text", ["", "\n", "# Naam"])
    def test_a_scope_of_nothing_is_refused(self, text: str) -> None:
        """A file that names no field is a mistake, not a very narrow scope."""
        with pytest.raises(ConfigError, match="names no field at all"):
            Scope.parse(text, known=KNOWN)


NAMES = st.sampled_from(["A", "B", "C", "D", "@E", "Statussen", "Overlijden"])
TREES: st.SearchStrategy[Tree] = st.recursive(
    st.dictionaries(NAMES, st.lists(st.just("secret"), min_size=1, max_size=2), max_size=3),
    lambda inner: st.dictionaries(NAMES, st.lists(inner | st.just("secret"), min_size=1, max_size=2), max_size=4),
    max_leaves=12,
)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
SCOPES = st.sets(PATHS, min_size=1, max_size=4)


def leaves(tree: Tree, at: str = "") -> list[str]:
    """Return the paths at which there is a text that is not empty."""
    found: list[str] = []
    for name, nodes in tree.items():
        path = f"{at}/{name}" if at else name
        for node in nodes:
            found += leaves(node, path) if isinstance(node, dict) else [path] if node else []
    return found


def allowed(path: str, paths: set[str]) -> bool:
    """Whether a path is in a scope: itself or something above it is named."""
    parts = path.split("/")
    return any("/".join(parts[:depth]) in paths for depth in range(1, len(parts) + 1))


class TestLimiting:
    """The cut."""

    @given(TREES, SCOPES)
    def test_what_is_left_is_what_the_scope_names(self, tree: Tree, paths: set[str]) -> None:
        """Every text that is allowed survives, and none that is not."""
        kept, _ = limit(tree, Scope.parse("\n".join(paths), known=paths))
        assert leaves(kept) == [path for path in leaves(tree) if allowed(path, paths)]

    @given(TREES, SCOPES)
    def test_what_is_withheld_is_counted(self, tree: Tree, paths: set[str]) -> None:
        """An element of which nothing may be seen is named once per place it came at, signals excepted."""
        scope = Scope.parse("\n".join(paths), known=paths)
        kept, withheld = limit(tree, scope)
        again, nothing = limit(kept, scope)
        assert (again, nothing) == (kept, {})
        assert all(count > 0 for count in withheld.values())
        assert not any(allowed(path, paths) or path in SIGNALS for path in withheld)
        top = {name for name in tree if name not in kept and name not in SIGNALS}
        assert top <= set(withheld)

    @given(st.dictionaries(st.text(min_size=1), st.just(["secret"]), min_size=1))
    def test_the_name_of_what_is_withheld_holds_no_number(self, tree: Tree) -> None:
        """A reply may invent element names: what is reported of them is letters alone, and short."""
        _, withheld = limit(tree, Scope.parse("A", known=KNOWN))
        assert not any(char.isdigit() for name in withheld for char in name)
        assert all(len(name) <= 60 for name in withheld)
        assert sum(withheld.values()) == len([name for name in tree if name != "A" and name not in SIGNALS])

    def test_a_text_where_there_should_be_a_tree_is_dropped(self) -> None:
        """Above a named path nothing is named: a text there is not kept."""
        kept, withheld = limit({"A": ["secret", {"B": ["x"], "C": ["secret"]}]}, Scope.parse("A/B", known=KNOWN))
        assert kept == {"A": ["", {"B": ["x"]}]}
        assert withheld == {"A/C": 1}

    def test_signals_are_no_news(self) -> None:
        """What is read as a signal is neither kept nor reported as withheld."""
        tree: Tree = {
            "Overlijden": [{"Datum": ["2020-01-01"]}],
            "Adressen": [{"NietMededeelbaarAdres": [{}], "X": ["1"]}],
        }
        kept, withheld = limit(tree, Scope.parse("Adressen/Y", known={"Adressen/Y"}))
        assert (kept, withheld) == ({"Adressen": [{}]}, {"Adressen/X": 1})
