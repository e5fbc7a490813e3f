"""The export of a log: what ``rrsync log export`` writes, streamed to the browser.

A log of millions of entries takes no more memory than one of a hundred. If the log is not the one that was signed, the
file breaks off, and the browser says that the download failed.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, ClassVar, Final

from fastapi import FastAPI, Form, Request, Response
from fastapi.responses import StreamingResponse

from rrsync.audit import export
from rrsync.audit.export import ExportOrder, Format
from rrsync.audit.export_formats import COLUMNS
from rrsync.core.planning import belgian_day
from rrsync.core.spreadsheet import escape
from rrsync.store.sessions import StaffSession
from rrsync.web import log_pages
from rrsync.web.context import Context, WebContext
from rrsync.web.forms import UNUSABLE, is_number, reason_errors
from rrsync.web.guard import Inside, actor
from rrsync.web.log_pages import Period, read_period
from rrsync.web.paths import PATHS
from rrsync.web.render import BLANK, Choice, Filled, Place
from rrsync.web.responses import attachment, respond


@dataclass(frozen=True, slots=True)
class ExportLine:
    """An export: when, by whom, in which format, how many entries, why."""

    library: str
    at: datetime
    by: str
    format: str
    count: int
    reason: str


@dataclass(frozen=True, slots=True)
class ExportPage:
    """The form of an export, and the exports before.

    Fields: ``library``, ``format`` (``csv``, ``jsonl``, ``tiles``, ``auditregister``, ``ldv``), ``since``, ``until``
    (days), ``reason``.
    """

    name: ClassVar[str] = "export"

    libraries: tuple[Choice, ...]
    filled: Filled = BLANK
    before: tuple[ExportLine, ...] = ()


_MOST: Final = 20
_CHUNK: Final = 64 * 1024
_PRIVATE: Final = 0o600
#: The file ending and the media type of each format.
_FILES: Final = {
    Format.CSV: ("csv", "text/csv; charset=utf-8"),
    Format.JSONL: ("jsonl", "application/jsonl"),
    Format.TILES: ("zip", "application/zip"),
    Format.AUDITREGISTER: ("auditregister.jsonl", "application/jsonl"),
    Format.LDV: ("ldv.jsonl", "application/jsonl"),
}


def register_routes(app: FastAPI) -> None:
    """Add the routes of the export."""
    app.add_api_route(PATHS["export"], blank, methods=["GET"])
    app.add_api_route(PATHS["export"], take, methods=["POST"])


def blank(request: Request, ctx: Context, visit: Inside) -> Response:
    """Show the empty form, and the exports before."""
    return _shown(request, ctx, visit, BLANK)


def take(
    request: Request,
    ctx: Context,
    visit: Inside,
    library: Annotated[str, Form()] = "",
    form: Annotated[str, Form(alias="format")] = "",
    since: Annotated[str, Form()] = "",
    until: Annotated[str, Form()] = "",
    reason: Annotated[str, Form()] = "",
) -> Response:
    """Send a part of a log, once the log says who exports it and why."""
    name, period, why = log_pages.chosen(ctx, visit, library), read_period(since, until), reason.strip()
    errors = _errors(name, form, period, why)
    if errors:
        kept = {"library": name, "format": form, "since": since, "until": until}
        typed = kept if is_number(why) else kept | {"reason": why}
        return _shown(request, ctx, visit, Filled(typed, errors), status=UNUSABLE)
    source = ctx.export()
    filled = source.begin(ExportOrder(name, Format(form), period.since, period.until), actor=actor(visit), why=why)
    ending, media_type = _FILES[filled.order.format]
    head = attachment(f"{name}-log-{belgian_day(ctx.now).isoformat()}.{ending}")
    return StreamingResponse(_chunks(_written(source, filled, ctx.now)), media_type=media_type, headers=head)


def _shown(
    request: Request, ctx: WebContext, visit: StaffSession, filled: Filled, *, status: int = HTTPStatus.OK
) -> Response:
    source = ctx.export()
    before = [
        ExportLine(name, each.at, each.by, each.format, each.count, each.why)
        for name in ctx.reached(visit)
        for each in source.before(name, most=_MOST)
    ]
    newest = sorted(before, key=lambda line: (line.at, line.library), reverse=True)[:_MOST]
    page = ExportPage(log_pages.choices(ctx, visit), filled, tuple(newest))
    return respond(request, page, status=status, here=Place.EXPORT)


def _errors(library: str, form: str, period: Period, why: str) -> dict[str, str]:
    """Return what is wrong with each field, in the order of the form."""
    errors = {} if library else {"library": "library_missing"}
    if form not in set(Format):
        errors["format"] = "format_missing"
    errors |= period.errors
    if form == Format.TILES and (period.since or period.until):
        errors["until" if period.until else "since"] = "tiles_whole"
    return errors | reason_errors(why)


def _written(source: export.Export, filled: export.LoggedOrder, now: datetime) -> Iterator[bytes]:
    """Yield the bytes of an export, as the command writes them; a folder of files becomes one zip."""
    match filled.order.format:
        case Format.CSV:
            yield from _rows(source.rows(filled, _nobody))
        case Format.TILES:
            yield from _zipped(source.files(filled, _nobody), f"{filled.order.library}-log", now)
        case _:
            yield from (line + b"\n" for line in source.lines(filled, _nobody))


def _nobody(_done: int) -> None:
    """Report no progress: a browser shows it by itself."""


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
    """Yield the bytes of a zip that holds files in one folder; it has an end only when all of them are in it."""
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
    """A write-only file; ``take`` returns what was written since the last time."""

    def __init__(self) -> None:
        self._held = bytearray()

    def writable(self) -> bool:
        """Whether it can be written to."""
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override] # zipfile writes bytes
        """Write bytes."""
        self._held += data
        return len(data)

    def take(self) -> bytes:
        """Return what was written, and forget it."""
        data = bytes(self._held)
        self._held.clear()
        return data


def _chunks(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Join small parts into larger ones, so that a server sends few."""
    held = bytearray()
    for part in parts:
        held += part
        if len(held) >= _CHUNK:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)
