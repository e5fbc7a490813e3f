"""Names of WS-Security 1.0 and XML Signature, and PKIPath: a chain of certificates as one value.

OASIS WSS SOAP Message Security 1.0 and its X.509 Certificate Token Profile; W3C XML Signature. A PkiPath is ITU-T
X.509's SEQUENCE OF Certificate, in which the subject of each is the issuer of the next: our own stands last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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


def pack(chain: Sequence[x509.Certificate]) -> bytes:
    """Give a chain, ours first, as a PkiPath."""
    content = b"".join(each.public_bytes(Encoding.DER) for each in reversed(chain))
    size = len(content)
    if size < _LONG:
        return bytes((_SEQUENCE, size)) + content
    digits = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((_SEQUENCE, _LONG | len(digits))) + digits + content


def unpack(path: bytes) -> tuple[x509.Certificate, ...]:
    """Give the chain of a PkiPath, the signer's first.

    Raises:
        ValueError: it is no PkiPath, is empty, or holds what is no certificate.
    """
    (content,) = _sequences(path)
    if not content:
        raise ValueError("an empty path")
    return tuple(x509.load_der_x509_certificate(each) for each in reversed([*_sequences(content, whole=True)]))


def _sequences(data: bytes, *, whole: bool = False) -> Iterator[bytes]:
    """Give the DER SEQUENCEs that stand in a row, ``whole`` or without their heads; raises ``ValueError``."""
    at = 0
    while at < len(data):
        head = data[at : at + 2]
        if len(head) < 2 or head[0] != _SEQUENCE or head[1] == _LONG or head[1] > _LONG + 4:
            raise ValueError("no DER sequence")
        start = at + 2 + (head[1] - _LONG if head[1] > _LONG else 0)
        size = int.from_bytes(data[at + 2 : start], "big") if head[1] > _LONG else head[1]
        end = start + size
        if end > len(data):
            raise ValueError("a DER sequence that breaks off")
        yield data[at:end] if whole else data[start:end]
        at = end
