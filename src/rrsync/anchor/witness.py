r"""An anchor that is a witness: a server elsewhere, which signs a checkpoint only if the log grew from the last one.

C2SP ``add-checkpoint`` (c2sp.org/tlog-witness) over HTTP, in order:

1. The checkpoint goes with the size that we last saw cosigned, and the proof from there.
2. A witness that is at another size (409) says which. It is asked once more, with the proof from there.
3. A witness that is further than we are, has another root at our size, or finds that our log does not follow (422), has
   seen another log: a backup was put back here, or entries were changed.
4. A cosignature counts if it verifies under the key of the witness and is not from the future. No other is kept.

The body of a request is the size that the witness last cosigned, a hash on each line that proves how the log grew from
there, an empty line, and the signed checkpoint:

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
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
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
from rrsync.net.bounded_socket import is_here, tls
from rrsync.net.http_client import HttpClient, HttpError, HttpResponse

PATH: Final = "/add-checkpoint"
SIZE_TYPE: Final = "text/x.tlog.size"
MAX_PROOF: Final = 63
#: The largest note that must be read, and the proof before it.
MAX_BYTES: Final = notes.MAX_BYTES + 4096

_OLD: Final = "old "
_MAX_ANSWER: Final = 1 << 16
_URL: Final = re.compile(r"https?://[\[\]\w.:-]+(/[!-\"$->@-~]*)?", re.ASCII)
_HEADERS: Final = {"Content-Type": "text/plain; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class Submission:
    """A signed checkpoint, and the proof that its log grew from the one of size ``old``."""

    old: int
    proof: tuple[bytes, ...]
    note: Note

    def to_text(self) -> str:
        """Return the body of the request."""
        lines = (f"{_OLD}{self.old}", *map(to_base64, self.proof), "")
        return "\n".join(lines) + "\n" + self.note.to_text()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the body of a request.

        Raises:
            ValueError: it is not one.
        """
        head, _, rest = text.partition("\n\n")
        first, *lines = head.split("\n")
        if not first.startswith(_OLD) or len(lines) > MAX_PROOF:
            raise ValueError("a submission begins with the old size, and at most 63 hashes")
        proof = tuple(map(from_base64, lines))
        if any(len(one) != HASH_BYTES for one in proof):
            raise ValueError("a proof is made of hashes of 32 bytes")
        return cls(from_decimal(first.removeprefix(_OLD)), proof, Note.parse(rest))


#: Returns the hashes that prove how a library's log grew from one size to another.
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


class WitnessUnavailable(AnchorUnavailable):
    """The witness did not cosign a checkpoint, now; ``receipts`` are those of the other logs."""

    receipts: tuple[Receipt, ...] = ()


class _Unreachable(WitnessUnavailable):
    """The witness cannot be asked about any log, now."""


class WitnessConflict(AnchorConflict):
    """The witness has seen another log; ``seen`` is how many entries if it says so, ``receipts`` the other logs'."""

    receipts: tuple[Receipt, ...] = ()
    seen: int | None = None


@dataclass(frozen=True)
class WitnessAnchor:
    """The witness at a submission prefix, and the key it cosigns with; it has ``deadline_s`` for each answer.

    Raises:
        ConfigError: the address is not a safe URL, the key is not of a witness, or the CA file cannot be used.
    """

    url: str
    key: Key
    clock: Callable[[], datetime] = field(kw_only=True)
    ca: str = field(default="", kw_only=True)
    deadline_s: float = field(default=10.0, kw_only=True)

    def __post_init__(self) -> None:
        """Check the settings; nothing is sent yet."""
        if self.key.kind is not KeyKind.COSIGNATURE:
            raise ConfigError(
                f"The key of the {self.name} is not one that a witness cosigns with",
                todo="Ask the keeper of the witness for its vkey",
            )
        self._client()

    @property
    def name(self) -> str:
        """What the anchor is called, among others."""
        return f"witness {self.key.name}"

    def keep(self, signed: Sequence[Signed], *, old: Callable[[str], int], proof: Prove) -> list[Receipt]:
        """Have each log's checkpoint cosigned.

        ``old`` returns the size of a library's log that this witness last cosigned, as far as we know. ``proof`` must
        lead to the very roots that were signed: one that does not is taken for a changed log.

        Raises:
            Conflict: the witness has seen another log than one of these.
            Unavailable: it did not cosign all of them, now.
        """
        receipts: list[Receipt] = []
        failures: list[WitnessUnavailable | WitnessConflict] = []
        with closing(self._client()) as client:
            for one in signed:
                try:
                    receipts.append(self._ask(client, one, old(one.library), proof))
                except (WitnessUnavailable, WitnessConflict) as error:
                    failures.append(error)
                    if isinstance(error, _Unreachable):
                        break
        if failures:
            worst = min(failures, key=lambda error: isinstance(error, WitnessUnavailable))
            worst.receipts = tuple(receipts)
            raise worst
        return receipts

    def _client(self) -> HttpClient:
        """Return the client of the witness.

        Raises:
            ConfigError: the address is no URL or not a safe one, or the CA file cannot be used.
        """
        match = _URL.fullmatch(self.url)
        try:
            parts = urlsplit(self.url if match else "")
            host, _ = parts.hostname or "", parts.port
            host.encode("idna")
        except ValueError:
            host = ""
        if not host:
            raise ConfigError("The address of a witness is no URL", todo="Write it as https://example.org/path")
        if parts.scheme == "http" and not is_here(host):
            raise ConfigError("The address of a witness must be https://, unless it is on this machine")
        context = tls(ca=self.ca) if parts.scheme == "https" else None
        return HttpClient(deadline_s=self.deadline_s, max_bytes=_MAX_ANSWER, context=context)

    def _ask(self, client: HttpClient, one: Signed, old: int, proof: Prove) -> Receipt:
        """Ask about one log, and once more if the witness is at another size and says which."""
        size = one.checkpoint.size
        old = old if old <= size else 0
        answer = self._post(client, one, old, proof)
        seen = _seen(answer)
        if answer.status == 409 and seen is not None and seen <= size and seen != old:
            old = seen
            answer = self._post(client, one, old, proof)
            seen = _seen(answer)
        match answer.status:
            case 200:
                return Receipt(self.name, one.library, size, self._cosignatures(one, answer.body))
            case 409 if seen is not None and seen > size:
                raise self._conflict(
                    f"has seen {seen} entries of the log of {one.library}, here are only {size}: "
                    "an older backup was put back, or entries were cut",
                    seen,
                )
            case 409 | 422 if 0 < old == size and seen in {None, size}:  # some say the one, some the other
                raise self._conflict(f"has seen another log of {one.library} with these {size} entries", size)
            case 422 if 0 < old < size:
                raise self._conflict(
                    f"finds that the log of {one.library} does not follow on the {old} entries it has seen", old
                )
        what, todo = _TODO.get(answer.status, (f"does not cosign the log of {{}} now (HTTP {answer.status})", _LATER))
        raise WitnessUnavailable(f"The {self.name} {what.format(one.library)}", kept=_KEPT, todo=todo)

    def _post(self, client: HttpClient, one: Signed, old: int, proof: Prove) -> HttpResponse:
        size = one.checkpoint.size
        hashes = tuple(proof(one.library, old, size)) if 0 < old < size else ()
        body = Submission(old, hashes, one.note).to_text().encode()
        try:
            return client.exchange("POST", self.url.rstrip("/") + PATH, headers=_HEADERS, body=body)
        except HttpError as error:
            reason = error.failure.text(self.deadline_s)
        raise _Unreachable(f"The {self.name} {reason}", kept=_KEPT, todo=_LATER)

    def _cosignatures(self, one: Signed, body: bytes) -> str:
        """Return the lines with which the witness really signed this checkpoint."""
        latest = self.clock().timestamp() + _AHEAD_S
        good = [line for line in body.decode(errors="replace").split("\n") if 0 < self._time(one, line) <= latest]
        if not good:
            raise WitnessUnavailable(
                f"The {self.name} answers without a cosignature of its key, or with one from the future",
                kept=_KEPT,
                todo="Check its key in the settings, and both clocks",
            )
        return "".join(f"{line}\n" for line in good)

    def _time(self, one: Signed, line: str) -> int:
        """Return when the witness signed this checkpoint by a line of its answer, 0 if it did not."""
        try:
            return cosigned_at(Note(one.note.text, (Signature.parse(line + "\n"),)), self.key) or 0
        except ValueError:
            return 0

    def _conflict(self, what: str, seen: int) -> WitnessConflict:
        error = WitnessConflict(f"The {self.name} {what}", kept="Nothing was changed", todo=_STOP)
        error.seen = seen
        return error


def _seen(answer: HttpResponse) -> int | None:
    """Return the size that the witness says it last cosigned, if that is what it says."""
    if answer.headers.get("Content-Type", "").partition(";")[0].strip().lower() != SIZE_TYPE:
        return None
    try:
        return from_decimal(answer.body.decode().removesuffix("\n"))
    except ValueError:
        return None
