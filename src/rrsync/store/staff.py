"""The list of staff: under which name each acts, and the keyed value of their own number, never the number itself.

It is there so that a look at one's own data, or at a colleague's, stands out (``core.anomaly``).
"""

from __future__ import annotations

from sqlalchemy import delete
from sqlmodel import Session, col, select

from rrsync.core.insz import Insz
from rrsync.core.log_entry import JSON, Actor, Draft, Kind, named
from rrsync.errors import ConfigError
from rrsync.store.access_log import Ledger
from rrsync.store.encryption import Seal
from rrsync.store.engine import Database
from rrsync.store.tables import StaffRow


class Staff:
    """The lists of staff in one database, one a library; every change of them is an entry of the access log."""

    def __init__(self, database: Database, seal: Seal, ledger: Ledger) -> None:
        self._database = database
        self._seal = seal
        self._ledger = ledger

    def add(self, library: str, name: str, insz: Insz, *, actor: Actor) -> None:
        """Put a member of staff on the list, under the name they act by.

        Raises:
            ConfigError: somebody of that name is on it.
            LedgerError: the log cannot be written; the list is as it was.
        """
        with self._ledger.writing() as session:
            self._ledger.append_in(session, [_change(library, name, "add", actor, insz)])  # first: it locks the log
            if session.get(StaffRow, (library, name)) is not None:
                raise ConfigError(
                    "The list of staff has somebody of that name already",
                    todo="Remove the name first, or add the number under another name",
                )
            session.add(StaffRow(library=library, name=name, mark=mark_of(self._seal, library, insz)))

    def remove(self, library: str, name: str, *, actor: Actor) -> None:
        """Take a name off the list; the entry names nobody by number, as the list has none to give.

        Raises:
            ConfigError: nobody of that name is on it.
            LedgerError: the log cannot be written; the list is as it was.
        """
        with self._ledger.writing() as session:
            self._ledger.append_in(session, [_change(library, name, "remove", actor, None)])
            chosen = col(StaffRow.library) == library, col(StaffRow.name) == name
            gone = session.execute(delete(StaffRow).where(*chosen))
            if not gone.rowcount:  # type: ignore[attr-defined] # a DELETE's result counts its rows
                raise ConfigError("The list of staff has nobody of that name", todo="See `rrsync log staff list`")

    def names(self, library: str) -> list[str]:
        """Return the names on a library's list, sorted."""
        with self._database.read() as session:
            wanted = select(StaffRow.name).where(StaffRow.library == library)
            return sorted(session.exec(wanted).all())


def names_of(session: Session, seal: Seal, library: str, insz: Insz) -> frozenset[str]:
    """Return the names under which a person is on a library's list of staff."""
    wanted = select(StaffRow.name).where(StaffRow.library == library, StaffRow.mark == mark_of(seal, library, insz))
    return frozenset(session.exec(wanted).all())


def mark_of(seal: Seal, library: str, insz: Insz) -> bytes:
    """Return the keyed value under which a library's list has somebody's number."""
    return seal.lookup(f"staff|{library}", insz.digits)


def _change(library: str, name: str, deed: str, actor: Actor, subject: Insz | None) -> Draft:
    body: dict[str, JSON] = {"actor": named(actor), "staff": {"name": name, "deed": deed}}
    return Draft(library, Kind.STAFF, "", subject, body=body)
