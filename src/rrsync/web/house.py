"""What every handler has at hand: the rooms, who may come in, the cookies, the provider, and what the table says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from fastapi import Request

    from rrsync.store.sessions import Visit
    from rrsync.web.guard import Rule
    from rrsync.web.headers import Policy
    from rrsync.web.jobs import Jobs
    from rrsync.web.oidc import Flow
    from rrsync.web.render import Pages
    from rrsync.web.session import Cookies
    from rrsync.web.views.frame import Language
    from rrsync.wiring.pages import Entrance
    from rrsync.wiring.rooms import App


@dataclass(frozen=True, slots=True)
class House:
    """The rooms and all that the pages add to them; ``flow`` is ``None`` without a provider."""

    app: App
    entrance: Entrance
    cookies: Cookies
    policy: Policy
    flow: Flow | None
    rules: Mapping[tuple[str, str], Rule]
    pages: Pages
    jobs: Jobs

    @property
    def now(self) -> datetime:
        """The moment, aware and in UTC."""
        return self.app.chance.clock()

    @property
    def random(self) -> Callable[[int], bytes]:
        """The dice."""
        return self.app.chance.random

    @property
    def language(self) -> Language:
        """The language of who chose none."""
        return self.app.settings.language

    @property
    def libraries(self) -> Mapping[str, str]:
        """The libraries that the settings name: id -> name."""
        return {library.id: library.name for library in self.app.settings.library}

    def visit(self, request: Request) -> Visit | None:
        """Give the session that a browser shows; one of a library that the settings name no more is over.

        Raises:
            StoreError: the database cannot be read or written.
        """
        found = self.entrance.sessions.find(self.cookies.token(request))
        return found if found and (found.staff.library is None or found.staff.library in self.libraries) else None

    @property
    def is_trial(self) -> bool:
        """Whether one comes in without proof: only to invented people, and only from this machine."""
        settings = self.app.settings
        return settings.registry.environment == "simulator" and settings.web.oidc is None and settings.web.is_here


def house(request: Request) -> House:
    """Give what the application of a request was built with."""
    found = request.app.state.house
    assert isinstance(found, House)  # noqa: S101 — tells mypy what Starlette keeps untyped
    return found
