"""The month's samples: all months, one month's sample, and what a reviewer decides of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import Depends, FastAPI, Request, Response

from rrsync.core.entry import is_same_name
from rrsync.core.month import Month
from rrsync.core.sample import Finding
from rrsync.web import looks
from rrsync.web.guard import Inside
from rrsync.web.house import house
from rrsync.web.page import go, respond, say
from rrsync.web.paths import PATHS
from rrsync.web.people import UNUSABLE, actor
from rrsync.web.turned import Away, TurnedAway
from rrsync.web.views.frame import BLANK, Filled, Flash, Place
from rrsync.web.views.review import MonthLine, MonthsPart, Overdue, PickLine, SamplePage, SamplesPage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rrsync.audit.sample import Pick, Sample, Samples
    from rrsync.store.sessions import Visit

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
    theirs = looks.libraries(request, visit)
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
        looks.line(pick.access), pick.by_risk, tuple(map(looks.decided, pick.decisions)), can_decide=not is_mine
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
