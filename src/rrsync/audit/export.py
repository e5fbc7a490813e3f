"""Exports a log: as a spreadsheet, as its exact bytes, as tiles, as Auditregister calls, as processing records.

1. Who exports how much of a log, and why, is logged first; the export ends before that entry.
2. Everything is streamed: memory does not grow with the log.
3. Persons appear by pseudonym. Only the Auditregister needs their number, and receives it while the year's key exists.

The tiles follow C2SP tlog-tiles, with files for an auditor beside them:

1. ``checkpoint`` is the signed note. The entries up to its size are in bundles of 256, the hashes of their tree in
   tiles of 256. Nothing outside the checkpoint is exported.
2. Every hash is computed from the entries' exact bytes, and the root must be the checkpoint's.
3. At most 255 hashes a level are in memory.

A proof is the newest checkpoint with its cosignatures, and one entry's path to it (C2SP tlog-proof).

Sources: c2sp.org/tlog-tiles, c2sp.org/tlog-proof.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from importlib.resources import files
from itertools import islice
from string import Template
from typing import Final, TypeAlias

import orjson

from rrsync.audit.export_formats import is_registered, registration, row_of, run_span, span
from rrsync.audit.notary import Notary
from rrsync.core.log_entry import JSON, Access, Actor, Draft, Kind, actor_json, actor_of, moment
from rrsync.core.merkle import WIDTH, Edge, Proof, bundle, entries_path, join, leaf_hash, tile_path
from rrsync.core.signed_note import Checkpoint, Key, Note, Signature
from rrsync.errors import BrokenChain, ConfigError
from rrsync.store.access_log import AccessLog
from rrsync.store.checkpoints import Checkpoints
from rrsync.store.log_search import AccessFilter, LogSearch
from rrsync.store.log_tree import LogTree


@dataclass(frozen=True, slots=True)
class Prover:
    """Makes proofs of entries; each request for one is logged."""

    notary: Notary
    ledger: AccessLog
    tiles: LogTree
    checkpoints: Checkpoints

    def newest(self, library: str) -> Note:
        """Sign the log's present state and return the note, with the cosignatures of witnesses.

        Raises:
            ConfigError: the log is empty.
            LedgerError: it cannot be signed.
        """
        note = self.notary.sign(library)
        if note is None:
            raise ConfigError(f"The access log of {library} is empty", todo="There is nothing to sign or to prove yet")
        return self.cosigned(library, note)

    def cosigned(self, library: str, note: Note) -> Note:
        """Return a note with the signatures of the witnesses that cosigned this checkpoint."""
        size = Checkpoint.parse(note.text).size
        lines = [
            line
            for one in self.checkpoints.anchorings(library)
            if one.size == size
            for line in one.receipt.splitlines(keepends=True)
        ]
        return note.plus(*map(Signature.parse, lines))

    def prove(self, library: str, seq: int, *, actor: Actor) -> Proof:
        """Return the proof that an entry is in the log; it contains the entry's bytes, so that it stands alone.

        Raises:
            ConfigError: there is no such entry.
            LedgerError: the request cannot be logged, or the log cannot be signed.
            BrokenChain: the entry does not lead to the signed root.
        """
        found = list(self.ledger.entries(library, since=seq, most=1))
        if not found or found[0][0] != seq:
            raise ConfigError(f"The access log of {library} has no entry {seq}", todo="See `rrsync log show`")
        view: dict[str, JSON] = {"what": "prove", "filter": {"entry": seq}, "count": 1}
        self.ledger.append([Draft(library, Kind.VIEW, "", body={"actor": actor_json(actor), "view": view})])
        note = self._covering(library, seq)
        data = found[0][1]
        proof = Proof(seq, tuple(self.tiles.inclusion(library, seq, Checkpoint.parse(note.text).size)), note, data)
        try:
            proof.check(leaf_hash(data), self.notary.key(library))
        except ValueError as error:
            raise BrokenChain(
                f"Entry {seq} of the access log of {library} does not lead to what is signed: {error}",
                todo="Run `rrsync log verify`: it names the cause",
            ) from error
        return proof

    def _covering(self, library: str, seq: int) -> Note:
        """Return the newest cosigned note that covers an entry; without one, the newest note."""
        seen = {one.size for one in self.checkpoints.anchorings(library) if one.receipt and one.size > seq}
        kept = [one for one in self.checkpoints.all(library) if one.size in seen]
        return self.cosigned(library, Note.parse(kept[-1].note)) if kept else self.newest(library)


#: A file to be: its path from the log's folder, and its bytes.
Piece: TypeAlias = tuple[str, bytes]

VERIFIER: Final = "verifier.py"
KEY: Final = "log.vkey"


def laid_out(library: str, entries: Iterable[bytes], *, note: Note, key: Key) -> Iterator[Piece]:
    """Yield the files of a log, as a stream; ``entries`` are those that the note covers, in order.

    Raises:
        BrokenChain: they are not the signed ones. This is known after the last entry; no ``checkpoint`` is yielded
            then.
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
    """The incomplete tiles: for each level its hashes, and the number of full tiles before them."""

    def __init__(self) -> None:
        self._open: list[list[bytes]] = []
        self._full: list[int] = []
        self.size = 0

    def pieces(self, entries: Iterable[bytes]) -> Iterator[Piece]:
        """Yield the bundles and tiles of these entries."""
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
        """Return the root of all entries so far."""
        return join([one for tile in reversed(self._open) for one in Edge().extend(tile).hashes])

    def _take(self, entries: list[bytes]) -> Iterator[Piece]:
        yield entries_path(self.size // WIDTH, len(entries)), bundle(entries)
        self.size += len(entries)
        yield from self._grow(0, [leaf_hash(data) for data in entries])

    def _grow(self, level: int, hashes: list[bytes]) -> Iterator[Piece]:
        """Add hashes to a level, within its tile; a full tile adds one hash to the level above."""
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

_PAGE: Final = 500
_EVERY: Final = 1_000
_RUN: Final = frozenset({Kind.RUN_OPEN, Kind.RUN_CLOSE})


class Format(StrEnum):
    """The formats of an export."""

    CSV = "csv"
    JSONL = "jsonl"
    TILES = "tiles"
    AUDITREGISTER = "auditregister"
    LDV = "ldv"


@dataclass(frozen=True, slots=True)
class ExportOrder:
    """The range to export: a library's log from one time to another, in a format."""

    library: str
    format: Format
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class LoggedOrder:
    """A logged order: the entries it covers; ``note`` is the checkpoint that covers tiles."""

    order: ExportOrder
    entries: range
    note: Note | None = None


@dataclass(frozen=True, slots=True)
class PastExport:
    """An earlier export: when, by whom, in which format, how many entries, and why."""

    at: datetime
    by: str
    format: str
    count: int
    why: str


@dataclass(frozen=True, slots=True)
class Export:
    """Exports the logs of one database."""

    ledger: AccessLog
    search: LogSearch
    prover: Prover

    def begin(self, order: ExportOrder, *, actor: Actor, why: str) -> LoggedOrder:
        """Log an order.

        Raises:
            ConfigError: tiles of a part of a log, or of an empty one; or a range that ends before it begins.
            LedgerError: it cannot be logged, so nothing may be exported.
        """
        if order.since is not None and order.until is not None and order.until <= order.since:
            raise ConfigError("The time meant ends before it begins: nothing lies between", kept="Nothing was written")
        note = self._covering(order)
        if note is None:
            entries = self.ledger.between(order.library, order.since, order.until)
        else:
            entries = range(Checkpoint.parse(note.text).size)
        export: dict[str, JSON] = {"format": order.format.value, "count": len(entries)}
        if entries:
            export |= {"from": entries[0], "to": entries[-1]}
        body: dict[str, JSON] = {
            "actor": actor_json(actor),
            "export": export,
            "why": {"note": why},
        }
        self.ledger.append([Draft(order.library, Kind.EXPORT, "", body=body)])
        return LoggedOrder(order, entries, note)

    def before(self, library: str, *, most: int) -> list[PastExport]:
        """Return the earlier exports of a library's log, the newest first.

        Raises:
            BrokenChain: the log cannot be read.
        """
        return [_given(line) for _, line in self.search.deeds(library, {Kind.EXPORT})][: -most - 1 : -1]

    def rows(self, filled: LoggedOrder, told: Callable[[int], None]) -> Iterator[tuple[str, ...]]:
        """Yield the accesses, each as the cells of ``COLUMNS``; ``told`` receives the number of entries read."""
        yield from map(row_of, self._accesses(filled, told))

    def lines(self, filled: LoggedOrder, told: Callable[[int], None]) -> Iterator[bytes]:
        """Yield the lines of a file, without line ends; ``told`` receives the number of entries read."""
        match filled.order.format:
            case Format.AUDITREGISTER:
                yield from map(orjson.dumps, self._registrations(filled, told))
            case Format.LDV:
                yield from map(orjson.dumps, self._spans(filled, told))
            case _:
                yield from self._bytes(filled, told)

    def files(self, filled: LoggedOrder, told: Callable[[int], None]) -> Iterator[Piece]:
        """Yield the files of a folder in the layout of C2SP tlog-tiles; ``told`` receives the number of entries read.

        Raises:
            BrokenChain: the entries are not those of the checkpoint; this is known after the last of them.
        """
        assert filled.note is not None  # noqa: S101 — begin gave it
        library = filled.order.library
        yield from laid_out(library, self._bytes(filled, told), note=filled.note, key=self.prover.notary.key(library))

    def _covering(self, order: ExportOrder) -> Note | None:
        """Return the newest checkpoint with its cosignatures, if tiles are ordered."""
        if order.format is not Format.TILES:
            return None
        if order.since is not None or order.until is not None:
            raise ConfigError(
                "Tiles give a log whole: --since and --until have no meaning for them", kept="Nothing was written"
            )
        note = self.prover.notary.last(order.library)
        if note is None:
            return self.prover.newest(order.library)
        return self.prover.cosigned(order.library, note)

    def _bytes(self, filled: LoggedOrder, told: Callable[[int], None]) -> Iterator[bytes]:
        first, most = filled.entries.start, len(filled.entries)
        for done, (_, data) in enumerate(self.ledger.entries(filled.order.library, since=first, most=most), start=1):
            yield data
            if done % _EVERY == 0:
                told(done)

    def _accesses(self, filled: LoggedOrder, told: Callable[[int], None]) -> Iterator[Access]:
        order, entries, past = filled.order, filled.entries, 0
        for access in self.search.accesses(AccessFilter(order.library, since=order.since, until=order.until)):
            if access.seq >= entries.stop:  # asked after the order was put into the log
                return
            yield access
            done = access.seq - entries.start
            if done // _EVERY > past:
                past = done // _EVERY
                told(past * _EVERY)

    def _registrations(self, filled: LoggedOrder, told: Callable[[int], None]) -> Iterator[dict[str, JSON]]:
        library = filled.order.library
        origin = self.ledger.origin(library)
        for page in _paged(filter(is_registered, self._accesses(filled, told))):
            people = self.ledger.subjects(library, [access.seq for access in page])
            yield from (registration(access, people.get(access.seq), origin=origin) for access in page)

    def _spans(self, filled: LoggedOrder, told: Callable[[int], None]) -> Iterator[dict[str, JSON]]:
        """Yield the accesses, then their runs."""
        library = filled.order.library
        origin = self.ledger.origin(library)
        runs: dict[str, str] = {}
        for access in self._accesses(filled, told):
            if access.run:
                runs.setdefault(access.run, access.purpose)
            yield span(access, origin=origin)
        times: dict[str, tuple[datetime, datetime]] = {}
        for _, line in self.search.deeds(library, _RUN):
            run, at = str(line.get("run")), moment(line)
            times[run] = times.get(run, (at, at))[0], at
        for run, (opened, closed) in times.items():
            if run in runs:
                yield run_span(run, runs[run], opened=opened, closed=closed, origin=origin)


def _given(line: dict[str, JSON]) -> PastExport:
    said, why = line.get("export"), line.get("why")
    export = said if isinstance(said, dict) else {}
    count = export.get("count")
    return PastExport(
        at=moment(line),
        by=actor_of(line).name,
        format=str(export.get("format", "")),
        count=count if isinstance(count, int) else 0,
        why=str(why.get("note", "")) if isinstance(why, dict) else "",
    )


def _paged(accesses: Iterable[Access]) -> Iterator[list[Access]]:
    stream = iter(accesses)
    while page := list(islice(stream, _PAGE)):
        yield page
