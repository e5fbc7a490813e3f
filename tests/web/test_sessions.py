"""One's own sessions: seen, and ended from another (ASVS 5.0, 7.5.2)."""

from __future__ import annotations

import re
from typing import Final

from tests.support import Clock
from tests.web.scene import Browser, Scene

_WHICH: Final = re.compile(r'name="which" value="([^"]*)"')
_OUT: Final = "/login"


def which(browser: Browser) -> list[str]:
    """Give what the page sends to end each session, and all of them."""
    return _WHICH.findall(browser.get("/sessions").text)


def proved(scene: Scene) -> Browser:
    """Give a browser of somebody who proved just now who they are."""
    browser = scene.inside()
    scene.log_in(browser, path="/login/again")
    browser.get("/sessions")
    return browser


def is_in(browser: Browser) -> bool:
    """Whether a browser's session goes on."""
    return browser.get("/").headers.get("location") != _OUT


def test_one_sees_where_else_one_is_logged_in(scene: Scene, clock: Clock) -> None:
    """Since when, and last used when; nobody else's, and none that ended by itself."""
    left = scene.inside()
    clock.pass_by(minutes=20)
    other = scene.inside()
    clock.pass_by(minutes=7)
    here = scene.inside()
    scene.inside("bo.claes")
    page = here.get("/sessions").text
    assert page.count('role="rowheader"') == 2
    assert page.count("deze sessie") == 1
    assert "7 minuten geleden" in page
    assert len(which(here)) == 1
    assert is_in(other)
    assert not is_in(left)


def test_one_is_ended(scene: Scene, clock: Clock) -> None:
    """That one at once, and no other; a second time there is nothing to end."""
    other = scene.inside()
    here = proved(scene)
    clock.pass_by(seconds=1)
    third = scene.inside()
    seen = which(here)
    assert len(seen) == 3
    assert seen[-1] == "others"
    assert here.post("/sessions/end", {"which": seen[0]}).headers["location"] == "/sessions"
    assert "Beëindigd." in here.get("/sessions").text
    assert [is_in(each) for each in (here, other, third)] == [True, True, False]  # the newest stands first
    here.post("/sessions/end", {"which": seen[0]})
    assert "was er al niet meer" in here.get("/sessions").text
    assert [is_in(each) for each in (here, other)] == [True, True]


def test_all_others_are_ended(scene: Scene) -> None:
    """But the one that asks; and then there is nothing more to do."""
    others = [scene.inside() for _ in range(3)]
    here = proved(scene)
    bo = scene.inside("bo.claes")
    here.post("/sessions/end", {"which": "others"})
    assert [is_in(each) for each in (here, bo, *others)] == [True, True, False, False, False]
    assert "nergens anders aangemeld" in here.get("/sessions").text
    assert which(here) == []


def test_nobody_ends_what_is_not_theirs(scene: Scene) -> None:
    """Nor their own session here, nor by what is no name of one."""
    bo, second = scene.inside("bo.claes"), scene.inside("bo.claes")
    (theirs,) = which(bo)
    other = scene.inside()
    an = proved(scene)
    (own,) = which(other)
    for sent in (theirs, own, "x", "é" * 64):
        an.post("/sessions/end", {"which": sent})
        assert "was er al niet meer" in an.get("/sessions").text
    assert all(is_in(each) for each in (bo, second, an, other))


def test_who_proved_it_long_ago_proves_it_again(scene: Scene, clock: Clock) -> None:
    """Whoever sits down at an open screen throws nobody out."""
    here, other = scene.inside(), scene.inside()
    (seen,) = which(here)
    clock.pass_by(minutes=11)
    assert is_in(other)
    refused = here.post("/sessions/end", {"which": seen})
    assert refused.status_code == 403
    assert "opnieuw" in refused.text
    assert is_in(other)
    scene.log_in(here, path="/login/again")
    here.get("/sessions")
    here.post("/sessions/end", {"which": seen})
    assert not is_in(other)
