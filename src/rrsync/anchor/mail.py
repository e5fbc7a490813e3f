"""An anchor that is a mailbox: one plain mail to the data-protection officer, short enough to print and keep.

The mail holds each log's signed note letter for letter, so that its receiver can check the log against it, years later,
with nothing but the log's public key. Mail goes in clear to this machine only. Elsewhere the connection is TLS or
becomes it (STARTTLS), or nothing is sent.
"""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from hashlib import sha256
from typing import Final, Literal

from rrsync.core.signed_note import Receipt, Signed
from rrsync.errors import AnchorUnavailable, ConfigError
from rrsync.net.bounded_socket import Failure, classify, connect, current, is_here, tls

_MAX_RECEIVED: Final = 1 << 16
_ADDRESS: Final = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+@[A-Za-z0-9.-]+", re.ASCII)
_ASCII: Final = re.compile(r"[ -~]*")
_INTRODUCTION: Final = """\
Keep this mail where whoever keeps the database cannot change it. Below, of each access log: the library, how many
entries it had, and its signed note. A log that is ever shorter than its note says, or that does not lead to the root
on the note's third line, was changed or put back.
"""


class _Smtp(smtplib.SMTP):
    """SMTP over a bounded connection; it names itself by its address, so that nothing is looked up."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext | None) -> None:
        self._context = context
        self._address = ""
        super().__init__(host, port, local_hostname="localhost")
        self.local_hostname = f"[IPv6:{self._address}]" if ":" in self._address else f"[{self._address}]"

    def _get_socket(self, host: str, port: int, _: float) -> socket.socket:
        connection = connect(host, port, self._context)
        self._address = str(connection.getsockname()[0])
        return connection


@dataclass(frozen=True, kw_only=True, repr=False)
class MailAnchor:
    """The mailbox, and the server that takes mail for it; ``user`` and ``password`` are for a server that asks.

    Raises:
        ConfigError: an address is not valid, the mail would go in clear over a network, or a file cannot be used.
    """

    host: str
    port: int
    sender: str
    to: str
    clock: Callable[[], datetime]
    tls: Literal["starttls", "tls", "none"] = "starttls"
    user: str = ""
    password: str = ""
    ca: str = ""
    deadline_s: float = 30.0

    def __post_init__(self) -> None:
        """Check the settings; nothing is sent yet."""
        for address in (self.sender, self.to):
            if not _ADDRESS.fullmatch(address):
                raise ConfigError("The mail anchor's sender or receiver is no address", todo="Write it as name@example")
        if not all(map(_ASCII.fullmatch, (self.user, self.password))):
            raise ConfigError("The mail anchor's user and password may hold plain letters, digits and signs only")
        if self.tls == "none" and not is_here(self.host):
            raise ConfigError(
                "The mail anchor would send its mail in clear over the network",
                todo='Set tls to "starttls" or "tls"; "none" is for a mail server on this machine',
            )
        self._context()

    @property
    def name(self) -> str:
        """What the anchor is called, among others; no address is in it."""
        return f"mail {self.host}"

    def keep(self, signed: Sequence[Signed]) -> list[Receipt]:
        """Send one mail about these logs; a receipt means that the mail server took it.

        Raises:
            AnchorUnavailable: it did not, now.
        """
        now = self.clock().astimezone(UTC)
        logs = "1 log" if len(signed) == 1 else f"{len(signed)} logs"
        text = "\n".join((_INTRODUCTION, *(_about(one, now) for one in signed)))
        self.send(f"rrsync: checkpoints of {logs}, {now:%Y-%m-%d}", text)
        return [Receipt(self.name, one.library, one.checkpoint.size, "") for one in signed]

    def send(self, subject: str, text: str) -> None:
        """Send one mail; the server has taken it when this returns.

        Raises:
            AnchorUnavailable: the server did not take it, now.
        """
        reason = self._send(self._message(subject, text))
        if reason:  # raised out of the handler: the cause may quote what was sent
            raise AnchorUnavailable(
                f"The mail was not taken: the mail server {reason}",
                kept="The access log itself is whole",
                todo="Check the mail anchor in the settings and the mail server; a checkpoint is tried again",
            )

    def _message(self, subject: str, text: str) -> bytes:
        """Return the mail as its bytes."""
        message = EmailMessage(policy=SMTP)
        message["Subject"] = subject
        message["From"] = self.sender
        message["To"] = self.to
        message["Date"] = format_datetime(self.clock().astimezone(UTC))
        message["Message-ID"] = f"<{sha256(text.encode()).hexdigest()}@{self.sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(text, cte="quoted-printable")
        return message.as_bytes()

    def _send(self, message: bytes) -> str:
        """Send a mail; return ``""``, or else why it was not taken, without the server's words."""
        context = self._context()
        current.start(self.deadline_s, max_received=_MAX_RECEIVED)
        try:
            with closing(_Smtp(self.host, self.port, context if self.tls == "tls" else None)) as smtp:
                if self.tls == "starttls":
                    smtp.starttls(context=context)
                if self.user:
                    smtp.login(self.user, self.password)
                smtp.sendmail(self.sender, [self.to], message)
                with suppress(OSError):  # it has the mail: whatever it says to this changes nothing
                    smtp.putcmd("quit")
        except (OSError, ValueError) as error:
            return self._reason(error)
        return ""

    def _context(self) -> ssl.SSLContext | None:
        return None if self.tls == "none" else tls(ca=self.ca)

    def _reason(self, error: OSError | ValueError) -> str:
        """Return what the server did, without its words, which may quote ours."""
        failure = classify(error)
        if failure is not Failure.NETWORK:
            return failure.text(self.deadline_s)
        match error:
            case smtplib.SMTPAuthenticationError():
                return f"refuses the user or its password (SMTP {error.smtp_code})"
            case smtplib.SMTPRecipientsRefused():
                return "refuses the receiver"
            case smtplib.SMTPResponseException():
                return f"refuses (SMTP {error.smtp_code})"
            case smtplib.SMTPNotSupportedError():
                return "does not offer what the settings ask, STARTTLS or a login"
            case smtplib.SMTPException() | ValueError():
                return Failure.MALFORMED.value
            case _:
                return failure.value


def _about(one: Signed, now: datetime) -> str:
    """Return the part of a mail about one log."""
    entries = "1 entry" if one.checkpoint.size == 1 else f"{one.checkpoint.size} entries"
    return f"Library {one.library}: {entries}, sent {now:%Y-%m-%d %H:%M} UTC\n\n{one.note.to_text()}"
