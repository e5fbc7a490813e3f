"""Who we are to MAGDA, as files say it, and when that ends."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)

from rrsync.errors import ConfigError
from rrsync.net.bounded_socket import Identity
from rrsync.registry import certificates
from rrsync.registry.certificates import identity, warning
from tests.registry import authority
from tests.registry.authority import DAY, Paper
from tests.registry.scene import NOW

WORD = "a pass phrase, or so"
_PEMS = authority.ours().chain


def _put(folder: Path, name: str, *parts: bytes) -> Path:
    path = folder / name
    path.write_bytes(b"".join(parts))
    return path


def _pem(*papers: Paper) -> bytes:
    return b"".join(each.pem for each in papers)


class TestGood:
    """Files that can be used."""

    @pytest.mark.parametrize("passphrase", ["", WORD])
    @pytest.mark.parametrize("is_together", [False, True], ids=["beside it", "in it"])
    def test_pem(self, tmp_path: Path, passphrase: str, is_together: bool) -> None:
        """A key beside its certificate or in one file with it, with a passphrase or without."""
        paper = authority.ours()
        chain = b"".join(each.public_bytes(Encoding.PEM) for each in paper.chain)
        secret = paper.secret(passphrase)
        certificate = _put(tmp_path, "client.pem", secret if is_together else b"", chain)
        key = None if is_together else _put(tmp_path, "client.key", secret)
        found = identity(certificate, key, passphrase)
        assert found.chain == paper.chain
        assert certificates.spki(found.key.public_key()) == certificates.spki(paper.key.public_key())

    def test_an_old_form_of_pem(self, tmp_path: Path) -> None:
        """As OpenSSL wrote keys for decades."""
        paper, locked = authority.ours(), BestAvailableEncryption(WORD.encode())
        secret = paper.key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, locked)
        assert b"Proc-Type" in secret
        assert identity(_put(tmp_path, "a", paper.pem), _put(tmp_path, "b", secret), WORD).certificate == paper.issued

    @pytest.mark.parametrize("name", ["client.p12", "client.pfx", "client.pem", "client"])
    @pytest.mark.parametrize("passphrase", ["", WORD])
    def test_pkcs_12(self, tmp_path: Path, name: str, passphrase: str) -> None:
        """It is told by what is in it, not by its name; what is said of a key beside it does not matter."""
        paper = authority.ours()
        path = _put(tmp_path, name, paper.packed(passphrase))
        assert identity(path, None, passphrase).chain == paper.chain
        assert identity(path, tmp_path / "none.key", passphrase).chain == paper.chain

    def test_a_passphrase_that_nothing_asks_for_does_no_harm(self, tmp_path: Path) -> None:
        """Somebody took the lock off, and left the credential."""
        certificate, key = authority.ours().save(tmp_path, "client")
        assert identity(certificate, key, WORD).certificate == authority.ours().issued

    def test_only_what_leads_to_our_issuers_is_kept(self, tmp_path: Path) -> None:
        """In its order, ours first, whatever the order in the file."""
        stranger = authority.issue("stranger")
        mixed = _pem(authority.root(), stranger, authority.middle(), authority.ours())
        found = identity(_put(tmp_path, "a", mixed), _put(tmp_path, "b", authority.ours().secret()), "")
        assert found.chain == authority.ours().chain

    def test_of_two_for_one_key_the_one_that_lasts_is_ours(self, tmp_path: Path) -> None:
        """As after a renewal with the same key."""
        old = authority.issue("rrsync", authority.middle(), ends=DAY)
        both = _put(tmp_path, "a", _pem(old, authority.ours()))
        assert identity(both, _put(tmp_path, "b", old.secret()), "").certificate == authority.ours().issued

    def test_a_key_on_a_curve(self, tmp_path: Path) -> None:
        """TLS may use one, though a signature may not."""
        certificate, key = authority.issue("curve", kind="ec").save(tmp_path, "curve")
        assert identity(certificate, key, "").chain

    def test_it_counts_between_its_dates(self) -> None:
        """To the second."""
        ours = authority.issue("short", ends=DAY).identity
        moments = (-DAY - timedelta(seconds=1), -DAY, DAY, DAY + timedelta(seconds=1))
        assert [ours.valid(NOW + each) for each in moments] == [False, True, True, False]

    def test_it_prints_nothing_of_a_key(self) -> None:
        """Not in a log, nor in a traceback."""
        assert repr(authority.ours().identity) == "Identity(***)"


class TestBad:
    """Files that cannot be used are found at the start, and the error gives nothing away."""

    def _refused(self, certificate: Path, key: Path | None, passphrase: str, match: str) -> None:
        with pytest.raises(ConfigError, match=match) as caught:
            identity(certificate, key, passphrase)
        cause = caught.value.__cause__
        for said in (str(caught.value), repr(cause)):
            assert passphrase not in said or not passphrase
            assert "PRIVATE KEY" not in said
        assert caught.value.todo

    @pytest.mark.parametrize("passphrase", ["", "wrong", WORD + " "])
    def test_a_wrong_passphrase_for_pem(self, tmp_path: Path, passphrase: str) -> None:
        """Or none: nobody is asked for it on a terminal."""
        paper = authority.ours()
        key = _put(tmp_path, "client.key", paper.secret(WORD))
        self._refused(_put(tmp_path, "client.pem", paper.pem), key, passphrase, "passphrase")

    @pytest.mark.parametrize("passphrase", ["", "wrong", WORD + " "])
    def test_a_wrong_passphrase_for_pkcs_12(self, tmp_path: Path, passphrase: str) -> None:
        """Or none."""
        path = _put(tmp_path, "client.p12", authority.ours().packed(WORD))
        self._refused(path, None, passphrase, "passphrase")

    def test_a_key_of_another_certificate(self, tmp_path: Path) -> None:
        """Of the issuer's, say."""
        key = _put(tmp_path, "client.key", authority.issue("stranger").secret())
        self._refused(_put(tmp_path, "client.pem", authority.ours().pem), key, "", "not that of")

    @pytest.mark.parametrize("kind", ["weak", "small"])
    def test_a_key_that_is_too_weak(self, tmp_path: Path, kind: authority.Kind) -> None:
        """RSA below 2048 bits, a curve below 256."""
        certificate, key = authority.issue("weak", kind=kind).save(tmp_path, "weak")
        self._refused(certificate, key, "", "too weak")

    def test_a_key_of_another_kind(self, tmp_path: Path) -> None:
        """MAGDA takes RSA."""
        odd = ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self._refused(_put(tmp_path, "a", authority.ours().pem), _put(tmp_path, "b", odd), "", "kind")

    def test_no_key(self, tmp_path: Path) -> None:
        """Neither in the file nor named."""
        self._refused(_put(tmp_path, "client.pem", authority.ours().pem), None, "", "no private key")

    def test_pkcs_12_without_a_key(self, tmp_path: Path) -> None:
        """As a store of authorities is."""
        store = pkcs12.serialize_key_and_certificates(b"x", None, None, list(_PEMS), NoEncryption())
        self._refused(_put(tmp_path, "store.p12", store), None, "", "no private key")

    @pytest.mark.parametrize("which", ["certificate", "key"])
    def test_a_file_that_is_not_there(self, tmp_path: Path, which: str) -> None:
        """Or that this user may not read."""
        certificate, key = authority.ours().save(tmp_path, "client")
        (certificate if which == "certificate" else key).unlink()
        self._refused(certificate, key, "", "cannot be read")

    @pytest.mark.parametrize(
        ("content", "match"),
        [
            (b"", "neither PEM nor PKCS#12"),
            (b"magda", "neither PEM nor PKCS#12"),
            (b"\x30\x03\x02\x01\x03", "damaged"),
            (b"-----BEGIN CERTIFICATE-----\nmagda\n-----END CERTIFICATE-----\n", "no PEM certificate"),
        ],
    )
    def test_a_file_that_is_neither(self, tmp_path: Path, content: bytes, match: str) -> None:
        """Empty, text, cut off."""
        key = _put(tmp_path, "client.key", authority.ours().secret())
        self._refused(_put(tmp_path, "client.pem", content), key, "", match)

    @pytest.mark.parametrize("cut", [200, 1000])
    def test_a_damaged_key(self, tmp_path: Path, cut: int) -> None:
        """Without a passphrase to blame."""
        secret = authority.ours().secret()
        key = _put(tmp_path, "client.key", secret[:cut], b"\n-----END PRIVATE KEY-----\n")
        self._refused(_put(tmp_path, "client.pem", authority.ours().pem), key, "", "damaged")


class TestDates:
    """How long it lasts."""

    @pytest.mark.parametrize(
        ("days", "state", "todo"),
        [
            (400, "ok", ""),
            (61, "ok", ""),
            (60, "warning", "plan"),
            (31, "warning", "plan"),
            (30, "warning", "now"),
            (15, "warning", "now"),
            (14, "warning", "this week"),
            (8, "warning", "this week"),
            (7, "warning", "URGENT"),
            (0, "warning", "URGENT"),
            (-1, "fault", "nothing works"),
            (-400, "fault", "nothing works"),
        ],
    )
    def test_it_becomes_more_pressing(self, days: int, state: str, todo: str) -> None:
        """At 60, 30, 14 and 7 days, and when it is over."""
        said = warning(days)
        assert said[0] == state
        assert todo in said[1]


def test_an_identity_is_a_value() -> None:
    """Two of the same key and chain are one."""
    paper = authority.ours()
    assert Identity(paper.key, paper.chain) == paper.identity
