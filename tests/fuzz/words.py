"""Names, codes and texts that are put where others stood."""

from __future__ import annotations

from typing import Final

from tests.fuzz.corpus import REFERENCE

NAMES: Final = (
    *("Persoon", "INSZ", "Naam", "Adressen", "Hoofdverblijfplaats", "Straatnaam", "String", "Huisnummer", "Busnummer"),
    *("Postcode", "Gemeentenaam", "NISCodeGemeente", "ISOCodeLand", "ReferentieAdres", "NietMededeelbaarAdres"),
    *("Antwoord", "Antwoorden", "Referte", "Inhoud", "Repliek", "Ontvanger", "Uitzonderingen", "Type", "Overlijden"),
    *("Status", "Statussen", "Code", "Vreemd", "Achternaam", "Voornaam", "Geboorte", "Datum", "Afzender", "Context"),
)
SPACES: Final = (
    "urn:evil",
    "http://magda.vlaanderen.be/persoon/soap/geefpersoon/v02_02",
    "http://magda.vlaanderen.be/persoon/soap/geefpersoon/v02_00",
    "http://schemas.xmlsoap.org/soap/envelope/",
    "http://www.w3.org/2003/05/soap-envelope",
    "",
)
CODES: Final = (
    *("30001", "30002", "30003", "30004", "30042", "40003", "13001", "20005", "40006", "99995", "99996", "99994"),
    *("99983", "99984", "77777", "15021", "13202", "60007", "", "٣٠٠٤٢", "030042", "30042 30001"),
)
TYPES: Final = ("FOUT", "WAARSCHUWING", "INFORMATIE", "", "fout", "Ramp", " FOUT ")
TEXTS: Final = (
    *("", " ", "0", "x" * 301, "x" * 300, "9" * 40, "1998-00-00", "2099-01-01", "1999-12-31", "0000-00-00", "29-02"),
    *("992", "00992", "99990", "99991", "٩٩٩٩٠", "21099", "FOUT", "é" * 150, "é", "\u202eevil\u202c", "🏠" * 30),
    *("=cmd|' /C calc'!A0", "'\";<&>", "\t1\n2\r", "\u00a03\u2003", "\ufeff7", "a\u200bb", REFERENCE, "-1", "1/2"),
)
