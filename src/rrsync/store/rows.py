"""Members as values and as sealed columns; the row a value belongs to is bound into its ciphertext."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final, cast

from rrsync.core.insz import Insz
from rrsync.core.member import Held, Member
from rrsync.core.person import Address, Masked, Name, PartialDate
from rrsync.store.tables import ChangeRow, MemberRow, table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlmodel import Session

    from rrsync.store.seal import Seal


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
        """Give the keyed value under which a number is found; another in each library."""
        return self._seal.lookup("insz", f"{library}\0{insz.digits}")

    def mark(self, what: str, *values: object) -> bytes:
        """Give a keyed value by which it is seen that the same is said again."""
        return self._seal.lookup(what, json.dumps(values, default=str))

    def seal_insz(self, library: str, number: str, insz: Insz | None) -> dict[str, bytes | None]:
        """Give the columns of a member's number."""
        if insz is None:
            return {"insz": None, "insz_key": None}
        sealed = self._seal.seal(insz.digits.encode(), where=f"member|insz|{library}|{number}")
        return {"insz": sealed, "insz_key": self.insz_key(library, insz)}

    def seal_held(self, library: str, number: str, held: Held) -> dict[str, bytes]:
        """Give the columns of what the register can confirm or correct."""
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
        """Give what is held as one text, to make a mark of."""
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
    """Give the rows of members by library and number, locked for writing if asked."""
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
