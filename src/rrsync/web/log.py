"""The log searched, one look of it, its proof and its messages; that it was looked at stands in the log first."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, ClassVar, Final

from fastapi import FastAPI, Form, Request, Response

from rrsync.audit.review import Seen
from rrsync.store.log_search import Wanted
from rrsync.store.sessions import Visit
from rrsync.text.log_terms import STATUSES
from rrsync.web import log_pages
from rrsync.web.desk_pages import OK, UNUSABLE, actor, is_number, kept
from rrsync.web.guard import Away, Inside, TurnedAway, house
from rrsync.web.log_pages import Decided, LookLine, read
from rrsync.web.paths import PATHS
from rrsync.web.render import BLANK, Choice, Filled, Place
from rrsync.web.responses import respond


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
    """One access: everything its entries say. ``got`` are names of ``words.codes.FIELDS``.

    ``via`` is the key of a library system with which somebody asked; ``of`` is the reference of an answer that was
    shown again. ``lines`` are the entries as they stand, by their number; ``key`` is the log's public key.
    ``has_evidence`` says whether the whole messages were kept; ``is_forgotten``, that they were once. The form for
    them sends ``reason``.
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
    decisions: tuple[Decided, ...] = ()
    has_evidence: bool = False
    is_forgotten: bool = False
    filled: Filled = BLANK


@dataclass(frozen=True, slots=True)
class Deed:
    """Another line about a person than a look: when, who, and what in words."""

    library: str
    seq: int
    at: datetime
    by: str
    what: str


_MOST: Final = 50
_NAME: Final = 80
_REASON: Final = 200
_PLACE: Final = re.compile(r"[0-9]{1,15}")
#: A purpose that no authorisation names stands in a denial under this word.
_UNKNOWN: Final = "unknown"


def mount(app: FastAPI) -> None:
    """Add the routes of this module."""
    app.add_api_route(PATHS["log"], blank, methods=["GET"])
    app.add_api_route(PATHS["log"], find, methods=["POST"])
    app.add_api_route(PATHS["entry"], one, methods=["GET"])
    app.add_api_route(PATHS["proof"], prove, methods=["POST"])
    app.add_api_route(PATHS["evidence"], evidence, methods=["POST"])


def blank(request: Request, visit: Inside) -> Response:
    """Ask what is looked for."""
    return respond(request, LogPage(log_pages.choices(request, visit), _purposes(request, visit)), here=Place.LOG)


def find(  # noqa: PLR0913 — a form's fields
    request: Request,
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
    """Show the newest looks that are meant, or those before an entry."""
    name, who = log_pages.chosen(request, visit, library), staff.strip()
    said = {"staff": who, "purpose": purpose, "outcome": outcome, "since": since, "until": until, "flagged": flagged}
    typed = kept({"library": name} | {field: text for field, text in said.items() if text})
    page = LogPage(log_pages.choices(request, visit), _purposes(request, visit), Filled(typed), most=_MOST)
    period = read(since, until)
    errors = ({} if name else {"library": "library_missing"}) | dict(period.errors) | _errors(said, page.purposes)
    if errors:
        wrong = LogPage(page.libraries, page.purposes, Filled(typed, errors))
        return respond(request, wrong, status=UNUSABLE, here=Place.LOG)
    wanted = Wanted(
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
    app = house(request).app
    app.notary.hold(name)
    found, seq = app.review().shown(wanted, actor(visit))
    lines = tuple(log_pages.line(look) for look in reversed(found))
    older = lines[-1].seq if len(lines) == _MOST else None
    shown = LogPage(page.libraries, page.purposes, page.filled, lines, _MOST, older, seq)
    return respond(request, shown, here=Place.LOG)


def one(request: Request, visit: Inside, library: str, entry: str) -> Response:
    """Show one look, with all that its entries say."""
    return _shown(request, visit, library, entry)


def prove(request: Request, visit: Inside, library: str, entry: str) -> Response:
    """Give the proof that an entry is in the log, as ``rrsync log prove`` writes it."""
    app, seq = house(request).app, _place(entry)
    app.notary.hold(library)
    if seq >= app.ledger.head(library).size:
        raise TurnedAway(Away.MISSING)
    proof = app.prover().prove(library, seq, actor=actor(visit))
    return _file(proof.to_text().encode(), f"{library}-{seq}.tlog-proof")


def evidence(
    request: Request, visit: Inside, library: str, entry: str, reason: Annotated[str, Form()] = ""
) -> Response:
    """Give the whole messages of a look, as ``rrsync log evidence`` writes them; who takes them says why."""
    why = reason.strip()
    if errors := _unusable(why):
        typed = kept({"reason": why})
        return _shown(request, visit, library, entry, filled=Filled(typed, errors), status=UNUSABLE)
    app, seq = house(request).app, _place(entry)
    app.notary.hold(library)
    if app.search.find(library, seq) is None:
        raise TurnedAway(Away.MISSING)
    found = app.review().evidence(library, seq, actor(visit), reason=why)
    return _file(b"".join(line + b"\n" for line in found.lines()), f"{library}-{found.access.seq}.txt")


def _shown(
    request: Request, visit: Visit, library: str, entry: str, *, filled: Filled = BLANK, status: int = OK
) -> Response:
    app, seq = house(request).app, _place(entry)
    app.notary.hold(library)
    seen = app.review().entry(library, seq, actor(visit))
    if seen is None:
        raise TurnedAway(Away.MISSING)
    decisions = app.oversight.samples.decided(seen.access)
    page = _page(seen, tuple(map(log_pages.decided, decisions)), app.notary.key(library).text, filled)
    return respond(request, page, status=status, here=Place.LOG)


def _page(seen: Seen, decisions: tuple[Decided, ...], key: str, filled: Filled) -> EntryPage:
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


def _purposes(request: Request, visit: Visit) -> tuple[str, ...]:
    """Give the purposes that a look can have been for, by the authorisations of today."""
    found = house(request).app.authorisations
    theirs = [found[library].purposes for library in log_pages.libraries(request, visit) if library in found]
    return (*sorted({purpose for purposes in theirs for purpose in purposes}), _UNKNOWN)


def _errors(said: Mapping[str, str], purposes: tuple[str, ...]) -> dict[str, str]:
    """Give what of a search cannot be used: it stands in the log for good, so that it names nobody by number."""
    errors, staff = {}, said["staff"]
    if len(staff) > _NAME or not staff.isprintable() or is_number(staff):
        errors["staff"] = "staff_wrong"
    if said["purpose"] not in {"", *purposes}:
        errors["purpose"] = "purpose_wrong"
    if said["outcome"] not in {"", *STATUSES}:
        errors["outcome"] = "outcome_wrong"
    return errors


def _unusable(why: str) -> dict[str, str]:
    if not why:
        return {"reason": "reason_missing"}
    return {"reason": "reason_wrong"} if len(why) > _REASON or not why.isprintable() or is_number(why) else {}


def _place(entry: str) -> int:
    """Give the place that an address names.

    Raises:
        TurnedAway: it is no place.
    """
    if not _PLACE.fullmatch(entry):
        raise TurnedAway(Away.MISSING)
    return int(entry)


def _file(data: bytes, name: str) -> Response:
    head = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(data, media_type="text/plain; charset=utf-8", headers=head)
