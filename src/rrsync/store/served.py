"""The tables of what the library system is served with: its keys, the answers it got, the news it is told."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import BigInteger, Index, LargeBinary, Text
from sqlmodel import Field, SQLModel

from rrsync.store.moment import Utc


class ApiKeyRow(SQLModel, table=True):
    """A key of a library system: the SHA-256 of it, and what it may do; ``mac`` shows that we wrote the row."""

    __tablename__: ClassVar[Any] = "api_key"
    __table_args__ = (Index("api_key_library", "library"),)

    id: str = Field(primary_key=True, sa_type=Text)
    library: str = Field(sa_type=Text)
    name: str = Field(sa_type=Text)
    digest: bytes = Field(sa_type=LargeBinary)
    scopes: str = Field(sa_type=Text)
    networks: str = Field(sa_type=Text)
    made_by: str = Field(sa_type=Text)
    made_at: datetime = Field(sa_type=Utc)
    expires_at: datetime = Field(sa_type=Utc)
    used_at: datetime | None = Field(default=None, sa_type=Utc)
    revoked_by: str = Field(default="", sa_type=Text)
    revoked_at: datetime | None = Field(default=None, sa_type=Utc)
    mac: bytes = Field(sa_type=LargeBinary)


class IdempotencyRow(SQLModel, table=True):
    """A call that is done once: keyed values of whose and what it is, and its answer, sealed, when there is one."""

    __tablename__: ClassVar[Any] = "idempotency"
    __table_args__ = (Index("idempotency_at", "at"),)

    id: bytes = Field(primary_key=True, sa_type=LargeBinary)
    mark: bytes = Field(sa_type=LargeBinary)
    at: datetime = Field(sa_type=Utc)
    answer: bytes | None = Field(default=None, sa_type=LargeBinary)


class HookRow(SQLModel, table=True):
    """How far a library system was told of its changes; ``turn`` is whose turn it is to tell it, ``until`` when."""

    __tablename__: ClassVar[Any] = "hook"

    library: str = Field(primary_key=True, sa_type=Text)
    cursor: int = Field(sa_type=BigInteger)
    failures: int = 0
    why: str = Field(default="", sa_type=Text)
    next_at: datetime = Field(sa_type=Utc)
    told_at: datetime | None = Field(default=None, sa_type=Utc)
    turn: bytes = Field(default=b"", sa_type=LargeBinary)
    until: datetime = Field(sa_type=Utc)
