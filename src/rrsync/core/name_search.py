"""When what somebody types finds a name.

1. Case, accents, strokes and punctuation are spelling; a name and what is typed are words.
2. Both are read in two ways: word by word, and with particles joined to what follows (``van den Broeck``,
   ``Vandenbroeck``). One reading of what is typed must fit one reading of the name.
3. Each word typed begins a word of the name, each another one, in any order.
4. A word of fewer than three letters begins one beside a longer word only; else it is the whole of it.
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
    """Return the readings of what is typed; none when there is no word in it.

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
    """Whether what is typed finds a name."""
    return any(_fits(words, there) for words in wanted for there in name)


def telling(words: Words) -> Words:
    """Return the words of a reading without which it fits nothing: the longer ones, or all if there is none."""
    return tuple(word for word in words if len(word) >= SHORT) or words


def beginnings(words: Iterable[str]) -> tuple[frozenset[str], ...]:
    """Give, for each of ``LENGTHS``, the beginnings of the words that are as long; the shortest takes all words.

    A reading fits a name only if the beginnings of its telling words are among those of the name's words.
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
    """Return each word a name's word of its own; the longest first, for what it begins its own beginnings begin too."""
    has_longer, left = any(len(word) >= SHORT for word in words), list(there)
    for word in sorted(words, key=len, reverse=True):
        found = next((one for one in left if (one.startswith(word) if has_longer else one == word)), None)
        if found is None:
            return False
        left.remove(found)
    return True
