"""The access log: its search, one access, its proof and its messages. Each look is itself an entry, written first."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, ClassVar, Final

from fastapi import FastAPI, Form, Request, Response

from rrsync.audit.review import AccessDetail
from rrsync.store.log_search import AccessFilter
from rrsync.store.sessions import StaffSession
from rrsync.text.log_terms import STATUSES
from rrsync.web import log_pages
from rrsync.web.context import Context, WebContext
from rrsync.web.forms import UNUSABLE, is_number, reason_errors, without_numbers
from rrsync.web.guard import AccessError, Denied, Inside, actor
from rrsync.web.log_pages import DecisionLine, LookLine, read_period
from rrsync.web.paths import PATHS
from rrsync.web.render import BLANK, Choice, Filled, Place
from rrsync.web.responses import download, respond

_MOST: Final = 50
_NAME: Final = 80
_PLACE: Final = re.compile(r"[0-9]{1,15}")
#: A purpose that no authorisation names stands in a denial under this word.
_UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True)
class LogPage:
    """The search of the log, all of it by POST; ``found`` is ``None`` before anything was searched.

    Fields: ``library``, ``staff``, ``purpose``, ``outcome``, ``since``, ``until`` (days), ``flagged``. ``most`` is how
    many are shown at most; ``older`` is what the button for older entries sends as ``before``.
    """

    name: ClassVar[str] = "log"

    libraries: tuple[Choice, ...]
    purposes: tuple[str, ...]
    filled: Filled = BLANK
    found: tuple[LookLine, ...] | None = None
    most: int = 50
    older: int | None = None
    shown_as: int | None = None


@dataclass(frozen=True, slots=True)
class EntryPage:
    """One access: everything its entries say. ``got`` are keys of the field names of the texts.

    ``via`` is the key of the library system that asked; ``of`` is the reference of an answer that was shown again.
    ``lines`` are the entries word for word, by their number; ``key`` is the log's public key. ``has_evidence`` says
    whether the whole messages are kept; ``is_forgotten``, that they were, and their key is destroyed. The form for them
    sends ``reason``.
    """

    name: ClassVar[str] = "entry"

    look: LookLine
    reference: str
    run: str
    basis: str
    capacity: str
    operation: str
    got: tuple[str, ...]
    withheld: int
    changed: tuple[str, ...]
    denial: str
    codes: tuple[str, ...]
    ms: int
    ended_at: datetime | None
    ended_seq: int | None
    request: str
    reply: str
    via: str = ""
    of: str = ""
    lines: tuple[tuple[int, str], ...] = ()
    key: str = ""
    decisions: tuple[DecisionLine, ...] = ()
    has_evidence: bool = False
    is_forgotten: bool = False
    filled: Filled = BLANK


def register_routes(app: FastAPI) -> None:
    """Add the routes of the access log."""
    app.add_api_route(PATHS["log"], blank, methods=["GET"])
    app.add_api_route(PATHS["log"], find, methods=["POST"])
    app.add_api_route(PATHS["entry"], one, methods=["GET"])
    app.add_api_route(PATHS["proof"], prove, methods=["POST"])
    app.add_api_route(PATHS["evidence"], evidence, methods=["POST"])


def blank(request: Request, ctx: Context, visit: Inside) -> Response:
    """Show the empty form."""
    return respond(request, LogPage(log_pages.choices(ctx, visit), _purposes(ctx, visit)), here=Place.LOG)


def find(  # noqa: PLR0913 — a form's fields
    request: Request,
    ctx: Context,
    visit: Inside,
    *,
    library: Annotated[str, Form()] = "",
    staff: Annotated[str, Form()] = "",
    purpose: Annotated[str, Form()] = "",
    outcome: Annotated[str, Form()] = "",
    since: Annotated[str, Form()] = "",
    until: Annotated[str, Form()] = "",
    flagged: Annotated[str, Form()] = "",
    before: Annotated[str, Form(pattern=r"^[0-9]{0,15}$")] = "",
) -> Response:
    """Show the newest accesses that fit, or those before an entry."""
    name, who = log_pages.chosen(ctx, visit, library), staff.strip()
    said = {"staff": who, "purpose": purpose, "outcome": outcome, "since": since, "until": until, "flagged": flagged}
    typed = without_numbers({"library": name} | {field: text for field, text in said.items() if text})
    page = LogPage(log_pages.choices(ctx, visit), _purposes(ctx, visit), Filled(typed), most=_MOST)
    period = read_period(since, until)
    errors = ({} if name else {"library": "library_missing"}) | dict(period.errors) | _errors(said, page.purposes)
    if errors:
        return respond(request, replace(page, filled=Filled(typed, errors)), status=UNUSABLE, here=Place.LOG)
    wanted = AccessFilter(
        name,
        actor=who,
        purpose=purpose,
        status=outcome,
        since=period.since,
        until=period.until,
        last=_MOST,
        before=int(before) if before else None,
        flagged=bool(flagged),
    )
    ctx.notary.hold(name)
    found, seq = ctx.review().shown(wanted, actor(visit))
    lines = tuple(log_pages.line(look) for look in reversed(found))
    older = lines[-1].seq if len(lines) == _MOST else None
    return respond(request, replace(page, found=lines, older=older, shown_as=seq), here=Place.LOG)


def one(request: Request, ctx: Context, visit: Inside, library: str, entry: str) -> Response:
    """Show one access, with all that its entries say."""
    return _shown(request, ctx, visit, library, entry)


def prove(ctx: Context, visit: Inside, library: str, entry: str) -> Response:
    """Return the proof that an entry is in the log, as ``rrsync log prove`` writes it."""
    seq = _place(entry)
    ctx.notary.hold(library)
    head = ctx.access_log.head(library)
    if seq >= head.size:
        raise AccessError(Denied.MISSING)
    proof = ctx.prover().prove(library, seq, actor=actor(visit))
    return download(proof.to_text().encode(), f"{library}-{seq}.tlog-proof")


def evidence(
    request: Request, ctx: Context, visit: Inside, library: str, entry: str, reason: Annotated[str, Form()] = ""
) -> Response:
    """Return the whole messages of an access, as ``rrsync log evidence`` writes them, for a reason."""
    why = reason.strip()
    if errors := reason_errors(why):
        filled = Filled(without_numbers({"reason": why}), errors)
        return _shown(request, ctx, visit, library, entry, filled=filled, status=UNUSABLE)
    seq = _place(entry)
    ctx.notary.hold(library)
    if ctx.log_search.find(library, seq) is None:
        raise AccessError(Denied.MISSING)
    found = ctx.review().evidence(library, seq, actor(visit), reason=why)
    return download(b"".join(line + b"\n" for line in found.lines()), f"{library}-{found.access.seq}.txt")


def _shown(
    request: Request,
    ctx: WebContext,
    visit: StaffSession,
    library: str,
    entry: str,
    *,
    filled: Filled = BLANK,
    status: int = HTTPStatus.OK,
) -> Response:
    seq = _place(entry)
    ctx.notary.hold(library)
    seen = ctx.review().entry(library, seq, actor(visit))
    if seen is None:
        raise AccessError(Denied.MISSING)
    decisions, key = ctx.samples.decided(seen.access), ctx.notary.key(library)
    page = _page(seen, tuple(map(log_pages.decided, decisions)), key.text, filled)
    return respond(request, page, status=status, here=Place.LOG)


def _page(seen: AccessDetail, decisions: tuple[DecisionLine, ...], key: str, filled: Filled) -> EntryPage:
    look = seen.access
    return EntryPage(
        look=log_pages.line(look),
        reference=look.reference,
        run=look.run,
        via=look.actor.via,
        basis=look.basis,
        capacity=look.capacity,
        operation=look.operation,
        got=look.got,
        withheld=look.withheld,
        changed=look.changed,
        denial=look.denial,
        codes=look.codes,
        ms=look.ms,
        ended_at=look.ended_at,
        ended_seq=look.outcome_seq,
        request=look.request,
        reply=look.reply,
        of=look.of,
        lines=tuple((seq, data.decode(errors="replace")) for seq, data in seen.entries),
        key=key,
        decisions=decisions,
        has_evidence=seen.has_messages,
        is_forgotten=seen.is_forgotten,
        filled=filled,
    )


def _purposes(ctx: WebContext, visit: StaffSession) -> tuple[str, ...]:
    """Return the purposes that an access can have, by the authorisations of today."""
    found = ctx.authorisations
    theirs = [found[library].purposes for library in ctx.reached(visit) if library in found]
    return (*sorted({purpose for purposes in theirs for purpose in purposes}), _UNKNOWN)


def _errors(said: Mapping[str, str], purposes: tuple[str, ...]) -> dict[str, str]:
    """Return what cannot be used in a search, which stands in the log for good and so names nobody by number."""
    errors, staff = {}, said["staff"]
    if len(staff) > _NAME or not staff.isprintable() or is_number(staff):
        errors["staff"] = "staff_wrong"
    if said["purpose"] not in {"", *purposes}:
        errors["purpose"] = "purpose_wrong"
    if said["outcome"] not in {"", *STATUSES}:
        errors["outcome"] = "outcome_wrong"
    return errors


def _place(entry: str) -> int:
    """Return the number of the entry that an address names.

    Raises:
        AccessError: it is no number.
    """
    if not _PLACE.fullmatch(entry):
        raise AccessError(Denied.MISSING)
    return int(entry)
