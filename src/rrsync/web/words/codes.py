"""The words for codes: how an access ended, what stands out, what was decided, fields, purposes."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from rrsync.audit import advice

Tone: TypeAlias = Literal["info", "good", "warn", "bad"]

#: How an access ended: a status or ``denied``, ``open``, ``reused`` of ``core.access``, or what was made of an answer.
OUTCOMES: Final[dict[str, dict[str, str]]] = {
    "nl": {
        "same": "bevestigd",
        "filled": "bevestigd en aangevuld",
        "change": "gewijzigd",
        "hold": "te bekijken",
        "void": "niet gebruikt",
        "preview": "alleen getoond",
        "offered": "nog niet beslist",
        "differed": "verschil voorgelegd",
        "declined": "niet overgenomen",
        "reused": "opnieuw getoond",
        "ok": "gegevens ontvangen",
        "not_found": "nummer onbekend",
        "replaced": "nieuw nummer",
        "cancelled": "nummer geannuleerd",
        "refused": "door het register geweigerd",
        "denied": "niet toegelaten, niet gevraagd",
        "open": "nog geen uitkomst",
        "not_sent": "niet verstuurd",
        "no_reply": "geen antwoord",
        "transient": "register niet bereikbaar",
        "invalid_reply": "onleesbaar antwoord",
        "mismatch": "antwoord over iemand anders",
        "sig_bad": "foute handtekening",
        "indeterminate": "afgebroken",
    },
    "en": {
        "same": "confirmed",
        "filled": "confirmed and completed",
        "change": "changed",
        "hold": "to look at",
        "void": "not used",
        "preview": "only shown",
        "offered": "not decided yet",
        "differed": "difference put to staff",
        "declined": "not taken over",
        "reused": "shown again",
        "ok": "data received",
        "not_found": "number unknown",
        "replaced": "new number",
        "cancelled": "number cancelled",
        "refused": "refused by the register",
        "denied": "not allowed, not asked",
        "open": "no outcome yet",
        "not_sent": "not sent",
        "no_reply": "no reply",
        "transient": "register away",
        "invalid_reply": "unreadable reply",
        "mismatch": "reply about somebody else",
        "sig_bad": "wrong signature",
        "indeterminate": "cut off",
    },
}

#: How an access can be searched for: what ``store.search.Wanted.status`` takes.
ENDED: Final = (
    *("ok", "not_found", "replaced", "cancelled", "refused", "denied", "open", "not_sent", "no_reply", "transient"),
    *("invalid_reply", "mismatch", "sig_bad", "indeterminate", "reused"),
)

TONES: Final[dict[str, Tone]] = {
    "same": "good",
    "filled": "good",
    "change": "good",
    "hold": "warn",
    "void": "info",
    "preview": "info",
    "offered": "info",
    "differed": "info",
    "declined": "info",
    "reused": "info",
    "ok": "good",
    "not_found": "warn",
    "replaced": "warn",
    "cancelled": "warn",
    "refused": "warn",
    "denied": "bad",
    "open": "info",
    "not_sent": "info",
    "no_reply": "info",
    "transient": "info",
    "invalid_reply": "warn",
    "mismatch": "bad",
    "sig_bad": "bad",
    "indeterminate": "warn",
}

#: What stands out: a flag of ``core.anomaly`` -> in few words, and what it asks.
FLAGS: Final[dict[str, dict[str, tuple[str, str]]]] = {
    "nl": {
        "many_staff": ("door velen opgezocht", "Meerdere medewerkers zochten dezelfde persoon op binnen een week."),
        "many_lookups": ("veel opzoekingen", "Eén medewerker zocht op korte tijd veel mensen op."),
        "own_record": ("eigen gegevens", "Iemand zocht zichzelf op."),
        "colleague": ("een collega", "Iemand zocht een collega op."),
        "outside_hours": ("buiten de openingsuren", "De bibliotheek was op dat moment gesloten."),
        "no_ground": ("geen aanleiding", "Er was niets dat de vraag verklaart: geen lid, of alles was al bevestigd."),
        "odd_case": ("vreemd dossiernummer", "Het dossiernummer is niet geschreven zoals jullie dat doen."),
        "refused": ("geweigerd", "De vraag was niet toegelaten en werd niet gesteld."),
        "many_refused": ("vaak geweigerd", "Dezelfde medewerker werd vandaag meermaals geweigerd."),
    },
    "en": {
        "many_staff": ("looked up by many", "Several members of staff looked the same person up within a week."),
        "many_lookups": ("many lookups", "One member of staff looked many people up in a short time."),
        "own_record": ("own record", "Somebody looked themselves up."),
        "colleague": ("a colleague", "Somebody looked a colleague up."),
        "outside_hours": ("outside opening hours", "The library was closed at that moment."),
        "no_ground": ("no ground", "Nothing explains the question: no member, or all was confirmed already."),
        "odd_case": ("odd case reference", "The case reference is not written as you write them."),
        "refused": ("refused", "The question was not allowed and was not asked."),
        "many_refused": ("refused often", "The same member of staff was refused several times that day."),
    },
}

#: What a reviewer decides: ``core.sample.Finding``.
FINDINGS: Final[dict[str, dict[str, str]]] = {
    "nl": {"justified": "verantwoord", "unjustified": "niet verantwoord", "unclear": "onduidelijk"},
    "en": {"justified": "justified", "unjustified": "not justified", "unclear": "unclear"},
}

#: The parts of a name and an address, and what else an entry names.
FIELDS: Final[dict[str, dict[str, str]]] = {
    "nl": advice.FIELDS["nl"]
    | {"name": "naam", "address": "adres", "since": "adres sinds", "insz": "rijksregisternummer"},
    "en": advice.FIELDS["en"]
    | {"name": "name", "address": "address", "since": "address since", "insz": "national number"},
}

#: Purposes, by their code in the authorisation; one that is not here is shown by its code.
PURPOSES: Final[dict[str, dict[str, str]]] = {
    "nl": {
        "member-administration": "ledenadministratie",
        "desk": "vraag aan de balie",
        "unknown": "niet toegelaten doel",
    },
    "en": {
        "member-administration": "members' administration",
        "desk": "question at the desk",
        "unknown": "purpose not allowed",
    },
}
