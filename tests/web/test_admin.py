"""Who sets rrsync up: keys made once and revoked, webhooks seen and hastened, people logged out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import pytest

from rrsync.config.settings import Settings
from rrsync.core.insz import holds_insz
from rrsync.core.log_entry import decode
from tests.support import Clock
from tests.web.conftest import OIDC, Make
from tests.web.provider import Op, person
from tests.web.scene import PUBLIC, Browser, Scene, opened

PEOPLE: Final = {
    "dora.wouters": person("dora.wouters", "RRSync-Admin:OVO000009"),
    "jan.hasselt": person("jan.hasselt", "RRSync-Admin:OVO000001"),
}
FORM: Final = {"library": "hasselt", "name": "Wise", "scopes": "read", "days": "90", "networks": ""}
KEY: Final = re.compile(r"rrs_[0-9a-f]{12}_[A-Za-z0-9_-]{43}")
TITLE: Final = "Dit is de enige keer dat je hem ziet"


@pytest.fixture
def house(make: Make, op: Op, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Give the settings of an installation where somebody sets it up, and both libraries have a webhook."""
    op.people |= PEOPLE
    made = make(OIDC.format(public=PUBLIC, issuer=op.url) + 'RRSync-Admin = "admin"\n')
    for library in ("HASSELT", "GENK"):
        monkeypatch.setenv(f"RRSYNC_WEBHOOK_{library}", "whsec_" + "A" * 43 + "=")
    hooked = [each.model_copy(update={"webhook": f"https://{each.id}.example/x?y"}) for each in made.library]
    return made.model_copy(update={"library": hooked})


@pytest.fixture
def scene(house: Settings, clock: Clock, op: Op) -> Iterator[Scene]:
    """Give its pages."""
    with opened(house, clock, op) as made:
        yield made


def proved(scene: Scene, who: str = "dora.wouters") -> Browser:
    """Give a browser of somebody who proved just now who they are."""
    browser = scene.inside(who)
    scene.log_in(browser, who, path="/login/again")
    browser.get("/admin")
    return browser


def deeds(scene: Scene, library: str = "hasselt") -> list[tuple[str, object, object]]:
    """Give who did what, by the access log."""
    lines = [decode(data) for _, data in scene.app.access_log.entries(library)]
    found: list[tuple[str, object, object]] = []
    for line in lines:
        said = line.get("api_key") or line.get("session")
        actor = line["actor"]
        if isinstance(said, dict) and isinstance(actor, dict):
            found.append((str(actor["id"]), said["name"], said["deed"]))
    return found


class TestKeys:
    """The keys of library systems."""

    def test_a_key_is_made_shown_once_and_revoked(self, scene: Scene) -> None:
        """What is shown opens the API until it is revoked; both deeds are in the log."""
        dora = proved(scene)
        assert "Er zijn nog geen sleutels" in dora.get("/admin").text
        made = dora.post("/admin/keys", FORM | {"scopes": "changes", "name": " Wise "})
        assert made.status_code == 200
        assert TITLE in made.text
        found = KEY.search(made.text)
        assert found
        headers = {"Authorization": f"Bearer {found[0]}"}
        assert scene.browser().get("/api/libraries/hasselt/changes", **headers).status_code == 200
        listed = dora.get("/admin").text
        assert not KEY.search(listed)
        assert "wijzigingen volgen" in listed
        identity = found[0].split("_")[1]
        assert dora.post("/admin/keys/revoke", {"key": identity}).headers["location"] == "/admin"
        after = dora.get("/admin").text
        assert "Ingetrokken: met de sleutel Wise" in after
        assert "ingetrokken door dora.wouters" in after
        assert 'value="' + identity not in after
        assert scene.browser().get("/api/libraries/hasselt/changes", **headers).status_code == 401
        assert dora.post("/admin/keys/revoke", {"key": identity}).status_code == 404
        assert deeds(scene) == [("dora.wouters", "Wise", "made"), ("dora.wouters", "Wise", "revoked")]

    def test_several_scopes_are_kept(self, scene: Scene) -> None:
        """And shown."""
        dora = proved(scene)
        said = FORM | {"scopes": ["read", "refresh"], "networks": "192.0.2.7 2001:db8::/32"}
        assert dora.post("/admin/keys", said).status_code == 200  # type: ignore[arg-type] # a form may say a thing twice
        (key,) = scene.app.api_keys.of(["hasselt"])
        assert {scope.value for scope in key.scopes} == {"members:read", "members:refresh"}
        assert key.networks == ("192.0.2.7/32", "2001:db8::/32")
        assert (key.expires_at - key.made_at).days == 90

    @pytest.mark.parametrize(
        ("wrong", "field"),
        [
            ({"name": "  "}, "name"),
            ({"name": "60.61.22-216.35"}, "name"),
            ({"scopes": "-"}, "scopes"),
            ({"scopes": "everything"}, "scopes"),
            ({"days": "366"}, "days"),
            ({"networks": "192.0.2.7/24"}, "networks"),
            ({"library": "nowhere"}, "library"),
        ],
        ids=str,
    )
    def test_what_cannot_be_is_said(self, scene: Scene, wrong: dict[str, str], field: str) -> None:
        """With what was typed, unless it is somebody's number; no key is made."""
        dora = proved(scene)
        answer = dora.post("/admin/keys", FORM | wrong)
        assert answer.status_code == 422
        assert f'href="#{field}"' in answer.text
        assert not KEY.search(answer.text)
        assert not holds_insz(answer.text)
        assert deeds(scene) == []

    def test_making_and_revoking_ask_for_fresh_proof(self, scene: Scene, clock: Clock) -> None:
        """Ten minutes later they do not; looking does."""
        dora = proved(scene)
        clock.pass_by(minutes=10, seconds=1)
        for path, said in (
            ("/admin/keys", FORM),
            ("/admin/keys/revoke", {"key": "x"}),
            ("/admin/people/end", {"person": "x"}),
        ):
            answer = dora.post(path, said)
            assert answer.status_code == 403
            assert 'href="/login/again"' in answer.text
        assert dora.get("/admin").status_code == 200
        assert deeds(scene) == []

    def test_who_is_of_a_library_sees_and_does_its_own(self, scene: Scene) -> None:
        """Another library's key is as unknown as none."""
        dora, jan = proved(scene), proved(scene, "jan.hasselt")
        made = dora.post("/admin/keys", FORM | {"library": "genk", "name": "Genks systeem"})
        found = KEY.search(made.text)
        assert found
        assert "Genks systeem" not in jan.get("/admin").text
        assert jan.post("/admin/keys/revoke", {"key": found[0].split("_")[1]}).status_code == 404
        assert jan.post("/admin/keys", FORM | {"library": "genk"}).status_code == 422
        assert jan.post("/admin/keys", FORM).status_code == 200
        assert deeds(scene, "genk") == [("dora.wouters", "Genks systeem", "made")]

    def test_nobody_else_comes_here(self, scene: Scene) -> None:
        """Whatever their role."""
        for who in ("an.peeters", "bo.claes", "els.smets"):
            browser = scene.inside(who)
            for path in ("/admin", "/admin/hooks", "/admin/people"):
                assert browser.get(path).status_code == 403
            assert browser.post("/admin/keys", FORM).status_code == 403


class TestHooks:
    """How the webhooks go."""

    def test_each_is_shown_and_one_that_waits_is_hastened(self, scene: Scene, clock: Clock) -> None:
        """By scheme and host alone: the rest of an address may hold a secret."""
        dora, hooks = proved(scene), scene.app.webhook_deliveries
        page = dora.get("/admin/hooks").text
        assert page.count("nog niet begonnen") == 2
        assert "https://genk.example" in page
        assert "x?y" not in page
        hooks.begin("genk", 7)
        turn = hooks.take("genk")
        assert turn is not None
        hooks.failed(turn, "status 503", failures=3, again=clock.now.replace(year=2027))
        page = dora.get("/admin/hooks").text
        assert "3 keer mislukt" in page
        assert "HTTP 503" in page
        assert hooks.take("genk") is None
        assert dora.post("/admin/hooks/now", {"library": "genk"}).status_code == 303
        assert hooks.take("genk") is not None
        jan = proved(scene, "jan.hasselt")
        assert "genk" not in jan.get("/admin/hooks").text
        assert jan.post("/admin/hooks/now", {"library": "genk"}).status_code == 404


class TestPeople:
    """Who is logged in."""

    def test_somebody_is_logged_out_everywhere(self, scene: Scene) -> None:
        """At once, with an entry in their library's log; others stay."""
        one, other, bo = scene.inside(), scene.inside(), scene.inside("bo.claes")
        dora = proved(scene)
        page = dora.get("/admin/people").text
        assert "2 sessies" in page
        assert [page.count(name) > 0 for name in ("an.peeters", "bo.claes", "dora.wouters")] == [True] * 3
        assert dora.post("/admin/people/end", {"person": _person(page, "an.peeters")}).status_code == 303
        page = dora.get("/admin/people").text
        assert "an.peeters is afgemeld" in page
        assert one.get("/").headers["location"] == "/login"
        assert other.get("/").headers["location"] == "/login"
        assert bo.get("/").headers["location"] != "/login"
        assert deeds(scene) == [("dora.wouters", "an.peeters", "ended")]
        assert dora.post("/admin/people/end", {"person": "ab" * 32}).status_code == 404

    def test_who_is_of_a_library_logs_its_own_out(self, scene: Scene) -> None:
        """And sees nobody else."""
        scene.inside("dpo.genk")
        dora, jan = proved(scene), proved(scene, "jan.hasselt")
        page = jan.get("/admin/people").text
        assert "dpo.genk" not in page
        assert "dora.wouters" not in page
        all_of_them = dora.get("/admin/people").text
        for name in ("dpo.genk", "dora.wouters"):
            assert jan.post("/admin/people/end", {"person": _person(all_of_them, name)}).status_code == 404
        assert jan.post("/admin/people/end", {"person": _person(page, "jan.hasselt")}).headers["location"] == "/login"
        assert jan.get("/admin").headers["location"] == "/login"


def _person(page: str, name: str) -> str:
    """Give what a page sends to log somebody out."""
    row = page.partition(f'role="rowheader">{name}')[2]
    return row.partition('name="person" value="')[2].partition('"')[0]


def test_a_key_that_was_made_is_no_change_of_terms(scene: Scene) -> None:
    """The terms of a library are noted when they change, and not again for every key."""
    dora = proved(scene)
    scene.app.notary.begin(["hasselt"])
    before = scene.app.access_log.count("hasselt")
    dora.post("/admin/keys", FORM)
    scene.app.notary.begin(["hasselt"])
    lines = [decode(data) for _, data in scene.app.access_log.entries("hasselt", since=before)]
    assert [line["kind"] for line in lines if "terms" in line] == []
