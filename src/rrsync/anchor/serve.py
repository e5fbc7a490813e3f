"""A witness for the logs of others: it remembers how far it saw each, and signs only what follows on that.

C2SP ``add-checkpoint`` (c2sp.org/tlog-witness), in order, for a checkpoint that is posted with an old size and a proof:

1. What cannot be read gets 400, a log nobody named here 404, a checkpoint that the log did not sign 403, an old size
   beyond the checkpoint's 400.
2. Under a lock that holds between processes too, what was last cosigned of the log is read. An old size that is not
   that one's gets 409 with the right one, and so does another root at the same size. A proof that does not lead there
   gets 422.
3. The new checkpoint is put in its place and on disk, and only then the cosignature is answered (200).

What is remembered and cannot be read gets 500, and never a cosignature.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from threading import Lock, Thread
from typing import Final, Self

from rrsync.anchor.listen import Listener, Reply
from rrsync.anchor.memory import Memory
from rrsync.anchor.submission import PATH, SIZE_TYPE, Submission
from rrsync.core.note import Checkpoint, Key, KeyKind, Note, Signer
from rrsync.core.tree import EMPTY, verify_consistency
from rrsync.errors import ConfigError

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
