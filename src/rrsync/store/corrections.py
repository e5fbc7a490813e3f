"""Corrections: addresses that staff set instead of the register's, through a given day.

1. While a correction is in force, the member has the address of the staff: ``core.compare`` ignores the register's.
2. A correction ends when the register agrees with it, when staff end it or accept the proposal of a hold instead, when
   the library's file gives another address, and after its last day. The end is an entry of the access log that names
   the cause, and no address.
3. After its last day, or when staff end it, the member is due at once, and the register's address is applied again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import ColumnElement, or_, true, update
from sqlmodel import Session, col, select

from rrsync.core.compare import address_differs, corrected
from rrsync.core.insz import Insz
from rrsync.core.log_entry import JSON, Actor, ActorKind, Draft, Kind, actor_json
from rrsync.core.person import Address, Held, Masked, Member
from rrsync.core.planning import belgian_day
from rrsync.errors import ConfigError, StoreError
from rrsync.store.access_log import AccessLog
from rrsync.store.engine import Database
from rrsync.store.rows import MemberWrite, RowCipher, by_library, member_rows, write_changes
from rrsync.store.tables import CorrectionRow, MemberRow

_PAGE: Final = 200
#: The actor of an end that no person decided.
_RRSYNC: Final = Actor(ActorKind.PROCESS, "rrsync")


class CorrectionEnd(StrEnum):
    """The cause of the end of a correction, as the access log has it."""

    AGREED = "agreed"
    STAFF = "staff"
    FILE = "file"
    LAPSED = "lapsed"


@dataclass(frozen=True, slots=True, repr=False)
class Correction(Masked):
    """A correction in force: its address, reason, author and time, and its last day."""

    library: str
    number: str
    address: Address
    reason: str
    by: str
    at: datetime
    until: date


class Corrections:
    """The corrections of one database; ``clock`` returns aware UTC."""

    def __init__(self, database: Database, ledger: AccessLog, rows: RowCipher, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._ledger = ledger
        self._rows = rows
        self._clock = clock

    def of(self, library: str, number: str) -> Correction | None:
        """Return the correction in force of a member."""
        with self._database.read() as session:
            row = session.get(CorrectionRow, (library, number))
            return self._value(row) if row is not None and is_in_force(row, self._today()) else None

    def pinned(self, member: Member) -> Member:
        """Return the member with ``pinned`` set: whether a correction is in force."""
        with self._database.read() as session:
            row = session.get(CorrectionRow, (member.library, member.number))
            return replace(member, pinned=row is not None and is_in_force(row, self._today()))

    def correct(
        self, library: str, number: str, address: Address, *, reason: str, until: date, actor: Actor
    ) -> Correction:
        """Set an address through a day, instead of the register's or of an earlier correction.

        Raises:
            ConfigError: the library has no such member.
            StoreError: nothing was written.
        """
        now, key = self._clock(), (library, number)
        with self._ledger.writing() as session:
            member = self._rows.member(_locked(session, key))
            after = corrected(member.held, address)
            changed: list[JSON] = ["address"] if address_differs(member.held.address, after.address) else []
            body: dict[str, JSON] = {"actor": actor_json(actor), "changed": changed, "until": until.isoformat()}
            (seq,) = self._ledger.append_in(session, [Draft(library, Kind.CORRECT, "", member.insz, body=body)])
            write_changes(session, self._rows, [MemberWrite(key, seq, "", "corrected", member.held, after, now, now)])
            found = Correction(library, number, after.address, reason, actor.name, now, until)
            self._put(session, found)
        return found

    def uncorrect(self, library: str, number: str, actor: Actor) -> None:
        """End a correction; the address stays until the next query, and the member is due.

        Raises:
            StoreError: it is no longer in force, or nothing was written.
        """
        with self._ledger.writing() as session:
            member = self._rows.member(_locked(session, (library, number)))
            row = session.get(CorrectionRow, (library, number))
            if row is None or not is_in_force(row, self._today()):
                raise StoreError("This correction has ended already", todo="Look at the member again")
            self._ledger.append_in(session, [end_entry(row, CorrectionEnd.STAFF, member.insz, actor)])
            session.delete(row)
            _make_due(session, library, [number])

    def lapse(self, libraries: Sequence[str], number: str = "") -> int:
        """End the corrections past their last day or superseded by a file; only those of one member, if named.

        Returns how many there were; the members are due.

        Raises:
            StoreError: some were not ended; they are not in force all the same.
        """
        count = 0
        while found := self._over(libraries, number):
            count += sum(self._lapse(library, numbers) for library, numbers in by_library(found))
        return count

    def _over(self, libraries: Sequence[str], number: str) -> Sequence[tuple[str, str]]:
        wanted = select(CorrectionRow.library, CorrectionRow.number).where(
            col(CorrectionRow.library).in_(libraries), _is_over(self._today())
        )
        if number:
            wanted = wanted.where(CorrectionRow.number == number)
        with self._database.read() as session:
            return session.exec(wanted.limit(_PAGE)).all()

    def _lapse(self, library: str, numbers: Sequence[str]) -> int:
        """End those of these corrections that are over; one that was renewed meanwhile stays."""
        with self._ledger.writing() as session:
            members = member_rows(session, [(library, number) for number in numbers], lock=True)
            over = session.exec(
                select(CorrectionRow).where(
                    CorrectionRow.library == library,
                    col(CorrectionRow.number).in_(numbers),
                    _is_over(self._today()),
                )
            ).all()
            drafts = []
            for row in over:
                member = members.get((library, row.number))
                insz = None if member is None else self._rows.member(member).insz
                drafts.append(end_entry(row, CorrectionEnd.FILE if row.is_over else CorrectionEnd.LAPSED, insz))
                session.delete(row)
            self._ledger.append_in(session, drafts)
            _make_due(session, library, [row.number for row in over if not row.is_over])
        return len(over)

    def _put(self, session: Session, said: Correction) -> None:
        key = said.library, said.number
        row = session.get(CorrectionRow, key)
        if row is None:
            row = CorrectionRow(
                library=key[0], number=key[1], at=said.at, until=said.until, by=b"", address=b"", reason=b""
            )
        row.at, row.until, row.is_over = said.at, said.until, False
        row.by = self._rows.encrypt_text(_where("by", *key), said.by)
        row.reason = self._rows.encrypt_text(_where("reason", *key), said.reason)
        row.address = self._rows.encrypt_held(_where("address", *key), Held(address=said.address))
        session.add(row)

    def _value(self, row: CorrectionRow) -> Correction:
        key = row.library, row.number
        return Correction(
            *key,
            address=self._rows.decrypt_held(_where("address", *key), row.address).address,
            reason=self._rows.decrypt_text(_where("reason", *key), row.reason),
            by=self._rows.decrypt_text(_where("by", *key), row.by),
            at=row.at,
            until=row.until,
        )

    def _today(self) -> date:
        return belgian_day(self._clock())


def is_in_force(row: CorrectionRow, today: date) -> bool:
    """Return whether a correction applies today."""
    return not row.is_over and row.until >= today


def correction_rows(
    session: Session, keys: Sequence[tuple[str, str]], today: date
) -> dict[tuple[str, str], CorrectionRow]:
    """Return the corrections in force of these members, by library and number."""
    found: dict[tuple[str, str], CorrectionRow] = {}
    for library, numbers in by_library(keys):
        wanted = select(CorrectionRow).where(CorrectionRow.library == library, col(CorrectionRow.number).in_(numbers))
        found |= {(library, row.number): row for row in session.exec(wanted).all() if is_in_force(row, today)}
    return found


def end_entry(row: CorrectionRow, end: CorrectionEnd, insz: Insz | None, actor: Actor = _RRSYNC) -> Draft:
    """Return the log entry of the end of a correction."""
    body: dict[str, JSON] = {"actor": actor_json(actor), "ended": end.value, "until": row.until.isoformat()}
    return Draft(row.library, Kind.UNCORRECT, "", insz, body=body)


def supersede_corrections(session: Session, library: str, numbers: Sequence[str]) -> None:
    """Mark the corrections of these members as over: the library's own file gave another address."""
    for first in range(0, len(numbers), _PAGE):
        chosen = numbers[first : first + _PAGE]
        here = col(CorrectionRow.library) == library, col(CorrectionRow.number).in_(chosen)
        over = update(CorrectionRow).where(*here).values(is_over=True)
        session.execute(over.execution_options(synchronize_session=False))


def _is_over(today: date) -> ColumnElement[bool]:
    return or_(col(CorrectionRow.is_over) == true(), col(CorrectionRow.until) < today)


def _locked(session: Session, key: tuple[str, str]) -> MemberRow:
    row = session.get(MemberRow, key, with_for_update=True)
    if row is None:
        raise ConfigError("The library has no member of this number", todo="Check the member number")
    return row


def _make_due(session: Session, library: str, numbers: Sequence[str]) -> None:
    """Reset the last query of these members, so that they are due."""
    here = col(MemberRow.library) == library, col(MemberRow.number).in_(numbers)
    due = update(MemberRow).where(*here).values(verdict=None, refreshed_at=None, version=MemberRow.version + 1)
    session.execute(due.execution_options(synchronize_session=False))


def _where(column: str, library: str, number: str) -> str:
    return f"correction|{column}|{library}|{number}"
