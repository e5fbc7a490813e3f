"""The words of the pages between the login and the work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rrsync.web.words.frame import Texts

WELCOME: Final[Texts] = {
    "nl": {"title": "Aangemeld", "lead": "Je bent aangemeld. Je gaat nu vanzelf verder.", "go": "Ga verder"},
    "en": {"title": "Logged in", "lead": "You are logged in. You go on by yourself now.", "go": "Go on"},
}

HOME: Final[Texts] = {
    "nl": {
        "title": "Welkom",
        "lead": "Hier kun je naartoe:",
        "empty": "Er is nog niets voor je rol",
        "empty_todo": "Vraag wie in je organisatie de rechten geeft om je rol na te kijken.",
    },
    "en": {
        "title": "Welcome",
        "lead": "You can go here:",
        "empty": "There is nothing for your role yet",
        "empty_todo": "Ask whoever grants rights in your organisation to check your role.",
    },
}
