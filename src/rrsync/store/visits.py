"""The tables of the pages' own: who is logged in, what was asked at the desk of late, and wishes."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import Boolean, Index, LargeBinary, Text
from sqlmodel import Field, SQLModel

from rrsync.store.moment import Utc


class SessionRow(SQLModel, table=True):
    """Somebody who is logged in; ``id`` is the hash of what their browser shows, ``staff`` is sealed to it."""

    __tablename__: ClassVar[Any] = "session"
    __table_args__ = (Index("session_person", "person"), Index("session_sid", "sid"))

    id: bytes = Field(primary_key=True, sa_type=LargeBinary)
    staff: bytes = Field(sa_type=LargeBinary)
    person: bytes = Field(sa_type=LargeBinary)
    sid: bytes | None = Field(default=None, sa_type=LargeBinary)
    started_at: datetime = Field(sa_type=Utc)
    seen_at: datetime = Field(sa_type=Utc)
    said: str = Field(default="", sa_type=Text)


class AskRow(SQLModel, table=True):
    """That somebody asked at a library's desk; it counts against the limits for a day, and goes then."""

    __tablename__: ClassVar[Any] = "ask"
    __table_args__ = (Index("ask_library", "library", "at"), Index("ask_name", "library", "name", "at"))

    id: int | None = Field(default=None, primary_key=True)
    library: str = Field(sa_type=Text)
    name: str = Field(sa_type=Text)
    at: datetime = Field(sa_type=Utc)


class GlassRow(SQLModel, table=True):
    """A wish to ask about somebody outside a library's file; ``insz`` is sealed."""

    __tablename__: ClassVar[Any] = "glass"
    __table_args__ = (Index("glass_library", "library", "at"),)

    id: int | None = Field(default=None, primary_key=True)
    library: str = Field(sa_type=Text)
    by: str = Field(sa_type=Text)
    at: datetime = Field(sa_type=Utc)
    insz: bytes = Field(sa_type=LargeBinary)
    purpose: str = Field(sa_type=Text)
    case: str = Field(sa_type=Text)
    reference: str = Field(sa_type=Text)
    decided_by: str = Field(default="", sa_type=Text)
    decided_at: datetime | None = Field(default=None, sa_type=Utc)
    is_approved: bool = Field(default=False, sa_type=Boolean)
    is_asked: bool = Field(default=False, sa_type=Boolean)
