"""The words of the pages between the login and the work."""

from __future__ import annotations

from typing import Final

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

SESSIONS: Final[Texts] = {
    "nl": {
        "title": "Waar je aangemeld bent",
        "lead": "Elke browser waarin je aangemeld bent, is een sessie. Herken je er een niet? Beëindig ze, en zeg het "
        "aan wie in je organisatie de beveiliging bewaakt. Vanzelf eindigt een sessie een kwartier na het laatste "
        "gebruik, en acht uur na het aanmelden.",
        "caption": "Je sessies",
        "col_since": "Aangemeld",
        "col_seen": "Laatst gebruikt",
        "col_deed": "Beëindigen",
        "this": "deze sessie",
        "this_deed": "Hier ben je nu. Ze eindigt met Afmelden, bovenaan.",
        "end": "Beëindigen",
        "end_of": "aangemeld",
        "all": "Alle andere beëindigen",
        "alone": "Je bent nergens anders aangemeld",
        "alone_what": "Dit is je enige sessie. Er is niets te doen.",
    },
    "en": {
        "title": "Where you are logged in",
        "lead": "Each browser in which you are logged in is a session. Is there one that you do not know? End it, and "
        "tell whoever watches over security in your organisation. By itself a session ends a quarter of an hour after "
        "its last use, and eight hours after the login.",
        "caption": "Your sessions",
        "col_since": "Logged in",
        "col_seen": "Last used",
        "col_deed": "End",
        "this": "this session",
        "this_deed": "You are here now. It ends with Log out, at the top.",
        "end": "End",
        "end_of": "logged in",
        "all": "End all others",
        "alone": "You are logged in nowhere else",
        "alone_what": "This is your only session. There is nothing to do.",
    },
}
