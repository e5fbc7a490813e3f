"""The signed checkpoints of each log, and the receipts of the anchors that took them.

This table proves nothing by itself, for the owner of the database owns it too. A note counts for its signature, a
receipt for its MAC, and both for what the anchor itself returns.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Text, cast, text
from sqlmodel import col, select

from rrsync.errors import BrokenChain, LedgerError
from rrsync.store.encryption import FieldCipher
from rrsync.store.engine import Database
from rrsync.store.tables import AnchorRow, CheckpointRow, table, utc_text


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A signed checkpoint: its log, size and time, and the text of the note."""

    library: str
    size: int
    at: datetime
    note: str


@dataclass(frozen=True, slots=True)
class AnchorReceipt:
    """The receipt of an anchor for a checkpoint; ``receipt`` has the signature lines of a witness, or nothing."""

    library: str
    size: int
    name: str
    at: datetime
    receipt: str


class Checkpoints:
    """The checkpoints and receipts of one database."""

    def __init__(self, database: Database, cipher: FieldCipher) -> None:
        self._database = database
        self._cipher = cipher

    def add(self, *signed: SignedCheckpoint) -> None:
        """Add signed checkpoints; existing ones stay.

        Raises:
            LedgerError: another note of that size exists; nothing was written.
        """
        with self._database.write() as session:
            for one in signed:
                session.execute(
                    _ADD, {"library": one.library, "size": one.size, "at": utc_text(one.at), "note": one.note}
                )
                existing = session.exec(
                    select(CheckpointRow.note).where(
                        CheckpointRow.library == one.library, CheckpointRow.size == one.size
                    )
                ).one()
                if existing != one.note:
                    raise LedgerError(
                        f"Another checkpoint of {one.size} entries of the log of {one.library} was signed before",
                        todo="Run `rrsync log verify`; one log has one root of a size",
                    )

    def all(self, library: str) -> list[SignedCheckpoint]:
        """Return the checkpoints of a log, the smallest first.

        Raises:
            BrokenChain: a row was altered.
        """
        with self._database.read() as session:
            rows = session.exec(_SIGNED.where(CheckpointRow.library == library).order_by(col(CheckpointRow.size))).all()
        return [_signed(library, *row) for row in rows]

    def last(self, library: str) -> SignedCheckpoint | None:
        """Return the largest checkpoint of a log.

        Raises:
            BrokenChain: its row was altered.
        """
        wanted = _SIGNED.where(CheckpointRow.library == library).order_by(col(CheckpointRow.size).desc()).limit(1)
        with self._database.read() as session:
            row = session.exec(wanted).first()
        return None if row is None else _signed(library, *row)

    def anchored(self, library: str, size: int, name: str, at: datetime, receipt: str) -> None:
        """Note that an anchor took a checkpoint."""
        self._note(AnchorReceipt(library, size, name, at, receipt))

    def failed(self, name: str, at: datetime) -> None:
        """Note that an anchor was unreachable, so that the next process does not wait for it too."""
        self._note(AnchorReceipt("", 0, name, at, ""))

    def anchorings(self, library: str) -> list[AnchorReceipt]:
        """Return the receipts for a log's checkpoints, the oldest first; rows with a wrong MAC are skipped."""
        wanted = _ANCHORINGS.where(col(AnchorRow.library) == library).order_by(col(AnchorRow.at), col(AnchorRow.id))
        with self._database.read() as session:
            rows = session.execute(wanted).all()
        return [one for row in rows if (one := self._checked(library, *row)) is not None]

    def last_anchored(
        self, library: str, name: str | None = None, *, until: datetime | None = None
    ) -> AnchorReceipt | None:
        """Return the last receipt for a log, of one anchor or of any; none after ``until``."""
        wanted = _ANCHORINGS.where(col(AnchorRow.library) == library)
        wanted = wanted if name is None else wanted.where(col(AnchorRow.name) == name)
        wanted = wanted if until is None else wanted.where(col(AnchorRow.at) <= until)
        with self._database.read() as session:
            for row in session.execute(wanted.order_by(col(AnchorRow.at).desc(), col(AnchorRow.id).desc())):
                if (one := self._checked(library, *row)) is not None:
                    return one
        return None

    def last_failure(self, name: str, *, until: datetime) -> datetime | None:
        """Return when an anchor was last unreachable."""
        last = self.last_anchored("", name, until=until)
        return last.at if last else None

    def _note(self, one: AnchorReceipt) -> None:
        row = {"library": one.library, "size": one.size, "name": one.name, "at": one.at, "receipt": one.receipt}
        with self._database.write() as session:
            session.execute(_ADD_ANCHORING, row | {"mac": self._mac(one)})

    def _mac(self, one: AnchorReceipt) -> bytes:
        """Return the MAC of a row: without it the owner of the database could write receipts."""
        where = f"anchor|{one.library}|{one.size}|{one.name}|{one.at.astimezone(UTC).isoformat()}"
        return self._cipher.mac(where, one.receipt.encode())

    def _checked(self, library: str, size: int, name: str, at: str, receipt: str, mac: bytes) -> AnchorReceipt | None:
        try:
            one = AnchorReceipt(library, size, name, datetime.fromisoformat(at).replace(tzinfo=UTC), receipt)
        except ValueError:
            return None
        return one if mac == self._mac(one) else None


def _signed(library: str, size: int, at: str, note: str) -> SignedCheckpoint:
    return SignedCheckpoint(library, size, _time(library, size, at), note)


def _time(library: str, size: int, at: str) -> datetime:
    try:
        return datetime.fromisoformat(at).replace(tzinfo=UTC)
    except ValueError as error:
        raise BrokenChain(
            f"The checkpoint of {size} of the access log of {library} bears no time",
            kept="Nothing was asked",
            todo="Stop the nightly job, keep the database as it is, and call the data-protection officer",
        ) from error


_ANCHOR: Final = table(AnchorRow)
# SQLite accepts any type in any column; the cast returns text.
_SIGNED: Final = select(CheckpointRow.size, cast(CheckpointRow.at, Text), CheckpointRow.note)
_ANCHORINGS: Final = _ANCHOR.select().with_only_columns(
    col(AnchorRow.size),
    col(AnchorRow.name),
    cast(AnchorRow.at, Text),
    col(AnchorRow.receipt),
    col(AnchorRow.mac),
)
# SQLite fires the trigger against REPLACE before it checks for a conflict, hence the condition.
_ADD: Final = text(
    "INSERT INTO checkpoint (library, size, at, note) SELECT :library, :size, :at, :note WHERE NOT EXISTS "
    "(SELECT 1 FROM checkpoint WHERE library = :library AND size = :size) ON CONFLICT DO NOTHING"
)
_ADD_ANCHORING: Final = _ANCHOR.insert()
