"""Gives a log out in the forms that others read: a spreadsheet, the very bytes, tiles, calls, records.

1. Who takes how much of a log out, and why, is an entry before anything is given; what is given ends before it.
2. Everything goes by as a stream: what is held at once does not grow with the log.
3. People are in it by pseudonym only. The Auditregister alone asks for their number, and is given it while the key of
   its year is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, Final

import orjson

from rrsync.audit.formats import row_of, run_span, span
from rrsync.audit.layout import laid_out
from rrsync.audit.registration import is_registered, registration
from rrsync.core.access import actor_of, moment
from rrsync.core.entry import Draft, Kind, named
from rrsync.core.note import Checkpoint, Note
from rrsync.errors import ConfigError
from rrsync.store.search import Wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from rrsync.audit.layout import Piece
    from rrsync.audit.prove import Prover
    from rrsync.core.access import Access
    from rrsync.core.entry import JSON, Actor
    from rrsync.store.ledger import Ledger
    from rrsync.store.search import Search

_PAGE: Final = 500
_EVERY: Final = 1_000
_RUN: Final = frozenset({Kind.RUN_OPEN, Kind.RUN_CLOSE})


class Format(StrEnum):
    """What a log can be given out as."""

    CSV = "csv"
    JSONL = "jsonl"
    TILES = "tiles"
    AUDITREGISTER = "auditregister"
    LDV = "ldv"


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be given out: a library's log from a moment on and up to another, as a format."""

    library: str
    format: Format
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Filled:
    """An order that stands in the log: which entries it is about; ``note`` is the checkpoint that covers tiles."""

    order: Order
    entries: range
    note: Note | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """What was given out before: when, by whom, as what, how many entries, and why."""

    at: datetime
    by: str
    format: str
    count: int
    why: str


@dataclass(frozen=True, slots=True)
class Export:
    """Gives the logs of one database out."""

    ledger: Ledger
    search: Search
    prover: Prover

    def begin(self, order: Order, *, actor: Actor, why: str) -> Filled:
        """Put an order into the log.

        Raises:
            ConfigError: tiles of a part of a log, or of an empty one; or a time that ends before it begins.
            LedgerError: it is not in the log, and nothing is to be given.
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
            "actor": named(actor),
            "export": export,
            "why": {"note": why},
        }
        self.ledger.append([Draft(order.library, Kind.EXPORT, "", body=body)])
        return Filled(order, entries, note)

    def before(self, library: str, *, most: int) -> list[Given]:
        """Give what was given out of a library's log, the newest first.

        Raises:
            BrokenChain: the log cannot be read.
        """
        return [_given(line) for _, line in self.search.deeds(library, {Kind.EXPORT})][: -most - 1 : -1]

    def rows(self, filled: Filled, told: Callable[[int], None]) -> Iterator[tuple[str, ...]]:
        """Give the accesses, each as the cells of ``formats.COLUMNS``; ``told`` hears how many entries went by."""
        yield from map(row_of, self._accesses(filled, told))

    def lines(self, filled: Filled, told: Callable[[int], None]) -> Iterator[bytes]:
        """Give the lines of a file, without their ends; ``told`` hears how many entries went by."""
        match filled.order.format:
            case Format.AUDITREGISTER:
                yield from map(orjson.dumps, self._registrations(filled, told))
            case Format.LDV:
                yield from map(orjson.dumps, self._spans(filled, told))
            case _:
                yield from self._bytes(filled, told)

    def files(self, filled: Filled, told: Callable[[int], None]) -> Iterator[Piece]:
        """Give the files of a folder laid out as C2SP tlog-tiles; ``told`` hears how many entries went by.

        Raises:
            BrokenChain: the entries are not those of the checkpoint, which is known after the last of them.
        """
        assert filled.note is not None  # noqa: S101 — begin gave it
        library = filled.order.library
        yield from laid_out(library, self._bytes(filled, told), note=filled.note, key=self.prover.notary.key(library))

    def _covering(self, order: Order) -> Note | None:
        """Give the newest checkpoint with its witnesses' signatures, if tiles are ordered."""
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

    def _bytes(self, filled: Filled, told: Callable[[int], None]) -> Iterator[bytes]:
        first, most = filled.entries.start, len(filled.entries)
        for done, (_, data) in enumerate(self.ledger.entries(filled.order.library, since=first, most=most), start=1):
            yield data
            if done % _EVERY == 0:
                told(done)

    def _accesses(self, filled: Filled, told: Callable[[int], None]) -> Iterator[Access]:
        order, entries, past = filled.order, filled.entries, 0
        for access in self.search.accesses(Wanted(order.library, since=order.since, until=order.until)):
            if access.seq >= entries.stop:  # asked after the order was put into the log
                return
            yield access
            done = access.seq - entries.start
            if done // _EVERY > past:
                past = done // _EVERY
                told(past * _EVERY)

    def _registrations(self, filled: Filled, told: Callable[[int], None]) -> Iterator[dict[str, JSON]]:
        library = filled.order.library
        origin = self.ledger.origin(library)
        for page in _paged(filter(is_registered, self._accesses(filled, told))):
            people = self.ledger.subjects(library, [access.seq for access in page])
            yield from (registration(access, people.get(access.seq), origin=origin) for access in page)

    def _spans(self, filled: Filled, told: Callable[[int], None]) -> Iterator[dict[str, JSON]]:
        """Give the accesses, then the runs they were part of."""
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


def _given(line: dict[str, JSON]) -> Given:
    said, why = line.get("export"), line.get("why")
    export = said if isinstance(said, dict) else {}
    count = export.get("count")
    return Given(
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
