"""Who may call which route: one table, a rule for each method and path.

The guard checks every request against it. Startup fails if a route has no rule, or a rule has no route.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from rrsync.core.api_key import Scope
from rrsync.core.roles import Role
from rrsync.web.paths import PATHS


@dataclass(frozen=True, slots=True)
class Anybody:
    """Anybody, logged in or not."""


@dataclass(frozen=True, slots=True)
class SignedMessage:
    """The identity provider: no browser, so no form and no token; its message is signed."""


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A person with one of these roles; with ``is_fresh``, one who authenticated at most ten minutes ago."""

    roles: frozenset[Role]
    is_fresh: bool = False


@dataclass(frozen=True, slots=True)
class WithKey:
    """A library system whose key has this scope; cookies are ignored."""

    scope: Scope


Rule: TypeAlias = Anybody | SignedMessage | LoggedIn | WithKey

_EVERY_ROLE: Final = LoggedIn(frozenset(Role))
_DESK: Final = LoggedIn(frozenset({Role.DESK}))
_OFFICER: Final = LoggedIn(frozenset({Role.DPO}))

#: Method and path of every route -> its rule.
RULES: Final[dict[tuple[str, str], Rule]] = {
    ("GET", PATHS["home"]): _EVERY_ROLE,
    ("GET", PATHS["login"]): Anybody(),
    ("GET", PATHS["login_left"]): Anybody(),
    ("GET", PATHS["login_start"]): Anybody(),
    ("GET", PATHS["login_again"]): Anybody(),
    ("GET", PATHS["login_back"]): Anybody(),
    ("POST", PATHS["login_ended"]): SignedMessage(),
    ("POST", PATHS["login_local"]): Anybody(),
    ("POST", PATHS["logout"]): Anybody(),
    ("POST", PATHS["language"]): Anybody(),
    ("GET", PATHS["sessions"]): _EVERY_ROLE,
    ("POST", PATHS["sessions_end"]): LoggedIn(frozenset(Role), is_fresh=True),
    ("GET", PATHS["outside"]): _DESK,
    ("POST", PATHS["outside"]): _DESK,
    ("GET", PATHS["wish"]): _DESK,
    ("POST", PATHS["wish"]): LoggedIn(frozenset({Role.DESK}), is_fresh=True),
    ("GET", PATHS["admin"]): LoggedIn(frozenset({Role.ADMIN})),
    ("POST", PATHS["admin_make"]): LoggedIn(frozenset({Role.ADMIN}), is_fresh=True),
    ("POST", PATHS["admin_revoke"]): LoggedIn(frozenset({Role.ADMIN}), is_fresh=True),
    ("GET", PATHS["hooks"]): LoggedIn(frozenset({Role.ADMIN})),
    ("POST", PATHS["hook_now"]): LoggedIn(frozenset({Role.ADMIN})),
    ("GET", PATHS["people"]): LoggedIn(frozenset({Role.ADMIN})),
    ("POST", PATHS["people_end"]): LoggedIn(frozenset({Role.ADMIN}), is_fresh=True),
    ("GET", PATHS["api"]): Anybody(),
    ("GET", PATHS["api_member"]): WithKey(Scope.READ),
    ("POST", PATHS["api_refresh"]): WithKey(Scope.REFRESH),
    ("GET", PATHS["api_changes"]): WithKey(Scope.CHANGES),
    ("GET", PATHS["api_holds"]): WithKey(Scope.READ),
    ("GET", PATHS["operator"]): LoggedIn(frozenset({Role.OPERATOR})),
    ("GET", PATHS["runs"]): LoggedIn(frozenset({Role.OPERATOR})),
    ("GET", PATHS["run"]): LoggedIn(frozenset({Role.OPERATOR})),
    ("GET", PATHS["run_live"]): LoggedIn(frozenset({Role.OPERATOR})),
    ("POST", PATHS["run_resume"]): LoggedIn(frozenset({Role.OPERATOR}), is_fresh=True),
    ("POST", PATHS["run_release"]): LoggedIn(frozenset({Role.OPERATOR}), is_fresh=True),
    ("GET", PATHS["register"]): LoggedIn(frozenset({Role.OPERATOR})),
    ("GET", PATHS["desk"]): _DESK,
    ("POST", PATHS["desk"]): _DESK,
    ("GET", PATHS["member"]): _DESK,
    ("POST", PATHS["refresh"]): _DESK,
    ("GET", PATHS["difference"]): _DESK,
    ("POST", PATHS["difference"]): _DESK,
    ("GET", PATHS["correct"]): _DESK,
    ("POST", PATHS["correct"]): _DESK,
    ("POST", PATHS["uncorrect"]): _DESK,
    ("GET", PATHS["holds"]): _DESK,
    ("GET", PATHS["hold"]): _DESK,
    ("POST", PATHS["hold"]): _DESK,
    ("GET", PATHS["officer"]): _OFFICER,
    ("POST", PATHS["verify"]): _OFFICER,
    ("GET", PATHS["log"]): _OFFICER,
    ("POST", PATHS["log"]): _OFFICER,
    ("GET", PATHS["entry"]): _OFFICER,
    ("POST", PATHS["proof"]): _OFFICER,
    ("POST", PATHS["evidence"]): LoggedIn(frozenset({Role.DPO}), is_fresh=True),
    ("GET", PATHS["days"]): _OFFICER,
    ("GET", PATHS["day"]): _OFFICER,
    ("GET", PATHS["figures"]): _OFFICER,
    ("GET", PATHS["person"]): _OFFICER,
    ("POST", PATHS["person"]): _OFFICER,
    ("POST", PATHS["letter"]): _OFFICER,
    ("GET", PATHS["samples"]): _OFFICER,
    ("GET", PATHS["sample"]): _OFFICER,
    ("POST", PATHS["sample"]): _OFFICER,
    ("GET", PATHS["export"]): _OFFICER,
    ("POST", PATHS["export"]): LoggedIn(frozenset({Role.DPO}), is_fresh=True),
}
