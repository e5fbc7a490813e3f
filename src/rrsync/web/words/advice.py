"""What each hold means and what the desk does about it: in short, in a sentence, and step by step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rrsync.core.exchange import Reason


@dataclass(frozen=True, slots=True)
class Advice:
    """A hold's reason in few words, what it means, and what to do, in order."""

    short: str
    means: str
    steps: tuple[str, ...]


_NL: Final[dict[Reason, Advice]] = {
    Reason.MISMATCH: Advice(
        "antwoord over iemand anders",
        "Het antwoord van het register ging over een andere persoon. Het is weggegooid; niemand heeft het gezien.",
        ("Verwittig de functionaris voor gegevensbescherming.", "Vraag later opnieuw. Wijs dit daarna af."),
    ),
    Reason.UNREADABLE: Advice(
        "onleesbaar antwoord",
        "Het antwoord was onleesbaar of niet te vertrouwen, en is niet gebruikt.",
        ("Vraag later opnieuw.", "Blijft het zo? Meld het aan wie rrsync beheert."),
    ),
    Reason.REFUSED: Advice(
        "geweigerd door het register",
        "Het register weigert de vraag over deze persoon.",
        ("Meld het aan wie rrsync beheert: die kijkt na of het nummer is ingeschreven bij MAGDA.",),
    ),
    Reason.NEW_NUMBER: Advice(
        "nieuw rijksregisternummer",
        "Deze persoon kreeg een nieuw rijksregisternummer. Het oude geeft geen gegevens meer.",
        ("Neem het over: het nieuwe nummer komt bij dit lid. Het wordt hier niet getoond.",),
    ),
    Reason.CANCELLED: Advice(
        "nummer geannuleerd",
        "Dit rijksregisternummer bestaat niet meer.",
        ("Vraag het lid naar de identiteitskaart.", "Verbeter het nummer in het bibliotheeksysteem. Wijs dit dan af."),
    ),
    Reason.UNKNOWN: Advice(
        "nummer onbekend",
        "Het register kent dit nummer niet. Waarschijnlijk is het verkeerd overgetypt.",
        (
            "Kijk het nummer na op de identiteitskaart.",
            "Verbeter het in het bibliotheeksysteem. Wijs dit dan af.",
        ),
    ),
    Reason.DECEASED: Advice(
        "overleden",
        "Deze persoon is overleden. Het adres is niet gewijzigd.",
        (
            "Stuur geen brieven meer op naam van deze persoon.",
            "Sluit het lidmaatschap af in het bibliotheeksysteem. Wijs dit dan af.",
        ),
    ),
    Reason.PROTECTED: Advice(
        "beschermd adres",
        "Het adres van deze persoon mag niet worden meegedeeld. Wij hebben het dus niet gekregen.",
        ("Spreek met het lid af hoe jullie het bereiken.", "Wijs dit dan af: wat jullie hebben, blijft staan."),
    ),
    Reason.ABROAD: Advice(
        "woont in het buitenland",
        "Deze persoon is naar het buitenland verhuisd. Het register geeft geen adres in België.",
        ("Vraag het lid naar een postadres.", "Zet dat als verbetering bij het lid. Wijs dit dan af."),
    ),
    Reason.STRUCK_OFF: Advice(
        "ambtshalve geschrapt",
        "De gemeente heeft deze persoon geschrapt: ze woont er niet meer, en niemand weet officieel waar wel.",
        ("Het adres dat jullie hebben, klopt waarschijnlijk niet meer.", "Vraag het lid naar het adres."),
    ),
    Reason.ABSENT: Advice(
        "afwezig verklaard",
        "Een rechter heeft deze persoon afwezig verklaard.",
        ("Het adres dat jullie hebben, klopt waarschijnlijk niet meer.", "Stuur geen brieven. Wijs dit dan af."),
    ),
    Reason.UNKNOWN_STATUS: Advice(
        "onbekende toestand",
        "Het register meldt iets over deze persoon dat rrsync nog niet kent. Er is niets gewijzigd.",
        ("Meld dit aan wie rrsync beheert, met het nummer van deze melding.",),
    ),
    Reason.REFERENCE_ADDRESS: Advice(
        "referentieadres",
        "Het register geeft een adres voor brieven. Het lid woont daar niet.",
        ("Is het bruikbaar voor jullie post? Neem het dan over.", "Anders: wijs het af en vraag het lid."),
    ),
    Reason.NO_ADDRESS: Advice(
        "geen volledig adres",
        "Het register geeft geen volledig adres voor deze persoon.",
        ("Vraag het adres aan het lid.", "Zet het als verbetering bij het lid. Wijs dit dan af."),
    ),
    Reason.BIRTH_DATE_DIFFERS: Advice(
        "andere geboortedatum",
        "De geboortedatum in het register is een andere. Het nummer kan van iemand anders zijn.",
        (
            "Kijk de identiteitskaart na.",
            "Is het dezelfde persoon? Neem het over.",
            "Anders: wijs het af en verbeter het nummer in het bibliotheeksysteem.",
        ),
    ),
    Reason.NAME_DIFFERS: Advice(
        "andere naam",
        "Naam en voornaam zijn allebei anders. Het nummer kan van iemand anders zijn.",
        (
            "Kijk de identiteitskaart na.",
            "Is het dezelfde persoon? Neem het over.",
            "Anders: wijs het af en verbeter het nummer in het bibliotheeksysteem.",
        ),
    ),
    Reason.MASS_CHANGE: Advice(
        "veel wijzigingen tegelijk",
        "Er veranderden zoveel adressen tegelijk dat rrsync ze niet zomaar gelooft.",
        ("Kijk na of dit adres klopt, bijvoorbeeld met een recente brief.", "Klopt het? Neem het over."),
    ),
    Reason.RESTRICTED: Advice(
        "verwerking beperkt",
        "Het lid vroeg om de verwerking van zijn gegevens te beperken. Het register zegt iets anders dan jullie.",
        ("Spreek eerst met het lid.", "Gaat het akkoord? Neem het over. Anders: wijs het af."),
    ),
}

_EN: Final[dict[Reason, Advice]] = {
    Reason.MISMATCH: Advice(
        "reply about somebody else",
        "The register's reply was about another person. It was dropped; nobody saw it.",
        ("Tell the data-protection officer.", "Ask again later. Then dismiss this."),
    ),
    Reason.UNREADABLE: Advice(
        "unreadable reply",
        "The reply could not be read or trusted, and was not used.",
        ("Ask again later.", "Does it stay? Report it to whoever runs rrsync."),
    ),
    Reason.REFUSED: Advice(
        "refused by the register",
        "The register refuses the question about this person.",
        ("Report it to whoever runs rrsync: they check that the number is subscribed at MAGDA.",),
    ),
    Reason.NEW_NUMBER: Advice(
        "new national number",
        "This person was given a new national number. The old one gives no data any more.",
        ("Take it over: the new number goes to this member. It is not shown here.",),
    ),
    Reason.CANCELLED: Advice(
        "number cancelled",
        "This national number does not exist any more.",
        ("Ask the member for the identity card.", "Correct the number in the library system. Then dismiss this."),
    ),
    Reason.UNKNOWN: Advice(
        "number unknown",
        "The register does not know this number. It was probably mistyped.",
        ("Check the number against the identity card.", "Correct it in the library system. Then dismiss this."),
    ),
    Reason.DECEASED: Advice(
        "deceased",
        "This person has died. The address was not changed.",
        (
            "Send no more letters in this person's name.",
            "Close the membership in the library system. Then dismiss this.",
        ),
    ),
    Reason.PROTECTED: Advice(
        "protected address",
        "This person's address may not be disclosed, so we were not given it.",
        ("Agree with the member how to reach them.", "Then dismiss this: what you hold stays."),
    ),
    Reason.ABROAD: Advice(
        "lives abroad",
        "This person moved abroad. The register gives no address in Belgium.",
        ("Ask the member for a postal address.", "Put it with the member as a correction. Then dismiss this."),
    ),
    Reason.STRUCK_OFF: Advice(
        "struck off the register",
        "The municipality struck this person off: they live there no more, and nobody officially knows where they do.",
        ("The address you hold is probably no longer right.", "Ask the member for the address."),
    ),
    Reason.ABSENT: Advice(
        "declared absent",
        "A judge declared this person absent.",
        ("The address you hold is probably no longer right.", "Send no letters. Then dismiss this."),
    ),
    Reason.UNKNOWN_STATUS: Advice(
        "unknown status",
        "The register says something about this person that rrsync does not know yet. Nothing was changed.",
        ("Report it to whoever runs rrsync, with the number of this hold.",),
    ),
    Reason.REFERENCE_ADDRESS: Advice(
        "reference address",
        "The register gives an address for letters. The member does not live there.",
        ("Is it fit for your mail? Then take it over.", "Else: dismiss it and ask the member."),
    ),
    Reason.NO_ADDRESS: Advice(
        "no whole address",
        "The register gives no whole address for this person.",
        ("Ask the member for the address.", "Put it with the member as a correction. Then dismiss this."),
    ),
    Reason.BIRTH_DATE_DIFFERS: Advice(
        "another birth date",
        "The birth date in the register is another. The number may be somebody else's.",
        (
            "Check the identity card.",
            "Is it the same person? Take it over.",
            "Else: dismiss it and correct the number in the library system.",
        ),
    ),
    Reason.NAME_DIFFERS: Advice(
        "another name",
        "Last name and first name are both others. The number may be somebody else's.",
        (
            "Check the identity card.",
            "Is it the same person? Take it over.",
            "Else: dismiss it and correct the number in the library system.",
        ),
    ),
    Reason.MASS_CHANGE: Advice(
        "many changes at once",
        "So many addresses changed at once that rrsync does not simply believe them.",
        ("Check that this address is right, with a recent letter for instance.", "Is it right? Take it over."),
    ),
    Reason.RESTRICTED: Advice(
        "processing restricted",
        "The member asked for the processing of their data to be restricted. The register says otherwise than you.",
        ("Speak to the member first.", "Do they agree? Take it over. Else: dismiss it."),
    ),
}

ADVICE: Final[dict[str, dict[Reason, Advice]]] = {"nl": _NL, "en": _EN}
