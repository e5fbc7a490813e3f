"""Believes a reply for its signature, and hands on nothing but what was signed.

In this order (trust study §5; zeep's own verification accepts a Body that was moved aside, and is not used):

1. The reply is one Envelope of one Header and one Body; no two ids in it are alike, whatever their case.
2. It has exactly one ``wsse:Security``, in the Header, and exactly one ``ds:Signature``, in that.
3. What is signed is the Body, and the Timestamp if there is one, each by its ``wsu:Id``, in exclusive canonical form:
   no other transform, no other place (``layout``).
4. RSA or ECDSA with SHA-256 or better. No SHA-1, and no HMAC: its key would be our own public one.
5. The certificate is in the trust store, or issued by an authority of it, strong, and counts now (``truststore``).
6. Signature and digests are right (SignXML).
7. A Timestamp is of now: created no more than 300 s ahead, and not past its end; without an end, no older than 300 s.
8. Handed on is the Body as its signed bytes say it, in an envelope of our own. Nobody reads the rest.

A SOAP Fault without any signature is let through: the gateway before MAGDA throttles with one, nothing of it is ever
applied, and who can forge it can cut the line as well.

A reply that was signed once and is sent again is told by its Referte, which the gate compares.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from lxml import etree
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.exceptions import SignXMLException
from signxml.verifier import SignatureConfiguration, VerifyResult, XMLVerifier

from rrsync.core.entry import Status
from rrsync.errors import ConfigError, RegistryRefused, RegistryUnreadable
from rrsync.registry import layout, markup, wss
from rrsync.registry.soap import silence
from rrsync.registry.truststore import TrustStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cryptography import x509

    from rrsync.registry.layout import Signed

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
_PLACE: Final = f"./{{{wss.SOAP}}}Header/{{{wss.WSSE}}}Security/"
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
    """A reply that is not signed, or not as it should be: nothing of it is used."""

    status: Status = Status.SIG_BAD


class Distrusted(RegistryRefused):
    """A reply signed by somebody, or in a way, that we do not trust: every reply would be."""

    status: Status = Status.SIG_BAD


class Verifier:
    """Gives of a reply what may be read. Threads may share it.

    ``policy`` says whether a signature is ``required``, is verified ``if_present`` (anything of one), or is ``never``
    looked at. ``trust`` holds the certificates that sign replies, and authorities that issue them, as PEM; two of them
    let a new one follow the old. An authority vouches for every certificate it ever issued: name the signer's own if
    you can.

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
        """Give the bytes to read: what was signed, in an envelope of our own, or the reply where none is asked for.

        Raises:
            RegistryUnreadable: the reply is no XML that may be read.
            BadSignature: it is not signed as it should be.
            Distrusted: who signed it, or how, is not to be trusted.
        """
        if self._store is None:
            return reply
        root = markup.parse(reply)
        if not layout.is_touched(root) and (self._policy == "if_present" or layout.is_fault(root)):
            return reply
        try:
            signed = layout.signed(root)
        except ValueError as error:
            why = str(error)  # a clause of ours
        else:
            now = self._clock()
            return self._body(root, signed, self._trusted(signed, self._store, now), now)
        raise _bad(why)

    def _trusted(self, signed: Signed, store: TrustStore, now: datetime) -> x509.Certificate:
        """Give the signer's certificate, if it and the algorithms are to be trusted."""
        if signed.method not in _METHOD_NAMES or not signed.digests <= _DIGEST_NAMES:
            raise _distrusted("in a way that is no longer safe")
        chain = signed.chain()
        if chain is None:
            raise _bad("its token is no certificate")
        if (why := store.doubts(chain, now)) is not None:
            raise _distrusted(why)
        return chain[0]

    def _body(self, root: etree._Element, signed: Signed, signer: x509.Certificate, now: datetime) -> bytes:
        """Give the signed Body, if signature, digests and dates are right."""
        results: list[VerifyResult] = []
        with suppress(*_WRONG):
            config = SignatureConfiguration(
                location=_PLACE,
                expect_references=len(signed.references),
                signature_methods=_METHODS,
                digest_algorithms=_DIGESTS,
                verification_time=now,
            )
            # Its schema forbids a list of prefixes that WSS4J writes in SignedInfo; ``layout`` is stricter.
            found = XMLVerifier().verify(
                root, x509_cert=signer, expect_config=config, id_attribute="Id", validate_schema=False
            )
            results = found if isinstance(found, list) else [found]
        if len(results) != len(signed.references):
            raise _bad("its signature or a digest is wrong")
        if signed.timestamp is not None and not _is_fresh(signed.timestamp, now):
            raise _bad("its timestamp is not of now")
        body = results[signed.references.index(signed.body)]
        if body.signed_xml is None or body.signed_xml.tag != f"{{{wss.SOAP}}}Body":
            raise _bad("what it signs is no body")  # pragma: no cover — layout and SignXML would not agree on an id
        return b'<e:Envelope xmlns:e="' + wss.SOAP.encode() + b'">' + body.signed_data + b"</e:Envelope>"


def _is_fresh(timestamp: etree._Element, now: datetime) -> bool:
    said = [(each.tag, _moment(each.text or "")) for each in timestamp]
    names = [name for name, _ in said]
    if names not in ([f"{{{wss.WSU}}}Created"], [f"{{{wss.WSU}}}Created", f"{{{wss.WSU}}}Expires"]):
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
