"""Bytes done wrong: recipes, which hypothesis writes, and what becomes of a reply by one."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Final, TypeAlias

from hypothesis import strategies as st

from tests.fuzz.corpus import Base

#: A reply's number, another's, and the edits: what, where, how much, and bytes to put there.
Edit: TypeAlias = tuple[int, int, int, bytes]
Recipe: TypeAlias = tuple[int, int, list[Edit]]

_SPOT: Final = re.compile(rb"[>\"][^<>\"]+[<\"]|</?[A-Za-z]|/?>")
_HOSTILE: Final = (
    *(b"\x00", b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"&", b"<", b"]]>", b"\r", b"\x1b"),
    *(b"<!--", b"-->", b"<![CDATA[", b"<?x ?>", b"&#0;", b"&#x110000;", b"&amp;", b"&a;", b"<!DOCTYPE x>"),
    *(b"</Persoon>", b"<Persoon>", b"</s:Body>", b"<INSZ>", b"<Overlijden/>", b'xmlns="urn:evil"', b" xml:space='x'"),
)

_numbers = st.integers(0, 2**20)
_edits = st.tuples(st.integers(0, 15), _numbers, st.integers(0, 400), st.binary(max_size=4))
recipes: Final = st.tuples(_numbers, _numbers, st.lists(_edits, min_size=1, max_size=4))


def spoil(bases: Sequence[Base], recipe: Recipe) -> tuple[Base, bytes]:
    """Return the reply that a recipe makes, and the question it is a reply to."""
    one, other, edits = recipe
    base, donor = bases[one % len(bases)], bases[other % len(bases)]
    data = base.data
    for kind, where, size, payload in edits:
        data = _EDITS[kind % len(_EDITS)](data, _place(data, base, where), size, payload or b"7", donor.data)
    return base, data


def _place(data: bytes, base: Base, where: int) -> int:
    """Return a place: three times in four where a text, a tag or an attribute begins."""
    if where % 4 == 0 or not data:
        return where % (len(data) + 1)
    spots = _spots(base.data)
    return min(spots[where // 4 % len(spots)], len(data))


@cache
def _spots(data: bytes) -> tuple[int, ...]:
    return tuple(found.start() + 1 for found in _SPOT.finditer(data))


def _swap(data: bytes, at: int, size: int, _: bytes, __: bytes) -> bytes:
    """Exchange two neighbours of one size."""
    one, two = data[at : at + size], data[at + size : at + 2 * size]
    return data[:at] + two + one + data[at + 2 * size :]


def _digits(data: bytes, at: int, size: int, _: bytes, __: bytes) -> bytes:
    """Put another digit for the next one."""
    found = re.compile(rb"[0-9]").search(data, at)
    if found is None:
        return data
    return data[: found.start()] + b"%d" % ((int(found[0]) + 1 + size % 9) % 10) + data[found.end() :]


def _encoded(data: bytes, _: int, size: int, __: bytes, ___: bytes) -> bytes:
    """Write the whole in another encoding, or say so only."""
    names = ("utf-16", "utf-16-le", "utf-32", "latin-1", "cp500", "utf-7", "utf-8-sig")
    name = names[size % len(names)]
    said = data.replace(b'encoding="UTF-8"', b'encoding="%s"' % name.encode(), 1)
    return said if size % 3 == 0 else said.decode("utf-8", "replace").encode(name, "replace")


def _numbered(data: bytes, _: int, size: int, __: bytes, donor: bytes) -> bytes:
    """Put another's number for ours, or another reference, once or everywhere."""
    pattern = rb"<Referte>[^<]*<" if size % 2 else rb"<INSZ>[^<]*<"
    theirs = re.search(pattern, donor)
    new = theirs[0] if theirs and not size % 2 else pattern[:9] + b"other<"
    return re.sub(pattern, lambda _: new, data, count=size // 2 % 3)


def _flipped(data: bytes, at: int, size: int, _: bytes, __: bytes) -> bytes:
    """Turn one bit."""
    return data[:at] + bytes(byte ^ (1 << size % 8) for byte in data[at : at + 1]) + data[at + 1 :]


#: What can be done to bytes, at a place, with a size, a payload and another reply.
_EDITS: Final[tuple[Callable[[bytes, int, int, bytes, bytes], bytes], ...]] = (
    _flipped,
    lambda data, at, _, payload, __: data[:at] + payload + data[at + len(payload) :],
    lambda data, at, _, payload, __: data[:at] + payload + data[at:],
    lambda data, at, size, _, __: data[:at] + _HOSTILE[size % len(_HOSTILE)] + data[at:],
    lambda data, at, size, _, __: data[:at] + data[at + size :],
    lambda data, at, size, _, __: data[: at + size] + data[at : at + size] + data[at + size :],
    lambda data, at, _, __, ___: data[:at],
    lambda data, at, _, __, ___: data[at:],
    lambda data, at, size, _, donor: data[:at] + donor[at : at + size] + data[at + size :],
    lambda data, at, size, _, donor: data[:at] + donor[at : at + 20 * size] + data[at:],
    lambda data, at, _, __, donor: data[:at] + donor[at:],
    lambda data, at, size, payload, _: data[:at] + payload * (1 + size * 40) + data[at:],
    _swap,
    _digits,
    _encoded,
    _numbered,
)
