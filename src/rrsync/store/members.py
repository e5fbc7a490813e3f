"""The members: reading one, reading many as a stream, and taking over a library's own rows."""

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
from rrsync.store.corrections import outdate
from rrsync.store.engine import Database
from rrsync.store.holds import close_holds
from rrsync.store.rows import Rows, Standing, member_rows, write_beacons
from rrsync.store.tables import ChangeRow, MemberRow, table

_PAGE: Final = 1_000
_MARK: Final = 8
_SAMPLE: Final = 5
_ADDRESS: Final = ("street", "house_number", "box", "postal_code", "municipality", "country")
_SAID: Final = ("insz", "last_name", "first_names", "birth_date", *_ADDRESS)
_EVERY: Final = frozenset({*_SAID, "membership_end", "open_items"})


@dataclass(frozen=True, slots=True, repr=False)
class Incoming(Masked):
    """One member as a library's file has it, with the line it stands on, and the columns that the file has."""

    line: int
    member: Member
    columns: frozenset[str] = _EVERY


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one incoming row: ``new``, ``changed``, ``same``, or ``refused`` with column and reason."""

    line: int
    result: str
    column: str = ""
    reason: str = ""


class Members:
    """The member table of one database."""

    def __init__(self, database: Database, rows: Rows) -> None:
        self._database = database
        self._rows = rows

    def find(self, library: str, number: str) -> Standing | None:
        """Return one member, or ``None`` when the library has none of this number."""
        with self._database.read() as session:
            row = session.get(MemberRow, (library, number))
            return None if row is None else self._rows.standing(row)

    def of(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Member]:
        """Return members by library and number; those that are gone, or damaged while others are not, are left out.

        Raises:
            StoreError: none of them can be opened, as with the wrong keys.
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
        """Return the national numbers a member has and had, the newest first."""
        wanted = select(ChangeRow).where(
            ChangeRow.library == library, ChangeRow.number == number, col(ChangeRow.insz).is_not(None)
        )
        with self._database.read() as session:
            row = session.get(MemberRow, (library, number))
            now = None if row is None else self._rows.member(row).insz
            changes = session.exec(wanted.order_by(col(ChangeRow.seq).desc())).all()
            return [*([now] if now else []), *(self._rows.former_insz(change) for change in changes)]

    def export(self, library: str, *, since: datetime | None = None, run: str | None = None) -> Iterator[Standing]:
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
                page = [self._rows.standing(row) for row in rows]
            yield from page
            if len(page) < _PAGE:
                return
            after = page[-1].member.number

    def require_ours(self) -> None:
        """See, by a few members, that the keys are those this database was written with.

        Raises:
            ConfigError: they are not.
        """
        with self._database.read() as session:
            sealed = session.exec(select(MemberRow.name).limit(_SAMPLE)).all()
        if sealed and not any(map(self._rows.knows, sealed)):
            raise ConfigError(
                "The database was written with other keys than those in the key file",
                todo="Put the key file that belongs to this database back",
            )

    def count(self, library: str) -> int:
        """Return how many members a library has."""
        with self._database.read() as session:
            return session.exec(select(func.count()).select_from(MemberRow).where(MemberRow.library == library)).one()

    def take(self, incoming: Sequence[Incoming], *, import_id: str, at: datetime) -> list[Taken]:
        """Write one batch of one library's rows in one transaction; give what became of each.

        A row that repeats what the same member's row said at the last import changes nothing: what the register
        corrected since stays corrected. What a row says anew is written, and the member is due again; what it repeats,
        and a column that the file does not have, leaves what is held there. An address is said anew as a whole, and
        then a correction of staff's counts no more.
        """
        if not incoming:
            return []
        library = incoming[0].member.library
        with self._database.write() as session:
            known = member_rows(session, [(library, item.member.number) for item in incoming], lock=True)
            keys = [self._rows.insz_key(library, item.member.insz) for item in incoming if item.member.insz]
            batch = _Batch(self._rows, import_id, known, _holders(session, library, keys))
            taken = [batch.take(item) for item in incoming]
            batch.write(session, at)
            write_beacons(session, self._rows, library, batch.names)
            outdate(session, library, batch.moved)
        return taken


@dataclass(slots=True)
class _Batch:
    """One batch of an import: the rows there are, who holds which number, and the rows to write."""

    rows: Rows
    import_id: str
    known: dict[tuple[str, str], MemberRow]
    holders: dict[bytes, str]
    new: list[dict[str, object]] = field(default_factory=list)
    changed: list[dict[str, object]] = field(default_factory=list)
    seen: list[dict[str, object]] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)
    names: list[tuple[str, Name]] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)

    def take(self, item: Incoming) -> Taken:
        member = item.member
        row = self.known.get((member.library, member.number))
        before = self.lines.get(member.number, row.import_line if row and row.import_id == self.import_id else 0)
        if before:
            reason = f"this member stands on line {before} of the file already"
            return Taken(item.line, "refused", "member_no", reason)
        key = None if member.insz is None else self.rows.insz_key(member.library, member.insz)
        holder = None if key is None else self.holders.get(key)
        if holder not in {None, member.number}:
            return Taken(item.line, "refused", "insz", f"it is the number of another member of this library: {holder}")
        self.lines[member.number] = item.line
        return Taken(item.line, self._sort(item, row, key))

    def _sort(self, item: Incoming, row: MemberRow | None, key: bytes | None) -> str:
        member, imported = item.member, self._mark(item, row)
        values: dict[str, object] = {
            "at_library": member.library,
            "at_number": member.number,
            "membership_end": member.membership_end,
            "open_items": member.open_items,
            "import_id": self.import_id,
            "import_line": item.line,
        }
        if row is not None:
            facts = {"membership_end": row.membership_end, "open_items": row.open_items}
            values |= {name: fact for name, fact in facts.items() if name not in item.columns}
            if row.imported == imported:
                self.seen.append(values)
                return "same" if facts.items() <= values.items() else "changed"
            anew = _said_anew(imported, row.imported) & item.columns
            member = _completed(replace(item, columns=anew), self.rows.member(row))
            key = key if "insz" in anew else row.insz_key
            self.moved += [] if anew.isdisjoint(_ADDRESS) else [member.number]
        values |= self.rows.seal_held(member.library, member.number, member.held) | {"imported": imported}
        values |= self.rows.seal_insz(member.library, member.number, member.insz)
        if row is not None and row.insz_key is not None:
            self.holders.pop(row.insz_key, None)
        if key is not None:
            self.holders[key] = member.number
        self.names.append((member.number, member.held.name))
        (self.new if row is None else self.changed).append(values)
        return "new" if row is None else "changed"

    def _mark(self, item: Incoming, row: MemberRow | None) -> bytes:
        """Return the mark of what the library's files said last, column by column, under a key of the member's own."""
        key = self.rows.mark("imported", item.member.library, item.member.number)
        marks = (
            hmac.digest(key, f"{column}\0{said}".encode(), "sha256")[:_MARK]
            if row is None or column in item.columns
            else row.imported[place * _MARK : (place + 1) * _MARK]
            for place, (column, said) in enumerate(zip(_SAID, _said(item.member), strict=True))
        )
        return b"".join(marks)

    def write(self, session: Session, at: datetime) -> None:
        if self.changed:  # numbers given up must be free before another row takes them
            session.execute(_GIVE_UP, [{name: row[name] for name in _AT} for row in self.changed])
            session.execute(_REWRITE, self.changed)
            keys = [(str(row["at_library"]), str(row["at_number"])) for row in self.changed]
            close_holds(session, keys, decision="superseded", by="import", at=at)
        if self.seen:
            session.execute(_SEE, self.seen)
        if self.new:
            session.execute(
                _ADD, [row | {"library": row["at_library"], "number": row["at_number"]} for row in self.new]
            )


_MEMBER: Final = table(MemberRow)
_AT: Final = ("at_library", "at_number")
_HERE: Final = (_MEMBER.c.library == bindparam("at_library"), _MEMBER.c.number == bindparam("at_number"))
_FACTS: Final = ("membership_end", "open_items", "import_id", "import_line")
_COLUMNS: Final = ("insz", "insz_key", "name", "birth_date", "address", "imported", *_FACTS)
_GIVE_UP: Final = _MEMBER.update().where(*_HERE).values(insz_key=None)
_SEE: Final = _MEMBER.update().where(*_HERE).values({name: bindparam(name) for name in _FACTS})
_REWRITE: Final = (
    _MEMBER.update()
    .where(*_HERE)
    .values({name: bindparam(name) for name in _COLUMNS})
    .values(verdict=None, hold_reason=None, refreshed_at=None, version=_MEMBER.c.version + 1)
)
_ADD: Final = _MEMBER.insert().values(
    {name: bindparam(name) for name in ("library", "number", *_COLUMNS)} | {"restricted": False, "version": 0}
)


def _said(member: Member) -> tuple[str, ...]:
    """Return what the library's own row says of a member, in the order of ``_SAID``."""
    held = member.held
    insz, birth_date = member.insz.digits if member.insz else "", held.birth_date.text if held.birth_date else ""
    return (insz, held.name.last, held.name.first, birth_date, *(getattr(held.address, part) for part in _ADDRESS))


def _said_anew(marks: bytes, before: bytes) -> frozenset[str]:
    """Return the columns that say something else than at the last import; of an address all, as one place."""
    spans = ((column, slice(at * _MARK, (at + 1) * _MARK)) for at, column in enumerate(_SAID))
    anew = frozenset(column for column, span in spans if marks[span] != before[span])
    return anew if anew.isdisjoint(_ADDRESS) else anew | frozenset(_ADDRESS)


def _completed(item: Incoming, before: Member) -> Member:
    """Return a member as the columns of its row have it, and as it is held where it has no such column."""

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


def _holders(session: Session, library: str, keys: Sequence[bytes]) -> dict[bytes, str]:
    wanted = select(MemberRow.insz_key, MemberRow.number).where(
        MemberRow.library == library, col(MemberRow.insz_key).in_(keys)
    )
    return {key: number for key, number in session.exec(wanted) if key is not None}
