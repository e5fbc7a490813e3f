"""Finds a library's members by name or by national number, though both are sealed.

By name: the beacons leave some members, whose names are opened and held against what was typed. A member without
beacons is always among them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlalchemy import ColumnElement, and_, or_, select
from sqlmodel import Session

from rrsync.core.compare import plain
from rrsync.core.insz import Insz
from rrsync.core.name_search import Words, fits, held, telling, typed
from rrsync.core.person import Name
from rrsync.errors import StoreError
from rrsync.store.engine import Database
from rrsync.store.rows import AT, BEACON, LAMPS, Lamps, Rows, Standing, member_rows
from rrsync.store.tables import MemberRow, table

_PAGE: Final = 1_000
_MEMBER: Final = table(MemberRow)


class Finder:
    """Finds members in one database."""

    def __init__(self, database: Database, rows: Rows) -> None:
        self._database = database
        self._rows = rows

    def numbered(self, library: str, insz: Insz) -> Standing | None:
        """Return the member of a library that has this national number."""
        wanted = _MEMBER.c.library == library, _MEMBER.c.insz_key == self._rows.insz_key(library, insz)
        with self._database.read() as session:
            number = session.execute(select(_MEMBER.c.number).where(*wanted)).scalar_one_or_none()
            row = None if number is None else session.get(MemberRow, (library, number))
            return None if row is None else self._rows.standing(row)

    def named(self, library: str, words: str, *, most: int = 50) -> tuple[tuple[Standing, ...], bool]:
        """Return a library's members whose names have these words, by name, and whether there are more than ``most``.

        Members that are damaged while others are not are left out.

        Raises:
            StoreError: not one name can be opened, as with the wrong keys.
        """
        wanted, numbers = typed(words), list[str]()
        if not wanted:
            return (), False
        with self._database.read() as session:
            for number, name in self._names(session, library, wanted):
                if fits(wanted, held(name)):
                    numbers.append(number)
                if len(numbers) > most:
                    break
            found = sorted(self._opened(session, library, numbers[:most]), key=_place)
        return tuple(found), len(numbers) > most

    def _names(self, session: Session, library: str, wanted: frozenset[Words]) -> Iterator[tuple[str, Name]]:
        """Yield the members whose beacons let them be meant, by number, with their names."""
        candidates = (
            select(_MEMBER.c.number, _MEMBER.c.name)
            .outerjoin(BEACON, AT)
            .where(_MEMBER.c.library == library, or_(BEACON.c.number.is_(None), *self._lit(library, wanted)))
            .order_by(_MEMBER.c.number)
            .limit(_PAGE)
        )
        after, is_ours, damaged = "", False, None
        while True:
            page = session.execute(candidates.where(_MEMBER.c.number > after)).all()
            for number, sealed in page:
                try:
                    name = self._rows.name(library, number, sealed)
                except StoreError as error:
                    damaged = error
                    continue
                is_ours = True
                yield number, name
            if len(page) < _PAGE:
                break
            after = page[-1].number
        if damaged is not None and not is_ours:
            raise damaged

    def _lit(self, library: str, wanted: frozenset[Words]) -> Iterator[ColumnElement[bool]]:
        """Give, for each reading, the condition that all its lamps are lit."""
        lamps = Lamps(self._rows, library)
        for words in wanted:
            columns = zip(LAMPS, lamps.of(telling(words)), strict=True)
            yield and_(*(column.bitwise_and(lit) == lit for column, lit in columns))

    def _opened(self, session: Session, library: str, numbers: list[str]) -> Iterator[Standing]:
        for row in member_rows(session, [(library, number) for number in numbers]).values():
            try:
                yield self._rows.standing(row)
            except StoreError:
                continue


def _place(standing: Standing) -> tuple[str, str, str]:
    """Return where a member stands in a list of people."""
    member = standing.member
    return plain(member.held.name.last), plain(member.held.name.first), member.number
