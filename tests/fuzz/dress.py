"""How a message is written down: other prefixes, comments, blanks, escapes and marks that change nothing of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

_LEAF: Final = re.compile(rb"(<[A-Za-z][^<>/]*>)([^<>&]+)(</)")
_GAP: Final = re.compile(rb"(</[A-Za-z:]+>)(?=<)")
_TAG: Final = re.compile(rb"<([A-Za-z]+)>")
_DECLARED: Final = re.compile(rb"^<\?xml[^>]*\?>")
_MARK: Final = re.compile(rb"@(text|tags|wide)@")
#: What is written where a message is marked for it.
HUGE: Final = {
    "text": b"x" * 1_500_000,
    "tags": b"<a>" * 20_000 + b"</a>" * 20_000,
    "wide": b"<a/>" * 100_000,
}

#: What fits in two mebibytes and may cost much more to read.
MONSTERS: Final = {
    "wide": b"<a/>" * 490_000,
    "wide with attributes": b"<a b='1'/>" * 190_000,
    "many names": b"".join(b"<a%d/>" % number for number in range(200_000)),
    "many branches": (b"<a>" * 55 + b"</a>" * 55) * 5_000,
    "deep": b"<a>" * 280_000 + b"</a>" * 280_000,
    "a hundred attributes each": (b"<a " + b" ".join(b"a%d=''" % number for number in range(99)) + b"/>") * 2_500,
    "100 000 attributes": b"<a " + b" ".join(b"a%d=''" % number for number in range(190_000)) + b"/>",
    "nested namespaces": b"".join(b"<a xmlns='u:%d'>" % n for n in range(60)) + b"<b/>" * 400_000 + b"</a>" * 60,
    "many namespaces": b"".join(b"<a%d:a xmlns:a%d='u:%d'/>" % (n, n, n) for n in range(60_000)),
    "statuses": b"<Statussen>" + b"<Status><Code>1</Code></Status>" * 60_000 + b"</Statussen>",
    "text": b"x" * 1_900_000,
    "escapes": b"&#120;" * 330_000,
    "comments": b"<!---->" * 270_000,
}


def dressed(data: bytes, choices: Sequence[int]) -> bytes:
    """Return the message as these choices write it; what is marked as huge becomes so first."""
    data = _MARK.sub(lambda found: HUGE[found[1].decode()], data)
    for choice in choices:
        data = _WAYS[choice % len(_WAYS)](data, choice // len(_WAYS))
    return data


def _leaves(data: bytes, seed: int, change: Callable[[bytes], bytes]) -> bytes:
    """Change the text of every third leaf."""
    count = iter(range(seed, seed + len(data)))
    return _LEAF.sub(lambda found: found[1] + (change(found[2]) if next(count) % 3 == 0 else found[2]) + found[3], data)


def _escaped(text: bytes) -> bytes:
    return b"".join(b"&#x%x;" % ord(char) for char in text.decode("utf-8", "replace"))


def _prefixed(data: bytes, seed: int) -> bytes:
    prefix = (b"soapenv", b"S", b"_x", b"a.b-c")[seed % 4]
    return re.sub(rb"(</?|xmlns:)s\b", rb"\1" + prefix, data)


def _defaulted(data: bytes, _: int) -> bytes:
    """Write the operation's namespace as the default, and take it back below."""
    if b"<p:GeefPersoonResponse xmlns:p=" not in data or b"<Repliek>" not in data:
        return data
    data = data.replace(b"p:GeefPersoonResponse", b"GeefPersoonResponse").replace(b"xmlns:p=", b"xmlns=", 1)
    return data.replace(b"<Repliek>", b'<Repliek xmlns="">')


def _declared(data: bytes, seed: int) -> bytes:
    said = (b"", b'<?xml version="1.0"?>', b"<?xml version='1.0' encoding='utf-8' standalone='yes'?>")
    return _DECLARED.sub(said[seed % 3], data)


def _marked(data: bytes, _: int) -> bytes:
    return data if data.startswith(b"\xef\xbb\xbf") else b"\xef\xbb\xbf" + data


def _gaps(data: bytes, seed: int) -> bytes:
    blank = (b"\n  ", b"\t", b"<!-- INSZ 85671200150 -->", b"<?pi INSZ ?>", b"\r\n", b"<![CDATA[ ]]>")
    return _GAP.sub(lambda found: found[1] + blank[seed % len(blank)], data)


def _split(text: bytes) -> bytes:
    """Put a comment in the middle of a text; it begins no character's second byte."""
    half = len(text) // 2
    while half < len(text) and 0x80 <= text[half] < 0xC0:
        half += 1
    return text[:half] + b"<!-- between --><?and this?>" + text[half:]


_WAYS: Final[tuple[Callable[[bytes, int], bytes], ...]] = (
    _prefixed,
    _defaulted,
    _declared,
    _marked,
    _gaps,
    lambda data, seed: _leaves(data, seed, lambda text: b"<![CDATA[" + text + b"]]>"),
    lambda data, seed: _leaves(data, seed, _escaped),
    lambda data, seed: _leaves(data, seed, _split),
    lambda data, seed: _leaves(data, seed, lambda text: b" \n" + text + b"\t"),
    lambda data, seed: _TAG.sub(lambda found: b"<" + found[1] + b" xmlns:unused%d='urn:x'>" % (seed % 9), data),
    lambda data, _: re.sub(rb"<([A-Za-z]+)></\1>", rb"<\1 />", data),
    lambda data, _: re.sub(rb"</([A-Za-z:]+)>", rb"</\1 >", data),
)
