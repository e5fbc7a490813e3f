"""The letter to a citizen who asks who looked them up: a page that is made to be printed, and the same as a PDF.

Who asks for it sends the ticket that stands for the number. Making it is a look into the logs, as any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from fastapi import FastAPI, Form, Request, Response

from rrsync.audit.letter import Letter, Sheet
from rrsync.audit.paper import paper
from rrsync.core.plan import belgian_day
from rrsync.web import looks
from rrsync.web.guard import Inside
from rrsync.web.house import house
from rrsync.web.page import go, respond, say
from rrsync.web.paths import PATHS
from rrsync.web.people import actor
from rrsync.web.views.frame import Flash, Language, Place
from rrsync.web.views.log import LetterPage, LetterSection

if TYPE_CHECKING:
    from datetime import datetime

#: What the file is called, before its day: it names nobody.
_NAMES: Final = {"nl": "brief", "en": "letter"}


def mount(app: FastAPI) -> None:
    """Add the routes of this module."""
    app.add_api_route(PATHS["letter"], letter, methods=["POST"])


def letter(
    request: Request,
    visit: Inside,
    ticket: Annotated[str, Form()] = "",
    language: Annotated[str, Form()] = "",
    file: Annotated[str, Form()] = "",
) -> Response:
    """Give the letter to whom a ticket stands for, as a page or as a file; without one, lead to a new search."""
    home = house(request)
    number = home.entrance.tickets.take(visit, ticket)
    if number is None:
        say(request, visit, Flash("warn", "number_gone"))
        return go("person")
    spoken: Language = "en" if language == "en" else "nl"
    theirs = looks.libraries(request, visit)
    now = home.now
    told = home.app.review().who(tuple(theirs), actor(visit), number)
    sheet = Letter(theirs, spoken).compose(told, now)
    sender = next(iter(theirs.values())) if len(theirs) == 1 else ""
    if file:
        return _file(sheet, spoken, now, sender)
    return respond(request, _page(sheet, spoken, ticket, sender), here=Place.PERSON)


def _file(sheet: Sheet, spoken: Language, now: datetime, sender: str) -> Response:
    name = f"{_NAMES[spoken]}-{belgian_day(now).isoformat()}.pdf"
    head = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(paper(sheet, now, sender=sender), media_type="application/pdf", headers=head)


def _page(sheet: Sheet, spoken: Language, ticket: str, sender: str) -> LetterPage:
    return LetterPage(
        language=spoken,
        title=sheet.title,
        library=sender,
        sender=(),
        head=sheet.head,
        opening=sheet.opening,
        sections=tuple(LetterSection(each.title, each.items) for each in sheet.sections),
        closing=sheet.closing,
        ticket=ticket,
        is_download=True,
    )
