"""What the invented population is made of: real municipalities with their codes, invented streets, common names.

NIS codes are those in force since 1 January 2025. No street list or register was used: a street that exists is chance.
"""

from __future__ import annotations

from typing import Final, NamedTuple


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
