"""HTTP as the witness speaks it: connections that are few, short and small, so that none can hold it.

Each request, from its first byte to its last, has its seconds and its bytes; a connection over the limit is ended at
once. TLS is left to a proxy before it.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from threading import Lock, Semaphore
from typing import Final, TypeAlias, cast

from rrsync.anchor.line import Allowance, Line
from rrsync.anchor.submission import MAX_BYTES

_HEADS: Final = 1 << 14
_TEXT: Final = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered."""

    status: HTTPStatus
    body: str
    kind: str = _TEXT


#: Answers a request: its method, its path and its body.
Answering: TypeAlias = Callable[[str, str, bytes], Reply]


class Listener(ThreadingTCPServer):
    """A thread per connection, and so many at once; closing it ends every connection and waits for the threads."""

    daemon_threads = False
    request_queue_size = 128
    allow_reuse_address = True

    def __init__(self, host: str, port: int, answering: Answering, *, deadline_s: float, most: int) -> None:
        """Listen, on port 0 for any free one."""
        self.answering = answering
        self._deadline_s = deadline_s
        self._slots = Semaphore(most)
        self._open: set[socket.socket] | None = set()
        self._lock = Lock()
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Handler)

    def close(self) -> None:
        """Stop listening, end what hangs and wait for the threads."""
        self.shutdown()
        with self._lock:
            connections, self._open = self._open or set(), None
        for connection in connections:
            _end(connection)
        self.server_close()

    def get_request(self) -> tuple[Line, object]:
        """Give the next connection (called by socketserver)."""
        plain, address = self.socket.accept()
        return Line(Allowance(self._deadline_s, MAX_BYTES + _HEADS), fileno=plain.detach()), address

    def process_request(self, request: object, client_address: object) -> None:
        """Begin a thread for a connection, unless there are too many (called by socketserver)."""
        if not self._slots.acquire(blocking=False):
            self.shutdown_request(cast("Line", request))
            return
        super().process_request(cast("Line", request), client_address)

    def process_request_thread(self, request: object, client_address: object) -> None:
        """Serve a connection (called by socketserver, in its thread)."""
        line = cast("Line", request)
        try:
            with self._lock:
                if self._open is not None:
                    self._open.add(line)
                else:
                    _end(line)
            super().process_request_thread(line, client_address)
        finally:
            with self._lock:
                if self._open is not None:
                    self._open.discard(line)
            self._slots.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client that goes away, or is too slow, is no news."""


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle_one_request(self) -> None:
        """Give every request its own time (called by the base class)."""
        cast("Line", self.connection).allowance.start()
        super().handle_one_request()

    def do_GET(self) -> None:
        """Answer without looking at a body."""
        self._send("GET", b"")

    def do_POST(self) -> None:
        """Answer to a body whose length is given and small."""
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()) or "Transfer-Encoding" in self.headers:
            self._refuse(HTTPStatus.LENGTH_REQUIRED)
        elif len(length) > 9 or int(length) > MAX_BYTES:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        else:
            body = self.rfile.read(int(length))
            if len(body) == int(length):
                self._send("POST", body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 — the base class names it
        """Say nothing per request."""

    def _send(self, method: str, body: bytes) -> None:
        reply = cast("Listener", self.server).answering(method, self.path, body)
        self._write(reply)

    def _refuse(self, status: HTTPStatus) -> None:
        """Answer without reading the body, and end the connection."""
        self.close_connection = True
        self._write(Reply(status, f"{status.phrase}.\n"))

    def _write(self, reply: Reply) -> None:
        """Send status line, headers and body as the bytes of one send."""
        data = reply.body.encode()
        lines = [f"HTTP/1.1 {reply.status.value} {reply.status.phrase}"]
        lines += [f"Content-Type: {reply.kind}", f"Content-Length: {len(data)}"]
        if self.close_connection:
            lines.append("Connection: close")
        self.connection.sendall("\r\n".join((*lines, "\r\n")).encode() + data)
