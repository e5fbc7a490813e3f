"""Authorisations: which library may ask what, why and when; and the cut of a reply to the authorised fields.

1. An authorisation belongs to one library: the number of a decision, the allowed purposes, the first and last day.
2. Its scope is a file of register paths, one a line; ``#`` starts a comment. A path allows itself and all below it.
3. Fields outside the scope are withheld: counted under the highest element that is withheld as a whole, never kept.

>>> scope = Scope.parse("Naam   # art. 3, 1°", known={"Naam", "Naam/Achternamen"})
>>> limit({"Naam": [{"Achternamen": ["Peeters"]}], "Geslacht": [{"Code": ["1"]}]}, scope)
({'Naam': [{'Achternamen': ['Peeters']}]}, {'Geslacht': 1})
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Final, Self, TypeAlias

from rrsync.core.exchange import Question
from rrsync.errors import ConfigError

#: A register reply as plain data: element or ``@attribute`` name -> its occurrences, each a text or a tree.
Tree: TypeAlias = "dict[str, list[Tree | str]]"

#: Elements read as signals at the gate (design, Scope): needed to act rightly, so no news to the DPO when they come.
SIGNALS: Final = frozenset(
    {
        "Statussen",
        "Overlijden",
        "Adressen/NietMededeelbaarAdres",
        "Adressen/VerblijfplaatsBuitenland",
        "Adressen/PostadresBuitenland",
        "Adressen/AangifteAdresBuitenland",
        "Adressen/Hoofdverblijfplaats/ReferentieAdres",
    }
)

_ODD: Final = re.compile(r"[^A-Za-z@]+")
_NAME_LENGTH: Final = 60


@dataclass(frozen=True, slots=True)
class Scope:
    """The register paths that an authorisation allows, and the SHA-256 of the file that named them."""

    paths: frozenset[str]
    digest: str
    above: frozenset[str]

    @classmethod
    def parse(cls, text: str, *, known: Collection[str]) -> Self:
        """Read a scope file.

        Raises:
            ConfigError: the file names an unknown path, or no path at all.
        """
        paths = {path for line in text.splitlines() if (path := line.split("#", 1)[0].strip())}
        if unknown := sorted(paths - set(known)):
            raise ConfigError(
                f"The scope names what the register does not know: {', '.join(unknown)}",
                todo="Correct the path, or take the line out of the scope file",
            )
        if not paths:
            raise ConfigError("The scope names no field at all", todo="Name at least one register path in it")
        above = {
            "/".join(parts[:depth]) for path in paths for parts in [path.split("/")] for depth in range(len(parts))
        }
        return cls(frozenset(paths), sha256(text.encode()).hexdigest(), frozenset(above))


@dataclass(frozen=True, slots=True)
class Authorisation:
    """The decision that lets one library ask, with its purposes and its period (law of 8 August 1983, art. 5)."""

    library: str
    decision: str
    sender: str
    capacity: str
    purposes: frozenset[str]
    valid_from: date
    valid_until: date
    scope: Scope

    def covers(self, question: Question, today: date) -> bool:
        """Whether this question may be asked today."""
        return not self.denial(question, today)

    def denial(self, question: Question, today: date) -> str:
        """Return the clause that forbids the question today, or ``""`` when it may be asked."""
        if question.library != self.library:
            return "the authorisation is another library's"
        if today < self.valid_from:
            return f"the authorisation is in force from {self.valid_from.isoformat()} only"
        if today > self.valid_until:
            return f"the authorisation ended on {self.valid_until.isoformat()}"
        if question.purpose not in self.purposes:
            return f"the authorisation does not name this purpose, only {', '.join(sorted(self.purposes))}"
        return ""


def limit(tree: Tree, scope: Scope) -> tuple[Tree, dict[str, int]]:
    """Cut a person's tree to the scope; return what is left, and the number of occurrences of each withheld path."""
    withheld: dict[str, int] = {}
    return _cut(tree, "", scope, withheld), withheld


def _cut(tree: Tree, at: str, scope: Scope, withheld: dict[str, int]) -> Tree:
    kept: Tree = {}
    for name, nodes in tree.items():
        path = f"{at}/{name}" if at else name
        if path in scope.paths:
            kept[name] = nodes
        elif path in scope.above:
            kept[name] = [_cut(node, path, scope, withheld) if isinstance(node, dict) else "" for node in nodes]
        elif path not in SIGNALS:
            named = f"{at}/{_named(name)}" if at else _named(name)
            withheld[named] = withheld.get(named, 0) + len(nodes)
    return kept


def _named(name: str) -> str:
    """Return an element's name fit for a report: letters only, so that it cannot carry a number."""
    return _ODD.sub("*", name)[:_NAME_LENGTH]
