"""What the data-protection officer is told at once."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from rrsync.anchor.mail import MailAnchor
from rrsync.audit.alarm import Alarm
from rrsync.core.report import MIX_UP, SIGNATURE
from tests.anchor.post import Postman, post_office
from tests.support import Clock


def mailbox(postman: Postman) -> MailAnchor:
    """Return the officer's mailbox."""
    return MailAnchor(
        host="127.0.0.1",
        port=postman.port,
        tls="none",
        sender="rrsync@library.example",
        to="dpo@library.example",
        clock=Clock(),
    )


@pytest.mark.parametrize("language", ["nl", "en"])
@pytest.mark.parametrize(("reason", "status"), [(MIX_UP, "mismatch"), (SIGNATURE, "sig_bad")])
def test_a_mail_says_which_library_and_where_to_look(language: str, reason: str, status: str) -> None:
    """And nothing of a person."""
    with post_office() as postman, capture_logs() as said:
        Alarm(lambda: mailbox(postman), language)(reason, "hasselt")
    (mail,) = postman.mails
    assert "hasselt" in str(mail["Subject"])
    assert f"rrsync log show --library hasselt --outcome {status}" in " ".join(mail.get_content().split())
    assert [(line["event"], line["reason"], line["library"]) for line in said] == [("alarm", reason, "hasselt")]


def test_without_a_mailbox_the_log_says_it() -> None:
    """Whoever watches it hears."""
    with capture_logs() as said:
        Alarm(lambda: None, "nl")(MIX_UP, "hasselt")
    assert [line["event"] for line in said] == ["alarm"]


def test_a_mail_that_is_not_taken_stops_nothing() -> None:
    """It is said, without the mail server's words."""
    with post_office() as postman, capture_logs() as said:
        postman.refusing["RCPT"] = "550 no such person"
        Alarm(lambda: mailbox(postman), "en")(MIX_UP, "hasselt")
    assert [line["event"] for line in said] == ["alarm", "alarm.unsent"]
    assert "no such" not in str(said)
