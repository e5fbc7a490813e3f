"""A log as its owner sees it: rows in memory, to be altered at will and written back with no guard in the way."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, text

from rrsync.core.merkle import Edge, leaf_hash
from tests.support import LIBRARY, Store

Row = dict[str, Any]

_TABLES: Final = {
    "entry": ("library", "seq", "data", "leaf", "kind", "reference", "run", "at", "subject", "actor", "mac"),
    "log": ("library", "origin", "size", "edge"),
    "checkpoint": ("library", "size", "at", "note"),
}


@dataclass
class Model:
    """What stands in the tables; ``rows`` are a log's entries in their order, ``others`` are those of other logs."""

    tables: dict[str, list[Row]]

    @property
    def rows(self) -> list[Row]:
        """The entries of the log."""
        return [row for row in self.tables["entry"] if row["library"] == LIBRARY]

    @rows.setter
    def rows(self, rows: Iterable[Row]) -> None:
        others = [row for row in self.tables["entry"] if row["library"] != LIBRARY]
        self.tables["entry"] = [*rows, *others]

    @property
    def head(self) -> Row:
        """The head of the log."""
        return next(row for row in self.tables["log"] if row["library"] == LIBRARY)

    @property
    def notes(self) -> list[Row]:
        """The checkpoints of the log, the shortest first."""
        return [row for row in self.tables["checkpoint"] if row["library"] == LIBRARY]

    def copy(self) -> Model:
        """Return the same, to be altered."""
        return deepcopy(self)

    def rehash(self) -> None:
        """Make the head that of the entries."""
        edge = Edge().extend(row["leaf"] for row in self.rows)
        self.head.update(size=edge.size, edge=edge.to_bytes())

    def renumber(self, *, first: int = 0) -> None:
        """Close the gaps, in the columns and in the bytes."""
        for seq, row in enumerate(self.rows):
            if seq >= first:
                row["seq"] = seq
                say(row, seq=seq)

    def forget(self, size: int) -> None:
        """Leave no checkpoint of more than so many entries."""
        self.tables["checkpoint"] = [row for row in self.tables["checkpoint"] if row["size"] <= size]


def say(row: Row, **changes: object) -> None:
    """Have an entry's bytes say something else, with their leaf hash."""
    line = json.loads(row["data"]) | changes
    row["data"] = json.dumps(line, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()
    row["leaf"] = leaf_hash(row["data"])


def follow(row: Row) -> None:
    """Have the columns say what the bytes say."""
    line = json.loads(row["data"])
    actor = line.get("actor", {})
    subject = line.get("subj", {}).get("ref")
    row.update(kind=line["kind"], reference=line.get("ref", ""), run=line.get("run", ""))
    row.update(subject=None if subject is None else bytes.fromhex(subject))
    row.update(actor=actor.get("id", "") if actor.get("t") == "person" else "")
    at = line["ts"][:-1]
    row["at"] = at.replace("T", " ") if isinstance(row["at"], str) else datetime.fromisoformat(at)


def disarm(store: Store) -> None:
    """Take away what would refuse an owner's rows: guards, and the index that lets a reference stand once."""
    if store.database.is_sqlite:
        for name in store.scalars("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
            store.execute(f"DROP TRIGGER {name}")
    else:
        for name in _TABLES:
            store.execute(f"ALTER TABLE {name} DISABLE TRIGGER ALL")
    store.execute("DROP INDEX IF EXISTS entry_reference")


def read(store: Store) -> Model:
    """Return what stands in the database."""
    with store.database.engine.connect() as connection:
        return Model(
            {
                name: [
                    dict(zip(columns, row, strict=True))
                    for row in connection.execute(text(f"SELECT {', '.join(columns)} FROM {name} ORDER BY 1, 2"))
                ]
                for name, columns in _TABLES.items()
            }
        )


def write(store: Store, model: Model) -> None:
    """Have the database hold this, and nothing else."""
    with _hasty(store) as connection:
        connection.execute(text("DELETE FROM tile"))
        for name, columns in _TABLES.items():
            connection.execute(text(f"DELETE FROM {name}"))
            if model.tables[name]:
                marks = ", ".join(f":{column}" for column in columns)
                connection.execute(
                    text(f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({marks})"), model.tables[name]
                )


@contextmanager
def _hasty(store: Store) -> Iterator[Connection]:
    """Yield a transaction that need not survive a power cut."""
    with store.database.engine.connect() as connection:
        if store.database.is_sqlite:
            connection.connection.cursor().execute("PRAGMA synchronous=OFF")
        yield connection
        connection.commit()
