"""What each hold means and what to do about it: for pages, commands and letters alike.

>>> advice("deceased", "nl").short, advice("eclipse", "nl").short
('overleden', 'eclipse')
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rrsync.core.exchange import Reason
from rrsync.text.catalogue import N_, translations


@dataclass(frozen=True, slots=True)
class Advice:
    """A hold: in a few words, what it means, and what to do, in order."""

    short: str
    means: str
    steps: tuple[str, ...]


_CHECK_CARD: Final = N_("Check the identity card.")
_IS_SAME_PERSON: Final = N_("Is it the same person? Accept it.")
_ELSE_CORRECT_NUMBER: Final = N_("If not: dismiss it and correct the number in the library system.")
_ADDRESS_IS_OLD: Final = N_("The address you have is probably no longer right.")
_RECORD_ADDRESS: Final = N_("Enter it as a correction for the member. Then dismiss this.")

#: Reason of a hold -> its texts.
HOLDS: Final[dict[str, Advice]] = {
    Reason.MISMATCH: Advice(
        N_("reply about somebody else"),
        N_("The register's reply was about another person. It was discarded; nobody has seen it."),
        (N_("Notify the data-protection officer."), N_("Ask again later. Then dismiss this.")),
    ),
    Reason.UNREADABLE: Advice(
        N_("unreadable reply"),
        N_("The reply was unreadable or could not be trusted, and was not used."),
        (N_("Ask again later."), N_("If it persists, report it to whoever runs rrsync.")),
    ),
    Reason.REFUSED: Advice(
        N_("refused by the register"),
        N_("The register refuses the question about this person."),
        (N_("Report it to whoever runs rrsync: they check that the number is subscribed at MAGDA."),),
    ),
    Reason.NEW_NUMBER: Advice(
        N_("new national number"),
        N_("This person has a new national number. The old one gives no data any more."),
        (N_("Accept it: the member gets the new number. It is not shown here."),),
    ),
    Reason.CANCELLED: Advice(
        N_("number cancelled"),
        N_("This national number no longer exists."),
        (
            N_("Ask the member for the identity card."),
            N_("Correct the number in the library system. Then dismiss this."),
        ),
    ),
    Reason.UNKNOWN: Advice(
        N_("number unknown"),
        N_("The register does not know this number. It was probably mistyped."),
        (
            N_("Check the number on the identity card."),
            N_("Correct it in the library system. Then dismiss this."),
        ),
    ),
    Reason.DECEASED: Advice(
        N_("deceased"),
        N_("This person has died. The address was not changed."),
        (
            N_("Send no more letters in this person's name."),
            N_("Close the membership in the library system. Then dismiss this."),
        ),
    ),
    Reason.PROTECTED: Advice(
        N_("protected address"),
        N_("This person's address may not be disclosed, so we did not receive it."),
        (N_("Agree with the member how to reach them."), N_("Then dismiss this: the address you have stays.")),
    ),
    Reason.ABROAD: Advice(
        N_("lives abroad"),
        N_("This person moved abroad. The register gives no address in Belgium."),
        (N_("Ask the member for a postal address."), _RECORD_ADDRESS),
    ),
    Reason.STRUCK_OFF: Advice(
        N_("struck off the register"),
        N_("The municipality struck this person off: they no longer live there, and their address is unknown."),
        (_ADDRESS_IS_OLD, N_("Ask the member for their address.")),
    ),
    Reason.ABSENT: Advice(
        N_("declared absent"),
        N_("A judge declared this person absent."),
        (_ADDRESS_IS_OLD, N_("Send no letters. Then dismiss this.")),
    ),
    Reason.UNKNOWN_STATUS: Advice(
        N_("unknown status"),
        N_("The register reports something about this person that rrsync does not know. Nothing was changed."),
        (N_("Report this to whoever runs rrsync, with the number of this hold."),),
    ),
    Reason.REFERENCE_ADDRESS: Advice(
        N_("reference address"),
        N_("The register gives an address for letters. The member does not live there."),
        (N_("Can you use it for your mail? Then accept it."), N_("If not: dismiss it and ask the member.")),
    ),
    Reason.NO_ADDRESS: Advice(
        N_("no complete address"),
        N_("The register gives no complete address for this person."),
        (N_("Ask the member for the address."), _RECORD_ADDRESS),
    ),
    Reason.BIRTH_DATE_DIFFERS: Advice(
        N_("different birth date"),
        N_("The birth date in the register differs. The number may be somebody else's."),
        (_CHECK_CARD, _IS_SAME_PERSON, _ELSE_CORRECT_NUMBER),
    ),
    Reason.NAME_DIFFERS: Advice(
        N_("different name"),
        N_("Last name and first name both differ. The number may be somebody else's."),
        (_CHECK_CARD, _IS_SAME_PERSON, _ELSE_CORRECT_NUMBER),
    ),
    Reason.MASS_CHANGE: Advice(
        N_("many changes at once"),
        N_("So many addresses changed at once that rrsync does not trust them."),
        (N_("Check that this address is right, for instance with a recent letter."), N_("Is it right? Accept it.")),
    ),
    Reason.RESTRICTED: Advice(
        N_("processing restricted"),
        N_("The member asked to restrict the processing of their data. The register differs from what you have."),
        (N_("Speak to the member first."), N_("Do they agree? Accept it. If not: dismiss it.")),
    ),
}

#: A new number that another member already has.
_TWIN: Final = Advice(
    N_("new national number"),
    N_("The new number already belongs to member %(number)s: the two are one person."),
    (N_("Merge the two in the library system. Then dismiss this."),),
)
#: A new number that cannot be accepted.
_NUMBERLESS: Final = Advice(
    N_("new national number"),
    N_("The register reports a new number, but gives none, or one that this member has or had."),
    (N_("Check the number on the identity card and correct it in the library system. Then dismiss this."),),
)


def advice(reason: str, language: str) -> Advice:
    """Return the texts of a hold; a reason that has none stands as it is."""
    return _translated(HOLDS[reason], language) if reason in HOLDS else Advice(reason, reason, ())


def number_advice(twin: str | None, language: str) -> Advice:
    """Return the texts of a new number that cannot be accepted; ``twin`` is the member that already has it."""
    if twin is None:
        return _translated(_NUMBERLESS, language)
    told = _translated(_TWIN, language)
    return Advice(told.short, told.means % {"number": twin}, told.steps)


def _translated(told: Advice, language: str) -> Advice:
    say = translations(language).gettext
    return Advice(say(told.short), say(told.means), tuple(map(say, told.steps)))
