"""The login sessions of the pages, and the search tokens that stand for a national number in a session.

1. A browser shows a token of 256 random bits. The database has only its SHA-256, so its readers can use no session.
2. The identity and roles of a session are encrypted for its token: the owner of the database, without our keys, can
   neither make a session nor change a role.
3. A session ends 15 minutes after its last use, 8 hours after it began, when the clock was set back to before either,
   and at a logout: its own, the person's next login in the same browser, or the provider's, for the person or for one
   of their logins.
4. A use is written at most every 30 seconds, so the 15 minutes are never more, and at least 14½.
5. A search token is the encrypted number and time, bound to its session, and valid for a quarter of an hour. It is
   stored nowhere, and is worthless without the session and the keys.
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
from rrsync.store.encryption import FieldCipher
from rrsync.store.engine import Database
from rrsync.store.tables import SessionRow, affected

_IDLE: Final = timedelta(minutes=15)
_LONGEST_SESSION: Final = timedelta(hours=8)
_USE_INTERVAL: Final = timedelta(seconds=30)
#: How far in the future a last use may be; beyond it, the clock was set back.
_CLOCK_SETBACK: Final = timedelta(minutes=1)
_TOKEN_BYTES: Final = 32
_TOKEN_LENGTH: Final = 43
_TOKEN_LIFETIME: Final = timedelta(minutes=15)
_LONGEST_TOKEN: Final = 200


class SessionEnd(StrEnum):
    """The reason why a session ended by itself: it was idle, or reached its longest duration."""

    IDLE = "idle"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class StaffSession:
    """A session: its identity, start, and last proof of identity; ``token`` goes with every form.

    ``is_told`` says that a message is due on its next page.
    """

    id: bytes
    staff: Staff
    token: str
    person: bytes
    started_at: datetime
    proved_at: datetime
    is_told: bool = False


@dataclass(frozen=True, slots=True)
class ActiveSession:
    """An active session; ``person`` is the keyed hash of the provider's name of the person."""

    id: bytes
    person: bytes
    staff: Staff
    since: datetime
    seen: datetime


class Sessions:
    """The sessions of one database; ``random(n)`` returns n random bytes."""

    def __init__(
        self, database: Database, cipher: FieldCipher, clock: Callable[[], datetime], random: Callable[[int], bytes]
    ) -> None:
        self._database = database
        self._cipher = cipher
        self._clock = clock
        self._random = random

    def start(self, staff: Staff, *, person: str, sid: str = "", proved_at: datetime, instead_of: str = "") -> str:
        """Begin a session, and return the token for the browser; ended sessions are deleted.

        ``person`` is the provider's name of the person, ``sid`` its name of this login; both are stored as keyed
        hashes. The session of ``instead_of``, the browser's token until now, ends.

        Raises:
            StoreError: it cannot be written.
        """
        token, now = _base64(self._random(_TOKEN_BYTES)), self._clock()
        row = SessionRow(
            id=_id(token),
            staff=self._encrypted(_id(token), staff, now, proved_at),
            person=self.person(person),
            sid=self._cipher.keyed_hash("sid", sid) if sid else None,
            started_at=now,
            seen_at=now,
        )
        with self._database.write() as session:
            session.execute(delete(SessionRow).where(or_(~_is_alive(now), col(SessionRow.id) == _id(instead_of))))
            session.add(row)
        return token

    def find(self, token: str) -> StaffSession | None:
        """Return the session of a token, and note its use; ``None`` if there is none.

        Raises:
            StoreError: the database cannot be read or written.
        """
        now = self._clock()
        visit, seen = self._read(token)
        if visit is None or _lapse(visit, seen, now):
            return None
        if now - seen >= _USE_INTERVAL:
            with self._database.write(passing=True) as session:
                session.execute(update(SessionRow).where(col(SessionRow.id) == visit.id).values(seen_at=now))
        return visit

    def lapse(self, token: str) -> SessionEnd | None:
        """Return why the session of a token ended by itself; ``None`` if it did not, or was deleted."""
        visit, seen = self._read(token)
        return None if visit is None else _lapse(visit, seen, self._clock())

    def end(self, token: str) -> None:
        """End the session of a token, if there is one."""
        with self._database.write() as session:
            session.execute(delete(SessionRow).where(col(SessionRow.id) == _id(token)))

    def end_all(self, *, person: str = "", sid: str = "", until: datetime) -> int:
        """End the sessions begun by ``until`` of a person, of a login, or of a person where the login may match.

        Returns how many there were.
        """
        if not (person or sid):
            return 0
        wanted = [col(SessionRow.started_at) <= until]
        if person:
            wanted += [col(SessionRow.person) == self.person(person)]
        if sid:
            named = col(SessionRow.sid) == self._cipher.keyed_hash("sid", sid)
            wanted += [or_(named, col(SessionRow.sid).is_(None)) if person else named]
        with self._database.write() as session:
            return affected(session, delete(SessionRow).where(*wanted))

    def present(self, person: bytes | None = None) -> list[ActiveSession]:
        """Return the active sessions, the newest first: all, or those of a person by their keyed hash."""
        wanted = select(SessionRow).where(_is_alive(self._clock())).order_by(col(SessionRow.started_at).desc())
        if person is not None:
            wanted = wanted.where(SessionRow.person == person)
        with self._database.read() as session:
            rows = [(self._visit(row, ""), row.seen_at) for row in session.exec(wanted)]
        return [
            ActiveSession(visit.id, visit.person, visit.staff, visit.started_at, seen) for visit, seen in rows if visit
        ]

    def end_of(self, person: bytes, ids: Collection[bytes] | None = None) -> int:
        """End the sessions of a person by their keyed hash: all, or these; return how many there were."""
        wanted = [col(SessionRow.person) == person]
        if ids is not None:
            wanted.append(col(SessionRow.id).in_(ids))
        with self._database.write(passing=True) as session:
            return affected(session, delete(SessionRow).where(*wanted))

    def say(self, visit: StaffSession, text: str) -> None:
        """Keep a message for the session's next page; it holds no personal data."""
        with self._database.write() as session:
            session.execute(update(SessionRow).where(col(SessionRow.id) == visit.id).values(said=text))

    def said(self, visit: StaffSession) -> str:
        """Return the message for this page, once; ``""`` if there is none."""
        wanted = select(SessionRow.said).where(SessionRow.id == visit.id)
        with self._database.read() as session:
            text = session.exec(wanted).one_or_none() or ""
        if text:
            with self._database.write(passing=True) as session:
                text = _take_message(session, visit)
        return text

    def person(self, name: str) -> bytes:
        """Return the keyed hash of the provider's name of a person."""
        return self._cipher.keyed_hash("person", name)

    def _read(self, token: str) -> tuple[StaffSession | None, datetime]:
        """Return the session of a token, ended or not, and its last use."""
        if len(token) != _TOKEN_LENGTH or not token.isascii():
            return None, self._clock()
        with self._database.read() as session:
            row = session.get(SessionRow, _id(token))
            return (None, self._clock()) if row is None else (self._visit(row, token), row.seen_at)

    def _encrypted(self, row: bytes, staff: Staff, started: datetime, proved: datetime) -> bytes:
        said = {
            "name": staff.name,
            "library": staff.library,
            "roles": sorted(staff.roles),
            "mark": base64.b64encode(staff.mark).decode(),
            "started": started.isoformat(),
            "proved": proved.isoformat(),
        }
        return self._cipher.encrypt(orjson.dumps(said), where=_place(row))

    def _visit(self, row: SessionRow, token: str) -> StaffSession | None:
        """Return the session of a row; ``None`` if the row was altered."""
        try:
            said = orjson.loads(self._cipher.decrypt(row.staff, where=_place(row.id)))
            roles = frozenset(Role(role) for role in said["roles"])
        except (StoreError, ValueError):  # altered, of other keys, or with a role of another version
            return None
        staff = Staff(said["name"], said["library"], roles, base64.b64decode(said["mark"]))
        started, proved = (datetime.fromisoformat(said[name]).astimezone(UTC) for name in ("started", "proved"))
        return StaffSession(row.id, staff, form_token(token), row.person, started, proved, is_told=bool(row.said))


class SearchTokens:
    """Issues search tokens and reads them."""

    def __init__(self, cipher: FieldCipher, clock: Callable[[], datetime], *, production: bool) -> None:
        self._cipher = cipher
        self._clock = clock
        self._production = production

    def give(self, visit: StaffSession, insz: Insz) -> str:
        """Return a search token for a number."""
        said = f"{int(self._clock().timestamp())} {insz.digits}"
        return _base64(self._cipher.encrypt(said.encode(), where=_token_place(visit)))

    def take(self, visit: StaffSession, ticket: str) -> Insz | None:
        """Return the number of a search token; ``None`` if it is invalid, another session's, or expired."""
        if not ticket.isascii() or len(ticket) > _LONGEST_TOKEN:
            return None
        try:
            sealed = base64.urlsafe_b64decode(ticket + "=" * (-len(ticket) % 4))
            moment, digits = self._cipher.decrypt(sealed, where=_token_place(visit)).decode().split()
            age = self._clock() - datetime.fromtimestamp(int(moment), UTC)
            return Insz.parse(digits, production=self._production) if timedelta(0) <= age < _TOKEN_LIFETIME else None
        except (StoreError, NotAnInsz, ValueError, binascii.Error):
            return None


def form_token(token: str) -> str:
    """Return the token of a session's forms; it cannot be made without the session's own token."""
    return _base64(hmac.digest(token.encode(), b"rrsync form", "sha256"))


def _lapse(visit: StaffSession, seen: datetime, now: datetime) -> SessionEnd | None:
    if now - visit.started_at >= _LONGEST_SESSION or seen - now > _CLOCK_SETBACK:
        return SessionEnd.ENDED
    return SessionEnd.IDLE if now - seen >= _IDLE else None


def _is_alive(now: datetime) -> ColumnElement[bool]:
    """Return the condition on the columns of a session that has not ended; ``_lapse`` uses the encrypted times."""
    seen = col(SessionRow.seen_at)
    return and_(seen > now - _IDLE, seen <= now + _CLOCK_SETBACK, col(SessionRow.started_at) > now - _LONGEST_SESSION)


def _take_message(session: Session, visit: StaffSession) -> str:
    """Take the message, so that no other page shows it too."""
    row = session.exec(select(SessionRow).where(SessionRow.id == visit.id).with_for_update()).one_or_none()
    if row is None:
        return ""
    text, row.said = row.said, ""
    return text


def _id(token: str) -> bytes:
    return sha256(token.encode()).digest()


def _place(row: bytes) -> str:
    return f"session|staff|{row.hex()}"


def _token_place(visit: StaffSession) -> str:
    return f"ticket|{visit.id.hex()}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
