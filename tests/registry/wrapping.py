"""Replies that nobody should believe, by family: wrapped, forged, stripped, edited, stale.

Each family is a function from a genuine reply to forgeries of it. A forgery must be refused, unless it is one of
``harmless``: then what is handed on must still be what was genuinely signed, to the byte.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from lxml import etree
from lxml.etree import _Element

from rrsync.registry import xml
from tests.registry import authority, forge, scene
from tests.registry.forge import BODY, EVIL, HEADER, ID, SECURITY, SIGNATURE, TIMESTAMP, TOKEN, Reference, Shape
from tests.registry.scene import NOW

DAY: Final = timedelta(days=1)


@dataclass(frozen=True)
class Forgery:
    """One reply that is not as it should be."""

    name: str
    reply: bytes
    is_harmless: bool = False


Family = Callable[[Shape], Iterator[Forgery]]


class Open:
    """A genuine reply, taken apart to be put together otherwise."""

    def __init__(self, shape: Shape) -> None:
        self.root = etree.fromstring(forge.reply(shape))
        self.header, self.body = self.root[0], self.root[1]
        self.security = self.one(SECURITY)
        self.signature = self.one(SIGNATURE)

    def one(self, name: str) -> _Element:
        """Return the first of a name."""
        found = next(self.root.iter(name), None)
        assert found is not None, name
        return found

    def evil(self, name: str = BODY, **ids: str) -> _Element:
        """Return a Body about somebody else; ``ids`` are its attributes, of which ``wsu`` is the real one."""
        made = etree.Element(name, nsmap={"e": etree.QName(name).namespace or "urn:e"})
        made.append(etree.fromstring(EVIL))
        for key, value in ids.items():
            made.set(ID if key == "wsu" else key, value)
        return made

    @property
    def id(self) -> str:
        """The id of the Body."""
        return str(self.body.get(ID))

    def bytes(self) -> bytes:
        """Return the reply as it has become."""
        return etree.tostring(self.root, encoding="UTF-8", xml_declaration=True)


def _swapped(shape: Shape, evil_ids: dict[str, str], place: Callable[[Open, _Element], None]) -> bytes:
    """Put an evil Body in the genuine one's place, and the genuine one where ``place`` puts it."""
    opened = Open(shape)
    genuine = opened.body
    opened.root.replace(genuine, opened.evil(**{key: value or opened.id for key, value in evil_ids.items()}))
    place(opened, genuine)
    return opened.bytes()


_IDS: Final[dict[str, dict[str, str]]] = {"no id": {}, "the same": {"wsu": ""}, "another": {"wsu": "id-evil"}}


def _wrapped(*names: str) -> Callable[[Open, _Element], _Element]:
    """Wrap an element in others."""

    def wrap(_: Open, inner: _Element) -> _Element:
        for name in names:
            outer = etree.Element(name)
            outer.append(inner)
            inner = outer
        return inner

    return wrap


def _places(parent: str, *names: str) -> dict[str, Callable[[Open, _Element], None]]:
    wrap = _wrapped(*names)

    def first(opened: Open, genuine: _Element) -> None:
        opened.one(parent).insert(0, wrap(opened, genuine))

    def last(opened: Open, genuine: _Element) -> None:
        opened.one(parent).append(wrap(opened, genuine))

    return {"first": first, "last": last}


def _moved(shape: Shape, parent: str, *names: str) -> Iterator[Forgery]:
    for where, place in _places(parent, *names).items():
        for which, ids in _IDS.items():
            tail = "/".join(etree.QName(name).localname for name in names)
            yield Forgery(f"{tail or 'bare'} {where}, evil has {which}", _swapped(shape, ids, place))


def body_in_header(shape: Shape) -> Iterator[Forgery]:
    """The signed Body stands in the Header, another in its place."""
    yield from _moved(shape, HEADER)
    yield from _moved(shape, HEADER, "Wrapper")
    yield from _moved(shape, HEADER, HEADER)
    yield from _moved(shape, HEADER, f"{{{xml.SOAP}}}Envelope")


def body_in_security(shape: Shape) -> Iterator[Forgery]:
    """The signed Body stands in the Security header."""
    yield from _moved(shape, SECURITY)
    yield from _moved(shape, SECURITY, "Wrapper")


def body_in_object(shape: Shape) -> Iterator[Forgery]:
    """The signed Body stands in the signature itself."""
    yield from _moved(shape, SIGNATURE, f"{{{xml.DS}}}Object")
    yield from _moved(shape, f"{{{xml.DS}}}KeyInfo")
    yield from _moved(shape, f"{{{xml.DS}}}SignedInfo", f"{{{xml.DS}}}Object")


def two_bodies(shape: Shape) -> Iterator[Forgery]:
    """There are two, side by side or one in the other."""
    for which, ids in _IDS.items():
        for where in (1, 2):
            opened = Open(shape)
            opened.root.insert(where, opened.evil(**{key: value or opened.id for key, value in ids.items()}))
            yield Forgery(f"evil at {where} has {which}", opened.bytes())
        yield Forgery(f"genuine in evil, that has {which}", _swapped(shape, ids, lambda o, g: o.root[1].append(g)))
        yield Forgery(f"genuine deep in evil, {which}", _swapped(shape, ids, lambda o, g: o.root[1][0].append(g)))
        yield Forgery(f"genuine after all, {which}", _swapped(shape, ids, lambda o, g: o.root.append(g)))
    opened = Open(shape)
    outer = etree.Element(f"{{{xml.SOAP}}}Envelope")
    outer.append(etree.Element(HEADER))
    outer.append(opened.evil())
    outer[0].append(opened.root)
    yield Forgery("the whole reply in another's Header", etree.tostring(outer))


def duplicate_id(shape: Shape) -> Iterator[Forgery]:
    """Something else has the id that was signed, under one of the names an id goes by."""
    names = ["wsu", "Id", "ID", "id", "{http://www.w3.org/XML/1998/namespace}id", f"{{{xml.WSU}}}id", "{urn:x}Id"]
    for name in names:
        yield Forgery(f"evil has {name}", _swapped(shape, {name: ""}, _places(HEADER)["last"]))
        for parent in (HEADER, SECURITY):
            opened = Open(shape)
            extra = etree.SubElement(opened.one(parent), "Extra")
            extra.set(ID if name == "wsu" else name, opened.id)
            yield Forgery(f"an empty element in {etree.QName(parent).localname} has {name}", opened.bytes())


def id_case(shape: Shape) -> Iterator[Forgery]:
    """The ids differ in case alone."""
    for change in (str.upper, str.lower, str.swapcase, str.title):
        opened = Open(shape)
        if change(opened.id) == opened.id:
            continue
        yield Forgery(change.__name__, _swapped(shape, {"wsu": change(opened.id)}, _places(HEADER)["last"]))
        opened.body.set(ID, change(opened.id))
        yield Forgery(f"the Body's own, {change.__name__}", opened.bytes())
        opened = Open(shape)
        etree.SubElement(opened.header, "Extra").set("Id", change(opened.id))
        yield Forgery(f"something else's, {change.__name__}", opened.bytes())


def namespaces(shape: Shape) -> Iterator[Forgery]:
    """A name looks right, and is another's."""
    soap12 = "http://www.w3.org/2003/05/soap-envelope"
    for space in (soap12, "urn:x", xml.SOAP.rstrip("/"), xml.SOAP.upper()):
        yield Forgery(f"all in {space}", forge.reply(shape).replace(xml.SOAP.encode(), space.encode()))
        opened = Open(shape)
        moved, evil = opened.body, opened.evil()
        opened.root.replace(moved, evil)
        moved.tag = f"{{{space}}}Body"
        opened.root.append(moved)
        yield Forgery(f"the Body beside it in {space}", opened.bytes())
        opened = Open(shape)
        opened.root.append(opened.evil(f"{{{space}}}Body"))
        yield Forgery(f"an evil Body beside it in {space}", opened.bytes())
        opened = Open(shape)
        opened.root.insert(0, etree.Element(f"{{{space}}}Header"))
        yield Forgery(f"a Header before it in {space}", opened.bytes())
    for space, what in ((xml.WSU, "wsu"), (xml.WSSE, "wsse"), (xml.DS, "ds")):
        yield Forgery(f"{what} is another", forge.reply(shape).replace(space.encode(), b"urn:x"))
    yield Forgery("the id is in another namespace", _swapped(shape, {"{urn:wsu}Id": ""}, _places(HEADER)["first"]))


def in_text(shape: Shape) -> Iterator[Forgery]:
    """A comment, an instruction or another spelling stands in what was signed: whatever is believed was signed."""
    genuine = forge.reply(shape)
    digits = scene.DIGITS.encode()
    for what, put in {
        "comment": b"<!-- -->",
        "comment with a tag": b"<!--<INSZ>-->",
        "instruction": b"<?x y?>",
        "empty section": b"<![CDATA[]]>",
    }.items():
        for at in (0, 4, len(digits)):
            edited = genuine.replace(digits, digits[:at] + put + digits[at:])
            yield Forgery(f"{what} at {at}", edited, is_harmless=True)
    yield Forgery("references", genuine.replace(digits, b"".join(b"&#%d;" % each for each in digits)), is_harmless=True)
    yield Forgery("section", genuine.replace(digits, b"<![CDATA[" + digits + b"]]>"), is_harmless=True)
    for value in (b"<!-- -->", b"<?x y?>"):
        for name in (b"SignatureValue>", b"DigestValue>"):
            edited = genuine.replace(name, name + value, 1)
            yield Forgery(f"{value!r} in {name!r}", edited, is_harmless=True)
    for declared in (b"<!DOCTYPE x>", b'<!DOCTYPE x [<!ENTITY e "1">]>', b'<!DOCTYPE x SYSTEM "file:///etc/passwd">'):
        edited = genuine.replace(b"?>", b"?>" + declared, 1)
        yield Forgery(f"{declared!r}", edited)
        yield Forgery(f"{declared!r}, used", edited.replace(digits, b"&e;"))


def transforms(shape: Shape) -> Iterator[Forgery]:
    """The signer itself signed something else than the Body as it stands, by a transform."""
    xpath = '<ds:XPath xmlns:ds="http://www.w3.org/2000/09/xmldsig#">not(ancestor-or-self::*[local-name()="INSZ"])</ds:XPath>'
    sheet = '<x:stylesheet xmlns:x="http://www.w3.org/1999/XSL/Transform" version="1.0"/>'
    chosen = '<f:XPath xmlns:f="http://www.w3.org/2002/06/xmldsig-filter2" Filter="intersect">//x</f:XPath>'
    exclusive, enveloped = forge.transform(), forge.transform(f"{xml.DS}enveloped-signature")
    for name, said in {
        "xpath": forge.transform("http://www.w3.org/TR/1999/REC-xpath-19991116", xpath),
        "xpath, then exclusive": forge.transform("http://www.w3.org/TR/1999/REC-xpath-19991116", xpath) + exclusive,
        "filter": forge.transform("http://www.w3.org/2002/06/xmldsig-filter2", chosen) + exclusive,
        "xslt": forge.transform("http://www.w3.org/TR/1999/REC-xslt-19991116", sheet) + exclusive,
        "enveloped": enveloped + exclusive,
        "enveloped alone": enveloped,
        "base64": forge.transform(f"{xml.DS}base64"),
        "inclusive": forge.transform("http://www.w3.org/TR/2001/REC-xml-c14n-20010315"),
        "inclusive 1.1": forge.transform("http://www.w3.org/2006/12/xml-c14n11"),
        "with comments": forge.transform(f"{xml.EXCLUSIVE}WithComments"),
        "twice": exclusive + exclusive,
        "none": "",
        "something inside": forge.transform(inner=xpath),
        "token's": forge.transform(f"{xml.BASE64.rpartition('#')[0]}#STR-Transform"),
    }.items():

        def covers(drawn: _Element, said: str = said) -> list[Reference]:
            return [replace(each, transforms=said) for each in _all(drawn)]

        yield Forgery(name, forge.reply(shape, covers=covers))
    for canonical in ("http://www.w3.org/TR/2001/REC-xml-c14n-20010315", f"{xml.EXCLUSIVE}WithComments", "urn:x"):
        yield Forgery(f"SignedInfo in {canonical}", forge.reply(shape, canonical=canonical))


def _all(drawn: _Element) -> list[Reference]:
    parts = [*drawn.iter(TIMESTAMP), *drawn.iter(BODY)]
    return [Reference(f"#{part.get(ID)}", forge.canonical(part)) for part in parts]


def references(shape: Shape) -> Iterator[Forgery]:
    """The signer signed the whole, nothing, or by another way of pointing."""

    def saying(uri: str | None) -> bytes:
        def covers(drawn: _Element) -> list[Reference]:
            *rest, body = _all(drawn)
            data = forge.canonical(drawn) if uri in {"", None} else body.data
            where = uri if uri is None else uri.replace("BODY", str(body.uri)[1:])
            return [*rest, replace(body, uri=where, data=data)]

        return forge.reply(shape, covers=covers)

    for uri in (
        "",
        None,
        "#",
        "#xpointer(/)",
        "#xpointer(id('BODY'))",
        "##BODY",
        "BODY",
        "# BODY",
        "#BODY ",
        "#nobody",
    ):
        yield Forgery(f"URI {uri!r}", saying(uri))
    for attributes in (f' Type="{xml.DS}Object"', f' Type="{xml.DS}Manifest"', ' Id="R-1"'):

        def covers(drawn: _Element, attributes: str = attributes) -> list[Reference]:
            return [replace(each, attributes=attributes) for each in _all(drawn)]

        yield Forgery(f"with{attributes}", forge.reply(shape, covers=covers))
    yield Forgery("none at all", forge.reply(shape, covers=lambda _: []))
    yield Forgery("twice", forge.reply(shape, covers=lambda drawn: [*_all(drawn), _all(drawn)[-1]]))


def external(shape: Shape) -> Iterator[Forgery]:
    """The signer signed something elsewhere."""
    for uri in (
        "http://127.0.0.1:9/body.xml",
        "https://example.org/#BODY",
        "file:///etc/hostname",
        "cid:body@example.org",
        "body.xml",
        "data:,x",
        "//example.org/x",
    ):

        def covers(drawn: _Element, uri: str = uri) -> list[Reference]:
            *rest, body = _all(drawn)
            return [*rest, replace(body, uri=uri.replace("BODY", str(body.uri)[1:]))]

        def beside(drawn: _Element, uri: str = uri) -> list[Reference]:
            return [*_all(drawn), Reference(uri, b"")]

        yield Forgery(f"instead {uri}", forge.reply(shape, covers=covers))
        yield Forgery(f"beside {uri}", forge.reply(shape, covers=beside))


def other_parts(shape: Shape) -> Iterator[Forgery]:
    """The signer signed parts, but not the Body; with the Body as it was, and with another."""

    def only(*names: str) -> Callable[[_Element], list[Reference]]:
        def covers(drawn: _Element) -> list[Reference]:
            found = [part for name in names for part in drawn.iter(name)]
            return [Reference(f"#{part.get(ID)}", forge.canonical(part)) for part in found]

        return covers

    for content in (forge.CONTENT, EVIL):
        what = "evil" if content is EVIL else "genuine"
        stamped = replace(shape, timestamp=True, content=content)
        yield Forgery(f"timestamp alone, {what}", forge.reply(stamped, covers=only(TIMESTAMP)))
        if shape.token in {"x509v3", "pkipath"}:
            yield Forgery(f"token alone, {what}", forge.reply(stamped, covers=only(TOKEN)))
            yield Forgery(f"timestamp and token, {what}", forge.reply(stamped, covers=only(TIMESTAMP, TOKEN)))
            yield Forgery(f"token too, {what}", forge.reply(stamped, covers=only(TIMESTAMP, TOKEN, BODY)))
        yield Forgery(f"not the timestamp, {what}", forge.reply(stamped, covers=only(BODY)))


def strangers(shape: Shape) -> Iterator[Forgery]:
    """Somebody signed it who may not."""
    root, middle, magda = authority.root(), authority.middle(), authority.magda()
    fake_root = authority.issue("root", is_ca=True, secret=authority.key("fake root"))
    fake_middle = authority.issue("middle", fake_root, is_ca=True, secret=authority.key("fake middle"))
    gone = authority.issue("gone", root, is_ca=True, begins=-2 * DAY, ends=-DAY)
    for name, paper in {
        "self-signed": authority.issue("stranger"),
        "self-signed as magda": authority.issue("magda", secret=authority.key("stranger")),
        "another authority": authority.issue("stranger", authority.issue("elsewhere", is_ca=True)),
        "a namesake authority": authority.issue("magda", fake_middle, secret=authority.key("stranger")),
        "magda as authority": authority.issue("stranger", magda),
        "expired": authority.issue("old", middle, begins=-2 * DAY, ends=-DAY),
        "expired a second ago": authority.issue("old", middle, ends=-timedelta(seconds=1)),
        "not yet valid": authority.issue("young", middle, begins=DAY),
        "may not sign": authority.issue("mute", middle, may_sign=False),
        "under an authority that ended": authority.issue("late", gone),
        "the authority that nobody named": fake_middle,
    }.items():
        for token in ("x509v3", "pkipath", "x509data"):
            yield Forgery(f"{name}, {token}", forge.reply(shape, paper=paper, token=token, method="rsa-sha256"))
    yield Forgery(
        "RSA of 1024", forge.reply(shape, paper=authority.issue("weak", middle, kind="weak"), method="rsa-sha256")
    )
    small = authority.issue("small", middle, kind="small")
    yield Forgery("a curve of 224", forge.reply(shape, paper=small, method="ecdsa-sha256"))
    genuine = magda.issued.public_bytes(Encoding.DER)
    for content in (forge.CONTENT, EVIL):
        borrowed = replace(shape, paper=authority.issue("stranger"), method="rsa-sha256", content=content)
        yield Forgery("another key under magda's certificate", forge.reply(borrowed, token="x509v3", shown=genuine))
    mixed = authority.Paper(authority.issue("stranger").issued, authority.key("stranger"), magda)
    for token in ("pkipath", "x509data", "reference-x509data"):
        yield Forgery(
            f"magda's behind a stranger's, {token}", forge.reply(shape, paper=mixed, token=token, method="rsa-sha256")
        )


def weak_algorithms(shape: Shape) -> Iterator[Forgery]:
    """The right signer, in a way that is broken, or that was never asked for."""
    rsa = replace(shape, paper=authority.magda(), method="rsa-sha256")
    for method, digest in (("rsa-sha1", "sha1"), ("rsa-sha1", "sha256"), ("rsa-sha256", "sha1")):
        yield Forgery(f"{method} with {digest}", forge.reply(rsa, method=method, digest=digest))
    good = forge.reply(rsa)
    name = forge.METHODS["rsa-sha256"].encode()
    for other in (
        "http://www.w3.org/2001/04/xmldsig-more#rsa-md5",
        "http://www.w3.org/2000/09/xmldsig#dsa-sha1",
        "http://www.w3.org/2009/xmldsig11#dsa-sha256",
        "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha1",
        "http://www.w3.org/2007/05/xmldsig-more#sha1-rsa-MGF1",
        "urn:none",
        "",
    ):
        yield Forgery(f"said to be {other}", good.replace(name, other.encode()))
    for other in ("http://www.w3.org/2001/04/xmldsig-more#md5", "urn:none", "", forge.DIGESTS["sha512"]):
        yield Forgery(f"digest said to be {other}", good.replace(forge.DIGESTS["sha256"].encode(), other.encode()))


def shared_secret(shape: Shape) -> Iterator[Forgery]:
    """A HMAC of which the key is something that everybody knows: our signer's public key."""
    magda = authority.magda()
    public, issued = magda.key.public_key(), magda.issued
    secrets = {
        "PEM": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "DER": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "certificate": issued.public_bytes(Encoding.DER),
        "certificate as PEM": issued.public_bytes(Encoding.PEM),
        "its base64": base64.b64encode(issued.public_bytes(Encoding.DER)),
        "nothing": b"\0",
    }
    for name, secret in secrets.items():
        for method in ("hmac-sha1", "hmac-sha256"):
            yield Forgery(f"{method} with {name}", forge.reply(shape, method=method, secret=secret, content=EVIL))
    for bits in (0, 1, 8, 256):
        cut = f'<ds:HMACOutputLength xmlns:ds="{xml.DS}">{bits}</ds:HMACOutputLength>'
        changed = replace(shape, condition=cut, content=EVIL)
        yield Forgery(f"cut to {bits} bits", forge.reply(changed, method="hmac-sha256", secret=secrets["PEM"]))
        yield Forgery(f"RSA, cut to {bits} bits", forge.reply(changed))


def stripped(shape: Shape) -> Iterator[Forgery]:
    """Something of the signature is gone; with the Body as it was, and with another."""
    for content in (forge.CONTENT, EVIL):
        what = "evil" if content is EVIL else "genuine"
        for names in (
            (SIGNATURE,),
            (SECURITY,),
            (HEADER,),
            (f"{{{xml.DS}}}SignedInfo",),
            (f"{{{xml.DS}}}SignatureValue",),
            (f"{{{xml.DS}}}KeyInfo",),
            (f"{{{xml.DS}}}Reference",),
            (f"{{{xml.DS}}}SignatureMethod",),
            (f"{{{xml.DS}}}CanonicalizationMethod",),
            (f"{{{xml.DS}}}DigestValue",),
            (f"{{{xml.DS}}}DigestMethod",),
            (f"{{{xml.DS}}}Transforms",),
            (f"{{{xml.DS}}}Transform",),
        ):
            opened = Open(replace(shape, content=content))
            for name in names:
                for each in list(opened.root.iter(name)):
                    parent = each.getparent()
                    assert parent is not None
                    parent.remove(each)
            yield Forgery(f"{etree.QName(names[0]).localname}, {what}", opened.bytes())
        opened = Open(replace(shape, content=content))
        del opened.body.attrib[ID]
        yield Forgery(f"the Body's id, {what}", opened.bytes())
        opened = Open(replace(shape, content=content))
        opened.signature.clear()
        yield Forgery(f"all in the Signature, {what}", opened.bytes())
    yield Forgery("never signed", scene.answer(scene.person()))


def wrong_values(shape: Shape) -> Iterator[Forgery]:
    """A digest or a signature value that is not the right one."""
    other = Open(replace(shape, content=EVIL))
    for tag in ("SignatureValue", "DigestValue"):
        name = f"{{{xml.DS}}}{tag}"
        right = Open(shape).one(name).text or ""
        raw = base64.b64decode(right)
        for what, value in {
            "one bit": bytes([raw[0] ^ 1]) + raw[1:],
            "last bit": raw[:-1] + bytes([raw[-1] ^ 1]),
            "cut": raw[:-1],
            "longer": raw + b"\0",
            "before": b"\0" + raw,
            "zeros": bytes(len(raw)),
            "ones": b"\0" * (len(raw) - 1) + b"\1",
            "empty": b"",
            "of another message": base64.b64decode(other.one(name).text or "")[:-1] + b"!",
        }.items():
            opened = Open(shape)
            opened.one(name).text = base64.b64encode(value).decode()
            yield Forgery(f"{tag}: {what}", opened.bytes())
        for what, text in {"no base64": "!!!", "not ASCII": "é", "words": "right", "a child": ""}.items():
            opened = Open(shape)
            opened.one(name).text = text
            if not text:
                etree.SubElement(opened.one(name), "x")
            yield Forgery(f"{tag}: {what}", opened.bytes())
    opened = Open(replace(shape, content=EVIL))
    opened.one(f"{{{xml.DS}}}SignatureValue").text = Open(shape).one(f"{{{xml.DS}}}SignatureValue").text
    yield Forgery("the genuine signature value under another digest", opened.bytes())
    opened = Open(shape)
    opened.root.replace(opened.body, other.body)
    yield Forgery("the signature of one, the Body of another", opened.bytes())


def edited(shape: Shape) -> Iterator[Forgery]:
    """The Body was changed after it was signed."""
    genuine = forge.reply(shape)
    for old, new in (
        (scene.DIGITS, scene.OTHER),
        (scene.STREET, "Roversstraat"),
        ("<Huisnummer>70<", "<Huisnummer>71<"),
        ("<Huisnummer>70<", "<Huisnummer>70 <"),
        ("<Busnummer/>", ""),
        ("<Busnummer/>", "<Busnummer>1</Busnummer>"),
        ("<Repliek>", "<Repliek> "),
        ("<Repliek>", "<Repliek><Evil/>"),
        ("<Repliek>", '<Repliek evil="1">'),
        ('DatumBegin="2004-04-04"', 'DatumBegin="2024-04-04"'),
        ('DatumBegin="2004-04-04"', ""),
        ("ref-0", "ref-1"),
        ("<Gemeentenaam><String> Gent ", "<Gemeentenaam><String>Gent"),
        ("Kanariepiet", "Kanariep\u00ecet"),
        ("<Persoon ", '<Persoon xmlns:q="urn:q" q:x="1" '),
        ("<Geslacht><Code>2", "<Geslacht><Code>1"),
    ):
        changed = genuine.decode().replace(old, new)
        assert changed.encode() != genuine, old
        yield Forgery(f"{old} is {new}", changed.encode())
    opened = Open(shape)
    opened.body.append(deepcopy(opened.body[0]))
    yield Forgery("its content twice", opened.bytes())
    opened = Open(shape)
    opened.body.set("evil", "1")
    yield Forgery("an attribute of its own", opened.bytes())


def two_signatures(shape: Shape) -> Iterator[Forgery]:
    """Two sign, or two headers speak."""
    stranger = Open(replace(shape, paper=authority.issue("stranger"), method="rsa-sha256", content=EVIL, number="9Z9"))
    for at in (0, 99):
        opened = Open(shape)
        opened.security.insert(at, deepcopy(stranger.signature))
        yield Forgery(f"a stranger's at {at}", opened.bytes())
        opened = Open(shape)
        opened.security.insert(at, deepcopy(opened.signature))
        yield Forgery(f"the same again at {at}", opened.bytes())
        opened = Open(shape)
        opened.header.insert(at, deepcopy(stranger.security))
        yield Forgery(f"a stranger's header at {at}", opened.bytes())
        opened = Open(shape)
        opened.header.insert(at, etree.Element(SECURITY))
        yield Forgery(f"an empty header at {at}", opened.bytes())
        opened = Open(shape)
        opened.header.insert(at, etree.Element(SECURITY, {f"{{{xml.SOAP}}}actor": "urn:other"}))
        yield Forgery(f"a header for another at {at}", opened.bytes())
    for parent in (HEADER, BODY, f"{{{xml.SOAP}}}Envelope"):
        opened = Open(shape)
        opened.one(parent).append(opened.signature)
        yield Forgery(f"the signature in {etree.QName(parent).localname}", opened.bytes())
        opened = Open(shape)
        opened.one(parent).append(opened.security) if parent != HEADER else opened.root.append(opened.security)
        yield Forgery(f"the header in {etree.QName(parent).localname}", opened.bytes())
    opened = Open(shape)
    wrapper = etree.SubElement(opened.security, "Wrapper")
    wrapper.append(opened.signature)
    yield Forgery("the signature wrapped in its header", opened.bytes())


def stale(shape: Shape) -> Iterator[Forgery]:
    """The right signer, of another time."""
    stamped = replace(shape, timestamp=True)
    second = timedelta(seconds=1)
    for name, created, lasts in (
        ("ended just now", NOW - 300 * second, 300 * second),
        ("ended yesterday", NOW - DAY, 300 * second),
        ("of the future", NOW + 301 * second, 300 * second),
        ("of next year", NOW + 365 * DAY, 300 * second),
        ("without end, old", NOW - 301 * second, None),
        ("without end, of the future", NOW + 301 * second, None),
        ("ended before it began", NOW, -second),
    ):
        yield Forgery(name, forge.reply(stamped, created=created, lasts=lasts))
    begun = f"<wsu:Created>{NOW:%Y-%m-%dT%H:%M:%S}.000Z</wsu:Created>"
    for name, said in {
        "two beginnings": begun * 2,
        "nothing": "",
        "no zone": begun.replace("Z<", "<"),
        "no time": "<wsu:Created/>",
        "words": "<wsu:Created>now</wsu:Created>",
        "a day that is none": begun.replace("-07-01", "-02-30"),
        "only an end": begun.replace("Created", "Expires"),
        "two ends": begun + begun.replace("Created", "Expires").replace("2026", "2027") * 2,
        "the end first": begun.replace("Created", "Expires").replace("2026", "2027") + begun,
        "something else too": begun + "<wsu:Evil/>",
        "an end without zone": begun + "<wsu:Expires>2027-01-01T00:00:00</wsu:Expires>",
    }.items():
        yield Forgery(name, forge.reply(stamped, says=said))
    opened = Open(stamped)
    opened.security.append(deepcopy(opened.one(TIMESTAMP)))
    yield Forgery("two timestamps", opened.bytes())
    opened = Open(stamped)
    opened.security.remove(opened.one(TIMESTAMP))
    yield Forgery("its timestamp is gone", opened.bytes())
    opened = Open(stamped)
    opened.header.append(opened.one(TIMESTAMP))
    yield Forgery("its timestamp is elsewhere", opened.bytes())
    fresh = Open(replace(stamped, created=NOW + 60 * second))
    opened = Open(replace(stamped, created=NOW - DAY))
    opened.security.replace(opened.one(TIMESTAMP), fresh.one(TIMESTAMP))
    yield Forgery("the timestamp of another", opened.bytes())
    opened = Open(replace(shape, timestamp=False))
    opened.security.insert(0, Open(stamped).one(TIMESTAMP))
    yield Forgery("a timestamp that nobody signed", opened.bytes())


def who(shape: Shape) -> Iterator[Forgery]:
    """What tells who signed says two things, or nothing."""
    named = replace(shape, names=Shape().names)
    rsa = replace(named, paper=authority.magda(), method="rsa-sha256", token="x509v3")
    der = base64.b64encode(authority.magda().issued.public_bytes(Encoding.DER)).decode()
    reference = (
        f'<wsse:SecurityTokenReference><wsse:Reference URI="#X509-{rsa.number}" ValueType="{xml.X509V3}"/>'
        "</wsse:SecurityTokenReference>"
    )
    data = f"<ds:X509Data><ds:X509Certificate>{der}</ds:X509Certificate></ds:X509Data>"
    numbers = "<ds:Modulus>AQAB</ds:Modulus><ds:Exponent>AQAB</ds:Exponent>"
    value = f"<ds:KeyValue><ds:RSAKeyValue>{numbers}</ds:RSAKeyValue></ds:KeyValue>"
    for name, said in {
        "both": reference + data,
        "twice": reference * 2,
        "a key's value too": value + reference,
        "a key's value": value,
        "a name": "<ds:KeyName>magda</ds:KeyName>",
        "a name too": reference + "<ds:KeyName>magda</ds:KeyName>",
        "data, though there is a token": data,
        "empty data": "<ds:X509Data/>",
        "a subject": "<ds:X509Data><ds:X509SubjectName>CN=magda</ds:X509SubjectName></ds:X509Data>",
        "elsewhere": reference.replace(f"#X509-{rsa.number}", "http://127.0.0.1:9/"),
        "the body": reference.replace(f"#X509-{rsa.number}", f"#id-{rsa.number}"),
        "another kind": reference.replace(xml.X509V3, xml.PKIPATH),
        "nothing": "<wsse:SecurityTokenReference/>",
        "a retrieval": f'<ds:RetrievalMethod URI="#X509-{rsa.number}" Type="{xml.DS}rawX509Certificate"/>',
        "an embedded token": "<wsse:SecurityTokenReference><wsse:Embedded/></wsse:SecurityTokenReference>",
    }.items():
        yield Forgery(name, forge.reply(rsa, key_info=said))
    chain = authority.magda().chain
    for name, shown in {
        "no certificate": b"magda",
        "cut": chain[0].public_bytes(Encoding.DER)[:-1],
        "more behind": chain[0].public_bytes(Encoding.DER) + b"\0",
        "the issuer's": chain[1].public_bytes(Encoding.DER),
        "the digest": hashlib.sha256(chain[0].public_bytes(Encoding.DER)).digest(),
    }.items():
        yield Forgery(f"token is {name}", forge.reply(rsa, shown=shown))
    for name, shown in {
        "turned round": xml.pack_pkipath(tuple(reversed(chain))),
        "empty": xml.pack_pkipath(()),
        "cut": xml.pack_pkipath(chain)[:-1],
        "more behind": xml.pack_pkipath(chain) + b"\x30\0",
        "indefinite": b"\x30\x80" + chain[0].public_bytes(Encoding.DER) + b"\0\0",
        "a certificate": chain[0].public_bytes(Encoding.DER),
        "a stranger last": xml.pack_pkipath((authority.issue("stranger").issued, *chain)),
    }.items():
        yield Forgery(f"path is {name}", forge.reply(rsa, token="pkipath", shown=shown))
    opened = Open(rsa)
    twin = deepcopy(opened.one(TOKEN))
    twin.set(ID, "X509-other")
    opened.security.append(twin)
    yield Forgery("two tokens", opened.bytes())
    opened = Open(rsa)
    opened.header.append(opened.one(TOKEN))
    yield Forgery("the token elsewhere", opened.bytes())
    opened = Open(rsa)
    opened.one(TOKEN).set("EncodingType", "urn:hex")
    yield Forgery("the token in another writing", opened.bytes())


def beside(shape: Shape) -> Iterator[Forgery]:
    """Something nobody signed stands beside what was signed: it is not handed on."""
    added: dict[str, Callable[[Open], object]] = {
        "a header entry": lambda o: o.header.insert(0, etree.Element("{urn:x}Action")),
        "a header entry about somebody": lambda o: o.header.append(etree.fromstring(EVIL)),
        "a person in the security header": lambda o: o.security.append(etree.fromstring(EVIL)),
        "an attribute of the envelope": lambda o: o.root.set("evil", "1"),
        "an attribute of the header": lambda o: o.security.set("evil", "1"),
        "blanks": lambda o: setattr(o.body, "tail", "\n\n"),
        "text": lambda o: setattr(o.header, "tail", "evil"),
        "a comment before the Body": lambda o: o.body.addprevious(etree.Comment("x")),
        "a comment before all": lambda o: o.root.addprevious(etree.Comment("x")),
        "an instruction after all": lambda o: o.root.addnext(etree.PI("x", "y")),
    }
    for name, put in added.items():
        opened = Open(shape)
        put(opened)
        whole = etree.tostring(opened.root.getroottree(), encoding="UTF-8", xml_declaration=True)
        yield Forgery(name, whole, is_harmless=True)


FAMILIES: Final[tuple[Family, ...]] = (
    body_in_header,
    body_in_security,
    body_in_object,
    two_bodies,
    duplicate_id,
    id_case,
    namespaces,
    in_text,
    transforms,
    references,
    external,
    other_parts,
    strangers,
    weak_algorithms,
    shared_secret,
    stripped,
    wrong_values,
    edited,
    two_signatures,
    stale,
    who,
    beside,
)

#: The genuine replies that forgeries are made of.
BASES: Final[dict[str, Callable[[], Shape]]] = {
    "token": Shape,
    "path and timestamp": lambda: Shape(token="pkipath", timestamp=True, names=("soap", "w", "u", "ds")),
    "data, on a curve": lambda: Shape(
        paper=authority.issue("curve", authority.middle(), kind="ec"), token="x509data", method="ecdsa-sha256"
    ),
}
