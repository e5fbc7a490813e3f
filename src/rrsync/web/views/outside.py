"""What breaking the glass shows: wishes to ask about somebody who is no member, one wish, and the answer, once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rrsync.core.person import Masked
from rrsync.web.views.frame import BLANK, Filled

if TYPE_CHECKING:
    from datetime import datetime

    from rrsync.core.exchange import Reason
    from rrsync.core.glass import Stage
    from rrsync.core.person import Person


@dataclass(frozen=True, slots=True)
class WishLine:
    """One wish, without whom it is about; ``is_own`` says that it is the visitor's."""

    id: int
    by: str
    at: datetime
    until: datetime
    purpose: str
    case: str
    stage: Stage
    decided_by: str
    is_own: bool


@dataclass(frozen=True, slots=True, repr=False)
class OutsidePage(Masked):
    """The form of a wish, and the wishes that have not lapsed.

    Fields: ``insz``, never given back, ``purpose`` and ``case``. ``per_month`` is how many the library may have.
    """

    name: ClassVar[str] = "outside"

    purposes: tuple[str, ...]
    wishes: tuple[WishLine, ...]
    per_month: int
    filled: Filled = BLANK


@dataclass(frozen=True, slots=True, repr=False)
class WishPage(Masked):
    """One wish, and what the visitor may do with it: a colleague sends ``decision``, who wished it sends ``ask``.

    ``person`` or ``reason`` is the register's answer, in the page that comes of asking and in no other.
    """

    name: ClassVar[str] = "wish"

    wish: WishLine
    is_answer: bool = False
    person: Person | None = None
    reasons: tuple[Reason, ...] = ()
