"""A simulated MAGDA: a real HTTP server that answers SOAP questions about invented people, and subscriptions.

1. A request is read without trust, remembered, and announced to ``on_request`` before anything is answered.
2. A request that our schema refuses gets SOAP Fault 10001; one on which a fault is due gets the fault; one above the
   rate limit gets SOAP Fault 99995, as from MAGDA.
3. A question about a number without the required subscription gets exception 40003.
4. All others are answered: from a persona file, else from the invented population, else with "no data found".
5. A reply is one send on a connection that is kept alive, unless the fault is one of the connection.

The requests are kept for tests; no page and no count holds a national number.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Final, Protocol, Self, cast

from rrsync.errors import ConfigError
from rrsync.simulator.citizens import Situation, World
from rrsync.simulator.faults import (
    ON_THE_WIRE,
    THROTTLED,
    CorrectReply,
    Fault,
    FaultKind,
    HttpReply,
    due_fault,
    faulty_reply,
)
from rrsync.simulator.personas import Personas
from rrsync.simulator.replies import PERSON, UNSUBSCRIBED, Repertory, Request, Stamp, exceptions, fault, person_reply
from rrsync.simulator.requests import RequestReader

_LARGEST: Final = 2**20
_DRIP_S: Final = 0.2
_TEXT: Final = "text/plain; charset=UTF-8"
_WINDOW_S: Final = 1.0
_ELSEWHERE: Final = World(seed=0, people=200)


@dataclass(frozen=True, slots=True)
class Asked:
    """One question that reached the simulator; the number is not printed."""

    reference: str
    digits: str = field(repr=False)
    sender: str
    capacity: str
    at: datetime
    operation: str = PERSON.operation


@dataclass(kw_only=True, eq=False, repr=False)
class Simulator:
    """The server, from ``with`` to the end of the block; ``url`` is its address for every operation.

    ``now`` and ``new_reference`` make the date and the reference of each reply; ``clock`` (in seconds) is that of the
    throttle. With ``must_subscribe`` a person is shown to a subscriber only; subscriptions are kept in memory.
    ``on_request`` gets each reference before anything is answered; an error in it drops the connection. With
    ``keep_asked`` every question is remembered, which takes memory with each.

    Raises:
        ConfigError: the folder of personas holds none.
    """

    now: Callable[[], datetime]
    new_reference: Callable[[], str]
    world: World | None = None
    personas: Path | None = None
    latency_ms: int = 0
    max_per_second: int | None = None
    faults: Sequence[Fault] = ()
    host: str = "127.0.0.1"
    port: int = 0
    keep_asked: bool = True
    must_subscribe: bool = False
    on_request: Callable[[str], None] | None = None
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        """Find the personas; nothing listens yet."""
        self._files = None if self.personas is None else Personas(self.personas)
        self._throttle = Throttle(self.max_per_second, self.clock)
        self._asked: list[Asked] = []
        self._counts: Counter[str] = Counter()
        self._lock = Lock()
        self._intake = RequestReader()
        self._repertory = Repertory()
        self._server: Server | None = None
        self._thread: Thread | None = None

    def __enter__(self) -> Self:
        """Listen.

        Raises:
            ConfigError: the port is taken or not allowed.
        """
        try:
            self._server = Server((self.host, self.port), self)
        except OSError as error:
            raise ConfigError(f"The simulator cannot listen on port {self.port}", todo="Choose another") from error
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,), name="simulator", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening, end every connection and wait for what is under way."""
        if self._server is not None and self._thread is not None:
            self._server.close()
            self._thread.join()

    @property
    def url(self) -> str:
        """The address, with the port that is in use."""
        host, port = (self.host, self.port) if self._server is None else self._server.server_address[:2]
        return f"http://{host!s}:{port}/"

    @property
    def asked(self) -> tuple[Asked, ...]:
        """Every question so far, in order of arrival; empty without ``keep_asked``."""
        with self._lock:
            return tuple(self._asked)

    @property
    def counts(self) -> Counter[str]:
        """How many requests, answered, throttled, invalid, of each operation and of each fault; a copy."""
        with self._lock:
            return Counter(self._counts)

    def subscribes(self, sender: str, capacity: str, digits: str) -> bool:
        """Whether a sender is subscribed to a number in a capacity."""
        return self._repertory.holds(sender, capacity, digits)

    def answer(self, body: bytes) -> tuple[HttpReply, FaultKind | None]:
        """Return the reply to a message, and the connection fault that goes with it."""
        number = self._count("requests")
        question = self._intake.read(body)
        asker = question.asker
        self._note(asker)
        if self.latency_ms and self._server is not None:
            self._server.stopping.wait(self.latency_ms / 1000)
        if question.complaint:
            self._count("invalid")
            return HttpReply(fault(question.complaint, code="s:Server"), status=500), None
        self._count(asker.offer.operation)
        kind = due_fault(self.faults, number)
        if kind is not None:
            self._count(kind)
            return faulty_reply(kind, self._right(asker)), kind if kind in ON_THE_WIRE else None
        if not self._throttle.admits():
            self._count("throttled")
            return HttpReply(THROTTLED, status=500), None
        try:
            reply = self._right(asker).reply
        except ConfigError as error:
            return HttpReply(fault(error.what), status=500), None
        self._count("answered")
        return reply, None

    def show(self, path: str) -> HttpReply:
        """Return the counts (``/counts``) or the references (``/references``), never a national number."""
        if path == "/counts":
            return HttpReply(json.dumps(self.counts, sort_keys=True).encode(), content_type="application/json")
        if path == "/references":
            return HttpReply("".join(f"{one.reference}\n" for one in self.asked).encode(), content_type=_TEXT)
        return HttpReply(b"Ask with POST, or look at /counts and /references.\n", 404, _TEXT)

    def refuse(self) -> None:
        """Count a message that was too large to read."""
        self._count("requests")
        self._count("invalid")

    def _count(self, what: str) -> int:
        with self._lock:
            self._counts[str(what)] += 1
            return self._counts[str(what)]

    def _note(self, asker: Request) -> None:
        """Remember a question and announce it; one without a reference cannot be announced."""
        if not asker.reference:
            return
        if self.keep_asked:
            who = asker.sender, asker.capacity
            asked = Asked(asker.reference, asker.digits, *who, self.now(), asker.offer.operation)
            with self._lock:
                self._asked.append(asked)
        if self.on_request is not None:
            self.on_request(asker.reference)

    def _right(self, asker: Request) -> CorrectReply:
        stamp = Stamp(self.now(), self.new_reference())
        return CorrectReply(asker, stamp, lambda who: self._about(who, stamp), lambda who: self._another(who, stamp))

    def _about(self, asker: Request, stamp: Stamp) -> bytes:
        """Answer from the persona files, else from the population or the repertory."""
        is_person = asker.offer is PERSON
        if is_person and self.must_subscribe and not self.subscribes(asker.sender, asker.capacity, asker.digits):
            return exceptions(asker, stamp, UNSUBSCRIBED)
        reply = None if self._files is None else self._files.about(asker)
        if reply is not None:
            return reply
        return self._told(asker, stamp) if is_person else self._repertory.answer(asker, stamp)

    def _told(self, asker: Request, stamp: Stamp) -> bytes:
        """Answer about a person without a persona file."""
        citizen = None if self.world is None else self.world.find(asker.digits)
        reply = self._files.nobody(asker) if citizen is None and self._files is not None else None
        return reply if reply is not None else person_reply(citizen, asker, stamp)

    def _another(self, asker: Request, stamp: Stamp) -> bytes:
        """Answer about another person, whose address the library has right."""
        worlds = (self.world or _ELSEWHERE, _ELSEWHERE)
        everybody = (world.citizen(position) for world in worlds for position in range(len(world)))
        others = (one for one in everybody if one.situation is Situation.SETTLED and one.insz.digits != asker.digits)
        return person_reply(next(others), asker, stamp)


class Throttle:
    """Admits at most ``most`` requests within any second; refused requests do not count."""

    __slots__ = ("_at", "_clock", "_lock", "_most")

    def __init__(self, most: int | None, clock: Callable[[], float]) -> None:
        """Allow ``most`` a second, or any number."""
        self._most = most
        self._clock = clock
        self._at: deque[float] = deque()
        self._lock = Lock()

    def admits(self) -> bool:
        """Whether one more request may come now."""
        if self._most is None:
            return True
        with self._lock:
            moment = self._clock()
            while self._at and moment - self._at[0] >= _WINDOW_S:
                self._at.popleft()
            if len(self._at) >= self._most:
                return False
            self._at.append(moment)
            return True


class Responder(Protocol):
    """The answering side: a reply to each message, and the connection fault that goes with it, if any."""

    def answer(self, body: bytes) -> tuple[HttpReply, FaultKind | None]:
        """Answer a message."""

    def show(self, path: str) -> HttpReply:
        """Answer a GET request."""

    def refuse(self) -> None:
        """Count a message that was too large to read."""


class Server(ThreadingHTTPServer):
    """An HTTP server with a thread per connection; closing it ends every connection and waits for the threads."""

    daemon_threads = False
    request_queue_size = 256
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], desk: Responder) -> None:
        """Listen at the address, port 0 for any free one."""
        self.desk = desk
        self.stopping = Event()
        self._open: set[socket.socket] = set()
        self._lock = Lock()
        super().__init__(address, Handler)

    def close(self) -> None:
        """Stop listening, end what hangs, and wait for the threads."""
        self.stopping.set()
        self.shutdown()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self.server_close()

    def enter(self, connection: socket.socket) -> None:
        """Remember an open connection; during a stop it is ended at once."""
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
        """Ignore the error: faults make clients go away."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    @property
    def _owner(self) -> Server:
        return cast("Server", self.server)

    def setup(self) -> None:
        """Add the connection to the server's list."""
        super().setup()
        self._owner.enter(self.connection)

    def finish(self) -> None:
        """Remove the connection from the list and close it; errors are ignored."""
        self._owner.leave(self.connection)
        with contextlib.suppress(OSError):
            super().finish()

    def do_GET(self) -> None:
        """Show the counts or the references."""
        self._send(self._owner.desk.show(self.path))

    def do_POST(self) -> None:
        """Answer a message, or break the connection as the fault requires."""
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()) or int(length) > _LARGEST:
            self._owner.desk.refuse()
            self.close_connection = True
            status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE if length else HTTPStatus.LENGTH_REQUIRED
            self._send(HttpReply(b"", status, _TEXT))
            return
        reply, fault = self._owner.desk.answer(self.rfile.read(int(length)))
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
        """Log nothing."""

    def _send(self, reply: HttpReply) -> None:
        self.connection.sendall(self._packed(reply))

    def _packed(self, reply: HttpReply) -> bytes:
        """Return status line, headers and body as the bytes of one send."""
        lines = [f"HTTP/1.1 {int(reply.status)} {HTTPStatus(reply.status).phrase}"]
        lines += [f"Content-Type: {reply.content_type}", f"Content-Length: {len(reply.body)}"]
        lines += [f"{name}: {value}" for name, value in reply.headers]
        if self.close_connection:
            lines.append("Connection: close")
        return "\r\n".join((*lines, "\r\n")).encode() + reply.body

    def _reset(self) -> None:
        """Close the connection with a reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._owner.leave(self.connection)
        self.rfile.close()
        self.connection.close()

    def _drip(self, reply: HttpReply) -> None:
        """Send the headers at once and the body a byte at a time, until the client or the simulator stops."""
        whole = self._packed(reply)
        head = len(whole) - len(reply.body)
        self.connection.sendall(whole[:head])
        for position in range(head, len(whole)):
            if self._owner.stopping.wait(_DRIP_S):
                return
            self.connection.sendall(whole[position : position + 1])
