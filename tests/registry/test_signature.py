"""Our signatures, as software that is not ours sees them."""

from __future__ import annotations

import base64
import logging
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count, product
from pathlib import Path
from typing import Literal

import pytest
import xmlsec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from rrsync.errors import ConfigError
from rrsync.registry import reply, request, xml
from rrsync.registry.request import PERSON
from rrsync.registry.signing import Signer
from rrsync.registry.soap import SoapClient
from rrsync.registry.verification import BadSignature, Verifier
from tests.registry import authority, forge, scene
from tests.registry.authority import DAY
from tests.registry.forge import BODY, HEADER, ID, SECURITY, SIGNATURE, TOKEN
from tests.registry.scene import NOW

Algorithm = Literal["rsa-sha256", "rsa-sha1"]
Kind = Literal["x509v3", "pkipath"]
WAYS: list[tuple[Algorithm, Kind]] = list(product(("rsa-sha256", "rsa-sha1"), ("x509v3", "pkipath")))
#: Where the jars of Apache WSS4J are: see wss4j/pom.xml.
WSS4J = os.environ.get("RRSYNC_WSS4J", "")


@pytest.fixture(scope="module")
def envelope() -> Iterator[bytes]:
    """Return a question as zeep writes it."""
    client = SoapClient("http://127.0.0.1:9/")
    yield client.build(PERSON, request.request_content(scene.QUESTION, scene.AUTHORISATION, source="RR", now=NOW))
    client.close()


def signer(algorithm: Algorithm = "rsa-sha256", token: Kind = "x509v3") -> Signer:
    """Return a signer whose ids count."""
    numbers = count(1)
    return Signer(authority.ours().identity, algorithm=algorithm, token=token, new_id=lambda: f"n{next(numbers)}")


class TestForm:
    """The envelope that leaves."""

    @pytest.mark.parametrize(("algorithm", "token"), WAYS)
    def test_the_body_is_as_zeep_wrote_it(self, envelope: bytes, algorithm: Algorithm, token: Kind) -> None:
        """Only an id was added; nothing is printed prettily, and no namespace is reset."""
        signed = signer(algorithm, token).sign(envelope)
        was, now = etree.fromstring(envelope).find(BODY), etree.fromstring(signed).find(BODY)
        assert was is not None
        assert now is not None
        assert forge.canonical(now[0]) == forge.canonical(was[0])
        assert now.items() == [(ID, "Body-n1")]
        assert signed.startswith(b"<?xml version='1.0' encoding='UTF-8'?>\n<")
        assert b'xmlns=""' not in signed
        assert not re.search(rb">\s+<", signed.partition(b"?>\n")[2])

    def test_the_header_is_as_wss4j_writes_it(self, envelope: bytes) -> None:
        """One Security that must be understood; a token, then a signature that refers to it."""
        header = etree.fromstring(signer().sign(envelope)).find(HEADER)
        assert header is not None
        (security,) = header
        assert security.tag == SECURITY
        assert security.get(f"{{{xml.SOAP}}}mustUnderstand") == "1"
        token, signature = security
        assert (token.tag, signature.tag) == (TOKEN, SIGNATURE)
        assert (token.get("EncodingType"), token.get("ValueType")) == (xml.BASE64, xml.X509V3)
        (way,) = signature.findall(f".//{{{xml.WSSE}}}Reference")
        assert way.items() == [("URI", f"#{token.get(ID)}"), ("ValueType", xml.X509V3)]
        assert [each.get("URI") for each in signature.iter(f"{{{xml.DS}}}Reference")] == ["#Body-n1"]
        assert _algorithms(signature) == {xml.EXCLUSIVE, forge.METHODS["rsa-sha256"], forge.DIGESTS["sha256"]}

    def test_sha_1_is_used_for_all_or_for_nothing(self, envelope: bytes) -> None:
        """Only when it is set, and then for the digest as well."""
        signed = etree.fromstring(signer("rsa-sha1").sign(envelope))
        assert _algorithms(signed) == {xml.EXCLUSIVE, forge.METHODS["rsa-sha1"], forge.DIGESTS["sha1"]}

    def test_a_token_is_our_certificate(self, envelope: bytes) -> None:
        """Alone, as DER."""
        assert _token(signer().sign(envelope)) == authority.ours().issued.public_bytes(Encoding.DER)

    def test_a_path_leads_from_the_authority_to_us(self, envelope: bytes) -> None:
        """X.509: the subject of each certificate is the issuer of the next; BSP 1.1 wants its kind named twice."""
        signed = signer(token="pkipath").sign(envelope)
        assert xml.unpack_pkipath(_token(signed)) == authority.ours().chain
        names = re.findall(rb"root|middle|rrsync", _token(signed))
        assert names == [b"root", b"root", b"root", b"middle", b"middle", b"rrsync"]
        kinds = etree.fromstring(signed).xpath(f"//@*[. = '{xml.PKIPATH}']")
        assert isinstance(kinds, list)
        assert len(kinds) == 3

    def test_ids_are_fresh(self, envelope: bytes) -> None:
        """Each message has its own, all from one draw of the dice."""
        ours = signer()
        one, other = (set(re.findall(rb'Id="([^"]+)"', ours.sign(envelope))) for _ in range(2))
        assert one == {b"Body-n1", b"X509-n1", b"Signature-n1"}
        assert not one & other

    def test_a_header_that_is_there_stays(self) -> None:
        """What was in it stands before the signature."""
        envelope = scene.envelope("<a/>").replace(b"<s:Header/>", b'<s:Header><x xmlns="urn:x"/></s:Header>')
        header = etree.fromstring(signer().sign(envelope)).find(HEADER)
        assert header is not None
        assert [each.tag for each in header] == ["{urn:x}x", SECURITY]

    def test_threads_may_sign_at_once(self, envelope: bytes) -> None:
        """Each message is right, and no id is used twice."""
        ours = signer()
        with ThreadPoolExecutor(8) as pool:
            signed = list(pool.map(lambda _: ours.sign(envelope), range(100)))
        assert len({re.findall(rb'Id="([^"]+)"', each)[0] for each in signed}) == 100
        for each in signed:
            _xmlsec(each)

    def test_nothing_of_it_is_logged(self, envelope: bytes, caplog: pytest.LogCaptureFixture) -> None:
        """SignXML would log every canonical form at DEBUG, the number included."""
        ours = signer()
        caplog.set_level(logging.DEBUG)
        ours.sign(envelope)
        assert not caplog.records

    def test_a_key_on_a_curve_is_refused(self) -> None:
        """MAGDA's signatures are RSA (MAGDA fact sheet §6)."""
        with pytest.raises(ConfigError, match="RSA"):
            Signer(authority.issue("curve", kind="ec").identity, new_id=lambda: "1")


def _algorithms(element: etree._Element) -> set[str]:
    return {str(each.get("Algorithm")) for each in element.iter() if each.get("Algorithm") is not None}


def _token(signed: bytes) -> bytes:
    token = etree.fromstring(signed).find(f".//{TOKEN}")
    assert token is not None
    return base64.b64decode(token.text or "")


def _xmlsec(signed: bytes) -> None:
    root = etree.fromstring(signed)
    body = next(root.iter(BODY))
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(authority.ours().pem, xmlsec.constants.KeyDataFormatCertPem)
    context.register_id(body, "Id", xml.WSU)
    context.verify(next(root.iter(SIGNATURE)))


class TestOthers:
    """Whoever else looks at it finds it right, and finds it wrong when it was changed."""

    @pytest.mark.parametrize(("algorithm", "token"), WAYS)
    def test_the_library_xmlsec(self, envelope: bytes, algorithm: Algorithm, token: Kind) -> None:
        """Through Python."""
        signed = signer(algorithm, token).sign(envelope)
        _xmlsec(signed)
        with pytest.raises(xmlsec.Error):
            _xmlsec(signed.replace(b">RR<", b">KSZ<"))

    @pytest.mark.skipif(shutil.which("xmlsec1") is None, reason="xmlsec1 is not here (Debian's package xmlsec1)")
    @pytest.mark.parametrize(("algorithm", "token"), WAYS)
    def test_the_program_xmlsec1(self, envelope: bytes, tmp_path: Path, algorithm: Algorithm, token: Kind) -> None:
        """Debian's, with the certificate and no more."""
        (tmp_path / "ours.pem").write_bytes(authority.ours().pem)
        said = []
        for each in (b">RR<", b">KSZ<"):
            path = tmp_path / "signed.xml"
            path.write_bytes(signer(algorithm, token).sign(envelope).replace(b">RR<", each))
            command = ["xmlsec1", "--verify", "--pubkey-cert-pem", str(tmp_path / "ours.pem")]
            done = subprocess.run(
                [*command, "--id-attr:Id", f"{xml.SOAP}:Body", str(path)], check=False, capture_output=True
            )
            said.append(done.returncode)
        assert said[0] == 0
        assert said[1] != 0

    @pytest.mark.skipif(not WSS4J or shutil.which("java") is None, reason="WSS4J is not here (set RRSYNC_WSS4J)")
    def test_apache_wss4j(self, envelope: bytes, tmp_path: Path) -> None:
        """What MAGDA's own reference connector is made of, with the Basic Security Profile enforced."""
        ours = authority.issue("rrsync", authority.middle(), now=authority.today())
        trust = tmp_path / "trust.pem"
        trust.write_bytes(authority.root().pem + authority.middle().pem)
        paths = []
        for algorithm, token in WAYS:
            signed = Signer(ours.identity, algorithm=algorithm, token=token, new_id=lambda: "1").sign(envelope)
            for name, each in (("good", signed), ("changed", signed.replace(b">RR<", b">KSZ<"))):
                paths.append(tmp_path / f"{algorithm}-{token}-{name}.xml")
                paths[-1].write_bytes(each)
        said = _wss4j(trust, *paths)
        assert len(said) == len(paths)
        for path, line in zip(paths, said, strict=True):
            if path.stem.endswith("good"):
                assert re.fullmatch(rf"good \S*Envelope/\S*Body \S+#sha\S+ \S+#{path.stem[:8]}\S*", line), line
            else:
                assert line.startswith("bad"), line

    @pytest.mark.parametrize("token", ["x509v3", "pkipath"])
    def test_our_own_verifier(self, envelope: bytes, tmp_path: Path, token: Kind) -> None:
        """Which is stricter than any of them."""
        (tmp_path / "trust.pem").write_bytes(authority.middle().pem)
        signed = signer(token=token).sign(envelope)
        assert Verifier("required", tmp_path / "trust.pem", lambda: NOW).verified(signed) == forge.handed_on(signed)


@pytest.mark.skipif(not WSS4J or shutil.which("java") is None, reason="WSS4J is not here (set RRSYNC_WSS4J)")
@pytest.mark.parametrize("kind", ["token", "path", "serial"])
def test_what_wss4j_signs_is_believed(tmp_path: Path, kind: str) -> None:
    """A reply signed by Apache WSS4J, with a timestamp; but a certificate that is only named is not looked for."""
    now = authority.today()
    paper = authority.issue("magda", authority.middle(), now=now, ends=30 * DAY)
    (tmp_path / "signer.p12").write_bytes(paper.packed("secret"))
    (tmp_path / "plain.xml").write_bytes(scene.answer(scene.person()))
    (tmp_path / "trust.pem").write_bytes(authority.middle().pem)
    _java("Sign.java", kind, tmp_path / "signer.p12", tmp_path / "plain.xml", tmp_path / "signed.xml")
    signed = (tmp_path / "signed.xml").read_bytes()
    verifier = Verifier("required", tmp_path / "trust.pem", authority.today)
    if kind == "serial":
        with pytest.raises(BadSignature, match="X509Data"):
            verifier.verified(signed)
    else:
        assert reply.soap_reply(verifier.verified(signed)) == reply.soap_reply(scene.answer(scene.person()))


def _wss4j(trust: Path, *paths: Path) -> list[str]:
    return [line for line in _java("Verify.java", trust, *paths).splitlines() if line.startswith(("good", "bad"))]


def _java(program: str, *given: object) -> str:
    source = Path(__file__).parent / "wss4j" / program
    command = ["java", "-cp", f"{WSS4J}/*", str(source), *map(str, given)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class TestPath:
    """A PkiPath: a chain of certificates as one value."""

    @pytest.mark.parametrize("count", [1, 2, 3])
    def test_what_goes_in_comes_out(self, count: int) -> None:
        """Whatever the number."""
        chain = authority.ours().chain[:count]
        assert xml.unpack_pkipath(xml.pack_pkipath(chain)) == chain

    @pytest.mark.parametrize(
        "path",
        [
            b"",
            b"\x30",
            b"\x30\x00",
            b"\x31\x00",
            b"\x30\x80\0\0",
            b"\x30\x01",
            b"\x30\x85\0\0\0\0\0",
            b"\x30\x02\x30\x00",
        ],
    )
    def test_what_is_none_is_refused(self, path: bytes) -> None:
        """Empty, cut, of another kind, or of no length."""
        with pytest.raises(ValueError, match=r"sequence|path|values|asn1"):
            xml.unpack_pkipath(path)

    def test_it_is_as_openssl_reads_it(self) -> None:
        """A SEQUENCE of certificates, and nothing else."""
        path = xml.pack_pkipath(authority.ours().chain)
        inside = path[4:]
        assert path[:2] == b"\x30\x82"
        first = x509.load_der_x509_certificate(inside[: 4 + int.from_bytes(inside[2:4], "big")])
        assert first == authority.root().issued
