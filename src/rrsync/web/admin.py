"""The administrator's pages: API keys of library systems, the state of webhooks, and who is logged in.

An administrator of one library sees and does all this for that library alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, ClassVar, Final, Literal
from urllib.parse import urlsplit

from fastapi import FastAPI, Form, Request, Response

from rrsync.core.api_key import Scope, network
from rrsync.core.log_entry import JSON, Draft, Kind, actor_json
from rrsync.core.roles import Role, is_name
from rrsync.store.api_keys import ApiKey, ApiKeyRequest
from rrsync.store.change_feed import BEGINNING
from rrsync.store.sessions import ActiveSession, StaffSession
from rrsync.web.context import Context, WebContext
from rrsync.web.forms import UNUSABLE, without_numbers
from rrsync.web.guard import AccessError, Denied, Inside, actor
from rrsync.web.paths import PATHS
from rrsync.web.render import BLANK, Choice, Filled, Flash, Place
from rrsync.web.responses import go, respond, say

#: The scopes by their names in the form.
SCOPES: Final = {"read": Scope.READ, "refresh": Scope.REFRESH, "changes": Scope.CHANGES}
_DAYS: Final = frozenset({"30", "90", "365"})
_SOON: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class KeyLine:
    """A key; ``state`` is ``state_good``, ``state_soon`` (it ends within a month), ``state_over`` or ``state_revoked``.

    ``scopes`` are keys of the page's words, ``read``, ``refresh`` and ``changes`` after ``use_``.
    """

    id: str
    name: str
    library: str
    scopes: tuple[str, ...]
    networks: tuple[str, ...]
    made_by: str
    made_at: datetime
    ends: datetime
    used_at: datetime | None
    state: Literal["state_good", "state_soon", "state_over", "state_revoked"]
    revoked_by: str = ""

    @property
    def can_end(self) -> bool:
        """Whether the key can be revoked."""
        return self.state in {"state_good", "state_soon"}


@dataclass(frozen=True, slots=True)
class KeysPage:
    """The keys, and a form for another; ``chosen`` are the scopes that were ticked."""

    name: ClassVar[str] = "admin"

    keys: tuple[KeyLine, ...]
    libraries: Sequence[Choice]
    filled: Filled = BLANK
    chosen: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, repr=False)
class KeyPage:
    """A new key, the one time that it is shown."""

    name: ClassVar[str] = "key"

    text: str
    key: KeyLine
    base: str


@dataclass(frozen=True, slots=True)
class HookLine:
    """A webhook: its scheme and host, the last change that was delivered, and its state.

    ``waiting`` counts the changes that are not delivered yet; ``why`` is the last failure: a key of the page's texts
    after ``kind_``, or ``status`` with a number.
    """

    library: str
    label: str
    where: str
    cursor: int
    waiting: int
    told_at: datetime | None
    failures: int
    why: str
    next_at: datetime | None

    @property
    def status(self) -> str:
        """The HTTP status of the last failure, if that is the failure."""
        kind, _, number = self.why.partition(" ")
        return number if kind == "status" else ""


@dataclass(frozen=True, slots=True)
class HooksPage:
    """The webhooks that the settings name."""

    name: ClassVar[str] = "hooks"

    hooks: tuple[HookLine, ...]


@dataclass(frozen=True, slots=True)
class PersonLine:
    """A person who is logged in, in ``count`` sessions: ``person`` is their keyed value in hex, by which all end."""

    person: str
    name: str
    library: str | None
    roles: tuple[str, ...]
    count: int
    since: datetime
    seen: datetime
    is_self: bool


@dataclass(frozen=True, slots=True)
class PeoplePage:
    """Who is logged in."""

    name: ClassVar[str] = "people"

    people: tuple[PersonLine, ...]


def register_routes(app: FastAPI) -> None:
    """Add the routes of the administrator's pages."""
    app.add_api_route(PATHS["admin"], keys, methods=["GET"])
    app.add_api_route(PATHS["admin_make"], make, methods=["POST"])
    app.add_api_route(PATHS["admin_revoke"], revoke, methods=["POST"])
    app.add_api_route(PATHS["hooks"], hooks, methods=["GET"])
    app.add_api_route(PATHS["hook_now"], hasten, methods=["POST"])
    app.add_api_route(PATHS["people"], people, methods=["GET"])
    app.add_api_route(PATHS["people_end"], end, methods=["POST"])


def keys(request: Request, ctx: Context, visit: Inside) -> Response:
    """Show the keys, and a form for another."""
    return respond(request, _keys_page(ctx, visit), here=Place.ADMIN)


def make(
    request: Request,
    ctx: Context,
    visit: Inside,
    library: Annotated[str, Form()] = "",
    name: Annotated[str, Form()] = "",
    scopes: Annotated[list[str] | None, Form()] = None,
    days: Annotated[str, Form()] = "",
    networks: Annotated[str, Form()] = "",
) -> Response:
    """Make a key, and show it this once."""
    name, chosen = name.strip(), frozenset(scopes or ())
    if errors := _errors(library, name, chosen, days, networks, ctx.reached(visit)):
        values = {"library": library, "name": name, "days": days, "networks": networks}
        page = _keys_page(ctx, visit, Filled(without_numbers(values), errors), chosen)
        return respond(request, page, here=Place.ADMIN, status=UNUSABLE)
    order = ApiKeyRequest(
        library=library,
        name=name,
        scopes=frozenset(SCOPES[each] for each in chosen),
        networks=tuple(networks.split()),
        expires_at=ctx.now + timedelta(days=int(days)),
    )
    key, text = ctx.api_keys.make(order, actor=actor(visit))
    base = f"{ctx.policy.origin}/api/libraries/{library}"
    return respond(request, KeyPage(text, _line(key, ctx), base), here=Place.ADMIN)


def revoke(request: Request, ctx: Context, visit: Inside, key: Annotated[str, Form()]) -> Response:
    """Revoke a key."""
    gone = ctx.api_keys.revoke(key, libraries=list(ctx.reached(visit)), actor=actor(visit))
    if gone is None:
        raise AccessError(Denied.MISSING)
    say(request, visit, Flash("good", "key_revoked", {"name": gone.name}))
    return go("admin")


def hooks(request: Request, ctx: Context, visit: Inside) -> Response:
    """Show the state of the webhooks."""
    reached = ctx.reached(visit)
    states = ctx.webhook_deliveries.states(list(reached))
    lines = []
    for library, target in ctx.webhooks.items():
        if library not in reached:
            continue
        state, parts = states.get(library), urlsplit(target.url)
        lines.append(
            HookLine(
                library=library,
                label=reached[library],
                where=f"{parts.scheme}://{parts.netloc}",
                cursor=state.cursor if state else BEGINNING,
                waiting=ctx.change_feed.count(library, state.cursor) if state else 0,
                told_at=state.told_at if state else None,
                failures=state.failures if state else 0,
                why=state.why if state else "",
                next_at=state.next_at if state else None,
            )
        )
    return respond(request, HooksPage(tuple(lines)), here=Place.HOOKS)


def hasten(request: Request, ctx: Context, visit: Inside, library: Annotated[str, Form()]) -> Response:
    """Retry a failed webhook at once."""
    if library not in ctx.webhooks or library not in ctx.reached(visit):
        raise AccessError(Denied.MISSING)
    ctx.webhook_deliveries.hasten(library)
    say(request, visit, Flash("info", "hook_now"))
    return go("hooks")


def people(request: Request, ctx: Context, visit: Inside) -> Response:
    """Show who is logged in."""
    return respond(request, PeoplePage(_people(ctx, visit)), here=Place.PEOPLE)


def end(request: Request, ctx: Context, visit: Inside, person: Annotated[str, Form()]) -> Response:
    """Log a person out everywhere, with an entry in the log of their library, or of all that they work for."""
    found = next((one for one in _present(ctx, visit) if one.person.hex() == person), None)
    if found is None:
        raise AccessError(Denied.MISSING)
    staff = found.staff
    body: dict[str, JSON] = {"actor": actor_json(actor(visit)), "session": {"name": staff.name, "deed": "ended"}}
    libraries = [staff.library] if staff.library is not None else list(ctx.libraries)
    ctx.access_log.append([Draft(library, Kind.SETTINGS, "", body=body) for library in libraries])
    ctx.sessions.end_of(found.person)
    if found.person == visit.person:
        return go("login")
    say(request, visit, Flash("good", "people_ended", {"name": staff.name}))
    return go("people")


def _keys_page(
    ctx: WebContext, visit: StaffSession, filled: Filled = BLANK, chosen: frozenset[str] = frozenset()
) -> KeysPage:
    reached = ctx.reached(visit)
    return KeysPage(
        keys=tuple(_line(key, ctx) for key in ctx.api_keys.of(list(reached))),
        libraries=[Choice(*each) for each in reached.items()],
        filled=filled,
        chosen=chosen,
    )


def _line(key: ApiKey, ctx: WebContext) -> KeyLine:
    return KeyLine(
        id=key.id,
        name=key.name,
        library=ctx.libraries[key.library],
        scopes=tuple(word for word, scope in SCOPES.items() if scope in key.scopes),
        networks=key.networks,
        made_by=key.made_by,
        made_at=key.made_at,
        ends=key.expires_at,
        used_at=key.used_at,
        state=_state(key, ctx.now),
        revoked_by=key.revoked_by,
    )


def _state(key: ApiKey, now: datetime) -> Literal["state_good", "state_soon", "state_over", "state_revoked"]:
    if key.revoked_at is not None:
        return "state_revoked"
    if not key.is_good(now):
        return "state_over"
    return "state_soon" if key.expires_at - now <= _SOON and key.used_at is not None else "state_good"


def _errors(
    library: str, name: str, chosen: frozenset[str], days: str, networks: str, reached: Collection[str]
) -> Mapping[str, str]:
    errors = {}
    if library not in reached:
        errors["library"] = "library_wrong"
    if not is_name(name):
        errors["name"] = "name_wrong"
    if not chosen or not chosen <= SCOPES.keys():
        errors["scopes"] = "scopes_missing"
    if days not in _DAYS:
        errors["days"] = "days_wrong"
    try:
        _ = [network(each) for each in networks.split()]
    except ValueError:
        errors["networks"] = "networks_wrong"
    return errors


def _present(ctx: WebContext, visit: StaffSession) -> list[ActiveSession]:
    """Return the sessions that an administrator may end: those of their own library, or all."""
    own = visit.staff.library
    return [one for one in ctx.sessions.present() if own is None or one.staff.library == own]


def _people(ctx: WebContext, visit: StaffSession) -> tuple[PersonLine, ...]:
    found: dict[bytes, list[ActiveSession]] = {}
    for one in _present(ctx, visit):
        found.setdefault(one.person, []).append(one)
    lines = []
    for person, sessions in found.items():
        staff = sessions[0].staff
        lines.append(
            PersonLine(
                person=person.hex(),
                name=staff.name,
                library=None if staff.library is None else ctx.libraries.get(staff.library, staff.library),
                roles=tuple(role.value for role in Role if role in staff.roles),
                count=len(sessions),
                since=min(one.since for one in sessions),
                seen=max(one.seen for one in sessions),
                is_self=person == visit.person,
            )
        )
    return tuple(lines)
