"""The register's fields that we know, as the paths a scope file may name.

They are what our schema types (``wsdl/GeefPersoon-02.02``); it is open for the rest, so it cannot say where a name may
stand, and this table does. Paths are relative to ``Persoon``; ``@`` marks an attribute.
"""

from __future__ import annotations

from typing import Final, TypeAlias

_Branch: TypeAlias = "dict[str, _Branch]"

_PERIOD: Final[_Branch] = {"@DatumBegin": {}, "@DatumEinde": {}}
_WORDS: Final[_Branch] = {"String": {}}
_DAYS: Final[_Branch] = {"Begindatum": {}, "Einddatum": {}}

_PERSON: Final[_Branch] = {
    "INSZ": {},
    "Naam": {
        **_PERIOD,
        "Achternamen": {"Achternaam": {}},
        "Voornamen": {"Voornaam": {}},
    },
    "Geboorte": {**_PERIOD, "Datum": {}},
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
}


def known_paths() -> frozenset[str]:
    """Give every path below ``Persoon`` that a scope may name."""
    return frozenset(_walk(_PERSON, ""))


def _walk(branch: _Branch, above: str) -> list[str]:
    paths = []
    for name, below in branch.items():
        paths += [above + name, *_walk(below, f"{above}{name}/")]
    return paths
