"""Roles at the pages: the claims of an identity provider, turned into a member of staff or a denial.

The claims are those of ACM/IDM (Flanders): a role claim contains texts such as ``RRSync-Balie:OVO002949``, a role and
the organisation it is for. In this order:

1. The user's name comes from one claim, and must be fit for the access log.
2. The role claim is a list of texts. A text that the settings do not map grants nothing.
3. No account has two roles that must be separate, not even for two organisations.
4. The organisation is the one the user logged in for, according to the provider, else the only one with a role.
5. It is a library's organisation, or the one that runs rrsync for all libraries. Only a library's staff work at a desk.

>>> grants = Grants({"RRSync-Balie": Role.DESK}, {"OVO002949": "hasselt"}, role_claim="rrsync_rol_3d")
>>> claims = {"vo_id": "an.peeters", "rrsync_rol_3d": ["RRSync-Balie:OVO002949"]}
>>> staff_of(claims, grants)
Staff(name='an.peeters', library='hasselt', roles=frozenset({<Role.DESK: 'desk'>}), mark=b'')
>>> staff_of({"vo_id": "an.peeters"}, grants)
<Denial.NO_ROLE: 'no_role'>
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from typing import Final

from rrsync.core.insz import Insz, holds_insz
from rrsync.errors import NotAnInsz

#: How long a name may be that stands in the access log.
NAME_LENGTH: Final = 40


class Role(StrEnum):
    """The permissions of a user: query members, operate the night, audit the log, or administer rrsync."""

    DESK = "desk"
    OPERATOR = "operator"
    DPO = "dpo"
    ADMIN = "admin"


class Denial(StrEnum):
    """Why a user whom the provider knows may not log in."""

    NO_NAME = "no_name"
    NO_ROLE = "no_role"
    NOT_APART = "not_apart"
    SEVERAL_ORGANISATIONS = "several_organisations"
    UNKNOWN_ORGANISATION = "unknown_organisation"
    DESK_OF_NO_LIBRARY = "desk_of_no_library"


#: Who watches does not do, and does not set up what is watched.
APART: Final = frozenset({frozenset({Role.DESK, Role.DPO}), frozenset({Role.ADMIN, Role.DPO})})


@dataclass(frozen=True, slots=True)
class Staff:
    """A member of staff; without ``library`` they work for all. ``mark`` is the keyed hash of their own number.

    Raises:
        ValueError: two roles must be separate, or there is no role.
    """

    name: str
    library: str | None
    roles: frozenset[Role]
    mark: bytes = b""

    def __post_init__(self) -> None:
        """Refuse roles that must be separate, wherever they come from."""
        if not self.roles or not are_apart(self.roles):
            raise ValueError("these roles cannot be one person's")

    def reaches(self, library: str) -> bool:
        """Whether the user may work for a library."""
        return self.library is None or self.library == library


@dataclass(frozen=True, slots=True)
class Grants:
    """The mapping of claims in the settings: texts to roles, and codes to organisations.

    ``house`` is the code of the organisation that runs rrsync for all libraries, ``""`` when there is none.
    """

    roles: Mapping[str, Role]
    libraries: Mapping[str, str]
    role_claim: str
    house: str = ""
    name_claim: str = "vo_id"
    organisation_claim: str = "vo_orgcode"
    number_claim: str = "rrn"


def are_apart(roles: AbstractSet[Role]) -> bool:
    """Whether one person may have these roles together."""
    return all(frozenset(pair) not in APART for pair in combinations(roles, 2))


def staff_of(claims: Mapping[str, object], grants: Grants) -> Staff | Denial:
    """Return the member of staff that a provider's claims describe, or the reason of the denial."""
    name = claims.get(grants.name_claim)
    if not isinstance(name, str) or not is_name(name):
        return Denial.NO_NAME
    granted = _granted(claims.get(grants.role_claim), grants)
    if not are_apart({role for role, _ in granted}):
        return Denial.NOT_APART
    organisation = _organisation(claims.get(grants.organisation_claim), granted)
    if isinstance(organisation, Denial):
        return organisation
    library = grants.libraries.get(organisation)
    if library is None and (not grants.house or organisation != grants.house):
        return Denial.UNKNOWN_ORGANISATION
    roles = frozenset(role for role, code in granted if code == organisation)
    if library is None and Role.DESK in roles:
        return Denial.DESK_OF_NO_LIBRARY
    return Staff(name, library, roles)


def is_name(text: str) -> bool:
    """Whether a text can be a user's name: short, printable, and without a national number."""
    return text == text.strip() and 0 < len(text) <= NAME_LENGTH and text.isprintable() and not holds_insz(text)


def number_of(claims: Mapping[str, object], grants: Grants, *, production: bool) -> Insz | None:
    """Return the user's national number according to the provider; ``None`` without a valid one."""
    said = claims.get(grants.number_claim)
    if not isinstance(said, str):
        return None
    try:
        return Insz.parse(said, production=production)
    except NotAnInsz:
        return None


def _granted(said: object, grants: Grants) -> set[tuple[Role, str]]:
    """Return the roles that the settings map, each with its organisation."""
    granted = set()
    for text in said if isinstance(said, list) else ():
        role, _, organisation = text.rpartition(":") if isinstance(text, str) else ("", "", "")
        if organisation and role in grants.roles:
            granted.add((grants.roles[role], organisation))
    return granted


def _organisation(said: object, granted: AbstractSet[tuple[Role, str]]) -> str | Denial:
    """Return the organisation the user logged in for."""
    organisations = {organisation for _, organisation in granted}
    if said is not None:
        return said if isinstance(said, str) and said in organisations else Denial.NO_ROLE
    if len(organisations) > 1:
        return Denial.SEVERAL_ORGANISATIONS
    return next(iter(organisations), Denial.NO_ROLE)
