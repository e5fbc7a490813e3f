"""Who may go where: the table, the session, the form's token, the roles, the library."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import pytest
from fastapi import APIRouter, FastAPI, Response
from structlog.testing import capture_logs

from rrsync.config.settings import Settings
from rrsync.core.roles import Role, Staff
from rrsync.errors import ConfigError
from rrsync.web import login
from rrsync.web.access_rules import RULES, Anybody, LoggedIn, Rule, SignedMessage
from rrsync.web.app import create_app
from rrsync.web.guard import Guest, Inside
from tests.support import Clock
from tests.web.provider import Op
from tests.web.scene import DOOR, SESSION, START, Browser, Scene, opened

MORE: Final[dict[tuple[str, str], Rule]] = {
    ("GET", "/for/desk"): LoggedIn(frozenset({Role.DESK})),
    ("GET", "/for/operator"): LoggedIn(frozenset({Role.OPERATOR})),
    ("GET", "/for/dpo"): LoggedIn(frozenset({Role.DPO})),
    ("GET", "/for/admin"): LoggedIn(frozenset({Role.ADMIN})),
    ("GET", "/of/{library}"): LoggedIn(frozenset(Role)),
    ("POST", "/do"): LoggedIn(frozenset({Role.DESK})),
    ("POST", "/do/fresh"): LoggedIn(frozenset({Role.DESK}), is_fresh=True),
    ("GET", "/fresh"): LoggedIn(frozenset({Role.DESK}), is_fresh=True),
    ("DELETE", "/do"): LoggedIn(frozenset({Role.DESK})),
}


class Done(list[str]):
    """What the handlers did."""


@pytest.fixture
def done() -> Done:
    return Done()


@pytest.fixture
def more(guarded: Settings, clock: Clock, op: Op, done: Done) -> Iterator[Scene]:
    """Give the pages, with some more to guard."""

    def named(name: str) -> Callable[[Inside], Response]:
        def handle(visit: Inside) -> Response:
            done.append(f"{name} {visit.staff.name}")
            return Response(name)

        return handle

    def mount(app: FastAPI) -> None:
        for method, path in MORE:
            app.add_api_route(path, named(f"{method} {path}"), methods=[method])

    with opened(guarded, clock, op, subjects=(login.register_routes, mount), rules=DOOR | MORE) as scene:
        yield scene


ROLES: Final = {"an.peeters": "desk", "bo.claes": "operator", "dpo.genk": "dpo", "els.smets": "dpo"}


@pytest.mark.parametrize("who", ROLES)
def test_a_role_opens_its_own_pages(more: Scene, done: Done, who: str) -> None:
    """And no other's; nothing of another's is done."""
    browser = more.inside(who)
    for role in Role:
        answer = browser.get(f"/for/{role}")
        assert answer.status_code == (200 if role == ROLES[who] else 403)
    assert done == [f"GET /for/{ROLES[who]} {who}"]


def test_a_library_that_is_gone_from_the_settings_has_nobody_inside(more: Scene, done: Done) -> None:
    """Its sessions last no longer than it does."""
    gone, here = more.browser(), more.browser()
    for browser, library in ((gone, "tongeren"), (here, "hasselt")):
        staff = Staff("an.peeters", library, frozenset({Role.DESK}))
        token = more.app.sessions.start(staff, person=library, proved_at=more.clock())
        browser.client.cookies.set(SESSION, token, domain="rrsync.example", path="/")
        browser.get("/for/desk")
    assert done == ["GET /for/desk an.peeters"]
    assert gone.seen[-1].headers["location"] == "/login"
    assert "an.peeters" not in gone.get("/nothing").text


def test_who_is_not_logged_in_is_led_to_the_login(more: Scene, done: Done) -> None:
    """A browser that goes to a page; what a script asks, and what is sent, is told that nothing was done."""
    browser = more.browser()
    for path in ("/", "/for/desk", "/of/hasselt", "/of/nowhere"):
        assert browser.get(path).headers["location"] == "/login"
    assert browser.get("/for/desk", **{"Sec-Fetch-Mode": "cors"}).status_code == 401
    browser.get("/login")
    answer = browser.post("/do")
    assert answer.status_code == 401
    assert "niet uitgevoerd" in answer.text
    assert done == []


@pytest.mark.parametrize(
    ("who", "own"), [("an.peeters", {"hasselt"}), ("dpo.genk", {"genk"}), ("els.smets", {"hasselt", "genk"})]
)
def test_another_library_is_as_unknown_as_one_that_is_not(more: Scene, who: str, own: set[str]) -> None:
    """The same page, to the letter, under the same status."""
    browser = more.inside(who)
    pages = {library: browser.get(f"/of/{library}") for library in ("hasselt", "genk", "nowhere")}
    for library, answer in pages.items():
        assert answer.status_code == (200 if library in own else 404)
    missing = {answer.text.replace(name, "X") for name, answer in pages.items() if name not in own}
    assert len(missing) == 1


class TestForms:
    """What changes something comes from our own page, with the token of this session."""

    def test_a_form_of_ours_is_done(self, more: Scene, done: Done) -> None:
        """With the token of the page, from our own site."""
        browser = more.inside()
        assert browser.post("/do").status_code == 200
        assert done == ["POST /do an.peeters"]

    @pytest.mark.parametrize(
        "token", ["-", "", "x", "A" * 43, "é", "0"], ids=["none", "empty", "short", "other", "foreign", "zero"]
    )
    def test_a_token_that_is_missing_or_wrong(self, more: Scene, done: Done, token: str) -> None:
        """Nothing is done, and the page says how to go on."""
        browser = more.inside()
        answer = browser.post("/do", {"token": token})
        assert answer.status_code == 403
        assert "Dit formulier is verlopen" in answer.text
        assert done == []

    def test_a_token_of_another(self, more: Scene, done: Done) -> None:
        """Of another's session, of one's own session before, and of the time before one logged in."""
        bo, an = more.inside("bo.claes"), more.browser()
        an.get("/login")
        before = an.token
        more.log_in(an)
        an.get("/")
        first = an.token
        more.log_in(an)
        for token in (bo.token, before, first):
            assert an.post("/do", {"token": token}).status_code == 403
        assert done == []

    def test_a_token_in_the_address_is_none(self, more: Scene, done: Done) -> None:
        """It would stand in histories and logs."""
        browser = more.inside()
        assert browser.post(f"/do?token={browser.token}", {"token": "-"}).status_code == 403
        assert done == []

    def test_a_token_in_a_file_is_none(self, more: Scene, done: Done) -> None:
        """A form has texts."""
        browser = more.inside()
        files = {"token": ("x", browser.token.encode())}
        answer = browser.client.post("/do", files=files, headers={"Sec-Fetch-Site": "same-origin"})
        assert answer.status_code == 415
        assert done == []

    @pytest.mark.parametrize(
        "headers",
        [
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Sec-Fetch-Site": "none"},
            {"Sec-Fetch-Site": ""},
            {"Origin": "https://elsewhere.example"},
            {"Origin": "https://rrsync.example.elsewhere.example"},
            {"Origin": "http://rrsync.example"},
            {"Origin": "https://rrsync.example:8443"},
            {"Sec-Fetch-Site": "-"},
            {"Sec-Fetch-Site": "-", "Origin": "-"},
            {"Sec-Fetch-Site": "-", "Origin": "https://elsewhere.example"},
        ],
        ids=str,
    )
    def test_another_sites_page(self, more: Scene, done: Done, headers: dict[str, str]) -> None:
        """With the right token or not."""
        browser = more.inside()
        assert browser.post("/do", **headers).status_code == 403
        assert done == []

    @pytest.mark.parametrize(
        "headers",
        [
            {"Origin": "-"},
            {"Origin": "https://rrsync.example"},
            {"Sec-Fetch-Site": "-", "Origin": "https://rrsync.example"},
        ],
        ids=str,
    )
    def test_our_own_page_in_any_browser(self, more: Scene, done: Done, headers: dict[str, str]) -> None:
        """One that says the origin, and an old one that says nothing else."""
        browser = more.inside()
        assert browser.post("/do", **headers).status_code == 200
        assert len(done) == 1

    def test_other_methods_are_no_way_around(self, more: Scene, done: Done) -> None:
        """Whatever is not GET needs the token; and a GET is never taken for a POST."""
        browser = more.inside()
        headers = {"Sec-Fetch-Site": "same-origin"}
        assert browser.client.request("DELETE", "/do", headers=headers).status_code == 403
        assert browser.client.request("HEAD", "/for/desk").status_code == 405
        assert browser.get("/do").status_code == 405
        assert browser.get("/do").headers["allow"] in {"POST", "DELETE"}
        assert browser.client.post("/do", headers=headers | {"X-HTTP-Method-Override": "GET"}).status_code == 403
        assert done == []

    def test_before_one_is_logged_in_a_form_needs_a_token_too(self, more: Scene) -> None:
        """That of the page, which the browser got with a cookie of its own."""
        browser, other = more.browser(), more.browser()
        browser.get("/login")
        other.get("/login")
        said = {"language": "en", "address": "/login"}
        assert browser.post("/language", said | {"token": other.token}).status_code == 403
        assert browser.post("/language", said).headers["location"] == "/login"
        assert more.browser().post("/language", said | {"token": browser.token}).status_code == 403


def test_what_asks_for_fresh_proof(more: Scene, done: Done, clock: Clock) -> None:
    """Ten minutes after they proved who they are somebody must do so again."""
    browser = more.inside()
    more.log_in(browser, path="/login/again")
    browser.get("/")
    assert browser.get("/fresh").status_code == 200
    assert browser.post("/do/fresh").status_code == 200
    clock.pass_by(minutes=10, seconds=1)
    answer = browser.post("/do/fresh")
    assert answer.status_code == 403
    assert 'href="/login/again"' in answer.text
    assert browser.get("/fresh").status_code == 403
    assert len(done) == 2
    more.log_in(browser, path="/login/again")
    assert browser.get("/fresh").status_code == 200


def test_a_session_that_ended_opens_nothing(more: Scene, done: Done, clock: Clock) -> None:
    """Neither after a quarter of an hour without use, nor after eight hours with it."""
    idle, busy = more.inside(), more.inside()
    clock.pass_by(minutes=15)
    assert idle.get("/for/desk").headers["location"] == "/login"
    assert "kwartier" in idle.get("/login").text
    assert "kwartier" not in idle.get("/login").text
    assert busy.post("/do").status_code == 401
    busy = more.inside()
    for _ in range(47):
        clock.pass_by(minutes=10)
        assert busy.get("/for/desk").status_code == 200
    clock.pass_by(minutes=10)
    assert busy.get("/for/desk").headers["location"] == "/login"
    assert "acht uur" in busy.get("/login").text
    assert len(done) == 47


def test_a_session_that_was_ended_elsewhere_opens_nothing(more: Scene, done: Done) -> None:
    """At once: of the next request nothing is done."""
    an, again = more.inside(), more.inside()
    more.app.sessions.end(an.cookie())
    assert an.post("/do").status_code == 401
    assert again.post("/do").status_code == 200
    more.app.sessions.end_all(person=f"{more.op.url} an.peeters", until=more.clock())  # type: ignore[union-attr] # it has one
    assert again.post("/do").status_code == 401
    assert len(done) == 1


def test_a_cookie_of_another_name_is_none(more: Scene) -> None:
    """Only the one that no other host can set is looked at."""
    an, other = more.inside(), more.browser()
    for name in ("rrs", "__Secure-rrs", "__Host-RRS", START):
        other.client.cookies.set(name, an.cookie(), domain="rrsync.example", path="/")
    assert other.get("/for/desk").status_code == 303
    other.client.cookies.set(SESSION, an.cookie(), domain="rrsync.example", path="/")
    assert other.get("/for/desk").status_code == 200


def test_what_is_refused_is_told_to_the_log_without_anybody(more: Scene) -> None:
    """The reason and the status, and no name, address or token."""
    browser = more.inside()
    with capture_logs() as logged:
        browser.get("/for/dpo")
        browser.post("/do", {"token": "x"})
        browser.get("/of/genk")
    assert [(line["event"], line["reason"], line["status"]) for line in logged] == [
        ("page.refused", "forbidden", 403),
        ("page.refused", "stale", 403),
        ("page.refused", "missing", 404),
    ]
    assert all(line.keys() == {"event", "log_level", "reason", "status"} for line in logged)


class TestTable:
    """A route without a row, or a row without a route, and nothing starts."""

    @pytest.mark.parametrize(
        ("add", "says"),
        [
            (lambda app: app.add_api_route("/open", lambda: None, methods=["GET"]), "GET /open has no rule"),
            (lambda app: app.add_api_route("/login", lambda: None, methods=["PUT"]), "PUT /login has no rule"),
            (lambda app: app.add_api_route("/x", lambda: None, methods=["GET", "POST"]), "GET /x has no rule"),
            (lambda app: app.add_route("/raw", lambda _: Response()), "/raw is no route that the guard sees"),
            (lambda app: app.mount("/app", FastAPI()), "/app is no route that the guard sees"),
            (lambda app: app.add_api_websocket_route("/ws", lambda _: None), "/ws is no route that the guard sees"),
            (lambda app: app.include_router(_router()), "is no route that the guard sees"),
        ],
    )
    def test_a_route_without_a_row(self, scene: Scene, add: Callable[[FastAPI], None], says: str) -> None:
        """However it is added."""
        with pytest.raises(ConfigError, match=says):
            create_app(scene.app, subjects=(login.register_routes, add), rules=DOOR)

    def test_a_row_without_a_route(self, scene: Scene) -> None:
        """It would open what somebody adds later."""
        with pytest.raises(ConfigError, match="GET /later has no route"):
            create_app(scene.app, rules={**RULES, ("GET", "/later"): Anybody()})

    def test_nothing_shows_how_the_pages_are_made(self, scene: Scene) -> None:
        """No documentation of FastAPI's own, no OpenAPI document."""
        browser = scene.inside()
        for path in ("/docs", "/redoc", "/openapi.json", "/docs/oauth2-redirect"):
            assert browser.get(path).status_code == 404

    def test_only_the_providers_message_is_let_through_unsigned_in(self) -> None:
        """One row is for no browser; everything that changes something is sent."""
        assert [key for key, rule in RULES.items() if isinstance(rule, SignedMessage)] == [("POST", "/login/ended")]
        assert {method for method, _ in RULES} == {"GET", "POST"}


def _router() -> APIRouter:
    router = APIRouter()
    router.add_api_route("/routed", lambda: None, methods=["GET"])
    return router


def test_a_handler_may_ask_who_is_there(guarded: Settings, clock: Clock, op: Op) -> None:
    """On a page that is open, where there may be nobody."""

    def handle(visit: Guest) -> Response:
        return Response(visit.staff.name if visit else "nobody")

    def mount(app: FastAPI) -> None:
        app.add_api_route("/who", handle, methods=["GET"])

    rules = {**DOOR, ("GET", "/who"): Anybody()}
    with opened(guarded, clock, op, subjects=(login.register_routes, mount), rules=rules) as scene:
        assert scene.browser().get("/who").text == "nobody"
        assert scene.inside().get("/who").text == "an.peeters"


def test_a_handler_for_staff_on_an_open_page_lets_nobody_in(guarded: Settings, clock: Clock, op: Op) -> None:
    """A row that is too wide does not make a session out of nothing."""

    def handle(visit: Inside) -> Response:
        return Response(visit.staff.name)

    def mount(app: FastAPI) -> None:
        app.add_api_route("/who", handle, methods=["GET"])

    rules = {**DOOR, ("GET", "/who"): Anybody()}
    with opened(guarded, clock, op, subjects=(login.register_routes, mount), rules=rules) as scene:
        browser: Browser = scene.browser()
        assert browser.get("/who").status_code == 401
