"""Matching of a typed text against a member's name.

1. Case, accents, strokes and punctuation do not count; a name and a query are words.
2. Both have two readings: word by word, and with particles joined to the next word (``van den Broeck``,
   ``Vandenbroeck``). One reading of the query must match one reading of the name.
3. Each word of the query is the beginning of another word of the name, in any order.
4. A query word of fewer than three letters is a beginning only beside a longer word; else it must be a whole word.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeAlias

from rrsync.core.compare import plain
from rrsync.core.person import Name

Words: TypeAlias = tuple[str, ...]

SHORT: Final = 3
#: How many letters a beginning has by which a name is looked up.
LENGTHS: Final = (SHORT, 4, 6)
_STROKES: Final = str.maketrans(
    {"\u0131": "i", "ł": "l", "ø": "o", "đ": "d", "ð": "d", "ħ": "h", "æ": "ae", "œ": "oe", "þ": "th", "ə": "e"}
)
#: What stands before a name, and is often written as part of it.
_PARTICLES: Final = (
    "abou abu ait al ben bin bou d da de del della den der des di do dos du el ibn in l la le les lo o op ould s t te "
    "ten ter van vande vanden vander von zu zum zur"
)
_JOINED: Final = frozenset(_PARTICLES.split())


def typed(text: str) -> frozenset[Words]:
    """Return the readings of a query; none when it has no word.

    >>> sorted(typed("Van den BROECK"))
    [('van', 'den', 'broeck'), ('vandenbroeck',)]
    """
    words = _words(text)
    return frozenset({words, _joined(words)} - {()})


def held(name: Name) -> frozenset[Words]:
    """Return the readings of a name."""
    last, first = _words(name.last), _words(name.first)
    return frozenset({last + first, _joined(last) + _joined(first)} - {()})


def fits(wanted: frozenset[Words], name: frozenset[Words]) -> bool:
    """Whether a query matches a name."""
    return any(_fits(words, there) for words in wanted for there in name)


def telling(words: Words) -> Words:
    """Return the words that a match needs: the longer ones of a reading, or all if there is none."""
    return tuple(word for word in words if len(word) >= SHORT) or words


def beginnings(words: Iterable[str]) -> tuple[frozenset[str], ...]:
    """Return the beginnings of the words, for each of ``LENGTHS`` those of long enough words; the shortest takes all.

    A reading matches a name only if the beginnings of its telling words are among those of the name's words.
    """
    all_of = frozenset(words)
    return tuple(
        frozenset(word[:length] for word in all_of if length == SHORT or len(word) >= length) for length in LENGTHS
    )


def _words(text: str) -> Words:
    bare = plain(text)
    return tuple((bare if bare.isascii() else bare.translate(_STROKES)).split())


def _joined(words: Words) -> Words:
    if _JOINED.isdisjoint(words):
        return words
    joined, before = [], ""
    for word in words:
        before += word
        if word not in _JOINED:
            joined.append(before)
            before = ""
    return (*joined, before) if before else tuple(joined)


def _fits(words: Words, there: Words) -> bool:
    """Match each query word with a word of its own; the longest first, because its match satisfies shorter ones too."""
    has_longer, left = any(len(word) >= SHORT for word in words), list(there)
    for word in sorted(words, key=len, reverse=True):
        found = next((one for one in left if (one.startswith(word) if has_longer else one == word)), None)
        if found is None:
            return False
        left.remove(found)
    return True
