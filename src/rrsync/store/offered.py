"""The tables of what a person decides at the desk: what the register said otherwise, and what staff know better."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, ClassVar

from sqlalchemy import Index, LargeBinary, Text
from sqlmodel import Field, SQLModel

from rrsync.store.moment import Utc


class OfferRow(SQLModel, table=True):
    """The newest answer that was given at a desk about a member; all that it says is sealed.

    ``asking_until`` is set while a process asks about the member, and until when that counts should it die.
    """

    __tablename__: ClassVar[Any] = "offer"
    __table_args__ = (Index("offer_age", "asked_at"),)

    library: str = Field(primary_key=True, sa_type=Text)
    number: str = Field(primary_key=True, sa_type=Text)
    reference: str = Field(default="", sa_type=Text)
    asked_at: datetime | None = Field(default=None, sa_type=Utc)
    state: str = Field(default="", sa_type=Text)
    said: bytes | None = Field(default=None, sa_type=LargeBinary)
    before: bytes | None = Field(default=None, sa_type=LargeBinary)
    after: bytes | None = Field(default=None, sa_type=LargeBinary)
    asking_until: datetime | None = Field(default=None, sa_type=Utc)


class CorrectionRow(SQLModel, table=True):
    """An address that staff put in the place of the register's, through the day ``until``.

    ``is_over`` says that the library's own file gave another address since: it counts no more, and is to be ended.
    """

    __tablename__: ClassVar[Any] = "correction"
    __table_args__ = (Index("correction_until", "library", "until"),)

    library: str = Field(primary_key=True, sa_type=Text)
    number: str = Field(primary_key=True, sa_type=Text)
    at: datetime = Field(sa_type=Utc)
    until: date
    is_over: bool = False
    by: bytes = Field(sa_type=LargeBinary)
    address: bytes = Field(sa_type=LargeBinary)
    reason: bytes = Field(sa_type=LargeBinary)
