"""The words of the correction of an address by staff."""

from __future__ import annotations

from typing import Final

from rrsync.web.words.frame import Texts

CORRECT: Final[Texts] = {
    "nl": {
        "title": "Adres zelf verbeteren",
        "lead": "Voor als het lid het beter weet dan het register, bijvoorbeeld net na een verhuizing. Je verbetering "
        "blijft staan tot de dag die je kiest, of tot het register hetzelfde zegt. Klopt het adres dat er staat? Laat "
        "het dan zo: het blijft dan staan, wat het register ook zegt.",
        "legend": "Het adres",
        "why_legend": "Waarom en hoelang",
        "street": "Straat",
        "house_number": "Huisnummer",
        "bus": "Bus",
        "postal_code": "Postcode",
        "municipality": "Gemeente",
        "country": "Land",
        "country_hint": "Code van drie letters, zoals BEL, NLD of FRA",
        "reason": "Reden",
        "reason_hint": "In enkele woorden, voor wie dit later leest. Bijvoorbeeld: verhuisd, toonde huurcontract.",
        "until": "Geldt tot en met",
        "until_hint": "Ten laatste {}",
        "submit": "Verbetering bewaren",
        "street_missing": "Vul de straat in.",
        "postal_missing": "Vul de postcode in.",
        "postal_form": "Een Belgische postcode heeft vier cijfers.",
        "municipality_missing": "Vul de gemeente in.",
        "country_form": "Gebruik een code van drie letters, zoals BEL.",
        "reason_missing": "Vul een reden in.",
        "until_missing": "Kies tot wanneer de verbetering geldt.",
        "until_form": "Kies een dag na vandaag en ten laatste de dag die erbij staat.",
        "length_form": "Dit is te lang voor dit veld.",
        "number_insz": "Hier staat een rijksregisternummer in. Dat hoort hier niet.",
    },
    "en": {
        "title": "Correct the address yourself",
        "lead": "For when the member knows better than the register, just after moving for instance. Your correction "
        "stays until the day you choose, or until the register says the same. Is the address that stands here right? "
        "Then leave it: it stays, whatever the register says.",
        "legend": "The address",
        "why_legend": "Why and for how long",
        "street": "Street",
        "house_number": "House number",
        "bus": "Box",
        "postal_code": "Postal code",
        "municipality": "Municipality",
        "country": "Country",
        "country_hint": "Code of three letters, such as BEL, NLD or FRA",
        "reason": "Reason",
        "reason_hint": "In a few words, for who reads this later. For example: moved, showed the lease.",
        "until": "Stands until",
        "until_hint": "At the latest {}",
        "submit": "Keep the correction",
        "street_missing": "Fill in the street.",
        "postal_missing": "Fill in the postal code.",
        "postal_form": "A Belgian postal code has four digits.",
        "municipality_missing": "Fill in the municipality.",
        "country_form": "Use a code of three letters, such as BEL.",
        "reason_missing": "Fill in a reason.",
        "until_missing": "Choose until when the correction stands.",
        "until_form": "Choose a day after today and no later than the day beside it.",
        "length_form": "This is too long for this field.",
        "number_insz": "A national number stands in this. It does not belong here.",
    },
}
