"""The words for desk staff, in Dutch by default and in English: what a hold means and what to do about it."""

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

#: A new number that cannot be taken over -> language -> (what it means, what to do). The first names the other member.
MERGE: Final[dict[str, tuple[str, str]]] = {
    "nl": (
        "dit lid en lid {twin} zijn één persoon: het nieuwe rijksregisternummer is al dat van {twin}",
        "voeg de twee samen in het bibliotheeksysteem; wijs dit daarna af",
    ),
    "en": (
        "this member and member {twin} are one person: the new national number is that of {twin} already",
        "join the two in the library system; then dismiss this",
    ),
}
NO_NUMBER: Final[dict[str, tuple[str, str]]] = {
    "nl": (
        "het register spreekt van een nieuw nummer, maar geeft er geen, of een dat dit lid al heeft of had",
        "kijk het nummer na op de identiteitskaart en verbeter het in het bibliotheeksysteem",
    ),
    "en": (
        "the register speaks of a new number, but gives none, or one that this member has or had",
        "check the number against the identity card and correct it in the library system",
    ),
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

#: The heads of the list of holds.
HOLD_HEADS: Final[dict[str, tuple[str, ...]]] = {
    "nl": ("nr.", "bibliotheek", "lid", "sinds", "reden", "wat het betekent"),
    "en": ("hold", "library", "member", "since", "reason", "what it means"),
}

#: Short sentences of the desk.
SAY: Final[dict[str, dict[str, str]]] = {
    "nl": {
        "same": "Het register bevestigt wat we hebben.",
        "change": "Het register zegt iets anders; het is overgenomen.",
        "preview": "Voorbeeld: er is niets overgenomen. De raadpleging staat wel in het logboek.",
        "hold": "Dit moet iemand bekijken",
        "see": "Het staat in de lijst: zie `rrsync holds list`.",
        "none": "Er is niets te bekijken.",
        "before": "wij hebben",
        "after": "het register zegt",
        "todo": "wat te doen",
        "accepted": "Overgenomen.",
        "dismissed": "Afgewezen: wat we hebben blijft staan.",
        "new_insz": "Er is een nieuw rijksregisternummer; het wordt hier niet getoond.",
        "asked": "Het register is gevraagd naar het nieuwe nummer van",
        "put_off": "Het nieuwe nummer is overgenomen; wat het register daarvoor nog moet doen is uitgesteld, voor",
    },
    "en": {
        "same": "The register confirms what we hold.",
        "change": "The register says otherwise; it was taken over.",
        "preview": "Preview: nothing was taken over. The access is in the log.",
        "hold": "A person must look at this",
        "see": "It is in the list: see `rrsync holds list`.",
        "none": "There is nothing to look at.",
        "before": "we hold",
        "after": "the register says",
        "todo": "what to do",
        "accepted": "Taken over.",
        "dismissed": "Dismissed: what we hold stays.",
        "new_insz": "There is a new national number; it is not shown here.",
        "asked": "The register was asked about the new number of",
        "put_off": "The new number was taken over; what the register still has to do for it is put off, for",
    },
}
