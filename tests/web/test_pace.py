"""The desk's limits, as a page tells of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi import FastAPI, Request, Response
from sqlalchemy import text
from structlog.testing import capture_logs

from rrsync.config.settings import Settings
from rrsync.core.roles import Role
from rrsync.web import login
from rrsync.web.access_rules import LoggedIn
from rrsync.web.context import Context
from rrsync.web.desk_pages import own_library, take_turn
from rrsync.web.guard import Inside
from rrsync.web.login import HomePage
from rrsync.web.render import Flash, Place
from rrsync.web.responses import respond, say
from tests.support import Clock
from tests.web.provider import Op
from tests.web.scene import DOOR, Scene, opened


def ask(ctx: Context, visit: Inside) -> Response:
    near = take_turn(ctx, own_library(visit), visit.staff.name)
    return Response(" ".join(near) or "free")


def tell(request: Request, visit: Inside) -> Response:
    say(request, visit, Flash("good", "verified", {"library": "hasselt", "size": 7}))
    return respond(request, HomePage(), here=Place.DESK)


@pytest.fixture
def desk(guarded: Settings, clock: Clock, op: Op) -> Iterator[Scene]:
    """Give the pages, with one that takes turns."""

    def register_routes(app: FastAPI) -> None:
        app.add_api_route("/ask", ask, methods=["POST"])
        app.add_api_route("/desk", tell, methods=["GET"])

    everybody = LoggedIn(frozenset(Role))
    rules = {**DOOR, ("POST", "/ask"): everybody, ("GET", "/desk"): everybody}
    with opened(guarded, clock, op, subjects=(login.register_routes, register_routes), rules=rules) as scene:
        yield scene


def test_who_asks_too_often_is_told_when_they_may_again(desk: Scene, clock: Clock) -> None:
    """Not in another session either; a colleague may, and so may they, later."""
    an, again = desk.inside(), desk.inside()
    an.get("/nothing")
    again.get("/nothing")
    said = [browser.post("/ask").text for browser in (an, an, an, again, again)]
    assert said == ["free", "free", "free", "minute", "minute"]
    clock.pass_by(seconds=18)
    with capture_logs() as logged:
        answer = again.post("/ask")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "42")
    assert "Even wachten" in answer.text
    assert logged[0] == {"event": "desk.limit", "library": "hasselt", "reason": "minute", "log_level": "warning"}
    bo = desk.inside("bo.claes")
    bo.get("/nothing")
    assert bo.post("/ask").text == "free"
    clock.pass_by(seconds=42)
    assert an.post("/ask").text == "free"


@pytest.mark.parametrize("column", ["NEW.said <> ''", "OLD.said <> ''"])
def test_what_cannot_be_said_was_done_all_the_same(desk: Scene, column: str) -> None:
    """A page that denies it would have it done twice."""
    an = desk.inside()
    with desk.app.database.write() as session:
        trigger = f"CREATE TRIGGER full BEFORE UPDATE ON session WHEN {column} BEGIN SELECT RAISE(ABORT, 'full'); END"
        session.execute(text(trigger))
    with capture_logs() as logged:
        answer = an.get("/desk")
    assert answer.status_code == 200
    assert "nagerekend" not in answer.text.lower()
    assert [(line["event"], line["reason"]) for line in logged] == [("page.unsaid", "StoreError")]


def test_who_is_of_no_library_has_no_desk(desk: Scene) -> None:
    """Whatever the table says."""
    els = desk.inside("els.smets")
    els.get("/nothing")
    assert els.post("/ask").status_code == 403


def test_what_was_done_is_said_once_on_the_next_page(desk: Scene) -> None:
    """In the language of who reads it."""
    an = desk.inside()
    assert "Nagerekend" in an.get("/desk").text
    assert "Nagerekend" not in an.get("/nothing").text
    assert "Nagerekend" in an.get("/desk").text


def test_home_is_where_one_begins(desk: Scene) -> None:
    """The first of the places that one's role opens, and that are there."""
    an = desk.browser()
    desk.log_in(an)
    assert an.get("/").headers["location"] == "/desk"
    assert 'aria-current="page"' in an.get("/desk").text
