"""The invented population."""

from __future__ import annotations

import csv
import io
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrsync.core.insz import Insz, check_digits
from rrsync.errors import ConfigError
from rrsync.simulator.citizens import Situation, World, member_rows
from rrsync.simulator.population import SPACE, Numbers

COLUMNS = [
    *("member_no", "insz", "last_name", "first_names", "birth_date", "street", "house_number", "box", "postal_code"),
    *("municipality", "country", "membership_end", "open_items"),
]


def test_the_same_seed_gives_the_same_people() -> None:
    """Two worlds of one seed hold the same people, of two seeds others."""
    one, two, other = World(seed=3, people=50), World(seed=3, people=50), World(seed=4, people=50)
    assert [one.citizen(i) for i in range(50)] == [two.citizen(i) for i in range(50)]
    assert not {one.citizen(i).insz for i in range(50)} & {other.citizen(i).insz for i in range(50)}


def test_size_does_not_change_who_people_are() -> None:
    """A person is the same in a small world and in one of sixteen million."""
    assert World(seed=3, people=16_000_000).citizen(7) == World(seed=3, people=10).citizen(7)


@given(seed=st.integers(0, 2**32), position=st.integers(0, SPACE - 1))
def test_a_position_and_a_number_are_one_to_one(seed: int, position: int) -> None:
    """Every position has a number that leads back to it, for every seed."""
    numbers = Numbers(seed)
    assert numbers.position(numbers.digits(position)) == position


@given(seed=st.integers(0, 2**32), position=st.integers(0, SPACE - 1))
def test_every_number_is_a_valid_test_number_of_its_century(seed: int, position: int) -> None:
    """The check digits follow the rule of the birth year, and nobody living can have the number."""
    numbers = Numbers(seed)
    digits, birth = numbers.digits(position), numbers.birth(position)
    assert Insz.parse(digits, production=False).is_test
    assert 61 <= int(digits[2:4]) <= 72
    assert digits[9:] == check_digits(digits[:9], born_from_2000=birth.year >= 2000)
    assert digits[:6] == f"{birth.year % 100:02d}{birth.month + 60:02d}{birth.day:02d}"


@given(st.text(max_size=13) | st.from_regex(r"[0-9]{11}", fullmatch=True))
def test_who_is_not_there_is_not_found(text: str) -> None:
    """A number that is not of this world finds nobody, whatever it looks like."""
    world = World(seed=7, people=300)
    found = world.find(text)
    assert found is None or text in {found.insz.digits, found.new_insz.digits}


@pytest.mark.parametrize("seed", range(5))
def test_every_situation_is_there_within_300_people(seed: int) -> None:
    """No rarity is missing in a small world, and most people are where the library thinks."""
    world = World(seed=seed, people=300)
    seen = Counter(world.citizen(i).situation for i in range(300))
    assert set(seen) == set(Situation)
    assert 0.8 <= (seen[Situation.SETTLED] + seen[Situation.RESPELLED]) / 300 <= 0.9
    assert 0.04 <= seen[Situation.MOVED] / 300 <= 0.08


def test_both_centuries_are_there(world: World) -> None:
    """Some people are born before 2000 and some from 2000 on, so both rules for check digits are used."""
    years = {world.citizen(position).birth.year for position in range(len(world))}
    assert min(years) < 1930
    assert max(years) >= 2015


def test_partial_birth_dates_are_partial() -> None:
    """A person with a partial birth date has no day, and some have no month either."""
    large = World(seed=7, people=2000)
    births = [one.birth for one in map(large.citizen, range(2000)) if one.situation is Situation.PARTIAL_BIRTH]
    assert all(birth.day == 0 for birth in births)
    assert {birth.month == 0 for birth in births} == {True, False}


def test_who_was_renumbered_is_found_by_both_numbers(world: World) -> None:
    """The old number gives the renumbered person, the new number the same person, settled."""
    old = next(one for one in map(world.citizen, range(300)) if one.situation is Situation.RENUMBERED)
    new = world.find(old.new_insz.digits)
    assert new is not None
    assert (new.name, new.insz, new.situation) == (old.name, old.new_insz, Situation.SETTLED)
    settled = next(one for one in map(world.citizen, range(300)) if one.situation is Situation.SETTLED)
    assert world.find(settled.new_insz.digits) is None
    assert world.find(Numbers(7).digits(5000)) is None


def test_a_citizen_prints_masked(world: World) -> None:
    """Neither a citizen nor anything in one prints a person's data."""
    citizen = world.citizen(0)
    assert repr(citizen) == "Citizen(***)"
    assert citizen.insz.digits not in repr([citizen, citizen.insz, citizen.residence, citizen.birth])


def test_nobody_lives_outside_the_world(world: World) -> None:
    """A position that nobody has is an error, and so is a world too large for the numbers."""
    with pytest.raises(IndexError):
        world.citizen(300)
    with pytest.raises(ConfigError):
        World(people=SPACE)


def test_the_library_holds_what_the_situation_says(world: World) -> None:
    """The library's address is the register's, an old one, or the same one in another spelling."""
    for position, row in enumerate(member_rows(world)):
        citizen = world.citizen(position)
        held = [row[name] for name in ("street", "house_number", "box", "postal_code", "municipality")]
        home = citizen.residence
        told = [home.street, home.house_number, home.box, home.postal_code, home.municipality]
        assert (held == told) == (citizen.situation not in {Situation.MOVED, Situation.RESPELLED})
        assert row["insz"] == citizen.insz.digits


def test_member_rows_are_a_member_file() -> None:
    """Rows have the contract's columns and survive a CSV; some addresses are empty and some people have left."""
    rows = list(member_rows(World(seed=7, people=3000), 2500))
    assert len(rows) == 2500
    assert rows[0]["member_no"] == "M000001"
    assert all(list(row) == COLUMNS for row in rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    writer.writerows(rows)
    assert list(csv.DictReader(io.StringIO(text.getvalue()))) == rows
    assert any(not row["street"] for row in rows)
    assert any(row["membership_end"] and row["open_items"] != "0" for row in rows)
    assert list(member_rows(World(seed=7, people=3), 9)) == rows[:3]
