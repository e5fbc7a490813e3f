"""Who looked a person up: by a national number that is typed into a form, and stands in no page and no address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import FastAPI, Form, Request, Response

from rrsync.audit.deeds import deed
from rrsync.core.access import actor_of, moment
from rrsync.core.insz import Insz
from rrsync.errors import NotAnInsz
from rrsync.web import looks
from rrsync.web.guard import Inside
from rrsync.web.house import house
from rrsync.web.page import respond
from rrsync.web.paths import PATHS
from rrsync.web.people import UNUSABLE, actor, language
from rrsync.web.views.frame import Filled, Place
from rrsync.web.views.log import Deed, Gone, Noted, PersonPage
from rrsync.web.words.deeds import DEEDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rrsync.audit.review import Told
    from rrsync.core.entry import JSON


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
    told = home.app.review().who(tuple(looks.libraries(request, visit)), actor(visit), number)
    spoken = language(request)
    page = PersonPage(
        Filled({"language": spoken}),
        looks.lines(look for each in told for look in each.accesses),
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
    key, said = deed(entry, spoken)
    text = DEEDS[spoken].get(key, DEEDS[spoken]["other"]).format(**said)
    return Deed(library, seq, moment(entry), looks.name(actor_of(entry)), text)
