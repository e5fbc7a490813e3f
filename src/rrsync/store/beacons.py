"""What a member's name is found by though it is sealed: its beacons.

Each beginning of a word lights one of 63 lamps of its library, chosen by a keyed value: its first three letters one of
``three``, its first four one of ``four``, its first six one of ``six``. Dozens of beginnings share a lamp, so lamps
tell nobody a name: they leave few members whose names must be opened. See ADR 19.
"""

from __future__ import annotations

import hmac
from itertools import chain
from typing import TYPE_CHECKING, Final

from sqlalchemy import BigInteger, Column, Table, Text, bindparam, select, text, tuple_
from sqlmodel import Session, SQLModel

from rrsync.core.names import beginnings, held
from rrsync.errors import StoreError
from rrsync.store.tables import MemberRow, table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rrsync.core.person import Name
    from rrsync.store.engine import Database
    from rrsync.store.rows import Rows

BEACON: Final = Table(
    "beacon",
    SQLModel.metadata,
    Column("library", Text, primary_key=True),
    Column("number", Text, primary_key=True),
    Column("three", BigInteger, nullable=False),
    Column("four", BigInteger, nullable=False),
    Column("six", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

_LAMPS: Final = 63  # as many as a signed number of eight bytes has
_DRAWN: Final = 4  # bytes of a keyed value that choose one
_PAGE: Final = 1_000


class Lamps:
    """The lamps of one library; what was looked up once is remembered as long as this lives."""

    def __init__(self, rows: Rows, library: str) -> None:
        self._key = rows.mark("beacon", library)
        self._known: dict[str, int] = {}

    def of(self, words: Iterable[str]) -> tuple[int, ...]:
        """Give what words light, in the order of the columns."""
        return tuple(self._lit(starts) for starts in beginnings(words))

    def _lit(self, starts: Iterable[str]) -> int:
        lit = 0
        for start in starts:
            lamp = self._known.get(start)
            if lamp is None:
                drawn = hmac.digest(self._key, start.encode(), "sha256")[:_DRAWN]
                lamp = self._known[start] = 1 << int.from_bytes(drawn, "big") % _LAMPS
            lit |= lamp
        return lit


def write_beacons(session: Session, rows: Rows, library: str, names: Iterable[tuple[str, Name]]) -> None:
    """Write what members of one library are found by, in the transaction that writes their names."""
    lamps = Lamps(rows, library)
    lit = [(number, *lamps.of(chain.from_iterable(held(name)))) for number, name in names]
    if not lit:
        return
    if session.get_bind().dialect.name == "postgresql":  # which takes many rows better than many statements
        numbers, three, four, six = map(list, zip(*lit, strict=True))
        columns = {"numbers": numbers, "three": three, "four": four, "six": six}
        session.execute(_LIGHT_ALL, {"library": library} | columns)
    else:
        session.connection().exec_driver_sql(_LIGHT, [(library, *each) for each in lit])


def fill_beacons(database: Database, rows: Rows) -> int:
    """Write the beacons of members that have none, as those of before there were any; give how many.

    A thousand are one transaction: what is stopped half-way goes on where it was. A damaged name is passed by.
    """
    filled, after = 0, ("", "")
    while True:
        with database.write() as session:
            dark = session.execute(_DARK, {"library": after[0], "number": after[1]}).all()
            named: dict[str, list[tuple[str, Name]]] = {}
            for library, number, sealed in dark:
                try:
                    named.setdefault(library, []).append((number, rows.name(library, number, sealed)))
                except StoreError:
                    continue
            for library, names in named.items():
                write_beacons(session, rows, library, names)
                filled += len(names)
        if len(dark) < _PAGE:
            return filled
        after = dark[-1].library, dark[-1].number


_MEMBER: Final = table(MemberRow)
#: The columns of lamps, in the order of the lengths of what lights them.
LAMPS: Final = (BEACON.c.three, BEACON.c.four, BEACON.c.six)
#: Where a member's beacon stands, if it has one.
AT: Final = (BEACON.c.library == _MEMBER.c.library) & (BEACON.c.number == _MEMBER.c.number)
_LIGHT: Final = (
    "INSERT INTO beacon (library, number, three, four, six) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (library, number) DO UPDATE SET three = excluded.three, four = excluded.four, six = excluded.six"
)
_LIGHT_ALL: Final = text(
    "INSERT INTO beacon (library, number, three, four, six) SELECT :library, lit.* "
    "FROM unnest(CAST(:numbers AS text[]), "
    "CAST(:three AS bigint[]), CAST(:four AS bigint[]), CAST(:six AS bigint[])) AS lit "
    "ON CONFLICT (library, number) DO UPDATE SET three = excluded.three, four = excluded.four, six = excluded.six"
)
_KEY: Final = (_MEMBER.c.library, _MEMBER.c.number)
_DARK: Final = (
    select(*_KEY, _MEMBER.c.name)
    .outerjoin(BEACON, AT)
    .where(BEACON.c.number.is_(None), tuple_(*_KEY) > tuple_(bindparam("library"), bindparam("number")))
    .order_by(*_KEY)
    .limit(_PAGE)
    .with_for_update(of=_MEMBER)  # a name that is being written has its beacons from who writes it
)
