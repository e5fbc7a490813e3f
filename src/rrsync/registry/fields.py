"""The register's fields that rrsync knows, as the paths that a scope file may name.

Our schema (``wsdl/GeefPersoon-02.02``) types the same fields and is open for the rest, so this table says where a name
is valid. Paths are relative to ``Persoon``; ``@`` marks an attribute. In MAGDA's schema each occurs at most once,
except the parts of a name and the statuses, which are lists.
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
    """Return every path below ``Persoon`` that a scope may name."""
    return frozenset(_walk(_PERSON, ""))


def known_names() -> frozenset[str]:
    """Return the names of all elements that are read in a reply, below the operation's root."""
    return _MESSAGE | {name for path in known_paths() for name in path.split("/")}


def is_single(tree: Tree) -> bool:
    """Whether every known field of a person that is no list occurs at most once."""
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
