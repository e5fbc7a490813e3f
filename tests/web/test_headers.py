"""What goes with every response, what a browser keeps, and what is nowhere: in no address, cookie, log or error."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Annotated, Final

import httpx2 as httpx
import pytest
from fastapi import FastAPI, Form, Response
from starlette.types import Message
from structlog.testing import capture_logs

from rrsync.config.settings import Settings
from rrsync.errors import (
    BrokenChain,
    Busy,
    ConfigError,
    NotAuthorised,
    RegistryRefused,
    RegistryUnavailable,
    RrsyncError,
    StoreError,
)
from rrsync.web import login
from rrsync.web.access_rules import Anybody, Rule
from rrsync.web.headers import Policy, SecurityHeaders
from tests.support import Clock, insz
from tests.web.provider import Op
from tests.web.scene import DOOR, SESSION, START, Scene, opened

NUMBER: Final = insz(7).digits

ERRORS: Final[dict[str, tuple[Exception, int]]] = {
    "unexpected": (ValueError(NUMBER), 500),
    "assertion": (AssertionError(NUMBER), 500),
    "config": (ConfigError("The case is odd", todo="Write it again"), 400),
    "grounds": (NotAuthorised("Nothing covers it", kept="Nothing was sent"), 403),
    "gone": (RegistryUnavailable("It does not answer"), 503),
    "refused": (RegistryRefused("It refuses us"), 502),
    "chain": (BrokenChain("Entry 7 does not verify"), 503),
    "store": (StoreError("The disk is full"), 503),
    "busy": (Busy("Another run holds it"), 409),
    "other": (RrsyncError("Something else"), 500),
}
MORE: Final[dict[tuple[str, str], Rule]] = {
    **{("GET", f"/fails/{name}"): Anybody() for name in ERRORS},
    ("POST", "/typed"): Anybody(),
    ("GET", "/number/{of}"): Anybody(),
}


@pytest.fixture
def failing(guarded: Settings, clock: Clock, op: Op) -> Iterator[Scene]:
    """Give the pages, with some that fail."""

    def fails(error: Exception) -> object:
        def handle() -> Response:
            raise error

        return handle

    def typed(number: Annotated[int, Form()]) -> Response:
        return Response(str(number))

    def numbered(of: int) -> Response:
        return Response(str(of))

    def mount(app: FastAPI) -> None:
        for name, (error, _) in ERRORS.items():
            app.add_api_route(f"/fails/{name}", fails(error), methods=["GET"])  # type: ignore[arg-type] # a handler it is
        app.add_api_route("/typed", typed, methods=["POST"])
        app.add_api_route("/number/{of}", numbered, methods=["GET"])

    with opened(guarded, clock, op, subjects=(login.register_routes, mount), rules=DOOR | MORE) as scene:
        yield scene


def assert_sealed(answer: httpx.Response, op: Op) -> None:
    """Every header, once, as it should be."""
    said = {name: answer.headers.get_list(name) for name in answer.headers}
    csp = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        f"form-action 'self' {op.url}; frame-ancestors 'none'; base-uri 'none'"
    )
    assert said["content-security-policy"] == [csp]
    assert said["cache-control"] == ["no-store"]
    assert said["strict-transport-security"] == ["max-age=63072000; includeSubDomains"]
    assert said["referrer-policy"] == ["no-referrer"]
    assert said["x-content-type-options"] == ["nosniff"]
    assert said["x-frame-options"] == ["DENY"]
    assert said["cross-origin-opener-policy"] == said["cross-origin-resource-policy"] == ["same-origin"]
    assert "camera=()" in said["permissions-policy"][0]
    assert not {"server", "x-powered-by", "access-control-allow-origin"} & said.keys()


def test_every_response_is_sealed(failing: Scene, op: Op) -> None:
    """Pages, redirects, files, and whatever goes wrong, logged in or not."""
    inside, outside = failing.inside(), failing.browser()
    paths = ["/", "/login", "/login/left", "/login/start", "/login/back", "/login/back?state=x&code=y", "/nothing"]
    paths += ["/static/rrsync.css", "/static/icon.svg", "/static/none.css", "/static/../login.py", "/static/"]
    paths += [f"/fails/{name}" for name in ERRORS] + ["/number/7", "/number/x", "/logout"]
    for path in paths:
        for browser in (outside, inside):
            answer = browser.get(path)
            assert answer.status_code < 500 or path.startswith("/fails/"), path
            assert_sealed(answer, op)
    for path in ("/typed", "/logout", "/login/local", "/login/ended", "/nothing", "/static/rrsync.css"):
        assert_sealed(inside.post(path), op)
        assert_sealed(failing.browser().post(path), op)
    for headers in ({"Host": "elsewhere.example"}, {"Content-Length": "9999999"}, {"Content-Type": "text/xml"}):
        assert_sealed(outside.get("/login", **headers), op)


@pytest.mark.parametrize("name", ERRORS)
def test_what_goes_wrong_is_a_page_that_says_so(failing: Scene, name: str) -> None:
    """What it was, what was kept and what to do; of what nobody foresaw no word, as it may hold a person's data."""
    error, status = ERRORS[name]
    browser = failing.inside()
    with capture_logs() as logged:
        answer = browser.get(f"/fails/{name}")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert NUMBER not in answer.text
    assert "Traceback" not in answer.text
    assert "Wat je kunt doen" in answer.text
    (line,) = logged
    assert line["reason"] == type(error).__name__
    assert NUMBER not in str(line)
    if isinstance(error, RrsyncError):
        assert error.what in answer.text


def test_what_somebody_typed_stands_in_no_error(failing: Scene) -> None:
    """Not what was wrong in a form or an address, in the page or in the log."""
    browser = failing.inside()
    with capture_logs() as logged:
        answers = [
            browser.post("/typed", {"number": f"{NUMBER}x"}),
            browser.post("/typed", {"nombre": NUMBER}),
            browser.get(f"/number/{NUMBER}x"),
            browser.get(f"/{NUMBER}"),
            browser.get(f"/static/{NUMBER}"),
        ]
    assert [answer.status_code for answer in answers] == [400, 400, 400, 404, 404]
    assert NUMBER not in "".join(answer.text for answer in answers)
    assert NUMBER not in str(logged)


@pytest.mark.parametrize(
    "host",
    [
        "elsewhere.example",
        "rrsync.example:8443",
        "rrsync.example.elsewhere.example",
        "127.0.0.1",
        "",
        "rrsync.example.",
    ],
)
def test_another_host_is_refused(scene: Scene, host: str) -> None:
    """So that no address in a page is ever made of what a request says."""
    assert scene.browser().get("/login", Host=host).status_code == 421


@pytest.mark.parametrize("said", ["70000", "999999999999", "-1", "x", ""])
def test_a_body_that_is_too_large_is_refused(scene: Scene, said: str) -> None:
    """By what it says of itself, before it is read."""
    assert scene.browser().get("/login", **{"Content-Length": said}).status_code == 413


def test_a_body_that_grows_too_large_is_refused(scene: Scene) -> None:
    """Though it says nothing of its length."""
    chunks = iter([b"token=x&pad="] + [b"y" * 10_000] * 7)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert scene.browser().client.post("/logout", content=chunks, headers=headers).status_code == 413


def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request has its seconds."""
    monkeypatch.setattr("rrsync.web.headers._BODY_S", 0.01)
    sent: list[Message] = []

    async def never() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def keep(message: Message) -> None:
        sent.append(message)

    async def unasked(*_: object) -> None:
        raise AssertionError

    envelope = SecurityHeaders(
        unasked, policy=Policy("https://x"), refused=lambda _, status: Response(status_code=status)
    )
    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"host", b"x"), (b"content-length", b"5")]}
    asyncio.run(envelope(scope, never, keep))
    assert sent[0]["status"] == 408


def test_what_ends_before_its_end_is_handed_on_as_far_as_it_came() -> None:
    """A browser that is closed meanwhile; and a web socket is no request."""
    got: list[Message] = []

    async def gone() -> Message:
        return {"type": "http.disconnect"}

    async def app(_scope: object, receive: object, _send: object) -> None:
        got.extend([await receive(), await receive()])  # type: ignore[operator] # it is what hands on

    async def keep(_message: Message) -> None:
        raise AssertionError

    envelope = SecurityHeaders(app, policy=Policy("https://x"), refused=lambda _, status: Response(status_code=status))
    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"host", b"x")]}
    asyncio.run(envelope(scope, gone, keep))
    assert [message["type"] for message in got] == ["http.request", "http.disconnect"]
    asyncio.run(envelope({"type": "websocket"}, gone, keep))


def test_who_is_logged_in_stays_so_on_a_page_that_is_not_there(scene: Scene) -> None:
    """It has their name, and a form on it works."""
    browser = scene.inside()
    page = browser.get("/nothing")
    assert "an.peeters" in page.text
    assert "set-cookie" not in page.headers
    assert browser.post("/logout").status_code == 303


def test_without_a_database_there_is_a_page_too(scene: Scene, op: Op) -> None:
    """That says nothing can be done, in the headers of all."""
    browser = scene.inside()
    with scene.app.database.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE session")
    for answer in (browser.get("/"), browser.get("/nothing"), browser.post("/logout"), scene.browser().get("/login")):
        assert_sealed(answer, op)
    assert browser.get("/").status_code == 503
    assert "rrsync init" in browser.get("/").text
    assert browser.get("/nothing").status_code == 404


def test_when_no_page_can_be_made_there_is_a_word(failing: Scene, op: Op) -> None:
    """And the headers of all."""
    object.__setattr__(failing.made.state.context, "pages", None)
    answer = failing.browser().get("/fails/unexpected")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "text/plain; charset=utf-8")
    assert_sealed(answer, op)


class TestCookies:
    """What a browser keeps, and how."""

    def test_the_session(self, scene: Scene) -> None:
        """For this host alone, over TLS, for no script, with no request of another site's, and not for good."""
        browser = scene.browser()
        answer = scene.log_in(browser)
        kept = {line.partition("=")[0]: line for line in answer.headers.get_list("set-cookie")}
        assert kept.keys() == {SESSION, START}
        parts = kept[SESSION].split("; ")
        assert len(parts[0]) == len(SESSION) + 1 + 43
        assert sorted(parts[1:]) == ["HttpOnly", "Path=/", "SameSite=strict", "Secure"]
        assert "Max-Age=0" in kept[START]

    def test_the_login(self, scene: Scene) -> None:
        """The same for ten minutes, and sent when the provider leads back."""
        answer = scene.browser().get("/login/start")
        (line,) = [line for line in answer.headers.get_list("set-cookie") if line.startswith(START)]
        if "Max-Age=0" in line:
            pytest.fail(line)
        assert sorted(line.split("; ")[1:]) == ["HttpOnly", "Max-Age=600", "Path=/", "SameSite=lax", "Secure"]

    def test_the_language(self, scene: Scene) -> None:
        """It says a language and nothing else; another is not kept."""
        browser = scene.browser()
        browser.get("/login")
        answer = browser.post("/language", {"language": "en", "address": "/login/left"})
        assert answer.headers["location"] == "/login/left"
        (line,) = answer.headers.get_list("set-cookie")
        assert line.split("; ")[0] == "__Host-rrs-language=en"
        assert {"HttpOnly", "Path=/", "SameSite=lax", "Secure"} < set(line.split("; "))
        assert 'lang="en"' in browser.get("/login").text
        assert "set-cookie" not in browser.post("/language", {"language": "fr"}).headers
        browser.post("/language", {"language": "nl"})
        assert 'html lang="nl"' in browser.get("/login").text
        browser.client.cookies.set("__Host-rrs-language", "xx", domain="rrsync.example", path="/")
        assert 'html lang="nl"' in browser.get("/login").text

    @pytest.mark.parametrize(
        "address",
        [
            "https://elsewhere.example",
            "//elsewhere.example",
            "/\\elsewhere.example",
            "",
            "login",
            "/x\r\nX: y",
            "/ x",
            "javascript:alert(1)",
            "/" + "x" * 600,
            "/?q=1",
            "/é",
        ],
    )
    def test_the_way_back_is_our_own(self, scene: Scene, address: str) -> None:
        """Nobody is led elsewhere by what a form says."""
        browser = scene.browser()
        browser.get("/login")
        assert browser.post("/language", {"language": "en", "address": address}).headers["location"] == "/"

    def test_on_one_machine(self, trial: Scene) -> None:
        """Without TLS there is no ``__Host-``, and no header that asks for TLS."""
        browser = trial.browser()
        browser.get("/login")
        answer = browser.post("/login/local", {"who": "an.peeters@hasselt"})
        kept = {line.partition("=")[0]: line for line in answer.headers.get_list("set-cookie")}
        assert kept.keys() == {"rrs", "rrs-start"}
        assert sorted(kept["rrs"].split("; ")[1:]) == ["HttpOnly", "Path=/", "SameSite=strict"]
        assert "strict-transport-security" not in answer.headers
        assert "form-action 'self';" in answer.headers["content-security-policy"]


def test_nobody_is_named_where_it_stays(scene: Scene, op: Op) -> None:
    """A whole visit: no name, number, role or library in an address, a cookie or a line of the log; nor in the file."""
    browser = scene.browser()
    with capture_logs() as logged:
        scene.log_in(browser)
        browser.get("/")
        browser.post("/language", {"language": "en", "address": "/"})
        browser.get("/login/again")
        scene.log_in(browser, "no.role")
        scene.log_in(browser)
        browser.get("/")
        browser.post("/logout")
    addresses = [str(each.request.url) + each.headers.get("location", "") for each in browser.seen]
    cookies = [line for each in browser.seen for line in each.headers.get_list("set-cookie")]
    for secret in ("an.peeters", "no.role", insz(1).digits, insz(1).digits[:9]):
        assert secret not in "".join(addresses)
        assert secret not in "".join(cookies)
        assert secret not in str(logged)
    assert {key for line in logged for key in line} <= {"event", "log_level", "library", "reason", "status", "count"}
    asked = str([each for each in op.asked if each[0] in {"authorize", "logout"}])
    assert "an.peeters" not in asked
    content = scene.app.database.path.read_bytes()  # type: ignore[union-attr] # it is a file
    assert insz(1).digits.encode() not in content
    assert b"an.peeters" not in content
