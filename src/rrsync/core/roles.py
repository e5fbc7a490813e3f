"""Who somebody is at the pages: what an identity provider claims, made into a member of staff, or a refusal.

The claims are those of ACM/IDM (Flanders): a role claim holds texts such as ``RRSync-Balie:OVO002949``, a role and the
organisation for which somebody has it. In this order:

1. The name they act under comes from one claim, and can stand in the access log for good.
2. The role claim is a list of texts. A text that the settings do not map gives nothing.
3. Nobody has, in one account, two roles that must be apart, not even for two organisations.
4. The organisation is the one the provider says they came in for, else the only one they have a role for.
5. It is a library's, or the one that runs rrsync for all libraries. Who is not of a library cannot be at its desk.

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
    """What somebody may do: ask about own members, run the night, watch the log, or set rrsync up."""

    DESK = "desk"
    OPERATOR = "operator"
    DPO = "dpo"
    ADMIN = "admin"


class Denial(StrEnum):
    """Why somebody whom the provider knows does not come in."""

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
    """A member of staff; of no ``library`` is who works for all. ``mark`` is the keyed value of their own number.

    Raises:
        ValueError: two of the roles must be apart, or there is none.
    """

    name: str
    library: str | None
    roles: frozenset[Role]
    mark: bytes = b""

    def __post_init__(self) -> None:
        """Hold what nobody may be, wherever the roles come from."""
        if not self.roles or not are_apart(self.roles):
            raise ValueError("these roles cannot be one person's")

    def reaches(self, library: str) -> bool:
        """Whether a library is theirs."""
        return self.library is None or self.library == library


@dataclass(frozen=True, slots=True)
class Grants:
    """What the settings make of claims: texts of roles, and codes of organisations.

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
    """Whether one person may have these roles."""
    return all(frozenset(pair) not in APART for pair in combinations(roles, 2))


def staff_of(claims: Mapping[str, object], grants: Grants) -> Staff | Denial:
    """Return the member of staff that a provider's claims tell of, or why there is none."""
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
    """Whether a text can be the name somebody acts under: short, printable, and no person's number."""
    return text == text.strip() and 0 < len(text) <= NAME_LENGTH and text.isprintable() and not holds_insz(text)


def number_of(claims: Mapping[str, object], grants: Grants, *, production: bool) -> Insz | None:
    """Return the national number that the provider says is theirs; ``None`` when it says none that can be."""
    said = claims.get(grants.number_claim)
    if not isinstance(said, str):
        return None
    try:
        return Insz.parse(said, production=production)
    except NotAnInsz:
        return None


def _granted(said: object, grants: Grants) -> set[tuple[Role, str]]:
    """Return the roles that the settings know, each with the organisation it is for."""
    granted = set()
    for text in said if isinstance(said, list) else ():
        role, _, organisation = text.rpartition(":") if isinstance(text, str) else ("", "", "")
        if organisation and role in grants.roles:
            granted.add((grants.roles[role], organisation))
    return granted


def _organisation(said: object, granted: AbstractSet[tuple[Role, str]]) -> str | Denial:
    """Return the organisation somebody came in for."""
    organisations = {organisation for _, organisation in granted}
    if said is not None:
        return said if isinstance(said, str) and said in organisations else Denial.NO_ROLE
    if len(organisations) > 1:
        return Denial.SEVERAL_ORGANISATIONS
    return next(iter(organisations), Denial.NO_ROLE)
