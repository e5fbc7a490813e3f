r"""An anchor that is a witness: a machine of others, which signs a log's checkpoint only if it follows on the last.

C2SP ``add-checkpoint`` (c2sp.org/tlog-witness) over HTTP, in order:

1. The checkpoint goes with the size we last saw cosigned, and the proof from there.
2. A witness that is elsewhere (409) says where; it is asked once more, with the proof from there.
3. One that is further than we are, has another root at our size, or finds that we do not follow (422), has seen
   another log: a backup was put back here, or entries were changed.
4. A cosignature counts if it verifies under the witness' key and is not from the future; no other is kept.

The way to a witness: HTTP over one connection, bounded in time and size.

Redirects are not followed, proxies not used, and words go in clear to this machine only.

What is posted to a witness: C2SP ``add-checkpoint``, written and read by the letter.

The size that the witness last cosigned, a hash on each line that proves how the log grew from there, an empty line, and
the signed checkpoint (c2sp.org/tlog-witness).

>>> note = Note.parse("example.com/log\n0\n\n— example.com/log Zm91cmJ5dGVz\n")
>>> print(Submission(20, (bytes(32),), note).to_text())
old 20
AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
<BLANKLINE>
example.com/log
0
<BLANKLINE>
— example.com/log Zm91cmJ5dGVz
<BLANKLINE>
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from http.client import HTTPConnection, HTTPException
from typing import Final, Self, TypeAlias
from urllib.parse import urlsplit

from rrsync.core import signed_note as notes
from rrsync.core.signed_note import (
    HASH_BYTES,
    Key,
    KeyKind,
    Note,
    Receipt,
    Signature,
    Signed,
    cosigned_at,
    from_base64,
    from_decimal,
    to_base64,
)
from rrsync.errors import AnchorConflict, AnchorUnavailable, ConfigError
from rrsync.net.bounded_socket import Allowance, connect, is_here, tls, why

PATH: Final = "/add-checkpoint"
SIZE_TYPE: Final = "text/x.tlog.size"
MAX_PROOF: Final = 63
#: The largest note that must be read, and the proof before it.
MAX_BYTES: Final = notes.MAX_BYTES + 4096

_OLD: Final = "old "


@dataclass(frozen=True, slots=True)
class Submission:
    """A signed checkpoint, and the proof that it follows on the one of size ``old``."""

    old: int
    proof: tuple[bytes, ...]
    note: Note

    def to_text(self) -> str:
        """Give the body of the request."""
        lines = (f"{_OLD}{self.old}", *map(to_base64, self.proof), "")
        return "\n".join(lines) + "\n" + self.note.to_text()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the body of a request.

        Raises:
            ValueError: it is none.
        """
        head, _, rest = text.partition("\n\n")
        first, *lines = head.split("\n")
        if not first.startswith(_OLD) or len(lines) > MAX_PROOF:
            raise ValueError("a submission begins with the old size, and at most 63 hashes")
        proof = tuple(map(from_base64, lines))
        if any(len(one) != HASH_BYTES for one in proof):
            raise ValueError("a proof is made of hashes of 32 bytes")
        return cls(from_decimal(first.removeprefix(_OLD)), proof, Note.parse(rest))


_MOST: Final = 1 << 16
_PORTS: Final = {"http": 80, "https": 443}
_URL: Final = re.compile(r"https?://[\[\]\w.:-]+(/[!-\"$->@-~]*)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the witness said; ``size`` is what it last cosigned, if that is what it says."""

    status: int
    body: bytes
    size: int | None


class _Connection(HTTPConnection):
    """HTTP over a connection that keeps to an allowance."""

    def __init__(self, host: str, port: int, allowance: Allowance, context: ssl.SSLContext | None) -> None:
        super().__init__(host, port)
        self.default_port = _PORTS["https" if context else "http"]
        self._allowance = allowance
        self._context = context

    def connect(self) -> None:
        """Connect (called by http.client)."""
        self.sock = connect(self.host, self.port, self._allowance, self._context)


class Door:
    """The witness' address, over one kept connection.

    Raises:
        ConfigError: the address is none or not a safe one, or the CA file cannot be used.
    """

    def __init__(self, url: str, ca: str, deadline_s: float) -> None:
        host, port, self._path = _parts(url)
        self._allowance = Allowance(deadline_s, 2 * _MOST)
        context = tls(ca, self._allowance) if url.startswith("https:") else None
        self._connection = _Connection(host, port, self._allowance, context)

    def post(self, body: bytes) -> Answer:
        """Post a submission and give the answer.

        Raises:
            OSError: none came, in time.
            HTTPException: it makes no sense, or is too large.
        """
        self._allowance.start()
        headers = {"Content-Type": "text/plain; charset=utf-8", "User-Agent": "rrsync"}
        self._connection.request("POST", self._path, body, headers)
        response = self._connection.getresponse()
        said = response.read(_MOST)
        if response.read(1):
            raise HTTPException
        kind = response.headers.get_content_type()
        return Answer(response.status, said, _size(said) if kind == SIZE_TYPE else None)

    def reason(self, error: OSError | HTTPException) -> str:
        """Say what the other side did that is no answer, without its words."""
        if isinstance(error, HTTPException) and not self._allowance.is_over():
            return "broke off, or its answer makes no sense"
        return why(error, self._allowance)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _size(body: bytes) -> int | None:
    """Read the size that a witness last cosigned."""
    try:
        return from_decimal(body.decode().removesuffix("\n"))
    except ValueError:
        return None


def _parts(url: str) -> tuple[str, int, str]:
    """Give host, port and path of a witness' address.

    Raises:
        ConfigError: it is none, or neither https nor on this machine.
    """
    match = _URL.fullmatch(url)
    try:
        parts = urlsplit(url if match else "")
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        host.encode("idna")
    except (ValueError, KeyError) as error:
        raise ConfigError("The address of a witness is no URL", todo="Write it as https://example.org/path") from error
    if parts.scheme == "http" and not is_here(host):
        raise ConfigError("The address of a witness must be https://, unless it is on this machine")
    return host, port, parts.path.rstrip("/") + PATH


#: Gives the hashes that prove how a library's log grew from one size to another.
Prove: TypeAlias = Callable[[str, int, int], Sequence[bytes]]

_AHEAD_S: Final = 300
_KEPT: Final = "The access log itself is whole, and what other anchors hold stands"
_LATER: Final = "It is tried again; ask its keeper if it goes on"
_STOP: Final = "Ask nobody, leave the database as it is, and find out who put it back or changed it"
_TODO: Final = {
    400: ("does not understand the checkpoint of {}", "Check the address of the witness, and its version"),
    403: ("has another key for the log of {}", "Give its keeper the public key (vkey) of this log"),
    404: ("does not know the log of {}", "Give its keeper the public key (vkey) of this log, and check the address"),
}


class Unavailable(AnchorUnavailable):
    """The witness did not cosign a checkpoint, now; ``receipts`` are those of the other logs."""

    receipts: tuple[Receipt, ...] = ()


class _Unreachable(Unavailable):
    """The witness cannot be asked about any log, now."""


class Conflict(AnchorConflict):
    """The witness has seen another log; ``seen`` is how many entries if it says so, ``receipts`` the other logs'."""

    receipts: tuple[Receipt, ...] = ()
    seen: int | None = None


@dataclass(frozen=True)
class WitnessAnchor:
    """The witness at a submission prefix, and the key it cosigns with; it has ``deadline_s`` for each answer.

    Raises:
        ConfigError: the address is none or not a safe one, the key is no witness', or the CA file cannot be used.
    """

    url: str
    key: Key
    clock: Callable[[], datetime] = field(kw_only=True)
    ca: str = field(default="", kw_only=True)
    deadline_s: float = field(default=10.0, kw_only=True)

    def __post_init__(self) -> None:
        """Look at the settings; nothing is sent yet."""
        if self.key.kind is not KeyKind.COSIGNATURE:
            raise ConfigError(
                f"The key of the {self.name} is not one that a witness cosigns with",
                todo="Ask the keeper of the witness for its vkey",
            )
        Door(self.url, self.ca, self.deadline_s)

    @property
    def name(self) -> str:
        """What the anchor is called, among others."""
        return f"witness {self.key.name}"

    def keep(self, signed: Sequence[Signed], *, old: Callable[[str], int], proof: Prove) -> list[Receipt]:
        """Have each log's checkpoint cosigned.

        ``old`` gives the size of a library's log that this witness last cosigned, as far as we know; ``proof`` must
        give what leads to the very roots that were signed, as one that does not is taken for a changed log.

        Raises:
            Conflict: the witness has seen another log than one of these.
            Unavailable: it did not cosign all of them, now.
        """
        receipts: list[Receipt] = []
        failures: list[Unavailable | Conflict] = []
        with closing(Door(self.url, self.ca, self.deadline_s)) as door:
            for one in signed:
                try:
                    receipts.append(self._ask(door, one, old(one.library), proof))
                except (Unavailable, Conflict) as error:
                    failures.append(error)
                    if isinstance(error, _Unreachable):
                        break
        if failures:
            worst = min(failures, key=lambda error: isinstance(error, Unavailable))
            worst.receipts = tuple(receipts)
            raise worst
        return receipts

    def _ask(self, door: Door, one: Signed, old: int, proof: Prove) -> Receipt:
        """Ask about one log, and once more if the witness is elsewhere and says where."""
        size = one.checkpoint.size
        old = old if old <= size else 0
        answer = self._post(door, one, old, proof)
        if answer.status == 409 and answer.size is not None and answer.size <= size and answer.size != old:
            old = answer.size
            answer = self._post(door, one, old, proof)
        match answer.status:
            case 200:
                return Receipt(self.name, one.library, size, self._cosignatures(one, answer.body))
            case 409 if answer.size is not None and answer.size > size:
                raise self._conflict(
                    f"has seen {answer.size} entries of the log of {one.library}, here are only {size}: "
                    "an older backup was put back, or entries were cut",
                    answer.size,
                )
            case 409 | 422 if 0 < old == size and answer.size in {None, size}:  # some say the one, some the other
                raise self._conflict(f"has seen another log of {one.library} with these {size} entries", size)
            case 422 if 0 < old < size:
                raise self._conflict(
                    f"finds that the log of {one.library} does not follow on the {old} entries it has seen", old
                )
        what, todo = _TODO.get(answer.status, (f"does not cosign the log of {{}} now (HTTP {answer.status})", _LATER))
        raise Unavailable(f"The {self.name} {what.format(one.library)}", kept=_KEPT, todo=todo)

    def _post(self, door: Door, one: Signed, old: int, proof: Prove) -> Answer:
        size = one.checkpoint.size
        hashes = tuple(proof(one.library, old, size)) if 0 < old < size else ()
        try:
            return door.post(Submission(old, hashes, one.note).to_text().encode())
        except (OSError, HTTPException) as error:
            reason = door.reason(error)
        raise _Unreachable(f"The {self.name} {reason}", kept=_KEPT, todo=_LATER)

    def _cosignatures(self, one: Signed, body: bytes) -> str:
        """Give the lines with which the witness really signed this checkpoint."""
        latest = self.clock().timestamp() + _AHEAD_S
        good = [line for line in body.decode(errors="replace").split("\n") if 0 < self._time(one, line) <= latest]
        if not good:
            raise Unavailable(
                f"The {self.name} answers without a cosignature of its key, or with one from the future",
                kept=_KEPT,
                todo="Check its key in the settings, and both clocks",
            )
        return "".join(f"{line}\n" for line in good)

    def _time(self, one: Signed, line: str) -> int:
        """Give when a line says the witness signed this checkpoint, 0 if it did not."""
        try:
            return cosigned_at(Note(one.note.text, (Signature.parse(line + "\n"),)), self.key) or 0
        except ValueError:
            return 0

    def _conflict(self, what: str, seen: int) -> Conflict:
        error = Conflict(f"The {self.name} {what}", kept="Nothing was changed", todo=_STOP)
        error.seen = seen
        return error
