"""Signed replies, made by hand: genuine ones as other software makes them, and ones that no software should take.

Nothing of ours signs here: canonical forms are lxml's, signatures are cryptography's, and ``xmlsec`` says that what is
called genuine is.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from rrsync.registry import xml
from tests.registry import authority, scene
from tests.registry.authority import Paper
from tests.registry.scene import NOW

Token: TypeAlias = Literal["x509v3", "pkipath", "x509data", "reference-x509data"]

_MORE: Final = "http://www.w3.org/2001/04/xmldsig-more#"
METHODS: Final = {
    "rsa-sha1": f"{xml.DS}rsa-sha1",
    "rsa-sha256": f"{_MORE}rsa-sha256",
    "rsa-sha384": f"{_MORE}rsa-sha384",
    "rsa-sha512": f"{_MORE}rsa-sha512",
    "pss-sha256": "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1",
    "ecdsa-sha256": f"{_MORE}ecdsa-sha256",
    "ecdsa-sha384": f"{_MORE}ecdsa-sha384",
    "hmac-sha256": f"{_MORE}hmac-sha256",
    "hmac-sha1": f"{xml.DS}hmac-sha1",
}
DIGESTS: Final = {
    "sha1": f"{xml.DS}sha1",
    "sha256": "http://www.w3.org/2001/04/xmlenc#sha256",
    "sha384": f"{_MORE}sha384",
    "sha512": "http://www.w3.org/2001/04/xmlenc#sha512",
}
HASHES: Final[dict[str, type[hashes.HashAlgorithm]]] = {
    "sha1": hashes.SHA1,
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}
BODY: Final = f"{{{xml.SOAP}}}Body"
HEADER: Final = f"{{{xml.SOAP}}}Header"
SECURITY: Final = f"{{{xml.WSSE}}}Security"
SIGNATURE: Final = f"{{{xml.DS}}}Signature"
TIMESTAMP: Final = f"{{{xml.WSU}}}Timestamp"
TOKEN: Final = f"{{{xml.WSSE}}}BinarySecurityToken"
ID: Final = f"{{{xml.WSU}}}Id"


def content(digits: str = scene.DIGITS, ref: str = "ref-0", home: str = scene.HOME) -> str:
    """Return what stands in the Body of a reply about somebody."""
    whole = scene.answer(scene.person(digits=digits, home=home), ref=ref).decode()
    found = re.search(r"<s:Body>(.*)</s:Body>", whole, re.DOTALL)
    assert found
    return found[1]


CONTENT: Final = content()
EVIL: Final = content(scene.OTHER, home=scene.HOME.replace(scene.STREET, "Roversstraat"))


def transform(algorithm: str = xml.EXCLUSIVE, inner: str = "") -> str:
    """Return a Transform; ``ds`` is its prefix."""
    return f'<ds:Transform xmlns:ds="{xml.DS}" Algorithm="{algorithm}">{inner}</ds:Transform>'


def prefixes(names: str) -> str:
    """Return the list of prefixes that WSS4J puts in a transform."""
    return f'<ec:InclusiveNamespaces xmlns:ec="{xml.EXCLUSIVE}" PrefixList="{names}"/>' if names else ""


@dataclass(frozen=True)
class Reference:
    """What a signature says it signs, and the bytes that it really does."""

    uri: str | None
    data: bytes
    transforms: str = field(default_factory=transform)
    attributes: str = ""

    @property
    def where(self) -> str:
        """The URI as an attribute."""
        return "" if self.uri is None else f' URI="{self.uri}"'


@dataclass(frozen=True)
class Shape:
    """How a reply is signed, and by whom; ``secret`` is for a HMAC, and ``covers`` may say anything."""

    paper: Paper = field(default_factory=authority.magda)
    token: Token = "x509v3"
    timestamp: bool = False
    method: str = "rsa-sha256"
    digest: str = "sha256"
    names: tuple[str, str, str, str] = ("s", "wsse", "wsu", "ds")
    listed: str = ""
    spread: str = ""
    content: str = CONTENT
    created: datetime = NOW
    lasts: timedelta | None = timedelta(seconds=300)
    secret: bytes = b""
    covers: Callable[[etree._Element], Sequence[Reference]] | None = None
    canonical: str = xml.EXCLUSIVE
    condition: str = ""
    key_info: str = ""
    shown: bytes = b""
    number: str = "7A1"
    fraction: str = ".000"
    says: str | None = None
    has_type: bool = True


def canonical(element: etree._Element, listed: str = "") -> bytes:
    """Return an element's exclusive canonical form."""
    return etree.tostring(element, method="c14n", exclusive=True, inclusive_ns_prefixes=listed.split() or None)


def handed_on(reply: bytes, listed: str = "") -> bytes:
    """Return what may be read of a genuine reply: its Body, in an envelope of ours."""
    body = etree.fromstring(reply).find(BODY)
    assert body is not None
    return b'<e:Envelope xmlns:e="' + xml.SOAP.encode() + b'">' + canonical(body, listed) + b"</e:Envelope>"


def reply(shape: Shape | None = None, **changes: object) -> bytes:
    """Return a signed reply of a shape, that may be changed by name."""
    shape = replace(shape or Shape(), **changes)  # type: ignore[arg-type]  # the fields' types are the shape's
    drawn = etree.fromstring(_drawn(shape, "").encode())
    covers = _usual(drawn, shape) if shape.covers is None else shape.covers(drawn)
    ds = shape.names[3]
    signature = (
        f'<{ds}:Signature xmlns:{ds}="{xml.DS}" Id="SIG-{shape.number}">{_info(shape, covers)}'
        f"<{ds}:SignatureValue>VALUE</{ds}:SignatureValue>"
        f"<{ds}:KeyInfo>{shape.key_info or _key_info(shape)}</{ds}:KeyInfo></{ds}:Signature>"
    )
    whole = _drawn(shape, signature)
    info = next(etree.fromstring(whole.encode()).iter(f"{{{xml.DS}}}SignedInfo"))
    value = b64encode(_value(shape, canonical(info, shape.listed))).decode()
    return whole.replace(">VALUE<", f">{value}<").encode()


def _drawn(shape: Shape, signature: str) -> str:
    s, w, u, _ = shape.names
    gap = shape.spread
    token = ""
    if shape.token in {"x509v3", "pkipath"}:
        kind = xml.X509V3 if shape.token == "x509v3" else xml.PKIPATH
        token = (
            f'<{w}:BinarySecurityToken EncodingType="{xml.BASE64}" {u}:Id="X509-{shape.number}" ValueType="{kind}">'
            f"{gap}{b64encode(_shown(shape)).decode()}{gap}</{w}:BinarySecurityToken>{gap}"
        )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{gap}<{s}:Envelope xmlns:{s}="{xml.SOAP}">{gap}<{s}:Header>{gap}'
        f'<{w}:Security xmlns:{w}="{xml.WSSE}" xmlns:{u}="{xml.WSU}" {s}:mustUnderstand="1">{gap}'
        f"{_timestamp(shape)}{token}{signature}{gap}</{w}:Security>{gap}</{s}:Header>{gap}"
        f'<{s}:Body xmlns:{u}="{xml.WSU}" {u}:Id="id-{shape.number}">{shape.content}</{s}:Body>{gap}</{s}:Envelope>'
    )


def _timestamp(shape: Shape) -> str:
    if not shape.timestamp:
        return ""
    u = shape.names[2]

    def said(name: str, at: datetime) -> str:
        return f"<{u}:{name}>{at:%Y-%m-%dT%H:%M:%S}{shape.fraction}Z</{u}:{name}>"

    ends = "" if shape.lasts is None else said("Expires", shape.created + shape.lasts)
    inner = f"{said('Created', shape.created)}{ends}" if shape.says is None else shape.says.replace("wsu:", f"{u}:")
    return f'<{u}:Timestamp {u}:Id="TS-{shape.number}">{inner}</{u}:Timestamp>'


def _shown(shape: Shape) -> bytes:
    if shape.shown:
        return shape.shown
    chain = shape.paper.chain
    return xml.pack_pkipath(chain) if shape.token == "pkipath" else chain[0].public_bytes(Encoding.DER)


def _usual(drawn: etree._Element, shape: Shape) -> list[Reference]:
    """Return what should be signed: the Timestamp, if any, and the Body."""
    body, timestamp = drawn.find(BODY), drawn.find(f".//{TIMESTAMP}")
    parts = [part for part in (timestamp, body) if part is not None]
    return [
        Reference(f"#{part.get(ID)}", canonical(part, shape.listed), transform(inner=prefixes(shape.listed)))
        for part in parts
    ]


def _info(shape: Shape, covers: Sequence[Reference]) -> str:
    ds = shape.names[3]
    said = "".join(
        f"<{ds}:Reference{each.where}{each.attributes}>"
        f"<{ds}:Transforms>{each.transforms}</{ds}:Transforms>"
        f'<{ds}:DigestMethod Algorithm="{DIGESTS[shape.digest]}"/>'
        f"<{ds}:DigestValue>{b64encode(hashed(shape.digest, each.data)).decode()}</{ds}:DigestValue></{ds}:Reference>"
        for each in covers
    )
    return (
        f'<{ds}:SignedInfo xmlns:{ds}="{xml.DS}">'
        f'<{ds}:CanonicalizationMethod Algorithm="{shape.canonical}">{prefixes(shape.listed)}'
        f"</{ds}:CanonicalizationMethod>"
        f'<{ds}:SignatureMethod Algorithm="{METHODS[shape.method]}">{shape.condition}</{ds}:SignatureMethod>'
        f"{said}</{ds}:SignedInfo>"
    )


def hashed(digest: str, data: bytes) -> bytes:
    """Return a digest."""
    hasher = hashes.Hash(HASHES[digest]())
    hasher.update(data)
    return hasher.finalize()


def _value(shape: Shape, info: bytes) -> bytes:
    kind, _, name = shape.method.partition("-")
    digest, key = HASHES[name](), shape.paper.key
    if kind == "hmac":
        code = hmac.HMAC(shape.secret, digest)
        code.update(info)
        return code.finalize()
    if isinstance(key, ec.EllipticCurvePrivateKey):
        size = (key.key_size + 7) // 8
        r, s = utils.decode_dss_signature(key.sign(info, ec.ECDSA(digest)))
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")
    assert isinstance(key, rsa.RSAPrivateKey)
    pss = padding.PSS(padding.MGF1(digest), digest.digest_size)
    return key.sign(info, pss if kind == "pss" else padding.PKCS1v15(), digest)


def _key_info(shape: Shape) -> str:
    w, ds = shape.names[1], shape.names[3]
    if shape.token in {"x509v3", "pkipath"}:
        kind = xml.X509V3 if shape.token == "x509v3" else xml.PKIPATH
        of = f' ValueType="{kind}"' if shape.has_type else ""
        reference = f'<{w}:Reference URI="#X509-{shape.number}"{of}/>'
        return f"<{w}:SecurityTokenReference>{reference}</{w}:SecurityTokenReference>"
    ders = [shape.shown] if shape.shown else [each.public_bytes(Encoding.DER) for each in shape.paper.chain]
    shown = "".join(f"<{ds}:X509Certificate>{b64encode(der).decode()}</{ds}:X509Certificate>" for der in ders)
    data = f"<{ds}:X509Data>{shown}</{ds}:X509Data>"
    is_bare = shape.token == "x509data"
    return data if is_bare else f"<{w}:SecurityTokenReference>{data}</{w}:SecurityTokenReference>"
