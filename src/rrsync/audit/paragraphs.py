"""The paragraphs and labels of the letter to who asks who looked them up, in Dutch and in English."""

from __future__ import annotations

from typing import Final

#: What stands once in the letter.
TEXT: Final[dict[str, dict[str, str]]] = {
    "nl": {
        "title": "Wie heeft uw gegevens opgevraagd?",
        "opening": "U vroeg wie uw gegevens heeft opgevraagd in het Rijksregister of in de registers van de "
        "Kruispuntbank (Algemene Verordening Gegevensbescherming, artikel 15). Elke vraag over iemand komt in een "
        "logboek voor ze wordt gesteld, en wie daar later iets aan verandert, valt op. Hieronder staat alles wat de "
        "logboeken van de genoemde bibliotheken over u zeggen, ook wat mislukte of geweigerd werd. Alle tijden zijn "
        "Belgische tijd.",
        "counts": "Raadplegingen: {answered}. Pogingen die mislukten of geweigerd werden: {failed}. Andere regels "
        "over u: {others}.",
        "nobody": "In deze logboeken staat niets over u: niemand heeft uw gegevens opgevraagd, en niemand heeft dat "
        "geprobeerd.",
        "since": "Sindsdien staat in deze logboeken niets over u: niemand heeft uw gegevens opgevraagd, en niemand "
        "heeft dat geprobeerd.",
        "forgotten": "Over {years} kan het logboek van {library} niets meer zeggen: de sleutel waaronder mensen erin "
        "stonden, is na de bewaartermijn vernietigd. Dit antwoord is volledig vanaf 1 januari {complete}.",
        "page": "Bladzijde {number} van {pages}",
        "answered": "Raadplegingen",
        "failed": "Pogingen die mislukten of geweigerd werden",
        "others": "Andere regels over u",
        "proof": "Van elke regel van het logboek die hierboven staat, kunt u een bewijs vragen, dat u zelf kunt laten "
        "nakijken, ook als u de bibliotheek niet vertrouwt. Geef de bibliotheek het nummer van de regel; zij maakt "
        "het bewijs met `rrsync log prove NUMMER --library BIBLIOTHEEK`.",
        "itself": "Dat u dit vroeg en antwoord kreeg, staat zelf ook in het logboek: {places}.",
        "number": "Dit antwoord gaat over het nummer dat u opgaf. Had u vroeger een ander nummer, vraag het dan ook "
        "daarvoor.",
        "rights": "De regels van een jaar blijven tot tien jaar na de laatste ervan op uw nummer terug te vinden; "
        "daarna wordt de sleutel vernietigd en weet niemand nog over wie ze gingen. De gegevens komen uit de "
        "registers zelf en gaan naar niemand anders dan de bibliotheek. U kunt haar vragen wat zij van u bijhoudt "
        "te tonen, te verbeteren of niet meer te gebruiken, en u kunt bezwaar maken (artikelen 15 tot 21 van "
        "dezelfde verordening).",
        "turn": "Hebt u vragen, of bent u niet akkoord? Richt u tot de functionaris voor gegevensbescherming van de "
        "bibliotheek. U kunt ook een klacht indienen bij de toezichthouder: over een bibliotheek van een gemeente of "
        "van een andere Vlaamse overheid bij de Vlaamse Toezichtcommissie, "
        "www.vlaanderen.be/vlaamse-toezichtcommissie; over een andere bij de Gegevensbeschermingsautoriteit, "
        "Drukpersstraat 35, 1000 Brussel, www.gegevensbeschermingsautoriteit.be.",
    },
    "en": {
        "title": "Who looked your data up?",
        "opening": "You asked who looked your data up in the National Register or in the registers of the Crossroads "
        "Bank (General Data Protection Regulation, article 15). Every question about somebody is written in a log "
        "before it is asked, and whoever changes anything there later is found out. Below stands all that the logs of "
        "the libraries named say about you, also what failed or was refused. All times are Belgian time.",
        "counts": "Looks: {answered}. Attempts that failed or were refused: {failed}. Other lines about you: {others}.",
        "nobody": "Nothing about you stands in these logs: nobody looked your data up, and nobody tried to.",
        "since": "Since then nothing about you stands in these logs: nobody looked your data up, and nobody tried to.",
        "forgotten": "Of {years} the log of {library} can say nothing any more: the key under which people stood in "
        "it was destroyed at the end of its term. This answer is complete from 1 January {complete} on.",
        "page": "Page {number} of {pages}",
        "answered": "Looks",
        "failed": "Attempts that failed or were refused",
        "others": "Other lines about you",
        "proof": "Of every line of the log that stands above you can ask for a proof, which you can have checked "
        "yourself, also if you do not trust the library. Give the library the number of the line; it makes the proof "
        "with `rrsync log prove NUMBER --library LIBRARY`.",
        "itself": "That you asked this and were answered stands in the log too: {places}.",
        "number": "This answer is about the number you gave. If you had another number before, ask for that one too.",
        "rights": "The lines of a year can be found by your number until ten years after the last of them; then "
        "the key is destroyed, and nobody knows any more whom they were about. The data come from the registers "
        "themselves and go to nobody but the library. You can ask it to show what it holds of you, to correct it "
        "or to stop using it, and you can object (articles 15 to 21 of the same regulation).",
        "turn": "Have you questions, or do you disagree? Turn to the library's data-protection officer. You can also "
        "lodge a complaint with the supervisory authority: about a library of a municipality or of another Flemish "
        "public body with the Flemish Supervisory Commission (Vlaamse Toezichtcommissie), "
        "www.vlaanderen.be/vlaamse-toezichtcommissie; about another with the Data Protection Authority "
        "(Gegevensbeschermingsautoriteit), Drukpersstraat 35, 1000 Brussels, www.dataprotectionauthority.be.",
    },
}

#: What stands before the lines of an item.
LABELS: Final[dict[str, dict[str, str]]] = {
    "nl": {
        "date": "Datum",
        "libraries": "Bibliotheken",
        "when": "Wanneer",
        "library": "Bibliotheek",
        "who": "Wie",
        "why": "Waarom",
        "ground": "Grond",
        "data": "Gegevens",
        "result": "Gevolg",
        "what": "Wat",
        "log": "Logboek",
    },
    "en": {
        "date": "Date",
        "libraries": "Libraries",
        "when": "When",
        "library": "Library",
        "who": "Who",
        "why": "Why",
        "ground": "Ground",
        "data": "Data",
        "result": "Result",
        "what": "What",
        "log": "Log",
    },
}

#: What stands in the lines of an item.
PART: Final[dict[str, dict[str, str]]] = {
    "nl": {
        "person": "een personeelslid, onder de naam {name}",
        "process": "het automatische programma {name}, zonder tussenkomst van een personeelslid",
        "night": "het nachtelijke programma ({name}), zonder tussenkomst van een personeelslid",
        "capacity": "{who}, in de hoedanigheid van bibliotheek ({capacity})",
        "case": "{why}, dossier {case}",
        "basis": "machtiging {basis}",
        "ungrounded": "geen: machtiging {basis} laat dit niet toe",
        "none": "geen",
        "withheld": "{data}; {count} andere onderdelen van het antwoord kwamen ongevraagd: geteld, niet overgenomen",
        "one": "regel {first} van {library}",
        "two": "regels {first} en {second} van {library}",
        "show": "bekeek in het logboek wie uw gegevens had opgevraagd",
        "answer": "zocht op wat het logboek over u zegt, om u te antwoorden",
        "evidence": "vroeg de volledige berichten van regel {of}, met als reden: {note}",
        "view": "bekeek het logboek ({what})",
        "accepted": "nam over wat het register had gemeld ({hold}): {changed}",
        "dismissed": "wees af wat het register had gemeld ({hold})",
        "taken": "nam over wat het register zei: {changed}",
        "declined": "liet staan wat de bibliotheek had",
        "correct": "verbeterde uw adres bij de bibliotheek, tot en met {until}",
        "uncorrect": "een verbetering van uw adres bij de bibliotheek eindigde: {ended}",
        "wanted": "wilde het register naar u vragen hoewel u geen lid bent, dossier {case}",
        "approved": "keurde goed dat een collega het register naar u vraagt hoewel u geen lid bent, dossier {case}",
        "refused": "keurde niet goed dat een collega het register naar u vraagt, dossier {case}",
        "add": "zette u op de lijst van personeelsleden, onder de naam {name}",
        "remove": "haalde u van de lijst van personeelsleden, onder de naam {name}",
        "other": "een andere regel ({kind})",
    },
    "en": {
        "person": "a member of staff, under the name {name}",
        "process": "the automatic program {name}, without a member of staff",
        "night": "the nightly program ({name}), without a member of staff",
        "capacity": "{who}, in the capacity of a library ({capacity})",
        "case": "{why}, case {case}",
        "basis": "authorisation {basis}",
        "ungrounded": "none: authorisation {basis} does not allow it",
        "none": "none",
        "withheld": "{data}; {count} other parts of the reply came unasked: counted, not taken over",
        "one": "line {first} of {library}",
        "two": "lines {first} and {second} of {library}",
        "show": "looked in the log who had looked your data up",
        "answer": "looked up what the log says about you, to answer you",
        "evidence": "asked for the whole messages of line {of}, for this reason: {note}",
        "view": "looked at the log ({what})",
        "accepted": "took over what the register had told ({hold}): {changed}",
        "dismissed": "dismissed what the register had told ({hold})",
        "taken": "took over what the register said: {changed}",
        "declined": "left what the library held",
        "correct": "corrected your address with the library, until {until}",
        "uncorrect": "a correction of your address with the library ended: {ended}",
        "wanted": "wanted to ask the register about you though you are no member, case {case}",
        "approved": "approved that a colleague asks the register about you though you are no member, case {case}",
        "refused": "did not approve that a colleague asks the register about you, case {case}",
        "add": "put you on the list of staff, under the name {name}",
        "remove": "took you off the list of staff, under the name {name}",
        "other": "another line ({kind})",
    },
}
