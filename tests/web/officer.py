"""What the tests of the officer's pages start from: a town that lived for a month, and its officers."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from lxml import html

from rrsync.config.load import load
from rrsync.simulator.citizens import Citizen, Situation
from tests.support import Clock
from tests.web.provider import SECRET, person, running
from tests.web.scene import Browser, Scene, opened
from tests.web.town import MORNING, Town, town

#: The officer of all libraries, and those of one.
HOUSE: Final = "els.smets"
HASSELT: Final = "dpo.hasselt"
GENK: Final = "dpo.genk"


@dataclass
class Office:
    """The pages on the town, and the folder it lives in."""

    town: Town
    scene: Scene
    folder: Path

    def citizen(self) -> Citizen:
        """Give a member of both libraries, whom staff of Hasselt asked about."""
        number = self.town.who(Situation.SETTLED)[0]
        return self.town.world.citizen(int(number[1:]) - 1)

    def settled(self) -> str:
        """Give that member's national number."""
        return self.citizen().insz.digits

    def log(self, library: str = "hasselt") -> list[dict[str, Any]]:
        """Give a whole log."""
        return [orjson.loads(data) for _, data in self.scene.app.access_log.entries(library)]

    def inside(self, who: str = HOUSE) -> Browser:
        """Give the browser of an officer who proved just now who they are."""
        return self.scene.inside(who)


@contextmanager
def office(folder: Path, migrated: Path) -> Iterator[Office]:
    """Give the pages on a town of their own."""

    def prepare(there: Path) -> str:
        (there / "rrsync.db").write_bytes(migrated.read_bytes())
        return ""

    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("RRSYNC_")]:
            patch.delenv(name)
        patch.setenv("RRSYNC_OIDC_SECRET", SECRET)
        clock = Clock(MORNING)
        with (
            running(clock) as op,
            town(folder, clock=clock, prepare=prepare, issuer=op.url) as made,
            opened(made.settings, clock, op) as scene,
        ):
            op.people[HASSELT] = person(HASSELT, "RRSync-DPO:OVO000001")
            yield Office(made, scene, folder)


@contextmanager
def afresh(made: Office, folder: Path) -> Iterator[Office]:
    """Give the pages on a copy of a town, as it was in the morning."""
    made.town.clock.now = MORNING
    there = shutil.copytree(made.folder, folder / "town")
    with opened(load(there / "rrsync.toml"), made.town.clock, made.scene.op) as scene:
        yield Office(made.town, scene, there)


def told(text: str) -> str:
    """Give the words of a page, with single blanks."""
    page: Any = html.fromstring(text)
    return " ".join(page.text_content().split())


def ticket(text: str) -> str:
    """Give the ticket that a page holds."""
    page: Any = html.fromstring(text)
    return str(page.xpath("//input[@name='ticket']/@value")[0])
