"""The keys of library systems.

1. Who makes a key sees it once; the database has only its SHA-256, so that who reads it can call nothing.
2. What a key may do stands in clear beside a tag under our own keys: who owns the database, but not the keys, can make
   no key and widen none.
3. A key is good for a year at most, until it is revoked, for one library. Both deeds are entries of the access log.

A use is written down when the last is a minute old.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final

import orjson
from sqlalchemy import update
from sqlmodel import col, select

from rrsync.core.apikey import ID_BYTES, LONGEST, SECRET_BYTES, Scope, key_id, key_text, network
from rrsync.core.entry import Draft, Kind, named
from rrsync.core.insz import holds_insz
from rrsync.errors import ConfigError
from rrsync.store.served import ApiKeyRow

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from rrsync.core.entry import JSON, Actor
    from rrsync.store.engine import Database
    from rrsync.store.ledger import Ledger
    from rrsync.store.seal import Seal

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
        """Give the key that a call shows, and note that it is used; ``None`` when it opens nothing.

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
        """Give the keys of these libraries, the newest first; a row that is not as we wrote it is none."""
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
        """Give the tag of all that a row says but its last use."""
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
