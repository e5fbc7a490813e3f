"""What the desk shows: a search, a member, what the register says otherwise, a correction, the holds.

Everything here may hold a person's data, so it all prints masked. No national number is in any of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Literal

from rrsync.core.person import Address, Masked, Name, PartialDate
from rrsync.web.views.frame import BLANK, Filled

if TYPE_CHECKING:
    from datetime import date, datetime

    from rrsync.core.exchange import Reason


class Age(StrEnum):
    """How old what we hold is: asked lately, due again, never asked."""

    FRESH = "fresh"
    STALE = "stale"
    NEVER = "never"


class Source(StrEnum):
    """Where an address comes from: the register, the library's own file, a member of staff."""

    REGISTER = "register"
    LIBRARY = "library"
    STAFF = "staff"


@dataclass(frozen=True, slots=True, repr=False)
class Heading(Masked):
    """Whom a page is about: enough to see that it is the person at the desk."""

    number: str
    name: Name
    birth_date: PartialDate | None


@dataclass(frozen=True, slots=True, repr=False)
class MemberLine(Masked):
    """One member that was found."""

    who: Heading
    address: Address
    age: Age
    asked_at: datetime | None
    has_hold: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class DeskPage(Masked):
    """The search, and what it found; ``found`` is ``None`` before anything was searched.

    Fields of the first form: ``words``; of the second: ``insz``, never given back. ``is_cut`` says that more fit than
    are shown. ``example`` is the number of a member to begin with, on trial.
    """

    name: ClassVar[str] = "desk"

    filled: Filled = BLANK
    found: tuple[MemberLine, ...] | None = None
    is_cut: bool = False
    example: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Correction(Masked):
    """What staff put in the place of the register's word: why, by whom, until when."""

    reason: str
    by: str
    at: datetime
    until: date


@dataclass(frozen=True, slots=True)
class Asked:
    """One time the register was asked: when, by whom (empty: the night), why, for which case, what came of it.

    ``purpose`` is a code, ``outcome`` a key of ``words.codes.OUTCOMES``.
    """

    at: datetime
    by: str
    purpose: str
    case: str
    outcome: str


@dataclass(frozen=True, slots=True, repr=False)
class HoldLine(Masked):
    """One hold in the worklist."""

    id: int
    who: Heading
    reason: Reason
    since: datetime
    proposes: bool


@dataclass(frozen=True, slots=True, repr=False)
class MemberPage(Masked):
    """One member: address, its source and age, what was asked, and the form to ask again.

    ``number_kind`` says whether there is a national number (``national``, ``bis``, ``none``). ``since`` is the
    register's own begin date of the address. ``barred`` is why the register cannot be asked, as a key of the page's
    words (``no_number``, ``no_ground``), empty when it can. ``again_from`` is when the register was last asked, if that
    is so short ago that its answer is shown again without a second access.
    ``purposes`` are the codes the authorisation names. Fields of the form: ``purpose``, ``case``; a case that holds a
    national number is not given back.
    """

    name: ClassVar[str] = "member"

    who: Heading
    address: Address
    source: Source
    age: Age
    purposes: tuple[str, ...]
    asked_at: datetime | None = None
    changed_at: datetime | None = None
    since: PartialDate | None = None
    number_kind: Literal["national", "bis", "none"] = "national"
    membership_end: date | None = None
    open_items: int = 0
    correction: Correction | None = None
    hold: HoldLine | None = None
    looks: tuple[Asked, ...] = ()
    barred: str = ""
    again_from: datetime | None = None
    filled: Filled = BLANK
    case_example: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Differing(Masked):
    """One field, what we hold and what the register says; ``field`` is a name of ``words.codes.FIELDS``."""

    field: str
    ours: str
    theirs: str
    is_other: bool = True


@dataclass(frozen=True, slots=True, repr=False)
class DifferencePage(Masked):
    """What the register answered about a member, and what was decided about it.

    ``rows`` are the fields of the name and the address, also those that are the same, so that each is read in its
    place. ``state`` of a change is ``open`` until somebody decides, then ``accepted`` or ``declined``; of what needs no
    decision it is ``settled``. ``ticket`` names the answer that is decided about; ``until`` is when that lapses.
    ``reason`` is a hold's. ``from_cache`` says that this is no new access. The form sends ``ticket`` and ``decision``:
    ``accept`` or ``decline``.
    """

    name: ClassVar[str] = "difference"

    who: Heading
    verdict: Literal["same", "change", "hold"]
    asked_at: datetime
    rows: tuple[Differing, ...] = ()
    ticket: str = ""
    until: datetime | None = None
    state: Literal["open", "accepted", "declined", "settled"] = "open"
    reason: Reason | None = None
    hold: int | None = None
    from_cache: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class CorrectPage(Masked):
    """The form for an address that staff know better; it stays until a day, or until the register agrees.

    Fields: ``street``, ``house_number``, ``box``, ``postal_code``, ``municipality``, ``country``, ``reason`` and
    ``until``.
    ``latest`` is the last day that may be chosen.
    """

    name: ClassVar[str] = "correct"

    who: Heading
    address: Address
    latest: date
    filled: Filled = BLANK


@dataclass(frozen=True, slots=True, repr=False)
class HoldsPage(Masked):
    """A page of the worklist, the oldest first.

    ``counts`` are of all, ``chosen`` is the reason they are narrowed to; ``beyond`` is the last hold before this page,
    and ``further`` the last of this one, when there are more.
    """

    name: ClassVar[str] = "holds"

    holds: tuple[HoldLine, ...]
    counts: tuple[tuple[Reason, int], ...] = ()
    chosen: Reason | None = None
    beyond: int = 0
    further: int | None = None

    @property
    def total(self) -> int:
        """How many there are of what is shown, on all pages."""
        return sum(count for reason, count in self.counts if self.chosen in {None, reason})


@dataclass(frozen=True, slots=True, repr=False)
class HoldPage(Masked):
    """One hold: why, what to do, what it proposes; and its place in the worklist, narrowed to ``chosen`` if it is.

    ``can_accept`` says whether there is something to take over. ``has_new_number`` that it is a new national number,
    which is not shown; ``twin`` is the member of this library that has it already. The form sends ``decision``
    (``accept`` or ``dismiss``), ``reference`` (the answer that is decided about) and ``reason`` (what is chosen).
    """

    name: ClassVar[str] = "hold"

    hold: HoldLine
    address: Address
    rows: tuple[Differing, ...] = ()
    can_accept: bool = False
    has_new_number: bool = False
    twin: str = ""
    place: int = 1
    total: int = 1
    before: int | None = None
    after: int | None = None
    chosen: Reason | None = None
    reference: str = ""
