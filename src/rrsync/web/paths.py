"""Where every page and every action stands; templates and routes take addresses from here alone.

An address names a library's own member number, a hold, a run, a day, a month or an entry: never a national number and
never a name. What searches for a person is sent by POST.

>>> path("member", member="M 12/3")
'/members/M%2012%2F3'
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

PATHS: Final[dict[str, str]] = {
    "home": "/",
    # who is asking
    "login": "/login",
    "login_left": "/login/left",
    "login_start": "/login/start",
    "login_again": "/login/again",
    "login_back": "/login/back",
    "login_ended": "/login/ended",
    "login_local": "/login/local",
    "logout": "/logout",
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
    # files
    "static": "/static/{file}",
}

_PART: Final = re.compile(r"{(\w+)}")


def path(name: str, **parts: object) -> str:
    """Give the address of a page or an action.

    Raises:
        KeyError: there is no such page, or a part of its address is missing.
    """
    return _PART.sub(lambda found: quote(str(parts[found[1]]), safe=""), PATHS[name])
