"""Who may do what: every route, by every method, for every role, on what is their library's, another's, or nobody's.

What is let in is written out by hand below, from what was decided about roles and keys; everything else must be turned
away. A route that is not there fails. Every case is a real request to the whole application, on two libraries at work,
in a session of its own.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count, product
from pathlib import Path
from typing import Any, Final

import httpx2 as httpx
import pytest
from anyio.from_thread import start_blocking_portal
from fastapi.testclient import TestClient

from rrsync.core.api_key import Scope
from rrsync.core.log_entry import Actor, ActorKind
from rrsync.core.roles import Role, Staff
from rrsync.simulator.citizens import Situation
from rrsync.store.api_keys import ApiKeyRequest
from rrsync.web.access_rules import RULES
from tests.support import Clock, insz
from tests.web.provider import SECRET, running
from tests.web.scene import PUBLIC, SESSION, START, Scene, opened
from tests.web.town import BEFORE, LETTERS, MORNING, Town, town

#: Method and path -> the role, or what a key is good for, that is let in; ``all`` is whoever is logged in, ``open`` is
#: everybody, and ``itself`` is a message that proves itself.
TABLE: Final = """\
GET   /                                          all
GET   /login                                     open
GET   /login/left                                open
GET   /login/start                               open
GET   /login/again                               open
GET   /login/back                                open
POST  /login/ended                               itself
POST  /login/local                               open
POST  /logout                                    open
POST  /language                                  open
GET   /sessions                                  all
POST  /sessions/end                              all

GET   /desk                                      desk
POST  /desk                                      desk
GET   /members/{member}                          desk
POST  /members/{member}/refresh                  desk
GET   /members/{member}/difference               desk
POST  /members/{member}/difference               desk
GET   /members/{member}/correct                  desk
POST  /members/{member}/correct                  desk
POST  /members/{member}/correct/end              desk
GET   /desk/outside                              desk
POST  /desk/outside                              desk
GET   /desk/outside/{wish}                       desk
POST  /desk/outside/{wish}                       desk
GET   /holds                                     desk
GET   /holds/{hold}                              desk
POST  /holds/{hold}                              desk

GET   /operator                                  operator
GET   /runs                                      operator
GET   /runs/{run}                                operator
GET   /runs/{run}/live                           operator
POST  /runs/{run}/resume                         operator
POST  /runs/{run}/release                        operator
GET   /register                                  operator

GET   /officer                                   dpo
POST  /officer/verify                            dpo
GET   /log                                       dpo
POST  /log                                       dpo
GET   /log/entries/{library}/{entry}             dpo
POST  /log/entries/{library}/{entry}/proof       dpo
POST  /log/entries/{library}/{entry}/evidence    dpo
GET   /log/person                                dpo
POST  /log/person                                dpo
POST  /log/person/letter                         dpo
GET   /log/days                                  dpo
GET   /log/days/{day}                            dpo
GET   /log/samples                               dpo
GET   /log/samples/{library}/{month}             dpo
POST  /log/samples/{library}/{month}             dpo
GET   /log/export                                dpo
POST  /log/export                                dpo
GET   /log/figures                               dpo

GET   /admin                                     admin
POST  /admin/keys                                admin
POST  /admin/keys/revoke                         admin
GET   /admin/hooks                               admin
POST  /admin/hooks/now                           admin
GET   /admin/people                              admin
POST  /admin/people/end                          admin

GET   /api/openapi.json                          open
GET   /api/libraries/{library}/members/{member}  members:read
POST  /api/libraries/{library}/members/{member}/refresh members:refresh
GET   /api/libraries/{library}/changes           changes:read
GET   /api/libraries/{library}/holds             members:read
"""
EXPECTED: Final[dict[tuple[str, str], str]] = {
    (method, path): who for method, path, who in (line.split() for line in TABLE.splitlines() if line)
}
#: Who asks: nobody, staff of Hasselt with one role, staff of those who run rrsync for all, and Hasselt's keys.
CALLERS: Final[dict[str, Staff | Scope | None]] = {
    "nobody": None,
    **{role.value: Staff(f"{role}.hasselt", "hasselt", frozenset({role})) for role in Role},
    **{f"all-{role}": Staff(f"{role}.all", None, frozenset({role})) for role in Role if role is not Role.DESK},
    "both": Staff("both.hasselt", "hasselt", frozenset({Role.DESK, Role.OPERATOR})),
    **{f"key-{scope}": scope for scope in Scope},
}
#: What is the asker's library's, another's, nobody's; and another's that is said to be one's own.
TARGETS: Final = ("own", "other", "none")
MIXED: Final = "mixed"
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
#: What is sent whole, where it may not be done: nothing of a form that is right may make a difference.
FORMS: Final[dict[str, dict[str, Any]]] = {
    "/members/{member}/refresh": {"purpose": "desk", "case": "brief-1"},
    "/members/{member}/difference": {"decision": "accept", "ticket": "ref-1"},
    "/members/{member}/correct": {
        "street": "Dorpsstraat",
        "house_number": "1",
        "postal_code": "3500",
        "municipality": "Hasselt",
        "reason": "brief kwam terug",
        "until": "2026-10-01",
    },
    "/holds/{hold}": {"decision": "dismiss", "note": "nagekeken"},
    "/log/entries/{library}/{entry}/evidence": {"reason": "klacht 12"},
    "/log/samples/{library}/{month}": {"entry": "1", "finding": "justified"},
    "/desk/outside": {"insz": insz(7).digits, "purpose": "desk", "case": "brief-1"},
    "/desk/outside/{wish}": {"deed": "approve"},
    "/api/libraries/{library}/members/{member}/refresh": {
        "purpose": "desk",
        "case": "brief-1",
        "staff": "an.peeters",
        "apply": False,
    },
    "/log/export": {"library": "genk", "reason": "audit", "format": "jsonl"},
}
_PART: Final = re.compile(r"{(\w+)}")
_OF_A_LIBRARY: Final = frozenset({"member", "hold", "run", "library", "wish"})
_TOKEN: Final = re.compile(r'name="token" value="([^"]*)"')
_ADDRESS: Final = re.compile(r'name="address" value="[^"]*"')
_TURNED_AWAY: Final = frozenset({401, 403, 404, 405})
#: Where a login stands that nobody began, the trial that there is not behind a provider, and a wish about which nothing
#: is said: what is right of these is refused too, when it is empty.
_HALF_WAY: Final = frozenset({"/login/back", "/login/local", "/desk/outside/{wish}"})


@dataclass(frozen=True)
class Visitor:
    """Who asks: what their browser or program shows, and the token of their forms."""

    headers: dict[str, str]
    token: str


@dataclass
class Stand:
    """The application on a town, what stands in its addresses for each target, the keys, and who sends it all."""

    town: Town
    scene: Scene
    parts: dict[str, dict[str, str]]
    keys: dict[str, str]
    client: httpx.Client
    numbers: Iterator[int] = field(default_factory=count)

    def address(self, path: str, target: str) -> str:
        """Fill an address in."""
        return _PART.sub(lambda found: self.parts[target][found[1]], path)

    def visit(self, who: str) -> Visitor:
        """Give somebody, in a session of their own, or with the key that they call with."""
        caller = CALLERS[who]
        if isinstance(caller, Scope):
            return Visitor({"Authorization": f"Bearer {self.keys[who]}"}, "")
        if caller is None:
            answer = self.client.get("/login")
            found = _TOKEN.search(answer.text)
            assert found is not None
            return Visitor({"Cookie": f"{START}={answer.cookies[START]}"}, found[1])
        sessions = self.scene.app.sessions
        cookie = sessions.start(caller, person=f"person {who}", proved_at=self.scene.clock())
        visit = sessions.find(cookie)
        assert visit is not None
        return Visitor({"Cookie": f"{SESSION}={cookie}"}, visit.token)

    def send(self, visitor: Visitor, method: str, address: str, said: dict[str, Any], **more: str) -> httpx.Response:
        """Send what somebody's browser would, or their program."""
        self.client.cookies.clear()
        headers = {"Sec-Fetch-Site": "same-origin", "Origin": "null", "Sec-Fetch-Mode": "navigate"}
        if method == "GET":
            return self.client.get(address, headers=visitor.headers | {"Sec-Fetch-Mode": "navigate"})
        if address.startswith("/api"):
            key = {"Idempotency-Key": f"{next(self.numbers):016d}"}
            return self.client.request(method, address, json=said, headers=visitor.headers | key)
        return self.client.request(method, address, data=said, headers=visitor.headers | headers | more)

    def ask(self, who: str, method: str, path: str, target: str, said: dict[str, Any] | None = None) -> httpx.Response:
        """Ask as somebody, with what a form of ours holds, or with JSON where that is spoken."""
        visitor = self.visit(who)
        form = {} if path.startswith("/api") else {"token": visitor.token}
        return self.send(visitor, method, self.address(path, target), form | (said or {}))

    def sizes(self) -> list[int]:
        """Give how many entries each log has."""
        return [head.size for head in self.scene.app.access_log.heads()]


def _shows(stand: Stand, text: str) -> list[str]:
    """Give what a page tells of anybody who lives here, by their names and streets."""
    known = (stand.town.world.citizen(place) for place in range(len(stand.town.world)))
    words = {word for one in known for word in (one.name.last, one.known.street) if len(word) > 5}
    return sorted(word for word in words if word in text)


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> Iterator[Stand]:
    """Give the pages on two libraries at work."""
    folder = tmp_path_factory.mktemp("matrix")

    def prepare(there: Path) -> str:
        (there / "rrsync.db").write_bytes(migrated_file.read_bytes())
        return ""

    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("RRSYNC_")]:
            patch.delenv(name)
        patch.setenv("RRSYNC_OIDC_SECRET", SECRET)
        patch.setenv("RRSYNC_WEB__OUTSIDE_PER_MONTH", "50")
        clock = Clock(MORNING)
        with (
            running(clock) as op,
            town(folder, clock=clock, prepare=prepare, issuer=op.url) as made,
            opened(made.settings, clock, op) as scene,
            start_blocking_portal() as portal,
        ):
            client = TestClient(scene.made, base_url=PUBLIC, client=("127.0.0.1", 50_000), follow_redirects=False)
            client.portal = portal  # one loop for all, where it would begin one for each request
            yield Stand(made, scene, _parts(made, scene), _keys(scene), client)


def _keys(scene: Scene) -> dict[str, str]:
    """Give a key of Hasselt's for each thing a key can be good for."""
    ends, admin = scene.clock.now + timedelta(days=30), Actor(ActorKind.PERSON, "dora.wouters")
    make = scene.app.api_keys.make
    return {
        f"key-{scope}": make(ApiKeyRequest("hasselt", f"{scope}", frozenset({scope}), (), ends), actor=admin)[1]
        for scope in Scope
    }


def _parts(made: Town, scene: Scene) -> dict[str, dict[str, str]]:
    """Give what stands in an address for Hasselt's own, for Genk's, and for what is not there."""
    before, number = made.clock.now - BEFORE, made.who(Situation.SETTLED)[0]
    person = Actor(ActorKind.PERSON, "jan.baert")
    parts: dict[str, dict[str, str]] = {}
    for target, library, serial in (("own", "hasselt", 1), ("other", "genk", 2)):
        wish = scene.app.outside_queries.want(library, insz(serial), actor=person, purpose="desk", case="brief-1")
        parts[target] = {
            "member": f"{LETTERS[library]}{number[1:]}",
            "hold": str(next(hold.id for hold in scene.app.holds.open(library=library))),
            "run": made.nights[library],
            "library": library,
            "wish": str(wish),
        }
    parts["none"] = {"member": "X999999", "hold": "999999", "run": "nowhere", "library": "nowhere", "wish": "999999"}
    parts[MIXED] = parts["own"] | {"member": parts["other"]["member"]}
    usual = {"day": f"{before:%Y-%m-%d}", "month": f"{before:%Y-%m}", "entry": "3"}
    return {target: values | usual for target, values in parts.items()}


def _is_about(path: str) -> bool:
    """Whether an address names what is a library's."""
    return not _OF_A_LIBRARY.isdisjoint(_PART.findall(path))


def _cases() -> Iterator[tuple[str, str, str, str]]:
    for (method, path), who in product(sorted(EXPECTED), CALLERS):
        for target in TARGETS if _is_about(path) else TARGETS[:1]:
            yield method, path, who, target
        if {"library", "member"} <= set(_PART.findall(path)):
            yield method, path, who, MIXED


def _may(method: str, path: str, who: str) -> bool:
    """Whether somebody may go there at all, by the table."""
    wanted, caller = EXPECTED[method, path], CALLERS[who]
    match caller:
        case Staff():
            return wanted in {"open", "all", *caller.roles}
        case Scope():
            return wanted in {"open", caller} and not (wanted == "open" and method == "POST")
        case None:
            return wanted == "open"


def _is_theirs(who: str, target: str) -> bool:
    caller = CALLERS[who]
    return target == "own" or (target == "other" and isinstance(caller, Staff) and caller.library is None)


def _refusals(method: str, path: str, who: str) -> frozenset[int]:
    """Give how somebody may be turned away: who is known as one who may not, and who is not as one to log in."""
    caller = CALLERS[who]
    if path.startswith("/api"):
        return frozenset({403 if isinstance(caller, Scope) else 401})
    if EXPECTED[method, path] == "itself":
        return frozenset({400})
    if isinstance(caller, Staff):
        return frozenset({403})
    return frozenset({303} if method == "GET" else {401, 403})


CASES: Final = tuple(_cases())
MORE: Final = tuple(sorted(product({path for _, path in EXPECTED}, METHODS)))


def test_every_route_has_an_expectation() -> None:
    """A route that nobody wrote down here is refused; so is one that was written down and is not there."""
    assert set(RULES) == set(EXPECTED)


def test_there_are_cases_enough() -> None:
    """Five hundred at least."""
    assert len(CASES) + len(MORE) >= 500


@pytest.mark.parametrize(("method", "path", "who", "target"), CASES)
def test_who_may_go_where(stand: Stand, method: str, path: str, who: str, target: str) -> None:
    """Nobody goes where the table does not say it; what is not theirs is as unknown as what is not there."""
    is_own = _may(method, path, who) and _is_theirs(who, target)
    said = {} if is_own else FORMS.get(path, {})
    sizes = stand.sizes()
    answer = stand.ask(who, method, path, target, said)
    if is_own:
        assert answer.status_code not in _TURNED_AWAY or path in _HALF_WAY, answer.text
        assert answer.status_code < 500
        assert answer.headers.get("location") != "/login" or path == "/"
        return
    if _may(method, path, who):
        assert answer.status_code == 404
    else:
        assert answer.status_code in _refusals(method, path, who)
        assert answer.headers.get("location") in {None, "/login"}
    assert stand.sizes() == sizes
    assert not _shows(stand, answer.text)


@pytest.mark.parametrize(
    ("method", "path", "who"),
    [
        (method, path, who)
        for (method, path), who in product(sorted(EXPECTED), CALLERS)
        if _is_about(path) and _may(method, path, who) and not _is_theirs(who, "other")
    ],
)
def test_what_is_anothers_is_told_as_what_is_not_there(stand: Stand, method: str, path: str, who: str) -> None:
    """To the letter, but for the address itself and what differs each time."""
    told = []
    for target in ("other", "none"):
        answer = stand.ask(who, method, path, target, FORMS.get(path))
        text = answer.text.replace(stand.address(path, target), "X")
        told.append((answer.status_code, _ADDRESS.sub("", _TOKEN.sub("", text)), sorted(answer.headers.items())))
    assert told[0] == told[1]


@pytest.mark.parametrize(("path", "method"), MORE)
def test_no_other_method_does_anything(stand: Stand, path: str, method: str) -> None:
    """What is not in the table is no way in, for anybody: not even what is sent as a page's address."""
    if (method, path) in EXPECTED:
        return
    for who in ("nobody", "both", "dpo", "all-admin", f"key-{Scope.REFRESH}"):
        answer = stand.ask(who, method, path, "own")
        assert answer.status_code == 405
        allowed = {one for one, there in EXPECTED if there == path}
        assert set(answer.headers["allow"].replace(" ", "").split(",")) <= allowed | {"HEAD"}


SENT: Final = [
    path for (method, path), who in sorted(EXPECTED.items()) if method == "POST" and who != "itself" and ":" not in who
]


@pytest.mark.parametrize("path", SENT)
@pytest.mark.parametrize("how", ["no token", "another's token", "another site", "another origin", "from nowhere"])
def test_nothing_is_done_that_our_own_page_did_not_send(stand: Stand, path: str, how: str) -> None:
    """By somebody who may do it, with a form that is right, on what is their own."""
    who = next(who for who, staff in CALLERS.items() if isinstance(staff, Staff) and _may("POST", path, who))
    visitor, other = stand.visit(who), stand.visit(who)
    said = {"token": visitor.token} | FORMS.get(path, {})
    headers: dict[str, str] = {}
    match how:
        case "no token":
            del said["token"]
        case "another's token":
            said["token"] = other.token
        case "another site":
            headers = {"Sec-Fetch-Site": "cross-site"}
        case "another origin":
            headers = {"Origin": "https://elsewhere.example"}
        case _:
            headers = {"Sec-Fetch-Site": "none"}
    sizes = stand.sizes()
    assert stand.send(visitor, "POST", stand.address(path, "own"), said, **headers).status_code == 403
    assert stand.sizes() == sizes


INSIDE: Final = [key for key, who in sorted(EXPECTED.items()) if who in {"all", *Role}]


@pytest.mark.parametrize(("method", "path"), INSIDE)
@pytest.mark.parametrize("how", ["ended", "idle", "old", "invented"])
def test_a_session_that_is_over_opens_nothing(stand: Stand, method: str, path: str, how: str) -> None:
    """Ended by hand, by doing nothing, by its age; nor does one that never was."""
    who = next(who for who, staff in CALLERS.items() if isinstance(staff, Staff) and _may(method, path, who))
    visitor = stand.visit(who)
    sessions, clock = stand.scene.app.sessions, stand.scene.clock
    now, spans = clock.now, {"idle": {"minutes": 16.0}, "old": {"hours": 8.1}}
    if how == "ended":
        sessions.end(visitor.headers["Cookie"].removeprefix(f"{SESSION}="))
    elif how == "invented":
        visitor = replace(visitor, headers={"Cookie": f"{SESSION}={'A' * 43}"})
    try:
        clock.pass_by(**spans.get(how, {}))
        said = {"token": visitor.token} | FORMS.get(path, {})
        answer = stand.send(visitor, method, stand.address(path, "own"), said)
    finally:
        clock.now = now
    if method == "GET":
        assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    else:
        assert answer.status_code in {401, 403}
    assert not _shows(stand, answer.text)
