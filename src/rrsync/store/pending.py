"""Which intents have no outcome yet: noted with the intent, and gone with its outcome."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete
from sqlmodel import Session, col, select

from rrsync.core.entry import Draft, Kind
from rrsync.errors import LedgerError
from rrsync.store.tables import EntryRow, LogRow, PendingRow, enter, plain

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

TODO: Final = "Find the cause in the sentence above; until the log can be written rrsync asks nothing"


def mark(session: Session, drafts: Sequence[Draft], at: datetime) -> None:
    """Note the intents among these entries, and strike out those that have their outcome.

    Raises:
        LedgerError: an outcome is a second one, or nobody asked for it.
    """
    moment = plain(at)
    opened = [(draft.library, draft.reference, draft.run, moment) for draft in drafts if draft.kind is Kind.INTENT]
    enter(session, PendingRow, opened)
    closed: defaultdict[str, list[str]] = defaultdict(list)
    for draft in drafts:
        if draft.kind is Kind.OUTCOME:
            closed[draft.library].append(draft.reference)
    for library, references in closed.items():
        chosen = col(PendingRow.library) == library, col(PendingRow.reference).in_(references)
        gone = session.execute(delete(PendingRow).where(*chosen))
        if gone.rowcount != len(references):  # type: ignore[attr-defined] # a DELETE's result counts its rows
            raise LedgerError("An access has its outcome already, or was never recorded", todo=TODO)


def awaiting(session: Session) -> Sequence[tuple[PendingRow, EntryRow, str]]:
    """Give what is pending, the oldest first, each with its intent and the name of its log."""
    intent = (EntryRow.library == PendingRow.library) & (EntryRow.reference == PendingRow.reference)
    wanted = select(PendingRow, EntryRow, LogRow.origin).where(
        intent, EntryRow.kind == Kind.INTENT.value, LogRow.library == PendingRow.library
    )
    return session.exec(wanted.order_by(col(PendingRow.at), col(PendingRow.reference))).all()
