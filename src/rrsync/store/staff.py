"""The staff list of a library, and the facts that the anomaly rules need about a query (``core.anomaly``).

1. The staff list has the name that a member of staff acts under, and the keyed hash of their national number, never the
   number itself. It makes a query about oneself or a colleague detectable.
2. The facts about a query come from the log, the staff list and the member, by indexes, in a few milliseconds. The log
   is read back as far as the rules count; of one person's own accesses at most the last two thousand are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, delete, select
from sqlmodel import Session, col

from rrsync.core.anomaly import DAY, WEEK, Attempt, Tie, Traces
from rrsync.core.insz import Insz
from rrsync.core.log_entry import JSON, LOOKS, Actor, Draft, Kind, actor_json
from rrsync.errors import ConfigError, LedgerError, StoreError
from rrsync.store.access_log import AccessLog
from rrsync.store.encryption import FieldCipher, SubjectKeys
from rrsync.store.engine import Database
from rrsync.store.log_search import HAS_ACTOR
from rrsync.store.rows import MEMBER, RowCipher
from rrsync.store.tables import EntryRow, HoldRow, StaffRow, affected, table

_STAFF: Final = table(StaffRow)


class StaffList:
    """The staff lists of one database, one a library; every change is an entry of the access log."""

    def __init__(self, database: Database, cipher: FieldCipher, ledger: AccessLog) -> None:
        self._database = database
        self._cipher = cipher
        self._ledger = ledger

    def add(self, library: str, name: str, insz: Insz, *, actor: Actor) -> None:
        """Add a member of staff, under the name they act by.

        Raises:
            ConfigError: the list has this name already.
            LedgerError: the log cannot be written; the list is unchanged.
        """
        with self._ledger.writing() as session:
            self._ledger.append_in(session, [_entry(library, name, "add", actor, insz)])  # first, for it locks the log
            if session.get(StaffRow, (library, name)) is not None:
                raise ConfigError(
                    "The list of staff has somebody of that name already",
                    todo="Remove the name first, or add the number under another name",
                )
            session.add(StaffRow(library=library, name=name, mark=staff_mark(self._cipher, library, insz)))

    def remove(self, library: str, name: str, *, actor: Actor) -> None:
        """Remove a name; the entry has no subject, for the list has no number to give.

        Raises:
            ConfigError: the list does not have this name.
            LedgerError: the log cannot be written; the list is unchanged.
        """
        with self._ledger.writing() as session:
            self._ledger.append_in(session, [_entry(library, name, "remove", actor, None)])
            chosen = col(StaffRow.library) == library, col(StaffRow.name) == name
            if not affected(session, delete(StaffRow).where(*chosen)):
                raise ConfigError("The list of staff has nobody of that name", todo="See `rrsync log staff list`")

    def names(self, library: str) -> list[str]:
        """Return the names on a library's list, sorted."""
        with self._database.read() as session:
            return sorted(session.scalars(select(_STAFF.c.name).where(_STAFF.c.library == library)))


def names_of(session: Session, cipher: FieldCipher, library: str, insz: Insz) -> frozenset[str]:
    """Return the names of a person on a library's staff list."""
    here = _STAFF.c.library == library, _STAFF.c.mark == staff_mark(cipher, library, insz)
    return frozenset(session.scalars(select(_STAFF.c.name).where(*here)))


def staff_mark(cipher: FieldCipher, library: str, insz: Insz) -> bytes:
    """Return the keyed hash of a number on a library's staff list."""
    return cipher.keyed_hash(f"staff|{library}", insz.digits)


def _entry(library: str, name: str, deed: str, actor: Actor, subject: Insz | None) -> Draft:
    body: dict[str, JSON] = {"actor": actor_json(actor), "staff": {"name": name, "deed": deed}}
    return Draft(library, Kind.STAFF, "", subject, body=body)


_PAGE: Final = 50
_PAGES: Final = 40
_ACCESS_KINDS: Final = tuple(sorted(kind.value for kind in LOOKS))
#: Verdicts after which our data is the data of the register.
_CONFIRMING: Final = frozenset({"same", "change"})


class AnomalyFacts:
    """Collects the facts about a query, in one database."""

    def __init__(self, database: Database, cipher: FieldCipher, rows: RowCipher, keys: SubjectKeys) -> None:
        self._database = database
        self._cipher = cipher
        self._rows = rows
        self._keys = keys

    def around(
        self, library: str, insz: Insz, *, name: str, at: datetime, case: str, is_denied: bool
    ) -> tuple[Attempt, Traces]:
        """Return a query that is about to be logged, as the rules see it, and the facts around it.

        Raises:
            LedgerError: a fact cannot be read, so the query is not allowed.
        """
        with self._reading() as session:
            member = self._rows.insz_key(library, insz)
            subjects = self._pseudonyms(session, library, insz, at)
            subject = subjects.get(at.year, member)  # a year without entries has no pseudonyms
            traces = Traces(
                looks=tuple(_own_accesses(session, library, name, at - DAY)),
                staff=_names_that_asked(session, library, list(subjects.values()), at - WEEK),
                names=names_of(session, self._cipher, library, insz),
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
                f"The query cannot be checked for anomalies: {error.what}",
                kept="Nothing was asked",
                todo=error.todo,
            ) from error

    def _pseudonyms(self, session: Session, library: str, insz: Insz, at: datetime) -> dict[int, bytes]:
        """Return a person's pseudonyms of the years of the last week."""
        keys = {year: self._keys.find(session, library, year) for year in {at.year, (at - WEEK).year}}
        return {year: key.pseudonym(insz.digits) for year, key in keys.items() if key is not None}


def _own_accesses(session: Session, library: str, name: str, since: datetime) -> Iterator[Attempt]:
    """Yield a person's own accesses after a time, the newest first."""
    wanted, here = _OWN, {"of": library, "by": name}
    for _ in range(_PAGES):
        page = session.execute(wanted, here).all()
        for _seq, at, kind, subject in page:
            if at > since and kind in _ACCESS_KINDS:
                yield Attempt(at, name, subject or b"", "", kind == Kind.DENIED)
        if len(page) < _PAGE or page[-1][1] <= since:
            return
        wanted, here["before"] = _OWN_BEFORE, page[-1][0]


def _names_that_asked(session: Session, library: str, subjects: Sequence[bytes], since: datetime) -> frozenset[str]:
    """Return the names of the persons who queried somebody after a time."""
    here = {"of": library, "subjects": subjects, "since": since}
    return frozenset(session.execute(_ACTORS_OF, here).scalars()) - {""}


def _tie(session: Session, library: str, key: bytes) -> Tie | None:
    """Return the ties of the member with this number to the library; ``None`` if there is no such member."""
    member = session.execute(_TIE, {"of": library, "key": key}).first()
    if member is None:
        return None
    is_on_hold = session.execute(_HOLD, {"of": library, "number": member.number}).first() is not None
    confirmed_at = member.refreshed_at if member.verdict in _CONFIRMING else None
    return Tie(member.membership_end, member.open_items, is_on_hold, confirmed_at)


_ENTRY: Final = table(EntryRow)
_OWN: Final = (
    select(*(_ENTRY.c[name] for name in ("seq", "at", "kind", "subject")))
    .where(_ENTRY.c.library == bindparam("of"), _ENTRY.c.actor == bindparam("by"), HAS_ACTOR)
    .order_by(_ENTRY.c.seq.desc())
    .limit(_PAGE)
)
_OWN_BEFORE: Final = _OWN.where(_ENTRY.c.seq < bindparam("before"))
_ACTORS_OF: Final = select(_ENTRY.c.actor).where(  # without DISTINCT, so that the index on the subject is used
    _ENTRY.c.library == bindparam("of"),
    _ENTRY.c.subject.in_(bindparam("subjects", expanding=True)),
    _ENTRY.c.kind.in_(_ACCESS_KINDS),
    _ENTRY.c.at > bindparam("since"),
)
_TIE: Final = select(
    *(MEMBER.c[name] for name in ("number", "membership_end", "open_items", "verdict", "refreshed_at"))
).where(MEMBER.c.library == bindparam("of"), MEMBER.c.insz_key == bindparam("key"))
_HOLDS: Final = table(HoldRow)
_HOLD: Final = select(_HOLDS.c.id).where(
    _HOLDS.c.library == bindparam("of"), _HOLDS.c.number == bindparam("number"), _HOLDS.c.closed_at.is_(None)
)
