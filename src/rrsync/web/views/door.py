"""The pages between the login and the work: what leads on, where one may go, where else one is logged in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class WelcomePage:
    """Somebody came in: a page that leads on to home by itself, and by a link."""

    name: ClassVar[str] = "welcome"


@dataclass(frozen=True, slots=True)
class HomePage:
    """Where somebody may go: the frame's places, with a word on each; or that there is nothing for their role."""

    name: ClassVar[str] = "home"


@dataclass(frozen=True, slots=True)
class SessionLine:
    """A session of one's own: ``id`` in hex, by which it is ended, and whether it is the one that asks."""

    id: str
    since: datetime
    seen: datetime
    is_this: bool


@dataclass(frozen=True, slots=True)
class SessionsPage:
    """One's own sessions, the newest first; the one that asks is among them."""

    name: ClassVar[str] = "sessions"

    sessions: tuple[SessionLine, ...]

    @property
    def others(self) -> int:
        """How many there are beside the one that asks."""
        return sum(not one.is_this for one in self.sessions)
