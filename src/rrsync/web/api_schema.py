"""What goes over the wire under /api: every document, its fields, and an example of each."""

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


#: A word that stands in the access log for good.
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
    """A document of ours."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class PostalAddress(Document):
    """An address; what is not known is empty."""

    street: Annotated[str, Field(examples=["Kerkstraat"])]
    house_number: Annotated[str, Field(examples=["12"])]
    box: Annotated[str, Field(examples=["3"])]
    postal_code: Annotated[str, Field(examples=["3500"])]
    municipality: Annotated[str, Field(examples=["Hasselt"])]
    nis_code: Annotated[str, Field(description="The municipality, by its NIS code.", examples=["71022"])]
    country: Annotated[str, Field(description="ISO 3166-1, three letters.", examples=["BEL"])]


class HeldData(Document):
    """What is held of a member that the register can confirm or correct; never the national number."""

    last_name: Annotated[str, Field(examples=["Peeters"])]
    first_names: Annotated[str, Field(examples=["An Maria"])]
    birth_date: PartialDate | None
    address: PostalAddress
    address_since: PartialDate | None


class MemberDocument(Document):
    """One member, as it is held here, and what was last found out about it."""

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
    """One member to be refreshed: who asks, why, for what, and whether a change is to be taken over."""

    purpose: Annotated[Word, Field(description="A code that the authorisation names.", examples=["desk"])]
    case: Annotated[
        Word,
        Field(
            pattern=r"^[A-Za-z0-9/-]{3,40}$",
            description="What for: a reference that the library finds back, of nobody by number.",
            examples=["letter-2026-118"],
        ),
    ]
    staff: Annotated[
        Word,
        Field(
            description="Who asks: the account name of the end user, as the library knows them. It is who stands in "
            "the access log, and to whom the limits apply.",
            examples=["an.peeters"],
        ),
    ]
    apply: Annotated[
        StrictBool, Field(description="Whether a change is taken over at once; else it is only shown.", examples=[True])
    ]


class RefreshAnswer(Document):
    """What came of it. Of a hold nothing is told but the reason: a person must look at it first."""

    library: LibraryId
    member: MemberNo
    verdict: Literal["same", "change", "hold"]
    state: Annotated[
        State,
        Field(description="Of a change: shown only, taken over, or declined by a person. All else is settled."),
    ]
    hold: Annotated[Reason | None, Field(description="Why a person must look at it, of a hold.")]
    hold_id: Annotated[int | None, Field(description="Its number on the worklist.", examples=[None])]
    fields: Annotated[list[Name], Field(description="What is other than it was, or would be.")]
    held: Annotated[
        HeldData | None,
        Field(description="The member after the change, taken over or shown; of same, as it is; of a hold, nothing."),
    ]
    reference: Annotated[
        str, Field(description="The access in the log that the answer came from.", examples=["01JD3Q7M-4"])
    ]
    asked_at: Annotated[datetime, Field(description="When the register was asked.")]
    reused: Annotated[
        bool, Field(description="Whether an answer of the last quarter of an hour was shown again.", examples=[False])
    ]


class ChangeDocument(Document):
    """One change: whose, of which fields, when and why. What it says now is read from the member."""

    seq: Annotated[int, Field(ge=0, description="Its place; each is higher than the one before.", examples=[1042])]
    member: MemberNo
    fields: list[Name]
    verdict: Annotated[str, Field(description="change, same (filled in), accepted, renumbered, …", examples=["change"])]
    at: datetime


class ChangesDocument(Document):
    """Changes in order; the next ones come after ``next``."""

    library: LibraryId
    changes: list[ChangeDocument]
    next: Annotated[int, Field(ge=-1, description="What to give as after, the next time.", examples=[1042])]
    more: Annotated[bool, Field(description="Whether there are more already.", examples=[False])]


class HoldDocument(Document):
    """A member that a person must look at."""

    hold_id: Annotated[int, Field(examples=[7])]
    member: MemberNo
    reason: Reason
    since: datetime
    offers: Annotated[bool, Field(description="Whether there is something to take over.", examples=[True])]


class HoldsDocument(Document):
    """The open holds of a library, the oldest first; the next ones come after ``next``."""

    library: LibraryId
    holds: list[HoldDocument]
    next: Annotated[int, Field(ge=0, description="What to give as after, the next time.", examples=[7])]
    more: bool


class Place(Document):
    """A place in what was sent that is not as it must be."""

    where: Annotated[str, Field(description="Its path, by the names of the schema.", examples=["body.purpose"])]
    fault: Annotated[str, Field(description="What is wrong with it.", examples=["missing"])]


class ProblemDocument(Document):
    """What went wrong (RFC 9457): what it was, what was kept, what to do."""

    type: Annotated[str, Field(examples=["urn:rrsync:problem:many"])]
    title: Annotated[str, Field(examples=["This was asked too often"])]
    status: Annotated[int, Field(ge=400, le=599, examples=[429])]
    detail: str
    kept: Annotated[str, Field(examples=["Nothing was asked or changed"])]
    todo: Annotated[str, Field(examples=["Wait as Retry-After says, in seconds"])]
    errors: Annotated[list[Place], Field(description="Of what cannot be read.")] = []


#: Every name that a problem may repeat of what was sent.
NAMES: Final = frozenset(
    {"body", "path", "query", "header", "library", "member", "after", "most", *RefreshRequest.model_fields}
)
