"""The monthly samples of the log: all months, the sample of one month, and a reviewer's decisions about it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, ClassVar, Final

from fastapi import Depends, FastAPI, Request, Response

from rrsync.audit.sample import Pick, Sample, Samples
from rrsync.core.belgian_time import Month
from rrsync.core.log_entry import is_same_name
from rrsync.core.review_sample import Finding
from rrsync.store.sessions import StaffSession
from rrsync.web import log_pages
from rrsync.web.context import Context, WebContext
from rrsync.web.forms import UNUSABLE
from rrsync.web.guard import AccessError, Denied, Inside, actor
from rrsync.web.log_pages import DecisionLine, LookLine, OverdueMonth
from rrsync.web.paths import PATHS
from rrsync.web.render import BLANK, Filled, Flash, Place
from rrsync.web.responses import go, respond, say

_YEAR: Final = 12
_FIELD: Final = re.compile(r"finding-([0-9]{1,15})")


@dataclass(frozen=True, slots=True)
class MonthLine:
    """A month, as ``2026-10``: how many accesses were drawn from how many, and how many are to be decided."""

    month: str
    looks: int
    of: int
    left: int
    is_late: bool


@dataclass(frozen=True, slots=True)
class MonthsPart:
    """One library's months, the newest first; of those before the last year, only the undecided ones."""

    library: str
    title: str
    months: tuple[MonthLine, ...]


@dataclass(frozen=True, slots=True)
class SamplesPage:
    """The samples of all months that have ended."""

    name: ClassVar[str] = "samples"

    parts: tuple[MonthsPart, ...]


@dataclass(frozen=True, slots=True)
class PickLine:
    """One access of a sample, how it was drawn, the decisions about it, and whether this visitor may decide."""

    look: LookLine
    by_risk: bool
    decisions: tuple[DecisionLine, ...] = ()
    can_decide: bool = True


@dataclass(frozen=True, slots=True)
class SamplePage:
    """A month's sample, to be decided and signed off.

    ``month``, ``before`` and ``after`` are written as ``2026-10``. ``seed`` is in hex, made of the log's first
    ``size`` entries. ``barred`` is a key of the page's words when this visitor may not sign (``in_it``). Fields: for
    each entry ``finding-SEQ``, which is ``justified``, ``unjustified``, ``unclear`` or empty.
    """

    name: ClassVar[str] = "sample"

    library: str
    title: str
    month: str
    picks: tuple[PickLine, ...]
    looks: int
    left: int
    seed: str
    size: int
    before: str | None = None
    after: str | None = None
    barred: str = ""
    overdue: tuple[OverdueMonth, ...] = ()
    filled: Filled = BLANK


def register_routes(app: FastAPI) -> None:
    """Add the routes of the samples."""
    app.add_api_route(PATHS["samples"], months, methods=["GET"])
    app.add_api_route(PATHS["sample"], show, methods=["GET"])
    app.add_api_route(PATHS["sample"], sign, methods=["POST"])


def months(request: Request, ctx: Context, visit: Inside) -> Response:
    """Show the samples of all months."""
    theirs = ctx.reached(visit)
    page = SamplesPage(tuple(MonthsPart(name, title, _months(ctx.samples, name)) for name, title in theirs.items()))
    return respond(request, page, here=Place.SAMPLES)


def show(request: Request, ctx: Context, visit: Inside, library: str, month: str) -> Response:
    """Show a month's sample; the look is an entry of the log."""
    return _shown(request, ctx, visit, library, _month(ctx, library, month))


async def typed(request: Request) -> dict[str, str]:
    """Return the fields of the form; of a field that is there twice, the last."""
    return {name: text for name, text in (await request.form()).items() if isinstance(text, str)}


def sign(
    request: Request,
    ctx: Context,
    visit: Inside,
    library: str,
    month: str,
    chosen: Annotated[dict[str, str], Depends(typed)],
) -> Response:
    """Write a reviewer's decisions, all or none; a decision that is the reviewer's last one already is not repeated."""
    when, me, samples = _month(ctx, library, month), actor(visit), ctx.samples
    findings = _findings(chosen)
    sample = samples.of(library, when)
    if _is_in_it(sample, me.name):
        return _shown(request, ctx, visit, library, when, status=HTTPStatus.FORBIDDEN)
    if not findings:
        wrong = Filled({}, {"picks": "nothing_chosen"})
        return _shown(request, ctx, visit, library, when, wrong=wrong, status=UNUSABLE)
    fresh = {seq: finding for seq, finding in findings.items() if not _is_said(sample, seq, finding, me.name)}
    if fresh:
        samples.decide(library, when, fresh, me)
    left = samples.of(library, when).left
    say(request, visit, Flash("good", "signed", {"count": len(findings), "left": left}))
    return go("sample", library=library, month=when.text)


def _shown(
    request: Request,
    ctx: WebContext,
    visit: StaffSession,
    library: str,
    month: Month,
    *,
    wrong: Filled = BLANK,
    status: int = HTTPStatus.OK,
) -> Response:
    sample = ctx.oversight.sample(library, month, actor(visit))
    began, last = _began(ctx, library), ctx.samples.last()
    page = SamplePage(
        library=library,
        title=ctx.libraries[library],
        month=month.text,
        picks=tuple(_pick(pick, visit.staff.name) for pick in sample.picks),
        looks=sample.looks,
        left=sample.left,
        seed=sample.seed.hex(),
        size=sample.size,
        before=month.before.text if month > began else None,
        after=month.next.text if month < last else None,
        barred="in_it" if _is_in_it(sample, visit.staff.name) else "",
        overdue=tuple(
            OverdueMonth(library, each.month.text, each.left, each.of)
            for each in ctx.samples.overdue(library)
            if each.month != month
        ),
        filled=wrong,
    )
    return respond(request, page, status=status, here=Place.SAMPLES)


def _months(samples: Samples, library: str) -> tuple[MonthLine, ...]:
    """Return the months of the last year, and the undecided ones before it; the newest first."""
    found = samples.months(library)
    kept = [each for at, each in enumerate(reversed(found)) if at < _YEAR or each.left]
    return tuple(MonthLine(each.month.text, each.looks, each.of, each.left, each.is_late) for each in kept)


def _month(ctx: WebContext, library: str, text: str) -> Month:
    """Return a month that has ended, of a log that had begun.

    Raises:
        AccessError: it is no such month.
    """
    try:
        month = Month.parse(text)
    except ValueError as error:
        raise AccessError(Denied.MISSING) from error
    if not _began(ctx, library) <= month <= ctx.samples.last():
        raise AccessError(Denied.MISSING)
    return month


def _began(ctx: WebContext, library: str) -> Month:
    """Return the month in which a log began; of a log without an entry, the last that has ended."""
    began = ctx.access_log.began(library)
    return ctx.samples.last() if began is None else Month.of(began)


def _pick(pick: Pick, me: str) -> PickLine:
    is_mine = any(is_same_name(decision.by, me) for decision in pick.decisions)
    return PickLine(
        log_pages.line(pick.access), pick.by_risk, tuple(map(log_pages.decided, pick.decisions)), can_decide=not is_mine
    )


def _is_in_it(sample: Sample, me: str) -> bool:
    return any(is_same_name(pick.access.actor.name, me) for pick in sample.picks)


def _is_said(sample: Sample, seq: int, finding: Finding, me: str) -> bool:
    """Whether this is a reviewer's last decision about an entry already: a form that is sent twice decides once."""
    said = [each for pick in sample.picks if pick.access.seq == seq for each in pick.decisions]
    mine = [each.finding for each in said if is_same_name(each.by, me)]
    return mine[-1:] == [finding]


def _findings(chosen: Mapping[str, str]) -> dict[int, Finding]:
    """Return the decisions of a form, by entry; fields of no entry, and words that are no finding, are skipped.

    >>> _findings({"finding-7": "justified", "finding-8": "", "finding-x": "unclear", "token": "t"})
    {7: <Finding.JUSTIFIED: 'justified'>}
    """
    words = {finding.value: finding for finding in Finding}
    found = {}
    for name, text in chosen.items():
        if (field := _FIELD.fullmatch(name)) and text in words:
            found[int(field[1])] = words[text]
    return found
