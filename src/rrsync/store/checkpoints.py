"""The checkpoints that were signed of each log, and which anchors took them in, and when.

What stands here proves nothing by itself, for who owns the database owns this too: a note counts for its signature, an
anchoring for its tag, and both for what the anchor itself gives back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Text, cast, text
from sqlalchemy import select as choose
from sqlmodel import col, select

from rrsync.errors import BrokenChain, LedgerError
from rrsync.store.encryption import Seal
from rrsync.store.engine import Database
from rrsync.store.tables import AnchorRow, CheckpointRow, plain, table


@dataclass(frozen=True, slots=True)
class Kept:
    """A checkpoint that was signed: the log, its size then, when, and the note as text."""

    library: str
    size: int
    at: datetime
    note: str


@dataclass(frozen=True, slots=True)
class Anchoring:
    """That an anchor took a checkpoint in, when, and what it gave for it: a witness's signature lines, or nothing."""

    library: str
    size: int
    name: str
    at: datetime
    receipt: str


class Checkpoints:
    """The checkpoints and anchorings in one database."""

    def __init__(self, database: Database, seal: Seal) -> None:
        self._database = database
        self._seal = seal

    def add(self, *signed: Kept) -> None:
        """Keep what was signed; what stands there already is left.

        Raises:
            LedgerError: another note of that size stands there; nothing was written.
        """
        with self._database.write() as session:
            for one in signed:
                session.execute(_ADD, {"library": one.library, "size": one.size, "at": plain(one.at), "note": one.note})
                stands = session.exec(
                    select(CheckpointRow.note).where(
                        CheckpointRow.library == one.library, CheckpointRow.size == one.size
                    )
                ).one()
                if stands != one.note:
                    raise LedgerError(
                        f"Another checkpoint of {one.size} entries of the log of {one.library} was signed before",
                        todo="Run `rrsync log verify`; one log has one root of a size",
                    )

    def all(self, library: str) -> list[Kept]:
        """Return what was signed of a log, the shortest first.

        Raises:
            BrokenChain: a row of it was altered.
        """
        with self._database.read() as session:
            rows = session.exec(_SIGNED.where(CheckpointRow.library == library).order_by(col(CheckpointRow.size))).all()
        return [_kept(library, *row) for row in rows]

    def last(self, library: str) -> Kept | None:
        """Return what was signed of a log at its longest.

        Raises:
            BrokenChain: its row was altered.
        """
        wanted = _SIGNED.where(CheckpointRow.library == library).order_by(col(CheckpointRow.size).desc()).limit(1)
        with self._database.read() as session:
            row = session.exec(wanted).first()
        return None if row is None else _kept(library, *row)

    def anchored(self, library: str, size: int, name: str, at: datetime, receipt: str) -> None:
        """Note that an anchor took a checkpoint in."""
        self._note(Anchoring(library, size, name, at, receipt))

    def failed(self, name: str, at: datetime) -> None:
        """Note that an anchor was out of reach, so that the next process need not wait for it too."""
        self._note(Anchoring("", 0, name, at, ""))

    def anchorings(self, library: str) -> list[Anchoring]:
        """Return when which anchor took a log's checkpoints in, the first first; what we did not note is left out."""
        wanted = _TAKEN.where(col(AnchorRow.library) == library).order_by(col(AnchorRow.at), col(AnchorRow.id))
        with self._database.read() as session:
            rows = session.execute(wanted).all()
        return [one for row in rows if (one := self._ours(library, *row)) is not None]

    def last_anchored(
        self, library: str, name: str | None = None, *, until: datetime | None = None
    ) -> Anchoring | None:
        """Return when an anchor last took in a checkpoint of a log: this one, or any; not after ``until``."""
        wanted = _TAKEN.where(col(AnchorRow.library) == library)
        wanted = wanted if name is None else wanted.where(col(AnchorRow.name) == name)
        wanted = wanted if until is None else wanted.where(col(AnchorRow.at) <= until)
        with self._database.read() as session:
            for row in session.execute(wanted.order_by(col(AnchorRow.at).desc(), col(AnchorRow.id).desc())):
                if (one := self._ours(library, *row)) is not None:
                    return one
        return None

    def last_failure(self, name: str, *, until: datetime) -> datetime | None:
        """Return when an anchor was last out of reach."""
        last = self.last_anchored("", name, until=until)
        return last.at if last else None

    def _note(self, one: Anchoring) -> None:
        row = {"library": one.library, "size": one.size, "name": one.name, "at": one.at, "receipt": one.receipt}
        with self._database.write() as session:
            session.execute(_ANCHORED, row | {"mac": self._tag(one)})

    def _tag(self, one: Anchoring) -> bytes:
        """Return the tag by which a row shows that we wrote it: who owns the database could else vouch for himself."""
        where = f"anchor|{one.library}|{one.size}|{one.name}|{one.at.astimezone(UTC).isoformat()}"
        return self._seal.tag(where, one.receipt.encode())

    def _ours(self, library: str, size: int, name: str, at: str, receipt: str, mac: bytes) -> Anchoring | None:
        try:
            one = Anchoring(library, size, name, datetime.fromisoformat(at).replace(tzinfo=UTC), receipt)
        except ValueError:
            return None
        return one if mac == self._tag(one) else None


def _kept(library: str, size: int, at: str, note: str) -> Kept:
    return Kept(library, size, _moment(library, size, at), note)


def _moment(library: str, size: int, at: str) -> datetime:
    try:
        return datetime.fromisoformat(at).replace(tzinfo=UTC)
    except ValueError as error:
        raise BrokenChain(
            f"The checkpoint of {size} of the access log of {library} bears no time",
            kept="Nothing was asked",
            todo="Stop the nightly job, keep the database as it is, and call the data-protection officer",
        ) from error


# SQLite takes anything in any column, and gives text of it when it is told to.
_SIGNED: Final = select(CheckpointRow.size, cast(CheckpointRow.at, Text), CheckpointRow.note)
_TAKEN: Final = choose(
    col(AnchorRow.size),
    col(AnchorRow.name),
    cast(AnchorRow.at, Text),
    col(AnchorRow.receipt),
    col(AnchorRow.mac),
)
# SQLite asks the guard against REPLACE before it looks for a conflict, so the question comes first.
_ADD: Final = text(
    "INSERT INTO checkpoint (library, size, at, note) SELECT :library, :size, :at, :note WHERE NOT EXISTS "
    "(SELECT 1 FROM checkpoint WHERE library = :library AND size = :size) ON CONFLICT DO NOTHING"
)
_ANCHORED: Final = table(AnchorRow).insert()
