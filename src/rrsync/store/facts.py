"""What the log and the tables say around a look at a person, found by index in a few milliseconds.

The log is read back to the beginning of the spans that ``core.anomaly`` counts in. Of one person's own looks no more
than the last two thousand entries are read: that is many by any limit.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from sqlalchemy import ColumnElement, bindparam, literal_column, select

from rrsync.core.anomaly import DAY, WEEK, Attempt, Tie, Traces
from rrsync.core.entry import LOOKS, Kind
from rrsync.errors import LedgerError, StoreError
from rrsync.store.staff import names_of
from rrsync.store.tables import EntryRow, HoldRow, MemberRow, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from sqlmodel import Session

    from rrsync.core.insz import Insz
    from rrsync.store.engine import Database
    from rrsync.store.keys import SubjectKeys
    from rrsync.store.rows import Rows
    from rrsync.store.seal import Seal

_PAGE: Final = 50
_PAGES: Final = 40
_LOOKS: Final = tuple(sorted(kind.value for kind in LOOKS))
#: Verdicts that say that what we hold is what the register says.
_CONFIRMS: Final = frozenset({"same", "change"})
# Written out and not as a value, so that the database sees that the index over only these serves.
_HAS_ACTOR: Final[ColumnElement[bool]] = literal_column("actor <> ''")


class Facts:
    """Gives what is known around a look, in one database."""

    def __init__(self, database: Database, seal: Seal, rows: Rows, keys: SubjectKeys) -> None:
        self._database = database
        self._seal = seal
        self._rows = rows
        self._keys = keys

    def around(
        self, library: str, insz: Insz, *, name: str, at: datetime, case: str, is_denied: bool
    ) -> tuple[Attempt, Traces]:
        """Give a look that is about to be logged, as the rules see it, and what is known around it.

        Raises:
            LedgerError: something of it cannot be read; so nobody may look.
        """
        with self._reading() as session:
            member = self._rows.insz_key(library, insz)
            subjects = self._pseudonyms(session, library, insz, at)
            subject = subjects.get(at.year, member)  # before the first entry of a year it has no pseudonyms
            traces = Traces(
                looks=tuple(_looks(session, library, name, at - DAY)),
                staff=_staff(session, library, list(subjects.values()), at - WEEK),
                names=names_of(session, self._seal, library, insz),
                tie=_tie(session, library, member),
            )
        return Attempt(at, name, subject, case, is_denied), traces

    @contextmanager
    def _reading(self) -> Iterator[Session]:
        try:
            with self._database.read() as session:
                yield session
        except StoreError as error:
            raise LedgerError(
                f"It cannot be seen whether this look stands out: {error.what}",
                kept="Nothing was asked",
                todo=error.todo,
            ) from error

    def _pseudonyms(self, session: Session, library: str, insz: Insz, at: datetime) -> dict[int, bytes]:
        """Give a person's pseudonyms of the years that the last week is in."""
        keys = {year: self._keys.find(session, library, year) for year in {at.year, (at - WEEK).year}}
        return {year: key.pseudonym(insz.digits) for year, key in keys.items() if key is not None}


def _looks(session: Session, library: str, name: str, since: datetime) -> Iterator[Attempt]:
    """Give a person's own looks after a moment, the newest first."""
    wanted, here = _LOOKED, {"of": library, "by": name}
    for _ in range(_PAGES):
        page = session.execute(wanted, here).all()
        for _seq, at, kind, subject in page:
            if at > since and kind in _LOOKS:
                yield Attempt(at, name, subject or b"", "", kind == Kind.DENIED)
        if len(page) < _PAGE or page[-1][1] <= since:
            return
        wanted, here["before"] = _LOOKED_BEFORE, page[-1][0]


def _staff(session: Session, library: str, subjects: Sequence[bytes], since: datetime) -> frozenset[str]:
    """Give the names of the persons who looked at somebody after a moment."""
    here = {"of": library, "subjects": subjects, "since": since}
    return frozenset(session.execute(_STAFF, here).scalars()) - {""}


def _tie(session: Session, library: str, key: bytes) -> Tie | None:
    """Give what binds the member of this number to the library; ``None`` when there is none."""
    member = session.execute(_TIE, {"of": library, "key": key}).first()
    if member is None:
        return None
    is_on_hold = session.execute(_HOLD, {"of": library, "number": member.number}).first() is not None
    confirmed_at = member.refreshed_at if member.verdict in _CONFIRMS else None
    return Tie(member.membership_end, member.open_items, is_on_hold, confirmed_at)


_ENTRY: Final = table(EntryRow)
_LOOKED: Final = (
    select(*(_ENTRY.c[name] for name in ("seq", "at", "kind", "subject")))
    .where(_ENTRY.c.library == bindparam("of"), _ENTRY.c.actor == bindparam("by"), _HAS_ACTOR)
    .order_by(_ENTRY.c.seq.desc())
    .limit(_PAGE)
)
_LOOKED_BEFORE: Final = _LOOKED.where(_ENTRY.c.seq < bindparam("before"))
_STAFF: Final = select(_ENTRY.c.actor).where(  # all of them, and sorted out here: so it goes by the person looked at
    _ENTRY.c.library == bindparam("of"),
    _ENTRY.c.subject.in_(bindparam("subjects", expanding=True)),
    _ENTRY.c.kind.in_(_LOOKS),
    _ENTRY.c.at > bindparam("since"),
)
_MEMBER: Final = table(MemberRow)
_TIE: Final = select(
    *(_MEMBER.c[name] for name in ("number", "membership_end", "open_items", "verdict", "refreshed_at"))
).where(_MEMBER.c.library == bindparam("of"), _MEMBER.c.insz_key == bindparam("key"))
_HOLDS: Final = table(HoldRow)
_HOLD: Final = select(_HOLDS.c.id).where(
    _HOLDS.c.library == bindparam("of"), _HOLDS.c.number == bindparam("number"), _HOLDS.c.closed_at.is_(None)
)
