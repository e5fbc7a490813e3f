"""XML from others, read without trust, and the names and certificate chains of WS-Security.

1. UTF-8 only; no DTD, no entities, nothing fetched; depth, elements and attributes are bounded. The size is bounded
   where the bytes come in.
2. A name counts with its namespace, whatever the prefix. What must occur once and occurs twice is refused.
3. The names are those of OASIS WSS SOAP Message Security 1.0, its X.509 Certificate Token Profile, and W3C XML
   Signature. A PkiPath is a chain of certificates as one value: ITU-T X.509's SEQUENCE OF Certificate, in which the
   subject of each is the issuer of the next. The signer's own comes last.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from typing import Final, cast

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree
from lxml.etree import _Element

from rrsync.core.authorisation import Tree
from rrsync.errors import RegistryUnreadable

_OASIS: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
_PROFILE: Final = f"{_OASIS}x509-token-profile-1.0#"

SOAP: Final = "http://schemas.xmlsoap.org/soap/envelope/"
WSSE: Final = f"{_OASIS}wssecurity-secext-1.0.xsd"
WSSE11: Final = "http://docs.oasis-open.org/wss/oasis-wss-wssecurity-secext-1.1.xsd"
WSU: Final = f"{_OASIS}wssecurity-utility-1.0.xsd"
DS: Final = "http://www.w3.org/2000/09/xmldsig#"
EXCLUSIVE: Final = "http://www.w3.org/2001/10/xml-exc-c14n#"

BASE64: Final = f"{_OASIS}soap-message-security-1.0#Base64Binary"
X509V3: Final = f"{_PROFILE}X509v3"
PKIPATH: Final = f"{_PROFILE}X509PKIPathv1"

_SEQUENCE: Final = 0x30
_LONG: Final = 0x80

MAX_ATTRIBUTES: Final = 100
MAX_DEPTH: Final = 64
#: Of elements, and of attributes in all; the largest genuine reply has some hundreds.
MAX_ELEMENTS: Final = 20_000

_OTHER_ENCODING: Final = re.compile(rb"""<\?xml\s[^>]*?encoding\s*=\s*["'](?!utf-8["'])""", re.IGNORECASE)
_TOO_LARGE: Final = etree.XPath(
    f"count(//*) > {MAX_ELEMENTS} or boolean(//*[count(@*) > {MAX_ATTRIBUTES}]) or count(//@*) > {MAX_ELEMENTS}"
)
_IN_A_NAMESPACE: Final = etree.XPath("descendant::*[namespace-uri()]")


def unreadable(why: str) -> RegistryUnreadable:
    """Return the error for an unusable reply; ``why`` is a clause of ours, never the reply's text."""
    return RegistryUnreadable(f"The register's reply cannot be read: {why}", kept="Nothing of it was used")


def parse(data: bytes) -> _Element:
    """Read a document and return its root.

    Raises:
        RegistryUnreadable: it is no well-formed XML in UTF-8, declares another encoding, has a DTD, too many
            elements, or one with too many attributes.
    """
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise unreadable("it has a document type, which no SOAP message may have")
    if _OTHER_ENCODING.match(data.removeprefix(BOM_UTF8)):
        raise unreadable("it declares another encoding than UTF-8")
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
    with suppress(etree.XMLSyntaxError, ValueError):  # not even as a cause: the parser's message may quote the reply
        root = etree.fromstring(data, parser)
    if root is None:
        raise unreadable("it is no well-formed XML in UTF-8")
    if _TOO_LARGE(root):
        raise unreadable("it has too many elements, or an element too many attributes")
    return root


def disguises(element: _Element, names: Collection[str]) -> bool:
    """Whether a descendant has one of these names, which belong to no namespace, in a namespace."""
    qualified = cast("list[_Element]", _IN_A_NAMESPACE(element))
    return any(etree.QName(below).localname in names for below in qualified)


def children(element: _Element, name: str) -> Iterator[_Element]:
    """Yield the children of this name, in order; a name in a namespace is written ``{namespace}name``."""
    return (child for child in element if child.tag == name)


def child(element: _Element, *path: str) -> _Element | None:
    """Return the one element down this path, if any.

    Raises:
        RegistryUnreadable: a step of the path matches more than one.
    """
    for name in path:
        found = list(children(element, name))
        if len(found) > 1:
            raise unreadable(f"it has more than one {name.rpartition('}')[2]}")
        if not found:
            return None
        element = found[0]
    return element


def text(element: _Element, *path: str) -> str:
    """Return the trimmed text down this path; absent and empty are both ``""``.

    Raises:
        RegistryUnreadable: as ``child`` says, or the text has elements in it.
    """
    found = child(element, *path)
    if found is not None and len(found):
        raise unreadable("a text has elements in it")
    return "" if found is None else (found.text or "").strip()


def tree(element: _Element, depth: int = 0) -> Tree:
    """Return an element as plain data: a leaf is its text; one with attributes is a tree, its text under ``""``.

    Raises:
        RegistryUnreadable: it is nested too deeply.
    """
    if depth > MAX_DEPTH:
        raise unreadable("it is nested too deeply")
    read = _attributes(element)
    for below in element:
        node = tree(below, depth + 1) if len(below) or below.attrib else (below.text or "").strip()
        read.setdefault(below.tag, []).append(node)
    if not len(element) and (own := (element.text or "").strip()):
        read[""] = [own]
    return read


def _attributes(element: _Element) -> Tree:
    """Return the attributes without those in a namespace, which are not the register's."""
    return {
        "@" + spelled: [str(value).strip()]
        for name, value in element.items()
        if not (spelled := str(name)).startswith("{")
    }


def pack_pkipath(chain: Sequence[x509.Certificate]) -> bytes:
    """Return a chain, ours first, as a PkiPath."""
    content = b"".join(each.public_bytes(Encoding.DER) for each in reversed(chain))
    size = len(content)
    if size < _LONG:
        return bytes((_SEQUENCE, size)) + content
    digits = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((_SEQUENCE, _LONG | len(digits))) + digits + content


def unpack_pkipath(path: bytes) -> tuple[x509.Certificate, ...]:
    """Return the chain of a PkiPath, the signer's first.

    Raises:
        ValueError: it is no PkiPath, is empty, or holds something else than certificates.
    """
    (content,) = _sequences(path)
    if not content:
        raise ValueError("an empty path")
    return tuple(x509.load_der_x509_certificate(each) for each in reversed([*_sequences(content, whole=True)]))


def _sequences(data: bytes, *, whole: bool = False) -> Iterator[bytes]:
    """Yield the DER SEQUENCEs in a row, ``whole`` or without their headers; raises ``ValueError``."""
    at = 0
    while at < len(data):
        head = data[at : at + 2]
        if len(head) < 2 or head[0] != _SEQUENCE or head[1] == _LONG or head[1] > _LONG + 4:
            raise ValueError("no DER sequence")
        start = at + 2 + (head[1] - _LONG if head[1] > _LONG else 0)
        size = int.from_bytes(data[at + 2 : start], "big") if head[1] > _LONG else head[1]
        end = start + size
        if end > len(data):
            raise ValueError("a truncated DER sequence")
        yield data[at:end] if whole else data[start:end]
        at = end
