"""A town whose logs are watched: its pages for officers of one library or of all, and what an owner of it could do."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2 as httpx
import pytest
from lxml import html

from rrsync.app.services import open_services
from rrsync.app.web_services import WebServices, web_services
from rrsync.config.load import load
from rrsync.config.settings import Settings
from rrsync.core.log_entry import Access, Actor, ActorKind, decode
from rrsync.core.roles import Role, Staff
from rrsync.simulator.citizens import Situation
from rrsync.store.log_search import AccessFilter
from rrsync.web.app import create_app
from tests.support import Clock
from tests.web.provider import SECRET
from tests.web.scene import SESSION, Browser, Scene
from tests.web.town import MORNING, Town, town

JAN: Final = Actor(ActorKind.PERSON, "jan.baert")
_SPACE: Final = re.compile(r"\s+")


@dataclass
class Watch:
    """The pages, and what stands in the logs behind them."""

    scene: Scene
    town: Town
    folder: Path

    @property
    def app(self) -> WebServices:
        """The rooms."""
        return self.scene.app

    def officer(self, library: str | None = "hasselt", name: str = "els.smets", role: Role = Role.DPO) -> Browser:
        """Give a browser of somebody who just logged in, on a page with a form; nothing was looked at."""
        browser, sessions = self.scene.browser(), self.scene.app.sessions
        staff = Staff(name, library, frozenset({role}))
        browser.client.cookies.set(SESSION, sessions.start(staff, person=name, proved_at=self.scene.clock()))
        assert browser.get("/log").status_code == (200 if role is Role.DPO else 403)
        return browser

    def accesses(self, library: str = "hasselt", **wanted: Any) -> list[Access]:
        """Give the looks in a log, by whoever made them."""
        return list(self.app.log_search.accesses(AccessFilter(library, **wanted)))

    def sizes(self) -> dict[str, int]:
        """Give how many entries each log has."""
        return {head.library: head.size for head in self.app.access_log.heads()}

    def last(self, library: str = "hasselt") -> Any:
        """Give the last entry of a log."""
        size = self.app.access_log.head(library).size
        ((_, data),) = self.app.access_log.entries(library, since=size - 1)
        return decode(data)

    def number(self) -> str:
        """Give a member of Hasselt of whom nothing is to be said."""
        return self.town.who(Situation.SETTLED)[0]

    def look(self, number: str, *, case: str = "brief-1", purpose: str = "desk", actor: Actor = JAN) -> None:
        """Ask the register about a member of Hasselt, as the desk does."""
        self.app.desk().refresh("hasselt", number, actor=actor, purpose=purpose, case=case, preview=False)

    def tamper(self, statement: str) -> None:
        """Run SQL as somebody who owns the database, past the triggers that guard the log."""
        connection = sqlite3.connect(self.folder / "rrsync.db")
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        assert connection.execute(statement).rowcount == 1
        connection.commit()
        connection.close()


Open = Callable[..., Watch]


def read(response: httpx.Response) -> Any:
    """Give a page to search in."""
    return html.fromstring(response.text)


def words(response: httpx.Response) -> str:
    """Give what a page's content says, on one line."""
    (main,) = read(response).xpath("//main")
    return _SPACE.sub(" ", main.text_content()).strip()


@pytest.fixture(scope="session")
def kept_town(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> Iterator[tuple[Town, Path]]:
    """Give a town at work, and its folder, to be copied; its register answers as long as the tests run."""
    folder = tmp_path_factory.mktemp("watched")

    def prepare(there: Path) -> str:
        shutil.copy(migrated_file, there / "rrsync.db")
        return ""

    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("RRSYNC_")]:
            patch.delenv(name)
        with town(folder, clock=Clock(MORNING), prepare=prepare, issuer="https://op.example") as made:
            yield made, folder


@contextmanager
def _pages(settings: Settings, made: Town) -> Iterator[Scene]:
    """Give the pages as a process of their own has them: with dice that no other shares."""
    with open_services(settings, made.runtime()) as opened:
        services = web_services(opened)
        scene = Scene(services, create_app(services), made.clock, None, settings.web.origin)
        try:
            yield scene
        finally:
            for browser in scene.browsers:
                browser.close()


@pytest.fixture
def watching(kept_town: tuple[Town, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Give what opens the pages on a copy of the town, with more settings; called again, as another process."""
    made, kept = kept_town
    monkeypatch.setenv("RRSYNC_OIDC_SECRET", SECRET)
    folder = tmp_path / "town"
    shutil.copytree(kept, folder)
    with ExitStack() as stack:

        def start(more: str = "") -> Watch:
            path = folder / "rrsync.toml"
            if more:
                path.write_text(path.read_text(encoding="utf-8") + more, encoding="utf-8")
            settings, clock = load(path), Clock(MORNING)
            mine = Town(settings, made.world, clock, made.register, made.nights)
            return Watch(stack.enter_context(_pages(settings, mine)), mine, folder)

        yield start


@pytest.fixture
def watch(watching: Open) -> Watch:
    """Give the pages on a copy of the town."""
    return watching()
