r"""C2SP signed notes, checkpoints and cosignatures: what a log signs, read strictly and written in one form only.

1. A note is text that ends in a newline, an empty line, and a line per signature: ``— name base64(id || bytes)``.
2. A name and an id of four bytes identify the key; signatures of unknown keys are ignored.
3. An invalid signature of a known key makes the whole note invalid.
4. A checkpoint is a note with a log's origin, its size and its root. A witness signs the same text after two lines
   that give the time.

Base64, numbers and text have exactly one valid form each.

Sources: c2sp.org/signed-note, c2sp.org/tlog-checkpoint, c2sp.org/tlog-cosignature.

>>> signer = Signer("example.com/log", bytes(32))
>>> note = Note("hello\n", (signer.sign("hello\n"),))
>>> Note.parse(note.to_text()).is_signed_by(Key.parse(signer.key.text))
True
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from typing import Final, Self
from urllib.parse import quote

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from rrsync.core.person import Masked

MAX_NUMBER: Final = (1 << 63) - 1

_DECIMAL: Final = re.compile("0|[1-9][0-9]{0,18}")
_UNCLEAN: Final = re.compile("[\x00-\x09\x0b-\x1f\ud800-\udfff]")


def to_base64(data: bytes) -> str:
    """Return bytes in base64."""
    return b64encode(data).decode()


def from_base64(text: str) -> bytes:
    """Read base64 in the one form that ``to_base64`` writes.

    Raises:
        ValueError: the text is not in that form.
    """
    data = b64decode(text, validate=True)
    if to_base64(data) != text:
        raise ValueError("base64 is written in one way only")
    return data


def from_decimal(text: str) -> int:
    """Read a number below 2^63 without sign and leading zeros.

    Raises:
        ValueError: the text is no such number.
    """
    if not _DECIMAL.fullmatch(text) or int(text) > MAX_NUMBER:
        raise ValueError("a number has no sign and no leading zero, and is below 2^63")
    return int(text)


def is_clean(text: str) -> bool:
    """Whether a text is valid UTF-8 without control characters other than newlines."""
    return not _UNCLEAN.search(text)


HASH_BYTES: Final = 32

MAX_BYTES: Final = 1 << 17  # sixteen signatures of five kilobytes, which must be accepted, and as much again
KEY_BYTES: Final = 32
ID_BYTES: Final = 4

_HEADER: Final = "cosignature/v1\n"
_DASH: Final = "— "
_NAMED: Final = "/:.-_~%@"


class KeyKind(IntEnum):
    """The kinds of keys, as C2SP numbers them."""

    ED25519 = 1
    COSIGNATURE = 4


@dataclass(frozen=True, slots=True)
class Key:
    """A public key that may sign notes under a name.

    Raises:
        ValueError: the name is invalid, or the key is not 32 bytes.
    """

    name: str
    kind: KeyKind
    public: bytes

    def __post_init__(self) -> None:
        """Hold only what can be written."""
        if not is_key_name(self.name) or len(self.public) != KEY_BYTES:
            raise ValueError("a key has a name without blanks or plus, and 32 bytes")

    @property
    def id(self) -> bytes:
        """The first four bytes of the hash of name, kind and key."""
        return sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:ID_BYTES]

    @property
    def text(self) -> str:
        """The key in the form for verifiers: ``name+id+base64``."""
        return f"{self.name}+{self.id.hex()}+{to_base64(bytes([self.kind]) + self.public)}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the result of ``text``.

        Raises:
            ValueError: the text is no key, the kind is unknown, or the id does not match.
        """
        name, _, rest = text.partition("+")
        _, plus, encoded = rest.partition("+")
        data = from_base64(encoded) if plus else b""
        if not data or data[0] not in {kind.value for kind in KeyKind}:
            raise ValueError("a public key reads name+id+base64, of an Ed25519 key or of a witness")
        key = cls(name, KeyKind(data[0]), data[1:])
        if key.text != text:
            raise ValueError("the id of the public key is not that of its name and bytes")
        return key


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: the name and id of the key, and the signature's bytes.

    Raises:
        ValueError: the name is invalid, the id is not four bytes, or there are no bytes.
    """

    name: str
    key_id: bytes
    data: bytes

    def __post_init__(self) -> None:
        """Hold only what can be written."""
        if not is_key_name(self.name) or len(self.key_id) != ID_BYTES or not self.data:
            raise ValueError("a signature has a key's name, an id of four bytes, and bytes")

    @property
    def line(self) -> str:
        """The line, with its newline."""
        return f"{_DASH}{self.name} {to_base64(self.key_id + self.data)}\n"

    @classmethod
    def parse(cls, line: str) -> Self:
        """Read the result of ``line``, newline included.

        Raises:
            ValueError: the text is no signature line.
        """
        if not line.startswith(_DASH) or not line.endswith("\n"):
            raise ValueError("a signature line begins with a dash and a blank, and ends with a newline")
        name, _, encoded = line[len(_DASH) : -1].partition(" ")
        data = from_base64(encoded)
        return cls(name, data[:ID_BYTES], data[ID_BYTES:])


@dataclass(frozen=True, slots=True)
class Note:
    """A text and its signatures; nothing in it is trusted before a signature of a known key was verified.

    Raises:
        ValueError: the text does not end in a newline, contains invalid characters, or has no signature.
    """

    text: str
    signatures: tuple[Signature, ...]

    def __post_init__(self) -> None:
        """Hold only what can be written."""
        if not self.text.endswith("\n") or not is_clean(self.text) or not self.signatures:
            raise ValueError("a note is signed text that ends in a newline, without control characters")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a note of at most 128 KiB; the last empty line separates the text from its signatures.

        Raises:
            ValueError: the text is no signed note.
        """
        if len(text) > MAX_BYTES or not is_clean(text) or len(text.encode()) > MAX_BYTES:
            raise ValueError("a note is at most 128 KiB of UTF-8, without control characters")
        body, empty, lines = text.rpartition("\n\n")
        if not empty or not lines.endswith("\n"):
            raise ValueError("a note has an empty line before its signatures, and ends in a newline")
        return cls(body + "\n", tuple(Signature.parse(line + "\n") for line in lines[:-1].split("\n")))

    def to_text(self) -> str:
        """Return the note in its stored form."""
        return self.text + "\n" + "".join(one.line for one in self.signatures)

    def is_signed_by(self, key: Key) -> bool:
        """Whether this key signed the note; signatures of other keys do not matter.

        Raises:
            ValueError: the note has an invalid signature in the key's name.
        """
        return bool(self.times(key))

    def times(self, key: Key) -> list[int]:
        """Return the time of each signature of this key, in POSIX seconds; 0 for a kind without times.

        Raises:
            ValueError: the note has an invalid signature in the key's name.
        """
        mine = [one for one in self.signatures if (one.name, one.key_id) == (key.name, key.id)]
        return [_verify(key, one.data, self.text) for one in mine]

    def plus(self, *signatures: Signature) -> Note:
        """Return the note with these signatures added; a new signature of a key replaces its old one."""
        lines = {(one.name, one.key_id): one for one in (*self.signatures, *signatures)}
        return Note(self.text, tuple(lines.values()))


def cosigned_at(note: Note, key: Key) -> int | None:
    """Return when this witness last cosigned the checkpoint, in POSIX seconds; ``None`` if it did not.

    Raises:
        ValueError: the key is no witness's, or the note has an invalid cosignature in its name.
    """
    if key.kind is not KeyKind.COSIGNATURE:
        raise ValueError("only a witness's key says when it signed")
    return max(note.times(key), default=None)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log at a size: its origin, its number of entries, and the root of their tree.

    Raises:
        ValueError: the origin or an extension is not one line, or the size or the root is invalid.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Hold only what can be written."""
        if any(not line or "\n" in line or not is_clean(line) for line in (self.origin, *self.extensions)):
            raise ValueError("an origin and an extension are one line of text")
        if not 0 <= self.size <= MAX_NUMBER or len(self.root) != HASH_BYTES:
            raise ValueError("a checkpoint has a size and a root of 32 bytes")

    def to_text(self) -> str:
        """Return the text that is signed."""
        return "".join(line + "\n" for line in (self.origin, str(self.size), to_base64(self.root), *self.extensions))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text of a note as a checkpoint.

        Raises:
            ValueError: the text is no checkpoint.
        """
        origin, *rest = text.split("\n")
        if len(rest) < 3 or rest.pop():
            raise ValueError("a checkpoint is three lines or more, each ended")
        size, root, *extensions = rest
        return cls(origin, from_decimal(size), from_base64(root), tuple(extensions))


class Signer(Masked):
    """The signing key of a log or a witness: one name, one Ed25519 seed of 32 bytes.

    Raises:
        ValueError: the name is invalid, or the seed is not 32 bytes.
    """

    __slots__ = ("_private", "cosigner", "key")

    def __init__(self, name: str, seed: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        public = self._private.public_key().public_bytes_raw()
        self.key = Key(name, KeyKind.ED25519, public)
        self.cosigner = Key(name, KeyKind.COSIGNATURE, public)

    def sign(self, text: str) -> Signature:
        """Sign the text of a note.

        Raises:
            ValueError: the text begins like a cosignature and could be mistaken for one.
        """
        if text.startswith(_HEADER):
            raise ValueError("a note may not begin as a cosignature does")
        return Signature(self.key.name, self.key.id, self._private.sign(text.encode()))

    def cosign(self, text: str, at: int) -> Signature:
        """Sign a checkpoint's text as a witness that saw it at this time, in POSIX seconds.

        Raises:
            ValueError: the text is no checkpoint, or the time is invalid.
        """
        Checkpoint.parse(text)
        if not 0 <= at <= MAX_NUMBER:
            raise ValueError("a cosignature bears the seconds since 1970")
        data = at.to_bytes(8, "big") + self._private.sign(_timed(text, at))
        return Signature(self.cosigner.name, self.cosigner.id, data)


def origin(text: str) -> str:
    """Return a log's name with the characters escaped that a key's name may not contain."""
    return quote(text, safe=_NAMED)


def is_key_name(text: str) -> bool:
    """Whether a text can be a key's name: not empty, without blanks, plus and control characters."""
    return bool(text) and "+" not in text and not any(map(str.isspace, text)) and is_clean(text)


def _timed(text: str, at: int) -> bytes:
    """Return the text that a witness signs."""
    return f"{_HEADER}time {at}\n{text}".encode()


def _verify(key: Key, data: bytes, text: str) -> int:
    """Verify a signature with its key, and return its time."""
    at, message = 0, text.encode()
    if key.kind is KeyKind.COSIGNATURE:
        at, data = int.from_bytes(data[:8], "big"), data[8:]
        message = _timed(text, at)
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(data, message)
    except InvalidSignature:
        raise ValueError(f"the signature of {key.name} is not its own") from None
    if at > MAX_NUMBER:
        raise ValueError(f"the cosignature of {key.name} bears no time")
    return at


@dataclass(frozen=True, slots=True)
class Signed:
    """A library's log as it was signed: the note, and its checkpoint."""

    library: str
    note: Note
    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True)
class Receipt:
    """An anchor's confirmation that it keeps a checkpoint; ``text`` has a witness's cosignature lines, else ``""``."""

    anchor: str
    library: str
    size: int
    text: str
