"""Coming in and going out, through a real provider that does what it is told."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2 as httpx
import pytest
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from rrsync.config.settings import Settings
from rrsync.core.roles import Role
from rrsync.web.session_cookies import LoginStart
from tests.support import Clock, Dice, insz
from tests.web.provider import KEYS, ROLES, SECRET, Claims, Op, altered, by_secret, critical, unsigned
from tests.web.scene import SESSION, START, Browser, Scene, opened


def refused(scene: Scene, who: str = "an.peeters") -> tuple[int, str]:
    """Try to log in; give the status and the reason in the log of the program."""
    browser = scene.browser()
    with capture_logs() as logged:
        answer = scene.log_in(browser, who)
    assert not browser.cookie(), answer.text
    assert browser.get("/").status_code == 303
    (line,) = [line for line in logged if str(line["event"]).startswith("login.")]
    return answer.status_code, str(line["reason"])


def found(scene: Scene, browser: Browser) -> Any:
    """Give the session of a browser."""
    return scene.app.sessions.find(browser.cookie())


def test_somebody_logs_in_and_out(scene: Scene, op: Op) -> None:
    """From a page that asks for a login, through the provider, to home; and out of both."""
    browser = scene.browser()
    assert browser.get("/").headers["location"] == "/login"
    assert "/login/start" in browser.get("/login").text
    welcome = scene.log_in(browser)
    assert welcome.status_code == 200
    assert 'content="0; url=/"' in welcome.text
    assert browser.cookie()
    assert not browser.cookie(START)
    home = browser.get(browser.get("/").headers["location"])
    assert home.status_code == 200
    assert "an.peeters" in home.text
    assert browser.get("/login").headers["location"] == "/"
    token = browser.cookie()
    out = browser.post("/logout")
    assert out.headers["clear-site-data"] == '"cache", "storage"'
    address = urlsplit(out.headers["location"])
    assert f"{address.scheme}://{address.netloc}{address.path}" == f"{op.url}/logout"
    assert parse_qs(address.query) == {
        "client_id": ["rrsync"],
        "post_logout_redirect_uri": [f"{scene.origin}/login/left"],
    }
    assert not browser.cookie(SESSION)
    assert scene.app.sessions.find(token) is None
    with httpx.Client(trust_env=False) as outside:
        assert outside.get(out.headers["location"]).headers["location"] == f"{scene.origin}/login/left"
    assert "afgemeld" in browser.get("/login/left").text


@pytest.mark.parametrize(
    ("who", "library", "roles"),
    [
        ("an.peeters", "hasselt", {Role.DESK}),
        ("bo.claes", "hasselt", {Role.OPERATOR}),
        ("dpo.genk", "genk", {Role.DPO}),
        ("els.smets", None, {Role.DPO}),
    ],
)
def test_library_and_roles_come_from_the_provider(
    scene: Scene, who: str, library: str | None, roles: set[Role]
) -> None:
    """By the organisation's code and the role's text, as the settings name them."""
    visit = found(scene, scene.inside(who))
    assert (visit.staff.name, visit.staff.library, visit.staff.roles) == (who, library, roles)


def test_their_own_number_is_kept_keyed(scene: Scene, op: Op) -> None:
    """So that a look at oneself stands out; without a number in the claims there is none."""
    an = found(scene, scene.inside())
    assert len(an.staff.mark) == 32
    assert insz(1).digits not in repr(an)
    assert found(scene, scene.inside("bo.claes")).staff.mark == b""
    op.people["bo.claes"]["rrn"] = insz(1).digits
    assert found(scene, scene.inside("bo.claes")).staff.mark == an.staff.mark


@pytest.mark.parametrize(
    ("who", "why"), [("two.hats", "not_apart"), ("no.role", "no_role"), ("stranger", "unknown_organisation")]
)
def test_who_may_not_come_in_is_told_why(scene: Scene, who: str, why: str) -> None:
    """The provider knows them; the settings do not, or nobody may be both."""
    assert refused(scene, who) == (403, why)


def test_what_is_asked_of_the_provider(scene: Scene, op: Op) -> None:
    """Code flow, PKCE with S256, state and nonce, the redirect of the settings, and nobody's data."""
    scene.inside()
    ((_, asked),) = [each for each in op.asked if each[0] == "authorize"]
    assert asked.keys() == {
        "client_id",
        "code_challenge",
        "code_challenge_method",
        "max_age",
        "nonce",
        "redirect_uri",
        "response_type",
        "scope",
        "state",
    }
    assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
    assert asked["scope"] == "openid vo profile rrn"
    assert asked["redirect_uri"] == f"{scene.origin}/login/back"
    assert min(len(asked[name]) for name in ("state", "nonce", "code_challenge")) == 43
    ((_, turned_in),) = [each for each in op.asked if each[0] == "token"]
    assert "client_secret" not in turned_in
    assert len(turned_in["code_verifier"]) == 43
    assert turned_in["code_verifier"] not in {asked["state"], asked["nonce"]}


def test_no_two_logins_are_alike(scene: Scene, op: Op) -> None:
    """State, nonce and challenge are thrown anew each time."""
    browser = scene.browser()
    for _ in range(3):
        scene.log_in(browser)
    asked = [each[1] for each in op.asked if each[0] == "authorize"]
    for name in ("state", "nonce", "code_challenge"):
        assert len({each[name] for each in asked}) == 3


def _with(**changes: object) -> Any:
    """Give what changes claims; one that is ``None`` is left out."""
    return lambda claims: {name: said for name, said in (claims | changes).items() if said is not None}


def _shifted(name: str, seconds: int) -> Any:
    return lambda claims: claims | {name: claims[name] + seconds}


FORGED = {
    "another issuer": {"claims": _with(iss="http://127.0.0.1:1")},
    "its issuer with a slash": {"claims": lambda claims: claims | {"iss": claims["iss"] + "/"}},
    "no issuer": {"claims": _with(iss=None)},
    "for another": {"claims": _with(aud="another")},
    "for nobody": {"claims": _with(aud=None)},
    "for an empty list": {"claims": _with(aud=[])},
    "for us and another": {"claims": _with(aud=["rrsync", "another"])},
    "for us and another, asked by the other": {"claims": _with(aud=["rrsync", "another"], azp="another")},
    "for us, asked by another": {"claims": _with(azp="another")},
    "another nonce": {"claims": _with(nonce="A" * 43)},
    "no nonce": {"claims": _with(nonce=None)},
    "an empty nonce": {"claims": _with(nonce="")},
    "run out": {"claims": _shifted("exp", -331)},
    "without an end": {"claims": _with(exp=None)},
    "an end that is a text": {"claims": _with(exp="9999999999")},
    "an end that is no number": {"claims": lambda claims: claims | {"exp": float("nan")}},
    "of the future": {"claims": _shifted("iat", 61)},
    "of no moment": {"claims": _with(iat=None)},
    "valid later": {"claims": lambda claims: claims | {"nbf": claims["iat"] + 600}},
    "about nobody": {"claims": _with(sub=None)},
    "about a number": {"claims": _with(sub=7)},
    "another access token's": {"claims": _with(at_hash="A" * 22)},
    "an access token's hash that is none": {"claims": _with(at_hash=7)},
}
UNSIGNED = {
    "signed by nobody": {"token": unsigned},
    "signed with the public key as a secret": {"token": by_secret(KEYS["first"].as_pem(private=False))},
    "signed with our secret": {"token": by_secret(SECRET.encode())},
    "signed with a stolen name": {"key": KEYS["stolen"], "header": {"kid": "first"}},
    "signed with a key nobody published": {"key": KEYS["stolen"]},
    "signed with a key it brings along": {
        "key": KEYS["stolen"],
        "header": {"kid": None, "jwk": KEYS["stolen"].as_dict(private=False)},
    },
    "signed with a key from elsewhere": {
        "key": KEYS["stolen"],
        "header": {"kid": "first", "jku": "http://127.0.0.1:1/keys"},
    },
    "without the name of a key": {"header": {"kid": None}},
    "with something critical we do not know": {"token": critical},
    "altered": {"token": altered},
    "cut off": {"token": lambda token: token[:-20]},
    "no token at all": {"token": lambda _: "Ω" * 40},
    "five parts": {"token": lambda token: f"{token}.x.y"},
    "nothing": {"token": lambda _: ""},
}
UNPROVED = {
    "nine hours ago": {"claims": _shifted("auth_time", -9 * 3_600)},
    "in the future": {"claims": _shifted("auth_time", 1_200)},
    "never": {"claims": _with(auth_time=None)},
    "at no moment": {"claims": _with(auth_time="now")},
    "at a moment that cannot be": {"claims": _with(auth_time=10**30)},
    "truly": {"claims": _with(auth_time=True)},
}


@pytest.mark.parametrize("trick", FORGED.values(), ids=FORGED)
def test_a_token_that_is_not_for_this_login_is_refused(scene: Scene, op: Op, trick: Claims) -> None:
    """Signed as it should be, it says something that is not so."""
    op.trick(**trick)
    assert refused(scene) == (403, "claims")
    op.trick()
    scene.inside()


@pytest.mark.parametrize("trick", UNSIGNED.values(), ids=UNSIGNED)
def test_a_token_the_provider_did_not_sign_is_refused(scene: Scene, op: Op, trick: Claims) -> None:
    """Whatever it says."""
    scene.inside()
    scene.clock.pass_by(seconds=60)  # so that its keys may be asked for again
    op.trick(**trick)
    assert refused(scene) == (403, "token")


@pytest.mark.parametrize("trick", UNPROVED.values(), ids=UNPROVED)
def test_who_did_not_prove_it_of_late_is_refused(scene: Scene, op: Op, trick: Claims) -> None:
    """A session at the provider may be older than one here may ever be."""
    op.trick(**trick)
    assert refused(scene) == (403, "not_proved")


@pytest.mark.parametrize(
    "trick",
    [
        {"claims": _shifted("exp", -329)},
        {"claims": _shifted("iat", 30)},
        {"claims": _with(aud=["rrsync"])},
        {"claims": _with(aud=["rrsync", "another"], azp="rrsync")},
        {"claims": _with(at_hash=None)},
        {"claims": _with(sid=None)},
    ],
)
def test_what_is_right_though_unusual_comes_in(scene: Scene, op: Op, trick: Claims) -> None:
    """Half a minute between the clocks, and what the specification allows."""
    op.trick(**trick)
    scene.inside()


REPLIES = {
    "an error": (JSONResponse({"error": "server_error"}, 400), "code"),
    "an error it calls fine": (JSONResponse({"error": "server_error"}), "code"),
    "broken": (JSONResponse({"error": "server_error"}, 500), "unreachable"),
    "a page": (HTMLResponse("<h1>Sorry</h1>"), "unreachable"),
    "a list": (JSONResponse([1]), "unreachable"),
    "no ID token": (JSONResponse({"access_token": "x", "token_type": "Bearer"}), "code"),
    "no access token": (JSONResponse({"id_token": "x", "token_type": "Bearer"}), "code"),
    "an ID token that is no text": (JSONResponse({"id_token": 7, "access_token": "x"}), "code"),
    "led elsewhere": (RedirectResponse("http://127.0.0.1:1/token", 307), "unreachable"),
}


@pytest.mark.parametrize("reply", REPLIES)
def test_a_code_that_gives_nothing_lets_nobody_in(scene: Scene, op: Op, reply: str) -> None:
    """The provider's answer cannot be used; nothing is followed, least of all with our secret."""
    response, why = REPLIES[reply]
    op.trick(reply=response)
    assert refused(scene) == (503 if why == "unreachable" else 403, why)


@pytest.mark.parametrize(
    ("back", "why"),
    [
        ({"state": "A" * 43}, "begun_elsewhere"),
        ({"state": None}, "begun_elsewhere"),
        ({"state": "é" * 43}, "begun_elsewhere"),
        ({"iss": "http://127.0.0.1:1"}, "claims"),
        ({"iss": None}, "claims"),
        ({"iss": ""}, "claims"),
        ({"code": None}, "code"),
        ({"code": ""}, "code"),
        ({"code": "A" * 5_000}, "code"),
        ({"code": "A" * 64}, "code"),
        ({"code": None, "error": "access_denied"}, "cancelled"),
        ({"error": "server_error"}, "code"),
    ],
)
def test_who_comes_back_with_something_else_is_refused(scene: Scene, op: Op, back: Claims, why: str) -> None:
    """Another state, another provider's answer, no code or another's."""
    op.trick(back=back)
    status, reason = refused(scene)
    assert (status, reason) == (403, why)


def test_what_is_said_twice_is_not_believed(scene: Scene) -> None:
    """Which of the two would count is anybody's guess."""
    browser = scene.browser()
    scene.op.auto = "an.peeters"  # type: ignore[union-attr] # this scene has one
    back = scene.begin(browser)
    assert browser.get(f"{back}&state=x").status_code == 403
    assert not browser.cookie()


def test_a_code_is_good_once(scene: Scene, op: Op) -> None:
    """Somebody who saw the address can do nothing with it, in this browser or another."""
    op.auto = "an.peeters"
    browser, thief = scene.browser(), scene.browser()
    back = scene.begin(browser)
    kept = browser.cookie(START)
    assert thief.get(back).status_code == 403
    scene.begin(thief)
    assert thief.get(back).status_code == 403
    assert browser.get(back).status_code == 200
    assert browser.get(back).status_code == 403
    browser.client.cookies.set(START, kept, domain="rrsync.example", path="/")
    assert browser.get(back).status_code == 403
    assert [each[0] for each in op.asked].count("token") == 2


def test_an_id_token_is_good_for_its_own_login(scene: Scene, op: Op) -> None:
    """One that was given before, for another login of the same person, is refused."""
    scene.inside()
    before = op.issued[0]
    op.trick(token=lambda _: before, claims=_with(at_hash=None))
    assert refused(scene) == (403, "claims")


def test_a_login_is_begun_and_ended_within_ten_minutes(scene: Scene, op: Op, clock: Clock) -> None:
    """And in the browser it was begun in."""
    op.auto = "an.peeters"
    browser = scene.browser()
    back = scene.begin(browser)
    clock.pass_by(minutes=10, seconds=1)
    assert browser.get(back).status_code == 403
    assert scene.browser().get(back).status_code == 403


def test_nobody_is_let_in_as_another(scene: Scene, op: Op) -> None:
    """An address that logs in the attacker does not log in the victim's browser (login CSRF)."""
    op.auto = "bo.claes"
    attacker, victim = scene.browser(), scene.browser()
    back = scene.begin(attacker)
    victim.get("/login")
    assert victim.get(back).status_code == 403
    assert not victim.cookie()


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"discovery": {"issuer": "http://127.0.0.1:1"}}, "unreadable"),
        ({"discovery": {"token_endpoint": "http://127.0.0.1:1/token"}}, "unreadable"),
        ({"discovery": {"authorization_endpoint": "https://elsewhere.example/authorize"}}, "unreadable"),
        ({"discovery": {"jwks_uri": None}}, "unreadable"),
        ({"discovery": {"userinfo_endpoint": 7}}, "unreadable"),
        ({"discovery": {"end_session_endpoint": "//elsewhere.example/logout"}}, "unreadable"),
        ({"pages": {"discovery": Response(status_code=404)}}, "unreachable"),
        ({"pages": {"discovery": Response(status_code=204)}}, "unreadable"),
        ({"pages": {"discovery": JSONResponse([1])}}, "unreadable"),
        ({"pages": {"discovery": JSONResponse({"padding": "x" * (1 << 20)})}}, "unreachable"),
        ({"pages": {"discovery": HTMLResponse("<h1>Sorry</h1>")}}, "unreachable"),
        ({"pages": {"discovery": RedirectResponse("http://127.0.0.1:1/", 302)}}, "unreadable"),
    ],
)
def test_a_provider_that_is_another_is_not_gone_to(scene: Scene, op: Op, told: Claims, why: str) -> None:
    """What it says about itself must be of the issuer that the settings name, and stay at its origin."""
    op.trick(**told)
    browser = scene.browser()
    with capture_logs() as logged:
        answer = browser.get("/login/start")
    assert answer.status_code == (503 if why == "unreachable" else 403)
    assert logged[-1]["reason"] == why
    assert not browser.cookie(START) or "location" not in answer.headers
    op.trick()
    scene.inside()


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        (Response(status_code=500), "unreachable"),
        (JSONResponse({"keys": "none"}), "unreadable"),
        (JSONResponse({"keys": []}), "unreadable"),
        (JSONResponse({"keys": [{"kty": "RSA"}]}), "unreadable"),
        (JSONResponse({"keys": ["x"]}), "unreadable"),
        (JSONResponse({"keys": [{"kty": "new"}]}), "unreadable"),
        (HTMLResponse("x"), "unreachable"),
    ],
)
def test_keys_that_cannot_be_read_sign_nothing(scene: Scene, op: Op, keys: Response, why: str) -> None:
    """And are asked for again at the next login."""
    op.trick(pages={"keys": keys})
    assert refused(scene)[1] == why
    op.trick()
    scene.inside()


def test_a_provider_that_is_gone_keeps_nobody_in(scene: Scene, op: Op, clock: Clock) -> None:
    """The pages stand; who would log in is told to try later, and who is in can leave."""
    browser = scene.inside()
    op.trick(pages={"discovery": JSONResponse({}, 503)})
    clock.pass_by(minutes=14)
    assert browser.get("/").headers.get("location") != "/login"
    for _ in range(4):
        clock.pass_by(minutes=12)
        assert browser.get("/").headers.get("location") != "/login"
    answer = scene.browser().get("/login/start")
    assert answer.status_code == 503
    assert "niet bereikbaar" in answer.text
    assert scene.browser().get("/login").status_code == 200
    assert browser.post("/logout").headers["location"] == "/login/left"
    assert not browser.cookie()


def test_a_new_key_is_looked_for_and_not_over_and_over(scene: Scene, op: Op, clock: Clock) -> None:
    """The provider rotates its keys; who shows tokens of keys that nobody has makes us ask once in half a minute."""
    scene.inside()
    op.published, op.key = [KEYS["second"]], KEYS["second"]
    assert refused(scene) == (403, "token")  # its keys were asked for this very moment
    asked = [each[0] for each in op.asked].count("keys")
    clock.pass_by(seconds=30)
    scene.inside()
    op.trick(key=KEYS["stolen"])
    for _ in range(3):
        assert refused(scene) == (403, "token")
    assert [each[0] for each in op.asked].count("keys") == asked + 1


def test_a_key_on_a_curve_is_as_good(scene: Scene, op: Op) -> None:
    """ES256 is among what may sign."""
    op.key = op.published[1]
    scene.inside()


def test_roles_may_come_with_the_userinfo(scene: Scene, op: Op) -> None:
    """If the token has none; and only about the same person."""
    op.trick(claims=lambda claims: {name: said for name, said in claims.items() if name != ROLES})
    assert found(scene, scene.inside()).staff.roles == {Role.DESK}
    op.told.userinfo = {"sub": "els.smets"}
    assert refused(scene) == (403, "claims")
    op.told.userinfo = {ROLES: ["RRSync-DPO:OVO000009"], "iss": "x", "sid": 7}
    assert found(scene, scene.inside()).staff.roles == {Role.DPO}
    op.told.discovery = {"userinfo_endpoint": ""}
    scene.clock.pass_by(hours=1)
    assert refused(scene) == (403, "no_role")


def test_the_secret_goes_by_post_where_the_provider_wants_that(scene: Scene, op: Op) -> None:
    """``client_secret_post``, if it takes no other."""
    op.trick(discovery={"token_endpoint_auth_methods_supported": ["client_secret_post"]})
    scene.inside()
    ((_, turned_in),) = [each for each in op.asked if each[0] == "token"]
    assert turned_in["client_secret"]


def test_a_stronger_proof_can_be_asked_for(guarded: Settings, clock: Clock, op: Op) -> None:
    """Then a weaker one, or none said, lets nobody in."""
    oidc = guarded.web.oidc
    assert oidc is not None
    strong = guarded.model_copy(
        update={"web": guarded.web.model_copy(update={"oidc": oidc.model_copy(update={"acr": ["eid", "itsme"]})})}
    )
    with opened(strong, clock, op) as scene:
        assert refused(scene) == (403, "not_proved")
        assert [each[1]["acr_values"] for each in op.asked if each[0] == "authorize"] == ["eid itsme"]
        op.trick(claims=_with(acr=None))
        assert refused(scene) == (403, "not_proved")
        op.trick(claims=_with(acr="itsme"))
        scene.inside()


def test_proving_it_again_takes_a_new_proof(scene: Scene, op: Op, clock: Clock) -> None:
    """The provider is told to ask anew, and one that did not is refused."""
    browser = scene.inside()
    before = found(scene, browser)
    clock.pass_by(minutes=5)
    assert scene.log_in(browser, path="/login/again").status_code == 200
    asked = [each[1] for each in op.asked if each[0] == "authorize"][-1]
    assert (asked["max_age"], asked["prompt"]) == ("0", "login")
    after = found(scene, browser)
    assert after.proved_at == clock()
    assert after.proved_at - before.proved_at > timedelta(minutes=5)
    op.trick(claims=_shifted("auth_time", -60))
    assert scene.log_in(browser, path="/login/again").status_code == 403


def test_another_site_s_link_to_the_door_logs_nobody_out(scene: Scene) -> None:
    """A browser that comes by one does not show its session, so that the door must leave it alone."""
    browser = scene.inside()
    stranger = scene.browser()
    assert not [
        said for said in stranger.get("/login").headers.get_list("set-cookie") if said.startswith(f"{SESSION}=")
    ]
    scene.app.sessions.end(browser.cookie())
    browser.get("/login")
    assert browser.cookie() == ""


def test_a_session_is_new_at_every_login(scene: Scene, op: Op) -> None:
    """What a browser was made to show before is worth nothing after (session fixation), and the one before is over."""
    planted = "A" * 43
    browser = scene.browser()
    browser.client.cookies.set(SESSION, planted, domain="rrsync.example", path="/")
    op.auto = "an.peeters"
    back = scene.begin(browser)
    browser.client.cookies.set(SESSION, planted, domain="rrsync.example", path="/")
    assert browser.get(back).status_code == 200
    assert browser.cookie() != planted
    assert scene.app.sessions.find(planted) is None
    first = browser.cookie()
    scene.log_in(browser)
    assert browser.cookie() != first
    assert scene.app.sessions.find(first) is None


def test_the_provider_ends_a_session(scene: Scene, op: Op) -> None:
    """Of a person, or of one login; nobody else's."""
    an, bo = scene.inside(), scene.inside("bo.claes")
    assert ended(scene, op.logout_token(sid="sid of an.peeters")) == 200
    assert an.get("/").headers["location"] == "/login"
    assert bo.get("/").headers.get("location") != "/login"
    assert ended(scene, op.logout_token(sub="bo.claes")) == 200
    assert bo.get("/").headers["location"] == "/login"
    assert ended(scene, op.logout_token(sub="bo.claes")) == 200


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"sub": "an.peeters", "iss": "http://127.0.0.1:1"},
        {"sub": "an.peeters", "aud": "another"},
        {"sub": "an.peeters", "nonce": "x"},
        {"sub": "an.peeters", "events": None},
        {"sub": "an.peeters", "events": {"http://elsewhere.example": {}}},
        {"sub": "an.peeters", "events": {"http://schemas.openid.net/event/backchannel-logout": True}},
        {"sub": "an.peeters", "exp": 1},
        {"sub": "an.peeters", "iat": None},
        {"sub": "an.peeters", "iat": 1_000},
        {"sub": "", "sid": ""},
        {"sid": 7},
    ],
)
def test_a_message_that_is_no_logout_token_ends_nothing(scene: Scene, op: Op, claims: Claims) -> None:
    """Least of all an ID token, which anybody who saw one could send."""
    an = scene.inside()
    assert ended(scene, op.logout_token(**claims)) == 400
    assert ended(scene, op.issued[0]) == 400
    assert ended(scene, unsigned(op.logout_token(sub="an.peeters"))) == 400
    assert an.get("/").headers.get("location") != "/login"


def test_a_logout_token_played_again_ends_no_later_session(scene: Scene, op: Op, clock: Clock) -> None:
    """It ends what began before it was made."""
    token = op.logout_token(sub="an.peeters")
    clock.pass_by(seconds=1)
    an = scene.inside()
    assert ended(scene, token) == 200
    assert an.get("/").headers.get("location") != "/login"


def ended(scene: Scene, token: str) -> int:
    """Send a logout token, as the provider's server does: without cookies, origin or form token."""
    with httpx.Client(transport=scene.browser().client._transport, base_url=scene.origin) as server:
        return server.post("/login/ended", data={"logout_token": token}).status_code


def test_whatever_is_sent_to_the_open_doors_is_answered(scene: Scene, op: Op) -> None:
    """No error of ours, nobody in: tokens and parameters of no known shape, and pieces of right ones."""
    right = op.logout_token(sub="an.peeters")
    head, claims, signature = right.split(".")
    pieces = st.sampled_from([head, claims, signature, "", "e30", "bnVsbA", "W10", "9" * 400])
    shaped = st.lists(pieces, min_size=1, max_size=5).map(".".join)
    with capture_logs():

        @settings(max_examples=150, deadline=None)
        @given(st.one_of(st.text(max_size=200), shaped), st.dictionaries(st.text(), st.text(), max_size=4))
        def answered(token: str, said: dict[str, str]) -> None:
            if token == right:
                return
            browser = scene.browser()
            assert browser.client.post("/login/ended", data={"logout_token": token}).status_code == 400
            assert browser.client.get("/login/back", params=said).status_code == 403
            assert not browser.cookie()

        answered()


def test_what_a_login_keeps_in_the_browser_says_nothing() -> None:
    """A moment and random bits; what is derived from it is not read off it, nor shown."""
    clock = Clock()
    start = LoginStart.fresh(clock(), Dice())
    assert LoginStart.read(start.text, clock()) == start
    assert len({start.state, start.nonce, start.verifier, start.token}) == 4
    assert all(each not in start.text for each in (start.state, start.nonce, start.verifier, start.token))
    assert repr(start) == "LoginStart(***)"
    later = start.text.replace(str(int(clock().timestamp())), str(int(clock().timestamp()) + 1))
    assert LoginStart.read(later, clock.pass_by(seconds=2)).state != start.state  # type: ignore[union-attr] # it is one


@pytest.mark.parametrize(
    "text", ["", "x", "1.r." + "A" * 43, "9999999999999.r." + "A" * 43, "1.x." + "A" * 43, "1.r.A"]
)
def test_what_was_never_begun_is_no_login(text: str) -> None:
    """Nor one that is old, or of the future."""
    clock = Clock()
    assert LoginStart.read(text, clock()) is None
    assert LoginStart.read(f"{int(clock().timestamp()) + 3}.r.{'A' * 43}", clock()) is None
