"""The words for what was done about a person that is no look: a key of ``audit.deeds``, and what fills its places."""

from __future__ import annotations

from typing import Final

DEEDS: Final[dict[str, dict[str, str]]] = {
    "nl": {
        "show": "bekeek in het logboek wie gegevens van deze persoon had opgevraagd",
        "answer": "zocht op wat het logboek over deze persoon zegt",
        "evidence": "vroeg de volledige berichten van regel {of}, met als reden: {note}",
        "view": "bekeek het logboek ({what})",
        "accepted": "nam over wat het register had gemeld ({hold}): {changed}",
        "dismissed": "wees af wat het register had gemeld ({hold})",
        "taken": "nam over wat het register zei: {changed}",
        "declined": "liet staan wat de bibliotheek had",
        "correct": "verbeterde het adres, tot en met {until}",
        "uncorrect": "een verbetering van het adres eindigde: {ended}",
        "wanted": "wilde naar deze persoon vragen, die geen lid was, dossier {case}",
        "approved": "keurde goed dat een collega naar deze persoon vraagt, die geen lid was, dossier {case}",
        "refused": "keurde niet goed dat een collega naar deze persoon vraagt, dossier {case}",
        "add": "zette deze persoon op de lijst van personeelsleden, onder de naam {name}",
        "remove": "haalde deze persoon van de lijst van personeelsleden, onder de naam {name}",
        "other": "een andere regel ({kind})",
    },
    "en": {
        "show": "looked in the log who had looked this person's data up",
        "answer": "looked up what the log says about this person",
        "evidence": "asked for the whole messages of entry {of}, for this reason: {note}",
        "view": "looked at the log ({what})",
        "accepted": "took over what the register had told ({hold}): {changed}",
        "dismissed": "dismissed what the register had told ({hold})",
        "taken": "took over what the register said: {changed}",
        "declined": "left what the library held",
        "correct": "corrected the address, until {until}",
        "uncorrect": "a correction of the address ended: {ended}",
        "wanted": "wanted to ask about this person, who was no member, case {case}",
        "approved": "approved that a colleague asks about this person, who was no member, case {case}",
        "refused": "did not approve that a colleague asks about this person, case {case}",
        "add": "put this person on the list of staff, under the name {name}",
        "remove": "took this person off the list of staff, under the name {name}",
        "other": "another entry ({kind})",
    },
}
