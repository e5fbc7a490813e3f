"""A witness for the logs of others: it remembers how far it saw each, and signs only what follows on that.

C2SP ``add-checkpoint`` (c2sp.org/tlog-witness), in order, for a checkpoint that is posted with an old size and a proof:

1. What cannot be read gets 400, a log nobody named here 404, a checkpoint that the log did not sign 403, an old size
   beyond the checkpoint's 400.
2. Under a lock that holds between processes too, what was last cosigned of the log is read. An old size that is not
   that one's gets 409 with the right one, and so does another root at the same size. A proof that does not lead there
   gets 422.
3. The new checkpoint is put in its place and on disk, and only then the cosignature is answered (200).

What is remembered and cannot be read gets 500, and never a cosignature.

HTTP as the witness speaks it: connections that are few, short and small, so that none can hold it.

Each request, from its first byte to its last, has its seconds and its bytes; a connection over the limit is ended at
once. TLS is left to a proxy before it.

What a witness last cosigned of each log: a file for each origin, in one folder.

A file is the cosigned checkpoint itself, and takes the place of the last one whole and on disk, or not at all. No file
means that the log was never cosigned, so the folder must be kept: who loses it, forgets.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingTCPServer
from threading import Lock, Semaphore, Thread
from typing import Final, Self, TypeAlias, cast

from rrsync.anchor.durable_file import held, replace
from rrsync.anchor.witness import MAX_BYTES, PATH, SIZE_TYPE, Submission
from rrsync.core.merkle import EMPTY, verify_consistency
from rrsync.core.signed_note import Checkpoint, Key, KeyKind, Note, Signer
from rrsync.errors import ConfigError
from rrsync.net.bounded_socket import Allowance, Line


@dataclass(frozen=True, slots=True)
class Memory:
    """The folder; threads and processes may share it, as each looks and writes under the origin's lock."""

    folder: Path
    patience_s: float

    @contextmanager
    def holding(self, origin: str) -> Iterator[None]:
        """Hold what is known of a log, so that nobody else changes it before the end of the block.

        Raises:
            BlockingIOError: another had it all that time.
            OSError: the folder cannot be used.
        """
        number = os.open(self._path(origin, ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            with held(number, patience_s=self.patience_s):
                yield
        finally:
            os.close(number)

    def last(self, origin: str) -> Note | None:
        """Give the checkpoint that was last kept of a log, if one was.

        Raises:
            OSError: its file cannot be read.
            ValueError: it is no note.
        """
        try:
            text = self._path(origin).read_bytes().decode()
        except FileNotFoundError:
            return None
        return Note.parse(text)

    def keep(self, origin: str, note: Note) -> None:
        """Put a checkpoint in the place of the last one; on return it survives a power cut.

        Raises:
            OSError: it cannot be written; the last one stands.
        """
        replace(self._path(origin), note.to_text())

    def _path(self, origin: str, suffix: str = "") -> Path:
        return self.folder / (sha256(origin.encode()).hexdigest() + suffix)


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


_ABOUT: Final = (
    "This is a witness: it signs the checkpoints of access logs that it sees growing, and nothing else.\n"
    "Post to /add-checkpoint as c2sp.org/tlog-witness says.\n"
)
_OK: Final = HTTPStatus.OK
_UNREADABLE: Final = Reply(HTTPStatus.BAD_REQUEST, "This is no checkpoint with its old size and proof.\n")
_AHEAD: Final = Reply(HTTPStatus.BAD_REQUEST, "The old size is beyond the checkpoint's.\n")
_UNSIGNED: Final = Reply(HTTPStatus.FORBIDDEN, "The checkpoint does not bear a right signature of its log.\n")
_STRANGER: Final = Reply(HTTPStatus.NOT_FOUND, "This witness does not know the log.\n")
_NOWHERE: Final = Reply(HTTPStatus.NOT_FOUND, "There is nothing here.\n")
_UNPROVEN: Final = Reply(
    HTTPStatus.UNPROCESSABLE_ENTITY, "The proof does not lead from what this witness saw to the checkpoint.\n"
)
_BUSY: Final = Reply(HTTPStatus.SERVICE_UNAVAILABLE, "Somebody else is asking about this log: try again.\n")
_BROKEN: Final = Reply(HTTPStatus.INTERNAL_SERVER_ERROR, "What this witness saw of the log cannot be read or kept.\n")


@dataclass(kw_only=True, eq=False, repr=False)
class Witness:
    """The witness, from ``with`` to the end of the block; ``url`` is the prefix to post to.

    It signs as ``signer.cosigner`` for the logs whose keys it has, several for one log if it has several, and keeps
    what it saw in the folder ``state``, which must be there. A request has ``deadline_s`` from its first byte to its
    last, and at most ``most`` connections are served at once.

    Raises:
        ConfigError: a key is none that a log signs with, or the folder is not there.
    """

    signer: Signer
    logs: Sequence[Key]
    state: Path
    clock: Callable[[], datetime]
    host: str = "127.0.0.1"
    port: int = 0
    deadline_s: float = 10.0
    most: int = 64

    def __post_init__(self) -> None:
        """Look at the keys and the folder; nothing listens yet."""
        self._keys: dict[str, list[Key]] = defaultdict(list)
        for key in self.logs:
            if key.kind is not KeyKind.ED25519:
                raise ConfigError(f"The key of {key.name} is a witness', not a log's", todo="Ask for the log's vkey")
            self._keys[key.name].append(key)
        if not self.state.is_dir():
            raise ConfigError(f"There is no folder {self.state}", todo="Name the one that keeps what the witness saw")
        self._memory = Memory(self.state, self.deadline_s / 2)  # so that there is time left to say that it is busy
        self._counts: Counter[str] = Counter()
        self._lock = Lock()
        self._listener: Listener | None = None
        self._thread: Thread | None = None

    def __enter__(self) -> Self:
        """Listen.

        Raises:
            ConfigError: when the port is taken or not allowed.
        """
        try:
            self._listener = Listener(self.host, self.port, self._answer, deadline_s=self.deadline_s, most=self.most)
        except OSError as error:
            raise ConfigError(
                f"The witness cannot listen on {self.host}, port {self.port}", todo="Choose another"
            ) from error
        self._thread = Thread(target=self._listener.serve_forever, args=(0.1,), name="witness", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening, end every connection and wait for what is under way."""
        if self._listener is not None and self._thread is not None:
            self._listener.close()
            self._thread.join()

    @property
    def url(self) -> str:
        """The submission prefix, with the port that is really used."""
        host, port = (self.host, self.port) if self._listener is None else self._listener.server_address[:2]
        return f"http://[{host!s}]:{port}" if ":" in str(host) else f"http://{host!s}:{port}"

    @property
    def counts(self) -> Counter[str]:
        """How many submissions were answered with each status; a copy."""
        with self._lock:
            return Counter(self._counts)

    def add(self, body: bytes) -> Reply:
        """Answer to one submission."""
        try:
            submission = Submission.parse(body.decode())
            checkpoint = Checkpoint.parse(submission.note.text)
        except ValueError:
            return _UNREADABLE
        keys = self._keys.get(checkpoint.origin)
        if keys is None:
            return _STRANGER
        if not _is_signed(submission.note, keys):
            return _UNSIGNED
        if submission.old > checkpoint.size:
            return _AHEAD
        try:
            with self._memory.holding(checkpoint.origin):
                return self._judge(submission, checkpoint, keys)
        except BlockingIOError:
            return _BUSY
        except (OSError, ValueError):
            return _BROKEN

    def _judge(self, submission: Submission, new: Checkpoint, keys: list[Key]) -> Reply:
        """Hold a checkpoint against the last one, remember it and sign it, or say why not."""
        last = self._last(new.origin, keys)
        if submission.old != last.size or (new.size == last.size and new.root != last.root):
            return Reply(HTTPStatus.CONFLICT, f"{last.size}\n", SIZE_TYPE)
        if not verify_consistency(
            old=last.size, new=new.size, proof=submission.proof, old_root=last.root, new_root=new.root
        ):
            return _UNPROVEN
        cosignature = self.signer.cosign(submission.note.text, int(self.clock().timestamp()))
        if new.size > last.size:
            ids = {(key.name, key.id) for key in keys}
            known = [one for one in submission.note.signatures if (one.name, one.key_id) in ids]
            self._memory.keep(new.origin, Note(submission.note.text, (*known, cosignature)))
        return Reply(_OK, cosignature.line)

    def _last(self, origin: str, keys: list[Key]) -> Checkpoint:
        """Give what was last cosigned of a log, the empty log if nothing was.

        Raises:
            OSError: it cannot be read.
            ValueError: it is not what this witness wrote: neither it nor the log signed that.
        """
        note = self._memory.last(origin)
        if note is None:
            return Checkpoint(origin, 0, EMPTY)
        last = Checkpoint.parse(note.text)
        if last.origin != origin or not _is_signed(note, [*keys, self.signer.cosigner]):
            raise ValueError("what was kept is not of this log")
        return last

    def _answer(self, method: str, path: str, body: bytes) -> Reply:
        if (method, path) == ("GET", "/"):
            return Reply(_OK, _ABOUT)
        if (method, path) != ("POST", PATH):
            return _NOWHERE
        reply = self.add(body)
        with self._lock:
            self._counts[str(reply.status.value)] += 1
        return reply


def _is_signed(note: Note, keys: Sequence[Key]) -> bool:
    """Whether one of the keys signed a note, and none of them is named for what it did not sign."""
    try:
        return True in {note.is_signed_by(key) for key in keys}
    except ValueError:
        return False
