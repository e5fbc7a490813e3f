"""The application: the rooms as pages, each behind the guard."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from fastapi import Depends, FastAPI, Request, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from rrsync.app.services import App, Entrance
from rrsync.errors import ConfigError
from rrsync.web import (
    admin,
    api,
    errors,
    export,
    figures,
    holds,
    log,
    login,
    member,
    member_decisions,
    member_search,
    officer,
    operator,
    outside_query,
    person,
    runs,
    sample,
)
from rrsync.web.guard import RULES, House, Rule, guard, require_guarded
from rrsync.web.headers import Envelope, Policy
from rrsync.web.oidc import Flow, Provider
from rrsync.web.paths import path
from rrsync.web.render import Pages
from rrsync.web.server import Jobs
from rrsync.web.session_cookies import Cookies

_PARTS: Final[Sequence[Callable[[FastAPI], None]]] = (
    login.mount,
    member_search.mount,
    member.mount,
    member_decisions.mount_differences,
    member_decisions.mount_corrections,
    holds.mount,
    outside_query.mount,
    operator.mount,
    runs.mount,
    operator.mount_register,
    officer.mount,
    log.mount,
    officer.mount_days,
    figures.mount,
    person.mount,
    person.mount_letter,
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
    errors.mount(made)
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
    return errors.refused(Request({**scope, "app": made, "state": {}}), status)


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"
