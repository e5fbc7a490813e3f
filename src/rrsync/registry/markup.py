"""XML that others wrote, read without trust: UTF-8, no DTD, no entities, no fetches, bounded depth and attributes.

Local names count, whatever the prefix or namespace says. The size is bounded where the bytes come in (``wire``).
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from lxml import etree

from rrsync.errors import RegistryUnreadable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxml.etree import _Element

    from rrsync.core.authorisation import Tree

MAX_ATTRIBUTES: Final = 100
MAX_DEPTH: Final = 64

_CROWDED: Final = etree.XPath(f"boolean(//*[count(@*) > {MAX_ATTRIBUTES}])")
_XSI: Final = "{http://www.w3.org/2001/XMLSchema-instance}"


def unreadable(why: str) -> RegistryUnreadable:
    """Give the error for a reply nobody can use; ``why`` is a clause of ours, never the reply's text."""
    return RegistryUnreadable(f"The register's reply cannot be read: {why}", kept="Nothing of it was used")


def parse(data: bytes) -> _Element:
    """Read a document and give its root.

    Raises:
        RegistryUnreadable: it is no well-formed UTF-8 XML, has a DTD, or an element with too many attributes.
    """
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise unreadable("it has a document type, which no SOAP message may have")
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    root = None
    with suppress(etree.XMLSyntaxError, ValueError):  # not even as a cause: the parser's words may quote the reply
        root = etree.fromstring(data, parser)
    if root is None:
        raise unreadable("it is no well-formed XML in UTF-8")
    if _CROWDED(root):
        raise unreadable("an element has too many attributes")
    return root


def local(element: _Element) -> str:
    """Give an element's name without its namespace."""
    return element.tag.rpartition("}")[2]


def children(element: _Element, name: str) -> Iterator[_Element]:
    """Give the children of this name, in order."""
    return (child for child in element if local(child) == name)


def child(element: _Element | None, *path: str) -> _Element | None:
    """Give the first element down this path, if any."""
    for name in path:
        if element is None:
            return None
        element = next(children(element, name), None)
    return element


def text(element: _Element | None, *path: str) -> str:
    """Give the trimmed text down this path; absent and empty are both ``""``."""
    found = child(element, *path)
    return "" if found is None else (found.text or "").strip()


def tree(element: _Element, depth: int = 0) -> Tree:
    """Give an element as plain data: a leaf without attributes is its text, one with them a tree with it under ``""``.

    Raises:
        RegistryUnreadable: it is nested too deeply.
    """
    if depth > MAX_DEPTH:
        raise unreadable("it is nested too deeply")
    grown = _attributes(element)
    for below in element:
        node = tree(below, depth + 1) if len(below) or below.attrib else (below.text or "").strip()
        grown.setdefault(local(below), []).append(node)
    if not len(element) and (own := (element.text or "").strip()):
        grown[""] = [own]
    return grown


def _attributes(element: _Element) -> Tree:
    grown: Tree = {}
    for name, value in element.items():
        if not (spelled := str(name)).startswith(_XSI):
            grown.setdefault("@" + spelled.rpartition("}")[2], []).append(str(value).strip())
    return grown
