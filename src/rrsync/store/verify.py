"""Recomputes an access log from its bytes and names the first fault."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import func
from sqlmodel import Session, col, select

from rrsync.core.entry import decode, stamp
from rrsync.core.tree import Edge, leaf_hash
from rrsync.errors import BrokenChain
from rrsync.store.ledger import Head
from rrsync.store.tables import ChangeRow, EntryRow, LogKeyRow, LogRow

if TYPE_CHECKING:
    from collections.abc import Callable

    from rrsync.store.engine import Database

_PAGE: Final = 2_000


def verify(database: Database, library: str, *, progress: Callable[[int, int], None] | None = None) -> Head:
    """Recompute a whole log from its bytes and hold it against its head.

    Raises:
        BrokenChain: naming the library, the sequence and the cause of the first fault.
    """
    with database.read() as session:
        log = session.get(LogRow, library)
        if log is None:
            return _no_log(session, library)
        session.expunge(log)
    edge = Edge()
    while edge.size < log.size:
        try:
            edge = _verify_page(database, log, edge)
        except (TypeError, ValueError) as error:  # SQLite takes anything in any column
            raise _broken(library, edge.size, "here or soon after, a column holds what no entry has") from error
        if progress:
            progress(edge.size, log.size)
    count = select(func.count()).select_from(EntryRow).where(EntryRow.library == library).scalar_subquery()
    with database.read() as session:  # one statement, so that both are of one moment
        size, entries = session.exec(select(LogRow.size, count).where(LogRow.library == library)).one()
    if size != entries:
        raise _broken(library, min(size, entries), "the head does not count the entries")
    if edge.to_bytes() != log.edge:
        raise _broken(library, log.size - 1, "the tree of the entries is not the tree of the head")
    return Head(library, log.size, edge.root().hex())


def _no_log(session: Session, library: str) -> Head:
    """Give the head of a log that was never begun; what is kept beside every log must not be there either."""
    for row in (EntryRow, LogKeyRow, ChangeRow):
        if session.exec(select(row).where(row.library == library).limit(1)).first() is not None:
            raise _broken(library, 0, "the head is missing")
    return Head(library, 0, Edge().root().hex())


def _verify_page(database: Database, log: LogRow, edge: Edge) -> Edge:
    wanted = select(EntryRow).where(EntryRow.library == log.library, EntryRow.seq >= edge.size)
    with database.read() as session:
        rows = session.exec(wanted.order_by(col(EntryRow.seq)).limit(min(_PAGE, log.size - edge.size))).all()
        leaves = []
        for seq, row in enumerate(rows, start=edge.size):
            if fault := _fault(log, row, seq):
                raise _broken(log.library, seq, fault)
            leaves.append(row.leaf)
    if not leaves:
        raise _broken(log.library, edge.size, "the entry is missing")
    return edge.extend(leaves)


def _fault(log: LogRow, row: EntryRow, seq: int) -> str:
    """Give what is wrong with an entry that should stand at ``seq``, or ``""``."""
    if row.seq != seq:
        return "the entry is missing"
    if leaf_hash(row.data) != row.leaf:
        return "the bytes were altered"
    try:
        line = decode(row.data)
    except ValueError:
        return "the bytes are no entry"
    subject = line.get("subj")
    copies = {
        "log": log.origin,
        "seq": seq,
        "kind": row.kind,
        "ref": row.reference,
        "run": row.run,
        "ts": stamp(row.at),
        "subj": row.subject.hex() if row.subject else "",
    }
    said = {name: line.get(name, "") for name in copies}
    said["subj"] = subject.get("ref", "") if isinstance(subject, dict) else ""
    wrong = [name for name, copy in copies.items() if said[name] != copy]
    return f"the column beside the bytes says otherwise ({wrong[0]})" if wrong else ""


def _broken(library: str, seq: int, cause: str) -> BrokenChain:
    return BrokenChain(
        f"The access log of {library} does not verify at entry {seq}: {cause}",
        kept="Nothing was asked",
        todo="Stop the nightly job, keep the database as it is, and call the data-protection officer",
    )
