"""The database as an auditor with the key file would read it: raw SQL and our own decoding, with no code of rrsync."""

from __future__ import annotations

import base64
import contextlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final

import psycopg
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

TABLES: Final = (
    "member",
    "change",
    "hold",
    "entry",
    "log",
    "log_key",
    "pending",
    "run",
    "step",
    "subscription",
    "traffic",
)
OUTSIDER: Final = "auditor"

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Held:
    """What a library holds of a member that the register can correct; the names are those of the access log."""

    name: tuple[str, ...]
    birth_date: str
    address: tuple[str, ...]
    address_since: str

    def changed(self, after: Held) -> set[str]:
        """Name what differs."""
        return {name for name in self.__slots__ if getattr(self, name) != getattr(after, name)}


@dataclass(frozen=True, slots=True)
class Member:
    """One member's row, opened."""

    key: Key
    digits: str
    held: Held
    membership_end: date | None
    open_items: int
    verdict: str
    hold_reason: str
    refreshed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the access log: its bytes, what they say, and the number they are about."""

    library: str
    seq: int
    data: bytes
    line: dict[str, Any]
    digits: str

    @property
    def kind(self) -> str:
        """What it is about."""
        return str(self.line["kind"])

    @property
    def reference(self) -> str:
        """The reference, ``""`` without one."""
        return str(self.line.get("ref", ""))


@dataclass(frozen=True, slots=True)
class Written:
    """One row of the change table, opened."""

    key: Key
    seq: int
    run: str
    verdict: str
    before: Held
    after: Held


@dataclass(frozen=True, slots=True)
class Step:
    """One row of the journal."""

    run: str
    key: Key
    state: str
    verdict: str
    reason: str


@dataclass(frozen=True, slots=True)
class State:
    """All of it, at one moment."""

    members: dict[Key, Member]
    entries: dict[str, list[Entry]]
    heads: dict[str, tuple[int, bytes]]
    changes: list[Written]
    steps: list[Step]
    ended: dict[str, bool]
    pending: set[Key]


@dataclass(slots=True)
class Raw:
    """Reads one database, on connections of its own, each lent to one thread at a time."""

    url: str
    keys: str
    _free: SimpleQueue[Any] = field(default_factory=SimpleQueue)
    _read: dict[bytes, Entry] = field(default_factory=dict)
    _opened: dict[bytes, bytes] = field(default_factory=dict)

    @property
    def path(self) -> Path | None:
        """The file of a SQLite database."""
        return Path(self.url.removeprefix("sqlite:///")) if self.url.startswith("sqlite") else None

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Give what raw SQL finds; ``?`` stands for a value."""
        if self.path is None:
            statement = statement.replace("?", "%s")
        with self._lent() as connection:
            return list(connection.execute(statement, values).fetchall())

    @contextlib.contextmanager
    def _lent(self) -> Iterator[Any]:
        try:
            connection = self._free.get_nowait()
        except Empty:
            connection = self._connect()
        try:
            yield connection
        finally:
            self._free.put(connection)

    def _connect(self) -> Any:
        if self.path is not None:
            return sqlite3.connect(self.path, timeout=30, isolation_level=None, check_same_thread=False)
        return psycopg.connect(self.url.replace("+psycopg", "", 1), autocommit=True, application_name=OUTSIDER)

    def close(self) -> None:
        """Close every connection."""
        while not self._free.empty():
            self._free.get().close()

    def was_recorded(self, reference: str) -> bool:
        """Whether the intent to ask under this reference is committed, as the bytes of an entry say it."""
        wanted = "SELECT data FROM log JOIN entry USING (library) WHERE reference = ? AND reference <> ''"
        found = self.rows(wanted, reference)
        lines = [json.loads(bytes(data)) for (data,) in found]
        return any(line["ref"] == reference and line["kind"] == "access.intent" for line in lines)

    def state(self) -> State:
        """Read everything."""
        subjects = self._subject_keys()
        entries: dict[str, list[Entry]] = {}
        for library, seq, data in self.rows("SELECT library, seq, data FROM entry ORDER BY library, seq"):
            entries.setdefault(library, []).append(self._entry(library, seq, bytes(data), subjects))
        steps = self.rows("SELECT run, library, number, state, verdict, reason FROM step")
        heads = {name: (size, bytes(edge)) for name, size, edge in self.rows("SELECT library, size, edge FROM log")}
        return State(
            members={member.key: member for member in self.members()},
            entries=entries,
            heads=heads,
            changes=list(self._changes()),
            steps=[Step(run, (library, number), *rest) for run, library, number, *rest in steps],
            ended={run: ended is not None for run, ended in self.rows("SELECT id, ended_at FROM run")},
            pending={
                (library, reference) for library, reference in self.rows("SELECT library, reference FROM pending")
            },
        )

    def members(self) -> Iterator[Member]:
        """Open every member."""
        columns = "library, number, insz, name, birth_date, address, membership_end, open_items, verdict, hold_reason"
        for row in self.rows(f"SELECT {columns}, refreshed_at FROM member ORDER BY library, number"):
            library, number, insz, name, birth_date, address, ends, items, verdict, reason, refreshed = row
            at = f"{library}|{number}"
            last_first = json.loads(self._open(name, f"member|name|{at}"))
            (birth,) = json.loads(self._open(birth_date, f"member|birth_date|{at}"))
            *parts, since = json.loads(self._open(address, f"member|address|{at}"))
            yield Member(
                key=(library, number),
                digits="" if insz is None else self._open(insz, f"member|insz|{at}").decode(),
                held=Held(tuple(last_first), birth, tuple(parts), since),
                membership_end=date.fromisoformat(str(ends)) if ends else None,
                open_items=items,
                verdict=verdict or "",
                hold_reason=reason or "",
                refreshed_at=datetime.fromisoformat(str(refreshed)) if refreshed else None,
            )

    def _changes(self) -> Iterator[Written]:
        wanted = "SELECT library, number, seq, run, verdict, before, after FROM change ORDER BY library, seq"
        for library, number, seq, run, verdict, before, after in self.rows(wanted):
            sides = [
                _side(self._open(data, f"change|{name}|{library}|{seq}"))
                for name, data in (("before", before), ("after", after))
            ]
            yield Written((library, number), seq, run, verdict, *sides)

    def _entry(self, library: str, seq: int, data: bytes, subjects: dict[Key, bytes]) -> Entry:
        if data not in self._read:
            line = json.loads(data)
            subject = line.get("subj")
            digits = ""
            if subject:
                sealed = base64.b64decode(subject["enc"])
                cipher = AESGCM(_derive(subjects[library, subject["key"]], "subject"))
                digits = cipher.decrypt(sealed[:12], sealed[12:], f"{line['log']}|{line['seq']}".encode()).decode()
            self._read[data] = Entry(library, seq, data, line, digits)
        return self._read[data]

    def _subject_keys(self) -> dict[Key, bytes]:
        rows = self.rows("SELECT library, year, key FROM log_key")
        return {(library, str(year)): self._open(key, f"log_key|key|{library}|{year}") for library, year, key in rows}

    def _open(self, sealed: bytes, where: str) -> bytes:
        """Open a sealed value: 0x01, the key's name (8), a nonce (12), AES-256-GCM bound to ``where``."""
        sealed = bytes(sealed)
        if sealed in self._opened:
            return self._opened[sealed]
        words = [line.split("#")[0].split() for line in self.keys.splitlines()]
        keys = {word[1]: base64.b64decode(word[2]) for word in words if word and word[0] == "data"}
        assert sealed[:1] == b"\x01"
        cipher = AESGCM(_derive(keys[sealed[1:9].decode()], "data"))
        self._opened[sealed] = cipher.decrypt(sealed[9:21], sealed[21:], where.encode())
        return self._opened[sealed]

    def bytes(self) -> Iterator[tuple[str, bytes]]:
        """Give the raw bytes of everything the database keeps, each with where it stands."""
        if self.path is not None:
            for path in sorted(self.path.parent.glob(self.path.name + "*")):
                yield path.name, path.read_bytes()
            return
        for name in TABLES:
            cells = (cell for row in self.rows(f"SELECT * FROM {name}") for cell in row)
            yield name, b"\0".join(cell if isinstance(cell, bytes) else str(cell).encode() for cell in cells)

    def others(self) -> int:
        """Give how many connections of others a PostgreSQL database has."""
        statement = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name <> ?"
        return 0 if self.path is not None else int(self.rows(statement, OUTSIDER)[0][0])


def _side(data: bytes) -> Held:
    last, first, birth_date, *address, since = json.loads(data)
    return Held((last, first), birth_date, tuple(address), since)


_DERIVED: dict[tuple[bytes, str], bytes] = {}


def _derive(key: bytes, label: str) -> bytes:
    if (key, label) not in _DERIVED:
        info = f"rrsync {label}".encode()
        _DERIVED[key, label] = HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(key)
    return _DERIVED[key, label]
