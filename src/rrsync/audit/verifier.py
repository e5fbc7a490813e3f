"""Checks an access log, or one entry of it, without trusting who keeps it.

This file stands alone: Python 3.9 or later, and the package `cryptography`. Copy it, read it, and run it elsewhere.
A log is a row of entries, numbered from 0. Each is hashed, and the hashes are hashed in pairs, up to one root: change,
move, add or remove an entry, and there is another root (RFC 6962). A checkpoint is the log's name, its size and its
root, signed (C2SP signed-note). An export is a folder with every entry and every hash (C2SP tlog-tiles); a proof is one
entry with the hashes that lead from it to a signed root (C2SP tlog-proof). All hashes are computed again here.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import quopri
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

HELP = """\
what you need, and from whom:
  --key      the log's public key, one line: name+number+letters; or a file that holds it. Take it from a paper,
             a website or a person, but not from where the log came: who changed the one could change the other.
  --witness  the public key of another organisation that countersigns: with it, you see the log all others see.
  --earlier  what an anchor kept elsewhere: with it, the log was not put back to an older state, nor written anew.

what the answer means:
  exit 0     every entry is as it was signed and in its place, and the log only grew since what was kept.
  exit 1     not so: a sentence names the log, the first entry that is not right, and why (2: it could not be asked).

It does not say that an entry is true, only that nobody changed it since; nor that the log goes up to today.
"""
CHECKPOINT = re.compile(r"\A([^\x00-\x1f]+)\n(0|[1-9][0-9]{0,18})\n([A-Za-z0-9+/]{43}=)\n(?:[^\x00-\x1f]+\n)*\Z")
SIGNATURE = re.compile(r"\A— ([^\s+\x00-\x1f]+) ([A-Za-z0-9+/]{7,}={0,2})\n\Z")
PROOF = re.compile(
    r"\Ac2sp\.org/tlog-proof@v1\n(?:extra ([A-Za-z0-9+/]+={0,2})\n)?index (0|[1-9][0-9]{0,18})\n"
    r"((?:[A-Za-z0-9+/]{43}=\n){0,63})\n((?s:.*))\Z"
)
EPOCH, LATEST = datetime(1970, 1, 1), 253402300799  # noqa: DTZ001 — UTC, up to the year 9999


class Fault(Exception):
    """The first thing that is not right, as a sentence."""


class Key(NamedTuple):
    """A public key: whose it is, its kind (1 of a log, 4 of a witness), its bytes, and its number."""

    name: str
    kind: int
    public: bytes
    number: bytes


class Checkpoint(NamedTuple):
    """A log at a size, with its root, and who signed that."""

    size: int
    root: bytes
    signed: str


def from_base64(text: str) -> bytes:
    """Read base64 that is written in the one usual way."""
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:
        raise ValueError("base64 is written in one way only")
    return data


def to_key(text: str, kind: int) -> Key:
    """Read a public key, or the file that holds it."""
    line = Path(text).read_text("utf-8").strip() if Path(text).is_file() else text
    name, number, encoded = [*line.split("+", 2), "", ""][:3]
    data = from_base64(encoded)
    found = hashlib.sha256(name.encode() + b"\n" + data).digest()[:4]
    if len(data) != 33 or data[0] != kind or number != found.hex():
        raise ValueError(f"{text} is no public key of a {'log' if kind == 1 else 'witness'}")
    return Key(name, kind, data[1:], found)


def signed_at(text: str, signatures: str, key: Key) -> list[int]:
    """Give the time of every signature of this key, 0 where it bears none; each of them must be right."""
    times = []
    for line in signatures.splitlines(keepends=True):
        [(name, encoded)] = SIGNATURE.findall(line)
        data = from_base64(encoded)
        if (name, data[:4]) == (key.name, key.number):
            head = data[4:12] if key.kind == 4 else b""
            times.append(int.from_bytes(head, "big"))
            message = f"cosignature/v1\ntime {times[-1]}\n{text}" if head else text
            try:
                Ed25519PublicKey.from_public_bytes(key.public).verify(data[4 + len(head) :], message.encode())
            except InvalidSignature:
                raise Fault(f"{key.name}: a signature in this name is not its own.") from None
    return times


def check_note(text: str, key: Key, witnesses: Sequence[Key] = ()) -> Checkpoint:
    """Give the checkpoint that the log signed and every witness countersigned."""
    body, _, signatures = text.rpartition("\n\n")
    try:
        [(origin, digits, encoded)] = CHECKPOINT.findall(body + "\n")
        times = [signed_at(body + "\n", signatures, one) for one in (key, *witnesses)]
        size, root = int(digits), from_base64(encoded)
    except ValueError:
        raise Fault(f"{key.name}: what should be a signed checkpoint is none.") from None
    if not times[0]:
        raise Fault(f"{key.name}: the checkpoint of {size} entries is not signed with the key that was given.")
    if origin != key.name:
        raise Fault(f"{key.name}: the checkpoint is of another log, {origin}.")
    words = f"signed by {key.name}"
    for witness, seen in zip(witnesses, times[1:]):
        if not seen:
            raise Fault(f"{key.name}: the checkpoint of {size} entries is not countersigned by {witness.name}.")
        words += f", countersigned by {witness.name} on {EPOCH + timedelta(seconds=min(max(seen), LATEST))} UTC"
    return Checkpoint(size, root, words)


def earlier_checkpoints(file: Path, key: Key) -> list[Checkpoint]:
    """Give the log's checkpoints in a file of notes; what is half written, or signed by others, is passed over."""
    data = file.read_bytes()
    text = (data + b"\n\n" + quopri.decodestring(data)).decode(errors="replace")  # a mail that was saved is encoded
    found, blocks = [], text.replace("\r\n", "\n").split("\n\n")
    for at in range(1, len(blocks)):
        with suppress(Fault):
            found.append(check_note("\n\n".join(blocks[at - 1 : at + 1]).strip("\n") + "\n", key))
    if not found:
        raise Fault(f"{key.name}: {file} holds no checkpoint that was signed with the key that was given.")
    return found


def sha256(*parts: bytes) -> bytes:
    """Give the hash of an entry, after 0, or of two hashes, after 1."""
    return hashlib.sha256(b"".join(parts)).digest()


def check_entry(entry: bytes, log: str, seq: int) -> None:
    """Hold what an entry says of itself against where it stands."""
    try:
        line: object = json.loads(entry.decode())
    except (ValueError, RecursionError):
        line = None
    if not isinstance(line, dict):
        raise Fault(f"{log}: entry {seq} is no JSON object.")
    if type(line.get("seq")) is not int or line["seq"] != seq:
        raise Fault(f"{log}: entry {seq} says that it is entry {line.get('seq')!r:.40}.")
    if line.get("log") != log:
        raise Fault(f"{log}: entry {seq} says that it is of the log {line.get('log')!r:.80}.")


class Export:
    """A folder that holds a whole log, read from the first entry to the last, one file at a time."""

    def __init__(self, folder: Path, log: str, size: int) -> None:
        self.folder, self.log, self.size, self.done = folder, log, size, 0
        self.edge: list[bytes] = []  # the roots of the whole subtrees so far, left to right
        self.tiles: dict[int, bytes] = {}  # the file that each height is in

    def read(self, level: str, number: int, height: int) -> tuple[str, bytes]:
        """Give a file's name, in groups of three digits and with its width if it is not full, and what is in it."""
        *groups, last = f"{number:,}".split(",")
        width = min(256, (self.size >> height) - 256 * number)
        name = f"tile/{level}/{''.join(f'x{one:0>3}/' for one in groups)}{last:0>3}"
        name += f".p/{width}" if width < 256 else ""
        try:
            data = (self.folder / name).read_bytes()
        except OSError:
            data = b""
        if not data or (level != "entries" and len(data) != 32 * width):
            raise Fault(f"{self.log}: entry {256 * number << height} is not shown: {name} is missing or cut.")
        return name, data

    def entries(self) -> Iterator[bytes]:
        """Give every entry's exact bytes."""
        for number in range(-(-self.size // 256)):
            (name, data), at = self.read("entries", number, 0), 0
            for seq in range(256 * number, min(256 * number + 256, self.size)):
                end = at + 2 + int.from_bytes(data[at : at + 2], "big")
                if len(data) < max(end, at + 2):
                    raise Fault(f"{self.log}: entry {seq} is not there: {name} ends before it does.")
                yield data[at + 2 : end]
                at = end
            if at < len(data):
                raise Fault(f"{self.log}: entry {seq} should be the last of {name}, and is not.")

    def compare(self, height: int, have: bytes) -> None:
        """Hold a hash against the one that the folder has for it."""
        number, at = divmod(self.done >> height, 256)
        if not at:
            _, self.tiles[height] = self.read(str(height // 8), number, height)
        if self.tiles[height][32 * at : 32 * at + 32] != have:
            first = self.done >> height << height
            which = f"entries {first} to {self.done} together are" if height else f"entry {first} is"
            raise Fault(f"{self.log}: {which} not what was hashed: tile/{height // 8} has another hash.")

    def append(self, node: bytes) -> None:
        """Add the hash of the next entry, and hold all that follow from it against the folder's."""
        self.compare(0, node)
        height, bits = 0, self.done
        while bits & 1:
            node, height, bits = sha256(b"\x01", self.edge.pop(), node), height + 1, bits >> 1
            if not height % 8:
                self.compare(height, node)
        self.edge.append(node)
        self.done += 1

    def root(self) -> bytes:
        """Give the root of what was read so far."""
        root, *rest = self.edge[::-1] or [sha256()]
        for left in rest:
            root = sha256(b"\x01", left, root)
        return root


def check_export(folder: Path, key: Key, witnesses: Sequence[Key] = (), earlier: Sequence[Checkpoint] = ()) -> str:
    """Check the whole log in a folder; give a sentence, or raise a Fault."""
    try:
        checkpoint = check_note((folder / "checkpoint").read_bytes().decode(), key, witnesses)
    except (OSError, ValueError):
        raise Fault(f"{key.name}: there is no checkpoint in {folder}.") from None
    points = sorted({*earlier, checkpoint})
    if points[-1].size > checkpoint.size:
        raise Fault(f"{key.name}: entry {checkpoint.size} is missing: there were {points[-1].size} entries before.")
    export, right = Export(folder, key.name, checkpoint.size), 0
    entries = export.entries()
    for point in points:
        for seq in range(export.done, point.size):
            entry = next(entries)
            export.append(sha256(b"\x00", entry))
            check_entry(entry, key.name, seq)
        if export.root() != point.root:
            which = f"an entry from {right} to {point.size - 1}" if right < point.size else "something"
            raise Fault(f"{key.name}: {which} is not what was signed: {point.size} entries had another root.")
        right = point.size
    next(entries, None)  # looks for what stands after the last one
    words = f"{checkpoint.signed}; earlier checkpoints that agree: {len(earlier)}"
    return f"{key.name}: the log is whole. Entries: {checkpoint.size}; root: {checkpoint.root.hex()}; {words}."


def root_from(leaf: bytes, index: int, size: int, hashes: Sequence[bytes]) -> bytes:
    """Give the root to which the hashes lead, as RFC 6962 §2.1.1 has it; nothing if there are too many or few."""
    if size == 1 or not hashes:
        return leaf if size == 1 and not hashes else b""
    half = 1 << ((size - 1).bit_length() - 1)
    if index < half:
        return sha256(b"\x01", root_from(leaf, index, half, hashes[:-1]), hashes[-1])
    return sha256(b"\x01", hashes[-1], root_from(leaf, index - half, size - half, hashes[:-1]))


def check_proof(file: Path, key: Key, witnesses: Sequence[Key] = (), given: str | None = None) -> tuple[str, str]:
    """Check a proof of the entry in it, or in a given file; give a sentence and the entry, or raise a Fault."""
    try:
        [(extra, place, lines, note)] = PROOF.findall(file.read_bytes().decode(errors="replace"))
        entry = Path(given).read_bytes() if given else from_base64(extra)
        index, hashes = int(place), [from_base64(line) for line in lines.split()]
    except ValueError:
        raise Fault(f"{key.name}: {file} is no proof.") from None
    size, root, signed = check_note(note, key, witnesses)
    if index >= size or root_from(sha256(b"\x00", entry), index, size, hashes) != root:
        raise Fault(f"{key.name}: entry {index} is not proven: it does not lead to the root of {size} entries.")
    check_entry(entry, key.name, index)
    return f"{key.name}: entry {index} is in the log of {size} entries, {signed}.", entry.decode()


def main(arguments: Sequence[str] | None = None) -> int:
    """Answer one question; give 0 if all is right, 1 if not."""
    parser = argparse.ArgumentParser(description=__doc__, epilog=HELP, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("question", choices=["export", "proof"], help="is this log, or this entry, what was signed?")
    parser.add_argument("path", help="the folder of the export, or the file of the proof")
    parser.add_argument("--key", required=True, help="the log's public key, or the file that holds it")
    parser.add_argument("--witness", action="append", default=[], metavar="KEY", help="may be given again")
    parser.add_argument("--earlier", action="append", default=[], metavar="FILE", help="may be given again")
    parser.add_argument("--entry", metavar="FILE", help="the entry's bytes, if they are not in the proof")
    asked = parser.parse_args(arguments)
    try:
        key, witnesses = to_key(asked.key, 1), [to_key(one, 4) for one in asked.witness]
        if asked.question == "export":
            earlier = [point for file in asked.earlier for point in earlier_checkpoints(Path(file), key)]
            print(check_export(Path(asked.path), key, witnesses, earlier))
        else:
            print(*check_proof(Path(asked.path), key, witnesses, asked.entry), sep="\n")
    except Fault as fault:
        print(fault, file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
