"""The data of the invented population: test numbers, real municipalities with their codes, invented streets, names.

1. NIS codes are those in force since 1 January 2025. No street list or register was used: a street that exists is a
   coincidence.
2. A test number is arithmetic, in both directions: a position is scrambled by ``a * position + b`` modulo the number of
   test numbers (``a`` and ``b`` follow from the seed), and the result is read as year, month, day and serial.
3. The month is written 60 higher, so nobody has that number. The check digits tell the century, as in a real number.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from math import gcd
from typing import Final, NamedTuple

from rrsync.core.insz import check_digits


class Town(NamedTuple):
    """A municipality as the register names it, with a postal code and its NIS code."""

    name: str
    postal_code: str
    nis_code: str


class Country(NamedTuple):
    """A country: NIS code, ISO 3166-1 alpha-3 code, name and nationality as the register writes them."""

    nis_code: str
    iso_code: str
    name: str
    nationality: str


TOWNS: Final = tuple(
    Town(*row.split("|"))
    for row in (
        "Aalst|9300|41002",
        "Anderlecht|1070|21001",
        "Antwerpen|2000|11002",
        "Brugge|8000|31005",
        "Brussel|1000|21004",
        "De Panne|8660|38008",
        "Dendermonde|9200|42006",
        "Diest|3290|24020",
        "Elsene|1050|21009",
        "Geel|2440|13008",
        "Genk|3600|71016",
        "Gent|9000|44021",
        "Geraardsbergen|9500|41018",
        "Halle|1500|23027",
        "Hasselt|3500|71072",
        "Heist-op-den-Berg|2220|12014",
        "Ieper|8900|33011",
        "Knokke-Heist|8300|31043",
        "Kortrijk|8500|34022",
        "Leuven|3000|24062",
        "Lier|2500|12021",
        "Maasmechelen|3630|73107",
        "Mechelen|2800|12025",
        "Oostende|8400|35013",
        "Roeselare|8800|36015",
        "'s-Gravenwezel|2970|11039",
        "Schaarbeek|1030|21015",
        "Sint-Genesius-Rode|1640|23101",
        "Sint-Jans-Molenbeek|1080|21012",
        "Sint-Truiden|3800|71053",
        "Turnhout|2300|13040",
        "Vilvoorde|1800|23088",
    )
)

STREETS: Final = (
    "'s-Herenstraat",
    "Abdij van Grâce-laan",
    "Achter de Hoven",
    "Baron de Maerepad",
    "Beekstraat",
    "Burgemeester Cédric Lémanstraat",
    "Dorpsplein",
    "Driekoningenlei",
    "Eikendreef",
    "Groenstraat",
    "Grote Steenweg-Noord",
    "Heilig-Hartplein",
    "Kapellestraat",
    "Kerkstraat",
    "Koningin Fabiolalaan",
    "Lindenlaan",
    "Markt",
    "Mgr. Béranger-lei",
    "Molenstraat",
    "Nieuwe Vaart",
    "O.-L.-Vrouwstraat",
    "Pastoor Köhlerstraat",
    "Processieweg",
    "Schoolstraat",
    "Sint-Rémistraat",
    "Stationsstraat",
    "Ter Heide & Bos",
    "Tramstraat",
    "Veldstraat",
    "Vierde Liniestraat",
    "Weverij 't Spoeltje",
    "Zandbergsesteenweg",
)

FRENCH_STREETS: Final = ("Rue de l'Étoile", "Avenue des Églantines", "Place Saint-Géry", "Chaussée d'Ôche")

LAST_NAMES: Final = (
    "Aerts",
    "Baeyens",
    "Bogaert",
    "Claes",
    "Cools",
    "D'Hondt",
    "De Backer",
    "De Smet",
    "De Wachter-Stoop",
    "Decléty",
    "Dewitte",
    "Goossens",
    "Hermans",
    "Jacobs",
    "Janssens",
    "Lefèvre",
    "Maes",
    "Martens",
    "Michiels",
    "Nijs",
    "Pauwels",
    "Peeters",
    "Quintelier",
    "Segers",
    "Thijs",
    "Van 't Hof",
    "Van de Velde",
    "Van den Broeck",
    "Van der Auwera",
    "Vandenbussche",
    "Verhoeven",
    "Vermeulen",
    "Wouters",
    "Wuyts",
)

FOREIGN_LAST_NAMES: Final = (
    "Ångström",
    "Çelik",
    "El Khattabi",
    "Gonçalves da Conceição",
    "Kowalczyk",
    "Müller",
    "Muñoz y Ibáñez",
    "Nguyễn",
    "O'Brien",
    "Świątek",
    "Țăranu",
    "Öztürk",
)

FIRST_NAMES: Final = {
    "1": "Aaron|Bart|Cédric|Dirk|Emiel|François|Geert|Ibrahim|Jan|Jean-Baptiste|Jürgen|Kobe|Łukasz|Noël|Pieter|Wout",
    "2": "Amélie|Britt|Chloë|Ellen|Françoise|Griet|Hanne|Inès|José|Katrien|Lies|Marie-Thérèse|Noor|Renée|Sofie|Zoë",
}

BELGIUM: Final = Country("150", "BEL", "BELGIE", "Belg")
COUNTRIES: Final = (
    Country("111", "FRA", "FRANKRIJK", "Frans"),
    Country("129", "NLD", "NEDERLAND", "Nederlander"),
    Country("103", "DEU", "DUITSLAND", "Duits"),
    Country("109", "ESP", "SPANJE", "Spaans"),
    Country("262", "TUR", "TURKIJE", "Turk"),
    Country("354", "MAR", "MAROKKO", "Marokkaan"),
)

_FIRST_YEAR: Final = 1920
_YEARS: Final = 100
_MONTHS: Final = 12
_DAYS: Final = 28
_SERIALS: Final = 998
_TEST_MONTH: Final = 60
_WORD: Final = 2**64 - 1

#: How many test numbers there are.
SPACE: Final = _YEARS * _MONTHS * _DAYS * _SERIALS


def mix(*parts: int) -> int:
    """Return 64 bits that look random and follow from the parts alone (splitmix64)."""
    state = 0x9E3779B97F4A7C15
    for part in parts:
        state = (state + (part & _WORD) * 0x9E3779B97F4A7C15 + 0x632BE59BD9B4E019) & _WORD
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _WORD
        state ^= state >> 31
    return state


@dataclass(frozen=True, slots=True)
class Numbers:
    """The test numbers in the order of a seed."""

    seed: int
    _factor: int = field(init=False, repr=False)
    _inverse: int = field(init=False, repr=False)
    _shift: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Compute the scrambling of the seed."""
        factor = SPACE // 2 + mix(self.seed, 1) % (SPACE // 4)
        while gcd(factor, SPACE) != 1:
            factor += 1
        object.__setattr__(self, "_factor", factor)
        object.__setattr__(self, "_inverse", pow(factor, -1, SPACE))
        object.__setattr__(self, "_shift", mix(self.seed, 2) % SPACE)

    def digits(self, position: int) -> str:
        """Return the number at a position below ``SPACE``."""
        birth, serial = self._parts(position)
        nine = f"{birth.year % 100:02d}{birth.month + _TEST_MONTH:02d}{birth.day:02d}{serial:03d}"
        return nine + check_digits(nine, born_from_2000=birth.year >= 2000)

    def birth(self, position: int) -> date:
        """Return the birth date that the number at a position is made from."""
        return self._parts(position)[0]

    def position(self, digits: str) -> int | None:
        """Return the position of a number, or ``None`` if it is no test number."""
        if len(digits) != 11 or not (digits.isascii() and digits.isdigit()):
            return None
        nine = digits[:9]
        for from_2000, century in ((False, 1900), (True, 2000)):
            if check_digits(nine, born_from_2000=from_2000) == digits[9:]:
                return self._position(century + int(nine[:2]), int(nine[2:4]), int(nine[4:6]), int(nine[6:9]))
        return None

    def _position(self, year: int, month: int, day: int, serial: int) -> int | None:
        years, months = year - _FIRST_YEAR, month - _TEST_MONTH - 1
        if not (0 <= years < _YEARS and 0 <= months < _MONTHS and 1 <= day <= _DAYS and 1 <= serial <= _SERIALS):
            return None
        code = ((years * _MONTHS + months) * _DAYS + day - 1) * _SERIALS + serial - 1
        return (code - self._shift) * self._inverse % SPACE

    def _parts(self, position: int) -> tuple[date, int]:
        code = (position * self._factor + self._shift) % SPACE
        code, serial = divmod(code, _SERIALS)
        code, day = divmod(code, _DAYS)
        years, month = divmod(code, _MONTHS)
        return date(_FIRST_YEAR + years, month + 1, day + 1), serial + 1
