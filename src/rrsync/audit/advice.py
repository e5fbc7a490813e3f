"""What a hold means and what to do about it, and what fields are called: in Dutch by default and in English."""

from __future__ import annotations

from typing import Final

from rrsync.core.exchange import Reason

#: Reason of a hold -> language -> (what it means, what to do).
ADVICE: Final[dict[Reason, dict[str, tuple[str, str]]]] = {
    Reason.MISMATCH: {
        "nl": (
            "het antwoord ging over iemand anders; het is weggegooid",
            "verwittig de DPO en MAGDA; vraag later opnieuw",
        ),
        "en": ("the answer was about somebody else; it was dropped", "tell the DPO and MAGDA; ask again later"),
    },
    Reason.UNREADABLE: {
        "nl": (
            "het antwoord was onleesbaar of niet te vertrouwen",
            "vraag later opnieuw; blijft het zo, meld het aan MAGDA",
        ),
        "en": ("the answer could not be read or trusted", "ask again later; if it stays, report it to MAGDA"),
    },
    Reason.REFUSED: {
        "nl": ("het register weigert de vraag over deze persoon", "kijk na of het nummer is ingeschreven bij MAGDA"),
        "en": ("the register refuses the question about this person", "check that the number is subscribed at MAGDA"),
    },
    Reason.NEW_NUMBER: {
        "nl": ("deze persoon kreeg een nieuw rijksregisternummer", "aanvaard om het nieuwe nummer over te nemen"),
        "en": ("this person was given a new national number", "accept to take the new number over"),
    },
    Reason.CANCELLED: {
        "nl": ("dit rijksregisternummer is geannuleerd", "vraag het lid naar de identiteitskaart"),
        "en": ("this national number was cancelled", "ask the member for the identity card"),
    },
    Reason.UNKNOWN: {
        "nl": ("het register kent dit nummer niet", "kijk het nummer na op de identiteitskaart"),
        "en": ("the register does not know this number", "check the number against the identity card"),
    },
    Reason.DECEASED: {
        "nl": ("deze persoon is overleden", "sluit het lidmaatschap af; stuur geen brieven meer"),
        "en": ("this person has died", "close the membership; send no more letters"),
    },
    Reason.PROTECTED: {
        "nl": ("het adres mag niet worden meegedeeld", "spreek met het lid af hoe jullie het bereiken"),
        "en": ("the address may not be disclosed", "agree with the member how to reach them"),
    },
    Reason.ABROAD: {
        "nl": ("deze persoon woont in het buitenland", "vraag het lid naar een postadres"),
        "en": ("this person lives abroad", "ask the member for a postal address"),
    },
    Reason.STRUCK_OFF: {
        "nl": ("deze persoon is ambtshalve geschrapt", "het adres klopt niet meer; vraag het aan het lid"),
        "en": ("this person was struck off the register", "the address is no longer right; ask the member"),
    },
    Reason.ABSENT: {
        "nl": ("deze persoon is afwezig verklaard", "het adres klopt niet meer; vraag het aan het lid"),
        "en": ("this person was declared absent", "the address is no longer right; ask the member"),
    },
    Reason.UNKNOWN_STATUS: {
        "nl": ("het register geeft een toestand die rrsync niet kent", "meld dit aan wie rrsync beheert"),
        "en": ("the register gives a status that rrsync does not know", "report it to who runs rrsync"),
    },
    Reason.REFERENCE_ADDRESS: {
        "nl": ("dit is een referentieadres: het lid woont er niet", "bruikbaar voor post? aanvaard; anders wijs af"),
        "en": ("this is a reference address: the member does not live there", "fit for mail? accept; else dismiss"),
    },
    Reason.NO_ADDRESS: {
        "nl": ("het register geeft geen volledig adres", "vraag het adres aan het lid"),
        "en": ("the register gives no whole address", "ask the member for the address"),
    },
    Reason.BIRTH_DATE_DIFFERS: {
        "nl": ("de geboortedatum is een andere", "is het dezelfde persoon? aanvaard; anders verbeter het nummer"),
        "en": ("the birth date is another", "the same person? accept; else correct the number"),
    },
    Reason.NAME_DIFFERS: {
        "nl": ("naam en voornaam zijn allebei anders", "is het dezelfde persoon? aanvaard; anders verbeter het nummer"),
        "en": ("last name and first name are both others", "the same person? accept; else correct the number"),
    },
    Reason.MASS_CHANGE: {
        "nl": ("er veranderden te veel adressen tegelijk", "kijk er enkele na; kloppen ze, aanvaard"),
        "en": ("too many addresses changed at once", "check a few; if they are right, accept"),
    },
    Reason.RESTRICTED: {
        "nl": ("het lid vroeg om beperking van de verwerking", "neem niets over zonder het lid te spreken"),
        "en": ("the member asked for restriction of processing", "take nothing over without the member's word"),
    },
}

#: The names of fields, as desk staff read them.
FIELDS: Final[dict[str, dict[str, str]]] = {
    "nl": {
        "last": "naam",
        "first": "voornamen",
        "birth_date": "geboortedatum",
        "street": "straat",
        "house_number": "huisnummer",
        "box": "bus",
        "postal_code": "postcode",
        "municipality": "gemeente",
        "nis_code": "NIS-code",
        "country": "land",
        "address_since": "adres sinds",
    },
    "en": {
        "last": "last name",
        "first": "first names",
        "birth_date": "birth date",
        "street": "street",
        "house_number": "house number",
        "box": "box",
        "postal_code": "postal code",
        "municipality": "municipality",
        "nis_code": "NIS code",
        "country": "country",
        "address_since": "address since",
    },
}
