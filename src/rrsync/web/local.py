"""Coming in on trial, without proof: as an invented member of staff, on the machine that serves the pages.

It is there only when all of this holds: the register is the simulator, the settings name no provider, the pages listen
on this machine and are called by its name, and the request comes from it, through no proxy.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

from rrsync.core.roles import Role, Staff
from rrsync.web.views.frame import TrialPerson

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import Request

    from rrsync.web.house import House

#: The invented staff: name -> roles.
_LIBRARY: Final = {
    "an.peeters": frozenset({Role.DESK}),
    "bo.claes": frozenset({Role.OPERATOR}),
    "cis.maes": frozenset({Role.DPO}),
}
_ALL: Final = {
    "dora.wouters": frozenset({Role.OPERATOR, Role.ADMIN}),
    "els.smets": frozenset({Role.DPO}),
}
_PROXIES: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")


def is_local(request: Request, here: House) -> bool:
    """Whether a trial is possible here, and for who asks."""
    client = request.client
    if not here.is_trial or client is None or any(name in request.headers for name in _PROXIES):
        return False
    try:
        return ipaddress.ip_address(client.host).is_loopback
    except ValueError:
        return False


def people(here: House) -> Mapping[str, Staff]:
    """Give whom one can be, by what is sent: staff of each library, and those who work for all."""
    found = {
        f"{name}@{library}": Staff(name, library, roles)
        for library in here.libraries
        for name, roles in _LIBRARY.items()
    }
    return found | {name: Staff(name, None, roles) for name, roles in _ALL.items()}


def shown(here: House) -> tuple[TrialPerson, ...]:
    """Give the same as the login page shows them."""
    names = here.libraries
    return tuple(
        TrialPerson(value, staff.name, tuple(sorted(staff.roles)), names[staff.library] if staff.library else "")
        for value, staff in people(here).items()
    )
