"""The pages between the login and the work: the one that leads on, and the one that says where one may go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class WelcomePage:
    """Somebody came in: a page that leads on to home by itself, and by a link."""

    name: ClassVar[str] = "welcome"


@dataclass(frozen=True, slots=True)
class HomePage:
    """Where somebody may go: the frame's places, with a word on each; or that there is nothing for their role."""

    name: ClassVar[str] = "home"
