"""Who may sign a reply, and that what was signed is what is read."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from itertools import product
from pathlib import Path
from typing import Literal

import pytest
import xmlsec
from lxml import etree

from rrsync.core.exchange import Found
from rrsync.errors import ConfigError, RegistryRefused, RegistryUnreadable
from rrsync.registry import reply as registry_reply
from rrsync.registry import xml
from rrsync.registry.codes import Action
from rrsync.registry.verification import BadSignature, Distrusted, Verifier
from tests.registry import authority, forge, scene
from tests.registry.authority import DAY, Paper
from tests.registry.forge import BODY, ID, SECURITY, SIGNATURE, Shape
from tests.registry.scene import NOW

Policy = Literal["never", "if_present", "required"]
SECOND = timedelta(seconds=1)
UNSIGNED = scene.answer(scene.person())


@pytest.fixture
def verifier(tmp_path: Path) -> Callable[..., Verifier]:
    """Return a way to make a verifier that trusts these papers, at this moment."""

    def make(*papers: Paper, policy: Policy = "required", now: datetime = NOW) -> Verifier:
        trust = tmp_path / "trust.pem"
        trust.write_bytes(b"".join(each.pem for each in papers or (authority.middle(),)))
        return Verifier(policy, trust, lambda: now)

    return make


def _curve() -> Paper:
    return authority.issue("curve", authority.middle(), kind="ec")


def _shapes() -> Iterator[tuple[str, Shape]]:
    """Return genuine replies of many shapes."""
    names = (("s", "wsse", "wsu", "ds"), ("soap", "o", "u", "dsig"), ("SOAP-ENV", "w", "util", "x"))
    tokens: tuple[forge.Token, ...] = ("x509v3", "pkipath", "x509data", "reference-x509data")
    for token, stamped, said in product(tokens, (False, True), names):
        yield f"{token}, {said[0]}, {stamped}", Shape(token=token, timestamp=stamped, names=said)
    for method, digest in product(
        ("rsa-sha256", "rsa-sha384", "rsa-sha512", "pss-sha256"), ("sha256", "sha384", "sha512")
    ):
        yield f"{method}, {digest}", Shape(method=method, digest=digest, timestamp=True)
    for method in ("ecdsa-sha256", "ecdsa-sha384"):
        yield method, Shape(paper=_curve(), method=method, token="pkipath")
    for spread in ("\n", "\n    ", "\r\n\t"):
        yield f"spread by {spread!r}", Shape(spread=spread, timestamp=True)
    for created, lasts in (
        (NOW + 300 * SECOND, 300 * SECOND),
        (NOW - 299 * SECOND, 300 * SECOND),
        (NOW - 300 * SECOND, None),
        (NOW - DAY, 2 * DAY),
    ):
        yield f"of {created}, for {lasts}", Shape(timestamp=True, created=created, lasts=lasts)
    for fraction in ("", ".1", ".123456789"):
        yield f"a fraction {fraction}", Shape(timestamp=True, fraction=fraction)
    zone = datetime(2026, 7, 1, 12, 0, tzinfo=timezone(2 * timedelta(hours=1)))
    yield "another zone", Shape(timestamp=True, says=f"<wsu:Created>{zone.isoformat()}</wsu:Created>")
    yield "a token of which nothing says the kind", Shape(has_type=False)
    quoted = forge.CONTENT.replace('xmlns:g="', 'xmlns="').replace("g:GeefPersoonResponse", "GeefPersoonResponse")
    yield "a namespace reset", Shape(content=quoted.replace("<Repliek>", '<Repliek xmlns="">'))
    yield "single quotes", Shape(content=forge.CONTENT.replace('"', "'"))
    yield "letters", Shape(content=forge.CONTENT.replace("Kanariepiet", "Ca\u0308narië-Ångström \U0001f426 &amp; &lt;"))
    attributes = forge.CONTENT.replace("<Persoon ", '<Persoon z="1" a="2" xmlns:q="urn:q" q:b="3" ')
    yield "attributes in another order", Shape(content=attributes)
    yield "a fault", Shape(content="<s:Fault><faultcode>s:Server</faultcode><faultstring>99995</faultstring></s:Fault>")


GENUINE = dict(_shapes())


class TestGenuine:
    """What MAGDA's software may well send."""

    @pytest.mark.parametrize("name", GENUINE)
    def test_it_is_believed(self, verifier: Callable[..., Verifier], name: str) -> None:
        """What is handed on is the signed Body to the byte, and a reply that can be read."""
        reply = forge.reply(GENUINE[name])
        handed_on = verifier().verified(reply)
        assert handed_on == forge.handed_on(reply)
        assert registry_reply.soap_reply(handed_on) == registry_reply.soap_reply(reply)
        _xmlsec(reply, GENUINE[name].paper)

    def test_there_are_fifty(self) -> None:
        """And no two are one."""
        assert len({forge.reply(each) for each in GENUINE.values()}) >= 50

    @pytest.mark.parametrize("listed", ["s", "wsu", "s wsu g wsse"])
    @pytest.mark.parametrize("stamped", [False, True])
    def test_prefixes_may_be_listed(self, verifier: Callable[..., Verifier], listed: str, stamped: bool) -> None:
        """WSS4J lists those in scope; what is handed on then declares them."""
        reply = forge.reply(listed=listed, timestamp=stamped)
        assert verifier().verified(reply) == forge.handed_on(reply, listed)
        _xmlsec(reply, authority.magda())

    @pytest.mark.parametrize("token", ["bst", "x509"])
    def test_one_that_xmlsec_signed(self, verifier: Callable[..., Verifier], token: str) -> None:
        """The same by software that is nobody's here."""
        reply = _signed_by_xmlsec(authority.magda(), is_token=token == "bst")
        assert verifier().verified(reply) == forge.handed_on(reply)

    def test_it_is_read(self, verifier: Callable[..., Verifier]) -> None:
        """From the signed bytes to an answer."""
        handed_on = verifier().verified(forge.reply(timestamp=True))
        reading = scene.read(handed_on)
        assert isinstance(reading.answer, Found)

    def test_threads_may_verify_at_once(self, verifier: Callable[..., Verifier]) -> None:
        """Each gets its own."""
        ours = verifier()
        replies = [forge.reply(content=forge.content(ref=f"ref-{number}")) for number in range(40)]
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(ours.verified, replies)) == [forge.handed_on(each) for each in replies]

    def test_nothing_of_it_is_logged(self, verifier: Callable[..., Verifier], caplog: pytest.LogCaptureFixture) -> None:
        """SignXML would log every canonical form at DEBUG, the person included."""
        ours = verifier()
        caplog.set_level(logging.DEBUG)
        ours.verified(forge.reply(timestamp=True))
        assert not caplog.records


def _xmlsec(reply: bytes, paper: Paper) -> None:
    """Let another library say that a signature is right."""
    root = etree.fromstring(reply)
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(paper.pem, xmlsec.constants.KeyDataFormatCertPem)
    for element in root.iter():
        if element.get(ID) is not None:
            context.register_id(element, "Id", xml.WSU)
    context.verify(next(root.iter(SIGNATURE)))


def _signed_by_xmlsec(paper: Paper, *, is_token: bool) -> bytes:
    """Let another library sign."""
    drawn = etree.fromstring(forge.reply(token="x509v3" if is_token else "x509data"))
    old = next(drawn.iter(SIGNATURE))
    security = next(drawn.iter(SECURITY))
    made = xmlsec.template.create(
        drawn, xmlsec.constants.TransformExclC14N, xmlsec.constants.TransformRsaSha256, ns="ds"
    )
    body = drawn.find(BODY)
    assert body is not None
    target = xmlsec.template.add_reference(made, xmlsec.constants.TransformSha256, uri=f"#{body.get(ID)}")
    xmlsec.template.add_transform(target, xmlsec.constants.TransformExclC14N)
    info = xmlsec.template.ensure_key_info(made)
    if is_token:
        info.append(next(old.iter(f"{{{xml.WSSE}}}SecurityTokenReference")))
    else:
        xmlsec.template.x509_data_add_certificate(xmlsec.template.add_x509_data(info))
    security.replace(old, made)
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(paper.secret(), xmlsec.constants.KeyDataFormatPem)
    context.key.load_cert_from_memory(paper.pem, xmlsec.constants.KeyDataFormatPem)
    context.register_id(body, "Id", xml.WSU)
    context.sign(made)
    return etree.tostring(drawn)


class TestTrust:
    """Whose certificate counts."""

    @pytest.mark.parametrize("token", ["x509v3", "pkipath", "x509data"])
    @pytest.mark.parametrize("trusted", [authority.magda, authority.middle], ids=["its own", "its issuer's"])
    def test_its_own_or_its_issuers(
        self, verifier: Callable[..., Verifier], token: forge.Token, trusted: Callable[[], Paper]
    ) -> None:
        """Either will do, however the signer shows itself."""
        assert verifier(trusted()).verified(forge.reply(token=token))

    def test_an_issuers_issuer_if_the_way_there_is_shown(self, verifier: Callable[..., Verifier]) -> None:
        """A token that holds one certificate shows no way."""
        ours = verifier(authority.root())
        assert ours.verified(forge.reply(token="pkipath"))
        with pytest.raises(Distrusted, match="trust store"):
            ours.verified(forge.reply(token="x509v3"))

    def test_two_let_a_new_one_follow_the_old(self, verifier: Callable[..., Verifier]) -> None:
        """While both are in the store, replies of either are believed; then the old one's are not."""
        old, new = authority.issue("old signer"), authority.issue("new signer")
        both, late = verifier(old, new), forge.reply(paper=old)
        assert both.verified(late)
        assert both.verified(forge.reply(paper=new))
        with pytest.raises(Distrusted):
            verifier(new).verified(late)

    def test_a_pinned_one_that_is_no_authority_vouches_for_nobody(self, verifier: Callable[..., Verifier]) -> None:
        """Whoever signs replies may not issue certificates with the same key."""
        child = authority.issue("child", authority.magda())
        with pytest.raises(Distrusted):
            verifier(authority.magda()).verified(forge.reply(paper=child, token="pkipath"))

    def test_one_made_by_a_plain_tool(self, verifier: Callable[..., Verifier]) -> None:
        """A signer that issued itself, as authority, is trusted by name."""
        paper = authority.issue("self", is_ca=True)
        assert verifier(paper).verified(forge.reply(paper=paper))

    @pytest.mark.parametrize(
        ("moment", "is_good"),
        [(-DAY, True), (-DAY - SECOND, False), (DAY, True), (DAY + SECOND, False)],
        ids=["at its beginning", "before", "at its end", "after"],
    )
    @pytest.mark.parametrize("is_pinned", [False, True])
    def test_it_counts_between_its_dates(
        self, verifier: Callable[..., Verifier], moment: timedelta, is_good: bool, is_pinned: bool
    ) -> None:
        """By our clock, that moves here and not in the certificate."""
        paper = authority.issue("short", authority.middle(), ends=DAY)
        ours = verifier(paper if is_pinned else authority.middle(), now=NOW + moment)
        if is_good:
            assert ours.verified(forge.reply(paper=paper))
        else:
            with pytest.raises(Distrusted, match="count now"):
                ours.verified(forge.reply(paper=paper))

    def test_one_without_extensions_is_trusted_by_name(self, verifier: Callable[..., Verifier]) -> None:
        """And vouches for nobody."""
        plain = authority.plain()
        assert verifier(plain).verified(forge.reply(paper=plain))
        with pytest.raises(Distrusted):
            verifier(plain).verified(forge.reply(paper=authority.issue("child", plain), token="pkipath"))

    def test_a_key_of_a_kind_that_nobody_knows(self, verifier: Callable[..., Verifier]) -> None:
        """A certificate that cannot be used is distrusted, and nothing breaks on it."""
        odd = authority.odd()
        with pytest.raises(Distrusted, match="cannot be used"):
            verifier().verified(forge.reply(shown=odd))

    @pytest.mark.parametrize(
        ("method", "digest"),
        [("rsa-sha1", "sha1"), ("rsa-sha256", "sha1"), ("rsa-sha1", "sha256"), ("hmac-sha256", "sha256")],
    )
    def test_a_way_that_is_not_safe_is_distrusted(
        self, verifier: Callable[..., Verifier], method: str, digest: str
    ) -> None:
        """Whoever it is: every reply would be like it, so the run stops."""
        with pytest.raises(Distrusted, match="no longer safe"):
            verifier(authority.magda()).verified(forge.reply(method=method, digest=digest, secret=b"known"))

    @pytest.mark.parametrize("content", [None, b"", b"no certificate", "key"])
    def test_a_store_that_is_none_stops_at_the_start(self, tmp_path: Path, content: bytes | str | None) -> None:
        """Missing, empty, or with a key alone."""
        path = tmp_path / "trust.pem"
        if content is not None:
            path.write_bytes(authority.magda().secret() if isinstance(content, str) else content)
        with pytest.raises(ConfigError):
            Verifier("required", path, lambda: NOW)


class TestPolicy:
    """When signatures count."""

    @pytest.mark.parametrize("policy", ["required", "if_present"])
    def test_without_a_store_nothing_can_count(self, policy: Policy) -> None:
        """The settings say so, and so does this."""
        with pytest.raises(ConfigError, match="trust"):
            Verifier(policy, None, lambda: NOW)

    @pytest.mark.parametrize("reply", [UNSIGNED, forge.reply(paper=authority.issue("stranger")), b"", b"no XML"])
    def test_never_looks_at_nothing(self, tmp_path: Path, reply: bytes) -> None:
        """The reply goes on as it is, and no store is read."""
        assert Verifier("never", tmp_path / "none.pem", lambda: NOW).verified(reply) == reply
        assert Verifier("never", None, lambda: NOW).verified(reply) == reply

    def test_if_present_lets_an_unsigned_reply_through_as_it_is(self, verifier: Callable[..., Verifier]) -> None:
        """As MAGDA's are, as far as is known (MAGDA fact sheet §6)."""
        assert verifier(policy="if_present").verified(UNSIGNED) == UNSIGNED

    def test_required_does_not(self, verifier: Callable[..., Verifier]) -> None:
        """One member goes on hold: the error is of the reply, not of the register."""
        with pytest.raises(BadSignature) as caught:
            verifier().verified(UNSIGNED)
        assert isinstance(caught.value, RegistryUnreadable)

    @pytest.mark.parametrize(
        "left",
        [
            f'<s:Header><w:Security xmlns:w="{xml.WSSE}"/></s:Header>',
            f'<s:Header><w:BinarySecurityToken xmlns:w="{xml.WSSE}"/></s:Header>',
            f'<s:Header><d:Signature xmlns:d="{xml.DS}"/></s:Header>',
            f'<s:Header><d:SignatureValue xmlns:d="{xml.DS}"/></s:Header>',
            f'<s:Header><u:Timestamp xmlns:u="{xml.WSU}"/></s:Header>',
            f'<s:Header xmlns:u="{xml.WSU}" u:Id="x"/>',
            "<s:Header><Signature/></s:Header>",
            '<s:Header><x:SECURITY xmlns:x="urn:x"/></s:Header>',
            f'<s:Header><x xmlns:w="{xml.WSSE11}" w:TokenType="x"/></s:Header>',
        ],
    )
    def test_if_present_wants_all_of_what_is_there_in_part(self, verifier: Callable[..., Verifier], left: str) -> None:
        """Whoever takes a signature away leaves nothing of it, or is found."""
        reply = UNSIGNED.replace(b"<s:Header/>", left.encode())
        assert reply != UNSIGNED
        with pytest.raises(BadSignature):
            verifier(policy="if_present").verified(reply)

    @pytest.mark.parametrize("policy", ["required", "if_present"])
    @pytest.mark.parametrize("reply", [b"", b"<a", b"<!DOCTYPE a><a/>", b'<a xmlns="\xff"/>'])
    def test_what_is_no_xml_is_unreadable(
        self, verifier: Callable[..., Verifier], policy: Policy, reply: bytes
    ) -> None:
        """It is refused before anything of it is believed."""
        with pytest.raises(RegistryUnreadable, match="cannot be read"):
            verifier(policy=policy).verified(reply)

    @pytest.mark.parametrize("policy", ["if_present", "required"])
    def test_a_fault_that_nobody_signed_is_let_through(self, verifier: Callable[..., Verifier], policy: Policy) -> None:
        """A gateway throttles with one; whatever it says, nothing of it is applied."""
        fault = scene.fault("99995 - Te veel gelijktijdige bevragingen")
        assert verifier(policy=policy).verified(fault) == fault
        reading = scene.read(fault)
        assert reading.action is Action.RETRY

    @pytest.mark.parametrize(
        "content",
        [
            "<s:Fault/>" + forge.CONTENT,
            forge.CONTENT + "<s:Fault/>",
            "<s:Fault/><s:Fault/>",
            "<Fault/>",
            f"<x><s:Fault/>{forge.CONTENT}</x>",
        ],
    )
    def test_nothing_comes_through_beside_one(self, verifier: Callable[..., Verifier], content: str) -> None:
        """Nor in its name."""
        with pytest.raises(BadSignature):
            verifier().verified(scene.envelope(content))
        two = scene.envelope("<s:Fault/>").replace(b"</s:Envelope>", b"<s:Body><s:Fault/></s:Body></s:Envelope>")
        with pytest.raises(BadSignature):
            verifier().verified(two)

    def test_distrust_stops_the_run(self, verifier: Callable[..., Verifier]) -> None:
        """Every reply would be like this one; the error says what to do, and quotes nobody."""
        with pytest.raises(Distrusted) as caught:
            verifier().verified(forge.reply(paper=authority.issue("mallory")))
        assert isinstance(caught.value, RegistryRefused)
        assert "mallory" not in str(caught.value)
        assert caught.value.__cause__ is None
        assert caught.value.todo
