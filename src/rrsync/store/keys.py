"""The keys of a library's years: one a calendar year, made by the year's first entry about a person.

A key that was destroyed is never made anew: a second one would give the people of that year a second pseudonym, and
hide that the first is gone.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, delete, extract, func, insert
from sqlmodel import Session, col, select

from rrsync.core.entry import decode
from rrsync.core.insz import Insz
from rrsync.errors import LedgerError
from rrsync.store.seal import SubjectKey
from rrsync.store.tables import EntryRow, EvidenceRow, LogKeyRow

if TYPE_CHECKING:
    from collections.abc import Callable

    from rrsync.store.seal import Seal


class SubjectKeys:
    """The keys that are in one database, opened as they are needed."""

    def __init__(self, seal: Seal, random: Callable[[int], bytes]) -> None:
        self._seal = seal
        self._random = random
        self._known: dict[tuple[str, int], SubjectKey] = {}

    def find(self, session: Session, library: str, year: int) -> SubjectKey | None:
        """Give the key of a library and year; ``None`` when it was destroyed, or never made."""
        row = session.get(LogKeyRow, (library, year))
        if row is None:
            self._known.pop((library, year), None)
            return None
        if (library, year) not in self._known:
            self._known[library, year] = SubjectKey(self._seal.open(row.key, where=_where(library, year)), self._random)
        return self._known[library, year]

    def writing(self, session: Session, library: str, year: int) -> SubjectKey:
        """Give the key for an entry of this year; the first one makes it, and it is kept once committed.

        Raises:
            LedgerError: it was destroyed.
        """
        made: dict[tuple[str, int], SubjectKey] = session.info.setdefault("made", {})
        key = self._known.get((library, year)) or made.get((library, year)) or self.find(session, library, year)
        if key is not None:
            return key
        if _was_used(session, library, year):
            raise LedgerError(
                f"The key of {year} of the access log of {library} was destroyed; no entry of that year can be added",
                todo="Check this machine's clock; if it is right, call the data-protection officer",
            )
        fresh = self._seal.fresh_key()
        sealed = self._seal.seal(fresh, where=_where(library, year))
        session.execute(insert(LogKeyRow).values(library=library, year=year, key=sealed))
        made[library, year] = SubjectKey(fresh, self._random)
        return made[library, year]

    def pseudonyms(self, session: Session, library: str, digits: str) -> list[bytes]:
        """Give under what a number stands in a library's log, in each year whose key is there."""
        years = session.exec(select(LogKeyRow.year).where(LogKeyRow.library == library)).all()
        keys = [self.find(session, library, year) for year in years]
        return [key.pseudonym(digits) for key in keys if key is not None]

    def person(self, session: Session, library: str, where: str, data: bytes) -> Insz | None:
        """Give whom an entry is about; ``None`` when it names nobody, or its year's key was destroyed.

        Raises:
            StoreError: the number in it was altered, or stands in another entry than its own.
        """
        sealed = decode(data).get("subj")
        key = self.find(session, library, int(str(sealed["key"]))) if isinstance(sealed, dict) else None
        if not isinstance(sealed, dict) or key is None:
            return None
        return Insz(key.decrypt(base64.b64decode(str(sealed["enc"])), where=where))

    def ends(self, session: Session, library: str) -> dict[int, datetime]:
        """Give the time of the last entry of each year whose key is there."""
        year = extract("year", col(EntryRow.at))
        wanted = select(year, func.max(EntryRow.at)).where(EntryRow.library == library).group_by(year)
        kept = session.exec(select(LogKeyRow.year).where(LogKeyRow.library == library)).all()
        ends = {int(found): at for found, at in session.exec(wanted)}
        return {found: ends[found] for found in sorted(kept) if found in ends}

    def destroy(self, session: Session, library: str, year: int) -> tuple[int, int]:
        """Destroy a key and the evidence under it; give how many entries are about a person, and how much evidence.

        Raises:
            LedgerError: the key is not there.
        """
        row = session.get(LogKeyRow, (library, year))
        if row is None:
            raise LedgerError(
                f"The access log of {library} has no key of {year}", todo="It was destroyed before, or never made"
            )
        evidence = col(EvidenceRow.library) == library, col(EvidenceRow.year) == year
        messages = session.exec(select(func.count()).select_from(EvidenceRow).where(*evidence)).one()
        people = session.exec(select(func.count()).select_from(EntryRow).where(*_about_people(library, year))).one()
        session.execute(delete(EvidenceRow).where(*evidence))
        session.delete(row)
        session.flush()
        self._known.pop((library, year), None)
        return people, messages


def _where(library: str, year: int) -> str:
    return f"log_key|key|{library}|{year}"


def _was_used(session: Session, library: str, year: int) -> bool:
    """Whether the log has entries of this year about people, so that the year's key must have been there."""
    about = col(EntryRow.library) == library, _SUBJECT
    last = session.exec(select(EntryRow.at).where(*about).order_by(col(EntryRow.seq).desc()).limit(1)).first()
    if last is None or last.year < year:  # a log grows with time: a new year is known by its last entry
        return False
    return session.exec(select(EntryRow.seq).where(*_about_people(library, year)).limit(1)).first() is not None


def _about_people(library: str, year: int) -> tuple[ColumnElement[bool], ...]:
    begin, end = (datetime(at, 1, 1, tzinfo=UTC) for at in (year, year + 1))
    return col(EntryRow.library) == library, col(EntryRow.at) >= begin, col(EntryRow.at) < end, _SUBJECT


_SUBJECT = func.length(EntryRow.subject) > 0  # by no index: the log is read in its own order
