"""The tables. Whatever tells who somebody is or where they live is a sealed column or a keyed value.

The tables of the pages' own: who is logged in, what was asked at the desk of late, and wishes.

The tables of what the library system is served with: its keys, the answers it got, the news it is told.

The tables of what a person decides at the desk: what the register said otherwise, and what staff know better.

A moment as a column.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any, ClassVar

from sqlalchemy import BigInteger, Boolean, DateTime, Dialect, Index, LargeBinary, Table, Text, TypeDecorator, text
from sqlmodel import Field, Session, SQLModel


class Utc(TypeDecorator[datetime]):
    """A moment: aware in Python, UTC in the database."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 — SQLAlchemy's
        """Store UTC without its name."""
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 — SQLAlchemy's
        """Return UTC with its name."""
        return None if value is None else value.replace(tzinfo=UTC)


class MemberRow(SQLModel, table=True):
    """One member of one library."""

    __tablename__: ClassVar[Any] = "member"
    __table_args__ = (
        Index("member_insz", "library", "insz_key", unique=True),
        Index("member_due", "library", "refreshed_at", "number"),
    )

    library: str = Field(primary_key=True, sa_type=Text)
    number: str = Field(primary_key=True, sa_type=Text)
    insz_key: bytes | None = Field(default=None, sa_type=LargeBinary)
    insz: bytes | None = Field(default=None, sa_type=LargeBinary)
    name: bytes = Field(sa_type=LargeBinary)
    birth_date: bytes = Field(sa_type=LargeBinary)
    address: bytes = Field(sa_type=LargeBinary)
    membership_end: date | None = None
    open_items: int = 0
    restricted: bool = False
    version: int = 0
    imported: bytes = Field(sa_type=LargeBinary)
    import_id: str = Field(sa_type=Text)
    import_line: int = Field(sa_type=BigInteger)
    verdict: str | None = Field(default=None, sa_type=Text)
    hold_reason: str | None = Field(default=None, sa_type=Text)
    refreshed_at: datetime | None = Field(default=None, sa_type=Utc)
    changed_at: datetime | None = Field(default=None, sa_type=Utc)


class ChangeRow(SQLModel, table=True):
    """What was written to a member, and the entry of the access log that says so."""

    __tablename__: ClassVar[Any] = "change"
    __table_args__ = (Index("change_member", "library", "number"), Index("change_run", "run"))

    library: str = Field(primary_key=True, sa_type=Text)
    seq: int = Field(primary_key=True, sa_type=BigInteger)
    number: str = Field(sa_type=Text)
    run: str = Field(sa_type=Text)
    at: datetime = Field(sa_type=Utc)
    verdict: str = Field(sa_type=Text)
    insz: bytes | None = Field(default=None, sa_type=LargeBinary)
    before: bytes = Field(sa_type=LargeBinary)
    after: bytes = Field(sa_type=LargeBinary)


class HoldRow(SQLModel, table=True):
    """A member that a person must look at; at most one open per member."""

    __tablename__: ClassVar[Any] = "hold"
    __table_args__ = (
        Index(
            "hold_open",
            "library",
            "number",
            unique=True,
            sqlite_where=text("closed_at IS NULL"),
            postgresql_where=text("closed_at IS NULL"),
        ),
    )

    id: int | None = Field(default=None, primary_key=True)
    library: str = Field(sa_type=Text)
    number: str = Field(sa_type=Text)
    reason: str = Field(sa_type=Text)
    reference: str = Field(sa_type=Text)
    opened_at: datetime = Field(sa_type=Utc)
    mark: bytes = Field(sa_type=LargeBinary)
    proposal: bytes | None = Field(default=None, sa_type=LargeBinary)
    new_insz: bytes | None = Field(default=None, sa_type=LargeBinary)
    closed_at: datetime | None = Field(default=None, sa_type=Utc)
    decision: str | None = Field(default=None, sa_type=Text)
    decided_by: str | None = Field(default=None, sa_type=Text)


class EntryRow(SQLModel, table=True):
    """One line of the access log: its exact bytes, their leaf hash, and copies of what is searched for."""

    __tablename__: ClassVar[Any] = "entry"
    __table_args__ = (
        Index(
            "entry_reference",
            "library",
            "reference",
            "kind",
            unique=True,
            sqlite_where=text("reference <> ''"),
            postgresql_where=text("reference <> ''"),
        ),
        Index("entry_subject", "library", "subject"),
        Index(
            "entry_actor",
            "library",
            "actor",
            "seq",
            sqlite_where=text("actor <> ''"),
            postgresql_where=text("actor <> ''"),
        ),
        Index(
            "entry_deed",
            "library",
            "kind",
            "seq",
            sqlite_where=text("kind NOT IN ('access.intent', 'access.outcome')"),
            postgresql_where=text("kind NOT IN ('access.intent', 'access.outcome')"),
        ),
    )

    library: str = Field(primary_key=True, sa_type=Text)
    seq: int = Field(primary_key=True, sa_type=BigInteger)
    data: bytes = Field(sa_type=LargeBinary)
    leaf: bytes = Field(sa_type=LargeBinary)
    kind: str = Field(sa_type=Text)
    reference: str = Field(sa_type=Text)
    run: str = Field(sa_type=Text)
    at: datetime = Field(sa_type=Utc)
    subject: bytes | None = Field(default=None, sa_type=LargeBinary)
    actor: str = Field(default="", sa_type=Text)
    mac: bytes | None = Field(default=None, sa_type=LargeBinary)


class LogRow(SQLModel, table=True):
    """The head of one library's access log: how many entries, and the right edge of their tree."""

    __tablename__: ClassVar[Any] = "log"

    library: str = Field(primary_key=True, sa_type=Text)
    origin: str = Field(sa_type=Text)
    size: int = Field(sa_type=BigInteger)
    edge: bytes = Field(sa_type=LargeBinary)


class LogKeyRow(SQLModel, table=True):
    """The key of one library and year, itself sealed; destroying it makes that year's people unknown for ever."""

    __tablename__: ClassVar[Any] = "log_key"

    library: str = Field(primary_key=True, sa_type=Text)
    year: int = Field(primary_key=True)
    key: bytes = Field(sa_type=LargeBinary)


class CheckpointRow(SQLModel, table=True):
    """A checkpoint that was signed: the C2SP note at one size of a log."""

    __tablename__: ClassVar[Any] = "checkpoint"

    library: str = Field(primary_key=True, sa_type=Text)
    size: int = Field(primary_key=True, sa_type=BigInteger)
    at: datetime = Field(sa_type=Utc)
    note: str = Field(sa_type=Text)


class AnchorRow(SQLModel, table=True):
    """When a checkpoint was taken in by an anchor, and what it gave for it: a witness's signature lines."""

    __tablename__: ClassVar[Any] = "anchor"
    __table_args__ = (Index("anchor_time", "library", "at"),)

    id: int | None = Field(default=None, primary_key=True)
    library: str = Field(sa_type=Text)
    size: int = Field(sa_type=BigInteger)
    name: str = Field(sa_type=Text)
    at: datetime = Field(sa_type=Utc)
    receipt: str = Field(sa_type=Text)
    mac: bytes = Field(sa_type=LargeBinary)


class TileRow(SQLModel, table=True):
    """The hash of the ``number``-th complete subtree of 256 ** ``level`` entries: a cache that can be made anew."""

    __tablename__: ClassVar[Any] = "tile"

    library: str = Field(primary_key=True, sa_type=Text)
    level: int = Field(primary_key=True)
    number: int = Field(primary_key=True, sa_type=BigInteger)
    hash: bytes = Field(sa_type=LargeBinary)


class EvidenceRow(SQLModel, table=True):
    """The whole messages of one access, sealed under the key of its library and year."""

    __tablename__: ClassVar[Any] = "evidence"

    library: str = Field(primary_key=True, sa_type=Text)
    seq: int = Field(primary_key=True, sa_type=BigInteger)
    year: int
    data: bytes = Field(sa_type=LargeBinary)


class StaffRow(SQLModel, table=True):
    """A member of staff: the name they act under, and the keyed value of their number."""

    __tablename__: ClassVar[Any] = "staff"

    library: str = Field(primary_key=True, sa_type=Text)
    name: str = Field(primary_key=True, sa_type=Text)
    mark: bytes = Field(sa_type=LargeBinary)


class PendingRow(SQLModel, table=True):
    """A committed intent that has no outcome yet."""

    __tablename__: ClassVar[Any] = "pending"

    library: str = Field(primary_key=True, sa_type=Text)
    reference: str = Field(primary_key=True, sa_type=Text)
    run: str = Field(sa_type=Text)
    at: datetime = Field(sa_type=Utc)


class SubscriptionRow(SQLModel, table=True):
    """A number that a library is subscribed to with MAGDA, or was: ``open``, ``ending`` or ``ended``."""

    __tablename__: ClassVar[Any] = "subscription"
    __table_args__ = (
        Index("subscription_insz", "library", "insz_key", unique=True),
        Index("subscription_state", "library", "state", "id"),
    )

    id: int | None = Field(default=None, primary_key=True)
    library: str = Field(sa_type=Text)
    insz_key: bytes = Field(sa_type=LargeBinary)
    insz: bytes = Field(sa_type=LargeBinary)
    state: str = Field(sa_type=Text)
    since: datetime = Field(sa_type=Utc)
    confirmed_at: datetime = Field(sa_type=Utc)


class TrafficRow(SQLModel, table=True):
    """The pace of calls that all processes on this database share: one row, whose id is 1."""

    __tablename__: ClassVar[Any] = "traffic"

    id: int | None = Field(default=None, primary_key=True)
    state: str = Field(sa_type=Text)


class RunRow(SQLModel, table=True):
    """One night, from its opening until nothing is left to try; ``brakes`` is ``core.brakes`` as JSON."""

    __tablename__: ClassVar[Any] = "run"

    id: str = Field(primary_key=True, sa_type=Text)
    opened_at: datetime = Field(sa_type=Utc)
    ended_at: datetime | None = Field(default=None, sa_type=Utc)
    mass_change: bool = False
    brakes: str | None = Field(default=None, sa_type=Text)


class StepRow(SQLModel, table=True):
    """One member in one run."""

    __tablename__: ClassVar[Any] = "step"
    __table_args__ = (Index("step_open", "run", "state", "place"),)

    run: str = Field(primary_key=True, sa_type=Text)
    library: str = Field(primary_key=True, sa_type=Text)
    number: str = Field(primary_key=True, sa_type=Text)
    place: int = Field(sa_type=BigInteger)
    why: str = Field(sa_type=Text)
    state: str = Field(sa_type=Text)
    verdict: str = Field(default="", sa_type=Text)
    reason: str = Field(default="", sa_type=Text)


def table(row: type[SQLModel]) -> Table:
    """Return the plain table of a row class, for statements over many rows at once."""
    return SQLModel.metadata.tables[str(row.__tablename__)]


def enter(session: Session, row: type[SQLModel], lines: Sequence[tuple[object, ...]]) -> None:
    """Insert many rows as fast as the database takes them: plain values in the order of the columns; see `plain`."""
    if not lines:
        return
    connection = session.connection()
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    names = ", ".join(column.name for column in table(row).columns)
    marks = ", ".join(mark for _ in table(row).columns)
    statement = f"INSERT INTO {row.__tablename__} ({names}) VALUES ({marks})"  # noqa: S608 — our own names alone
    connection.exec_driver_sql(statement, lines)


def plain(at: datetime) -> str:
    """Return a moment as both databases read it, in UTC."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


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
