"""A log to take along: what ``rrsync log export`` writes, sent as it is made.

What is sent is not held: a log of millions of entries takes no more room than one of a hundred. Should the log turn out
not to be what was signed, the file breaks off, and the browser says that it failed.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, ClassVar, Final

from fastapi import FastAPI, Form, Request, Response
from fastapi.responses import StreamingResponse

from rrsync.audit import export
from rrsync.audit.export import Format, Order
from rrsync.audit.export_formats import COLUMNS
from rrsync.core.planning import belgian_day
from rrsync.core.spreadsheet import escape
from rrsync.store.sessions import Visit
from rrsync.web import log_pages
from rrsync.web.desk_pages import OK, UNUSABLE, actor, is_number
from rrsync.web.guard import Inside, house
from rrsync.web.log_pages import Period, read
from rrsync.web.paths import PATHS
from rrsync.web.render import BLANK, Choice, Filled, Place
from rrsync.web.responses import respond


@dataclass(frozen=True, slots=True)
class ExportLine:
    """A part of the log that was taken out: when, by whom, as what, how many entries, why."""

    library: str
    at: datetime
    by: str
    format: str
    count: int
    reason: str


@dataclass(frozen=True, slots=True)
class ExportPage:
    """The form to take a part of the log out, and what was taken out before.

    Fields: ``library``, ``format`` (``csv``, ``jsonl``, ``tiles``, ``auditregister``, ``ldv``), ``since``, ``until``
    (days), ``reason``.
    """

    name: ClassVar[str] = "export"

    libraries: tuple[Choice, ...]
    filled: Filled = BLANK
    before: tuple[ExportLine, ...] = ()


_LONGEST: Final = 200
_MOST: Final = 20
_CHUNK: Final = 64 * 1024
_PRIVATE: Final = 0o600
#: How the file of a format ends, and what it is.
_FILES: Final = {
    Format.CSV: ("csv", "text/csv; charset=utf-8"),
    Format.JSONL: ("jsonl", "application/jsonl"),
    Format.TILES: ("zip", "application/zip"),
    Format.AUDITREGISTER: ("auditregister.jsonl", "application/jsonl"),
    Format.LDV: ("ldv.jsonl", "application/jsonl"),
}


def mount(app: FastAPI) -> None:
    """Add the routes of this module."""
    app.add_api_route(PATHS["export"], blank, methods=["GET"])
    app.add_api_route(PATHS["export"], take, methods=["POST"])


def blank(request: Request, visit: Inside) -> Response:
    """Ask what is to be taken along, and show what was before."""
    return _shown(request, visit, BLANK)


def take(
    request: Request,
    visit: Inside,
    library: Annotated[str, Form()] = "",
    form: Annotated[str, Form(alias="format")] = "",
    since: Annotated[str, Form()] = "",
    until: Annotated[str, Form()] = "",
    reason: Annotated[str, Form()] = "",
) -> Response:
    """Send a part of a log, once the log says who takes it and why."""
    home = house(request)
    name, period, why = log_pages.chosen(request, visit, library), read(since, until), reason.strip()
    errors = _errors(name, form, period, why)
    if errors:
        kept = {"library": name, "format": form, "since": since, "until": until}
        typed = kept if is_number(why) else kept | {"reason": why}
        return _shown(request, visit, Filled(typed, errors), status=UNUSABLE)
    source = home.app.export()
    filled = source.begin(Order(name, Format(form), period.since, period.until), actor=actor(visit), why=why)
    ending, kind = _FILES[filled.order.format]
    head = {"Content-Disposition": f'attachment; filename="{name}-log-{belgian_day(home.now).isoformat()}.{ending}"'}
    return StreamingResponse(_chunks(_written(source, filled, home.now)), media_type=kind, headers=head)


def _shown(request: Request, visit: Visit, filled: Filled, *, status: int = OK) -> Response:
    source = house(request).app.export()
    before = [
        ExportLine(name, each.at, each.by, each.format, each.count, each.why)
        for name in log_pages.libraries(request, visit)
        for each in source.before(name, most=_MOST)
    ]
    newest = sorted(before, key=lambda line: (line.at, line.library), reverse=True)[:_MOST]
    page = ExportPage(log_pages.choices(request, visit), filled, tuple(newest))
    return respond(request, page, status=status, here=Place.EXPORT)


def _errors(library: str, form: str, period: Period, why: str) -> dict[str, str]:
    """Give what is wrong with what was asked for, in the order of the form."""
    errors = {} if library else {"library": "library_missing"}
    if form not in set(Format):
        errors["format"] = "format_missing"
    errors |= period.errors
    if form == Format.TILES and (period.since or period.until):
        errors["until" if period.until else "since"] = "tiles_whole"
    if not why:
        errors["reason"] = "reason_missing"
    elif len(why) > _LONGEST or not why.isprintable() or is_number(why):
        errors["reason"] = "reason_wrong"
    return errors


def _written(source: export.Export, filled: export.Filled, now: datetime) -> Iterator[bytes]:
    """Give the bytes of an export, as the command writes them; a folder of files is one file here."""
    match filled.order.format:
        case Format.CSV:
            yield from _rows(source.rows(filled, _nobody))
        case Format.TILES:
            yield from _zipped(source.files(filled, _nobody), f"{filled.order.library}-log", now)
        case _:
            yield from (line + b"\n" for line in source.lines(filled, _nobody))


def _nobody(_done: int) -> None:
    """Hear how far it is: a browser shows that itself."""


def _rows(rows: Iterable[tuple[str, ...]]) -> Iterator[bytes]:
    line = io.StringIO()
    write = csv.writer(line, lineterminator="\n").writerow
    write(COLUMNS)
    yield line.getvalue().encode()
    for row in rows:
        line.seek(0)
        line.truncate()
        write([escape(cell) for cell in row])
        yield line.getvalue().encode()


def _zipped(files: Iterable[tuple[str, bytes]], folder: str, now: datetime) -> Iterator[bytes]:
    """Give files as the bytes of a zip that holds them in one folder; it has an end only when all of them are in it."""
    pipe = _Pipe()
    archive = zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED)
    for name, data in files:
        info = zipfile.ZipInfo(f"{folder}/{name}", now.timetuple()[:6])
        info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, _PRIVATE << 16
        archive.writestr(info, data)
        yield pipe.take()
    archive.close()
    yield pipe.take()


class _Pipe(io.RawIOBase):
    """A file that can only be written on; what was written is taken from it."""

    def __init__(self) -> None:
        self._held = bytearray()

    def writable(self) -> bool:
        """Whether it can be written on."""
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override] # zipfile writes bytes
        """Write on it."""
        self._held += data
        return len(data)

    def take(self) -> bytes:
        """Take what was written."""
        data = bytes(self._held)
        self._held.clear()
        return data


def _chunks(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Give small parts as larger ones, so that a server sends few."""
    held = bytearray()
    for part in parts:
        held += part
        if len(held) >= _CHUNK:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)
