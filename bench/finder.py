"""What finding members by name costs: seconds of a search among 100 000, and what beacons add to an import.

The same rows are imported into two databases, batch by batch in turns, so that a noisy machine weighs on both: one gets
beacons, the other none; then the other is filled as ``rrsync init`` does it. A third of the last names are the
simulator's usual ones, a quarter begin with ``Van``, and the rest are made of syllables, so that most are rare.

    python -m bench.finder [--members 100000] [--postgresql]
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from random import Random
from typing import Final
from unittest.mock import patch

from rrsync.core.insz import Insz
from rrsync.core.person import Address, Held, Member, Name, PartialDate
from rrsync.simulator.population import FIRST_NAMES, LAST_NAMES, Numbers
from rrsync.store.encryption import FieldCipher, Keyring
from rrsync.store.engine import Database
from rrsync.store.member_search import MemberSearch
from rrsync.store.members import ImportRow, Members
from rrsync.store.rows import RowCipher, fill_blind_index
from tests.support import Postgres, postgres_folder

LIBRARY: Final = "demo"
BATCH: Final = 1_000
TURNS: Final = 20
WANTED_S: Final = 1.0
WANTED_RATIO: Final = 1.15
_FIRST: Final = [name for names in FIRST_NAMES.values() for name in names.split("|")]
_USUAL: Final = list(LAST_NAMES)
_ONSETS: Final = (
    "b",
    "br",
    "d",
    "g",
    "gr",
    "h",
    "k",
    "kl",
    "l",
    "m",
    "n",
    "p",
    "r",
    "s",
    "schr",
    "st",
    "t",
    "v",
    "w",
    "z",
)
_RIMES: Final = ("aer", "ael", "and", "eck", "eer", "en", "erm", "ieck", "inck", "oen", "oor", "ouck", "uy", "yn")
SEARCHES: Final = {
    "a usual first name": "jan",
    "a beginning of many": "van",
    "a whole name, if there": "van den schrieck jan",
    "a rare beginning of many": "vanzzz",
    "nobody, four letters": "quix",
    "nobody, ten letters": "quixotidae",
    "a letter of a first name": "claes j",
    "two letters alone": "de",
}


def last_name(dice: Random) -> str:
    """Return a last name."""
    made = "".join(dice.choice(_ONSETS) + dice.choice(_RIMES) for _ in range(dice.choice((1, 2, 2)))).capitalize()
    return dice.choices(
        (dice.choice(_USUAL), f"Van {dice.choice(('', 'de ', 'den ', 'der '))}{made}", made), (4, 3, 5)
    )[0]


def rows(count: int) -> Iterator[ImportRow]:
    """Yield a library's members, as an import does."""
    dice, numbers = Random(19), Numbers(19)
    for line in range(2, count + 2):
        name = Name(last_name(dice), " ".join(dice.sample(_FIRST, 2)))
        at = Address("Dorpsstraat", str(line % 300), "", "3500", "Hasselt", "", "BEL")
        held = Held(name, PartialDate.of(numbers.birth(line)), at)
        yield ImportRow(line, Member(LIBRARY, f"{line:08d}", Insz(numbers.digits(line)), held))


class Shelf:
    """One database, and the seconds that each of its batches took."""

    def __init__(self, url: str, seal: FieldCipher, *, has_beacons: bool) -> None:
        self.database, self.rows, self.has_beacons = Database(url), RowCipher(seal), has_beacons
        self.database.upgrade()
        self.members, self.took = Members(self.database, self.rows), list[float]()

    def take(self, batch: list[ImportRow]) -> None:
        """Import a batch."""
        with ExitStack() as stack:
            if not self.has_beacons:
                stack.enter_context(patch("rrsync.store.members.write_blind_index", lambda *_: None))
            started = time.perf_counter()
            self.members.take(batch, import_id="bench", at=datetime.now(UTC))
            self.took.append(time.perf_counter() - started)


@contextmanager
def databases(*, postgresql: bool) -> Iterator[tuple[str, str]]:
    """Yield the URLs of two fresh databases."""
    with ExitStack() as stack:
        if postgresql:
            server = Postgres(stack.enter_context(postgres_folder()))
            stack.callback(server.stop)
            yield stack.enter_context(server.database()), stack.enter_context(server.database())
        else:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            yield f"sqlite:///{Path(folder) / 'with.db'}", f"sqlite:///{Path(folder) / 'without.db'}"


def seconds(finder: MemberSearch, words: str, turns: int = TURNS) -> tuple[str, float, float]:
    """Return what a search found, and medians of its turns: what it took, and what of that our own process worked."""
    took, worked = [], []
    for _ in range(turns):
        started, working = time.perf_counter(), time.process_time()
        found, is_cut = finder.named(LIBRARY, words)
        took.append(time.perf_counter() - started)
        worked.append(time.process_time() - working)
    return f"{len(found)}{'+' * is_cut}", statistics.median(took), statistics.median(worked)


def measure(shelves: tuple[Shelf, Shelf], members: int) -> list[str]:
    """Import, fill and search; print the figures, and give what is beyond its limit."""
    lit, dark = shelves
    incoming = rows(members)
    while batch := list(islice(incoming, BATCH)):
        for shelf in shelves if batch[0].line // BATCH % 2 else reversed(shelves):
            shelf.take(batch)
    with_them, without = (BATCH / statistics.median(shelf.took) for shelf in shelves)
    ratio = without / with_them
    print(f"written, members/s: {with_them:.0f} with beacons, {without:.0f} without, x {ratio:.3f}")
    beyond = ["the import"] if ratio > WANTED_RATIO else []
    unfilled = MemberSearch(dark.database, dark.rows)
    _, took, worked = seconds(unfilled, "quixotidae", turns=3)
    print(f"a search before they are filled: {took:.2f} s, {worked:.2f} s of them ours")
    started = time.perf_counter()
    filled = fill_blind_index(dark.database, dark.rows)
    print(f"filled {filled} in {time.perf_counter() - started:.1f} s")
    for what, words in SEARCHES.items():
        found, took, worked = seconds(MemberSearch(lit.database, lit.rows), words)
        print(f"{what:26} {found:>4} found {took * 1000:7.1f} ms, {worked * 1000:7.1f} ms of them ours")
        beyond += [what] * (took > WANTED_S)
    return beyond


def main() -> None:
    """Measure, and hold the figures against their limits.

    Raises:
        SystemExit: one is beyond its limit.
    """
    parser = argparse.ArgumentParser(prog="python -m bench.finder")
    parser.add_argument("--members", type=int, default=100_000)
    parser.add_argument("--postgresql", action="store_true")
    asked = parser.parse_args()
    seal = FieldCipher(Keyring.fresh(os.urandom), os.urandom)
    with databases(postgresql=asked.postgresql) as (lit, dark):
        shelves = Shelf(lit, seal, has_beacons=True), Shelf(dark, seal, has_beacons=False)
        try:
            beyond = measure(shelves, asked.members)
        finally:
            for shelf in shelves:
                shelf.database.close()
    if beyond:
        raise SystemExit(f"beyond its limit: {', '.join(beyond)}")


if __name__ == "__main__":
    main()
