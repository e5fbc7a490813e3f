"""A witness for the logs of others: it remembers how far it saw each, and signs only what grew from there.

C2SP ``add-checkpoint`` (c2sp.org/tlog-witness), in order, for a checkpoint that is posted with an old size and a proof:

1. What cannot be read gets 400, a log that is not named here 404, a checkpoint that the log did not sign 403, an old
   size beyond the checkpoint's 400.
2. Under a lock that holds between processes too, what was last cosigned of the log is read. An old size that is not
   that one's gets 409 with the right one, and so does another root at the same size. A proof that does not lead there
   gets 422.
3. The new checkpoint replaces the last one on disk, and only then the cosignature is answered (200).

What is remembered and cannot be read gets 500, and never a cosignature. It is a file for each log, in one folder: the
cosigned checkpoint itself. No file means that the log was never cosigned, so the folder must be kept.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from threading import Lock
from typing import Final, Self, cast

from rrsync.anchor.durable_file import held, replace
from rrsync.anchor.witness import MAX_BYTES, PATH, SIZE_TYPE, Submission
from rrsync.core.merkle import EMPTY, verify_consistency
from rrsync.core.signed_note import Checkpoint, Key, KeyKind, Note, Signer
from rrsync.errors import ConfigError
from rrsync.net.http_server import ConnectionLimits, HttpServer, Message, Receive, Send


@dataclass(frozen=True, slots=True)
class SeenCheckpoints:
    """The folder of what was cosigned; threads and processes share it, under a lock for each origin."""

    folder: Path
    patience_s: float

    @contextmanager
    def holding(self, origin: str) -> Iterator[None]:
        """Lock what is known of a log against others until the end of the block.

        Raises:
            BlockingIOError: another had the lock all that time.
            OSError: the folder cannot be used.
        """
        number = os.open(self._path(origin, ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            with held(number, patience_s=self.patience_s):
                yield
        finally:
            os.close(number)

    def last(self, origin: str) -> Note | None:
        """Return the checkpoint that was last kept of a log, if any.

        Raises:
            OSError: its file cannot be read.
            ValueError: it is not a note.
        """
        try:
            text = self._path(origin).read_bytes().decode()
        except FileNotFoundError:
            return None
        return Note.parse(text)

    def keep(self, origin: str, note: Note) -> None:
        """Replace the last checkpoint of a log; on return the new one survives a power cut.

        Raises:
            OSError: it cannot be written; the last one stays.
        """
        replace(self._path(origin), note.to_text())

    def _path(self, origin: str, suffix: str = "") -> Path:
        return self.folder / (sha256(origin.encode()).hexdigest() + suffix)


_TEXT: Final = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; one that ``is_last`` closes the connection."""

    status: HTTPStatus
    body: str
    content_type: str = _TEXT
    is_last: bool = False


_ABOUT: Final = (
    "This is a witness: it signs the checkpoints of access logs that it sees growing, and nothing else.\n"
    "Post to /add-checkpoint as c2sp.org/tlog-witness says.\n"
)
_OK: Final = HTTPStatus.OK
_NO_LENGTH: Final = Reply(HTTPStatus.LENGTH_REQUIRED, "Length Required.\n", is_last=True)
_TOO_LARGE: Final = Reply(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Request Entity Too Large.\n", is_last=True)
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
    what it saw in the folder ``state``, which must exist. A request has ``deadline_s`` from its first byte to its last,
    and at most ``max_connections`` are served at once.

    Raises:
        ConfigError: a key is not one that a log signs with, or there is no such folder.
    """

    signer: Signer
    logs: Sequence[Key]
    state: Path
    clock: Callable[[], datetime]
    host: str = "127.0.0.1"
    port: int = 0
    deadline_s: float = 10.0
    max_connections: int = 64

    def __post_init__(self) -> None:
        """Check the keys and the folder; nothing listens yet."""
        self._keys: dict[str, list[Key]] = defaultdict(list)
        for key in self.logs:
            if key.kind is not KeyKind.ED25519:
                raise ConfigError(f"The key of {key.name} is a witness', not a log's", todo="Ask for the log's vkey")
            self._keys[key.name].append(key)
        if not self.state.is_dir():
            raise ConfigError(f"There is no folder {self.state}", todo="Name the one that keeps what the witness saw")
        self._seen = SeenCheckpoints(self.state, self.deadline_s / 2)  # so that time is left to answer 503
        self._counts: Counter[str] = Counter()
        self._lock = Lock()
        self._server: HttpServer | None = None

    def __enter__(self) -> Self:
        """Listen.

        Raises:
            ConfigError: the port is taken or not allowed.
        """
        limits = ConnectionLimits(self.max_connections, self.deadline_s)
        self._server = HttpServer(self._serve, self.host, self.port, name="witness", limits=limits)
        self._server.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening, end the connections and wait for what is under way."""
        if self._server is not None:
            self._server.__exit__()
            self._server = None

    @property
    def url(self) -> str:
        """The submission prefix, with the port that is really used."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port if self._server is None else self._server.port}"

    @property
    def counts(self) -> Counter[str]:
        """How many submissions were answered with each status; a copy."""
        with self._lock:
            return Counter(self._counts)

    def add(self, body: bytes) -> Reply:
        """Return the answer to one submission, and count it."""
        reply = self._answer(body)
        with self._lock:
            self._counts[str(reply.status.value)] += 1
        return reply

    def _answer(self, body: bytes) -> Reply:
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
            with self._seen.holding(checkpoint.origin):
                return self._judge(submission, checkpoint, keys)
        except BlockingIOError:
            return _BUSY
        except (OSError, ValueError):
            return _BROKEN

    def _judge(self, submission: Submission, new: Checkpoint, keys: list[Key]) -> Reply:
        """Compare a checkpoint with the last one, then keep and sign it, or return why not."""
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
            self._seen.keep(new.origin, Note(submission.note.text, (*known, cosignature)))
        return Reply(_OK, cosignature.line)

    def _last(self, origin: str, keys: list[Key]) -> Checkpoint:
        """Return the checkpoint that was last cosigned of a log, or else that of the empty log.

        Raises:
            OSError: it cannot be read.
            ValueError: neither this witness nor the log signed it.
        """
        note = self._seen.last(origin)
        if note is None:
            return Checkpoint(origin, 0, EMPTY)
        last = Checkpoint.parse(note.text)
        if last.origin != origin or not _is_signed(note, [*keys, self.signer.cosigner]):
            raise ValueError("what was kept is not of this log")
        return last

    async def _serve(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer to one request (called by the server)."""
        reply = await self._reply(scope, receive)
        if reply is None:
            return
        body = reply.body.encode()
        headers = [(b"content-type", reply.content_type.encode()), (b"content-length", str(len(body)).encode())]
        if reply.is_last:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": reply.status.value, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _reply(self, scope: Message, receive: Receive) -> Reply | None:
        """Return the answer to a request, or ``None`` when the client went away in the middle of it."""
        if scope["method"] != "POST":
            return Reply(_OK, _ABOUT) if (scope["method"], scope["path"]) == ("GET", "/") else _NOWHERE
        headers = dict(cast("list[tuple[bytes, bytes]]", scope["headers"]))
        if b"content-length" not in headers or b"transfer-encoding" in headers:
            return _NO_LENGTH
        if int(headers[b"content-length"]) > MAX_BYTES:  # the server lets digits through only
            return _TOO_LARGE
        body, is_more = b"", True
        while is_more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += cast("bytes", message.get("body", b""))
            is_more = bool(message.get("more_body"))
        if scope["path"] != PATH:
            return _NOWHERE
        return await asyncio.to_thread(self.add, body)


def _is_signed(note: Note, keys: Sequence[Key]) -> bool:
    """Whether one of the keys signed a note, and no signature in the name of one is wrong."""
    try:
        return True in {note.is_signed_by(key) for key in keys}
    except ValueError:
        return False
