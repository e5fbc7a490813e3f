"""What a library system asks, over real HTTP: members, refreshes done once, changes, holds, and all that is refused."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any, Final

import pytest

from rrsync.core.api_key import Scope
from rrsync.core.insz import holds_insz
from rrsync.simulator.citizens import Situation
from rrsync.store.api_keys import CallAnswered, CallBegun, CallConflict, IdempotentCalls
from rrsync.store.change_feed import BEGINNING, ChangeFeed
from rrsync.web.server import PAGES
from tests.support import Clock, Store, member
from tests.web.serving import ADMIN, Serving, serving

CALL: Final = "8e03978e-40d5-43dd-bc93-6894a57f9324"
MEDIA: Final = "application/problem+json"


@pytest.fixture
def place(tmp_path: Path, migrated_file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder with an empty database."""
    for name in [name for name in os.environ if name.startswith("RRSYNC_")]:
        monkeypatch.delenv(name)
    shutil.copy(migrated_file, tmp_path / "rrsync.db")
    return tmp_path


@pytest.fixture
def served(place: Path, clock: Clock) -> Iterator[Serving]:
    with serving(place, clock=clock) as made:
        yield made


def problem(answer: Any, status: int, kind: str) -> dict[str, Any]:
    """See that an answer is a problem of a kind, whole, and give it."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, MEDIA), answer.text
    said: dict[str, Any] = answer.json()
    assert said["type"] == f"urn:rrsync:problem:{kind}"
    assert said["status"] == status
    assert all(said[name] for name in ("title", "detail", "kept", "todo"))
    return said


class TestMember:
    """A member, as it is held."""

    def test_what_is_held_is_told_without_the_number(self, served: Serving) -> None:
        """Name, birth date, address; and how it stands."""
        number = served.who(Situation.SETTLED)
        answer = served.get(f"/libraries/hasselt/members/{number}", served.key())
        held, said = served.member(number).held, answer.json()
        assert answer.status_code == 200
        assert said["held"]["last_name"] == held.name.last
        assert said["held"]["address"]["street"] == held.address.street
        assert (said["verdict"], said["hold"], said["refreshed_at"]) == ("", None, None)
        assert not holds_insz(answer.text)
        assert served.register.asked == ()

    def test_another_librarys_member_is_as_unknown_as_one_who_is_not(self, served: Serving) -> None:
        """To the letter: by number, by library, and by a number that cannot be."""
        key, other = served.key(), served.who(Situation.SETTLED, "genk")
        own = served.who(Situation.SETTLED)
        paths = (
            *(f"/libraries/hasselt/members/{each}" for each in (other, "M999999", "%00", "%252F", "x" * 300)),
            *(f"/libraries/{each}/members/{own}" for each in ("genk", "nowhere", "HASSELT")),
            f"/libraries/genk/members/{other}",
        )
        texts = {served.get(path, key).text for path in paths}
        assert len(texts) == 1
        problem(served.get(paths[0], key), 404, "missing")


class TestKeys:
    """A key opens what it names, and nothing else does."""

    def test_without_a_key_that_is_good_nothing_opens(self, served: Serving) -> None:
        """None, a wrong one, two, a form's, a cookie; each is told how one shows a key."""
        path, key = "/libraries/hasselt/changes", served.key()
        wrong = f"{key[:-2]}{'AA' if key[-2:] != 'AA' else 'BB'}"
        for shown in ("", "Bearer", f"Basic {key}", f"Bearer {wrong}", f"Bearer {key} {key}", key, "Bearer é"):
            answer = served.client.get(f"/api{path}", headers=[(b"Authorization", shown.encode())] if shown else [])
            problem(answer, 401, "key")
            assert answer.headers["www-authenticate"].startswith('Bearer realm="rrsync"')
        twice = [("Authorization", f"Bearer {key}"), ("Authorization", f"Bearer {key}")]
        problem(served.client.get(f"/api{path}", headers=twice), 401, "key")
        problem(served.client.get(f"/api{path}?key={key}"), 401, "key")
        assert served.get(path, key).status_code == 200

    def test_a_session_is_no_key(self, served: Serving) -> None:
        """Whoever is logged in: no cookie is looked at."""
        staff = served.app.settings
        assert staff.web.oidc is None
        client = served.client
        page = client.get("/login").text
        token = page.partition('name="token" value="')[2].partition('"')[0]
        sent = client.post(
            "/login/local",
            data={"who": "dora.wouters", "token": token},
            headers={"Sec-Fetch-Site": "same-origin"},
        )
        assert sent.status_code == 303
        assert client.get("/admin").status_code == 200
        problem(client.get("/api/libraries/hasselt/changes"), 401, "key")

    def test_a_key_is_good_for_its_scopes_alone(self, served: Serving) -> None:
        """Each route needs one."""
        number = served.who(Situation.SETTLED)
        routes = {
            f"/libraries/hasselt/members/{number}": Scope.READ,
            "/libraries/hasselt/holds": Scope.READ,
            "/libraries/hasselt/changes": Scope.CHANGES,
        }
        for scope in Scope:
            key = served.key(scopes=frozenset({scope}))
            for path, needed in routes.items():
                answer = served.get(path, key)
                assert answer.status_code == (200 if scope is needed else 403)
                if scope is not needed:
                    problem(answer, 403, "scope")
                    assert f'scope="{needed}"' in answer.headers["www-authenticate"]
            assert served.refresh(number, key, CALL).status_code == (200 if scope is Scope.REFRESH else 403)

    def test_a_key_is_good_from_its_networks_alone(self, served: Serving) -> None:
        """This machine is in one and not in the other."""
        path = "/libraries/hasselt/changes"
        assert served.get(path, served.key(networks=("127.0.0.0/8", "::1"))).status_code == 200
        problem(served.get(path, served.key(networks=("192.0.2.0/24",))), 403, "network")

    def test_a_key_that_ended_opens_nothing(self, served: Serving, clock: Clock) -> None:
        """Revoked, or past its day; a use is noted."""
        path, key, other = "/libraries/hasselt/changes", served.key(), served.key()
        keys = served.app.api_keys
        assert served.get(path, key).status_code == 200
        assert keys.of(["hasselt"])[-1].used_at or keys.of(["hasselt"])[0].used_at
        keys.revoke(served.made[0].id, libraries=["hasselt"], actor=ADMIN)
        problem(served.get(path, key), 401, "key")
        clock.pass_by(days=90)
        problem(served.get(path, other), 401, "key")


class TestRefresh:
    """A member refreshed, for an end user."""

    def test_a_change_is_taken_over(self, served: Serving) -> None:
        """And the log says who asked, through which key, and that the change was accepted."""
        number, key = served.who(Situation.MOVED), served.key()
        before = served.member(number).held.address
        said = served.refresh(number, key, CALL).json()
        after = served.member(number).held.address
        assert (said["verdict"], said["state"], said["reused"]) == ("change", "accepted", False)
        assert "address" in said["fields"]
        assert after != before
        assert said["held"]["address"]["street"] == after.street
        intent = next(line for line in served.lines() if line["kind"] == "access.intent")
        assert intent["actor"] == {"t": "person", "id": "an.peeters", "via": "system-0"}
        assert (intent["why"]["code"], intent["why"]["case"]) == ("desk", "letter-118")
        assert intent["ref"] == said["reference"]

    def test_a_change_is_only_shown(self, served: Serving) -> None:
        """With apply false; taken over afterwards without another access."""
        number, key = served.who(Situation.MOVED), served.key()
        before = served.member(number).held
        said = served.refresh(number, key, CALL, apply=False).json()
        assert (said["verdict"], said["state"]) == ("change", "open")
        assert served.member(number).held == before
        again = served.refresh(number, key, f"{CALL}-2").json()
        assert (again["state"], again["reused"], again["reference"]) == ("accepted", True, said["reference"])
        assert served.member(number).held != before
        assert len(served.register.asked) == 1

    def test_an_answer_of_the_last_quarter_is_shown_again(self, served: Serving, clock: Clock) -> None:
        """Which is an entry of the log; later it is asked again."""
        number, key = served.who(Situation.SETTLED), served.key()
        first = served.refresh(number, key, CALL).json()
        assert (first["verdict"], first["state"], first["reused"]) == ("same", "settled", False)
        clock.pass_by(minutes=14)
        again = served.refresh(number, key, f"{CALL}-2", staff="bo.claes").json()
        assert (again["reused"], again["reference"]) == (True, first["reference"])
        assert [line["actor"]["id"] for line in served.lines() if line["kind"] == "access.reuse"] == ["bo.claes"]
        clock.pass_by(minutes=2)
        assert served.refresh(number, key, f"{CALL}-3").json()["reused"] is False
        assert len(served.register.asked) == 2

    def test_of_a_hold_the_reason_alone_is_told(self, served: Serving) -> None:
        """A person must look first; it stands among the holds."""
        number, key = served.who(Situation.ABROAD), served.key()
        said = served.refresh(number, key, CALL).json()
        assert (said["verdict"], said["hold"], said["held"], said["fields"]) == ("hold", "abroad", None, [])
        holds = served.get("/libraries/hasselt/holds", key).json()
        assert [(one["hold_id"], one["member"], one["reason"]) for one in holds["holds"]] == [
            (said["hold_id"], number, "abroad")
        ]
        assert served.get(f"/libraries/hasselt/members/{number}", key).json()["hold"] == "abroad"
        assert served.get("/libraries/genk/holds", served.key("genk")).json()["holds"] == []

    def test_what_may_not_be_asked_is_not(self, served: Serving) -> None:
        """For a purpose that nobody allowed; the denial is in the log, and the same call may be sent again."""
        number, key = served.who(Situation.SETTLED), served.key()
        problem(served.refresh(number, key, CALL, purpose="curiosity"), 403, "forbidden")
        assert served.register.asked == ()
        assert [line["kind"] for line in served.lines()][-1] == "access.denied"
        assert served.refresh(number, key, CALL).status_code == 200

    def test_the_limits_of_the_desk_hold_here(self, place: Path, clock: Clock) -> None:
        """Of the end user and of the library, whatever the key; what is refused says when."""
        with serving(place, clock=clock, most=3) as served:
            key, other = served.key(), served.key()
            for at, shown in ((1, key), (2, other), (3, key)):
                assert served.refresh(f"M{at:06d}", shown, f"{CALL}-{at}").status_code == 200
            answer = served.refresh("M000004", other, CALL)
            problem(answer, 429, "many")
            assert int(answer.headers["retry-after"]) > 0
            denied = [line for line in served.lines() if line["kind"] == "access.denied"]
            assert [line["actor"]["id"] for line in denied] == ["an.peeters"]
            assert served.refresh("M000001", other, f"{CALL}-again").json()["reused"] is True
            assert len(served.register.asked) == 3

    @pytest.mark.parametrize(("fault", "status"), [("unavailable", 503), ("refused", 502)])
    def test_a_register_that_does_not_answer_changes_nothing(
        self, place: Path, clock: Clock, fault: str, status: int
    ) -> None:
        """The library system is told so, and may send the same again."""
        with serving(place, clock=clock, faults=(f"{fault}:1",)) as served:
            number, key = served.who(Situation.MOVED), served.key()
            before = served.member(number)
            problem(served.refresh(number, key, CALL), status, "register")
            problem(served.refresh(number, key, CALL), status, "register")
            assert served.member(number) == before


class TestOnce:
    """A call is done once, however often it is sent."""

    def test_the_same_call_gets_the_same_answer(self, served: Serving, clock: Clock) -> None:
        """To the byte, for a day, in quotes or not, without another access or line in the log."""
        number, key = served.who(Situation.MOVED), served.key()
        first = served.refresh(number, key, CALL)
        lines = len(served.lines())
        clock.pass_by(hours=23)
        again = served.refresh(number, key, f'"{CALL}"')
        assert (again.status_code, again.content) == (200, first.content)
        assert again.headers["idempotency-replayed"] == "true"
        assert "idempotency-replayed" not in first.headers
        assert len(served.register.asked) == 1
        assert len(served.lines()) == lines
        clock.pass_by(hours=1)
        assert served.refresh(number, key, CALL).content != first.content

    @pytest.mark.parametrize(
        "other", [{"case": "letter-119"}, {"staff": "bo.claes"}, {"purpose": "member-administration"}, {"apply": False}]
    )
    def test_another_call_under_its_key_is_refused(self, served: Serving, other: dict[str, Any]) -> None:
        """Whatever differs: the case, who asks, why, for what, or whom."""
        number, key = served.who(Situation.SETTLED), served.key()
        served.refresh(number, key, CALL)
        problem(served.refresh(number, key, CALL, **other), 422, "another-call")
        problem(served.refresh(served.who(Situation.MOVED), key, CALL), 422, "another-call")
        assert len(served.register.asked) == 1

    def test_another_keys_call_is_another(self, served: Serving) -> None:
        """Two systems may choose the same."""
        number = served.who(Situation.SETTLED)
        assert served.refresh(number, served.key(), CALL).json()["reused"] is False
        assert served.refresh(number, served.key(), CALL, case="letter-119").json()["reused"] is True

    def test_the_same_while_it_is_under_way(self, place: Path, clock: Clock) -> None:
        """Is told so, and asks nothing."""
        asked, go_on = Event(), Event()

        def hold(_: str) -> None:
            asked.set()
            assert go_on.wait(20)

        with serving(place, clock=clock, on_request=hold) as served, ThreadPoolExecutor() as pool:
            number, key = served.who(Situation.SETTLED), served.key()
            first = pool.submit(served.refresh, number, key, CALL)
            assert asked.wait(20)
            try:
                answer = served.refresh(number, key, CALL)
            finally:
                go_on.set()
            problem(answer, 409, "running")
            assert answer.headers["retry-after"]
            assert first.result().status_code == 200
            assert served.refresh(number, key, CALL).content == first.result().content
            assert len(served.register.asked) == 1

    @pytest.mark.parametrize(
        "call", ["", "short", "x" * 81, "with blanks in it, and more", '"open-and-not-closed-again']
    )
    def test_a_call_without_a_name_is_refused(self, served: Serving, call: str) -> None:
        """Or with one that is none."""
        problem(served.refresh(served.who(Situation.SETTLED), served.key(), call), 400, "idempotency-key")
        assert served.register.asked == ()


class TestChanges:
    """What changed, in order."""

    def test_the_feed_is_read_to_its_end(self, served: Serving) -> None:
        """In pages, each once, with names of fields and nobody's data; another library's stays theirs."""
        key, moved = served.key(), [at for at in range(40) if served.world.citizen(at).situation is Situation.MOVED]
        for at in moved:
            assert served.refresh(f"M{at + 1:06d}", key, f"{CALL}-{at}").json()["state"] == "accepted"
        seen: list[dict[str, Any]] = []
        after, more = BEGINNING, True
        while more:
            page = served.get(f"/libraries/hasselt/changes?after={after}&most=1", key).json()
            seen, after, more = seen + page["changes"], page["next"], page["more"]
        assert [one["member"] for one in seen] == [f"M{at + 1:06d}" for at in moved]
        assert [one["seq"] for one in seen] == sorted({one["seq"] for one in seen})
        assert all("address" in one["fields"] for one in seen)
        last = served.get(f"/libraries/hasselt/changes?after={after}", key).json()
        assert (last["changes"], last["next"], last["more"]) == ([], after, False)
        text = served.get("/libraries/hasselt/changes", key).text
        assert not holds_insz(text)
        assert not any(served.member(one["member"]).held.name.last in text for one in seen)
        assert served.get("/libraries/genk/changes", served.key("genk")).json()["changes"] == []

    def test_a_new_number_is_told_of_and_not_told(self, served: Serving) -> None:
        """Once a person took it over: that it changed, and not which it is."""
        number, key = served.who(Situation.RENUMBERED), served.key()
        assert served.refresh(number, key, CALL).json()["hold"] == "new_number"
        (hold,) = served.app.holds.open(library="hasselt")
        served.app.settlement.accept(hold, ADMIN)
        answer = served.get("/libraries/hasselt/changes", key)
        (change,) = answer.json()["changes"]
        assert (change["member"], change["fields"], change["verdict"]) == (number, ["insz"], "renumbered")
        assert not holds_insz(answer.text)


class TestProblems:
    """What cannot be read is told by names that are ours, and never by what was sent."""

    @pytest.mark.parametrize(
        ("said", "where"),
        [
            ({"staff": None}, "body.staff"),
            ({"staff": "60.61.22-216.35"}, "body.staff"),
            ({"staff": " an"}, "body.staff"),
            ({"apply": "yes"}, "body.apply"),
            ({"case": "a case with blanks"}, "body.case"),
            ({"60612221635": 1}, "body"),
        ],
        ids=str,
    )
    def test_a_body_that_is_not_as_it_must_be(self, served: Serving, said: dict[str, Any], where: str) -> None:
        """Nothing is asked, and no value comes back."""
        answer = served.refresh(served.who(Situation.SETTLED), served.key(), CALL, **said)
        assert [one["where"] for one in problem(answer, 422, "unreadable")["errors"]] == [where]
        assert "60612221635" not in answer.text
        assert "216.35" not in answer.text
        assert served.register.asked == ()

    def test_what_is_no_json(self, served: Serving) -> None:
        """A form, nothing, half a document, too much of it."""
        path, key = f"/api/libraries/hasselt/members/{served.who(Situation.SETTLED)}/refresh", served.key()
        headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": CALL}
        problem(served.client.post(path, data={"staff": "an"}, headers=headers), 415, "type")
        problem(served.client.post(path, headers=headers), 415, "type")
        headers |= {"Content-Type": "application/json"}
        problem(served.client.post(path, content=b"{", headers=headers), 422, "unreadable")
        problem(served.client.post(path, content=b"[" * 70_000, headers=headers), 413, "large")
        headers |= {"Content-Type": "text/plain"}
        problem(served.client.post(path, content=b"x", headers=headers), 415, "type")

    def test_what_is_not_there(self, served: Serving) -> None:
        """A path, a method, a host, a place in the feed."""
        key = served.key()
        problem(served.get("/nothing", key), 404, "missing")
        answer = served.client.delete("/api/libraries/hasselt/changes")
        problem(answer, 405, "method")
        assert answer.headers["allow"] == "GET"
        problem(served.get("/libraries/hasselt/changes", key, Host="elsewhere.example"), 421, "host")
        for query in ("after=x", "after=-2", f"after={2**63}", "most=0", "most=501"):
            said = problem(served.get(f"/libraries/hasselt/changes?{query}", key), 422, "unreadable")
            assert said["errors"][0]["where"] == f"query.{query.partition('=')[0]}"

    def test_every_answer_has_the_headers_of_the_house(self, served: Serving) -> None:
        """Nothing is cached, and no cookie is set."""
        for answer in (served.get("/libraries/hasselt/changes", served.key()), served.get("/libraries/x/changes")):
            assert answer.headers["cache-control"] == "no-store"
            assert "set-cookie" not in answer.headers


class TestDocument:
    """The OpenAPI document."""

    def test_it_has_the_api_and_nothing_else(self, served: Serving) -> None:
        """Every route with its scope, its problems and an example of every document."""
        said = served.get("/openapi.json").json()
        assert {(path, *methods) for path, methods in said["paths"].items()} == {
            ("/api/libraries/{library}/members/{member}", "get"),
            ("/api/libraries/{library}/members/{member}/refresh", "post"),
            ("/api/libraries/{library}/changes", "get"),
            ("/api/libraries/{library}/holds", "get"),
        }
        scopes = set()
        for methods in said["paths"].values():
            for route in methods.values():
                (needs,) = route["security"]
                scopes |= set(needs["key"])
                for status, answer in route["responses"].items():
                    kind = "application/json" if status == "200" else MEDIA
                    assert list(answer["content"]) == [kind], (route["operationId"], status)
                assert {"401", "403", "404", "422", "500", "503"} <= route["responses"].keys()
        assert scopes == set(Scope)
        assert said["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
        assert not holds_insz(served.get("/openapi.json").text)


class TestRepeats:
    """Calls that are done once, on both databases."""

    def test_a_call_begins_runs_and_is_answered(self, store: Store, clock: Clock) -> None:
        """Each step as the next finds it."""
        repeats = IdempotentCalls(store.database, store.seal, clock)
        begun = repeats.begin("a", "key", "said")
        assert isinstance(begun, CallBegun)
        assert repeats.begin("a", "key", "said") is CallConflict.RUNNING
        assert repeats.begin("a", "key", "other") is CallConflict.OTHER
        assert isinstance(repeats.begin("b", "key", "other"), CallBegun)
        repeats.keep(begun, b"answer")
        repeats.drop(begun)
        answered = repeats.begin("a", "key", "said")
        assert isinstance(answered, CallAnswered)
        assert answered.answer == b"answer"
        assert "answer" not in repr(answered)
        assert store.scalars("SELECT count(*) FROM idempotency WHERE answer = :plain", plain=b"answer") == [0]
        clock.pass_by(days=1)
        assert isinstance(repeats.begin("a", "key", "other"), CallBegun)

    def test_a_call_that_came_to_nothing_leaves_nothing(self, store: Store, clock: Clock) -> None:
        """It begins again at once; one whose process died, after ten minutes, and the dead one keeps nothing then."""
        repeats = IdempotentCalls(store.database, store.seal, clock)
        first = repeats.begin("a", "key", "said")
        assert isinstance(first, CallBegun)
        repeats.drop(first)
        dead = repeats.begin("a", "key", "said")
        assert isinstance(dead, CallBegun)
        clock.pass_by(minutes=10)
        second = repeats.begin("a", "key", "said")
        assert isinstance(second, CallBegun)
        repeats.keep(dead, b"of the dead")
        repeats.drop(dead)
        assert repeats.begin("a", "key", "said") is CallConflict.RUNNING
        repeats.keep(second, b"of the second")
        answered = repeats.begin("a", "key", "said")
        assert isinstance(answered, CallAnswered)
        assert answered.answer == b"of the second"

    def test_of_many_at_once_one_begins(self, store: Store, clock: Clock) -> None:
        """Whichever process they come to."""
        rooms = [IdempotentCalls(each.database, each.seal, clock) for each in (store, store.again())]
        with ThreadPoolExecutor(16) as pool:
            turns = list(pool.map(lambda at: rooms[at % 2].begin("a", "key", "said"), range(32)))
        assert sum(isinstance(turn, CallBegun) for turn in turns) == 1
        assert turns.count(CallConflict.RUNNING) == 31


def test_the_feed_names_what_changed(store: Store) -> None:
    """On both databases: nothing before the first change."""
    store.take(member(1))
    feed = ChangeFeed(store.database, store.rows)
    assert (feed.last("hasselt"), feed.count("hasselt", BEGINNING)) == (BEGINNING, 0)
    assert feed.after("hasselt", BEGINNING, most=10) == []


def test_who_waits_for_the_register_keeps_no_page_from_anybody(place: Path, clock: Clock) -> None:
    """More ask than there are threads for pages, and the register is silent; all are answered in the end."""
    is_asked, may_answer = Event(), Event()

    def hold(_: str) -> None:
        is_asked.set()
        may_answer.wait(60)

    with serving(place, clock=clock, on_request=hold) as served, ThreadPoolExecutor(PAGES + 2) as crowd:
        key, numbers = served.key(), [f"M{at:06d}" for at in range(1, PAGES + 3)]
        asked = [crowd.submit(served.refresh, number, key, f"{CALL[:-7]}{number}") for number in numbers]
        try:
            assert is_asked.wait(60)
            for number in numbers:
                assert served.get(f"/libraries/hasselt/members/{number}", key).status_code == 200
            assert not any(answer.done() for answer in asked)
        finally:
            may_answer.set()
        assert {answer.result().status_code for answer in asked} == {200}
