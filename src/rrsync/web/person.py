"""Who looked a person up: by a national number that is typed into a form, and stands in no page and no address.

The letter to a citizen who asks who looked them up: a page that is made to be printed, and the same as a PDF.

Who asks for it sends the ticket that stands for the number. Making it is a look into the logs, as any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, ClassVar, Final, Literal

from fastapi import FastAPI, Form, Request, Response

from rrsync.audit.letter import Letter, Sheet, paper
from rrsync.audit.review import Told
from rrsync.core.insz import Insz
from rrsync.core.log_entry import JSON, actor_of, moment
from rrsync.core.planning import belgian_day
from rrsync.errors import NotAnInsz
from rrsync.text.log_terms import deed_text
from rrsync.web import log_pages
from rrsync.web.desk_pages import UNUSABLE, actor, language
from rrsync.web.guard import Inside, house
from rrsync.web.log import Deed
from rrsync.web.log_pages import LookLine
from rrsync.web.paths import PATHS
from rrsync.web.render import BLANK, Filled, Flash, Language, Place
from rrsync.web.responses import go, respond, say


@dataclass(frozen=True, slots=True, repr=False)
class PersonPage:
    """A person's accesses, by a national number that is typed and never given back.

    ``looks`` is ``None`` before anything was asked. ``ticket`` stands for the number for a quarter of an hour, so that
    the letter needs no second typing. ``forgotten`` are years of which a log can say nothing any more. ``noted`` are
    the entries of this look itself. Of both, and of every line, the library is said when there are ``many``.
    Fields: ``insz``; of the second form ``ticket`` and ``language``.
    """

    name: ClassVar[str] = "person"

    filled: Filled = BLANK
    looks: tuple[LookLine, ...] | None = None
    deeds: tuple[Deed, ...] = ()
    ticket: str = ""
    forgotten: tuple[Gone, ...] = ()
    noted: tuple[Noted, ...] = ()
    many: bool = False

    def __repr__(self) -> str:
        """Name the type alone: it is about one person."""
        return "PersonPage(***)"


@dataclass(frozen=True, slots=True)
class Noted:
    """The entry of a library's log that a look itself is."""

    library: str
    seq: int


@dataclass(frozen=True, slots=True)
class Gone:
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
    """The letter to a citizen, made to be printed; all its words come from the letter's own texts, in its language.

    ``library`` and ``sender`` stand at the head (the name of the library, if it is one, and address lines), ``head``
    are labelled lines (date, libraries), ``opening`` and ``closing`` paragraphs. ``is_download`` says that the same can
    be had as a file.
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


def mount(app: FastAPI) -> None:
    """Add the routes of this module."""
    app.add_api_route(PATHS["person"], blank, methods=["GET"])
    app.add_api_route(PATHS["person"], find, methods=["POST"])


def blank(request: Request) -> Response:
    """Ask for a number."""
    return respond(request, PersonPage(), here=Place.PERSON)


def find(request: Request, visit: Inside, insz: Annotated[str, Form()] = "") -> Response:
    """Show all that the logs say about a person; that it was looked for is an entry of each."""
    home = house(request)
    try:
        number = Insz.parse(insz, production=home.app.production)
    except NotAnInsz:
        wrong = Filled({}, {"insz": "insz_wrong" if insz.strip() else "insz_missing"})
        return respond(request, PersonPage(wrong), status=UNUSABLE, here=Place.PERSON)
    told = home.app.review().who(tuple(log_pages.libraries(request, visit)), actor(visit), number)
    spoken = language(request)
    page = PersonPage(
        Filled({"language": spoken}),
        log_pages.lines(look for each in told for look in each.accesses),
        _deeds(told, spoken),
        home.entrance.tickets.give(visit, number),
        tuple(Gone(each.library, each.forgotten) for each in told if each.forgotten),
        tuple(Noted(each.library, each.seq) for each in told),
        many=len(told) > 1,
    )
    return respond(request, page, here=Place.PERSON)


def _deeds(told: Sequence[Told], spoken: str) -> tuple[Deed, ...]:
    found = [_deed(each.library, seq, entry, spoken) for each in told for seq, entry in each.deeds]
    return tuple(sorted(found, key=lambda one: (one.at, one.library, one.seq), reverse=True))


def _deed(library: str, seq: int, entry: dict[str, JSON], spoken: str) -> Deed:
    """Give what was done in the page's own words; a deed without any is told by its kind."""
    return Deed(library, seq, moment(entry), log_pages.name(actor_of(entry)), deed_text(entry, spoken))


#: What the file is called, before its day: it names nobody.
_NAMES: Final = {"nl": "brief", "en": "letter"}


def mount_letter(app: FastAPI) -> None:
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
    theirs = log_pages.libraries(request, visit)
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
