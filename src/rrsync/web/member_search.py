"""The search of the desk: own members by number or name, or by a national number; no address holds what was typed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Annotated, ClassVar, Final

from fastapi import FastAPI, Form, Request, Response

from rrsync.core.insz import Insz
from rrsync.core.person import Address, Masked, tidy
from rrsync.errors import NotAnInsz
from rrsync.store.rows import MemberStatus
from rrsync.store.sessions import StaffSession
from rrsync.web.context import Context, WebContext
from rrsync.web.desk_pages import Age, Heading, age, heading, own_library, shown
from rrsync.web.forms import UNUSABLE, is_number, printable
from rrsync.web.guard import Inside
from rrsync.web.paths import PATHS
from rrsync.web.render import BLANK, Filled, Place
from rrsync.web.responses import go

MOST: Final = 50
_LONGEST: Final = 80
_INSZ_DIGITS: Final = 11
_FEWEST_LETTERS: Final = 2
_EXAMPLES: Final = 500


@dataclass(frozen=True, slots=True, repr=False)
class MemberLine(Masked):
    """One member that was found."""

    who: Heading
    address: Address
    age: Age
    asked_at: datetime | None
    has_hold: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class DeskPage(Masked):
    """The search, and what it found; ``found`` is ``None`` before the first search.

    Fields of the first form: ``words``; of the second: ``insz``, never given back. ``is_cut`` says that there are more
    than are shown. ``example`` is the number of a member to begin with, on trial.
    """

    name: ClassVar[str] = "desk"

    filled: Filled = BLANK
    found: tuple[MemberLine, ...] | None = None
    is_cut: bool = False
    example: str = ""


def register_routes(app: FastAPI) -> None:
    """Add the routes of the search."""
    app.add_api_route(PATHS["desk"], begin, methods=["GET"])
    app.add_api_route(PATHS["desk"], search, methods=["POST"])


def begin(request: Request, ctx: Context, visit: Inside) -> Response:
    """Show the search; on trial, with a member to begin with."""
    example = _example(ctx, own_library(visit)) if ctx.is_trial else ""
    return shown(request, visit, DeskPage(example=example), here=Place.DESK)


def search(
    request: Request,
    ctx: Context,
    visit: Inside,
    by: Annotated[str, Form()] = "words",
    words: Annotated[str, Form()] = "",
    insz: Annotated[str, Form()] = "",
) -> Response:
    """List the members that were found; a single one is opened at once."""
    found = _by_number(ctx, visit, insz) if by == "insz" else _by_words(ctx, visit, words)
    if isinstance(found, Filled):
        return shown(request, visit, DeskPage(found), here=Place.DESK, status=UNUSABLE)
    standings, is_cut = found
    if len(standings) == 1 and not is_cut:
        return go("member", member=standings[0].member.number)
    lines = tuple(_line(standing, ctx) for standing in standings)
    typed = BLANK if by == "insz" or _may_be_number(words) else Filled({"words": tidy(words)[:_LONGEST]})
    return shown(request, visit, DeskPage(typed, lines, is_cut=is_cut), here=Place.DESK)


def _by_words(ctx: WebContext, visit: StaffSession, words: str) -> tuple[tuple[MemberStatus, ...], bool] | Filled:
    """Return the members with this number or name, or what is wrong with the words."""
    library, typed = own_library(visit), printable(words)[:_LONGEST]
    if not typed:
        return Filled({}, {"words": "words_missing"})
    if is_number(typed):
        return Filled({}, {"words": "words_insz"})
    for number in dict.fromkeys((typed, typed.upper())):
        if (standing := ctx.members.find(library, number)) is not None:
            return (standing,), False
    if sum(char.isalpha() for char in typed) < _FEWEST_LETTERS:
        return ((), False) if any(char.isdigit() for char in typed) else Filled({}, {"words": "words_short"})
    return ctx.member_search.named(library, typed, most=MOST)


def _by_number(ctx: WebContext, visit: StaffSession, insz: str) -> tuple[tuple[MemberStatus, ...], bool] | Filled:
    """Return the own member with a national number, or what is wrong with the number, which is not given back."""
    if not insz.strip():
        return Filled({}, {"insz": "insz_missing"})
    try:
        number = Insz.parse(insz, production=ctx.production)
    except NotAnInsz:
        return Filled({}, {"insz": "insz_wrong"})
    standing = ctx.member_search.numbered(own_library(visit), number)
    return (() if standing is None else (standing,)), False


def _example(ctx: WebContext, library: str) -> str:
    """Return the number of a member with a national number whom the register was never asked about."""
    members = islice(ctx.members.export(library), _EXAMPLES)
    fresh = (each.member.number for each in members if each.member.insz is not None and each.refreshed_at is None)
    return next(fresh, "")


def _may_be_number(words: str) -> bool:
    """Whether the words are a national number, or were meant to be one: then they are not given back."""
    typed = "".join(char for char in words if char.isalnum())
    return is_number(words) or (typed.isdigit() and len(typed) == _INSZ_DIGITS)


def _line(standing: MemberStatus, ctx: WebContext) -> MemberLine:
    member = standing.member
    return MemberLine(
        heading(member),
        member.held.address,
        age(standing, ctx),
        standing.refreshed_at,
        has_hold=bool(standing.hold_reason),
    )
