"""The tables of the database, and the functions that write many rows of them.

Data that identifies a person or tells where they live is encrypted, or stored as a keyed hash (``store.encryption``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, ClassVar, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Executable,
    Index,
    LargeBinary,
    Table,
    Text,
    TypeDecorator,
    text,
)
from sqlmodel import Field, Session, SQLModel


class Utc(TypeDecorator[datetime]):
    """A time: aware in Python, UTC without a zone in the database."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 — SQLAlchemy's
        """Convert to UTC and drop the zone."""
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 — SQLAlchemy's
        """Add the zone UTC."""
        return None if value is None else value.replace(tzinfo=UTC)


def _partial_index(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    return Index(name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where))


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
    """One write to a member, under the sequence number of the log entry that records it."""

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


#: The blind index: the name of each member as three bit sets; see ``store.rows``.
BLIND_INDEX: Final = Table(
    "beacon",
    SQLModel.metadata,
    Column("library", Text, primary_key=True),
    Column("number", Text, primary_key=True),
    Column("three", BigInteger, nullable=False),
    Column("four", BigInteger, nullable=False),
    Column("six", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)


class HoldRow(SQLModel, table=True):
    """A hold: a member for manual review. A member has at most one open hold."""

    __tablename__: ClassVar[Any] = "hold"
    __table_args__ = (_partial_index("hold_open", "library", "number", where="closed_at IS NULL", unique=True),)

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


class CorrectionRow(SQLModel, table=True):
    """An address that staff set instead of the register's, valid through the day ``until``.

    ``is_over`` marks a correction that an imported file replaced: it no longer applies, and its end is not yet logged.
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


class OfferRow(SQLModel, table=True):
    """The newest answer of the register that the desk received about a member; its content is encrypted.

    ``asking_until`` is the end of the claim of a process that is asking about the member.
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


class SubscriptionRow(SQLModel, table=True):
    """A library's MAGDA subscription to a national number; see ``store.subscriptions``."""

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


class RunRow(SQLModel, table=True):
    """One nightly run; ``brakes`` is the state of ``core.brakes`` as JSON."""

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


class TrafficRow(SQLModel, table=True):
    """The state of the rate limit that all processes on this database share: one row, with id 1."""

    __tablename__: ClassVar[Any] = "traffic"

    id: int | None = Field(default=None, primary_key=True)
    state: str = Field(sa_type=Text)


class LogRow(SQLModel, table=True):
    """The head of one library's access log: the number of entries, and the right edge of their Merkle tree."""

    __tablename__: ClassVar[Any] = "log"

    library: str = Field(primary_key=True, sa_type=Text)
    origin: str = Field(sa_type=Text)
    size: int = Field(sa_type=BigInteger)
    edge: bytes = Field(sa_type=LargeBinary)


class EntryRow(SQLModel, table=True):
    """One entry of the access log: its exact bytes, their leaf hash, copies of the searchable fields, and its MAC."""

    __tablename__: ClassVar[Any] = "entry"
    __table_args__ = (
        _partial_index("entry_reference", "library", "reference", "kind", where="reference <> ''", unique=True),
        Index("entry_subject", "library", "subject"),
        _partial_index("entry_actor", "library", "actor", "seq", where="actor <> ''"),
        _partial_index("entry_deed", "library", "kind", "seq", where="kind NOT IN ('access.intent', 'access.outcome')"),
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


class PendingRow(SQLModel, table=True):
    """A committed intent that has no outcome yet."""

    __tablename__: ClassVar[Any] = "pending"

    library: str = Field(primary_key=True, sa_type=Text)
    reference: str = Field(primary_key=True, sa_type=Text)
    run: str = Field(sa_type=Text)
    at: datetime = Field(sa_type=Utc)


class LogKeyRow(SQLModel, table=True):
    """The encrypted key of one library and year; destroying it makes the people of that year unidentifiable."""

    __tablename__: ClassVar[Any] = "log_key"

    library: str = Field(primary_key=True, sa_type=Text)
    year: int = Field(primary_key=True)
    key: bytes = Field(sa_type=LargeBinary)


class EvidenceRow(SQLModel, table=True):
    """The complete messages of one access, encrypted under the key of its library and year."""

    __tablename__: ClassVar[Any] = "evidence"

    library: str = Field(primary_key=True, sa_type=Text)
    seq: int = Field(primary_key=True, sa_type=BigInteger)
    year: int
    data: bytes = Field(sa_type=LargeBinary)


class TileRow(SQLModel, table=True):
    """The hash of the ``number``-th complete subtree of 256 ** ``level`` entries: a cache that can be rebuilt."""

    __tablename__: ClassVar[Any] = "tile"

    library: str = Field(primary_key=True, sa_type=Text)
    level: int = Field(primary_key=True)
    number: int = Field(primary_key=True, sa_type=BigInteger)
    hash: bytes = Field(sa_type=LargeBinary)


class CheckpointRow(SQLModel, table=True):
    """A signed checkpoint: the C2SP note for one size of a log."""

    __tablename__: ClassVar[Any] = "checkpoint"

    library: str = Field(primary_key=True, sa_type=Text)
    size: int = Field(primary_key=True, sa_type=BigInteger)
    at: datetime = Field(sa_type=Utc)
    note: str = Field(sa_type=Text)


class AnchorRow(SQLModel, table=True):
    """The receipt of an anchor for a checkpoint: the time, and the signature lines of a witness."""

    __tablename__: ClassVar[Any] = "anchor"
    __table_args__ = (Index("anchor_time", "library", "at"),)

    id: int | None = Field(default=None, primary_key=True)
    library: str = Field(sa_type=Text)
    size: int = Field(sa_type=BigInteger)
    name: str = Field(sa_type=Text)
    at: datetime = Field(sa_type=Utc)
    receipt: str = Field(sa_type=Text)
    mac: bytes = Field(sa_type=LargeBinary)


class StaffRow(SQLModel, table=True):
    """A member of staff: the name used in the log, and the keyed hash of their national number."""

    __tablename__: ClassVar[Any] = "staff"

    library: str = Field(primary_key=True, sa_type=Text)
    name: str = Field(primary_key=True, sa_type=Text)
    mark: bytes = Field(sa_type=LargeBinary)


class SessionRow(SQLModel, table=True):
    """A login session; ``id`` is the hash of the browser's token, and ``staff`` is encrypted for this row."""

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
    """One query at the desk of a library; it counts against the quotas for a day, and is then deleted."""

    __tablename__: ClassVar[Any] = "ask"
    __table_args__ = (Index("ask_library", "library", "at"), Index("ask_name", "library", "name", "at"))

    id: int | None = Field(default=None, primary_key=True)
    library: str = Field(sa_type=Text)
    name: str = Field(sa_type=Text)
    at: datetime = Field(sa_type=Utc)


class BreakGlassRow(SQLModel, table=True):
    """A request to query a person outside the library's file; ``insz`` is encrypted."""

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


class ApiKeyRow(SQLModel, table=True):
    """An API key of a library system: its SHA-256, its permissions, and a MAC over the row."""

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
    """An idempotent API call: keyed hashes of caller and content, and the encrypted answer once there is one."""

    __tablename__: ClassVar[Any] = "idempotency"
    __table_args__ = (Index("idempotency_at", "at"),)

    id: bytes = Field(primary_key=True, sa_type=LargeBinary)
    mark: bytes = Field(sa_type=LargeBinary)
    at: datetime = Field(sa_type=Utc)
    answer: bytes | None = Field(default=None, sa_type=LargeBinary)


class WebhookRow(SQLModel, table=True):
    """The webhook deliveries of a library: the acknowledged position, retries, and a lease (``turn``, ``until``)."""

    __tablename__: ClassVar[Any] = "hook"

    library: str = Field(primary_key=True, sa_type=Text)
    cursor: int = Field(sa_type=BigInteger)
    failures: int = 0
    why: str = Field(default="", sa_type=Text)
    next_at: datetime = Field(sa_type=Utc)
    told_at: datetime | None = Field(default=None, sa_type=Utc)
    turn: bytes = Field(default=b"", sa_type=LargeBinary)
    until: datetime = Field(sa_type=Utc)


def table(row: type[SQLModel]) -> Table:
    """Return the plain table of a row class, for statements over many rows at once."""
    return SQLModel.metadata.tables[str(row.__tablename__)]


def affected(session: Session, statement: Executable, values: Mapping[str, object] | None = None) -> int:
    """Execute an INSERT, UPDATE or DELETE, and return how many rows it affected."""
    result = session.execute(statement, values)
    return int(result.rowcount)  # type: ignore[attr-defined] # the result of such a statement counts its rows


def bulk_insert(session: Session, row: type[SQLModel], lines: Sequence[tuple[object, ...]]) -> None:
    """Insert many rows fast: plain values in the order of the columns, times as `utc_text`."""
    if not lines:
        return
    connection = session.connection()
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    names = ", ".join(column.name for column in table(row).columns)
    marks = ", ".join(mark for _ in table(row).columns)
    statement = f"INSERT INTO {row.__tablename__} ({names}) VALUES ({marks})"  # noqa: S608 — our own names alone
    connection.exec_driver_sql(statement, lines)


def utc_text(at: datetime) -> str:
    """Return a time as text that both databases read, in UTC."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
