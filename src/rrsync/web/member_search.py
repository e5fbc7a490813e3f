"""The search of the desk: own members by number or name, or by a national number; what was typed is in no address."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Annotated, ClassVar, Final

from fastapi import FastAPI, Form, Request, Response

from rrsync.core.insz import Insz
from rrsync.core.person import Masked, tidy
from rrsync.errors import NotAnInsz
from rrsync.store.rows import Standing
from rrsync.store.sessions import Visit
from rrsync.web.desk_pages import OK, UNUSABLE, MemberLine, age, heading, is_number, own, shown
from rrsync.web.guard import House, Inside, house
from rrsync.web.paths import PATHS
from rrsync.web.render import BLANK, Filled, Place
from rrsync.web.responses import go

MOST: Final = 50
_LONGEST: Final = 80
_INSZ_DIGITS: Final = 11
_FEWEST: Final = 2
_LOOKED_AT: Final = 500


def mount(app: FastAPI) -> None:
    """Let members be searched for."""
    app.add_api_route(PATHS["desk"], begin, methods=["GET"])
    app.add_api_route(PATHS["desk"], search, methods=["POST"])


def begin(request: Request, visit: Inside) -> Response:
    """Show the search; on trial, with somebody to begin with."""
    here = house(request)
    example = _example(here, own(visit)) if here.is_trial else ""
    return shown(request, visit, DeskPage(example=example), here=Place.DESK)


def search(
    request: Request,
    visit: Inside,
    by: Annotated[str, Form()] = "words",
    words: Annotated[str, Form()] = "",
    insz: Annotated[str, Form()] = "",
) -> Response:
    """Show who was found; who was found alone, at once."""
    found = _by_number(request, visit, insz) if by == "insz" else _by_words(request, visit, words)
    if isinstance(found, Filled):
        return shown(request, visit, DeskPage(found), here=Place.DESK, status=UNUSABLE)
    standings, is_cut = found
    if len(standings) == 1 and not is_cut:
        return go("member", member=standings[0].member.number)
    here = house(request)
    lines = tuple(_line(standing, here) for standing in standings)
    typed = BLANK if by == "insz" or _may_be_number(words) else Filled({"words": tidy(words)[:_LONGEST]})
    return shown(request, visit, DeskPage(typed, lines, is_cut=is_cut), here=Place.DESK, status=OK)


def _by_words(request: Request, visit: Visit, words: str) -> tuple[tuple[Standing, ...], bool] | Filled:
    """Give who has a member number, or a name, as it was typed; or what is wrong with it."""
    here, library = house(request), own(visit)
    typed = tidy("".join(char if char.isprintable() else " " for char in words))[:_LONGEST]
    if not typed:
        return Filled({}, {"words": "words_missing"})
    if is_number(typed):
        return Filled({}, {"words": "words_insz"})
    for number in dict.fromkeys((typed, typed.upper())):
        if (standing := here.app.members.find(library, number)) is not None:
            return (standing,), False
    if sum(char.isalpha() for char in typed) < _FEWEST:
        return ((), False) if any(char.isdigit() for char in typed) else Filled({}, {"words": "words_short"})
    return here.entrance.finder.named(library, typed, most=MOST)


def _by_number(request: Request, visit: Visit, insz: str) -> tuple[tuple[Standing, ...], bool] | Filled:
    """Give who has a national number in one's own library; what was typed is not given back."""
    here = house(request)
    if not insz.strip():
        return Filled({}, {"insz": "insz_missing"})
    try:
        number = Insz.parse(insz, production=here.app.production)
    except NotAnInsz:
        return Filled({}, {"insz": "insz_wrong"})
    standing = here.entrance.finder.numbered(own(visit), number)
    return (() if standing is None else (standing,)), False


def _example(here: House, library: str) -> str:
    """Give the number of a member who can be asked about, and was not since anything new was heard of them."""
    members = islice(here.app.members.export(library), _LOOKED_AT)
    fresh = (each.member.number for each in members if each.member.insz is not None and each.refreshed_at is None)
    return next(fresh, "")


def _may_be_number(words: str) -> bool:
    """Whether what was typed is a national number, or was meant to be one: then it is not given back."""
    typed = "".join(char for char in words if char.isalnum())
    return is_number(words) or (typed.isdigit() and len(typed) == _INSZ_DIGITS)


def _line(standing: Standing, here: House) -> MemberLine:
    stale_after = here.app.settings.night.stale_after_days
    return MemberLine(
        heading(standing.member),
        standing.member.held.address,
        age(standing, here.now, stale_after),
        standing.refreshed_at,
        has_hold=bool(standing.hold_reason),
    )


@dataclass(frozen=True, slots=True, repr=False)
class DeskPage(Masked):
    """The search, and what it found; ``found`` is ``None`` before anything was searched.

    Fields of the first form: ``words``; of the second: ``insz``, never given back. ``is_cut`` says that more fit than
    are shown. ``example`` is the number of a member to begin with, on trial.
    """

    name: ClassVar[str] = "desk"

    filled: Filled = BLANK
    found: tuple[MemberLine, ...] | None = None
    is_cut: bool = False
    example: str = ""
