"""Ten thousand tamperings, done as the database's owner: each is found, and named to the entry.

``RRSYNC_TAMPERINGS`` says how many there are on both databases together, ``RRSYNC_SEED`` with which dice (printed).
They come in batches of a hundred on a log of their own, and for each batch there is a log that is left alone. A run of
1 000 or more prints a table.
"""

from __future__ import annotations

import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from rrsync.audit.notary import points
from rrsync.errors import BrokenChain
from rrsync.store.checkpoints import Checkpoints
from rrsync.store.encryption import Keyring
from rrsync.store.log_tree import KnownRoot
from tests.conftest import FreshDatabase
from tests.owner import age, unguard
from tests.support import LIBRARY, NOW, Clock, Dice, Store, amount, open_store
from tests.tamper.base import SIGNER, Builder, build, sign
from tests.tamper.families import FAMILIES, MIDWAY, Scene, fork_midway
from tests.tamper.model import disarm, write

BATCH = 100
TAMPERINGS = amount("TAMPERINGS", short=300, whole=10_000)
BATCHES = max(1, TAMPERINGS // BATCH)
UNTOUCHED = BATCHES
SEED = int(os.environ.get("RRSYNC_SEED") or Random().randrange(10**6))
LONG = 1_000

pytestmark = [pytest.mark.proof, pytest.mark.timeout(7200 if TAMPERINGS >= LONG else 120)]


@dataclass
class Tally:
    """What came of the tamperings, by family."""

    done: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    named: Counter[str] = field(default_factory=Counter)

    def table(self) -> str:
        """Return the figures."""
        lines = [f"{'family':<14}{'tampered':>10}{'found':>8}{'named':>8}"]
        for name in [*sorted(self.done), "all"]:
            counts = [each.total() if name == "all" else each[name] for each in (self.done, self.found, self.named)]
            lines.append(f"{name:<14}{counts[0]:>10}{counts[1]:>8}{counts[2]:>8}")
        return "\n".join(lines)


@pytest.fixture(scope="module")
def tally() -> Iterator[Tally]:
    """Yield where the batches of this process are counted together."""
    counted = Tally()
    yield counted
    if counted.done.total() >= LONG:
        print(f"\n{counted.table()}")
        assert counted.named.total() >= 0.99 * counted.done.total()


@contextmanager
def fresh(number: int, folder: Path, fresh_database: FreshDatabase) -> Iterator[Store]:
    """Yield an empty store; every fourth is on PostgreSQL."""
    with fresh_database("postgresql" if number % 4 == 3 else "sqlite", folder) as url:
        store = open_store(url, clock=Clock(), random=Dice(f"{number}"), keys=Keyring.fresh(Dice("keys")))
        yield store
        store.close()


def judge(store: Store, outside: list[KnownRoot]) -> str:
    """Hold a log against what was signed of it and what is known elsewhere; give where the first fault is named."""
    try:
        kept = points(Checkpoints(store.database, store.seal).all(LIBRARY), SIGNER.key, "the database")
        store.verify(points=[*kept, *outside])
    except BrokenChain as error:
        named = re.search(rf"{LIBRARY}\b.* (?:at (entry -?\d+):|the (checkpoint of \S+))", error.what)
        return "".join(filter(None, named.groups())).replace(" of", "") if named else error.what
    return ""


@pytest.mark.timeout(900)
@pytest.mark.parametrize("batch", range(BATCHES))
def test_every_tampering_is_found_and_named(
    tmp_path: Path, fresh_database: FreshDatabase, tally: Tally, batch: int
) -> None:
    """Whatever the owner does, the first fault is named; a fork between two checkpoints by the stretch it is in."""
    print(f"RRSYNC_SEED={SEED} batch {batch}")
    dice = Random(f"{SEED} {batch}")
    with fresh(batch, tmp_path, fresh_database) as store:
        base = build(store, dice, size=dice.randrange(280, 420))
        disarm(store)
        assert judge(store, base.outside) == ""
        for number in range(BATCH):
            is_midway = (batch * BATCH + number) % MIDWAY == MIDWAY - 1
            family = fork_midway if is_midway else dice.choices([*FAMILIES], [*FAMILIES.values()])[0]
            scene = Scene(store, base, dice, base.model.copy())
            true = family(scene)
            write(store, scene.model)
            named = judge(store, base.outside)
            assert named, f"{family.__name__} was not found: {true}"
            assert named == true or is_midway, f"{family.__name__} was named {named}, and it is {true}"
            tally.done[family.__name__] += 1
            tally.found[family.__name__] += 1
            tally.named[family.__name__] += named == true
        write(store, base.model)
        assert judge(store, base.outside) == ""


@pytest.mark.timeout(900)
@pytest.mark.parametrize("number", range(UNTOUCHED))
def test_a_log_that_was_left_alone_raises_nothing(tmp_path: Path, fresh_database: FreshDatabase, number: int) -> None:
    """Whole, since any root that is known, with a beginning from before there were tags, and with a year forgotten."""
    print(f"RRSYNC_SEED={SEED} log {number}")
    dice = Random(f"{SEED} log {number}")
    with fresh(number, tmp_path, fresh_database) as store:
        if dice.random() < 0.5:
            Builder(store, dice).work()
            unguard(store)
            age(store)
        base = build(store, dice, size=dice.randrange(1, 400))
        store.clock.pass_by(days=365)
        known = [
            *base.outside,
            *points(Checkpoints(store.database, store.seal).all(LIBRARY), SIGNER.key, "the database"),
        ]
        Builder(store, dice).work()
        if dice.random() < 0.5:
            with store.ledger.writing() as session:
                store.ledger.destroy_in(session, LIBRARY, NOW.year)
        assert judge(store, base.outside) == ""
        assert store.verify(since=dice.choice(known), points=known) == store.verify() == store.ledger.head(LIBRARY)


def test_an_old_backup_of_the_whole_file_is_found(store: Store, tmp_path: Path) -> None:
    """Put back as a file, with all that was in it, it is a log that is shorter than its anchor says."""
    if store.database.path is None:
        pytest.skip("a server has no file to put back")
    builder = Builder(store, Random(SEED))
    builder.work()
    early = sign(store)
    store.database.close()
    shutil.copy(store.database.path, tmp_path / "backup.db")
    builder.work()
    anchored = sign(store)
    assert judge(store, [anchored]) == ""
    store.database.close()
    for left in (f"{store.database.path}-wal", f"{store.database.path}-shm"):
        Path(left).unlink(missing_ok=True)
    shutil.copy(tmp_path / "backup.db", store.database.path)
    assert judge(store, []) == ""
    assert judge(store, [anchored]) == f"entry {early.size}"
