"""What stands around every page, the small parts that pages share, and the pages that stand alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

Tone: TypeAlias = Literal["info", "good", "warn", "bad"]
Language: TypeAlias = Literal["nl", "en"]


class Place(StrEnum):
    """The entries of the navigation, by the name of their path."""

    DESK = "desk"
    HOLDS = "holds"
    OUTSIDE = "outside"
    OPERATOR = "operator"
    RUNS = "runs"
    REGISTER = "register"
    OFFICER = "officer"
    LOG = "log"
    PERSON = "person"
    DAYS = "days"
    SAMPLES = "samples"
    FIGURES = "figures"
    EXPORT = "export"
    ADMIN = "admin"
    HOOKS = "hooks"
    PEOPLE = "people"


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing to choose: what is sent, and what is read."""

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Flash:
    """What was just done, said once on the next page: a key of ``words.frame.FLASHES`` and what it names."""

    tone: Tone
    key: str
    values: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, repr=False)
class Filled:
    """What was typed into a form, and what is wrong with it: a field's name -> a key of the page's own words."""

    values: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Name the type alone: what was typed may be a person's."""
        return "Filled(***)"


#: A form nobody typed into yet.
BLANK: Final = Filled()


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who is logged in: name, roles as ``core.roles`` names them, and the library; none is all of them."""

    name: str
    roles: tuple[str, ...]
    library: str | None


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around a page.

    ``places`` are those this visitor may go to, in order; ``here`` is where they are. ``token`` goes with every form.
    ``now`` is when the page is made (aware). ``environment`` is said on every page unless it is production, and
    ``is_trial`` that who is logged in proved nothing. ``address`` is where a change of language comes back to; it is
    that of the page when it was asked for, never of what was sent.
    """

    now: datetime
    token: str
    language: Language = "nl"
    environment: Literal["simulator", "acceptance", "production"] = "production"
    is_trial: bool = False
    visitor: Visitor | None = None
    places: tuple[Place, ...] = ()
    here: Place | None = None
    address: str = "/"
    flashes: tuple[Flash, ...] = ()
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class LoginPage:
    """Who are you: by the organisation's own login, or on trial as one of these.

    ``provider`` is the name people know the login by, empty when there is none. ``trial`` are the invented people one
    can be on a trial machine. ``message`` is a key of the page's words that says why one is here again, such as
    ``left``, ``idle``, ``refused``; ``detail`` is the reason of a refusal, in words.
    """

    name: ClassVar[str] = "login"

    provider: str = ""
    trial: tuple[TrialPerson, ...] = ()
    message: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class TrialPerson:
    """An invented person one can be on trial: what is sent, their name, their roles, their library."""

    value: str
    name: str
    roles: tuple[str, ...]
    library: str


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """What went wrong, what was kept safe, what to do.

    ``kind`` is the key of a title in the page's words, which have ``_what`` and ``_todo`` of it too. ``what``, ``kept``
    and ``todo`` are an ``RrsyncError``'s own sentences, in English, for who looks further into it; they may be empty.
    ``reference`` is what the log of the program has this under; ``again`` is the path to go back to, by its name and
    ``parts``.
    """

    name: ClassVar[str] = "error"

    status: int
    kind: str
    what: str = ""
    kept: str = ""
    todo: str = ""
    reference: str = ""
    again: str = "home"
    parts: Mapping[str, str] = field(default_factory=dict)
    wait_s: int = 0
