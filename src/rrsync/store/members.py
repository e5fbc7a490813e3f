"""The members of the libraries: lookup, export as a stream, and import of a library's file.

1. An import compares each row with the keyed hashes of the same member's row in the last import. A value that the file
   repeats changes nothing, so corrections from the register stay. A new value is written, and the member is due again.
2. A column missing from the file leaves its data unchanged.
3. An address changes as a whole. A new address supersedes a correction of the staff.
4. A row is refused if its member occurs twice in the file, or its national number belongs to another member.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, func
from sqlmodel import Session, col, select

from rrsync.core.insz import Insz
from rrsync.core.person import Address, Held, Masked, Member, Name
from rrsync.errors import ConfigError, StoreError
from rrsync.store.corrections import supersede_corrections
from rrsync.store.engine import Database
from rrsync.store.holds import close_holds
from rrsync.store.rows import (
    MEMBER,
    THIS_MEMBER,
    MemberStatus,
    RowCipher,
    former_numbers,
    member_rows,
    numbers_by_key,
    write_blind_index,
)
from rrsync.store.tables import ChangeRow, MemberRow

_PAGE: Final = 1_000
_HASH_BYTES: Final = 8
_SAMPLE: Final = 5
_ADDRESS: Final = ("street", "house_number", "box", "postal_code", "municipality", "country")
_FILE_COLUMNS: Final = ("insz", "last_name", "first_names", "birth_date", *_ADDRESS)
_ALL_COLUMNS: Final = frozenset({*_FILE_COLUMNS, "membership_end", "open_items"})


@dataclass(frozen=True, slots=True, repr=False)
class ImportRow(Masked):
    """One row of a library's file as a member, with its line and the columns of the file."""

    line: int
    member: Member
    columns: frozenset[str] = _ALL_COLUMNS


@dataclass(frozen=True, slots=True)
class ImportResult:
    """The result of one imported row: ``new``, ``changed``, ``same``, or ``refused`` with column and reason."""

    line: int
    result: str
    column: str = ""
    reason: str = ""


class Members:
    """The members of one database."""

    def __init__(self, database: Database, rows: RowCipher) -> None:
        self._database = database
        self._rows = rows

    def find(self, library: str, number: str) -> MemberStatus | None:
        """Return one member; ``None`` if the library has no such number."""
        with self._database.read() as session:
            row = session.get(MemberRow, (library, number))
            return None if row is None else self._rows.status(row)

    def of(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Member]:
        """Return members by library and number, without missing ones, and without damaged ones if others can be read.

        Raises:
            StoreError: none of them can be decrypted, as with the wrong keys.
        """
        opened: dict[tuple[str, str], Member] = {}
        damaged: list[StoreError] = []
        with self._database.read() as session:
            for key, row in member_rows(session, keys).items():
                try:
                    opened[key] = self._rows.member(row)
                except StoreError as error:
                    damaged.append(error)
        if damaged and not opened:
            raise damaged[0]
        return opened

    def numbers(self, library: str, number: str) -> list[Insz]:
        """Return a member's national numbers, the current one first, then the former ones, the newest first."""
        with self._database.read() as session:
            row = session.get(MemberRow, (library, number))
            now = None if row is None else self._rows.member(row).insz
            return [*([now] if now else []), *former_numbers(session, self._rows, (library, number))]

    def export(self, library: str, *, since: datetime | None = None, run: str | None = None) -> Iterator[MemberStatus]:
        """Yield a library's members as a stream, by number; only those changed since a time, or by a run, if given."""
        after = ""
        while True:
            wanted = select(MemberRow).where(MemberRow.library == library, MemberRow.number > after)
            if since is not None:
                wanted = wanted.where(col(MemberRow.changed_at) >= since)
            if run is not None:
                by_run = select(ChangeRow.number).where(
                    ChangeRow.library == library, ChangeRow.run == run, ChangeRow.verdict == "change"
                )
                wanted = wanted.where(col(MemberRow.number).in_(by_run))
            with self._database.read() as session:
                rows = session.exec(wanted.order_by(col(MemberRow.number)).limit(_PAGE)).all()
                page = [self._rows.status(row) for row in rows]
            yield from page
            if len(page) < _PAGE:
                return
            after = page[-1].member.number

    def require_ours(self) -> None:
        """Check with a few members that the keys are those of this database.

        Raises:
            ConfigError: they are not.
        """
        with self._database.read() as session:
            encrypted = session.exec(select(MemberRow.name).limit(_SAMPLE)).all()
        if encrypted and not any(map(self._rows.has_key_of, encrypted)):
            raise ConfigError(
                "The database was written with other keys than those in the key file",
                todo="Put the key file that belongs to this database back",
            )

    def count(self, library: str) -> int:
        """Return how many members a library has."""
        with self._database.read() as session:
            return session.exec(select(func.count()).select_from(MemberRow).where(MemberRow.library == library)).one()

    def take(self, incoming: Sequence[ImportRow], *, import_id: str, at: datetime) -> list[ImportResult]:
        """Import one batch of rows of one library in one transaction; return the result of each row."""
        if not incoming:
            return []
        library = incoming[0].member.library
        with self._database.write() as session:
            known = member_rows(session, [(library, item.member.number) for item in incoming], lock=True)
            keys = [self._rows.insz_key(library, item.member.insz) for item in incoming if item.member.insz]
            batch = _Batch(self._rows, import_id, known, numbers_by_key(session, library, keys))
            taken = [batch.take(item) for item in incoming]
            batch.write(session, at)
            write_blind_index(session, self._rows, library, batch.names)
            supersede_corrections(session, library, batch.readdressed)
        return taken


@dataclass(slots=True)
class _Batch:
    """One batch of an import: the existing rows, the holders of national numbers, and the rows to write."""

    rows: RowCipher
    import_id: str
    known: dict[tuple[str, str], MemberRow]
    holders: dict[bytes, str]
    new: list[dict[str, object]] = field(default_factory=list)
    changed: list[dict[str, object]] = field(default_factory=list)
    unchanged: list[dict[str, object]] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)
    names: list[tuple[str, Name]] = field(default_factory=list)
    readdressed: list[str] = field(default_factory=list)

    def take(self, item: ImportRow) -> ImportResult:
        member = item.member
        row = self.known.get((member.library, member.number))
        before = self.lines.get(member.number, row.import_line if row and row.import_id == self.import_id else 0)
        if before:
            reason = f"this member stands on line {before} of the file already"
            return ImportResult(item.line, "refused", "member_no", reason)
        key = None if member.insz is None else self.rows.insz_key(member.library, member.insz)
        holder = None if key is None else self.holders.get(key)
        if holder not in {None, member.number}:
            return ImportResult(
                item.line, "refused", "insz", f"it is the number of another member of this library: {holder}"
            )
        self.lines[member.number] = item.line
        return ImportResult(item.line, self._sort(item, row, key))

    def _sort(self, item: ImportRow, row: MemberRow | None, key: bytes | None) -> str:
        member, imported = item.member, self._imported_hashes(item, row)
        values: dict[str, object] = {
            "at_library": member.library,
            "at_number": member.number,
            "membership_end": member.membership_end,
            "open_items": member.open_items,
            "import_id": self.import_id,
            "import_line": item.line,
        }
        if row is not None:
            stored = {"membership_end": row.membership_end, "open_items": row.open_items}
            values |= {name: value for name, value in stored.items() if name not in item.columns}
            if row.imported == imported:
                self.unchanged.append(values)
                return "same" if stored.items() <= values.items() else "changed"
            changed = _changed_columns(imported, row.imported) & item.columns
            member = _merged(replace(item, columns=changed), self.rows.member(row))
            key = key if "insz" in changed else row.insz_key
            self.readdressed += [] if changed.isdisjoint(_ADDRESS) else [member.number]
        values |= self.rows.held_columns(member.library, member.number, member.held) | {"imported": imported}
        values |= self.rows.insz_columns(member.library, member.number, member.insz)
        if row is not None and row.insz_key is not None:
            self.holders.pop(row.insz_key, None)
        if key is not None:
            self.holders[key] = member.number
        self.names.append((member.number, member.held.name))
        (self.new if row is None else self.changed).append(values)
        return "new" if row is None else "changed"

    def _imported_hashes(self, item: ImportRow, row: MemberRow | None) -> bytes:
        """Return the keyed hashes of the file's newest values, column by column, under a key of the member's own."""
        key = self.rows.keyed_hash("imported", item.member.library, item.member.number)
        hashes = (
            hmac.digest(key, f"{column}\0{value}".encode(), "sha256")[:_HASH_BYTES]
            if row is None or column in item.columns
            else row.imported[place * _HASH_BYTES : (place + 1) * _HASH_BYTES]
            for place, (column, value) in enumerate(zip(_FILE_COLUMNS, _file_values(item.member), strict=True))
        )
        return b"".join(hashes)

    def write(self, session: Session, at: datetime) -> None:
        if self.changed:  # numbers given up must be free before another row takes them
            session.execute(_RELEASE_INSZ, [{name: row[name] for name in _AT} for row in self.changed])
            session.execute(_UPDATE, self.changed)
            keys = [(str(row["at_library"]), str(row["at_number"])) for row in self.changed]
            close_holds(session, keys, decision="superseded", by="import", at=at)
        if self.unchanged:
            session.execute(_UPDATE_PLAIN, self.unchanged)
        if self.new:
            session.execute(
                _ADD, [row | {"library": row["at_library"], "number": row["at_number"]} for row in self.new]
            )


_AT: Final = ("at_library", "at_number")
_PLAIN_COLUMNS: Final = ("membership_end", "open_items", "import_id", "import_line")
_COLUMNS: Final = ("insz", "insz_key", "name", "birth_date", "address", "imported", *_PLAIN_COLUMNS)
_RELEASE_INSZ: Final = MEMBER.update().where(*THIS_MEMBER).values(insz_key=None)
_UPDATE_PLAIN: Final = MEMBER.update().where(*THIS_MEMBER).values({name: bindparam(name) for name in _PLAIN_COLUMNS})
_UPDATE: Final = (
    MEMBER.update()
    .where(*THIS_MEMBER)
    .values({name: bindparam(name) for name in _COLUMNS})
    .values(verdict=None, hold_reason=None, refreshed_at=None, version=MEMBER.c.version + 1)
)
_ADD: Final = MEMBER.insert().values(
    {name: bindparam(name) for name in ("library", "number", *_COLUMNS)} | {"restricted": False, "version": 0}
)


def _file_values(member: Member) -> tuple[str, ...]:
    """Return the values of a member's row in the file, in the order of ``_FILE_COLUMNS``."""
    held = member.held
    insz, birth_date = member.insz.digits if member.insz else "", held.birth_date.text if held.birth_date else ""
    return (insz, held.name.last, held.name.first, birth_date, *(getattr(held.address, part) for part in _ADDRESS))


def _changed_columns(hashes: bytes, before: bytes) -> frozenset[str]:
    """Return the columns whose value differs from the last import; all parts of an address together."""
    spans = ((column, slice(at * _HASH_BYTES, (at + 1) * _HASH_BYTES)) for at, column in enumerate(_FILE_COLUMNS))
    changed = frozenset(column for column, span in spans if hashes[span] != before[span])
    return changed if changed.isdisjoint(_ADDRESS) else changed | frozenset(_ADDRESS)


def _merged(item: ImportRow, before: Member) -> Member:
    """Return a member with the columns of its row, and the stored data for the other columns."""

    def of(column: str) -> Member:
        return item.member if column in item.columns else before

    held = Held(
        name=Name(of("last_name").held.name.last, of("first_names").held.name.first),
        birth_date=of("birth_date").held.birth_date,
        address=before.held.address,
        address_since=before.held.address_since,
    )
    if not item.columns.isdisjoint(_ADDRESS):
        parts = {part: getattr(of(part).held.address, part) for part in _ADDRESS}
        held = replace(held, address=Address(**parts), address_since=None)
    return replace(item.member, insz=of("insz").insz, held=held)
