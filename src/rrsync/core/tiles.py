"""The names and the files of a log that is laid out for anyone to read (C2SP tlog-tiles).

A tile is 256 hashes beside each other, and each hash in a tile stands for a full tile of the level below; the entries
stand in bundles of 256. What is not yet full carries its width in its name.

>>> tile_path(0, 1234067, 5)
'tile/0/x001/x234/067.p/5'
>>> entries_path(273, 112)
'tile/entries/273.p/112'
>>> list(tiles(257))
[(0, 0, 256), (0, 1, 1), (1, 0, 1)]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

WIDTH: Final = 256
MAX_ENTRY: Final = (1 << 16) - 1

Tile: TypeAlias = tuple[int, int, int]
"""A tile's level, its number in that level, and how many hashes are in it."""


def tile_path(level: int, number: int, width: int = WIDTH) -> str:
    """Give the name of a tile, from the log's folder.

    Raises:
        ValueError: there is no such level, number or width.
    """
    if not 0 <= level <= 63:
        raise ValueError("a tile's level is from 0 to 63")
    return f"tile/{level}/{_place(number, width)}"


def entries_path(number: int, width: int = WIDTH) -> str:
    """Give the name of a bundle of entries, from the log's folder.

    Raises:
        ValueError: there is no such number or width.
    """
    return f"tile/entries/{_place(number, width)}"


def bundle(entries: Iterable[bytes]) -> bytes:
    """Give a bundle: each entry after its length in two bytes.

    Raises:
        ValueError: an entry is longer than 65 535 bytes.
    """
    parts = []
    for entry in entries:
        if len(entry) > MAX_ENTRY:
            raise ValueError("an entry of a bundle is at most 65535 bytes")
        parts += [len(entry).to_bytes(2, "big"), entry]
    return b"".join(parts)


def tiles(size: int) -> Iterator[Tile]:
    """Give every tile of a log of so many entries, from the leaves up and from left to right."""
    level = 0
    while size:
        full, rest = divmod(size, WIDTH)
        yield from ((level, number, WIDTH) for number in range(full))
        if rest:
            yield level, full, rest
        level, size = level + 1, full


def _place(number: int, width: int) -> str:
    """Give a number in groups of three digits, and the width of what is not full."""
    if number < 0 or not 1 <= width <= WIDTH:
        raise ValueError("a tile has a number from 0, and is 1 to 256 wide")
    digits = str(number)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    *groups, last = (digits[at : at + 3] for at in range(0, len(digits), 3))
    return "".join(f"x{group}/" for group in groups) + last + (f".p/{width}" if width < WIDTH else "")
