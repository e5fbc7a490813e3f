"""The names and bundles of a log laid out as tiles, by C2SP's own examples."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrsync.core.merkle import bundle, entries_path, tile_path, tiles


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (0, "000"),
        (67, "067"),
        (999, "999"),
        (1000, "x001/000"),
        (1234067, "x001/x234/067"),
        (999999999, "x999/x999/999"),
        (1000000000, "x001/x000/x000/000"),
    ],
)
def test_a_number_is_written_in_groups_of_three(number: int, name: str) -> None:
    """As C2SP writes 1234067; what is not full carries its width."""
    assert tile_path(0, number) == f"tile/0/{name}"
    assert tile_path(63, number, 255) == f"tile/63/{name}.p/255"
    assert entries_path(number) == f"tile/entries/{name}"
    assert entries_path(number, 1) == f"tile/entries/{name}.p/1"


@pytest.mark.parametrize(
    ("level", "number", "width"), [(-1, 0, 256), (64, 0, 256), (0, -1, 256), (0, 0, 0), (0, 0, 257)]
)
def test_what_is_no_tile_has_no_name(level: int, number: int, width: int) -> None:
    """A level, a number or a width that cannot be."""
    with pytest.raises(ValueError, match="a tile"):
        tile_path(level, number, width)
    if level == 0:
        with pytest.raises(ValueError, match="a tile"):
            entries_path(number, width)


def test_c2sps_log_of_70000_has_c2sps_tiles() -> None:
    """273 full ones and one of 112, then one full and one of 17, then one of 1."""
    found = list(tiles(70_000))
    assert found[:273] == [(0, number, 256) for number in range(273)]
    assert found[273:] == [(0, 273, 112), (1, 0, 256), (1, 1, 17), (2, 0, 1)]
    assert list(tiles(256)) == [(0, 0, 256), (1, 0, 1)]
    assert list(tiles(1)) == [(0, 0, 1)]
    assert list(tiles(0)) == []


@given(st.integers(0, 200_000))
def test_every_level_has_every_whole_subtree_once(size: int) -> None:
    """At each level as many hashes as there are whole subtrees, without an empty tile."""
    widths: dict[int, int] = {}
    for level, number, width in tiles(size):
        assert number * 256 == widths.get(level, 0)
        assert 1 <= width <= 256
        widths[level] = widths.get(level, 0) + width
    assert widths == {level: size >> 8 * level for level in range(3) if size >> 8 * level}


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_a_bundle_can_be_cut_again(entries: list[bytes]) -> None:
    """Each entry after its length in two bytes, the larger first."""
    data, found = bundle(entries), []
    while data:
        length = data[0] * 256 + data[1]
        found.append(data[2 : 2 + length])
        data = data[2 + length :]
    assert found == entries


def test_an_entry_has_at_most_65535_bytes() -> None:
    """Its length has two bytes."""
    assert bundle([bytes(65_535)])[:2] == b"\xff\xff"
    with pytest.raises(ValueError, match="at most 65535 bytes"):
        bundle([bytes(65_536)])
