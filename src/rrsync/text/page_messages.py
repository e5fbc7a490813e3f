"""What pages say by a code: navigation, roles, messages after an action, errors of forms, error pages, logins.

The code is what a handler names, a cookie keeps and a test asserts; the text is chosen when the page is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rrsync.text.catalogue import N_, translations

#: Place in the navigation -> its link.
PLACES: Final[dict[str, str]] = {
    "desk": N_("Desk"),
    "holds": N_("Worklist"),
    "outside": N_("Non-member"),
    "operator": N_("Overview"),
    "runs": N_("Nightly runs"),
    "register": N_("Register"),
    "officer": N_("Overview"),
    "log": N_("Log"),
    "person": N_("Citizen's request"),
    "days": N_("Notable"),
    "samples": N_("Sample"),
    "figures": N_("Figures"),
    "export": N_("Export"),
    "admin": N_("Keys"),
    "hooks": N_("Webhooks"),
    "people": N_("Logged in"),
}


#: Role -> its name.
ROLES: Final[dict[str, str]] = {
    "desk": N_("desk"),
    "operator": N_("runs"),
    "dpo": N_("data protection"),
    "admin": N_("administration"),
}


#: What a certificate is used for.
CERTIFICATE_USES: Final[dict[str, str]] = {
    "client": N_("Connection (mTLS)"),
    "signing": N_("Signing"),
    "trust": N_("Trusted issuer"),
}


#: What was just done, shown once at the top of the next page.
FLASHES: Final[dict[str, str]] = {
    "accepted": N_("Accepted: the member now has what the register says."),
    "declined": N_(
        "Nothing was changed: the address stays as it was, and your decision is logged. The next nightly run may "
        "find the difference again. If the member knows better, correct the address yourself."
    ),
    "answer_lapsed": N_(
        "There is no reply here to decide about any more: it is over a quarter of an hour old, or the member has "
        "changed in the meantime. Nothing was changed. Query the register again."
    ),
    "near_minute": N_("You are asking in quick succession. Questions left this minute: %(left)s."),
    "near_hour": N_("You are close to your hourly limit. Questions left this hour: %(left)s."),
    "near_day": N_("You are close to your daily limit. Questions left today: %(left)s."),
    "near_library_day": N_("Your library is close to its daily limit. Questions left today: %(left)s."),
    "corrected": N_("Saved: this address stays until %(until)s, or until the register says the same."),
    "uncorrected": N_("The correction has ended. From now on the register's address counts again."),
    "uncorrected_before": N_("This correction had already ended."),
    "hold_accepted": N_("Accepted, and removed from the worklist."),
    "hold_dismissed": N_(
        "Dismissed, and removed from the worklist. It comes back if the register says something else."
    ),
    "hold_renumbered": N_("Accepted: the member has the new number, and the register was queried for it at once."),
    "hold_put_off": N_(
        "Accepted: the member has the new number. The register could not be queried for it now; the next nightly run "
        "does."
    ),
    "hold_gone": N_(
        "This was decided in the meantime, or the register now says something else. Nothing was changed. Review it "
        "again."
    ),
    "wish_made": N_("Saved. Now ask a colleague to approve it."),
    "wish_approved": N_("Approved. Your colleague may query the register once now."),
    "wish_refused": N_("Not approved. Nothing is asked."),
    "key_revoked": N_("Revoked: the key %(name)s can no longer be used."),
    "hook_now": N_("A new attempt is being made. Look at this page again in a few seconds."),
    "people_ended": N_("%(name)s is logged out."),
    "sessions_ended": N_("Ended. Whoever was still working there must log in again."),
    "sessions_over": N_("That session no longer existed. Nothing was changed."),
    "resumed": N_("The run resumes where it stopped."),
    "released": N_("Released. Held changes that are now being applied: %(count)s."),
    "resume_busy": N_("A run is already in progress. Wait until it is done; a second one is never needed."),
    "resume_over": N_("This run cannot be resumed."),
    "release_busy": N_("Somebody is already working on this run. Wait until that is done."),
    "release_over": N_("Nothing is held back in this run any more."),
    "release_unchecked": N_("Nothing was released: first confirm that some of them were reviewed."),
    "verifying": N_("The log of %(library)s is being verified."),
    "verified": N_("Verified: the log of %(library)s is complete, %(size)s entries."),
    "number_gone": N_("The number is forgotten a quarter of an hour after the search. Search for the person again."),
    "signed": N_("Signed off. Decisions added to the log: %(count)s. Left to decide: %(left)s."),
}


#: What is wrong with a field of a form, or with the form.
FORM_ERRORS: Final[dict[str, str]] = {
    "words_missing": N_("Type a member number or a name."),
    "words_short": N_("Type at least two letters of the name."),
    "words_insz": N_("This looks like a national number. Use the second search field for that."),
    "insz_missing": N_("Type the eleven digits of the number."),
    "insz_wrong": N_("This is not a national number. Check the eleven digits on the identity card."),
    "purpose_missing": N_("Choose why you ask."),
    "case_missing": N_("Fill in a case reference."),
    "case_form": N_("Use 3 to 40 letters, digits, hyphens or slashes."),
    "case_insz": N_("This contains a national number. It may not be logged."),
    "street_missing": N_("Fill in the street."),
    "postal_missing": N_("Fill in the postal code."),
    "postal_form": N_("A Belgian postal code has four digits."),
    "municipality_missing": N_("Fill in the municipality."),
    "country_form": N_("Use a three-letter code, such as BEL."),
    "reason_missing": N_("Fill in a reason."),
    "until_missing": N_("Choose until when the correction is valid."),
    "until_form": N_("Choose a day after today, and no later than the day shown."),
    "length_form": N_("This is too long for this field."),
    "number_insz": N_("This contains a national number. It does not belong here."),
    "number_wrong": N_("This is not a valid number. Check it on the identity card."),
    "case_wrong": N_("Fill in a case reference of three to forty letters, digits, / or -, without a national number."),
    "since_wrong": N_("Choose a day."),
    "until_wrong": N_("Choose a day that is not before the first."),
    "library_missing": N_("Choose a library."),
    "staff_wrong": N_("Fill in the name of an account, not a number."),
    "purpose_wrong": N_("Choose a purpose from the list."),
    "outcome_wrong": N_("Choose an outcome from the list."),
    "reason_wrong": N_("Write a shorter reason, without a national number."),
    "format_missing": N_("Choose a format."),
    "tiles_whole": N_("An evidence folder is always the whole log. Leave the days empty."),
    "in_it": N_("You are in this sample yourself. Have somebody else review it."),
    "nothing_chosen": N_("Choose a finding for at least one entry."),
    "name_wrong": N_("Give a name of at most 40 characters, without a national number."),
    "scopes_missing": N_("Choose at least one thing."),
    "days_wrong": N_("Choose how long it is valid."),
    "networks_wrong": N_("Write networks as 192.0.2.0/24 or 2001:db8::/32."),
    "library_wrong": N_("Choose a library."),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """An error page: its title, what happened, and what to do."""

    title: str
    means: str
    todo: str


#: Kind of an error page -> its texts.
PROBLEMS: Final = {
    "missing": Problem(
        N_("Not found"),
        N_("There is no page or member at this address, or it belongs to another library."),
        N_("Check the member number, or search again."),
    ),
    "forbidden": Problem(
        N_("Your role does not allow this"),
        N_("Your role gives no access to this page."),
        N_("Ask whoever grants rights in your organisation, if you need this."),
    ),
    "stale": Problem(
        N_("This form has expired"),
        N_("The page was open too long, or you logged in again in the meantime."),
        N_("Open the page again and fill in the form once more."),
    ),
    "unproved": Problem(
        N_("Confirm who you are"),
        N_("This requires a login within the last ten minutes."),
        N_("Log in again, then repeat it."),
    ),
    "outside": Problem(
        N_("You are no longer logged in"), N_("What you sent was not carried out."), N_("Log in, then repeat it.")
    ),
    "wrong": Problem(
        N_("This cannot be used"),
        N_("Something is missing from what was sent, or it is too large or has the wrong format."),
        N_("Go back and fill in the form once more."),
    ),
    "many": Problem(
        N_("Wait a moment"),
        N_("You asked many questions in a short time. A limit prevents unnoticed bulk queries."),
        N_("Try again later. If it is urgent, speak to your supervisor."),
    ),
    "crowd": Problem(
        N_("Wait a moment"),
        N_("Your library has asked as many questions today as are allowed. A limit prevents unnoticed bulk queries."),
        N_("Try again later. If this happens often, report it to whoever runs rrsync."),
    ),
    "register": Problem(
        N_("The register does not answer"),
        N_("The question got no answer. The member keeps the current address; the attempt is logged."),
        N_("Try again in a few minutes. If it persists, report it to whoever runs rrsync."),
    ),
    "rejected": Problem(
        N_("The register rejects the question"),
        N_(
            "The register refused the question, or its reply could not be trusted and was not used. This is not "
            "about the member. The member keeps the current address; the attempt is logged."
        ),
        N_("Trying again usually does not help. Report this to whoever runs rrsync."),
    ),
    "ground": Problem(
        N_("This may not be asked"),
        N_("Your library has no valid authorisation for this question. It was not sent; your attempt is logged."),
        N_("Report this to whoever runs rrsync, if your library may ask it."),
    ),
    "busy": Problem(
        N_("Somebody is already doing this"),
        N_("Somebody else is doing this right now. What you sent was not carried out."),
        N_("Wait a moment, then try again."),
    ),
    "log": Problem(
        N_("Nothing can be asked now"),
        N_("The access log cannot be written or is not intact. Without the log nothing is asked."),
        N_("Tell whoever runs rrsync, and the data-protection officer."),
    ),
    "fault": Problem(
        N_("Something went wrong"),
        N_("This should not have happened; it was logged."),
        N_("Try again. If it persists, tell whoever runs rrsync when this happened."),
    ),
}


_INVALID_LOGIN: Final = N_("the reply of your organisation's login is not valid and was not used; try again")

#: Why a login was refused (``core.roles.Denial``, ``web.oidc.Trouble``).
REFUSALS: Final[dict[str, str]] = {
    "no_name": N_("your organisation gave no name under which your queries can be logged"),
    "no_role": N_("your organisation gave you no role for rrsync, or not for the organisation you logged in for"),
    "not_apart": N_(
        "you have two roles that one person may not combine: whoever oversees the log neither works at the desk nor "
        "administers"
    ),
    "several_organisations": N_("you have roles for more than one organisation; choose one when you log in"),
    "unknown_organisation": N_("your organisation is not known here"),
    "desk_of_no_library": N_("you have the desk role, but not for a library"),
    "begun_elsewhere": N_("this login began in another browser or tab, or took longer than ten minutes; start again"),
    "cancelled": N_("the login was cancelled"),
    "unreachable": N_("your organisation's login cannot be reached now; try again in a few minutes"),
    "not_proved": N_("you proved who you are too long ago, or not strongly enough; log in to your organisation again"),
    "code": _INVALID_LOGIN,
    "claims": _INVALID_LOGIN,
    "token": _INVALID_LOGIN,
    "unreadable": _INVALID_LOGIN,
}


def problem(kind: str, language: str) -> Problem:
    """Return the texts of an error page."""
    say, told = translations(language).gettext, PROBLEMS[kind]
    return Problem(say(told.title), say(told.means), say(told.todo))
