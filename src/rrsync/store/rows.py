"""Members as values and as sealed columns; the row a value belongs to is bound into its ciphertext.

Writes a member's new data, with the change that says what was there before and which entry tells of it.

What a member's name is found by though it is sealed: its beacons.

Each beginning of a word lights one of 63 lamps of its library, chosen by a keyed value: its first three letters one of
``three``, its first four one of ``four``, its first six one of ``six``. Dozens of beginnings share a lamp, so lamps
tell nobody a name: they leave few members whose names must be opened. See ADR 19.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from itertools import chain
from typing import Final, cast

from sqlalchemy import BigInteger, Column, Table, Text, bindparam, text, tuple_
from sqlalchemy import select as sa_select
from sqlmodel import Session, SQLModel, col, select

from rrsync.core.insz import Insz
from rrsync.core.name_search import beginnings, held
from rrsync.core.person import Address, Held, Masked, Member, Name, PartialDate
from rrsync.errors import StoreError
from rrsync.store.encryption import Seal
from rrsync.store.engine import Database
from rrsync.store.tables import ChangeRow, MemberRow, table

_MEMBER: Final = table(MemberRow)
_ADDRESS: Final = tuple(part.name for part in fields(Address))


@dataclass(frozen=True, slots=True, repr=False)
class Standing(Masked):
    """A member with what was last found out about it; ``""`` and ``None`` when it was never asked about."""

    member: Member
    verdict: str
    hold_reason: str
    refreshed_at: datetime | None
    changed_at: datetime | None


class Rows:
    """Seals members into rows and opens them again."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal

    def knows(self, sealed: bytes) -> bool:
        """Whether a sealed column was written with one of our keys."""
        return self._seal.knows(sealed)

    def insz_key(self, library: str, insz: Insz) -> bytes:
        """Return the keyed value under which a number is found; another in each library."""
        return self._seal.lookup("insz", f"{library}\0{insz.digits}")

    def mark(self, what: str, *values: object) -> bytes:
        """Return a keyed value by which it is seen that the same is said again."""
        return self._seal.lookup(what, json.dumps(values, default=str))

    def seal_insz(self, library: str, number: str, insz: Insz | None) -> dict[str, bytes | None]:
        """Return the columns of a member's number."""
        if insz is None:
            return {"insz": None, "insz_key": None}
        sealed = self._seal.seal(insz.digits.encode(), where=f"member|insz|{library}|{number}")
        return {"insz": sealed, "insz_key": self.insz_key(library, insz)}

    def seal_held(self, library: str, number: str, held: Held) -> dict[str, bytes]:
        """Return the columns of what the register can confirm or correct."""
        name, birth_date, address = _texts(held)
        return {
            "name": self._seal_json(name, f"member|name|{library}|{number}"),
            "birth_date": self._seal_json(birth_date, f"member|birth_date|{library}|{number}"),
            "address": self._seal_json(address, f"member|address|{library}|{number}"),
        }

    def member(self, row: MemberRow) -> Member:
        """Open a member.

        Raises:
            StoreError: a column was altered or moved, or its key is missing.
        """
        at = f"{row.library}|{row.number}"
        texts = [
            self._open_json(sealed, f"member|{column}|{at}")
            for column, sealed in (("name", row.name), ("birth_date", row.birth_date), ("address", row.address))
        ]
        insz = None if row.insz is None else Insz(self._seal.open(row.insz, where=f"member|insz|{at}").decode())
        return Member(
            library=row.library,
            number=row.number,
            insz=insz,
            held=_held(texts),
            membership_end=row.membership_end,
            open_items=row.open_items,
            restricted=row.restricted,
            version=row.version,
        )

    def name(self, library: str, number: str, sealed: bytes) -> Name:
        """Open a member's name alone; raises what ``member`` raises."""
        return Name(*self._open_json(sealed, f"member|name|{library}|{number}"))

    def standing(self, row: MemberRow) -> Standing:
        """Open a member with what was last found out about it."""
        return Standing(self.member(row), row.verdict or "", row.hold_reason or "", row.refreshed_at, row.changed_at)

    def seal_side(self, where: str, held: Held) -> bytes:
        """Seal a member's data kept beside it: a proposal, what was before a change."""
        return self._seal_json([text for texts in _texts(held) for text in texts], where)

    def open_side(self, where: str, sealed: bytes) -> Held:
        """Open what ``seal_side`` gave."""
        last, first, birth_date, *address = self._open_json(sealed, where)
        return _held([[last, first], [birth_date], address])

    def seal_former(self, library: str, seq: int, insz: Insz) -> bytes:
        """Seal the number a member had, for the change that took it."""
        return self.seal_text(f"change|insz|{library}|{seq}", insz.digits)

    def former_insz(self, change: ChangeRow) -> Insz:
        """Open the number that a change took."""
        return Insz(self.open_text(f"change|insz|{change.library}|{change.seq}", change.insz or b""))

    def text_of(self, held: Held | None) -> str:
        """Return what is held as one text, to make a mark of."""
        return "" if held is None else json.dumps(_texts(held))

    def seal_text(self, where: str, text: str) -> bytes:
        """Seal one text."""
        return self._seal.seal(text.encode(), where=where)

    def open_text(self, where: str, sealed: bytes) -> str:
        """Open what ``seal_text`` gave."""
        return self._seal.open(sealed, where=where).decode()

    def _seal_json(self, value: object, where: str) -> bytes:
        return self._seal.seal(json.dumps(value, ensure_ascii=False).encode(), where=where)

    def _open_json(self, sealed: bytes, where: str) -> list[str]:
        texts: list[str] = json.loads(self._seal.open(sealed, where=where))
        return texts


def member_rows(
    session: Session, keys: Sequence[tuple[str, str]], *, lock: bool = False
) -> dict[tuple[str, str], MemberRow]:
    """Return the rows of members by library and number, locked for writing if asked."""
    rows: dict[tuple[str, str], MemberRow] = {}
    for library in sorted({library for library, _ in keys}):
        numbers = [number for of, number in keys if of == library]
        wanted = _MEMBER.select().where(_MEMBER.c.library == library, _MEMBER.c.number.in_(numbers))
        found = session.execute(wanted.order_by(_MEMBER.c.number).with_for_update() if lock else wanted)
        # A plain row has the same names as the class, and costs a third of it.
        rows |= {(library, row.number): cast("MemberRow", row) for row in found}
    return rows


def _texts(held: Held) -> list[list[str]]:
    birth_date = held.birth_date.text if held.birth_date else ""
    since = held.address_since.text if held.address_since else ""
    address = [getattr(held.address, part) for part in _ADDRESS]
    return [[held.name.last, held.name.first], [birth_date], [*address, since]]


def _held(texts: list[list[str]]) -> Held:
    name, (birth_date,), (*address, since) = texts
    return Held(Name(*name), PartialDate.parse(birth_date), Address(*address), PartialDate.parse(since))


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
        """Return what words light, in the order of the columns."""
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
    sa_select(*_KEY, _MEMBER.c.name)
    .outerjoin(BEACON, AT)
    .where(BEACON.c.number.is_(None), tuple_(*_KEY) > tuple_(bindparam("library"), bindparam("number")))
    .order_by(*_KEY)
    .limit(_PAGE)
    .with_for_update(of=_MEMBER)  # a name that is being written has its beacons from who writes it
)


@dataclass(frozen=True, slots=True, repr=False)
class Written(Masked):
    """One member's data to be written, with the entry that says so and what was there before."""

    key: tuple[str, str]
    seq: int
    run: str
    word: str
    before: Held
    after: Held
    at: datetime
    changed_at: datetime | None
    insz: bytes | None = None


def had(session: Session, rows: Rows, key: tuple[str, str], insz: Insz) -> bool:
    """Whether a member had this number before it was given another."""
    library, number = key
    wanted = select(ChangeRow).where(
        ChangeRow.library == library, ChangeRow.number == number, col(ChangeRow.insz).is_not(None)
    )
    return any(rows.former_insz(change) == insz for change in session.exec(wanted))


def write_changes(session: Session, rows: Rows, written: Sequence[Written]) -> None:
    """Write members' new data, each with its change."""
    held, changed, changes = [], [], []
    for each in written:
        library, number = each.key
        here = {"at_library": library, "at_number": number}
        held.append(here | rows.seal_held(library, number, each.after))
        if each.changed_at:
            changed.append(here | {"changed_at": each.changed_at})
        where = f"{library}|{each.seq}"
        row: dict[str, object] = {"library": library, "number": number, "seq": each.seq, "run": each.run}
        row["verdict"] = each.word
        row["before"] = rows.seal_side(f"change|before|{where}", each.before)
        row["after"] = rows.seal_side(f"change|after|{where}", each.after)
        changes.append(row | {"at": each.at, "insz": each.insz})
    for statement, values in ((_HELD, held), (_CHANGED, changed), (_CHANGE, changes)):
        if values:
            session.execute(statement, values)
    for each in written:
        if each.after.name != each.before.name:
            write_beacons(session, rows, each.key[0], [(each.key[1], each.after.name)])


_HERE: Final = (_MEMBER.c.library == bindparam("at_library"), _MEMBER.c.number == bindparam("at_number"))
_HELD: Final = (
    _MEMBER.update()
    .where(*_HERE)
    .values({name: bindparam(name) for name in ("name", "birth_date", "address")})
    .values(version=_MEMBER.c.version + 1)
)
_CHANGED: Final = _MEMBER.update().where(*_HERE).values(changed_at=bindparam("changed_at"))
_CHANGE: Final = table(ChangeRow).insert()
