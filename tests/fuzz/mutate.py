"""Well-formed replies that are not what they were: recipes, which hypothesis writes, and what becomes of a reply."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import cache
from typing import Final, TypeAlias

from hypothesis import strategies as st
from lxml import etree
from lxml.etree import _Element

from tests.fuzz.corpus import Base
from tests.fuzz.dress import HUGE, dressed
from tests.fuzz.words import CODES, NAMES, SPACES, TEXTS, TYPES

#: A reply's number, another's, the steps (what, where, where else), and how it is written down.
Step: TypeAlias = tuple[int, int, int]
Recipe: TypeAlias = tuple[int, int, list[Step], list[int]]

#: What says that a person must look, and where it stands.
SIGNALS: Final = {
    **dict.fromkeys(("Overlijden", "Statussen", "Referentiedossier", "GeannuleerdDossier"), "."),
    **dict.fromkeys(("NietMededeelbaarAdres", "VerblijfplaatsBuitenland"), "Adressen"),
    "ReferentieAdres": "Adressen/Hoofdverblijfplaats",
}

_numbers = st.integers(0, 2**20)
_steps = st.tuples(st.integers(0, 25), _numbers, _numbers)
recipes: Final = st.tuples(
    _numbers, _numbers, st.lists(_steps, min_size=1, max_size=4), st.lists(st.integers(0, 2**16), max_size=2)
)
neutral: Final = st.tuples(_numbers, st.lists(st.integers(0, 2**16), min_size=1, max_size=4))


def mutate(bases: Sequence[Base], recipe: Recipe) -> tuple[Base, bytes]:
    """Return the well-formed reply that a recipe makes, and the question it is a reply to."""
    one, other, steps, writing = recipe
    base, donor = bases[one % len(bases)], bases[other % len(bases)]
    root = deepcopy(_tree(base.data))
    for kind, here, there in steps:
        _STEPS[kind % len(_STEPS)](root, _tree(donor.data), here, there)
    return base, dressed(etree.tostring(root, encoding="utf-8"), writing)


def rewrite(bases: Sequence[Base], recipe: tuple[int, list[int]]) -> tuple[Base, bytes]:
    """Return the same reply, written otherwise: it must be read the same."""
    base = bases[recipe[0] % len(bases)]
    return base, dressed(base.data, recipe[1])


@cache
def _tree(data: bytes) -> _Element:
    return etree.fromstring(data)


def _below(root: _Element) -> list[_Element]:
    return list(root.iter("*"))


def _at(root: _Element, where: int) -> _Element:
    """Return an element other than the root and the body."""
    found = _below(root)[3:] or _below(root)
    return found[where % len(found)]


def _like(donor: _Element, element: _Element, which: int) -> _Element:
    """Return an element of another reply of this name, else any."""
    found = list(donor.iter(element.tag))
    return found[which % len(found)] if found else _at(donor, which)


def _put(parent: _Element | None, element: _Element, where: int) -> None:
    if parent is not None:
        parent.insert(where % (len(parent) + 1), element)


def _delete(root: _Element, _: _Element, here: int, __: int) -> None:
    one = _at(root, here)
    if (parent := one.getparent()) is not None:
        parent.remove(one)


def _duplicate(root: _Element, _: _Element, here: int, there: int) -> None:
    one = _at(root, here)
    _put(one.getparent(), deepcopy(one), there)


def _second(root: _Element, donor: _Element, here: int, there: int) -> None:
    """Put another's beside ours."""
    one = _at(root, here)
    _put(one.getparent(), deepcopy(_like(donor, one, there)), there)


def _replace(root: _Element, donor: _Element, here: int, there: int) -> None:
    """Put another's in place of ours."""
    one = _at(root, here)
    if (parent := one.getparent()) is not None:
        parent.replace(one, deepcopy(_like(donor, one, there)))


def _move(root: _Element, _: _Element, here: int, there: int) -> None:
    one, to = _at(root, here), _at(root, there)
    if one not in to.iterancestors() and one is not to:
        _put(to, one, here)


def _swap(root: _Element, _: _Element, here: int, there: int) -> None:
    """Exchange the texts of two elements."""
    one, two = _at(root, here), _at(root, there)
    one.text, two.text = two.text, one.text


def _exchange(root: _Element, _: _Element, here: int, there: int) -> None:
    """Exchange two elements."""
    one, two = _at(root, here), _at(root, there)
    above, beyond = one.getparent(), two.getparent()
    if above is None or beyond is None or one in two.iterancestors() or two in one.iterancestors() or one is two:
        return
    mark = etree.Element("mark")
    above.replace(one, mark)
    beyond.replace(two, one)
    above_now = mark.getparent()
    if above_now is not None:
        above_now.replace(mark, two)


def _rename(root: _Element, _: _Element, here: int, there: int) -> None:
    _at(root, here).tag = NAMES[there % len(NAMES)]


def _respace(root: _Element, _: _Element, here: int, there: int) -> None:
    """Put an element, or the envelope's own, in another namespace."""
    one = _below(root)[here % len(_below(root))]
    name, space = etree.QName(one).localname, SPACES[there % len(SPACES)]
    one.tag = f"{{{space}}}{name}" if space else name


def _wrap(root: _Element, _: _Element, here: int, there: int) -> None:
    """Put an element, or its text, inside another."""
    one = _at(root, here)
    around = etree.Element(NAMES[there // 2 % len(NAMES)])
    if there % 2:
        around.text, one.text = one.text, None
        one.append(around)
    elif (parent := one.getparent()) is not None:
        parent.replace(one, around)
        around.append(one)


def _unwrap(root: _Element, _: _Element, here: int, __: int) -> None:
    one = _at(root, here)
    parent = one.getparent()
    if parent is not None:
        for child in reversed(list(one)):
            parent.insert(parent.index(one), child)
        parent.remove(one)


def _taken(root: _Element, donor: _Element, here: int, there: int) -> None:
    """Take another's text."""
    one = _at(root, here)
    one.text = _like(donor, one, there).text


def _text(root: _Element, _: _Element, here: int, there: int) -> None:
    leaves = [one for one in _below(root) if not len(one)]
    leaves[here % len(leaves)].text = TEXTS[there % len(TEXTS)]


def _mixed(root: _Element, _: _Element, here: int, there: int) -> None:
    """Put an element in the middle of a text."""
    leaves = [one for one in _below(root) if not len(one) and one.text]
    if leaves:
        one = leaves[here % len(leaves)]
        text = one.text or ""
        cut = there % (len(text) + 1)
        one.text, inner = text[:cut], etree.SubElement(one, NAMES[there % len(NAMES)])
        inner.tail = text[cut:]


def _attribute(root: _Element, _: _Element, here: int, there: int) -> None:
    names = (
        *("DatumBegin", "DatumEinde", "DatumModificatie", "Bron", "{urn:evil}DatumEinde"),
        *("{http://www.w3.org/2001/XMLSchema-instance}nil", "{http://www.w3.org/2001/XMLSchema-instance}type", "id"),
    )
    days = ("1990-01-01", "2099-01-01", "2026-07-01", "2026-06-30", "1998-00-00", "", "true", "x" * 400)
    _at(root, here).set(names[there % len(names)], days[there // 8 % len(days)])


def _strip(root: _Element, _: _Element, here: int, __: int) -> None:
    """Take all attributes away."""
    withs = [one for one in _below(root) if one.attrib]
    if withs:
        withs[here % len(withs)].attrib.clear()


def _recode(root: _Element, _: _Element, here: int, there: int) -> None:
    """Return an exception or a status another code or type."""
    found = list(root.iter("Identificatie", "Type", "Code"))
    if found:
        one = found[here % len(found)]
        one.text = (TYPES if one.tag == "Type" else CODES)[there % len(TYPES if one.tag == "Type" else CODES)]


def _except(root: _Element, _: _Element, here: int, there: int) -> None:
    """Insert an exception: of the answer or of the whole; sometimes in a second list."""
    places = list(root.iter("Antwoord", "Repliek"))
    if not places:
        return
    place = places[here % len(places)]
    told = place.find("Uitzonderingen")
    told = etree.SubElement(place, "Uitzonderingen") if told is None or there % 11 == 0 else told
    one = etree.SubElement(told, "Uitzondering")
    for name, text in (
        ("Identificatie", CODES[there // 8 % len(CODES)]),
        ("Oorsprong", "MAGDA"),
        ("Type", TYPES[there % len(TYPES)]),
    ):
        etree.SubElement(one, name).text = text


def _signal(root: _Element, _: _Element, here: int, there: int) -> None:
    """Insert a death, a status, or an address that is secret, abroad or a reference."""
    persons = list(root.iter("Persoon"))
    if not persons:
        return
    word, person = list(SIGNALS)[there % len(SIGNALS)], persons[here % len(persons)]
    parent = person.find(SIGNALS[word])
    if parent is not None:
        one = etree.SubElement(parent, word)
        if word == "Statussen":
            etree.SubElement(etree.SubElement(one, "Status"), "Code").text = TEXTS[11 + there // 8 % 5]


def _fault(root: _Element, _: _Element, here: int, there: int) -> None:
    """Insert a SOAP Fault, beside the reply or in its place."""
    body = root.find(f"{{{SPACES[3]}}}Body")
    if body is not None:
        told = etree.Element(f"{{{SPACES[3]}}}Fault")
        etree.SubElement(told, "faultcode").text = "Server"
        etree.SubElement(told, "faultstring").text = CODES[there % len(CODES)]
        if here % 2:
            for child in list(body):
                body.remove(child)
        _put(body, told, there)


def _reverse(root: _Element, _: _Element, here: int, __: int) -> None:
    """Turn the order of an element's children."""
    one = _at(root, here)
    one[:] = list(one)[::-1]


def _huge(root: _Element, _: _Element, here: int, there: int) -> None:
    """Mark where something huge is to be written; once in eight times it is."""
    if there % 8 == 0:
        _at(root, here).text = "@" + tuple(HUGE)[there // 8 % len(HUGE)] + "@"


#: What can be done to a tree: with another's, at a place, and at another place or by another choice.
_STEPS: Final[tuple[Callable[[_Element, _Element, int, int], None], ...]] = (
    *(
        _delete,
        _duplicate,
        _second,
        _second,
        _replace,
        _replace,
        _move,
        _swap,
        _exchange,
        _rename,
        _respace,
        _respace,
        _wrap,
    ),
    *(_unwrap, _taken, _text, _text, _mixed, _attribute, _strip, _recode, _except, _signal, _fault, _reverse, _huge),
)
