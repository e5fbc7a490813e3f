"""The words for desk staff, in Dutch by default and in English."""

from __future__ import annotations

from typing import Final

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
