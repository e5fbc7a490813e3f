"""Readers that leave a check out, each as something done to a reply before it is read: fuzzing must catch them all."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from lxml import etree
from lxml.etree import _Element

from rrsync.registry.outcome import Outcome
from tests.fuzz.corpus import REFERENCE, Base
from tests.fuzz.mutate import SIGNALS

_ONCE: Final = ("Antwoord", "Persoon", "INSZ", "Hoofdverblijfplaats", "Straatnaam", "Huisnummer", "Referte", "Inhoud")


def _root(data: bytes, *, mends: bool = False) -> _Element | None:
    try:
        return etree.fromstring(data, etree.XMLParser(encoding="utf-8", resolve_entities=False, recover=mends))
    except (etree.XMLSyntaxError, ValueError):
        return None


def _with(change: Callable[[_Element, Base], None], *, mends: bool = False) -> Callable[[Base, bytes], bytes]:
    def done(base: Base, data: bytes) -> bytes:
        root = _root(data, mends=mends)
        if root is None:
            return data
        change(root, base)
        return etree.tostring(root)

    return done


def _any_number(root: _Element, base: Base) -> None:
    for one in root.iterfind(".//Persoon/INSZ"):
        one.text = base.question.insz.digits


def _any_reference(root: _Element, _: Base) -> None:
    for path in (".//Antwoord/Referte", ".//Ontvanger/Referte"):
        for one in root.iterfind(path):
            one.text = REFERENCE


def _the_first(root: _Element, _: Base) -> None:
    for parent in list(root.iter("*")):
        seen: set[str] = set()
        for child in list(parent):
            if child.tag in seen and child.tag in _ONCE:
                parent.remove(child)
            seen.add(str(child.tag))


def _no_errors(root: _Element, _: Base) -> None:
    for one in list(root.iter("Uitzonderingen")):
        if (parent := one.getparent()) is not None:
            parent.remove(one)


def _any_space(root: _Element, _: Base) -> None:
    for repliek in root.iter("{*}Repliek"):
        for one in repliek.iter("{*}*"):
            one.tag = etree.QName(one).localname


def _no_signals(root: _Element, _: Base) -> None:
    for one in list(root.iter(*SIGNALS)):
        if (parent := one.getparent()) is not None:
            parent.remove(one)


def _as_it_is(_: _Element, __: Base) -> None:
    """Change nothing: what is broken was mended already."""


def _to_the_comment(_: Base, data: bytes) -> bytes:
    """Take a text up to the first comment in it, as who reads the first text node alone does."""
    return re.sub(rb"<!--(?:(?!-->).)*-->(?:<\?[^>]*\?>)?[^<]+(?=</)", b"", data, flags=re.DOTALL)


def reader(change: Callable[[Base, bytes], bytes]) -> Callable[[Base, bytes], Outcome]:
    """Return what reads a reply after something was done to it."""
    return lambda base, data: base.read(change(base, data))


#: What a reader does not look at, and whether broken bytes or well-formed mutations must show it.
CARELESS: Final = {
    "the number": (_with(_any_number), False),
    "the references": (_with(_any_reference), False),
    "whether a thing is there twice": (_with(_the_first), False),
    "errors beside content": (_with(_no_errors), False),
    "namespaces": (_with(_any_space), False),
    "signals": (_with(_no_signals), False),
    "what a comment cuts off": (_to_the_comment, False),
    "whether it is whole": (_with(_as_it_is, mends=True), True),
}
