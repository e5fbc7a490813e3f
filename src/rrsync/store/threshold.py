"""What must hold before an entry is added to a log, and after: else nothing is written, so that nothing is asked."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import func
from sqlmodel import Session, select

from rrsync.errors import LedgerError
from rrsync.store.line import tag
from rrsync.store.pending import TODO
from rrsync.store.tables import EntryRow

if TYPE_CHECKING:
    from rrsync.store.seal import Seal

_SLACK: Final = timedelta(minutes=5)


def require_ours(session: Session, seal: Seal, library: str, size: int, now: datetime) -> None:
    """See that a log's last entry was written with our keys, and not later than now.

    Raises:
        LedgerError: nobody could check what would be added, or it would have a time before its time.
    """
    wanted = select(EntryRow.leaf, EntryRow.mac, EntryRow.at)
    last = session.exec(wanted.where(EntryRow.library == library, EntryRow.seq == size - 1)).one_or_none()
    if last is None:
        return
    leaf, mac, at = last
    if mac is not None and mac != tag(seal, library, size - 1, leaf):
        raise LedgerError(
            f"The access log of {library} was written with other keys, or its last entry was altered",
            kept="Nothing was asked or written",
            todo="Put the key file that belongs to this database back; if it is there, run `rrsync log verify`",
        )
    if at - now > _SLACK:
        raise LedgerError(
            f"This machine's clock is behind the last entry of the access log of {library}",
            kept="Nothing was asked or written",
            todo="Set the clock right",
        )


def require_kept(session: Session, library: str, since: int, entries: int) -> None:
    """See that what was written is there: a trigger of somebody else's may swallow a row and say nothing.

    Raises:
        LedgerError: it is not.
    """
    there = select(func.count()).select_from(EntryRow).where(EntryRow.library == library, EntryRow.seq >= since)
    if session.exec(there).one() != entries:
        raise LedgerError(f"The database did not keep what was written in the log of {library}", todo=TODO)
