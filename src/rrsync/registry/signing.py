"""Signs envelopes as MAGDA requires: WS-Security 1.0, the Body alone, with the key of our certificate.

1. The Body gets a ``wsu:Id``. The Header gets a ``wsse:Security`` that must be understood, with our certificate (a
   BinarySecurityToken) and a signature that refers to it (MAGDA fact sheet §6).
2. The Body and the SignedInfo are in exclusive canonical form. The algorithm is RSA with SHA-256, or with SHA-1 where
   the settings say so; then the digest is SHA-1 too, for verifiers that require it know no other.
3. The envelope is serialised once, after signing, and sent as these bytes.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Final, Literal

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree
from lxml.etree import _Element
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureConstructionMethod, SignatureMethod
from signxml.signer import XMLSigner

from rrsync.errors import ConfigError
from rrsync.net.bounded_socket import Identity
from rrsync.registry import xml
from rrsync.registry.soap import silence

_ALGORITHMS: Final = {
    "rsa-sha256": (SignatureMethod.RSA_SHA256, DigestAlgorithm.SHA256),
    "rsa-sha1": (SignatureMethod.RSA_SHA1, DigestAlgorithm.SHA1),
}


class Signer:
    """Signs envelopes with the key of an identity. Threads may share it.

    ``token`` says whether our certificate is sent alone or with those of its issuers (``pkipath``). ``new_id`` returns
    a text of letters, digits and hyphens that is unique to a message.

    Raises:
        ConfigError: the key is no RSA key.
    """

    def __init__(
        self,
        identity: Identity,
        *,
        algorithm: Literal["rsa-sha256", "rsa-sha1"] = "rsa-sha256",
        token: Literal["x509v3", "pkipath"] = "x509v3",  # noqa: S107 — a kind of token, no secret
        new_id: Callable[[], str],
    ) -> None:
        if not isinstance(identity.key, rsa.RSAPrivateKey):
            raise ConfigError(
                "The client certificate's key is no RSA key, and MAGDA's signatures are RSA",
                kept="Nothing was asked",
                todo="Ask for a certificate with an RSA key",
            )
        silence()
        self._key = identity.key
        self._method, self._digest = _ALGORITHMS[algorithm]
        is_alone = token == "x509v3"  # noqa: S105 — a kind of token, no secret
        shown = identity.certificate.public_bytes(Encoding.DER) if is_alone else xml.pack_pkipath(identity.chain)
        self._token, self._kind = b64encode(shown).decode(), xml.X509V3 if is_alone else xml.PKIPATH
        self._new_id = new_id

    def sign(self, envelope: bytes) -> bytes:
        """Return an envelope with its Body signed, as the exact bytes that are sent."""
        fresh = self._new_id()
        root = _with_header(etree.fromstring(envelope))
        header, body = root
        body.set(f"{{{xml.WSU}}}Id", f"Body-{fresh}")
        security = etree.SubElement(header, f"{{{xml.WSSE}}}Security", nsmap={"wsse": xml.WSSE})
        security.set(f"{{{xml.SOAP}}}mustUnderstand", "1")
        token = etree.SubElement(security, f"{{{xml.WSSE}}}BinarySecurityToken")
        token.set("EncodingType", xml.BASE64)
        token.set("ValueType", self._kind)
        token.set(f"{{{xml.WSU}}}Id", f"X509-{fresh}")
        token.text = self._token
        signer = _Signing(
            SignatureConstructionMethod.detached,
            self._method,
            self._digest,
            CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
        )
        info = _key_info(f"#X509-{fresh}", self._kind)
        signed = signer.sign(root, key=self._key, reference_uri=f"#Body-{fresh}", key_info=info, id_attribute="Id")
        signed.set("Id", f"Signature-{fresh}")
        security.append(signed)
        return etree.tostring(root, encoding="UTF-8", xml_declaration=True)


class _Signing(XMLSigner):
    """SignXML's signer, without its refusal of SHA-1: the settings choose the algorithm."""

    def check_deprecated_methods(self) -> None:
        """Refuse nothing: SHA-1 is one of the two algorithms of ``Signer``."""


def _with_header(root: _Element) -> _Element:
    """Return an envelope of a Header and the Body that declares the prefixes of a signature."""
    prefixes: dict[str | None, str] = {**root.nsmap, "wsu": xml.WSU}
    wrapped = etree.Element(root.tag, nsmap=prefixes)  # type: ignore[arg-type]  # the stubs forget the default one
    header = root.find(f"{{{xml.SOAP}}}Header")
    wrapped.append(etree.Element(f"{{{xml.SOAP}}}Header") if header is None else header)
    wrapped.append(root[-1])
    return wrapped


def _key_info(uri: str, kind: str) -> _Element:
    """Return the KeyInfo that refers to the token; for a PKIPath it names the type twice (WS-I BSP 1.1, R5215)."""
    info = etree.Element(f"{{{xml.DS}}}KeyInfo", nsmap={"ds": xml.DS})
    names = {"wsse": xml.WSSE, "wsse11": xml.WSSE11} if kind == xml.PKIPATH else {"wsse": xml.WSSE}
    reference = etree.SubElement(info, f"{{{xml.WSSE}}}SecurityTokenReference", nsmap=names)
    if kind == xml.PKIPATH:
        reference.set(f"{{{xml.WSSE11}}}TokenType", kind)
    etree.SubElement(reference, f"{{{xml.WSSE}}}Reference", URI=uri, ValueType=kind)
    return info
