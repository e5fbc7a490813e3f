"""Replies done wrong by chance, read as the gate reads them, and held against a second opinion.

``RRSYNC_FUZZ`` is how many replies are spoiled byte by byte; a tenth of it are well-formed mutations, and a hundredth
goes on to the database. Without it a short run is done. With ``-s`` the figures are printed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

from rrsync.core.compare import Hold, compare
from rrsync.store.settlement import SettlementItem
from tests.fuzz import mutate, spoil
from tests.fuzz.careless import CARELESS, reader
from tests.fuzz.corpus import Base, bases
from tests.fuzz.dress import MONSTERS
from tests.fuzz.judge import Fooled, Tally, answered, judged
from tests.store.scene import present
from tests.support import LIBRARY, Store, amount, intent, outcome

SPOILED = amount("FUZZ", short=2_500, whole=100_000)
MUTATED = max(1_000, SPOILED // 10)
SETTLED = max(60, SPOILED // 100)
#: An exception that is harmless but for its type.
TOLD = (
    b"<Uitzonderingen><Uitzondering><Identificatie>30042</Identificatie><Oorsprong>MAGDA</Oorsprong><Type>%s</Type>"
    b"</Uitzondering></Uitzonderingen>"
)

#: Hypothesis remembers what it tried; a round forgets the one before.
ROUND = 2_000

Recipe = TypeVar("Recipe")


def search(
    check: Callable[[Recipe], object], recipes: SearchStrategy[Recipe], *, examples: int, shrinks: bool = True
) -> None:
    """Let hypothesis try recipes, in rounds; what fails is made as small as can be."""
    phases = [Phase.generate, Phase.shrink] if shrinks else [Phase.generate]
    for number, start in enumerate(range(0, examples, ROUND)):

        @seed(number)
        @settings(
            max_examples=min(ROUND, examples - start),
            deadline=None,
            database=None,
            phases=phases,
            suppress_health_check=list(HealthCheck),
        )
        @given(recipes)
        def attempt(recipe: Recipe) -> None:
            check(recipe)

        attempt()


def test_the_right_replies_are_read_as_the_second_opinion_reads_them() -> None:
    """Before anything is done to them; most would be written."""
    tally = Tally("as they are")
    for base in bases():
        judged(base, base.data, tally)
    assert tally.written > len(bases()) // 2
    print(f"\n{tally.line()}")


@pytest.mark.proof
@pytest.mark.timeout(7200)
def test_no_spoiled_reply_is_believed_wrongly() -> None:
    """Whatever bytes come, it is read or refused, quickly, and nothing is written that the reply does not say."""
    tally = Tally("spoiled bytes")
    search(lambda recipe: judged(*spoil.spoil(bases(), recipe), tally), spoil.recipes, examples=SPOILED)
    print(f"\n{tally.line()}")
    assert tally.came["hold (unreadable)"] > tally.came.total() // 2
    assert tally.written > 0


@pytest.mark.proof
@pytest.mark.timeout(7200)
def test_no_mutated_reply_is_believed_wrongly() -> None:
    """The same for messages that are well-formed and not what they were."""
    tally = Tally("well-formed mutations")
    search(lambda recipe: judged(*mutate.mutate(bases(), recipe), tally), mutate.recipes, examples=MUTATED)
    print(f"\n{tally.line()}")
    assert tally.written > 0
    assert {"hold (unreadable)", "hold (mismatch)", "hold (refused)", "hold (deceased)"} <= set(tally.came)


@pytest.mark.proof
@pytest.mark.timeout(7200)
def test_a_reply_that_is_only_written_otherwise_is_read_the_same() -> None:
    """Prefixes, comments, blanks, escapes and a mark at the beginning make no difference: nothing right is refused."""
    tally = Tally("written otherwise")

    def check(recipe: tuple[int, list[int]]) -> None:
        base, data = mutate.rewrite(bases(), recipe)
        judged(base, data, tally)
        read, original = base.read(data), base.read(base.data)
        is_same = (read.answer, read.status, read.action) == (original.answer, original.status, original.action)
        assert is_same, recipe

    search(check, mutate.neutral, examples=max(200, MUTATED // 5))
    print(f"\n{tally.line()}")


@pytest.mark.proof
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_what_reaches_the_database_is_what_the_second_opinion_says(store: Store) -> None:
    """A sample is settled for real: the member is as before or as the reply says, and nobody else is touched."""
    tally, drawer = Tally("settled"), Drawer(store)
    shapes: list[tuple[SearchStrategy[Any], Callable[..., tuple[Base, bytes]]]] = [
        (spoil.recipes, spoil.spoil),
        (mutate.recipes, mutate.mutate),
    ]
    for recipes, make in shapes:
        search(partial(drawer.put, make, tally), recipes, examples=SETTLED // 2, shrinks=False)
    assert tally.written > 0
    store.verify()
    print(f"\n{tally.line()}")


@dataclass(slots=True)
class Drawer:
    """The members of a real database; each reply is settled for the one it was asked about."""

    store: Store
    numbers: dict[str, str] = field(default_factory=dict)

    def put(self, make: Callable[[Sequence[Base], Any], tuple[Base, bytes]], tally: Tally, recipe: object) -> None:
        """Settle one reply, and look at what is there then."""
        base, data = make(bases(), recipe)
        number = self._number(base)
        base = replace(base, member=present(self.store, number))
        verdict = judged(base, data, tally)
        reference, others = f"ref-{tally.came.total()}-{number}", self._others(number)
        subject = base.question.insz
        self.store.ledger.append([intent(reference, subject=subject)])
        item = SettlementItem(LIBRARY, number, answered(base.read(data)), outcome(reference, subject=subject))
        (written,) = self.store.settlement.settle([item], compare)
        assert written == verdict
        now = present(self.store, number)
        assert (now.insz, now.held) == (subject, base.member.held if isinstance(verdict, Hold) else verdict.after)
        assert self._others(number) == others

    def _number(self, base: Base) -> str:
        """Return the number of a base's member, who is taken in when first asked about."""
        digits = base.question.insz.digits
        if digits not in self.numbers:
            self.numbers[digits] = f"M{len(self.numbers):06d}"
            self.store.take(replace(base.member, number=self.numbers[digits]))
        return self.numbers[digits]

    def _others(self, number: str) -> str:
        """Return a digest of every other member's row."""
        cells = ("number", "insz", "name", "birth_date", "address")
        rows = [
            self.store.scalars(f"SELECT {cell} FROM member WHERE number <> :number ORDER BY number", number=number)
            for cell in cells
        ]
        return sha256(repr(rows).encode()).hexdigest()


@pytest.mark.parametrize("left_out", CARELESS)
def test_a_reader_that_leaves_a_check_out_is_caught(left_out: str) -> None:
    """So that it is known that the search can find anything: by a reply that fools it, and does not fool ours."""
    change, by_bytes = CARELESS[left_out]
    recipes: SearchStrategy[Any] = spoil.recipes if by_bytes else mutate.recipes
    make: Callable[..., tuple[Base, bytes]] = spoil.spoil if by_bytes else mutate.mutate
    tally, tried = Tally(left_out), list[tuple[Base, bytes]]()

    def check(recipe: object) -> None:
        tried.append(make(bases(), recipe))
        judged(*tried[-1], tally, reading=reader(change))

    with pytest.raises(Fooled):
        search(check, recipes, examples=3_000, shrinks=False)
    judged(*tried[-1], Tally("ours"))
    print(f"\nwithout looking at {left_out}: caught at reply {tally.came.total()}")


@pytest.mark.parametrize("place", ["</Persoon>", "<s:Header/>"])
@pytest.mark.parametrize("shape", MONSTERS)
def test_two_mebibytes_of_anything_take_a_second_and_a_hundred_megabytes_at_most(shape: str, place: str) -> None:
    """Whatever fits under the cap on a reply's size, where it may stand."""
    base = next(base for base in bases() if not isinstance(compare(base.member, answered(base.read(base.data))), Hold))
    monster = MONSTERS[shape]
    new = b"<s:Header>" + monster + b"</s:Header>" if place.startswith("<s:") else monster + place.encode()
    data = base.data.replace(place.encode(), new, 1)
    assert len(base.data) + 1_500_000 < len(data) < 2 * 1024 * 1024
    tally = Tally(shape)
    judged(base, data, tally)
    print(f"\n{place} {tally.line()}")


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (rb"(<Antwoord><Referte>[^<]*)(<)", rb"\1<x>another</x>\2"),
        (rb"(<Ontvanger>.*?<Referte>[^<]*)(<)", rb"\1<Referte>another</Referte>\2"),
        (rb"(</Inhoud>)()", rb"\1" + TOLD % b"<x>FOUT</x>"),
        (rb"(</Inhoud>)()", rb"\1" + TOLD % b"<x/>FOUT"),
    ],
    ids=["reference of the answer", "reference of the receiver", "an error wrapped", "an error behind an element"],
)
def test_a_text_that_has_an_element_in_it_is_no_text(pattern: bytes, text: bytes) -> None:
    """An element beside or around a text leaves it to us what to believe: the reply is not whole."""
    base = next(base for base in bases() if b"</Inhoud></Antwoord>" in base.data)
    data = re.sub(pattern, text, base.data, count=1, flags=re.DOTALL)
    assert data != base.data
    judged(base, data, Tally("mixed"))
