"""Writes a member's new data, with the change that says what was there before and which entry tells of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam
from sqlmodel import Session, col, select

from rrsync.core.person import Masked
from rrsync.store.beacons import write_beacons
from rrsync.store.tables import ChangeRow, MemberRow, table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from rrsync.core.insz import Insz
    from rrsync.core.member import Held
    from rrsync.store.rows import Rows


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


_MEMBER: Final = table(MemberRow)
_HERE: Final = (_MEMBER.c.library == bindparam("at_library"), _MEMBER.c.number == bindparam("at_number"))
_HELD: Final = (
    _MEMBER.update()
    .where(*_HERE)
    .values({name: bindparam(name) for name in ("name", "birth_date", "address")})
    .values(version=_MEMBER.c.version + 1)
)
_CHANGED: Final = _MEMBER.update().where(*_HERE).values(changed_at=bindparam("changed_at"))
_CHANGE: Final = table(ChangeRow).insert()
