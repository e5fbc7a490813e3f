"""What the access log costs at a million entries: appending, verifying it whole, and proving one entry.

Appending goes through `Ledger.append`, in batches of 1 000 intents and their 1 000 outcomes, each batch committed to
disk. Beside it, in the same run and in turns with it, the same rows go with a bare `executemany` into the same table
with the same indexes, guards and pragmas of a second database, as many in a transaction; so a noisy machine, and a
growing index, weigh on both. Verification is a process of its own. A proof is read from the database and then checked.

    python -m bench.ledger [--entries 1000000]
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Final, TypeAlias

from rrsync.core.insz import Insz, check_digits
from rrsync.core.log_entry import Draft, Kind
from rrsync.core.merkle import leaf_hash, verify_inclusion
from rrsync.store.access_log import AccessLog
from rrsync.store.encryption import FieldCipher, Keyring
from rrsync.store.engine import PRAGMAS, Database
from rrsync.store.log_tree import LogTree, verify_log

LIBRARY: Final = "demo"
BATCH: Final = 1_000
TURN: Final = 20 * BATCH
PROOFS: Final = 200

_COLUMNS: Final = "library, seq, data, leaf, kind, reference, run, at, subject, actor, mac"
_BARE: Final = f"INSERT INTO entry ({_COLUMNS}) VALUES ({', '.join('?' * 11)})"
_DIGEST: Final = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_RUN: Final = "5f0c9a52-8a43-4d43-9e0c-0d1f6c0c2a11"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a figure must be at least, or at most."""

    least: float = 0.0
    most: float = math.inf

    @property
    def word(self) -> str:
        """The same in words."""
        return f"wanted: at least {self.least:g}" if self.least else f"wanted: at most {self.most:g}"

    def is_met(self, value: float) -> bool:
        """Whether a figure is that."""
        return self.least <= value <= self.most


Figure: TypeAlias = tuple[str, float, str, Wanted | None]


def insz(number: int) -> Insz:
    """Return the valid number of an invented person."""
    year, month, day = 40 + number // 280_000 % 60, 1 + number // 28_000 % 10, 1 + number // 1_000 % 28
    nine = f"{year:02d}{month:02d}{day:02d}{number % 1_000:03d}"
    return Insz(nine + check_digits(nine, born_from_2000=False))


def intent(number: int) -> Draft:
    """Return what stands in the log before a question of the night is sent."""
    body = {
        "actor": {"t": "process", "id": "rrsync night"},
        "act": "R",
        "op": "GeefPersoon-02.02",
        "why": {"code": "member-administration", "basis": "KSZ 18/020", "hoed": "Openbare bibliotheek"},
        "scope": _DIGEST,
        "req": _DIGEST,
    }
    return Draft(LIBRARY, Kind.INTENT, reference(number), insz(number), _RUN, body)  # type: ignore[arg-type]


def outcome(number: int) -> Draft:
    """Return what stands in the log once it was answered and settled."""
    out = {
        "status": "ok",
        "codes": [],
        "ms": 137,
        "rsp": _DIGEST,
        "got": ["name.last", "name.first", "birth_date", "address"],
        "withheld": 3,
    }
    return Draft(LIBRARY, Kind.OUTCOME, reference(number), insz(number), _RUN, {"out": out, "verdict": "same"})  # type: ignore[dict-item]


def reference(number: int) -> str:
    """Return a reference that looks like one."""
    return f"{number:08x}-8a43-4d43-9e0c-0d1f6c0c2a11"


class Bench:
    """A database that is filled through the ledger, and one beside it that is filled with the same rows."""

    def __init__(self, folder: Path) -> None:
        self.path, self.beside = folder / "ledger.db", folder / "bare.db"
        for path in (self.path, self.beside):
            database = Database(f"sqlite:///{path}")
            database.upgrade()
            database.close()
        self.keys = Keyring.fresh(os.urandom)
        (folder / "keys").write_text(self.keys.to_text(), encoding="ascii")
        self.database = Database(f"sqlite:///{self.path}")
        seal = FieldCipher(self.keys, os.urandom)
        self.ledger = AccessLog(
            self.database,
            seal,
            origins={LIBRARY: "demo.example/demo"},
            clock=lambda: datetime.now(UTC),
            random=os.urandom,
        )
        self.bare = sqlite3.connect(self.beside, isolation_level=None)
        for pragma in PRAGMAS:
            self.bare.execute(f"PRAGMA {pragma}")

    def append(self, first: int, end: int) -> float:
        """Append entries through the ledger; give the seconds it took."""
        seconds = 0.0
        for begin in range(first // 2, end // 2, BATCH):
            numbers = range(begin, min(end // 2, begin + BATCH))
            for drafts in ([intent(number) for number in numbers], [outcome(number) for number in numbers]):
                started = time.perf_counter()
                self.ledger.append(drafts)
                seconds += time.perf_counter() - started
        return seconds

    def insert(self, first: int, end: int) -> float:
        """Insert the same rows bare; give the seconds it took."""
        seconds = 0.0
        with sqlite3.connect(self.path) as source:
            for begin in range(first, end, BATCH):
                wanted = f"SELECT {_COLUMNS} FROM entry WHERE library = ? AND seq >= ? AND seq < ?"
                rows = source.execute(wanted, (LIBRARY, begin, min(end, begin + BATCH))).fetchall()
                started = time.perf_counter()
                self.bare.execute("BEGIN IMMEDIATE")
                self.bare.executemany(_BARE, rows)
                self.bare.execute("COMMIT")
                seconds += time.perf_counter() - started
        source.close()
        return seconds

    def prove(self, size: int) -> list[float]:
        """Return the milliseconds of proofs of random entries, each of which is then checked."""
        tiles, dice, taken = LogTree(self.database), Random(1), []
        root = tiles.root(LIBRARY, size)
        for _ in range(PROOFS):
            index = dice.randrange(size)
            started = time.perf_counter()
            proof = tiles.inclusion(LIBRARY, index, size)
            taken.append((time.perf_counter() - started) * 1_000)
            ((_, data),) = self.ledger.entries(LIBRARY, since=index, most=1)
            if not verify_inclusion(leaf_hash(data), index=index, size=size, proof=proof, root=root):
                sys.exit(f"the proof of entry {index} does not hold")
        return taken


def run_verification(folder: Path) -> None:
    """Be the process that verifies; print seconds and peak memory as JSON."""
    seal = FieldCipher(Keyring.parse((folder / "keys").read_text(encoding="ascii")), os.urandom)
    database = Database(f"sqlite:///{folder / 'ledger.db'}")
    started, used = time.perf_counter(), time.process_time()
    head = verify_log(database, LIBRARY, cipher=seal)
    found = {
        "seconds": time.perf_counter() - started,
        "core": time.process_time() - used,
        "size": head.size,
        "peak_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }
    sys.stdout.write(json.dumps(found) + "\n")


def measure(folder: Path) -> dict[str, float]:
    """Verify in a process of its own."""
    command = [sys.executable, "-m", "bench.ledger", "--verify", str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def take(folder: Path, size: int) -> list[Figure]:
    """Fill a log, and give what was measured."""
    bench, ours, theirs = Bench(folder), 0.0, 0.0
    for first in range(0, size, TURN):
        ours += bench.append(first, min(size, first + TURN))
        theirs += bench.insert(first, min(size, first + TURN))
    bench.bare.close()
    bench.beside.unlink()
    found = measure(folder)
    started = time.perf_counter()
    LogTree(bench.database).grow(LIBRARY, size)
    grown = time.perf_counter() - started
    proofs = bench.prove(size)
    bench.database.close()
    return [
        ("entries", size, "", None),
        ("in the database", bench.path.stat().st_size / size, "bytes each", None),
        ("Ledger.append", size / ours, "entries/s", Wanted(least=10_000)),
        ("bare executemany", size / theirs, "entries/s", None),
        ("ratio", theirs / ours, "", Wanted(least=0.5)),
        ("verified whole", found["seconds"], "s", None),
        ("of one core", found["core"], "s", Wanted(most=30)),
        ("peak memory", found["peak_kib"] / 1024, "MiB", Wanted(most=300)),
        ("upper tree cached", grown, "s, once", None),
        ("a proof, median", statistics.median(proofs), "ms", Wanted(most=50)),
        ("a proof, at most", max(proofs), "ms", Wanted(most=50)),
    ]


def main() -> None:
    """Measure, print, and say whether every figure is met."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--entries", type=int, default=1_000_000)
    words.add_argument("--verify", help=argparse.SUPPRESS)
    said = words.parse_args()
    if said.verify:
        run_verification(Path(said.verify))
        return
    size = said.entries // (2 * BATCH) * 2 * BATCH
    with tempfile.TemporaryDirectory(prefix="rrsync-ledger-") as name:
        figures = take(Path(name), size)
    for title, value, unit, wanted in figures:
        print(f"{title:<22}{value:10.{2 if value < 10 else 0}f} {unit:<14}{wanted.word if wanted else ''}")
    if not all(wanted.is_met(value) for _, value, _, wanted in figures if wanted):
        sys.exit("a figure is not met")


if __name__ == "__main__":
    main()
