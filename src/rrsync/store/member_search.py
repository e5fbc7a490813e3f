"""Search of a library's members by name or by national number, though both are encrypted.

The blind index selects a few candidates, whose names are decrypted and compared with the words. A member that is not in
the index is always a candidate.
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
from rrsync.store.rows import BLIND_INDEX_COLUMNS, INDEXED, MEMBER, BlindIndex, MemberStatus, RowCipher, member_rows
from rrsync.store.tables import BLIND_INDEX, MemberRow

_PAGE: Final = 1_000


class MemberSearch:
    """Searches the members of one database."""

    def __init__(self, database: Database, rows: RowCipher) -> None:
        self._database = database
        self._rows = rows

    def numbered(self, library: str, insz: Insz) -> MemberStatus | None:
        """Return the member of a library with this national number."""
        wanted = MEMBER.c.library == library, MEMBER.c.insz_key == self._rows.insz_key(library, insz)
        with self._database.read() as session:
            number = session.execute(select(MEMBER.c.number).where(*wanted)).scalar_one_or_none()
            row = None if number is None else session.get(MemberRow, (library, number))
            return None if row is None else self._rows.status(row)

    def named(self, library: str, words: str, *, most: int = 50) -> tuple[tuple[MemberStatus, ...], bool]:
        """Return a library's members whose names have these words, by name, and whether there are more than ``most``.

        Damaged members are left out if others can be read.

        Raises:
            StoreError: no name can be decrypted, as with the wrong keys.
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
            found = sorted(self._decrypted(session, library, numbers[:most]), key=_sort_key)
        return tuple(found), len(numbers) > most

    def _names(self, session: Session, library: str, wanted: frozenset[Words]) -> Iterator[tuple[str, Name]]:
        """Yield the candidates, by number, with their names."""
        candidates = (
            select(MEMBER.c.number, MEMBER.c.name)
            .outerjoin(BLIND_INDEX, INDEXED)
            .where(
                MEMBER.c.library == library, or_(BLIND_INDEX.c.number.is_(None), *self._bit_conditions(library, wanted))
            )
            .order_by(MEMBER.c.number)
            .limit(_PAGE)
        )
        after, is_any_readable, damaged = "", False, None
        while True:
            page = session.execute(candidates.where(MEMBER.c.number > after)).all()
            for number, encrypted in page:
                try:
                    name = self._rows.name(library, number, encrypted)
                except StoreError as error:
                    damaged = error
                    continue
                is_any_readable = True
                yield number, name
            if len(page) < _PAGE:
                break
            after = page[-1].number
        if damaged is not None and not is_any_readable:
            raise damaged

    def _bit_conditions(self, library: str, wanted: frozenset[Words]) -> Iterator[ColumnElement[bool]]:
        """Yield, for each reading, the condition that all its bits are set."""
        index = BlindIndex(self._rows, library)
        for words in wanted:
            columns = zip(BLIND_INDEX_COLUMNS, index.of(telling(words)), strict=True)
            yield and_(*(column.bitwise_and(bits) == bits for column, bits in columns))

    def _decrypted(self, session: Session, library: str, numbers: list[str]) -> Iterator[MemberStatus]:
        for row in member_rows(session, [(library, number) for number in numbers]).values():
            try:
                yield self._rows.status(row)
            except StoreError:
                continue


def _sort_key(status: MemberStatus) -> tuple[str, str, str]:
    """Return the key to sort members by name."""
    member = status.member
    return plain(member.held.name.last), plain(member.held.name.first), member.number
