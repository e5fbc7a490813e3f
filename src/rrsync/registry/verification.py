"""Verifies the signature of a reply, and returns nothing but what was signed.

In this order (zeep's own verification accepts a Body that was moved aside, and is not used):

1. The reply is one Envelope of one Header and one Body; no two ids in it are alike, whatever their case.
2. It has exactly one ``wsse:Security``, in the Header, and exactly one ``ds:Signature``, in that.
3. The signature covers the Body, and the Timestamp if there is one, each by its ``wsu:Id``, in exclusive canonical
   form, with no other transform and nothing else (``find_signed``). In a reply that was rearranged so that one part is
   verified and another is read (signature wrapping), one of these occurs twice, elsewhere, or not at all.
4. The algorithm is RSA or ECDSA with SHA-256 or better. No SHA-1, and no HMAC: its key would be our own public one.
5. The certificate is in the trust store, or issued by an authority in it, strong, and valid now (``TrustStore``).
6. Signature and digests are right (SignXML).
7. A Timestamp is current: created no more than 300 s ahead, and not past its end; without an end, no older than 300 s.
8. The result is the Body as its signed bytes, in an envelope of our own. Nothing else of the reply is read.

A SOAP Fault without any signature is accepted: the gateway before MAGDA throttles with one, nothing of it is applied to
a member, and an attacker who can forge it can interrupt the connection as well.

A reply that was signed once and is replayed has another Referte, which ``outcome`` compares.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Literal, Self, cast

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.verification import Criticality, ExtensionPolicy, Policy, PolicyBuilder, Store, VerificationError
from lxml import etree
from lxml.etree import _Element
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.exceptions import SignXMLException
from signxml.verifier import SignatureConfiguration, VerifyResult, XMLVerifier

from rrsync.core.log_entry import Status
from rrsync.core.person import Masked
from rrsync.errors import ConfigError, RegistryRefused, RegistryUnreadable
from rrsync.registry import xml
from rrsync.registry.certificates import certificates, is_strong
from rrsync.registry.soap import silence

_HEADER: Final = f"{{{xml.SOAP}}}Header"
_BODY: Final = f"{{{xml.SOAP}}}Body"
_SECURITY: Final = f"{{{xml.WSSE}}}Security"
_TOKEN: Final = f"{{{xml.WSSE}}}BinarySecurityToken"
_TOKEN_REFERENCE: Final = f"{{{xml.WSSE}}}SecurityTokenReference"
_TIMESTAMP: Final = f"{{{xml.WSU}}}Timestamp"
_ID: Final = f"{{{xml.WSU}}}Id"
_INCLUSIVE: Final = f"{{{xml.EXCLUSIVE}}}InclusiveNamespaces"
_LOWER: Final = "translate(local-name(), 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz')"
_OF_A_SIGNATURE: Final = " or ".join(
    [f"namespace-uri() = '{space}'" for space in (xml.DS, xml.WSSE, xml.WSSE11, xml.WSU)]
    + [f"{_LOWER} = '{name}'" for name in ("security", "signature")]
)
_TRACES: Final = etree.XPath(f"boolean(//*[{_OF_A_SIGNATURE}] | //@*[{_OF_A_SIGNATURE}])")
_IDS: Final = etree.XPath(f"//@*[{_LOWER} = 'id']")

WINDOW: Final = timedelta(seconds=300)

_METHODS: Final = frozenset(
    {
        SignatureMethod.RSA_SHA256,
        SignatureMethod.RSA_SHA384,
        SignatureMethod.RSA_SHA512,
        SignatureMethod.SHA256_RSA_MGF1,
        SignatureMethod.SHA384_RSA_MGF1,
        SignatureMethod.SHA512_RSA_MGF1,
        SignatureMethod.ECDSA_SHA256,
        SignatureMethod.ECDSA_SHA384,
        SignatureMethod.ECDSA_SHA512,
    }
)
_DIGESTS: Final = frozenset({DigestAlgorithm.SHA256, DigestAlgorithm.SHA384, DigestAlgorithm.SHA512})
_METHOD_NAMES: Final = frozenset(each.value for each in _METHODS)
_DIGEST_NAMES: Final = frozenset(each.value for each in _DIGESTS)
_PLACE: Final = f"./{{{xml.SOAP}}}Header/{{{xml.WSSE}}}Security/"
_MOMENT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_WRONG: Final = (
    SignXMLException,
    ValueError,
    TypeError,
    KeyError,
    etree.LxmlError,
    InvalidSignature,
    UnsupportedAlgorithm,
)


class BadSignature(RegistryUnreadable):
    """A reply that is not signed, or not as required: nothing of it is used."""

    status: Status = Status.SIG_BAD


class Distrusted(RegistryRefused):
    """A reply signed with a certificate or an algorithm that we do not trust, as every reply would be."""

    status: Status = Status.SIG_BAD


class Verifier:
    """Returns the part of a reply that may be read. Threads may share it.

    ``policy`` says whether a signature is ``required``, is verified ``if_present`` (any part of one), or is ``never``
    verified. ``trust`` is a PEM file with the certificates that sign replies, or authorities that issue them; it may
    hold the next certificate beside the current one. An authority vouches for every certificate it ever issued, so name
    the signer's own if you can.

    Raises:
        ConfigError: the trust store cannot be used, or is missing where signatures count.
    """

    def __init__(
        self,
        policy: Literal["never", "if_present", "required"],
        trust: Path | None,
        clock: Callable[[], datetime],
    ) -> None:
        silence()
        if policy != "never" and trust is None:
            raise ConfigError(
                f'[registry] verify = "{policy}" needs a trust store',
                kept="Nothing was asked",
                todo="Name as trust a PEM file with the certificates that sign replies",
            )
        self._policy = policy
        self._store = TrustStore.read(trust) if trust is not None and policy != "never" else None
        self._clock = clock

    def verified(self, reply: bytes) -> bytes:
        """Return the signed part in an envelope of our own, or the whole reply if no signature is required.

        Raises:
            RegistryUnreadable: the reply is no XML that may be read.
            BadSignature: it is not signed as it should be.
            Distrusted: its certificate or algorithm is not trusted.
        """
        if self._store is None:
            return reply
        root = xml.parse(reply)
        if not is_touched(root) and (self._policy == "if_present" or is_fault(root)):
            return reply
        try:
            signed = find_signed(root)
        except ValueError as error:
            why = str(error)  # a clause of ours
        else:
            now = self._clock()
            return self._body(root, signed, self._trusted(signed, self._store, now), now)
        raise _bad(why)

    def _trusted(self, signed: Signed, store: TrustStore, now: datetime) -> x509.Certificate:
        """Return the signer's certificate, if it and the algorithms are trusted."""
        if signed.method not in _METHOD_NAMES or not signed.digests <= _DIGEST_NAMES:
            raise _distrusted("in a way that is no longer safe")
        chain = signed.chain()
        if chain is None:
            raise _bad("its token is no certificate")
        if (why := store.doubts(chain, now)) is not None:
            raise _distrusted(why)
        return chain[0]

    def _body(self, root: etree._Element, signed: Signed, signer: x509.Certificate, now: datetime) -> bytes:
        """Return the signed Body, if signature, digests and dates are valid."""
        results: list[VerifyResult] = []
        with suppress(*_WRONG):
            config = SignatureConfiguration(
                location=_PLACE,
                expect_references=len(signed.references),
                signature_methods=_METHODS,
                digest_algorithms=_DIGESTS,
                verification_time=now,
            )
            # Its schema forbids a list of prefixes that WSS4J writes in SignedInfo; ``find_signed`` is stricter.
            found = XMLVerifier().verify(
                root, x509_cert=signer, expect_config=config, id_attribute="Id", validate_schema=False
            )
            results = found if isinstance(found, list) else [found]
        if len(results) != len(signed.references):
            raise _bad("its signature or a digest is wrong")
        if signed.timestamp is not None and not _is_fresh(signed.timestamp, now):
            raise _bad("its timestamp is not of now")
        body = results[signed.references.index(signed.body)]
        if body.signed_xml is None or body.signed_xml.tag != f"{{{xml.SOAP}}}Body":
            raise _bad("what it signs is no body")  # pragma: no cover — SignXML took another id
        return b'<e:Envelope xmlns:e="' + xml.SOAP.encode() + b'">' + body.signed_data + b"</e:Envelope>"


def _is_fresh(timestamp: etree._Element, now: datetime) -> bool:
    said = [(each.tag, _moment(each.text or "")) for each in timestamp]
    names = [name for name, _ in said]
    if names not in ([f"{{{xml.WSU}}}Created"], [f"{{{xml.WSU}}}Created", f"{{{xml.WSU}}}Expires"]):
        return False
    created, expires = said[0][1], said[-1][1]
    if created is None or expires is None or created > now + WINDOW:
        return False
    return now < expires if len(said) > 1 else now - created <= WINDOW


def _moment(text: str) -> datetime | None:
    """Read an ``xs:dateTime`` with its zone."""
    if not _MOMENT.fullmatch(text.strip()):
        return None
    with suppress(ValueError):
        return datetime.fromisoformat(text.strip()).astimezone(UTC)
    return None


def _bad(why: str) -> BadSignature:
    return BadSignature(f"The register's reply is not signed as it should be: {why}", kept="Nothing of it was used")


def _distrusted(why: str) -> Distrusted:
    return Distrusted(
        f"The register's reply is signed {why}",
        kept="Nothing of it was used",
        todo="Ask MAGDA who signs its replies, and put that certificate in the trust store if it is new",
    )


@dataclass(frozen=True, slots=True)
class TrustStore:
    """The certificates that are trusted to sign; the ``authorities`` among them may issue others."""

    pinned: frozenset[x509.Certificate]
    authorities: tuple[x509.Certificate, ...]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a PEM file.

        Raises:
            ConfigError: it cannot be read, or holds no certificate.
        """
        found = certificates(path)
        return cls(frozenset(found), tuple(each for each in found if _is_authority(each)))

    def doubts(self, chain: Sequence[x509.Certificate], now: datetime) -> str | None:
        """Return why the first certificate of a chain may not sign now, or ``None``; the rest may be its issuers."""
        with suppress(ValueError, UnsupportedAlgorithm):
            return self._doubts(chain, now)
        return "by a certificate that cannot be used"

    def _doubts(self, chain: Sequence[x509.Certificate], now: datetime) -> str | None:
        signer = chain[0]
        if not signer.not_valid_before_utc <= now <= signer.not_valid_after_utc:
            return "by a certificate that does not count now"
        if not is_strong(signer.public_key()):
            return "with a key that is too weak"
        if signer in self.pinned or self._leads_here(chain, now):
            return None
        return "by somebody who is not in the trust store"

    def _leads_here(self, chain: Sequence[x509.Certificate], now: datetime) -> bool:
        """Whether an authority of the store issued the first of a chain, directly or through the others (RFC 5280)."""
        if not self.authorities:
            return False
        signers = ExtensionPolicy.permit_all().may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _may_sign)
        issuers = ExtensionPolicy.webpki_defaults_ca()
        builder = PolicyBuilder().store(Store(list(self.authorities))).time(now)
        verifier = builder.extension_policies(ca_policy=issuers, ee_policy=signers).build_client_verifier()
        try:
            verifier.verify(chain[0], list(chain[1:]))
        except VerificationError:
            return False
        return True


def _may_sign(_: Policy, __: x509.Certificate, usage: x509.KeyUsage | None) -> None:
    if usage is not None and not (usage.digital_signature or usage.content_commitment):
        raise ValueError("its key may not sign")


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


@dataclass(frozen=True, slots=True, repr=False)
class Signed(Masked):
    """What a signature declares: algorithms, the ids it covers, the Body's id, the Timestamp and its certificates.

    ``shown`` is base64 of a chain, the signer's certificate first, or of one PkiPath.
    """

    method: str
    digests: frozenset[str]
    references: tuple[str, ...]
    body: str
    timestamp: _Element | None
    shown: tuple[str, ...]
    is_path: bool

    def chain(self) -> tuple[x509.Certificate, ...] | None:
        """Return the certificates, the signer's first; ``None`` if they cannot be read."""
        with suppress(ValueError, binascii.Error):
            ders = [b64decode("".join(each.split()), validate=True) for each in self.shown]
            return (
                xml.unpack_pkipath(ders[0])
                if self.is_path
                else tuple(x509.load_der_x509_certificate(der) for der in ders)
            )
        return None


def is_touched(root: _Element) -> bool:
    """Whether there is any element or attribute of WS-Security or XML Signature, anywhere."""
    return bool(_TRACES(root))


def is_fault(root: _Element) -> bool:
    """Whether an envelope holds a SOAP Fault and nothing else."""
    bodies = [each for each in root if each.tag == _BODY]
    is_alone = root.tag == f"{{{xml.SOAP}}}Envelope" and len(bodies) == 1 and len(bodies[0]) == 1
    return is_alone and bodies[0][0].tag == f"{{{xml.SOAP}}}Fault"


def find_signed(root: _Element) -> Signed:
    """Return what the signature of an envelope declares.

    Raises:
        ValueError: it has none, or one of another form; the message is a clause of ours.
    """
    if root.tag != f"{{{xml.SOAP}}}Envelope" or [each.tag for each in root] != [_HEADER, _BODY]:
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
    """Whether no two attributes that may be taken for an id have the same value, whatever its case."""
    ids = [str(value).strip().casefold() for value in cast("list[str]", _IDS(root))]
    return len(ids) == len(set(ids))


def _said(info: _Element) -> tuple[str, dict[str, str]]:
    """Return a SignedInfo's signature algorithm, and the digest algorithm of each id that it covers."""
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
    """Return the id that a Reference covers, and its digest algorithm."""
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
    return method.get("Algorithm") == xml.EXCLUSIVE and is_plain


def _shown(root: _Element, security: _Element, key_info: _Element) -> tuple[tuple[str, ...], bool]:
    """Return the certificates that a KeyInfo holds or refers to, and whether they are a PkiPath."""
    _require(len(key_info) == 1, "it says in more than one way who signed it")
    way = key_info[0]
    if way.tag == _TOKEN_REFERENCE and len(way) == 1 and way[0].tag == f"{{{xml.WSSE}}}Reference":
        token = _sole(root, _TOKEN, security)
        kind = token.get("ValueType", "")
        _require(kind in {xml.X509V3, xml.PKIPATH} and not len(token), "its token is of another kind")
        _require(way[0].get("ValueType", kind) == kind, "its token is of another kind")
        _require(token.get("EncodingType", xml.BASE64) == xml.BASE64, "its token is of another kind")
        _require(way[0].get("URI") == f"#{_id(token)}", "it refers to another token")
        return (token.text or "",), kind == xml.PKIPATH
    if way.tag == _TOKEN_REFERENCE and len(way) == 1:
        way = way[0]
    _require(way.tag == _ds("X509Data") and next(root.iter(_TOKEN), None) is None, "it does not show who signed it")
    certificates = _children(way, *[_ds("X509Certificate")] * max(1, len(way)))
    return tuple(each.text or "" for each in certificates), False


def _sole(root: _Element, name: str, parent: _Element) -> _Element:
    """Return the only element of this name, which must be a child of ``parent``."""
    found = list(root.iter(name))
    what = etree.QName(name).localname
    _require(len(found) == 1, f"it has {'no' if not found else 'more than one'} {what}")
    _require(found[0].getparent() is parent, f"its {what} is not in its place")
    return found[0]


def _children(element: _Element, *names: str) -> Iterator[_Element]:
    """Return the children, whose names must be these."""
    _require(
        [each.tag for each in element] == list(names), f"its {etree.QName(element).localname} is not as it should be"
    )
    return iter(element)


def _id(element: _Element) -> str:
    found = element.get(_ID, "")
    _require(bool(found), f"its {etree.QName(element).localname} has no id")
    return found


def _ds(name: str) -> str:
    return f"{{{xml.DS}}}{name}"


def _require(is_so: bool, why: str) -> None:  # noqa: FBT001 — a condition, and what is wrong without it
    if not is_so:
        raise ValueError(why)
