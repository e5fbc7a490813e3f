"""What the owner of the database can do: take its guards away, write what they like, and make the tree anew."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from rrsync.core.merkle import Edge, leaf_hash
from tests.support import LIBRARY, Store

GUARDED: Final = ("entry", "log", "checkpoint")


def unguard(store: Store) -> None:
    """Take the guards away."""
    if store.database.is_sqlite:
        for name in store.scalars("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
            store.execute(f"DROP TRIGGER {name}")
        return
    for table in GUARDED:
        store.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")


def bytes_at(store: Store, seq: int, library: str = LIBRARY) -> bytes:
    """Return the bytes of an entry."""
    data = store.scalars("SELECT data FROM entry WHERE library = :l AND seq = :s", l=library, s=seq)[0]
    assert isinstance(data, bytes)
    return data


def write(store: Store, seq: int, data: bytes, library: str = LIBRARY) -> None:
    """Put other bytes in the place of an entry, with their leaf hash."""
    statement = "UPDATE entry SET data = :d, leaf = :h WHERE library = :l AND seq = :s"
    store.execute(statement, d=data, h=leaf_hash(data), l=library, s=seq)


def alter(store: Store, seq: int, changes: Mapping[str, object], library: str = LIBRARY) -> None:
    """Change what the bytes of an entry say, as ``rrsync`` itself would have written it."""
    line = json.loads(bytes_at(store, seq, library)) | changes
    write(store, seq, json.dumps(line, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode(), library)


def rehash(store: Store, library: str = LIBRARY) -> None:
    """Make head and tree those of the entries that stand there, and leave nothing that says otherwise."""
    edge = Edge()
    for data in store.scalars("SELECT data FROM entry WHERE library = :l ORDER BY seq", l=library):
        assert isinstance(data, bytes)
        edge = edge.extend([leaf_hash(data)])
    store.execute("UPDATE log SET size = :s, edge = :e WHERE library = :l", s=edge.size, e=edge.to_bytes(), l=library)
    store.execute("DELETE FROM tile WHERE library = :l", l=library)


def age(store: Store, library: str = LIBRARY) -> None:
    """Make a log what a version before schema 0002 would have written: without tags, and saying so."""
    for seq in store.scalars("SELECT seq FROM entry WHERE library = :l", l=library):
        assert isinstance(seq, int)
        alter(store, seq, {"v": 1}, library)
    store.execute("UPDATE entry SET mac = NULL, actor = '' WHERE library = :l", l=library)
    rehash(store, library)
