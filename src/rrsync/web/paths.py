"""The addresses of all pages and actions; templates and routes take them from here alone.

An address names a library's own member number, a hold, a run, a day, a month or an entry: never a national number and
never a name. A search for a person is sent by POST.

A part with a slash, or of dots alone, is percent-encoded twice, and ``part`` decodes it.

>>> path("member", member="M 12/3")
'/members/M%2012%252F3'
>>> part("M 12%2F3")
'M 12/3'
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, unquote

PATHS: Final[dict[str, str]] = {
    "home": "/",
    # login and sessions
    "login": "/login",
    "login_left": "/login/left",
    "login_start": "/login/start",
    "login_again": "/login/again",
    "login_back": "/login/back",
    "login_ended": "/login/ended",
    "login_local": "/login/local",
    "logout": "/logout",
    "sessions": "/sessions",
    "sessions_end": "/sessions/end",
    "language": "/language",
    # the desk
    "desk": "/desk",
    "member": "/members/{member}",
    "refresh": "/members/{member}/refresh",
    "difference": "/members/{member}/difference",
    "correct": "/members/{member}/correct",
    "uncorrect": "/members/{member}/correct/end",
    "holds": "/holds",
    "hold": "/holds/{hold}",
    "outside": "/desk/outside",
    "wish": "/desk/outside/{wish}",
    # the operator
    "operator": "/operator",
    "runs": "/runs",
    "run": "/runs/{run}",
    "run_live": "/runs/{run}/live",
    "run_resume": "/runs/{run}/resume",
    "run_release": "/runs/{run}/release",
    "register": "/register",
    # the data-protection officer
    "officer": "/officer",
    "verify": "/officer/verify",
    "log": "/log",
    "entry": "/log/entries/{library}/{entry}",
    "proof": "/log/entries/{library}/{entry}/proof",
    "evidence": "/log/entries/{library}/{entry}/evidence",
    "person": "/log/person",
    "letter": "/log/person/letter",
    "days": "/log/days",
    "day": "/log/days/{day}",
    "samples": "/log/samples",
    "sample": "/log/samples/{library}/{month}",
    "export": "/log/export",
    "figures": "/log/figures",
    # the administrator
    "admin": "/admin",
    "admin_make": "/admin/keys",
    "admin_revoke": "/admin/keys/revoke",
    "hooks": "/admin/hooks",
    "hook_now": "/admin/hooks/now",
    "people": "/admin/people",
    "people_end": "/admin/people/end",
    # library systems
    "api": "/api/openapi.json",
    "api_member": "/api/libraries/{library}/members/{member}",
    "api_refresh": "/api/libraries/{library}/members/{member}/refresh",
    "api_changes": "/api/libraries/{library}/changes",
    "api_holds": "/api/libraries/{library}/holds",
    # files
    "static": "/static/{file}",
}

_PART: Final = re.compile(r"{(\w+)}")
_ODD: Final = re.compile(r"[%/\\]|^\.{1,2}$")


def path(name: str, **parts: object) -> str:
    """Return the address of a page or an action.

    Raises:
        KeyError: there is no such page, or a part of its address is missing.
    """
    return _PART.sub(lambda found: quote(_ODD.sub(_encoded, str(parts[found[1]])), safe=""), PATHS[name])


def part(text: str) -> str:
    """Return a part of an address as it was before ``path`` encoded it, from what the server decoded once."""
    return unquote(text)


def _encoded(found: re.Match[str]) -> str:
    return "".join(f"%{ord(char):02X}" for char in found[0])
