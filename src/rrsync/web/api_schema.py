"""The documents of the API: their fields, and an example of each."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StringConstraints

from rrsync.core.exchange import Reason
from rrsync.core.roles import NAME_LENGTH, is_name


def _word(text: str) -> str:
    if not is_name(text):
        raise ValueError("it must be printable, without blanks around it, and hold no national number")
    return text


#: A text that stands in the access log for good.
Word = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=NAME_LENGTH), AfterValidator(_word)]
LibraryId = Annotated[str, Field(description="The library, by its id in the settings.", examples=["hasselt"])]
MemberNo = Annotated[str, Field(description="The library's own member number.", examples=["M000123"])]
PartialDate = Annotated[
    str,
    Field(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
        description="A date; a month or day that the register does not know is 00.",
        examples=["1984-07-30", "1951-03-00"],
    ),
]
Name = Annotated[str, Field(description="The name of a field.", examples=["address"])]


State: TypeAlias = Literal["open", "accepted", "declined", "settled"]


class Document(BaseModel):
    """A document of the API."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class PostalAddress(Document):
    """An address; an unknown part is empty."""

    street: Annotated[str, Field(examples=["Kerkstraat"])]
    house_number: Annotated[str, Field(examples=["12"])]
    box: Annotated[str, Field(examples=["3"])]
    postal_code: Annotated[str, Field(examples=["3500"])]
    municipality: Annotated[str, Field(examples=["Hasselt"])]
    nis_code: Annotated[str, Field(description="The municipality, by its NIS code.", examples=["71022"])]
    country: Annotated[str, Field(description="ISO 3166-1, three letters.", examples=["BEL"])]


class HeldData(Document):
    """The data of a member that the register can confirm or correct; never the national number."""

    last_name: Annotated[str, Field(examples=["Peeters"])]
    first_names: Annotated[str, Field(examples=["An Maria"])]
    birth_date: PartialDate | None
    address: PostalAddress
    address_since: PartialDate | None


class MemberDocument(Document):
    """One member, as it is held here, with the result of the last refresh."""

    library: LibraryId
    member: MemberNo
    held: HeldData
    membership_end: date | None
    verdict: Annotated[
        str, Field(description="Of the last question: same, change or hold; empty before the first.", examples=["same"])
    ]
    hold: Annotated[Reason | None, Field(description="Why a person must look at it, if one must.")]
    refreshed_at: datetime | None
    changed_at: datetime | None


class RefreshRequest(Document):
    """The refresh of one member: who asks, why, for which case, and whether a change is written."""

    purpose: Annotated[Word, Field(description="A code that the authorisation names.", examples=["desk"])]
    case: Annotated[
        Word,
        Field(
            pattern=r"^[A-Za-z0-9/-]{3,40}$",
            description="The case: a reference of the library's own, without any national number.",
            examples=["letter-2026-118"],
        ),
    ]
    staff: Annotated[
        Word,
        Field(
            description="The account name of the end user at the library. It is the actor in the access log, "
            "and the limits apply to it.",
            examples=["an.peeters"],
        ),
    ]
    apply: Annotated[
        StrictBool, Field(description="Whether a change is written at once; else it is only shown.", examples=[True])
    ]


class RefreshAnswer(Document):
    """The result of a refresh. A hold shows its reason alone: a person must look at it first."""

    library: LibraryId
    member: MemberNo
    verdict: Literal["same", "change", "hold"]
    state: Annotated[
        State,
        Field(description="Of a change: open, accepted, or declined by a person. All else is settled."),
    ]
    hold: Annotated[Reason | None, Field(description="Why a person must look at it, of a hold.")]
    hold_id: Annotated[int | None, Field(description="Its number on the worklist.", examples=[None])]
    fields: Annotated[list[Name], Field(description="The fields that changed, or would change.")]
    held: Annotated[
        HeldData | None,
        Field(
            description="The member after the change, written or not; without a change, as it is; of a hold, nothing."
        ),
    ]
    reference: Annotated[str, Field(description="The reference of the access in the log.", examples=["01JD3Q7M-4"])]
    asked_at: Annotated[datetime, Field(description="When the register was asked.")]
    reused: Annotated[
        bool, Field(description="Whether an answer of the last quarter of an hour was shown again.", examples=[False])
    ]


class ChangeDocument(Document):
    """One change: whose, of which fields, when and why. Read the new values from the member."""

    seq: Annotated[
        int,
        Field(
            ge=0, description="Its place in the order of changes; each is higher than the one before.", examples=[1042]
        ),
    ]
    member: MemberNo
    fields: list[Name]
    verdict: Annotated[str, Field(description="change, same (filled in), accepted, renumbered, …", examples=["change"])]
    at: datetime


class ChangesDocument(Document):
    """Changes in order; the next ones come after ``next``."""

    library: LibraryId
    changes: list[ChangeDocument]
    next: Annotated[int, Field(ge=-1, description="The value of ``after`` in the next call.", examples=[1042])]
    more: Annotated[bool, Field(description="Whether there are more already.", examples=[False])]


class HoldDocument(Document):
    """A member that a person must look at."""

    hold_id: Annotated[int, Field(examples=[7])]
    member: MemberNo
    reason: Reason
    since: datetime
    offers: Annotated[bool, Field(description="Whether the hold proposes a change.", examples=[True])]


class HoldsDocument(Document):
    """The open holds of a library, the oldest first; the next ones come after ``next``."""

    library: LibraryId
    holds: list[HoldDocument]
    next: Annotated[int, Field(ge=0, description="The value of ``after`` in the next call.", examples=[7])]
    more: bool


class Place(Document):
    """A field that cannot be used."""

    where: Annotated[str, Field(description="Its path, by the names of the schema.", examples=["body.purpose"])]
    fault: Annotated[str, Field(description="What is wrong with it.", examples=["missing"])]


class ProblemDocument(Document):
    """An error (RFC 9457): what was wrong, what was kept, what to do."""

    type: Annotated[str, Field(examples=["urn:rrsync:problem:many"])]
    title: Annotated[str, Field(examples=["Too many requests"])]
    status: Annotated[int, Field(ge=400, le=599, examples=[429])]
    detail: str
    kept: Annotated[str, Field(examples=["Nothing was asked or changed"])]
    todo: Annotated[str, Field(examples=["Wait as Retry-After says, in seconds"])]
    errors: Annotated[
        list[Place], Field(description="The fields that cannot be used, when a body cannot be read.")
    ] = []


#: Every name of a field that a problem may repeat.
NAMES: Final = frozenset(
    {"body", "path", "query", "header", "library", "member", "after", "most", *RefreshRequest.model_fields}
)
