"""The month's samples: all months, one month's sample, and what a reviewer decides of it.

What the data-protection officer goes over: what stood out on a day, and the month's sample.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

from fastapi import Depends, FastAPI, Request, Response

from rrsync.audit.sample import Pick, Sample, Samples
from rrsync.core.belgian_time import Month
from rrsync.core.log_entry import is_same_name
from rrsync.core.review_sample import Finding
from rrsync.store.sessions import Visit
from rrsync.web import log_pages
from rrsync.web.desk_pages import UNUSABLE, actor
from rrsync.web.guard import Away, Inside, TurnedAway, house
from rrsync.web.log_pages import Decided, LookLine
from rrsync.web.paths import PATHS
from rrsync.web.render import BLANK, Filled, Flash, Place
from rrsync.web.responses import go, respond, say


@dataclass(frozen=True, slots=True)
class Overdue:
    """A month, as ``2026-10``, whose sample has waited too long: ``left`` of ``of`` are still to be decided."""

    library: str
    month: str
    left: int
    of: int


@dataclass(frozen=True, slots=True)
class MonthLine:
    """A month, as ``2026-10``: how many were drawn from how many looks, and how many of them are to be decided."""

    month: str
    looks: int
    of: int
    left: int
    is_late: bool


@dataclass(frozen=True, slots=True)
class MonthsPart:
    """One library's months, the newest first; of those before the last year, the ones that are not decided."""

    library: str
    title: str
    months: tuple[MonthLine, ...]


@dataclass(frozen=True, slots=True)
class SamplesPage:
    """The samples of all months that have ended, and what is left to decide."""

    name: ClassVar[str] = "samples"

    parts: tuple[MonthsPart, ...]


@dataclass(frozen=True, slots=True)
class PickLine:
    """One access of a sample, how it was drawn, what was decided of it, and whether this visitor may decide."""

    look: LookLine
    by_risk: bool
    decisions: tuple[Decided, ...] = ()
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
    overdue: tuple[Overdue, ...] = ()
    filled: Filled = BLANK


_OK: Final = 200
_YEAR: Final = 12
_FORBIDDEN: Final = 403
_FIELD: Final = re.compile(r"finding-([0-9]{1,15})")


def mount(app: FastAPI) -> None:
    """Add the routes of this module."""
    app.add_api_route(PATHS["samples"], months, methods=["GET"])
    app.add_api_route(PATHS["sample"], show, methods=["GET"])
    app.add_api_route(PATHS["sample"], sign, methods=["POST"])


def months(request: Request, visit: Inside) -> Response:
    """Show how the samples of all months stand."""
    samples = house(request).app.oversight.samples
    theirs = log_pages.libraries(request, visit)
    page = SamplesPage(tuple(MonthsPart(name, title, _months(samples, name)) for name, title in theirs.items()))
    return respond(request, page, here=Place.SAMPLES)


def show(request: Request, visit: Inside, library: str, month: str) -> Response:
    """Show a month's sample; that it was looked at is an entry of the log."""
    return _shown(request, visit, library, _month(request, library, month))


async def said(request: Request) -> dict[str, str]:
    """Give what was chosen in the form, by field; a field that is said twice is as it was said last."""
    return {name: text for name, text in (await request.form()).items() if isinstance(text, str)}


def sign(
    request: Request, visit: Inside, library: str, month: str, chosen: Annotated[dict[str, str], Depends(said)]
) -> Response:
    """Write what a reviewer decided: all of it, or nothing; what they decided before in the same way stays as it is."""
    when, me = _month(request, library, month), actor(visit)
    findings = _findings(chosen)
    samples = house(request).app.oversight.samples
    sample = samples.of(library, when)
    if _is_in_it(sample, me.name):
        return _shown(request, visit, library, when, status=_FORBIDDEN)
    if not findings:
        return _shown(request, visit, library, when, wrong=Filled({}, {"picks": "nothing_chosen"}), status=UNUSABLE)
    fresh = {seq: finding for seq, finding in findings.items() if not _is_said(sample, seq, finding, me.name)}
    if fresh:
        samples.decide(library, when, fresh, me)
    left = samples.of(library, when).left
    say(request, visit, Flash("good", "signed", {"count": len(findings), "left": left}))
    return go("sample", library=library, month=when.text)


def _shown(
    request: Request, visit: Visit, library: str, month: Month, *, wrong: Filled = BLANK, status: int = _OK
) -> Response:
    home = house(request)
    oversight = home.app.oversight
    sample = oversight.sample(library, month, actor(visit))
    began, last = _began(request, library), oversight.samples.last()
    page = SamplePage(
        library=library,
        title=home.libraries[library],
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
            Overdue(library, each.month.text, each.left, each.of)
            for each in oversight.samples.overdue(library)
            if each.month != month
        ),
        filled=wrong,
    )
    return respond(request, page, status=status, here=Place.SAMPLES)


def _months(samples: Samples, library: str) -> tuple[MonthLine, ...]:
    """Give the months of the last year, and those before it that are not decided; the newest first."""
    found = samples.months(library)
    kept = [each for at, each in enumerate(reversed(found)) if at < _YEAR or each.left]
    return tuple(MonthLine(each.month.text, each.looks, each.of, each.left, each.is_late) for each in kept)


def _month(request: Request, library: str, text: str) -> Month:
    """Give a month that has ended, of a log that had begun.

    Raises:
        TurnedAway: it is no such month.
    """
    try:
        month = Month.parse(text)
    except ValueError as error:
        raise TurnedAway(Away.MISSING) from error
    if not _began(request, library) <= month <= house(request).app.oversight.samples.last():
        raise TurnedAway(Away.MISSING)
    return month


def _began(request: Request, library: str) -> Month:
    """Give the month in which a log began; of one without an entry, the last that has ended."""
    app = house(request).app
    began = app.ledger.began(library)
    return app.oversight.samples.last() if began is None else Month.of(began)


def _pick(pick: Pick, me: str) -> PickLine:
    is_mine = any(is_same_name(decision.by, me) for decision in pick.decisions)
    return PickLine(
        log_pages.line(pick.access), pick.by_risk, tuple(map(log_pages.decided, pick.decisions)), can_decide=not is_mine
    )


def _is_in_it(sample: Sample, me: str) -> bool:
    return any(is_same_name(pick.access.actor.name, me) for pick in sample.picks)


def _is_said(sample: Sample, seq: int, finding: Finding, me: str) -> bool:
    """Whether a reviewer's last word on an entry is this already: a form that is sent twice decides once."""
    said = [each for pick in sample.picks if pick.access.seq == seq for each in pick.decisions]
    mine = [each.finding for each in said if is_same_name(each.by, me)]
    return mine[-1:] == [finding]


def _findings(chosen: Mapping[str, str]) -> dict[int, Finding]:
    """Give what was decided, by entry; a field that is no entry's, or a word that is no finding, is none.

    >>> _findings({"finding-7": "justified", "finding-8": "", "finding-x": "unclear", "token": "t"})
    {7: <Finding.JUSTIFIED: 'justified'>}
    """
    words = {finding.value: finding for finding in Finding}
    found = {}
    for name, text in chosen.items():
        if (field := _FIELD.fullmatch(name)) and text in words:
            found[int(field[1])] = words[text]
    return found
