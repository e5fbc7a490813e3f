"""Where in a reply its signature stands and what it says it signs: all of it in its place, once, and nothing else.

Nothing here says that the signature is right; it says what it would be right about. A reply that was rearranged so that
one part is verified and another is read (signature wrapping) has something here twice, elsewhere, or not at all.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from cryptography import x509
from lxml import etree

from rrsync.core.person import Masked
from rrsync.registry import wss

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxml.etree import _Element

_HEADER: Final = f"{{{wss.SOAP}}}Header"
_BODY: Final = f"{{{wss.SOAP}}}Body"
_SECURITY: Final = f"{{{wss.WSSE}}}Security"
_TOKEN: Final = f"{{{wss.WSSE}}}BinarySecurityToken"
_TOKEN_REFERENCE: Final = f"{{{wss.WSSE}}}SecurityTokenReference"
_TIMESTAMP: Final = f"{{{wss.WSU}}}Timestamp"
_ID: Final = f"{{{wss.WSU}}}Id"
_INCLUSIVE: Final = f"{{{wss.EXCLUSIVE}}}InclusiveNamespaces"
_LOWER: Final = "translate(local-name(), 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz')"
_TELLING: Final = " or ".join(
    [f"namespace-uri() = '{space}'" for space in (wss.DS, wss.WSSE, wss.WSSE11, wss.WSU)]
    + [f"{_LOWER} = '{name}'" for name in ("security", "signature")]
)
_TOUCHED: Final = etree.XPath(f"boolean(//*[{_TELLING}] | //@*[{_TELLING}])")
_IDS: Final = etree.XPath(f"//@*[{_LOWER} = 'id']")


@dataclass(frozen=True, slots=True, repr=False)
class Signed(Masked):
    """What a signature says: its algorithms, the ids it covers, the Body's, the Timestamp, and the certificates shown.

    ``shown`` is base64 of a chain, the signer's first, or of one PkiPath.
    """

    method: str
    digests: frozenset[str]
    references: tuple[str, ...]
    body: str
    timestamp: _Element | None
    shown: tuple[str, ...]
    is_path: bool

    def chain(self) -> tuple[x509.Certificate, ...] | None:
        """Give the certificates shown, the signer's first; ``None`` for what is none."""
        with suppress(ValueError, binascii.Error):
            ders = [b64decode("".join(each.split()), validate=True) for each in self.shown]
            return wss.unpack(ders[0]) if self.is_path else tuple(x509.load_der_x509_certificate(der) for der in ders)
        return None


def is_touched(root: _Element) -> bool:
    """Whether anything of a signature is left anywhere: an element or attribute of WS-Security or XML Signature."""
    return bool(_TOUCHED(root))


def is_fault(root: _Element) -> bool:
    """Whether an envelope holds a SOAP Fault and nothing else."""
    bodies = [each for each in root if each.tag == _BODY]
    is_alone = root.tag == f"{{{wss.SOAP}}}Envelope" and len(bodies) == 1 and len(bodies[0]) == 1
    return is_alone and bodies[0][0].tag == f"{{{wss.SOAP}}}Fault"


def signed(root: _Element) -> Signed:
    """Give what the signature of an envelope covers.

    Raises:
        ValueError: it has none, or not exactly as it should be; the text is a clause of ours.
    """
    if root.tag != f"{{{wss.SOAP}}}Envelope" or [each.tag for each in root] != [_HEADER, _BODY]:
        raise ValueError("it is no envelope of one header and one body")
    _require(_ids_are_unique(root), "two of its ids are alike")
    header, body = root
    security = _sole(root, _SECURITY, header)
    signature = _sole(root, _ds("Signature"), security)
    timestamp = _sole(root, _TIMESTAMP, security) if next(root.iter(_TIMESTAMP), None) is not None else None
    info, value, key_info = _children(signature, _ds("SignedInfo"), _ds("SignatureValue"), _ds("KeyInfo"))
    _require(not len(value), "its signature value is none")
    method, references = _said(info)
    wanted = [_id(body)] if timestamp is None else [_id(body), _id(timestamp)]
    _require(sorted(references) == sorted(wanted), "it signs something else than its body and its timestamp")
    shown, is_path = _shown(root, security, key_info)
    return Signed(method, frozenset(references.values()), tuple(references), wanted[0], timestamp, shown, is_path)


def _ids_are_unique(root: _Element) -> bool:
    """Whether no two attributes that anybody might take for an id have the same value, whatever its case."""
    ids = [str(value).strip().casefold() for value in cast("list[str]", _IDS(root))]
    return len(ids) == len(set(ids))


def _said(info: _Element) -> tuple[str, dict[str, str]]:
    """Give a SignedInfo's signature algorithm, and the digest algorithm of each id that it covers."""
    _require(len(info) in {3, 4}, "it signs too little or too much")
    canonical, method, *references = _children(
        info, _ds("CanonicalizationMethod"), _ds("SignatureMethod"), *[_ds("Reference")] * (len(info) - 2)
    )
    _require(_is_exclusive(canonical), "it is not in exclusive canonical form")
    _require(not len(method), "its algorithm has conditions")
    found = dict(_reference(each) for each in references)
    _require(len(found) == len(references), "it signs something twice")
    return method.get("Algorithm", ""), found


def _reference(reference: _Element) -> tuple[str, str]:
    """Give the id that a Reference covers, and its digest algorithm."""
    uri = reference.get("URI", "")
    _require(reference.keys() == ["URI"] and len(uri) > 1 and uri[0] == "#", "it signs something outside itself")
    transforms, digest, value = _children(reference, _ds("Transforms"), _ds("DigestMethod"), _ds("DigestValue"))
    (transform,) = _children(transforms, _ds("Transform"))
    _require(_is_exclusive(transform), "it transforms what it signs")
    _require(not len(digest) and not len(value), "its digest has conditions")
    return uri[1:], digest.get("Algorithm", "")


def _is_exclusive(method: _Element) -> bool:
    """Whether an algorithm is exclusive canonical form without comments, with at most a list of prefixes."""
    is_plain = not len(method) or [each.tag for each in method] == [_INCLUSIVE]
    return method.get("Algorithm") == wss.EXCLUSIVE and is_plain


def _shown(root: _Element, security: _Element, key_info: _Element) -> tuple[tuple[str, ...], bool]:
    """Give the certificates that a KeyInfo holds or refers to, and whether they are a PkiPath."""
    _require(len(key_info) == 1, "it says in more than one way who signed it")
    way = key_info[0]
    if way.tag == _TOKEN_REFERENCE and len(way) == 1 and way[0].tag == f"{{{wss.WSSE}}}Reference":
        token = _sole(root, _TOKEN, security)
        kind = token.get("ValueType", "")
        _require(kind in {wss.X509V3, wss.PKIPATH} and not len(token), "its token is of another kind")
        _require(way[0].get("ValueType", kind) == kind, "its token is of another kind")
        _require(token.get("EncodingType", wss.BASE64) == wss.BASE64, "its token is of another kind")
        _require(way[0].get("URI") == f"#{_id(token)}", "it refers to another token")
        return (token.text or "",), kind == wss.PKIPATH
    if way.tag == _TOKEN_REFERENCE and len(way) == 1:
        way = way[0]
    _require(way.tag == _ds("X509Data") and next(root.iter(_TOKEN), None) is None, "it does not show who signed it")
    certificates = _children(way, *[_ds("X509Certificate")] * max(1, len(way)))
    return tuple(each.text or "" for each in certificates), False


def _sole(root: _Element, name: str, parent: _Element) -> _Element:
    """Give the only element of this name, that must be a child of its parent."""
    found = list(root.iter(name))
    what = etree.QName(name).localname
    _require(len(found) == 1, f"it has {'no' if not found else 'more than one'} {what}")
    _require(found[0].getparent() is parent, f"its {what} is not in its place")
    return found[0]


def _children(element: _Element, *names: str) -> Iterator[_Element]:
    """Give the children, that must be these."""
    _require(
        [each.tag for each in element] == list(names), f"its {etree.QName(element).localname} is not as it should be"
    )
    return iter(element)


def _id(element: _Element) -> str:
    found = element.get(_ID, "")
    _require(bool(found), f"its {etree.QName(element).localname} has no id")
    return found


def _ds(name: str) -> str:
    return f"{{{wss.DS}}}{name}"


def _require(is_so: bool, why: str) -> None:  # noqa: FBT001 — a claim and what is wrong without it
    if not is_so:
        raise ValueError(why)
