"""HTTP as the simulator speaks it: one send per reply, kept alive, and the faults of the connection."""

from __future__ import annotations

import contextlib
import socket
import struct
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock
from typing import Final, Protocol, cast

from rrsync.simulator.faults import FaultKind
from rrsync.simulator.spoil import Reply

_LARGEST: Final = 2**20
_DRIP_S: Final = 0.2
_TEXT: Final = "text/plain; charset=UTF-8"


class Desk(Protocol):
    """Who answers: gives a reply to every message, and the fault of the connection that goes with it."""

    def answer(self, body: bytes) -> tuple[Reply, FaultKind | None]:
        """Answer a message."""

    def show(self, path: str) -> Reply:
        """Answer a look at a page."""

    def refuse(self) -> None:
        """Count a message that was too large to read."""


class Server(ThreadingHTTPServer):
    """A thread per connection; closing it ends every connection and waits for the threads."""

    daemon_threads = False
    request_queue_size = 256
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], desk: Desk) -> None:
        """Listen at the address, port 0 for any free one."""
        self.desk = desk
        self.stopping = Event()
        self._open: set[socket.socket] = set()
        self._lock = Lock()
        super().__init__(address, Handler)

    def close(self) -> None:
        """Stop listening, end what hangs and wait for the threads."""
        self.stopping.set()
        self.shutdown()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self.server_close()

    def enter(self, connection: socket.socket) -> None:
        """Remember an open connection; one that comes too late is ended at once."""
        with self._lock:
            self._open.add(connection)
        if self.stopping.is_set():
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def leave(self, connection: socket.socket) -> None:
        """Forget a connection."""
        with self._lock:
            self._open.discard(connection)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client that goes away is what faults are for."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    @property
    def _house(self) -> Server:
        return cast("Server", self.server)

    def setup(self) -> None:
        """Enter the connection in the server's list."""
        super().setup()
        self._house.enter(self.connection)

    def finish(self) -> None:
        """Leave the list, and close quietly."""
        self._house.leave(self.connection)
        with contextlib.suppress(OSError):
            super().finish()

    def do_GET(self) -> None:
        """Show the counts or the references."""
        self._send(self._house.desk.show(self.path))

    def do_POST(self) -> None:
        """Answer a message, or break the connection as the fault has it."""
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()) or int(length) > _LARGEST:
            self._house.desk.refuse()
            self.close_connection = True
            status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE if length else HTTPStatus.LENGTH_REQUIRED
            self._send(Reply(b"", status, _TEXT))
            return
        reply, fault = self._house.desk.answer(self.rfile.read(int(length)))
        if fault is None:
            self._send(reply)
            return
        self.close_connection = True
        match fault:
            case FaultKind.RESET:
                self._reset()
            case FaultKind.HANG:
                self.connection.recv(1)
            case FaultKind.TRUNCATE:
                whole = self._packed(reply)
                self.connection.sendall(whole[: len(whole) - len(reply.body) // 2])
            case _:
                self._drip(reply)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class names it
        """Say nothing per request."""

    def _send(self, reply: Reply) -> None:
        self.connection.sendall(self._packed(reply))

    def _packed(self, reply: Reply) -> bytes:
        """Give status line, headers and body as the bytes of one send."""
        lines = [f"HTTP/1.1 {int(reply.status)} {HTTPStatus(reply.status).phrase}"]
        lines += [f"Content-Type: {reply.content_type}", f"Content-Length: {len(reply.body)}"]
        lines += [f"{name}: {value}" for name, value in reply.headers]
        if self.close_connection:
            lines.append("Connection: close")
        return "\r\n".join((*lines, "\r\n")).encode() + reply.body

    def _reset(self) -> None:
        """Close so that the client gets a reset: no lingering, nothing said."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._house.leave(self.connection)
        self.rfile.close()
        self.connection.close()

    def _drip(self, reply: Reply) -> None:
        """Send the headers at once and the body a byte at a time, until the client or the simulator has had enough."""
        whole = self._packed(reply)
        head = len(whole) - len(reply.body)
        self.connection.sendall(whole[:head])
        for position in range(head, len(whole)):
            if self._house.stopping.wait(_DRIP_S):
                return
            self.connection.sendall(whole[position : position + 1])
