"""All accesses to one person's data, and the letter to a citizen who asks for them.

The officer types a national number into a form; no page and no address holds it. The letter is a page made to be
printed, and the same as a PDF: its form sends a ticket that stands for the number. Both are entries of the logs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, ClassVar, Final, Literal

from fastapi import FastAPI, Form, Request, Response

from rrsync.audit.letter import Letter, Sheet, paper
from rrsync.audit.review import PersonAccesses
from rrsync.core.insz import Insz
from rrsync.core.log_entry import JSON, actor_of, moment
from rrsync.core.planning import belgian_day
from rrsync.errors import NotAnInsz
from rrsync.text.log_terms import deed_text
from rrsync.web import log_pages
from rrsync.web.context import Context
from rrsync.web.forms import UNUSABLE
from rrsync.web.guard import Inside, actor
from rrsync.web.log_pages import LookLine
from rrsync.web.paths import PATHS
from rrsync.web.render import BLANK, Filled, Flash, Language, Place
from rrsync.web.responses import download, go, respond, say

#: The name of the letter's file, before its day: it names nobody.
_NAMES: Final = {"nl": "brief", "en": "letter"}


@dataclass(frozen=True, slots=True, repr=False)
class PersonPage:
    """A person's accesses, by a national number that is typed and never given back.

    ``looks`` is ``None`` before the first search. ``ticket`` stands for the number for a quarter of an hour, so that
    the letter needs no second typing. ``forgotten`` are years of which a log can say nothing any more. ``noted`` are
    the entries of this search itself. With ``many`` libraries the page names the library of each line.
    Fields: ``insz``; of the second form ``ticket`` and ``language``.
    """

    name: ClassVar[str] = "person"

    filled: Filled = BLANK
    looks: tuple[LookLine, ...] | None = None
    deeds: tuple[Deed, ...] = ()
    ticket: str = ""
    forgotten: tuple[ForgottenYears, ...] = ()
    noted: tuple[SearchEntry, ...] = ()
    many: bool = False

    def __repr__(self) -> str:
        """Name the type alone: it is about one person."""
        return "PersonPage(***)"


@dataclass(frozen=True, slots=True)
class SearchEntry:
    """The entry of a library's log that says that somebody searched."""

    library: str
    seq: int


@dataclass(frozen=True, slots=True)
class Deed:
    """A line about a person that is no access: when, who, and what in words."""

    library: str
    seq: int
    at: datetime
    by: str
    what: str


@dataclass(frozen=True, slots=True)
class ForgottenYears:
    """The years of which a library's log can say nothing any more."""

    library: str
    years: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LetterSection:
    """A part of the letter: its heading, and items of labelled lines, each with its number."""

    title: str
    entries: tuple[tuple[tuple[str, str], ...], ...]


@dataclass(frozen=True, slots=True, repr=False)
class LetterPage:
    """The letter to a citizen, made to be printed, with the letter's own texts in its language.

    ``library`` and ``sender`` stand at the head (the name of the library, if it is one, and address lines), ``head``
    are labelled lines (date, libraries), ``opening`` and ``closing`` paragraphs. ``is_download`` says that there is a
    button for the PDF.
    """

    name: ClassVar[str] = "letter"

    language: Literal["nl", "en"]
    title: str
    library: str
    sender: tuple[str, ...]
    head: tuple[tuple[str, str], ...]
    opening: tuple[str, ...]
    sections: tuple[LetterSection, ...]
    closing: tuple[str, ...]
    ticket: str = ""
    is_download: bool = False

    def __repr__(self) -> str:
        """Name the type alone: it is about one person."""
        return "LetterPage(***)"


def register_routes(app: FastAPI) -> None:
    """Add the routes of a person's accesses, and of the letter."""
    app.add_api_route(PATHS["person"], blank, methods=["GET"])
    app.add_api_route(PATHS["person"], find, methods=["POST"])
    app.add_api_route(PATHS["letter"], letter, methods=["POST"])


def blank(request: Request) -> Response:
    """Show the empty form."""
    return respond(request, PersonPage(), here=Place.PERSON)


def find(request: Request, ctx: Context, visit: Inside, insz: Annotated[str, Form()] = "") -> Response:
    """Show all that the logs say about a person; the search is an entry of each."""
    try:
        number = Insz.parse(insz, production=ctx.production)
    except NotAnInsz:
        wrong = Filled({}, {"insz": "insz_wrong" if insz.strip() else "insz_missing"})
        return respond(request, PersonPage(wrong), status=UNUSABLE, here=Place.PERSON)
    told = ctx.review().who(tuple(ctx.reached(visit)), actor(visit), number)
    spoken = ctx.language(request)
    page = PersonPage(
        Filled({"language": spoken}),
        log_pages.lines(look for each in told for look in each.accesses),
        _deeds(told, spoken),
        ctx.search_tokens.give(visit, number),
        tuple(ForgottenYears(each.library, each.forgotten) for each in told if each.forgotten),
        tuple(SearchEntry(each.library, each.seq) for each in told),
        many=len(told) > 1,
    )
    return respond(request, page, here=Place.PERSON)


def _deeds(told: Sequence[PersonAccesses], spoken: str) -> tuple[Deed, ...]:
    found = [_deed(each.library, seq, entry, spoken) for each in told for seq, entry in each.deeds]
    return tuple(sorted(found, key=lambda one: (one.at, one.library, one.seq), reverse=True))


def _deed(library: str, seq: int, entry: dict[str, JSON], spoken: str) -> Deed:
    """Return an entry in words; one without words of its own is named by its kind."""
    return Deed(library, seq, moment(entry), log_pages.name(actor_of(entry)), deed_text(entry, spoken))


def letter(
    request: Request,
    ctx: Context,
    visit: Inside,
    ticket: Annotated[str, Form()] = "",
    language: Annotated[str, Form()] = "",
    file: Annotated[str, Form()] = "",
) -> Response:
    """Return the letter about the person of a ticket, as a page or as a PDF; without one, lead to a new search."""
    number = ctx.search_tokens.take(visit, ticket)
    if number is None:
        say(request, visit, Flash("warn", "number_gone"))
        return go("person")
    spoken: Language = "en" if language == "en" else "nl"
    theirs, now = ctx.reached(visit), ctx.now
    told = ctx.review().who(tuple(theirs), actor(visit), number)
    sheet = Letter(theirs, spoken).compose(told, now)
    sender = next(iter(theirs.values())) if len(theirs) == 1 else ""
    if file:
        name = f"{_NAMES[spoken]}-{belgian_day(now).isoformat()}.pdf"
        return download(paper(sheet, now, sender=sender), name, "application/pdf")
    return respond(request, _letter_page(sheet, spoken, ticket, sender), here=Place.PERSON)


def _letter_page(sheet: Sheet, spoken: Language, ticket: str, sender: str) -> LetterPage:
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
