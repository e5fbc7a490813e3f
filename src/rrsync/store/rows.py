"""The rows of members: encryption, the blind index of their names, and the writing of changes.

1. A member's data is encrypted column by column, and the row it belongs to is bound into the ciphertext.
2. A name is found through a blind index (ADR 19). Each prefix of a word sets one of 63 bits, chosen by a keyed hash:
   prefixes of three letters in the column ``three``, of four in ``four``, of six in ``six``. Dozens of prefixes share
   a bit, so the bits reveal no name; a search decrypts the few names that have all bits it asks for.
3. New data is written together with its change: the data before and after, and the log entry that records it.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from itertools import chain
from typing import Final, cast

from sqlalchemy import bindparam, text, tuple_
from sqlmodel import Session, col, select

from rrsync.core.insz import Insz
from rrsync.core.log_entry import JSON
from rrsync.core.name_search import beginnings, held
from rrsync.core.person import Address, Held, Masked, Member, Name, PartialDate
from rrsync.errors import StoreError
from rrsync.store.encryption import FieldCipher
from rrsync.store.engine import Database
from rrsync.store.tables import BLIND_INDEX, ChangeRow, MemberRow, table

MEMBER: Final = table(MemberRow)
_CHUNK: Final = 500
THIS_MEMBER: Final = (MEMBER.c.library == bindparam("at_library"), MEMBER.c.number == bindparam("at_number"))
_ADDRESS: Final = tuple(part.name for part in fields(Address))


@dataclass(frozen=True, slots=True, repr=False)
class MemberStatus(Masked):
    """A member with its last verdict; ``""`` and ``None`` if it was never queried."""

    member: Member
    verdict: str
    hold_reason: str
    refreshed_at: datetime | None
    changed_at: datetime | None


class RowCipher:
    """Encrypts members into rows and decrypts them."""

    def __init__(self, cipher: FieldCipher) -> None:
        self._cipher = cipher

    def has_key_of(self, encrypted: bytes) -> bool:
        """Return whether an encrypted column was written with one of our keys."""
        return self._cipher.has_key_of(encrypted)

    def insz_key(self, library: str, insz: Insz) -> bytes:
        """Return the keyed hash to find a national number by; it differs between libraries."""
        return self._cipher.keyed_hash("insz", f"{library}\0{insz.digits}")

    def keyed_hash(self, what: str, *values: object) -> bytes:
        """Return a keyed hash that shows whether the same values come again."""
        return self._cipher.keyed_hash(what, json.dumps(values, default=str))

    def insz_columns(self, library: str, number: str, insz: Insz | None) -> dict[str, bytes | None]:
        """Return the columns of a member's national number."""
        if insz is None:
            return {"insz": None, "insz_key": None}
        encrypted = self._cipher.encrypt(insz.digits.encode(), where=f"member|insz|{library}|{number}")
        return {"insz": encrypted, "insz_key": self.insz_key(library, insz)}

    def held_columns(self, library: str, number: str, held: Held) -> dict[str, bytes]:
        """Return the columns of the data that the register can confirm or correct."""
        name, birth_date, address = _texts(held)
        return {
            "name": self._encrypt_json(name, f"member|name|{library}|{number}"),
            "birth_date": self._encrypt_json(birth_date, f"member|birth_date|{library}|{number}"),
            "address": self._encrypt_json(address, f"member|address|{library}|{number}"),
        }

    def member(self, row: MemberRow) -> Member:
        """Decrypt a member.

        Raises:
            StoreError: a column was altered or moved, or its key is missing.
        """
        at = f"{row.library}|{row.number}"
        texts = [
            self._decrypt_json(encrypted, f"member|{column}|{at}")
            for column, encrypted in (("name", row.name), ("birth_date", row.birth_date), ("address", row.address))
        ]
        insz = None if row.insz is None else Insz(self._cipher.decrypt(row.insz, where=f"member|insz|{at}").decode())
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

    def name(self, library: str, number: str, encrypted: bytes) -> Name:
        """Decrypt a member's name only; raises the same errors as ``member``."""
        return Name(*self._decrypt_json(encrypted, f"member|name|{library}|{number}"))

    def status(self, row: MemberRow) -> MemberStatus:
        """Decrypt a member with its last verdict."""
        return MemberStatus(
            self.member(row), row.verdict or "", row.hold_reason or "", row.refreshed_at, row.changed_at
        )

    def encrypt_held(self, where: str, held: Held) -> bytes:
        """Encrypt a member's data for another table, such as a proposal or the data before a change."""
        return self._encrypt_json([text for texts in _texts(held) for text in texts], where)

    def decrypt_held(self, where: str, encrypted: bytes) -> Held:
        """Decrypt the data that ``encrypt_held`` encrypted."""
        last, first, birth_date, *address = self._decrypt_json(encrypted, where)
        return _held([[last, first], [birth_date], address])

    def encrypt_former_insz(self, library: str, seq: int, insz: Insz) -> bytes:
        """Encrypt the number that a change replaces."""
        return self.encrypt_text(f"change|insz|{library}|{seq}", insz.digits)

    def former_insz(self, change: ChangeRow) -> Insz:
        """Decrypt the number that a change replaced."""
        return Insz(self.decrypt_text(f"change|insz|{change.library}|{change.seq}", change.insz or b""))

    def held_text(self, held: Held | None) -> str:
        """Return the data as one text, as input of a keyed hash."""
        return "" if held is None else json.dumps(_texts(held))

    def encrypt_text(self, where: str, text: str) -> bytes:
        """Encrypt a text."""
        return self._cipher.encrypt(text.encode(), where=where)

    def decrypt_text(self, where: str, encrypted: bytes) -> str:
        """Decrypt the text that ``encrypt_text`` encrypted."""
        return self._cipher.decrypt(encrypted, where=where).decode()

    def _encrypt_json(self, value: object, where: str) -> bytes:
        return self._cipher.encrypt(json.dumps(value, ensure_ascii=False).encode(), where=where)

    def _decrypt_json(self, encrypted: bytes, where: str) -> list[str]:
        texts: list[str] = json.loads(self._cipher.decrypt(encrypted, where=where))
        return texts


def _texts(held: Held) -> list[list[str]]:
    birth_date = held.birth_date.text if held.birth_date else ""
    since = held.address_since.text if held.address_since else ""
    address = [getattr(held.address, part) for part in _ADDRESS]
    return [[held.name.last, held.name.first], [birth_date], [*address, since]]


def _held(texts: list[list[str]]) -> Held:
    name, (birth_date,), (*address, since) = texts
    return Held(Name(*name), PartialDate.parse(birth_date), Address(*address), PartialDate.parse(since))


def changed_fields(before: Held, after: Held) -> list[JSON]:
    """Return the names of the fields that differ, never their values."""
    return [part.name for part in fields(before) if getattr(before, part.name) != getattr(after, part.name)]


def by_library(keys: Iterable[tuple[str, str]]) -> list[tuple[str, list[str]]]:
    """Return libraries, sorted, each with its member numbers: one order for all writers, so that none deadlock."""
    numbers: dict[str, list[str]] = {}
    for library, number in keys:
        numbers.setdefault(library, []).append(number)
    return sorted(numbers.items())


def member_rows(
    session: Session, keys: Sequence[tuple[str, str]], *, lock: bool = False
) -> dict[tuple[str, str], MemberRow]:
    """Return the rows of members by library and number; locked for writing if ``lock``."""
    rows: dict[tuple[str, str], MemberRow] = {}
    for library, numbers in by_library(keys):
        wanted = MEMBER.select().where(MEMBER.c.library == library, MEMBER.c.number.in_(numbers))
        found = session.execute(wanted.order_by(MEMBER.c.number).with_for_update() if lock else wanted)
        # A plain row has the same names as the class, at a third of the cost.
        rows |= {(library, row.number): cast("MemberRow", row) for row in found}
    return rows


def numbers_by_key(session: Session, library: str, keys: Sequence[bytes]) -> dict[bytes, str]:
    """Return the member numbers of a library by the keyed hash of the national number."""
    found: dict[bytes, str] = {}
    for at in range(0, len(keys), _CHUNK):
        wanted = select(MemberRow.insz_key, MemberRow.number).where(
            MemberRow.library == library, col(MemberRow.insz_key).in_(keys[at : at + _CHUNK])
        )
        found |= {key: number for key, number in session.exec(wanted) if key is not None}
    return found


def former_numbers(session: Session, rows: RowCipher, key: tuple[str, str]) -> list[Insz]:
    """Return the national numbers that a member had before, the newest first."""
    library, number = key
    wanted = select(ChangeRow).where(
        ChangeRow.library == library, ChangeRow.number == number, col(ChangeRow.insz).is_not(None)
    )
    return [rows.former_insz(change) for change in session.exec(wanted.order_by(col(ChangeRow.seq).desc()))]


@dataclass(frozen=True, slots=True, repr=False)
class MemberWrite(Masked):
    """One member's data to write, with the data before and the log entry that records it."""

    key: tuple[str, str]
    seq: int
    run: str
    verdict: str
    before: Held
    after: Held
    at: datetime
    changed_at: datetime | None
    insz: bytes | None = None


def write_changes(session: Session, rows: RowCipher, written: Sequence[MemberWrite]) -> None:
    """Write members' new data, each with its change."""
    held, changed, changes = [], [], []
    for each in written:
        library, number = each.key
        here = {"at_library": library, "at_number": number}
        held.append(here | rows.held_columns(library, number, each.after))
        if each.changed_at:
            changed.append(here | {"changed_at": each.changed_at})
        where = f"{library}|{each.seq}"
        row: dict[str, object] = {"library": library, "number": number, "seq": each.seq, "run": each.run}
        row["verdict"] = each.verdict
        row["before"] = rows.encrypt_held(f"change|before|{where}", each.before)
        row["after"] = rows.encrypt_held(f"change|after|{where}", each.after)
        changes.append(row | {"at": each.at, "insz": each.insz})
    for statement, values in ((_WRITE_HELD, held), (_WRITE_CHANGED_AT, changed), (_ADD_CHANGE, changes)):
        if values:
            session.execute(statement, values)
    for each in written:
        if each.after.name != each.before.name:
            write_blind_index(session, rows, each.key[0], [(each.key[1], each.after.name)])


_WRITE_HELD: Final = (
    MEMBER.update()
    .where(*THIS_MEMBER)
    .values({name: bindparam(name) for name in ("name", "birth_date", "address")})
    .values(version=MEMBER.c.version + 1)
)
_WRITE_CHANGED_AT: Final = MEMBER.update().where(*THIS_MEMBER).values(changed_at=bindparam("changed_at"))
_ADD_CHANGE: Final = table(ChangeRow).insert()
_BITS: Final = 63  # of a signed 8-byte integer
_HASH_BYTES: Final = 4  # of a keyed hash, to choose a bit
_PAGE: Final = 1_000
#: The columns of the blind index, in the order of ``core.name_search.LENGTHS``.
BLIND_INDEX_COLUMNS: Final = (BLIND_INDEX.c.three, BLIND_INDEX.c.four, BLIND_INDEX.c.six)
#: The join of a member with its row of the blind index.
INDEXED: Final = (BLIND_INDEX.c.library == MEMBER.c.library) & (BLIND_INDEX.c.number == MEMBER.c.number)


class BlindIndex:
    """The blind index of one library; caches the bits it computed."""

    def __init__(self, rows: RowCipher, library: str) -> None:
        self._index_key = rows.keyed_hash("beacon", library)
        self._known: dict[str, int] = {}

    def of(self, words: Iterable[str]) -> tuple[int, ...]:
        """Return the bits of words, in the order of the columns."""
        return tuple(self._bits(prefixes) for prefixes in beginnings(words))

    def _bits(self, prefixes: Iterable[str]) -> int:
        bits = 0
        for prefix in prefixes:
            bit = self._known.get(prefix)
            if bit is None:
                digest = hmac.digest(self._index_key, prefix.encode(), "sha256")[:_HASH_BYTES]
                bit = self._known[prefix] = 1 << int.from_bytes(digest, "big") % _BITS
            bits |= bit
        return bits


def write_blind_index(session: Session, rows: RowCipher, library: str, names: Iterable[tuple[str, Name]]) -> None:
    """Write the index of members of one library, in the transaction that writes their names."""
    index = BlindIndex(rows, library)
    bits = [(number, *index.of(chain.from_iterable(held(name)))) for number, name in names]
    if not bits:
        return
    if session.get_bind().dialect.name == "postgresql":  # faster with one statement of many rows
        numbers, three, four, six = map(list, zip(*bits, strict=True))
        columns = {"numbers": numbers, "three": three, "four": four, "six": six}
        session.execute(_INDEX_ALL, {"library": library} | columns)
    else:
        session.connection().exec_driver_sql(_INDEX_ONE, [(library, *each) for each in bits])


def fill_blind_index(database: Database, rows: RowCipher) -> int:
    """Write the index of members that have none, as those older than the index; return how many.

    Each transaction writes a thousand members, so an interrupted call continues where it stopped. Damaged names are
    skipped.
    """
    filled, after = 0, ("", "")
    while True:
        with database.write() as session:
            rows_to_index = session.execute(_NOT_INDEXED, {"library": after[0], "number": after[1]}).all()
            named: dict[str, list[tuple[str, Name]]] = {}
            for library, number, encrypted in rows_to_index:
                try:
                    named.setdefault(library, []).append((number, rows.name(library, number, encrypted)))
                except StoreError:
                    continue
            for library, names in named.items():
                write_blind_index(session, rows, library, names)
                filled += len(names)
        if len(rows_to_index) < _PAGE:
            return filled
        after = rows_to_index[-1].library, rows_to_index[-1].number


_INDEX_ONE: Final = (
    "INSERT INTO beacon (library, number, three, four, six) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (library, number) DO UPDATE SET three = excluded.three, four = excluded.four, six = excluded.six"
)
_INDEX_ALL: Final = text(
    "INSERT INTO beacon (library, number, three, four, six) SELECT :library, bits.* "
    "FROM unnest(CAST(:numbers AS text[]), "
    "CAST(:three AS bigint[]), CAST(:four AS bigint[]), CAST(:six AS bigint[])) AS bits "
    "ON CONFLICT (library, number) DO UPDATE SET three = excluded.three, four = excluded.four, six = excluded.six"
)
_MEMBER_KEY: Final = (MEMBER.c.library, MEMBER.c.number)
_NOT_INDEXED: Final = (
    select(*_MEMBER_KEY, MEMBER.c.name)
    .outerjoin(BLIND_INDEX, INDEXED)
    .where(BLIND_INDEX.c.number.is_(None), tuple_(*_MEMBER_KEY) > tuple_(bindparam("library"), bindparam("number")))
    .order_by(*_MEMBER_KEY)
    .limit(_PAGE)
    .with_for_update(of=MEMBER)  # the writer of a name also writes its index
)
