"""The register's fields that we know, as the paths a scope file may name.

They are what our schema types (``wsdl/GeefPersoon-02.02``); it is open for the rest, so it cannot say where a name may
stand, and this table does. Paths are relative to ``Persoon``; ``@`` marks an attribute. By MAGDA's schema each stands
once at most, but for the parts of a name and the statuses, which are lists.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from rrsync.core.authorisation import Tree

_Branch: TypeAlias = "dict[str, _Branch]"

_PERIOD: Final[_Branch] = {"@DatumBegin": {}, "@DatumEinde": {}}
_WORDS: Final[_Branch] = {"String": {}}
_DAYS: Final[_Branch] = {"Begindatum": {}, "Einddatum": {}}
_FILE: Final[_Branch] = {**_PERIOD, "INSZ": {}}

_PERSON: Final[_Branch] = {
    "INSZ": {},
    "Naam": {
        **_PERIOD,
        "Achternamen": {"Achternaam": {}},
        "Voornamen": {"Voornaam": {}},
    },
    "Geboorte": {**_PERIOD, "Datum": {}},
    "Referentiedossier": _FILE,
    "Overlijden": _PERIOD,
    "Statussen": {"Status": {**_PERIOD, "Code": {}}},
    "Adressen": {
        "Hoofdverblijfplaats": {
            **_PERIOD,
            "Straatnaam": _WORDS,
            "Huisnummer": {},
            "Busnummer": {},
            "Gemeentenaam": _WORDS,
            "Land": _WORDS,
            "Postcode": {},
            "NISCodeLand": {},
            "ISOCodeLand": {},
            "NISCodeGemeente": {},
            "StraatCode": {},
            "NietGestandaardiseerdeStraatnaam": _WORDS,
            "NietGestandaardiseerdeGemeentenaam": _WORDS,
            "ReferentieAdres": _DAYS,
        },
        "VerblijfplaatsBuitenland": _PERIOD,
        "PostadresBuitenland": _PERIOD,
        "AangifteAdresBuitenland": _PERIOD,
        "NietMededeelbaarAdres": {"Periode": _DAYS},
    },
    "GeannuleerdDossier": _FILE,
}

_LISTED: Final = frozenset({"Achternaam", "Voornaam", "Status"})


_MESSAGE: Final = frozenset(
    {
        *("Repliek", "Context", "Bericht", "Ontvanger", "Antwoorden", "Antwoord", "Referte", "Inhoud", "Persoon"),
        *("Uitzonderingen", "Uitzondering", "Identificatie", "Oorsprong", "Type"),
        *("Annotaties", "Annotatie", "Naam", "Waarde", "Resultaat"),
    }
)


def known_paths() -> frozenset[str]:
    """Give every path below ``Persoon`` that a scope may name."""
    return frozenset(_walk(_PERSON, ""))


def known_names() -> frozenset[str]:
    """Give the name of every element that we read in a reply, below the operation's."""
    return _MESSAGE | {name for path in known_paths() for name in path.split("/")}


def is_single(tree: Tree) -> bool:
    """Whether a person has everything that we know once at most, but for what is a list."""
    return _is_single(tree, _PERSON)


def _is_single(tree: Tree, branch: _Branch) -> bool:
    return all(
        (name in _LISTED or len(tree.get(name, ())) <= 1)
        and all(_is_single(node, below) for node in tree.get(name, ()) if isinstance(node, dict))
        for name, below in branch.items()
    )


def _walk(branch: _Branch, above: str) -> list[str]:
    paths = []
    for name, below in branch.items():
        paths += [above + name, *_walk(below, f"{above}{name}/")]
    return paths
