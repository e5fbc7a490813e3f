"""The web application: the pages and the API, each route behind the guard."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from fastapi import Depends, FastAPI, Request, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from rrsync.app.web_services import WebServices
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
from rrsync.web.access_rules import RULES, Rule
from rrsync.web.context import WebContext
from rrsync.web.forms import FormSubmissions
from rrsync.web.guard import guard, require_guarded
from rrsync.web.headers import Policy, SecurityHeaders
from rrsync.web.oidc import LoginFlow, Provider
from rrsync.web.paths import path
from rrsync.web.render import Pages
from rrsync.web.server import BackgroundJobs
from rrsync.web.session_cookies import Cookies

_SUBJECTS: Final[Sequence[Callable[[FastAPI], None]]] = (
    login.register_routes,
    member_search.register_routes,
    member.register_routes,
    member_decisions.register_routes,
    holds.register_routes,
    outside_query.register_routes,
    operator.register_routes,
    runs.register_routes,
    officer.register_routes,
    log.register_routes,
    figures.register_routes,
    person.register_routes,
    sample.register_routes,
    export.register_routes,
    admin.register_routes,
    api.register_routes,
)


def create_app(
    services: WebServices,
    *,
    subjects: Sequence[Callable[[FastAPI], None]] = _SUBJECTS,
    rules: Mapping[tuple[str, str], Rule] = RULES,
) -> FastAPI:
    """Build the application on open services; ``subjects`` add the routes.

    Raises:
        ConfigError: nobody could log in, or a route is not guarded.
    """
    context = _context(services, rules)
    app = FastAPI(
        title="rrsync",
        dependencies=[Depends(guard)],
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.state.context = context
    app.mount("/static", StaticFiles(packages=[("rrsync.web", "static")]), name="static")
    for register_routes in subjects:
        register_routes(app)
    errors.add_error_handlers(app)
    require_guarded(app, rules)
    app.add_middleware(SecurityHeaders, policy=context.policy, refused=partial(_refused, app))
    return app


def _context(services: WebServices, rules: Mapping[tuple[str, str], Rule]) -> WebContext:
    web, clock = services.settings.web, services.runtime.clock
    flow = None
    if web.oidc is not None:
        provider = Provider(web.oidc, services.oidc_secret, web.origin + path("login_back"), clock)
        flow = LoginFlow(provider, web.oidc, web.origin + path("login_left"), clock)
    context = WebContext(
        **{each.name: getattr(services, each.name) for each in fields(WebServices)},
        rules=rules,
        cookies=Cookies(is_secure=web.origin.startswith("https:")),
        policy=Policy(web.origin, _origin(web.oidc.issuer) if web.oidc else ""),
        login_flow=flow,
        pages=Pages(),
        jobs=BackgroundJobs(services.stop),
        submissions=FormSubmissions(),
    )
    if flow is None and not context.is_trial:
        raise ConfigError(
            "Nobody could come in: the settings name no identity provider",
            kept="The pages were not started",
            todo="Fill in [web.oidc]; without it the pages are for the simulator alone, on this machine",
        )
    if flow is not None and not context.oidc_secret:
        raise ConfigError(
            "There is no secret for the identity provider",
            kept="The pages were not started",
            todo="Give it as the systemd credential rrsync.oidc or as RRSYNC_OIDC_SECRET",
        )
    return context


def _refused(app: FastAPI, scope: Scope, status: int) -> Response:
    """Return the page of a request that the middleware refused before the application saw it."""
    return errors.error_page(Request({**scope, "app": app, "state": {}}), status)


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"
