"""API keys of library systems, and idempotent API calls.

API keys:

1. A key is shown once, when it is made. The database has only its SHA-256, so its readers can call nothing.
2. The permissions of a key are stored with a MAC: the owner of the database, without our keys, can neither make a key
   nor widen one.
3. A key is valid for a year at most, until it is revoked, for one library. Making and revoking it are log entries.
4. The last use is written at most once a minute.

Idempotent calls (draft-ietf-httpapi-idempotency-key-header):

1. The caller names a call by a key. The first call begins; a repetition is told that it is running, or gets its answer.
   Another call under the same key is refused.
2. A call that failed is deleted, so it may be sent again under its key.
3. A call whose process died may begin again after ten minutes: the access log has its queries.
4. Caller and content are kept for a day as keyed hashes, and the answer is encrypted.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Final, TypeAlias

import orjson
from sqlalchemy import ColumnElement, and_, bindparam, delete, text, update
from sqlmodel import Session, col, select

from rrsync.core.api_key import ID_BYTES, LONGEST, SECRET_BYTES, Scope, key_id, key_text, network
from rrsync.core.insz import holds_insz
from rrsync.core.log_entry import JSON, Actor, Draft, Kind, actor_json
from rrsync.core.person import Masked
from rrsync.errors import ConfigError
from rrsync.store.access_log import AccessLog
from rrsync.store.encryption import FieldCipher
from rrsync.store.engine import Database
from rrsync.store.tables import ApiKeyRow, IdempotencyRow, Utc, affected

_NAME_LENGTH: Final = 40
_USE_INTERVAL: Final = timedelta(minutes=1)
_ANSWER_LIFETIME: Final = timedelta(days=1)
_CALL_TIMEOUT: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without its secret: its library, permissions, networks and state."""

    id: str
    library: str
    name: str
    scopes: frozenset[Scope]
    networks: tuple[str, ...]
    made_by: str
    made_at: datetime
    expires_at: datetime
    used_at: datetime | None = None
    revoked_by: str = ""
    revoked_at: datetime | None = None

    def is_good(self, now: datetime) -> bool:
        """Return whether it is valid at a time."""
        return self.revoked_at is None and now < self.expires_at


@dataclass(frozen=True, slots=True)
class ApiKeyRequest:
    """A key to make: its library, name, permissions, networks and end.

    Raises:
        ConfigError: one of them is invalid.
    """

    library: str
    name: str
    scopes: frozenset[Scope]
    networks: tuple[str, ...]
    expires_at: datetime

    def __post_init__(self) -> None:
        """Check the fields that do not depend on the time."""
        name = self.name
        if name != name.strip() or not 0 < len(name) <= _NAME_LENGTH or not name.isprintable() or holds_insz(name):
            raise _bad(f"A key's name is 1 to {_NAME_LENGTH} printable characters, and no person's number")
        if not self.scopes:
            raise _bad("A key must be good for something")
        try:
            object.__setattr__(self, "networks", tuple(network(each) for each in self.networks))
        except ValueError as error:
            raise _bad("A network is written as 192.0.2.0/24 or 2001:db8::/32") from error


class ApiKeys:
    """The API keys of one database; ``random(n)`` returns n random bytes."""

    def __init__(
        self,
        database: Database,
        cipher: FieldCipher,
        ledger: AccessLog,
        clock: Callable[[], datetime],
        random: Callable[[int], bytes],
    ) -> None:
        self._database = database
        self._cipher = cipher
        self._ledger = ledger
        self._clock = clock
        self._random = random

    def make(self, order: ApiKeyRequest, *, actor: Actor) -> tuple[ApiKey, str]:
        """Make a key, and return it with its secret text, which cannot be shown again.

        Raises:
            ConfigError: it would end before it begins, or after a year.
            LedgerError: the log cannot be written; no key was made.
        """
        now = self._clock()
        if not now < order.expires_at <= now + LONGEST:
            raise _bad("A key ends within a year")
        identity = self._random(ID_BYTES).hex()
        text = key_text(identity, self._random(SECRET_BYTES))
        row = ApiKeyRow(
            id=identity,
            library=order.library,
            name=order.name,
            digest=_digest(text),
            scopes=" ".join(sorted(order.scopes)),
            networks=" ".join(order.networks),
            made_by=actor.name,
            made_at=now,
            expires_at=order.expires_at,
            mac=b"",
        )
        row.mac = self._mac(row)
        key = _key(row)
        with self._ledger.writing() as session:
            self._ledger.append_in(session, [_log_entry(key, "made", actor)])
            session.add(row)
        return key, text

    def find(self, text: str) -> ApiKey | None:
        """Return the key that a call shows, and note its use; ``None`` if it is not valid.

        Raises:
            StoreError: the database cannot be read or written.
        """
        identity, now = key_id(text), self._clock()
        if identity is None:
            return None
        with self._database.read() as session:
            row = session.get(ApiKeyRow, identity)
            if row is None or not self._is_ours(row) or not hmac.compare_digest(row.digest, _digest(text)):
                return None
            key = _key(row)
        if not key.is_good(now):
            return None
        if key.used_at is None or now - key.used_at >= _USE_INTERVAL:
            with self._database.write() as session:
                session.execute(update(ApiKeyRow).where(col(ApiKeyRow.id) == identity).values(used_at=now))
        return key

    def of(self, libraries: Collection[str]) -> Sequence[ApiKey]:
        """Return the keys of these libraries, the newest first; rows with a wrong MAC are skipped."""
        wanted = select(ApiKeyRow).where(col(ApiKeyRow.library).in_(libraries))
        with self._database.read() as session:
            rows = session.exec(wanted.order_by(col(ApiKeyRow.made_at).desc(), col(ApiKeyRow.id))).all()
            return [_key(row) for row in rows if self._is_ours(row)]

    def revoke(self, identity: str, *, libraries: Collection[str], actor: Actor) -> ApiKey | None:
        """Revoke a key of one of these libraries; ``None`` if it is not there, or was revoked before.

        Raises:
            LedgerError: the log cannot be written; the key is unchanged.
        """
        with self._ledger.writing() as session:
            row = session.get(ApiKeyRow, identity, with_for_update=True)
            if row is None or row.library not in libraries or not self._is_ours(row):
                return None
            if row.revoked_at is not None:
                return None
            row.revoked_at, row.revoked_by = self._clock(), actor.name
            row.digest = b""  # the hash of no key
            row.mac = self._mac(row)
            key = _key(row)
            self._ledger.append_in(session, [_log_entry(key, "revoked", actor)])
        return key

    def _is_ours(self, row: ApiKeyRow) -> bool:
        return hmac.compare_digest(row.mac, self._mac(row))

    def _mac(self, row: ApiKeyRow) -> bytes:
        """Return the MAC of all columns of a row but its last use."""
        said = [
            *(row.library, row.name, row.digest.hex(), row.scopes, row.networks, row.made_by, row.revoked_by),
            *(None if at is None else at.isoformat() for at in (row.made_at, row.expires_at, row.revoked_at)),
        ]
        return self._cipher.mac(f"api_key|{row.id}", orjson.dumps(said))


def _key(row: ApiKeyRow) -> ApiKey:
    return ApiKey(
        id=row.id,
        library=row.library,
        name=row.name,
        scopes=frozenset(Scope(scope) for scope in row.scopes.split()),
        networks=tuple(row.networks.split()),
        made_by=row.made_by,
        made_at=row.made_at,
        expires_at=row.expires_at,
        used_at=row.used_at,
        revoked_by=row.revoked_by,
        revoked_at=row.revoked_at,
    )


def _log_entry(key: ApiKey, action: str, actor: Actor) -> Draft:
    scopes: list[JSON] = [*sorted(key.scopes)]
    said: dict[str, JSON] = {"id": key.id, "name": key.name, "deed": action, "scopes": scopes}
    said["until"] = key.expires_at.date().isoformat()
    return Draft(key.library, Kind.SETTINGS, "", body={"actor": actor_json(actor), "api_key": said})


def _digest(text: str) -> bytes:
    return sha256(text.encode()).digest()


def _bad(what: str) -> ConfigError:
    return ConfigError(what, kept="No key was made", todo="Correct it")


@dataclass(frozen=True, slots=True)
class CallBegun:
    """A call that begins now; ``at`` distinguishes it from a later call under the same key."""

    id: bytes
    at: datetime


@dataclass(frozen=True, slots=True, repr=False)
class CallAnswered(Masked):
    """A call that was answered before, and its answer."""

    answer: bytes


class CallConflict(StrEnum):
    """The reason why a call cannot begin: it is running, or its key is that of another call."""

    RUNNING = "running"
    OTHER = "other"


_CallState: TypeAlias = CallBegun | CallAnswered | CallConflict


class IdempotentCalls:
    """The idempotent calls of one database."""

    def __init__(self, database: Database, cipher: FieldCipher, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._cipher = cipher
        self._clock = clock

    def begin(self, caller: str, key: str, said: str) -> _CallState:
        """Begin a call of a caller under a key, or return its state; ``said`` is its whole content.

        Raises:
            StoreError: it cannot be written, so it may not begin.
        """
        identity, mark = (
            self._cipher.keyed_hash("idempotency", f"{caller}\0{key}"),
            self._cipher.keyed_hash("call", said),
        )
        now = self._clock()
        with self._database.write() as session:
            session.execute(delete(IdempotencyRow).where(col(IdempotencyRow.at) <= now - _ANSWER_LIFETIME))
            if affected(session, _BEGIN, {"id": identity, "mark": mark, "at": now}):
                return CallBegun(identity, now)
            return self._state(session, identity, mark, now)

    def _state(self, session: Session, identity: bytes, mark: bytes, now: datetime) -> _CallState:
        wanted = select(IdempotencyRow).where(IdempotencyRow.id == identity).with_for_update()
        row = session.exec(wanted).one_or_none()
        if row is None:  # it failed just now
            return CallConflict.RUNNING
        if not hmac.compare_digest(row.mark, mark):
            return CallConflict.OTHER
        if row.answer is not None:
            return CallAnswered(self._cipher.decrypt(row.answer, where=_where(identity)))
        if now - row.at < _CALL_TIMEOUT:
            return CallConflict.RUNNING
        row.at = now
        return CallBegun(identity, now)

    def keep(self, begun: CallBegun, answer: bytes) -> None:
        """Keep the answer of a call.

        Raises:
            StoreError: it cannot be kept; the call counts as running until its timeout.
        """
        encrypted = self._cipher.encrypt(answer, where=_where(begun.id))
        with self._database.write() as session:
            session.execute(update(IdempotencyRow).where(_running(begun)).values(answer=encrypted))

    def drop(self, begun: CallBegun) -> None:
        """Delete a failed call.

        Raises:
            StoreError: it cannot be deleted; the call counts as running until its timeout.
        """
        with self._database.write() as session:
            session.execute(delete(IdempotencyRow).where(_running(begun)))


def _running(begun: CallBegun) -> ColumnElement[bool]:
    """Return the condition for the row of a call, unless it was answered, or timed out and began again."""
    row = col(IdempotencyRow.id) == begun.id, col(IdempotencyRow.at) == begun.at
    return and_(*row, col(IdempotencyRow.answer).is_(None))


def _where(identity: bytes) -> str:
    return f"idempotency|answer|{identity.hex()}"


_BEGIN: Final = text(
    "INSERT INTO idempotency (id, mark, at) VALUES (:id, :mark, :at) ON CONFLICT DO NOTHING"
).bindparams(bindparam("at", type_=Utc()))
