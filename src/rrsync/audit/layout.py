"""A log as files that anyone can check: the layout of C2SP tlog-tiles, and beside it what an auditor needs.

1. ``checkpoint`` is the signed note; the log's entries up to its size stand in bundles of 256, the hashes of their tree
   in tiles of 256. Nothing that the checkpoint does not cover is given.
2. Every hash is computed here from the entries' exact bytes, and the root must be the checkpoint's.
3. Entries go by once, and what is kept of them is at most 255 hashes a level, so memory does not grow with the log.

Source: c2sp.org/tlog-tiles.
"""

from __future__ import annotations

from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING, Final, TypeAlias

from rrsync.core.note import Checkpoint
from rrsync.core.tiles import WIDTH, bundle, entries_path, tile_path
from rrsync.core.tree import Edge, join, leaf_hash
from rrsync.errors import BrokenChain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rrsync.core.note import Key, Note

#: A file to be: its path from the log's folder, and its bytes.
Piece: TypeAlias = tuple[str, bytes]

VERIFIER: Final = "verifier.py"
KEY: Final = "log.vkey"


def laid_out(library: str, entries: Iterable[bytes], *, note: Note, key: Key) -> Iterator[Piece]:
    """Give the files of a log, as a stream; ``entries`` are those that the note covers, in their order.

    Raises:
        BrokenChain: they are not those that were signed. It is known after the last of them, and no ``checkpoint`` is
            given then.
    """
    checkpoint = Checkpoint.parse(note.text)
    forest = _Forest()
    yield from forest.pieces(entries)
    if (forest.size, forest.root()) != (checkpoint.size, checkpoint.root):
        raise BrokenChain(
            f"The entries of the access log of {library} are not those that its checkpoint was signed for",
            kept="Nothing was written",
            todo="Run `rrsync log verify`: it names the entry",
        )
    yield "checkpoint", note.to_text().encode()
    yield KEY, f"{key.text}\n".encode()
    yield VERIFIER, (files("rrsync") / "audit" / VERIFIER).read_bytes()
    yield "README.txt", _readme(checkpoint, key).encode()


class _Forest:
    """The tiles that are not full yet: for each level its hashes, and how many full tiles went before them."""

    def __init__(self) -> None:
        self._open: list[list[bytes]] = []
        self._full: list[int] = []
        self.size = 0

    def pieces(self, entries: Iterable[bytes]) -> Iterator[Piece]:
        """Give the bundles and the tiles of these entries."""
        waiting: list[bytes] = []
        for data in entries:
            waiting.append(data)
            if len(waiting) == WIDTH:
                yield from self._take(waiting)
                waiting = []
        if waiting:
            yield from self._take(waiting)
        for level, (tile, number) in enumerate(zip(self._open, self._full, strict=True)):
            if tile:
                yield tile_path(level, number, len(tile)), b"".join(tile)

    def root(self) -> bytes:
        """Give the root of all that went by."""
        return join([one for tile in reversed(self._open) for one in Edge().extend(tile).hashes])

    def _take(self, entries: list[bytes]) -> Iterator[Piece]:
        yield entries_path(self.size // WIDTH, len(entries)), bundle(entries)
        self.size += len(entries)
        yield from self._grow(0, [leaf_hash(data) for data in entries])

    def _grow(self, level: int, hashes: list[bytes]) -> Iterator[Piece]:
        """Add hashes to a level that stay within its tile; a tile that is full goes up as one hash."""
        if level == len(self._open):
            self._open.append([])
            self._full.append(0)
        tile = self._open[level]
        tile += hashes
        if len(tile) == WIDTH:
            yield tile_path(level, self._full[level]), b"".join(tile)
            self._open[level], self._full[level] = [], self._full[level] + 1
            yield from self._grow(level + 1, [Edge().extend(tile).root()])


def _readme(checkpoint: Checkpoint, key: Key) -> str:
    return _README.substitute(origin=checkpoint.origin, size=checkpoint.size, id=key.id.hex(), key=KEY)


_README: Final = Template(
    """\
The access log of $origin: its first $size entries.

Who looked at whose data in the National Registry, when, why and what came of it, one entry each.
People stand in it as keyed pseudonyms; nobody can be found in it without the library's keys.

checkpoint      the log's size and the root of its tree, signed by the log's key (C2SP signed-note, tlog-checkpoint),
                and by every witness that saw it
tile/           the log itself, laid out as C2SP tlog-tiles says: the entries in tile/entries/, hashes in tile/0/ and up
$key        the log's public key, $id. Do not take it from here alone: ask the library for it by another way
verifier.py     checks all of this; it needs Python 3.9 or newer and the package `cryptography`, and nothing of ours

To check it:

    python3 -m pip install cryptography
    python3 verifier.py export . --key $key

That the log was not cut, nor written anew, is shown by a checkpoint that was kept elsewhere: ask the data-protection
officer for the anchor's file or the mail, and give it with --earlier; give a witness's public key with --witness.
`python3 verifier.py --help` says more.

To check it with somebody else's program, the fsck of https://github.com/transparency-dev/tessera (cmd/fsck):

    fsck --storage_url=file://$$PWD/ --public_key=$key --ui=false -N=16 -v=1

It says "Successfully fsck'd log with size $size", or "fsck failed"; its exit code is 0 either way.
"""
)
