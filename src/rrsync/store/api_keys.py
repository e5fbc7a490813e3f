"""Calls that are done once, however often they are sent (draft-ietf-httpapi-idempotency-key-header).

1. Whoever calls names the call by a key of their own. The first begins; the same again, while it is under way, is told
   so; once it is answered, it gets that answer. Another call under the same key is refused.
2. A call that came to nothing leaves nothing: it may be sent again under its key.
3. One whose process died is let begin again after ten minutes: what it asked of the register is in the access log.

What was called and answered is kept for a day: as keyed values, and sealed.

The keys of library systems.

1. Who makes a key sees it once; the database has only its SHA-256, so that who reads it can call nothing.
2. What a key may do stands in clear beside a tag under our own keys: who owns the database, but not the keys, can make
   no key and widen none.
3. A key is good for a year at most, until it is revoked, for one library. Both deeds are entries of the access log.

A use is written down when the last is a minute old.
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
from rrsync.core.log_entry import JSON, Actor, Draft, Kind, named
from rrsync.core.person import Masked
from rrsync.errors import ConfigError
from rrsync.store.access_log import Ledger
from rrsync.store.encryption import Seal
from rrsync.store.engine import Database
from rrsync.store.tables import ApiKeyRow, IdempotencyRow, Utc

NAME_LENGTH: Final = 40
_USE: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it may be shown: whose, what it may do, from where, and how it stands."""

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
        """Whether it opens anything at a moment."""
        return self.revoked_at is None and now < self.expires_at


@dataclass(frozen=True, slots=True)
class Order:
    """A key to be made: for whom, under which name, for what, from where, until when.

    Raises:
        ConfigError: one of these cannot be.
    """

    library: str
    name: str
    scopes: frozenset[Scope]
    networks: tuple[str, ...]
    expires_at: datetime

    def __post_init__(self) -> None:
        """Hold what no key may be, whoever asks for it."""
        name = self.name
        if name != name.strip() or not 0 < len(name) <= NAME_LENGTH or not name.isprintable() or holds_insz(name):
            raise _bad(f"A key's name is 1 to {NAME_LENGTH} printable characters, and no person's number")
        if not self.scopes:
            raise _bad("A key must be good for something")
        try:
            object.__setattr__(self, "networks", tuple(network(each) for each in self.networks))
        except ValueError as error:
            raise _bad("A network is written as 192.0.2.0/24 or 2001:db8::/32") from error


class ApiKeys:
    """The keys in one database; ``random(n)`` gives n random bytes."""

    def __init__(
        self,
        database: Database,
        seal: Seal,
        ledger: Ledger,
        clock: Callable[[], datetime],
        random: Callable[[int], bytes],
    ) -> None:
        self._database = database
        self._seal = seal
        self._ledger = ledger
        self._clock = clock
        self._random = random

    def make(self, order: Order, *, actor: Actor) -> tuple[ApiKey, str]:
        """Make a key, and give it with its text, which nobody can show again.

        Raises:
            ConfigError: it would end before it begins, or after a year.
            LedgerError: the log cannot be written; there is no new key.
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
            self._ledger.append_in(session, [_deed(key, "made", actor)])
            session.add(row)
        return key, text

    def find(self, text: str) -> ApiKey | None:
        """Return the key that a call shows, and note that it is used; ``None`` when it opens nothing.

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
        if key.used_at is None or now - key.used_at >= _USE:
            with self._database.write() as session:
                session.execute(update(ApiKeyRow).where(col(ApiKeyRow.id) == identity).values(used_at=now))
        return key

    def of(self, libraries: Collection[str]) -> Sequence[ApiKey]:
        """Return the keys of these libraries, the newest first; a row that is not as we wrote it is none."""
        wanted = select(ApiKeyRow).where(col(ApiKeyRow.library).in_(libraries))
        with self._database.read() as session:
            rows = session.exec(wanted.order_by(col(ApiKeyRow.made_at).desc(), col(ApiKeyRow.id))).all()
            return [_key(row) for row in rows if self._is_ours(row)]

    def revoke(self, identity: str, *, libraries: Collection[str], actor: Actor) -> ApiKey | None:
        """End a key of one of these libraries, for good; ``None`` when there is none that is still good.

        Raises:
            LedgerError: the log cannot be written; the key is as it was.
        """
        with self._ledger.writing() as session:
            row = session.get(ApiKeyRow, identity, with_for_update=True)
            if row is None or row.library not in libraries or not self._is_ours(row):
                return None
            if row.revoked_at is not None:
                return None
            row.revoked_at, row.revoked_by = self._clock(), actor.name
            row.digest = b""  # no key has this hash
            row.mac = self._mac(row)
            key = _key(row)
            self._ledger.append_in(session, [_deed(key, "revoked", actor)])
        return key

    def _is_ours(self, row: ApiKeyRow) -> bool:
        return hmac.compare_digest(row.mac, self._mac(row))

    def _mac(self, row: ApiKeyRow) -> bytes:
        """Return the tag of all that a row says but its last use."""
        said = [
            *(row.library, row.name, row.digest.hex(), row.scopes, row.networks, row.made_by, row.revoked_by),
            *(None if at is None else at.isoformat() for at in (row.made_at, row.expires_at, row.revoked_at)),
        ]
        return self._seal.tag(f"api_key|{row.id}", orjson.dumps(said))


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


def _deed(key: ApiKey, deed: str, actor: Actor) -> Draft:
    scopes: list[JSON] = [*sorted(key.scopes)]
    said: dict[str, JSON] = {"id": key.id, "name": key.name, "deed": deed, "scopes": scopes}
    said["until"] = key.expires_at.date().isoformat()
    return Draft(key.library, Kind.SETTINGS, "", body={"actor": named(actor), "api_key": said})


def _digest(text: str) -> bytes:
    return sha256(text.encode()).digest()


def _bad(what: str) -> ConfigError:
    return ConfigError(what, kept="No key was made", todo="Correct it")


KEPT: Final = timedelta(days=1)
DEAD: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Begun:
    """A call that begins now; ``at`` is when, by which it is known from one that began under its key later."""

    id: bytes
    at: datetime


@dataclass(frozen=True, slots=True, repr=False)
class Answered(Masked):
    """A call that was answered before, and how."""

    answer: bytes


class Clash(StrEnum):
    """Why a call cannot begin: the same is under way, or its key is another call's."""

    RUNNING = "running"
    OTHER = "other"


Turn: TypeAlias = Begun | Answered | Clash


class Repeats:
    """The calls of one database."""

    def __init__(self, database: Database, seal: Seal, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._seal = seal
        self._clock = clock

    def begin(self, caller: str, key: str, said: str) -> Turn:
        """Let a caller's call begin under a key, or say how it stands; ``said`` is all that it asks.

        Raises:
            StoreError: it cannot be written down, so nothing may begin.
        """
        identity, mark = self._seal.lookup("idempotency", f"{caller}\0{key}"), self._seal.lookup("call", said)
        now = self._clock()
        with self._database.write() as session:
            session.execute(delete(IdempotencyRow).where(col(IdempotencyRow.at) <= now - KEPT))
            begun = session.execute(_BEGIN, {"id": identity, "mark": mark, "at": now})
            if begun.rowcount:  # type: ignore[attr-defined] # an INSERT's result counts its rows
                return Begun(identity, now)
            return self._stands(session, identity, mark, now)

    def _stands(self, session: Session, identity: bytes, mark: bytes, now: datetime) -> Turn:
        wanted = select(IdempotencyRow).where(IdempotencyRow.id == identity).with_for_update()
        row = session.exec(wanted).one_or_none()
        if row is None:  # it came to nothing just now
            return Clash.RUNNING
        if not hmac.compare_digest(row.mark, mark):
            return Clash.OTHER
        if row.answer is not None:
            return Answered(self._seal.open(row.answer, where=_where(identity)))
        if now - row.at < DEAD:
            return Clash.RUNNING
        row.at = now
        return Begun(identity, now)

    def keep(self, begun: Begun, answer: bytes) -> None:
        """Keep the answer of a call.

        Raises:
            StoreError: it cannot be kept; the same call is under way until it is taken for dead.
        """
        sealed = self._seal.seal(answer, where=_where(begun.id))
        with self._database.write() as session:
            session.execute(update(IdempotencyRow).where(_this(begun)).values(answer=sealed))

    def drop(self, begun: Begun) -> None:
        """Forget a call that came to nothing.

        Raises:
            StoreError: it cannot be; the same call is under way until it is taken for dead.
        """
        with self._database.write() as session:
            session.execute(delete(IdempotencyRow).where(_this(begun)))


def _this(begun: Begun) -> ColumnElement[bool]:
    """Choose a call's row, unless it was answered, or taken for dead and begun anew."""
    row = col(IdempotencyRow.id) == begun.id, col(IdempotencyRow.at) == begun.at
    return and_(*row, col(IdempotencyRow.answer).is_(None))


def _where(identity: bytes) -> str:
    return f"idempotency|answer|{identity.hex()}"


_BEGIN: Final = text(
    "INSERT INTO idempotency (id, mark, at) VALUES (:id, :mark, :at) ON CONFLICT DO NOTHING"
).bindparams(bindparam("at", type_=Utc()))
