"""Holds: members for manual review, as a worklist of each library, and the decisions about them.

1. A member has at most one open hold. A new answer of the register replaces it, renews it or closes it.
2. A dismissed hold does not come back while the register repeats the same answer and the same member has the proposed
   national number.
3. An unusable answer (``core.compare.PASSING``) says nothing about the person: it neither replaces a hold for another
   reason, nor stays dismissed.
4. A closed hold keeps no proposal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, and_, func, or_, update
from sqlmodel import Session, col, select

from rrsync.core.compare import PASSING, Hold
from rrsync.core.exchange import Reason
from rrsync.core.insz import Insz
from rrsync.core.person import Held, Masked
from rrsync.store.engine import Database
from rrsync.store.rows import RowCipher, by_library, numbers_by_key
from rrsync.store.tables import HoldRow

#: The number of holds on a page.
HOLDS_PER_PAGE: Final = 50


@dataclass(frozen=True, slots=True, repr=False)
class OpenHold(Masked):
    """An open hold of a member: its reason, its time, and the proposal that accepting would write.

    ``twin`` is another member of the library with the proposed national number: the two are one person, to be merged.
    """

    id: int
    library: str
    number: str
    reason: Reason
    reference: str
    opened_at: datetime
    proposal: Held | None
    new_insz: Insz | None
    twin: str | None = None

    @property
    def offers(self) -> bool:
        """Whether accepting would write something."""
        return self.proposal is not None or (self.new_insz is not None and self.twin is None)


@dataclass(frozen=True, slots=True)
class WorklistPosition:
    """The position of a hold in a worklist: its place, the total, and its neighbours."""

    place: int
    total: int
    before: int | None
    after: int | None


class Holds:
    """The open holds of one database."""

    def __init__(self, database: Database, rows: RowCipher) -> None:
        self._database = database
        self._rows = rows

    def open(self, *, library: str | None = None) -> Iterator[OpenHold]:
        """Return the open holds, the oldest first."""
        with self._database.read() as session:
            rows = session.exec(select(HoldRow).where(*_open(library)).order_by(col(HoldRow.id))).all()
            twins = self._twins(session, rows)
            session.expunge_all()
        return (self._value(row, twins) for row in rows)

    def find(self, number: int) -> OpenHold | None:
        """Return one open hold by its number."""
        with self._database.read() as session:
            row = session.get(HoldRow, number)
            if row is None or row.closed_at is not None:
                return None
            return self._decrypted(session, [row])[0]

    def count(self, library: str) -> int:
        """Return how many holds of a library are open."""
        with self._database.read() as session:
            return session.exec(select(func.count()).select_from(HoldRow).where(*_open(library))).one()

    def counts(self, library: str) -> dict[Reason, int]:
        """Return the numbers of open holds by reason, in the order of the contract; without the zeros."""
        wanted = select(HoldRow.reason, func.count()).where(*_open(library)).group_by(col(HoldRow.reason))
        with self._database.read() as session:
            found = {reason: int(count) for reason, count in session.exec(wanted).all()}
        return {reason: found[reason.value] for reason in Reason if reason.value in found}

    def page(
        self, library: str, *, reason: Reason | None = None, beyond: int = 0, most: int = HOLDS_PER_PAGE
    ) -> tuple[list[OpenHold], bool]:
        """Return the next ``most`` open holds, with numbers above ``beyond``, and whether there are more."""
        wanted = select(HoldRow).where(*_open(library, reason), col(HoldRow.id) > beyond)
        with self._database.read() as session:
            rows = session.exec(wanted.order_by(col(HoldRow.id)).limit(most + 1)).all()
            return self._decrypted(session, rows[:most]), len(rows) > most

    def of(self, library: str, number: str) -> OpenHold | None:
        """Return the open hold of a member; ``None`` if there is none."""
        with self._database.read() as session:
            rows = session.exec(select(HoldRow).where(*_open(library), HoldRow.number == number)).all()
            return next(iter(self._decrypted(session, rows)), None)

    def turn(self, library: str, hold: int, *, reason: Reason | None = None) -> WorklistPosition:
        """Return the position of a hold among the open holds of a reason; a hold with another reason has one too."""
        number = col(HoldRow.id)
        wanted = select(
            func.count(),
            func.count().filter(number < hold),
            func.max(number).filter(number < hold),
            func.min(number).filter(number > hold),
        )
        with self._database.read() as session:
            total, earlier, before, after = session.exec(
                wanted.select_from(HoldRow).where(*_open(library, reason))
            ).one()
        return WorklistPosition(earlier + 1, total, before, after)

    def _decrypted(self, session: Session, rows: Sequence[HoldRow]) -> list[OpenHold]:
        twins = self._twins(session, rows)
        return [self._value(row, twins) for row in rows]

    def _twins(self, session: Session, rows: Sequence[HoldRow]) -> dict[tuple[str, Insz], str]:
        """Return the members who have a proposed national number, by library and number."""
        wanted: dict[str, list[Insz]] = {}
        for row in rows:
            if (new := self._new_insz(row)) is not None:
                wanted.setdefault(row.library, []).append(new)
        return {
            (library, insz): number
            for library, numbers in wanted.items()
            for insz, number in holders(session, self._rows, library, numbers).items()
        }

    def _new_insz(self, row: HoldRow) -> Insz | None:
        if row.new_insz is None:
            return None
        return Insz(self._rows.decrypt_text(f"hold|new_insz|{row.library}|{row.number}", row.new_insz))

    def _value(self, row: HoldRow, twins: Mapping[tuple[str, Insz], str]) -> OpenHold:
        at, new = f"{row.library}|{row.number}", self._new_insz(row)
        twin = None if new is None else twins.get((row.library, new))
        return OpenHold(
            id=row.id or 0,
            library=row.library,
            number=row.number,
            reason=Reason(row.reason),
            reference=row.reference,
            opened_at=row.opened_at,
            proposal=None if row.proposal is None else self._rows.decrypt_held(f"hold|proposal|{at}", row.proposal),
            new_insz=new,
            twin=twin if twin != row.number else None,
        )


def _open(library: str | None, reason: Reason | None = None) -> list[ColumnElement[bool]]:
    chosen: list[ColumnElement[bool]] = [col(HoldRow.closed_at).is_(None)]
    chosen += [] if library is None else [col(HoldRow.library) == library]
    chosen += [] if reason is None else [col(HoldRow.reason) == reason.value]
    return chosen


def holders(session: Session, rows: RowCipher, library: str, numbers: Sequence[Insz]) -> dict[Insz, str]:
    """Return the members of a library that have these numbers."""
    keys = {rows.insz_key(library, insz): insz for insz in numbers}
    return {keys[key]: number for key, number in numbers_by_key(session, library, list(keys)).items()}


def open_hold_id(session: Session, key: tuple[str, str]) -> int | None:
    """Return the number of the open hold of a member."""
    return session.exec(select(HoldRow.id).where(*_open(key[0]), HoldRow.number == key[1])).first()


def set_hold(
    session: Session, rows: RowCipher, key: tuple[str, str], hold: Hold, *, reference: str, at: datetime
) -> None:
    """Open a hold, or renew the open one; see the rules 1 to 3."""
    library, number = key
    where = f"{library}|{number}"
    wanted = select(HoldRow).where(HoldRow.library == library, HoldRow.number == number)
    last = session.exec(wanted.order_by(col(HoldRow.id).desc()).limit(1)).first()
    new = hold.new_insz.digits if hold.new_insz else ""
    twins = [] if hold.new_insz is None else holders(session, rows, library, [hold.new_insz]).values()
    mark = rows.keyed_hash("hold", where, hold.reason.value, new, rows.held_text(hold.proposal), *twins)
    if last is not None and last.decision == "dismissed" and last.mark == mark and hold.reason not in PASSING:
        return
    if last is not None and last.closed_at is None and hold.reason in PASSING and Reason(last.reason) not in PASSING:
        return
    if last is None or last.closed_at is not None or last.reason != hold.reason.value:
        close_holds(session, [key], decision="superseded", by="register", at=at)
        last = HoldRow(library=library, number=number, reason=hold.reason.value, reference="", opened_at=at, mark=b"")
    last.reference, last.mark = reference, mark
    last.proposal = None if hold.proposal is None else rows.encrypt_held(f"hold|proposal|{where}", hold.proposal)
    last.new_insz = rows.encrypt_text(f"hold|new_insz|{where}", new) if new else None
    session.add(last)
    session.flush()


def standing_reasons(session: Session, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Return the reasons of these members' open holds, without those of unusable answers."""
    found: dict[tuple[str, str], str] = {}
    for library, numbers in by_library(keys):
        wanted = select(HoldRow.number, HoldRow.reason).where(
            HoldRow.library == library, col(HoldRow.number).in_(numbers), col(HoldRow.closed_at).is_(None)
        )
        reasons = session.exec(wanted).all()
        found |= {(library, number): reason for number, reason in reasons if Reason(reason) not in PASSING}
    return found


def clear_holds(session: Session, keys: Sequence[tuple[str, str]], *, at: datetime) -> None:
    """Close the holds of members whose newest answer needs no review; dismissed holds may come back from now on."""
    for library, numbers in by_library(keys):
        here = col(HoldRow.library) == library, col(HoldRow.number).in_(numbers)
        is_dismissed = and_(col(HoldRow.decision) == "dismissed", col(HoldRow.mark) != b"")
        wanted = select(HoldRow.number).where(*here, or_(col(HoldRow.closed_at).is_(None), is_dismissed))
        if found := session.exec(wanted).all():  # few members have one
            close_holds(session, [(library, number) for number in found], decision="superseded", by="register", at=at)
            over = update(HoldRow).where(*here, is_dismissed).values(mark=b"")
            session.execute(over.execution_options(synchronize_session=False))


def close_holds(session: Session, keys: Sequence[tuple[str, str]], *, decision: str, by: str, at: datetime) -> None:
    """Close the open holds of these members, and delete what they proposed."""
    for library, numbers in by_library(keys):
        session.execute(
            update(HoldRow)
            .where(col(HoldRow.library) == library, col(HoldRow.number).in_(numbers), col(HoldRow.closed_at).is_(None))
            .values(closed_at=at, decision=decision, decided_by=by, proposal=None, new_insz=None)
            .execution_options(synchronize_session=False)
        )
