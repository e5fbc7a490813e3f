"""What every handler gets: the services, and beside them what only HTTP needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request

from rrsync.app.web_services import WebServices
from rrsync.store.sessions import StaffSession
from rrsync.web.access_rules import Rule
from rrsync.web.forms import FormSubmissions
from rrsync.web.headers import Policy
from rrsync.web.oidc import LoginFlow
from rrsync.web.render import Language, Pages
from rrsync.web.server import BackgroundJobs
from rrsync.web.session_cookies import Cookies


@dataclass(frozen=True, slots=True)
class WebContext(WebServices):
    """The services, and the rules, cookies, templates and background jobs of one application.

    ``login_flow`` is ``None`` without an identity provider.
    """

    rules: Mapping[tuple[str, str], Rule]
    cookies: Cookies
    policy: Policy
    login_flow: LoginFlow | None
    pages: Pages
    jobs: BackgroundJobs
    submissions: FormSubmissions

    @property
    def now(self) -> datetime:
        """The current time, aware and in UTC."""
        return self.runtime.clock()

    @property
    def libraries(self) -> Mapping[str, str]:
        """The libraries of the settings: id -> name."""
        return {library.id: library.name for library in self.settings.library}

    @property
    def is_trial(self) -> bool:
        """Whether people log in without proof: only with invented people, and only on this machine."""
        web = self.settings.web
        return self.settings.registry.environment == "simulator" and web.oidc is None and web.is_here

    def reached(self, visit: StaffSession) -> dict[str, str]:
        """Return the libraries that a session may see: id -> name, in the order of the settings."""
        return {library: name for library, name in self.libraries.items() if visit.staff.reaches(library)}

    def language(self, request: Request) -> Language:
        """Return the language that a browser chose, or that of the settings."""
        return self.cookies.language(request) or self.settings.language

    def visit(self, request: Request) -> StaffSession | None:
        """Return the session of a browser; a session of a library that left the settings has ended.

        Raises:
            StoreError: the database cannot be read or written.
        """
        found = self.sessions.find(self.cookies.token(request))
        return found if found and (found.staff.library is None or found.staff.library in self.libraries) else None


def context_of(request: Request) -> WebContext:
    """Return the context of a request's application."""
    found = request.app.state.context
    assert isinstance(found, WebContext)  # noqa: S101 — tells mypy what Starlette keeps untyped
    return found


async def _context(request: Request) -> WebContext:
    """Return the same, without the thread that FastAPI gives a dependency that is no coroutine."""
    return context_of(request)


#: The context, for handlers.
Context = Annotated[WebContext, Depends(_context)]
