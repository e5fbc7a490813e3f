"""What the pages of who sets rrsync up show: keys of library systems, webhooks, who is logged in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from rrsync.web.views.frame import BLANK, Choice, Filled

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime


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
        """Whether there is something to revoke."""
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
    """A key that was just made: the one time that it is shown."""

    name: ClassVar[str] = "key"

    text: str
    key: KeyLine
    base: str


@dataclass(frozen=True, slots=True)
class HookLine:
    """A webhook: where it is (scheme and host), up to which change it was heard, and how it goes.

    ``waiting`` counts the changes that it was not told of yet; ``why`` is what the other side did last: a key of the
    page's words after ``kind_``, or ``status`` with a number.
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
        """The number of the status that it answered with, if that is why."""
        kind, _, number = self.why.partition(" ")
        return number if kind == "status" else ""


@dataclass(frozen=True, slots=True)
class HooksPage:
    """The webhooks that the settings name."""

    name: ClassVar[str] = "hooks"

    hooks: tuple[HookLine, ...]


@dataclass(frozen=True, slots=True)
class PersonLine:
    """Somebody who is logged in, however often: ``person`` is their keyed value in hex, by which all of it is ended."""

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
