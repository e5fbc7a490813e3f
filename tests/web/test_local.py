"""The trial: coming in without proof, on one machine, to invented people, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rrsync.app.services import open_services
from rrsync.app.web_services import web_services
from rrsync.config.settings import Settings
from rrsync.core.roles import Role, are_apart
from rrsync.errors import ConfigError
from rrsync.web.app import create_app
from rrsync.web.login import trial_staff
from tests.support import Clock
from tests.web.provider import Op
from tests.web.scene import HERE, Scene, opened

Make = Callable[[str], Settings]


def test_somebody_comes_in_as_an_invented_person(trial: Scene) -> None:
    """With one choice; every page says that it is a trial, and that nobody is real."""
    browser = trial.browser()
    page = browser.get("/login")
    assert "Proefopstelling" in page.text
    assert 'value="an.peeters@hasselt"' in page.text
    assert browser.post("/login/local", {"who": "an.peeters@hasselt"}).headers["location"] == "/"
    home = browser.get(browser.get("/").headers["location"])
    assert "Proefopstelling" in home.text
    assert "an.peeters" in home.text
    assert "Proefopstelling" in browser.get("/nothing").text
    visit = trial.app.sessions.find(browser.cookie("rrs"))
    assert visit is not None
    assert (visit.staff.library, visit.staff.roles) == ("hasselt", frozenset({Role.DESK}))
    assert browser.post("/logout").headers["location"] == "/login/left"
    assert browser.get("/").headers["location"] == "/login"


def test_the_invented_people_keep_to_the_rules(trial: Scene) -> None:
    """Some for each library, some for all; nobody who must be two."""
    found = trial_staff(trial.made.state.context)
    assert {staff.library for staff in found.values()} == {"hasselt", "genk", None}
    assert all(are_apart(staff.roles) for staff in found.values())
    assert {role for staff in found.values() for role in staff.roles} == set(Role)


@pytest.mark.parametrize("who", ["", "nobody", "an.peeters", "an.peeters@nowhere", "admin"])
def test_nobody_else_comes_in(trial: Scene, who: str) -> None:
    """Only whom the page shows."""
    browser = trial.browser()
    browser.get("/login")
    assert browser.post("/login/local", {"who": who}).status_code in {400, 404}
    assert not browser.cookie("rrs")


def test_a_token_is_needed_here_too(trial: Scene) -> None:
    """Another site's page logs nobody in."""
    browser = trial.browser()
    browser.get("/login")
    said = {"who": "an.peeters@hasselt"}
    assert browser.post("/login/local", said | {"token": "x"}).status_code == 403
    assert browser.post("/login/local", said, **{"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert trial.browser().post("/login/local", said).status_code == 403


def test_a_session_before_is_over(trial: Scene) -> None:
    """Who comes in as another is no more who they were."""
    browser = trial.browser()
    browser.get("/login")
    browser.post("/login/local", {"who": "an.peeters@hasselt"})
    before = browser.cookie("rrs")
    browser.get(browser.get("/").headers["location"])
    browser.post("/login/local", {"who": "cis.maes@hasselt"})
    assert trial.app.sessions.find(before) is None
    assert trial.app.sessions.find(browser.cookie("rrs")) is not None


@pytest.mark.parametrize("client", ["192.0.2.7", "10.0.0.1", "2001:db8::1", "testclient", ""])
def test_another_machine_has_no_trial(trial: Scene, client: str) -> None:
    """Though it says the right host: neither on the page nor past it."""
    browser = trial.browser(client=(client, 50_000))
    page = browser.get("/login")
    assert "an.peeters" not in page.text
    assert browser.post("/login/local", {"who": "an.peeters@hasselt"}).status_code == 404
    assert not browser.cookie("rrs")


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP", "X-Forwarded-Host"])
def test_through_a_proxy_there_is_no_trial(trial: Scene, header: str) -> None:
    """Who asks may be anywhere."""
    browser = trial.browser()
    browser.get("/login")
    answer = browser.post("/login/local", {"who": "an.peeters@hasselt"}, **{header: "127.0.0.1"})
    assert answer.status_code == 404


def test_with_a_provider_there_is_no_trial(scene: Scene) -> None:
    """Its page is the only way in."""
    browser = scene.browser()
    assert "an.peeters" not in browser.get("/login").text
    assert browser.post("/login/local", {"who": "an.peeters@hasselt"}).status_code == 404
    assert "Proefopstelling" not in browser.get("/login").text


def test_without_a_provider_there_is_no_way_through_it(trial: Scene) -> None:
    """Neither out nor back, and nobody ends sessions from outside."""
    browser = trial.browser()
    for path in ("/login/start", "/login/again", "/login/back?state=x&code=y"):
        assert browser.get(path).status_code == 404
    assert browser.post("/login/ended", {"logout_token": "x"}).status_code == 404


@pytest.mark.parametrize(
    "text",
    [
        '[registry]\nenvironment = "acceptance"',
        '[registry]\nenvironment = "production"',
        '[web]\npublic_url = "https://rrsync.example"',
        '[web]\nhost = "0.0.0.0"\npublic_url = "https://rrsync.example"',
    ],
)
def test_elsewhere_the_pages_do_not_start_without_a_provider(make: Make, clock: Clock, text: str) -> None:
    """Outside the simulator, or where others can reach them."""
    settings = make('[web]\n[registry]\nenvironment = "simulator"')
    changed = make(text) if "registry" not in text else _in(settings, text)
    with (
        open_services(changed) as app,
        pytest.raises(ConfigError, match=r"Nobody could come in.*\[web\.oidc\]"),
    ):
        create_app(web_services(app))
    with opened(settings, clock) as scene:
        assert scene.origin == HERE


def _in(settings: Settings, text: str) -> Settings:
    environment = text.split('"')[1]
    registry = settings.registry.model_copy(update={"environment": environment})
    return settings.model_copy(update={"registry": registry})


def test_a_provider_without_our_secret_does_not_start(
    guarded: Settings, clock: Clock, op: Op, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would refuse every login."""
    monkeypatch.delenv("RRSYNC_OIDC_SECRET")
    with pytest.raises(ConfigError, match="RRSYNC_OIDC_SECRET"), opened(guarded, clock, op):
        pass
