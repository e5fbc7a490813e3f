"""Who is logged in at the pages.

1. A browser shows a token of 256 random bits; the database has only its SHA-256, so that who reads it is nobody.
2. Who the token stands for is sealed to it with our keys: who owns the database, but not the keys, can make no session
   and change no role.
3. A session ends 15 minutes after it was last used, 8 hours after it began, when the clock was set back to before
   either, and when it is ended: by its own, by the person's next login with the same browser, or by the provider for
   the person or for one login of theirs.

A use is written down when the last is half a minute old; so the 15 minutes are never more, and at least 14½.

A national number as something to hold on to for a while: a ticket that says nothing, and is good in one session.

Nothing of it is kept: the number and the moment are sealed with our keys to the session that it was given in. Who has
a ticket without that session, or without the keys, has nothing; after a quarter of an hour nobody has.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Final

import orjson
from sqlalchemy import ColumnElement, and_, delete, or_, update
from sqlmodel import Session, col, select

from rrsync.core.insz import Insz
from rrsync.core.roles import Role, Staff
from rrsync.errors import NotAnInsz, StoreError
from rrsync.store.encryption import Seal
from rrsync.store.engine import Database
from rrsync.store.tables import SessionRow

IDLE: Final = timedelta(minutes=15)
WHOLE: Final = timedelta(hours=8)
_USE: Final = timedelta(seconds=30)
#: How far ahead of now a session may have been used: more, and a clock was set back.
_AHEAD: Final = timedelta(minutes=1)
_BYTES: Final = 32
_LENGTH: Final = 43


class Lapse(StrEnum):
    """Why a session ended by itself: it was not used, or it was long enough."""

    IDLE = "idle"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Visit:
    """One session: whose, since when, and when they last proved who they are. ``token`` goes with every form.

    ``is_told`` says that something is to be said on its next page.
    """

    id: bytes
    staff: Staff
    token: str
    person: bytes
    started_at: datetime
    proved_at: datetime
    is_told: bool = False


@dataclass(frozen=True, slots=True)
class Present:
    """Somebody who is logged in, in one session: ``person`` is the keyed value of who the provider says it is."""

    id: bytes
    person: bytes
    staff: Staff
    since: datetime
    seen: datetime


class Sessions:
    """The sessions in one database; ``random(n)`` gives n random bytes."""

    def __init__(
        self, database: Database, seal: Seal, clock: Callable[[], datetime], random: Callable[[int], bytes]
    ) -> None:
        self._database = database
        self._seal = seal
        self._clock = clock
        self._random = random

    def start(self, staff: Staff, *, person: str, sid: str = "", proved_at: datetime, instead_of: str = "") -> str:
        """Begin a session, and give what the browser must show; ended ones are thrown away.

        ``person`` is who the provider says it is, ``sid`` its name of this login; both are kept keyed. The session of
        ``instead_of``, what the browser showed until now, ends.

        Raises:
            StoreError: it cannot be written.
        """
        token, now = _text(self._random(_BYTES)), self._clock()
        row = SessionRow(
            id=_id(token),
            staff=self._sealed(_id(token), staff, now, proved_at),
            person=self.person(person),
            sid=self._seal.lookup("sid", sid) if sid else None,
            started_at=now,
            seen_at=now,
        )
        with self._database.write() as session:
            session.execute(delete(SessionRow).where(or_(~_is_alive(now), col(SessionRow.id) == _id(instead_of))))
            session.add(row)
        return token

    def find(self, token: str) -> Visit | None:
        """Return the session that a browser shows the token of, and note that it is used; ``None`` when there is none.

        Raises:
            StoreError: the database cannot be read or written.
        """
        now = self._clock()
        visit, seen = self._look(token)
        if visit is None or _lapse(visit, seen, now):
            return None
        if now - seen >= _USE:
            with self._database.write(passing=True) as session:
                session.execute(update(SessionRow).where(col(SessionRow.id) == visit.id).values(seen_at=now))
        return visit

    def lapse(self, token: str) -> Lapse | None:
        """Return why the session of a token ended by itself; ``None`` when it did not, or nobody knows any more."""
        visit, seen = self._look(token)
        return None if visit is None else _lapse(visit, seen, self._clock())

    def end(self, token: str) -> None:
        """End the session of a token, if there is one."""
        with self._database.write() as session:
            session.execute(delete(SessionRow).where(col(SessionRow.id) == _id(token)))

    def end_all(self, *, person: str = "", sid: str = "", until: datetime) -> int:
        """End the sessions begun by ``until`` of a person, of a login, or of a person's that may be of a login.

        Gives how many there were.
        """
        if not (person or sid):
            return 0
        wanted = [col(SessionRow.started_at) <= until]
        if person:
            wanted += [col(SessionRow.person) == self.person(person)]
        if sid:
            named = col(SessionRow.sid) == self._seal.lookup("sid", sid)
            wanted += [or_(named, col(SessionRow.sid).is_(None)) if person else named]
        with self._database.write() as session:
            gone = session.execute(delete(SessionRow).where(*wanted))
            return int(gone.rowcount)  # type: ignore[attr-defined] # a DELETE's result counts its rows

    def present(self, person: bytes | None = None) -> list[Present]:
        """Return the sessions that have not ended, the newest first: all, or those of a person by their keyed value."""
        wanted = select(SessionRow).where(_is_alive(self._clock())).order_by(col(SessionRow.started_at).desc())
        if person is not None:
            wanted = wanted.where(SessionRow.person == person)
        with self._database.read() as session:
            rows = [(self._visit(row, ""), row.seen_at) for row in session.exec(wanted)]
        return [Present(visit.id, visit.person, visit.staff, visit.started_at, seen) for visit, seen in rows if visit]

    def end_of(self, person: bytes, ids: Collection[bytes] | None = None) -> int:
        """End the sessions of a person by their keyed value: all, or these; give how many there were."""
        wanted = [col(SessionRow.person) == person]
        if ids is not None:
            wanted.append(col(SessionRow.id).in_(ids))
        with self._database.write(passing=True) as session:
            gone = session.execute(delete(SessionRow).where(*wanted))
            return int(gone.rowcount)  # type: ignore[attr-defined] # a DELETE's result counts its rows

    def say(self, visit: Visit, text: str) -> None:
        """Keep a text that is said on the session's next page; it holds no person's data."""
        with self._database.write() as session:
            session.execute(update(SessionRow).where(col(SessionRow.id) == visit.id).values(said=text))

    def said(self, visit: Visit) -> str:
        """Return what is to be said on this page, once; ``""`` when it is nothing."""
        wanted = select(SessionRow.said).where(SessionRow.id == visit.id)
        with self._database.read() as session:
            text = session.exec(wanted).one_or_none() or ""
        if text:
            with self._database.write(passing=True) as session:
                text = _once(session, visit)
        return text

    def person(self, name: str) -> bytes:
        """Return the keyed value under which the provider's name of a person is kept."""
        return self._seal.lookup("person", name)

    def _look(self, token: str) -> tuple[Visit | None, datetime]:
        """Return the session of a token, ended or not, and when it was last used."""
        if len(token) != _LENGTH or not token.isascii():
            return None, self._clock()
        with self._database.read() as session:
            row = session.get(SessionRow, _id(token))
            return (None, self._clock()) if row is None else (self._visit(row, token), row.seen_at)

    def _sealed(self, row: bytes, staff: Staff, started: datetime, proved: datetime) -> bytes:
        said = {
            "name": staff.name,
            "library": staff.library,
            "roles": sorted(staff.roles),
            "mark": base64.b64encode(staff.mark).decode(),
            "started": started.isoformat(),
            "proved": proved.isoformat(),
        }
        return self._seal.seal(orjson.dumps(said), where=_where(row))

    def _visit(self, row: SessionRow, token: str) -> Visit | None:
        """Return the session of a row; ``None`` when it is not as we wrote it."""
        try:
            said = orjson.loads(self._seal.open(row.staff, where=_where(row.id)))
            roles = frozenset(Role(role) for role in said["roles"])
        except (StoreError, ValueError):  # altered, of other keys, or of a version with other roles
            return None
        staff = Staff(said["name"], said["library"], roles, base64.b64decode(said["mark"]))
        started, proved = (datetime.fromisoformat(said[name]).astimezone(UTC) for name in ("started", "proved"))
        return Visit(row.id, staff, form_token(token), row.person, started, proved, is_told=bool(row.said))


def form_token(token: str) -> str:
    """Return what goes with every form of a session: nobody makes it who has not the session's own token."""
    return _text(hmac.digest(token.encode(), b"rrsync form", "sha256"))


def _lapse(visit: Visit, seen: datetime, now: datetime) -> Lapse | None:
    if now - visit.started_at >= WHOLE or seen - now > _AHEAD:
        return Lapse.ENDED
    return Lapse.IDLE if now - seen >= IDLE else None


def _is_alive(now: datetime) -> ColumnElement[bool]:
    """Return what the columns of a session say that has not ended; ``_lapse`` believes what is sealed."""
    seen = col(SessionRow.seen_at)
    return and_(seen > now - IDLE, seen <= now + _AHEAD, col(SessionRow.started_at) > now - WHOLE)


def _once(session: Session, visit: Visit) -> str:
    """Take what is to be said, so that no other page says it too."""
    row = session.exec(select(SessionRow).where(SessionRow.id == visit.id).with_for_update()).one_or_none()
    if row is None:
        return ""
    text, row.said = row.said, ""
    return text


def _id(token: str) -> bytes:
    return sha256(token.encode()).digest()


def _where(row: bytes) -> str:
    return f"session|staff|{row.hex()}"


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


#: How long a ticket is good.
GOOD: Final = timedelta(minutes=15)
_LONGEST: Final = 200


class Tickets:
    """Gives tickets out, and takes them back."""

    def __init__(self, seal: Seal, clock: Callable[[], datetime], *, production: bool) -> None:
        self._seal = seal
        self._clock = clock
        self._production = production

    def give(self, visit: Visit, insz: Insz) -> str:
        """Return a ticket for a number."""
        said = f"{int(self._clock().timestamp())} {insz.digits}"
        return (
            base64.urlsafe_b64encode(self._seal.seal(said.encode(), where=_tickets_where(visit))).decode().rstrip("=")
        )

    def take(self, visit: Visit, ticket: str) -> Insz | None:
        """Return the number that a ticket stands for; ``None`` when it is none, another session's, or too old."""
        if not ticket.isascii() or len(ticket) > _LONGEST:
            return None
        try:
            sealed = base64.urlsafe_b64decode(ticket + "=" * (-len(ticket) % 4))
            moment, digits = self._seal.open(sealed, where=_tickets_where(visit)).decode().split()
            age = self._clock() - datetime.fromtimestamp(int(moment), UTC)
            return Insz.parse(digits, production=self._production) if timedelta(0) <= age < GOOD else None
        except (StoreError, NotAnInsz, ValueError, binascii.Error):
            return None


def _tickets_where(visit: Visit) -> str:
    return f"ticket|{visit.id.hex()}"
