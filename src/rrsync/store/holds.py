"""The worklist: members a person must look at, and what was decided.

The worklist as a page at a time: the open holds of one library, the oldest first, all or those of one reason.
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
from rrsync.store.rows import Rows
from rrsync.store.tables import HoldRow, MemberRow

_CHUNK: Final = 500


@dataclass(frozen=True, slots=True, repr=False)
class OpenHold(Masked):
    """One hold that awaits a person: which member, why, since when, and what accepting would write.

    ``twin`` is the member of the same library that has the new number already: the two are one person, to be merged.
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
        """Whether there is something that accepting would write."""
        return self.proposal is not None or (self.new_insz is not None and self.twin is None)


class Holds:
    """The open holds of one database."""

    def __init__(self, database: Database, rows: Rows) -> None:
        self._database = database
        self._rows = rows

    def open(self, *, library: str | None = None) -> Iterator[OpenHold]:
        """Return the open holds, the oldest first."""
        wanted = select(HoldRow).where(col(HoldRow.closed_at).is_(None)).order_by(col(HoldRow.id))
        if library is not None:
            wanted = wanted.where(HoldRow.library == library)
        with self._database.read() as session:
            rows = session.exec(wanted).all()
            twins = self._twins(session, rows)
            session.expunge_all()
        return (self._value(row, twins) for row in rows)

    def find(self, number: int) -> OpenHold | None:
        """Return one open hold by its number."""
        with self._database.read() as session:
            row = session.get(HoldRow, number)
            if row is None or row.closed_at is not None:
                return None
            return self.opened(session, [row])[0]

    def opened(self, session: Session, rows: Sequence[HoldRow]) -> list[OpenHold]:
        """Open rows that were read in a session."""
        twins = self._twins(session, rows)
        return [self._value(row, twins) for row in rows]

    def _twins(self, session: Session, rows: Sequence[HoldRow]) -> dict[tuple[str, Insz], str]:
        """Return which member has a new number that is proposed for another, by library and number."""
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
        return Insz(self._rows.open_text(f"hold|new_insz|{row.library}|{row.number}", row.new_insz))

    def _value(self, row: HoldRow, twins: Mapping[tuple[str, Insz], str]) -> OpenHold:
        """Open a row."""
        at, new = f"{row.library}|{row.number}", self._new_insz(row)
        twin = None if new is None else twins.get((row.library, new))
        return OpenHold(
            id=row.id or 0,
            library=row.library,
            number=row.number,
            reason=Reason(row.reason),
            reference=row.reference,
            opened_at=row.opened_at,
            proposal=None if row.proposal is None else self._rows.open_side(f"hold|proposal|{at}", row.proposal),
            new_insz=new,
            twin=twin if twin != row.number else None,
        )


def holders(session: Session, rows: Rows, library: str, numbers: Sequence[Insz]) -> dict[Insz, str]:
    """Return the members of a library that have these numbers."""
    keys = {rows.insz_key(library, insz): insz for insz in numbers}
    found: dict[Insz, str] = {}
    for at in range(0, len(keys), _CHUNK):
        wanted = select(MemberRow.insz_key, MemberRow.number).where(
            MemberRow.library == library, col(MemberRow.insz_key).in_(list(keys)[at : at + _CHUNK])
        )
        found |= {keys[key]: number for key, number in session.exec(wanted) if key is not None}
    return found


def set_hold(session: Session, rows: Rows, key: tuple[str, str], hold: Hold, *, reference: str, at: datetime) -> None:
    """Open a hold, or renew the open one.

    What a person dismissed stays dismissed while the register repeats it and who has the new number stays the same. An
    answer that cannot be used says nothing of the person: it neither takes the place of a reason that does, nor stays
    dismissed.
    """
    library, number = key
    where = f"{library}|{number}"
    wanted = (
        select(HoldRow).where(HoldRow.library == library, HoldRow.number == number).order_by(col(HoldRow.id).desc())
    )
    last = session.exec(wanted.limit(1)).first()
    new = hold.new_insz.digits if hold.new_insz else ""
    twins = [] if hold.new_insz is None else holders(session, rows, library, [hold.new_insz]).values()
    mark = rows.mark("hold", where, hold.reason.value, new, rows.text_of(hold.proposal), *twins)
    if last is not None and last.decision == "dismissed" and last.mark == mark and hold.reason not in PASSING:
        return
    if last is not None and last.closed_at is None and hold.reason in PASSING and Reason(last.reason) not in PASSING:
        return
    if last is None or last.closed_at is not None or last.reason != hold.reason.value:
        close_holds(session, [key], decision="superseded", by="register", at=at)
        last = HoldRow(library=library, number=number, reason=hold.reason.value, reference="", opened_at=at, mark=b"")
    last.reference, last.mark = reference, mark
    last.proposal = None if hold.proposal is None else rows.seal_side(f"hold|proposal|{where}", hold.proposal)
    last.new_insz = rows.seal_text(f"hold|new_insz|{where}", new) if new else None
    session.add(last)
    session.flush()


def standing_reasons(session: Session, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Return the reasons of these members' open holds, where they say something of the person."""
    found: dict[tuple[str, str], str] = {}
    for library in sorted({library for library, _ in keys}):
        numbers = [number for of, number in keys if of == library]
        wanted = select(HoldRow.number, HoldRow.reason).where(
            HoldRow.library == library, col(HoldRow.number).in_(numbers), col(HoldRow.closed_at).is_(None)
        )
        reasons = session.exec(wanted).all()
        found |= {(library, number): reason for number, reason in reasons if Reason(reason) not in PASSING}
    return found


def clear_holds(session: Session, keys: Sequence[tuple[str, str]], *, at: datetime) -> None:
    """Close the open holds of members of whom the register now says nothing to look at; what was dismissed is over."""
    for library in sorted({library for library, _ in keys}):
        numbers = [number for of, number in keys if of == library]
        here = col(HoldRow.library) == library, col(HoldRow.number).in_(numbers)
        is_dismissed = and_(col(HoldRow.decision) == "dismissed", col(HoldRow.mark) != b"")
        wanted = select(HoldRow.number).where(*here, or_(col(HoldRow.closed_at).is_(None), is_dismissed))
        if found := session.exec(wanted).all():  # few members have one
            close_holds(session, [(library, number) for number in found], decision="superseded", by="register", at=at)
            over = update(HoldRow).where(*here, is_dismissed).values(mark=b"")
            session.execute(over.execution_options(synchronize_session=False))


def close_holds(session: Session, keys: Sequence[tuple[str, str]], *, decision: str, by: str, at: datetime) -> None:
    """Close the open holds of these members, where there is one; what they proposed is forgotten."""
    for library in sorted({library for library, _ in keys}):
        numbers = [number for of, number in keys if of == library]
        session.execute(
            update(HoldRow)
            .where(col(HoldRow.library) == library, col(HoldRow.number).in_(numbers), col(HoldRow.closed_at).is_(None))
            .values(closed_at=at, decision=decision, decided_by=by, proposal=None, new_insz=None)
            .execution_options(synchronize_session=False)
        )


#: How many holds a page has.
PAGE: Final = 50


@dataclass(frozen=True, slots=True)
class Turn:
    """Where a hold stands among those that are meant: how many before it, of how many, and its neighbours."""

    place: int
    total: int
    before: int | None
    after: int | None


class Worklist:
    """The open holds of one database, library by library; nobody reads them all at once."""

    def __init__(self, database: Database, holds: Holds) -> None:
        self._database = database
        self._holds = holds

    def count(self, library: str) -> int:
        """Return how many holds await a person."""
        with self._database.read() as session:
            return session.exec(select(func.count()).select_from(HoldRow).where(*_open(library))).one()

    def counts(self, library: str) -> dict[Reason, int]:
        """Return the same by reason, in the order of the contract; a reason without holds is not named."""
        wanted = select(HoldRow.reason, func.count()).where(*_open(library)).group_by(col(HoldRow.reason))
        with self._database.read() as session:
            found = {reason: int(count) for reason, count in session.exec(wanted).all()}
        return {reason: found[reason.value] for reason in Reason if reason.value in found}

    def page(
        self, library: str, *, reason: Reason | None = None, beyond: int = 0, most: int = PAGE
    ) -> tuple[list[OpenHold], bool]:
        """Return the next ``most`` holds, of numbers above ``beyond``, and whether there are more."""
        wanted = select(HoldRow).where(*_open(library, reason), col(HoldRow.id) > beyond)
        with self._database.read() as session:
            rows = session.exec(wanted.order_by(col(HoldRow.id)).limit(most + 1)).all()
            return self._holds.opened(session, rows[:most]), len(rows) > most

    def of(self, library: str, number: str) -> OpenHold | None:
        """Return the open hold of a member, if there is one."""
        with self._database.read() as session:
            rows = session.exec(select(HoldRow).where(*_open(library), HoldRow.number == number)).all()
            return next(iter(self._holds.opened(session, rows)), None)

    def turn(self, library: str, hold: int, *, reason: Reason | None = None) -> Turn:
        """Return where a hold stands; one that is not of the reason has neighbours too."""
        meant, place = _open(library, reason), col(HoldRow.id)
        wanted = select(
            func.count(),
            func.count().filter(place < hold),
            func.max(place).filter(place < hold),
            func.min(place).filter(place > hold),
        )
        with self._database.read() as session:
            total, earlier, before, after = session.exec(wanted.select_from(HoldRow).where(*meant)).one()
        return Turn(earlier + 1, total, before, after)


def _open(library: str, reason: Reason | None = None) -> list[ColumnElement[bool]]:
    meant = [col(HoldRow.library) == library, col(HoldRow.closed_at).is_(None)]
    return meant if reason is None else [*meant, col(HoldRow.reason) == reason.value]
