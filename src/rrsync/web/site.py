"""The application: the rooms as pages, each behind the guard."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from fastapi import Depends, FastAPI, Request
from starlette.staticfiles import StaticFiles

from rrsync.errors import ConfigError
from rrsync.web import (
    admin,
    api,
    correct,
    days,
    desk,
    difference,
    export,
    fault,
    figures,
    holds,
    letter,
    log,
    login,
    member,
    officer,
    operator,
    outside,
    person,
    register,
    runs,
    sample,
)
from rrsync.web.guard import RULES, guard, require_guarded
from rrsync.web.headers import Envelope, Policy
from rrsync.web.house import House
from rrsync.web.jobs import Jobs
from rrsync.web.oidc import Flow
from rrsync.web.paths import path
from rrsync.web.provider import Provider
from rrsync.web.render import Pages
from rrsync.web.session import Cookies

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fastapi import Response
    from starlette.types import Scope

    from rrsync.web.guard import Rule
    from rrsync.wiring.pages import Entrance
    from rrsync.wiring.rooms import App

_PARTS: Final[Sequence[Callable[[FastAPI], None]]] = (
    login.mount,
    desk.mount,
    member.mount,
    difference.mount,
    correct.mount,
    holds.mount,
    outside.mount,
    operator.mount,
    runs.mount,
    register.mount,
    officer.mount,
    log.mount,
    days.mount,
    figures.mount,
    person.mount,
    letter.mount,
    sample.mount,
    export.mount,
    admin.mount,
    api.mount,
)


def site(
    app: App,
    entrance: Entrance,
    *,
    parts: Sequence[Callable[[FastAPI], None]] = _PARTS,
    rules: Mapping[tuple[str, str], Rule] = RULES,
) -> FastAPI:
    """Build the application on rooms that are open.

    Raises:
        ConfigError: nobody could come in, or a route is not guarded.
    """
    house = _house(app, entrance, rules)
    made = FastAPI(
        title="rrsync",
        dependencies=[Depends(guard)],
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    made.state.house = house
    made.mount("/static", StaticFiles(packages=[("rrsync.web", "static")]), name="static")
    for mount in parts:
        mount(made)
    fault.mount(made)
    require_guarded(made, rules)
    made.add_middleware(Envelope, policy=house.policy, refused=partial(_refused, made))
    return made


def _house(app: App, entrance: Entrance, rules: Mapping[tuple[str, str], Rule]) -> House:
    web, clock = app.settings.web, app.chance.clock
    flow = None
    if web.oidc is not None:
        provider = Provider(web.oidc, entrance.secret, web.origin + path("login_back"), clock)
        flow = Flow(provider, web.oidc, web.origin + path("login_left"), clock)
    house = House(
        app=app,
        entrance=entrance,
        cookies=Cookies(is_secure=web.origin.startswith("https:")),
        policy=Policy(web.origin, _origin(web.oidc.issuer) if web.oidc else ""),
        flow=flow,
        rules=rules,
        pages=Pages(),
        jobs=Jobs(app.stop),
    )
    if flow is None and not house.is_trial:
        raise ConfigError(
            "Nobody could come in: the settings name no identity provider",
            kept="The pages were not started",
            todo="Fill in [web.oidc]; without it the pages are for the simulator alone, on this machine",
        )
    if flow is not None and not entrance.secret:
        raise ConfigError(
            "There is no secret for the identity provider",
            kept="The pages were not started",
            todo="Give it as the systemd credential rrsync.oidc or as RRSYNC_OIDC_SECRET",
        )
    return house


def _refused(made: FastAPI, scope: Scope, status: int) -> Response:
    """Give the page of what the envelope refused, before the application saw it."""
    return fault.refused(Request({**scope, "app": made, "state": {}}), status)


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"
