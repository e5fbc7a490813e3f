"""The anchor that is a mailbox, against a real mail server."""

from __future__ import annotations

import re
import socket
from dataclasses import replace
from threading import Event
from typing import Any

import pytest

from rrsync.anchor.mail import MailAnchor
from rrsync.core.signed_note import Checkpoint, Note, Receipt
from rrsync.errors import AnchorUnavailable, ConfigError
from tests.anchor.post import PASSWORD, USER, post_office
from tests.anchor.scene import SOON, Behaviour, Log, Trust, bad_server, drip, flood, hang, now
from tests.support import NOW


def anchor(port: int, **options: Any) -> MailAnchor:
    """Give an anchor at a port of this machine, in clear if nothing else is said."""
    told: dict[str, Any] = {"host": "127.0.0.1", "sender": "rrsync@hasselt.test", "to": "dpo@hasselt.test"}
    told |= {"clock": now, "tls": "none"} | options
    return MailAnchor(port=port, **told)


LOGS = [Log("hasselt").grow(1_234), Log("genk").grow(1)]
SIGNED = [log.signed() for log in LOGS]


def test_one_mail_says_all_of_every_log() -> None:
    """Subject, sender, receiver, and of each log its name, size, moment and note, which verifies as it stands there."""
    with post_office() as postman:
        sender = anchor(postman.port)
        receipts = sender.keep(SIGNED)
    assert receipts == [Receipt("mail 127.0.0.1", "hasselt", 1_234, ""), Receipt("mail 127.0.0.1", "genk", 1, "")]
    (mail,) = postman.mails
    assert mail["Subject"] == "rrsync: checkpoints of 2 logs, 2026-07-01"
    assert (mail["From"], mail["To"], mail["Auto-Submitted"]) == (sender.sender, sender.to, "auto-generated")
    assert mail["Date"].datetime == NOW
    assert mail["Message-ID"].endswith("@hasselt.test>")
    assert mail.get_content_type() == "text/plain"
    text = mail.get_content().replace("\r\n", "\n")
    assert "Library hasselt: 1234 entries, sent 2026-07-01 02:00 UTC\n" in text
    assert "Library genk: 1 entry, sent" in text
    found = [Note.parse(each) for each in re.findall(r"^example\.be/\S+\n(?:.+\n)+\n(?:— .+\n)+", text, re.MULTILINE)]
    assert found == [one.note for one in SIGNED]
    assert all(note.is_signed_by(log.signer.key) for note, log in zip(found, LOGS, strict=True))
    assert [Checkpoint.parse(note.text).size for note in found] == [1_234, 1]


def test_it_is_short_enough_to_print() -> None:
    """Five lines a log, with an empty one here and there, none longer than a page is wide; only ASCII on the wire."""
    with post_office() as postman:
        anchor(postman.port).keep(SIGNED[:1])
        anchor(postman.port).keep(SIGNED)
    one, two = (mail.get_content().splitlines() for mail in postman.mails)
    assert postman.mails[0]["Subject"] == "rrsync: checkpoints of 1 log, 2026-07-01"
    assert sum(1 for line in two if line) - sum(1 for line in one if line) == 5
    assert len(two) < 25
    assert max(map(len, two)) <= 120
    assert all(body.isascii() for body in postman.bodies)


def test_the_same_mail_has_the_same_name_and_another_has_another() -> None:
    """A mail that was sent twice, as nobody knew whether it came, is seen to be the same."""
    with post_office() as postman:
        for signed in (SIGNED, SIGNED, SIGNED[:1]):
            anchor(postman.port).keep(signed)
    first, second, third = (mail["Message-ID"] for mail in postman.mails)
    assert first == second != third


def test_over_starttls_with_a_password(trust: Trust) -> None:
    """The connection becomes TLS before user and password are said."""
    with post_office(context=trust.server, require_starttls=True, auth_required=True) as postman:
        anchor(postman.port, tls="starttls", ca=trust.ca, user=USER, password=PASSWORD).keep(SIGNED)
    (session,) = postman.sessions
    assert session.ssl is not None
    assert session.authenticated
    assert postman.passwords == [PASSWORD.encode()]


def test_over_tls_from_the_first_byte(trust: Trust) -> None:
    """As port 465 has it."""
    with post_office(context=trust.server, tls_at_once=True) as postman:
        anchor(postman.port, tls="tls", ca=trust.ca).keep(SIGNED)
    assert len(postman.mails) == 1


def test_to_this_machine_by_its_name_and_by_its_other_address() -> None:
    """A name that has several addresses is tried at each; it names itself by its own, and asks nobody for a name."""
    with post_office() as postman:
        anchor(postman.port, host="localhost").keep(SIGNED)
    assert postman.sessions[0].host_name == "[127.0.0.1]"


def test_nothing_is_said_to_a_server_that_cannot_keep_it_secret() -> None:
    """Without STARTTLS there is no mail, and above all no password."""
    with post_office(auth_require_tls=False) as postman, pytest.raises(AnchorUnavailable, match="STARTTLS"):
        anchor(postman.port, tls="starttls", user=USER, password=PASSWORD).keep(SIGNED)
    assert (postman.mails, postman.passwords) == ([], [])


@pytest.mark.parametrize("kind", ["starttls", "tls"])
def test_a_certificate_that_nobody_vouches_for(trust: Trust, kind: str) -> None:
    """It is said, and nothing is sent."""
    with (
        post_office(context=trust.server, tls_at_once=kind == "tls") as postman,
        pytest.raises(AnchorUnavailable, match="certificate that is not to be trusted"),
    ):
        anchor(postman.port, tls=kind).keep(SIGNED)
    assert not postman.mails


def test_a_wrong_password_is_never_shown(trust: Trust) -> None:
    """Neither it nor the user is in what is said, nor in what caused it."""
    wrong = "not-the-secret"
    with (
        post_office(context=trust.server, auth_required=True) as postman,
        pytest.raises(AnchorUnavailable, match="refuses the user or its password") as refused,
    ):
        anchor(postman.port, tls="starttls", ca=trust.ca, user=USER, password=wrong).keep(SIGNED)
    error = refused.value
    assert (error.__cause__, error.__context__) == (None, None)
    assert wrong not in str(error)
    assert f"{USER} " not in str(error)
    assert wrong not in repr(anchor(1, user=USER, password=wrong))
    assert postman.passwords == [wrong.encode()] * len(postman.passwords)


@pytest.mark.parametrize(
    ("command", "said"),
    [("MAIL", "refuses (SMTP 550)"), ("RCPT", "refuses the receiver"), ("DATA", "refuses (SMTP 550)")],
)
def test_a_server_that_refuses(command: str, said: str) -> None:
    """Its words are not repeated: they may hold an address."""
    with post_office() as postman:
        postman.refusing[command] = "550 dpo@hasselt.test is not welcome"
        with pytest.raises(AnchorUnavailable, match=re.escape(said)) as refused:
            anchor(postman.port).keep(SIGNED)
    assert "@" not in str(refused.value)
    assert "The access log itself is whole" in str(refused.value)


def test_a_server_that_wants_a_password_we_have_not(trust: Trust) -> None:
    """It refuses."""
    with (
        post_office(context=trust.server, auth_required=True) as postman,
        pytest.raises(AnchorUnavailable, match=re.escape("refuses (SMTP 530)")),
    ):
        anchor(postman.port, tls="starttls", ca=trust.ca).keep(SIGNED)


_READY = b"220 here\r\n"


def _fall_silent(connection: socket.socket, over: Event) -> None:
    connection.sendall(_READY)
    over.wait()


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        (hang, "none"),
        (hang, "starttls"),
        (hang, "tls"),
        (drip(b"220-wait\r\n"), "starttls"),
        (drip(b"2"), "none"),
        (drip(b"\x16\x03\x03\x10\x00" + bytes(4096)), "tls"),
        (_fall_silent, "starttls"),
    ],
)
def test_a_server_that_is_slow(behaviour: Behaviour, kind: str) -> None:
    """One that says nothing, one that drips and one that falls silent: the deadline is for the whole mail."""
    with (
        bad_server(behaviour) as port,
        pytest.raises(AnchorUnavailable, match=f"longer than {SOON:g} seconds"),
    ):
        anchor(port, tls=kind, deadline_s=SOON).keep(SIGNED)


@pytest.mark.parametrize("behaviour", [flood(b"", b"220-more\r\n"), flood(_READY, b"250-more\r\n")])
def test_a_server_that_never_stops(behaviour: Behaviour) -> None:
    """It is cut off long before it fills the memory, and before the deadline."""
    with bad_server(behaviour) as port, pytest.raises(AnchorUnavailable, match="broke off"):
        anchor(port, deadline_s=30).keep(SIGNED)


@pytest.mark.parametrize("said", [b"", b"hello\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"554 no\r\n"])
def test_a_server_that_is_none(said: bytes) -> None:
    """Whatever it is, it took no mail."""

    def behave(connection: socket.socket, _: Event) -> None:
        connection.sendall(said)

    with bad_server(behave) as port, pytest.raises(AnchorUnavailable, match=r"makes no sense|refuses"):
        anchor(port).keep(SIGNED)


def test_a_server_that_hangs_up_when_it_has_the_mail() -> None:
    """It took the mail: what comes after that is of no matter."""

    def behave(connection: socket.socket, _: Event) -> None:
        with connection.makefile("rwb") as line:
            for answer in (b"220 here", b"250 ok", b"250 ok", b"250 ok", b"354 go on"):
                line.write(answer + b"\r\n")
                line.flush()
                line.readline()
            while line.readline() != b".\r\n":
                pass
            line.write(b"250 taken\r\n")

    with bad_server(behave) as port:
        assert len(anchor(port).keep(SIGNED)) == 2


def test_a_server_that_speaks_no_tls() -> None:
    """A plain port where TLS is expected."""
    with post_office() as postman, pytest.raises(AnchorUnavailable, match="agree on TLS"):
        anchor(postman.port, tls="tls").keep(SIGNED)


def test_nobody_is_there() -> None:
    """A port where nothing listens, and a name that does not exist."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(AnchorUnavailable, match="cannot be reached"):
        anchor(port).keep(SIGNED)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"host": "mail.example.org"}, "in clear over the network"),
        ({"host": "192.0.2.7"}, "in clear over the network"),
        ({"to": "dpo"}, "is no address"),
        ({"to": "dpo@a.test, all@b.test"}, "is no address"),
        ({"to": "dpo@a.test\nBcc: all@b.test"}, "is no address"),
        ({"sender": "Someone <a@b.test>"}, "is no address"),
        ({"user": "me", "password": "gehéim"}, "plain letters"),
        ({"tls": "tls", "ca": "/nowhere/ca.pem"}, "CA file"),
    ],
)
def test_settings_that_cannot_be(options: dict[str, Any], said: str) -> None:
    """They are refused before anything is sent, and a password is not shown."""
    with pytest.raises(ConfigError, match=said) as refused:
        anchor(25, **options)
    assert "gehéim" not in str(refused.value)


def test_this_machine_is_near_enough() -> None:
    """In clear is for this machine, by any of its names."""
    near = anchor(25)
    assert [replace(near, host=host).host for host in ("localhost", "127.0.0.2", "::1")]
