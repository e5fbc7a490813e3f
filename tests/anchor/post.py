"""A real mail server for the tests: it takes mail, asks for TLS and a password if told to, and remembers."""
# ruff: noqa: ARG002, N802 — the names and arguments are aiosmtpd's

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP as POLICY
from queue import Queue
from threading import Thread
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USER, PASSWORD = "rrsync", "a-secret-of-the-tests"


@dataclass
class Postman:
    """What the server got; ``refusing`` gives its answer to a command, instead of taking it."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    refusing: dict[str, str] = field(default_factory=dict)
    passwords: list[bytes] = field(default_factory=list)

    def authenticate(self, server: SMTP, session: Session, envelope: Envelope, kind: str, given: Any) -> AuthResult:
        """Check user and password (called by aiosmtpd)."""
        assert isinstance(given, LoginPassword)
        self.passwords.append(given.password)
        is_right = (given.login, given.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=is_right, handled=False)

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take a sender, or refuse it (called by aiosmtpd)."""
        envelope.mail_from = address
        return self.refusing.get("MAIL", "250 OK")

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take a receiver, or refuse it (called by aiosmtpd)."""
        envelope.rcpt_tos.append(address)
        return self.refusing.get("RCPT", "250 OK")

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Take a mail, or refuse it (called by aiosmtpd)."""
        if "DATA" in self.refusing:
            return self.refusing["DATA"]
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, policy=POLICY)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        self.bodies.append(envelope.content)
        self.sessions.append(session)
        return "250 OK"


@contextmanager
def post_office(
    *, context: ssl.SSLContext | None = None, tls_at_once: bool = False, **options: Any
) -> Iterator[Postman]:
    """Serve mail: with a context it offers STARTTLS, or speaks TLS at once; the options are aiosmtpd's."""
    postman, loops = Postman(), Queue[tuple[asyncio.AbstractEventLoop, asyncio.Event]]()

    served: list[SMTP] = []

    def serve() -> SMTP:
        served.append(
            SMTP(
                postman,
                hostname="post.test",
                tls_context=None if tls_at_once else context,
                authenticator=postman.authenticate,
                **options,
            )
        )
        return served[-1]

    async def run() -> None:
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        server = await loop.create_server(serve, "127.0.0.1", 0, ssl=context if tls_at_once else None)
        postman.port = server.sockets[0].getsockname()[1]
        loops.put((loop, over))
        await over.wait()
        server.close()
        for each in served:
            if isinstance(each.transport, asyncio.Transport):
                each.transport.abort()
        await asyncio.sleep(0)

    thread = Thread(target=asyncio.run, args=(run(),))
    thread.start()
    loop, over = loops.get()
    try:
        yield postman
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
