"""One question to the register, and its possible answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from rrsync.core.insz import Insz
from rrsync.core.log_entry import Actor
from rrsync.core.person import Masked, Person


class Reason(StrEnum):
    """Reasons for a hold, in the order of the contract; the first that applies counts."""

    MISMATCH = "mismatch"
    UNREADABLE = "unreadable"
    REFUSED = "refused"
    NEW_NUMBER = "new_number"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"
    DECEASED = "deceased"
    PROTECTED = "protected"
    ABROAD = "abroad"
    STRUCK_OFF = "struck_off"
    ABSENT = "absent"
    UNKNOWN_STATUS = "unknown_status"
    REFERENCE_ADDRESS = "reference_address"
    NO_ADDRESS = "no_address"
    BIRTH_DATE_DIFFERS = "birth_date_differs"
    NAME_DIFFERS = "name_differs"
    MASS_CHANGE = "mass_change"
    RESTRICTED = "restricted"


class Deed(StrEnum):
    """The operation: read a person, or make or end the library's subscription to a number."""

    READ = "read"
    SUBSCRIBE = "subscribe"
    UNSUBSCRIBE = "unsubscribe"


@dataclass(frozen=True, slots=True)
class Question:
    """One question about one person, with actor and purpose; ``reference`` is MAGDA's Referte, new for every try."""

    library: str
    insz: Insz
    actor: Actor
    purpose: str
    reference: str
    case: str = ""
    run: str = ""
    deed: Deed = Deed.READ


@dataclass(frozen=True, slots=True)
class Notice:
    """One exception (Uitzondering) of MAGDA by code and origin. Its texts are not kept: they may hold personal data."""

    code: str
    origin: str
    severity: str


@dataclass(frozen=True, slots=True, repr=False)
class Found(Masked):
    """The register knows the person: the authorised data, the signals (hold reasons), and the withheld fields."""

    reference: str
    person: Person
    signals: frozenset[Reason] = frozenset()
    new_insz: Insz | None = None
    notices: tuple[Notice, ...] = ()
    withheld: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, repr=False)
class Unknown(Masked):
    """The register has nobody under this number: UNKNOWN, CANCELLED or NEW_NUMBER."""

    reference: str
    why: Reason
    new_insz: Insz | None = None
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class Refused(Masked):
    """No usable answer: MISMATCH, UNREADABLE or REFUSED; it holds no content of the reply."""

    reference: str
    why: Reason
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class Done(Masked):
    """The subscription was made or extended, existed already, or was ended."""

    reference: str
    notices: tuple[Notice, ...] = ()


#: What a question about a person comes to.
Answer: TypeAlias = Found | Unknown | Refused
#: What a subscription, made or ended, comes to.
Receipt: TypeAlias = Done | Refused
